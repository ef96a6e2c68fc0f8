//! Elements, as Yew wants them, in few bytes: `html!` writes out every element's making where it stands, which
//! was a quarter of the download; here one function reads a short description.

use std::{borrow::Cow, rc::Rc};

use jalon_shared::Resolved;
use web_sys::Event;
use yew::{
    Html,
    html::Scope,
    virtual_dom::{Key, Listener, ListenerKind, VTag},
};

use crate::{
    app::{App, Msg},
    i18n::Words,
};

/// An element that is being described.
pub struct El(Box<VTag>);

/// Begins one: `name.class another|attribute=value|attribute`.
pub fn el(spec: &'static str) -> El {
    let mut parts = spec.split('|');
    let first = parts.next().unwrap_or_default();
    let (name, class) = first.split_once('.').unwrap_or((first, ""));
    let mut el = El(Box::new(VTag::new(name)));
    if !class.is_empty() {
        el.0.add_attribute("class", class);
    }
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, part));
        el.0.add_attribute(name, value);
    }
    el
}

impl El {
    /// An attribute.
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.0.add_attribute(name, value.to_owned());
        self
    }

    /// An attribute that is there or not.
    pub fn flag(self, name: &'static str, there: bool) -> Self {
        if there { self.set(name, "true") } else { self }
    }

    /// What tells it from its neighbours.
    pub fn key(mut self, key: &str) -> Self {
        self.0.key = Some(Key::from(key.to_owned()));
        self
    }

    /// What a field holds.
    pub fn value(mut self, value: &str) -> Self {
        self.0.set_value(Some(yew::AttrValue::from(value.to_owned())));
        self
    }

    /// Whether a box is ticked.
    pub fn checked(mut self, checked: bool) -> Self {
        self.0.set_checked(checked);
        self
    }

    /// The language and direction of a text.
    pub fn speaks(self, text: &Resolved) -> Self {
        self.set("lang", text.lang.as_str()).set("dir", text.lang.dir())
    }

    /// A child.
    pub fn add(mut self, child: Html) -> Self {
        self.0.add_child(child);
        self
    }

    /// A child, if there is one. It keeps its place: what stands after it is not made anew when it comes or goes.
    pub fn maybe(self, child: Option<Html>) -> Self {
        self.add(child.unwrap_or_default())
    }

    /// Children, in one place.
    pub fn all(self, children: impl IntoIterator<Item = Html>) -> Self {
        self.add(all(children))
    }

    /// Text.
    pub fn text(self, text: &str) -> Self {
        self.add(self::text(text))
    }

    /// Words of the interface.
    pub fn say(self, words: &Words, key: &str) -> Self {
        self.text(&words.t(key))
    }

    /// What happens when it is pressed.
    pub fn press(self, link: &Scope<App>, msg: impl Fn() -> Msg + 'static) -> Self {
        self.hear("click", link, Box::new(move |_| Some(msg())))
    }

    /// What follows from an event.
    pub fn hear(mut self, kind: &'static str, link: &Scope<App>, what: What) -> Self {
        self.0.add_listener(Rc::new(Ear { kind, link: link.clone(), what }));
        self
    }

    /// The element.
    pub fn done(self) -> Html {
        Html::from(*self.0)
    }
}

/// What follows from an event, if anything.
pub type What = Box<dyn Fn(&Event) -> Option<Msg>>;

struct Ear {
    kind: &'static str,
    link: Scope<App>,
    what: What,
}

impl Listener for Ear {
    fn kind(&self) -> ListenerKind {
        // Named, not picked from Yew's list of ninety.
        ListenerKind::other(Cow::Borrowed(self.kind))
    }

    fn handle(&self, event: Event) {
        if let Some(msg) = (self.what)(&event) {
            self.link.send_message(msg);
        }
    }

    fn passive(&self) -> bool {
        false
    }
}

/// Text alone.
pub fn text(text: &str) -> Html {
    Html::from(yew::virtual_dom::VText::new(text.to_owned()))
}

/// Several, side by side.
pub fn all(children: impl IntoIterator<Item = Html>) -> Html {
    let mut list = yew::virtual_dom::VList::new();
    for child in children {
        list.add_child(child);
    }
    Html::from(list)
}

/// A paragraph.
pub fn p(spec: &'static str, words: &str) -> Html {
    el(spec).text(words).done()
}
