//! A migrated database of its own for every test.

use std::future::Future;
use std::ops::Deref;

use jalon_backend::db::{Db, DbAddress, DbConfig, migrations_digest};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::cluster::{self, Cluster};

/// Which database a test runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    /// A file in a temporary folder.
    Sqlite,
    /// A database of its own, copied from a migrated template.
    Postgres,
}

/// A database for one test, migrated and empty; gone when dropped. Use it as a [`Db`].
#[derive(Debug)]
pub struct TestDb {
    db: Db,
    config: DbConfig,
    /// Last, so that the connections are closed before the database goes.
    keep: Keep,
}

#[derive(Debug)]
enum Keep {
    Folder(TempDir),
    Database(Dropped),
    /// Somebody else's, at this address.
    Elsewhere(String),
}

/// A PostgreSQL database that is dropped with this.
#[derive(Debug)]
struct Dropped(String);

impl TestDb {
    /// Makes one.
    pub async fn new(backend: Backend) -> Self {
        let db = Self::make(backend, false).await;
        db.migrate().await.unwrap();
        db
    }

    /// Makes one without a schema, as it is before the first start.
    pub async fn empty(backend: Backend) -> Self {
        Self::make(backend, true).await
    }

    async fn make(backend: Backend, empty: bool) -> Self {
        let (config, keep) = match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let config = DbConfig::new(DbAddress::Sqlite(folder.path().join("jalon.db")));
                (config, Keep::Folder(folder))
            }
            Backend::Postgres => {
                let name = format!("jalon_test_{}", Uuid::now_v7().simple());
                create(&name, empty).await;
                let mut config = DbConfig::new(named(&name));
                config.connections = 8;
                (config, Keep::Database(Dropped(name)))
            }
        };
        let db = Db::connect(&config).await.unwrap();
        Self { db, config, keep }
    }

    /// The database `postgres` of a cluster of the test's own, migrated.
    pub async fn of(cluster: &Cluster) -> Self {
        let url = cluster.address("postgres");
        let mut config = DbConfig::new(url.parse().unwrap());
        config.connections = 8;
        let db = Db::connect(&config).await.unwrap();
        db.migrate().await.unwrap();
        Self { db, config, keep: Keep::Elsewhere(url) }
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        if self.db.is_sqlite() { Backend::Sqlite } else { Backend::Postgres }
    }

    /// The database as the code under test has it.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// How it is opened.
    pub fn config(&self) -> &DbConfig {
        &self.config
    }

    /// Its address, for another process.
    pub fn url(&self) -> String {
        match &self.keep {
            Keep::Folder(folder) => {
                format!("sqlite://{}", folder.path().join("jalon.db").display())
            }
            Keep::Elsewhere(url) => url.clone(),
            Keep::Database(database) => {
                // The same address with the database's name for the one that is there.
                let (server, query) = cluster::address().split_once('?').unwrap_or((cluster::address(), ""));
                let (server, _) = server.rsplit_once('/').unwrap();
                format!("{server}/{}?{query}", database.0)
            }
        }
    }

    /// Opens the same database once more, as a second backend would.
    pub async fn reopen(&self) -> Db {
        Db::connect(&self.config).await.unwrap()
    }
}

impl Deref for TestDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

/// Runs one test's story on a database of its own.
pub fn run<F: Future<Output = ()>>(backend: Backend, story: impl FnOnce(TestDb) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let db = TestDb::new(backend).await;
        story(db).await;
    });
}

fn named(database: &str) -> DbAddress {
    let DbAddress::Postgres(options) = cluster::address().parse().unwrap() else {
        panic!("TEST_DATABASE_URL must name a PostgreSQL database");
    };
    DbAddress::Postgres(Box::new(options.database(database)))
}

/// Copies the template; makes it first when nobody has, one process at a time.
async fn create(name: &str, empty: bool) {
    let mut connection = PgConnection::connect(cluster::address()).await.unwrap();
    if empty {
        return execute(&mut connection, format!("CREATE DATABASE {name}")).await;
    }
    let template = format!("jalon_template_{}", migrations_digest());
    sqlx::query("SELECT pg_advisory_lock(7401)").execute(&mut connection).await.unwrap();
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&template)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    if !there {
        // Under another name until it is complete, so that nobody copies half of it.
        let building = format!("jalon_building_{}", Uuid::now_v7().simple());
        execute(&mut connection, format!("CREATE DATABASE {building}")).await;
        let db = Db::connect(&DbConfig::new(named(&building))).await.unwrap();
        db.migrate().await.unwrap();
        db.close().await;
        execute(&mut connection, format!("ALTER DATABASE {building} RENAME TO {template}")).await;
    }
    sqlx::query("SELECT pg_advisory_unlock(7401)").execute(&mut connection).await.unwrap();
    execute(&mut connection, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    connection.close().await.unwrap();
}

async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let name = self.0.clone();
        // Dropping can't wait, and the test's runtime may be ending: a thread with its own.
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(cluster::address()).await.unwrap();
                execute(&mut connection, format!("DROP DATABASE {name} WITH (FORCE)")).await;
            });
        });
        if done.join().is_err() {
            eprintln!("a test's database was not dropped: {}", self.0);
        }
    }
}
