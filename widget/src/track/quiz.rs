//! A quiz: what the learner answers, until the server has graded it (S4: only there).

use std::cell::Cell;

use jalon_shared::{
    ChoiceId, QuestionId,
    quiz::{Answer, Quantity, source::QuestionKindName},
    track::{Refusal, StepState, enrollment},
    wire::{
        enrollment::AdvanceRequest,
        quiz::{QuestionView, QuizResult, QuizView},
        track::StepBody,
    },
};
use wasm_bindgen::JsValue;
use yew::{Html, html, html::Scope};

use super::step::bones;
use crate::{
    app::{App, Loaded, Msg, Place},
    device, from_js,
    i18n::Words,
    js, keys, task,
};

/// What was given to one question; which field counts depends on the question's kind.
#[derive(Clone, PartialEq, Debug)]
pub struct Given {
    /// The question.
    pub question: QuestionId,
    /// Short text and number, as typed.
    pub text: String,
    /// What was chosen, or the order.
    pub ids: Vec<ChoiceId>,
    /// What was matched.
    pub pairs: Vec<(ChoiceId, ChoiceId)>,
}

from_js! { Given { question, text, ids, pairs } }

impl Given {
    fn to_js(&self) -> JsValue {
        let pairs = self.pairs.iter().map(|(left, right)| js::array([js::text(left), js::text(right)].into_iter()));
        js::object(&[
            ("question", js::text(&self.question)),
            ("text", JsValue::from_str(&self.text)),
            ("ids", js::array(self.ids.iter().map(js::text))),
            ("pairs", js::array(pairs)),
        ])
    }
}

/// Answers under way: kept on the device, so that a reload loses none.
pub type Draft = Vec<Given>;

/// The quiz that is being looked at.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that hold independently of each other")]
pub struct Form {
    /// Of this step.
    pub order: u16,
    /// What was given so far.
    pub given: Draft,
    /// What the last attempt came to.
    pub result: Option<QuizResult>,
    /// Whether the learner was told that questions are open.
    pub warned: bool,
    /// Whether the learner wants another attempt though the step is complete.
    pub again: bool,
    /// Whether the next attempt's questions are on their way: nothing moves under a learner's finger.
    pub coming: bool,
    /// Whether the picture shows a cooldown: while it does, every tick draws a new one.
    pub counting: Cell<bool>,
    touched: bool,
}

impl Form {
    /// The empty form of a step.
    pub fn of(order: u16) -> Self {
        Self { order, ..Self::default() }
    }

    /// What was given to a question.
    pub fn given_to(&self, question: QuestionId) -> Option<&Given> {
        self.given.iter().find(|given| given.question == question)
    }

    fn give(&mut self, question: QuestionId) -> &mut Given {
        let place = self.given.iter().position(|given| given.question == question);
        let place = place.unwrap_or_else(|| {
            self.given.push(Given { question, text: String::new(), ids: Vec::new(), pairs: Vec::new() });
            self.given.len() - 1
        });
        &mut self.given[place]
    }

    /// Takes what lay on the device, unless the learner has begun to write meanwhile.
    pub fn restore(&mut self, order: u16, draft: Option<Draft>, result: Option<QuizResult>) {
        if self.order != order {
            return;
        }
        if !self.touched {
            self.given = draft.unwrap_or_default();
        }
        if !self.again {
            self.result = result.or(self.result.take());
        }
    }
}

/// What a learner does in a quiz.
pub enum QuizMsg {
    /// Chose, or took back.
    Choose {
        /// The question.
        question: QuestionId,
        /// The choice.
        choice: ChoiceId,
        /// Whether it takes the place of another.
        only: bool,
    },
    /// Wrote.
    Write(QuestionId, String),
    /// Moved an item to another place.
    Move {
        /// The question.
        question: QuestionId,
        /// The order as it was shown.
        order: Vec<ChoiceId>,
        /// From this place.
        from: usize,
        /// To this one.
        to: usize,
    },
    /// Matched, or took back.
    Pair(QuestionId, ChoiceId, Option<ChoiceId>),
    /// Wants it graded.
    Submit,
    /// Wants another attempt.
    Retry,
}

