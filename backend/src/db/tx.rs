//! One transaction, whichever database it is in.

use std::sync::atomic::{AtomicU64, Ordering};

use jalon_shared::Timestamp;
use sqlx::{PgConnection, SqliteConnection};

use super::DbError;
use crate::clock::LeaseTime;

static STATEMENTS: AtomicU64 = AtomicU64::new(0);

/// Counts a statement; [`on!`] does.
pub fn count_statement() {
    STATEMENTS.fetch_add(1, Ordering::Relaxed);
}

/// Statements that this process has run.
pub fn statements() -> u64 {
    STATEMENTS.load(Ordering::Relaxed)
}

/// An open transaction. Store functions take `tx: &mut Tx<'_>` and their scope (site, learner) first,
/// and never begin or commit: [`Db::write`](super::Db::write) does.
///
/// A statement that failed must end the work in `Err`: PostgreSQL takes nothing more in that
/// transaction and would answer its COMMIT by rolling back in silence.
#[derive(Debug)]
pub enum Tx<'c> {
    /// In SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// In PostgreSQL.
    Postgres(&'c mut PgConnection),
}

impl Tx<'_> {
    /// Whether this is SQLite.
    pub fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// The present by which leases are compared, by the clock that decides.
    pub async fn now(&mut self, time: impl Into<LeaseTime>) -> Result<Timestamp, DbError> {
        match (time.into().given(self.is_sqlite()), self) {
            (None, Self::Postgres(conn)) => {
                count_statement();
                let sql = concat!("SELECT ", pg_now!("NULL"));
                Ok(Timestamp(sqlx::query_scalar(sql).fetch_one(&mut **conn).await?))
            }
            (given, _) => Ok(Timestamp(given.unwrap_or_default())),
        }
    }

    /// Picks the text of a statement that truly differs. Keep the two side by side as
    /// `…_SQLITE` and `…_POSTGRES`.
    pub fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }
}

/// The present in a statement for PostgreSQL, in milliseconds: the parameter, or the database's own time where
/// that is null (see [`LeaseTime`](crate::clock::LeaseTime)). The same for the whole statement, so that an index serves it.
#[macro_export]
macro_rules! pg_now {
    ($parameter:literal) => {
        concat!("coalesce(", $parameter, "::bigint, (extract(epoch FROM statement_timestamp()) * 1000)::bigint)")
    };
}
pub use pg_now;

/// Runs one body on the connection inside a [`Tx`], compiled once per driver.
///
/// ```ignore
/// let row: Option<SiteRow> = on!(tx, conn => sqlx::query_as("SELECT id, slug FROM site WHERE slug = $1")
///     .bind(slug).fetch_optional(conn).await)?;
/// ```
///
/// - `conn` is a `&mut SqliteConnection` or `&mut PgConnection`; write `&mut *conn` to use it twice.
/// - `$1`, `derive(FromRow)`, `Uuid`, `i64` (BIGINT), `i32` (INTEGER), `bool`, `String`, `Vec<u8>` and
///   `Option`s of them mean the same on both.
/// - Many rows travel as one JSON parameter: on SQLite `FROM json_each($1) AS r` with
///   `r.value ->> 'name'`, ids by `unhex(r.value ->> 'id', '-')`; on PostgreSQL
///   `FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, name text)`. On SQLite's hottest paths, where the
///   JSON costs more than the rows, by [`Rows`](super::Rows).
#[macro_export]
macro_rules! on {
    ($tx:expr, $conn:ident => $body:expr) => {{
        $crate::db::count_statement();
        match &mut *$tx {
            $crate::db::Tx::Sqlite(conn) => {
                let $conn = &mut **conn;
                $body
            }
            $crate::db::Tx::Postgres(conn) => {
                let $conn = &mut **conn;
                $body
            }
        }
    }};
}
pub use on;

/// Executes one statement inside a [`Tx`]: the number of rows it touched, or a
/// [`DbError`](super::DbError). (The drivers' results are two types, so `on!` alone can't answer them.)
/// Build the query inside the macro: a query belongs to one driver.
///
/// ```ignore
/// let touched = execute!(tx, sqlx::query("UPDATE guest SET revoked_at = $1 WHERE id = $2").bind(now).bind(id))?;
/// ```
#[macro_export]
macro_rules! execute {
    ($tx:expr, $query:expr) => {
        $crate::on!($tx, conn => $query.execute(conn).await.map(|done| done.rows_affected()))
            .map_err($crate::db::DbError::from)
    };
}
pub use execute;
