//! What every handler and job shares.

use std::ops::Deref;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, DbError};

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
}

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}
