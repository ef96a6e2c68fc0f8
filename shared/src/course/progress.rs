//! What was done in a course, and how far that is (C1, C3, C4).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Outline, OutlineItem, OutlineQuiz, Points, QuizProgress};
use crate::{ItemId, LessonId, ModuleId, QuizId, Score, Timestamp, TrackId};

/// What was done in a course.
///
/// A decision reads the totals and the items of one lesson, whatever the course's size: so that is what
/// a server loads. `items` may therefore hold the items of one lesson only.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// When it began.
    pub started_at: Timestamp,
    /// When it became complete: set once.
    pub completed_at: Option<Timestamp>,
    /// How much of the course's points was earned at completion; frozen (S3).
    pub score: Option<Score>,
    /// Sums over all items.
    pub totals: Totals,
    /// How far the gates are open.
    pub gates: Gates,
    /// Up to when reported time is accounted for; `None` before the first report. See [`crate::spent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounted_until: Option<Timestamp>,
    /// By item; also items of other versions, so that nothing is ever lost.
    pub items: BTreeMap<ItemId, ItemProgress>,
}

/// Sums over all items of an enrollment's version, kept beside them so that nobody has to add them up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Points earned (C3).
    pub confirmed: Points,
    /// Points that graders could still add (C3).
    pub potential: Points,
    /// Questions answered (C4).
    pub answered: u32,
    /// Items complete of those the course needs.
    pub needed_complete: u32,
    /// Seconds, over all items.
    pub time_spent_seconds: u64,
}

/// Which gates (C1) are passed: all before the first that is not, and those behind it that were passed
/// when they stood elsewhere. And which lessons a track opened, whatever stands before them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Gates {
    /// How many of the version's gates, from the first, are passed without a hole.
    pub open: u32,
    /// Gates behind the hole that are passed too.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ahead: BTreeSet<QuizId>,
    /// Lessons that tracks opened, with these tracks: in them only their own gates hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lessons: BTreeMap<LessonId, BTreeSet<TrackId>>,
}

/// What was done in a lesson item.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ItemProgress {
    /// When it was first opened.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub viewed_at: Option<Timestamp>,
    /// When it became complete; never taken back.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// When its lesson became complete, on the item that completed it.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub lesson_completed_at: Option<Timestamp>,
    /// Seconds.
    #[serde(rename = "t", default)]
    pub time_spent_seconds: u32,
    /// Seconds into the video.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub last_position: Option<u32>,
    /// By quiz.
    #[serde(rename = "q", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quizzes: BTreeMap<QuizId, QuizProgress>,
}

/// So much of so much (C4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Share {
    /// Never more than `of`.
    pub done: u32,
    /// All of it.
    pub of: u32,
}

impl Share {
    /// All of so much, when `finished`; else so much of it.
    fn of(done: u32, of: u32, finished: bool) -> Self {
        Self { done: if finished { of } else { done.min(of) }, of }
    }

    /// As a percentage; nothing of nothing is 0.
    pub fn score(self) -> Score {
        Score::ratio(u64::from(self.done), u64::from(self.of))
    }
}

impl std::ops::Add for Share {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { done: self.done.saturating_add(other.done), of: self.of.saturating_add(other.of) }
    }
}

impl Progress {
    /// Nothing done yet.
    pub fn begun(started_at: Timestamp) -> Self {
        Self {
            started_at,
            completed_at: None,
            score: None,
            totals: Totals::default(),
            gates: Gates::default(),
            accounted_until: None,
            items: BTreeMap::new(),
        }
    }

    /// Whether this item is complete.
    pub fn is_complete(&self, item: ItemId) -> bool {
        self.items.get(&item).is_some_and(|item| item.completed_at.is_some())
    }

    /// Whether this lesson was completed; new items never take that back (C4).
    pub fn is_lesson_complete(&self, outline: &Outline, lesson: LessonId) -> bool {
        outline
            .lesson(lesson)
            .any(|item| self.items.get(&item.id).is_some_and(|item| item.lesson_completed_at.is_some()))
    }

    /// The way with this quiz; nothing when it was never answered.
    pub fn quiz(&self, item: ItemId, quiz: QuizId) -> Option<&QuizProgress> {
        self.items.get(&item)?.quizzes.get(&quiz)
    }

