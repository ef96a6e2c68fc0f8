//! A server that is killed while it delivers a webhook and runs a job: the others take both over when its
//! leases end, soon after, and each once.

use std::time::{Duration, Instant};

use jalon_backend::clock::Clock;
use jalon_backend::db::{Db, DbError, execute};
use jalon_tests::{Stage, TestDb, for_both};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::load::{rows, track};
use crate::process::Process;
use crate::webhook::{KIND, Receiver, Says};

/// How long leases last here. Only in development are they this short.
const LEASE: &str = "--lease=2s";
/// The same, in milliseconds.
const LEASE_MS: i64 = 2000;
/// How long anything may take beyond its lease: many times what it does, in milliseconds.
const SLACK_MS: i64 = 20_000;

async fn write(db: &Db, statements: &'static [&'static str]) {
    db.write(move |tx| {
        Box::pin(async move {
            for text in statements.iter().copied() {
                execute!(tx, sqlx::query(text))?;
            }
            Ok::<_, DbError>(())
        })
    })
    .await
    .unwrap();
}

/// Keeps a list of every run that counts, in the table `ran`.
async fn note_runs(db: &TestDb) {
    const SQLITE: [&str; 2] = [
        "CREATE TABLE ran (name TEXT NOT NULL, at BIGINT NOT NULL)",
        "CREATE TRIGGER note AFTER UPDATE OF last_run_at ON job WHEN NEW.last_run_at IS NOT OLD.last_run_at
            BEGIN INSERT INTO ran VALUES (NEW.name, NEW.last_run_at); END",
    ];
    const POSTGRES: [&str; 3] = [
        "CREATE TABLE ran (name TEXT NOT NULL, at BIGINT NOT NULL)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN INSERT INTO ran VALUES (NEW.name, NEW.last_run_at); RETURN NEW; END'",
        "CREATE TRIGGER note AFTER UPDATE OF last_run_at ON job FOR EACH ROW
            WHEN (NEW.last_run_at IS DISTINCT FROM OLD.last_run_at) EXECUTE FUNCTION note()",
    ];
    if db.is_sqlite() { write(db, &SQLITE).await } else { write(db, &POSTGRES).await }
}

/// Completes the track as this member.
async fn complete(base: &str, token: &str) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let post = async |path: String| {
        let request = client.post(format!("{base}{path}")).bearer_auth(token);
        let answer = request.header("idempotency-key", Uuid::now_v7().to_string()).json(&json!({})).send().await;
        answer.unwrap().error_for_status().unwrap().json::<Value>().await.unwrap()
    };
    let enrollment = post(format!("/api/v1/sites/{}/tracks/t/enrollments", Stage::SITE)).await;
    let id = enrollment["id"].as_str().unwrap();
    for order in 1..=3 {
        post(format!("/api/v1/enrollments/{id}/steps/{order}/advance")).await;
    }
}

/// The answer of a question, once there is one.
async fn wait<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Who is held how long, of what somebody holds.
async fn held(db: &Db, text: &'static str) -> Option<i64> {
    rows::<(i64,)>(db, text).await.first().map(|(until,)| *until)
}

const DELIVERY: &str = "SELECT lease_until FROM webhook_delivery WHERE state = 'pending' AND lease_owner IS NOT NULL";
const JOB: &str = "SELECT lease_until FROM job WHERE name = 'guest_expiry' AND lease_owner IS NOT NULL";

for_both! {
    /// W3, W4. On SQLite, which knows one server at a time, the one that is started again takes over.
    async fn p3_what_a_killed_server_held_is_taken_over_when_its_lease_ends(db: TestDb) {
        let mut receiver = Receiver::start(Says::Nothing).await;
        let stage = Stage::set(&db).await;
        stage.publish("t", &track()).await;
        let endpoint = json!({ "url": receiver.url(), "event_types": [KIND] });
        let path = format!("/api/v1/admin/sites/{}/webhooks", Stage::SITE);
        stage.server.post(&path).bearer(&stage.key).json(&endpoint).send().await.expect(201);
        let token = stage.member("u-1");
        stage.server.stop().await;
        // All jobs are due, and one has something to do.
        write(&db, &[
            "DELETE FROM job WHERE name <> 'readiness'",
            "INSERT INTO guest (id, site_id, created_at, expires_at) SELECT id, id, 1, 2 FROM site",
        ]).await;
        note_runs(&db).await;
        // On PostgreSQL somebody else is at the guest's row: the job comes no further than there.
        let mut other = None;
        if !db.is_sqlite() {
            let mut connection = PgConnection::connect(&db.url()).await.unwrap();
            sqlx::raw_sql("BEGIN; SELECT id FROM guest FOR UPDATE").execute(&mut connection).await.unwrap();
            other = Some(connection);
        }

        let flags = [LEASE, "--database-patience=30s"];
        let mut first = Process::start_with(&db.url(), &flags, &[]).await;
        complete(&first.base, &token).await;
        let told = receiver.call().await;
        wait("the delivery is not leased", async || held(&db, DELIVERY).await).await;
        if other.is_some() {
            wait("the job does not begin", async || held(&db, JOB).await).await;
        } else {
            wait("the jobs do not run", async || (rows::<(String,)>(&db, "SELECT name FROM ran").await.len() == 3).then_some(())).await;
        }
        first.kill().await;
        let died = Clock::system().now().0;
        receiver.say(Says::Status(200));
        if let Some(connection) = other.take() {
            connection.close().await.unwrap();
        }
        let after = db.reopen().await;
        let delivery = held(&after, DELIVERY).await.expect("what was on its way is not lost");
        let job = held(&after, JOB).await;
        assert!(delivery <= died + LEASE_MS && job.is_none_or(|job| job <= died + LEASE_MS), "a lease is too long");

        let mut others = vec![Process::start_with(&db.url(), &flags, &[]).await];
        if job.is_some() {
            others.push(Process::start_with(&db.url(), &flags, &[]).await);
        }
        let since = |until: i64| Clock::system().now().0 - until.max(died);
        let again = receiver.call().await;
        assert!((0..SLACK_MS).contains(&since(delivery)), "{} ms after the lease's end", since(delivery));
        assert_eq!((again.id(), again.json()), (told.id(), told.json()), "the same, under the same id");
        let over = "SELECT 1 FROM webhook_delivery WHERE state = 'delivered' AND lease_owner IS NULL";
        wait("the delivery is not written", async || held_no_more(&after, over).await).await;

        let ran = wait("the jobs do not run", async || {
            let ran = rows::<(String, i64)>(&after, "SELECT name, at FROM ran ORDER BY name").await;
            (ran.len() >= 3).then_some(ran)
        })
        .await;
        if let Some(until) = job {
            let (_, at) = ran[0];
            assert!((until..until.max(died) + SLACK_MS).contains(&at), "the job was taken {} ms after its lease's end", at - until);
        }
        for one in others {
            one.stop().await;
        }
        assert!(rows::<(Uuid,)>(&after, "SELECT id FROM guest").await.is_empty(), "the job did its work");
        let ran: Vec<_> = rows::<(String,)>(&after, "SELECT name FROM ran ORDER BY name").await.into_iter().map(|(name,)| name).collect();
        assert_eq!(ran, ["guest_expiry", "idempotency_expiry", "webhook_expiry"], "each job ran once");
        assert!(receiver.calls().is_empty(), "nothing comes a third time");
        after.close().await;
    }
}

async fn held_no_more(db: &Db, text: &'static str) -> Option<()> {
    (!rows::<(i32,)>(db, text).await.is_empty()).then_some(())
}
