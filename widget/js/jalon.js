/**
 * The elements <jalon-track>, <jalon-course>, <jalon-catalog> and <jalon-progress>, as thin as they can be:
 * this finds its own tag, shows a skeleton, fetches the WebAssembly when an element nears the viewport, and
 * hands Yew a <div> in an open shadow root.
 *
 * A classic script, so that one pasted tag is enough. `__JALON_MANIFEST__` is replaced when the widget is
 * packaged: { glue, wasm, glue_integrity, wasm_integrity, i18n: { fr: … } }, names beside this file.
 */
(() => {
  const TAG = "jalon-";
  const KINDS = ["track", "course", "catalog", "progress"];
  const ATTRIBUTES = ["site", "track", "course", "lang", "theme", "loading", "merge", "api"];
  const manifest = __JALON_MANIFEST__;
  const doc = document;

  // Optimisers (Rocket Loader and friends) take `currentScript` away: then any tag that looks like ours.
  const script = doc.currentScript || doc.querySelector('script[src*="/embed/"][src*="jalon"]');
  const home = (script && script.src) || location.href;
  const beside = (name) => new URL(name, home).href;

  const make = (kind, attributes, fallback) => {
    const element = doc.createElement(TAG + kind);
    for (const [name, value] of Object.entries(attributes)) {
      if (value) element.setAttribute(name, value);
    }
    element.append(...fallback);
    return element;
  };
  const data = (set) => Object.fromEntries(ATTRIBUTES.map((name) => [name, set[name]]));

  /** Puts elements where pages hold only a script tag, or a <div> because their CMS strips the rest. */
  const scan = () => {
    for (const tag of doc.querySelectorAll("script[data-site]")) {
      // `data-track` and `data-course` name one; `data-catalog` and `data-progress` are there or not.
      const kind = KINDS.find((kind) => kind in tag.dataset);
      if (tag.jalon || !kind) continue;
      tag.jalon = 1;
      const element = make(kind, data(tag.dataset), []);
      if (tag.closest("head")) doc.body.append(element);
      else tag.after(element);
      // A tag that is shown keeps the place, from before this script was here; now the element does. Set
      // through the object model, which a strict style-src leaves alone.
      const { display, minHeight } = getComputedStyle(tag);
      if (display !== "none") {
        element.style.minHeight = minHeight;
        tag.style.setProperty("display", "none", "important");
      }
    }
    for (const kind of KINDS) {
      for (const box of doc.querySelectorAll(`[data-jalon-${kind}]`)) {
        if (box.jalon) continue;
        box.jalon = 1;
        box.append(make(kind, { ...data(box.dataset), [kind]: box.getAttribute("data-jalon-" + kind) }, box.childNodes));
      }
    }
  };
  const start = () => {
    if (doc.body) scan();
    if (doc.readyState === "loading") doc.addEventListener("DOMContentLoaded", scan);
  };
  // A page may hold this script several times; the first one defines the element.
  if (customElements.get(TAG + KINDS[0])) return start();

  const strings = {};
  /** The words of the interface in the closest language there is; the promise of [language, words]. */
  const words = (wanted) => {
    const tag = String(wanted || "").replace("_", "-").toLowerCase();
    const lang = [tag, tag.split("-")[0], "en"].find((name) => manifest.i18n[name]);
    return (strings[lang] ??= patient(async () => {
      const answer = await fetch(beside(manifest.i18n[lang]), { credentials: "omit" });
      if (!answer.ok) throw "load_failed";
      return [lang, await answer.json()];
    }).catch((error) => {
      console.error("jalon:", error);
      delete strings[lang];
      throw "load_failed";
    }));
  };

  /** A server that is just being restarted is back in a moment: tries three times. */
  const patient = async (attempt) => {
    for (const wait of [1, 4, 0]) {
      try {
        return await attempt();
      } catch (reason) {
        if (!wait || (reason !== "load_failed" && typeof reason === "string")) throw reason;
        await new Promise((later) => setTimeout(later, wait * 1000));
      }
    }
  };

  const live = new Set();
  /** When instances panicked, of late. */
  let panics = [];
  let instances = 0;
  let loading;

  /** The glue and its one instance, shared by all widgets of the page. */
  const load = () => (loading ??= patient(async () => {
    // An empty module: refused by a CSP without 'wasm-unsafe-eval', absent in lockdown modes.
    if (typeof WebAssembly !== "object") throw "wasm_missing";
    try {
      new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    } catch {
      throw "wasm_blocked";
    }
    const glue = beside(manifest.glue);
    const instance = instances++;
    if (!instance) {
      // Fetched beside the WebAssembly, and the only way to give a module import its integrity.
      const link = doc.createElement("link");
      Object.assign(link, { rel: "modulepreload", href: glue, crossOrigin: "anonymous" });
      if (manifest.glue_integrity) link.integrity = manifest.glue_integrity;
      doc.head.append(link);
    }
    const wasm = fetch(beside(manifest.wasm), {
      credentials: "omit",
      ...(manifest.wasm_integrity && { integrity: manifest.wasm_integrity }),
    });
    wasm.catch(() => {});
    let module;
    try {
      // Another address is another instance: after a panic the old one is lost. What failed to load is
      // remembered by its address, too.
      module = await import(glue + (instance ? "?" + instance : ""));
      await module.default({ module_or_path: wasm });
    } catch (error) {
      console.error("jalon:", error);
      throw "load_failed";
    }
    module.start((why) => {
      console.error("jalon:", why);
      setTimeout(rescue);
    });
    return module;
  }).catch((reason) => {
    loading = undefined;
    throw reason;
  }));

  /** With panic=abort nothing of the instance can be trusted: a new one starts from what is stored. */
  const rescue = () => {
    panics = panics.filter((at) => at > Date.now() - 60000).concat(Date.now());
    loading = undefined;
    if (panics.length > 3) return live.forEach((element) => element._fail("crashed"));
    for (const element of live) {
      element._handle = undefined;
      element._mount();
    }
  };

  const near = typeof IntersectionObserver === "function" && new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        near.unobserve(target);
        target._mount();
      }
    }
  }, { rootMargin: "600px" });

  /** Hears when what is shown grows or shrinks, before it is painted. */
  const settled = typeof ResizeObserver === "function" && new ResizeObserver((entries) => {
    for (const { target } of entries) target.getRootNode().host?._settle();
  });

  const SKELETON = ":host{all:initial;display:block}:host([hidden]){display:none}.bone{display:block;border-radius:.5em;margin:0 0 .7em;height:1em;background:#8883;animation:b 1.6s ease-in-out infinite}"
    + ".t{height:1.8em;width:60%}.v{height:9em}.s{width:80%}.vh{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}"
    + ".plea{font:1em/1.5 system-ui,sans-serif;display:block;padding:1em;border:1px solid #8886;border-radius:.6em}@keyframes b{50%{opacity:.45}}@media(prefers-reduced-motion:reduce){.bone{animation:none}}";

  class Jalon extends HTMLElement {
    static observedAttributes = ATTRIBUTES;

    constructor() {
      super();
      this.ready = new Promise((resolve, reject) => Object.assign(this, { _resolve: resolve, _reject: reject }));
      this.ready.catch(() => {}); // a page that doesn't ask isn't told twice: `jalon:error` says it
    }

    connectedCallback() {
      clearTimeout(this._leaving);
      if (this._handle) return this._update();
      if (!this.shadowRoot) this._build();
      live.add(this);
      if (this.getAttribute("loading") === "eager" || !near) this._mount();
      else near.observe(this);
    }

    /** A moved element comes back at once and keeps everything; one that stays away is let go. */
    disconnectedCallback() {
      this._leaving = setTimeout(() => {
        live.delete(this);
        if (near) near.unobserve(this);
        this._handle?.destroy();
        this._handle = this._mounting = undefined;
      }, 2000);
    }

    attributeChangedCallback(name, before, after) {
      if (before !== after) this._update();
    }

    _build() {
      const root = this.attachShadow({ mode: "open" });
      try {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(SKELETON);
        root.adoptedStyleSheets = [sheet];
      } catch {
        root.append(Object.assign(doc.createElement("style"), { textContent: SKELETON }));
      }
      this._frame = root.appendChild(doc.createElement("div"));
      this._root = this._frame.appendChild(doc.createElement("div"));
      this._bones();
      this._recall();
      // Live regions are heard reliably only from the light DOM; the shadow keeps this one out of sight.
      const hidden = root.appendChild(doc.createElement("div"));
      hidden.className = "vh";
      hidden.append(Object.assign(doc.createElement("slot"), { name: "jalon-live" }));
      this._live = doc.createElement("span");
      this._live.slot = "jalon-live";
      this._live.setAttribute("role", "status");
      if (!this.firstElementChild && this._page()) {
        const link = doc.createElement("a");
        link.href = this._page();
        link.textContent = link.href;
        this.append(link);
      }
      this.append(this._live);
      // What is typed here is not for the page's shortcuts.
      for (const kind of ["keydown", "keypress", "keyup"]) {
        root.addEventListener(kind, (event) => event.stopPropagation());
      }
    }

    _bones() {
      this._root.replaceChildren(...["t", "s", "v", "s", ""].map((kind) =>
        Object.assign(doc.createElement("span"), { className: "bone " + kind })));
    }

    /** Puts another node in the place of what is shown. */
    _show(node) {
      if (settled) {
        settled.unobserve(this._root);
        settled.observe(node);
      }
      this._root.replaceWith(node);
      this._root = node;
    }

    /** Where this device remembers how high the track was. */
    _memo() {
      return `jalon-height:${this.getAttribute("site")}/${this._name() || this._kind}`;
    }

    /** As high as when it was last seen, where the page is as wide: what comes then moves nothing below. */
    _recall() {
      try {
        const [width, height] = localStorage.getItem(this._memo()).split(" ");
        if (Math.abs(width - this.offsetWidth) < 9) this._hold(height);
      } catch { /* never seen, or the storage is refused */ }
    }

    /** At least this high until something else is here: what loads doesn't pull the page up first. */
    _hold(height) {
      this._frame.style.minHeight = height + "px";
    }

    _settle() {
      const height = this._root.offsetHeight;
      if (!height || this._root.querySelector("[aria-busy]")) return;
      this._hold(height);
      try {
        // Not how high an error was.
        if (this._root.querySelector(".cols,.cards")) localStorage.setItem(this._memo(), this.offsetWidth + " " + height);
      } catch { /* then the next visit finds it out */ }
    }

    _api() {
      return (this.getAttribute("api") || home.replace(/\/embed\/.*$/, "")).replace(/\/+$/, "");
    }

    /** Which element it is. */
    get _kind() {
      return this.localName.slice(TAG.length);
    }

    /** The track's slug, or the course's name. */
    _name() {
      const slug = this.getAttribute(this._kind) || "";
      return this._kind === "track" ? slug : slug && this._kind === "course" ? "course:" + slug : "";
    }

    /** Where a track can be read without a script. */
    _page() {
      return this._kind === "track"
        && `${this._api()}/t/${encodeURIComponent(this.getAttribute("site"))}/${encodeURIComponent(this._name())}`;
    }

    _config() {
      const lang = this.closest("[lang]:not([lang=''])")?.lang || "";
      return {
        api: this._api(),
        site: this.getAttribute("site") || "",
        track: this._name(),
        element: this._kind,
        lang,
        merge: this.getAttribute("merge") === "auto" ? "auto" : "ask",
        // Once might be chance; twice in a row it may be what was read from the device.
        afresh: panics.length > 1,
      };
    }

    async _mount() {
      if (this._handle || !this.isConnected) return;
      const turn = (this._mounting = {});
      const slow = setTimeout(() => this._mounting === turn && !this._handle && this._explain("slow"), 20000);
      try {
        // The words are known by name already: they don't wait for the WebAssembly.
        const [module] = await Promise.all([load(), words(this.closest("[lang]:not([lang=''])")?.lang)]);
        if (this._mounting !== turn || !this.isConnected) return;
        const box = doc.createElement("div");
        this._show(box);
        this._handle = module.mount(this, box, this._live, this._config(), words, (problem) =>
          problem ? this._reject(new Error(problem)) : this._resolve(this));
        if (this._token !== undefined) this._handle.identify(this._token);
      } catch (reason) {
        if (this._mounting === turn) this._fail(typeof reason === "string" ? reason : "crashed");
      } finally {
        clearTimeout(slow);
      }
    }

    /** Without the widget: why. */
    _fail(code) {
      this._handle = undefined;
      this._reject(new Error(code));
      this.dispatchEvent(new CustomEvent("jalon:error", { bubbles: true, composed: true, detail: { code } }));
      this._explain(code);
    }

    /** Says why there is no widget (yet), in a sentence, with what the page holds as fallback. */
    async _explain(code) {
      const why = doc.createElement("div");
      why.className = "plea";
      why.dataset.jalon = "error";
      const text = why.appendChild(doc.createElement("p"));
      text.textContent = "This course can't be shown here. Open it on its own page:";
      why.append(doc.createElement("slot"));
      this._show(why);
      try {
        const [lang, all] = await words(this.closest("[lang]:not([lang=''])")?.lang);
        text.textContent = all["error." + code] || text.textContent;
        why.lang = lang;
        why.dir = lang === "ar" ? "rtl" : "ltr";
      } catch { /* the English sentence stays */ }
    }

    _update() {
      if (this._handle) this._handle.configure(this._config());
    }

    /** Names the member by the token that the site's login signed; null: nobody is logged in (any more). */
    identify(token) {
      this._token = token || null;
      this._handle?.identify(this._token);
    }

    /** Shows a step, if it may be opened. */
    goTo(step) {
      this.ready.then(() => this._handle?.go_to(Number(step)));
    }

    /** Asks the server how things stand. */
    refresh() {
      this._handle?.refresh();
    }

    /** Drops the guest on this device. */
    forget() {
      this.ready.then(() => this._handle?.forget());
    }
  }
  for (const kind of KINDS) customElements.define(TAG + kind, class extends Jalon {});

  // What could not be loaded may be there now.
  addEventListener("online", () => live.forEach((element) => element._mount()));
  // A page that changes its language changes the widgets that have none of their own.
  new MutationObserver(() => live.forEach((element) => element._update()))
    .observe(doc.documentElement, { attributes: true, attributeFilter: ["lang"] });
  start();
})();
