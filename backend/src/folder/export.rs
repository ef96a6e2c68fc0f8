//! A site's documents as folders: what `import` takes, back. The same content gives the same bytes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jalon_shared::{
    Lang, LocalizedText, SiteId,
    course::source::{BankSource, LessonSource},
    slug::{BankSlug, LessonSlug},
};
use serde::Serialize;

use super::{
    find::Kind,
    import::{FolderError, Source},
};
use crate::{
    course::{self, author::Shared},
    db::{Db, DbError, Tx},
    track,
};

/// Where a document was written.
#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub slug: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// Writes all of a site's documents, as they were last written.
pub async fn export(db: &Db, site: SiteId, out: &Path) -> Result<Vec<Exported>, FolderError> {
    let sources = db.read(move |tx| Box::pin(async move { sources(tx, site).await })).await?;
    sources.iter().map(|source| write(out, source)).collect()
}

async fn sources(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<Source>, DbError> {
    let mut sources = Vec::new();
    for (slug, bank) in parts::<BankSource>(tx, site).await? {
        sources.push(Source::Bank(BankSlug::parse(&slug).map_err(DbError::other)?, bank));
    }
    for (slug, lesson) in parts::<LessonSource>(tx, site).await? {
        sources.push(Source::Lesson(LessonSlug::parse(&slug).map_err(DbError::other)?, lesson));
    }
    for row in course::store::courses(tx, site).await? {
        let definition = course::store::definition(tx, site, row.id, row.latest_version).await?;
        sources.extend(definition.map(|definition| Source::Course(row.slug, definition.course.source)));
    }
    for row in track::store::tracks(tx, site).await? {
        let definition = track::store::definition(tx, site, row.id, row.latest_version).await?;
        sources.extend(definition.map(|definition| Source::Track(row.slug, definition.source)));
    }
    Ok(sources)
}

async fn parts<S: Shared>(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<(String, S)>, DbError> {
    let mut parts = Vec::new();
    for (slug, _) in course::store::parts(tx, site, S::PART).await? {
        let part = course::store::part::<S>(tx, site, S::PART, &slug, course::store::Held::No).await?;
        parts.extend(part.map(|(_, written)| (slug, written.source)));
    }
    Ok(parts)
}

/// Writes one document: a track as `<out>/<slug>/track.yaml`, others in the folder of their kind.
pub fn write(out: &Path, source: &Source) -> Result<Exported, FolderError> {
    let kind = source.kind();
    let (slug, folder) = match source {
        Source::Bank(slug, _) => (slug.as_str(), out.join(kind.folder()).join(slug.as_str())),
        Source::Lesson(slug, _) => (slug.as_str(), out.join(kind.folder()).join(slug.as_str())),
        Source::Course(slug, _) => (slug.as_str(), out.join(kind.folder()).join(slug.as_str())),
        Source::Track(slug, _) => (slug.as_str(), out.join(slug.as_str())),
    };
    let to = Folder::new(folder)?;
    match source {
        Source::Bank(_, bank) => to.document(kind, bank)?,
        Source::Lesson(_, lesson) => course::folder::lesson(lesson, &to)?,
        Source::Course(_, course) => course::folder::course(course, &to)?,
        Source::Track(_, track) => track::folder::track(track, &to)?,
    }
    Ok(Exported { kind, slug: slug.to_owned(), folder: to.path })
}

/// A document's folder, while it is written.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// A text in a file of its own: `{file: welcome.fr.md}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct FileName {
    file: String,
}

impl Folder {
    fn new(path: PathBuf) -> Result<Self, FolderError> {
        std::fs::create_dir_all(&path).map_err(|error| FolderError::Io(path.clone(), error))?;
        Ok(Self { path })
    }

    /// Writes a text's languages as `<name>.<lang>.md`, and says where.
    pub(crate) fn texts(&self, name: &str, text: &LocalizedText) -> Result<BTreeMap<Lang, FileName>, FolderError> {
        let mut names = BTreeMap::new();
        for (lang, words) in &text.0 {
            let file = format!("{name}.{lang}.md");
            self.file(&file, words)?;
            names.insert(lang.clone(), FileName { file });
        }
        Ok(names)
    }

    /// Writes the document itself.
    pub(crate) fn document(&self, kind: Kind, document: &impl Serialize) -> Result<(), FolderError> {
        let name = format!("{kind}.yaml");
        let yaml = serde_saphyr::to_string(document)
            .map_err(|error| FolderError::Io(self.path.join(&name), std::io::Error::other(error.to_string())))?;
        self.file(&name, &yaml)
    }

    fn file(&self, name: &str, text: &str) -> Result<(), FolderError> {
        let path = self.path.join(name);
        let folder = path.parent().unwrap_or(&self.path);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| FolderError::Io(path, error))
    }
}
