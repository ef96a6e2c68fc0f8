//! A quiz: what the learner answers, until the server has graded it (S4: only there).

use std::cell::Cell;

use jalon_shared::{
    ChoiceId, QuestionId, QuizId,
    quiz::{Answer, Quantity, source::QuestionKindName},
    track::{Refusal, StepState, enrollment},
    wire::{enrollment::AdvanceRequest, quiz::QuestionView},
};
use wasm_bindgen::JsValue;
use yew::{Html, html::Scope};

use crate::{
    app::{App, Loaded, Msg, Place},
    device,
    draw::{El, el, p},
    from_js,
    i18n::Words,
    js, keys,
    outbox::Paper,
    shell::bones_inside as bones,
    task,
    work::{Attempt, ONLY, Points, Shown, Task, Tried},
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
#[expect(clippy::struct_excessive_bools, reason = "facts that hold independently of each other")]
pub struct Form {
    /// Of this step.
    pub order: u16,
    /// Which of its quizzes.
    pub quiz: QuizId,
    /// What was given so far.
    pub given: Draft,
    /// What the last attempt came to.
    pub result: Option<Attempt>,
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
    pub fn of(order: u16, quiz: QuizId) -> Self {
        Self {
            order,
            quiz,
            given: Vec::new(),
            result: None,
            warned: false,
            again: false,
            coming: false,
            counting: Cell::new(false),
            touched: false,
        }
    }

    /// As keys name it.
    pub fn name(&self) -> String {
        name(self.order, self.quiz)
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
    pub fn restore(&mut self, form: &str, draft: Option<Draft>, result: Option<Attempt>) {
        if self.name() != form {
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

/// How a quiz is named on the device: a track's by its step, a course's by its own id.
pub fn name(order: u16, quiz: QuizId) -> String {
    if quiz == ONLY { order.to_string() } else { quiz.to_string() }
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
    /// Turns to another quiz of the item.
    Turn(QuizId),
}

impl App {
    /// The quiz that is shown.
    fn quiz_shown(&self) -> Option<(&Shown, &Task)> {
        let Some(Place::Step(order)) = self.place else {
            return None;
        };
        match self.bodies.get(order) {
            Some(Loaded::Here(body)) => {
                body.tasks.iter().find(|task| task.quiz_id == self.form.quiz).map(|task| (&**body, task))
            }
            _ => None,
        }
    }

    /// Where the learner of a course stands with a quiz.
    fn tried(&self, quiz: QuizId) -> Option<&Tried> {
        let standing = self.session.base.as_ref()?.standing.as_ref()?;
        standing.quizzes.iter().find(|tried| tried.quiz_id == quiz)
    }

    /// How often a quiz was answered.
    pub(crate) fn attempts(&self, body: &Shown, quiz: QuizId) -> u32 {
        if quiz == ONLY {
            return self.session.progress.steps.get(&body.step_id).map_or(0, |done| done.attempt_count);
        }
        self.tried(quiz).map_or(0, |tried| tried.attempt_count)
    }

    /// Whether a quiz is behind the learner.
    fn is_done(&self, body: &Shown, task: &Task) -> bool {
        if task.quiz_id == ONLY {
            return self.session.state(body.order) == StepState::Completed;
        }
        let passed = |tried: &Tried| tried.passed_at.is_some() || task.pass_mark.is_none() && tried.attempt_count > 0;
        self.tried(task.quiz_id).is_some_and(passed)
    }

    /// Whether a quiz may be answered now: the server's rule (G7).
    fn may_attempt(&self, body: &Shown, task: &Task) -> Result<(), Refusal> {
        let quiz = &task.quiz;
        if task.quiz_id == ONLY {
            let done = self.session.progress.steps.get(&body.step_id);
            return enrollment::may_attempt(done, quiz.max_attempts, quiz.cooldown_seconds, device::now());
        }
        let tried = self.tried(task.quiz_id);
        if quiz.max_attempts.is_some_and(|max| self.attempts(body, task.quiz_id) >= max) {
            return Err(Refusal::AttemptsExhausted);
        }
        match tried.and_then(|tried| tried.retry_at) {
            Some(retry_at) if retry_at > device::now() => Err(Refusal::Cooldown { retry_at }),
            _ => Ok(()),
        }
    }

    /// Turns to the first quiz of an item that isn't behind the learner, where none is turned to.
    pub(crate) fn choose_quiz(&mut self, link: &Scope<Self>) {
        let Some(Place::Step(order)) = self.place else {
            return;
        };
        let Some(Loaded::Here(body)) = self.bodies.get(order) else {
            return;
        };
        if body.tasks.iter().any(|task| task.quiz_id == self.form.quiz) {
            return;
        }
        let open = body.tasks.iter().find(|task| !self.is_done(body, task));
        if let Some(quiz) = open.or(body.tasks.first()).map(|task| task.quiz_id) {
            self.form = Form::of(order, quiz);
            self.read_kept_body(link, order);
        }
    }

    pub(crate) fn answer_quiz(&mut self, link: &Scope<Self>, msg: QuizMsg) {
        match msg {
            QuizMsg::Submit => return self.submit(link),
            QuizMsg::Retry => return self.retry(link),
            QuizMsg::Turn(quiz) => {
                let order = self.form.order;
                self.form = Form::of(order, quiz);
                return self.read_kept_body(link, order);
            }
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
        let key = keys::draft(&self.api, &self.who(), self.slug(), &self.form.name());
        let draft = js::array(self.form.given.iter().map(Given::to_js));
        task::spawn(async move {
            device::save(&key, &draft).await;
        });
    }

    fn submit(&mut self, link: &Scope<Self>) {
        let Some((body, task)) = self.quiz_shown() else {
            return;
        };
        let (order, quiz) = (body.order, task.quiz_id);
        if self.may_attempt(body, task).is_err() || self.session.awaits_grading(order, quiz) {
            return;
        }
        let mut answers = Vec::new();
        let mut missing = Vec::new();
        for question in &task.quiz.questions {
            match answer(question, self.form.given_to(question.id)) {
                Some(answer) => answers.push(answer),
                None => missing.push(question.id),
            }
        }
        let paper = (quiz != ONLY).then_some(Paper { quiz, attempt: task.quiz.attempt });
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
        self.record(link, order, true, request, paper);
        self.say(&self.words.t(if self.offline { "quiz.queued" } else { "quiz.grading" }));
        self.focus_on("jalon-heading".to_owned());
    }

    fn retry(&mut self, link: &Scope<Self>) {
        let (order, quiz, name) = (self.form.order, self.form.quiz, self.form.name());
        let (draft, result) = (
            keys::draft(&self.api, &self.who(), self.slug(), &name),
            keys::result(&self.api, &self.who(), self.slug(), &name),
        );
        self.form = Form { again: true, touched: true, coming: self.session.served(order), ..Form::of(order, quiz) };
        task::spawn(async move {
            device::forget(&draft).await;
            device::forget(&result).await;
        });
        // The next attempt has its own order of questions and choices.
        self.read_body(link, order);
        self.focus_on("jalon-heading".to_owned());
    }

    pub(crate) fn take_result(&mut self, order: u16, quiz: QuizId, result: Attempt) {
        let step = self.session.outline.at(order).map(|step| step.id);
        let score = result.score();
        self.emit(
            "quiz-result",
            &[
                ("step_id", step.map_or(JsValue::NULL, |id| js::text(&id))),
                ("order", order.into()),
                ("score", js::score(score)),
                ("passed", result.passed.map_or(JsValue::NULL, JsValue::from)),
                ("attempts_left", result.attempts_left.map_or(JsValue::NULL, JsValue::from)),
            ],
        );
        let key = if result.passed.unwrap_or(true) { "result.passed" } else { "result.failed" };
        self.say(&self.words.with(key, &[("score", &self.words.score(score))]));
        if self.form.order == order && self.form.quiz == quiz {
            self.form.again = false;
            self.form.result = Some(result);
            if self.place == Some(Place::Step(order)) {
                self.focus_on("jalon-result".to_owned());
            }
        }
    }

    /// The quizzes of what is shown: the one turned to at length, of others how they stand.
    pub(crate) fn view_tasks(&self, link: &Scope<Self>, body: &Shown) -> Html {
        let several = body.tasks.len() > 1;
        let tasks = body.tasks.iter().map(|task| {
            let current = task.quiz_id == self.form.quiz;
            let main = if current { self.view_quiz(link, body, task) } else { self.view_other(link, body, task) };
            if task.quiz_id == ONLY {
                return main;
            }
            let title = several || body.content.is_some() || body.video.is_some();
            let title = title.then(|| el("h4").speaks(&task.title).text(&task.title.value).done());
            el("section.task|data-jalon=task").maybe(title).add(main).done()
        });
        el("div.tasks").all(tasks).done()
    }

    /// A quiz that is not turned to.
    fn view_other(&self, link: &Scope<Self>, body: &Shown, task: &Task) -> Html {
        let quiz = task.quiz_id;
        let points = self.tried(quiz).map(|tried| self.view_points(tried.points(Self::worth(task))));
        let key = if self.is_done(body, task) { "quiz.look" } else { "quiz.begin" };
        el("div.panel")
            .maybe(points)
            .add(
                el("button.plain|type=button|part=button-secondary|data-jalon=turn")
                    .press(link, move || Msg::Quiz(QuizMsg::Turn(quiz)))
                    .say(&self.words, key)
                    .done(),
            )
            .done()
    }

    /// What an attempt at a quiz is worth at most.
    fn worth(task: &Task) -> f64 {
        f64::from(task.quiz.questions.iter().map(|question| question.points).sum::<u32>())
    }

    /// Points earned, and what graders could still add (C3).
    pub(crate) fn view_points(&self, points: Points) -> Html {
        let words = &self.words;
        let all = [
            ("n", &*words.number(points.confirmed)),
            ("total", &*words.number(points.total)),
            ("potential", &*words.number(points.potential)),
        ];
        el("p.points|data-jalon=points|part=points")
            .add(el("b").text(&words.with("points", &all)).done())
            .maybe((points.potential > 0.0).then(|| p("span.potential", &words.with("points.potential", &all))))
            .done()
    }

    /// The learner's open answers, and what graders said to them.
    fn view_graded(&self, body: &Shown, task: &Task) -> Html {
        let words = &self.words;
        let answers = body.open_answers.iter().filter(|answer| answer.quiz_id == task.quiz_id);
        el("div.graded")
            .all(answers.map(|answer| {
                let (spec, key) = match &*answer.state {
                    "accepted" => ("div.verdict right", "verdict.accepted"),
                    "rejected" => ("div.verdict wrong", "verdict.rejected"),
                    _ => ("div.verdict partly", "verdict.waits"),
                };
                let (earned, potential) = match answer.points {
                    None if key == "verdict.waits" => (0.0, answer.points_total),
                    points => (points.unwrap_or_default(), 0.0),
                };
                let points = Points { confirmed: earned, potential, total: answer.points_total };
                el(spec)
                    .set("data-jalon", "open-answer")
                    .set("data-state", &answer.state)
                    .add(el("p.said").add(el("b").say(words, key).done()).done())
                    .add(p("p.mine", &answer.answer))
                    .maybe(answer.comment.as_ref().map(|comment| p("p|data-jalon=comment", comment)))
                    .add(self.view_points(points))
                    .done()
            }))
            .done()
    }

    fn view_quiz(&self, link: &Scope<Self>, body: &Shown, task: &Task) -> Html {
        let words = &self.words;
        let order = body.order;
        let quiz = &task.quiz;
        let actions = || self.view_actions(link, order);
        self.form.counting.set(false);
        if self.form.coming {
            return bones();
        }
        if self.session.awaits_grading(order, task.quiz_id) {
            let queued = self.offline || self.busy;
            let (key, state) = if queued { ("quiz.queued", "queued") } else { ("quiz.grading", "sent") };
            return el("div.panel|data-jalon=grading")
                .set("data-state", state)
                .add(p("p", &words.t(key)))
                .maybe((!queued).then(|| el("progress").set("aria-label", &words.t(key)).done()))
                .done();
        }
        let may = self.may_attempt(body, task);
        self.form.counting.set(matches!(may, Err(Refusal::Cooldown { .. })));
        let tried = self.tried(task.quiz_id);
        let waits = tried.filter(|tried| tried.awaits_grading).map(|tried| {
            let points = self.form.result.is_none().then(|| self.view_points(tried.points(Self::worth(task))));
            el("div.panel wait|data-jalon=awaiting-grading").add(p("p", &words.t("quiz.waits"))).maybe(points).done()
        });
        // What a grader has said since is newer than what the device remembers of the attempt.
        let graded_since = |result: &&Attempt| !(result.waits() && tried.is_some_and(|tried| !tried.awaits_grading));
        if let Some(result) = self.form.result.as_ref().filter(graded_since) {
            let graded = self.view_graded(body, task);
            let questions = quiz.questions.iter().enumerate().map(|(n, question)| {
                let result = result.questions.iter().find(|found| found.question_id == question.id);
                self.view_question(link, n, question, result, true)
            });
            return el("div|data-jalon=quiz|data-state=result")
                .add(self.view_result(link, task, result, &may))
                .maybe(waits)
                .add(graded)
                .all(questions)
                .add(actions())
                .done();
        }
        if let Some(waits) = waits {
            let graded = self.view_graded(body, task);
            return el("div|data-jalon=quiz|data-state=waits").add(waits).add(graded).add(actions()).done();
        }
        if self.is_done(body, task) && !self.form.again {
            let score = self.session.progress.steps.get(&body.step_id).and_then(|done| done.score);
            let said = if let Some(tried) = tried {
                self.view_points(tried.points(Self::worth(task)))
            } else {
                let score = score.map(|score| words.score(score)).unwrap_or_default();
                p("p", &words.with("quiz.done", &[("score", &score)]))
            };
            let again = may.is_ok().then(|| {
                el("button.plain|part=button-secondary|data-jalon=retry")
                    .press(link, || Msg::Quiz(QuizMsg::Retry))
                    .say(words, "quiz.improve")
                    .done()
            });
            return el("div|data-jalon=quiz|data-state=completed")
                .add(el("div.panel good").add(said).maybe(again).done())
                .add(self.view_graded(body, task))
                .add(actions())
                .done();
        }
        if let Err(refusal) = &may {
            return el("div|data-jalon=quiz|data-state=closed").add(self.view_closed(refusal)).add(actions()).done();
        }
        let submit: crate::draw::What = Box::new(|event| {
            event.prevent_default();
            Some(Msg::Quiz(QuizMsg::Submit))
        });
        let once: crate::draw::What = Box::new(|event| {
            device::deliberate(event);
            None
        });
        let questions = quiz.questions.iter().enumerate();
        let missing = self
            .form
            .warned
            .then(|| p("p.bad|data-jalon=missing", &words.count("quiz.missing", self.missing(task), &[])));
        let button: El = el("button.main|type=submit|part=button|data-jalon=submit")
            .hear("click", link, once)
            .say(words, if self.form.warned { "quiz.submit_anyway" } else { "quiz.submit" });
        el("form|data-jalon=quiz|data-state=open|novalidate")
            .hear("submit", link, submit)
            .add(p("p.soft", &self.view_terms(body, task)))
            .all(questions.map(|(n, question)| self.view_question(link, n, question, None, false)))
            .maybe(missing)
            .add(el("div.row actions").maybe(self.view_back(link, order)).add(button.done()).done())
            .done()
    }

    fn missing(&self, task: &Task) -> u64 {
        let open = |question: &&QuestionView| answer(question, self.form.given_to(question.id)).is_none();
        task.quiz.questions.iter().filter(open).count() as u64
    }

    /// What passes, and how many attempts there are.
    fn view_terms(&self, body: &Shown, task: &Task) -> String {
        let words = &self.words;
        let mut terms = Vec::new();
        if let Some(mark) = task.pass_mark {
            terms.push(words.with("quiz.mark", &[("score", &words.score(mark))]));
        }
        if let Some(max) = task.quiz.max_attempts {
            let left = max.saturating_sub(self.attempts(body, task.quiz_id));
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
                let time = Words::clock(left.max(0));
                p("p.wait|data-jalon=cooldown", &words.with("quiz.cooldown", &[("time", &time)]))
            }
            _ => p("p.bad|data-jalon=exhausted", &words.t("quiz.exhausted")),
        }
    }
}

/// The answer on the wire; `None` while there is none.
fn answer(question: &QuestionView, given: Option<&Given>) -> Option<Answer> {
    let mut answer = Answer::to(question.id);
    if question.kind == QuestionKindName::Ordering {
        // The order on the screen is the answer, moved or not: it may have come in the right one.
        answer.order = Some(order(question, given));
        return Some(answer);
    }
    let given = given?;
    match question.kind {
        QuestionKindName::SingleChoice | QuestionKindName::MultipleChoice | QuestionKindName::TrueFalse => {
            // A choice that a new version took away is no answer any more.
            let known = |id: &ChoiceId| question.choices.iter().any(|choice| choice.id == *id);
            answer.choice_ids = Some(given.ids.iter().copied().filter(known).collect());
        }
        QuestionKindName::ShortText | QuestionKindName::OpenEnded => answer.text = Some(given.text.trim().to_owned()),
        QuestionKindName::Numeric => answer.number = number(&given.text),
        QuestionKindName::Ordering => {}
        QuestionKindName::Matching => answer.pairs = Some(given.pairs.clone()),
    }
    (!answer.is_blank()).then_some(answer)
}

/// The order in which the items of an ordering question are on the screen: as they came, until one is moved.
pub fn order(question: &QuestionView, given: Option<&Given>) -> Vec<ChoiceId> {
    let ids = given.map(|given| &*given.ids).unwrap_or_default();
    // Items of another version are no order of these.
    if ids.len() == question.items.len() && question.items.iter().all(|item| ids.contains(&item.id)) {
        return ids.to_vec();
    }
    question.items.iter().map(|item| item.id).collect()
}

/// A number as people write it: with a comma or a point, Arabic or European digits.
fn number(text: &str) -> Option<Quantity> {
    let n = device::amount(text);
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within what a quantity holds")]
    (n.abs() <= 1e9).then(|| Quantity((n * 1e6).round() as i64))
}
