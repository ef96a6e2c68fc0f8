//! Attempts at a quiz in a course, and which of them counts (C2, C3).

use std::collections::BTreeMap;

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
        self.marks
            .iter()
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
    /// What all that brings at most, where attempts of an earlier version were worth more than the quiz is.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub most: Option<Points>,
}

impl QuizProgress {
    /// The attempt that counts: the one that brings more; of two alike the later.
    pub fn counting(&self) -> Option<&Record> {
        match (&self.best, &self.waiting) {
            (Some(best), Some(waiting)) if best.confirmed() > waiting.confirmed() => Some(best),
            (_, Some(waiting)) => Some(waiting),
            (best, None) => best.as_ref(),
        }
    }

    /// What is earned (C3): by the attempt that counts, and by shared answers to questions which that
    /// attempt left blank; by all shared answers, before there is an attempt. An answer bound to the enrollment
    /// wins over a shared one, and a question that the attempt has not got adds nothing: it may be one that
    /// another attempt would have drawn in place of those this one was worth.
    pub fn confirmed(&self) -> Points {
        self.capped(Self::with_shared(self.counting(), &self.shared))
    }

    /// What a grader could still add to what is earned (C3).
    pub fn potential(&self) -> Points {
        let Some(waiting) = &self.waiting else { return Points::ZERO };
        self.capped(Self::with_shared(Some(waiting), &self.shared) + waiting.ungraded()).less(self.confirmed())
    }

    fn capped(&self, points: Points) -> Points {
        self.most.map_or(points, |most| points.min(most))
    }

    /// Whether attempts or shared answers of an earlier version are worth more than a quiz of so many points.
    pub(super) fn exceeds<'r>(&self, points: Points, attempts: impl IntoIterator<Item = &'r Record>) -> bool {
        let beside = |record: &Record| -> Points {
            let asks = |question: QuestionId| record.marks.iter().any(|marked| marked.question_id == question);
            self.shared.iter().filter(|(question, _)| !asks(**question)).map(|(_, points)| Points::whole(*points)).sum()
        };
        let shared: Points = self.shared.values().copied().map(Points::whole).sum();
        shared > points || attempts.into_iter().any(|record| record.of() + beside(record) > points)
    }

    fn with_shared(record: Option<&Record>, shared: &BTreeMap<QuestionId, u32>) -> Points {
        let own = record.map_or(Points::ZERO, Record::confirmed);
        let open = |question: QuestionId| record.is_none_or(|record| record.left_blank(question));
        own + shared.iter().filter(|(question, _)| open(**question)).map(|(_, points)| Points::whole(*points)).sum()
    }

    /// Whether the enrollment has an answer of its own to this question; it wins over a shared one.
    pub fn is_bound(&self, question: QuestionId) -> bool {
        self.counting().is_some_and(|record| record.answers(question))
    }

    /// How many of its questions are answered: all, once it was submitted; else the shared ones.
    pub fn answered(&self, questions: u32) -> u32 {
        if self.attempt_count > 0 {
            questions
        } else {
            u32::try_from(self.shared.len()).unwrap_or(u32::MAX).min(questions)
        }
    }

    /// Takes in a new attempt.
    pub(super) fn submit(&mut self, record: Record) {
        if record.waits() {
            // There is another one only after a merge of two that waited: the one that brings more is waited for first.
            let brings = |record: &Record| (record.confirmed(), record.ungraded());
            if self.waiting.as_ref().is_none_or(|waiting| brings(&record) >= brings(waiting)) {
                self.waiting = Some(record);
            }
        } else if self.best.as_ref().is_none_or(|best| record.confirmed() >= best.confirmed()) {
            self.best = Some(record);
        }
    }

    /// What stays of these attempts, in order: the best of those that wait for nobody, and the one that
    /// waits. A later grade can lower an attempt, and then an earlier one counts again.
    pub(super) fn settled(records: impl IntoIterator<Item = Record>) -> (Option<Record>, Option<Record>) {
        let mut quiz = Self::default();
        for record in records {
            quiz.submit(record);
        }
        (quiz.best, quiz.waiting)
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
