//! The frame around the track: banners, the states in which there is no track to show, and the two columns.

use jalon_shared::Resolved;
use yew::{AttrValue, Html, html::Scope};

use crate::{
    app::{App, Msg, Place},
    device,
    draw::{El, all, el, p},
    work::Way,
};

/// A small drawing; decorative, so hidden from who listens.
pub fn icon(path: &'static str) -> Html {
    let drawn = el("path").set("d", path).done();
    el("svg.icon|viewBox=0 0 16 16|aria-hidden=true|focusable=false").add(drawn).done()
}

/// A tick.
pub const DONE: &str = "M6.4 12.6 1.8 8l1.4-1.4 3.2 3.2 6.4-6.4 1.4 1.4z";
/// A padlock.
pub const LOCK: &str = "M5 7V5a3 3 0 0 1 6 0v2h1v7H4V7zm1.5 0h3V5a1.5 1.5 0 0 0-3 0z";
/// A cloud that can't be reached.
pub const CLOUD: &str = "M4.5 13a3.5 3.5 0 0 1-.4-6.98A4.5 4.5 0 0 1 12.6 7 3 3 0 0 1 12 13z";

fn marked_up(el: El, text: &Resolved) -> Html {
    el.speaks(text).add(Html::from_html_unchecked(AttrValue::from(text.value.clone()))).done()
}

/// Text as its author marked it up: sanitised by the server, in its own language and direction.
pub fn rich(text: &Resolved) -> Html {
    marked_up(el("div.rich"), text)
}

/// The same within a line.
pub fn inline(text: &Resolved) -> Html {
    marked_up(el("span.rich"), text)
}

impl App {
    pub(crate) fn view_shell(&self, link: &Scope<Self>) -> Html {
        let mut root = el("div.jalon|part=root").set("lang", self.words.lang()).set("dir", self.words.dir());
        for kind in ["pointerdown", "pointermove", "keydown"] {
            let alive = self.alive.clone();
            root = root.hear(
                kind,
                link,
                Box::new(move |_| {
                    alive.set(0);
                    None
                }),
            );
        }
        root.add(self.view_state(link)).done()
    }

    fn view_state(&self, link: &Scope<Self>) -> Html {
        if self.words.lang().is_empty() {
            return bones();
        }
        if let Some(code) = &self.fault {
            return self.view_fault(link, code);
        }
        if self.config.track.is_empty() {
            return self.view_shelf(link);
        }
        let Some(way) = &self.way else {
            return bones();
        };
        let card = el("section.card|aria-labelledby=jalon-title|part=card");
        let main = match self.place {
            Some(Place::Step(order)) => self.view_step(link, way, order),
            Some(Place::Done) => self.view_completion(link),
            None if self.is_outside() => self.view_entrance(link, way),
            None => return bones(),
        };
        card.add(self.view_header(link, way))
            .maybe(self.view_merge(link))
            .maybe(self.view_receipt(link))
            .add(el("div.cols").add(self.view_steps(link, way)).add(main).done())
            // Below, beside the buttons: above, they would push these away from under a finger.
            .add(self.view_banners(link))
            .maybe(self.view_login(link))
            .done()
    }

    /// What stands below everything: the network, the device, the login.
    pub(crate) fn view_banners(&self, link: &Scope<Self>) -> Html {
        let words = &self.words;
        let expired = self.unauthorized.then(|| {
            let (key, action, button) = if self.member.is_some() {
                ("expired.member", (|| Msg::Login) as fn() -> Msg, "login")
            } else {
                ("expired.guest", (|| Msg::Forget) as fn() -> Msg, "restart")
            };
            el("div.banner warn")
                .add(el("span").say(words, key).done())
                .add(el("button.plain|part=button-secondary").press(link, action).say(words, button).done())
                .done()
        });
        let away = match self.offline {
            true if !device::online() => Some("offline"),
            away => (away || self.busy).then_some("away"),
        };
        let away = away.map(|state| {
            let said = el("span").say(words, state).done();
            el("div.banner|part=banner").set("data-jalon", state).add(icon(CLOUD)).add(said).done()
        });
        let fragile = (!self.durable)
            .then(|| el("div.banner warn|part=banner").add(el("span").say(words, "not_durable").done()).done());
        let notice = self.notice.as_ref().map(|notice| {
            el("div.banner warn|data-jalon=notice|part=banner")
                .add(p("span", notice))
                .add(el("button.plain|part=button-secondary").press(link, || Msg::Dismiss).say(words, "close").done())
                .done()
        });
        all([away, fragile, expired, notice].map(Option::unwrap_or_default))
    }

    /// So many of so many.
    pub(crate) fn said_progress(&self) -> String {
        let total = u16::try_from(self.session.outline.steps.len()).unwrap_or(u16::MAX);
        let all = self.words.number(f64::from(total));
        self.words.count("progress", self.session.completed().len() as u64, &[("total", &all)])
    }

