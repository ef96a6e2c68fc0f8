//! `kill -9` at any moment under load loses no acknowledged advance and completes nothing twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use jalon_backend::db::{Db, DbError, execute, on};
use jalon_tests::{Backend, Stage, TestDb, for_both, run};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::process::Process;

/// How often the server is killed.
const KILLS: usize = 4;
/// Learners at work at once.
const WORKERS: usize = 16;

/// Three things to read, all required.
fn track() -> Value {
    let step = |key: &str| json!({ "key": key, "kind": "content", "required": true, "title": { "fr": key }, "body": { "fr": key } });
    json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "T" }, "summary": { "fr": "T" },
        "steps": [step("one"), step("two"), step("three")] })
}

/// What was answered with success: the highest order of each enrollment.
type Acknowledged = Arc<Mutex<HashMap<String, i64>>>;

/// Takes the track as one member after another until the server is gone.
async fn work(
    client: reqwest::Client,
    base: String,
    tokens: Arc<Vec<String>>,
    next: Arc<AtomicUsize>,
    acknowledged: Acknowledged,
) {
    loop {
        let token = &tokens[next.fetch_add(1, Ordering::Relaxed) % tokens.len()];
        let post = |path: String| {
            client
                .post(format!("{base}{path}"))
                .bearer_auth(token)
                .header("idempotency-key", Uuid::now_v7().to_string())
                .json(&json!({}))
        };
        let Ok(answer) = post(format!("/api/v1/sites/{}/tracks/t/enrollments", Stage::SITE)).send().await else {
            return;
        };
        assert!(answer.status().is_success(), "{}", answer.status());
        let Ok(enrollment) = answer.json::<Value>().await else {
            return;
        };
        let id = enrollment["id"].as_str().unwrap().to_owned();
        for order in 1..=3 {
            let Ok(answer) = post(format!("/api/v1/enrollments/{id}/steps/{order}/advance")).send().await else {
                return;
            };
            assert_eq!(answer.status(), 200);
            let mut all = acknowledged.lock().unwrap();
            let highest = all.entry(id.clone()).or_default();
            *highest = order.max(*highest);
        }
    }
}

async fn rows<R>(db: &Db, text: &'static str) -> Vec<R>
where
    R: Send + Unpin + 'static,
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    db.read(move |tx| {
        Box::pin(async move { Ok::<_, DbError>(on!(tx, conn => sqlx::query_as(text).fetch_all(conn).await)?) })
    })
    .await
    .unwrap()
}

/// W1: a commit is acknowledged when it is on the disk, even where somebody has set the database to be hasty.
#[test]
fn p1_postgres_commits_are_synchronous() {
    run(Backend::Postgres, async |db: TestDb| {
        let name: String = rows::<(String,)>(&db, "SELECT current_database()::text").await.remove(0).0;
        let hasty = format!("ALTER DATABASE {name} SET synchronous_commit = off");
        db.write(move |tx| {
            Box::pin(async move { execute!(tx, sqlx::query(sqlx::AssertSqlSafe(hasty.as_str()))).map(drop) })
        })
        .await
        .unwrap();
        let said: String = db
            .reopen()
            .await
            .write(|tx| {
                let asked = "SELECT current_setting('synchronous_commit')";
                Box::pin(
                    async move { Ok::<_, DbError>(on!(tx, conn => sqlx::query_scalar(asked).fetch_one(conn).await)?) },
                )
            })
            .await
            .unwrap();
        assert_eq!(said, "on");
    });
}

for_both! {
    /// W1, V1
    async fn w1_what_was_acknowledged_survives_and_nothing_completes_twice(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("t", &track()).await;
        let tokens = Arc::new((0..20_000).map(|number| stage.member(&format!("u-{number}"))).collect::<Vec<_>>());
        stage.server.stop().await;

        let acknowledged = Acknowledged::default();
        let next = Arc::new(AtomicUsize::new(0));
        for kill in 1..=KILLS {
            let mut server = Process::start(&db.url()).await;
            // New connections, so that none is left over from the one that was killed.
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let before = acknowledged.lock().unwrap().len();
            let workers: Vec<_> = (0..WORKERS)
                .map(|_| tokio::spawn(work(client.clone(), server.base.clone(), Arc::clone(&tokens), Arc::clone(&next), Arc::clone(&acknowledged))))
                .collect();
            // In full swing, at another moment each time.
            while acknowledged.lock().unwrap().len() < before + 37 * kill {
                assert!(server.runs(), "the server ended by itself");
                tokio::task::yield_now().await;
            }
            server.kill().await;
            for worker in join_all(workers).await {
                worker.unwrap();
            }
        }

        let db = db.reopen().await;
        let there: HashMap<Uuid, (i32, bool)> =
            rows::<(Uuid, i32, bool)>(&db, "SELECT id, current_step_order, completed_at IS NOT NULL FROM enrollment").await
                .into_iter().map(|(id, order, completed)| (id, (order, completed))).collect();
        let acknowledged = acknowledged.lock().unwrap().clone();
        assert!(acknowledged.len() >= 37 * KILLS);
        for (id, order) in &acknowledged {
            let (current, completed) = there[&id.parse::<Uuid>().unwrap()];
            assert!(i64::from(current) >= *order, "{id}: {order} was acknowledged, {current} is there");
            assert_eq!(completed, current == 3);
        }
        let completions: HashMap<Uuid, i64> =
            rows::<(Uuid, i64)>(&db, "SELECT subject_id, count(*) FROM event WHERE type = 'track.completed' GROUP BY subject_id").await.into_iter().collect();
        for (id, (_, completed)) in &there {
            assert_eq!(completions.get(id).copied().unwrap_or(0), i64::from(*completed), "{id}");
        }
    }
}
