//! What gating, completion and progress need to know of one version of a course.

use serde::{Deserialize, Serialize};

use super::Points;
use crate::{ItemId, LessonId, ModuleId, QuizId, Score};

/// One version of a course, without its texts and answer keys.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Outline {
    /// All lesson items in the course's order; those of one lesson stand together, and so do the lessons
    /// of one module.
    pub items: Vec<OutlineItem>,
}

/// One lesson item.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutlineItem {
    /// Stable over versions.
    pub id: ItemId,
    /// The lesson it is in.
    pub lesson: LessonId,
    /// The module that lesson is in.
    pub module: ModuleId,
    /// Its quizzes, in order. With any it is mandatory, without it is optional.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quizzes: Vec<OutlineQuiz>,
    /// How long its film is, in seconds: positions lie within it. `None` where it has no film, or that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub film_seconds: Option<u32>,
}

/// One quiz of a lesson item.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutlineQuiz {
    /// Stable over versions.
    pub id: QuizId,
    /// Whether what follows its item waits until it is passed (C1). A gate has a pass mark.
    #[serde(default)]
    pub gate: bool,
    /// What passes it.
    #[serde(default)]
    pub pass_mark: Option<Score>,
    /// How many questions an attempt has.
    pub questions: u32,
    /// What an attempt is worth at most.
    pub points: Points,
    /// How often it may be tried; `None` is without limit.
    #[serde(default)]
    pub max_attempts: Option<u32>,
    /// Seconds to wait after an attempt that did not pass.
    #[serde(default)]
    pub cooldown_seconds: u32,
}

impl OutlineItem {
    /// Whether the course asks for it: it has a quiz.
    pub fn mandatory(&self) -> bool {
        !self.quizzes.is_empty()
    }

    /// Its quiz of this id.
    pub fn quiz(&self, id: QuizId) -> Option<&OutlineQuiz> {
        self.quizzes.iter().find(|quiz| quiz.id == id)
    }
}

impl Outline {
    /// Where this item stands, from 0.
    pub fn place(&self, id: ItemId) -> Option<usize> {
        self.items.iter().position(|item| item.id == id)
    }

    /// The item of this id.
    pub fn item(&self, id: ItemId) -> Option<&OutlineItem> {
        self.items.iter().find(|item| item.id == id)
    }

    /// The items of a lesson, in order.
    pub fn lesson(&self, id: LessonId) -> impl Iterator<Item = &OutlineItem> + Clone {
        self.items.iter().filter(move |item| item.lesson == id)
    }

    /// The gates (C1) in order, each with the place of its item.
    pub fn gates(&self) -> impl Iterator<Item = (usize, &OutlineQuiz)> {
        self.items
            .iter()
            .enumerate()
            .flat_map(|(place, item)| item.quizzes.iter().filter(|quiz| quiz.gate).map(move |quiz| (place, quiz)))
    }

    /// What all its quizzes are worth.
    pub fn points(&self) -> Points {
        self.items.iter().flat_map(|item| &item.quizzes).map(|quiz| quiz.points).sum()
    }

    /// The items that must be complete for the course to be: the mandatory ones; all, where none is.
    pub fn needed(&self) -> impl Iterator<Item = &OutlineItem> {
        needed(self.items.iter())
    }

    /// The items that must be complete for this lesson to be.
    pub fn needed_of_lesson(&self, lesson: LessonId) -> impl Iterator<Item = &OutlineItem> {
        needed(self.lesson(lesson))
    }
}

fn needed<'o>(items: impl Iterator<Item = &'o OutlineItem> + Clone) -> impl Iterator<Item = &'o OutlineItem> {
    let any_mandatory = items.clone().any(OutlineItem::mandatory);
    items.filter(move |item| item.mandatory() || !any_mandatory)
}
