//! Tracks as a folder: `<slug>/track.yaml` (or `.json`) with Markdown beside it, in and out.
//!
//! A text may stand in a file of its own: `body: {fr: {file: welcome.fr.md}}`. An address may begin
//! with `{media}`, which importing replaces. What can't be read names file, line and field, and
//! nothing at all is imported.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::{Path, PathBuf},
};

use jalon_shared::{
    FieldError, Lang, LocalizedText, SiteId, Timestamp,
    track::{StepSource, TrackSlug, TrackSource, TrackType},
};
use serde::{Deserialize, Serialize, de};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::author::{self, Change};
use crate::{
    db::{Db, DbError},
    http::error::ApiError,
};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

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

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// What was found in the files; all of it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Faults(Vec<Fault>),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A file can't be written.
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// A track was refused though its files are in order.
    #[error("{0}: {1}")]
    Refused(TrackSlug, String),
}

/// A track that was read.
#[derive(Clone, Debug)]
pub struct Read {
    /// Its name: the folder's, or the file's.
    pub slug: TrackSlug,
    /// What stands there.
    pub source: TrackSource,
}

/// Reads a file (one track), a track's folder, or a folder of either. Answers every fault of every file.
pub fn read(path: &Path, media_base: Option<&str>) -> Result<Vec<Read>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut tracks = Vec::new();
    let files = files(path).map_err(|fault| vec![fault])?;
    for file in files {
        match read_track(&file, media_base) {
            Ok(read) => tracks.push(read),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(tracks) } else { Err(faults) }
}

fn fault(file: &Path, detail: impl Into<String>) -> Fault {
    Fault { file: file.to_owned(), line: None, pointer: String::new(), detail: detail.into() }
}

/// Not what `jalon translate` keeps beside a track.
fn is_track_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.ends_with("translations.json")
        && path
            .extension()
            .is_some_and(|ext| ["yaml", "yml", "json"].iter().any(|known| ext.eq_ignore_ascii_case(known)))
}

/// The file in a track's folder.
fn track_file(folder: &Path) -> Option<PathBuf> {
    ["track.yaml", "track.yml", "track.json"].iter().map(|name| folder.join(name)).find(|file| file.is_file())
}

/// The tracks' files: the file itself, the one in a track's folder, or those in a folder of either.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, Fault> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if let Some(file) = track_file(path) {
        return Ok(vec![file]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| fault(path, format!("can't be read: {error}")))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter_map(|path| if path.is_dir() { track_file(&path) } else { is_track_file(&path).then_some(path) })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(fault(path, "holds no track: put <slug>/track.yaml in it, or name a file"));
    }
    Ok(files)
}

fn slug_of(file: &Path) -> Result<TrackSlug, Fault> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = if stem == "track" {
        let folder = file.canonicalize().ok().and_then(|file| file.parent().map(Path::to_owned)).unwrap_or_default();
        folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned()
    } else {
        stem.to_owned()
    };
    TrackSlug::parse(&name)
        .map_err(|error| fault(file, format!("the track takes its slug from this name, {name:?}: {error}")))
}

fn read_text(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("is larger than {MAX_FILE} bytes"));
    }
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}

fn read_track(file: &Path, media_base: Option<&str>) -> Result<Read, Vec<Fault>> {
    let slug = slug_of(file).map_err(|fault| vec![fault])?;
    let text = read_text(file).map_err(|error| vec![fault(file, error)])?;
    parse(file, &text, media_base).map(|source| Read { slug, source })
}

/// Reads the text of a track's file, which says where the texts that it names lie.
pub fn parse(file: &Path, text: &str, media_base: Option<&str>) -> Result<TrackSource, Vec<Fault>> {
    document(file, text, media_base, author::faults)
}

