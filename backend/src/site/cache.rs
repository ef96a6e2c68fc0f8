//! All sites, keys and revoked guests in memory: no request asks the database who it is for.
//!
//! A change made here is reloaded at once; one made by another server on the same database is seen by
//! a poll every second. A snapshot is replaced as a whole, so a request never sees half a change.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jalon_shared::{GuestId, SiteId};

use super::{
    Site,
    key::{ApiKey, KeyHash},
    store::{self, Digest, Loaded},
};
use crate::{
    clock::Clock,
    db::{Db, DbError},
};

/// How often another server's changes are looked for.
pub const POLL: Duration = Duration::from_secs(1);

/// All sites, keys and revoked guests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SiteCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: Clock,
    snapshot: RwLock<Arc<Snapshot>>,
    /// One reload at a time, so that an older state never replaces a newer one.
    reloading: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Snapshot {
    by_slug: HashMap<String, Arc<Site>>,
    by_id: HashMap<SiteId, Arc<Site>>,
    origins: HashSet<String>,
    keys: HashMap<KeyHash, Arc<ApiKey>>,
    revoked: HashSet<GuestId>,
    digest: Digest,
}

impl From<Loaded> for Snapshot {
    fn from(loaded: Loaded) -> Self {
        let sites: Vec<Arc<Site>> = loaded.sites.into_iter().map(Arc::new).collect();
        Self {
            origins: sites.iter().flat_map(|site| site.origins.iter().cloned()).collect(),
            by_id: sites.iter().map(|site| (site.id, Arc::clone(site))).collect(),
            by_slug: sites.into_iter().map(|site| (site.slug.clone(), site)).collect(),
            keys: loaded.keys.into_iter().map(|(hash, key)| (hash, Arc::new(key))).collect(),
            revoked: loaded.revoked.into_iter().map(GuestId).collect(),
            digest: loaded.digest,
        }
    }
}

impl SiteCache {
    /// Loads everything.
    pub async fn load(db: Db, clock: Clock) -> Result<Self, DbError> {
        let snapshot = RwLock::new(Arc::new(fetch(&db, &clock).await?.into()));
        Ok(Self(Arc::new(Inner { db, clock, snapshot, reloading: tokio::sync::Mutex::default() })))
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The site of a slug.
    pub fn by_slug(&self, slug: &str) -> Option<Arc<Site>> {
        self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner).by_slug.get(slug).cloned()
    }

    /// The site of an id.
    pub fn by_id(&self, id: SiteId) -> Option<Arc<Site>> {
        self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id).cloned()
    }

    /// The API key of a hash, whether it is live or not; revoked ones may be missing.
    pub fn key(&self, hash: &KeyHash) -> Option<Arc<ApiKey>> {
        self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner).keys.get(hash).cloned()
    }

    /// Whether any site lists this origin.
    pub fn is_origin(&self, origin: &str) -> bool {
        self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner).origins.contains(origin)
    }

    /// Whether the guest's token was revoked (E3).
    pub fn is_revoked(&self, guest: GuestId) -> bool {
        self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner).revoked.contains(&guest)
    }

    /// All sites, in the order of their slugs.
    pub fn all(&self) -> Vec<Arc<Site>> {
        let mut sites: Vec<Arc<Site>> = self.snapshot().by_slug.values().cloned().collect();
        sites.sort_by(|a, b| a.slug.cmp(&b.slug));
        sites
    }

    /// Takes over what the database holds now. Call it after every change of a site, key or revocation.
    pub async fn reload(&self) -> Result<(), DbError> {
        let _one_at_a_time = self.0.reloading.lock().await;
        let fresh = Arc::new(fetch(&self.0.db, &self.0.clock).await?.into());
        *self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Reloads if another server has changed something.
    pub async fn poll(&self) -> Result<(), DbError> {
        let digest = self.0.db.read(|tx| Box::pin(store::digest(tx))).await?;
        if digest == self.snapshot().digest { Ok(()) } else { self.reload().await }
    }
}

async fn fetch(db: &Db, clock: &Clock) -> Result<Loaded, DbError> {
    let now = clock.now();
    db.read(move |tx| Box::pin(store::load(tx, now))).await
}
