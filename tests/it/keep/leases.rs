//! A restored database holds nobody to what another server was about to do.

use std::time::{Duration, Instant};

use jalon_backend::clock::Clock;
use jalon_backend::db::backup::{Wish, backup, restore};
use jalon_backend::db::{DbError, execute};
use jalon_shared::Timestamp;
use jalon_tests::{Backend, Stage, TestDb, TestServer, for_both};
use serde_json::json;
use uuid::Uuid;

use super::rows;
use crate::webhook::{KIND, Receiver, Says};

/// Two hours: retries are due.
const LATER: i64 = 7_200_000;
/// A lease from a clock that was a day ahead.
const DAY: i64 = 86_400_000;

async fn set(db: &TestDb, text: &'static str, until: i64) -> u64 {
    db.write(move |tx| Box::pin(async move { Ok::<_, DbError>(execute!(tx, sqlx::query(text).bind(until))?) }))
        .await
        .unwrap()
}

for_both! {
    /// The server that held them is not part of a backup: what it was about to send is sent, what it was
    /// about to do is done, and nobody waits for its leases to end.
    async fn p8_a_restore_lets_go_of_leases(db: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jalon.backup");
        let mut receiver = Receiver::start(Says::Status(503)).await;
        let stage = Stage::set(&db).await;
        let step = json!({ "key": "one", "kind": "content", "required": true, "title": { "fr": "Un" }, "body": { "fr": "Un" } });
        let track = json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true,
            "title": { "fr": "T" }, "summary": { "fr": "T" }, "steps": [step] });
        stage.publish("t", &track).await;
        let hook = json!({ "url": receiver.url(), "event_types": [KIND] });
        stage.server.post("/api/v1/admin/sites/fpsf/webhooks").bearer(&stage.key).json(&hook).send().await.expect(201);
        let (_, guest) = stage.guest().await;
        let id = stage.enroll(&guest, "t").await["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/enrollments/{id}/steps/1/advance");
        stage.server.post(&path).bearer(&guest).json(&json!({})).send().await.expect(200);
        let at = stage.now();
        stage.server.stop().await;

        let held = "UPDATE webhook_delivery SET lease_until = $1, lease_owner = 'dead' WHERE state = 'pending'";
        assert_eq!(set(&db, held, at.0 + DAY).await, 1);
        let held = "INSERT INTO job (name, lease_until, lease_owner) VALUES ('a job', $1, 'dead')";
        assert_eq!(set(&db, held, at.0 + DAY).await, 1);
        backup(db.config(), &file, false, at).await.unwrap();

        for backend in [Backend::Sqlite, Backend::Postgres] {
            let target = TestDb::empty(backend).await;
            restore(&file, target.config(), Wish::default()).await.unwrap();
            let held = rows::<(String,)>(&target, "SELECT name FROM job WHERE lease_owner = 'dead'").await;
            assert!(held.is_empty(), "{held:?}");
            let sent = rows::<(Uuid,)>(&target, "SELECT message_id FROM webhook_delivery").await;
            receiver.calls();
            receiver.say(Says::Status(200));
            let server = TestServer::start_with(&target, Clock::fixed(Timestamp(at.0 + LATER)), |_| ()).await;
            let begun = Instant::now();
            while rows::<(Uuid,)>(&target, "SELECT id FROM webhook_delivery WHERE state = 'pending'").await.len() == 1 {
                assert!(begun.elapsed() < Duration::from_secs(30), "nobody sends what a dead server held");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let calls = receiver.calls();
            assert_eq!(calls.iter().map(crate::webhook::Call::id).collect::<Vec<_>>(), [sent[0].0]);
            server.stop().await;
        }
    }
}