/// Reads something written: YAML or JSON, with texts that may lie in files beside it. What `check` finds is
/// told by file, line and field.
pub fn document<S: de::DeserializeOwned>(
    file: &Path,
    text: &str,
    media_base: Option<&str>,
    check: impl Fn(&S) -> Vec<FieldError>,
) -> Result<S, Vec<Fault>> {
    // A course has 16 levels; every level costs stack, tens of kilobytes in a debug build.
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: 20 } };
    let root: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map(|location| location.line());
        let message = error.without_snippet().to_string();
        vec![Fault { file: file.to_owned(), line, pointer: String::new(), detail: message }]
    })?;
    let mut reader = Reader { file, media_base, places: HashMap::new(), faults: Vec::new() };
    let value = reader.value(&root, String::new());
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let source: S = serde_path_to_error::deserialize(value).map_err(|error| {
        let pointer = pointer_of(error.path());
        vec![reader.fault_at(&pointer, error.into_inner().to_string())]
    })?;
    let faults: Vec<Fault> =
        check(&source).into_iter().map(|error| reader.fault_at(&error.pointer, error.detail)).collect();
    if faults.is_empty() { Ok(source) } else { Err(faults) }
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{key}"),
        Segment::Enum { variant } => format!("{pointer}/{variant}"),
        Segment::Unknown => pointer,
    })
}

/// YAML or JSON, with the place of each value.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(String, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, a list or a map")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Scalar(Value::Null))
            }
            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Scalar(Value::Null))
            }
            fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                Node::deserialize(deserializer)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut entries: Vec<(String, Spanned<Node>)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Spanned<Node>>()? {
                    if entries.iter().any(|(known, _)| *known == key) {
                        return Err(de::Error::custom(format!("the key {key:?} stands here twice")));
                    }
                    entries.push((key, value));
                }
                Ok(Node::Map(entries))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

struct Reader<'a> {
    file: &'a Path,
    media_base: Option<&'a str>,
    /// Where each pointer stands: in this file by line, or in a file of its own.
    places: HashMap<String, (PathBuf, Option<u64>)>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn value(&mut self, node: &Spanned<Node>, pointer: String) -> Value {
        self.places.insert(pointer.clone(), (self.file.to_owned(), Some(node.referenced.line())));
        match &node.value {
            Node::Scalar(Value::String(text)) => {
                if text.starts_with("{media}") && self.media_base.is_none() {
                    let (file, line) = (self.file.to_owned(), Some(node.referenced.line()));
                    let detail = "say what {media} stands for: --media-base https://…".to_owned();
                    self.faults.push(Fault { file, line, pointer, detail });
                }
                Value::String(self.address(text))
            }
            Node::Scalar(value) => value.clone(),
            Node::List(items) => {
                items.iter().enumerate().map(|(place, item)| self.value(item, format!("{pointer}/{place}"))).collect()
            }
            Node::Map(entries) => match entries.as_slice() {
                [(key, Spanned { value: Node::Scalar(Value::String(name)), .. })] if key == "file" => {
                    self.file_text(name, pointer, node.referenced.line())
                }
                entries => {
                    let pairs =
                        entries.iter().map(|(key, item)| (key.clone(), self.value(item, format!("{pointer}/{key}"))));
                    Value::Object(pairs.collect::<Map<_, _>>())
                }
            },
        }
    }

    fn address(&self, text: &str) -> String {
        match (text.strip_prefix("{media}"), self.media_base) {
            (Some(rest), Some(base)) => format!("{}{rest}", base.trim_end_matches('/')),
            _ => text.to_owned(),
        }
    }

    /// A text in a file beside this one; never above it.
    fn file_text(&mut self, name: &str, pointer: String, line: u64) -> Value {
        let plain = !name.is_empty()
            && Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let path = self.file.parent().unwrap_or(Path::new("")).join(name);
        let text = if plain { read_text(&path) } else { Err("name a file beside this one".to_owned()) };
        match text {
            Ok(text) => {
                self.places.insert(pointer, (path, None));
                Value::String(text)
            }
            Err(error) => {
                self.faults.push(Fault {
                    file: self.file.to_owned(),
                    line: Some(line),
                    pointer,
                    detail: format!("{name}: {error}"),
                });
                Value::Null
            }
        }
    }

    /// A fault at a pointer, or at the nearest place around it that stands in a file.
    fn fault_at(&self, pointer: &str, detail: String) -> Fault {
        let mut around = pointer;
        loop {
            if let Some((file, line)) = self.places.get(around) {
                return Fault { file: file.clone(), line: *line, pointer: pointer.to_owned(), detail };
            }
            match around.rfind('/') {
                Some(end) => around = &around[..end],
                None => return Fault { file: self.file.to_owned(), line: None, pointer: pointer.to_owned(), detail },
            }
        }
    }
}

