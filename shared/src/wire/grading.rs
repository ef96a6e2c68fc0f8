//! Open answers, as graders see them (C2).

use serde::{Deserialize, Serialize};

use crate::{
    EnrollmentId, GuestId, ItemId, LessonId, QuestionId, QuizId, Resolved, Timestamp, UserId, course::Points,
    slug::CourseSlug,
};

/// What became of an open answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OpenAnswerState {
    /// Nobody graded it yet.
    Waiting,
    /// Worth more than 0 points.
    Accepted,
    /// Worth nothing.
    Rejected,
}

impl OpenAnswerState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Accepted, Self::Rejected];

    /// As the wire and the database say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// An open answer in the graders' list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenAnswerView {
    /// Its id.
    pub id: uuid::Uuid,
    /// The course.
    pub course: CourseSlug,
    /// Its title.
    pub course_title: Resolved,
    /// The lesson.
    pub lesson_id: LessonId,
    /// Its title.
    pub lesson_title: Resolved,
    /// The item.
    pub item_id: ItemId,
    /// The quiz.
    pub quiz_id: QuizId,
    /// The question.
    pub question_id: QuestionId,
    /// What was asked; HTML, sanitised.
    pub prompt: Resolved,
    /// What graders look for; HTML, sanitised. Learners never see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<Resolved>,
    /// What it is worth at most.
    pub points_total: Points,
    /// The learner's way.
    pub enrollment_id: EnrollmentId,
    /// The member, or null.
    pub user_id: Option<UserId>,
    /// The guest, where it is one: they came by a track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_id: Option<GuestId>,
    /// Which attempt.
    pub attempt: u32,
    /// What was answered; plain text.
    pub answer: String,
    /// When.
    pub answered_at: Timestamp,
    /// What became of it.
    pub state: OpenAnswerState,
    /// Whether a grader is to look at it, perhaps once more.
    pub queued: bool,
    /// Who asked for a second opinion: somebody else gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_opinion_asked_by: Option<UserId>,
    /// Who reads it now.
    pub claimed_by: Option<UserId>,
    /// Until when it is theirs.
    pub claimed_until: Option<Timestamp>,
    /// What graders said, one after the other; the last one counts.
    pub grades: Vec<GradeView>,
}

/// What a grader said.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GradeView {
    /// Who; null when they were erased.
    pub grader: Option<UserId>,
    /// Points given; null when it was rejected.
    pub points: Option<Points>,
    /// What the learner reads; plain text.
    pub comment: String,
    /// When.
    pub at: Timestamp,
}

/// The body of `POST …/accept`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AcceptRequest {
    /// Whole or half points, more than 0, at most what the question is worth (C2).
    pub points: Points,
    /// What the learner reads; plain text, at most 4,000 characters.
    #[serde(default)]
    pub comment: String,
}

/// The body of `POST …/reject`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RejectRequest {
    /// Why, for the learner; plain text, at most 4,000 characters.
    pub reason: String,
}

/// The body of `POST …/claim`, `…/release` and `…/second-opinion`; may be left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GraderRequest {}

/// An open answer, as its learner sees it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenAnswerOwn {
    /// The quiz.
    pub quiz_id: QuizId,
    /// Which attempt.
    pub attempt: u32,
    /// The question.
    pub question_id: QuestionId,
    /// What was answered; plain text.
    pub answer: String,
    /// What became of it.
    pub state: OpenAnswerState,
    /// Points given; null while it waits, and when it was rejected (C2).
    pub points: Option<Points>,
    /// What it is worth at most.
    pub points_total: Points,
    /// What the grader said; plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When it was graded.
    pub graded_at: Option<Timestamp>,
}
