//! An author's file with texts in several languages: where they are, and how they are written.
//!
//! Nothing here knows tracks: a [`Shape`] says which fields hold texts and who checks the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jalon_shared::Lang;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::markdown::Format;
use crate::folder::{
    Fault,
    find::Kind,
    import::check,
    node::{Node, parse},
};

/// What kind of document a file is.
#[derive(Debug)]
pub struct Shape {
    /// Fields with words only.
    pub plain: &'static [&'static str],
    /// Fields with Markdown.
    pub markdown: &'static [&'static str],
    /// Fields by language that no machine writes: what is right, and addresses.
    pub by_hand: &'static [&'static str],
    /// The whole document's check, as `import` does it.
    pub check: fn(&Path, &str) -> Result<(), Vec<Fault>>,
}

/// What may be wrong doesn't depend on where media lie.
const MEDIA: Option<&str> = Some("https://media.invalid");
const BY_HAND: &[&str] = &["accept", "captions"];

/// A track.
pub const TRACK: Shape = Shape {
    plain: &["title", "summary"],
    markdown: &["body", "prompt", "feedback", "text", "left", "right", "hints", "guidance"],
    by_hand: BY_HAND,
    check: |file, text| check(Kind::Track, file, text, MEDIA),
};

/// In courses a summary is Markdown, too.
const COURSE_MARKDOWN: &[&str] =
    &["summary", "body", "prompt", "feedback", "text", "left", "right", "hints", "guidance"];

/// A course.
pub const COURSE: Shape = Shape {
    plain: &["title"],
    markdown: COURSE_MARKDOWN,
    by_hand: BY_HAND,
    check: |file, text| check(Kind::Course, file, text, MEDIA),
};

/// A lesson that courses share.
pub const LESSON: Shape = Shape {
    plain: &["title"],
    markdown: COURSE_MARKDOWN,
    by_hand: BY_HAND,
    check: |file, text| check(Kind::Lesson, file, text, MEDIA),
};

/// A question bank.
pub const BANK: Shape = Shape {
    plain: &["title"],
    markdown: COURSE_MARKDOWN,
    by_hand: BY_HAND,
    check: |file, text| check(Kind::Bank, file, text, MEDIA),
};

/// The shape of a kind of document.
pub fn shape(kind: Kind) -> &'static Shape {
    match kind {
        Kind::Bank => &BANK,
        Kind::Lesson => &LESSON,
        Kind::Course => &COURSE,
        Kind::Track => &TRACK,
    }
}

/// Why a document can't be worked with.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// What `import` would say of it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Fault>),
    /// A file can't be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// Somebody wrote to it meanwhile.
    #[error("{0} was changed by somebody else meanwhile: run this again, what was paid for is kept")]
    Changed(PathBuf),
}

/// A document that was read.
#[derive(Debug)]
pub struct Document {
    /// Its file.
    pub path: PathBuf,
    /// The language it is written in.
    pub source_lang: Lang,
    /// Its texts, in the order of the file.
    pub texts: Vec<Text>,
    /// What no machine writes: its path, and the languages it is there in.
    pub by_hand: Vec<(String, BTreeSet<Lang>)>,
    pub(super) source: String,
    pub(super) value: Value,
    shape: &'static Shape,
}

/// One text in all its languages.
#[derive(Debug)]
pub struct Text {
    /// Where it is by the author's keys: `/steps/welcome/title`.
    pub path: String,
    /// Where it is by places: `/steps/0/title`.
    pub pointer: String,
    /// What it is written in.
    pub format: Format,
    /// What it says.
    pub words: BTreeMap<Lang, Words>,
    pub(super) map: Map,
}

/// A text in one language.
#[derive(Debug)]
pub struct Words {
    /// The words.
    pub text: String,
    /// The file beside the document that they stand in.
    pub file: Option<String>,
}

/// A map's layout.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub flow: bool,
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub tag: String,
    pub key: Range<usize>,
    pub value: Range<usize>,
    /// Whether it stands here, not elsewhere under an alias or in a merged map.
    pub own: bool,
    pub is_map: bool,
}

