//! What a machine translated: `translations.json` beside the document.
//!
//! Words alone don't tell who wrote them. This file does, by hashes: of the source that was translated
//! and of what came of it. A text that is not in it, or no longer has that hash, is a person's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jalon_shared::Lang;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::document::{DocumentError, read_text, write_whole};
use crate::folder::{Fault, find::Kind};

/// Whether somebody has looked at a machine's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As the machine left it.
    Machine,
    /// A person says that it is right.
    Approved,
}

/// A machine's text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Whether somebody has looked at it.
    pub state: State,
    /// The source's hash.
    pub source: String,
    /// The text's hash.
    pub text: String,
    /// The text itself, paid for but not yet written into the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// What is still to be written into the document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// The words.
    pub words: String,
    /// The hash of the machine's older words, which these replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// The file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Memory {
    path: PathBuf,
    /// By the text's path, then by language.
    pub texts: BTreeMap<String, BTreeMap<Lang, Entry>>,
    written: String,
}

const ABOUT: &str = "Which texts a machine translated. `jalon translate` keeps this; leave it beside them.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[expect(dead_code, reason = "for people")]
    about: String,
    version: u32,
    texts: BTreeMap<String, BTreeMap<Lang, Entry>>,
}

/// The hash of a text. Line ends and blanks at the end, which editors change, don't count.
pub fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.replace("\r\n", "\n").trim_end().as_bytes());
    digest[..8].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Where a document's memory is: `translations.json`, or `<name>.translations.json` for a file that
/// does not have its folder to itself.
pub fn path_for(document: &Path) -> PathBuf {
    let stem = document.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let own_folder = Kind::named(stem).is_some();
    document.with_file_name(if own_folder {
        "translations.json".to_owned()
    } else {
        format!("{stem}.translations.json")
    })
}

impl Memory {
    /// Reads it; nothing is there before the first translation.
    pub fn read(document: &Path) -> Result<Self, DocumentError> {
        let path = path_for(document);
        if !path.exists() {
            return Ok(Self { path, texts: BTreeMap::new(), written: String::new() });
        }
        let written = read_text(&path)?;
        let fault = |line, detail| {
            DocumentError::Faults(vec![Fault { file: path.clone(), line, pointer: String::new(), detail }])
        };
        let read: Written = serde_json::from_str(&written).map_err(|error| {
            fault(Some(error.line() as u64), format!("is not as jalon translate wrote it: {error}"))
        })?;
        if read.version != 1 {
            return Err(fault(None, format!("version {} is of a newer jalon", read.version)));
        }
        Ok(Self { path, texts: read.texts, written })
    }

    /// What is known of a text in a language.
    pub fn get(&self, path: &str, lang: &Lang) -> Option<&Entry> {
        self.texts.get(path)?.get(lang)
    }

    /// Notes a machine's text.
    pub fn set(&mut self, path: &str, lang: &Lang, entry: Entry) {
        self.texts.entry(path.to_owned()).or_default().insert(lang.clone(), entry);
    }

    /// Forgets a text: it is a person's, or is no more.
    pub fn forget(&mut self, path: &str, lang: &Lang) {
        if let Some(langs) = self.texts.get_mut(path) {
            langs.remove(lang);
            if langs.is_empty() {
                self.texts.remove(path);
            }
        }
    }

    /// Writes it, when it says something new. No file is made to say nothing.
    pub fn write(&mut self) -> Result<(), DocumentError> {
        let text = self.to_text();
        if text == self.written || self.texts.is_empty() && self.written.is_empty() {
            return Ok(());
        }
        write_whole(&self.path, &text)?;
        self.written = text;
        Ok(())
    }

    /// One line a text and language, so that a difference shows what differs.
    fn to_text(&self) -> String {
        let json = |value: &str| serde_json::Value::from(value).to_string();
        let mut out = format!("{{\n  \"about\": {},\n  \"version\": 1,\n  \"texts\": {{", json(ABOUT));
        for (number, (path, langs)) in self.texts.iter().enumerate() {
            let _ = write!(out, "{}\n    {}: {{", if number > 0 { "," } else { "" }, json(path));
            for (number, (lang, entry)) in langs.iter().enumerate() {
                let entry = serde_json::to_string(entry).unwrap_or_default();
                let _ = write!(out, "{}\n      {}: {entry}", if number > 0 { "," } else { "" }, json(lang.as_str()));
            }
            out.push_str("\n    }");
        }
        out.push_str(if self.texts.is_empty() { "}\n}\n" } else { "\n  }\n}\n" });
        out
    }
}
