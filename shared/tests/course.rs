//! The rules of courses as properties: whatever is done, in whatever order, they hold.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use jalon_shared::{
    CourseId, EnrollmentId, GuestId, ItemId, Learner, LessonId, ModuleId, QuestionId, QuizId, Score, SiteId, Timestamp,
    UserId,
    course::{
        self, Command, CourseEvent, Enrollment, Mark, Marked, Outline, OutlineItem, OutlineQuiz, Points, Progress,
        Record, Refusal, Right, merge,
    },
};
use proptest::prelude::*;
use uuid::Uuid;

const QUESTIONS: u32 = 3;

fn item_id(n: usize) -> ItemId {
    ItemId(Uuid::from_u128(n as u128 + 1))
}

fn quiz_id(item: usize, n: usize) -> QuizId {
    QuizId(Uuid::from_u128(1000 + item as u128 * 10 + n as u128))
}

fn question_id(quiz: QuizId, n: u32) -> QuestionId {
    QuestionId(Uuid::from_u128(quiz.0.as_u128() * 100 + u128::from(n)))
}

/// The weights of a quiz's questions: 1, 2, 3.
fn questions(quiz: QuizId) -> impl Iterator<Item = (QuestionId, u32)> {
    (1..=QUESTIONS).map(move |n| (question_id(quiz, n), n))
}

fn outlines() -> impl Strategy<Value = Outline> {
    let quiz = (any::<bool>(), 1_i64..=10_000);
    let item = (proptest::collection::vec(quiz, 0..3), any::<bool>(), any::<bool>());
    proptest::collection::vec(item, 1..9).prop_map(|items| {
        let (mut lesson, mut module) = (0_u128, 0_u128);
        let items = items.into_iter().enumerate().map(|(place, (quizzes, new_lesson, new_module))| {
            lesson += u128::from(new_lesson);
            if new_lesson {
                module += u128::from(new_module);
            }
            OutlineItem {
                film_seconds: None,
                id: item_id(place),
                lesson: LessonId(Uuid::from_u128(lesson)),
                module: ModuleId(Uuid::from_u128(module)),
                quizzes: quizzes
                    .into_iter()
                    .enumerate()
                    .map(|(n, (gate, mark))| OutlineQuiz {
                        id: quiz_id(place, n),
                        gate,
                        pass_mark: gate.then(|| Score::from_hundredths(mark).unwrap()),
                        questions: QUESTIONS,
                        points: Points::whole(6),
                        max_attempts: Some(4),
                        cooldown_seconds: 30,
                    })
                    .collect(),
            }
        });
        Outline { items: items.collect() }
    })
}

#[derive(Clone, Debug)]
enum Doing {
    Visit { item: usize, shared: bool },
    Report { item: usize, seconds: u32, position: Option<u32> },
    Answer { item: usize, quiz: usize, marks: [u8; QUESTIONS as usize] },
    Grade { item: usize, quiz: usize, attempt: u32, question: u32, score: Option<i64> },
}

fn doings() -> impl Strategy<Value = Vec<(Doing, i64)>> {
    let doing = prop_oneof![
        2 => (0_usize..9, any::<bool>()).prop_map(|(item, shared)| Doing::Visit { item, shared }),
        1 => (0_usize..9, 0_u32..500, proptest::option::of(0_u32..500))
            .prop_map(|(item, seconds, position)| Doing::Report { item, seconds, position }),
        5 => (0_usize..9, 0_usize..3, [0_u8..8, 0_u8..8, 0_u8..8])
            .prop_map(|(item, quiz, marks)| Doing::Answer { item, quiz, marks }),
        2 => (0_usize..9, 0_usize..3, 1_u32..4, 1_u32..=QUESTIONS, proptest::option::of(0_i64..=10_000))
            .prop_map(|(item, quiz, attempt, question, score)| Doing::Grade { item, quiz, attempt, question, score }),
    ];
    proptest::collection::vec((doing, 0_i64..60_000), 0..60)
}

fn mark(n: u8) -> Mark {
    match n {
        0 => Mark::Blank,
        1 => Mark::Ungraded,
        2 => Mark::Scored(Score::ZERO),
        3 => Mark::Scored(Score::ratio(1, 3)),
        _ => Mark::Scored(Score::FULL),
    }
}

