//! Documents into a site: all of them, or nothing.

use std::path::{Path, PathBuf};

use jalon_shared::{
    FieldError, Problem, SiteId, Timestamp,
    course::source::{BankSource, CourseSource, LessonSource},
    slug::{BankSlug, CourseSlug, LessonSlug, NotASlug},
    track::{TrackSlug, TrackSource},
};
use serde::{Serialize, de};

use super::{
    Fault, MAX_ALL,
    document::{self, Places, Read},
    fault,
    find::{Found, Kind, find},
    read_text,
};
use crate::{
    course::author::{self as courses, Shared},
    db::{Db, DbError, Tx},
    http::{auth::Reach, error::ApiError},
    track::author as tracks,
};

/// Why nothing was imported, or exported.
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
    /// A document was refused though its files are in order.
    #[error("{0}: {1}")]
    Refused(String, String),
}

/// A document that was read.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its name: the folder's, or the file's.
    pub slug: String,
    /// What stands there.
    pub source: Source,
    /// What of its question files was not kept.
    pub warnings: Vec<Fault>,
    places: Places,
}

/// What a document holds.
#[derive(Clone, PartialEq, Debug)]
pub enum Source {
    /// A question bank.
    Bank(BankSlug, BankSource),
    /// A lesson that courses share.
    Lesson(LessonSlug, LessonSource),
    /// A course.
    Course(CourseSlug, CourseSource),
    /// A track.
    Track(TrackSlug, TrackSource),
}

impl Source {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Bank(..) => Kind::Bank,
            Self::Lesson(..) => Kind::Lesson,
            Self::Course(..) => Kind::Course,
            Self::Track(..) => Kind::Track,
        }
    }
}

/// Reads what lies at a path. Answers every fault of every file.
pub fn read(path: &Path, media_base: Option<&str>) -> Result<Vec<Document>, Vec<Fault>> {
    let mut documents = Vec::new();
    let mut faults = Vec::new();
    let mut bytes = 0;
    for found in find(path)? {
        match read_found(&found, media_base) {
            Ok((document, read)) => {
                documents.push(document);
                bytes += read;
            }
            Err(found) => faults.extend(found),
        }
        if bytes > MAX_ALL {
            return Err(vec![fault(path, format!("holds more than {MAX_ALL} bytes; import it in parts"))]);
        }
    }
    if faults.is_empty() { Ok(documents) } else { Err(faults) }
}

fn read_found(found: &Found, media_base: Option<&str>) -> Result<(Document, u64), Vec<Fault>> {
    let read = Reading { found, media_base };
    match found.kind {
        Kind::Bank => read.document(BankSlug::parse, Shared::faults, Source::Bank),
        Kind::Lesson => read.document(LessonSlug::parse, Shared::faults, Source::Lesson),
        Kind::Course => read.document(CourseSlug::parse, courses::faults, Source::Course),
        Kind::Track => read.document(TrackSlug::parse, tracks::faults, Source::Track),
    }
}

struct Reading<'a> {
    found: &'a Found,
    media_base: Option<&'a str>,
}

impl Reading<'_> {
    fn document<N, S: de::DeserializeOwned>(
        &self,
        parse: impl Fn(&str) -> Result<N, NotASlug>,
        check: impl Fn(&S) -> Vec<FieldError>,
        source: impl Fn(N, S) -> Source,
    ) -> Result<(Document, u64), Vec<Fault>> {
        let Found { kind, slug, file } = self.found;
        let name = parse(slug).map_err(|error| {
            vec![fault(file, format!("the {kind} takes its slug from this name, {slug:?}: {error}"))]
        })?;
        let text = read_text(file).map_err(|error| vec![fault(file, error)])?;
        let Read { source: read, warnings, places, bytes } = document::read(file, &text, self.media_base, check)?;
        Ok((Document { slug: slug.clone(), source: source(name, read), warnings, places }, bytes))
    }
}

