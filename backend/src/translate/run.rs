//! Translates a document: asks in requests of bounded size, and writes after each.

use std::collections::BTreeMap;

use jalon_shared::Lang;
use serde::Serialize;

use super::client::{Client, DeeplError, Formality, Glossary, MAX_BODY, MAX_TEXTS, Request};
use super::document::{Document, DocumentError, read_text, write_whole};
use super::language::{self, Target};
use super::layout::{self, New};
use super::markdown::Protected;
use super::memory::{Entry, Memory, Pending, State, hash};
use super::plan::{Standing, settle, standings};
use super::xml;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// How formally readers are spoken to, where the language can.
    pub formality: Option<Formality>,
    /// Translate approved texts too when their source has changed.
    pub force_approved: bool,
    /// The glossaries to choose from.
    pub glossaries: Vec<Glossary>,
}

/// What may still be spent, in characters.
#[derive(Clone, Copy, Debug)]
pub struct Purse {
    left: Option<u64>,
    /// What was spent.
    pub spent: u64,
}

impl Purse {
    /// With a bound, or without.
    pub fn new(budget: Option<u64>) -> Self {
        Self { left: budget, spent: 0 }
    }

    fn can(&self, characters: u64) -> bool {
        self.left.is_none_or(|left| characters <= left)
    }

    fn pay(&mut self, characters: u64) {
        self.spent += characters;
        self.left = self.left.map(|left| left.saturating_sub(characters));
    }
}

/// A text that was left out, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LeftOut {
    /// The text's path.
    pub text: String,
    /// Why.
    pub why: String,
}

/// What came of one language of a document, or would.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Outcome {
    /// The language.
    pub lang: Lang,
    /// Texts translated; in a dry run those that would be.
    pub texts: usize,
    /// Of these, texts that were paid for in an earlier run.
    pub recovered: usize,
    /// Characters sent.
    pub characters: u64,
    /// Requests.
    pub requests: usize,
    /// The glossary used.
    pub glossary: Option<String>,
    /// Approved texts whose source has changed; they were left as they are.
    pub approved_stale: Vec<String>,
    /// Texts that could not be translated.
    pub left_out: Vec<LeftOut>,
    /// Texts that the budget did not reach.
    pub unpaid: usize,
}

/// Why a run ended early. What was done until then is kept.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// DeepL.
    #[error(transparent)]
    Deepl(#[from] DeeplError),
    /// The files.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A language can't be translated from or into.
    #[error("{0}")]
    Language(String),
}

/// A text on its way.
struct Job {
    at: usize,
    protected: Protected,
    sent: String,
}

/// Which of DeepL's languages to translate from and into.
pub fn pair(document: &Document, lang: &Lang) -> Result<(&'static Target, &'static Target), RunError> {
    let from = &document.source_lang;
    let source = language::source(from).ok_or_else(|| {
        RunError::Language(format!("DeepL does not translate from {from}, which {} is in", document.path.display()))
    })?;
    if language::is_one_language(from, lang) {
        return Err(RunError::Language(format!(
            "{from} and {lang} are one language to DeepL, which does not translate between its variants"
        )));
    }
    let target = language::target(lang).ok_or_else(|| unknown(lang))?;
    Ok((source, target))
}

/// What to say of a language that DeepL does not translate into.
pub fn unknown(lang: &Lang) -> RunError {
    RunError::Language(format!("DeepL does not translate into {lang}; it knows: {}", language::list()))
}

