//! The way through the track: every step, what is done, and what blocks the rest (G1, G2). A course's steps
//! stand in their modules and lessons.

use jalon_shared::{
    track::{StepKind, StepState},
    wire::track::StepOutline,
};
use yew::{Html, html::Scope};

use crate::{
    app::{App, Msg, Place},
    draw::{all, el, p, text},
    shell::{DONE, LOCK, icon},
    work::Way,
};

impl App {
    /// "Step 2 of 7".
    pub(crate) fn step_of(&self, way: &Way, order: u16) -> String {
        let words = &self.words;
        let total = u16::try_from(way.track.steps.len()).unwrap_or(u16::MAX);
        words.with("step.of", &[("n", &words.number(f64::from(order))), ("total", &words.number(f64::from(total)))])
    }

    pub(crate) fn view_steps(&self, link: &Scope<Self>, way: &Way) -> Html {
        let words = &self.words;
        let at = match self.place {
            Some(Place::Step(order)) => self.step_of(way, order),
            _ => words.t("completed.short"),
        };
        let finished = self.session.progress.completed_at.is_some();
        let current_done = self.place == Some(Place::Done);
        let fold = el("button.fold|aria-controls=jalon-steps|data-jalon=step-list-toggle")
            .set("aria-expanded", &self.list_open.to_string())
            .press(link, || Msg::ToggleList)
            .add(el("span").say(words, "steps").done())
            .add(p("span.soft", &at));
        let end = finished.then(|| {
            let button =
                el(if current_done { "button.step done current|aria-current=step" } else { "button.step done" })
                    .set("data-jalon", "step-done")
                    .press(link, || Msg::OpenDone)
                    .add(el("span.dot").add(icon(DONE)).done())
                    .add(el("span.name").say(words, "completed.short").done());
            el("li").add(button.done()).done()
        });
        let list = match &way.course {
            None => el("ol|id=jalon-steps|data-jalon=step-list")
                .all(way.track.steps.iter().map(|step| self.view_step_line(link, step, 0.0))),
            Some(course) => {
                let mut steps = way.track.steps.iter();
                el("ol.tree|id=jalon-steps|data-jalon=step-list").all(course.modules.iter().map(|module| {
                    let lessons = module.lessons.iter().map(|lesson| {
                        let lines = steps.by_ref().take(lesson.items.len());
                        let lines = lines.zip(&lesson.items);
                        let lines = lines.map(|(step, item)| {
                            let worth: f64 = item.quizzes.iter().map(|quiz| quiz.points).sum();
                            self.view_step_line(link, step, worth)
                        });
                        el("li|data-jalon=lesson")
                            .add(el("h4.lesson").speaks(&lesson.title).text(&lesson.title.value).done())
                            .add(el("ol").all(lines).done())
                            .done()
                    });
                    el("li|data-jalon=module")
                        .add(el("h3.module").speaks(&module.title).text(&module.title.value).done())
                        .add(el("ol").all(lessons).done())
                        .done()
                }))
            }
        };
        el(if self.list_open { "nav.rail unfolded|part=step-list" } else { "nav.rail|part=step-list" })
            .set("aria-label", &words.t("steps"))
            .add(fold.done())
            .add(list.maybe(end).done())
            .done()
    }

    fn view_step_line(&self, link: &Scope<Self>, step: &StepOutline, worth: f64) -> Html {
        let words = &self.words;
        let order = step.order;
        // A course is looked at before it is begun.
        let taken = self.course_name().is_none() || self.session.base.is_some();
        let state = if taken { self.session.state(order) } else { StepState::Open };
        let current = self.place == Some(Place::Step(order));
        let locked = state == StepState::Locked;
        let reason = if taken { self.session.blocked_by(order) } else { None };
        let number = words.number(f64::from(order));
        let note = ["jalon-note-", &order.to_string()].concat();
        let done = self.session.progress.steps.get(&step.id);
        let score = done.and_then(|done| done.score).map(|score| words.score(score));
        let dot = match state {
            StepState::Completed => icon(DONE),
            StepState::Locked => icon(LOCK),
            _ => text(&number),
        };
        let mut notes = vec![words.t(kind_key(step.kind))];
        if step.scored && !matches!(step.kind, StepKind::Quiz | StepKind::Exam | StepKind::Lesson) {
            notes.push(words.t("kind.quiz"));
        }
        if worth > 0.0 {
            notes.push(words.with("points.worth", &[("n", &words.number(worth))]));
        }
        if !step.required && self.course_name().is_none() {
            notes.push(words.t("optional"));
        }
        notes.extend(score);
        let mut button = el(match state {
            StepState::Locked => "button.step locked",
            StepState::Open => "button.step open",
            StepState::InProgress => "button.step begun",
            StepState::Completed => "button.step done",
        })
        .set("part", "step")
        .set("data-jalon", "step-link")
        .set("data-order", &order.to_string())
        .set("data-state", state_name(state))
        .flag("aria-disabled", locked || !taken)
        .set("aria-describedby", &note);
        if current {
            let class = if state == StepState::Completed { "step done current" } else { "step current" };
            button = button.set("class", class).set("aria-current", "step");
        }
        let button = button
            .press(link, move || Msg::Open(order))
            .add(el("span.dot").add(dot).done())
            .add(el("span.name").speaks(&step.title).text(&step.title.value).done());
        let note = el(if self.asked_locked == Some(order) { "span.note asked" } else { "span.note" })
            .set("id", &note)
            .text(&notes.join(" · "))
            .maybe(
                (state == StepState::Completed)
                    .then(|| el("span.vh").add(all([text(" · "), text(&words.t("state.done"))])).done()),
            )
            .maybe(
                reason
                    .map(|blocking| el("span.why|data-jalon=locked-reason").text(&self.locked_reason(blocking)).done()),
            );
        el("li").key(&order.to_string()).add(button.done()).add(note.done()).done()
    }
}

fn state_name(state: StepState) -> &'static str {
    match state {
        StepState::Locked => "locked",
        StepState::Open => "open",
        StepState::InProgress => "in_progress",
        StepState::Completed => "completed",
    }
}

/// The word for what a step points at.
pub fn kind_key(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Content => "kind.content",
        StepKind::Lesson => "kind.lesson",
        StepKind::Video | StepKind::Webinar => "kind.video",
        StepKind::Quiz | StepKind::Exam => "kind.quiz",
        StepKind::Link => "kind.link",
    }
}
