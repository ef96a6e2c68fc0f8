//! What every handler and job shares.

use std::ops::Deref;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::article::Articles;
use crate::catalog::Caches;
use crate::clock::Clock;
use crate::config::Config;
use crate::course::Courses;
use crate::db::{Db, DbError};
use crate::http::gate::Gate;
use crate::http::health::LastReady;
use crate::job;
use crate::kept;
use crate::quiz::order::Orders;
use crate::stop::Stop;
use crate::track::Tracks;
use crate::webhook::{Webhooks, dispatch};

/// The running server's parts. Cheap to clone: one `Arc`.
#[derive(Clone, Debug)]
pub struct AppState(Arc<App>);

/// The parts. A noun that keeps something in memory (sites, published tracks) adds its field here.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// The configuration.
    pub config: Config,
    /// What every request passes: sites, tokens, limits, counters.
    pub gate: Gate,
    /// What learners may be shown, and what they do.
    pub tracks: Tracks,
    /// Courses that learners may be shown.
    pub courses: Courses,
    /// In which order attempts show things.
    pub orders: Orders,
    /// Articles of content providers outside.
    pub articles: Articles,
    /// What other systems hear.
    pub webhooks: Webhooks,
    /// Whether the database showed a moment ago that it works.
    pub ready: LastReady,
}

impl AppState {
    /// Puts the parts together. The database must be migrated.
    pub async fn new(db: Db, clock: Clock, config: Config) -> Result<Self, DbError> {
        let gate = Gate::new(&db, &clock, &config).await?;
        let orders = Orders::load(&db, clock.now()).await?;
        let caches = Caches::new(config.cache_bytes);
        let courses = Courses::new(&db, &caches);
        let tracks = Tracks::new(&db, &courses.catalog, &clock);
        let articles = Articles::new(&db, config.development).map_err(DbError::other)?;
        let (articles_asked, gate_caches) = (articles.clone(), gate.caches());
        gate.metrics.add_source(Box::new(move |text| {
            let [versions, answers] = caches.filling();
            let [members, key_sets] = gate_caches();
            kept::render(text, &[versions, answers, members, key_sets, ("articles_asked", articles_asked.filling())]);
        }));
        let webhooks = Webhooks::new(&config, &gate.metrics)?;
        Ok(Self(Arc::new(App {
            db,
            clock,
            config,
            gate,
            tracks,
            courses,
            orders,
            articles,
            webhooks,
            ready: LastReady::default(),
        })))
    }

    /// What runs beside the requests until `stop` is asked for. A noun with a background task adds it
    /// here. Each must end soon after, and hand back what it leased.
    pub fn background(&self, stop: &Stop) -> Vec<BoxFuture<'static, ()>> {
        vec![
            Box::pin(job::run(self.clone(), stop.clone())),
            Box::pin(Gate::watch(self.clone(), stop.clone())),
            Box::pin(dispatch::run(self.clone(), stop.clone())),
        ]
    }
}

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}
