//! What a command changes in a course (C1–C4, shared points). The same function decides in the browser
//! and on the server (G7); on the server it is the law.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    CourseEvent, Mark, Marked, Outline, OutlineItem, OutlineQuiz, Progress, QuizProgress, Record, attempt::Kept,
    event::Regraded,
};
use crate::{
    ItemId, LessonId, QuestionId, QuizId, Score, Timestamp, TrackId, UserId,
    quiz::Answer,
    spent,
    track::enrollment::{MAX_POSITION_SECONDS, MAX_REPORT_SECONDS},
};

/// What somebody wants to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// A track opens a lesson to its learner.
    OpenLesson {
        /// The lesson.
        lesson: LessonId,
        /// The track.
        track: TrackId,
    },
    /// A learner opens an item. What they answered right in other courses that hold its lesson comes along.
    Visit {
        /// The item.
        item: ItemId,
        /// Right answers to questions of the lesson's quizzes.
        #[serde(default)]
        rights: Vec<Right>,
        /// All attempts at those quizzes, in order; may be left out where there is one at most.
        #[serde(default)]
        records: BTreeMap<QuizId, Vec<Record>>,
    },
    /// Staff have what the learner answered right in other courses that hold a lesson come along, as far as the
    /// lesson is open. Nothing is seen by it.
    Share {
        /// The lesson.
        lesson: LessonId,
        /// Right answers to questions of its quizzes.
        #[serde(default)]
        rights: Vec<Right>,
        /// All attempts at those quizzes, in order; may be left out where there is one at most.
        #[serde(default)]
        records: BTreeMap<QuizId, Vec<Record>>,
    },
    /// Time and position.
    Report {
        /// The item.
        item: ItemId,
        /// Seconds to add.
        time_spent_seconds: u32,
        /// The new position, in seconds.
        last_position: Option<u32>,
    },
    /// A learner answers a quiz.
    Answer {
        /// The item.
        item: ItemId,
        /// Its quiz.
        quiz: QuizId,
        /// What was answered.
        #[serde(default)]
        answers: Vec<Answer>,
        /// What the keys say of it: every question of the attempt.
        marks: Vec<Marked>,
        /// Seconds to add.
        time_spent_seconds: u32,
    },
    /// A grader accepts or rejects an open answer.
    Grade {
        /// The item.
        item: ItemId,
        /// Its quiz.
        quiz: QuizId,
        /// Which attempt.
        attempt: u32,
        /// Which question.
        question: QuestionId,
        /// The share of its points, more than 0; `None` rejects (C2).
        score: Option<Score>,
        /// Who grades.
        grader: UserId,
        /// What the grader says to the learner.
        #[serde(default)]
        comment: String,
        /// All attempts at this quiz, in order, as they were graded until now.
        records: Vec<Record>,
    },
    /// Staff bring the enrollment to the outline's version and count anew (C3). Needs all items.
    Recalculate {
        /// The outline's version.
        course_version: u32,
        /// Quizzes that are counted differently now; see [`super::Course::regraded`].
        #[serde(default)]
        records: Vec<Regraded>,
    },
}

/// A question answered right in another course that holds the lesson.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Right {
    /// The item of the quiz.
    pub item: ItemId,
    /// The quiz.
    pub quiz: QuizId,
    /// The question, as this enrollment has it.
    pub question: QuestionId,
    /// Its weight here.
    pub points: u32,
}

