//! Every schema that was released goes forward to this one with all that is in it.
//!
//! A fixture is a folder in `tests/fixtures/`, named for the newest migration of its release: the dump
//! of a database of each kind in which [`story`] happened, and what a learner and the site hold. After a
//! release, and whenever it has a new migration, add one:
//! `JALON_BLESS=1 cargo test -p jalon-tests --test it released::write -- --ignored`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use jalon_backend::clock::Clock;
use jalon_backend::db::backup::{Wish, backup, restore};
use jalon_backend::db::{DbAddress, latest_migration};
use jalon_shared::Timestamp;
use jalon_tests::{Backend, Stage, TestDb, TestServer, small_track};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

use super::contents::{Contents, contents};
use crate::track::{Learner, assert_replay_gives_the_rows};

/// When the story happens: 2026-11-21, noon.
const THEN: Timestamp = Timestamp(1_795_262_400_000);

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// All that a release can have in its tables. Answers what has to go on working.
async fn story(db: &TestDb) -> Value {
    let stage = Stage::set_with(db, Clock::fixed(THEN), |_| ()).await;
    stage.publish("first", &small_track()).await;
    let hook = json!({ "url": "http://127.0.0.1:9/hook", "event_types": [] });
    stage.server.post("/api/v1/admin/sites/fpsf/webhooks").bearer(&stage.key).json(&hook).send().await.expect(201);

    // A guest under way, one who is gone, one who finished and became a member.
    let (_, going) = stage.guest().await;
    let learner = Learner::begin(&stage, &going, "first").await;
    learner.advance(1, json!({ "time_spent_seconds": 30 })).await.expect(200);
    learner.answer(false).await.expect(200);
    let going_enrollment = learner.id().to_owned();
    let (gone, _) = stage.guest().await;
    let revoke = format!("/api/v1/admin/sites/fpsf/guests/{gone}/revoke");
    stage.server.post(&revoke).bearer(&stage.key).send().await.expect(204);
    let (_, finished) = stage.guest().await;
    let learner = Learner::begin(&stage, &finished, "first").await;
    learner.advance(1, json!({})).await.expect(200);
    learner.answer(true).await.expect(200);
    learner.advance(4, json!({})).await.expect(200);
    let merge = async |guest: &str, member: &str| {
        let body = json!({ "guest_token": guest });
        let request = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(member).key(Uuid::now_v7()).json(&body);
        request.send().await.expect(200);
    };
    merge(&finished, &stage.member("u-finished")).await;

    // A member under way whose guest was further.
    let member = stage.member("u-going");
    let learner = Learner::begin(&stage, &member, "first").await;
    learner.report(1, json!({ "time_spent_seconds": 12 })).await.expect(200);
    let member_enrollment = learner.id().to_owned();
    let (_, other) = stage.guest().await;
    let learner = Learner::begin(&stage, &other, "first").await;
    learner.advance(1, json!({})).await.expect(200);
    learner.answer(true).await.expect(200);
    merge(&other, &member).await;

    // A newer version, which those under way don't have, and a track that is no more.
    let mut newer = small_track();
    newer["title"]["fr"] = json!("Premiers pas, revus");
    stage.publish("first", &newer).await;
    stage.publish("retired", &small_track()).await;
    stage.server.post("/api/v1/admin/sites/fpsf/tracks/retired/retire").bearer(&stage.key).send().await.expect(200);
    let key = stage.key.clone();
    stage.server.stop().await;
    json!({ "key": key, "guest": going, "guest_enrollment": going_enrollment, "member": "u-going", "member_enrollment": member_enrollment })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes the fixture of a release"]
async fn write() {
    if std::env::var_os("JALON_BLESS").is_none() {
        return;
    }
    let folder = fixtures().join(format!("schema-{:04}", latest_migration()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut held = BTreeMap::new();
    for (backend, name) in [(Backend::Sqlite, "sqlite"), (Backend::Postgres, "postgres")] {
        let db = TestDb::new(backend).await;
        held.insert(name, story(&db).await);
        let text = match backend {
            Backend::Sqlite => dump_sqlite(&db).await,
            Backend::Postgres => dump_postgres(&db),
        };
        std::fs::write(folder.join(name).with_extension("sql"), text).unwrap();
    }
    std::fs::write(folder.join("held.json"), serde_json::to_string_pretty(&held).unwrap() + "\n").unwrap();
}

async fn dump_sqlite(db: &TestDb) -> String {
    let DbAddress::Sqlite(path) = &db.config().address else { unreachable!() };
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let schema: Vec<(String, String, String)> =
        sqlx::query_as("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let mut text = String::from("PRAGMA foreign_keys = OFF;\n");
    for (_, _, sql) in &schema {
        writeln!(text, "{sql};").unwrap();
    }
    for (_, table, _) in schema.iter().filter(|(kind, ..)| kind == "table") {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
            .bind(table)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let quoted =
            columns.iter().map(|column| format!("quote(\"{column}\")")).collect::<Vec<_>>().join(" || ', ' || ");
        let rows = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {quoted} FROM \"{table}\"")));
        let rows: Vec<String> = rows.fetch_all(&mut connection).await.unwrap();
        for row in rows {
            writeln!(text, "INSERT INTO {table} ({}) VALUES ({row});", columns.join(", ")).unwrap();
        }
    }
    text
}

fn dump_postgres(db: &TestDb) -> String {
    let programs = Command::new("pg_config").arg("--bindir").output().unwrap();
    let program = Path::new(String::from_utf8(programs.stdout).unwrap().trim()).join("pg_dump");
    let plain = ["--no-owner", "--no-privileges", "--no-comments", "--column-inserts"];
    let dump = Command::new(program).args(plain).arg("--dbname").arg(db.url()).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let text = String::from_utf8(dump.stdout).unwrap();
    // Settings of a newer server, psql's own commands and comments are nobody's schema.
    let kept =
        text.lines().filter(|line| !line.is_empty() && !["\\", "--", "SET "].iter().any(|it| line.starts_with(it)));
    kept.flat_map(|line| [line, "\n"]).collect()
}

async fn load(folder: &Path, backend: Backend) -> TestDb {
    let db = TestDb::empty(backend).await;
    match &db.config().address {
        DbAddress::Sqlite(path) => {
            let text = std::fs::read_to_string(folder.join("sqlite.sql")).unwrap();
            let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        DbAddress::Postgres(_) => {
            let text = std::fs::read_to_string(folder.join("postgres.sql")).unwrap();
            let mut connection = PgConnection::connect(&db.url()).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
    db
}

/// What was there is there, column by column; a migration may add, not lose.
fn assert_kept(before: &Contents, after: &Contents) {
    for (table, old) in before.iter().filter(|(table, _)| !["job", "_sqlx_migrations"].contains(&table.as_str())) {
        let columns: Vec<&String> =
            old.first().map(|row| row.as_object().unwrap().keys().collect()).unwrap_or_default();
        let project = |rows: &[Value]| {
            let mut rows: Vec<String> = rows
                .iter()
                .map(|row| {
                    columns
                        .iter()
                        .map(|column| format!("{column}={}", row[column.as_str()]))
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect();
            rows.sort_unstable();
            rows
        };
        assert_eq!(project(old), project(&after[table]), "{table}");
    }
}

/// The site and its learners go on as if nothing had been.
async fn assert_goes_on(db: &TestDb, held: &Value) {
    let text = |name: &str| held[name].as_str().unwrap();
    let server = TestServer::start_with(db, Clock::fixed(THEN.plus_seconds(3600)), |_| ()).await;
    let stage = Stage { server, key: text("key").to_owned() };
    assert_eq!(assert_replay_gives_the_rows(&stage).await, 3, "V1");
    let guest = Learner::found(&stage, text("guest"), text("guest_enrollment")).await;
    guest.answer(true).await.expect(200);
    assert!(guest.advance(4, json!({})).await.expect(200)["enrollment"]["completed_at"].is_string());
    let member = stage.member(text("member"));
    let member = Learner::found(&stage, &member, text("member_enrollment")).await;
    let done = member.advance(4, json!({})).await.expect(200)["enrollment"].clone();
    assert_eq!((&done["track"]["version"], &done["score"]), (&json!(1), &json!(100)));
    let (_, new) = stage.guest().await;
    assert_eq!(stage.enroll(&new, "first").await["track"]["version"], 2);
    assert_eq!(crate::track::announced(&stage).await.len(), 4, "two from before, two now (W1)");
    stage.server.get("/api/v1/admin/sites/fpsf/events").bearer(&stage.key).send().await.expect(200);
    assert_eq!(assert_replay_gives_the_rows(&stage).await, 4, "V1");
    stage.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_every_released_schema_goes_forward_with_its_data() {
    let mut seen = 0;
    for folder in std::fs::read_dir(fixtures()).unwrap() {
        let folder = folder.unwrap().path();
        let held: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("held.json")).unwrap()).unwrap();
        for (backend, name) in [(Backend::Sqlite, "sqlite"), (Backend::Postgres, "postgres")] {
            let db = load(&folder, backend).await;
            let before = contents(&db).await;
            assert!(before["event"].len() > 10, "{name}");
            db.migrate().await.unwrap();
            assert_eq!(db.migration().await.unwrap(), latest_migration());
            assert_kept(&before, &contents(&db).await);
            assert_goes_on(&db, &held[name]).await;
        }
        seen += 1;
    }
    assert!(seen > 0);
}

/// A backup that an older program made, or that the newer one made before the upgrade, into both.
#[tokio::test(flavor = "multi_thread")]
async fn p8_a_backup_of_an_older_schema_is_restored() {
    let place = tempfile::tempdir().unwrap();
    for (backend, name) in [(Backend::Sqlite, "sqlite"), (Backend::Postgres, "postgres")] {
        let folder = fixtures().join("schema-0004");
        let db = load(&folder, backend).await;
        // One migration older still.
        db.write(|tx| {
            Box::pin(async move {
                jalon_backend::db::execute!(tx, sqlx::query("DROP TABLE job"))?;
                jalon_backend::db::execute!(tx, sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 4"))
            })
        })
        .await
        .unwrap();
        let before = contents(&db).await;
        let file = place.path().join(name);
        let made = backup(db.config(), &file, false, THEN).await.unwrap();
        assert_eq!((made.migration, db.migration().await.unwrap()), (3, 3), "a backup changes nothing");
        let held: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("held.json")).unwrap()).unwrap();
        let target = TestDb::empty(if backend == Backend::Sqlite { Backend::Postgres } else { Backend::Sqlite }).await;
        restore(&file, target.config(), Wish::default()).await.unwrap();
        assert_eq!(target.migration().await.unwrap(), latest_migration());
        assert_eq!(contents(&target).await["enrollment"].len(), before["enrollment"].len());
        assert_goes_on(&target, &held[name]).await;
    }
}
