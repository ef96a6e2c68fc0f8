//! Questions as GIFT. Texts are Markdown and say so.

use std::fmt::Write as _;

use jalon_shared::LocalizedText;
use jalon_shared::quiz::Quantity;
use jalon_shared::quiz::source::{ChoiceSource, QuestionKindName as Kind, QuestionSource};

use super::super::{Writing, letter};
use super::block::is_tag;

/// Appends one question.
pub(in crate::question) fn write(question: &QuestionSource, to: &mut Writing<'_>) {
    let answers = match question.kind {
        Kind::Ordering => {
            return to.fault("/kind", "GIFT has no questions about order; keep this one in YAML");
        }
        Kind::SingleChoice => choices(question, to, |choice, _| if choice.right { "=" } else { "~" }.to_owned()),
        Kind::MultipleChoice => choices(question, to, |choice, rights| {
            format!("~%{}{}%", if choice.right { "" } else { "-" }, share(rights))
        }),
        Kind::TrueFalse => if question.right == Some(true) { "TRUE" } else { "FALSE" }.to_owned(),
        Kind::Numeric => {
            let value = decimal(question.value.unwrap_or_default());
            let tolerance = question.tolerance.map(|tolerance| format!(":{}", decimal(tolerance)));
            format!("#{value}{}", tolerance.unwrap_or_default())
        }
        Kind::ShortText => accepted(question, to),
        Kind::Matching => pairs(question, to),
        Kind::OpenEnded => String::new(),
    };
    to.warn_of_own(question, "GIFT");
    let prompt = to.say(&question.prompt, "/prompt");
    let feedback = to.say(&question.feedback, "/feedback");
    let keys: Vec<&str> = match question.kind {
        Kind::SingleChoice | Kind::MultipleChoice => {
            question.choices.iter().flatten().map(|choice| choice.key.as_str()).collect()
        }
        Kind::Matching => question.pairs.iter().flatten().map(|pair| pair.key.as_str()).collect(),
        _ => Vec::new(),
    };
    let mut settings = String::new();
    if question.points != 1 {
        write!(settings, " points={}", question.points).ok();
    }
    if keys.iter().enumerate().any(|(place, key)| letter(place) != *key) {
        write!(settings, " keys={}", keys.join(",")).ok();
    }
    if let Some(most) = question.max_characters {
        write!(settings, " characters={most}").ok();
    }
    if !to.text.is_empty() {
        to.text.push('\n');
    }
    let mut comment = tags(question, to);
    if !settings.is_empty() {
        write!(comment, " [jalon:{settings}]").ok();
    }
    if !comment.is_empty() {
        writeln!(to.text, "//{comment}").ok();
    }
    let general = if feedback.is_empty() { String::new() } else { format!("####{}", escaped(&feedback)) };
    let gap = if general.is_empty() || answers.ends_with('\n') { "" } else { " " };
    writeln!(to.text, "::{}::[markdown]{} {{{answers}{gap}{}}}", question.key, escaped(&prompt), bracketed(&general))
        .ok();
}

/// Tags as Moodle writes them: `[tag:terrain]`.
fn tags(question: &QuestionSource, to: &mut Writing<'_>) -> String {
    let mut written = String::new();
    for (place, tag) in question.tags.iter().enumerate() {
        if is_tag(tag) {
            write!(written, " [tag:{}]", tag.replace(']', "\\]")).ok();
        } else {
            to.warn(&format!("/tags/{place}"), "GIFT can't say this tag: it is left out");
        }
    }
    written
}

/// General feedback says its format again where it would be taken for one.
fn bracketed(general: &str) -> String {
    match general.strip_prefix("####[") {
        Some(rest) => format!("####[markdown][{rest}"),
        None => general.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => written.push_str("\\n"),
            '\\' | '~' | '=' | '#' | '{' | '}' | ':' => {
                written.push('\\');
                written.push(c);
            }
            c => written.push(c),
        }
    }
    written
}

/// A text inside the braces: nothing at its beginning may be taken for a format or a weight.
fn inner(text: &str) -> String {
    let format = if text.starts_with(['[', '%']) { "[markdown]" } else { "" };
    format!("{format}{}", escaped(text))
}

fn said(text: &LocalizedText, below: &str, to: &mut Writing<'_>) -> String {
    inner(&to.say(text, below))
}

fn choices(question: &QuestionSource, to: &mut Writing<'_>, mark: impl Fn(&ChoiceSource, usize) -> String) -> String {
    let choices = question.choices.as_deref().unwrap_or_default();
    let rights = choices.iter().filter(|choice| choice.right).count();
    let mut written = "\n".to_owned();
    for (place, choice) in choices.iter().enumerate() {
        let text = said(&choice.text, &format!("/choices/{place}/text"), to);
        let feedback = said(&choice.feedback, &format!("/choices/{place}/feedback"), to);
        let hash = if feedback.is_empty() { "" } else { " # " };
        writeln!(written, "    {}{text}{hash}{feedback}", mark(choice, rights)).ok();
    }
    written
}

/// An equal share of a hundred percent, with the five decimals that Moodle writes.
fn share(rights: usize) -> String {
    let of = u64::try_from(rights.max(1)).unwrap_or(1);
    let share = (10_000_000 + of / 2) / of;
    let decimals = format!(".{:05}", share % 100_000);
    format!("{}{}", share / 100_000, decimals.trim_end_matches('0').trim_end_matches('.'))
}

fn decimal(quantity: Quantity) -> String {
    let (whole, part) = (quantity.0.unsigned_abs() / 1_000_000, quantity.0.unsigned_abs() % 1_000_000);
    let decimals = format!(".{part:06}");
    let sign = if quantity.0 < 0 { "-" } else { "" };
    format!("{sign}{whole}{}", decimals.trim_end_matches('0').trim_end_matches('.'))
}

fn accepted(question: &QuestionSource, to: &mut Writing<'_>) -> String {
    let mut written = "\n".to_owned();
    let accept = question.accept.clone().unwrap_or_default();
    for (lang, texts) in &accept {
        if lang != to.lang {
            let detail = "a question file has one language; an answer in any counts, so these stand with the others";
            to.warn(&format!("/accept/{lang}"), detail);
        }
        for (place, text) in texts.iter().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            if text.contains("->") {
                let detail = "GIFT takes -> for a pair; keep this question in YAML";
                to.fault(&format!("/accept/{lang}/{place}"), detail);
            }
            let words = text.replace("\r\n", "\n").replace('\r', "\n");
            // A weight of its own, so that nothing in the words is taken for one.
            let weight = if words.trim_start().starts_with('%') { "%100%" } else { "" };
            writeln!(written, "    ={weight}{}", escaped(words.trim()).replace('*', "\\*")).ok();
        }
    }
    written
}

fn pairs(question: &QuestionSource, to: &mut Writing<'_>) -> String {
    let mut written = "\n".to_owned();
    for (place, pair) in question.pairs.iter().flatten().enumerate() {
        let at = format!("/pairs/{place}/left");
        let left = said(&pair.left, &at, to);
        if left.contains("->") {
            to.fault(&at, "GIFT takes -> for the end of the left side; write → or keep this question in YAML");
        }
        let right = to.say(&pair.right, &format!("/pairs/{place}/right"));
        writeln!(written, "    ={left} -> {}", escaped(&right)).ok();
    }
    written
}
