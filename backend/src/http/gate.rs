//! What every request passes: sites, tokens, limits, counters. Made once, shared by all.

use std::sync::atomic::AtomicUsize;

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use jalon_shared::Timestamp;

use super::{arriving::Arriving, cursor::Cursors, limit::Limits, metrics::Metrics};
use crate::{
    app::AppState,
    clock::Clock,
    config::Config,
    db::{Db, DbError},
    guest::token::GuestTokens,
    kept::Filling,
    site::{
        Site,
        cache::{POLL, SiteCache},
        jwks::{Fetch, KeySets},
        member::MemberTokens,
        store,
    },
    stop::Stop,
};

/// What every request passes.
#[derive(Debug)]
pub struct Gate {
    /// All sites and keys, in memory.
    pub sites: SiteCache,
    /// Seals and opens the cursors of lists.
    pub cursors: Cursors,
    /// Makes and reads guest tokens.
    pub guests: GuestTokens,
    /// Reads members' tokens.
    pub members: MemberTokens,
    /// Rate limits.
    pub limits: Limits,
    /// Counters.
    pub metrics: Metrics,
    /// Requests being answered.
    pub(super) in_flight: AtomicUsize,
    /// Bodies on their way; their requests are not being answered yet.
    pub(super) arriving: Arriving,
    /// Jalon's own origin; with none configured, the one that a request names as its host.
    own_origin: Option<String>,
}

impl Gate {
    /// Loads sites and secrets; the database must be migrated.
    pub async fn new(db: &Db, clock: &Clock, config: &Config) -> Result<Self, DbError> {
        let fetch = super::fetch::key_set_fetcher(config.development).map_err(DbError::other)?;
        Self::with_fetch(db, clock, config, fetch).await
    }

    /// The same, with another way to fetch key sets.
    pub async fn with_fetch(db: &Db, clock: &Clock, config: &Config, fetch: Fetch) -> Result<Self, DbError> {
        let secret = server_secret(db, "guest_token", clock.now()).await?;
        let cursors = Cursors::new(&server_secret(db, "list_cursor", clock.now()).await?);
        let max_lifetime = i64::try_from(config.member_max_lifetime.as_secs()).unwrap_or(i64::MAX / 4000);
        Ok(Self {
            sites: SiteCache::load(db.clone(), clock.clone()).await?,
            cursors,
            guests: GuestTokens::new(&secret),
            members: MemberTokens::new(KeySets::new(fetch), max_lifetime),
            limits: Limits::new(config.limits),
            metrics: Metrics::default(),
            in_flight: AtomicUsize::new(0),
            arriving: Arriving::default(),
            own_origin: config.public_url.as_ref().map(|url| url.origin().ascii_serialization()),
        })
    }

    /// Says how full the caches of members' tokens and key sets are, by name.
    pub fn caches(&self) -> impl Fn() -> [(&'static str, Filling); 2] + Send + Sync + use<> {
        let (tokens, key_sets) = (self.members.filling(), self.members.key_sets().clone());
        move || [("member_tokens", tokens()), ("key_sets", key_sets.filling())]
    }

    /// Whether a page of this origin is Jalon's own.
    pub fn is_own(&self, origin: &str, headers: &HeaderMap) -> bool {
        if let Some(own) = &self.own_origin {
            return own == origin;
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        named.is_some() && named == host
    }

    /// Keeps sites fresh and forgets old counts, until the server stops.
    pub async fn watch(app: AppState, stop: Stop) {
        let mut seconds = 0_u32;
        while stop.sleep(POLL).await {
            if let Err(error) = app.gate.sites.poll().await {
                // What is known stays in place while the database is away.
                tracing::warn!(%error, "sites can't be refreshed");
            }
            seconds += 1;
            if seconds.is_multiple_of(60) {
                app.gate.limits.sweep();
                app.tracks.advancer.sweep();
            }
        }
    }

    /// Whether a page of this origin may read answers (E2): of this site, or of any where the address names none.
    pub fn grants(&self, origin: &str, site: Option<&Site>) -> bool {
        match site {
            Some(site) => site.has_origin(origin),
            None => self.sites.is_origin(origin),
        }
    }
}

/// The server's secret of this name, 32 bytes: made at the first start, shared by all servers of the database.
pub(crate) async fn server_secret(db: &Db, name: &'static str, now: Timestamp) -> Result<Vec<u8>, DbError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| DbError::other(error.to_string()))?;
    let fresh = STANDARD.encode(bytes);
    let secret = db
        .write::<_, DbError, _>(move |tx| Box::pin(async move { store::server_secret(tx, name, &fresh, now).await }))
        .await?;
    STANDARD.decode(secret).map_err(|_| DbError::other("the server's secret can't be read"))
}