/// Translates a document into a language. Without a client nothing is asked or written: a dry run.
pub async fn translate(
    document: &mut Document,
    memory: &mut Memory,
    lang: &Lang,
    wish: &Wish,
    client: Option<&Client>,
    purse: &mut Purse,
) -> Result<Outcome, RunError> {
    let (source, target) = pair(document, lang)?;
    let glossary = wish.glossaries.iter().find(|glossary| glossary.has(source, target)).cloned();
    let mut outcome = Outcome {
        lang: lang.clone(),
        texts: 0,
        recovered: 0,
        characters: 0,
        requests: 0,
        glossary: glossary.as_ref().map(|glossary| glossary.glossary_id.clone()),
        approved_stale: Vec::new(),
        left_out: Vec::new(),
        unpaid: 0,
    };
    settle(document, memory);
    let mut recovered = Vec::new();
    let mut unsent = Vec::new();
    let mut jobs = Vec::new();
    let is_wanted = |standing: Standing| {
        matches!(standing, Standing::Missing | Standing::Stale)
            || standing == Standing::ApprovedStale && wish.force_approved
    };
    let wanted = standings(document, memory, lang).filter(|(.., standing)| is_wanted(*standing)).map(|(at, ..)| at);
    let homeless = homeless(document, lang, wanted);
    for (at, text, standing) in standings(document, memory, lang) {
        if standing == Standing::Pending {
            recovered.push(at);
        } else if standing == Standing::ApprovedStale && !wish.force_approved {
            outcome.approved_stale.push(text.path.clone());
        }
        if !is_wanted(standing) {
            continue;
        }
        // Nothing is paid for that could not be put anywhere.
        if let Some(why) = homeless.get(&at) {
            outcome.left_out.push(LeftOut { text: text.path.clone(), why: why.clone() });
            continue;
        }
        let words = &text.words[&document.source_lang].text;
        let protected = Protected::new(words, text.format);
        match protected.sent() {
            None => unsent.push((at, words.clone())),
            Some(sent) if protected.restore(&sent).is_ok() => jobs.push(Job { at, protected, sent }),
            Some(_) => {
                let why = "its Markdown can't be taken apart safely; write this language by hand".to_owned();
                outcome.left_out.push(LeftOut { text: text.path.clone(), why });
            }
        }
    }
    let context: String = document.title().chars().take(500).collect();
    let mut request = Request::new(source, target, &context);
    request.formality = wish.formality.filter(|_| target.formality());
    request.glossary_id = glossary.as_ref().map(|glossary| glossary.glossary_id.as_str());
    let Some(client) = client else {
        estimate(&jobs, &mut request, purse, document, &mut outcome);
        outcome.recovered = recovered.len();
        outcome.texts += recovered.len() + unsent.len();
        return Ok(outcome);
    };

    if !recovered.is_empty() {
        outcome.recovered = recovered.len();
        let words = |at: &usize| memory.get(&document.texts[*at].path, lang).and_then(|entry| entry.pending.clone());
        let paid = recovered.iter().filter_map(|at| Some((*at, words(at)?.words))).collect();
        store(document, memory, lang, paid, &mut outcome)?;
    }
    if !unsent.is_empty() {
        store(document, memory, lang, unsent, &mut outcome)?;
    }
    let mut rest = jobs.as_slice();
    while !rest.is_empty() {
        let (count, characters) = fill(rest, &mut request, purse);
        if count == 0 {
            if !purse.can(xml::characters(&rest[0].sent)) {
                outcome.unpaid = rest.len();
                break;
            }
            outcome.left_out.push(too_long(document, &rest[0]));
            rest = &rest[1..];
            continue;
        }
        document.unchanged()?;
        let answer = client.translate(&request).await?;
        purse.pay(answer.billed.unwrap_or(characters));
        outcome.characters += answer.billed.unwrap_or(characters);
        outcome.requests += 1;
        let mut words = Vec::with_capacity(count);
        for (job, text) in rest[..count].iter().zip(&answer.texts) {
            match job.protected.restore(text) {
                Ok(text) => words.push((job.at, text)),
                Err(damage) => {
                    let text = document.texts[job.at].path.clone();
                    outcome.left_out.push(LeftOut { text, why: damage.to_string() });
                }
            }
        }
        store(document, memory, lang, words, &mut outcome)?;
        rest = &rest[count..];
    }
    memory.write()?;
    Ok(outcome)
}

fn too_long(document: &Document, job: &Job) -> LeftOut {
    let why = format!("is too long for a request of {MAX_BODY} bytes; make two of it");
    LeftOut { text: document.texts[job.at].path.clone(), why }
}

/// Takes as many jobs into the request as its bounds and the purse allow; answers how many, and their
/// characters.
fn fill<'j>(jobs: &'j [Job], request: &mut Request<'j>, purse: &Purse) -> (usize, u64) {
    request.text.clear();
    let mut size = request.size();
    let mut characters = 0;
    for job in jobs.iter().take(MAX_TEXTS) {
        // In quotes, and with a comma.
        let more = serde_json::to_string(&job.sent).map_or(usize::MAX / 2, |json| json.len() + 1);
        let cost = xml::characters(&job.sent);
        if size + more > MAX_BODY || !purse.can(characters + cost) {
            break;
        }
        size += more;
        characters += cost;
        request.text.push(&job.sent);
    }
    (request.text.len(), characters)
}

