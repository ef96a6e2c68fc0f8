//! What the learner did and the server doesn't know yet. It lies on the device before it is sent, each
//! entry under the UUIDv7 that is its idempotency key; one tab sends, in order.

use std::cell::RefCell;

use jalon_shared::{
    QuizId, StepId, Timestamp,
    quiz::Answer,
    track::{
        Command,
        enrollment::{LessonDone, MAX_REPORT_SECONDS},
    },
    wire::enrollment::AdvanceRequest,
};
use wasm_bindgen::JsValue;

use crate::{
    api::{self, Api, Failure, Problem},
    device, from_js,
    identity::{self, Member},
    js, keys,
    track::quiz,
    work::{self, Attempt, Heard, ONLY},
};

/// Something to send.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Its idempotency key.
    pub key: String,
    /// Whose it is: `guest`, or `user:…`.
    pub who: String,
    /// The track's slug.
    pub track: String,
    /// The step.
    pub step: StepId,
    /// The step's order.
    pub order: u16,
    /// Whether the step was completed or its quiz answered; else it is a report of time and position.
    pub advance: bool,
    /// What was done. A report has no answers.
    pub request: AdvanceRequest,
    /// When, by this device's clock.
    pub at: Timestamp,
    /// How often the server answered that there is no such thing (yet).
    pub missed: u8,
    /// For answers in a course: to which quiz.
    pub paper: Option<Paper>,
}

/// Which quiz of a course's item is answered.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Paper {
    /// The quiz.
    pub quiz: QuizId,
    /// Which attempt: a stale tab's answers are not taken for another attempt's.
    pub attempt: u32,
}

from_js! {
    Entry { key, who, track, step, order, advance, request, at, missed, paper }
    Paper { quiz, attempt }
}

impl Entry {
    /// Whether it waits for the server's grading.
    pub fn is_answers(&self) -> bool {
        self.request.answers.is_some()
    }

    /// The command to decide on at once; `None` for what only the server can grade.
    pub fn command(&self) -> Option<Command> {
        let time_spent_seconds = self.request.time_spent_seconds.unwrap_or_default();
        let (step, last_position) = (self.step, self.request.last_position);
        match (self.advance, self.is_answers()) {
            (_, true) => None,
            (true, false) => {
                // Of a lesson's step: it was complete on this device.
                let lesson = Some(LessonDone { score: None });
                Some(Command::Advance { step, time_spent_seconds, last_position, attempt: None, lesson })
            }
            (false, false) => Some(Command::Report { step, time_spent_seconds, last_position }),
        }
    }

    fn to_js(&self) -> JsValue {
        js::object(&[
            ("key", JsValue::from_str(&self.key)),
            ("who", JsValue::from_str(&self.who)),
            ("track", JsValue::from_str(&self.track)),
            ("step", js::text(&self.step)),
            ("order", self.order.into()),
            ("advance", self.advance.into()),
            ("request", request_to_js(&self.request, None)),
            ("at", js::moment(self.at)),
            ("missed", self.missed.into()),
            (
                "paper",
                self.paper.map_or(JsValue::UNDEFINED, |paper| {
                    js::object(&[("quiz", js::text(&paper.quiz)), ("attempt", paper.attempt.into())])
                }),
            ),
        ])
    }
}

fn request_to_js(request: &AdvanceRequest, attempt: Option<u32>) -> JsValue {
    let answers =
        request.answers.as_ref().map_or(JsValue::UNDEFINED, |answers| js::array(answers.iter().map(answer_to_js)));
    js::object(&[
        ("answers", answers),
        ("attempt", number(attempt)),
        ("time_spent_seconds", number(request.time_spent_seconds)),
        ("last_position", number(request.last_position)),
    ])
}

fn number(n: Option<u32>) -> JsValue {
    n.map_or(JsValue::UNDEFINED, JsValue::from)
}

fn answer_to_js(answer: &Answer) -> JsValue {
    let ids = |ids: &Option<Vec<_>>| ids.as_ref().map_or(JsValue::UNDEFINED, |ids| js::array(ids.iter().map(js::text)));
    let pairs = answer.pairs.as_ref().map_or(JsValue::UNDEFINED, |pairs| {
        js::array(pairs.iter().map(|(left, right)| js::array([js::text(left), js::text(right)].into_iter())))
    });
    #[expect(clippy::cast_precision_loss, reason = "at most 1e15, which a double holds exactly")]
    let amount = answer.number.map_or(JsValue::UNDEFINED, |number| (number.0 as f64 / 1e6).into());
    js::object(&[
        ("question_id", js::text(&answer.question_id)),
        ("choice_ids", ids(&answer.choice_ids)),
        ("text", answer.text.as_deref().map_or(JsValue::UNDEFINED, JsValue::from_str)),
        ("number", amount),
        ("pairs", pairs),
        ("order", ids(&answer.order)),
    ])
}

/// What came of sending.
pub enum Sent {
    /// The server took it.
    Taken {
        /// What was sent.
        entry: Entry,
        /// By whom: the guest may just have come into being.
        token: String,
        /// The enrollment, after.
        enrollment: Box<Heard>,
        /// For a quiz.
        result: Option<Attempt>,
    },
    /// The server refused it for good: the learner is told.
    Dropped {
        /// What was sent.
        entry: Entry,
        /// Why.
        problem: Problem,
    },
    /// The guest was merged elsewhere and writes no more (M5).
    GuestGone,
    /// Nothing goes at the moment.
    Waiting {
        /// Why.
        failure: Failure,
    },
}

