//! The step that is being looked at: something to read, to watch, to answer, or a page elsewhere.

use jalon_shared::{
    track::StepState,
    wire::track::{StepBody, VideoView},
};
use yew::{Event, Html, html, html::Scope};

use super::steps::kind_key;
use crate::{
    api::Failure,
    app::{App, Loaded, Msg},
    device,
    shell::rich,
};

impl App {
    pub(crate) fn view_step(&self, link: &Scope<Self>, order: u16) -> Html {
        let words = &self.words;
        let Some(outline) = self.track.as_ref().and_then(|track| track.steps.iter().find(|step| step.order == order))
        else {
            return html! {};
        };
        let total = u16::try_from(self.session.outline.steps.len()).unwrap_or(u16::MAX);
        let place = words
            .with("step.of", &[("n", &words.number(f64::from(order))), ("total", &words.number(f64::from(total)))]);
        let body = match self.bodies.get(order) {
            Some(Loaded::Here(body)) => self.view_body(link, body),
            Some(Loaded::Failed(failure)) => self.view_unread(link, failure),
            _ if self.offline && !self.session.served(order) => self.view_unread(link, &Failure::Network),
            _ => bones(),
        };
        html! {
            <article class="stage" data-jalon="step" data-order={order.to_string()} part="stage" key={order.to_string()} aria-labelledby="jalon-heading">
                <p class="kicker">
                    {place}{" · "}{words.t(kind_key(outline.kind))}
                    if !outline.required { {" · "}{words.t("optional")} }
                </p>
                <h3 id="jalon-heading" tabindex="-1" part="heading" lang={outline.title.lang.as_str().to_owned()} dir={outline.title.lang.dir()}>{&outline.title.value}</h3>
                {body}
            </article>
        }
    }

    fn view_unread(&self, link: &Scope<Self>, failure: &Failure) -> Html {
        let words = &self.words;
        let offline = matches!(failure, Failure::Network);
        html! {
            <div class="panel" data-jalon="unread">
                <p>{words.t(if offline { "unread.offline" } else { "unread" })}</p>
                <button class="plain" part="button-secondary" onclick={link.callback(|_| Msg::Heard("online".to_owned()))}>{words.t("retry")}</button>
            </div>
        }
    }

    fn view_body(&self, link: &Scope<Self>, body: &StepBody) -> Html {
        let order = body.order;
        let main = if let Some(text) = &body.content {
            html! { <>{self.view_fallback(text)}{rich(text)}</> }
        } else if let Some(video) = &body.video {
            html! { <>{self.view_fallback(&body.title)}{self.view_video(link, video)}</> }
        } else if let Some(url) = &body.url {
            self.view_link(url, body)
        } else if let Some(quiz) = &body.quiz {
            return html! { <>{self.view_fallback(&body.title)}{self.view_quiz(link, body, quiz)}</> };
        } else {
            html! { <p>{self.words.t("unread")}</p> }
        };
        html! { <>{main}{self.view_actions(link, order)}</> }
    }

    /// Back, on, and – for what may be skipped – past it.
    pub(crate) fn view_actions(&self, link: &Scope<Self>, order: u16) -> Html {
        let words = &self.words;
        let done = self.session.state(order) == StepState::Completed;
        let step = self.session.outline.at(order);
        let optional = step.is_some_and(|step| !step.required);
        let scored = step.is_some_and(|step| step.scored);
        let last = usize::from(order) >= self.session.outline.steps.len();
        let finished = self.session.progress.completed_at.is_some();
        let forward = if done {
            let key = if finished && self.session.next_open(order + 1).is_none_or(|next| next <= order) {
                "to_end"
            } else {
                "next"
            };
            // Something may still be missing before the end; then there is nowhere to go on to.
            let leads = finished || self.session.next_open(1).is_some();
            html! { if leads { <button class="main" part="button" data-jalon="next" onclick={link.callback(|_| Msg::Onward)}>{words.t(key)}</button> } }
        } else if scored {
            html! {}
        } else {
            html! { <button class="main" part="button" data-jalon="next" onclick={link.batch_callback(move |event: yew::MouseEvent| device::deliberate(&event).then_some(Msg::Complete(order)))}>{words.t(if last { "done" } else { "done_next" })}</button> }
        };
        html! {
            <div class="row actions">
                if order > 1 {
                    <button class="plain back" part="button-secondary" data-jalon="back" onclick={link.callback(move |_| Msg::Open(order - 1))}>{words.t("back")}</button>
                }
                if optional && !done && !last {
                    <button class="plain" part="button-secondary" data-jalon="skip" onclick={link.callback(|_| Msg::Onward)}>{words.t("skip")}</button>
                }
                {forward}
            </div>
        }
    }

    fn view_link(&self, url: &str, body: &StepBody) -> Html {
        let host = url.split('/').nth(2).unwrap_or(url).to_owned();
        let title = &body.title;
        html! {
            <div class="panel link">
                <p>{self.words.t("link.text")}</p>
                // A title is plain text, never HTML: unlike prompts, nobody has sanitised it.
                <a class="main" part="link" href={url.to_owned()} target="_blank" rel="noopener noreferrer">
                    <span lang={title.lang.as_str().to_owned()} dir={title.lang.dir()}>{&title.value}</span>
                    <span class="soft">{" "}{host}{" "}{self.words.t("link.new_tab")}</span></a>
            </div>
        }
    }

    fn view_video(&self, link: &Scope<Self>, video: &VideoView) -> Html {
        let words = &self.words;
        let resume = self.resume_at;
        let duration = video.duration_seconds;
        let at_start = link.batch_callback(move |event: Event| {
            // Not at the very beginning, and not at the end: there a second look starts over.
            if resume > 2 && resume + 3 < duration {
                device::seek(&event, resume);
            }
            None
        });
        let moved = link.callback(|event: Event| Msg::Position(device::position(&event)));
        let lang: &str = if self.api.lang.is_empty() { words.lang() } else { &self.api.lang };
        let base = lang.split('-').next().unwrap_or(lang);
        let captions = video.captions.iter().map(|caption| {
            let tag = caption.lang.as_str();
            let name = device::intl("language", tag, &tag.into());
            html! {
                <track kind="captions" key={tag.to_owned()} srclang={tag.to_owned()} label={name} src={caption.url.clone()} default={tag == lang || tag == base} />
            }
        });
        html! {
            <div class="film">
                if resume > 2 && resume + 3 < duration {
                    <p class="soft" data-jalon="resume">{words.with("video.resume", &[("at", &crate::i18n::Words::clock(i64::from(resume)))])}</p>
                }
                <video key={video.url.clone()} part="video" controls={true} playsinline={true} preload="metadata" crossorigin="anonymous"
                       src={video.url.clone()} poster={video.poster.clone()} onloadedmetadata={at_start}
                       ontimeupdate={moved.clone()} onseeked={moved} onplay={link.callback(|_| Msg::Playing(true))}
                       onpause={link.callback(|_| Msg::Playing(false))} onended={link.callback(|_| Msg::Playing(false))}
                       onerror={link.callback(|_| Msg::VideoFailed)}>
                    {for captions}
                </video>
                if self.video_failed {
                    <p class="bad">{words.t("video.failed")}{" "}<a href={video.url.clone()} target="_blank" rel="noopener noreferrer">{words.t("video.open")}</a></p>
                }
            </div>
        }
    }
}

/// Where something will stand once it is here.
pub fn bones() -> Html {
    html! { <div aria-busy="true" data-jalon="loading"><span class="bone s"></span><span class="bone v"></span><span class="bone"></span></div> }
}
