// What the widget asks of the browser: storage, network, locks, other tabs, and `Intl`.
// Bundled into the glue, so that it costs no round trip. Every call can fail and is awaited.

const PREFIX = "jalon:";
/** The style sheet, put here when the widget is packaged. */
const CSS = "__JALON_CSS__";
/** What this page has read and written: where the database vanishes under it, it comes back from here. */
const mirror = new Map();
/** Keys that every storage refused: their last word is the mirror's. */
const homeless = new Set();
/** Writes that haven't begun, by key: what is written again meanwhile is written once. */
const waiting = new Map();
let writing = Promise.resolve();
let database;
let lost = false;
let hangs = false;

/** The database. Rejects where the browser refuses it (private windows, blocked storage). */
function open() {
  return (database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("jalon", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("kv");
      lost = true;
    };
    request.onsuccess = () => {
      const db = request.result;
      // Somebody deletes it, or the browser took it away: what is asked next opens it anew.
      db.onversionchange = db.onclose = () => {
        db.close();
        lost = true;
        database = undefined;
      };
      if (lost) restore(db);
      lost = false;
      resolve(db);
    };
    request.onerror = request.onblocked = () => reject(request.error);
  }).catch((error) => {
    database = undefined;
    throw error;
  }));
}

/** Puts back what this page knows and a new database doesn't. */
function restore(db) {
  if (!mirror.size) return;
  const kv = db.transaction("kv", "readwrite").objectStore("kv");
  for (const [key, value] of mirror) {
    // Another tab may have been first.
    kv.add(value, key).onerror = (event) => (event.preventDefault(), event.stopPropagation());
  }
}

/** Runs one request in one transaction; resolves when the transaction is on the disk. */
async function store(mode, ask, again = true) {
  if (hangs) throw new Error("the database hangs");
  let late;
  try {
    return await Promise.race([
      open().then((db) => new Promise((resolve, reject) => {
        const transaction = db.transaction("kv", mode, { durability: mode === "readwrite" ? "strict" : "default" });
        const request = ask(transaction.objectStore("kv"));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
      })),
      new Promise((_, reject) => (late = setTimeout(() => reject((hangs = true)), 10000))),
    ]);
  } catch (error) {
    // Closed between opening and asking.
    if (!again || error?.name !== "InvalidStateError") throw error;
    lost = true;
    database = undefined;
    return await store(mode, ask, false);
  } finally {
    clearTimeout(late);
  }
}

function local(ask) {
  try {
    return ask(localStorage);
  } catch {
    return undefined;
  }
}

/** A stored value, wherever it had to go; nothing when there is none. */
export async function get(key) {
  const known = mirror.get(key);
  if (waiting.has(key) || homeless.has(key)) return known;
  // It lies here only when the database refused it, so it is newer than what lies there.
  let value = local((storage) => JSON.parse(storage.getItem(PREFIX + key))) ?? undefined;
  if (value === undefined) {
    try {
      value = await store("readonly", (kv) => kv.get(key));
    } catch {
      return mirror.get(key);
    }
  }
  if (mirror.get(key) === known) {
    if (value === undefined) mirror.delete(key);
    else mirror.set(key, value);
  }
  return value;
}

/** Stores a value as durably as the browser allows; says whether it outlives the page. */
export function set(key, value) {
  if (value === undefined) mirror.delete(key);
  else mirror.set(key, value);
  let turn = waiting.get(key);
  if (!turn) {
    turn = writing = writing.then(() => {
      waiting.delete(key);
      return write(key, mirror.get(key));
    });
    waiting.set(key, turn);
  }
  return turn;
}

async function write(key, value) {
  const name = PREFIX + key;
  const gone = value === undefined;
  try {
    await store("readwrite", (kv) => (gone ? kv.delete(key) : kv.put(value, key)));
    local((storage) => storage.removeItem(name));
    homeless.delete(key);
    return true;
  } catch { /* the next one */ }
  local((storage) => storage.removeItem(name));
  if (!gone && local((storage) => (storage.setItem(name, JSON.stringify(value)), true))) {
    homeless.delete(key);
    return true;
  }
  homeless.add(key);
  return false;
}

/** Forgets a key everywhere. */
export const del = (key) => set(key);

/** All keys that begin so, sorted. */
export async function keys(prefix) {
  const found = new Set();
  local((storage) => {
    for (let n = 0; n < storage.length; n += 1) {
      const key = storage.key(n);
      if (key.startsWith(PREFIX)) found.add(key.slice(PREFIX.length));
    }
  });
  let all = [...homeless, ...waiting.keys()];
  try {
    for (const key of await store("readonly", (kv) => kv.getAllKeys(IDBKeyRange.bound(prefix, prefix + "\uffff")))) found.add(key);
  } catch {
    all = mirror.keys();
  }
  for (const key of all) found.add(key);
  const forgotten = (key) => (waiting.has(key) || homeless.has(key)) && !mirror.has(key);
  return [...found].filter((key) => key.startsWith(prefix) && !forgotten(key)).sort();
}

