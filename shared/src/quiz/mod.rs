//! Quizzes: questions, grading (C2), shuffling that is stable per attempt, and what is revealed.
//!
//! A [`Quiz`] holds its answer keys and stays on the server (S4); learners get the view made from it
//! in [`crate::wire::quiz`]. Tracks use it now, courses and exams will.

pub mod accepted;
pub mod answer;
mod fold;
pub mod grade;
pub mod shuffle;
pub mod source;

use serde::{Deserialize, Serialize};

use crate::{ChoiceId, LocalizedText, QuestionId};

pub use accepted::Accepted;
pub use answer::Answer;
pub use grade::{Graded, GradedQuestion, grade, grade_one};

/// A quiz with its answer keys.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Quiz {
    /// How often it may be tried; `None` is without limit.
    pub max_attempts: Option<u32>,
    /// Seconds to wait after an attempt that did not pass.
    pub cooldown_seconds: u32,
    /// Whether questions and choices come in another order at each attempt.
    pub shuffle: bool,
    /// When the right answers are shown.
    pub reveal: Reveal,
    /// In authored order.
    pub questions: Vec<Question>,
}

/// When a learner is told which answers were right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reveal {
    /// Not at all.
    Never,
    /// After every attempt.
    #[default]
    AfterAttempt,
    /// Once the step is passed.
    AfterPass,
}

impl Reveal {
    /// Whether right answers are shown after an attempt that did or did not pass.
    pub fn shows(self, passed: bool) -> bool {
        match self {
            Self::Never => false,
            Self::AfterAttempt => true,
            Self::AfterPass => passed,
        }
    }
}

/// A question with its answer key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Question {
    /// Stable over versions.
    pub id: QuestionId,
    /// Its weight in the quiz, 1 or more.
    pub points: u32,
    /// What is asked; Markdown.
    pub prompt: LocalizedText,
    /// Said after an attempt, whatever was answered.
    #[serde(default)]
    pub feedback: LocalizedText,
    /// Help, one after the other; Markdown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<LocalizedText>,
    /// What kind it is, with the key.
    #[serde(flatten)]
    pub kind: QuestionKind,
}

/// The kinds of question, each with its key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum QuestionKind {
    /// Exactly one choice is right.
    SingleChoice {
        /// The choices.
        choices: Vec<Choice>,
    },
    /// Several choices may be right.
    MultipleChoice {
        /// The choices.
        choices: Vec<Choice>,
    },
    /// A statement that is true or false; both are choices, so it is answered like a single choice.
    TrueFalse {
        /// The choice "true".
        true_id: ChoiceId,
        /// The choice "false".
        false_id: ChoiceId,
        /// Which one is right.
        right: bool,
    },
    /// A number.
    Numeric {
        /// The right value.
        value: Quantity,
        /// How far off an answer may be.
        tolerance: Quantity,
    },
    /// A word or a few.
    ShortText {
        /// Accepted texts; an answer in any language is right.
        accept: Accepted,
    },
    /// Items to bring into order.
    Ordering {
        /// In the right order.
        items: Vec<Item>,
    },
    /// Things that belong together.
    Matching {
        /// The right pairs.
        pairs: Vec<Pair>,
    },
    /// A text that a person reads and grades (C2). Only courses have graders.
    OpenEnded {
        /// What graders look for; learners never see it.
        guidance: LocalizedText,
        /// The longest answer.
        max_characters: u32,
    },
}

/// One choice of a question.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Choice {
    /// Random; says nothing of place or rightness.
    pub id: ChoiceId,
    /// What it says; Markdown.
    pub text: LocalizedText,
    /// Whether choosing it is right.
    pub right: bool,
    /// Said to whoever chose it.
    #[serde(default)]
    pub feedback: LocalizedText,
}

/// One item to order.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Random; says nothing of its place.
    pub id: ChoiceId,
    /// What it says; Markdown.
    pub text: LocalizedText,
}

/// Two things that belong together. The sides have ids of their own, so that ids match nothing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pair {
    /// The left side's id.
    pub left_id: ChoiceId,
    /// The right side's id.
    pub right_id: ChoiceId,
    /// What the left side says.
    pub left: LocalizedText,
    /// What the right side says.
    pub right: LocalizedText,
}

/// A number in millionths: it compares the same on every machine. A plain number on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = f64))]
pub struct Quantity(pub i64);

impl Quantity {
    /// The largest magnitude, in millionths: a billion.
    pub const MAX: i64 = 1_000_000_000_000_000;
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1_000_000 == 0 {
            serializer.serialize_i64(self.0 / 1_000_000)
        } else {
            #[expect(clippy::cast_precision_loss, reason = "at most 1e15, which a double holds exactly")]
            serializer.serialize_f64(self.0 as f64 / 1e6)
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number between minus and plus a billion")
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Quantity, E> {
                n.checked_mul(1_000_000)
                    .filter(|n| n.abs() <= Quantity::MAX)
                    .map(Quantity)
                    .ok_or_else(|| E::custom("a number between minus and plus a billion is needed"))
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Quantity, E> {
                self.visit_i64(i64::try_from(n).unwrap_or(i64::MAX))
            }
            fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<Quantity, E> {
                let millionths = (n * 1e6).round();
                #[expect(clippy::cast_precision_loss, reason = "1e15 is exact")]
                let max = Quantity::MAX as f64;
                if !millionths.is_finite() || millionths.abs() > max {
                    return Err(E::custom("a number between minus and plus a billion is needed"));
                }
                #[expect(clippy::cast_possible_truncation, reason = "checked to be within 1e15")]
                Ok(Quantity(millionths as i64))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl Quiz {
    /// The sum of its questions' points.
    pub fn points(&self) -> u64 {
        self.questions.iter().map(|question| u64::from(question.points)).sum()
    }

    /// Its question of this id.
    pub fn question(&self, id: QuestionId) -> Option<&Question> {
        self.questions.iter().find(|question| question.id == id)
    }
}
