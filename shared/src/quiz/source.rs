//! A quiz as its author writes it, what can be wrong with it, and how it becomes a [`Quiz`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Choice, Item, Pair, Quantity, Question, QuestionKind, Quiz, Reveal};
use crate::{ChoiceId, FieldError, Lang, LocalizedText, QuestionId};

/// Whether this may be an author's key.
pub fn is_key(key: &str) -> bool {
    (1..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A quiz as written. Keys are the author's and stay stable over versions; learners never see them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QuizSource {
    /// How often it may be tried, 1–1000; left out, without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Seconds to wait after a failed attempt, at most 30 days.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cooldown_seconds: u32,
    /// Whether each attempt has its own order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shuffle: bool,
    /// When right answers are shown.
    #[serde(default)]
    pub reveal: Reveal,
    /// 1–100 questions.
    pub questions: Vec<QuestionSource>,
}

/// The kinds of question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuestionKindName {
    /// Exactly one of `choices` is right.
    SingleChoice,
    /// One or several of `choices` are right, at least one is wrong.
    MultipleChoice,
    /// `right` says whether the statement is true.
    TrueFalse,
    /// `value`, give or take `tolerance`.
    Numeric,
    /// Any text of `accept`.
    ShortText,
    /// `items`, in the right order.
    Ordering,
    /// `pairs` that belong together.
    Matching,
    /// A text that a grader reads; in courses only.
    OpenEnded,
}

impl QuestionKindName {
    /// As the wire says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SingleChoice => "single_choice",
            Self::MultipleChoice => "multiple_choice",
            Self::TrueFalse => "true_false",
            Self::Numeric => "numeric",
            Self::ShortText => "short_text",
            Self::Ordering => "ordering",
            Self::Matching => "matching",
            Self::OpenEnded => "open_ended",
        }
    }
}

/// A question as written; the fields its kind asks for, and no others.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QuestionSource {
    /// Unique in the quiz: letters, digits, `-`, `_`; at most 64.
    pub key: String,
    /// Its kind.
    pub kind: QuestionKindName,
    /// Its weight, 1–1000.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub points: u32,
    /// What is asked; Markdown.
    pub prompt: LocalizedText,
    /// Said after an attempt; Markdown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub feedback: LocalizedText,
    /// Help that a learner may ask for, one after the other; at most 5. Markdown. In courses only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<LocalizedText>,
    /// What it is about: words that draws from a bank choose by; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Single and multiple choice: 2–20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<ChoiceSource>>,
    /// True/false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<bool>,
    /// Numeric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
    /// Numeric; 0 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Quantity>,
    /// Short text, by language.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::lang::once::optional::deserialize"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BTreeMap<String, Vec<String>>>))]
    pub accept: Option<BTreeMap<Lang, Vec<String>>>,
    /// Ordering: 2–20, in the right order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<OrderItemSource>>,
    /// Matching: 2–20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Vec<PairSource>>,
    /// Open-ended: what graders look for; learners never see it. Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance: Option<LocalizedText>,
    /// Open-ended: the longest answer, 1–20000; 4000 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_characters: Option<u32>,
}

/// A choice as written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChoiceSource {
    /// Unique in the question.
    pub key: String,
    /// What it says; Markdown.
    pub text: LocalizedText,
    /// Whether it is right.
    #[serde(default, skip_serializing_if = "is_default")]
    pub right: bool,
    /// Said to whoever chose it; Markdown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub feedback: LocalizedText,
}

/// An item to order, as written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderItemSource {
    /// Unique in the question.
    pub key: String,
    /// What it says; Markdown.
    pub text: LocalizedText,
}

/// Two things that belong together, as written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PairSource {
    /// Unique in the question.
    pub key: String,
    /// The left side; Markdown.
    pub left: LocalizedText,
    /// The right side; Markdown.
    pub right: LocalizedText,
}

