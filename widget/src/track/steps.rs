//! The way through the track: every step, what is done, and what blocks the rest (G1, G2).

use jalon_shared::{
    track::{StepKind, StepState},
    wire::track::{StepOutline, TrackView},
};
use yew::{Html, html, html::Scope};

use crate::{
    app::{App, Msg, Place},
    shell::{DONE, LOCK, icon},
};

impl App {
    pub(crate) fn view_steps(&self, link: &Scope<Self>, track: &TrackView) -> Html {
        let words = &self.words;
        let at = match self.place {
            Some(Place::Step(order)) => words.with(
                "step.of",
                &[
                    ("n", &words.number(f64::from(order))),
                    ("total", &words.number(f64::from(u16::try_from(track.steps.len()).unwrap_or(u16::MAX)))),
                ],
            ),
            _ => words.t("completed.short"),
        };
        let finished = self.session.progress.completed_at.is_some();
        let current_done = self.place == Some(Place::Done);
        html! {
            <nav class={if self.list_open { "rail unfolded" } else { "rail" }} aria-label={words.t("steps")} part="step-list">
                <button class="fold" aria-expanded={self.list_open.to_string()} aria-controls="jalon-steps" data-jalon="step-list-toggle"
                        onclick={link.callback(|_| Msg::ToggleList)}>
                    <span>{words.t("steps")}</span><span class="soft">{at}</span>
                </button>
                <ol id="jalon-steps" data-jalon="step-list">
                    {for track.steps.iter().map(|step| self.view_step_line(link, step))}
                    if finished {
                        <li>
                            <button class={if current_done { "step done current" } else { "step done" }} data-jalon="step-done"
                                    aria-current={current_done.then_some("step")} onclick={link.callback(|_| Msg::OpenDone)}>
                                <span class="dot">{icon(DONE)}</span><span class="name">{words.t("completed.short")}</span>
                            </button>
                        </li>
                    }
                </ol>
            </nav>
        }
    }

    fn view_step_line(&self, link: &Scope<Self>, step: &StepOutline) -> Html {
        let words = &self.words;
        let order = step.order;
        let state = self.session.state(order);
        let current = self.place == Some(Place::Step(order));
        let locked = state == StepState::Locked;
        let reason = self.session.blocked_by(order).map(|blocking| self.locked_reason(blocking));
        let note = ["jalon-note-", &order.to_string()].concat();
        let done = self.session.progress.steps.get(&step.id);
        let score = done.and_then(|done| done.score).map(|score| words.score(score));
        let dot = match state {
            StepState::Completed => icon(DONE),
            StepState::Locked => icon(LOCK),
            _ => html! { {words.number(f64::from(order))} },
        };
        let asked = self.asked_locked == Some(order);
        html! {
            <li key={order.to_string()}>
                <button class={Self::state_class(state, current)} part="step" data-jalon="step-link" data-order={order.to_string()}
                        data-state={state_name(state)} aria-current={current.then_some("step")} aria-disabled={locked.then_some("true")}
                        aria-describedby={note.clone()} onclick={link.callback(move |_| Msg::Open(order))}>
                    <span class="dot">{dot}</span>
                    <span class="name" lang={step.title.lang.as_str().to_owned()} dir={step.title.lang.dir()}>{&step.title.value}</span>
                </button>
                <span class={if asked { "note asked" } else { "note" }} id={note}>
                    {words.t(kind_key(step.kind))}
                    if !step.required { {" · "}{words.t("optional")} }
                    if let Some(score) = score { {" · "}{score} }
                    if state == StepState::Completed { <span class="vh">{" · "}{words.t("state.done")}</span> }
                    if let Some(reason) = reason { <span class="why" data-jalon="locked-reason">{reason}</span> }
                </span>
            </li>
        }
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
        StepKind::Content | StepKind::Lesson => "kind.content",
        StepKind::Video | StepKind::Webinar => "kind.video",
        StepKind::Quiz | StepKind::Exam => "kind.quiz",
        StepKind::Link => "kind.link",
    }
}
