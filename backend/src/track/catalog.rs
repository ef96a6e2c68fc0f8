//! What learners may be shown, held in memory: published versions never change, so they are read once.
//!
//! A site's list of tracks is read again when the site's revision has moved; every backend sees that
//! within a second, the one that changed it at once ([`Catalog::forget`]).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::body::Bytes;
use jalon_shared::{
    Lang, SiteId, TrackId, localized,
    track::{Outline, Track, TrackSlug, TrackState},
};

use super::store::{self, TrackRow};
use crate::{
    db::{Db, DbError, Tx},
    http::etag::ETag,
};

/// Answers kept ready for one version, at most: languages come from outside.
const RENDERED: usize = 256;

/// One version of a track, ready to use.
#[derive(Debug)]
pub struct Version {
    /// The track.
    pub track_id: TrackId,
    /// The version's number.
    pub number: u32,
    /// The track's name in addresses.
    pub slug: TrackSlug,
    /// What it holds, keys included.
    pub track: Track,
    /// What gating needs of it.
    pub outline: Outline,
    /// How many of its texts each language has, and of how many (L4).
    pub completeness: BTreeMap<Lang, (u32, u32)>,
    /// Whether it is known to have been published; what was published once stays so.
    published: AtomicBool,
    rendered: RwLock<HashMap<String, Rendered>>,
}

/// An answer kept ready.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The body.
    pub body: Bytes,
    /// Its entity tag.
    pub etag: ETag,
}

impl Version {
    /// The part of the wanted languages that can make a difference here: what the version has no text
    /// in is left out. So the number of different answers is bounded by what authors wrote.
    pub fn languages<'w>(&self, wanted: &'w [Lang]) -> Vec<&'w Lang> {
        wanted
            .iter()
            .filter(|lang| self.completeness.contains_key(*lang) || self.completeness.contains_key(&lang.base()))
            .collect()
    }

    /// The answer kept under `what` for these languages, made by `make` the first time.
    pub fn rendered(&self, what: &str, wanted: &[Lang], make: impl FnOnce() -> Vec<u8>) -> Rendered {
        let mut key = String::with_capacity(32);
        key.push_str(what);
        // Nothing asked for marks no fallback; something asked for and not there does (L2).
        key.push(if wanted.is_empty() { '-' } else { '+' });
        for lang in self.languages(wanted) {
            key.push_str(lang.as_str());
            key.push(',');
        }
        if let Some(found) = self.rendered.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return found.clone();
        }
        let body = make();
        let rendered = Rendered { etag: ETag::of(&body), body: body.into() };
        let mut kept = self.rendered.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= RENDERED {
            kept.clear();
        }
        kept.insert(key, rendered.clone());
        rendered
    }
}

#[derive(Debug)]
struct SiteTracks {
    revision: i64,
    by_slug: BTreeMap<TrackSlug, Arc<TrackRow>>,
    slugs: HashMap<TrackId, TrackSlug>,
}

/// Every site's tracks and their versions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog {
    db: Db,
    sites: Arc<RwLock<HashMap<SiteId, Arc<SiteTracks>>>>,
    versions: Arc<RwLock<Versions>>,
}

/// Versions by track and number.
type Versions = HashMap<(TrackId, u32), Arc<Version>>;

impl Catalog {
    /// Empty; fills as it is asked.
    pub fn new(db: &Db) -> Self {
        Self { db: db.clone(), sites: Arc::default(), versions: Arc::default() }
    }

    /// Has the site's tracks read again: something changed here.
    pub fn forget(&self, site: SiteId) {
        self.sites.write().unwrap_or_else(PoisonError::into_inner).remove(&site);
    }

