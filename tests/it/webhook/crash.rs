//! A process killed between every two steps of a delivery's life (promise 4): after the restart every
//! completion is delivered, under one id, and twice only where nobody can know whether it was heard.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use jalon_backend::clock::{self, Clock};
use jalon_backend::db::{Db, DbError, execute, on};
use jalon_backend::failpoint;
use jalon_backend::webhook::LEASE;
use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{KIND, Receiver, Says};
use crate::process::Process;

/// How long anything may take that should take a second.
const PATIENCE: Duration = Duration::from_secs(40);

/// Starts a server that ends at `place`, if one is named.
async fn start(database: &str, place: Option<&str>) -> Process {
    let variables: Vec<_> = place.map(|place| (failpoint::PLACE, place)).into_iter().collect();
    Process::start_with(database, &[], &variables).await
}

/// One thing to read.
fn track() -> Value {
    json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "T" }, "summary": { "fr": "T" },
        "steps": [{ "key": "one", "kind": "content", "required": true, "title": { "fr": "Un" }, "body": { "fr": "Un" } }] })
}

/// One learner at one server.
struct Learner {
    base: String,
    token: String,
    client: reqwest::Client,
}

impl Learner {
    fn new(base: &str, token: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { base: base.to_owned(), token: token.to_owned(), client }
    }

    async fn post(&self, path: &str, key: Uuid) -> Option<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let answer = request.header("idempotency-key", key.to_string()).json(&json!({})).send().await.ok()?;
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.ok()
    }
}

async fn numbers(db: &Db, sql: &'static str, id: Uuid) -> Vec<i64> {
    db.read(move |tx| {
        Box::pin(
            async move { Ok::<_, DbError>(on!(tx, conn => sqlx::query_scalar(sql).bind(id).fetch_all(conn).await)?) },
        )
    })
    .await
    .unwrap()
}

/// The minute after which a dead server's leases end passes at once. None is longer than that.
async fn pass_a_minute(db: &Db) {
    let now = Clock::system().now();
    let latest = "SELECT lease_until FROM webhook_delivery WHERE id <> $1";
    for until in numbers(db, latest, Uuid::nil()).await {
        assert!(until <= clock::after(now, LEASE).0, "a lease of more than a minute");
    }
    let sql = "UPDATE webhook_delivery SET lease_until = lease_until - $1 WHERE lease_until > 0";
    let passed = i64::try_from(LEASE.as_millis()).unwrap();
    db.write(move |tx| Box::pin(async move { execute!(tx, sqlx::query(sql).bind(passed)) }))
        .await
        .map_err(|error: DbError| error)
        .unwrap();
}

/// Where the process ends, and how often the receiver then hears of the completion.
const PLACES: [(&str, usize); 8] = [
    // State, event, message and delivery are written, not committed: the learner does it again.
    ("outbox.written", 1),
    // Committed, not answered: the learner's retry is answered from memory.
    ("advance.committed", 1),
    ("webhook.claiming", 1),
    ("webhook.claimed", 1),
    ("webhook.sending", 1),
    // Heard, and nobody knows: the one gap that no order of steps can close.
    ("webhook.sent", 2),
    ("webhook.recording", 2),
    ("webhook.recorded", 1),
];

for_both! {
    /// W1, W3, W4
    async fn p4_a_crash_between_any_two_steps_loses_no_completion_and_tells_none_under_two_ids(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(204)).await;
        let stage = Stage::set(&db).await;
        stage.publish("t", &track()).await;
        let new = json!({ "url": receiver.url(), "event_types": [KIND] });
        stage.server.post("/api/v1/admin/sites/fpsf/webhooks").bearer(&stage.key).json(&new).send().await.expect(201);
        let tokens: Vec<String> = (0..PLACES.len()).map(|number| stage.member(&format!("u-{number}"))).collect();
        stage.server.stop().await;

        for ((place, times), token) in PLACES.into_iter().zip(&tokens) {
            let mut server = start(&db.url(), Some(place)).await;
            let learner = Learner::new(&server.base, token);
            let enrollment = learner.post("/api/v1/sites/fpsf/tracks/t/enrollments", Uuid::now_v7()).await.unwrap();
            let id: Uuid = enrollment["id"].as_str().unwrap().parse().unwrap();
            let (advance, key) = (format!("/api/v1/enrollments/{id}/steps/1/advance"), Uuid::now_v7());
            let answered = learner.post(&advance, key).await;
            let status = server.ended(PATIENCE).await.unwrap_or_else(|| panic!("{place} was not reached"));
            assert_eq!(status.signal(), Some(6), "{place}: it aborts, and nothing else ends it");

            let after = db.reopen().await;
            pass_a_minute(&after).await;
            let mut server = start(&db.url(), None).await;
            if answered.is_none() {
                Learner::new(&server.base, token).post(&advance, key).await.unwrap();
            }
            let begun = Instant::now();
            let delivered = "SELECT CAST(count(*) AS BIGINT) FROM webhook_delivery d JOIN webhook_message m ON m.id = d.message_id
                JOIN event e ON e.id = m.id WHERE e.subject_id = $1 AND d.state = 'delivered'";
            while numbers(&after, delivered, id).await != [1] {
                assert!(begun.elapsed() < PATIENCE, "{place}: it was never delivered");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let calls = receiver.calls();
            assert!(calls.iter().all(|call| call.json()["data"]["enrollment_id"] == json!(id) && call.id() == calls[0].id()), "{place}: {calls:?}");
            assert_eq!(calls.len(), times, "{place}");
            let completed = "SELECT CAST(count(*) AS BIGINT) FROM event WHERE subject_id = $1 AND type = 'track.completed'";
            assert_eq!(numbers(&after, completed, id).await, [1], "{place}");
            server.kill().await;
            after.close().await;
        }
    }
}
