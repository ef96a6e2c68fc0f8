//! What learners may be shown, held in memory: published versions never change, so they are read seldom.
//!
//! Versions of all nouns share one cache with a bound in bytes, and so do the answers made of them ([`Caches`]).
//! The current version of what is published stays longest; older ones and drafts go first, and those of the
//! site that holds the most before others'.
//!
//! A site's list of tracks, or courses, is read again when the site's revision has moved; every backend
//! sees that within a second, the one that changed it at once ([`Catalog::forget`]).

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    hash::Hash,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::body::Bytes;
use jalon_shared::{Lang, SiteId, weight::block};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    db::{Db, DbError, Tx},
    http::etag::ETag,
    kept::{Filling, Kept},
};

/// Versions that requests read and compile at the same time: each takes some times its size meanwhile.
const LOADING: usize = 2;

/// A version's key: the id of its noun, and its number. Ids are unique over all nouns.
type VersionKey = (Uuid, u32);
/// The answers that are kept ready, by version and by what they answer.
type Answers = Kept<(VersionKey, Box<str>), Rendered>;

/// What the catalogues of all nouns keep in memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caches {
    versions: Arc<Kept<VersionKey, Arc<dyn Any + Send + Sync>>>,
    answers: Arc<Answers>,
    loading: Arc<Semaphore>,
    compiler: Compiler,
}

/// Does what takes long and much memory, in a thread of its own. So requests are answered beside it; and what is
/// freed there serves the next time, where an allocator gives each thread memory of its own: versions that were read
/// by all threads in turn left each of them with as much as the largest takes.
#[derive(Clone, Debug)]
struct Compiler(std::sync::mpsc::Sender<Box<dyn FnOnce() + Send>>);

impl Compiler {
    fn start() -> Self {
        let (sender, jobs) = std::sync::mpsc::channel::<Box<dyn FnOnce() + Send>>();
        // Ends when the last catalogue is gone. Where the system gives no thread, work is done where it is asked for.
        let started = std::thread::Builder::new().name("compiler".to_owned()).spawn(move || {
            for job in jobs {
                // Whoever waits for a job that panics is told: its channel is closed.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            }
        });
        drop(started);
        Self(sender)
    }

    /// What `job` answers; `None` when it panicked.
    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, answer) = tokio::sync::oneshot::channel();
        let job: Box<dyn FnOnce() + Send> = Box::new(move || {
            done.send(job()).ok();
        });
        if let Err(std::sync::mpsc::SendError(job)) = self.0.send(job) {
            job();
        }
        answer.await.ok()
    }
}

impl Caches {
    /// Empty; holds so many bytes: three quarters for versions, a quarter for answers made of them.
    pub fn new(bytes: usize) -> Self {
        Self {
            versions: Arc::new(Kept::new(bytes / 4 * 3)),
            answers: Arc::new(Kept::new(bytes / 4)),
            loading: Arc::new(Semaphore::new(LOADING)),
            compiler: Compiler::start(),
        }
    }

    /// How full they are, by name.
    pub fn filling(&self) -> [(&'static str, Filling); 2] {
        [("versions", self.versions.filling()), ("answers", self.answers.filling())]
    }
}

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
    /// An id as such.
    fn uuid(id: Self::Id) -> Uuid;
    /// The name of a row.
    fn slug(row: &Self::Row) -> &Self::Slug;
    /// The version that learners begin with; `None` where not everybody may see it.
    fn published_version(row: &Self::Row) -> Option<u32>;

    /// Bytes that what a version holds takes, besides its own size.
    fn weight(held: &Self::Held) -> usize;

    /// The site's rows.
    fn rows(tx: &mut Tx<'_>, site: SiteId) -> impl Future<Output = Result<Vec<Self::Row>, DbError>> + Send;
    /// A version as it is stored; `None` when there is none.
    fn text(
        tx: &mut Tx<'_>,
        site: SiteId,
        id: Self::Id,
        number: u32,
    ) -> impl Future<Output = Result<Option<String>, DbError>> + Send;
    /// A stored version, made ready.
    fn compile(text: &str) -> Result<(Self::Held, Completeness), serde_json::Error>;
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
    site: SiteId,
    answers: Arc<Answers>,
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
    /// Where something that differs between callers goes into it, in bytes from the start.
    pub gap: usize,
}

impl Rendered {
    /// A body with its tag, the same for all who get it.
    pub fn of(body: Vec<u8>) -> Self {
        Self { etag: ETag::of(&body), body: body.into(), gap: 0 }
    }
}

impl<N: Noun> Version<N> {
    /// Of the languages that are there those that an answer can be in, in the order they are looked for: each
    /// wanted one, then its base language. What comes after one that has every text makes no difference.
    /// So what is asked for makes no more different answers than authors wrote.
    pub fn languages(&self, wanted: &[Lang]) -> Vec<&Lang> {
        let mut found: Vec<&Lang> = Vec::new();
        for lang in wanted.iter().flat_map(|lang| [lang.clone(), lang.base()]) {
            let Some((known, (have, of))) = self.completeness.get_key_value(&lang) else { continue };
            if !found.contains(&known) {
                found.push(known);
            }
            if have == of {
                break;
            }
        }
        found
    }

