//! What a backend keeps in memory of an enrollment is never taken for what it is by now.

use jalon_tests::{Stage, TestServer, for_both, small_track};
use serde_json::json;
use uuid::Uuid;

use super::{Learner, assert_replay_gives_the_rows};

for_both! {
    /// V1: two backends on one database advance the same enrollment in turns; neither goes on from its own copy.
    async fn v1_backends_take_turns_on_one_enrollment(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        let other = TestServer::start(&db).await;
        let path = format!("/api/v1/enrollments/{}/steps/1", learner.id());
        learner.advance(1, json!({ "time_spent_seconds": 1 })).await.expect(200);
        for turn in 1..=6_u64 {
            let server = if turn % 2 == 0 { &stage.server } else { &other };
            let body = json!({ "time_spent_seconds": 1 });
            let after = server.patch(&path).bearer(&token).key(Uuid::now_v7()).json(&body).send().await.expect(200);
            assert_eq!(after["time_spent_seconds"].as_u64(), Some(1 + turn), "turn {turn}");
        }
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 1, "V1");
        other.stop().await;
    }

    /// M5, M1: one backend merges a guest whose enrollment another has in memory.
    async fn m5_a_merge_by_another_backend_is_known_at_once(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let guest = Learner::begin(&stage, &token, "first").await;
        guest.advance(1, json!({})).await.expect(200);
        let other = TestServer::start(&db).await;
        let member = stage.member("u-42");
        let body = json!({ "guest_token": token });
        other.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&body).send().await.expect(200);
        guest.advance(1, json!({})).await.problem(409, "guest_merged");
        let after = Learner::found(&stage, &member, guest.id()).await.advance(3, json!({})).await;
        after.problem(409, "step_out_of_order");
        let now = Learner::found(&stage, &member, guest.id()).await;
        now.answer(true).await.expect(200);
        let done = now.advance(4, json!({})).await.expect(200)["enrollment"].clone();
        assert_eq!((done["user_id"].as_str(), done["guest_id"].as_str()), (Some("u-42"), None), "M1");
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 1, "V1");
        other.stop().await;
    }

    /// P8: who was erased by another backend finds nothing, though this one had it in memory a moment ago.
    async fn p8_erased_by_another_backend_is_gone(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let member = stage.member("u-42");
        let learner = Learner::begin(&stage, &member, "first").await;
        learner.advance(1, json!({})).await.expect(200);
        let other = TestServer::start(&db).await;
        other.delete("/api/v1/sites/fpsf/me").bearer(&member).send().await.expect(204);
        learner.advance(1, json!({})).await.problem(404, "not_found");
        other.stop().await;
    }
}
