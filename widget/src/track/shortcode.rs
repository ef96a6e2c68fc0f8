//! What an author can have shown below an item of a course, by its name.

use wasm_bindgen::JsValue;
use yew::{Html, html::Scope};

use crate::{
    api::Failure,
    app::{App, Loaded, Msg, Place},
    device,
    draw::{El, el, p},
    js, task,
    work::{Evaluation, Shown},
};

/// What the learner is about to say of the course.
#[derive(Default)]
pub struct Opinion {
    /// As given; nothing until it is touched.
    given: Option<Evaluation>,
    /// Whether it was said just now.
    thanked: bool,
}

/// What a learner does with the evaluation of a course.
pub enum Evaluate {
    /// So many of five.
    Rate(u8),
    /// In words.
    Comment(String),
    /// Says it.
    Send,
    /// The server has it, or not.
    Sent(Result<(), Failure>),
}

impl App {
    pub(crate) fn evaluate(&mut self, link: &Scope<Self>, what: Evaluate) {
        let said = match self.place {
            Some(Place::Step(order)) => match self.bodies.get(order) {
                Some(Loaded::Here(body)) => body.evaluation.clone(),
                _ => None,
            },
            _ => None,
        };
        let given = self.opinion.given.get_or_insert(said.unwrap_or(Evaluation { rating: 0, comment: None }));
        match what {
            Evaluate::Rate(rating) => given.rating = rating,
            Evaluate::Comment(comment) => given.comment = Some(comment),
            Evaluate::Send => {
                let Some(base) = self.session.base.as_ref().filter(|_| given.rating > 0) else {
                    return;
                };
                let path = ["/course-enrollments/", &base.id.to_string(), "/evaluation"].concat();
                let comment = given.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
                let said = js::object(&[
                    ("rating", given.rating.into()),
                    ("comment", comment.map_or(JsValue::UNDEFINED, JsValue::from_str)),
                ]);
                let api = self.api.clone();
                return task::send(link, async move {
                    let sent = api.change("PUT", &path, &device::uuid(), said).await;
                    Msg::Evaluate(Evaluate::Sent(sent.map(|_| ())))
                });
            }
            Evaluate::Sent(sent) => {
                self.opinion.thanked = sent.is_ok();
                let said = self.words.t(if sent.is_ok() { "evaluation.thanks" } else { "merge.failed" });
                self.say(&said);
                self.notice = sent.is_err().then_some(said);
                return;
            }
        }
        self.opinion.thanked = false;
    }

    /// Five radios, room for words, and a button.
    fn view_evaluation(&self, link: &Scope<Self>, body: &Shown) -> El {
        let words = &self.words;
        let given = self.opinion.given.as_ref().or(body.evaluation.as_ref());
        let rating = given.map_or(0, |given| given.rating);
        let marks = (1..=5_u8).map(|mark| {
            let chosen = rating == mark;
            let rate = move |_: &_| Some(Msg::Evaluate(Evaluate::Rate(mark)));
            let radio = el("input|type=radio|name=jalon-rating").checked(chosen).hear("change", link, Box::new(rate));
            el(if chosen { "label.choice chosen|part=choice" } else { "label.choice|part=choice" })
                .add(radio.done())
                .add(el("span").say(words, &["evaluation.", &mark.to_string()].concat()).done())
                .done()
        });
        let comment = el("textarea.field|rows=3|maxlength=1000|part=input")
            .set("aria-label", &words.t("evaluation.comment"))
            .set("placeholder", &words.t("evaluation.comment"))
            .value(given.and_then(|given| given.comment.as_deref()).unwrap_or_default())
            .hear("input", link, Box::new(|event| Some(Msg::Evaluate(Evaluate::Comment(device::value(event))))));
        let send = el("button.plain|part=button-secondary|data-jalon=evaluate")
            .flag("disabled", rating == 0)
            .press(link, || Msg::Evaluate(Evaluate::Send))
            .say(words, "evaluation.send");
        el("fieldset.panel")
            .add(el("legend").say(words, "evaluation").done())
            .add(el("div.choices rating").all(marks).done())
            .add(comment.done())
            .add(send.done())
            .maybe(self.opinion.thanked.then(|| p("p.done|data-jalon=thanks", &words.t("evaluation.thanks"))))
    }

    pub(crate) fn view_shortcodes(&self, link: &Scope<Self>, body: &Shown) -> Html {
        let drawn = body.shortcodes.iter().filter_map(|name| {
            let drawn = self.view_shortcode(link, body, name)?;
            Some(drawn.set("data-jalon", name).key(name).done())
        });
        el("div.notes").all(drawn).done()
    }

    fn view_shortcode(&self, link: &Scope<Self>, body: &Shown, name: &str) -> Option<El> {
        let words = &self.words;
        let titled = |key: &str| el("section.panel").add(el("h4").say(words, key).done());
        let line = |key: &str, n: u32| el("p.soft").text(&words.with(key, &[("n", &words.number(f64::from(n)))]));
        // A lesson that a track opened is no course: what is said of the course is not said there.
        let base = self.session.base.as_ref().filter(|_| self.outer.is_none());
        let points = base.and_then(|base| base.standing.as_ref()).map(|standing| self.view_points(standing.points));
        Some(match name {
            "self_check_info" => titled("info").add(p("p", &words.t("info.text"))),
            "next_steps" => {
                let on = self.session.next_open(body.order + 1).filter(|order| *order != body.order);
                let next = match on {
                    Some(order) => self.view_next(link, order),
                    None => p("p", &words.t("next_steps.done")),
                };
                titled("next_steps").add(next).maybe(on.is_none().then(|| self.view_home(link)).flatten())
            }
            // Nothing is issued yet: how things stand is all there is to say.
            "course_certificate" if self.outer.is_none() => {
                let done = base.and_then(|base| Some((base.completed_at?, base.score)));
                let said = match done {
                    Some((at, score)) => {
                        let score = score.map(|score| p("p.figure", &words.score(score)));
                        el("div").maybe(score).add(p("p", &words.with("completed.at", &[("date", &words.day(at))])))
                    }
                    None => el("div").add(p("p", &self.said_progress())),
                };
                titled("completed.short").add(said.done()).maybe(points)
            }
            "peers_online" => line(name, body.peers.as_ref()?.online),
            "peers_offline" => line(name, body.peers.as_ref().map(|peers| peers.online + peers.offline)?),
            "course_evaluation" => self.view_evaluation(link, body),
            _ => return None,
        })
    }

    fn view_next(&self, link: &Scope<Self>, order: u16) -> Html {
        let title = self.title_of(order).map_or("", |title| title.value.as_str());
        el("button.plain|part=button-secondary").press(link, move || Msg::Open(order)).text(title).done()
    }
}
