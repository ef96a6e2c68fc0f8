//! Merges that want the same places in opposite orders (M8), made to meet.

use std::time::{Duration, Instant};

use jalon_backend::clock::Clock;
use jalon_tests::{Backend, Stage, TestDb, small_track};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::assert_replay_gives_the_rows;

/// Sessions of this database that wait for another's lock.
async fn waiting(own: &mut PgConnection) -> i64 {
    let text = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(text).fetch_one(own).await.unwrap()
}

/// M3, M8: one guest began the tracks left, middle, right, the other right, middle, left, and both become
/// the same member at the same moment. The middle is held until both wait: without an order between merges
/// of one member each has then taken what the other wants next, and PostgreSQL ends one of them. Only
/// PostgreSQL: SQLite has one writer.
#[test]
fn m8_merges_in_opposite_orders_do_not_wait_for_each_other() {
    jalon_tests::run(Backend::Postgres, opposite_orders);
}

async fn opposite_orders(db: TestDb) {
    // Who waits is not given up before the test has seen it wait.
    let stage = Stage::set_with(&db, Clock::system(), |config| config.db.patience = Duration::from_secs(25)).await;
    let tracks = ["left", "middle", "right"];
    for track in tracks {
        stage.publish(track, &small_track()).await;
    }
    let (one, other, third) = (stage.guest().await.1, stage.guest().await.1, stage.guest().await);
    for (place, track) in tracks.iter().enumerate() {
        stage.enroll(&one, track).await;
        stage.enroll(&other, tracks[tracks.len() - 1 - place]).await;
    }
    stage.enroll(&third.1, "middle").await;

    // The member's place in the middle is taken, for as long as this is not rolled back.
    let mut own = PgConnection::connect(&db.url()).await.unwrap();
    let mut holder = PgConnection::connect(&db.url()).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    let text = "UPDATE enrollment SET user_id = 'u-42', guest_id = NULL WHERE guest_id = $1";
    let third: Uuid = third.0.parse().unwrap();
    assert_eq!(sqlx::query(text).bind(third).execute(&mut *held).await.unwrap().rows_affected(), 1);

    let member = stage.member("u-42");
    let merge = async |guest: &str| {
        let request = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).key(Uuid::now_v7());
        request.json(&json!({ "guest_token": guest })).send().await
    };
    let release = async {
        let begun = Instant::now();
        while waiting(&mut own).await < 2 {
            assert!(begun.elapsed() < Duration::from_secs(20), "both merges wait for what is held");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        held.rollback().await.unwrap();
    };
    let (first, second, ()) = tokio::join!(merge(&one), merge(&other), release);
    let mut outcomes = Vec::new();
    for receipt in [first.expect(200), second.expect(200)] {
        let lines = receipt["tracks"].as_array().unwrap();
        assert_eq!(lines.len(), tracks.len());
        outcomes.push(lines.iter().map(|line| line["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
    }
    outcomes.sort();
    assert_eq!(outcomes, [["kept"; 3], ["moved"; 3]], "one came first, in every track");
    assert_eq!(assert_replay_gives_the_rows(&stage).await, tracks.len() + 1);
}
