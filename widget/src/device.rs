//! The browser, as far as the widget needs it: storage, network, locks, other tabs, `Intl`.
//!
//! The JavaScript behind it is `js/device.js`, bundled into the glue.

use js_sys::{Array, Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, Event, HtmlElement};

use crate::js::FromJs;

#[wasm_bindgen(module = "/js/device.js")]
extern "C" {
    #[wasm_bindgen(js_name = get)]
    fn js_get(key: &str) -> Promise;
    #[wasm_bindgen(js_name = set)]
    fn js_set(key: &str, value: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = del)]
    fn js_del(key: &str) -> Promise;
    #[wasm_bindgen(js_name = keys)]
    fn js_keys(prefix: &str) -> Promise;
    #[wasm_bindgen(js_name = acquire)]
    fn js_acquire(name: &str) -> Promise;
    #[wasm_bindgen(js_name = http)]
    fn js_http(method: &str, url: &str, token: Option<&str>, lang: &str, key: Option<&str>, body: &JsValue) -> Promise;
    #[wasm_bindgen(js_name = diagnose)]
    fn js_diagnose(base: &str) -> Promise;

    /// Lets go of every lock and listener: this instance can't go on.
    pub fn abandon();
    /// Dispatches `jalon:{name}`; false when the page cancelled it.
    pub fn emit(element: &HtmlElement, name: &str, detail: &JsValue) -> bool;
    /// Whether a click is one of its own; the second half of a double click does nothing.
    pub fn deliberate(event: &Event) -> bool;
    /// What the control of an event holds.
    pub fn value(event: &Event) -> String;
    /// Which option the control of an event has; -1 for none.
    pub fn index(event: &Event) -> i32;
    /// Where the player of an event stands, in seconds.
    pub fn position(event: &Event) -> u32;
    /// Moves the player of an event to a second.
    pub fn seek(event: &Event, seconds: u32);
    /// The page's origin.
    pub fn origin() -> String;
    /// Leaves for another page.
    pub fn visit(address: &str);
    #[wasm_bindgen(js_name = now)]
    fn js_now() -> f64;
    /// Whether the browser has a network at all.
    pub fn online() -> bool;
    /// A UUIDv7, as text; sorts as it was made.
    pub fn uuid() -> String;
    /// Who a member's token names, unchecked; empty when it can't be read.
    pub fn subject(token: &str) -> String;
    /// Says something in the live region.
    pub fn say(element: &HtmlElement, text: &str);
    /// Focuses the element of this id in the same root, without a jump of the page.
    pub fn focus(root: &Element, id: &str, scroll: bool);
    /// The words of sanitised HTML.
    pub fn plain(html: &str) -> String;
    /// A number as people write it; NaN when it is none.
    pub fn amount(text: &str) -> f64;
    /// One word on an enrollment after another: what the newer one doesn't say is as it was.
    pub fn join(before: &JsValue, after: &JsValue) -> JsValue;
    /// Whether a text holds these words, whatever their letters' case and accents.
    pub fn holds(text: &str, words: &str) -> bool;
    /// Puts the style sheet and the site's look on the shadow root.
    pub fn dress(
        root: &Element,
        accent: Option<&str>,
        accent_dark: Option<&str>,
        radius: Option<u8>,
        font: Option<&str>,
    );
    /// What `Intl` says, in a language: `plural` category, `number`, `percent` (from hundredths of a
    /// percent), name of a `language`, `moment` (from milliseconds).
    pub fn intl(kind: &str, lang: &str, value: &JsValue) -> String;
    /// Hears `online`, `offline`, `visible`, `hidden`, `tick` (each second; `tock` while the page isn't seen) and `tab …`; answers how to stop.
    pub fn listen(hear: &Function) -> Function;
    /// Tells other tabs and the other widgets of the page, but not the one that hears with `own`.
    pub fn tell(what: &str, own: &Function);
}

/// What was stored under this key and can still be read.
pub async fn load<T: FromJs>(key: &str) -> Option<T> {
    T::from_js(&load_raw(key).await).ok()
}

/// The same, as it lies there.
pub async fn load_raw(key: &str) -> JsValue {
    let value = JsFuture::from(js_get(key)).await;
    value.unwrap_or(JsValue::UNDEFINED)
}

/// Stores it; says whether it outlives the page.
pub async fn save(key: &str, value: &JsValue) -> bool {
    JsFuture::from(js_set(key, value)).await.is_ok_and(|kept| kept.is_truthy())
}

/// Forgets one key.
pub async fn forget(key: &str) {
    // Nothing to do where it fails: `del` tries every place it could be in.
    let _ = JsFuture::from(js_del(key)).await;
}

/// The keys that begin so, sorted.
pub async fn keys(prefix: &str) -> Vec<String> {
    let Ok(found) = JsFuture::from(js_keys(prefix)).await else {
        return Vec::new();
    };
    Array::from(&found).iter().filter_map(|key| key.as_string()).collect()
}

/// Forgets every key that begins so.
pub async fn forget_all(prefix: &str) {
    for key in keys(prefix).await {
        forget(&key).await;
    }
}

/// A name that no other tab holds; it is free again when this is dropped.
pub struct Lock(Option<Function>);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            // It resolves a promise: nothing can fail.
            let _ = release.call0(&JsValue::NULL);
        }
    }
}

/// Waits until no other tab holds `name`.
pub async fn lock(name: &str) -> Lock {
    let release = JsFuture::from(js_acquire(name)).await;
    // A refused lock means that the page is going: the server's idempotency is the net below.
    Lock(release.ok().and_then(|release| release.dyn_into().ok()))
}

/// An answer of the server.
pub struct Answer {
    /// HTTP.
    pub status: u16,
    /// Its JSON; undefined where it is none.
    pub body: JsValue,
    /// `Retry-After`, in seconds; 0 without.
    pub retry_after: u32,
}

/// One request; `None` when the network fails.
pub async fn http(
    method: &str,
    url: &str,
    token: Option<&str>,
    lang: &str,
    key: Option<&str>,
    body: &JsValue,
) -> Option<Answer> {
    let answer = JsFuture::from(js_http(method, url, token, lang, key, body)).await.ok()?;
    let answer = Array::from(&answer);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a status has three digits, and a wait beyond u32 saturates"
    )]
    Some(Answer {
        status: answer.get(0).as_f64()? as u16,
        body: answer.get(1),
        retry_after: answer.get(2).as_f64().unwrap_or_default() as u32,
    })
}

/// Why nothing can be read: `offline`, `csp`, `origin` or `unreachable`.
pub async fn diagnose(base: &str) -> String {
    let found = JsFuture::from(js_diagnose(base)).await.ok();
    found.and_then(|found| found.as_string()).unwrap_or_else(|| "unreachable".to_owned())
}

/// Now, by this device's clock; by the server's, once it has answered and this one is far off.
pub fn now() -> jalon_shared::Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds fit for 285,000 years")]
    jalon_shared::Timestamp(js_now() as i64)
}
