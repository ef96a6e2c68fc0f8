//! `jalon translate`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use jalon_shared::Lang;
use serde::Serialize;
use url::Url;

use super::Context;
use crate::folder::{
    find::{Found, find},
    import::FolderError,
};
use crate::translate::client::{Client, Formality, Glossary, Key, Usage};
use crate::translate::document::{Document, shape};
use crate::translate::language;
use crate::translate::memory::Memory;
use crate::translate::plan::{Standing, settle, standings};
use crate::translate::run::{self, Outcome, Purse, Wish};

/// Translate the files of tracks, courses, lessons and question banks with DeepL: what is missing, and what a machine wrote of an older source
///
/// A person's words are never touched. Which texts are a machine's is kept in translations.json beside
/// the track; keep it with the track. Your file keeps its layout and its comments.
///
/// The key is taken from the environment: `JALON_DEEPL_KEY` or `DEEPL_API_KEY`. Keys that end in :fx go to
/// DeepL's free address, others to the other.
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("mode").required(true).multiple(true).args(["to", "status", "approve"])),
    after_help = "Examples:\n  \
        jalon translate petanque --to sv,de,pt-BR --dry-run     what it would take\n  \
        jalon translate petanque --to sv,de --budget 50000      at most 50,000 characters\n  \
        jalon translate petanque --status                       what is whose, what is stale\n  \
        jalon translate petanque/first-steps --approve sv       all of the machine's Swedish is right\n  \
        jalon translate petanque/first-steps /steps/welcome --approve sv"
)]
pub(super) struct Args {
    /// A file (YAML or JSON), its folder, or a folder of either
    path: PathBuf,
    /// Texts to approve, as --status names them; with all that is below them
    #[arg(value_name = "TEXT", requires = "approve")]
    texts: Vec<String>,
    /// The languages to translate into: sv,de,pt-BR
    #[arg(long, value_name = "LANG,…", value_delimiter = ',', conflicts_with = "approve")]
    to: Vec<Lang>,
    /// Ask nothing and write nothing; say how many characters and requests it would take
    #[arg(long, requires = "to", conflicts_with = "status")]
    dry_run: bool,
    /// Stop before more characters than this are sent
    #[arg(long, value_name = "CHARACTERS", requires = "to")]
    budget: Option<u64>,
    /// A glossary of the account, by id or name, used for the pairs that it has; may be repeated
    #[arg(long = "glossary", value_name = "GLOSSARY", requires = "to")]
    glossaries: Vec<String>,
    /// How formally to speak to readers, in the languages where DeepL can
    #[arg(long, value_enum, requires = "to")]
    formality: Option<Formality>,
    /// Translate approved texts too when their source has changed
    #[arg(long, requires = "to")]
    force_approved: bool,
    /// List what is missing, a machine's, approved, stale, or a person's; with --to in these languages,
    /// and with the names of all machine's texts
    #[arg(long, conflicts_with = "approve")]
    status: bool,
    /// Say that the machine's texts in this language are right; a text whose source has changed is
    /// approved only when it is named
    #[arg(long, value_name = "LANG")]
    approve: Option<Lang>,
    /// Where DeepL is, when it is not at its own address: for tests and proxies
    #[arg(long, value_name = "URL", env = "JALON_DEEPL_URL")]
    deepl_url: Option<Url>,
}