/// The most languages of a text: as many as a site offers.
const MAX_LANGUAGES: usize = 100;
/// The most texts that a short answer is compared with, in one language.
const MAX_ACCEPTED: usize = 100;
/// The most bytes of one of them: what an answer may have.
const MAX_ACCEPTED_BYTES: usize = 2000;
/// The longest answer to an open question whose author said nothing.
const DEFAULT_CHARACTERS: u32 = 4000;

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_one(points: &u32) -> bool {
    *points == 1
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Collects what is wrong with something written, each with its pointer.
pub struct Check<'a> {
    source_lang: &'a Lang,
    faults: Vec<FieldError>,
}

impl<'a> Check<'a> {
    /// Nothing found yet; every required text must be there in this language.
    pub fn new(source_lang: &'a Lang) -> Self {
        Self { source_lang, faults: Vec::new() }
    }

    /// What was found.
    pub fn into_faults(self) -> Vec<FieldError> {
        self.faults
    }

    /// A fault at this pointer.
    pub fn fault(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.faults.push(FieldError::new(pointer, code, detail));
    }

    /// A text that must be there in the source language.
    pub fn text(&mut self, text: &LocalizedText, at: &str, max: usize) {
        if text.get(self.source_lang).is_none() {
            let lang = self.source_lang;
            self.fault(
                format!("{at}/{lang}"),
                "missing_source_language",
                format!("write this text in the source language, {lang}"),
            );
        }
        self.lengths(text, at, max);
    }

    /// A text that may be left out whole; where it is, it is in the source language too.
    pub fn optional_text(&mut self, text: &LocalizedText, at: &str, max: usize) {
        if text.is_empty() {
            // Blank in many languages, or at great length, is no small thing either.
            self.lengths(text, at, max);
        } else {
            self.text(text, at, max);
        }
    }

    fn lengths(&mut self, text: &LocalizedText, at: &str, max: usize) {
        self.languages(text.0.len(), at);
        for (lang, value) in &text.0 {
            if value.len() > max {
                self.fault(format!("{at}/{lang}"), "too_long", format!("at most {max} bytes"));
            }
        }
    }

    /// Something that is written once a language.
    pub fn languages(&mut self, len: usize, at: &str) {
        if len > MAX_LANGUAGES {
            self.fault(at, "out_of_range", format!("at most {MAX_LANGUAGES} languages"));
        }
    }

    /// Words by which draws choose questions.
    pub fn tags(&mut self, tags: &[String], at: &str) {
        self.count(tags.len(), 0, 20, at, "tags");
        if let Some(place) = tags.iter().position(|tag| tag.trim().is_empty() || tag.len() > 64) {
            self.fault(format!("{at}/{place}"), "out_of_range", "a tag has 1 to 64 bytes");
        }
    }

    /// A number that must lie in a range.
    pub fn range(&mut self, value: u32, min: u32, max: u32, at: &str) {
        if !(min..=max).contains(&value) {
            self.fault(at, "out_of_range", format!("between {min} and {max}"));
        }
    }

    /// A list that must have so many entries.
    pub fn count(&mut self, len: usize, min: usize, max: usize, at: &str, what: &str) {
        if !(min..=max).contains(&len) {
            self.fault(at, "out_of_range", format!("between {min} and {max} {what}"));
        }
    }

    /// Questions with their keys; `at` is what holds them.
    pub fn questions(&mut self, questions: &[QuestionSource], at: &str) {
        self.keys(questions.iter().map(|question| question.key.as_str()), &format!("{at}/questions"));
        for (place, question) in questions.iter().enumerate() {
            question.check(self, &format!("{at}/questions/{place}"));
        }
    }