impl Document {
    /// Reads and checks a document.
    pub fn read(path: &Path, shape: &'static Shape) -> Result<Self, DocumentError> {
        let source = read_text(path)?;
        (shape.check)(path, &source).map_err(DocumentError::Faults)?;
        Self::parse(path, source, shape)
    }

    pub(super) fn parse(path: &Path, source: String, shape: &'static Shape) -> Result<Self, DocumentError> {
        let fault = |line: Option<u64>, detail: String| {
            DocumentError::Faults(vec![Fault { file: path.to_owned(), line, pointer: String::new(), detail }])
        };
        let root = parse(&source).map_err(|(line, detail)| fault(line, detail))?;
        let value = value(&root.value);
        let source_lang = value["source_lang"].as_str().and_then(|tag| Lang::parse(tag).ok());
        let source_lang = source_lang.ok_or_else(|| fault(None, "has no source_lang".to_owned()))?;
        let mut finder =
            Finder { path, shape, source: &source, source_lang: &source_lang, texts: Vec::new(), by_hand: Vec::new() };
        finder.visit(&root, None, &Place::default())?;
        let Finder { texts, by_hand, .. } = finder;
        Ok(Self { path: path.to_owned(), source_lang, texts, by_hand, source, value, shape })
    }

    /// Its title, as context for a translator.
    pub fn title(&self) -> &str {
        let title = self.texts.iter().find(|text| text.pointer == "/title");
        title.and_then(|text| text.words.get(&self.source_lang)).map_or("", |words| &words.text)
    }

    /// A file beside it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(name)
    }

    /// The document's check on another text of it.
    pub(super) fn check(&self, source: &str) -> Result<(), Vec<Fault>> {
        (self.shape.check)(&self.path, source)
    }

    /// Replaces its text, in the file too, when nobody else has done so.
    pub(super) fn replace(&mut self, source: String) -> Result<(), DocumentError> {
        self.unchanged()?;
        write_whole(&self.path, &source)?;
        *self = Self::parse(&self.path, source, self.shape)?;
        Ok(())
    }

    /// Whether the file still is what was read.
    pub(super) fn unchanged(&self) -> Result<(), DocumentError> {
        if read_text(&self.path)? == self.source { Ok(()) } else { Err(DocumentError::Changed(self.path.clone())) }
    }
}

pub(super) fn read_text(path: &Path) -> Result<String, DocumentError> {
    // A file that is not there is told from one that can't be read.
    std::fs::metadata(path).map_err(|error| DocumentError::Io(path.to_owned(), error))?;
    crate::folder::read_text(path).map_err(|error| DocumentError::Io(path.to_owned(), std::io::Error::other(error)))
}

/// A text file that a document names, which lies in this folder.
fn read_beside(folder: &Path, name: &str) -> Result<String, DocumentError> {
    let path = folder.join(name);
    crate::folder::read_within(folder, &path).map_err(|error| DocumentError::Io(path, std::io::Error::other(error)))
}

/// Writes a file so that there is always the whole old one or the whole new one.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), DocumentError> {
    let io = |error| DocumentError::Io(path.to_owned(), error);
    // A link stays a link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".jalon-").tempfile_in(folder).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    if let Ok(before) = std::fs::metadata(&path) {
        file.as_file().set_permissions(before.permissions()).map_err(io)?;
    } else {
        everybody_may_read(file.as_file()).map_err(io)?;
    }
    file.persist(&path).map_err(|error| io(error.error))?;
    Ok(())
}

