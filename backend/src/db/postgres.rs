//! PostgreSQL: a pool, and every transaction in a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection, PgPool};

use super::migrate::{self, Dialect};
use super::{DbConfig, DbError, DbStats, Tx};

/// One snapshot for all statements of a read.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// What was answered survives a power cut, whatever the database, the role or the server are set to: only
/// `off` acknowledges what is not on the disk yet. Somebody's choice of more than `on` stays.
const DURABLE: &str =
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

#[derive(Clone, Debug)]
pub(super) struct Postgres {
    pool: PgPool,
    queue: usize,
    /// How long a whole transaction may take; see [`transaction`].
    limit: Duration,
    counters: Arc<Counters>,
}

#[derive(Default, Debug)]
struct Counters {
    waiting: AtomicUsize,
    writes: AtomicU64,
    commits: AtomicU64,
}

impl Postgres {
    pub(super) async fn open(options: &PgConnectOptions, config: &DbConfig) -> Result<Self, DbError> {
        let patience = config.patience.as_millis();
        // After connecting rather than as start-up parameters: poolers like pgbouncer refuse those.
        // Every statement finds its rows by key, many at once. A plan that was made and kept while a table
        // was small, or not analysed yet, would read that table whole for ever: measured, a group of
        // advances cost four times the processor time. So plans by index are the only ones wanted.
        let limits = Arc::new(format!(
            "SET statement_timeout = {patience}; SET lock_timeout = {patience}; \
             SET idle_in_transaction_session_timeout = {}; SET TIME ZONE 'UTC'; \
             SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; {DURABLE}",
            patience * 6
        ));
        let pool = PgPoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(config.patience)
            .after_connect(move |connection, _| {
                let limits = Arc::clone(&limits);
                Box::pin(async move {
                    connection.execute(AssertSqlSafe(limits.as_str())).await?;
                    Ok(())
                })
            })
            .connect_with(options.clone().application_name("jalon").disable_statement_logging())
            .await?;
        let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&pool).await?;
        if fsync == "off" {
            // Not ours to set, and no session may.
            tracing::warn!(
                "PostgreSQL runs with fsync = off: a power cut loses what was acknowledged, or the database"
            );
        }
        Ok(Self { pool, queue: config.queue, limit: config.patience * 2, counters: Arc::default() })
    }

    pub(super) async fn migrate(&self, more: &[migrate::Text]) -> Result<(), DbError> {
        let mut connection = self.pool.acquire().await?.detach();
        // A migration may take its time.
        connection.execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
        let migrator = migrate::migrator(Dialect::Postgres, i64::MAX, more);
        let done = migrate::run_postgres(&migrator, &mut connection).await;
        sqlx::Connection::close(connection).await?;
        done
    }

    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        let pool = self.pool.clone();
        let limit = self.limit;
        let task = async move { transaction(&pool, limit, BEGIN_READ, work).await };
        tokio::spawn(task).await.unwrap_or_else(|_| Err(panicked().into()))
    }

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        let place = Place::take(&self.counters, self.queue)?;
        let (pool, limit) = (self.pool.clone(), self.limit);
        let task = async move {
            let answer = transaction(&pool, limit, "BEGIN", work).await;
            if answer.is_ok() {
                place.0.commits.fetch_add(1, Ordering::Relaxed);
            }
            answer
        };
        tokio::spawn(task).await.unwrap_or_else(|_| Err(panicked().into()))
    }

    pub(super) fn stats(&self) -> DbStats {
        DbStats {
            waiting: self.counters.waiting.load(Ordering::Relaxed),
            writes: self.counters.writes.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// A place among the writes that may wait; given back when dropped.
struct Place(Arc<Counters>);

impl Place {
    fn take(counters: &Arc<Counters>, queue: usize) -> Result<Self, DbError> {
        let place = Self(Arc::clone(counters));
        if counters.waiting.fetch_add(1, Ordering::Relaxed) >= queue {
            return Err(DbError::Overloaded);
        }
        counters.writes.fetch_add(1, Ordering::Relaxed);
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs inside a spawned task only: nobody can drop it half-way.
///
/// PostgreSQL's own time limits need a PostgreSQL that runs. One that is frozen, or whose machine has
/// gone without a word, says nothing for ever, and would keep every connection and whoever waits for it.
/// So we have a limit too. After it nobody uses that connection again: it is closed, not given back, and
/// PostgreSQL rolls back what it finds open.
async fn transaction<T, E, F>(pool: &PgPool, limit: Duration, begin: &'static str, work: F) -> Result<T, E>
where
    E: From<DbError>,
    F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>>,
{
    let mut connection = pool.acquire().await.map_err(DbError::from)?;
    match tokio::time::timeout(limit, run(&mut connection, begin, work)).await {
        Ok((answer, true)) => answer,
        Ok((answer, false)) => {
            drop(connection.detach());
            answer
        }
        Err(_) => {
            drop(connection.detach());
            Err(DbError::Unavailable(format!("no answer from PostgreSQL within {} s", limit.as_secs_f32())).into())
        }
    }
}

/// The transaction; and whether the connection is as it was before.
async fn run<T, E, F>(connection: &mut PgConnection, begin: &'static str, work: F) -> (Result<T, E>, bool)
where
    E: From<DbError>,
    F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>>,
{
    if let Err(error) = execute(connection, begin).await {
        return (Err(error.into()), false);
    }
    let answer = std::panic::AssertUnwindSafe(async { work(&mut Tx::Postgres(connection)).await }).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_| Err(panicked().into()));
    let end = if answer.is_ok() { "COMMIT" } else { "ROLLBACK" };
    match execute(connection, end).await {
        Ok(()) => (answer, true),
        // Its state is in doubt.
        Err(error) => (Err(answer.err().unwrap_or_else(|| error.into())), false),
    }
}

async fn execute(connection: &mut PgConnection, text: &'static str) -> Result<(), DbError> {
    // As a simple query: one round trip, no prepared statement.
    connection.execute(text).await?;
    Ok(())
}

fn panicked() -> DbError {
    DbError::other("the work panicked inside its transaction")
}
