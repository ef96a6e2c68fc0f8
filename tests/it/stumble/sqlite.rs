//! SQLite's file is locked by somebody else, and its disk is full.

use std::process::Command;

use jalon_tests::{Backend, Stage, TestDb};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::is_at_rest;
use crate::fleet::load::{Load, rows, track};
use crate::fleet::start;

/// Lets the process write no file beyond this, as on a full disk.
fn limit_files(process: u32, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    assert!(Command::new("prlimit").args(["--pid", &process.to_string(), &limit]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_an_sqlite_file_that_is_locked_or_full_is_survived() {
    let db = TestDb::new(Backend::Sqlite).await;
    let stage = Stage::set(&db).await;
    stage.publish("t", &track()).await;
    let server = start(&db).await;
    let load = Load::start(&stage, vec![server.base.clone()]);
    let key = stage.key.clone();
    stage.server.stop().await;
    load.goes_on(50).await;
    server.ready(200).await;
    let before = server.holds();

    let file = db.url().trim_start_matches("sqlite://").to_owned();
    let mut other = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    while sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.is_err() {}
    server.ready(503).await;
    load.is_refused(32).await;
    assert_eq!(server.health("/readyz").await, 503);
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    server.ready(200).await;
    load.goes_on(50).await;

    for _ in 0..2 {
        limit_files(server.id(), "1024");
        server.ready(503).await;
        load.is_refused(64).await;
        assert_eq!(server.health("/readyz").await, 503);
        limit_files(server.id(), "unlimited");
        server.ready(200).await;
        load.goes_on(50).await;
    }

    load.settle(&db).await;
    is_at_rest(&server, &key, before).await;
    server.stop().await;
    assert_eq!(rows::<(String,)>(&db, "PRAGMA integrity_check").await, [("ok".to_owned(),)]);
}
