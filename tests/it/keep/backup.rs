//! A backup of a server under load, restored into either database, loses nothing that was acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jalon_backend::clock::Clock;
use jalon_backend::db::backup::{Manifest, Wish, backup, restore, verify};
use jalon_shared::Timestamp;
use jalon_tests::{Backend, Stage, TestDb, TestServer, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::rows;
use crate::track::assert_replay_gives_the_rows;
use crate::webhook::{Receiver, Says};

/// Learners at work at once.
const WORKERS: usize = 4;

/// Three things to read, all required.
fn track() -> Value {
    let step = |key: &str| json!({ "key": key, "kind": "content", "required": true, "title": { "fr": key }, "body": { "fr": key } });
    json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "T" }, "summary": { "fr": "T" },
        "steps": [step("one"), step("two"), step("three")] })
}

/// What was answered with success: the highest order of each enrollment.
type Acknowledged = Arc<Mutex<HashMap<Uuid, i32>>>;

struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Acknowledged,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// Guests and members who take the track, one after the other; some guests become members.
    fn start(stage: &Stage) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Acknowledged::default());
        let tokens: Vec<String> = (0..4000).map(|number| stage.member(&format!("u-{number}"))).collect();
        let (tokens, next) = (Arc::new(tokens), Arc::new(AtomicUsize::new(0)));
        let workers = (0..WORKERS).map(|_| {
            let (stop, acknowledged, tokens, next) =
                (Arc::clone(&stop), Arc::clone(&acknowledged), Arc::clone(&tokens), Arc::clone(&next));
            let (client, base) = (stage.server.client().clone(), stage.server.url("/api/v1"));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    learn(&client, &base, &tokens[number % tokens.len()], number % 2 == 0, &acknowledged).await;
                }
            })
        });
        Self { workers: workers.collect(), stop, acknowledged }
    }

    /// Waits until this many more steps were acknowledged; answers what was so far.
    async fn goes_on(&self, more: usize) -> HashMap<Uuid, i32> {
        let count =
            || self.acknowledged.lock().unwrap().values().map(|order| usize::try_from(*order).unwrap()).sum::<usize>();
        let (before, begun) = (count(), Instant::now());
        while count() < before + more {
            assert!(begun.elapsed() < Duration::from_mins(1), "the load stands still");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.acknowledged.lock().unwrap().clone()
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in join_all(self.workers).await {
            worker.unwrap();
        }
    }
}

async fn learn(client: &reqwest::Client, base: &str, member: &str, as_guest: bool, acknowledged: &Acknowledged) {
    let post = async |path: String, token: Option<&str>, body: Value| -> Value {
        let mut request =
            client.post(format!("{base}{path}")).header("idempotency-key", Uuid::now_v7().to_string()).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {} {}", answer.status(), answer.text().await.unwrap());
        answer.json().await.unwrap()
    };
    let guest = if as_guest {
        Some(post("/sites/fpsf/guests".to_owned(), None, json!({})).await["token"].as_str().unwrap().to_owned())
    } else {
        None
    };
    let token = guest.as_deref().unwrap_or(member);
    let enrollment = post("/sites/fpsf/tracks/t/enrollments".to_owned(), Some(token), json!({})).await;
    let id: Uuid = enrollment["id"].as_str().unwrap().parse().unwrap();
    for order in 1..=3 {
        post(format!("/enrollments/{id}/steps/{order}/advance"), Some(token), json!({})).await;
        let mut all = acknowledged.lock().unwrap();
        let highest = all.entry(id).or_default();
        *highest = order.max(*highest);
    }
    if let Some(guest) = guest {
        post("/sites/fpsf/me/merge".to_owned(), Some(member), json!({ "guest_token": guest })).await;
    }
}

/// What must be the same in a copy: not the leases, which a restore lets go.
fn kept(manifest: &Manifest) -> BTreeMap<&str, &str> {
    let tables = manifest.tables.iter().filter(|(name, _)| *name != "job" && *name != "webhook_delivery");
    tables.map(|(name, sum)| (name.as_str(), sum.digest.as_str())).collect()
}

