//! One quiz in the model: its attempts, which of them counts, and what is earned (C2, C3).

use std::collections::{BTreeMap, BTreeSet};

use super::command::Give;
use super::content::{Asks, Kind, QUESTIONS, Quiz};

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
pub fn size(asks: Asks) -> (u64, u64) {
    let points: u64 = asks.questions.iter().map(|question| worth(*question)).sum();
    (points + asks.draw as u64 * 10_000, (asks.questions.len() + asks.draw) as u64)
}

/// A learner's way with one quiz.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tried {
    pub attempts: Vec<Attempt>,
    pub passed: bool,
    /// Questions answered right elsewhere.
    pub shared: BTreeSet<usize>,
    /// What those had brought before the first attempt.
    pub floor: u64,
}

impl Tried {
    /// What an attempt brings, with what is shared in its blanks; of all that is shared, where there is none.
    fn brings(&self, attempt: Option<&Attempt>, counts: &dyn Fn(usize) -> bool) -> u64 {
        let open = |question: &&usize| attempt.is_none_or(|attempt| attempt.get(question) == Some(&Mark::Blank));
        let own = attempt.into_iter().flatten().filter(|(question, _)| counts(**question));
        let own: u64 = own.map(|(_, mark)| if let Mark::Scored(points) = mark { *points } else { 0 }).sum();
        let shared = self.shared.iter().filter(open).filter(|question| counts(**question));
        own + shared.map(|question| worth(*question)).sum::<u64>()
    }

    /// The attempt that brings the most points; of two alike the later.
    pub fn counting(&self) -> Option<&Attempt> {
        self.attempts.iter().max_by_key(|attempt| self.brings(Some(attempt), &|_| true))
    }

    /// Never more than the quiz is worth, and never less than before the first attempt.
    pub fn confirmed(&self, asks: Asks) -> u64 {
        self.brings(self.counting(), &|_| true).max(self.floor).min(size(asks).0)
    }

    /// By the questions that there are: a gate is judged by them.
    pub fn judged(&self, asks: Asks) -> u64 {
        let counts = |question: usize| asks.has(question);
        let most = self.attempts.iter().map(|attempt| self.brings(Some(attempt), &counts)).max();
        most.unwrap_or_else(|| self.brings(None, &counts)).min(size(asks).0)
    }

    pub fn waits(&self) -> bool {
        self.attempts.last().is_some_and(|last| last.values().any(|mark| *mark == Mark::Waiting))
    }

    /// How much more there would be if a grader gave all.
    pub fn potential(&self, asks: Asks) -> u64 {
        let Some(last) = self.attempts.last().filter(|_| self.waits()) else { return 0 };
        let waiting = hoped(last) - earned(last);
        let all = (self.brings(Some(last), &|_| true) + waiting).min(size(asks).0);
        all.saturating_sub(self.confirmed(asks))
    }

    pub fn answered(&self, asks: Asks) -> u64 {
        let there = |questions: &mut dyn Iterator<Item = usize>| questions.filter(|one| asks.has(*one)).count() as u64;
        let most = self.attempts.iter().map(|attempt| there(&mut attempt.keys().copied())).max();
        most.unwrap_or_else(|| there(&mut self.shared.iter().copied())).min(size(asks).1)
    }

    /// One more than is allowed, while there is a question that no attempt had.
    pub fn exhausted(&self, quiz: &Quiz, asks: Asks) -> bool {
        let used = quiz.max_attempts.is_some_and(|most| self.attempts.len() >= most);
        used && self.answered(asks) == size(asks).1
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
