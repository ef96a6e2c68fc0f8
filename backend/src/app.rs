//! What every handler and job shares.

use std::ops::Deref;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, DbError};
use crate::job;
use crate::stop::Stop;

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
}

impl AppState {
    /// Puts the parts together. The database must be migrated.
    #[expect(clippy::unused_async, reason = "the caches of the nouns load here")]
    pub async fn new(db: Db, clock: Clock, config: Config) -> Result<Self, DbError> {
        Ok(Self(Arc::new(App { db, clock, config })))
    }

    /// What runs beside the requests until `stop` is asked for. A noun with a background task adds it
    /// here. Each must end soon after, and hand back what it leased.
    pub fn background(&self, stop: &Stop) -> Vec<BoxFuture<'static, ()>> {
        vec![Box::pin(job::run(self.clone(), stop.clone()))]
    }
}

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}
