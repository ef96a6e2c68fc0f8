//! Migrations: the same names for both databases, one text each.

use std::sync::LazyLock;

use sqlx::migrate::{Migrate, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqlStr};

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

const MIGRATIONS: ([Text; 4], [Text; 4]) = migrations![
    1 "0001_site",
    2 "0002_track",
    3 "0003_webhook",
    4 "0004_job",
];

type Text = (i64, &'static str, &'static str);

static SQLITE: LazyLock<Migrator> = LazyLock::new(|| migrator(&MIGRATIONS.0));
static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| migrator(&MIGRATIONS.1));

fn migrator(texts: &[Text]) -> Migrator {
    let migrations = texts.iter().map(|&(version, name, sql)| {
        let sql: SqlStr = sql.into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// Which database's texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    fn migrator(self) -> &'static Migrator {
        match self {
            Self::Sqlite => &SQLITE,
            Self::Postgres => &POSTGRES,
        }
    }
}

/// Applies what is missing; several backends may try at once (sqlx locks on PostgreSQL).
pub(super) async fn run<C: Migrate>(dialect: Dialect, connection: &mut C) -> Result<(), DbError> {
    dialect.migrator().run_direct(None, connection, false).await.map_err(DbError::other)
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