/// Why a command changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    /// The course version has no such item.
    #[error("there is no such lesson item")]
    NoSuchItem,
    /// The item has no such quiz.
    #[error("there is no such quiz")]
    NoSuchQuiz,
    /// A gate before it is not passed (C1).
    #[error("a quiz must be passed first")]
    ItemLocked {
        /// The item of the first gate that blocks.
        item: ItemId,
        /// The gate.
        quiz: QuizId,
    },
    /// All attempts are used.
    #[error("all attempts are used")]
    AttemptsExhausted,
    /// The next attempt must wait.
    #[error("the next attempt is possible at {retry_at}")]
    Cooldown {
        /// Until when.
        retry_at: Timestamp,
    },
    /// An attempt waits for a grader.
    #[error("a grader must look at the last attempt first")]
    AwaitingGrading,
    /// There is no such attempt, or it has no such question.
    #[error("there is no such answer")]
    NoSuchAnswer,
    /// An accepted answer is worth something (C2).
    #[error("an accepted answer is worth more than 0; reject it instead")]
    WorthNothing,
    /// More seconds than one report may hold.
    #[error("a report holds at most {MAX_REPORT_SECONDS} seconds")]
    AbsurdTime,
    /// A position no video has.
    #[error("a position is at most {MAX_POSITION_SECONDS} seconds")]
    AbsurdPosition,
}

/// What a command changes: its events, to be applied in order; none when it changes nothing.
///
/// Reads the totals and the items of one lesson only; [`Command::Recalculate`] reads all.
pub fn decide(
    outline: &Outline,
    progress: &Progress,
    command: &Command,
    now: Timestamp,
) -> Result<Vec<CourseEvent>, Refusal> {
    let mut deciding = Deciding { outline, after: progress.clone(), events: Vec::new(), now };
    match command {
        Command::OpenLesson { lesson, track } => deciding.open_lesson(*lesson, *track)?,
        Command::Visit { item, rights, records } => deciding.visit(*item, (rights, records))?,
        Command::Share { lesson, rights, records } => deciding.share_lesson(*lesson, (rights, records)),
        Command::Report { item, time_spent_seconds, last_position } => {
            deciding.report(*item, *time_spent_seconds, *last_position)?;
        }
        Command::Answer { item, quiz, answers, marks, time_spent_seconds } => {
            deciding.answer(*item, *quiz, answers, marks, *time_spent_seconds)?;
        }
        Command::Grade { item, quiz, attempt, question, score, grader, comment, records } => {
            // What the version no longer has brings no points any more.
            let item = outline.item(*item).ok_or(Refusal::NoSuchItem)?;
            let quiz = item.quiz(*quiz).ok_or(Refusal::NoSuchQuiz)?;
            let done = progress.quiz(item.id, quiz.id).cloned().unwrap_or_default();
            let Kept { best, waiting, other } = grade(&done, records, *attempt, *question, *score)?;
            deciding.push(CourseEvent::QuizGraded {
                item_id: item.id,
                quiz_id: quiz.id,
                attempt: *attempt,
                question_id: *question,
                score: *score,
                grader: grader.clone(),
                comment: comment.clone(),
                best,
                waiting,
                other,
                at: now,
            });
            deciding.follow(item);
        }
        Command::Recalculate { course_version, records } => deciding.recalculate(*course_version, records),
    }
    Ok(deciding.events)
}

/// Whether a quiz may be answered now; a quiz that is passed, or has no pass mark and was answered, needs
/// no further attempt but allows one.
pub fn may_attempt(quiz: &OutlineQuiz, progress: &Progress, item: ItemId, now: Timestamp) -> Result<(), Refusal> {
    let Some(done) = progress.quiz(item, quiz.id) else { return Ok(()) };
    if done.waiting.is_some() {
        return Err(Refusal::AwaitingGrading);
    }
    if quiz.max_attempts.is_some_and(|max| done.attempts_left(max) == 0) {
        return Err(Refusal::AttemptsExhausted);
    }
    match retry_at(quiz, progress, item) {
        Some(retry_at) if retry_at > now => Err(Refusal::Cooldown { retry_at }),
        _ => Ok(()),
    }
}

/// When a quiz may be answered next, where it has a cooldown and the last attempt did not pass.
pub fn retry_at(quiz: &OutlineQuiz, progress: &Progress, item: ItemId) -> Option<Timestamp> {
    let done = progress.quiz(item, quiz.id)?;
    if quiz.cooldown_seconds == 0 || done.passed_at.is_some() {
        return None;
    }
    done.last_attempt_at.map(|at| at.plus_seconds(i64::from(quiz.cooldown_seconds)))
}