/// What it would take.
fn estimate<'j>(
    jobs: &'j [Job],
    request: &mut Request<'j>,
    purse: &mut Purse,
    document: &Document,
    outcome: &mut Outcome,
) {
    let mut rest = jobs;
    while !rest.is_empty() {
        let (count, characters) = fill(rest, request, purse);
        if count == 0 && !purse.can(xml::characters(&rest[0].sent)) {
            outcome.unpaid = rest.len();
            return;
        }
        if count == 0 {
            outcome.left_out.push(too_long(document, &rest[0]));
        } else {
            purse.pay(characters);
            outcome.characters += characters;
            outcome.requests += 1;
            outcome.texts += count;
        }
        rest = &rest[count.max(1)..];
    }
}

/// Where a text goes: into the document, or into a file beside it. `words` are what is to go there, where
/// they are known: a file that holds them already is ours.
fn destination(document: &Document, at: usize, lang: &Lang, words: Option<&str>) -> Result<Option<String>, String> {
    let text = &document.texts[at];
    if let Some(own) = text.words.get(lang) {
        return Ok(own.file.clone());
    }
    let source = text.words.get(&document.source_lang).and_then(|words| words.file.as_deref());
    let Some(source) = source else { return Ok(None) };
    let name = file_name(source, &document.source_lang, lang);
    let path = document.beside(&name);
    let ours = words.is_some_and(|words| read_text(&path).is_ok_and(|there| there == words));
    if path.exists() && !ours {
        return Err(format!("{name} is there already, but nothing names it: name it in the file, or remove it"));
    }
    Ok(Some(name))
}

/// Which of these texts have no place where a translation could go, and why.
fn homeless(document: &Document, lang: &Lang, texts: impl Iterator<Item = usize>) -> BTreeMap<usize, String> {
    let mut homeless = BTreeMap::new();
    let mut edits = Vec::new();
    for at in texts {
        match destination(document, at, lang, None) {
            Err(why) => {
                homeless.insert(at, why);
            }
            Ok(Some(_)) if document.texts[at].words.contains_key(lang) => {}
            Ok(Some(name)) => edits.push((at, New::File(name))),
            Ok(None) => edits.push((at, New::Words("x".to_owned()))),
        }
    }
    homeless.extend(unwritable(document, lang, &edits));
    homeless
}

/// Which of these can't be written into the document, and why. Mostly none: then it is read once only.
fn unwritable(document: &Document, lang: &Lang, texts: &[(usize, New)]) -> Vec<(usize, String)> {
    if layout::with(document, lang, texts).is_ok() {
        return Vec::new();
    }
    let alone = |text: &(usize, New)| layout::with(document, lang, std::slice::from_ref(text)).err();
    texts.iter().filter_map(|text| Some((text.0, alone(text)?.to_string()))).collect()
}

/// `welcome.sv.md` of `welcome.fr.md`.
fn file_name(source: &str, from: &Lang, to: &Lang) -> String {
    let (folder, name) =
        source.rsplit_once('/').map_or((String::new(), source), |(folder, name)| (format!("{folder}/"), name));
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let stem = match stem.rsplit_once('.') {
        Some((stem, tag)) if Lang::parse(tag).is_ok_and(|tag| tag == *from) => stem,
        _ => stem,
    };
    let end = if extension.is_empty() { String::new() } else { format!(".{extension}") };
    format!("{folder}{stem}.{to}{end}")
}

/// Notes machine's words as paid for, and not yet written.
fn note(document: &Document, memory: &mut Memory, lang: &Lang, words: &[(usize, String)]) {
    for (at, text) in words {
        let field = &document.texts[*at];
        let there = field.words.get(lang).filter(|there| !there.text.trim().is_empty());
        let entry = Entry {
            state: State::Machine,
            source: hash(&field.words[&document.source_lang].text),
            text: hash(text),
            pending: Some(Pending { words: text.clone(), replaces: there.map(|there| hash(&there.text)) }),
        };
        memory.set(&field.path, lang, entry);
    }
}

