//! Webhooks: what happened is told to the federation's own systems (W1–W5).
//!
//! An announcement goes into the [`outbox`] in the transaction of what it announces. The [`dispatch`]er
//! takes what is due under a [`lease`], in a [`lane`] for each endpoint, signs it ([`sign`]) and makes one attempt ([`deliver`]), with a
//! client that [`connect`]s where the [`guard`] lets it; [`retry`] decides what becomes of the delivery.
//!
//! # Architecture Invariant
//! Nothing but the dispatcher and the test of an endpoint sends: no request waits for somebody else's server.

pub mod connect;
pub mod deliver;
pub mod dispatch;
pub mod endpoint;
pub mod explain;
pub mod guard;
pub mod lane;
pub mod lease;
pub mod log;
pub mod outbox;
pub mod retry;
pub mod routes;
pub mod sign;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use self::{connect::Client, deliver::Sender, dispatch::Counters, guard::Guard};
use crate::{config::Config, db::DbError, http::metrics::Metrics};

/// What sends webhooks. Cheap to clone; clones share their connections and counters.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// Where they may go.
    pub guard: Guard,
    /// Makes attempts.
    pub sender: Sender,
    /// What was attempted.
    pub counters: Arc<Counters>,
    /// How long a delivery stays with the server that took it.
    pub lease: Duration,
    wake: Arc<Notify>,
}

/// How long a lease lasts where nobody says.
pub const LEASE: Duration = Duration::from_mins(1);

impl Webhooks {
    /// Puts the parts together; counters are added to `metrics`.
    pub fn new(config: &Config, metrics: &Metrics) -> Result<Self, DbError> {
        let guard = Guard { development: config.development };
        let sender = Sender::with(guard, Client::with(guard, &config.webhook_extra_ca, None).map_err(DbError::other)?);
        let webhooks = Self { lease: config.lease, ..Self::with_sender(guard, sender) };
        let counters = Arc::clone(&webhooks.counters);
        metrics.add_source(Box::new(move |text| counters.render(text)));
        Ok(webhooks)
    }

    /// The same with another sender.
    pub fn with_sender(guard: Guard, sender: Sender) -> Self {
        Self { guard, sender, counters: Arc::default(), lease: LEASE, wake: Arc::default() }
    }

    /// Lets the dispatcher look for work at once. Call it after the commit.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}
