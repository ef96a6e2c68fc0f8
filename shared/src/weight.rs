//! How many bytes of memory a value takes: what a cache with a bound in bytes must know of its entries.
//!
//! An estimate, made of what the standard library and common allocators do. `jalon-load --only memory` shows what
//! the process really takes.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Lang, LocalizedText, VideoSource,
    course::{
        Course, Item, ItemQuiz, ItemTarget, Lesson, Module, Outline as CourseOutline, OutlineItem, OutlineQuiz,
        definition::{Bank, Draw},
        source::{BandSource, InstructorSource},
    },
    quiz::{Choice, Item as OrderingItem, Pair, Question, QuestionKind, Quiz},
    track::{Outline as TrackOutline, OutlineStep, Step, StepTarget, Track},
};

/// A value whose memory can be estimated.
pub trait Weight {
    /// Bytes that it holds on the heap; its own size comes on top.
    fn heap(&self) -> usize;
}

/// What an allocator takes for so many bytes: 16-byte blocks, with 8 bytes of its own, 32 at least.
pub const fn block(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=24 => 32,
        more => (more + 8).next_multiple_of(16),
    }
}

/// A B-tree map's nodes, without what keys and values hold elsewhere. Nodes have 11 places; maps that are read
/// in order have them half full.
fn nodes<K, V>(len: usize) -> usize {
    const PLACES: usize = 11;
    let node = block(PLACES * (size_of::<K>() + size_of::<V>()) + 16);
    match len {
        0 => 0,
        1..=PLACES => node,
        // Each inner node has one edge more than places.
        more => more.div_ceil(6) * node + more.div_ceil(36) * (node + block((PLACES + 1) * 8)),
    }
}

impl Weight for String {
    fn heap(&self) -> usize {
        block(self.capacity())
    }
}

impl Weight for Lang {
    fn heap(&self) -> usize {
        block(self.as_str().len())
    }
}

impl<K: Weight, V: Weight> Weight for BTreeMap<K, V> {
    fn heap(&self) -> usize {
        nodes::<K, V>(self.len()) + self.iter().map(|(key, value)| key.heap() + value.heap()).sum::<usize>()
    }
}

impl<T: Weight> Weight for Vec<T> {
    fn heap(&self) -> usize {
        block(self.capacity() * size_of::<T>()) + self.iter().map(T::heap).sum::<usize>()
    }
}

impl<T: Weight> Weight for Option<T> {
    fn heap(&self) -> usize {
        self.as_ref().map_or(0, T::heap)
    }
}

impl Weight for LocalizedText {
    fn heap(&self) -> usize {
        self.0.heap()
    }
}

impl Weight for VideoSource {
    fn heap(&self) -> usize {
        self.url.heap() + self.captions.heap() + self.poster.heap()
    }
}

impl Weight for Choice {
    fn heap(&self) -> usize {
        self.text.heap() + self.feedback.heap()
    }
}

impl Weight for OrderingItem {
    fn heap(&self) -> usize {
        self.text.heap()
    }
}

impl Weight for Pair {
    fn heap(&self) -> usize {
        self.left.heap() + self.right.heap()
    }
}

impl Weight for QuestionKind {
    fn heap(&self) -> usize {
        match self {
            Self::SingleChoice { choices } | Self::MultipleChoice { choices } => choices.heap(),
            Self::TrueFalse { .. } | Self::Numeric { .. } => 0,
            Self::ShortText { accept } => {
                accept.texts().heap() + accept.folded().iter().map(|text| text.heap() + 48).sum::<usize>()
            }
            Self::Ordering { items } => items.heap(),
            Self::Matching { pairs } => pairs.heap(),
            Self::OpenEnded { guidance, .. } => guidance.heap(),
        }
    }
}

impl Weight for Question {
    fn heap(&self) -> usize {
        self.prompt.heap() + self.feedback.heap() + self.hints.heap() + self.kind.heap()
    }
}

impl Weight for Quiz {
    fn heap(&self) -> usize {
        self.questions.heap()
    }
}

impl Weight for Track {
    fn heap(&self) -> usize {
        self.source_lang.heap() + self.title.heap() + self.summary.heap() + self.steps.heap()
    }
}

impl Weight for Step {
    fn heap(&self) -> usize {
        let target = match &self.target {
            StepTarget::Content(text) => text.heap(),
            StepTarget::Video(video) => video.heap(),
            StepTarget::Quiz(quiz) => quiz.heap(),
            StepTarget::Lesson(slug, _) => block(slug.as_str().len()),
            StepTarget::Link(url) => url.heap(),
        };
        self.title.heap() + target
    }
}

impl Weight for OutlineStep {
    fn heap(&self) -> usize {
        0
    }
}

impl Weight for TrackOutline {
    fn heap(&self) -> usize {
        self.steps.heap()
    }
}

impl Weight for InstructorSource {
    fn heap(&self) -> usize {
        let user = self.user_id.as_ref().map_or(0, |user| block(user.as_str().len()));
        self.key.heap() + self.name.heap() + self.title.heap() + user
    }
}

impl Weight for BandSource {
    fn heap(&self) -> usize {
        self.feedback.heap()
    }
}

impl Weight for ItemQuiz {
    /// Banks are held once for all quizzes: the course counts them.
    fn heap(&self) -> usize {
        self.title.heap() + self.quiz.heap() + block(self.draws.capacity() * size_of::<Draw>()) + self.bands.heap()
    }
}

impl Weight for Item {
    fn heap(&self) -> usize {
        let target = match &self.target {
            ItemTarget::Content(text) => text.heap(),
            ItemTarget::Video(video) => video.heap(),
            ItemTarget::Article(article) => article.provider.heap() + article.id.heap(),
        };
        let shortcodes = block(size_of_val(self.shortcodes.as_slice()));
        self.title.heap() + target + self.discussion_url.heap() + shortcodes + self.quizzes.heap()
    }
}

impl Weight for Lesson {
    fn heap(&self) -> usize {
        self.source_lang.heap() + self.title.heap() + self.items.heap()
    }
}

impl Weight for Module {
    fn heap(&self) -> usize {
        self.title.heap() + self.lessons.heap()
    }
}

impl Weight for Bank {
    fn heap(&self) -> usize {
        self.questions().heap() + nodes::<crate::QuestionId, u32>(self.questions().len())
    }
}

impl Weight for Course {
    fn heap(&self) -> usize {
        let own = self.source_lang.heap()
            + self.title.heap()
            + self.summary.heap()
            + self.instructors.heap()
            + self.modules.heap();
        // Each bank once, and each list of places: draws share both.
        let mut banks: BTreeMap<*const Bank, usize> = BTreeMap::new();
        let mut places: BTreeMap<*const u32, usize> = BTreeMap::new();
        let lessons = self.modules.iter().flat_map(|module| &module.lessons);
        for draw in lessons.flat_map(|lesson| &lesson.items).flat_map(|item| &item.quizzes).flat_map(|quiz| &quiz.draws)
        {
            banks.entry(Arc::as_ptr(draw.bank())).or_insert_with(|| size_of::<Bank>() + 16 + draw.bank().heap());
            let list = draw.places();
            places.entry(list.as_ptr()).or_insert_with(|| block(size_of_val(list) + 16));
        }
        own + banks.values().sum::<usize>() + places.values().sum::<usize>()
    }
}

impl Weight for OutlineQuiz {
    fn heap(&self) -> usize {
        0
    }
}

impl Weight for OutlineItem {
    fn heap(&self) -> usize {
        self.quizzes.heap()
    }
}

impl Weight for CourseOutline {
    fn heap(&self) -> usize {
        self.items.heap()
    }
}
