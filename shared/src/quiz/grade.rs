//! Grading (C2). Only the server has the keys to call it with (S4).

use super::{Answer, Choice, Question, QuestionKind, Quiz};
use crate::{QuestionId, Score};

/// A graded attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Graded {
    /// The whole: the questions' scores weighed by their points, rounded half up (S1). What waits for a
    /// grader counts as nothing yet.
    pub score: Score,
    /// Each question, in the quiz's order.
    pub questions: Vec<GradedQuestion>,
}

/// One graded question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GradedQuestion {
    /// Which.
    pub question_id: QuestionId,
    /// How right; `None` while it waits for a grader (C2).
    pub score: Option<Score>,
}

/// Grades an attempt whose form [`super::answer::check`] found in order. A question without an answer is 0.
pub fn grade(quiz: &Quiz, answers: &[Answer]) -> Graded {
    let mut weighed = 0_u64;
    let questions = quiz
        .questions
        .iter()
        .map(|question| {
            let answer = answers.iter().find(|answer| answer.question_id == question.id);
            let score = answer.map_or(Some(Score::ZERO), |answer| grade_one(question, answer));
            weighed += u64::from(question.points) * u64::from(score.unwrap_or_default().hundredths());
            GradedQuestion { question_id: question.id, score }
        })
        .collect();
    Graded { score: Score::ratio(weighed, quiz.points() * u64::from(Score::FULL.hundredths())), questions }
}

/// How right an answer is; `None`: a person must say.
pub fn grade_one(question: &Question, answer: &Answer) -> Option<Score> {
    let open = matches!(question.kind, QuestionKind::OpenEnded { .. });
    if open && !answer.is_blank() { None } else { Some(by_key(question, answer)) }
}

fn by_key(question: &Question, answer: &Answer) -> Score {
    let all_or_nothing = |right: bool| if right { Score::FULL } else { Score::ZERO };
    if answer.is_blank() {
        return Score::ZERO;
    }
    let chosen = answer.choice_ids.as_deref().unwrap_or_default();
    match &question.kind {
        QuestionKind::SingleChoice { choices } => all_or_nothing(match chosen {
            [one] => choices.iter().any(|choice| choice.id == *one && choice.right),
            _ => false,
        }),
        QuestionKind::TrueFalse { true_id, false_id, right } => {
            all_or_nothing(chosen == [if *right { *true_id } else { *false_id }])
        }
        QuestionKind::MultipleChoice { choices } => several_right(choices, |choice| chosen.contains(&choice.id)),
        QuestionKind::Numeric { value, tolerance } => {
            all_or_nothing(answer.number.is_some_and(|number| (number.0 - value.0).abs() <= tolerance.0.abs()))
        }
        QuestionKind::ShortText { accept } => all_or_nothing(accept.takes(answer.text.as_deref().unwrap_or_default())),
        QuestionKind::Ordering { items } => {
            let order = answer.order.as_deref().unwrap_or_default();
            let right = items.iter().zip(order).filter(|(item, given)| item.id == **given).count();
            Score::ratio(right as u64, items.len() as u64)
        }
        QuestionKind::Matching { pairs } => {
            let given = answer.pairs.as_deref().unwrap_or_default();
            let right = pairs.iter().filter(|pair| given.contains(&(pair.left_id, pair.right_id))).count();
            Score::ratio(right as u64, pairs.len() as u64)
        }
        QuestionKind::OpenEnded { .. } => Score::ZERO,
    }
}

