//! Aiken: a question, its choices `A. …` below it, and `ANSWER: A`. Plain words, one right answer.

use std::fmt::Write as _;

use jalon_shared::quiz::source::{ChoiceSource, QuestionKindName as Kind, QuestionSource};
use jalon_shared::{Lang, LocalizedText};

use super::markup::{self, Markup, markdown};
use super::{Reading, Writing, letter, lines};

/// A question whose answer has not come yet.
#[derive(Default)]
struct Open<'a> {
    prompt: Vec<&'a str>,
    line: u64,
    choices: Vec<(char, &'a str, u64)>,
}

impl Open<'_> {
    fn is_empty(&self) -> bool {
        self.prompt.is_empty() && self.choices.is_empty()
    }
}

/// Reads a whole file.
pub(super) fn read(text: &str, reading: &mut Reading<'_>) {
    let mut open = Open::default();
    for (number, line) in lines(text) {
        let words = line.trim();
        if words.is_empty() {
            continue;
        }
        if let Some(answer) = answer(words) {
            close(&std::mem::take(&mut open), answer, number, reading);
        } else if let Some((name, choice)) = choice(words) {
            if open.is_empty() {
                reading.fault((number, None), "/prompt", "a choice before its question; write the question above it");
                open.line = number;
            }
            open.choices.push((name, choice, number));
        } else {
            if !open.choices.is_empty() {
                unfinished(&std::mem::take(&mut open), reading);
            }
            if open.is_empty() {
                open.line = number;
            }
            open.prompt.push(words);
        }
    }
    if !open.is_empty() {
        unfinished(&open, reading);
    }
}

fn unfinished(open: &Open<'_>, reading: &mut Reading<'_>) {
    reading.fault((open.line, None), "/choices", "this question has no ANSWER; write one below its choices");
}

/// What stands behind `ANSWER:`.
fn answer(line: &str) -> Option<&str> {
    let (word, answer) = line.split_once(':')?;
    word.trim_end().eq_ignore_ascii_case("ANSWER").then(|| answer.trim())
}

/// `A. words` or `A) words`.
fn choice(line: &str) -> Option<(char, &str)> {
    let mut chars = line.chars();
    let name = chars.next().filter(char::is_ascii_uppercase)?;
    matches!(chars.next(), Some('.' | ')')).then(|| (name, chars.as_str().trim()))
}

fn close(open: &Open<'_>, answer: &str, line: u64, reading: &mut Reading<'_>) {
    if open.is_empty() {
        return reading.fault((line, None), "/prompt", "an ANSWER without a question above it");
    }
    if open.prompt.is_empty() {
        // The choice that came first was told already.
        return;
    }
    reading.place("", open.line);
    reading.place("/prompt", open.line);
    reading.place("/choices", open.choices.first().map_or(line, |(_, _, line)| *line));
    let (prompt, _) = markdown(&open.prompt.join("\n"), Markup::Plain);
    let key = reading.key(&prompt);
    let mut question = reading.question(key, Kind::SingleChoice, prompt);
    let mut letters = answer.chars();
    let right = letters.next().map(|c| c.to_ascii_uppercase());
    if letters.next().is_some() || !right.is_some_and(|right| right.is_ascii_uppercase()) {
        let detail = "one letter is needed, like ANSWER: A; several right answers take GIFT";
        return reading.fault((line, None), "/choices", detail);
    }
    if !open.choices.iter().any(|(name, ..)| Some(*name) == right) {
        let detail = format!("no choice of this question has the letter {answer}");
        return reading.fault((line, None), "/choices", detail);
    }
    let mut choices: Vec<ChoiceSource> = Vec::new();
    for (place, (name, words, line)) in open.choices.iter().enumerate() {
        reading.place(&format!("/choices/{place}"), *line);
        if open.choices[..place].iter().any(|(other, ..)| other == name) {
            reading.fault((*line, None), &format!("/choices/{place}"), format!("the letter {name} stands here twice"));
        }
        let (text, _) = markdown(words, Markup::Plain);
        let text = reading.text(text);
        let feedback = LocalizedText::default();
        choices.push(ChoiceSource { key: letter(place), text, right: Some(*name) == right, feedback });
        if place > 25 {
            break;
        }
    }
    question.choices = Some(choices);
    reading.take(question);
}

/// Appends one question.
pub(super) fn write(question: &QuestionSource, to: &mut Writing<'_>) {
    if question.kind != Kind::SingleChoice {
        return to.fault("/kind", "Aiken has questions with one right choice only; use GIFT for this one");
    }
    if question.points != 1 {
        to.warn("/points", "Aiken has no points: the question counts 1");
    }
    if !question.feedback.is_empty() {
        to.warn("/feedback", "Aiken has no feedback");
    }
    if !question.tags.is_empty() {
        to.warn("/tags", "Aiken has no tags: they are left out");
    }
    to.warn_of_own(question, "Aiken");
    let prompt = words(&question.prompt, "/prompt", to);
    if prompt.lines().any(|line| line.trim().is_empty() || choice(line).is_some() || answer(line).is_some()) {
        to.fault("/prompt", "a line of it is empty, or would be taken for a choice or an answer; use GIFT");
    }
    if super::name::key(&markdown(&prompt, Markup::Plain).0) != question.key {
        to.warn("/key", "Aiken has no keys; the one it reads back is made of the question's words");
    }
    if !to.text.is_empty() {
        to.text.push('\n');
    }
    to.text.push_str(&prompt);
    to.text.push('\n');
    let mut right = 'A';
    for (place, choice) in question.choices.iter().flatten().enumerate() {
        let at = format!("/choices/{place}");
        let name = char::from(b'A' + u8::try_from(place.min(25)).unwrap_or_default());
        if choice.right {
            right = name;
        }
        if !choice.feedback.is_empty() {
            to.warn(&format!("{at}/feedback"), "Aiken has no feedback");
        }
        let text = words(&choice.text, &format!("{at}/text"), to);
        if text.contains('\n') {
            to.fault(&format!("{at}/text"), "a choice is one line in Aiken; use GIFT");
        }
        writeln!(to.text, "{name}. {text}").ok();
    }
    writeln!(to.text, "ANSWER: {right}").ok();
}

/// A text's plain words; where it is more than words, as it is written.
fn words(text: &LocalizedText, below: &str, to: &mut Writing<'_>) -> String {
    let text = to.say(text, below);
    let words = markup::words(&text);
    if words.is_none() {
        let lang: &Lang = to.lang;
        let below = format!("{below}/{lang}");
        to.warn(&below, "Aiken has plain words only: the Markdown in it shows as it is typed");
    }
    words.unwrap_or(text)
}
