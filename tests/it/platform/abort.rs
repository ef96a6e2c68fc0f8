//! A client that hangs up at any microsecond harms nobody (architecture.md).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jalon_tests::{Stage, for_both, small_track};
use serde_json::json;
use uuid::Uuid;

/// Requests that are dropped before they are answered.
const ABORTED: u64 = 10_000;
/// Of them at once.
const AT_ONCE: u64 = 16;

/// Waits to the microsecond, which no timer does: tokio's count milliseconds.
async fn spin(moment: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < moment {
        tokio::task::yield_now().await;
    }
}

for_both! {
    async fn ten_thousand_who_hang_up_leave_every_connection_usable(db: TestDb) {
        let stage = Arc::new(Stage::set(&db).await);
        stage.publish("first", &small_track()).await;
        let mut learners = Vec::new();
        for number in 0..AT_ONCE {
            let token = stage.member(&format!("u-{number}"));
            let enrollment = stage.enroll(&token, "first").await;
            learners.push((token, enrollment["id"].as_str().unwrap().to_owned()));
        }
        let lanes = learners.iter().cloned().enumerate().map(|(lane, (token, id))| {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move {
                let (mut hung_up, mut number) = (0, 0);
                // Some are answered in time: those do not count.
                while hung_up < ABORTED / AT_ONCE {
                    number += 1;
                    let server = &stage.server;
                    let request = match number % 4 {
                        0 => server.post(&format!("/api/v1/sites/{}/guests", Stage::SITE)).key(Uuid::now_v7()).json(&json!({})),
                        1 => server.post(&format!("/api/v1/enrollments/{id}/steps/1/advance")).bearer(&token).key(Uuid::now_v7()).json(&json!({})),
                        2 => server.patch(&format!("/api/v1/enrollments/{id}/steps/1")).bearer(&token).json(&json!({ "time_spent_seconds": 1 })),
                        _ => server.get(&format!("/api/v1/sites/{}/me/enrollments", Stage::SITE)).bearer(&token),
                    };
                    // Any microsecond of the two milliseconds that an answer takes, spread evenly.
                    let moment = Duration::from_micros((number * 7919 + lane as u64 * 104_729) % 2000);
                    tokio::select! {
                        _ = request.send() => {}
                        () = spin(moment) => hung_up += 1,
                    }
                }
            })
        });
        for lane in join_all(lanes).await {
            lane.unwrap();
        }

        // What nobody waits for runs to its end all the same; on a busy machine that takes a moment, and
        // a full queue would rightly answer 503 until then.
        let begun = Instant::now();
        while stage.server.app().db.stats().waiting > 0 {
            assert!(begun.elapsed() < Duration::from_mins(1), "writes that nobody waits for never end");
            tokio::task::yield_now().await;
        }

        // Many more at once than there are connections: a poisoned one would be among those they get.
        let uses = learners.iter().cycle().take(256).enumerate().map(|(number, (token, id))| {
            let server = &stage.server;
            async move {
                if number % 2 == 0 {
                    let path = format!("/api/v1/enrollments/{id}/steps/1/advance");
                    server.post(&path).bearer(token).key(Uuid::now_v7()).json(&json!({})).send().await.expect(200)
                } else {
                    server.get(&format!("/api/v1/enrollments/{id}")).bearer(token).send().await.expect(200)
                }
            }
        });
        for enrollment in join_all(uses).await {
            assert!(enrollment.is_object());
        }
        for (token, id) in &learners {
            let enrollment = stage.server.get(&format!("/api/v1/enrollments/{id}")).bearer(token).send().await.expect(200);
            assert_eq!(enrollment["current_step_order"], 1, "{enrollment}");
        }
    }
}
