//! What happens to an enrollment: the payloads of its events, and what its row adds up from (V1).

use serde::{Deserialize, Serialize};

use super::Progress;
use crate::{
    EnrollmentId, GuestId, Lang, Learner, QuestionId, Score, SiteId, StepId, Timestamp, TrackId, UserId, quiz::Answer,
};

/// One event of an enrollment. Every event makes its `version` one higher, so an event's number in its
/// enrollment is the version it leads to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum TrackEvent {
    /// The learner began the track.
    #[serde(rename = "track.started")]
    Started {
        /// The new enrollment.
        enrollment_id: EnrollmentId,
        /// Its tenant.
        site_id: SiteId,
        /// The track.
        track_id: TrackId,
        /// The version it begins with.
        track_version: u32,
        /// Who began.
        learner: Learner,
        /// The language of the page.
        lang: Option<Lang>,
        /// When.
        at: Timestamp,
    },
    /// Time passed on a step, or its position moved.
    #[serde(rename = "step.progressed")]
    Progressed {
        /// The step.
        step_id: StepId,
        /// Seconds to add.
        time_spent_seconds: u32,
        /// Up to when the enrollment's time is accounted for by this; left out where no time was added.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accounted_until: Option<Timestamp>,
        /// The new position, in seconds.
        last_position: Option<u32>,
        /// When.
        at: Timestamp,
    },
    /// A quiz was answered and graded.
    #[serde(rename = "quiz.answered")]
    QuizAnswered {
        /// The step.
        step_id: StepId,
        /// Which attempt it was, from 1.
        attempt: u32,
        /// What it reached.
        score: Score,
        /// Whether that passes (G3).
        passed: bool,
        /// Seconds to add.
        time_spent_seconds: u32,
        /// Up to when the enrollment's time is accounted for by this; left out where no time was added.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accounted_until: Option<Timestamp>,
        /// What was answered; for the audit trail and recalculation.
        answers: Vec<Answer>,
        /// How right each answer was.
        questions: Vec<(QuestionId, Score)>,
        /// When.
        at: Timestamp,
    },
    /// A better score was earned in the lesson that a step points at.
    #[serde(rename = "lesson.scored")]
    LessonScored {
        /// The step.
        step_id: StepId,
        /// How much of the lesson's points.
        score: Score,
        /// When it was seen.
        at: Timestamp,
    },
    /// A step became complete.
    #[serde(rename = "step.completed")]
    StepCompleted {
        /// The step.
        step_id: StepId,
        /// Its order in the enrollment's version.
        order: u16,
        /// Whether to count an attempt: a quiz's was counted when it was answered.
        attempt: bool,
        /// Seconds to add.
        time_spent_seconds: u32,
        /// Up to when the enrollment's time is accounted for by this; left out where no time was added.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accounted_until: Option<Timestamp>,
        /// The position, in seconds.
        last_position: Option<u32>,
        /// When.
        at: Timestamp,
    },
    /// The track became complete (G5); announced by webhook (W1).
    #[serde(rename = "track.completed")]
    Completed {
        /// The frozen score (S3).
        score: Option<Score>,
        /// When it became complete: earlier than now when a finished guest becomes a member (M6).
        at: Timestamp,
        /// Whether a merge brought it.
        merged_from_guest: bool,
    },
    /// A guest's enrollment changed owner (M1).
    #[serde(rename = "guest.moved")]
    Moved {
        /// From this guest.
        guest_id: GuestId,
        /// To this member.
        user_id: UserId,
        /// When.
        at: Timestamp,
    },
    /// A guest's enrollment was merged into this one (M2).
    #[serde(rename = "guest.merged")]
    Merged {
        /// The guest.
        guest_id: GuestId,
        /// The guest's enrollment, which ends here.
        enrollment_id: EnrollmentId,
        /// The track version kept: the higher of both.
        track_version: u32,
        /// The highest complete order in that version, after the merge.
        current_step_order: u16,
        /// The score of a merge that finds the track complete.
        score: Option<Score>,
        /// What the guest had done.
        progress: Progress,
        /// When.
        at: Timestamp,
    },
    /// This guest enrollment went into a member's (M2); it is no more.
    #[serde(rename = "guest.absorbed")]
    Absorbed {
        /// Whose it went into.
        into: EnrollmentId,
        /// When.
        at: Timestamp,
    },
}

impl TrackEvent {
    /// The event's type, as the audit trail shows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "track.started",
            Self::Progressed { .. } => "step.progressed",
            Self::QuizAnswered { .. } => "quiz.answered",
            Self::LessonScored { .. } => "lesson.scored",
            Self::StepCompleted { .. } => "step.completed",
            Self::Completed { .. } => "track.completed",
            Self::Moved { .. } => "guest.moved",
            Self::Merged { .. } => "guest.merged",
            Self::Absorbed { .. } => "guest.absorbed",
        }
    }
}
