//! The database room: one text for SQLite and PostgreSQL, and the only place a transaction begins.
//!
//! - A noun's `store` writes functions over [`Tx`] with the macros [`on!`] and [`execute!`]: one SQL text, one body.
//! - [`Db::read`] gives a snapshot; [`Db::write`] a transaction that commits when the work answers `Ok`.
//! - [`Gatherer`] takes all waiting commands of one kind into one transaction, for hot paths.
//!
//! # Architecture Invariant
//! A transaction never lives in a request's own future: axum drops that when the client hangs up, and
//! a `BEGIN` dropped half-way leaves a pooled PostgreSQL connection inside a dead transaction. On
//! SQLite the one writer task owns it, on PostgreSQL a spawned task does; the caller only waits for
//! the answer. No `timeout` and no `select!` goes around a transaction, ever.

pub mod backup;
mod breaker;
mod config;
mod error;
mod gather;
mod migrate;
mod postgres;
mod rows;
mod sqlite;
mod tx;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use self::breaker::Line;

pub use config::{AddressError, DbAddress, DbConfig};
pub use error::{ConstraintKind, DbError};
pub use gather::Gatherer;
pub use migrate::{Text as Migration, digest as migrations_digest, latest as latest_migration};
pub use rows::Rows;
pub use tx::{Tx, count_statement, execute, on, pg_now, statements};

/// The database. Cheap to clone: everybody shares the same connections.
#[derive(Clone, Debug)]
pub struct Db {
    backend: Backend,
}

#[derive(Clone, Debug)]
enum Backend {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(postgres::Postgres),
}

/// How much waits and how much was done; for metrics.
#[derive(Clone, Copy, Default, Debug)]
pub struct DbStats {
    /// Writes waiting or under way.
    pub waiting: usize,
    /// Write transactions asked for since the start.
    pub writes: u64,
    /// Commits since the start: fewer than writes where group commit helps.
    pub commits: u64,
    /// Whether writes are refused at once, because PostgreSQL left some unacknowledged.
    pub refused: bool,
}

impl Db {
    /// Opens the database; creates an SQLite file that does not exist. Applies no migration.
    pub async fn connect(config: &DbConfig) -> Result<Self, DbError> {
        let backend = match &config.address {
            DbAddress::Sqlite(path) => Backend::Sqlite(Arc::new(sqlite::Sqlite::open(path, config).await?)),
            DbAddress::Postgres(options) => Backend::Postgres(postgres::Postgres::open(options, config).await?),
        };
        Ok(Self { backend })
    }

    /// Applies the migrations that are missing: all, or none when one of them fails. Of several
    /// servers that start at once, one does it. A database that is newer than the program is refused.
    pub async fn migrate(&self) -> Result<(), DbError> {
        self.migrate_with(&[]).await
    }

    /// As [`migrate`](Self::migrate), with further migrations after the program's own: what an upgrade
    /// to come will be like, for tests.
    pub async fn migrate_with(&self, more: &[Migration]) -> Result<(), DbError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.migrate(more).await,
            Backend::Postgres(postgres) => postgres.migrate(more).await,
        }
    }

    /// The newest migration applied; 0 before the first. Compare with [`latest_migration`].
    pub async fn migration(&self) -> Result<i64, DbError> {
        self.read(|tx| {
            Box::pin(async move {
                let text = tx.pick(
                    "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'",
                    "SELECT count(*) FROM pg_tables WHERE tablename = '_sqlx_migrations' AND schemaname = current_schema()",
                );
                let tables: i64 = on!(tx, conn => sqlx::query_scalar(text).fetch_one(conn).await)?;
                if tables == 0 {
                    return Ok(0);
                }
                let text = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
                Ok(on!(tx, conn => sqlx::query_scalar(text).fetch_one(conn).await)?)
            })
        })
        .await
    }

    /// Reads in one short snapshot: all statements see the same state. Never writes.
    ///
    /// A long reader holds back SQLite's checkpoints, so do nothing else inside.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.read(work).await,
            Backend::Postgres(postgres) => postgres.read(work).await,
        }
    }

    /// Writes in one transaction: commits when `work` answers `Ok`, else rolls back. What is answered
    /// `Ok` is durable. The work runs to its end even when the caller stops waiting.
    ///
    /// On SQLite it may share a commit with other writes, so keep it to statements: no network, no
    /// waiting for anything but the database. It runs once; [`DbError::Busy`] means that PostgreSQL
    /// asks to try again.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.write(work).await,
            Backend::Postgres(postgres) => postgres.write(work, Line::Learners).await,
        }
    }

    /// As [`write`](Self::write), for what an author or administrator does by hand: it is rare, and does not stand in
    /// the line of a crowd of learners where there is such a line (on PostgreSQL, for a connection).
    pub async fn write_by_staff<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.write(work).await,
            Backend::Postgres(postgres) => postgres.write(work, Line::Staff).await,
        }
    }

    /// Asks the database for a sign of life, on a read connection.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read(|tx| Box::pin(async move { execute!(tx, sqlx::query("SELECT 1")).map(drop) })).await
    }

    /// What was deleted is to leave the files too, soon: SQLite's write-ahead log still holds it. Answers
    /// at once. PostgreSQL's own vacuum does it in its own time.
    pub fn scrub(&self) {
        if let Backend::Sqlite(sqlite) = &self.backend {
            sqlite.scrub();
        }
    }

    /// Whether this is SQLite: one process, one writer.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.backend, Backend::Sqlite(_))
    }

    /// How much waits and was done.
    pub fn stats(&self) -> DbStats {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.stats(),
            Backend::Postgres(postgres) => postgres.stats(),
        }
    }

    /// Finishes the writes that wait and closes every connection. Later calls fail.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close().await,
        }
    }
}