async fn pending(db: &TestDb) -> Vec<Uuid> {
    let text = "SELECT message_id FROM webhook_delivery WHERE state = 'pending' ORDER BY message_id";
    rows::<(Uuid,)>(db, text).await.into_iter().map(|row| row.0).collect()
}

for_both! {
    async fn p8_a_backup_under_load_holds_all_that_was_acknowledged(db: TestDb) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jalon.backup");
        let mut receiver = Receiver::start(Says::Status(503)).await;
        let stage = Stage::set(&db).await;
        stage.publish("t", &track()).await;
        let hook = json!({ "url": receiver.url(), "event_types": [] });
        stage.server.post("/api/v1/admin/sites/fpsf/webhooks").bearer(&stage.key).json(&hook).send().await.expect(201);
        let (_, guest) = stage.guest().await;
        let enrollment = stage.enroll(&guest, "t").await["id"].as_str().unwrap().to_owned();

        let load = Load::start(&stage);
        let before = load.goes_on(60).await;
        let at = stage.now();
        let made = backup(db.config(), &file, false, at).await.unwrap();
        // Nobody waited for it, and it goes on.
        load.goes_on(20).await;
        load.stop().await;
        let key = stage.key.clone();
        stage.server.stop().await;
        receiver.calls();

        assert_eq!(verify(&file).await.unwrap(), made);
        assert_eq!(made.made_at, at);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it holds secrets");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing lies beside it");

        for backend in [Backend::Sqlite, Backend::Postgres] {
            let target = TestDb::empty(backend).await;
            let restored = restore(&file, target.config(), Wish::default()).await.unwrap();
            assert_eq!(restored, made);
            // The way back gives the same: the format carries all that either database holds.
            let again = backup(target.config(), &folder.path().join("again"), true, at).await.unwrap();
            assert_eq!(kept(&again), kept(&made));

            let there: HashMap<Uuid, i32> =
                rows::<(Uuid, i32)>(&target, "SELECT id, current_step_order FROM enrollment").await.into_iter().collect();
            for (id, order) in &before {
                assert!(there.get(id).is_some_and(|there| there >= order), "{id}: {order} was acknowledged, {:?} is there", there.get(id));
            }
            // W1: an announcement for each completion, a delivery for each announcement.
            let counts: Vec<(i64, i64, i64)> = rows(&target, "SELECT (SELECT count(*) FROM event WHERE type = 'track.completed'),
                (SELECT count(*) FROM webhook_message), (SELECT count(*) FROM webhook_delivery)").await;
            assert_eq!(counts[0].1, counts[0].2);
            assert!(counts[0].1 >= counts[0].0, "{counts:?}");

            // A server on it, when the retries are due.
            let waiting = pending(&target).await;
            assert!(waiting.len() >= 10, "{}", waiting.len());
            receiver.say(Says::Status(200));
            let server = TestServer::start_with(&target, Clock::fixed(Timestamp(at.0 + 7_200_000)), |_| ()).await;
            let stage = Stage { server, key: key.clone() };
            let begun = Instant::now();
            while !pending(&target).await.is_empty() {
                assert!(begun.elapsed() < Duration::from_mins(1), "webhooks stay behind");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let mut sent: Vec<Uuid> = receiver.calls().iter().map(crate::webhook::Call::id).collect();
            sent.sort_unstable();
            assert_eq!(sent, waiting, "each once, with the id it had");

            assert_eq!(assert_replay_gives_the_rows(&stage).await, there.len());
            // The guest who was under way goes on, with the token from before.
            let path = format!("/api/v1/enrollments/{enrollment}/steps/1/advance");
            stage.server.post(&path).bearer(&guest).json(&json!({})).send().await.expect(200);
            // And the key that the site's own systems hold.
            stage.server.get("/api/v1/admin/sites/fpsf/statistics").bearer(&stage.key).send().await.expect(200);
            stage.server.stop().await;
        }
    }
}
