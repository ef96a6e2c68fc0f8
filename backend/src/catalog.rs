//! What learners may be shown, held in memory: published versions never change, so they are read once.
//!
//! A site's list of tracks, or courses, is read again when the site's revision has moved; every backend
//! sees that within a second, the one that changed it at once ([`Catalog::forget`]).

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    hash::Hash,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::body::Bytes;
use jalon_shared::{Lang, SiteId};

use crate::{
    db::{Db, DbError, Tx},
    http::etag::ETag,
};

/// Answers kept ready for one version, at most: languages come from outside.
const RENDERED: usize = 256;

/// How many of its texts each language has, and of how many (L4).
pub type Completeness = BTreeMap<Lang, (u32, u32)>;

/// A noun that authors write in versions and learners are shown: tracks, courses.
pub trait Noun: Debug + Send + Sync + 'static {
    /// Its id, over all versions.
    type Id: Copy + Eq + Hash + Debug + Send + Sync;
    /// Its name in addresses.
    type Slug: Clone + Ord + Debug + Send + Sync;
    /// Its row.
    type Row: Clone + Debug + Send + Sync;
    /// What a version holds, ready to use.
    type Held: Debug + Send + Sync;

    /// The id of a row.
    fn id(row: &Self::Row) -> Self::Id;
    /// The name of a row.
    fn slug(row: &Self::Row) -> &Self::Slug;
    /// The version that learners begin with; `None` where not everybody may see it.
    fn published_version(row: &Self::Row) -> Option<u32>;

    /// The site's rows.
    fn rows(tx: &mut Tx<'_>, site: SiteId) -> impl Future<Output = Result<Vec<Self::Row>, DbError>> + Send;
    /// A version; `None` when there is none.
    fn held(
        tx: &mut Tx<'_>,
        site: SiteId,
        id: Self::Id,
        number: u32,
    ) -> impl Future<Output = Result<Option<(Self::Held, Completeness)>, DbError>> + Send;
    /// Whether a version was ever published; what was stays so.
    fn was_published(
        tx: &mut Tx<'_>,
        site: SiteId,
        id: Self::Id,
        number: u32,
    ) -> impl Future<Output = Result<bool, DbError>> + Send;
}

/// One version, ready to use.
#[derive(Debug)]
pub struct Version<N: Noun> {
    /// What it is a version of.
    pub id: N::Id,
    /// The version's number.
    pub number: u32,
    /// The name in addresses.
    pub slug: N::Slug,
    /// What it holds, keys included.
    pub held: N::Held,
    /// How complete each language is (L4).
    pub completeness: Completeness,
    /// Whether it is known to have been published; what was published once stays so.
    published: AtomicBool,
    rendered: RwLock<HashMap<String, Rendered>>,
}

impl<N: Noun> std::ops::Deref for Version<N> {
    type Target = N::Held;
    fn deref(&self) -> &N::Held {
        &self.held
    }
}

/// An answer kept ready.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The body.
    pub body: Bytes,
    /// Its entity tag.
    pub etag: ETag,
}

impl<N: Noun> Version<N> {
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
struct OfSite<N: Noun> {
    revision: i64,
    by_slug: BTreeMap<N::Slug, Arc<N::Row>>,
    slugs: HashMap<N::Id, N::Slug>,
}

/// Every site's rows and their versions. Cheap to clone.
#[derive(Debug)]
pub struct Catalog<N: Noun> {
    db: Db,
    sites: Arc<RwLock<HashMap<SiteId, Arc<OfSite<N>>>>>,
    versions: Arc<RwLock<Versions<N>>>,
}

impl<N: Noun> Clone for Catalog<N> {
    fn clone(&self) -> Self {
        Self { db: self.db.clone(), sites: Arc::clone(&self.sites), versions: Arc::clone(&self.versions) }
    }
}

/// Versions by id and number.
type Versions<N> = HashMap<(<N as Noun>::Id, u32), Arc<Version<N>>>;

impl<N: Noun> Catalog<N> {
    /// Empty; fills as it is asked.
    pub fn new(db: &Db) -> Self {
        Self { db: db.clone(), sites: Arc::default(), versions: Arc::default() }
    }

    /// Has the site's rows read again: something changed here.
    pub fn forget(&self, site: SiteId) {
        self.sites.write().unwrap_or_else(PoisonError::into_inner).remove(&site);
    }