/// The attempts that stay once this one answer is graded.
fn grade(
    done: &QuizProgress,
    records: &[Record],
    attempt: u32,
    question: QuestionId,
    score: Option<Score>,
) -> Result<Kept, Refusal> {
    if score == Some(Score::ZERO) {
        return Err(Refusal::WorthNothing);
    }
    let mut records = records.to_vec();
    let marked = records
        .iter_mut()
        .find(|record| record.attempt == attempt)
        .and_then(|record| record.marks.iter_mut().find(|marked| marked.question_id == question))
        .ok_or(Refusal::NoSuchAnswer)?;
    if marked.mark == Mark::Blank {
        return Err(Refusal::NoSuchAnswer);
    }
    marked.mark = score.map_or(Mark::Rejected, Mark::Scored);
    Ok(done.settled(records))
}

/// What all items together bring about once two ways were merged (M2), but for the course's completion; and what
/// they are then.
pub(super) fn follow_all(outline: &Outline, after: &Progress, now: Timestamp) -> (Vec<CourseEvent>, Progress) {
    let mut deciding = Deciding { outline, after: after.clone(), events: Vec::new(), now };
    for item in &outline.items {
        deciding.settle(item);
    }
    // What one learner lacked of a lesson the other may have done: told on its last needed item.
    for item in &outline.items {
        if outline.needed_of_lesson(item.lesson).last().is_some_and(|last| last.id == item.id) {
            deciding.complete_lesson(item);
        }
    }
    (deciding.events, deciding.after)
}

/// Right answers of other courses, and all attempts at their quizzes.
type Shared<'s> = (&'s [Right], &'s BTreeMap<QuizId, Vec<Record>>);

struct Deciding<'o> {
    outline: &'o Outline,
    after: Progress,
    events: Vec<CourseEvent>,
    now: Timestamp,
}

impl<'o> Deciding<'o> {
    fn push(&mut self, event: CourseEvent) {
        super::apply(&mut self.after, &event);
        self.events.push(event);
    }