    /// Keys that must be well-formed and unique among their like.
    pub fn keys<'k>(&mut self, keys: impl Iterator<Item = &'k str>, at: &str) {
        let mut seen = BTreeSet::new();
        for (place, key) in keys.enumerate() {
            let well_formed = is_key(key);
            if !well_formed {
                self.fault(format!("{at}/{place}/key"), "invalid_key", "a key has 1 to 64 letters, digits, - or _");
            }
            if !seen.insert(key) {
                self.fault(
                    format!("{at}/{place}/key"),
                    "duplicate_key",
                    format!("the key {key:?} stands here twice; give each its own"),
                );
            }
        }
    }

    fn several<T>(&mut self, list: Option<&Vec<T>>, at: &str) {
        match list {
            None => self.fault(at, "missing_field", "this kind of question needs it"),
            Some(list) if !(2..=20).contains(&list.len()) => {
                self.fault(at, "out_of_range", "between 2 and 20 are needed");
            }
            Some(_) => {}
        }
    }
}

impl QuizSource {
    /// Checks all of it; pointers start at `at`.
    pub fn check(&self, check: &mut Check<'_>, at: &str) {
        if let Some(max) = self.max_attempts {
            check.range(max, 1, 1000, &format!("{at}/max_attempts"));
        }
        check.range(self.cooldown_seconds, 0, 30 * 86_400, &format!("{at}/cooldown_seconds"));
        check.count(self.questions.len(), 1, 100, &format!("{at}/questions"), "questions");
        check.questions(&self.questions, at);
    }

    /// Every id path below `at`: a stable id is kept for each.
    pub fn paths(&self, at: &str, take: &mut impl FnMut(String)) {
        for question in &self.questions {
            question.paths(&format!("{at}/{}", question.key), take);
        }
    }

    /// Every text of it that is Markdown, with its pointer.
    pub fn texts<'s>(&'s self, at: &str, take: &mut impl FnMut(String, &'s LocalizedText)) {
        for (place, question) in self.questions.iter().enumerate() {
            question.texts(&format!("{at}/questions/{place}"), take);
        }
    }

    /// The quiz, with the ids that `id` keeps for the paths below `at`; what was checked before.
    pub fn compile(&self, at: &str, id: &impl Fn(&str) -> Uuid) -> Quiz {
        Quiz {
            max_attempts: self.max_attempts,
            cooldown_seconds: self.cooldown_seconds,
            shuffle: self.shuffle,
            reveal: self.reveal,
            questions: self
                .questions
                .iter()
                .map(|question| question.compile(&format!("{at}/{}", question.key), id))
                .collect(),
        }
    }
}

impl QuestionSource {
    /// Its id path, which is `at`, and those below it.
    pub fn paths(&self, at: &str, take: &mut impl FnMut(String)) {
        for choice in self.choices.iter().flatten() {
            take(format!("{at}/{}", choice.key));
        }
        for item in self.items.iter().flatten() {
            take(format!("{at}/{}", item.key));
        }
        for pair in self.pairs.iter().flatten() {
            take(format!("{at}/{}/left", pair.key));
            take(format!("{at}/{}/right", pair.key));
        }
        if self.kind == QuestionKindName::TrueFalse {
            take(format!("{at}/true"));
            take(format!("{at}/false"));
        }
        take(at.to_owned());
    }

    /// Every text of it that is Markdown, with its pointer.
    pub fn texts<'s>(&'s self, at: &str, take: &mut impl FnMut(String, &'s LocalizedText)) {
        take(format!("{at}/prompt"), &self.prompt);
        take(format!("{at}/feedback"), &self.feedback);
        for (place, choice) in self.choices.iter().flatten().enumerate() {
            take(format!("{at}/choices/{place}/text"), &choice.text);
            take(format!("{at}/choices/{place}/feedback"), &choice.feedback);
        }
        if let Some(guidance) = &self.guidance {
            take(format!("{at}/guidance"), guidance);
        }
        for (place, item) in self.items.iter().flatten().enumerate() {
            take(format!("{at}/items/{place}/text"), &item.text);
        }
        for (place, pair) in self.pairs.iter().flatten().enumerate() {
            take(format!("{at}/pairs/{place}/left"), &pair.left);
            take(format!("{at}/pairs/{place}/right"), &pair.right);
        }
        for (place, hint) in self.hints.iter().enumerate() {
            take(format!("{at}/hints/{place}"), hint);
        }
    }

