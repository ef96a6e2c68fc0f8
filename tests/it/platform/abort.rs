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
/// Guests who become each learner.
const GUESTS: usize = 4;

/// Waits to the microsecond, which no timer does: tokio's count milliseconds.
async fn spin(moment: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < moment {
        tokio::task::yield_now().await;
    }
}

for_both! {
    /// M3, M8, V1
    async fn p1_ten_thousand_who_hang_up_harm_nothing_and_nobody(db: TestDb) {
        let stage = Arc::new(Stage::set(&db).await);
        stage.publish("first", &small_track()).await;
        stage.publish("second", &small_track()).await;
        let mut learners = Vec::new();
        let mut guests = Vec::new();
        for number in 0..AT_ONCE {
            let token = stage.member(&format!("u-{number}"));
            let enrollment = stage.enroll(&token, "first").await;
            learners.push((token, enrollment["id"].as_str().unwrap().to_owned()));
            let mut theirs = Vec::new();
            for _ in 0..GUESTS {
                let (_, guest) = stage.guest().await;
                let enrollment = stage.enroll(&guest, "first").await;
                let path = format!("/api/v1/enrollments/{}/steps/1/advance", enrollment["id"].as_str().unwrap());
                stage.server.post(&path).bearer(&guest).json(&json!({})).send().await.expect(200);
                theirs.push(guest);
            }
            guests.push(theirs);
        }
        let lanes = learners.iter().cloned().enumerate().map(|(lane, (token, id))| {
            let stage = Arc::clone(&stage);
            let guests = guests[lane].clone();
            tokio::spawn(async move {
                let (mut hung_up, mut number) = (0, 0);
                // Some are answered in time: those do not count.
                while hung_up < ABORTED / AT_ONCE {
                    number += 1;
                    let server = &stage.server;
                    let request = match number % 6 {
                        0 => server.post(&format!("/api/v1/sites/{}/guests", Stage::SITE)).key(Uuid::now_v7()).json(&json!({})),
                        1 => server.post(&format!("/api/v1/enrollments/{id}/steps/1/advance")).bearer(&token).key(Uuid::now_v7()).json(&json!({})),
                        2 => server.patch(&format!("/api/v1/enrollments/{id}/steps/1")).bearer(&token).json(&json!({ "time_spent_seconds": 1 })),
                        // The same guests over and over: only one merge of each may count.
                        3 => {
                            let guest = &guests[usize::try_from(number / 6).unwrap() % GUESTS];
                            server.post(&format!("/api/v1/sites/{}/me/merge", Stage::SITE)).bearer(&token).key(Uuid::now_v7()).json(&json!({ "guest_token": guest }))
                        }
                        4 => server.post(&format!("/api/v1/sites/{}/tracks/second/enrollments", Stage::SITE)).bearer(&token).key(Uuid::now_v7()).json(&json!({})),
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
        for ((token, id), guests) in learners.iter().zip(&guests) {
            let receipt = async |guest: &str| {
                let path = format!("/api/v1/sites/{}/me/merge", Stage::SITE);
                stage.server.post(&path).bearer(token).json(&json!({ "guest_token": guest })).send().await.expect(200)
            };
            for guest in guests {
                assert_eq!(receipt(guest).await, receipt(guest).await, "M3");
            }
            stage.enroll(token, "second").await;
            let list = stage.server.get(&format!("/api/v1/sites/{}/me/enrollments", Stage::SITE)).bearer(token).send().await.expect(200);
            assert_eq!(list["items"].as_array().unwrap().len(), 2, "{list}");
            // Each guest's attempt once, and the learner's own, where it came before the first merge.
            let first = list["items"].as_array().unwrap().iter().find(|item| item["id"] == id.as_str()).unwrap();
            let attempts = usize::try_from(first["steps"][0]["attempt_count"].as_u64().unwrap()).unwrap();
            assert!(attempts == GUESTS || attempts == GUESTS + 1, "M2: {attempts} attempts");
        }
        crate::track::assert_replay_gives_the_rows(&stage).await;
    }
}
