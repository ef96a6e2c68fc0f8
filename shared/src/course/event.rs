//! What happens to an enrollment in a course, and what its rows add up from (V1).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Gates, Points, Progress, Record, Totals};
use crate::{
    CourseId, EnrollmentId, GuestId, ItemId, Lang, Learner, LessonId, QuestionId, QuizId, Score, SiteId, Timestamp,
    TrackId, UserId, quiz::Answer,
};

/// One event of an enrollment in a course. Every event makes its `version` one higher.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum CourseEvent {
    /// The learner enrolled.
    #[serde(rename = "course.enrolled")]
    Enrolled {
        /// The new enrollment.
        enrollment_id: EnrollmentId,
        /// Its tenant.
        site_id: SiteId,
        /// The course.
        course_id: CourseId,
        /// The version it begins with.
        course_version: u32,
        /// Who enrolled.
        learner: Learner,
        /// The language of the page.
        lang: Option<Lang>,
        /// When.
        at: Timestamp,
    },
    /// A track opened a lesson, whatever stands before it in the course.
    #[serde(rename = "lesson.opened")]
    LessonOpened {
        /// The lesson.
        lesson_id: LessonId,
        /// The track.
        track_id: TrackId,
        /// When.
        at: Timestamp,
    },
    /// An item was opened for the first time.
    #[serde(rename = "lesson_item.viewed")]
    ItemViewed {
        /// The item.
        item_id: ItemId,
        /// When.
        at: Timestamp,
    },
    /// Time passed on an item, or its position moved.
    #[serde(rename = "lesson_item.progressed")]
    ItemProgressed {
        /// The item.
        item_id: ItemId,
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
    /// Right answers from another course that holds the lesson count here too.
    #[serde(rename = "points.shared")]
    PointsShared {
        /// The item.
        item_id: ItemId,
        /// Its quiz.
        quiz_id: QuizId,
        /// How many questions the quiz has.
        of: u32,
        /// The questions, with their weight here.
        questions: Vec<(QuestionId, u32)>,
        /// The best attempt from now on, where with these answers it is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        best: Option<Record>,
        /// With `best`: the best attempt by the questions there are, where that is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<Record>,
        /// What all shared answers bring at most from now on, where they come from several draws.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        most: Option<Points>,
        /// When.
        at: Timestamp,
    },
    /// A quiz was answered; what a key can grade is graded.
    #[serde(rename = "quiz.answered")]
    QuizAnswered {
        /// The item.
        item_id: ItemId,
        /// Its quiz.
        quiz_id: QuizId,
        /// How many questions the quiz has.
        of: u32,
        /// What became of it.
        record: Record,
        /// What was answered; for graders, the audit trail and recalculation.
        answers: Vec<Answer>,
        /// Seconds to add.
        time_spent_seconds: u32,
        /// Up to when the enrollment's time is accounted for by this; left out where no time was added.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accounted_until: Option<Timestamp>,
        /// When.
        at: Timestamp,
    },
    /// A grader accepted or rejected an open answer.
    #[serde(rename = "quiz.graded")]
    QuizGraded {
        /// The item.
        item_id: ItemId,
        /// Its quiz.
        quiz_id: QuizId,
        /// Which attempt.
        attempt: u32,
        /// Which question.
        question_id: QuestionId,
        /// The share of its points; `None` when it was rejected (C2).
        score: Option<Score>,
        /// Who graded.
        grader: UserId,
        /// What the grader says to the learner.
        comment: String,
        /// The best attempt from now on.
        best: Option<Record>,
        /// The attempt that still waits.
        waiting: Option<Record>,
        /// The best attempt by the questions there are, where that is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<Record>,
        /// When.
        at: Timestamp,
    },
    /// A quiz was passed for the first time.
    #[serde(rename = "quiz.passed")]
    QuizPassed {
        /// The item.
        item_id: ItemId,
        /// Its quiz.
        quiz_id: QuizId,
        /// For a gate (C1): the gates that are open now.
        gates: Option<Gates>,
        /// When.
        at: Timestamp,
    },
    /// An item became complete.
    #[serde(rename = "lesson_item.completed")]
    ItemCompleted {
        /// The item.
        item_id: ItemId,
        /// Whether the course needs it.
        needed: bool,
        /// When.
        at: Timestamp,
    },
    /// A lesson became complete.
    #[serde(rename = "lesson.completed")]
    LessonCompleted {
        /// The lesson.
        lesson_id: LessonId,
        /// The item that completed it.
        item_id: ItemId,
        /// When.
        at: Timestamp,
    },
    /// The course became complete; announced by webhook.
    #[serde(rename = "course.completed")]
    Completed {
        /// How much of its points was earned by then; frozen (S3). `None` where it has no questions.
        score: Option<Score>,
        /// Points earned by then.
        confirmed: Points,
        /// Points that graders could still add.
        potential: Points,
        /// When.
        at: Timestamp,
        /// Whether a merge brought it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
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
        /// The course version kept: the higher of both.
        course_version: u32,
        /// What the guest had done, attempts numbered behind the member's own.
        progress: Box<Progress>,
        /// Quizzes that the version kept has with other questions than the attempts had.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fitted: Vec<Fitted>,
        /// The sums from now on.
        totals: Totals,
        /// The gates from now on.
        gates: Gates,
        /// The score of a merge that finds the course complete.
        score: Option<Score>,
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
    /// Brought to another version, or counted anew (C3).
    #[serde(rename = "course.recalculated")]
    Recalculated {
        /// The version from now on.
        course_version: u32,
        /// Quizzes that are counted differently now.
        records: Vec<Regraded>,
        /// The sums from now on.
        totals: Totals,
        /// The gates from now on.
        gates: Gates,
        /// When.
        at: Timestamp,
    },
}

/// A quiz that is counted differently now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Regraded {
    /// The item.
    pub item_id: ItemId,
    /// Its quiz.
    pub quiz_id: QuizId,
    /// The attempts that are graded differently.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Record>,
    /// The best attempt from now on.
    pub best: Option<Record>,
    /// The attempt that still waits.
    pub waiting: Option<Record>,
    /// Shared answers from now on, with their weight.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shared: BTreeMap<QuestionId, u32>,
    /// What all that brings at most from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<Points>,
    /// Questions of these attempts and shared answers that the quiz no longer has.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub gone: BTreeSet<QuestionId>,
    /// The best attempt by the questions there are, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Record>,
    /// How many questions the quiz has that no attempt had.
    #[serde(default, skip_serializing_if = "super::attempt::is_nothing")]
    pub missing: u32,
}