/// A document with what is known of it.
struct Open {
    document: Document,
    memory: Memory,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut open = self.open()?;
        if let Some(lang) = &self.approve {
            return self.approve(context, lang, &mut open);
        }
        if self.status {
            return self.status(context, &open);
        }
        self.translate(context, &mut open).await
    }

    /// Reads all documents; when one is faulty nothing is begun.
    fn open(&self) -> anyhow::Result<Vec<Open>> {
        let files = find(&self.path).map_err(|faults| anyhow::Error::new(FolderError::Faults(faults)))?;
        let mut open = Vec::with_capacity(files.len());
        let mut faults = Vec::new();
        for Found { kind, file, .. } in files {
            let memory = Memory::read(&file);
            match (Document::read(&file, shape(kind)), memory) {
                (Ok(document), Ok(memory)) => open.push(Open { document, memory }),
                (Err(error), _) | (_, Err(error)) => faults.push(error.to_string()),
            }
        }
        if faults.is_empty() { Ok(open) } else { bail!("nothing was translated: {}", faults.join("\n")) }
    }

    async fn translate(&self, context: &Context, open: &mut [Open]) -> anyhow::Result<()> {
        for lang in &self.to {
            language::target(lang).ok_or_else(|| run::unknown(lang))?;
            for Open { document, .. } in open.iter().filter(|open| open.document.source_lang != *lang) {
                run::pair(document, lang)?;
            }
        }
        let client = self.client()?;
        if client.is_none() && (!self.dry_run || !self.glossaries.is_empty()) {
            bail!("set JALON_DEEPL_KEY or DEEPL_API_KEY to your DeepL key");
        }
        let usage = match &client {
            // Not all keys may ask, and it is only for information.
            Some(client) => client.usage().await.map_or_else(|error| self.heed(error), |usage| Ok(Some(usage)))?,
            None => None,
        };
        let wish = Wish {
            formality: self.formality,
            force_approved: self.force_approved,
            glossaries: self.chosen(client.as_ref()).await?,
        };
        let asked = client.as_ref().filter(|_| !self.dry_run);
        let mut purse = Purse::new(self.budget);
        let mut report = Report { dry_run: self.dry_run, characters: 0, usage, tracks: Vec::new() };
        let mut failed = None;
        'all: for Open { document, memory } in open {
            let mut track = Track { file: document.path.clone(), languages: Vec::new(), by_hand: BTreeMap::new() };
            let from = document.source_lang.clone();
            for lang in self.to.iter().filter(|lang| **lang != from) {
                for (path, langs) in &document.by_hand {
                    if !langs.contains(lang) {
                        track.by_hand.entry(path.clone()).or_default().push(lang.clone());
                    }
                }
                match run::translate(document, memory, lang, &wish, asked, &mut purse).await {
                    Ok(outcome) => track.languages.push(outcome),
                    Err(error) => failed = Some(error),
                }
                if failed.is_some() {
                    report.tracks.push(track);
                    break 'all;
                }
            }
            report.tracks.push(track);
        }
        report.characters = purse.spent;
        context.print(&report, report.text().trim_end())?;
        if let Some(error) = failed {
            return Err(anyhow::Error::new(error).context("stopped; what was translated until then is kept"));
        }
        let languages = || report.tracks.iter().flat_map(|track| &track.languages);
        match languages().map(|outcome| outcome.left_out.len()).sum::<usize>() {
            0 => Ok(()),
            1 => bail!("one text was left out"),
            several => bail!("{several} texts were left out"),
        }
    }

    /// A key that is refused is refused for everything; other failures to say the usage don't matter.
    #[expect(clippy::unused_self, reason = "reads as a step of the command")]
    fn heed(&self, error: crate::translate::client::DeeplError) -> anyhow::Result<Option<Usage>> {
        use crate::translate::client::DeeplError;
        match error {
            DeeplError::Key | DeeplError::Insecure(_) | DeeplError::Away(_) => Err(error.into()),
            DeeplError::Quota | DeeplError::Refused(..) | DeeplError::Answer(_) => Ok(None),
        }
    }

    fn client(&self) -> anyhow::Result<Option<Client>> {
        let key = ["JALON_DEEPL_KEY", "DEEPL_API_KEY"].into_iter().filter_map(|name| std::env::var(name).ok());
        let Some(key) = key.map(|key| key.trim().to_owned()).find(|key| !key.is_empty()) else { return Ok(None) };
        let client = Client::new(&Key::new(&key), self.deepl_url.as_ref(), Duration::from_secs(1))?;
        Ok(Some(client))
    }

    async fn chosen(&self, client: Option<&Client>) -> anyhow::Result<Vec<Glossary>> {
        let (Some(client), false) = (client, self.glossaries.is_empty()) else { return Ok(Vec::new()) };
        let all = client.glossaries().await.context("the account's glossaries can't be listed")?;
        self.glossaries
            .iter()
            .map(|wanted| {
                let found = all.iter().find(|glossary| glossary.glossary_id == *wanted || glossary.name == *wanted);
                found.cloned().with_context(|| {
                    let names: Vec<_> = all.iter().map(|it| format!("{} ({})", it.name, it.glossary_id)).collect();
                    format!("the account has no glossary {wanted:?}; it has: {}", names.join(", "))
                })
            })
            .collect()
    }

    fn approve(&self, context: &Context, lang: &Lang, open: &mut [Open]) -> anyhow::Result<()> {
        let mut approved = BTreeMap::new();
        for Open { document, memory } in open {
            approved.insert(document.path.clone(), run::approve(document, memory, lang, &self.texts)?);
        }
        let count: usize = approved.values().map(Vec::len).sum();
        if count == 0 && !self.texts.is_empty() {
            bail!("no machine's text in {lang} has such a name; `jalon translate … --status` lists them");
        }
        let lines = approved
            .iter()
            .filter(|(_, paths)| !paths.is_empty())
            .map(|(file, paths)| format!("{} {lang}: {} approved", file.display(), texts(paths.len())));
        let lines: Vec<_> = lines.collect();
        context.print(&approved, if lines.is_empty() { "nothing to approve".to_owned() } else { lines.join("\n") })
    }

    fn status(&self, context: &Context, open: &[Open]) -> anyhow::Result<()> {
        let mut report = Vec::new();
        let mut text = String::new();
        for Open { document, memory } in open {
            let mut settled = memory.clone();
            settle(document, &mut settled);
            let mut langs: Vec<Lang> = self.to.clone();
            if langs.is_empty() {
                let there = document.texts.iter().flat_map(|text| text.words.keys());
                langs = there.chain(memory.texts.values().flat_map(BTreeMap::keys)).cloned().collect();
                langs.sort();
                langs.dedup();
            }
            langs.retain(|lang| *lang != document.source_lang);
            let mut track = Standings { file: document.path.clone(), languages: BTreeMap::new() };
            let _ = writeln!(text, "{} (from {})", document.path.display(), document.source_lang);
            for lang in langs {
                let mut found: BTreeMap<Standing, Vec<String>> = BTreeMap::new();
                for (_, at, standing) in standings(document, memory, &lang) {
                    found.entry(standing).or_default().push(at.path.clone());
                }
                let counts: Vec<_> =
                    found.iter().map(|(standing, paths)| format!("{} {}", paths.len(), words(*standing))).collect();
                let _ = writeln!(text, "  {lang}: {}", counts.join(", "));
                for (standing, paths) in &found {
                    // Those that ask for something; whose language was asked for, also those to approve.
                    let silent = match standing {
                        Standing::Approved | Standing::Person => true,
                        Standing::Machine => self.to.is_empty(),
                        _ => is_all(&found),
                    };
                    if !silent {
                        for path in paths {
                            let _ = writeln!(text, "    {:<15} {path}", words(*standing));
                        }
                    }
                }
                track.languages.insert(lang, found);
            }
            report.push(track);
        }
        context.print(&report, text.trim_end())
    }
}