    /// The item, if it may be opened.
    fn open(&self, item: ItemId) -> Result<&'o OutlineItem, Refusal> {
        let found = self.outline.item(item).ok_or(Refusal::NoSuchItem)?;
        match self.after.blocking(self.outline, item) {
            Some((item, quiz)) => Err(Refusal::ItemLocked { item: item.id, quiz: quiz.id }),
            None => Ok(found),
        }
    }

    fn open_lesson(&mut self, lesson_id: LessonId, track_id: TrackId) -> Result<(), Refusal> {
        if self.outline.lesson(lesson_id).next().is_none() {
            return Err(Refusal::NoSuchItem);
        }
        let opened = self.after.gates.lessons.get(&lesson_id);
        if opened.is_none_or(|tracks| !tracks.contains(&track_id)) {
            self.push(CourseEvent::LessonOpened { lesson_id, track_id, at: self.now });
        }
        Ok(())
    }

    fn visit(&mut self, item: ItemId, shared: Shared<'_>) -> Result<(), Refusal> {
        let visited = self.open(item)?;
        if self.after.items.get(&item).is_none_or(|item| item.viewed_at.is_none()) {
            self.push(CourseEvent::ItemViewed { item_id: item, at: self.now });
        }
        self.share_lesson(visited.lesson, shared);
        self.follow(visited);
        Ok(())
    }

    fn share_lesson(&mut self, lesson: LessonId, shared: Shared<'_>) {
        if self.after.completed_at.is_some() {
            return;
        }
        let outline = self.outline;
        for item in outline.lesson(lesson) {
            // A gate that the first items' shared answers pass opens the next ones at once.
            if self.after.blocking(outline, item.id).is_none() {
                self.share(item, shared);
            }
        }
    }

    fn share(&mut self, item: &'o OutlineItem, (rights, records): Shared<'_>) {
        for quiz in &item.quizzes {
            let done = self.after.quiz(item.id, quiz.id).cloned().unwrap_or_default();
            let offered: BTreeMap<QuestionId, u32> = rights
                .iter()
                .filter(|right| right.item == item.id && right.quiz == quiz.id)
                .filter(|right| !done.shared.contains_key(&right.question))
                .map(|right| (right.question, right.points))
                .collect();
            // With these answers in its blanks another attempt may bring more than the one that does now.
            let with = |shared: &BTreeMap<QuestionId, u32>| {
                let mut after = QuizProgress { shared: shared.clone(), ..done.clone() };
                after.shared.extend(&done.shared);
                if let Some(records) = records.get(&quiz.id) {
                    let kept = after.settled(records.iter().cloned());
                    (after.best, after.other) = (kept.best, kept.other);
                }
                after
            };
            let all = with(&offered);
            let offered: BTreeMap<_, _> =
                offered.into_iter().filter(|(question, _)| !all.is_bound(*question)).collect();
            if offered.is_empty() {
                continue;
            }
            let after = with(&offered);
            let exceeds = {
                let kept = [&after.best, &after.waiting].into_iter().flatten();
                after.most.is_none() && after.exceeds(quiz.points, kept)
            };
            let changed = (&after.best, &after.other) != (&done.best, &done.other);
            self.push(CourseEvent::PointsShared {
                item_id: item.id,
                quiz_id: quiz.id,
                of: quiz.questions,
                questions: offered.into_iter().collect(),
                best: after.best.filter(|_| changed),
                other: after.other.filter(|_| changed),
                most: exceeds.then_some(quiz.points),
                at: self.now,
            });
        }
        self.follow(item);
    }

    /// What is taken of reported time, and up to when time is accounted for by it.
    fn taken(&self, reported: u32) -> (u32, Option<Timestamp>) {
        let Progress { accounted_until, started_at, .. } = self.after;
        let (taken, until) = spent::taken(accounted_until, started_at, reported, self.now);
        (taken, until.filter(|_| taken > 0))
    }

    fn report(&mut self, item: ItemId, time_spent_seconds: u32, last_position: Option<u32>) -> Result<(), Refusal> {
        if time_spent_seconds > MAX_REPORT_SECONDS {
            return Err(Refusal::AbsurdTime);
        }
        if last_position.is_some_and(|position| position > MAX_POSITION_SECONDS) {
            return Err(Refusal::AbsurdPosition);
        }
        let film_seconds = self.open(item)?.film_seconds;
        let last_position = spent::position(film_seconds, last_position);
        let reports_time = time_spent_seconds > 0;
        let (time_spent_seconds, accounted_until) = self.taken(time_spent_seconds);
        let before = self.after.items.get(&item).and_then(|item| item.last_position);
        if reports_time || last_position.is_some_and(|position| before != Some(position)) {
            let at = self.now;
            self.push(CourseEvent::ItemProgressed {
                item_id: item,
                time_spent_seconds,
                accounted_until,
                last_position,
                at,
            });
        }
        Ok(())
    }

    fn answer(
        &mut self,
        item: ItemId,
        quiz: QuizId,
        answers: &[Answer],
        marks: &[Marked],
        time_spent_seconds: u32,
    ) -> Result<(), Refusal> {
        if time_spent_seconds > MAX_REPORT_SECONDS {
            return Err(Refusal::AbsurdTime);
        }
        let item = self.open(item)?;
        let quiz = item.quiz(quiz).ok_or(Refusal::NoSuchQuiz)?;
        may_attempt(quiz, &self.after, item.id, self.now)?;
        let (time_spent_seconds, accounted_until) = self.taken(time_spent_seconds);
        let attempt = self.after.quiz(item.id, quiz.id).map_or(0, |done| done.attempt_count).saturating_add(1);
        self.push(CourseEvent::QuizAnswered {
            item_id: item.id,
            quiz_id: quiz.id,
            of: quiz.questions,
            record: Record { attempt, marks: marks.to_vec() },
            answers: answers.to_vec(),
            time_spent_seconds,
            accounted_until,
            at: self.now,
        });
        self.follow(item);
        Ok(())
    }

    fn recalculate(&mut self, course_version: u32, records: &[Regraded]) {
        let mut counted = self.after.clone();
        let event = |progress: &Progress| {
            let (totals, gates) = progress.counted(self.outline);
            CourseEvent::Recalculated { course_version, records: records.to_vec(), totals, gates, at: self.now }
        };
        super::apply(&mut counted, &event(&self.after));
        // The sums are those that hold once the records are changed.
        let event = event(&counted);
        self.push(event);
        let outline = self.outline;
        for item in &outline.items {
            self.follow(item);
        }
        // What a lesson still lacked may be gone.
        for item in outline.items.iter().filter(|item| self.after.is_complete(item.id)).collect::<Vec<_>>() {
            self.complete_lesson(item);
        }
    }

    /// What a changed item brings about: quizzes passed, the item, its lesson and the course complete.
    fn follow(&mut self, item: &'o OutlineItem) {
        self.settle(item);
        self.complete_course();
    }

    fn settle(&mut self, item: &'o OutlineItem) {
        for quiz in &item.quizzes {
            self.pass(item, quiz);
        }
        let complete = self.after.is_complete(item.id);
        if !complete && self.is_done(item) {
            let needed = self.outline.needed().any(|needed| needed.id == item.id);
            self.push(CourseEvent::ItemCompleted { item_id: item.id, needed, at: self.now });
            self.complete_lesson(item);
        }
    }

    fn pass(&mut self, item: &OutlineItem, quiz: &OutlineQuiz) {
        let Some(done) = self.after.quiz(item.id, quiz.id) else { return };
        if done.passed_at.is_some() || !passes(quiz, done.judged()) {
            return;
        }
        let gates = quiz.gate.then(|| self.after.gates.with(self.outline, quiz.id));
        self.push(CourseEvent::QuizPassed { item_id: item.id, quiz_id: quiz.id, gates, at: self.now });
    }

    /// Whether an item is complete now: viewed, where it is optional; else each quiz answered, and passed
    /// where it is a gate.
    fn is_done(&self, item: &OutlineItem) -> bool {
        if !item.mandatory() {
            return self.after.items.get(&item.id).is_some_and(|item| item.viewed_at.is_some());
        }
        item.quizzes.iter().all(|quiz| {
            self.after.quiz(item.id, quiz.id).is_some_and(|done| {
                if quiz.gate { done.passed_at.is_some() } else { done.answered(quiz.questions) == quiz.questions }
            })
        })
    }

    fn complete_lesson(&mut self, item: &OutlineItem) {
        let outline = self.outline;
        if !self.after.is_lesson_complete(outline, item.lesson)
            && outline.needed_of_lesson(item.lesson).all(|needed| self.after.is_complete(needed.id))
        {
            let (lesson_id, item_id, at) = (item.lesson, item.id, self.now);
            self.push(CourseEvent::LessonCompleted { lesson_id, item_id, at });
        }
    }

    fn complete_course(&mut self) {
        let needed = self.outline.needed().count();
        let complete = usize::try_from(self.after.totals.needed_complete).unwrap_or(usize::MAX) >= needed;
        if self.after.completed_at.is_some() || needed == 0 || !complete {
            return;
        }
        let (totals, all) = (self.after.totals, self.outline.points());
        self.push(CourseEvent::Completed {
            score: (all > super::Points::ZERO).then(|| totals.confirmed.share_of(all)),
            confirmed: totals.confirmed,
            potential: totals.potential,
            at: self.now,
            merged_from_guest: false,
        });
    }
}

/// Whether so many points pass this quiz. A quiz without pass mark is never passed, only answered.
fn passes(quiz: &OutlineQuiz, confirmed: super::Points) -> bool {
    quiz.pass_mark.is_some_and(|mark| confirmed.share_of(quiz.points) >= mark)
}