    fn view_header(&self, link: &Scope<Self>, way: &Way) -> Html {
        let words = &self.words;
        let track = &way.track;
        let total = track.steps.len();
        let done = self.session.completed().len();
        let waiting = self.session.pending.iter().filter(|entry| entry.advance).count();
        let saved = self.session.base.is_some();
        let sync = if waiting > 0 {
            let key = if self.offline || self.busy { "sync.offline" } else { "sync.pending" };
            let sync = el("span.sync|data-jalon=sync|part=sync");
            let sync = sync.set("data-state", if self.offline { "offline" } else { "pending" });
            Some(sync.text(&words.count(key, waiting as u64, &[])).done())
        } else {
            saved.then(|| {
                el("span.sync saved|data-jalon=sync|data-state=saved|part=sync")
                    .add(icon(DONE))
                    .say(words, "sync.saved")
                    .done()
            })
        };
        let meter = el("div.meter")
            .add(
                el("progress|part=progress")
                    .set("max", &total.to_string())
                    .set("value", &done.to_string())
                    .set("aria-label", &words.t("progress.label"))
                    .done(),
            )
            .add(p("span", &self.said_progress()))
            .maybe(sync);
        let standing = self.session.base.as_ref().and_then(|base| base.standing.as_ref());
        let title = el("h2|id=jalon-title|tabindex=-1|part=title").speaks(&track.title).text(&track.title.value).done();
        let fresh = !track.summary.value.is_empty() && self.session.completed().is_empty() && !self.is_outside();
        el("header.head|part=header")
            .maybe(self.view_home(link))
            .add(title)
            .maybe(fresh.then(|| match &way.course {
                Some(_) => marked_up(el("div.lead rich"), &track.summary),
                None => el("p.lead").speaks(&track.summary).text(&track.summary.value).done(),
            }))
            .maybe(self.view_fallback(&track.title))
            .maybe((!self.is_outside()).then(|| meter.done()))
            .maybe(standing.filter(|_| self.outer.is_none()).map(|standing| self.view_points(standing.points)))
            .done()
    }

    /// "Only in French so far" (L2).
    pub(crate) fn view_fallback(&self, text: &Resolved) -> Option<Html> {
        let marker = self.words.fallback(text)?;
        Some(p("p.only|data-jalon=lang-fallback|part=lang-fallback", &marker))
    }

    /// Guests are offered early to keep what they did: some browsers drop a page's storage after a week.
    fn view_login(&self, link: &Scope<Self>) -> Option<Html> {
        let worth = self.session.base.is_some() || !self.session.pending.is_empty();
        if self.member.is_some() || !worth {
            return None;
        }
        let foot = el("footer.foot|part=footer").add(el("span").say(&self.words, "login.offer").done());
        Some(foot.add(self.view_login_button(link, "button.plain|part=button-secondary")).done())
    }

    pub(crate) fn view_login_button(&self, link: &Scope<Self>, spec: &'static str) -> Html {
        el(spec).set("data-jalon", "login").press(link, || Msg::Login).say(&self.words, "login").done()
    }

    fn view_fault(&self, link: &Scope<Self>, code: &str) -> Html {
        let words = &self.words;
        let key = ["error.", code].concat();
        let known = words.has(&key);
        let hint = ["error.", code, ".hint"].concat();
        let origin = device::origin();
        let values = [
            ("site", self.api.site.as_str()),
            ("track", self.course_name().unwrap_or(self.slug())),
            ("origin", origin.as_str()),
            ("api", self.api.base.as_str()),
        ];
        let owner = words.has(&hint).then(|| {
            el("details")
                .add(el("summary").say(words, "error.owner").done())
                .add(p("p", &words.with(&hint, &values)))
                .done()
        });
        el("section.card fault|role=alert|data-jalon=error|part=error")
            .set("data-code", code)
            .add(el("h2").say(words, "error.title").done())
            .add(p("p", &words.t(if known { &key } else { "error.other" })))
            .maybe(owner)
            .add(el("div.row").add(self.view_retry(link, "button.main|part=button")).done())
            .add(el("slot").done())
            .done()
    }
}

/// What stands there until there is something to show.
pub fn bones() -> Html {
    el("div.card|aria-busy=true").add(skeleton(&["bone t", "bone s", "bone v", "bone s", "bone"])).done()
}

/// The same, where the frame is there already.
pub fn bones_inside() -> Html {
    el("div|aria-busy=true|data-jalon=loading").add(skeleton(&["bone s", "bone v", "bone"])).done()
}

fn skeleton(kinds: &[&str]) -> Html {
    all(kinds.iter().map(|kind| el("span").set("class", kind).done()))
}
