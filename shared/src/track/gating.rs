//! Which step may be opened (G1–G3, G7). The same function draws locks in the browser and is the law
//! on the server.

use serde::{Deserialize, Serialize};

use super::Progress;
use crate::{Score, StepId};

/// What gating needs to know of one version of a track.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outline {
    /// In order, 1..n without holes.
    pub steps: Vec<OutlineStep>,
}

/// One step, as gating sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutlineStep {
    /// Stable over versions.
    pub id: StepId,
    /// 1..n.
    pub order: u16,
    /// Whether later steps wait for it.
    pub required: bool,
    /// What its best score must reach (G3).
    pub pass_mark: Option<Score>,
    /// Whether doing it yields a score.
    pub scored: bool,
    /// Whether it is done elsewhere, in a lesson of a course.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lesson: bool,
    /// How long its film is, in seconds: positions lie within it. `None` where it has no film, or that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub film_seconds: Option<u32>,
}

/// Where a learner stands with a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// A required step before it is not complete.
    Locked,
    /// May be opened.
    Open,
    /// Opened, not complete.
    InProgress,
    /// Complete.
    Completed,
}

impl Outline {
    /// The step of this id.
    pub fn step(&self, id: StepId) -> Option<&OutlineStep> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// The step of this order.
    pub fn at(&self, order: u16) -> Option<&OutlineStep> {
        self.steps.get(usize::from(order).checked_sub(1)?)
    }

    /// The first required step before `step` that is not complete (G1, G2); `None`: it may be opened.
    /// A completed step is never blocked: nothing closes behind a learner.
    pub fn blocking(&self, step: &OutlineStep, progress: &Progress) -> Option<&OutlineStep> {
        if progress.is_complete(step.id) {
            return None;
        }
        self.steps
            .iter()
            .take_while(|before| before.order < step.order)
            .find(|before| before.required && !progress.is_complete(before.id))
    }

    /// The state of a step.
    pub fn state(&self, step: &OutlineStep, progress: &Progress) -> StepState {
        let done = progress.steps.get(&step.id);
        if done.is_some_and(|done| done.completed_at.is_some()) {
            StepState::Completed
        } else if self.blocking(step, progress).is_some() {
            StepState::Locked
        } else if done.is_some_and(super::StepProgress::is_begun) {
            StepState::InProgress
        } else {
            StepState::Open
        }
    }

    /// Whether the track is complete (G5): its required steps are; all, where none is required.
    pub fn is_complete(&self, progress: &Progress) -> bool {
        let any_required = self.steps.iter().any(|step| step.required);
        self.steps.iter().filter(|step| step.required || !any_required).all(|step| progress.is_complete(step.id))
    }

    /// The highest order that is complete; 0 before the first.
    pub fn current_step_order(&self, progress: &Progress) -> u16 {
        self.steps.iter().rev().find(|step| progress.is_complete(step.id)).map_or(0, |step| step.order)
    }
}
