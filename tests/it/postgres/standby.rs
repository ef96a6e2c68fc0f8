//! A synchronous standby that is lost: commits are acknowledged by nobody, and no time limit of PostgreSQL's ends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jalon_backend::clock::Clock;
use jalon_tests::{Cluster, Stage, TestDb, small_track};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::fleet::load::rows;

const LEARNERS: usize = 40;
/// Connections of the server's pool.
const POOL: u32 = 8;

/// Learners who start are refused in bounded time, with `Retry-After`; others read; the server keeps few connections; and
/// when commits are acknowledged again, everybody is in the track once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_synchronous_standby_costs_few_connections_and_no_reads() {
    let cluster = Cluster::own("standby");
    let db = TestDb::of(&cluster).await;
    let stage = Stage::set_with(&db, Clock::system(), |config| {
        config.db.connections = POOL;
        config.db.patience = Duration::from_secs(1);
    })
    .await;
    stage.publish("t", &small_track()).await;
    stage.enroll(&stage.member("reader"), "t").await;
    let mut own = PgConnection::connect(&db.url()).await.unwrap();
    sqlx::raw_sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").execute(&mut own).await.unwrap();
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut own).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;

    let (refused, slowest) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    // Once writes are refused at once, that is how fast: none waits for its time limit any more.
    let at_once = Arc::new(AtomicBool::new(false));
    let learners: Vec<_> = (0..LEARNERS)
        .map(|number| {
            let request = (stage.server.client().clone(), stage.server.url("/api/v1/sites/fpsf/tracks/t/enrollments"));
            let (token, key) = (stage.member(&format!("u-{number}")), Uuid::now_v7().to_string());
            let (refused, slowest, at_once) = (Arc::clone(&refused), Arc::clone(&slowest), Arc::clone(&at_once));
            tokio::spawn(async move {
                loop {
                    let (begun, counts) = (Instant::now(), at_once.load(Ordering::SeqCst));
                    let post = request.0.post(&request.1).bearer_auth(&token).header("idempotency-key", &key);
                    let answer = post.json(&json!({})).send().await.unwrap();
                    if answer.status().is_success() {
                        return;
                    }
                    assert_eq!(answer.status(), 503, "{}", answer.text().await.unwrap());
                    assert!(answer.headers().contains_key("retry-after"));
                    refused.fetch_add(1, Ordering::SeqCst);
                    if counts && at_once.load(Ordering::SeqCst) {
                        let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
                        slowest.fetch_max(took, Ordering::SeqCst);
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
        })
        .collect();

    let mut most = 0;
    let begun = Instant::now();
    let reader = stage.member("reader");
    while begun.elapsed() < Duration::from_secs(15) {
        let me = stage.server.get("/api/v1/sites/fpsf/me/enrollments").bearer(&reader).send().await;
        assert!(me.status.is_success(), "a reader after {:?}: {} {}", begun.elapsed(), me.status, me.text());
        let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'jalon' AND pid <> pg_backend_pid()";
        let count: i64 = sqlx::query_scalar(ours).fetch_one(&mut own).await.unwrap();
        most = most.max(count);
        if begun.elapsed() > Duration::from_secs(6) {
            at_once.store(true, Ordering::SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    at_once.store(false, Ordering::SeqCst);
    // The pool of the server, that of the test, as many as may write and were given up, the probe and who looks at it.
    assert!(most <= i64::from(3 * POOL + 2), "{most} connections");
    assert!(refused.load(Ordering::SeqCst) > 100, "{refused:?} were refused");
    assert!(slowest.load(Ordering::SeqCst) < 1000, "a refusal took {slowest:?} ms");

    sqlx::raw_sql("ALTER SYSTEM RESET synchronous_standby_names").execute(&mut own).await.unwrap();
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut own).await.unwrap();
    for learner in learners {
        tokio::time::timeout(Duration::from_mins(1), learner).await.expect("writes go on").unwrap();
    }
    let twice = "SELECT user_id, count(*) FROM enrollment WHERE user_id LIKE 'u-%' GROUP BY user_id";
    let enrolled = rows::<(String, i64)>(&db, twice).await;
    assert!(enrolled.len() == LEARNERS && enrolled.iter().all(|(_, count)| *count == 1), "{enrolled:?}");
    let events =
        rows::<(i64,)>(&db, "SELECT count(*) FROM event WHERE user_id LIKE 'u-%' AND type = 'track.started'").await;
    assert_eq!(events[0].0, i64::try_from(LEARNERS).unwrap());
    stage.server.stop().await;
}