impl App {
    /// The quiz that is shown.
    fn quiz_shown(&self) -> Option<(&StepBody, &QuizView)> {
        let Some(Place::Step(order)) = self.place else {
            return None;
        };
        match self.bodies.get(order) {
            Some(Loaded::Here(body)) => body.quiz.as_ref().map(|quiz| (&**body, quiz)),
            _ => None,
        }
    }

    /// Whether the quiz shown may be answered now: the server's rule (G7).
    fn may_attempt(&self, body: &StepBody, quiz: &QuizView) -> Result<(), Refusal> {
        enrollment::may_attempt(
            self.session.progress.steps.get(&body.step_id),
            quiz.max_attempts,
            quiz.cooldown_seconds,
            device::now(),
        )
    }

    pub(crate) fn answer_quiz(&mut self, link: &Scope<Self>, msg: QuizMsg) {
        match msg {
            QuizMsg::Submit => return self.submit(link),
            QuizMsg::Retry => return self.retry(link),
            QuizMsg::Choose { question, choice, only } => {
                let ids = &mut self.form.give(question).ids;
                if only {
                    *ids = vec![choice];
                } else if let Some(place) = ids.iter().position(|id| *id == choice) {
                    ids.remove(place);
                } else {
                    ids.push(choice);
                }
            }
            QuizMsg::Write(question, text) => {
                self.form.give(question).text = text;
            }
            QuizMsg::Move { question, mut order, from, to } => {
                if from >= order.len() || to >= order.len() {
                    return;
                }
                let moved = order.remove(from);
                order.insert(to, moved);
                // The button moved with its item: the focus follows.
                let name = if to < from { "up-" } else { "down-" };
                self.focus_on([name, &moved.to_string()].concat());
                #[expect(clippy::cast_precision_loss, reason = "a handful of items")]
                let (n, total) = ((to + 1) as f64, order.len() as f64);
                let text = self
                    .words
                    .with("order.moved", &[("n", &self.words.number(n)), ("total", &self.words.number(total))]);
                self.say(&text);
                self.form.give(question).ids = order;
            }
            QuizMsg::Pair(question, left, right) => {
                let pairs = &mut self.form.give(question).pairs;
                // Each side once: what was taken elsewhere is free again there.
                pairs.retain(|(l, r)| *l != left && Some(*r) != right);
                pairs.extend(right.map(|right| (left, right)));
            }
        }
        self.form.touched = true;
        self.form.warned = false;
        let key = keys::draft(&self.api, &self.who(), self.slug(), self.form.order);
        let draft = js::array(self.form.given.iter().map(Given::to_js));
        task::spawn(async move {
            device::save(&key, &draft).await;
        });
    }

    fn submit(&mut self, link: &Scope<Self>) {
        let Some((body, quiz)) = self.quiz_shown() else {
            return;
        };
        if self.may_attempt(body, quiz).is_err() || self.session.awaits_grading(body.order) {
            return;
        }
        let order = body.order;
        let mut answers = Vec::new();
        let mut missing = Vec::new();
        for question in &quiz.questions {
            match self.form.given_to(question.id).and_then(|given| answer(question, given)) {
                Some(answer) => answers.push(answer),
                None => missing.push(question.id),
            }
        }
        if let Some(first) = missing.first() {
            let told = std::mem::replace(&mut self.form.warned, true);
            if !told || answers.is_empty() {
                let text = self.words.count("quiz.missing", missing.len() as u64, &[]);
                self.say(&text);
                self.focus_on(["q-", &first.to_string()].concat());
                return;
            }
        }
        let request =
            AdvanceRequest { answers: Some(answers), time_spent_seconds: self.take_spent(), last_position: None };
        self.form.result = None;
        self.form.warned = false;
        self.record(link, order, true, request);
        self.say(&self.words.t(if self.offline { "quiz.queued" } else { "quiz.grading" }));
        self.focus_on("jalon-heading".to_owned());
    }

