//! Migrations: the same names for both databases, one text each.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection as _, PgConnection, SqlSafeStr, SqlStr, SqliteConnection};

use super::DbError;

/// Lists the migrations by name, so that one which exists for a single database does not compile.
macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        (
            [$(($version, $name, include_str!(concat!("../../migrations/sqlite/", $name, ".sql")))),+],
            [$(($version, $name, include_str!(concat!("../../migrations/postgres/", $name, ".sql")))),+],
        )
    };
}

const MIGRATIONS: ([Text; 15], [Text; 15]) = migrations![
    1 "0001_site",
    2 "0002_track",
    3 "0003_webhook",
    4 "0004_job",
    5 "0005_event_begun",
    6 "0006_event_staff",
    7 "0007_course",
    8 "0008_cohort",
    9 "0009_cohort_source",
    11 "0011_article",
    12 "0012_course_enrollment_course",
    13 "0013_accounted_until",
    14 "0014_shared_answer_enrollment",
    15 "0015_staff",
    16 "0016_delivery_next",
];

/// A migration: its number, its name, its text.
pub type Text = (i64, &'static str, &'static str);

/// The table in which sqlx keeps what was applied.
const TABLE: &str = "_sqlx_migrations";

/// Which database's texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// The program's migrations up to a number, and more after them.
pub(super) fn migrator(dialect: Dialect, to: i64, more: &[Text]) -> Migrator {
    let own = match dialect {
        Dialect::Sqlite => &MIGRATIONS.0,
        Dialect::Postgres => &MIGRATIONS.1,
    };
    let texts = own.iter().filter(|text| text.0 <= to).chain(more);
    let migrations = texts.map(|&(version, name, sql)| {
        let sql: SqlStr = sql.into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // sqlx's own lock is none on SQLite, and on PostgreSQL it ends before our transaction does.
    migrator.set_locking(false);
    migrator
}

/// Applies what is missing on SQLite: all of it or, when one fails, nothing. Of several programs that
/// start at once, one does it.
pub(super) async fn run_sqlite(migrator: &Migrator, connection: &mut SqliteConnection) -> Result<(), DbError> {
    const THERE: &str = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    let there: i64 = sqlx::query_scalar(THERE).fetch_one(&mut *connection).await?;
    if there > 0 && is_current(migrator, connection).await? {
        return Ok(());
    }
    // The write lock before the look, or two programs would both see the old state.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrator.run_direct(None, &mut *transaction, false).await.map_err(plain)?;
    Ok(transaction.commit().await?)
}

/// As [`run_sqlite`], on PostgreSQL.
pub(super) async fn run_postgres(migrator: &Migrator, connection: &mut PgConnection) -> Result<(), DbError> {
    // The lock is this database's and the transaction's. Its number spells "jalon".
    const LOCK: &str = "SELECT pg_advisory_xact_lock(457491148654)";
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *connection).await?;
    if there && is_current(migrator, connection).await? {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    // A migration may take its time; for this transaction alone, whoever has the connection next.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
        .execute(&mut *transaction)
        .await?;
    sqlx::query(LOCK).execute(&mut *transaction).await?;
    migrator.run_direct(None, &mut *transaction, false).await.map_err(plain)?;
    Ok(transaction.commit().await?)
}

/// Whether nothing is missing; an error when the database is newer than the program.
async fn is_current<C: Migrate>(migrator: &Migrator, connection: &mut C) -> Result<bool, DbError> {
    let applied = connection.list_applied_migrations(TABLE).await.map_err(plain)?;
    let newest = applied.last().map_or(0, |migration| migration.version);
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    if newest > known {
        return Err(DbError::Schema(newer(newest, known)));
    }
    Ok(applied.len() == migrator.iter().count()
        && migrator
            .iter()
            .zip(&applied)
            .all(|(own, there)| own.version == there.version && own.checksum == there.checksum))
}

/// Why a database of a newer program is left alone.
pub(super) fn newer(there: i64, known: i64) -> String {
    format!(
        "the database was written by a newer Jalon: it is at migration {there}, this program knows {known}. \
         Start the newer program, or restore a backup from before the upgrade into an empty database"
    )
}

fn plain(error: MigrateError) -> DbError {
    match error {
        MigrateError::Execute(error) => error.into(),
        MigrateError::ExecuteMigration(error, version) => {
            DbError::Schema(format!("migration {version} failed, and nothing was changed: {error}"))
        }
        MigrateError::VersionMismatch(version) => {
            DbError::Schema(format!("migration {version} was applied with another text than this program has"))
        }
        other => DbError::other(other),
    }
}

/// The version this program needs.
pub fn latest() -> i64 {
    MIGRATIONS.0.iter().map(|text| text.0).max().unwrap_or(0)
}

/// A digest of all texts: changes when any of them does. Tests name their template database by it.
pub fn digest() -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for (_, name, sql) in MIGRATIONS.0.iter().chain(&MIGRATIONS.1) {
        hash.update(name);
        hash.update(sql);
    }
    hash.finalize().iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
