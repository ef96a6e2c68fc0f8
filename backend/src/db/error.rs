//! What can go wrong between Jalon and its database, by what the caller can do about it.

use std::sync::Arc;

use sqlx::error::ErrorKind;

/// A failed read or write. Cheap to clone: when a group's commit fails, everybody in it hears of it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// The database can't be reached, or the connection broke. Whether a write took effect may be
    /// unknown; its idempotency key settles that when it is tried again (503).
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Too much is waiting already; nothing was tried (503 with `Retry-After`).
    #[error("the database has too much waiting work")]
    Overloaded,
    /// Somebody else held a lock, the statement ran out of time, or PostgreSQL asked to try again
    /// (serialization failure, deadlock). Nothing was written (503 with `Retry-After`).
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The schema refused the row. Nothing was written.
    #[error("the database refused a row: {kind:?} ({name})")]
    Constraint {
        /// Which kind of rule.
        kind: ConstraintKind,
        /// PostgreSQL: the constraint's name (`track_site_id_slug_key`); SQLite: what it says of it
        /// (`track.site_id, track.slug`). For logs: decide by `kind` and by the statement you ran.
        name: String,
    },
    /// The schema is not this program's: newer, changed by hand, or a migration failed. A sentence for
    /// whoever upgrades.
    #[error("{0}")]
    Schema(String),
    /// A mistake of ours: bad SQL, a column of another type, a panic inside a transaction (500).
    #[error("database error: {0}")]
    Other(Arc<dyn std::error::Error + Send + Sync>),
}

/// The kinds of rules a schema has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConstraintKind {
    /// A primary key or unique index.
    Unique,
    /// A row that is pointed at is missing.
    ForeignKey,
    /// A `CHECK`.
    Check,
    /// A `NOT NULL`.
    NotNull,
}

impl DbError {
    /// Wraps a mistake of ours.
    pub fn other(message: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(Arc::from(message.into()))
    }

    /// Whether a unique rule refused the row: somebody else was first.
    pub fn is_unique(&self) -> bool {
        matches!(self, Self::Constraint { kind: ConstraintKind::Unique, .. })
    }

    /// Whether the same call may work a little later (503 rather than 500).
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Overloaded | Self::Busy(_))
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => from_database(database.as_ref()),
            sqlx::Error::PoolTimedOut => Self::Overloaded,
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Unavailable(error.to_string())
            }
            other => Self::Other(Arc::new(other)),
        }
    }
}

impl From<serde_json::Error> for DbError {
    /// JSON that the database holds and we can't read, or the other way round.
    fn from(error: serde_json::Error) -> Self {
        Self::Other(Arc::new(error))
    }
}

fn from_database(error: &dyn sqlx::error::DatabaseError) -> DbError {
    let kind = match error.kind() {
        ErrorKind::UniqueViolation => ConstraintKind::Unique,
        ErrorKind::ForeignKeyViolation => ConstraintKind::ForeignKey,
        ErrorKind::CheckViolation | ErrorKind::ExclusionViolation => ConstraintKind::Check,
        ErrorKind::NotNullViolation => ConstraintKind::NotNull,
        _ => return from_code(error),
    };
    let message = error.message();
    let name = error
        .constraint()
        .map_or_else(|| message.split_once("failed: ").map_or(message, |(_, name)| name).to_owned(), str::to_owned);
    DbError::Constraint { kind, name }
}

fn from_code(error: &dyn sqlx::error::DatabaseError) -> DbError {
    let text = error.to_string();
    let code = error.code().unwrap_or_default();
    match code.as_ref() {
        // PostgreSQL: serialization failure, deadlock, lock not available, statement timeout.
        "40001" | "40P01" | "55P03" | "57014" => DbError::Busy(text),
        // PostgreSQL: going down, coming up, gone, idle for too long; it may only be read (a standby);
        // all of class 08 (connection) and class 53 (disk, memory, connections used up).
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" => DbError::Unavailable(text),
        // SQLSTATE has five characters; SQLite's codes are numbers (a disk I/O error is 10: not class 08).
        code if code.len() == 5 && (code.starts_with("08") || code.starts_with("53")) => DbError::Unavailable(text),
        // SQLite: the low byte is the primary code. BUSY, LOCKED; then read only, I/O error, full disk, can't open.
        code => match code.parse::<i32>().map(|code| code & 0xff) {
            Ok(5 | 6) => DbError::Busy(text),
            Ok(8 | 10 | 13 | 14) => DbError::Unavailable(text),
            _ => DbError::other(text),
        },
    }
}