    fn retry(&mut self, link: &Scope<Self>) {
        let order = self.form.order;
        let (draft, result) = (
            keys::draft(&self.api, &self.who(), self.slug(), order),
            keys::result(&self.api, &self.who(), self.slug(), order),
        );
        self.form = Form { again: true, touched: true, coming: self.session.served(order), ..Form::of(order) };
        task::spawn(async move {
            device::forget(&draft).await;
            device::forget(&result).await;
        });
        // The next attempt has its own order of questions and choices.
        self.read_body(link, order);
        self.focus_on("jalon-heading".to_owned());
    }

    pub(crate) fn take_result(&mut self, order: u16, result: QuizResult) {
        let step = self.session.outline.at(order).map(|step| step.id);
        self.emit(
            "quiz-result",
            &[
                ("step_id", step.map_or(JsValue::NULL, |id| js::text(&id))),
                ("order", order.into()),
                ("score", js::score(result.score)),
                ("passed", result.passed.into()),
                ("attempts_left", result.attempts_left.map_or(JsValue::NULL, JsValue::from)),
            ],
        );
        let score = self.words.score(result.score);
        let key = if result.passed { "result.passed" } else { "result.failed" };
        self.say(&self.words.with(key, &[("score", &score)]));
        if self.form.order == order {
            self.form.again = false;
            self.form.result = Some(result);
            if self.place == Some(Place::Step(order)) {
                self.focus_on("jalon-result".to_owned());
            }
        }
    }

    pub(crate) fn view_quiz(&self, link: &Scope<Self>, body: &StepBody, quiz: &QuizView) -> Html {
        let words = &self.words;
        let order = body.order;
        let complete = self.session.state(order) == StepState::Completed;
        self.form.counting.set(false);
        if self.form.coming {
            return bones();
        }
        if self.session.awaits_grading(order) {
            let queued = self.offline || self.busy;
            let key = if queued { "quiz.queued" } else { "quiz.grading" };
            return html! {
                <div class="panel" data-jalon="grading" data-state={if queued { "queued" } else { "sent" }}>
                    <p>{words.t(key)}</p>
                    if !queued { <progress aria-label={words.t(key)}></progress> }
                </div>
            };
        }
        let may = self.may_attempt(body, quiz);
        self.form.counting.set(matches!(may, Err(Refusal::Cooldown { .. })));
        if let Some(result) = &self.form.result {
            return html! {
                <div data-jalon="quiz" data-state="result">
                    {self.view_result(link, body, result, &may)}
                    {for quiz.questions.iter().enumerate().map(|(n, question)| self.view_question(link, n, question, result.questions.iter().find(|found| found.question_id == question.id), true))}
                    {self.view_actions(link, order)}
                </div>
            };
        }
        if complete && !self.form.again {
            let score = self.session.progress.steps.get(&body.step_id).and_then(|done| done.score);
            return html! {
                <div data-jalon="quiz" data-state="completed">
                    <div class="panel good">
                        <p>{words.with("quiz.done", &[("score", &score.map(|score| words.score(score)).unwrap_or_default())])}</p>
                        if may.is_ok() { <button class="plain" part="button-secondary" data-jalon="retry" onclick={link.callback(|_| Msg::Quiz(QuizMsg::Retry))}>{words.t("quiz.improve")}</button> }
                    </div>
                    {self.view_actions(link, order)}
                </div>
            };
        }
        if let Err(refusal) = &may {
            return html! {
                <div data-jalon="quiz" data-state="closed">
                    {self.view_closed(refusal)}
                    {self.view_actions(link, order)}
                </div>
            };
        }
        html! {
            <form data-jalon="quiz" data-state="open" novalidate={true} onsubmit={link.callback(|event: yew::SubmitEvent| { event.prevent_default(); Msg::Quiz(QuizMsg::Submit) })}>
                <p class="soft">{self.view_terms(body, quiz)}</p>
                {for quiz.questions.iter().enumerate().map(|(n, question)| self.view_question(link, n, question, None, false))}
                if self.form.warned {
                    <p class="bad" data-jalon="missing">{words.count("quiz.missing", self.missing(quiz), &[])}</p>
                }
                <div class="row actions">
                    if order > 1 {
                        <button type="button" class="plain back" part="button-secondary" data-jalon="back" onclick={link.callback(move |_| Msg::Open(order - 1))}>{words.t("back")}</button>
                    }
                    <button type="submit" class="main" part="button" data-jalon="submit" onclick={|event: yew::MouseEvent| { device::deliberate(&event); }}>{words.t(if self.form.warned { "quiz.submit_anyway" } else { "quiz.submit" })}</button>
                </div>
            </form>
        }
    }

