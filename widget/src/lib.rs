//! Jalon in the page: what stands behind `<jalon-track>`, `<jalon-course>`, `<jalon-catalog>` and
//! `<jalon-progress>`.
//!
//! `js/jalon.js` owns the element and calls [`start`] once an instance and [`mount`] once an element. What
//! the learner does goes `app` → `session` (decided at once, by the same rules as on the server, G7) →
//! `outbox` (durable) → the server, whose answer replaces the guess.

mod api;
mod app;
mod device;
mod draw;
mod i18n;
mod identity;
mod js;
mod keys;
mod load;
mod merge;
mod outbox;
mod session;
mod shelf;
mod shell;
mod task;
mod track;
mod work;

use std::cell::Cell;

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{Element, HtmlElement};
use yew::{AppHandle, Renderer};

use app::{App, Msg, Props};

/// Prepares the instance. `panicked` is called once it can't be used any more: with `panic = abort`
/// nothing after a panic can be trusted, so the page starts a new instance from what is stored.
#[wasm_bindgen]
pub fn start(panicked: Function) {
    PANICKED.set(Some(panicked));
    yew::set_custom_panic_hook(Box::new(|info| {
        device::abandon();
        if let Some(panicked) = PANICKED.take() {
            // Nobody is left to hear of a failure here.
            let _ = panicked.call1(&JsValue::NULL, &info.to_string().into());
        }
    }));
}

thread_local! {
    static PANICKED: Cell<Option<Function>> = const { Cell::new(None) };
}

/// A widget that stands in a page; what `js/jalon.js` holds of it.
#[wasm_bindgen]
pub struct Handle {
    app: AppHandle<App>,
}

/// Mounts a widget into `root`, a `<div>` of the host's shadow root. `live` is its live region in the light
/// DOM; `words(lang)` promises `[language, words]`; `ready(problem?)` is called once.
#[wasm_bindgen]
pub fn mount(
    host: HtmlElement,
    root: Element,
    live: HtmlElement,
    config: JsValue,
    words: Function,
    ready: Function,
) -> Handle {
    let props = Props { host, root: root.clone(), live, config, words, ready };
    Handle { app: Renderer::<App>::with_root_and_props(root, props).render() }
}

#[wasm_bindgen]
impl Handle {
    /// The attributes changed.
    pub fn configure(&self, config: JsValue) {
        self.app.send_message(Msg::Configure(config));
    }

    /// A member's token, or nobody.
    pub fn identify(&self, token: Option<String>) {
        self.app.send_message(Msg::Identify(token));
    }

    /// Shows a step, if it may be opened.
    pub fn go_to(&self, order: u16) {
        self.app.send_message(Msg::Open(order));
    }

    /// Asks the server how things stand.
    pub fn refresh(&self) {
        self.app.send_message(Msg::Refresh);
    }

    /// Drops the guest on this device.
    pub fn forget(&self) {
        self.app.send_message(Msg::Forget);
    }

    /// Takes the widget down; what was done lies on the device.
    pub fn destroy(self) {
        self.app.destroy();
    }
}
