//! One quiz in the model: its attempts, which of them counts, and what is earned (C2, C3).

use std::collections::{BTreeMap, BTreeSet};

use super::command::Give;
use super::content::{Kind, QUESTIONS, Quiz};

/// What became of one question of an attempt, in ten-thousandths of a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    Blank,
    Scored(u64),
    Waiting,
    Rejected,
}

/// All its questions.
pub type Attempt = BTreeMap<usize, Mark>;

pub fn earned(attempt: &Attempt) -> u64 {
    attempt.values().map(|mark| if let Mark::Scored(points) = mark { *points } else { 0 }).sum()
}

/// What it would be worth if a grader gave all.
fn hoped(attempt: &Attempt) -> u64 {
    earned(attempt) + attempt.iter().filter(|(_, mark)| **mark == Mark::Waiting).map(|(q, _)| worth(*q)).sum::<u64>()
}

pub fn worth(question: usize) -> u64 {
    QUESTIONS[question].points * 10_000
}

/// What a quiz is worth, in points, and how many questions it has.
pub fn size(quiz: &Quiz) -> (u64, u64) {
    let points: u64 = quiz.questions.iter().map(|question| worth(*question)).sum();
    (points + quiz.draw as u64 * 10_000, (quiz.questions.len() + quiz.draw) as u64)
}

/// A learner's way with one quiz.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tried {
    pub attempts: Vec<Attempt>,
    pub passed: bool,
    /// Questions answered right elsewhere.
    pub shared: BTreeSet<usize>,
}

impl Tried {
    /// The attempt that brings the most points; of two alike the later.
    pub fn counting(&self) -> Option<&Attempt> {
        self.attempts.iter().max_by_key(|attempt| earned(attempt))
    }

    /// What is shared fills what an attempt left blank; before there is one, all counts.
    fn filled(&self, attempt: Option<&Attempt>) -> u64 {
        let open = |question: &&usize| attempt.is_none_or(|attempt| attempt.get(question) == Some(&Mark::Blank));
        self.shared.iter().filter(open).map(|question| worth(*question)).sum()
    }

    pub fn confirmed(&self) -> u64 {
        self.counting().map_or(0, earned) + self.filled(self.counting())
    }

    pub fn waits(&self) -> bool {
        self.attempts.last().is_some_and(|last| last.values().any(|mark| *mark == Mark::Waiting))
    }

    /// How much more there would be if a grader gave all.
    pub fn potential(&self) -> u64 {
        let last = self.attempts.last().filter(|_| self.waits());
        last.map_or(0, |last| (hoped(last) + self.filled(Some(last))).saturating_sub(self.confirmed()))
    }

    pub fn answered(&self, quiz: &Quiz) -> u64 {
        let (_, questions) = size(quiz);
        if self.attempts.is_empty() { questions.min(self.shared.len() as u64) } else { questions }
    }

    pub fn cooling(&self, quiz: &Quiz) -> bool {
        quiz.cooldown_seconds > 0 && !self.passed && !self.attempts.is_empty()
    }
}

/// Hundredths of a percent, rounded half up.
pub fn part(got: u64, of: u64) -> u64 {
    if of == 0 { 0 } else { (got.min(of) * 20_000 + of) / (2 * of) }
}

/// What a key makes of what was given, in ten-thousandths.
pub fn by_key(question: usize, give: Give) -> Mark {
    let kind = QUESTIONS[question].kind;
    match (kind, give) {
        (_, Give::Blank) => Mark::Blank,
        (Kind::Open, _) => Mark::Waiting,
        (_, Give::Right) => Mark::Scored(worth(question)),
        (Kind::Several, Give::Half) => Mark::Scored(worth(question) / 2),
        (_, Give::Wrong | Give::Half | Give::All) => Mark::Scored(0),
    }
}
