//! Question files of other systems, in and out: GIFT and Aiken, as Moodle has them.
//!
//! A file is read to what authors write ([`QuestionSource`]), in one language. What has no room there is
//! a fault or a warning at its line, never dropped in silence; all faults of a file are told at once.

pub mod aiken;
pub mod gift;
mod markup;
mod name;

use std::collections::BTreeSet;
use std::fmt;

use jalon_shared::quiz::source::{Check, QuestionKindName, QuestionSource};
use jalon_shared::{Lang, LocalizedText};
use serde::Serialize;

/// The formats of other systems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Moodle's GIFT.
    Gift,
    /// Aiken: single choice, nothing else.
    Aiken,
}

/// Something to say about a place in a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Note {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters, where it is known.
    pub column: Option<u64>,
    /// The field it would be: a JSON pointer from the list of questions on, like `/3/choices/0/text`.
    pub pointer: String,
    /// What it is, and what to do.
    pub detail: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        if !self.pointer.is_empty() {
            write!(f, " {}", self.pointer)?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// The questions of a file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Read {
    /// In the file's order.
    pub questions: Vec<QuestionSource>,
    /// What was not kept.
    pub warnings: Vec<Note>,
    /// The line of each field, by its pointer.
    pub places: Vec<(String, u64)>,
}

/// The text of a file, and what it can't say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// The file.
    pub text: String,
    /// What was left out, by pointer.
    pub warnings: Vec<Unsaid>,
}

/// A field that a format can't say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Unsaid {
    /// A JSON pointer from the list of questions on.
    pub pointer: String,
    /// Why, and what to do.
    pub detail: String,
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.detail)
    }
}

impl Format {
    /// Reads a file whose texts are in this language.
    pub fn read(self, text: &str, lang: &Lang) -> Result<Read, Vec<Note>> {
        let mut reading = Reading::new(lang);
        match self {
            Self::Gift => gift::read(text, &mut reading),
            Self::Aiken => aiken::read(text, &mut reading),
        }
        reading.finish()
    }

    /// Writes questions, in this language; answers all that can't be written.
    pub fn write(self, questions: &[QuestionSource], lang: &Lang) -> Result<Written, Vec<Unsaid>> {
        let mut writing = Writing { lang, at: String::new(), text: String::new(), warnings: vec![], faults: vec![] };
        for (place, question) in questions.iter().enumerate() {
            writing.at = format!("/{place}");
            match self {
                Self::Gift => gift::write(question, &mut writing),
                Self::Aiken => aiken::write(question, &mut writing),
            }
        }
        if !writing.faults.is_empty() {
            return Err(writing.faults);
        }
        Ok(Written { text: writing.text, warnings: writing.warnings })
    }
}

/// A file being read.
struct Reading<'a> {
    lang: &'a Lang,
    read: Read,
    faults: Vec<Note>,
    keys: BTreeSet<String>,
}

/// A place in a file: line and column, from 1.
type Place = (u64, Option<u64>);

impl<'a> Reading<'a> {
    fn new(lang: &'a Lang) -> Self {
        Self { lang, read: Read::default(), faults: Vec::new(), keys: BTreeSet::new() }
    }

    /// The pointer of the question that comes next, and what is below it.
    fn pointer(&self, below: &str) -> String {
        format!("/{}{below}", self.read.questions.len())
    }

    fn fault(&mut self, (line, column): Place, below: &str, detail: impl Into<String>) {
        self.faults.push(Note { line, column, pointer: self.pointer(below), detail: detail.into() });
    }

    fn warn(&mut self, (line, column): Place, below: &str, detail: impl Into<String>) {
        self.read.warnings.push(Note { line, column, pointer: self.pointer(below), detail: detail.into() });
    }

    fn place(&mut self, below: &str, line: u64) {
        self.read.places.push((self.pointer(below), line));
    }

    fn text(&self, text: String) -> LocalizedText {
        if text.is_empty() { LocalizedText::default() } else { LocalizedText::one(self.lang.clone(), text) }
    }

