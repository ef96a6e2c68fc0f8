//! The step that is being looked at: something to read, to watch, to answer, or a page elsewhere.

use jalon_shared::{
    track::StepState,
    wire::track::{LessonStep, VideoView},
};
use yew::{Html, html::Scope};

use super::steps::kind_key;
use crate::{
    api::Failure,
    app::{App, Loaded, Msg},
    device,
    draw::{all, el, p, text},
    i18n::Words,
    shell::{bones_inside as bones, rich},
    work::{Article, Shown, Way},
};

impl App {
    pub(crate) fn view_step(&self, link: &Scope<Self>, way: &Way, order: u16) -> Html {
        let words = &self.words;
        let Some(outline) = way.track.steps.iter().find(|step| step.order == order) else {
            return Html::default();
        };
        let body = match self.bodies.get(order) {
            Some(Loaded::Here(body)) => self.view_body(link, body),
            Some(Loaded::Failed(failure)) => self.view_unread(link, failure),
            _ if self.offline && !self.session.served(order) => self.view_unread(link, &Failure::Network),
            _ => bones(),
        };
        let optional = !outline.required && self.course_name().is_none();
        let mut kicker = vec![self.step_of(way, order), words.t(kind_key(outline.kind))];
        kicker.extend(optional.then(|| words.t("optional")));
        el("article.stage|data-jalon=step|part=stage|aria-labelledby=jalon-heading")
            .key(&order.to_string())
            .set("data-order", &order.to_string())
            .add(p("p.kicker", &kicker.join(" · ")))
            .add(
                el("h3|id=jalon-heading|tabindex=-1|part=heading")
                    .speaks(&outline.title)
                    .text(&outline.title.value)
                    .done(),
            )
            .add(body)
            .done()
    }

    fn view_unread(&self, link: &Scope<Self>, failure: &Failure) -> Html {
        let words = &self.words;
        let offline = matches!(failure, Failure::Network);
        el("div.panel|data-jalon=unread")
            .add(p("p", &words.t(if offline { "unread.offline" } else { "unread" })))
            .add(self.view_retry(link, "button.plain|part=button-secondary"))
            .done()
    }

    pub(crate) fn view_retry(&self, link: &Scope<Self>, spec: &'static str) -> Html {
        el(spec).press(link, || Msg::Heard("online".to_owned())).say(&self.words, "retry").done()
    }

    fn view_body(&self, link: &Scope<Self>, body: &Shown) -> Html {
        let main = if let Some(text) = &body.content {
            all([self.view_fallback(text).unwrap_or_default(), rich(text)])
        } else if let Some(video) = &body.video {
            all([self.view_fallback(&body.title).unwrap_or_default(), self.view_video(link, video)])
        } else if let Some(article) = &body.article {
            self.view_article(article)
        } else if let Some(url) = &body.url {
            self.view_link(url, body)
        } else if let Some(lesson) = &body.lesson {
            self.view_lesson(link, body, lesson)
        } else if body.tasks.is_empty() {
            p("p", &self.words.t("unread"))
        } else {
            self.view_fallback(&body.title).unwrap_or_default()
        };
        let talk = body.discussion_url.as_ref().map(|url| {
            el("a|part=link|target=_blank|rel=noopener noreferrer")
                .set("href", url)
                .say(&self.words, "discussion")
                .done()
        });
        let below = all([talk.unwrap_or_default(), self.view_shortcodes(link, body)]);
        if body.tasks.is_empty() {
            return all([main, below, self.view_actions(link, body.order)]);
        }
        all([main, self.view_tasks(link, body), below])
    }

    /// Back, on, and – for what may be skipped – past it.
    pub(crate) fn view_actions(&self, link: &Scope<Self>, order: u16) -> Html {
        let words = &self.words;
        let done = self.session.state(order) == StepState::Completed;
        let step = self.session.outline.at(order);
        let optional = step.is_some_and(|step| !step.required);
        let scored = step.is_some_and(|step| step.scored);
        let total = self.session.outline.steps.len();
        let last = usize::from(order) >= total;
        let in_lesson = self.outer.is_some();
        let finished =
            if in_lesson { self.session.is_all_done() } else { self.session.progress.completed_at.is_some() };
        let next = |key: &str| {
            let button = el("button.main|part=button|data-jalon=next").press(link, || Msg::Onward);
            Some(button.say(words, key).done())
        };
        let forward = if self.course_name().is_some() {
            // To open is to have seen; a gate that is shut leads nowhere.
            match (last, finished) {
                (true, true) => next(if in_lesson { "lesson.on" } else { "to_end" }),
                (false, _) if self.session.blocked_by(order + 1).is_none() => next("next"),
                _ => None,
            }
        } else if done {
            let nowhere = self.session.next_open(order + 1).is_none_or(|next| next <= order);
            let key = if finished && nowhere { "to_end" } else { "next" };
            // Something may still be missing before the end; then there is nowhere to go on to.
            let leads = finished || self.session.next_open(1).is_some();
            leads.then(|| next(key)).flatten()
        } else if scored {
            None
        } else {
            let complete = move |event: &_| device::deliberate(event).then_some(Msg::Complete(order));
            let button = el("button.main|part=button|data-jalon=next");
            let button = button.hear("click", link, Box::new(complete));
            Some(button.say(words, if last { "done" } else { "done_next" }).done())
        };
        let skips = optional && !done && !last && self.course_name().is_none();
        el("div.row actions")
            .maybe(self.view_back(link, order))
            .maybe(skips.then(|| {
                let button = el("button.plain|part=button-secondary|data-jalon=skip").press(link, || Msg::Onward);
                button.say(words, "skip").done()
            }))
            .maybe(forward)
            .done()
    }

