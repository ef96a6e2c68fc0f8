//! Learners who take a track, try again what was not acknowledged, and remember what was.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jalon_backend::db::{Db, DbError, on};
use jalon_tests::Stage;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Learners at work at once.
const WORKERS: usize = 16;
/// No answer may take as long, whatever the database does: many times what is to be expected.
const ANSWER: Duration = Duration::from_secs(25);

/// Three things to read, all required.
pub fn track() -> Value {
    let step = |key: &str| json!({ "key": key, "kind": "content", "required": true, "title": { "fr": key }, "body": { "fr": key } });
    json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "T" }, "summary": { "fr": "T" },
        "steps": [step("one"), step("two"), step("three")] })
}

/// The learners.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    bases: Mutex<Vec<String>>,
    client: reqwest::Client,
    tokens: Vec<String>,
    next: AtomicUsize,
    stop: AtomicBool,
    /// The highest order of each enrollment that was answered with success.
    acknowledged: Mutex<HashMap<String, i64>>,
    refused: AtomicUsize,
    /// The same for each worker.
    refused_to: [AtomicUsize; WORKERS],
}

impl Load {
    /// Starts on these servers.
    pub fn start(stage: &Stage, bases: Vec<String>) -> Self {
        let shared = Arc::new(Shared {
            bases: Mutex::new(bases),
            client: reqwest::Client::builder().no_proxy().timeout(ANSWER).build().unwrap(),
            tokens: (0..20_000).map(|number| stage.member(&format!("u-{number}"))).collect(),
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            refused: AtomicUsize::new(0),
            refused_to: Default::default(),
        });
        let workers = (0..WORKERS).map(|worker| tokio::spawn(Arc::clone(&shared).work(worker))).collect();
        Self { shared, workers }
    }

    /// Another server stands where one has gone.
    pub fn replace(&self, place: usize, base: String) {
        self.shared.bases.lock().unwrap()[place] = base;
    }

    /// Waits until so many more enrollments were acknowledged.
    pub async fn goes_on(&self, more: usize) {
        let goal = self.shared.acknowledged.lock().unwrap().len() + more;
        self.until(|shared| shared.acknowledged.lock().unwrap().len() >= goal).await;
    }

    /// Waits until so many more requests were told to come again.
    pub async fn is_refused(&self, more: usize) {
        let goal = self.shared.refused.load(Ordering::Relaxed) + more;
        self.until(|shared| shared.refused.load(Ordering::Relaxed) >= goal).await;
    }

    /// Waits until every learner was told to come again, those too whose request was under way.
    pub async fn everybody_is_refused(&self) {
        let before = self.shared.refused_to.each_ref().map(|count| count.load(Ordering::Relaxed));
        self.until(|shared| {
            shared.refused_to.iter().zip(before).all(|(count, before)| count.load(Ordering::Relaxed) > before)
        })
        .await;
    }

    async fn until(&self, reached: impl Fn(&Shared) -> bool) {
        let begun = Instant::now();
        while !reached(&self.shared) {
            assert!(begun.elapsed() < Duration::from_mins(2), "nothing goes on");
            assert!(self.workers.iter().all(|worker| !worker.is_finished()), "a learner saw what must not be");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends when each learner has done what they were at; checks that all of it is there, once.
    /// Answers how many completed.
    pub async fn settle(self, db: &Db) -> usize {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in join_all(self.workers).await {
            worker.unwrap();
        }
        let acknowledged = self.shared.acknowledged.lock().unwrap().clone();
        let there: HashMap<Uuid, (i32, bool)> =
            rows::<(Uuid, i32, bool)>(db, "SELECT id, current_step_order, completed_at IS NOT NULL FROM enrollment")
                .await
                .into_iter()
                .map(|(id, order, completed)| (id, (order, completed)))
                .collect();
        for (id, order) in &acknowledged {
            let (current, completed) = there[&id.parse::<Uuid>().unwrap()];
            assert!(i64::from(current) >= *order, "{id}: {order} was acknowledged, {current} is there");
            assert_eq!(completed, current == 3);
        }
        // Each learner came to their end, so nothing is there that nobody was told of.
        assert_eq!(there.len(), acknowledged.len(), "an enrollment is there twice, or half");
        for table in [
            "SELECT subject_id, count(*) FROM event WHERE type = 'track.completed' GROUP BY subject_id",
            "SELECT subject_id, count(*) FROM event WHERE type = 'track.started' GROUP BY subject_id",
        ] {
            let counts = rows::<(Uuid, i64)>(db, table).await;
            assert_eq!(counts.len(), there.len());
            assert!(counts.iter().all(|(_, count)| *count == 1), "an event is there twice: {table}");
        }
        there.len()
    }
}

impl Shared {
    async fn work(self: Arc<Self>, worker: usize) {
        while !self.stop.load(Ordering::Relaxed) {
            let token = &self.tokens[self.next.fetch_add(1, Ordering::Relaxed)];
            let path = format!("/api/v1/sites/{}/tracks/t/enrollments", Stage::SITE);
            let id = self.insist(worker, token, path).await["id"].as_str().unwrap().to_owned();
            for order in 1..=3 {
                self.insist(worker, token, format!("/api/v1/enrollments/{id}/steps/{order}/advance")).await;
                self.acknowledged.lock().unwrap().insert(id.clone(), order);
            }
        }
    }

    /// Tries with one key until it is acknowledged, on one server after the other.
    async fn insist(&self, worker: usize, token: &str, path: String) -> Value {
        let key = Uuid::now_v7().to_string();
        let mut place = worker;
        loop {
            let base = {
                let bases = self.bases.lock().unwrap();
                bases[place % bases.len()].clone()
            };
            let request = self.client.post(format!("{base}{path}")).bearer_auth(token).header("idempotency-key", &key);
            match request.json(&json!({})).send().await {
                Ok(answer) if answer.status().is_success() => {
                    if let Ok(body) = answer.json().await {
                        return body;
                    }
                }
                Ok(answer) => self.refuse(worker, answer).await,
                Err(error) => assert!(!error.is_timeout(), "no answer within {ANSWER:?}"),
            }
            place += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn refuse(&self, worker: usize, answer: Response) {
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.text().await.unwrap_or_default();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
        assert!(headers.contains_key("retry-after"), "{body}");
        assert_eq!(headers["content-type"], "application/problem+json");
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.refused_to[worker].fetch_add(1, Ordering::Relaxed);
    }
}

pub async fn rows<R>(db: &Db, text: &'static str) -> Vec<R>
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