/// max(0, right − wrong) / right (C2); ticking everything is never a pass, so it is 0.
fn several_right(choices: &[Choice], chosen: impl Fn(&Choice) -> bool) -> Score {
    let of = choices.iter().filter(|choice| choice.right).count();
    let right = choices.iter().filter(|choice| choice.right && chosen(choice)).count();
    let wrong = choices.iter().filter(|choice| !choice.right && chosen(choice)).count();
    if right + wrong == choices.len() && of < choices.len() {
        return Score::ZERO;
    }
    Score::ratio(right.saturating_sub(wrong) as u64, of as u64)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{ChoiceId, Lang, LocalizedText, quiz::Quantity};

    fn choice(n: u128, right: bool) -> Choice {
        Choice {
            id: ChoiceId(Uuid::from_u128(n)),
            text: LocalizedText::default(),
            right,
            feedback: LocalizedText::default(),
        }
    }

    fn question(kind: QuestionKind) -> Question {
        Question {
            id: QuestionId(Uuid::from_u128(1)),
            points: 1,
            prompt: LocalizedText::default(),
            feedback: LocalizedText::default(),
            hints: Vec::new(),
            kind,
        }
    }

    fn ticks(ids: &[u128]) -> Answer {
        Answer {
            choice_ids: Some(ids.iter().map(|n| ChoiceId(Uuid::from_u128(*n))).collect()),
            ..Answer::to(QuestionId(Uuid::from_u128(1)))
        }
    }

    #[test]
    fn c2_several_right_blank_and_everything_ticked() {
        let several = question(QuestionKind::MultipleChoice {
            choices: vec![choice(1, true), choice(2, true), choice(3, false), choice(4, false)],
        });
        for (ids, hundredths) in [
            (&[1, 2][..], 10_000),
            (&[1], 5000),
            (&[1, 2, 3], 5000),
            (&[1, 3], 0),
            (&[3, 4], 0),
            (&[], 0),
            (&[1, 2, 3, 4], 0),
        ] {
            assert_eq!(by_key(&several, &ticks(ids)).hundredths(), hundredths, "{ids:?}");
        }
        let mostly_right = question(QuestionKind::MultipleChoice {
            choices: vec![choice(1, true), choice(2, true), choice(3, true), choice(4, false)],
        });
        assert_eq!(by_key(&mostly_right, &ticks(&[1, 2, 3, 4])), Score::ZERO, "everything ticked is never a pass");
    }

    #[test]
    fn c2_an_open_answer_waits_for_a_person_and_a_blank_one_is_nothing() {
        let open = question(QuestionKind::OpenEnded { guidance: LocalizedText::default(), max_characters: 100 });
        let says = |text: &str| grade_one(&open, &Answer { text: Some(text.into()), ..Answer::to(open.id) });
        assert_eq!(says("The umpire measures again."), None);
        assert_eq!((says(" "), grade_one(&open, &Answer::to(open.id))), (Some(Score::ZERO), Some(Score::ZERO)));
    }

    #[test]
    fn c2_short_text_forgives_case_accents_and_spaces() {
        let accept: std::collections::BTreeMap<_, _> = [
            (Lang::parse("fr").unwrap(), vec!["Cochonnet".to_owned(), "le but".to_owned()]),
            (Lang::parse("sv").unwrap(), vec!["lillen".to_owned()]),
        ]
        .into();
        let short = question(QuestionKind::ShortText { accept: accept.into() });
        let says =
            |text: &str| by_key(&short, &Answer { text: Some(text.into()), ..Answer::to(short.id) }) == Score::FULL;
        assert!(says(" cochonnet. ") && says("LE  BUT") && says("Lillén") && says("cochonne\u{0301}t"));
        assert!(!says("boule") && !says("") && !says("..."));
    }

    #[test]
    fn c2_numbers_are_compared_exactly_at_the_edge() {
        let tenths = question(QuestionKind::Numeric { value: Quantity(300_000), tolerance: Quantity(100_000) });
        let says =
            |n: i64| by_key(&tenths, &Answer { number: Some(Quantity(n)), ..Answer::to(tenths.id) }) == Score::FULL;
        assert!(says(200_000) && says(400_000) && !says(400_001) && !says(199_999));
        let number: Quantity = serde_json::from_str("0.30000000000000004").unwrap();
        assert_eq!(number, Quantity(300_000));
    }

    proptest! {
        #[test]
        fn c2_no_answer_leaves_the_bounds_and_everything_ticked_is_nothing(
            rights in proptest::collection::vec(any::<bool>(), 2..8),
            ticked in proptest::collection::vec(any::<bool>(), 8),
        ) {
            let choices: Vec<Choice> = rights.iter().enumerate().map(|(n, right)| choice(n as u128 + 1, *right)).collect();
            let all: Vec<u128> = (1..=rights.len() as u128).collect();
            let some: Vec<u128> = all.iter().copied().filter(|n| ticked[usize::try_from(*n).unwrap() - 1]).collect();
            let exact: Vec<u128> = all.iter().copied().filter(|n| rights[usize::try_from(*n).unwrap() - 1]).collect();
            let question = question(QuestionKind::MultipleChoice { choices });
            prop_assert!(by_key(&question, &ticks(&some)) <= Score::FULL);
            if rights.contains(&true) && rights.contains(&false) {
                prop_assert_eq!(by_key(&question, &ticks(&all)), Score::ZERO);
                prop_assert_eq!(by_key(&question, &ticks(&exact)), Score::FULL);
            }
        }
    }
}