/// Temporary files are for their owner only; an author's are not.
#[cfg(unix)]
fn everybody_may_read(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn everybody_may_read(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

pub(super) fn value(node: &Node) -> Value {
    match node {
        Node::Scalar(value) => value.clone(),
        Node::List(items) => items.iter().map(|item| value(&item.value)).collect(),
        Node::Map(entries) => {
            Value::Object(entries.iter().map(|(key, item)| (key.value.clone(), value(&item.value))).collect())
        }
    }
}

fn range<T>(node: &Spanned<T>) -> Option<Range<usize>> {
    let span = node.referenced.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    Some(start..start + usize::try_from(span.byte_len()?).ok()?)
}

#[derive(Clone, Default)]
struct Place {
    path: String,
    pointer: String,
}

impl Place {
    fn below(&self, name: &str, place: &str) -> Self {
        Self { path: format!("{}/{name}", self.path), pointer: format!("{}/{place}", self.pointer) }
    }
}

struct Finder<'a> {
    path: &'a Path,
    shape: &'static Shape,
    source: &'a str,
    source_lang: &'a Lang,
    texts: Vec<Text>,
    by_hand: Vec<(String, BTreeSet<Lang>)>,
}

impl Finder<'_> {
    fn visit(&mut self, node: &Spanned<Node>, field: Option<&str>, place: &Place) -> Result<(), DocumentError> {
        match &node.value {
            Node::Scalar(_) => {}
            Node::List(items) => {
                for (number, item) in items.iter().enumerate() {
                    // A key names an item for ever; its place would change with every insertion.
                    let name = key_of(&item.value).unwrap_or_else(|| number.to_string());
                    self.visit(item, field, &place.below(&name, &number.to_string()))?;
                }
            }
            Node::Map(entries) => {
                let format = field.and_then(|field| {
                    let plain = self.shape.plain.contains(&field).then_some(Format::Plain);
                    plain.or(self.shape.markdown.contains(&field).then_some(Format::Markdown))
                });
                if let Some(format) = format
                    && entries.iter().any(|(key, _)| Lang::parse(&key.value).is_ok_and(|key| key == *self.source_lang))
                {
                    return self.text(node, entries, format, place);
                }
                if field.is_some_and(|field| self.shape.by_hand.contains(&field)) {
                    let langs = entries.iter().filter_map(|(key, _)| Lang::parse(&key.value).ok()).collect();
                    self.by_hand.push((place.path.clone(), langs));
                    return Ok(());
                }
                for (key, item) in entries {
                    self.visit(item, Some(&key.value), &place.below(&key.value, &key.value))?;
                }
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        node: &Spanned<Node>,
        entries: &[(Spanned<String>, Spanned<Node>)],
        format: Format,
        place: &Place,
    ) -> Result<(), DocumentError> {
        let mut words = BTreeMap::new();
        let mut laid_out = Vec::new();
        for (key, item) in entries {
            let Ok(lang) = Lang::parse(&key.value) else { continue };
            let file = match &item.value {
                Node::Map(inner) => match inner.as_slice() {
                    [(name, Spanned { value: Node::Scalar(Value::String(file)), .. })] if name.value == "file" => {
                        Some(file.clone())
                    }
                    _ => continue,
                },
                _ => None,
            };
            let text = match (&file, &item.value) {
                (Some(file), _) => read_beside(self.path.parent().unwrap_or(Path::new("")), file)?,
                (None, Node::Scalar(Value::String(text))) => text.clone(),
                _ => continue,
            };
            let (key_at, value_at) = (range(key).unwrap_or_default(), range(item).unwrap_or_default());
            let own = item.referenced == item.defined
                && key.referenced == key.defined
                && node.referenced == node.defined
                && self.source.get(key_at.clone()).is_some_and(|raw| raw.trim_matches(['"', '\'']) == key.value);
            let is_map = file.is_some();
            laid_out.push(Entry { tag: key.value.clone(), key: key_at, value: value_at, own, is_map });
            words.insert(lang, Words { text, file });
        }
        let flow = range(node).and_then(|at| self.source.get(at)).is_some_and(|raw| raw.starts_with('{'));
        let (path, pointer) = (place.path.clone(), place.pointer.clone());
        self.texts.push(Text { path, pointer, format, words, map: Map { flow, entries: laid_out } });
        Ok(())
    }
}

fn key_of(node: &Node) -> Option<String> {
    let Node::Map(entries) = node else { return None };
    let (_, key) = entries.iter().find(|(name, _)| name.value == "key")?;
    match &key.value {
        Node::Scalar(Value::String(key)) => Some(key.clone()),
        Node::Scalar(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}