/// Notes machine's words, and writes them into the document. What the document's check refuses, such as
/// words that are too long for their field, is left out.
fn store(
    document: &mut Document,
    memory: &mut Memory,
    lang: &Lang,
    mut words: Vec<(usize, String)>,
    outcome: &mut Outcome,
) -> Result<(), RunError> {
    // Before all else: what was paid for.
    note(document, memory, lang, &words);
    memory.write()?;
    document.unchanged()?;
    let mut files: BTreeMap<usize, String> = BTreeMap::new();
    words.retain_mut(|(at, text)| {
        let path = &document.texts[*at].path;
        let mut leave = |why: String| {
            memory.forget(path, lang);
            outcome.left_out.push(LeftOut { text: path.clone(), why });
            false
        };
        match destination(document, *at, lang, Some(text)) {
            Ok(name) => files.extend(name.map(|name| (*at, name))),
            Err(why) => return leave(why),
        }
        true
    });
    loop {
        // As one file, so that nothing need be written yet to be checked.
        let inline: Vec<(usize, New)> = words
            .iter()
            .filter(|(at, _)| document.texts[*at].words.get(lang).is_none_or(|there| there.file.is_none()))
            .map(|(at, text)| (*at, New::Words(text.clone())))
            .collect();
        let refused: Vec<(usize, String)> = match layout::with(document, lang, &inline) {
            Err(_) => unwritable(document, lang, &inline),
            Ok(whole) => match document.check(&whole) {
                Ok(()) => break,
                Err(faults) => {
                    let of =
                        |at: usize| faults.iter().find(|fault| fault.pointer.starts_with(&document.texts[at].pointer));
                    let found: Vec<_> =
                        words.iter().filter_map(|(at, _)| Some((*at, of(*at)?.detail.clone()))).collect();
                    if found.is_empty() {
                        return Err(DocumentError::Faults(faults).into());
                    }
                    found
                }
            },
        };
        if refused.is_empty() {
            let why = "the file can't be edited safely".to_owned();
            return Err(DocumentError::Io(document.path.clone(), std::io::Error::other(why)).into());
        }
        for (at, why) in refused {
            words.retain(|(other, _)| *other != at);
            let text = document.texts[at].path.clone();
            memory.forget(&text, lang);
            outcome.left_out.push(LeftOut { text, why });
        }
    }
    // Then the files, then the document that names them.
    let mut edits = Vec::with_capacity(words.len());
    for (at, text) in &words {
        match files.get(at) {
            Some(name) => {
                write_whole(&document.beside(name), text)?;
                if !document.texts[*at].words.contains_key(lang) {
                    edits.push((*at, New::File(name.clone())));
                }
            }
            None => edits.push((*at, New::Words(text.clone()))),
        }
    }
    let whole = layout::with(document, lang, &edits).map_err(|refused| {
        let fault = std::io::Error::other(refused.to_string());
        RunError::Document(DocumentError::Io(document.path.clone(), fault))
    })?;
    document.replace(whole)?;
    for (at, _) in &words {
        let path = document.texts[*at].path.clone();
        if let Some(entry) = memory.get(&path, lang).cloned() {
            memory.set(&path, lang, Entry { pending: None, ..entry });
        }
    }
    memory.write()?;
    outcome.texts += words.len();
    Ok(())
}

/// Approves a language's texts: those named (a path, or what is below it), else every fresh one of a
/// machine. One whose source has changed is approved only by its name. Answers the paths.
pub fn approve(
    document: &Document,
    memory: &mut Memory,
    lang: &Lang,
    named: &[String],
) -> Result<Vec<String>, RunError> {
    settle(document, memory);
    let is_named = |path: &str| {
        named.iter().any(|name| {
            let name = name.trim_end_matches('/');
            path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    let approved: Vec<(String, String)> = standings(document, memory, lang)
        .filter(|(_, text, standing)| match standing {
            Standing::Machine => named.is_empty() || is_named(&text.path),
            Standing::Stale | Standing::ApprovedStale => is_named(&text.path),
            _ => false,
        })
        .map(|(_, text, _)| (text.path.clone(), hash(&text.words[&document.source_lang].text)))
        .collect();
    for (path, source) in &approved {
        if let Some(entry) = memory.get(path, lang).cloned() {
            memory.set(path, lang, Entry { state: State::Approved, source: source.clone(), pending: None, ..entry });
        }
    }
    memory.write()?;
    Ok(approved.into_iter().map(|(path, _)| path).collect())
}