/// Checks the text of a file as importing would; what it names must be in the site for that, and is not looked for.
pub fn check(kind: Kind, file: &Path, text: &str, media_base: Option<&str>) -> Result<(), Vec<Fault>> {
    match kind {
        Kind::Bank => document::read(file, text, media_base, BankSource::faults).map(drop),
        Kind::Lesson => document::read(file, text, media_base, LessonSource::faults).map(drop),
        Kind::Course => document::read(file, text, media_base, courses::faults).map(drop),
        Kind::Track => document::read(file, text, media_base, tracks::faults).map(drop),
    }
}

/// What became of an imported document.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub slug: String,
    /// Its newest version; how often it was written, where it has none.
    pub version: i64,
    /// Whether that version is new.
    pub changed: bool,
    /// Whether learners begin with it now; nothing, where courses take it with their next version.
    pub published: Option<bool>,
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
    let documents = read(path, media_base).map_err(FolderError::Faults)?;
    db.write(move |tx| {
        Box::pin(async move {
            let mut imported = Vec::with_capacity(documents.len());
            for Document { slug, source, warnings, places } in documents {
                let kind = source.kind();
                let put = Put { site, publish, now };
                let stood = put.source(tx, source).await.map_err(|error| refused(kind, &slug, &places, &error))?;
                let Stood { version, changed, published } = stood;
                imported.push(Imported { kind, slug, version, changed, published, warnings });
            }
            Ok(imported)
        })
    })
    .await
}

/// What only the site's other content shows, a bank that is not there, is told by file and line too.
fn refused(kind: Kind, slug: &str, places: &Places, error: &ApiError) -> FolderError {
    let Problem { errors, detail, .. } = error.problem().clone();
    if errors.is_empty() {
        return FolderError::Refused(format!("{kind} {slug}"), detail);
    }
    FolderError::Faults(errors.into_iter().map(|error| places.fault(&error.pointer, error.detail)).collect())
}

struct Put {
    site: SiteId,
    publish: bool,
    now: Timestamp,
}

/// How a document stands after it was put.
struct Stood {
    version: i64,
    changed: bool,
    published: Option<bool>,
}

impl Put {
    async fn source(&self, tx: &mut Tx<'_>, source: Source) -> Result<Stood, ApiError> {
        match source {
            Source::Bank(slug, source) => self.part(tx, slug.as_str(), source).await,
            Source::Lesson(slug, source) => self.part(tx, slug.as_str(), source).await,
            Source::Course(slug, source) => self.course(tx, slug, source).await,
            Source::Track(slug, source) => self.track(tx, slug, source).await,
        }
    }

    async fn part<S: Shared>(&self, tx: &mut Tx<'_>, slug: &str, source: S) -> Result<Stood, ApiError> {
        let wrote = courses::put_part(tx, self.site, slug, source, |_| Ok(()), self.now).await?;
        Ok(Stood { version: wrote.now.revision, changed: wrote.changed, published: None })
    }

    async fn course(&self, tx: &mut Tx<'_>, slug: CourseSlug, source: CourseSource) -> Result<Stood, ApiError> {
        let wrote = courses::put(tx, self.site, &slug, source, &Reach::Site, |_| Ok(()), self.now).await?;
        let mut course = wrote.now;
        if self.publish {
            let publish = courses::Change::Publish;
            course = courses::change(tx, self.site, &slug, publish, &Reach::Site, |_| Ok(()), self.now).await?;
        }
        let published = course.published_version == Some(course.latest_version);
        Ok(Stood { version: course.latest_version.into(), changed: wrote.changed, published: Some(published) })
    }

    async fn track(&self, tx: &mut Tx<'_>, slug: TrackSlug, source: TrackSource) -> Result<Stood, ApiError> {
        let wrote = tracks::put(tx, self.site, &slug, source, |_| Ok(()), self.now).await?;
        let mut track = wrote.track;
        if self.publish {
            track = tracks::change(tx, self.site, &slug, tracks::Change::Publish, |_| Ok(()), self.now).await?;
        }
        let published = track.published_version == Some(track.latest_version);
        Ok(Stood { version: track.latest_version.into(), changed: wrote.changed, published: Some(published) })
    }
}
