//! Which documents lie at a path, and what each of them is.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    Fault, MAX_DOCUMENTS, fault, is_within,
    node::{Node, root},
    read_text,
};

/// What authors write. What others name comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A question bank.
    Bank,
    /// A lesson that courses share.
    Lesson,
    /// A course.
    Course,
    /// A track.
    Track,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Bank, Self::Lesson, Self::Course, Self::Track];

    /// Its name, which is its file's too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bank => "bank",
            Self::Lesson => "lesson",
            Self::Course => "course",
            Self::Track => "track",
        }
    }

    /// The folder that holds those of a site.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Bank => "banks",
            Self::Lesson => "lessons",
            Self::Course => "courses",
            Self::Track => "tracks",
        }
    }

    /// The kind that a document of this name is.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind that a folder is for.
    fn of_folder(folder: &Path) -> Option<Self> {
        let name = folder.file_name().and_then(|name| name.to_str())?;
        Self::ALL.into_iter().find(|kind| kind.folder() == name)
    }

    /// What a file of any name is: by the fields that only this kind has.
    fn of_file(file: &Path) -> Self {
        let node = read_text(file).ok().and_then(|text| root(file, &text).ok());
        let fields = |name: &str| match node.as_ref().map(|node| &node.value) {
            Some(Node::Map(entries)) => entries.iter().any(|(key, _)| key.value == name),
            _ => false,
        };
        match () {
            () if fields("steps") || fields("track_type") => Self::Track,
            () if fields("modules") => Self::Course,
            () if fields("items") => Self::Lesson,
            () if fields("questions") => Self::Bank,
            () => file.parent().and_then(Self::of_folder).unwrap_or(Self::Track),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A document that was found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Its slug, as the name of its folder or file says it.
    pub slug: String,
    /// Its file.
    pub file: PathBuf,
}

/// The documents at a path: the file itself; the one in a folder of its own; or, of a folder, those in it and in
/// its `banks`, `lessons`, `courses` and `tracks`. Those that others name come first. Links out of the folder are
/// refused; whether what is found may be read, whoever reads it says.
pub fn find(path: &Path) -> Result<Vec<Found>, Vec<Fault>> {
    let mut files = Vec::new();
    if path.exists() && !path.is_dir() {
        files.push(path.to_owned());
    } else {
        let mut folder = Folder { root: path, files: &mut files, out: Vec::new() };
        folder.within(path, 0).map_err(|error| vec![fault(path, format!("can't be read: {error}"))])?;
        let out = std::mem::take(&mut folder.out);
        if !out.is_empty() {
            let detail = "is a link out of the folder; put the file itself there";
            return Err(out.iter().map(|link| fault(link, detail)).collect());
        }
        if files.len() > MAX_DOCUMENTS {
            return Err(vec![fault(path, format!("holds more than {MAX_DOCUMENTS} documents; import it in parts"))]);
        }
    }
    if files.is_empty() {
        let detail = "holds no track, course, lesson or bank: put <slug>/track.yaml in it, or name a file";
        return Err(vec![fault(path, detail)]);
    }
    let mut found: Vec<Found> = files.into_iter().map(named).collect();
    found.sort();
    let twice = |pair: &[Found]| pair[0].kind == pair[1].kind && pair[0].slug == pair[1].slug;
    let faults: Vec<Fault> = found
        .windows(2)
        .filter(|pair| twice(pair))
        .map(|pair| {
            let Found { kind, slug, file } = &pair[0];
            fault(&pair[1].file, format!("the {kind} {slug} stands in {} too; keep one", file.display()))
        })
        .collect();
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

/// `courses/lessons/courses` and links that lead back are not followed for ever.
const DEEPEST: u32 = 3;

/// A folder that is looked through.
struct Folder<'a> {
    root: &'a Path,
    files: &'a mut Vec<PathBuf>,
    /// Links out of it, where documents would be.
    out: Vec<PathBuf>,
}

impl Folder<'_> {
    fn take(&mut self, file: PathBuf) {
        // What is not there any more, whoever reads it says.
        let inside = file.canonicalize().map_or(true, |real| is_within(self.root, &real));
        if inside { self.files.push(file) } else { self.out.push(file) }
    }

    fn within(&mut self, folder: &Path, depth: u32) -> std::io::Result<()> {
        let own = documents(folder);
        let alone = !own.is_empty();
        for file in own {
            self.take(file);
        }
        // A track may be called `courses`: what is in it besides is looked at, too.
        if alone && Kind::of_folder(folder).is_none() {
            return Ok(());
        }
        for entry in std::fs::read_dir(folder)?.filter_map(Result::ok) {
            if self.files.len() > MAX_DOCUMENTS {
                return Ok(());
            }
            let path = entry.path();
            if !path.is_dir() {
                if !alone && is_document(&path) {
                    self.take(path);
                }
            } else if path.canonicalize().is_ok_and(|real| !is_within(self.root, &real)) {
                // Not looked into; a link that no document would be found in does no harm.
                if Kind::of_folder(&path).is_some() || !documents(&path).is_empty() {
                    self.out.push(path);
                }
            } else if Kind::of_folder(&path).is_some() && depth < DEEPEST {
                self.within(&path, depth + 1)?;
            } else {
                for file in documents(&path) {
                    self.take(file);
                }
            }
        }
        Ok(())
    }
}

/// The documents of a folder that is theirs alone.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let file = |kind: Kind| {
        let names = ["yaml", "yml", "json"].map(|ext| folder.join(format!("{kind}.{ext}")));
        names.into_iter().find(|file| file.exists() && !file.is_dir())
    };
    Kind::ALL.into_iter().filter_map(file).collect()
}

/// Not what `jalon translate` keeps beside a document.
fn is_document(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.ends_with("translations.json")
        && path
            .extension()
            .is_some_and(|ext| ["yaml", "yml", "json"].iter().any(|known| ext.eq_ignore_ascii_case(known)))
}

fn named(file: PathBuf) -> Found {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let Some(kind) = Kind::named(&stem) else { return Found { kind: Kind::of_file(&file), slug: stem, file } };
    let folder = file.canonicalize().ok().and_then(|file| file.parent().map(Path::to_owned)).unwrap_or_default();
    let slug = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    Found { kind, slug, file }
}