    /// The answer kept under `what` for these languages, made by `make` the first time.
    pub fn rendered(&self, what: &str, wanted: &[Lang], make: impl FnOnce() -> Vec<u8>) -> Rendered {
        self.rendered_around(what, wanted, || (make(), Vec::new()))
    }

    /// The same, of an answer in two parts, between which something goes that differs between callers.
    pub fn rendered_around(&self, what: &str, wanted: &[Lang], make: impl FnOnce() -> (Vec<u8>, Vec<u8>)) -> Rendered {
        let mut key = String::with_capacity(32);
        key.push_str(what);
        // Nothing asked for marks no fallback; something asked for and not there does (L2).
        key.push(if wanted.is_empty() { '-' } else { '+' });
        for lang in self.languages(wanted) {
            key.push_str(lang.as_str());
            key.push(',');
        }
        let key = ((N::uuid(self.id), self.number), key.into_boxed_str());
        if let Some(found) = self.answers.get(&key) {
            return found;
        }
        let (mut body, rest) = make();
        let gap = body.len();
        body.extend(rest);
        // As long as it is kept, and no longer.
        body.shrink_to_fit();
        let rendered = Rendered { gap, ..Rendered::of(body) };
        let bytes = block(rendered.body.len()) + block(key.1.len()) + block(rendered.etag.0.len()) + block(48);
        self.answers.put(&key, self.site, bytes, false, rendered.clone());
        rendered
    }
}

#[derive(Debug)]
struct OfSite<N: Noun> {
    revision: i64,
    by_slug: BTreeMap<N::Slug, Arc<N::Row>>,
    slugs: HashMap<N::Id, N::Slug>,
    /// The versions that learners begin with.
    current: HashMap<Uuid, Option<u32>>,
}

/// Every site's rows and their versions. Cheap to clone.
#[derive(Debug)]
pub struct Catalog<N: Noun> {
    db: Db,
    sites: Arc<RwLock<HashMap<SiteId, Arc<OfSite<N>>>>>,
    caches: Caches,
}

impl<N: Noun> Clone for Catalog<N> {
    fn clone(&self) -> Self {
        Self { db: self.db.clone(), sites: Arc::clone(&self.sites), caches: self.caches.clone() }
    }
}

impl<N: Noun> Catalog<N> {
    /// Empty; fills as it is asked.
    pub fn new(db: &Db, caches: &Caches) -> Self {
        Self { db: db.clone(), sites: Arc::default(), caches: caches.clone() }
    }

    /// What it keeps versions and answers in, with the other nouns.
    pub fn caches(&self) -> &Caches {
        &self.caches
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
            current: rows.iter().map(|row| (N::uuid(N::id(row)), N::published_version(row))).collect(),
            by_slug: rows.into_iter().map(|row| (N::slug(&row).clone(), Arc::new(row))).collect(),
        });
        self.sites.write().unwrap_or_else(PoisonError::into_inner).insert(site, Arc::clone(&rows));
        let is_current = |(id, number): &VersionKey| rows.current.get(id).map(|current| *current == Some(*number));
        self.caches.versions.rank(site, is_current);
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
        self.caches.versions.get(&(N::uuid(id), number))?.downcast().ok()
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
        // Whoever waits here for the same version finds it there afterwards.
        let _place = self.caches.loading.acquire().await;
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
        let Some(text) = N::text(tx, site, id, number).await? else { return Ok(None) };
        let compiled = self.caches.compiler.run(move || N::compile(&text)).await;
        let (held, completeness) = compiled.ok_or_else(|| DbError::other("compiling a version panicked"))??;
        let version = Arc::new(Version {
            id,
            number,
            slug,
            held,
            completeness,
            published: AtomicBool::new(false),
            site,
            answers: Arc::clone(&self.caches.answers),
        });
        let key = (N::uuid(id), number);
        let rows = self.sites.read().unwrap_or_else(PoisonError::into_inner).get(&site).cloned();
        let is_current = rows.is_some_and(|rows| rows.current.get(&key.0) == Some(&Some(number)));
        let bytes = size_of::<Version<N>>() + N::weight(&version.held);
        let erased: Arc<dyn Any + Send + Sync> = Arc::<Version<N>>::clone(&version);
        self.caches.versions.put(&key, site, bytes, is_current, erased);
        Ok(Some(version))
    }
}
