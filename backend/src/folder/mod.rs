//! What authors' files have in common, whatever they hold: reading YAML or JSON with its texts and question
//! files beside it, and saying what is wrong by file, line and field.

pub mod document;
pub mod export;
pub mod find;
pub mod import;
pub(crate) mod node;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// The largest file that is read, in bytes: a bank of 2,000 questions in some languages.
pub(crate) const MAX_FILE: u64 = 8 * 1024 * 1024;

/// One thing that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// The field: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong and what to do.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.pointer.is_empty() {
            write!(f, " {}", self.pointer)?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// A fault of a whole file.
pub(crate) fn fault(file: &Path, detail: impl Into<String>) -> Fault {
    Fault { file: file.to_owned(), line: None, pointer: String::new(), detail: detail.into() }
}

/// A text file of an author, of bounded size.
pub(crate) fn read_text(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("is larger than {MAX_FILE} bytes"));
    }
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}
