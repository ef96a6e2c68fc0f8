//! Attempts at a quiz in a course, and which of them counts (C2, C3).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Points;
use crate::{QuestionId, Score, Timestamp};

/// What became of one question of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Nothing was answered: 0.
    Blank,
    /// Graded, by the key or by a grader who accepted.
    Scored(Score),
    /// Waits for a grader: no score yet (C2).
    Ungraded,
    /// A grader rejected it: no score (C2).
    Rejected,
}

/// One question of an attempt, with what it is worth there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Marked {
    /// The question.
    #[serde(rename = "q")]
    pub question_id: QuestionId,
    /// Its weight in the attempt.
    #[serde(rename = "w")]
    pub points: u32,
    /// What became of it.
    #[serde(rename = "m")]
    pub mark: Mark,
}

/// A submitted attempt, as far as points and gating go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Which attempt it was, from 1.
    #[serde(rename = "n")]
    pub attempt: u32,
    /// All its questions.
    #[serde(rename = "m")]
    pub marks: Vec<Marked>,
}

impl Record {
    /// What is earned (C3).
    pub fn confirmed(&self) -> Points {
        self.points(|_| true)
    }

    /// What is earned by these questions.
    fn points(&self, counts: impl Fn(QuestionId) -> bool) -> Points {
        self.marks
            .iter()
            .filter(|marked| counts(marked.question_id))
            .map(|marked| match marked.mark {
                Mark::Scored(score) => Points::of(marked.points, score),
                _ => Points::ZERO,
            })
            .sum()
    }

    /// What a grader could still add (C3).
    pub fn ungraded(&self) -> Points {
        self.marks
            .iter()
            .filter(|marked| marked.mark == Mark::Ungraded)
            .map(|marked| Points::whole(marked.points))
            .sum()
    }

    /// What it is worth at most.
    pub fn of(&self) -> Points {
        self.marks.iter().map(|marked| Points::whole(marked.points)).sum()
    }

    /// Whether a grader is waited for.
    pub fn waits(&self) -> bool {
        self.marks.iter().any(|marked| marked.mark == Mark::Ungraded)
    }

    fn left_blank(&self, question: QuestionId) -> bool {
        self.marks.iter().any(|marked| marked.question_id == question && marked.mark == Mark::Blank)
    }

    fn answers(&self, question: QuestionId) -> bool {
        self.marks.iter().any(|marked| marked.question_id == question && marked.mark != Mark::Blank)
    }
}

/// A learner's way with one quiz.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct QuizProgress {
    /// How often it was answered.
    #[serde(rename = "n", default)]
    pub attempt_count: u32,
    /// When it was last answered: the cooldown counts from here.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<Timestamp>,
    /// When it was first passed; never taken back.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub passed_at: Option<Timestamp>,
    /// The best attempt of those that wait for nobody.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Record>,
    /// The attempt that waits for a grader; there is one at most.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Record>,
    /// Questions answered right in another course that holds the lesson, with their weight here.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shared: BTreeMap<QuestionId, u32>,
    /// What all that brings at most, where attempts of an earlier version, or answers shared from several draws,
    /// were worth more than the quiz is.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub most: Option<Points>,
    /// Questions of these attempts and shared answers that the quiz no longer has. Their points stay (C3), but they
    /// pass no gate (C1) and are not answers to what the quiz asks now (C4).
    #[serde(rename = "g", default, skip_serializing_if = "BTreeSet::is_empty")]
    pub gone: BTreeSet<QuestionId>,
    /// Where questions are gone: the attempt that brings most by the questions there are, if that is not `best`.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Record>,
    /// What shared answers had brought before the first attempt. The attempt's own answers win over them, but an
    /// attempt never takes points away.
    #[serde(rename = "f", default, skip_serializing_if = "is_nothing")]
    pub floor: Points,
    /// How many questions the quiz has got that no attempt had (C4).
    #[serde(rename = "x", default, skip_serializing_if = "is_nothing")]
    pub missing: u32,
}

/// Whether there is nothing to be written down.
pub(super) fn is_nothing<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which of several attempts are kept in the progress; all of them are in the database.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Kept {
    /// See [`QuizProgress::best`].
    pub best: Option<Record>,
    /// See [`QuizProgress::waiting`].
    pub waiting: Option<Record>,
    /// See [`QuizProgress::other`].
    pub other: Option<Record>,
}

