//! GIFT, the text format of Moodle's question banks, after Moodle's public description of it.
//!
//! `block` finds the questions, `answers` reads what stands in braces, `kind` makes our kinds of it.

mod answers;
mod block;
mod kind;
mod write;

use super::markup::{Markup, markdown};
use super::{Place, Reading};
use block::Block;
#[cfg(test)]
pub(super) use block::is_tag;
pub(super) use write::write;

/// The sign for a missing word.
const BLANK: &str = "_____";

/// Reads a whole file.
pub(super) fn read(text: &str, reading: &mut Reading<'_>) {
    for block in block::blocks(text, reading) {
        question(&block, reading);
    }
}

/// A part of a block: where it begins in it, and its words as they stand there.
#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    at: usize,
    raw: &'a str,
}

impl Part<'_> {
    fn trim(self) -> Self {
        let raw = self.raw.trim_start();
        Self { at: self.at + self.raw.len() - raw.len(), raw: raw.trim_end() }
    }

    /// What stands before and after a place in it.
    fn cut(self, place: usize, sign: usize) -> (Self, Self) {
        let after = place + sign;
        (Self { at: self.at, raw: &self.raw[..place] }, Self { at: self.at + after, raw: &self.raw[after..] })
    }

    /// Where one of these stands without a backslash before it.
    fn find(self, signs: &[char]) -> Option<usize> {
        let mut escaped = false;
        self.raw.char_indices().find_map(|(place, c)| {
            let found = !escaped && signs.contains(&c);
            escaped = c == '\\' && !escaped;
            found.then_some(place)
        })
    }

    /// Cut at the first of this sign; the whole where there is none.
    fn split(self, sign: char) -> (Self, Option<Self>) {
        match self.find(&[sign]) {
            Some(place) => {
                let (before, after) = self.cut(place, sign.len_utf8());
                (before, Some(after))
            }
            None => (self, None),
        }
    }
}

/// Words with their escapes resolved.
fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some(sign @ ('\\' | '~' | '=' | '#' | '{' | '}' | ':')) => text.push(sign),
            other => {
                text.push('\\');
                text.extend(other);
            }
        }
    }
    text
}

/// A text with its format in brackets before it, or else this one; and the format.
fn formatted(part: Part<'_>, markup: Markup) -> (Part<'_>, Markup) {
    let part = part.trim();
    if let Some((name, _)) = part.raw.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let markup = match name.to_ascii_lowercase().as_str() {
            "html" => Some(Markup::Html),
            "moodle" => Some(Markup::Moodle),
            "plain" => Some(Markup::Plain),
            "markdown" => Some(Markup::Markdown),
            _ => None,
        };
        if let Some(markup) = markup {
            return (part.cut(name.len() + 1, 1).1.trim(), markup);
        }
    }
    (part, markup)
}

/// A question while it is read: its block, and the format of its texts.
struct Asked<'b> {
    block: &'b Block,
    markup: Markup,
}

impl Asked<'_> {
    fn place(&self, part: Part<'_>) -> Place {
        self.block.place(part.at)
    }

    /// A text as Markdown; notes its place as `below`.
    fn text(&self, part: Part<'_>, below: &str, reading: &mut Reading<'_>) -> String {
        let (part, markup) = formatted(part, self.markup);
        self.marked(part, markup, below, reading)
    }

    fn marked(&self, part: Part<'_>, markup: Markup, below: &str, reading: &mut Reading<'_>) -> String {
        let place = self.place(part);
        reading.place(below, place.0);
        let (text, lost) = markdown(&unescaped(part.raw), markup);
        for tag in lost {
            reading.warn(place, below, format!("<{tag}> is not kept; write it in Markdown"));
        }
        text
    }
}

fn question(block: &Block, reading: &mut Reading<'_>) {
    let part = Part { at: 0, raw: &block.text }.trim();
    let start = block.place(part.at);
    reading.place("", start.0);
    reading.place("/key", start.0);
    let (title, part) = match title(part) {
        Ok(found) => found,
        Err(at) => return reading.fault(block.place(at), "/key", "the title has no end: write ::title::"),
    };
    let (part, markup) = formatted(part, Markup::Moodle);
    let asked = Asked { block, markup };
    let Some(open) = part.find(&['{']) else {
        if let Some(stray) = part.find(&['}']) {
            let place = block.place(part.at + stray);
            reading.fault(place, "", "a } without its {; write \\} for the sign itself");
        } else {
            let detail = "a text without an answer block {…} is no question and was left out; \
                put it into a content step, or into the question that it introduces";
            reading.warn(start, "", detail);
        }
        return;
    };
    let (before, rest) = part.cut(open, 1);
    let Some(close) = rest.find(&['}']) else {
        let place = block.place(part.at + open);
        let detail = "this { has no }; a blank line ends a question, write \\n for one inside";
        return reading.fault(place, "", detail);
    };
    let (inside, after) = rest.cut(close, 1);
    if let Some(stray) = inside.find(&['{']) {
        let place = block.place(inside.at + stray);
        return reading.fault(place, "", "a { inside an answer block; write \\{ for the sign itself");
    }
    if let Some(stray) = after.find(&['{', '}']) {
        let place = block.place(after.at + stray);
        let detail = "a question has one answer block; write \\{ and \\} for the signs, a blank line between questions";
        return reading.fault(place, "", detail);
    }
    let mut prompt = asked.marked(before, markup, "/prompt", reading);
    if !after.raw.trim().is_empty() {
        let rest = asked.marked(after, markup, "/prompt", reading);
        let space = |there: bool| if there { " " } else { "" };
        let before = space(!prompt.is_empty());
        let after = space(after.raw.starts_with(char::is_whitespace) || rest.starts_with(char::is_alphanumeric));
        prompt = format!("{prompt}{before}{BLANK}{after}{rest}");
        prompt.truncate(prompt.trim_end().len());
    }
    let words = block.id.clone().or(title).unwrap_or_else(|| prompt.clone());
    let key = reading.key(&words);
    if block.id.as_ref().is_some_and(|id| *id != key) {
        reading.warn(start, "/key", format!("the id becomes the key {key:?}: letters, digits, - and _, and each once"));
    }
    kind::question(&asked, key, prompt, inside, reading);
}

/// The title, and what follows it; where it begins when it has no end.
fn title(part: Part<'_>) -> Result<(Option<String>, Part<'_>), usize> {
    let Some(rest) = part.raw.strip_prefix("::") else {
        return Ok((None, part));
    };
    let rest = Part { at: part.at + 2, raw: rest };
    let mut from = 0;
    loop {
        let Some(found) = (Part { at: 0, raw: &rest.raw[from..] }).find(&[':']) else {
            return Err(part.at);
        };
        let place = from + found;
        if rest.raw[place + 1..].starts_with(':') {
            let (title, after) = rest.cut(place, 2);
            let title = unescaped(title.raw.trim());
            return Ok(((!title.is_empty()).then_some(title), after));
        }
        from = place + 1;
    }
}
