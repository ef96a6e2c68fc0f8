//! Several servers whose clocks differ: the database's clock decides how long one holds what it took.

use std::time::{Duration, Instant};

use jalon_backend::clock::Clock;
use jalon_backend::db::{Db, DbError, execute};
use jalon_backend::job::{Keep, Worker};
use jalon_backend::stop::stop;
use jalon_backend::webhook::{LEASE, lease};
use jalon_tests::{Backend, Stage, TestDb, run, small_track};
use serde_json::json;

use crate::fleet::load::rows;
use crate::webhook::{Call, Desk, KIND, Receiver, Says};

/// More than a lease.
const WRONG: i64 = 90_000;

async fn write(db: &Db, text: &'static str) {
    db.write(move |tx| Box::pin(async move { execute!(tx, sqlx::query(text)).map(drop) }))
        .await
        .unwrap_or_else(|error: DbError| panic!("{error}"));
}

/// W4: nobody takes a delivery that another server holds, however wrong either's clock is.
#[test]
fn w4_a_server_with_a_wrong_clock_takes_no_delivery_that_another_holds() {
    run(Backend::Postgres, async |db| {
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint("http://127.0.0.1:9/".to_owned(), &[]).await;
        desk.announce(1).await;
        let wanted = vec![(endpoint, 10)];
        for (one, other) in [(0, WRONG), (WRONG, 0), (-WRONG, 0), (0, -WRONG), (-WRONG, WRONG)] {
            let (one, other) = (Clock::wrong_by(one), Clock::wrong_by(other));
            let claim = async |clock: &Clock| {
                lease::claim(&db, "me".to_owned(), wanted.clone(), clock.for_leases(), LEASE).await.unwrap()
            };
            let claimed = claim(&one).await;
            assert_eq!(claimed.len(), 1, "{one:?} does not find what is due");
            // By its own clock it knows how long it may try.
            assert!((claimed[0].until.0 - one.now().0 - 60_000).abs() < 20_000, "{claimed:?} by {one:?}");
            assert!(lease::due(&db, other.for_leases()).await.unwrap().is_empty());
            assert_eq!(claim(&other).await.len(), 0, "{other:?} takes what {one:?} holds");
            // It is held for a minute of the database's.
            let (until,) = rows::<(i64,)>(
                &db,
                "SELECT lease_until - (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM webhook_delivery",
            )
            .await[0];
            assert!((1..=60_000).contains(&until), "{until}");
            lease::settle(&db, "me".to_owned(), &[], &[claimed[0].id], one.for_leases()).await.unwrap();
        }
    });
}

/// Promise 3: nobody runs a job that another server runs, or ran just now.
#[test]
fn p3_a_server_with_a_wrong_clock_runs_no_job_that_another_runs_or_ran() {
    run(Backend::Postgres, async |db| {
        let (_stopper, stop) = stop();
        let keep = Keep { webhooks: Duration::from_hours(24) };
        let hours = 7_200_000;
        let tick = async |wrong: i64| {
            let clock = Clock::wrong_by(wrong);
            let worker = Worker { db: db.db().clone(), clock, me: wrong.to_string(), lease: LEASE, keep };
            worker.tick(&stop).await.unwrap()
        };
        write(
            &db,
            "INSERT INTO job (name, lease_until, lease_owner) \
            SELECT 'guest_expiry', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 60000, 'other'",
        )
        .await;
        assert_eq!(tick(hours).await, ["idempotency_expiry", "webhook_expiry"], "the first is another's");
        for wrong in [hours, -hours, 0] {
            assert!(tick(wrong).await.is_empty(), "{wrong}");
        }
        write(&db, "UPDATE job SET lease_until = (extract(epoch FROM clock_timestamp()) * 1000)::bigint - 1").await;
        assert_eq!(tick(-hours).await, ["guest_expiry"], "its lease is over");
    });
}

/// W4: servers whose clocks are wrong deliver at once what they announce, and try again when it is time.
#[test]
fn w4_servers_with_wrong_clocks_deliver_and_try_again() {
    run(Backend::Postgres, async |db| {
        let mut receiver = Receiver::start(Says::Status(503)).await;
        let ahead = Stage::set_with(&db, Clock::wrong_by(WRONG), |_| ()).await;
        let behind = jalon_tests::TestServer::start_with(&db, Clock::wrong_by(-WRONG), |_| ()).await;
        ahead.publish("t", &small_track()).await;
        let hook = json!({ "url": receiver.url(), "event_types": [KIND] });
        ahead.server.post("/api/v1/admin/sites/fpsf/webhooks").bearer(&ahead.key).json(&hook).send().await.expect(201);
        for (name, far) in [("one", true), ("two", false)] {
            complete(&ahead, if far { &ahead.server } else { &behind }, name).await;
            let begun = Instant::now();
            let told = receiver.call().await.id();
            // A tick, and what a slow machine needs; not the minute and a half of a clock.
            assert!(begun.elapsed() < Duration::from_secs(15), "{name} was told after {:?}", begun.elapsed());
            wait_for(
                &db,
                "SELECT id FROM webhook_delivery WHERE attempts = 1 AND state = 'pending' AND lease_owner IS NULL",
            )
            .await;
            let (wait,) = rows::<(i64,)>(
                &db,
                "SELECT next_at - (extract(epoch FROM clock_timestamp()) * 1000)::bigint \
                FROM webhook_delivery WHERE state = 'pending'",
            )
            .await[0];
            assert!((-15_000..=30_000).contains(&wait), "the next attempt is in {wait} ms");
            receiver.say(Says::Status(200));
            wait_for(&db, "SELECT id FROM webhook_delivery WHERE state = 'delivered'").await;
            let again: Vec<_> = receiver.calls().iter().map(Call::id).collect();
            assert!(again.iter().all(|id| *id == told) && !again.is_empty(), "{again:?}");
            write(&db, "DELETE FROM webhook_delivery").await;
            receiver.say(Says::Status(503));
        }
        behind.stop().await;
        ahead.server.stop().await;
    });
}

async fn wait_for(db: &TestDb, text: &'static str) {
    let begun = Instant::now();
    while rows::<(uuid::Uuid,)>(db, text).await.is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A guest of this server's completes the track there.
async fn complete(stage: &Stage, server: &jalon_tests::TestServer, name: &str) {
    let step = |order: u32| {
        json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true,
        "title": { "fr": "T" }, "summary": { "fr": "T" }, "steps": [
        { "key": "one", "kind": "content", "required": true, "title": { "fr": "Un" }, "body": { "fr": order.to_string() } }] })
    };
    stage.publish(name, &step(1)).await;
    // The other server learns of it within a second.
    let begun = Instant::now();
    let path = format!("/api/v1/sites/fpsf/tracks/{name}");
    while !server.get(&path).send().await.status.is_success() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{name} does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let guest =
        server.post("/api/v1/sites/fpsf/guests").key(uuid::Uuid::now_v7()).json(&json!({})).send().await.expect(201);
    let token = guest["token"].as_str().unwrap();
    let path = format!("{path}/enrollments");
    let enrollment =
        server.post(&path).bearer(token).key(uuid::Uuid::now_v7()).json(&json!({})).send().await.expect(201);
    let path = format!("/api/v1/enrollments/{}/steps/1/advance", enrollment["id"].as_str().unwrap());
    server.post(&path).bearer(token).key(uuid::Uuid::now_v7()).json(&json!({})).send().await.expect(200);
}