// What ends when this instance does: listeners, and locks that nobody would let go of any more.
const ends = new Set();
let abandoned = false;
/** Lets go of everything: the instance has panicked, and another one takes over. */
export function abandon() {
  abandoned = true;
  ends.forEach((end) => end());
}

const turns = {};
/** Resolves, once no other tab (or, without Web Locks, no other widget of this page) holds the name, with how to let go of it. */
export function acquire(name) {
  return new Promise((resolve, reject) => {
    // What is left of an abandoned instance may still run: it gets no lock any more.
    const hold = () => !abandoned && new Promise((free) => {
      const release = () => (ends.delete(release), free());
      ends.add(release);
      resolve(release);
    });
    if (navigator.locks) navigator.locks.request(PREFIX + name, hold).catch(reject);
    else turns[name] = (turns[name] ?? Promise.resolve()).then(hold);
  });
}

let last = 0;
/** A UUIDv7: sorts as it was made, also within a millisecond. */
export function uuid() {
  last = Math.max(Date.now(), last + 1);
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  bytes[0] = (bytes[0] & 15) | 112;
  bytes[2] = (bytes[2] & 63) | 128;
  const hex = last.toString(16).padStart(12, "0") + [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

let ahead = 0;
/** Milliseconds since 1970. A device's clock that is off is set right by what the server says. */
export const now = () => Date.now() + ahead;

/** Whether the browser has a network at all. */
export const online = () => navigator.onLine;

/** One request; [status, what its JSON says, seconds to wait]. Rejects when the network does. */
export async function http(method, url, token, lang, key, body) {
  // Without a language of the page the site's own is wanted, not the browser's.
  const headers = { Accept: "application/json", "Accept-Language": lang || "*" };
  if (token) headers.Authorization = "Bearer " + token;
  if (key) headers["Idempotency-Key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  const stop = new AbortController();
  const late = setTimeout(() => stop.abort(), 20000);
  const asked = Date.now();
  try {
    const answer = await fetch(url, {
      method, headers, body: body && JSON.stringify(body), signal: stop.signal,
      credentials: "omit", referrerPolicy: "strict-origin-when-cross-origin", keepalive: method === "PATCH",
    });
    const said = Date.parse(answer.headers.get("Date"));
    // What a cache answers is of another time.
    if (said && (key || url.includes("enrollments/"))) {
      // Between question and answer the server's clock showed that second. What we have stands while it fits, so
      // that a slow answer doesn't set us back; else rather late than early: what is tried too early is refused.
      const least = said - Date.now();
      if (ahead < least || ahead > said + 999 - asked) ahead = least;
    }
    return [answer.status, await answer.json().catch(() => undefined), Number(answer.headers.get("Retry-After")) || 0];
  } finally {
    clearTimeout(late);
  }
}

/** Dispatches `jalon:<name>`; false when the page cancelled it. */
export function emit(element, name, detail) {
  return element.dispatchEvent(new CustomEvent("jalon:" + name, {
    bubbles: true, composed: true, cancelable: name === "login-requested" || name === "course-chosen", detail,
  }));
}

/** Who a member's token names; the server checks it, this only tells accounts apart. */
export function subject(token) {
  try {
    const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0)))).sub || "";
  } catch {
    return "";
  }
}

/** Says something in the live region; the same words again are heard again. */
export function say(element, text) {
  element.textContent = element.textContent === text ? text + "\u00a0" : text;
}

/** Moves the focus to the element of this id, without scrolling the page under the reader's hand. */
export function focus(root, id, scroll) {
  const shadow = root.getRootNode();
  const element = shadow.querySelector(`[id="${id}"]`);
  const active = shadow.host.getRootNode().activeElement;
  // Who is at work elsewhere in the page is left there.
  if (!element || (active && active !== document.body && active !== shadow.host)) return;
  element.focus({ preventScroll: true });
  if (scroll && element.getBoundingClientRect().top < 0) element.scrollIntoView({ block: "start" });
}

/** A number as people write it: with a comma or a point, European or Arabic digits; NaN when it is none. */
export function amount(text) {
  const plain = text.replace(/[\s\u200e\u200f]/g, "").replace(/[,\u066b]/, ".").replace(/[\u2212\u2013]/, "-")
    .replace(/[\u0660-\u0669]/g, (digit) => String(digit.charCodeAt(0) - 0x660));
  return plain ? Number(plain) : NaN;
}

/** The words of sanitised HTML, for places that show no markup. */
export function plain(html) {
  return new DOMParser().parseFromString(html, "text/html").body.textContent.trim();
}

