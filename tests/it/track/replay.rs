//! A key is answered again with what it was answered with first, whatever happened since.

use jalon_backend::db::{DbError, execute};
use jalon_tests::{Stage, for_both, small_track};
use serde_json::json;
use uuid::Uuid;

use super::{Learner, answers};

for_both! {
    async fn p1_an_answer_is_told_again_to_the_byte_after_all_that_came_later(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, guest) = stage.guest().await;
        let learner = Learner::begin(&stage, &guest, "first").await;
        let mut told = Vec::new();
        let read = Uuid::now_v7();
        told.push((1, read, json!({ "time_spent_seconds": 3 }), learner.advance_with(1, read, &json!({ "time_spent_seconds": 3 })).await));
        let quiz = learner.step(2).await.expect(200);
        for right in [false, true] {
            let (key, body) = (Uuid::now_v7(), answers(&quiz, right));
            told.push((2, key, body.clone(), learner.advance_with(2, key, &body).await));
        }
        assert!(told.iter().all(|(.., first)| first.status == 200 && first.header("idempotent-replay").is_empty()));
        assert_eq!(told[1].3.json()["result"]["passed"], false);

        // The learner goes on, the author publishes anew, and the guest becomes a member.
        learner.advance(4, json!({})).await.expect(200);
        let mut newer = small_track();
        newer["title"]["fr"] = json!("Autrement");
        stage.publish("first", &newer).await;
        let member = stage.member("u-1");
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&json!({ "guest_token": guest })).send().await.expect(200);

        for (order, key, body, first) in &told {
            let again = learner.advance_with(*order, *key, body).await;
            assert_eq!((again.status, again.header("idempotent-replay"), again.text()), (first.status, "true", first.text()));
        }
        learner.advance_with(1, read, &json!({ "time_spent_seconds": 4 })).await.problem(422, "idempotency_key_reused");
    }

    /// Before an upgrade the whole answer was remembered; it is told again as it is.
    async fn p8_an_answer_remembered_before_an_upgrade_is_told_again(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, guest) = stage.guest().await;
        let learner = Learner::begin(&stage, &guest, "first").await;
        let key = Uuid::now_v7();
        let first = learner.advance_with(1, key, &json!({})).await;
        let whole = first.text();
        db.write::<_, DbError, _>(move |tx| Box::pin(async move {
            let changed = execute!(tx, sqlx::query("UPDATE idempotency SET response = $1 WHERE key = $2").bind(whole).bind(key))?;
            assert_eq!(changed, 1);
            Ok(())
        })).await.unwrap();
        let again = learner.advance_with(1, key, &json!({})).await;
        assert_eq!((again.header("idempotent-replay"), again.text()), ("true", first.text()));
    }
}
