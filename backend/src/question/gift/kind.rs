//! Which of our kinds a GIFT question is, and what of it has no room there.

use jalon_shared::quiz::Quantity;
use jalon_shared::quiz::source::{ChoiceSource, PairSource, QuestionKindName as Kind, QuestionSource};

use super::answers::{Answer, FULL, Weight, answers, marked};
use super::{Asked, Part, Reading};
use crate::question::letter;

/// Takes the question whose answers these are.
pub(super) fn question(asked: &Asked<'_>, key: String, prompt: String, inside: Part<'_>, reading: &mut Reading<'_>) {
    let (inside, general) = general_feedback(inside);
    let inside = inside.trim();
    let mut question = reading.question(key, Kind::TrueFalse, prompt);
    let known = match inside.raw {
        "" => {
            question.kind = Kind::OpenEnded;
            true
        }
        raw if raw.starts_with('#') => numeric(asked, inside.cut(0, 1).1, &mut question, reading),
        _ if inside.find(&['~']).is_some() => choice(asked, inside, &mut question, reading),
        raw if inside.find(&['=']).is_none() && !raw.starts_with(['=', '~']) => {
            true_false(asked, inside, &mut question, reading)
        }
        raw if raw.contains("->") => matching(asked, inside, &mut question, reading),
        _ => short_text(asked, inside, &mut question, reading),
    };
    if let Some(general) = general {
        let feedback = asked.text(general, "/feedback", reading);
        question.feedback = reading.text(feedback);
    }
    settings(asked, &mut question, reading);
    if known {
        reading.take(question);
    }
}

/// Cuts off what is said after `####`.
fn general_feedback(inside: Part<'_>) -> (Part<'_>, Option<Part<'_>>) {
    let mut from = 0;
    while let Some(found) = (Part { at: 0, raw: &inside.raw[from..] }).find(&['#']) {
        let place = from + found;
        if inside.raw[place..].starts_with("####") {
            let (inside, general) = inside.cut(place, 4);
            return (inside, Some(general));
        }
        from = place + 1;
    }
    (inside, None)
}

/// What the comments before a question say of it.
fn settings(asked: &Asked<'_>, question: &mut QuestionSource, reading: &mut Reading<'_>) {
    if let Some((line, tags)) = &asked.block.tags {
        reading.place("/tags", *line);
        question.tags.clone_from(tags);
    }
    if let Some((line, characters)) = &asked.block.characters {
        reading.place("/max_characters", *line);
        match characters.parse() {
            Ok(most) => question.max_characters = Some(most),
            Err(_) => reading.fault((*line, None), "/max_characters", "a whole number is needed, 1 to 20000"),
        }
    }
    if let Some((line, points)) = &asked.block.points {
        reading.place("/points", *line);
        match points.parse() {
            Ok(points) => question.points = points,
            Err(_) => reading.fault((*line, None), "/points", "points are a whole number, 1 to 1000"),
        }
    }
    let Some((line, keys)) = &asked.block.keys else {
        return;
    };
    let own: Vec<&mut String> = match (&mut question.choices, &mut question.pairs) {
        (Some(choices), _) => choices.iter_mut().map(|choice| &mut choice.key).collect(),
        (_, Some(pairs)) => pairs.iter_mut().map(|pair| &mut pair.key).collect(),
        _ => Vec::new(),
    };
    if own.len() == keys.len() {
        own.into_iter().zip(keys).for_each(|(own, key)| own.clone_from(key));
    } else {
        let detail = format!("{} keys for {} answers", keys.len(), own.len());
        reading.fault((*line, None), "", detail);
    }
}

fn unkept(asked: &Asked<'_>, feedback: Option<Part<'_>>, reading: &mut Reading<'_>) {
    if let Some(feedback) = feedback {
        let detail = "feedback to one answer of this kind is not kept; write it as general feedback, ####";
        reading.warn(asked.place(feedback), "/feedback", detail);
    }
}