impl QuizProgress {
    /// The attempt that counts: the one that brings more; of two alike the later.
    pub fn counting(&self) -> Option<&Record> {
        match (&self.best, &self.waiting) {
            (Some(best), Some(waiting)) if self.brings(best) > self.brings(waiting) => Some(best),
            (_, Some(waiting)) => Some(waiting),
            (best, None) => best.as_ref(),
        }
    }

    /// What is earned (C3): by the attempt that counts, and by shared answers to questions which that
    /// attempt left blank; by all shared answers, before there is an attempt. An answer bound to the enrollment
    /// wins over a shared one, and a question that the attempt has not got adds nothing: it may be one that
    /// another attempt would have drawn in place of those this one was worth. Never less than the shared answers
    /// had brought before the first attempt.
    pub fn confirmed(&self) -> Points {
        self.capped(self.points(self.counting(), |_| true).max(self.floor))
    }

    /// What a grader could still add to what is earned (C3).
    pub fn potential(&self) -> Points {
        let Some(waiting) = &self.waiting else { return Points::ZERO };
        self.capped(self.brings(waiting) + waiting.ungraded()).less(self.confirmed())
    }

    /// What is earned by the questions that the quiz has now: a gate is judged by it (C1).
    pub fn judged(&self) -> Points {
        let kept = [&self.best, &self.waiting, &self.other].into_iter().flatten();
        let most = kept.map(|record| self.judged_by(Some(record))).max();
        self.capped(most.unwrap_or_else(|| self.judged_by(None)))
    }

    fn capped(&self, points: Points) -> Points {
        self.most.map_or(points, |most| points.min(most))
    }