/// An enrollment and everything that was ever submitted, kept plainly.
struct Story {
    outline: Outline,
    enrollment: Enrollment,
    events: Vec<CourseEvent>,
    records: BTreeMap<(ItemId, QuizId), Vec<Record>>,
}

impl Story {
    fn new(outline: Outline) -> Self {
        Self::of(outline, 1, Learner::User(UserId::parse("u-42").unwrap()))
    }

    fn of(outline: Outline, number: u128, learner: Learner) -> Self {
        let enrolled = CourseEvent::Enrolled {
            enrollment_id: EnrollmentId(Uuid::from_u128(number)),
            site_id: SiteId(Uuid::nil()),
            course_id: CourseId(Uuid::nil()),
            course_version: 1,
            learner,
            lang: None,
            at: Timestamp(1_000_000),
        };
        let enrollment = Enrollment::begun(&enrolled).unwrap();
        Self { outline, enrollment, events: vec![enrolled], records: BTreeMap::new() }
    }

    fn command(&self, doing: &Doing) -> Command {
        match *doing {
            Doing::Visit { item, shared } => {
                let lesson = self.outline.item(item_id(item)).map(|item| item.lesson);
                let rights = self.outline.items.iter().filter(|item| Some(item.lesson) == lesson && shared);
                let rights = rights.flat_map(|item| {
                    item.quizzes.iter().flat_map(|quiz| {
                        let (item, quiz) = (item.id, quiz.id);
                        questions(quiz).skip(1).map(move |(question, points)| Right { item, quiz, question, points })
                    })
                });
                let records = self.records.iter().map(|((_, quiz), records)| (*quiz, records.clone())).collect();
                Command::Visit { item: item_id(item), rights: rights.collect(), records }
            }
            Doing::Report { item, seconds, position } => {
                Command::Report { item: item_id(item), time_spent_seconds: seconds, last_position: position }
            }
            Doing::Answer { item, quiz, marks } => {
                let quiz = quiz_id(item, quiz);
                let marks = questions(quiz).zip(marks).map(|((question_id, points), n)| Marked {
                    question_id,
                    points,
                    mark: mark(n),
                });
                Command::Answer {
                    item: item_id(item),
                    quiz,
                    answers: Vec::new(),
                    marks: marks.collect(),
                    time_spent_seconds: 5,
                }
            }
            Doing::Grade { item, quiz, attempt, question, score } => {
                let (item, quiz) = (item_id(item), quiz_id(item, quiz));
                Command::Grade {
                    item,
                    quiz,
                    attempt,
                    question: question_id(quiz, question),
                    score: score.map(|score| Score::from_hundredths(score).unwrap()),
                    grader: UserId::parse("grader").unwrap(),
                    comment: String::new(),
                    records: self.records.get(&(item, quiz)).cloned().unwrap_or_default(),
                }
            }
        }
    }

    fn do_it(&mut self, doing: &Doing, now: Timestamp) -> Result<Vec<CourseEvent>, Refusal> {
        let command = self.command(doing);
        let happened = course::decide(&self.outline, &self.enrollment.progress, &command, now)?;
        for event in &happened {
            self.enrollment.apply(event);
            self.events.push(event.clone());
            match event {
                CourseEvent::QuizAnswered { item_id, quiz_id, record, .. } => {
                    self.records.entry((*item_id, *quiz_id)).or_default().push(record.clone());
                }
                CourseEvent::QuizGraded { item_id, quiz_id, attempt, question_id, score, .. } => {
                    let records = self.records.get_mut(&(*item_id, *quiz_id)).unwrap();
                    let record = records.iter_mut().find(|record| record.attempt == *attempt).unwrap();
                    let marked = record.marks.iter_mut().find(|marked| marked.question_id == *question_id).unwrap();
                    marked.mark = score.map_or(Mark::Rejected, Mark::Scored);
                }
                _ => {}
            }
        }
        Ok(happened)
    }

    fn play(outline: Outline, doings: &[(Doing, i64)]) -> Self {
        let mut story = Self::new(outline);
        story.go_on(doings);
        story
    }