    fn missing(&self, quiz: &QuizView) -> u64 {
        let open = |question: &&QuestionView| {
            let given = self.form.given_to(question.id);
            given.and_then(|given| answer(question, given)).is_none()
        };
        quiz.questions.iter().filter(open).count() as u64
    }

    /// What passes, and how many attempts there are.
    fn view_terms(&self, body: &StepBody, quiz: &QuizView) -> String {
        let words = &self.words;
        let mut terms = Vec::new();
        if let Some(mark) = body.pass_mark {
            terms.push(words.with("quiz.mark", &[("score", &words.score(mark))]));
        }
        if let Some(max) = quiz.max_attempts {
            let done = self.session.progress.steps.get(&body.step_id);
            let left = max.saturating_sub(done.map_or(0, |done| done.attempt_count));
            terms.push(words.count("quiz.left", u64::from(left), &[]));
        }
        terms.join(" · ")
    }

    /// Why there is no attempt now.
    pub(crate) fn view_closed(&self, refusal: &Refusal) -> Html {
        let words = &self.words;
        match refusal {
            Refusal::Cooldown { retry_at } => {
                let left = (retry_at.0 - device::now().0 + 999) / 1000;
                html! { <p class="wait" data-jalon="cooldown">{words.with("quiz.cooldown", &[("time", &Words::clock(left.max(0)))])}</p> }
            }
            _ => html! { <p class="bad" data-jalon="exhausted">{words.t("quiz.exhausted")}</p> },
        }
    }
}

/// The answer on the wire; `None` while there is none.
fn answer(question: &QuestionView, given: &Given) -> Option<Answer> {
    let mut answer = Answer::to(question.id);
    match question.kind {
        QuestionKindName::SingleChoice | QuestionKindName::MultipleChoice | QuestionKindName::TrueFalse => {
            // A choice that a new version took away is no answer any more.
            let known = |id: &ChoiceId| question.choices.iter().any(|choice| choice.id == *id);
            answer.choice_ids = Some(given.ids.iter().copied().filter(known).collect());
        }
        QuestionKindName::ShortText | QuestionKindName::OpenEnded => answer.text = Some(given.text.trim().to_owned()),
        QuestionKindName::Numeric => answer.number = number(&given.text),
        QuestionKindName::Ordering => {
            let known = question.items.iter().all(|item| given.ids.contains(&item.id));
            answer.order = known.then(|| given.ids.clone());
        }
        QuestionKindName::Matching => answer.pairs = Some(given.pairs.clone()),
    }
    (!answer.is_blank()).then_some(answer)
}

/// A number as people write it: with a comma or a point, Arabic or European digits.
fn number(text: &str) -> Option<Quantity> {
    let n = device::amount(text);
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within what a quantity holds")]
    (n.abs() <= 1e9).then(|| Quantity((n * 1e6).round() as i64))
}
