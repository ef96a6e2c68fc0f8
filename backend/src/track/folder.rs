//! Tracks as a folder: `<slug>/track.yaml` (or `.json`) with Markdown beside it, in and out.
//!
//! A text may stand in a file of its own: `body: {fr: {file: welcome.fr.md}}`. An address may begin
//! with `{media}`, which importing replaces. What can't be read names file, line and field, and
//! nothing at all is imported.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jalon_shared::{
    Lang, LocalizedText, SiteId, Timestamp,
    track::{StepSource, TrackSlug, TrackSource, TrackType},
};
use serde::Serialize;

pub use crate::folder::{Fault, document::document};

use super::author::{self, Change};
use crate::{
    db::{Db, DbError},
    folder::{document, fault, read_text},
    http::error::ApiError,
};

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
    /// What of its question files was not kept.
    pub warnings: Vec<Fault>,
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

fn read_track(file: &Path, media_base: Option<&str>) -> Result<Read, Vec<Fault>> {
    let slug = slug_of(file).map_err(|fault| vec![fault])?;
    let text = read_text(file).map_err(|error| vec![fault(file, error)])?;
    let document::Read { source, warnings } = document::read(file, &text, media_base, author::faults)?;
    Ok(Read { slug, source, warnings })
}

/// Reads the text of a track's file, which says where the texts that it names lie.
pub fn parse(file: &Path, text: &str, media_base: Option<&str>) -> Result<TrackSource, Vec<Fault>> {
    document(file, text, media_base, author::faults)
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
    /// What of its question files was not kept.
    pub warnings: Vec<Fault>,
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
                for Read { slug, source, warnings } in tracks {
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
                        warnings,
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