/** Puts the widget's style sheet and the site's look on the shadow root; constructed, so that a strict style-src holds. */
export function dress(box, accent, accentDark, radius, font) {
  const root = box.getRootNode();
  let sheet;
  try {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
    root.adoptedStyleSheets = [root.adoptedStyleSheets[0], sheet];
  } catch {
    const style = root.querySelector("style.look") ?? root.appendChild(document.createElement("style"));
    style.className = "look";
    style.textContent = CSS;
    sheet = style.sheet;
  }
  const own = { "--look-accent": accent, "--look-accent-dark": accentDark, "--look-radius": radius != null && radius / 100 + "em", "--look-font": font };
  for (const [name, value] of Object.entries(own)) {
    // Set as a property, never pasted as text: a look can't carry rules of its own.
    if (value) sheet.cssRules[0].style.setProperty(name, value);
  }
}

const kinds = {
  plural: (lang, n) => new Intl.PluralRules(lang).select(n),
  number: (lang, n) => new Intl.NumberFormat(lang, { maximumFractionDigits: 6 }).format(n),
  percent: (lang, n) => new Intl.NumberFormat(lang, { style: "percent", maximumFractionDigits: 2 }).format(n / 10000),
  language: (lang, tag) => new Intl.DisplayNames(lang, { type: "language" }).of(tag),
  day: (lang, at) => new Intl.DateTimeFormat(lang, { dateStyle: "long" }).format(at),
  moment: (lang, at) => new Intl.DateTimeFormat(lang, { dateStyle: "long", timeStyle: "short" }).format(at),
};
/** What `Intl` says in a language; in English where the browser doesn't know it. */
export function intl(kind, lang, value) {
  try {
    return kinds[kind](lang, value);
  } catch {
    return kinds[kind]("en", value);
  }
}

/** Whether a click is one of its own; the second half of a double click would hit what has taken its place. */
export function deliberate(event) {
  if (event.detail < 2) return true;
  event.preventDefault();
  return false;
}

/** What the control of an event holds, and where its player stands. */
export const value = (event) => event.target.value;
export const index = (event) => event.target.selectedIndex;
export const position = (event) => Math.floor(event.target.currentTime);
export const seek = (event, seconds) => (event.target.currentTime = seconds);

/** The page's origin. */
export const origin = () => location.origin;
/** Leaves for another page. */
export const visit = (address) => (location.href = address);

const hearers = new Set();
// One channel a page: a channel doesn't hear itself.
let channel;
try {
  channel = new BroadcastChannel("jalon");
} catch { /* a tab of its own, then */ }
channel?.addEventListener("message", ({ data }) => hearers.forEach((hear) => hear("tab " + data)));

/** Hears other tabs, the network coming and going, and the page being hidden; answers how to stop. */
export function listen(hear) {
  const on = [];
  const add = (target, kind, say) => {
    target.addEventListener(kind, say);
    on.push(() => target.removeEventListener(kind, say));
  };
  add(window, "online", () => hear("online"));
  add(window, "offline", () => hear("offline"));
  add(document, "visibilitychange", () => hear(document.hidden ? "hidden" : "visible"));
  add(window, "pagehide", () => hear("hidden"));
  const clock = setInterval(() => hear(document.hidden ? "tock" : "tick"), 1000);
  on.push(() => clearInterval(clock));
  hearers.add(hear);
  on.push(() => hearers.delete(hear));
  const stop = () => (ends.delete(stop), on.forEach((off) => off()));
  ends.add(stop);
  return stop;
}

/** Tells the other tabs, and the other widgets of this page, but not the one whose ear this is. */
export function tell(what, own) {
  channel?.postMessage(what);
  hearers.forEach((hear) => hear !== own && hear("tab " + what));
}

let blocked = false;
document.addEventListener("securitypolicyviolation", (event) => {
  if (event.effectiveDirective === "connect-src") blocked = true;
});
/** Why nothing can be read: `offline`, `csp`, `origin` (the server is there but grants this page nothing) or `unreachable`. */
export async function diagnose(base) {
  // A violation is told in a task of its own, after the fetch has failed.
  await new Promise((later) => setTimeout(later, 50));
  if (!navigator.onLine) return "offline";
  if (blocked) return "csp";
  try {
    await fetch(base + "/healthz", { mode: "no-cors", credentials: "omit", cache: "no-store" });
    return "origin";
  } catch {
    return blocked ? "csp" : "unreachable";
  }
}

/** One word on an enrollment after another: an answer to a change holds the items of one lesson only. */
export const join = (before, after) => {
  if (!after.items || before?.id !== after.id) return after;
  if (before.version > after.version) return before;
  const known = before.items.filter((old) => !after.items.some((item) => item.item_id === old.item_id));
  return { ...before, ...after, items: [...known, ...after.items] };
};

const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
/** Whether a text holds all of these words, whatever their letters' case and accents. */
export const holds = (text, words) => folded(words).split(/\s+/).every((word) => folded(text).includes(word));
