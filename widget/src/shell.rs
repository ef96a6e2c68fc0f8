//! The frame around the track: banners, the states in which there is no track to show, and the two columns.

use jalon_shared::{Resolved, track::StepState};
use yew::{AttrValue, Html, classes, html, html::Scope};

use crate::{
    app::{App, Msg, Place},
    device,
};

/// A small drawing; decorative, so hidden from who listens.
pub fn icon(path: &'static str) -> Html {
    html! { <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false"><path d={path}/></svg> }
}

/// A tick.
pub const DONE: &str = "M6.4 12.6 1.8 8l1.4-1.4 3.2 3.2 6.4-6.4 1.4 1.4z";
/// A padlock.
pub const LOCK: &str = "M5 7V5a3 3 0 0 1 6 0v2h1v7H4V7zm1.5 0h3V5a1.5 1.5 0 0 0-3 0z";
/// A cloud that can't be reached.
pub const CLOUD: &str = "M4.5 13a3.5 3.5 0 0 1-.4-6.98A4.5 4.5 0 0 1 12.6 7 3 3 0 0 1 12 13z";

/// Text as its author marked it up: sanitised by the server, in its own language and direction.
pub fn rich(text: &Resolved) -> Html {
    html! {
        <div class="rich" lang={text.lang.as_str().to_owned()} dir={text.lang.dir()}>
            {Html::from_html_unchecked(AttrValue::from(text.value.clone()))}
        </div>
    }
}

/// The same within a line.
pub fn inline(text: &Resolved) -> Html {
    html! {
        <span class="rich" lang={text.lang.as_str().to_owned()} dir={text.lang.dir()}>
            {Html::from_html_unchecked(AttrValue::from(text.value.clone()))}
        </span>
    }
}

impl App {
    pub(crate) fn view_shell(&self, link: &Scope<Self>) -> Html {
        let lively = self.alive.clone();
        let (a, b, c) = (lively.clone(), lively.clone(), lively);
        html! {
            <div class="jalon" part="root" lang={self.words.lang().to_owned()} dir={self.words.dir()}
                 onpointerdown={move |_| a.set(0)} onpointermove={move |_| b.set(0)} onkeydown={move |_| c.set(0)}>
                {self.view_state(link)}
            </div>
        }
    }

    fn view_state(&self, link: &Scope<Self>) -> Html {
        if self.words.lang().is_empty() {
            return bones();
        }
        if let Some(code) = &self.fault {
            return self.view_fault(link, code);
        }
        let (Some(track), Some(place)) = (&self.track, self.place) else {
            return bones();
        };
        let stage = match place {
            Place::Step(order) => self.view_step(link, order),
            Place::Done => self.view_completion(link),
        };
        html! {
            <section class="card" aria-labelledby="jalon-title" part="card">
                {self.view_header(link, track)}
                {self.view_merge(link)}
                {self.view_receipt(link)}
                <div class="cols">
                    {self.view_steps(link, track)}
                    {stage}
                </div>
                // Below, beside the buttons: above, they would push these away from under a finger.
                {self.view_banners(link)}
                {self.view_login(link)}
            </section>
        }
    }

    fn view_banners(&self, link: &Scope<Self>) -> Html {
        let words = &self.words;
        let expired = self.unauthorized.then(|| {
            let (key, action, button) = if self.member.is_some() {
                ("expired.member", (|| Msg::Login) as fn() -> Msg, "login")
            } else {
                ("expired.guest", (|| Msg::Forget) as fn() -> Msg, "restart")
            };
            html! {
                <div class="banner warn">
                    <span>{words.t(key)}</span>
                    <button class="plain" part="button-secondary" onclick={link.callback(move |_| action())}>{words.t(button)}</button>
                </div>
            }
        });
        let away = match self.offline {
            true if !device::online() => Some("offline"),
            away => (away || self.busy).then_some("away"),
        };
        html! {
            <>
                if let Some(state) = away {
                    <div class="banner" data-jalon={state} part="banner">{icon(CLOUD)}<span>{words.t(state)}</span></div>
                }
                if !self.durable {
                    <div class="banner warn" part="banner"><span>{words.t("not_durable")}</span></div>
                }
                {for expired}
                if let Some(notice) = &self.notice {
                    <div class="banner warn" data-jalon="notice" part="banner">
                        <span>{notice}</span>
                        <button class="plain" part="button-secondary" onclick={link.callback(|_| Msg::Dismiss)}>{words.t("close")}</button>
                    </div>
                }
            </>
        }
    }

    fn view_header(&self, _link: &Scope<Self>, track: &jalon_shared::wire::track::TrackView) -> Html {
        let words = &self.words;
        let total = track.steps.len();
        let done = self.session.completed().len();
        let progress = words.count(
            "progress",
            done as u64,
            &[("total", &words.number(f64::from(u16::try_from(total).unwrap_or(u16::MAX))))],
        );
        let waiting = self.session.pending.iter().filter(|entry| entry.advance).count();
        let saved = self.session.base.is_some();
        html! {
            <header class="head" part="header">
                <h2 id="jalon-title" part="title" lang={track.title.lang.as_str().to_owned()} dir={track.title.lang.dir()}>{&track.title.value}</h2>
                if !track.summary.value.is_empty() && self.session.completed().is_empty() {
                    <p class="lead" lang={track.summary.lang.as_str().to_owned()} dir={track.summary.lang.dir()}>{&track.summary.value}</p>
                }
                {self.view_fallback(&track.title)}
                <div class="meter">
                    <progress part="progress" max={total.to_string()} value={done.to_string()} aria-label={words.t("progress.label")}></progress>
                    <span>{progress}</span>
                    if waiting > 0 {
                        <span class="sync" data-jalon="sync" data-state={if self.offline { "offline" } else { "pending" }} part="sync">
                            {words.count(if self.offline || self.busy { "sync.offline" } else { "sync.pending" }, waiting as u64, &[])}
                        </span>
                    } else if saved {
                        <span class="sync saved" data-jalon="sync" data-state="saved" part="sync">{icon(DONE)}{words.t("sync.saved")}</span>
                    }
                </div>
            </header>
        }
    }

    /// "Only in French so far" (L2).
    pub(crate) fn view_fallback(&self, text: &Resolved) -> Html {
        let marker = self.words.fallback(text);
        html! {
            {for marker.map(|marker| html! { <p class="only" data-jalon="lang-fallback" part="lang-fallback">{marker}</p> })}
        }
    }

    /// Guests are offered early to keep what they did: some browsers drop a page's storage after a week.
    fn view_login(&self, link: &Scope<Self>) -> Html {
        let worth = self.session.base.is_some() || !self.session.pending.is_empty();
        if self.member.is_some() || !worth {
            return html! {};
        }
        html! {
            <footer class="foot" part="footer">
                <span>{self.words.t("login.offer")}</span>
                <button class="plain" part="button-secondary" data-jalon="login" onclick={link.callback(|_| Msg::Login)}>{self.words.t("login")}</button>
            </footer>
        }
    }

    fn view_fault(&self, link: &Scope<Self>, code: &str) -> Html {
        let words = &self.words;
        let key = ["error.", code].concat();
        let known = words.has(&key);
        let hint = ["error.", code, ".hint"].concat();
        let origin = device::origin();
        let values = [
            ("site", self.api.site.as_str()),
            ("track", self.slug()),
            ("origin", origin.as_str()),
            ("api", self.api.base.as_str()),
        ];
        html! {
            <section class="card fault" role="alert" data-jalon="error" data-code={code.to_owned()} part="error">
                <h2>{words.t("error.title")}</h2>
                <p>{words.t(if known { &key } else { "error.other" })}</p>
                if words.has(&hint) {
                    <details><summary>{words.t("error.owner")}</summary><p>{words.with(&hint, &values)}</p></details>
                }
                <div class="row">
                    <button class="main" part="button" onclick={link.callback(|_| Msg::Heard("online".to_owned()))}>{words.t("retry")}</button>
                </div>
                <slot></slot>
            </section>
        }
    }

    /// The class of a step by where the learner stands.
    pub(crate) fn state_class(state: StepState, current: bool) -> yew::Classes {
        let state = match state {
            StepState::Locked => "locked",
            StepState::Open => "open",
            StepState::InProgress => "begun",
            StepState::Completed => "done",
        };
        classes!("step", state, current.then_some("current"))
    }
}

/// What stands there until there is something to show.
pub fn bones() -> Html {
    html! {
        <div class="card" aria-busy="true">
            <span class="bone t"></span><span class="bone s"></span><span class="bone v"></span><span class="bone s"></span><span class="bone"></span>
        </div>
    }
}