    /// A guest's way: no other course knows them, so nothing is shared with them.
    fn guest(outline: Outline, number: u128, doings: &[(Doing, i64)]) -> Self {
        let mut story = Self::of(outline, number, Learner::Guest(GuestId(Uuid::from_u128(number))));
        let alone = |doing: &Doing| match doing {
            Doing::Visit { item, .. } => Doing::Visit { item: *item, shared: false },
            other => other.clone(),
        };
        let doings: Vec<_> = doings.iter().map(|(doing, after)| (alone(doing), *after)).collect();
        story.go_on(&doings);
        story
    }

    fn go_on(&mut self, doings: &[(Doing, i64)]) {
        let mut now = Timestamp(1_000_000);
        for (doing, after) in doings {
            now.0 += after;
            drop(self.do_it(doing, now));
        }
    }
}

/// Whether an item is shut, said plainly: some item before it has a gate that was not passed.
fn shut(outline: &Outline, progress: &Progress, item: ItemId) -> bool {
    progress.completed_at.is_none()
        && !progress.is_complete(item)
        && outline
            .items
            .iter()
            .take_while(|before| before.id != item)
            .any(|before| before.quizzes.iter().any(|quiz| quiz.gate && !progress.is_passed(before.id, quiz.id)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn c1_what_stands_behind_a_gate_is_shut_until_it_is_passed(outline in outlines(), doings in doings()) {
        let mut story = Story::new(outline);
        let mut now = Timestamp(1_000_000);
        for (doing, after) in &doings {
            now.0 += after;
            let before = story.enrollment.progress.clone();
            let said = story.do_it(doing, now);
            let (Doing::Visit { item, .. } | Doing::Report { item, .. } | Doing::Answer { item, .. }) = doing else {
                continue;
            };
            let there = story.outline.item(item_id(*item)).is_some();
            let locked = there && shut(&story.outline, &before, item_id(*item));
            prop_assert_eq!(locked, matches!(said, Err(Refusal::ItemLocked { .. })), "{:?}", said);
        }
    }

    #[test]
    fn v1_replay_gives_the_enrollment(outline in outlines(), doings in doings()) {
        let story = Story::play(outline, &doings);
        prop_assert_eq!(course::replay(&story.events), Some(story.enrollment.clone()));
        prop_assert_eq!(story.enrollment.version, story.events.len() as u64);
        let stored = serde_json::to_string(&story.enrollment).unwrap();
        prop_assert_eq!(serde_json::from_str::<Enrollment>(&stored).unwrap(), story.enrollment);
        for event in &story.events {
            let stored = serde_json::to_string(event).unwrap();
            prop_assert_eq!(&serde_json::from_str::<CourseEvent>(&stored).unwrap(), event);
        }
    }

    /// The sums that grow event by event are those counted from all that was submitted: per quiz what the
    /// attempt that counts brings, and the shared answers to questions it left blank.
    #[test]
    fn c3_points_are_what_the_answers_add_up_to(outline in outlines(), doings in doings()) {
        let story = Story::play(outline, &doings);
        let progress = &story.enrollment.progress;
        let (mut confirmed, mut at_most) = (Points::ZERO, Points::ZERO);
        for item in &story.outline.items {
            for quiz in &item.quizzes {
                let none = Vec::new();
                let records = story.records.get(&(item.id, quiz.id)).unwrap_or(&none);
                let shared = progress.quiz(item.id, quiz.id).map(|quiz| quiz.shared.clone()).unwrap_or_default();
                let worth = |record: Option<&Record>, open: bool| -> Points {
                    let marks: Vec<Marked> = record.map(|record| record.marks.clone()).unwrap_or_default();
                    let own = marks.iter().map(|marked| match marked.mark {
                        Mark::Scored(score) => Points::of(marked.points, score),
                        Mark::Ungraded if open => Points::whole(marked.points),
                        _ => Points::ZERO,
                    });
                    let other = shared.iter().filter(|(question, _)| {
                        !marks.iter().any(|marked| marked.question_id == **question && marked.mark != Mark::Blank)
                    });
                    own.sum::<Points>() + other.map(|(_, points)| Points::whole(*points)).sum()
                };
                // Of all attempts that one which brings most, with what is shared in its blanks.
                let earned = records.iter().map(|record| worth(Some(record), false)).max();
                // And never less than what was shared before the first attempt.
                let floor = progress.quiz(item.id, quiz.id).map_or(Points::ZERO, |done| done.floor);
                let earned = earned.map_or_else(|| worth(None, false), |earned| earned.max(floor));
                let waiting = records.iter().find(|record| record.waits());
                confirmed = confirmed + earned;
                at_most = at_most + earned.max(waiting.map_or(Points::ZERO, |waiting| worth(Some(waiting), true)));
            }
        }
        prop_assert_eq!(progress.totals.confirmed, confirmed);
        prop_assert_eq!(progress.totals.confirmed + progress.totals.potential, at_most);
        prop_assert_eq!(progress.counted(&story.outline), (progress.totals, progress.gates.clone()));
    }

    #[test]
    fn c4_progress_never_passes_all_never_falls_and_is_full_when_finished(outline in outlines(), doings in doings()) {
        let mut story = Story::new(outline);
        let mut now = Timestamp(1_000_000);
        let mut before = story.enrollment.progress.clone();
        for (doing, after) in &doings {
            now.0 += after;
            drop(story.do_it(doing, now));
            let (outline, progress) = (&story.outline, &story.enrollment.progress);
            for item in &outline.items {
                for share in [
                    (progress.of_item(item), before.of_item(item)),
                    (progress.of_lesson(outline, item.lesson), before.of_lesson(outline, item.lesson)),
                    (progress.of_module(outline, item.module), before.of_module(outline, item.module)),
                    (progress.of_course(outline), before.of_course(outline)),
                    (progress.of_course_by_totals(outline), before.of_course_by_totals(outline)),
                ] {
                    prop_assert!(share.0.done <= share.0.of && share.0.done >= share.1.done && share.0.of == share.1.of);
                }
                prop_assert!(progress.is_complete(item.id) || !before.is_complete(item.id));
                for quiz in &item.quizzes {
                    prop_assert!(progress.is_passed(item.id, quiz.id) || !before.is_passed(item.id, quiz.id));
                }
            }
            prop_assert!(before.completed_at.is_none() || progress.completed_at == before.completed_at);
            prop_assert!(before.completed_at.is_none() || progress.score == before.score);
            if progress.completed_at.is_some() {
                prop_assert_eq!(progress.of_course(outline).done, progress.of_course(outline).of);
                prop_assert_eq!(progress.of_course_by_totals(outline), progress.of_course(outline));
            } else {
                // A gate that shared answers pass completes its item before all of it is answered.
                prop_assert!(progress.of_course_by_totals(outline).done <= progress.of_course(outline).done);
            }
            before = progress.clone();
        }
        let completions = story.events.iter().filter(|event| event.name() == "course.completed").count();
        prop_assert_eq!(completions, usize::from(before.completed_at.is_some()));
        let lessons: Vec<LessonId> = story.events.iter().filter_map(|event| match event {
            CourseEvent::LessonCompleted { lesson_id, .. } => Some(*lesson_id),
            _ => None,
        }).collect();
        prop_assert_eq!(lessons.iter().collect::<BTreeSet<_>>().len(), lessons.len(), "each once");
    }

    /// A decision needs the items of one lesson, so a course's size costs nothing.
    #[test]
    fn c4_a_decision_reads_one_lesson_only(outline in outlines(), doings in doings(), last in doings()) {
        let story = Story::play(outline, &doings);
        for (doing, _) in &last {
            let (Doing::Visit { item, .. } | Doing::Report { item, .. } | Doing::Answer { item, .. } | Doing::Grade { item, .. }) = doing;
            let Some(found) = story.outline.item(item_id(*item)) else { continue };
            let lesson: BTreeSet<ItemId> = story.outline.lesson(found.lesson).map(|item| item.id).collect();
            let mut part = story.enrollment.progress.clone();
            part.items.retain(|item, _| lesson.contains(item));
            let (command, now) = (story.command(doing), Timestamp(9_000_000));
            prop_assert_eq!(
                course::decide(&story.outline, &part, &command, now),
                course::decide(&story.outline, &story.enrollment.progress, &command, now)
            );
        }
    }

    #[test]
    fn shared_points_come_once_never_over_an_own_answer_and_never_into_a_finished_course(
        outline in outlines(), doings in doings(),
    ) {
        let mut story = Story::new(outline);
        let mut now = Timestamp(1_000_000);
        for (doing, after) in &doings {
            now.0 += after;
            let before = story.enrollment.progress.clone();
            let Ok(happened) = story.do_it(doing, now) else { continue };
            for event in &happened {
                let CourseEvent::PointsShared { item_id, quiz_id, questions, .. } = event else { continue };
                prop_assert!(before.completed_at.is_none());
                for (question, _) in questions {
                    let had = before.quiz(*item_id, *quiz_id).is_some_and(|done| done.shared.contains_key(question));
                    let now = story.enrollment.progress.quiz(*item_id, *quiz_id).unwrap();
                    prop_assert!(!had && !now.is_bound(*question));
                }
            }
            if let Doing::Visit { .. } = doing {
                prop_assert_eq!(story.do_it(doing, now), Ok(Vec::new()), "a second visit changes nothing");
            }
        }
    }

    /// Whatever a learner does themselves takes no points from a quiz, and none from the sum.
    #[test]
    fn c3_nothing_a_learner_does_takes_points_away(outline in outlines(), doings in doings()) {
        let mut story = Story::new(outline);
        let mut now = Timestamp(1_000_000);
        for (doing, after) in &doings {
            now.0 += after;
            let before = story.enrollment.progress.clone();
            drop(story.do_it(doing, now));
            if matches!(doing, Doing::Grade { .. }) {
                continue;
            }
            for (id, item) in &before.items {
                for (quiz, was) in &item.quizzes {
                    let is = story.enrollment.progress.quiz(*id, *quiz).unwrap();
                    prop_assert!(is.confirmed() >= was.confirmed(), "{:?} after {:?}", is, was);
                }
            }
            prop_assert!(story.enrollment.progress.totals.confirmed >= before.totals.confirmed);
        }
    }

    /// The author changes the course: nobody who finished anything is un-finished, and the sums are those
    /// of the new version.
    #[test]
    fn c4_a_new_version_never_un_finishes_anybody(
        outline in outlines(), newer in outlines(), doings in doings(), later in doings(),
    ) {
        let mut story = Story::play(outline, &doings);
        let before = story.enrollment.progress.clone();
        let command = Command::Recalculate { course_version: 2, records: Vec::new() };
        let happened = course::decide(&newer, &before, &command, Timestamp(8_000_000)).unwrap();
        for event in &happened {
            story.enrollment.apply(event);
            story.events.push(event.clone());
        }
        story.outline = newer.clone();
        let after = story.enrollment.progress.clone();
        prop_assert_eq!(story.enrollment.course_version, 2);
        prop_assert!(before.completed_at.is_none() || (after.completed_at, after.score) == (before.completed_at, before.score));
        for item in &newer.items {
            prop_assert!(after.is_complete(item.id) || !before.is_complete(item.id));
            if before.is_complete(item.id) {
                prop_assert_eq!(after.of_item(item).done, after.of_item(item).of);
                prop_assert!(after.blocking(&newer, item.id).is_none(), "what is complete is never shut again");
            }
        }
        prop_assert_eq!(after.counted(&newer), (after.totals, after.gates.clone()));
        let again = course::decide(&newer, &after, &command, Timestamp(8_000_000)).unwrap();
        prop_assert_eq!(again.len(), 1, "a second time only counts");

        // And what comes later goes by the new version's gates.
        let mut now = Timestamp(9_000_000);
        for (doing, wait) in &later {
            now.0 += wait;
            let before = story.enrollment.progress.clone();
            let said = story.do_it(doing, now);
            if let Doing::Visit { item, .. } | Doing::Report { item, .. } | Doing::Answer { item, .. } = doing {
                let locked = newer.item(item_id(*item)).is_some() && shut(&newer, &before, item_id(*item));
                prop_assert_eq!(locked, matches!(said, Err(Refusal::ItemLocked { .. })), "{:?}", said);
            }
        }
        let progress = &story.enrollment.progress;
        prop_assert_eq!(progress.counted(&newer), (progress.totals, progress.gates.clone()));
        prop_assert_eq!(course::replay(&story.events), Some(story.enrollment.clone()));
    }
}

/// When guests become members.
const MERGED: Timestamp = Timestamp(9_000_000);

fn joined(member: Option<Enrollment>, guest: &Enrollment, outline: &Outline) -> (Enrollment, Vec<CourseEvent>) {
    let user = UserId::parse("u-42").unwrap();
    let (mut after, happened) = match member {
        Some(member) => {
            let happened = merge::decide_merge(outline, |_, _| true, &member, guest, MERGED);
            (member, happened)
        }
        None => (guest.clone(), merge::decide_move(guest, &user, MERGED)),
    };
    for event in &happened {
        after.apply(event);
    }
    (after, happened)
}

/// Nothing of `before` is less in `after`.
fn assert_not_less(outline: &Outline, before: &Progress, after: &Progress) -> Result<(), TestCaseError> {
    let kept = |before: Option<Timestamp>, after: Option<Timestamp>| {
        before.is_none_or(|at| after.is_some_and(|after| after <= at))
    };
    for (id, was) in &before.items {
        let is = &after.items[id];
        prop_assert!(kept(was.viewed_at, is.viewed_at) && kept(was.completed_at, is.completed_at));
        prop_assert!(kept(was.lesson_completed_at, is.lesson_completed_at) && is.last_position >= was.last_position);
        for (quiz, was) in &was.quizzes {
            let is = &is.quizzes[quiz];
            prop_assert!(is.confirmed() >= was.confirmed(), "M4: {:?} of {:?}", is, was);
            prop_assert!(kept(was.passed_at, is.passed_at) && is.attempt_count >= was.attempt_count);
            prop_assert!(is.last_attempt_at >= was.last_attempt_at);
        }
    }
    for item in &outline.items {
        prop_assert!(
            !before.is_lesson_complete(outline, item.lesson) || after.is_lesson_complete(outline, item.lesson)
        );
        prop_assert!(
            before.blocking(outline, item.id).is_some() || after.blocking(outline, item.id).is_none(),
            "M4: nothing is shut"
        );
    }
    prop_assert!(after.totals.confirmed >= before.totals.confirmed && after.score >= before.score);
    prop_assert!(kept(before.completed_at, after.completed_at) && after.started_at <= before.started_at);
    Ok(())
}

/// Attempts get their numbers in the order in which they come, and a lesson's completion is noted on the item that came
/// last; nothing else depends on it.
fn without_order(outline: &Outline, mut progress: Progress) -> (Progress, BTreeMap<LessonId, Option<Timestamp>>) {
    let mut lessons = BTreeMap::new();
    for item in &outline.items {
        let noted = progress.items.get_mut(&item.id).and_then(|done| done.lesson_completed_at.take());
        let lesson = lessons.entry(item.lesson).or_insert(None);
        *lesson = [*lesson, noted].into_iter().flatten().min();
    }
    for quiz in progress.items.values_mut().flat_map(|item| item.quizzes.values_mut()) {
        for record in [&mut quiz.best, &mut quiz.waiting].into_iter().flatten() {
            record.attempt = 0;
        }
    }
    (progress, lessons)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn m2_m4_a_merge_of_courses_loses_nothing(outline in outlines(), own in doings(), theirs in doings()) {
        let member = Story::play(outline.clone(), &own);
        let guest = Story::guest(outline.clone(), 2, &theirs);
        let (after, happened) = joined(Some(member.enrollment.clone()), &guest.enrollment, &outline);
        let (was, theirs, is) = (&member.enrollment.progress, &guest.enrollment.progress, &after.progress);
        assert_not_less(&outline, was, is)?;
        assert_not_less(&outline, theirs, is)?;
        prop_assert_eq!(is.totals.time_spent_seconds, was.totals.time_spent_seconds + theirs.totals.time_spent_seconds);
        prop_assert_eq!(is.counted(&outline), (is.totals, is.gates.clone()), "C3 holds after a merge");
        for (id, item) in &is.items {
            for (quiz, done) in &item.quizzes {
                let count = |progress: &Progress| progress.quiz(*id, *quiz).map_or(0, |done| done.attempt_count);
                prop_assert_eq!(done.attempt_count, count(was) + count(theirs), "M2");
                let numbers = [&done.best, &done.waiting].into_iter().flatten().map(|record| record.attempt);
                prop_assert!(numbers.into_iter().all(|number| (1..=done.attempt_count).contains(&number)));
            }
        }
        let complete = outline.needed().all(|item| is.is_complete(item.id));
        prop_assert_eq!(complete, is.completed_at.is_some());
        for item in &outline.items {
            let all = outline.needed_of_lesson(item.lesson).all(|item| is.is_complete(item.id));
            prop_assert_eq!(all, is.is_lesson_complete(&outline, item.lesson));
        }
        let announced = happened.iter().filter(|event| event.name() == "course.completed").count();
        prop_assert_eq!(announced == 1, was.completed_at.is_none() && is.completed_at.is_some(), "M6");
        let mut events = member.events.clone();
        events.extend(happened);
        let events: Vec<CourseEvent> = events.iter().map(|event| serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap()).collect();
        prop_assert_eq!(course::replay(&events), Some(after), "V1 through a merge");
    }

    #[test]
    fn m3_the_order_in_which_guests_bring_a_course_does_not_matter(
        outline in outlines(), own in proptest::option::of(doings()), a in doings(), b in doings()
    ) {
        let own = own.map(|own| Story::play(outline.clone(), &own).enrollment);
        let (a, b) = (Story::guest(outline.clone(), 2, &a).enrollment, Story::guest(outline.clone(), 3, &b).enrollment);
        let merged = |first: &Enrollment, second: &Enrollment| {
            let (member, _) = joined(own.clone(), first, &outline);
            without_order(&outline, joined(Some(member), second, &outline).0.progress)
        };
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
    }
}

/// A lesson that a track opened: what stands before it keeps nobody out, its own gate does, and it stays so through
/// everything that counts the gates anew.
#[test]
fn c1_in_an_opened_lesson_only_its_own_gates_hold() {
    let quiz = |place: usize| OutlineQuiz {
        id: quiz_id(place, 0),
        gate: true,
        pass_mark: Some(Score::FULL),
        questions: QUESTIONS,
        points: Points::whole(6),
        max_attempts: None,
        cooldown_seconds: 0,
    };
    let item = |place: usize, lesson: u128| OutlineItem {
        film_seconds: None,
        id: item_id(place),
        lesson: LessonId(Uuid::from_u128(lesson)),
        module: ModuleId(Uuid::nil()),
        quizzes: vec![quiz(place)],
    };
    let outline = Outline { items: vec![item(0, 1), item(1, 2), item(2, 2), item(3, 3)] };
    let mut story = Story::new(outline.clone());
    let blocked =
        |story: &Story, place| story.enrollment.progress.blocking(&outline, item_id(place)).map(|(item, _)| item.id);
    assert_eq!(blocked(&story, 1), Some(item_id(0)));
    let open = Command::OpenLesson { lesson: LessonId(Uuid::from_u128(2)), track: jalon_shared::TrackId(Uuid::nil()) };
    for event in course::decide(&outline, &story.enrollment.progress, &open, Timestamp(1)).unwrap() {
        story.enrollment.apply(&event);
    }
    assert_eq!(course::decide(&outline, &story.enrollment.progress, &open, Timestamp(2)), Ok(Vec::new()), "once");
    let now = |story: &Story| [0, 1, 2, 3].map(|place| blocked(story, place));
    assert_eq!(now(&story), [None, None, Some(item_id(1)), Some(item_id(0))]);
    story.do_it(&Doing::Answer { item: 1, quiz: 0, marks: [4, 4, 4] }, Timestamp(3)).unwrap();
    assert_eq!(now(&story), [None, None, None, Some(item_id(0))]);
    let recalculate = Command::Recalculate { course_version: 2, records: Vec::new() };
    for event in course::decide(&outline, &story.enrollment.progress, &recalculate, Timestamp(4)).unwrap() {
        story.enrollment.apply(&event);
    }
    assert_eq!(now(&story), [None, None, None, Some(item_id(0))]);
    let nowhere =
        Command::OpenLesson { lesson: LessonId(Uuid::from_u128(9)), track: jalon_shared::TrackId(Uuid::nil()) };
    assert_eq!(course::decide(&outline, &story.enrollment.progress, &nowhere, Timestamp(5)), Err(Refusal::NoSuchItem));
}
