//! Promise 3: several backends are one.

mod leases;
pub mod load;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use jalon_backend::db::{DbError, execute};
use jalon_backend::webhook::LEASE;
use jalon_tests::{Backend, Stage, TestDb};
use serde_json::json;
use uuid::Uuid;

use crate::process::Process;
use crate::webhook::{KIND, Receiver, Says};
use load::{Load, rows, track};

/// A server that is impatient and has few connections, so that what it holds on to shows.
pub async fn start(db: &TestDb) -> Process {
    Process::start_with(&db.url(), &["--database-connections=8", "--database-patience=1s"], &[]).await
}

/// Deliveries that wait, with whose they are.
async fn waiting(db: &TestDb) -> Vec<(Uuid, Uuid, Option<String>, i64)> {
    let text =
        "SELECT id, message_id, lease_owner, lease_until FROM webhook_delivery WHERE state = 'pending' ORDER BY id";
    rows(db, text).await
}

/// What runs of the jobs there were, once each has run.
async fn runs(db: &TestDb) -> Vec<(String, i64)> {
    let begun = Instant::now();
    loop {
        let text = "SELECT name, coalesce(last_run_at, 0) FROM job WHERE name <> 'readiness' AND lease_until = 0 ORDER BY name";
        let runs: Vec<(String, i64)> = rows(db, text).await;
        if runs.len() == 3 && runs.iter().all(|(_, at)| *at > 0) {
            return runs;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{runs:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until nothing waits but what the dead one held, and answers that: it changes no more, and is
/// leased, and not for longer than a lease lasts.
async fn held_by_the_dead(db: &TestDb, now: impl Fn() -> i64) -> Vec<Uuid> {
    let begun = Instant::now();
    let (mut last, mut since) = (waiting(db).await, Instant::now());
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let these = waiting(db).await;
        if these != last {
            (last, since) = (these, Instant::now());
        } else if since.elapsed() > Duration::from_secs(3) && last.iter().all(|(.., owner, _)| owner.is_some()) {
            let owners: HashSet<_> = last.iter().map(|(.., owner, _)| owner).collect();
            assert!(owners.len() <= 1, "only one died: {owners:?}");
            assert!(
                last.iter().all(|(.., until)| *until <= now() + i64::try_from(LEASE.as_millis()).unwrap()),
                "a lease is too long"
            );
            return last.into_iter().map(|(_, message, ..)| message).collect();
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "deliveries wait: {last:?}");
    }
}

#[test]
fn p3_three_backends_restarted_and_one_killed_are_one() {
    jalon_tests::run(Backend::Postgres, async |db| {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let stage = Stage::set(&db).await;
        stage.publish("t", &track()).await;
        let endpoint = json!({ "url": receiver.url(), "event_types": [KIND] });
        let path = format!("/api/v1/admin/sites/{}/webhooks", Stage::SITE);
        stage.server.post(&path).bearer(&stage.key).json(&endpoint).send().await.expect(201);

        let mut fleet = Vec::new();
        for _ in 0..3 {
            fleet.push(start(&db).await);
        }
        let load = Load::start(&stage, fleet.iter().map(|one| one.base.clone()).collect());
        let clock = stage.server.app().clock.clone();
        stage.server.stop().await;
        let before = runs(&db).await;
        for place in 0..3 {
            load.goes_on(40).await;
            let old = fleet.remove(0);
            old.stop().await;
            let new = start(&db).await;
            load.replace(place, new.base.clone());
            fleet.push(new);
        }
        load.goes_on(40).await;
        // Those of the places 0, 1, 2.
        fleet.remove(1).kill().await;
        load.goes_on(40).await;
        let new = start(&db).await;
        load.replace(1, new.base.clone());
        fleet.push(new);
        load.goes_on(40).await;
        let completed = load.settle(&db).await;

        let held = held_by_the_dead(&db, || clock.now().0).await;
        // A lease's time passes, for those.
        let age = "UPDATE webhook_delivery SET lease_until = 0 WHERE state = 'pending'";
        db.write(move |tx| Box::pin(async move { execute!(tx, sqlx::query(age)).map(drop) }))
            .await
            .unwrap_or_else(|error: DbError| panic!("{error}"));
        let begun = Instant::now();
        while !waiting(&db).await.is_empty() {
            assert!(begun.elapsed() < Duration::from_mins(1), "what the dead one held is not taken over");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }

        let mut heard: HashMap<Uuid, Vec<_>> = HashMap::new();
        for call in receiver.calls() {
            heard.entry(call.id()).or_default().push(call.json());
        }
        assert_eq!(heard.len(), completed, "each completion is announced, under one id");
        let again: Vec<_> = heard.iter().filter(|(_, bodies)| bodies.len() > 1).collect();
        println!("{completed} completions; the dead one held {}; {} came again", held.len(), again.len());
        for (id, bodies) in again {
            assert!(held.contains(id), "{id} came again, and nobody had died over it");
            assert!(bodies.iter().all(|body| *body == bodies[0]), "{id} says two things");
        }
        assert_eq!(runs(&db).await, before, "a job ran again before its time");
        for one in fleet {
            one.stop().await;
        }
    });
}
