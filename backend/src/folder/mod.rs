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

/// The most bytes that one document has, with the files beside it that it names.
pub(crate) const MAX_DOCUMENT: u64 = 32 * 1024 * 1024;
/// The most bytes that all documents of an import have.
pub(crate) const MAX_ALL: u64 = 256 * 1024 * 1024;
/// The most documents of an import.
pub(crate) const MAX_DOCUMENTS: usize = 2000;

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
    read_regular(file, None, MAX_FILE)
}

/// A text file that an author named in a document which lies in `folder`. It may be a link, but not out of there:
/// a folder that somebody sent must not read what is theirs alone who imports it.
pub(crate) fn read_within(folder: &Path, file: &Path) -> Result<String, String> {
    read_regular(file, Some(folder), MAX_FILE)
}

/// The text of a regular file of at most so many bytes; inside a folder, where one is given. Nothing else is
/// opened: opening a pipe waits for a writer, and a device may never end. The error is a sentence's end.
pub(crate) fn read_regular(file: &Path, within: Option<&Path>, most: u64) -> Result<String, String> {
    String::from_utf8(read_bytes(file, within, most)?).map_err(|_| "is not UTF-8 text".to_owned())
}

/// The bytes of a regular file, as [`read_regular`] reads it.
pub(crate) fn read_bytes(file: &Path, within: Option<&Path>, most: u64) -> Result<Vec<u8>, String> {
    const NOT_REGULAR: &str = "is not a regular file; devices, pipes and folders are not read";
    use std::io::Read as _;
    let text = |error: std::io::Error| error.to_string();
    let real = file.canonicalize().map_err(text)?;
    if let Some(folder) = within
        && !is_within(folder, &real)
    {
        return Err("is a link out of its folder; put the file itself there".to_owned());
    }
    if !std::fs::metadata(&real).map_err(text)?.is_file() {
        return Err(NOT_REGULAR.to_owned());
    }
    let opened = std::fs::File::open(&real).map_err(text)?;
    // It may have been exchanged meanwhile.
    if !opened.metadata().map_err(text)?.is_file() {
        return Err(NOT_REGULAR.to_owned());
    }
    let mut bytes = Vec::new();
    opened.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(text)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(format!("is larger than {most} bytes"));
    }
    Ok(bytes)
}

/// Whether a canonical path lies in a folder.
pub(crate) fn is_within(folder: &Path, real: &Path) -> bool {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    folder.canonicalize().is_ok_and(|folder| real.starts_with(folder))
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use super::*;

    const TRACK: &str = "track_type: beginner_intro\nsource_lang: fr\ntitle: { fr: Un }\nsteps:\n- { key: a, kind: content, title: { fr: Un }, body: { fr: { file: a.md } } }\n";

    fn faults(path: &Path) -> String {
        match import::read(path, None) {
            Ok(documents) => panic!("{} documents were read", documents.len()),
            Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        }
    }

    fn pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn c18_only_regular_files_inside_the_folder_are_read() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret.md");
        fs::write(&secret, "what is theirs alone who imports").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let one = folder.path().join("one");
        fs::create_dir(&one).unwrap();
        fs::write(one.join("track.yaml"), TRACK).unwrap();
        let text = one.join("a.md");

        symlink(&secret, &text).unwrap();
        let said = faults(folder.path());
        assert!(said.contains("a.md: is a link out of its folder"), "{said}");
        assert!(!said.contains("theirs alone"), "{said}");

        fs::remove_file(&text).unwrap();
        symlink("/dev/zero", &text).unwrap();
        assert!(faults(folder.path()).contains("a.md: is a link out of its folder"));

        fs::remove_file(&text).unwrap();
        pipe(&text);
        let said = faults(folder.path());
        assert!(said.contains("a.md: is not a regular file"), "{said}");

        // A link that stays in the folder is followed.
        fs::remove_file(&text).unwrap();
        fs::write(one.join("b.md"), "Bonjour.").unwrap();
        symlink("b.md", &text).unwrap();
        assert_eq!(import::read(folder.path(), None).unwrap().len(), 1);
    }

    #[test]
    fn c18_documents_and_folders_are_not_links_out_of_the_folder_either() {
        let outside = tempfile::tempdir().unwrap();
        let other = outside.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("track.yaml"), TRACK).unwrap();
        fs::write(other.join("a.md"), "Bonjour.").unwrap();
        for (target, name) in [
            (other.clone(), "linked"),
            (other.join("track.yaml"), "linked.yaml"),
            (outside.path().to_owned(), "tracks"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            symlink(&target, folder.path().join(name)).unwrap();
            let said = faults(folder.path());
            assert!(said.contains(name) && said.contains("is a link out of the folder"), "{said}");
        }
        // Whoever names a link means what it leads to.
        let folder = tempfile::tempdir().unwrap();
        symlink(&other, folder.path().join("linked")).unwrap();
        assert_eq!(import::read(&folder.path().join("linked"), None).unwrap().len(), 1);
    }

    #[test]
    fn c18_devices_and_pipes_are_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let one = folder.path().join("one");
        fs::create_dir(&one).unwrap();
        pipe(&one.join("track.yaml"));
        for path in [folder.path().to_owned(), one.join("track.yaml"), "/dev/zero".into()] {
            let said = faults(&path);
            assert!(said.contains("is not a regular file") && said.lines().count() == 1, "{said}");
        }
        assert_eq!(read_text(Path::new("/dev/zero")).unwrap_err().lines().count(), 1);
    }

    #[test]
    fn c18_files_have_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large.md");
        fs::write(&file, "x".repeat(100)).unwrap();
        assert_eq!(read_regular(&file, None, 100).unwrap().len(), 100);
        assert_eq!(read_regular(&file, None, 99).unwrap_err(), "is larger than 99 bytes");
    }
}