    pub(crate) fn view_back(&self, link: &Scope<Self>, order: u16) -> Option<Html> {
        (order > 1).then(|| {
            el("button.plain back|type=button|part=button-secondary|data-jalon=back")
                .press(link, move || Msg::Open(order - 1))
                .say(&self.words, "back")
                .done()
        })
    }

    /// A lesson of a course, and the way in.
    fn view_lesson(&self, link: &Scope<Self>, body: &Shown, lesson: &LessonStep) -> Html {
        let words = &self.words;
        let order = body.order;
        let (key, class) = match self.session.state(order) {
            StepState::Completed => ("course.look", "plain"),
            _ if body.begun => ("course.continue", "main"),
            _ => ("quiz.begin", "main"),
        };
        let button = el("button|part=button|data-jalon=enter")
            .set("class", class)
            .set("aria-describedby", "jalon-lesson")
            .flag("disabled", self.enrolling)
            .press(link, move || Msg::Enter(order))
            .say(words, key);
        el("div.panel|data-jalon=lesson-step")
            .add(el("h4|id=jalon-lesson").speaks(&lesson.title).text(&lesson.title.value).done())
            .maybe(self.view_fallback(&lesson.title))
            .add(p("p.soft", &words.with("lesson.parts", &[("n", &words.number(f64::from(lesson.items)))])))
            .add(el("div.row").add(button.done()).done())
            .done()
    }

    /// What somebody else wrote, and whose it is.
    fn view_article(&self, article: &Article) -> Html {
        let words = &self.words;
        let text = match &article.content {
            Some(text) => all([self.view_fallback(text).unwrap_or_default(), rich(text)]),
            None => p("p", &words.t("article.away")),
        };
        let source = words.with("article.source", &[("name", &article.provider)]);
        let source = match &article.url {
            Some(url) => el("a|part=link|target=_blank|rel=noopener noreferrer|data-jalon=source")
                .set("href", url)
                .text(&[&source, " ", &words.t("link.new_tab")].concat())
                .done(),
            None => p("p.soft", &source),
        };
        el("div.article").add(text).add(source).done()
    }

    fn view_link(&self, url: &str, body: &Shown) -> Html {
        let host = url.split('/').nth(2).unwrap_or(url);
        let title = &body.title;
        let said = [" ", host, " ", &self.words.t("link.new_tab")].concat();
        // A title is plain text, never HTML: unlike prompts, nobody has sanitised it.
        let link = el("a.main|part=link|target=_blank|rel=noopener noreferrer")
            .set("href", url)
            .add(el("span").speaks(title).text(&title.value).done())
            .add(el("span.soft").text(&said).done());
        el("div.panel link").add(p("p", &self.words.t("link.text"))).add(link.done()).done()
    }

    fn view_video(&self, link: &Scope<Self>, video: &VideoView) -> Html {
        let words = &self.words;
        let (resume, duration) = (self.resume_at, video.duration_seconds);
        // Not at the very beginning, and not at the end: there a second look starts over.
        let resumes = resume > 2 && resume + 3 < duration;
        let lang: &str = if self.api.lang.is_empty() { words.lang() } else { &self.api.lang };
        let base = lang.split('-').next().unwrap_or(lang);
        let captions = video.captions.iter().map(|caption| {
            let tag = caption.lang.as_str();
            el("track|kind=captions")
                .key(tag)
                .set("srclang", tag)
                .set("label", &device::intl("language", tag, &tag.into()))
                .set("src", &caption.url)
                .flag("default", tag == lang || tag == base)
                .done()
        });
        let mut film = el("video|part=video|controls|playsinline|preload=metadata|crossorigin=anonymous")
            .key(&video.url)
            .set("src", &video.url);
        if let Some(poster) = &video.poster {
            film = film.set("poster", poster);
        }
        let start = move |event: &_| {
            if resumes {
                device::seek(event, resume);
            }
            None
        };
        film = film.hear("loadedmetadata", link, Box::new(start));
        for kind in ["timeupdate", "seeked"] {
            film = film.hear(kind, link, Box::new(|event| Some(Msg::Position(device::position(event)))));
        }
        for (kind, plays) in [("play", true), ("pause", false), ("ended", false)] {
            film = film.hear(kind, link, Box::new(move |_| Some(Msg::Playing(plays))));
        }
        film = film.hear("error", link, Box::new(|_| Some(Msg::VideoFailed)));
        let resumed = resumes.then(|| {
            let at = Words::clock(i64::from(resume));
            p("p.soft|data-jalon=resume", &words.with("video.resume", &[("at", &at)]))
        });
        let failed = self.video_failed.then(|| {
            let open = el("a|target=_blank|rel=noopener noreferrer").set("href", &video.url);
            el("p.bad").say(words, "video.failed").add(text(" ")).add(open.say(words, "video.open").done()).done()
        });
        el("div.film").maybe(resumed).add(film.all(captions).done()).maybe(failed).done()
    }
}