thread_local! {
    /// Sent, and answered: where deleting an entry fails, it still isn't sent twice by this page.
    static SENT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Whether this page has sent it already.
pub fn is_sent(entry: &Entry) -> bool {
    SENT.with_borrow(|sent| sent.contains(&entry.key))
}

/// Everything that waits, of whoever it is, in order.
pub async fn pending(api: &Api, who: &str) -> Vec<Entry> {
    let mut waiting = Vec::new();
    for key in device::keys(&keys::out(api, "")).await {
        if let Some(entry) = device::load::<Entry>(&key).await
            && entry.who == who
            && !is_sent(&entry)
        {
            waiting.push(entry);
        }
    }
    waiting
}

/// Puts an entry on the device; says whether it outlives the page.
pub async fn put(api: &Api, entry: &Entry) -> bool {
    device::save(&keys::out(api, &entry.key), &entry.to_js()).await
}

/// What the guest could not send becomes the member's to send.
pub async fn hand_over(api: &Api, user: &str) {
    for mut entry in pending(api, keys::GUEST).await {
        user.clone_into(&mut entry.who);
        put(api, &entry).await;
    }
}

/// Sends what waits, one after the other, while no other tab does.
pub async fn drain(api: Api, member: Option<Member>, tell: Box<dyn Fn(Sent)>) {
    let name = ["drain ", &api.base, "|", &api.site].concat();
    let _turn = device::lock(&name).await;
    let members = member.as_ref().map(|member| keys::user(&member.subject));
    for key in device::keys(&keys::out(&api, "")).await {
        // Read again: another tab, or a merge, may have taken it meanwhile.
        let Some(mut entry) = device::load::<Entry>(&key).await else {
            continue;
        };
        if is_sent(&entry) {
            device::forget(&key).await;
            continue;
        }
        let token = match &member {
            _ if entry.who == keys::GUEST => match identity::ensure_guest(&api).await {
                Ok(guest) => guest.token,
                Err(failure) => return tell(Sent::Waiting { failure }),
            },
            Some(member) if members.as_ref() == Some(&entry.who) => member.token.clone(),
            _ => continue,
        };
        match send(&api.by(&token), &mut entry).await {
            Ok((enrollment, result)) => {
                done(&entry, &key).await;
                tell(Sent::Taken { entry, token, enrollment: Box::new(enrollment), result });
            }
            Err(Failure::Refused(problem)) if problem.code == "guest_merged" => {
                return tell(Sent::GuestGone);
            }
            Err(Failure::Refused(problem)) if problem.status == 404 && entry.missed < 2 => {
                // Perhaps only the enrollment that this device knew is gone: begin it again.
                device::forget(&keys::enrollment_id(&api, &entry.who, &entry.track)).await;
                if let Some(of) = work::lesson(&entry.track) {
                    device::forget(&keys::enrollment_id(&api, &entry.who, of.track)).await;
                }
                let missed = entry.missed + 1;
                put(&api, &Entry { missed, ..entry }).await;
                return tell(Sent::Waiting { failure: Failure::Refused(problem) });
            }
            Err(Failure::Refused(problem)) => {
                done(&entry, &key).await;
                tell(Sent::Dropped { entry, problem });
            }
            Err(failure) => return tell(Sent::Waiting { failure }),
        }
    }
}

async fn done(entry: &Entry, key: &str) {
    SENT.with_borrow_mut(|sent| sent.push(entry.key.clone()));
    device::forget(key).await;
}

async fn send(api: &Api, entry: &mut Entry) -> Result<(Heard, Option<Attempt>), Failure> {
    let id = identity::ensure_enrollment(api, &entry.who, &entry.track).await?;
    let step = entry.step.to_string();
    let mut body = request_to_js(&entry.request, entry.paper.map(|paper| paper.attempt));
    let (method, path) = if work::course(&entry.track).is_some() {
        let item = ["/course-enrollments/", &id, "/items/", &step].concat();
        match entry.paper {
            Some(paper) => ("POST", [&item, "/quizzes/", &paper.quiz.to_string(), "/answers"].concat()),
            None if entry.advance => {
                body = js::object(&[]);
                ("POST", [&item, "/visit"].concat())
            }
            None => ("PATCH", item),
        }
    } else {
        // By its id: a merge may have taken the enrollment to a version in which another step has this order.
        let (method, what) = if entry.advance { ("POST", "/advance?step_id=") } else { ("PATCH", "?step_id=") };
        (method, ["/enrollments/", &id, "/steps/", &entry.order.to_string(), what, &step].concat())
    };
    let answer = api.change(method, &path, &entry.key, body).await?;
    let of_answer = js::field(&answer, "enrollment");
    let (raw, result) =
        if of_answer.is_undefined() { (answer, JsValue::UNDEFINED) } else { (of_answer, js::field(&answer, "result")) };
    let heard = identity::keep(api, &entry.who, &entry.track, &raw).await?;
    if let Some(step) = heard.steps.iter().find(|step| step.step_id == entry.step && step.order > 0) {
        entry.order = step.order;
    }
    let found: Option<Attempt> = api::read(&result)?;
    if found.is_some() {
        let name = quiz::name(entry.order, entry.paper.map_or(ONLY, |paper| paper.quiz));
        device::save(&keys::result(api, &entry.who, &entry.track, &name), &result).await;
    }
    Ok((heard, found))
}

/// Seconds, as one report may hold them.
pub fn bounded(seconds: u32) -> Option<u32> {
    (seconds > 0).then(|| seconds.min(MAX_REPORT_SECONDS))
}