/// Whether a language is as yet nothing but missing: then listing every text says nothing.
fn is_all(found: &BTreeMap<Standing, Vec<String>>) -> bool {
    found.len() == 1 && found.contains_key(&Standing::Missing)
}

#[derive(Serialize)]
struct Standings {
    file: PathBuf,
    languages: BTreeMap<Lang, BTreeMap<Standing, Vec<String>>>,
}

#[derive(Serialize)]
struct Report {
    dry_run: bool,
    characters: u64,
    usage: Option<Usage>,
    tracks: Vec<Track>,
}

#[derive(Serialize)]
struct Track {
    file: PathBuf,
    languages: Vec<Outcome>,
    by_hand: BTreeMap<String, Vec<Lang>>,
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        for track in &self.tracks {
            let _ = writeln!(text, "{}", track.file.display());
            for outcome in &track.languages {
                self.language(outcome, &track.file, &mut text);
            }
            for (path, langs) in &track.by_hand {
                let langs: Vec<_> = langs.iter().map(Lang::as_str).collect();
                let _ = writeln!(text, "  by hand: {path} in {}", langs.join(", "));
            }
        }
        let would = if self.dry_run { "would be sent" } else { "sent" };
        let _ = writeln!(text, "{} characters {would}", self.characters);
        if let Some(usage) = self.usage {
            let _ = writeln!(
                text,
                "DeepL counted {} of {} characters in this period before",
                usage.character_count, usage.character_limit
            );
        }
        text
    }

    fn language(&self, outcome: &Outcome, file: &Path, text: &mut String) {
        let done = if self.dry_run { "to translate" } else { "translated" };
        let requests = match outcome.requests {
            1 => "1 request".to_owned(),
            several => format!("{several} requests"),
        };
        let _ = write!(text, "  {}: {} {done}", outcome.lang, texts(outcome.texts));
        if outcome.requests > 0 {
            let _ = write!(text, " ({} characters, {requests})", outcome.characters);
        }
        if outcome.recovered > 0 {
            let _ = write!(text, ", {} of them paid for before", outcome.recovered);
        }
        if let Some(glossary) = &outcome.glossary {
            let _ = write!(text, ", with glossary {glossary}");
        }
        text.push('\n');
        if outcome.unpaid > 0 {
            let _ = writeln!(text, "    the budget does not reach {} more", texts(outcome.unpaid));
        }
        for path in &outcome.approved_stale {
            let _ = writeln!(text, "    approved, but its source has changed: {path}");
        }
        for left_out in &outcome.left_out {
            let _ = writeln!(text, "    left out: {} {}: {}", file.display(), left_out.text, left_out.why);
        }
    }
}

fn texts(count: usize) -> String {
    if count == 1 { "1 text".to_owned() } else { format!("{count} texts") }
}

fn words(standing: Standing) -> &'static str {
    match standing {
        Standing::Missing => "missing",
        Standing::Pending => "paid for",
        Standing::Machine => "machine",
        Standing::Stale => "stale",
        Standing::Approved => "approved",
        Standing::ApprovedStale => "approved, stale",
        Standing::Person => "person",
    }
}