    async fn site(&self, site: SiteId, revision: i64) -> Result<Arc<OfSite<N>>, DbError> {
        let known = self.sites.read().unwrap_or_else(PoisonError::into_inner).get(&site).cloned();
        if let Some(known) = known.filter(|known| known.revision >= revision) {
            return Ok(known);
        }
        let rows = self.db.read(move |tx| Box::pin(async move { N::rows(tx, site).await })).await?;
        let rows = Arc::new(OfSite {
            revision,
            slugs: rows.iter().map(|row| (N::id(row), N::slug(row).clone())).collect(),
            by_slug: rows.into_iter().map(|row| (N::slug(&row).clone(), Arc::new(row))).collect(),
        });
        self.sites.write().unwrap_or_else(PoisonError::into_inner).insert(site, Arc::clone(&rows));
        Ok(rows)
    }

    /// The site's row of this slug, in any state.
    pub async fn row(&self, site: SiteId, revision: i64, slug: &N::Slug) -> Result<Option<Arc<N::Row>>, DbError> {
        Ok(self.site(site, revision).await?.by_slug.get(slug).cloned())
    }

    /// The site's published rows, by slug.
    pub async fn published(&self, site: SiteId, revision: i64) -> Result<Vec<Arc<N::Row>>, DbError> {
        let rows = self.site(site, revision).await?;
        Ok(rows.by_slug.values().filter(|row| N::published_version(row).is_some()).cloned().collect())
    }

    /// The languages of what the site has published: how many texts each has, and how many it could (L4).
    pub async fn languages(&self, site: SiteId, revision: i64) -> Result<(BTreeMap<Lang, u32>, u32), DbError> {
        let mut counts: BTreeMap<Lang, u32> = BTreeMap::new();
        let mut total = 0;
        for row in self.published(site, revision).await? {
            let Some(number) = N::published_version(&row) else { continue };
            let Some(version) = self.version(site, N::id(&row), N::slug(&row).clone(), number).await? else {
                continue;
            };
            total += version.completeness.values().map(|(_, of)| *of).max().unwrap_or(0);
            for (lang, (have, _)) in &version.completeness {
                *counts.entry(lang.clone()).or_default() += have;
            }
        }
        Ok((counts, total))
    }

    /// The slug that belongs to an id.
    pub async fn slug(&self, site: SiteId, revision: i64, id: N::Id) -> Result<Option<N::Slug>, DbError> {
        if let Some(slug) = self.site(site, revision).await?.slugs.get(&id) {
            return Ok(Some(slug.clone()));
        }
        self.forget(site);
        Ok(self.site(site, revision).await?.slugs.get(&id).cloned())
    }

    /// A version that is in memory already.
    pub fn known_version(&self, id: N::Id, number: u32) -> Option<Arc<Version<N>>> {
        self.versions.read().unwrap_or_else(PoisonError::into_inner).get(&(id, number)).cloned()
    }

    /// A version; `None` when there is none.
    pub async fn version(
        &self,
        site: SiteId,
        id: N::Id,
        slug: N::Slug,
        number: u32,
    ) -> Result<Option<Arc<Version<N>>>, DbError> {
        if let Some(known) = self.known_version(id, number) {
            return Ok(Some(known));
        }
        let this = self.clone();
        self.db.read(move |tx| Box::pin(async move { this.version_in(tx, site, id, slug, number).await })).await
    }

    /// A version that was published at some time; `None` for drafts, which are nobody's to see (E1).
    pub async fn once_published(
        &self,
        site: SiteId,
        id: N::Id,
        slug: N::Slug,
        number: u32,
    ) -> Result<Option<Arc<Version<N>>>, DbError> {
        let Some(version) = self.version(site, id, slug, number).await? else { return Ok(None) };
        if !version.published.load(Ordering::Relaxed) {
            if !self.db.read(move |tx| Box::pin(async move { N::was_published(tx, site, id, number).await })).await? {
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
        id: N::Id,
        slug: N::Slug,
        number: u32,
    ) -> Result<Option<Arc<Version<N>>>, DbError> {
        if let Some(known) = self.known_version(id, number) {
            return Ok(Some(known));
        }
        let Some((held, completeness)) = N::held(tx, site, id, number).await? else { return Ok(None) };
        let version = Arc::new(Version {
            id,
            number,
            slug,
            held,
            completeness,
            published: AtomicBool::new(false),
            rendered: RwLock::default(),
        });
        self.versions.write().unwrap_or_else(PoisonError::into_inner).insert((id, number), Arc::clone(&version));
        Ok(Some(version))
    }
}