/// What became of an imported track.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// The track.
    pub slug: TrackSlug,
    /// Its newest version.
    pub version: u32,
    /// Whether that version is new.
    pub changed: bool,
    /// Whether learners begin with it now.
    pub published: bool,
}

/// Imports all or nothing, in one transaction; what is there already in the same words is left alone.
pub async fn import(
    db: &Db,
    site: SiteId,
    path: &Path,
    media_base: Option<&str>,
    publish: bool,
    now: Timestamp,
) -> Result<Vec<Imported>, FolderError> {
    let tracks = read(path, media_base).map_err(FolderError::Faults)?;
    let imported: Result<Vec<Imported>, Failed> = db
        .write(move |tx| {
            Box::pin(async move {
                let mut imported = Vec::with_capacity(tracks.len());
                for Read { slug, source } in tracks {
                    let failed = |error: ApiError| Failed::Refused(slug.clone(), error.problem().clone());
                    let written = author::put(tx, site, &slug, source, |_| Ok(()), now).await.map_err(failed)?;
                    let mut track = written.track;
                    if publish {
                        track =
                            author::change(tx, site, &slug, Change::Publish, |_| Ok(()), now).await.map_err(failed)?;
                    }
                    let published = track.published_version == Some(track.latest_version);
                    imported.push(Imported {
                        slug,
                        version: track.latest_version,
                        changed: written.changed,
                        published,
                    });
                }
                Ok(imported)
            })
        })
        .await;
    imported.map_err(|failed| match failed {
        Failed::Db(error) => FolderError::Db(error),
        Failed::Refused(slug, problem) => FolderError::Refused(slug, problem.detail),
    })
}

enum Failed {
    Db(DbError),
    Refused(TrackSlug, jalon_shared::Problem),
}

impl From<DbError> for Failed {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// A track as it is written out: long texts in files of their own.
#[derive(Serialize)]
struct Written<'a> {
    track_type: TrackType,
    source_lang: &'a Lang,
    cms_block_enabled: bool,
    title: &'a LocalizedText,
    #[serde(skip_serializing_if = "LocalizedText::is_empty")]
    summary: &'a LocalizedText,
    steps: Vec<WrittenStep>,
}

#[derive(Serialize)]
struct WrittenStep {
    #[serde(flatten)]
    step: StepSource,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    body: BTreeMap<Lang, FileName>,
}

#[derive(Serialize)]
struct FileName {
    file: String,
}

/// Writes one track as `<out>/<slug>/track.yaml` with its Markdown beside it: what [`import`] takes.
pub fn write(out: &Path, slug: &TrackSlug, source: &TrackSource) -> Result<(), FolderError> {
    let folder = out.join(slug.as_str());
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| FolderError::Io(path, error)
    };
    std::fs::create_dir_all(&folder).map_err(io(&folder))?;
    let mut steps = Vec::with_capacity(source.steps.len());
    for step in &source.steps {
        let mut step = step.clone();
        let mut body = BTreeMap::new();
        for (lang, text) in step.body.take().into_iter().flat_map(|body| body.0) {
            let file = format!("{}.{lang}.md", step.key);
            let path = folder.join(&file);
            std::fs::write(&path, text).map_err(io(&path))?;
            body.insert(lang, FileName { file });
        }
        steps.push(WrittenStep { step, body });
    }
    let written = Written {
        track_type: source.track_type,
        source_lang: &source.source_lang,
        cms_block_enabled: source.cms_block_enabled,
        title: &source.title,
        summary: &source.summary,
        steps,
    };
    let path = folder.join("track.yaml");
    let yaml = serde_saphyr::to_string(&written)
        .map_err(|error| FolderError::Io(path.clone(), std::io::Error::other(error.to_string())))?;
    std::fs::write(&path, yaml).map_err(io(&path))
}

