//! Quizzes as learners get to see them: in their language, in the order of their attempt, never with a
//! key (S4). Tracks and courses show them alike.

use jalon_shared::{
    ChoiceId, LocalizedText, Timestamp,
    quiz::{
        Answer, GradedQuestion, Question, QuestionKind, Quiz,
        shuffle::{Numbers, Part, shuffle},
        source::QuestionKindName,
    },
    wire::quiz::{ChoiceFeedback, ChoiceView, QuestionResult, QuestionView, QuizView, RightAnswer},
};

use super::order::AttemptOrder;
use crate::text::In;

/// A quiz for the attempt that is next, of this number; `order` is that attempt's.
pub fn quiz(quiz: &Quiz, attempt: u32, retry_at: Option<Timestamp>, order: &AttemptOrder, texts: In<'_>) -> QuizView {
    let mut questions: Vec<QuestionView> =
        quiz.questions.iter().map(|question| question_view(question, quiz.shuffle, order, texts)).collect();
    if quiz.shuffle {
        shuffle(&mut questions, |question| question.id, order.of(Part::Questions));
    }
    QuizView {
        attempt,
        max_attempts: quiz.max_attempts,
        cooldown_seconds: quiz.cooldown_seconds,
        retry_at,
        reveal: quiz.reveal,
        questions,
    }
}

fn question_view(question: &Question, shuffled: bool, order: &AttemptOrder, texts: In<'_>) -> QuestionView {
    let one = |id: ChoiceId, text: &LocalizedText| ChoiceView { id, text: Some(texts.inline(text)), value: None };
    let mut view = QuestionView {
        id: question.id,
        kind: kind_name(&question.kind),
        points: question.points,
        prompt: texts.inline(&question.prompt),
        choices: Vec::new(),
        items: Vec::new(),
        lefts: Vec::new(),
        rights: Vec::new(),
        hints: question.hints.iter().map(|hint| texts.html(hint)).collect(),
    };
    match &question.kind {
        QuestionKind::SingleChoice { choices } | QuestionKind::MultipleChoice { choices } => {
            view.choices = choices.iter().map(|choice| one(choice.id, &choice.text)).collect();
            if shuffled {
                shuffle(&mut view.choices, |choice| choice.id, order.of(Part::Choices(question.id)));
            }
        }
        QuestionKind::TrueFalse { true_id, false_id, .. } => {
            view.choices = [(*true_id, true), (*false_id, false)]
                .map(|(id, value)| ChoiceView { id, text: None, value: Some(value) })
                .into();
        }
        QuestionKind::Numeric { .. } | QuestionKind::ShortText { .. } | QuestionKind::OpenEnded { .. } => {}
        QuestionKind::Ordering { items } => {
            view.items = items.iter().map(|item| one(item.id, &item.text)).collect();
            // Any order may come, the right one too: one that never came would tell something (S4).
            shuffle(&mut view.items, |item| item.id, order.of(Part::Choices(question.id)));
        }
        QuestionKind::Matching { pairs } => {
            view.lefts = pairs.iter().map(|pair| one(pair.left_id, &pair.left)).collect();
            view.rights = pairs.iter().map(|pair| one(pair.right_id, &pair.right)).collect();
            shuffle(&mut view.lefts, |left| left.id, order.of(Part::Lefts(question.id)));
            shuffle(&mut view.rights, |right| right.id, order.of(Part::Rights(question.id)));
        }
    }
    view
}

fn kind_name(kind: &QuestionKind) -> QuestionKindName {
    match kind {
        QuestionKind::SingleChoice { .. } => QuestionKindName::SingleChoice,
        QuestionKind::MultipleChoice { .. } => QuestionKindName::MultipleChoice,
        QuestionKind::TrueFalse { .. } => QuestionKindName::TrueFalse,
        QuestionKind::Numeric { .. } => QuestionKindName::Numeric,
        QuestionKind::ShortText { .. } => QuestionKindName::ShortText,
        QuestionKind::Ordering { .. } => QuestionKindName::Ordering,
        QuestionKind::Matching { .. } => QuestionKindName::Matching,
        QuestionKind::OpenEnded { .. } => QuestionKindName::OpenEnded,
    }
}

/// How each question of an attempt was answered; the right answers only where `reveal` says so.
pub fn results(
    quiz: &Quiz,
    answers: &[Answer],
    graded: &[GradedQuestion],
    reveal: bool,
    texts: In<'_>,
) -> Vec<QuestionResult> {
    quiz.questions
        .iter()
        .zip(graded)
        .map(|(question, graded)| QuestionResult {
            question_id: question.id,
            score: graded.score.unwrap_or_default(),
            awaits_grading: graded.score.is_none()
                && answers.iter().any(|answer| answer.question_id == question.id && !answer.is_blank()),
            feedback: texts.some_inline(&question.feedback),
            choices: choice_feedback(question, answers.iter().find(|answer| answer.question_id == question.id), texts),
            right: reveal.then(|| right_answer(question, texts)),
        })
        .collect()
}

fn choice_feedback(question: &Question, answer: Option<&Answer>, texts: In<'_>) -> Vec<ChoiceFeedback> {
    let (QuestionKind::SingleChoice { choices } | QuestionKind::MultipleChoice { choices }, Some(answer)) =
        (&question.kind, answer)
    else {
        return Vec::new();
    };
    let chosen = answer.choice_ids.as_deref().unwrap_or_default();
    let mut told: Vec<ChoiceFeedback> = choices
        .iter()
        .filter(|choice| chosen.contains(&choice.id))
        .filter_map(|choice| {
            Some(ChoiceFeedback { choice_id: choice.id, feedback: texts.some_inline(&choice.feedback)? })
        })
        .collect();
    // Not in the order they were written in, which a quiz that shuffles does not tell (S4).
    told.sort_unstable_by_key(|told| told.choice_id);
    told
}

fn right_answer(question: &Question, texts: In<'_>) -> RightAnswer {
    let mut right = RightAnswer::default();
    match &question.kind {
        QuestionKind::SingleChoice { choices } | QuestionKind::MultipleChoice { choices } => {
            right.choice_ids = choices.iter().filter(|choice| choice.right).map(|choice| choice.id).collect();
            right.choice_ids.sort_unstable();
        }
        QuestionKind::TrueFalse { true_id, false_id, right: truth } => {
            right.choice_ids = vec![if *truth { *true_id } else { *false_id }];
        }
        QuestionKind::Numeric { value, tolerance } => {
            (right.number, right.tolerance) = (Some(*value), (tolerance.0 != 0).then_some(*tolerance));
        }
        QuestionKind::ShortText { accept } => {
            let wanted = texts.wanted.iter().flat_map(|lang| [lang.clone(), lang.base()]).chain([texts.source.clone()]);
            right.texts = wanted
                .into_iter()
                .find_map(|lang| accept.texts().get(&lang))
                .or_else(|| accept.texts().values().next())
                .cloned()
                .unwrap_or_default();
        }
        QuestionKind::Ordering { items } => right.order = items.iter().map(|item| item.id).collect(),
        QuestionKind::Matching { pairs } => {
            right.pairs = pairs.iter().map(|pair| (pair.left_id, pair.right_id)).collect();
            right.pairs.sort_unstable();
        }
        QuestionKind::OpenEnded { .. } => {}
    }
    right
}