fn true_false(asked: &Asked<'_>, inside: Part<'_>, question: &mut QuestionSource, reading: &mut Reading<'_>) -> bool {
    let (word, feedback) = inside.split('#');
    let right = match word.raw.trim().to_ascii_uppercase().as_str() {
        "T" | "TRUE" => true,
        "F" | "FALSE" => false,
        _ => {
            marked(asked, inside, reading);
            return false;
        }
    };
    if let Some(feedback) = feedback {
        let (wrong, right) = feedback.split('#');
        for feedback in [Some(wrong), right] {
            unkept(asked, feedback.map(Part::trim).filter(|feedback| !feedback.raw.is_empty()), reading);
        }
    }
    reading.place("/right", asked.place(word).0);
    question.right = Some(right);
    true
}

fn choice(asked: &Asked<'_>, inside: Part<'_>, question: &mut QuestionSource, reading: &mut Reading<'_>) -> bool {
    let answers = answers(asked, inside, reading);
    reading.place("/choices", asked.place(inside).0);
    // As Moodle has it: one choice only where one is marked with =.
    let single = answers.iter().any(|answer| answer.mark == '=');
    let full = |answer: &Answer<'_>| answer.worth() >= FULL;
    let several = answers.iter().filter(|answer| full(answer)).count() > 1;
    question.kind = if single && !several { Kind::SingleChoice } else { Kind::MultipleChoice };
    let right = |answer: &Answer<'_>| if single { full(answer) } else { answer.worth() > 0 };
    let place = asked.place(inside);
    if single && several {
        let detail = "several answers are right, of which Moodle asks for one: all of them must be chosen here";
        reading.warn(place, "/choices", detail);
    }
    if single {
        for answer in answers.iter().filter(|answer| !full(answer) && answer.worth() != 0) {
            let detail = "part of the points for one choice is not kept: it is wrong here";
            reading.warn(asked.place(answer.text), "/choices", detail);
        }
    } else {
        let rights = answers.iter().filter(|answer| right(answer)).count();
        let share = FULL / Weight::try_from(rights.max(1)).unwrap_or(1);
        let near = |weight: Weight, aim: Weight| (weight - aim).abs() <= 2_000;
        let differs = |answer: &Answer<'_>| !near(answer.worth(), if right(answer) { share } else { -share });
        if let Some(answer) = answers.iter().find(|answer| differs(answer)) {
            let detail = "these weights are not kept: each right choice adds an equal share, each wrong one takes one";
            reading.warn(asked.place(answer.text), "/choices", detail);
        }
    }
    let mut choices = Vec::with_capacity(answers.len());
    for (place, answer) in answers.iter().enumerate() {
        let at = format!("/choices/{place}");
        reading.place(&at, asked.place(answer.text).0);
        let text = asked.text(answer.text, &format!("{at}/text"), reading);
        let feedback = answer.feedback.map(|part| asked.text(part, &format!("{at}/feedback"), reading));
        choices.push(ChoiceSource {
            key: letter(place),
            text: reading.text(text),
            right: right(answer),
            feedback: reading.text(feedback.unwrap_or_default()),
        });
    }
    question.choices = Some(choices);
    true
}

fn matching(asked: &Asked<'_>, inside: Part<'_>, question: &mut QuestionSource, reading: &mut Reading<'_>) -> bool {
    question.kind = Kind::Matching;
    reading.place("/pairs", asked.place(inside).0);
    let mut pairs = Vec::new();
    for (_, part) in marked(asked, inside, reading) {
        let Some(arrow) = part.raw.find("->") else {
            let detail = "other answers here are pairs; write this one as =left -> right, too";
            reading.fault(asked.place(part.trim()), "/pairs", detail);
            continue;
        };
        let (left, right) = part.cut(arrow, 2);
        if left.raw.trim().is_empty() {
            let detail = "a right side without a left one is not kept: there is no room for it";
            reading.warn(asked.place(right.trim()), "/pairs", detail);
            continue;
        }
        let at = format!("/pairs/{}", pairs.len());
        let left = asked.text(left, &format!("{at}/left"), reading);
        let right = asked.marked(right.trim(), asked.markup, &format!("{at}/right"), reading);
        pairs.push(PairSource { key: letter(pairs.len()), left: reading.text(left), right: reading.text(right) });
    }
    question.pairs = Some(pairs);
    true
}

