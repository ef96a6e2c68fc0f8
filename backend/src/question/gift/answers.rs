//! What stands in the braces of a GIFT question: answers with their marks, weights and feedback.

use super::{Asked, Part, Reading};

/// A weight in hundred-thousandths of a percent.
pub(super) type Weight = i64;

/// All there is to get.
pub(super) const FULL: Weight = 10_000_000;

/// One answer as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    /// Its mark, `=` or `~`.
    pub(super) mark: char,
    pub(super) weight: Option<Weight>,
    pub(super) text: Part<'a>,
    pub(super) feedback: Option<Part<'a>>,
}

impl Answer<'_> {
    /// What it is worth: what is written, or what its mark says.
    pub(super) fn worth(&self) -> Weight {
        self.weight.unwrap_or(if self.mark == '=' { FULL } else { 0 })
    }
}

/// The answers as they stand between their marks, nothing taken from them yet.
pub(super) fn marked<'a>(asked: &Asked<'_>, part: Part<'a>, reading: &mut Reading<'_>) -> Vec<(char, Part<'a>)> {
    let mut found = Vec::new();
    let Some(first) = part.find(&['=', '~']) else {
        reading.fault(asked.place(part.trim()), "", NO_MARK);
        return found;
    };
    let (before, mut rest) = part.cut(first, 0);
    if !before.raw.trim().is_empty() {
        reading.fault(asked.place(before.trim()), "", NO_MARK);
    }
    while let Some(mark) = rest.raw.chars().next() {
        let (_, after) = rest.cut(0, 1);
        let end = after.find(&['=', '~']).unwrap_or(after.raw.len());
        let (answer, next) = after.cut(end, 0);
        found.push((mark, answer));
        rest = next;
    }
    found
}

const NO_MARK: &str = "an answer begins with = (right) or ~ (wrong); write T or F for a statement, # before a number, \
    and \\= \\~ \\# \\{ \\} for the signs themselves";

/// The answers of all kinds but matching.
pub(super) fn answers<'a>(asked: &Asked<'_>, part: Part<'a>, reading: &mut Reading<'_>) -> Vec<Answer<'a>> {
    let marked = marked(asked, part, reading);
    let read = marked.into_iter().map(|(mark, part)| {
        let (text, feedback) = part.split('#');
        let (weight, text) = weight(asked, text.trim(), reading);
        let feedback = feedback.map(Part::trim).filter(|feedback| !feedback.raw.is_empty());
        Answer { mark, weight, text: text.trim(), feedback }
    });
    read.collect()
}

/// `%50%` before an answer. What is no number between the signs is words.
fn weight<'a>(asked: &Asked<'_>, part: Part<'a>, reading: &mut Reading<'_>) -> (Option<Weight>, Part<'a>) {
    let Some((number, _)) = part.raw.strip_prefix('%').and_then(|rest| rest.split_once('%')) else {
        return (None, part);
    };
    let digits = number.trim().trim_start_matches(['-', '+']);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return (None, part);
    }
    let rest = part.cut(number.len() + 1, 1).1;
    let percent = number.trim().parse::<f64>().ok().filter(|percent| (-100.0..=100.0).contains(percent));
    let Some(percent) = percent else {
        reading.fault(asked.place(part), "", "a weight lies between %-100% and %100%");
        return (Some(0), rest);
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most a hundred")]
    (Some((percent * 100_000.0).round() as Weight), rest)
}
