//! What a backup is not taken for, and what a restore does not touch.

use std::path::{Path, PathBuf};

use jalon_backend::db::backup::{Wish, backup, restore, verify};
use jalon_backend::db::{DbAddress, DbConfig, latest_migration};
use jalon_shared::Timestamp;
use jalon_tests::{Backend, Stage, TestDb, for_both, small_track};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::rows;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// A database with a learner in it, and its backup.
async fn kept(db: &TestDb) -> (Stage, TempDir, PathBuf) {
    let stage = Stage::set(db).await;
    stage.publish("first", &small_track()).await;
    let (_, guest) = stage.guest().await;
    stage.enroll(&guest, "first").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jalon.backup");
    backup(db.config(), &file, false, NOW).await.unwrap();
    (stage, folder, file)
}

/// A copy of the backup in which something was done.
async fn tampered(file: &Path, sql: &str) -> PathBuf {
    let copy = file.with_extension("tampered");
    std::fs::copy(file, &copy).unwrap();
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", copy.display())).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA foreign_keys = OFF; {sql}"))).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    copy
}

async fn why(file: &Path) -> String {
    verify(file).await.unwrap_err().to_string()
}

for_both! {
    async fn p8_restore_goes_into_an_empty_database_only(db: TestDb) {
        let (stage, _folder, file) = kept(&db).await;
        let error = restore(&file, db.config(), Wish::default()).await.unwrap_err().to_string();
        assert!(error.contains("the database is not empty"), "{error}");
        assert_eq!(rows::<(i64,)>(&db, "SELECT count(*) FROM enrollment").await, [(1,)], "nothing was touched");
        stage.server.stop().await;

        // A first start makes the secret of guests' tokens: that is empty still, and the backup's replaces it.
        let target = TestDb::new(db.backend()).await;
        jalon_tests::TestServer::start(&target).await.stop().await;
        restore(&file, target.config(), Wish::default()).await.unwrap();
        let secret = "SELECT value FROM server_secret ORDER BY name";
        assert_eq!(rows::<(String,)>(&target, secret).await, rows::<(String,)>(&db, secret).await);
        let error = restore(&file, target.config(), Wish::default()).await.unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
    }

    /// A drill must not be heard.
    async fn p8_webhooks_can_be_held_back(db: TestDb) {
        let (stage, folder, _) = kept(&db).await;
        let hook = json!({ "url": "http://127.0.0.1:9/hook", "event_types": [] });
        stage.server.post("/api/v1/admin/sites/fpsf/webhooks").bearer(&stage.key).json(&hook).send().await.expect(201);
        let file = folder.path().join("second");
        backup(db.config(), &file, false, NOW).await.unwrap();
        let target = TestDb::empty(db.backend()).await;
        restore(&file, target.config(), Wish { hold_webhooks: true }).await.unwrap();
        let endpoints: Vec<(bool, Option<String>)> = rows(&target, "SELECT enabled, disabled_reason FROM webhook_endpoint").await;
        assert_eq!(endpoints, [(false, Some("restored".to_owned()))]);
    }

    /// The night before an upgrade: the new program is there, the schema is still the old one.
    async fn p8_nothing_is_written_over_by_mistake(db: TestDb) {
        let (_stage, folder, file) = kept(&db).await;
        let before = std::fs::read(&file).unwrap();
        let error = backup(db.config(), &file, false, NOW).await.unwrap_err().to_string();
        assert!(error.contains("is there already") && error.contains("--force"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
        backup(db.config(), &file, true, Timestamp(NOW.0 + 1)).await.unwrap();
        assert_eq!(verify(&file).await.unwrap().made_at, Timestamp(NOW.0 + 1));

        if let DbAddress::Sqlite(database) = &db.config().address {
            let error = backup(db.config(), database, true, NOW).await.unwrap_err().to_string();
            assert!(error.contains("that is the database itself"), "{error}");
        }
        let nowhere = folder.path().join("none/there");
        assert!(backup(db.config(), &nowhere, false, NOW).await.is_err());
        let empty = TestDb::empty(db.backend()).await;
        let error = backup(empty.config(), &folder.path().join("x"), false, NOW).await.unwrap_err().to_string();
        assert!(error.contains("nothing to back up"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "what failed leaves nothing behind");
    }

    /// Nothing would have to be put right: no number is given out by the database.
    async fn p8_no_sequence_needs_to_be_set_after_a_restore(db: TestDb) {
        let (sqlite, postgres) = (
            "SELECT name FROM sqlite_schema WHERE name = 'sqlite_sequence' OR sql LIKE '%AUTOINCREMENT%'",
            "SELECT sequence_name::text FROM information_schema.sequences",
        );
        let text = if db.is_sqlite() { sqlite } else { postgres };
        assert_eq!(rows::<(String,)>(&db, text).await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_a_damaged_backup_is_told_from_a_whole_one() {
    let db = TestDb::new(Backend::Sqlite).await;
    let (_stage, folder, file) = kept(&db).await;
    let whole = verify(&file).await.unwrap();

    assert!(why(&folder.path().join("none")).await.contains("there is no file"));
    let other = folder.path().join("other");
    std::fs::write(&other, "not a database").unwrap();
    assert!(why(&other).await.contains("is no backup made by jalon backup"));
    // A copied database lacks its newest commits, and nobody can tell.
    let DbAddress::Sqlite(database) = &db.config().address else { unreachable!() };
    std::fs::copy(database, &other).unwrap();
    assert!(why(&other).await.contains("is no backup made by jalon backup"));

    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&other, &bytes[..bytes.len() - 4096]).unwrap();
    assert!(!why(&other).await.is_empty());
    // A flipped bit somewhere in every fourth page: none may pass for whole.
    let mut unnoticed = Vec::new();
    for page in (0..bytes.len() / 4096).step_by(4) {
        let mut flipped = bytes.clone();
        // The end of a page is the beginning of its rows; an empty page has nothing there.
        let place = page * 4096 + 4090;
        flipped[place] ^= 0x10;
        std::fs::write(&other, &flipped).unwrap();
        if let Ok(manifest) = verify(&other).await {
            assert_eq!(manifest, whole, "what is answered is what was written");
            unnoticed.push(bytes[place]);
        }
    }
    assert!(unnoticed.iter().all(|byte| *byte == 0), "a changed byte went unnoticed: {unnoticed:?}");

    let lost = tampered(&file, "DELETE FROM enrollment").await;
    assert!(why(&lost).await.contains("damaged: table enrollment does not hold what was written"));
    let changed = tampered(&file, "UPDATE site SET name = 'FPSG'").await;
    assert!(why(&changed).await.contains("damaged: table site"));
    let orphan = tampered(&file, "DELETE FROM guest").await;
    assert!(why(&orphan).await.contains("points at nothing"));
    let newer = tampered(
        &file,
        "UPDATE _jalon_backup SET manifest = json_set(manifest, '$.migration', 9001, '$.program', '9.0.0')",
    )
    .await;
    let error = why(&newer).await;
    assert!(error.contains("newer Jalon (9.0.0)") && error.contains(&latest_migration().to_string()), "{error}");
    let format = tampered(&file, "UPDATE _jalon_backup SET manifest = json_set(manifest, '$.format', 2)").await;
    assert!(why(&format).await.contains("newer Jalon"));

    // And a damaged one makes no database.
    let target = TestDb::empty(Backend::Sqlite).await;
    let elsewhere = DbConfig::new(DbAddress::Sqlite(folder.path().join("new.db")));
    assert!(restore(&lost, &elsewhere, Wish::default()).await.is_err());
    assert!(!folder.path().join("new.db").exists());
    drop(target);
}