/// How a quiz of the version that a merge keeps fits the attempts at it (C1, C3, C4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fitted {
    /// The item.
    pub item_id: ItemId,
    /// Its quiz.
    pub quiz_id: QuizId,
    /// Questions of the attempts and shared answers that the quiz no longer has.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub gone: BTreeSet<QuestionId>,
    /// How many questions the quiz has that no attempt had.
    #[serde(default, skip_serializing_if = "super::attempt::is_nothing")]
    pub missing: u32,
    /// What all that brings at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<Points>,
}

impl CourseEvent {
    /// The event's type, as the audit trail shows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Enrolled { .. } => "course.enrolled",
            Self::LessonOpened { .. } => "lesson.opened",
            Self::ItemViewed { .. } => "lesson_item.viewed",
            Self::ItemProgressed { .. } => "lesson_item.progressed",
            Self::PointsShared { .. } => "points.shared",
            Self::QuizAnswered { .. } => "quiz.answered",
            Self::QuizGraded { .. } => "quiz.graded",
            Self::QuizPassed { .. } => "quiz.passed",
            Self::ItemCompleted { .. } => "lesson_item.completed",
            Self::LessonCompleted { .. } => "lesson.completed",
            Self::Completed { .. } => "course.completed",
            Self::Moved { .. } => "guest.moved",
            Self::Merged { .. } => "guest.merged",
            Self::Absorbed { .. } => "guest.absorbed",
            Self::Recalculated { .. } => "course.recalculated",
        }
    }
}
