//! What a learner answers, and what can be wrong with its form. Whether it is *right* is
//! [`super::grade`]'s to say.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Quantity, Question, QuestionKind, Quiz};
use crate::{ChoiceId, FieldError, QuestionId};

/// The longest short text, in characters.
pub const MAX_TEXT: usize = 500;

/// One answer. Exactly the field that its question's kind asks for is given; an empty one is a blank
/// answer and scores 0 (C2).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The question.
    pub question_id: QuestionId,
    /// Single choice, multiple choice, true/false: what was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice_ids: Option<Vec<ChoiceId>>,
    /// Short text: at most 500 characters. Open-ended: as many as its question allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Numeric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Quantity>,
    /// Matching: left and right ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Vec<uuid::Uuid>>>))]
    pub pairs: Option<Vec<(ChoiceId, ChoiceId)>>,
    /// Ordering: all items, first to last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<ChoiceId>>,
}

impl Answer {
    /// An answer to this question, still without its field.
    pub fn to(question_id: QuestionId) -> Self {
        Self { question_id, choice_ids: None, text: None, number: None, pairs: None, order: None }
    }

    /// Whether nothing was answered.
    pub fn is_blank(&self) -> bool {
        self.choice_ids.as_ref().is_none_or(Vec::is_empty)
            && self.text.as_ref().is_none_or(|text| text.trim().is_empty())
            && self.number.is_none()
            && self.pairs.as_ref().is_none_or(Vec::is_empty)
            && self.order.as_ref().is_none_or(Vec::is_empty)
    }
}

/// What is wrong with the form of these answers; pointers start at `/answers`. A question left out is
/// a blank answer and no fault, but to answer nothing at all is: it would burn an attempt.
pub fn check(quiz: &Quiz, answers: &[Answer]) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (place, answer) in answers.iter().enumerate() {
        let at = format!("/answers/{place}");
        let Some(question) = quiz.question(answer.question_id) else {
            faults.push(FieldError::new(
                format!("{at}/question_id"),
                "unknown_question",
                "this quiz has no such question",
            ));
            continue;
        };
        if !seen.insert(answer.question_id) {
            faults.push(FieldError::new(format!("{at}/question_id"), "answered_twice", "answer each question once"));
            continue;
        }
        check_one(question, answer, &at, &mut faults);
    }
    if faults.is_empty() && answers.iter().all(Answer::is_blank) {
        faults.push(FieldError::new("/answers", "answers_required", "answer at least one question"));
    }
    faults
}

/// Whether this could be an answer to this question: what was answered to an earlier version of it may not.
pub fn fits(question: &Question, answer: &Answer) -> bool {
    let mut faults = Vec::new();
    check_one(question, answer, "", &mut faults);
    faults.is_empty()
}

fn check_one(question: &Question, answer: &Answer, at: &str, faults: &mut Vec<FieldError>) {
    let given = [
        ("choice_ids", answer.choice_ids.is_some()),
        ("text", answer.text.is_some()),
        ("number", answer.number.is_some()),
        ("pairs", answer.pairs.is_some()),
        ("order", answer.order.is_some()),
    ];
    let field = match &question.kind {
        QuestionKind::SingleChoice { .. } | QuestionKind::MultipleChoice { .. } | QuestionKind::TrueFalse { .. } => {
            "choice_ids"
        }
        QuestionKind::ShortText { .. } | QuestionKind::OpenEnded { .. } => "text",
        QuestionKind::Numeric { .. } => "number",
        QuestionKind::Matching { .. } => "pairs",
        QuestionKind::Ordering { .. } => "order",
    };
    for (name, _) in given.iter().filter(|(name, there)| *there && *name != field) {
        faults.push(FieldError::new(
            format!("{at}/{name}"),
            "wrong_answer_kind",
            format!("this question is answered with `{field}`"),
        ));
    }
    if !given.iter().any(|(_, there)| *there) {
        faults.push(FieldError::new(at, "missing_field", format!("give `{field}`, or leave the question out")));
    }
    match &question.kind {
        QuestionKind::SingleChoice { choices } | QuestionKind::MultipleChoice { choices } => {
            let ids: Vec<ChoiceId> = choices.iter().map(|choice| choice.id).collect();
            let single = matches!(question.kind, QuestionKind::SingleChoice { .. });
            check_choices(&ids, single, answer, at, faults);
        }
        QuestionKind::TrueFalse { true_id, false_id, .. } => {
            check_choices(&[*true_id, *false_id], true, answer, at, faults);
        }
        QuestionKind::ShortText { .. } => check_length(answer, MAX_TEXT, at, faults),
        QuestionKind::OpenEnded { max_characters, .. } => {
            check_length(answer, usize::try_from(*max_characters).unwrap_or(usize::MAX), at, faults);
        }
        QuestionKind::Numeric { .. } => {}
        QuestionKind::Ordering { items } => {
            let Some(order) = answer.order.as_ref().filter(|order| !order.is_empty()) else {
                return;
            };
            let wanted: BTreeSet<ChoiceId> = items.iter().map(|item| item.id).collect();
            let given: BTreeSet<ChoiceId> = order.iter().copied().collect();
            if given != wanted || order.len() != items.len() {
                faults.push(FieldError::new(
                    format!("{at}/order"),
                    "not_an_order",
                    "give every item of the question exactly once",
                ));
            }
        }
        QuestionKind::Matching { pairs } => {
            let mut lefts = BTreeSet::new();
            let mut rights = BTreeSet::new();
            for (place, (left, right)) in answer.pairs.iter().flatten().enumerate() {
                if !pairs.iter().any(|pair| pair.left_id == *left) || !pairs.iter().any(|pair| pair.right_id == *right)
                {
                    faults.push(FieldError::new(
                        format!("{at}/pairs/{place}"),
                        "unknown_choice",
                        "give a left id and a right id of this question",
                    ));
                } else if !lefts.insert(*left) || !rights.insert(*right) {
                    faults.push(FieldError::new(format!("{at}/pairs/{place}"), "paired_twice", "pair each side once"));
                }
            }
        }
    }
}

fn check_length(answer: &Answer, most: usize, at: &str, faults: &mut Vec<FieldError>) {
    if answer.text.as_ref().is_some_and(|text| text.chars().count() > most) {
        faults.push(FieldError::new(format!("{at}/text"), "too_long", format!("at most {most} characters")));
    }
}

fn check_choices(ids: &[ChoiceId], single: bool, answer: &Answer, at: &str, faults: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (place, id) in answer.choice_ids.iter().flatten().enumerate() {
        if !ids.contains(id) {
            faults.push(FieldError::new(
                format!("{at}/choice_ids/{place}"),
                "unknown_choice",
                "this question has no such choice",
            ));
        } else if !seen.insert(*id) {
            faults.push(FieldError::new(format!("{at}/choice_ids/{place}"), "chosen_twice", "choose each choice once"));
        }
    }
    if single && seen.len() > 1 {
        faults.push(FieldError::new(format!("{at}/choice_ids"), "one_choice_only", "choose one"));
    }
}
