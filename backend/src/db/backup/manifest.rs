//! What must be in a backup, and the look whether it is.

use std::collections::BTreeMap;
use std::path::Path;

use jalon_shared::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::super::{Tx, migrate};
use super::{BackupError, copy, refused};

/// The way this program writes backups. A higher one is not read.
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The way it is written.
    pub format: u32,
    /// The program that wrote it.
    pub program: String,
    /// `sqlite` or `postgres`: where the rows came from.
    pub source: String,
    /// The newest migration of its schema.
    pub migration: i64,
    /// When it was begun.
    pub made_at: Timestamp,
    /// Every table, by name.
    pub tables: BTreeMap<String, TableSum>,
}

/// What is in a table.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct TableSum {
    /// How many rows.
    pub rows: u64,
    /// The sum of the SHA-256 of all rows, in hexadecimal: no matter in which order they are read, and
    /// from which of the two databases.
    pub digest: String,
}

impl Manifest {
    /// Rows in all tables.
    pub fn rows(&self) -> u64 {
        self.tables.values().map(|table| table.rows).sum()
    }
}

/// Counts what is in a finished copy, and writes it into it.
pub(super) async fn write(
    copy: &mut SqliteConnection,
    source: &str,
    migration: i64,
    now: Timestamp,
) -> Result<Manifest, BackupError> {
    let manifest = Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        source: source.to_owned(),
        migration,
        made_at: now,
        tables: sums(copy).await?,
    };
    let text = serde_json::to_string(&manifest).map_err(super::DbError::from)?;
    // One may be there: of a backup that somebody put in place as a database.
    sqlx::raw_sql("DROP TABLE IF EXISTS _jalon_backup; CREATE TABLE _jalon_backup (manifest TEXT NOT NULL) STRICT")
        .execute(&mut *copy)
        .await?;
    sqlx::query("INSERT INTO _jalon_backup VALUES ($1)").bind(text).execute(copy).await?;
    Ok(manifest)
}

async fn sums(copy: &mut SqliteConnection) -> Result<BTreeMap<String, TableSum>, BackupError> {
    let mut sums = BTreeMap::new();
    for table in copy::tables(copy).await? {
        let sum = copy::sum(&table, &mut Tx::Sqlite(copy)).await?;
        sums.insert(table.name, sum);
    }
    Ok(sums)
}

/// Opens a backup and looks whether all is in it: the file's structure, every foreign key, and every
/// row against the manifest. Changes nothing.
pub async fn verify(path: &Path) -> Result<Manifest, BackupError> {
    let name = path.display();
    if !path.is_file() {
        return refused(format!("there is no file {name}"));
    }
    let no_backup = || format!("{name} is no backup made by jalon backup");
    let options = SqliteConnectOptions::new().filename(path).read_only(true).disable_statement_logging();
    let mut copy = options.connect().await.map_err(|_| BackupError::Refused(no_backup()))?;
    let Ok(text) = sqlx::query_scalar::<_, String>("SELECT manifest FROM _jalon_backup").fetch_one(&mut copy).await
    else {
        return refused(no_backup());
    };
    let format = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(|it| it["format"].as_u64());
    match format {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) if format > u64::from(FORMAT) => {
            return refused(format!("{name} was made by a newer Jalon: take that one to restore it"));
        }
        _ => return refused(no_backup()),
    }
    let manifest: Manifest = serde_json::from_str(&text).map_err(|_| BackupError::Refused(no_backup()))?;
    if manifest.migration > migrate::latest() {
        return refused(format!(
            "{name} was made by a newer Jalon ({}): it is at migration {}, this program knows {}",
            manifest.program,
            manifest.migration,
            migrate::latest()
        ));
    }
    let damaged = |what: String| refused(format!("{name} is damaged: {what}"));
    let said: Vec<String> = match sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut copy).await {
        Ok(said) => said,
        Err(error) => return damaged(error.to_string()),
    };
    if said != ["ok"] {
        return damaged(said.into_iter().next().unwrap_or_default());
    }
    let orphan: Option<String> =
        sqlx::query_scalar("SELECT \"table\" FROM pragma_foreign_key_check").fetch_optional(&mut copy).await?;
    if let Some(table) = orphan {
        return damaged(format!("a row of table {table} points at nothing"));
    }
    let there = match sums(&mut copy).await {
        Ok(there) => there,
        Err(error) => return damaged(error.to_string()),
    };
    copy.close().await?;
    match manifest.tables.iter().find(|(table, sum)| there.get(*table) != Some(sum)) {
        Some((table, _)) => damaged(format!("table {table} does not hold what was written")),
        None if there.len() != manifest.tables.len() => damaged("it holds a table that was not written".to_owned()),
        None => Ok(manifest),
    }
}
