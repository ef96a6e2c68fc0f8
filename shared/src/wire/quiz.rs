//! Quizzes, as learners see them: never an answer key (S4).

use serde::{Deserialize, Serialize};

use crate::{
    ChoiceId, QuestionId, Resolved, Score, Timestamp,
    quiz::{Quantity, Reveal, source::QuestionKindName},
};

/// A quiz, in the order of the attempt that is next.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuizView {
    /// Which attempt would be next, from 1.
    pub attempt: u32,
    /// How often it may be tried; null: without limit.
    pub max_attempts: Option<u32>,
    /// Seconds to wait after a failed attempt.
    pub cooldown_seconds: u32,
    /// When the next attempt is possible; null: now.
    pub retry_at: Option<Timestamp>,
    /// When right answers are shown.
    pub reveal: Reveal,
    /// The questions.
    pub questions: Vec<QuestionView>,
}

/// A question. Which lists are filled depends on its kind.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuestionView {
    /// Stable over versions.
    pub id: QuestionId,
    /// Its kind.
    pub kind: QuestionKindName,
    /// Its weight.
    pub points: u32,
    /// What is asked; HTML, sanitised.
    pub prompt: Resolved,
    /// Single choice, multiple choice, true/false.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ChoiceView>,
    /// Ordering: what to bring into order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ChoiceView>,
    /// Matching: one side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lefts: Vec<ChoiceView>,
    /// Matching: the other side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<ChoiceView>,
    /// What helps, one after the other, to whoever asks for it; HTML, sanitised. Asking costs nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<Resolved>,
}

/// Something to choose, order or match.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChoiceView {
    /// What an answer names.
    pub id: ChoiceId,
    /// What it says; HTML, sanitised. Null for true/false, whose words are the interface's.
    pub text: Option<Resolved>,
    /// For true/false: which of the two this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<bool>,
}

/// What an attempt came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuizResult {
    /// The attempt's score.
    pub score: Score,
    /// Whether it passes.
    pub passed: bool,
    /// Each question, in the quiz's authored order.
    pub questions: Vec<QuestionResult>,
    /// How many attempts are left; null: without limit.
    pub attempts_left: Option<u32>,
    /// When the next attempt is possible; null: now.
    pub retry_at: Option<Timestamp>,
}

/// How one question was answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuestionResult {
    /// The question.
    pub question_id: QuestionId,
    /// How right; 0 while a grader is waited for.
    pub score: Score,
    /// Whether a person is to grade it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_grading: bool,
    /// Said after an attempt; HTML, sanitised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Resolved>,
    /// Said to what was chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ChoiceFeedback>,
    /// What was right, where the quiz says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<RightAnswer>,
}

/// What is said to a choice that was chosen.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChoiceFeedback {
    /// The choice.
    pub choice_id: ChoiceId,
    /// HTML, sanitised.
    pub feedback: Resolved,
}

/// What was right; the field of the question's kind is there.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RightAnswer {
    /// Single choice, multiple choice, true/false.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choice_ids: Vec<ChoiceId>,
    /// Short text: what is accepted, in the learner's language where it has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// Numeric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Quantity>,
    /// Numeric: how far off is right too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Quantity>,
    /// Matching.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Vec<uuid::Uuid>>))]
    pub pairs: Vec<(ChoiceId, ChoiceId)>,
    /// Ordering.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<ChoiceId>,
}
