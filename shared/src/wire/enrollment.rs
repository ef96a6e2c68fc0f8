//! Enrollments, and what learners do with them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    EnrollmentId, GuestId, Score, StepId, Timestamp, UserId,
    quiz::Answer,
    track::{self, Outline, Progress, StepState, TrackSlug, TrackType},
    wire::quiz::QuizResult,
};

/// One learner's way through one track.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Enrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// The site's slug.
    pub site: String,
    /// The track.
    pub track: TrackRef,
    /// The member, or null (XOR).
    pub user_id: Option<UserId>,
    /// The guest, or null (XOR).
    pub guest_id: Option<GuestId>,
    /// The highest order that is complete; 0 before the first.
    pub current_step_order: u16,
    /// Grows with every change.
    pub version: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it became complete, or null.
    pub completed_at: Option<Timestamp>,
    /// Frozen at completion (S3); null before, and where nothing was scored.
    pub score: Option<Score>,
    /// Over all steps.
    pub time_spent_seconds: u64,
    /// In order.
    pub steps: Vec<EnrollmentStep>,
}

/// The track of an enrollment, in the enrollment's version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrackRef {
    /// Its name in addresses.
    pub slug: TrackSlug,
    /// What it is for.
    pub track_type: TrackType,
    /// The version.
    pub version: u32,
}

/// Where the learner stands with a step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrollmentStep {
    /// Stable over versions.
    pub step_id: StepId,
    /// 1..n.
    pub order: u16,
    /// Locked, open, in progress or completed.
    pub state: StepState,
    /// The order of the first required step that blocks it, where it is locked (G2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<u16>,
    /// Whether later steps wait for it.
    pub required: bool,
    /// The best score.
    pub score: Option<Score>,
    /// How often it was done, or its quiz answered.
    pub attempt_count: u32,
    /// Seconds.
    pub time_spent_seconds: u32,
    /// Seconds into the video.
    pub last_position: Option<u32>,
    /// When it became complete.
    pub completed_at: Option<Timestamp>,
    /// When its quiz was last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<Timestamp>,
}

impl Enrollment {
    /// The enrollment as its learner sees it.
    pub fn new(enrollment: &track::Enrollment, outline: &Outline, site: &str, track: TrackRef) -> Self {
        let mut view = Self {
            id: enrollment.id,
            site: site.to_owned(),
            track,
            user_id: enrollment.learner.user_id().cloned(),
            guest_id: enrollment.learner.guest_id(),
            current_step_order: 0,
            version: enrollment.version,
            started_at: enrollment.progress.started_at,
            completed_at: None,
            score: None,
            time_spent_seconds: 0,
            steps: Vec::new(),
        };
        view.show(&enrollment.progress, outline);
        view
    }

    /// What was done, back from the wire: the widget decides with it (G7).
    pub fn progress(&self) -> Progress {
        let done = |step: &EnrollmentStep| track::StepProgress {
            attempt_count: step.attempt_count,
            time_spent_seconds: step.time_spent_seconds,
            last_position: step.last_position,
            score: step.score,
            completed_at: step.completed_at,
            last_attempt_at: step.last_attempt_at,
        };
        // Inserted one by one: `collect` would sort first, and sorting weighs 2 KB in the widget.
        let mut steps = BTreeMap::new();
        for step in &self.steps {
            let done = done(step);
            if done.is_begun() {
                steps.insert(step.step_id, done);
            }
        }
        Progress {
            current_step_order: self.current_step_order,
            started_at: self.started_at,
            completed_at: self.completed_at,
            score: self.score,
            // Only the server knows it; what the widget adds until the server has answered is a guess anyway.
            accounted_until: None,
            steps,
        }
    }

    /// Shows this progress: what the server does before it answers, and the widget before it asks.
    pub fn show(&mut self, progress: &Progress, outline: &Outline) {
        self.current_step_order = progress.current_step_order;
        self.started_at = progress.started_at;
        self.completed_at = progress.completed_at;
        self.score = progress.score;
        self.time_spent_seconds = progress.time_spent_seconds();
        let nothing = track::StepProgress::default();
        self.steps = outline
            .steps
            .iter()
            .map(|step| {
                let done = progress.steps.get(&step.id).unwrap_or(&nothing);
                EnrollmentStep {
                    step_id: step.id,
                    order: step.order,
                    state: outline.state(step, progress),
                    blocked_by: outline.blocking(step, progress).map(|blocking| blocking.order),
                    required: step.required,
                    score: done.score,
                    attempt_count: done.attempt_count,
                    time_spent_seconds: done.time_spent_seconds,
                    last_position: done.last_position,
                    completed_at: done.completed_at,
                    last_attempt_at: done.last_attempt_at,
                }
            })
            .collect();
    }
}

/// How far an enrollment is, as the dashboard filters it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentStatus {
    /// Begun, no step complete.
    Started,
    /// Some steps complete.
    InProgress,
    /// The track is complete.
    Completed,
    /// Its time is over; tracks have none, so this is empty for them.
    Expired,
}

/// The body of `POST …/enrollments`; may be left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EnrollRequest {}

/// The body of `POST …/advance`; may be left out for a step without questions.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdvanceRequest {
    /// For a quiz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<Answer>>,
    /// Seconds to add, at most four hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_spent_seconds: Option<u32>,
    /// Seconds into the video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_position: Option<u32>,
}

/// The answer to `POST …/advance`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdvanceResponse {
    /// The enrollment, after.
    pub enrollment: Enrollment,
    /// For a quiz that was graded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<QuizResult>,
}

/// The body of `PATCH …/steps/{order}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// Seconds to add, at most four hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_spent_seconds: Option<u32>,
    /// Seconds into the video; replaces the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_position: Option<u32>,
}