    /// Checks all of it but whether its key is unique; pointers start at `at`.
    pub fn check(&self, check: &mut Check<'_>, at: &str) {
        use QuestionKindName as Kind;
        check.range(self.points, 1, 1000, &format!("{at}/points"));
        check.text(&self.prompt, &format!("{at}/prompt"), 20_000);
        check.optional_text(&self.feedback, &format!("{at}/feedback"), 20_000);
        check.count(self.hints.len(), 0, 5, &format!("{at}/hints"), "hints");
        for (place, hint) in self.hints.iter().enumerate() {
            check.text(hint, &format!("{at}/hints/{place}"), 5000);
        }
        check.tags(&self.tags, &format!("{at}/tags"));
        let wanted: &[&str] = match self.kind {
            Kind::SingleChoice | Kind::MultipleChoice => &["choices"],
            Kind::TrueFalse => &["right"],
            Kind::Numeric => &["value", "tolerance"],
            Kind::ShortText => &["accept"],
            Kind::Ordering => &["items"],
            Kind::Matching => &["pairs"],
            Kind::OpenEnded => &["guidance", "max_characters"],
        };
        for (name, there) in [
            ("choices", self.choices.is_some()),
            ("right", self.right.is_some()),
            ("value", self.value.is_some()),
            ("tolerance", self.tolerance.is_some()),
            ("accept", self.accept.is_some()),
            ("items", self.items.is_some()),
            ("pairs", self.pairs.is_some()),
            ("guidance", self.guidance.is_some()),
            ("max_characters", self.max_characters.is_some()),
        ] {
            if there && !wanted.contains(&name) {
                check.fault(format!("{at}/{name}"), "unknown_field", "a question of this kind has no such field");
            }
        }
        match self.kind {
            Kind::SingleChoice | Kind::MultipleChoice => self.check_choices(check, at),
            Kind::TrueFalse if self.right.is_none() => {
                check.fault(format!("{at}/right"), "no_right_answer", "say whether the statement is true or false");
            }
            Kind::Numeric => {
                if self.value.is_none() {
                    check.fault(format!("{at}/value"), "no_right_answer", "give the right value");
                }
                if self.tolerance.is_some_and(|tolerance| tolerance.0 < 0) {
                    check.fault(format!("{at}/tolerance"), "out_of_range", "a tolerance is 0 or more");
                }
            }
            Kind::ShortText
                if self.accept.iter().flat_map(BTreeMap::values).flatten().all(|text| text.trim().is_empty()) =>
            {
                check.fault(format!("{at}/accept"), "no_right_answer", "give at least one text that is right");
            }
            Kind::ShortText => {
                let accept = self.accept.iter().flatten();
                check.languages(accept.clone().count(), &format!("{at}/accept"));
                for (lang, texts) in accept {
                    check.count(texts.len(), 0, MAX_ACCEPTED, &format!("{at}/accept/{lang}"), "texts");
                    for (place, text) in texts.iter().enumerate().filter(|(_, text)| text.len() > MAX_ACCEPTED_BYTES) {
                        let detail = format!("{} bytes, at most {MAX_ACCEPTED_BYTES}", text.len());
                        check.fault(format!("{at}/accept/{lang}/{place}"), "too_long", detail);
                    }
                }
            }
            Kind::Ordering => {
                check.several(self.items.as_ref(), &format!("{at}/items"));
                check.keys(self.items.iter().flatten().map(|item| item.key.as_str()), &format!("{at}/items"));
                for (place, item) in self.items.iter().flatten().enumerate() {
                    check.text(&item.text, &format!("{at}/items/{place}/text"), 5000);
                }
            }
            Kind::Matching => {
                check.several(self.pairs.as_ref(), &format!("{at}/pairs"));
                check.keys(self.pairs.iter().flatten().map(|pair| pair.key.as_str()), &format!("{at}/pairs"));
                for (place, pair) in self.pairs.iter().flatten().enumerate() {
                    check.text(&pair.left, &format!("{at}/pairs/{place}/left"), 5000);
                    check.text(&pair.right, &format!("{at}/pairs/{place}/right"), 5000);
                }
            }
            Kind::OpenEnded => {
                if let Some(guidance) = &self.guidance {
                    check.optional_text(guidance, &format!("{at}/guidance"), 20_000);
                }
                if let Some(max) = self.max_characters {
                    check.range(max, 1, 20_000, &format!("{at}/max_characters"));
                }
            }
            Kind::TrueFalse => {}
        }
    }

