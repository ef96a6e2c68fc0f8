//! A process killed between every two steps of a delivery's life (promise 4): after the restart every
//! completion is delivered, under one id, and twice only where nobody can know whether it was heard.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jalon_backend::app::AppState;
use jalon_backend::clock::Clock;
use jalon_backend::config::Settings;
use jalon_backend::db::{Db, DbError, execute, on};
use jalon_backend::failpoint;
use jalon_backend::http::router;
use jalon_backend::server::Server;
use jalon_backend::webhook::lease::LEASE;
use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::{KIND, Receiver, Says};

/// The environment's variable that makes [`child`] a server: the address of its database.
const DATABASE: &str = "JALON_TEST_CRASHED_DATABASE";
/// How long anything may take that should take a second.
const PATIENCE: Duration = Duration::from_secs(40);

/// Not a test: the server in a process of its own, that ends where its environment says.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process that the tests beside it start and that ends itself"]
async fn child() {
    let Ok(address) = std::env::var(DATABASE) else {
        return;
    };
    let settings = Settings { database_url: Some(address), development: Some(true), ..Settings::default() };
    let config = settings.complete().unwrap();
    let db = Db::connect(&config.db).await.unwrap();
    let app = AppState::new(db, Clock::system(), config).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let router = router::router(app.clone());
    let server = Server::start(app, listener, router, Vec::new()).unwrap();
    println!("\nlistening {}", server.address());
    std::future::pending::<()>().await;
}

/// Starts [`child`] and waits until it listens; it ends at `place`, if one is named.
pub async fn start(database: &str, place: Option<&str>) -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["webhook::crash::child", "--exact", "--ignored", "--nocapture"]).env(DATABASE, database);
    if let Some(place) = place {
        command.env(failpoint::PLACE, place);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, address)) = line.split_once("listening ") {
            return (child, format!("http://{address}"));
        }
    }
    panic!("the server ended before it listened");
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
        assert!(until <= now.plus_seconds(LEASE).0, "a lease of more than a minute");
    }
    let sql = "UPDATE webhook_delivery SET lease_until = lease_until - $1 WHERE lease_until > 0";
    let passed = LEASE * 1000;
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
            let (mut child, base) = start(&db.url(), Some(place)).await;
            let learner = Learner::new(&base, token);
            let enrollment = learner.post("/api/v1/sites/fpsf/tracks/t/enrollments", Uuid::now_v7()).await.unwrap();
            let id: Uuid = enrollment["id"].as_str().unwrap().parse().unwrap();
            let (advance, key) = (format!("/api/v1/enrollments/{id}/steps/1/advance"), Uuid::now_v7());
            let answered = learner.post(&advance, key).await;
            let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap_or_else(|_| panic!("{place} was not reached")).unwrap();
            assert_eq!(status.signal(), Some(6), "{place}: it aborts, and nothing else ends it");

            let after = db.reopen().await;
            pass_a_minute(&after).await;
            let (mut child, base) = start(&db.url(), None).await;
            if answered.is_none() {
                Learner::new(&base, token).post(&advance, key).await.unwrap();
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
            child.kill().await.unwrap();
            after.close().await;
        }
    }
}
