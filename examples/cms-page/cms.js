// The federation's own page: its login, its language switch, and a window into its coaching system.
// All that it says to the widget is `identify`, an attribute, and one event it listens to.

'use strict';

const byId = (id) => document.getElementById(id);
const widgets = () => document.querySelectorAll('jalon-track');

// --- language ------------------------------------------------------------------------------------

let words = window.pageTexts.fr;

/** The page knows a few languages; the track is asked for any, and marks what it has to fall back on. */
function speak(lang) {
  for (const widget of widgets()) widget.setAttribute('lang', lang);
  const texts = window.pageTexts[lang];
  if (!texts) return;
  words = texts;
  document.documentElement.lang = lang;
  document.title = texts.pageTitle;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = texts[element.dataset.text];
  for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', texts[element.dataset.label]);
  for (const element of document.querySelectorAll('[data-placeholder]')) element.placeholder = texts[element.dataset.placeholder];
  say('');
  showMember();
  showWebhooks();
}

// --- login ---------------------------------------------------------------------------------------

// The CMS would remember its member in a session; this page does in the tab.
const SESSION = 'cms-member';
let member = null;

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(SESSION));
  } catch {
    return null;
  }
}

function remember(value) {
  member = value;
  try {
    if (value) sessionStorage.setItem(SESSION, JSON.stringify(value));
    else sessionStorage.removeItem(SESSION);
  } catch {
    // A browser that keeps nothing forgets the login at the next page: no harm.
  }
}

/** Tells every track on the page who is there. The element may still be on its way. */
async function identify(token) {
  await customElements.whenDefined('jalon-track');
  for (const widget of widgets()) widget.identify(token);
}

/** The federation's login signs a short-lived token that says who this is. */
async function signIn({ user, name }) {
  const response = await fetch('/cms/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user, name }),
  });
  if (!response.ok) throw new Error(`login answered ${response.status}`);
  const { token } = await response.json();
  remember({ user, name });
  await identify(token);
}

function showMember() {
  byId('login').hidden = Boolean(member);
  byId('signed').hidden = !member;
  byId('signed-name').textContent = member?.name ?? '';
  byId('avatar').textContent = member?.name.slice(0, 1) ?? '';
}

const say = (text) => { byId('member-status').textContent = text; };

byId('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = byId('login-button');
  const choice = byId('member').selectedOptions[0];
  button.disabled = true;
  try {
    await signIn({ user: choice.value, name: choice.textContent });
    showMember();
    byId('logout-button').focus({ preventScroll: true });
    say(words.signedIn(member.name));
  } catch {
    say(words.loginFailed);
  } finally {
    button.disabled = false;
  }
});

byId('logout-button').addEventListener('click', () => {
  remember(null);
  identify(null);
  showMember();
  byId('login-button').focus({ preventScroll: true });
  say(words.signedOut);
});

// The widget offers to save progress by logging in; this page has a login of its own to show.
document.addEventListener('jalon:login-requested', (event) => {
  event.preventDefault();
  byId('member').scrollIntoView({ block: 'center' });
  byId('member').focus({ preventScroll: true });
  say(words.loginAsked);
});

// --- what the coaching system heard --------------------------------------------------------------

const EVERY_MS = 1500;
let heard = [];
let shownIn = null;

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function facts(data) {
  const lang = document.documentElement.lang;
  const number = new Intl.NumberFormat(lang, { maximumFractionDigits: 2 });
  const rows = [[words.score, data.score == null ? words.noScore : `${number.format(data.score)} %`]];
  if (data.steps_total != null) rows.push([words.steps, words.stepsOf(data.steps_completed, data.steps_total)]);
  if (data.time_spent_seconds != null) rows.push([words.time, `${number.format(Math.ceil(data.time_spent_seconds / 60))} ${words.minutes}`]);
  if (data.completed_at) rows.push([words.at, new Date(data.completed_at).toLocaleString(lang, { dateStyle: 'medium', timeStyle: 'short' })]);
  if (data.lang) rows.push([words.lang, data.lang]);
  if (data.merged_from_guest) rows.push([words.merged, words.mergedYes]);
  return rows;
}

/** One webhook, readably. Everything goes in as text: what comes over a wire is no markup. */
function showWebhook({ id, type, data, verified }) {
  const names = Object.fromEntries([...byId('member').options].map((option) => [option.value, option.textContent]));
  const who = data?.user_id ? `${names[data.user_id] ?? ''} (${data.user_id})`.trim() : words.guest;
  const item = element('li', 'f-event');
  item.dataset.webhookId = id;
  item.append(element('p', 'f-event-title', data?.track || data?.course ? words.finished(who, (data.track ?? data.course).slug) : words.other(who)));
  const list = element('dl', 'f-event-facts');
  for (const [term, fact] of facts(data ?? {})) list.append(element('dt', 'f-event-term', term), element('dd', 'f-event-fact', fact));
  item.append(list);
  if (verified) item.append(element('p', 'f-event-badge', `✓ ${words.verified}`));
  item.append(element('p', 'f-event-type', type));
  return item;
}

/** Only what is new is added, on top, so that a screen reader hears the news and not the whole list. */
function showWebhooks() {
  const lang = document.documentElement.lang;
  if (lang !== shownIn) byId('webhooks').replaceChildren();
  shownIn = lang;
  const shown = new Set([...byId('webhooks').children].map((item) => item.dataset.webhookId));
  const news = heard.filter(({ id }) => !shown.has(id)).sort((a, b) => a.received_at.localeCompare(b.received_at));
  for (const webhook of news) byId('webhooks').prepend(showWebhook(webhook));
  byId('webhooks-empty').hidden = heard.length > 0;
}

async function listen() {
  if (!document.hidden) {
    try {
      const response = await fetch('/cms/webhooks', { cache: 'no-store', signal: AbortSignal.timeout(10_000) });
      if (!response.ok) throw new Error(`webhooks answered ${response.status}`);
      heard = (await response.json()).items;
      byId('webhooks-status').textContent = '';
      showWebhooks();
    } catch {
      byId('webhooks-status').textContent = words.coachingLost;
    }
  }
  setTimeout(listen, EVERY_MS);
}

// --- begin -----------------------------------------------------------------------------------------

byId('language').addEventListener('change', (event) => speak(event.target.value));
// A browser may bring the form back as it was left: the choice shown is the language spoken.
if (byId('language').value !== document.documentElement.lang) {
  customElements.whenDefined('jalon-track').then(() => speak(byId('language').value));
}

const before = remembered();
if (before) signIn(before).catch(() => remember(null)).finally(showMember);
showMember();
listen();