/// Writes all of a site's tracks, in their newest versions; answers their slugs.
pub async fn export(db: &Db, site: SiteId, out: &Path) -> Result<Vec<TrackSlug>, FolderError> {
    let tracks = db
        .read(move |tx| {
            Box::pin(async move {
                let mut tracks = Vec::new();
                for row in super::store::tracks(tx, site).await? {
                    let definition = super::store::definition(tx, site, row.id, row.latest_version).await?;
                    tracks.extend(definition.map(|definition| (row.slug, definition.source)));
                }
                Ok::<_, DbError>(tracks)
            })
        })
        .await?;
    for (slug, source) in &tracks {
        write(out, slug, source)?;
    }
    Ok(tracks.into_iter().map(|(slug, _)| slug).collect())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn examples() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/content")
    }

    #[test]
    fn what_is_written_out_reads_back_the_same_and_writes_the_same_again() {
        let tracks = read(&examples(), Some("https://media.example")).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(tracks.len(), 5);
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for track in &tracks {
            write(first.path(), &track.slug, &track.source).unwrap();
        }
        let again = read(first.path(), None).unwrap_or_else(|faults| panic!("{faults:#?}"));
        for (before, after) in tracks.iter().zip(&again) {
            assert_eq!(before.source, after.source, "{}", before.slug);
            write(second.path(), &after.slug, &after.source).unwrap();
            let text =
                |root: &Path| std::fs::read_to_string(root.join(after.slug.as_str()).join("track.yaml")).unwrap();
            assert_eq!(text(first.path()), text(second.path()));
        }
    }

    #[test]
    fn a_broken_file_names_file_line_and_field() {
        let folder = tempfile::tempdir().unwrap();
        let broken = |yaml: &str| {
            let file = folder.path().join("broken.yaml");
            std::fs::write(&file, yaml).unwrap();
            let faults = read(&file, None).unwrap_err();
            assert!(faults.iter().all(|fault| fault.file.ends_with("broken.yaml")));
            faults.into_iter().map(|fault| (fault.line, fault.pointer, fault.detail)).collect::<Vec<_>>()
        };
        let head = "track_type: beginner_intro\nsource_lang: fr\ntitle: {fr: Un}\nsteps:\n";
        let cases = [
            (
                format!("{head}  - key: a\n    kind: content\n    title: {{fr: A}}\n    body: {{en: text}}\n"),
                8,
                "/steps/0/body/fr",
            ),
            (
                format!("{head}  - key: a\n    kind: link\n    title: {{fr: A}}\n    url: javascript:alert(1)\n"),
                8,
                "/steps/0/url",
            ),
            (
                format!(
                    "{head}  - key: a\n    kind: content\n    title: {{fr: A}}\n    body: {{fr: \"[x](javascript:alert(1))\"}}\n"
                ),
                8,
                "/steps/0/body/fr",
            ),
            (
                format!(
                    "{head}  - key: a\n    kind: content\n    colour: red\n    title: {{fr: A}}\n    body: {{fr: A}}\n"
                ),
                7,
                "/steps/0/colour",
            ),
            (
                format!(
                    "{head}  - key: a\n    kind: content\n    title: {{fr: A}}\n    body: {{fr: {{file: ../secret}}}}\n"
                ),
                8,
                "/steps/0/body/fr",
            ),
            (
                format!(
                    "{head}  - key: a\n    order: 2\n    kind: content\n    title: {{fr: A}}\n    body: {{fr: A}}\n"
                ),
                6,
                "/steps/0/order",
            ),
        ];
        for (yaml, line, pointer) in cases {
            let faults = broken(&yaml);
            assert!(faults.iter().any(|fault| fault.0 == Some(line) && fault.1 == pointer), "{yaml}\n{faults:?}");
        }
        let media =
            broken(&format!("{head}  - key: a\n    kind: link\n    title: {{fr: A}}\n    url: \"{{media}}/a\"\n"));
        assert!(media[0].0 == Some(8) && media[0].2.contains("--media-base"), "{media:?}");
        let unclosed = broken("track_type: [beginner_intro\nsource_lang: fr\n");
        assert!(unclosed[0].0.is_some());
    }
}