    async fn site(&self, site: SiteId, revision: i64) -> Result<Arc<SiteTracks>, DbError> {
        let known = self.sites.read().unwrap_or_else(PoisonError::into_inner).get(&site).cloned();
        if let Some(known) = known.filter(|known| known.revision >= revision) {
            return Ok(known);
        }
        let rows = self.db.read(move |tx| Box::pin(async move { store::tracks(tx, site).await })).await?;
        let tracks = Arc::new(SiteTracks {
            revision,
            slugs: rows.iter().map(|row| (row.id, row.slug.clone())).collect(),
            by_slug: rows.into_iter().map(|row| (row.slug.clone(), Arc::new(row))).collect(),
        });
        self.sites.write().unwrap_or_else(PoisonError::into_inner).insert(site, Arc::clone(&tracks));
        Ok(tracks)
    }

    /// The site's track of this slug, in any state.
    pub async fn track(&self, site: SiteId, revision: i64, slug: &TrackSlug) -> Result<Option<Arc<TrackRow>>, DbError> {
        Ok(self.site(site, revision).await?.by_slug.get(slug).cloned())
    }

    /// The site's published tracks, by slug.
    pub async fn published(&self, site: SiteId, revision: i64) -> Result<Vec<Arc<TrackRow>>, DbError> {
        let tracks = self.site(site, revision).await?;
        Ok(tracks.by_slug.values().filter(|row| row.state == TrackState::Published).cloned().collect())
    }

    /// The slug of a track.
    pub async fn slug(&self, site: SiteId, revision: i64, track: TrackId) -> Result<Option<TrackSlug>, DbError> {
        if let Some(slug) = self.site(site, revision).await?.slugs.get(&track) {
            return Ok(Some(slug.clone()));
        }
        self.forget(site);
        Ok(self.site(site, revision).await?.slugs.get(&track).cloned())
    }

    /// A version that is in memory already.
    pub fn known_version(&self, track: TrackId, number: u32) -> Option<Arc<Version>> {
        self.versions.read().unwrap_or_else(PoisonError::into_inner).get(&(track, number)).cloned()
    }

    /// A version; `None` when there is none.
    pub async fn version(
        &self,
        site: SiteId,
        track: TrackId,
        slug: TrackSlug,
        number: u32,
    ) -> Result<Option<Arc<Version>>, DbError> {
        if let Some(known) = self.known_version(track, number) {
            return Ok(Some(known));
        }
        let this = self.clone();
        self.db.read(move |tx| Box::pin(async move { this.version_in(tx, site, track, slug, number).await })).await
    }

    /// A version that was published at some time; `None` for drafts, which are nobody's to see (E1).
    pub async fn once_published(
        &self,
        site: SiteId,
        track: TrackId,
        slug: TrackSlug,
        number: u32,
    ) -> Result<Option<Arc<Version>>, DbError> {
        let Some(version) = self.version(site, track, slug, number).await? else { return Ok(None) };
        if !version.published.load(Ordering::Relaxed) {
            if !self
                .db
                .read(move |tx| Box::pin(async move { store::was_published(tx, site, track, number).await }))
                .await?
            {
                return Ok(None);
            }
            version.published.store(true, Ordering::Relaxed);
        }
        Ok(Some(version))
    }

    /// A version, inside a transaction that is open already.
    pub async fn version_in(
        &self,
        tx: &mut Tx<'_>,
        site: SiteId,
        track: TrackId,
        slug: TrackSlug,
        number: u32,
    ) -> Result<Option<Arc<Version>>, DbError> {
        if let Some(known) = self.known_version(track, number) {
            return Ok(Some(known));
        }
        let Some(definition) = store::definition(tx, site, track, number).await? else { return Ok(None) };
        let compiled = definition.compile();
        let version = Arc::new(Version {
            track_id: track,
            number,
            slug,
            outline: compiled.outline(),
            track: compiled,
            completeness: localized::completeness(definition.source.all_texts()),
            published: AtomicBool::new(false),
            rendered: RwLock::default(),
        });
        self.versions.write().unwrap_or_else(PoisonError::into_inner).insert((track, number), Arc::clone(&version));
        Ok(Some(version))
    }
}
