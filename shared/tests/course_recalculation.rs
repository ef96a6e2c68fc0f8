//! Grading anew as properties: whatever the author changes, and whatever was answered.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use jalon_shared::{
    ItemId, QuestionId, QuizId, Timestamp,
    course::{
        self, Attempted, Command, Course, CourseEvent, Definition, Mark, Marked, Points, Progress, Record, Written,
        source::CourseSource,
    },
    quiz::{Answer, QuestionKind, answer::fits, grade_one},
    track::IdMap,
};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

/// A question as it is in a version: whether it is there, which choice is right, its points, its kind.
type Asked = (bool, usize, u32, &'static str);

fn asked() -> impl Strategy<Value = Vec<Asked>> {
    proptest::collection::vec(
        (
            prop::bool::weighted(0.8),
            0_usize..3,
            1_u32..4,
            prop::sample::select(vec!["single_choice", "single_choice", "open_ended", "short_text"]),
        ),
        3,
    )
}

/// A course of one quiz of these questions, and one more that stays; ids are those of the version before.
fn version(asked: &[Asked], ids: IdMap) -> Definition {
    let there = asked.iter().enumerate().filter(|(_, (there, ..))| *there);
    let mut questions: Vec<_> = there
        .map(|(place, (_, right, points, kind))| {
            let text = json!({ "fr": "Quoi ?" });
            let mut question = json!({ "key": format!("q{place}"), "kind": kind, "points": points, "prompt": text });
            match *kind {
                "single_choice" => {
                    let choice = |n| json!({ "key": format!("c{n}"), "text": text, "right": n == *right });
                    question["choices"] = (0..3).map(choice).collect();
                }
                "short_text" => {
                    let accepted = ["Parce que.", "Non.", "Oui."][*right];
                    question["accept"] = json!({ "fr": [accepted] });
                }
                _ => {}
            }
            question
        })
        .collect();
    questions
        .push(json!({ "key": "last", "kind": "true_false", "points": 1, "prompt": { "fr": "Vrai ?" }, "right": true }));
    let source = json!({
        "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": { "fr": "Cours" },
        "modules": [{ "key": "m", "title": { "fr": "M" }, "lessons": [{ "key": "l", "title": { "fr": "L" }, "items": [
            { "key": "i", "kind": "content", "title": { "fr": "I" }, "body": { "fr": "Lire." },
              "quizzes": [{ "key": "z", "title": { "fr": "Z" }, "pass_mark": 50, "gate": true, "questions": questions }] }] }] }]
    });
    let source: CourseSource = serde_json::from_value(source).unwrap();
    assert_eq!(source.check(), Vec::new());
    let mut next = ids.values().map(Uuid::as_u128).max().unwrap_or(0);
    let course = Written::course(source, ids, || {
        next += 1;
        Uuid::from_u128(next)
    });
    Definition { course, lessons: BTreeMap::new(), banks: BTreeMap::new() }
}

/// Answers: of each question nothing, or a choice; open ones get a text, which a grader accepts, rejects, or leaves.
fn answer(course: &Course, chosen: &[u8]) -> (Vec<Answer>, Vec<Marked>, BTreeSet<QuestionId>) {
    let quiz = &course.modules[0].lessons[0].items[0].quizzes[0].quiz;
    let (mut answers, mut marks, mut open) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (question, n) in quiz.questions.iter().zip(chosen.iter().cycle()) {
        let mut answer = Answer::to(question.id);
        let mut mark = match (&question.kind, n) {
            (_, 0) => Mark::Blank,
            (QuestionKind::SingleChoice { choices }, n) => {
                answer.choice_ids = Some(vec![choices[usize::from(n % 3)].id]);
                Mark::Ungraded
            }
            (QuestionKind::TrueFalse { true_id, false_id, .. }, n) => {
                answer.choice_ids = Some(vec![if n % 2 == 0 { *true_id } else { *false_id }]);
                Mark::Ungraded
            }
            (QuestionKind::ShortText { .. }, _) => {
                answer.text = Some("Parce que.".to_owned());
                Mark::Ungraded
            }
            (_, n) => {
                answer.text = Some("Parce que.".to_owned());
                open.insert(question.id);
                [Mark::Ungraded, Mark::Rejected, Mark::Scored(jalon_shared::Score::ratio(1, 2))][usize::from(n % 3)]
            }
        };
        if mark == Mark::Ungraded && !open.contains(&question.id) {
            mark = grade_one(question, &answer).map_or(mark, Mark::Scored);
        }
        if mark != Mark::Blank {
            answers.push(answer);
        }
        marks.push(Marked { question_id: question.id, points: question.points, mark });
    }
    (answers, marks, open)
}

struct Way {
    progress: Progress,
    attempts: BTreeMap<QuizId, Vec<Attempted>>,
    place: (ItemId, QuizId),
}

impl Way {
    fn of(course: &Course, tries: &[Vec<u8>]) -> Self {
        let item = &course.modules[0].lessons[0].items[0];
        let place = (item.id, item.quizzes[0].id);
        let mut way = Self { progress: Progress::begun(Timestamp(0)), attempts: BTreeMap::new(), place };
        for chosen in tries {
            // While one waits for a grader there is no next one.
            if !way.answer(course, chosen, Timestamp(1)) {
                break;
            }
        }
        way
    }

    /// Submits an attempt; answers whether it was taken.
    fn answer(&mut self, course: &Course, chosen: &[u8], now: Timestamp) -> bool {
        let (answers, marks, of_graders) = answer(course, chosen);
        let (item, quiz) = self.place;
        let command =
            Command::Answer { item, quiz, answers: answers.clone(), marks: marks.clone(), time_spent_seconds: 0 };
        let Ok(happened) = course::decide(&course.outline(), &self.progress, &command, now) else { return false };
        for event in &happened {
            course::apply(&mut self.progress, event);
        }
        let so_far = self.attempts.entry(quiz).or_default();
        let attempt = u32::try_from(so_far.len()).unwrap() + 1;
        so_far.push(Attempted { record: Record { attempt, marks }, answers, of_graders });
        true
    }

    /// Recalculates; answers what was regraded.
    fn bring_to(&mut self, course: &Course) -> Vec<CourseEvent> {
        let records = course.regraded(&self.progress, &self.attempts);
        for regraded in &records {
            for record in &regraded.attempts {
                let of_quiz = self.attempts.get_mut(&regraded.quiz_id).unwrap();
                of_quiz.iter_mut().find(|one| one.record.attempt == record.attempt).unwrap().record = record.clone();
            }
        }
        let command = Command::Recalculate { course_version: 2, records };
        let happened = course::decide(&course.outline(), &self.progress, &command, Timestamp(2)).unwrap();
        for event in &happened {
            course::apply(&mut self.progress, event);
        }
        happened
    }
}

proptest! {
    #[test]
    fn c3_no_version_grades_its_own_answers_otherwise(asked in asked(), tries in proptest::collection::vec(proptest::collection::vec(0_u8..7, 4), 0..4)) {
        let course = version(&asked, IdMap::new()).compile();
        let way = Way::of(&course, &tries);
        prop_assert_eq!(course.regraded(&way.progress, &way.attempts), Vec::new());
    }

    /// Whatever changed: never more than the quiz is worth, what was passed and finished stays, what waits waits, and
    /// a second time changes nothing.
    #[test]
    fn c3_c4_a_recalculation_is_bounded_keeps_what_was_finished_and_comes_to_rest(
        before in asked(), after in asked(), tries in proptest::collection::vec(proptest::collection::vec(0_u8..7, 4), 0..4),
    ) {
        let first = version(&before, IdMap::new());
        let second = version(&after, first.course.ids.clone()).compile();
        let mut way = Way::of(&first.compile(), &tries);
        let (was, submitted) = (way.progress.clone(), way.attempts.clone());
        way.bring_to(&second);
        let (item, quiz) = way.place;
        let outline = second.outline();
        if let Some(done) = way.progress.quiz(item, quiz) {
            let old = was.quiz(item, quiz).unwrap();
            prop_assert!(done.confirmed() + done.potential() <= outline.points().max(Points::ZERO));
            prop_assert!(old.passed_at.is_none() || done.passed_at == old.passed_at);
            prop_assert_eq!(old.waiting.is_some(), done.waiting.is_some());
            // The newest attempt's marks, one by one.
            let marks = way.attempts[&quiz].last().unwrap();
            let asked_anew = &second.modules[0].lessons[0].items[0].quizzes[0];
            for (place, marked) in marks.record.marks.iter().enumerate() {
                if marks.of_graders.contains(&marked.question_id) {
                    prop_assert_eq!(*marked, submitted[&quiz].last().unwrap().record.marks[place], "graders' marks stay");
                    continue;
                }
                let answer = marks.answers.iter().find(|answer| answer.question_id == marked.question_id);
                match (asked_anew.worth(marked.question_id), answer) {
                    (Some((question, worth)), Some(answer)) if fits(question, answer) && !matches!(question.kind, QuestionKind::OpenEnded { .. }) => {
                        prop_assert_eq!(Some(marked.mark), grade_one(question, answer).map(Mark::Scored));
                        prop_assert_eq!(marked.points, worth);
                    }
                    (_, None) => prop_assert_eq!(marked.mark, Mark::Blank),
                    _ => {}
                }
            }
        }
        prop_assert!(was.completed_at.is_none() || (way.progress.completed_at, way.progress.score) == (was.completed_at, was.score));
        prop_assert_eq!(way.progress.counted(&outline), (way.progress.totals, way.progress.gates.clone()));
        let rested = way.progress.clone();
        way.bring_to(&second);
        prop_assert_eq!(second.regraded(&way.progress, &way.attempts), Vec::new());
        prop_assert_eq!(way.progress, rested);
    }
}

proptest! {
    /// A gate is judged by the questions it has now, and what is answered is answered of what there is: whatever the
    /// author exchanged, and whatever was answered before and after.
    #[test]
    fn c1_c4_a_gate_is_judged_by_the_questions_it_has_now(
        before in asked(), after in asked(),
        tries in proptest::collection::vec(proptest::collection::vec(0_u8..7, 4), 0..4),
        later in proptest::collection::vec(proptest::collection::vec(0_u8..7, 4), 0..3),
    ) {
        let first = version(&before, IdMap::new());
        let second = version(&after, first.course.ids.clone()).compile();
        let mut way = Way::of(&first.compile(), &tries);
        let passed_before = way.progress.is_passed(way.place.0, way.place.1);
        way.bring_to(&second);
        let quiz = &second.modules[0].lessons[0].items[0].quizzes[0];
        let has: BTreeMap<QuestionId, u32> = quiz.quiz.questions.iter().map(|one| (one.id, one.points)).collect();
        let all: u32 = has.values().sum();
        for round in 0..=later.len() {
            let attempts = way.attempts.get(&way.place.1).cloned().unwrap_or_default();
            let mut most = 0;
            for attempt in &attempts {
                let of_now = attempt.record.marks.iter().filter(|marked| has.contains_key(&marked.question_id));
                let earned = of_now.map(|marked| match marked.mark {
                    Mark::Scored(score) => Points::of(marked.points, score).ten_thousandths(),
                    _ => 0,
                });
                most = most.max(earned.sum::<u64>());
            }
            // The pass mark is 50 %, rounded as scores are (S1).
            let passes = jalon_shared::Score::ratio(most, u64::from(all) * 10_000).hundredths() >= 5000;
            let (item, id) = way.place;
            prop_assert_eq!(way.progress.is_passed(item, id), passed_before || passes, "round {}", round);
            let asked = |attempt: &Attempted| attempt.record.marks.iter().filter(|one| has.contains_key(&one.question_id)).count();
            let answered = attempts.iter().map(asked).max().unwrap_or_default();
            let outline = second.outline();
            let outline = outline.items[0].quizzes[0];
            let done = way.progress.quiz(item, id).cloned().unwrap_or_default();
            prop_assert_eq!(usize::try_from(done.answered(outline.questions)).unwrap(), answered, "C4");
            prop_assert!(done.confirmed() <= outline.points && done.judged() <= done.confirmed(), "C3");
            if let Some(chosen) = later.get(round) {
                way.answer(&second, chosen, Timestamp(3));
            }
        }
    }
}

/// Who has used all attempts when the author adds a question has one more: else they would be stuck for ever.
#[test]
fn c1_a_question_that_is_new_to_a_quiz_can_be_answered() {
    let course = |keys: &[Asked], ids| version(keys, ids);
    let one: Vec<Asked> =
        vec![(true, 0, 1, "single_choice"), (false, 0, 1, "single_choice"), (false, 0, 1, "single_choice")];
    let two: Vec<Asked> =
        vec![(false, 0, 1, "single_choice"), (true, 0, 2, "single_choice"), (true, 0, 2, "single_choice")];
    let limited = |mut definition: Definition| {
        definition.course.source.modules[0].lessons[0].items[0].quizzes[0].max_attempts = Some(1);
        definition
    };
    let first = limited(course(&one, IdMap::new()));
    let second = limited(course(&two, first.course.ids.clone())).compile();
    let mut way = Way::of(&first.compile(), &[vec![1, 3]]);
    way.bring_to(&second);
    let (item, quiz) = way.place;
    assert!(!way.progress.is_passed(item, quiz), "all was wrong");
    assert_eq!(way.progress.quiz(item, quiz).unwrap().attempts_left(1), 1);
    assert!(way.answer(&second, &[3, 3], Timestamp(9)));
    assert_eq!(way.progress.quiz(item, quiz).unwrap().attempts_left(1), 0);
    assert!(!way.answer(&second, &[3, 3], Timestamp(10)), "one more, not any number");
}

/// What a quiz brings at most since it was counted anew, on one side of a merge, takes nothing that the other side
/// earned in a later version.
#[test]
fn m4_a_cap_of_one_side_takes_nothing_from_the_other() {
    let way = |earned: u32, most: Option<u32>| {
        let marks = vec![Marked {
            question_id: QuestionId(Uuid::from_u128(1)),
            points: earned,
            mark: Mark::Scored(jalon_shared::Score::FULL),
        }];
        let best = Some(Record { attempt: 1, marks });
        let quiz = course::QuizProgress { attempt_count: 1, best, most: most.map(Points::whole), ..Default::default() };
        let item = course::ItemProgress { quizzes: [(QuizId(Uuid::from_u128(2)), quiz)].into(), ..Default::default() };
        Progress { items: [(ItemId(Uuid::from_u128(3)), item)].into(), ..Progress::begun(Timestamp(0)) }
    };
    let earned = |one: &Progress, other: &Progress| {
        let both = course::merge::union(one, other);
        both.quiz(ItemId(Uuid::from_u128(3)), QuizId(Uuid::from_u128(2))).unwrap().confirmed()
    };
    let (capped, later) = (way(9, Some(5)), way(8, None));
    assert_eq!((earned(&capped, &later), earned(&later, &capped)), (Points::whole(8), Points::whole(8)));
    let none = Progress::begun(Timestamp(0));
    assert_eq!((earned(&capped, &none), earned(&none, &capped)), (Points::whole(5), Points::whole(5)));
    assert_eq!(earned(&capped, &way(3, None)), Points::whole(5));
}