    /// The first gate that keeps this item shut (C1), with its item; `None`: it may be opened. What is
    /// complete is never shut again, and in a completed course nothing is. In a lesson that a track opened
    /// only the lesson's own gates shut anything.
    pub fn blocking<'o>(&self, outline: &'o Outline, item: ItemId) -> Option<(&'o OutlineItem, &'o OutlineQuiz)> {
        if self.completed_at.is_some() || self.is_complete(item) {
            return None;
        }
        let lesson = outline.item(item)?.lesson;
        if self.gates.lessons.contains_key(&lesson) {
            let (blocking, gate) = self.gate_of_lesson(outline, lesson)?;
            return (outline.place(item)? > outline.place(blocking.id)?).then_some((blocking, gate));
        }
        let (place, gate) = outline.gates().nth(usize::try_from(self.gates.open).unwrap_or(usize::MAX))?;
        (outline.place(item)? > place).then(|| (&outline.items[place], gate))
    }

    /// The first gate inside a lesson that is not passed, with its item. Needs the lesson's items.
    pub fn gate_of_lesson<'o>(
        &self,
        outline: &'o Outline,
        lesson: LessonId,
    ) -> Option<(&'o OutlineItem, &'o OutlineQuiz)> {
        let mut gates = outline
            .lesson(lesson)
            .flat_map(|item| item.quizzes.iter().filter(|quiz| quiz.gate).map(move |quiz| (item, quiz)));
        gates.find(|(item, quiz)| !self.is_passed(item.id, quiz.id))
    }

    /// How much of a lesson's points is earned; `None` where it has none. Needs the lesson's items.
    pub fn score_of_lesson(&self, outline: &Outline, lesson: LessonId) -> Option<Score> {
        let quizzes = outline.lesson(lesson).flat_map(|item| item.quizzes.iter().map(move |quiz| (item.id, quiz)));
        let (mut earned, mut all) = (Points::ZERO, Points::ZERO);
        for (item, quiz) in quizzes {
            earned = earned + self.quiz(item, quiz.id).map_or(Points::ZERO, QuizProgress::confirmed);
            all = all + quiz.points;
        }
        (all > Points::ZERO).then(|| earned.share_of(all))
    }

    /// Questions answered of all, in one quiz (C4).
    pub fn of_quiz(&self, item: &OutlineItem, quiz: &OutlineQuiz) -> Share {
        let answered = self.quiz(item.id, quiz.id).map_or(0, |done| done.answered(quiz.questions));
        Share::of(answered, quiz.questions, self.is_complete(item.id) || self.completed_at.is_some())
    }

    /// Questions answered of all, in one item; an item without is viewed or not.
    pub fn of_item(&self, item: &OutlineItem) -> Share {
        if item.mandatory() {
            item.quizzes.iter().map(|quiz| self.of_quiz(item, quiz)).fold(Share::default(), |sum, one| sum + one)
        } else {
            let finished = self.is_complete(item.id) || self.completed_at.is_some();
            Share::of(u32::from(finished), 1, finished)
        }
    }

    /// Of what a lesson needs.
    pub fn of_lesson(&self, outline: &Outline, lesson: LessonId) -> Share {
        let sum = self.sum(outline.needed_of_lesson(lesson));
        Share::of(sum.done, sum.of, self.is_lesson_complete(outline, lesson))
    }

    /// Of what a module needs.
    pub fn of_module(&self, outline: &Outline, module: ModuleId) -> Share {
        let items = outline.items.iter().filter(|item| item.module == module);
        let any_mandatory = items.clone().any(OutlineItem::mandatory);
        self.sum(items.filter(|item| item.mandatory() || !any_mandatory))
    }

    /// Of what the course needs. Needs all items.
    pub fn of_course(&self, outline: &Outline) -> Share {
        self.sum(outline.needed())
    }

    /// The same by the totals alone, without the items: for lists.
    pub fn of_course_by_totals(&self, outline: &Outline) -> Share {
        let questions: u32 = outline.items.iter().flat_map(|item| &item.quizzes).map(|quiz| quiz.questions).sum();
        let finished = self.completed_at.is_some();
        if questions > 0 {
            Share::of(self.totals.answered, questions, finished)
        } else {
            let needed = u32::try_from(outline.needed().count()).unwrap_or(u32::MAX);
            Share::of(self.totals.needed_complete, needed, finished)
        }
    }

    fn sum<'o>(&self, items: impl Iterator<Item = &'o OutlineItem>) -> Share {
        items.map(|item| self.of_item(item)).fold(Share::default(), |sum, one| sum + one)
    }

    /// The sums and gates as this version has them, counted anew. Needs all items.
    pub fn counted(&self, outline: &Outline) -> (Totals, Gates) {
        let mut totals = Totals {
            time_spent_seconds: self.items.values().map(|item| u64::from(item.time_spent_seconds)).sum(),
            ..Totals::default()
        };
        for (item, quiz) in outline.items.iter().flat_map(|item| item.quizzes.iter().map(move |quiz| (item, quiz))) {
            if let Some(done) = self.quiz(item.id, quiz.id) {
                totals.confirmed = totals.confirmed + done.confirmed();
                totals.potential = totals.potential + done.potential();
                totals.answered += done.answered(quiz.questions);
            }
        }
        let needed = outline.needed().filter(|item| self.is_complete(item.id)).count();
        totals.needed_complete = u32::try_from(needed).unwrap_or(u32::MAX);
        let gates = Gates::of(outline, |place, quiz| self.is_passed(outline.items[place].id, quiz));
        (totals, Gates { lessons: self.gates.lessons.clone(), ..gates })
    }

    /// Whether this quiz was passed.
    pub fn is_passed(&self, item: ItemId, quiz: QuizId) -> bool {
        self.quiz(item, quiz).is_some_and(|quiz| quiz.passed_at.is_some())
    }
}

impl Gates {
    /// The gates of a version, given which are passed.
    pub fn of(outline: &Outline, passed: impl Fn(usize, QuizId) -> bool) -> Self {
        let mut gates = Self::default();
        let mut hole = false;
        for (place, quiz) in outline.gates() {
            match passed(place, quiz.id) {
                true if hole => {
                    gates.ahead.insert(quiz.id);
                }
                true => gates.open += 1,
                false => hole = true,
            }
        }
        gates
    }

    /// These gates, with one more passed.
    #[must_use]
    pub fn with(&self, outline: &Outline, quiz: QuizId) -> Self {
        let mut gates = self.clone();
        gates.ahead.insert(quiz);
        for (_, next) in outline.gates().skip(usize::try_from(self.open).unwrap_or(usize::MAX)) {
            if !gates.ahead.remove(&next.id) {
                break;
            }
            gates.open += 1;
        }
        gates
    }
}