    fn check_choices(&self, check: &mut Check<'_>, at: &str) {
        let at = format!("{at}/choices");
        check.several(self.choices.as_ref(), &at);
        let choices = self.choices.as_deref().unwrap_or_default();
        check.keys(choices.iter().map(|choice| choice.key.as_str()), &at);
        for (place, choice) in choices.iter().enumerate() {
            check.text(&choice.text, &format!("{at}/{place}/text"), 5000);
            check.optional_text(&choice.feedback, &format!("{at}/{place}/feedback"), 20_000);
        }
        let right = choices.iter().filter(|choice| choice.right).count();
        if right == 0 {
            check.fault(&at, "no_right_answer", "mark a choice as right");
        } else if self.kind == QuestionKindName::SingleChoice && right > 1 {
            check.fault(
                &at,
                "several_right_answers",
                "a single choice has one right answer; make it multiple_choice to have several",
            );
        } else if right == choices.len() {
            check.fault(
                &at,
                "no_wrong_answer",
                "leave at least one choice wrong: ticking everything must not pass (C2)",
            );
        }
    }

    /// The question, with the ids that `id` keeps for its path and those below it; what was checked before.
    pub fn compile(&self, at: &str, id: &impl Fn(&str) -> Uuid) -> Question {
        use QuestionKindName as Kind;
        let choice_id = |rest: &str| ChoiceId(id(&format!("{at}/{rest}")));
        let choices = || {
            let choices = self.choices.iter().flatten();
            choices
                .map(|choice| Choice {
                    id: choice_id(&choice.key),
                    text: choice.text.clone(),
                    right: choice.right,
                    feedback: choice.feedback.clone(),
                })
                .collect()
        };
        let kind = match self.kind {
            Kind::SingleChoice => QuestionKind::SingleChoice { choices: choices() },
            Kind::MultipleChoice => QuestionKind::MultipleChoice { choices: choices() },
            Kind::TrueFalse => QuestionKind::TrueFalse {
                true_id: choice_id("true"),
                false_id: choice_id("false"),
                right: self.right.unwrap_or_default(),
            },
            Kind::Numeric => QuestionKind::Numeric {
                value: self.value.unwrap_or_default(),
                tolerance: self.tolerance.unwrap_or_default(),
            },
            Kind::ShortText => QuestionKind::ShortText { accept: self.accept.clone().unwrap_or_default().into() },
            Kind::Ordering => QuestionKind::Ordering {
                items: self
                    .items
                    .iter()
                    .flatten()
                    .map(|item| Item { id: choice_id(&item.key), text: item.text.clone() })
                    .collect(),
            },
            Kind::Matching => QuestionKind::Matching {
                pairs: self
                    .pairs
                    .iter()
                    .flatten()
                    .map(|pair| Pair {
                        left_id: choice_id(&format!("{}/left", pair.key)),
                        right_id: choice_id(&format!("{}/right", pair.key)),
                        left: pair.left.clone(),
                        right: pair.right.clone(),
                    })
                    .collect(),
            },
            Kind::OpenEnded => QuestionKind::OpenEnded {
                guidance: self.guidance.clone().unwrap_or_default(),
                max_characters: self.max_characters.unwrap_or(DEFAULT_CHARACTERS),
            },
        };
        Question {
            id: QuestionId(id(at)),
            points: self.points,
            prompt: self.prompt.clone(),
            feedback: self.feedback.clone(),
            hints: self.hints.clone(),
            kind,
        }
    }
}