    /// A key made of these words that no question has yet.
    fn key(&mut self, words: &str) -> String {
        let wanted = name::key(words);
        let mut key = wanted.clone();
        let mut twin = 2;
        while !self.keys.insert(key.clone()) {
            let ending = format!("-{twin}");
            key = format!("{}{ending}", &wanted[..wanted.len().min(64 - ending.len())]);
            twin += 1;
        }
        key
    }

    fn question(&self, key: String, kind: QuestionKindName, prompt: String) -> QuestionSource {
        QuestionSource {
            key,
            kind,
            points: 1,
            prompt: self.text(prompt),
            feedback: LocalizedText::default(),
            hints: Vec::new(),
            tags: Vec::new(),
            choices: None,
            right: None,
            value: None,
            tolerance: None,
            accept: None,
            items: None,
            pairs: None,
            guidance: None,
            max_characters: None,
        }
    }

    /// Takes a question whose places are noted; what our own rules refuse is told at its line.
    fn take(&mut self, question: QuestionSource) {
        let mut check = Check::new(self.lang);
        let at = self.pointer("");
        question.check(&mut check, &at);
        for fault in check.into_faults() {
            let line = line_of(&self.read.places, &fault.pointer).unwrap_or(1);
            self.faults.push(Note { line, column: None, pointer: fault.pointer, detail: fault.detail });
        }
        self.read.questions.push(question);
    }

    fn finish(self) -> Result<Read, Vec<Note>> {
        let Self { read, mut faults, .. } = self;
        if faults.is_empty() && read.questions.is_empty() {
            let detail = "no question stands here".to_owned();
            faults.push(Note { line: 1, column: None, pointer: String::new(), detail });
        }
        faults.sort_by_key(|fault| (fault.line, fault.column));
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }
}

/// The line of a pointer, or of the nearest one around it. The newest places stand last.
fn line_of(places: &[(String, u64)], pointer: &str) -> Option<u64> {
    let mut around = pointer;
    loop {
        let recent = places.iter().rev().take(128);
        if let Some((_, line)) = recent.into_iter().find(|(known, _)| known == around) {
            return Some(*line);
        }
        around = &around[..around.rfind('/')?];
    }
}

/// Questions being written.
struct Writing<'a> {
    lang: &'a Lang,
    at: String,
    text: String,
    warnings: Vec<Unsaid>,
    faults: Vec<Unsaid>,
}

impl Writing<'_> {
    fn warn(&mut self, below: &str, detail: impl Into<String>) {
        self.warnings.push(Unsaid { pointer: format!("{}{below}", self.at), detail: detail.into() });
    }

    fn fault(&mut self, below: &str, detail: impl Into<String>) {
        self.faults.push(Unsaid { pointer: format!("{}{below}", self.at), detail: detail.into() });
    }

    /// What no other system has room for.
    fn warn_of_own(&mut self, question: &QuestionSource, format: &str) {
        if !question.hints.is_empty() {
            self.warn("/hints", format!("{format} has no hints: they are left out"));
        }
        if question.guidance.as_ref().is_some_and(|guidance| !guidance.is_empty()) {
            self.warn("/guidance", format!("{format} has no guidance for graders: it is left out"));
        }
    }

    /// A text in the language that is written; one that is there in others only is a fault.
    fn say(&mut self, text: &LocalizedText, below: &str) -> String {
        let lang = self.lang;
        for other in text.0.keys().filter(|other| *other != lang) {
            self.warn(&format!("{below}/{other}"), "a question file has one language: write another with --lang");
        }
        if text.get(lang).is_none() && !text.is_empty() {
            self.fault(&format!("{below}/{lang}"), format!("is not there in {lang}; name a language with --lang"));
        }
        let text = text.get(lang).unwrap_or_default();
        text.trim().replace("\r\n", "\n").replace('\r', "\n")
    }
}

/// The key of the choice, item or pair at a place, where a file names none: `a`, `b`, … .
fn letter(place: usize) -> String {
    u8::try_from(place)
        .ok()
        .filter(|place| *place < 26)
        .map_or_else(|| format!("c{}", place + 1), |place| char::from(b'a' + place).to_string())
}

/// A file's lines with their numbers, without the byte order mark, however they end.
fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = Some(text);
    let split = std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let ending = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + ending..]);
        Some(&text[..end])
    });
    (1..).zip(split)
}

#[cfg(test)]
mod tests;
