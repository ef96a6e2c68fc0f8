//! What each text is in each language, and what is to be done about it.

use jalon_shared::Lang;
use serde::Serialize;

use super::document::{Document, Text};
use super::memory::{Memory, State, hash};

/// What a text is in a language.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is not there.
    Missing,
    /// It was paid for, but is not in the file yet.
    Pending,
    /// A machine's, of this source.
    Machine,
    /// A machine's, of an older source.
    Stale,
    /// A machine's that somebody approved.
    Approved,
    /// Approved, but of an older source.
    ApprovedStale,
    /// Somebody's.
    Person,
}

/// What a text is in a language; `None` where there is nothing to translate.
pub fn standing(document: &Document, memory: &Memory, text: &Text, lang: &Lang) -> Option<Standing> {
    let source = text.words.get(&document.source_lang).map(|words| words.text.as_str())?;
    if source.trim().is_empty() || *lang == document.source_lang {
        return None;
    }
    let source = hash(source);
    let words = text.words.get(lang).map(|words| words.text.as_str()).filter(|text| !text.trim().is_empty());
    let entry = memory.get(&text.path, lang);
    let Some(words) = words else {
        let paid = entry.is_some_and(|entry| entry.pending.is_some() && entry.source == source);
        return Some(if paid { Standing::Pending } else { Standing::Missing });
    };
    let Some(entry) = entry else { return Some(Standing::Person) };
    let words = hash(words);
    if entry.text == words {
        return Some(match (entry.state, entry.source == source) {
            (State::Machine, true) => Standing::Machine,
            (State::Machine, false) => Standing::Stale,
            (State::Approved, true) => Standing::Approved,
            (State::Approved, false) => Standing::ApprovedStale,
        });
    }
    match &entry.pending {
        // The end came between noting the new words and writing them.
        Some(pending) if pending.replaces.as_ref() == Some(&words) => {
            Some(if entry.source == source { Standing::Pending } else { Standing::Stale })
        }
        _ => Some(Standing::Person),
    }
}

/// All of a document's texts with what they are in a language.
pub fn standings<'d>(
    document: &'d Document,
    memory: &'d Memory,
    lang: &'d Lang,
) -> impl Iterator<Item = (usize, &'d Text, Standing)> {
    document
        .texts
        .iter()
        .enumerate()
        .filter_map(move |(at, text)| standing(document, memory, text, lang).map(|standing| (at, text, standing)))
}

/// Forgets what is a person's by now, and what is no more.
pub fn settle(document: &Document, memory: &mut Memory) {
    let known: Vec<(String, Lang)> = memory
        .texts
        .iter()
        .flat_map(|(path, langs)| langs.keys().map(move |lang| (path.clone(), lang.clone())))
        .collect();
    for (path, lang) in known {
        let text = document.texts.iter().find(|text| text.path == path);
        let standing = text.and_then(|text| standing(document, memory, text, &lang));
        if matches!(standing, None | Some(Standing::Person | Standing::Missing)) {
            memory.forget(&path, &lang);
        } else if matches!(standing, Some(Standing::Machine | Standing::Approved))
            && let Some(entry) = memory.texts.get_mut(&path).and_then(|langs| langs.get_mut(&lang))
        {
            // It was written after all.
            entry.pending = None;
        }
    }
}
