//! Backup and restore, the same for both databases, and so the way from one to the other.
//!
//! A backup is an SQLite file with Jalon's own schema and all its rows, of one moment, beside a
//! [`Manifest`] of what must be in it. From SQLite it is made by `VACUUM INTO`, from PostgreSQL row by
//! row out of one snapshot. It is written under another name, read back and compared, synced, and only
//! then gets its name. Restoring writes the rows into an empty database of either kind, in one
//! transaction, and compares again before it commits. Nothing is held in memory but a batch of rows.

mod copy;
mod file;
mod manifest;
mod restore;

use std::path::{Path, PathBuf};

use jalon_shared::Timestamp;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};

pub use manifest::{Manifest, TableSum, verify};
pub use restore::{Wish, restore};

use super::migrate::{self, Dialect};
use super::{DbAddress, DbConfig, DbError, Tx};
use file::Part;

/// Why there is no backup, or nothing was restored. Each is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It would not be right; the sentence says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database did not play along.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

fn refused<T>(sentence: impl Into<String>) -> Result<T, BackupError> {
    Err(BackupError::Refused(sentence.into()))
}

/// Writes a backup of the database, which may be at work, to a file of its own: what was committed
/// before the call is in it. Learners are not held up; on SQLite the write-ahead log grows meanwhile.
///
/// An older schema is kept as it is, so that a backup can be made before an upgrade.
pub async fn backup(config: &DbConfig, to: &Path, force: bool, now: Timestamp) -> Result<Manifest, BackupError> {
    if let DbAddress::Sqlite(database) = &config.address
        && file::same(database, to)
    {
        return refused("that is the database itself: name another file");
    }
    if to.exists() && !force {
        return refused(format!("{} is there already: name another file, or add --force", to.display()));
    }
    let part = Part::create(to)?;
    let (source, migration) = match &config.address {
        DbAddress::Sqlite(database) => ("sqlite", from_sqlite(database, part.path()).await?),
        DbAddress::Postgres(options) => ("postgres", from_postgres(options, part.path()).await?),
    };
    let mut copy = writable(part.path()).await?;
    let manifest = manifest::write(&mut copy, source, migration, now).await?;
    copy.close().await?;
    part.sync()?;
    // By opening it as a stranger would.
    verify(part.path()).await?;
    part.keep(to)?;
    Ok(manifest)
}

async fn from_sqlite(database: &Path, to: &Path) -> Result<i64, BackupError> {
    if !database.exists() {
        return refused(format!("there is no database at {}", database.display()));
    }
    let options = SqliteConnectOptions::new().filename(database).disable_statement_logging();
    let mut source = options.connect().await?;
    let migration = known(migration_sqlite(&mut source).await?)?;
    let Some(to) = to.to_str() else {
        return refused("the file's name must be UTF-8");
    };
    // Reads one snapshot, on a connection of its own: the writer goes on.
    sqlx::query("VACUUM INTO $1").bind(to).execute(&mut source).await?;
    source.close().await?;
    Ok(migration)
}

async fn from_postgres(options: &PgConnectOptions, to: &Path) -> Result<i64, BackupError> {
    let mut source = postgres(options).await?;
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut source).await?;
    sqlx::raw_sql(UNLIMITED).execute(&mut source).await?;
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut source).await?;
    let migration = if there {
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(&mut source).await?
    } else {
        0
    };
    let migration = known(migration)?;
    let mut copy = writable(to).await?;
    migrate::run_sqlite(&migrate::migrator(Dialect::Sqlite, migration, &[]), &mut copy).await?;
    let tables = copy::tables(&mut copy).await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut copy).await?;
    for table in &tables {
        copy::rows(table, &mut Tx::Postgres(&mut source), &mut Tx::Sqlite(&mut copy)).await?;
    }
    sqlx::query("COMMIT").execute(&mut copy).await?;
    copy.close().await?;
    source.close().await?;
    Ok(migration)
}

/// The migration of a database that this program can read.
fn known(migration: i64) -> Result<i64, BackupError> {
    let latest = migrate::latest();
    if migration == 0 {
        return refused("the database is empty: there is nothing to back up");
    }
    if migration > latest {
        return refused(migrate::newer(migration, latest));
    }
    Ok(migration)
}

async fn migration_sqlite(connection: &mut SqliteConnection) -> Result<i64, BackupError> {
    const THERE: &str = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let there: i64 = sqlx::query_scalar(THERE).fetch_one(&mut *connection).await?;
    if there == 0 {
        return Ok(0);
    }
    Ok(sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(connection).await?)
}

/// A backup being written. If we die meanwhile it is thrown away, so it needs neither journal nor syncs;
/// its foreign keys are checked at the end.
async fn writable(path: &Path) -> Result<SqliteConnection, BackupError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false)
        .disable_statement_logging();
    Ok(options.connect().await?)
}

/// Takes the limits that suit a server from a transaction, and from no other: behind a pooler that would be somebody
/// else's.
const UNLIMITED: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL TIME ZONE 'UTC'";

/// A connection; each of its transactions begins with [`UNLIMITED`].
async fn postgres(options: &PgConnectOptions) -> Result<PgConnection, BackupError> {
    Ok(options.clone().application_name("jalon backup").disable_statement_logging().connect().await?)
}
