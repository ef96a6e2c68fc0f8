//! Work that goes on in the background. One boxed type for all of it: every future spawned as its own type
//! brings its own copy of the machinery that runs it.

use std::pin::Pin;

use yew::html::Scope;

use crate::app::{App, Msg};

/// Runs it.
pub fn spawn(work: impl Future<Output = ()> + 'static) {
    let work: Pin<Box<dyn Future<Output = ()>>> = Box::pin(work);
    wasm_bindgen_futures::spawn_local(work);
}

/// Runs it, and tells the widget what came of it.
pub fn send(link: &Scope<App>, work: impl Future<Output = Msg> + 'static) {
    deliver(link.clone(), Box::pin(work));
}

fn deliver(link: Scope<App>, work: Pin<Box<dyn Future<Output = Msg>>>) {
    spawn(async move { link.send_message(work.await) });
}
