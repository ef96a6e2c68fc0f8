//! PostgreSQL: a pool, and every transaction in a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection, PgPool, Row as _};

use super::breaker::{Breaker, Line};
use super::migrate::{self, Dialect};
use super::{DbConfig, DbError, DbStats, Tx};

/// One snapshot for all statements of a read.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// What `synchronous_commit` may be where the database, the role or the server say so. What was answered survives a
/// power cut: only `off` acknowledges what is not on the disk yet, so that becomes `on`. Another choice stays.
const DURABLE: [&str; 4] = ["on", "local", "remote_write", "remote_apply"];

/// How transactions begin, in one round trip.
///
/// What Jalon wants of a connection is set in each transaction and for it alone. A pooler like `PgBouncer` gives
/// each transaction another connection to the server: what was set for a session would hold for others, and not
/// for us.
#[derive(Debug)]
struct Begins {
    read: String,
    /// By `synchronous_commit`, as in [`DURABLE`].
    write: [String; 4],
    /// Which of them new connections had last.
    durable: AtomicUsize,
}

impl Begins {
    fn new(patience: u128) -> Self {
        // Every statement finds its rows by key, many at once. A plan that was made and kept while a table
        // was small, or not analysed yet, would read that table whole for ever: measured, a group of
        // advances cost four times the processor time. So plans by index are the only ones wanted.
        let both = format!(
            "SET LOCAL statement_timeout = {patience}; SET LOCAL idle_in_transaction_session_timeout = {}; \
             SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
             SET LOCAL jit = off",
            patience * 6
        );
        let write = DURABLE.map(|durable| {
            format!("BEGIN; {both}; SET LOCAL lock_timeout = {patience}; SET LOCAL synchronous_commit = {durable}")
        });
        Self { read: format!("{BEGIN_READ}; {both}"), write, durable: AtomicUsize::new(0) }
    }

    /// What a new connection found.
    fn note(&self, synchronous_commit: &str) {
        let place = DURABLE.iter().position(|known| *known == synchronous_commit).unwrap_or(0);
        self.durable.store(place, Ordering::Relaxed);
    }

    fn write(&self) -> &str {
        &self.write[self.durable.load(Ordering::Relaxed)]
    }
}

#[derive(Clone, Debug)]
pub(super) struct Postgres {
    pool: PgPool,
    queue: usize,
    patience: Duration,
    /// How long a whole transaction may take; see [`transaction`].
    limit: Duration,
    begins: Arc<Begins>,
    breaker: Arc<Breaker>,
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
        let begins = Arc::new(Begins::new(config.patience.as_millis()));
        let options = options.clone().application_name("jalon").disable_statement_logging();
        let noting = Arc::clone(&begins);
        let pool = PgPoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(config.patience)
            .after_connect(move |connection, _| {
                let noting = Arc::clone(&noting);
                Box::pin(async move {
                    let found = connection.fetch_one("SHOW synchronous_commit").await?;
                    noting.note(found.try_get(0)?);
                    Ok(())
                })
            })
            .connect_with(options.clone())
            .await?;
        // As a simple query: behind a pooler another session may have the name that a prepared statement would get.
        let found = pool.fetch_one("SHOW fsync").await?;
        if found.try_get::<&str, _>(0)? == "off" {
            // Not ours to set, and no session may.
            tracing::warn!(
                "PostgreSQL runs with fsync = off: a power cut loses what was acknowledged, or the database"
            );
        }
        let limit = config.patience * 2;
        let breaker = Breaker::new(options, config.connections, limit);
        Ok(Self {
            pool,
            queue: config.queue,
            patience: config.patience,
            limit,
            begins,
            breaker,
            counters: Arc::default(),
        })
    }

    pub(super) async fn migrate(&self, more: &[migrate::Text]) -> Result<(), DbError> {
        let mut connection = self.pool.acquire().await?.detach();
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
        let (limit, begins) = (self.limit, Arc::clone(&self.begins));
        let task = async move { transaction(&pool, limit, &begins.read, work).await.0 };
        tokio::spawn(task).await.unwrap_or_else(|_| Err(panicked().into()))
    }

    pub(super) async fn write<T, E, F>(&self, work: F, line: Line) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        let place = Place::take(&self.counters, self.queue)?;
        let (pool, limit, patience) = (self.pool.clone(), self.limit, self.patience);
        let (begins, breaker) = (Arc::clone(&self.begins), Arc::clone(&self.breaker));
        let task = async move {
            let permit = breaker.permit(line, patience).await?;
            let (answer, end) = transaction(&pool, limit, begins.write(), work).await;
            if end == End::GivenUp {
                breaker.give_up(permit, line, &pool);
            }
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
            refused: self.breaker.is_open(),
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

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// PostgreSQL answered, or the connection broke.
    Known,
    /// It did not answer in time.
    GivenUp,
}

/// Runs inside a spawned task only: nobody can drop it half-way.
///
/// PostgreSQL's own time limits need a PostgreSQL that runs. One that is frozen, or whose machine has
/// gone without a word, says nothing for ever, and would keep every connection and whoever waits for it.
/// So we have a limit too. After it nobody uses that connection again: it is closed, not given back, and
/// PostgreSQL rolls back what it finds open.
async fn transaction<T, E, F>(pool: &PgPool, limit: Duration, begin: &str, work: F) -> (Result<T, E>, End)
where
    E: From<DbError>,
    F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>>,
{
    let mut connection = match pool.acquire().await {
        Ok(connection) => connection,
        Err(error) => return (Err(DbError::from(error).into()), End::Known),
    };
    match tokio::time::timeout(limit, run(&mut connection, begin, work)).await {
        Ok((answer, true)) => (answer, End::Known),
        Ok((answer, false)) => {
            drop(connection.detach());
            (answer, End::Known)
        }
        Err(_) => {
            drop(connection.detach());
            let error = DbError::Unavailable(format!("no answer from PostgreSQL within {} s", limit.as_secs_f32()));
            (Err(error.into()), End::GivenUp)
        }
    }
}

/// The transaction; and whether the connection is as it was before.
async fn run<T, E, F>(connection: &mut PgConnection, begin: &str, work: F) -> (Result<T, E>, bool)
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

async fn execute(connection: &mut PgConnection, text: &str) -> Result<(), DbError> {
    // As a simple query: one round trip, no prepared statement.
    connection.execute(AssertSqlSafe(text)).await?;
    Ok(())
}

fn panicked() -> DbError {
    DbError::other("the work panicked inside its transaction")
}
