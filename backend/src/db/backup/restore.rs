//! From a backup into an empty database.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::super::{Db, DbAddress, DbConfig, Tx, execute, migrate, on, sqlite};
use super::{BackupError, Dialect, Manifest, copy, file, manifest, postgres, refused};

/// Written by the first start of a server, so an empty database may have rows there: the backup's
/// replace them. Jobs' leases are of servers that are no more.
const OF_THE_SERVER: [&str; 2] = ["server_secret", "job"];

/// How to restore.
#[derive(Clone, Copy, Default, Debug)]
pub struct Wish {
    /// Switch all webhook endpoints off: for a drill, whose receivers must not hear of it.
    pub hold_webhooks: bool,
}

/// Restores a backup into a database without learners, sites or keys, which is brought up to date
/// first; no server may run on it. All of it in one transaction, read back and compared before that
/// ends; so after an error the database is as empty as before.
pub async fn restore(from: &Path, config: &DbConfig, wish: Wish) -> Result<Manifest, BackupError> {
    // SQLite would open a pipe and wait, or read a device.
    if std::fs::metadata(from).is_ok_and(|there| !there.is_file()) {
        return refused(format!("{} is not a regular file; devices, pipes and folders are not read", from.display()));
    }
    let manifest = manifest::verify(from).await?;
    // An older backup goes forward as the database that it is, then its rows fit.
    let upgraded = if manifest.migration < migrate::latest() { Some(upgraded(from).await?) } else { None };
    let path = upgraded.as_ref().map_or(from.to_owned(), |(_, path)| path.clone());
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    let mut source = options.connect().await?;

    let db = Db::connect(config).await?;
    let migrated = db.migrate().await;
    db.close().await;
    migrated?;
    match &config.address {
        DbAddress::Sqlite(path) => {
            let mut target = sqlite::options(path, config).connect().await?;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut target).await?;
            fill(&mut source, &mut Tx::Sqlite(&mut target), wish).await?;
            sqlx::query("COMMIT").execute(&mut target).await?;
            // Out of the write-ahead log, into the file.
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut target).await?;
            target.close().await?;
        }
        DbAddress::Postgres(options) => {
            let mut target = postgres(options).await?;
            sqlx::query("BEGIN").execute(&mut target).await?;
            sqlx::raw_sql(super::UNLIMITED).execute(&mut target).await?;
            fill(&mut source, &mut Tx::Postgres(&mut target), wish).await?;
            sqlx::query("COMMIT").execute(&mut target).await?;
            sqlx::query("ANALYZE").execute(&mut target).await?;
            target.close().await?;
        }
    }
    source.close().await?;
    Ok(manifest)
}

/// Copies an older backup and applies the migrations that it lacks.
async fn upgraded(from: &Path) -> Result<(TempDir, std::path::PathBuf), BackupError> {
    let folder = tempfile::tempdir().map_err(file::at(&std::env::temp_dir()))?;
    let path = folder.path().join("backup.db");
    std::fs::copy(from, &path).map_err(file::at(&path))?;
    let options = SqliteConnectOptions::new().filename(&path).foreign_keys(true).disable_statement_logging();
    let mut copy = options.connect().await?;
    migrate::run_sqlite(&migrate::migrator(Dialect::Sqlite, i64::MAX, &[]), &mut copy).await?;
    copy.close().await?;
    Ok((folder, path))
}

/// What happens inside the one transaction. An error leaves it open, and closing the connection ends it.
async fn fill(source: &mut SqliteConnection, target: &mut Tx<'_>, wish: Wish) -> Result<(), BackupError> {
    let tables = copy::tables(source).await?;
    match target {
        Tx::Sqlite(connection) => {
            sqlx::query("PRAGMA defer_foreign_keys = ON").execute(&mut **connection).await?;
        }
        Tx::Postgres(connection) => {
            let names: Vec<String> = tables.iter().map(|table| format!("\"{}\"", table.name)).collect();
            let text = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "));
            sqlx::query(AssertSqlSafe(text)).execute(&mut **connection).await?;
        }
    }
    for table in &tables {
        if OF_THE_SERVER.contains(&table.name.as_str()) {
            let text = format!("DELETE FROM \"{}\"", table.name);
            execute!(target, sqlx::query(AssertSqlSafe(text.as_str())))?;
            continue;
        }
        let text = format!("SELECT EXISTS (SELECT 1 FROM \"{}\")", table.name);
        let there: bool = on!(target, conn => sqlx::query_scalar(AssertSqlSafe(text.as_str())).fetch_one(conn).await)?;
        if there {
            return refused(format!(
                "the database is not empty (there are rows in table {}): restore goes into an empty one only",
                table.name
            ));
        }
    }
    for table in &tables {
        let read = copy::rows(table, &mut Tx::Sqlite(source), target).await?;
        let written = copy::sum(table, target).await?;
        if read != written {
            return refused(format!("table {} came out otherwise than it is in the backup", table.name));
        }
    }
    // The servers that held these are no more.
    execute!(target, sqlx::query("DELETE FROM job"))?;
    let free = "UPDATE webhook_delivery SET lease_until = 0, lease_owner = NULL WHERE state = 'pending'";
    execute!(target, sqlx::query(free))?;
    if wish.hold_webhooks {
        let hold = "UPDATE webhook_endpoint SET enabled = FALSE, disabled_reason = 'restored' WHERE enabled";
        execute!(target, sqlx::query(hold))?;
    }
    Ok(())
}