    /// Whether attempts or shared answers are worth more than a quiz of so many points.
    pub(super) fn exceeds<'r>(&self, points: Points, attempts: impl IntoIterator<Item = &'r Record>) -> bool {
        let beside = |record: &Record| -> Points {
            let asks = |question: QuestionId| record.marks.iter().any(|marked| marked.question_id == question);
            self.shared.iter().filter(|(question, _)| !asks(**question)).map(|(_, points)| Points::whole(*points)).sum()
        };
        let shared: Points = self.shared.values().copied().map(Points::whole).sum();
        shared > points || attempts.into_iter().any(|record| record.of() + beside(record) > points)
    }

    /// What an attempt brings, with the shared answers that fill its blanks. Attempts are compared by it: an
    /// attempt never takes points away.
    pub(super) fn brings(&self, record: &Record) -> Points {
        self.points(Some(record), |_| true)
    }

    pub(super) fn judged_by(&self, record: Option<&Record>) -> Points {
        self.points(record, |question| !self.gone.contains(&question))
    }

    /// The points of these questions in an attempt, with the shared answers that fill its blanks; of all shared
    /// answers, where there is none.
    fn points(&self, record: Option<&Record>, counts: impl Fn(QuestionId) -> bool) -> Points {
        let own = record.map_or(Points::ZERO, |record| record.points(&counts));
        let open = |question: QuestionId| record.is_none_or(|record| record.left_blank(question));
        let shared = self.shared.iter().filter(|(question, _)| open(**question) && counts(**question));
        own + shared.map(|(_, points)| Points::whole(*points)).sum()
    }

    /// Whether the enrollment has an answer of its own to this question; it wins over a shared one.
    pub fn is_bound(&self, question: QuestionId) -> bool {
        self.counting().is_some_and(|record| record.answers(question))
    }

    /// How many of its questions are answered (C4): once it was submitted, all that an attempt had; else the
    /// shared ones.
    pub fn answered(&self, questions: u32) -> u32 {
        if self.attempt_count > 0 {
            questions.saturating_sub(self.missing)
        } else {
            let shared = self.shared.keys().filter(|question| !self.gone.contains(question)).count();
            u32::try_from(shared).unwrap_or(u32::MAX).min(questions)
        }
    }

    /// How many attempts are left of so many at most. One is, whatever was used, while the quiz has a question
    /// that no attempt had: else it could never be answered.
    pub fn attempts_left(&self, max: u32) -> u32 {
        max.saturating_sub(self.attempt_count).max(u32::from(self.missing > 0))
    }

    /// What is earned before this learner's first attempt: an attempt leaves at least that.
    pub(super) fn floor(&self) -> Points {
        if self.attempt_count == 0 { self.confirmed() } else { self.floor }
    }

    /// Takes in a new attempt.
    pub(super) fn submit(&mut self, record: Record) {
        if record.waits() {
            // There is another one only after a merge of two that waited: the one that brings more is waited for first.
            let brings = |record: &Record| (self.brings(record), record.ungraded());
            if self.waiting.as_ref().is_none_or(|waiting| brings(&record) >= brings(waiting)) {
                self.waiting = Some(record);
            }
            return;
        }
        if !self.gone.is_empty() {
            let judged = |record: &Record| self.judged_by(Some(record));
            let before = [&self.other, &self.best].into_iter().flatten().max_by_key(|record| judged(record));
            self.other = match before {
                Some(before) if judged(before) > judged(&record) => Some(before.clone()),
                _ => Some(record.clone()),
            };
        }
        if self.best.as_ref().is_none_or(|best| self.brings(&record) >= self.brings(best)) {
            self.best = Some(record);
        }
        if self.other == self.best {
            self.other = None;
        }
    }

    /// What is kept of these attempts, in order, beside what is shared: the best of those that wait for nobody,
    /// and the one that waits. A later grade can lower an attempt, and then an earlier one counts again.
    pub(super) fn settled(&self, records: impl IntoIterator<Item = Record>) -> Kept {
        let mut quiz = Self { shared: self.shared.clone(), gone: self.gone.clone(), ..Self::default() };
        for record in records {
            quiz.submit(record);
        }
        Kept { best: quiz.best, waiting: quiz.waiting, other: quiz.other }
    }

    /// Of all attempts, in order, keeps those that bring most beside these shared answers of another enrollment.
    pub fn choose_beside(&mut self, shared: BTreeMap<QuestionId, u32>, records: Vec<Record>) {
        let beside = Self { shared, gone: self.gone.clone(), ..Self::default() };
        self.keep(beside.settled(records));
    }

    /// Keeps these attempts.
    pub(super) fn keep(&mut self, kept: Kept) {
        let Kept { best, waiting, other } = kept;
        (self.best, self.waiting, self.other) = (best, waiting, other);
    }

    /// Fits what was done to the quiz of another version, of so many questions and points, that `has` these: which
    /// are gone, how many no attempt had, and that it brings no more than it is worth (C1, C3, C4). `attempts` are
    /// those that are known beside the kept ones.
    pub(super) fn fit(
        &mut self,
        (questions, points): (u32, Points),
        has: impl Fn(QuestionId) -> bool,
        attempts: &[Record],
    ) {
        let kept = [&self.best, &self.waiting, &self.other].into_iter().flatten();
        let all: Vec<&Record> = attempts.iter().chain(kept).collect();
        let asked = all.iter().flat_map(|record| &record.marks).map(|marked| marked.question_id);
        let gone = asked.chain(self.shared.keys().copied()).filter(|question| !has(*question)).collect();
        let had = |record: &Record| record.marks.iter().filter(|marked| has(marked.question_id)).count();
        let most = all.iter().map(|record| had(record)).max();
        let missing = most.map_or(0, |most| questions.saturating_sub(u32::try_from(most).unwrap_or(u32::MAX)));
        let exceeds = self.exceeds(points, all.iter().copied());
        self.gone = gone;
        self.missing = missing;
        self.most = (exceeds || !self.gone.is_empty()).then_some(points);
    }

    /// The attempt of this number, if points still hang on it.
    pub fn record(&self, attempt: u32) -> Option<&Record> {
        [&self.best, &self.waiting].into_iter().flatten().find(|record| record.attempt == attempt)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn c3_a_shared_answer_fills_a_blank_and_adds_nothing_to_another_draw() {
        let question = |n: u128| QuestionId(Uuid::from_u128(n));
        let marked = |n: u128, mark: Mark| Marked { question_id: question(n), points: 1, mark };
        let right = Mark::Scored(Score::FULL);
        let mut quiz = QuizProgress { shared: [(question(1), 1), (question(9), 1)].into(), ..QuizProgress::default() };
        assert_eq!(quiz.confirmed(), Points::whole(2), "before there is an attempt all of them count");
        quiz.submit(Record { attempt: 1, marks: vec![marked(1, Mark::Blank), marked(2, right)] });
        assert_eq!(quiz.confirmed(), Points::whole(2), "9 is not a question of this attempt, 1 was left blank");
        quiz.submit(Record { attempt: 2, marks: vec![marked(2, right), marked(3, right)] });
        assert_eq!(quiz.confirmed(), Points::whole(2), "two questions are worth two points");
    }
}
