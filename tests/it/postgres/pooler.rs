//! `PgBouncer` between Jalon and PostgreSQL: its limits hold in each transaction, and for nobody else.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jalon_backend::clock::Clock;
use jalon_backend::db::{Db, DbAddress, DbConfig, DbError, Tx};
use jalon_tests::{Backend, Stage, TestDb, small_track};
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, PgConnection, Row as _};
use tempfile::TempDir;

/// A pooler on a Unix socket; ended when dropped.
struct Pooler {
    child: Child,
    folder: TempDir,
    database: String,
}

impl Pooler {
    /// Starts one in this mode, with so many connections to the server, before a test's database.
    async fn start(db: &TestDb, mode: &str, servers: u32) -> Self {
        let DbAddress::Postgres(options) = &db.config().address else { panic!("this is SQLite") };
        let host = options.get_socket().map_or(options.get_host().to_owned(), |socket| socket.display().to_string());
        let database = options.get_database().unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "[databases]\n* = host={host} port={} user={}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n\
             unix_socket_dir = {folder}\nunix_socket_mode = 0777\nauth_type = any\npool_mode = {mode}\n\
             default_pool_size = {servers}\nmax_client_conn = 200\nignore_startup_parameters = extra_float_digits\n",
            options.get_port(),
            options.get_username(),
            folder = folder.path().display()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        // It refuses to run as root.
        let id = Command::new("id").arg("-u").output().unwrap();
        let mut command = if String::from_utf8_lossy(&id.stdout).trim() == "0" {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program());
            command
        } else {
            Command::new(program())
        };
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = command.arg("-q").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let pooler =
            Self { child: child.unwrap_or_else(|error| panic!("{}: {error}", program().display())), folder, database };
        let begun = Instant::now();
        while let Err(error) = PgConnection::connect(&pooler.url()).await {
            let said = std::fs::read_to_string(pooler.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(20), "{error}: {said}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        pooler
    }

    fn url(&self) -> String {
        format!("postgres://jalon@localhost:6432/{}?host={}", self.database, self.folder.path().display())
    }

    /// How a server is told of it.
    fn config(&self) -> DbConfig {
        let mut config = DbConfig::new(self.url().parse().unwrap());
        config.connections = 16;
        config
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Debian puts it where only an administrator's shell looks.
fn program() -> PathBuf {
    let known = PathBuf::from("/usr/sbin/pgbouncer");
    if known.exists() { known } else { PathBuf::from("pgbouncer") }
}

/// Many transactions at once have their limits.
async fn limits_hold(db: &Db) {
    let (reads, writes) =
        tokio::join!(join_all((0..64).map(|_| limits(db, false))), join_all((0..64).map(|_| limits(db, true))));
    for found in reads {
        assert_eq!((found.0.as_str(), found.1.as_str(), found.2.as_str()), ("5s", "30s", "off"));
    }
    for found in writes {
        assert_eq!(
            (found.0.as_str(), found.1.as_str(), found.2.as_str(), found.3.as_str()),
            ("5s", "30s", "off", "5s")
        );
    }
}

type Limits = (String, String, String, String);

const LIMITS: &str = "SELECT current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout'), \
    current_setting('enable_seqscan'), current_setting('lock_timeout')";

async fn limits(db: &Db, write: bool) -> Limits {
    macro_rules! ask {
        ($how:ident) => {
            db.$how(|tx| {
                Box::pin(async move {
                    let Tx::Postgres(connection) = tx else { panic!("this is SQLite") };
                    // Without a prepared statement.
                    Ok::<_, DbError>(four(&sqlx::raw_sql(LIMITS).fetch_one(&mut **connection).await?))
                })
            })
            .await
            .unwrap()
        };
    }
    if write { ask!(write) } else { ask!(read) }
}

fn four(row: &PgRow) -> Limits {
    let text = |place: usize| row.get::<String, _>(place);
    (text(0), text(1), text(2), text(3))
}

/// What somebody else has of each of the pooler's connections to the server.
async fn of_strangers(pooler: &Pooler, servers: u32) -> Vec<Limits> {
    let mut all = Vec::new();
    let mut open = Vec::new();
    for _ in 0..servers {
        let mut one = PgConnection::connect(&pooler.url()).await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut one).await.unwrap();
        let found = sqlx::raw_sql(LIMITS).fetch_one(&mut one).await.unwrap();
        all.push(four(&found));
        open.push(one);
    }
    for mut one in open {
        // Or the pooler would close its connection, and what was set on it would be gone.
        sqlx::raw_sql("COMMIT").execute(&mut one).await.unwrap();
        one.close().await.unwrap();
    }
    all
}

/// Between sessions nothing is shared, so that everything works, and prepared statements too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_session_pooler_all_is_as_without() {
    let db = TestDb::empty(Backend::Postgres).await;
    let pooler = Pooler::start(&db, "session", 40).await;
    let before = of_strangers(&pooler, 4).await;
    let behind = Db::connect(&pooler.config()).await.unwrap();
    behind.migrate().await.unwrap();
    let stage = Stage::set_with(&db, Clock::system(), |config| config.db = pooler.config()).await;
    stage.publish("t", &small_track()).await;
    let path = format!("/api/v1/sites/{}/tracks/t/enrollments", Stage::SITE);
    let tokens: Vec<String> = (0..32).map(|user| stage.member(&format!("u-{user}"))).collect();
    let starts = tokens.iter().map(async |token| {
        stage.server.post(&path).bearer(token).key(uuid::Uuid::now_v7()).json(&json!({})).send().await.expect(201)
    });
    join_all(starts).await;
    limits_hold(&behind).await;
    stage.server.stop().await;
    behind.close().await;
    assert_eq!(of_strangers(&pooler, 4).await, before);
}

/// Each transaction has another connection to the server, perhaps one that somebody else had. (Debian's 1.18 does not
/// keep prepared statements apart in this mode, so none is used here; `docs/operations.md` says which versions do.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_transaction_pooler_limits_hold_in_each_transaction_and_for_nobody_else() {
    let db = TestDb::new(Backend::Postgres).await;
    let pooler = Pooler::start(&db, "transaction", 4).await;
    let before = of_strangers(&pooler, 4).await;
    let behind = Db::connect(&pooler.config()).await.unwrap();
    limits_hold(&behind).await;
    assert_eq!(of_strangers(&pooler, 4).await, before, "nothing of ours is left on a connection");
    behind.close().await;
}

/// A migration has no limits; whoever has its connection next has those it had before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_behind_a_transaction_pooler_leaves_nobody_without_limits() {
    let db = TestDb::empty(Backend::Postgres).await;
    let pooler = Pooler::start(&db, "transaction", 1).await;
    let mut own = PgConnection::connect(&pooler.url()).await.unwrap();
    // Somebody's own choice, on the only connection there is.
    sqlx::raw_sql("SET statement_timeout = '7s'; SET lock_timeout = '8s'").execute(&mut own).await.unwrap();
    let before = of_strangers(&pooler, 1).await;
    assert_eq!(before[0].0, "7s");
    let behind = Db::connect(&pooler.config()).await.unwrap();
    behind.migrate().await.unwrap();
    assert_eq!(of_strangers(&pooler, 1).await, before);
    behind.close().await;
}