fn short_text(asked: &Asked<'_>, inside: Part<'_>, question: &mut QuestionSource, reading: &mut Reading<'_>) -> bool {
    question.kind = Kind::ShortText;
    reading.place("/accept", asked.place(inside).0);
    let mut accept = Vec::new();
    for answer in answers(asked, inside, reading) {
        let place = asked.place(answer.text);
        unkept(asked, answer.feedback, reading);
        if answer.worth() < FULL {
            if answer.worth() > 0 {
                reading.warn(place, "/accept", "part of the points for an answer is not kept: it is wrong here");
            }
            continue;
        }
        let (text, wildcard) = literal(answer.text.raw);
        if wildcard {
            let detail = "a * that stands for any words is not known; list the answers, or write \\* for the sign";
            reading.fault(place, "/accept", detail);
        }
        if text.is_empty() {
            reading.fault(place, "/accept", "an answer without words; write them, or take its = away");
        }
        accept.push(text);
    }
    question.accept = Some([(reading.lang.clone(), accept)].into());
    true
}

/// Words with their escapes resolved, and whether a bare `*` is among them.
fn literal(raw: &str) -> (String, bool) {
    let mut wildcard = false;
    let mut text = String::new();
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('*') => text.push('*'),
                Some(next) => text.push_str(&super::unescaped(&format!("\\{next}"))),
                None => text.push('\\'),
            },
            '*' => {
                wildcard = true;
                text.push('*');
            }
            c => text.push(c),
        }
    }
    (text.trim().to_owned(), wildcard)
}

fn numeric(asked: &Asked<'_>, inside: Part<'_>, question: &mut QuestionSource, reading: &mut Reading<'_>) -> bool {
    question.kind = Kind::Numeric;
    reading.place("/value", asked.place(inside.trim()).0);
    let answers = if inside.find(&['=', '~']).is_some() {
        answers(asked, inside, reading)
    } else {
        let (text, feedback) = inside.split('#');
        let feedback = feedback.map(Part::trim).filter(|feedback| !feedback.raw.is_empty());
        vec![Answer { mark: '=', weight: None, text: text.trim(), feedback }]
    };
    let mut found: Vec<(Quantity, Option<Quantity>)> = Vec::new();
    for answer in answers {
        let place = asked.place(answer.text);
        unkept(asked, answer.feedback, reading);
        if answer.worth() < FULL {
            if answer.worth() > 0 {
                let detail = "part of the points for another number is not kept: it is wrong here";
                reading.warn(place, "/value", detail);
            }
            continue;
        }
        match number(answer.text.raw) {
            Ok(number) if found.is_empty() => found.push(number),
            Ok(_) => reading.fault(place, "/value", "only one number or range can be wholly right; make it one range"),
            Err(detail) => {
                reading.fault(place, "/value", detail);
                return false;
            }
        }
    }
    if let Some((value, tolerance)) = found.first() {
        question.value = Some(*value);
        question.tolerance = *tolerance;
    }
    true
}

/// `6`, `6:0.5` or `5.5..6.5`.
fn number(raw: &str) -> Result<(Quantity, Option<Quantity>), &'static str> {
    if let Some((low, high)) = raw.split_once("..") {
        let (low, high) = (quantity(low)?.0, quantity(high)?.0);
        if low > high {
            return Err("a range goes from the lower number to the higher one");
        }
        if (low + high) % 2 != 0 {
            return Err("the middle of this range has more than six decimals; write fewer");
        }
        return Ok((Quantity(i64::midpoint(low, high)), Some(Quantity((high - low) / 2))));
    }
    match raw.split_once(':') {
        Some((value, tolerance)) => Ok((quantity(value.trim_end_matches('\\'))?, Some(quantity(tolerance)?))),
        None => Ok((quantity(raw)?, None)),
    }
}

fn quantity(text: &str) -> Result<Quantity, &'static str> {
    const FORM: &str = "a number is needed, like 6, 6:0.5 or 5.5..6.5, with a point before its decimals";
    let number: f64 = text.trim().parse().map_err(|_| FORM)?;
    let millionths = number * 1e6;
    #[expect(clippy::cast_precision_loss, reason = "1e15 is exact")]
    let max = Quantity::MAX as f64;
    if !millionths.is_finite() || millionths.abs() > max {
        return Err("a number between minus and plus a billion is needed");
    }
    // Beyond a double's own precision nothing can be said of the seventh decimal.
    if (millionths - millionths.round()).abs() > 1e-9 * millionths.abs().max(1e6) {
        return Err("at most six decimals");
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within 1e15")]
    Ok(Quantity(millionths.round() as i64))
}
