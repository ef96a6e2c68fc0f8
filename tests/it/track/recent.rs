//! What a backend keeps in memory of an enrollment is never taken for what it is by now.

use jalon_backend::{
    db::{DbError, execute, on},
    track::store,
};
use jalon_shared::{EnrollmentId, SiteId, track::Enrollment};
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
    /// V1: somebody puts a database back to an earlier state under a running server, which is told not to be done.
    /// Work since then is lost, and numbers are given anew; what was in memory is not mixed into it.
    async fn v1_a_database_put_back_under_a_server_is_believed(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        learner.advance(1, json!({ "time_spent_seconds": 1 })).await.expect(200);
        let then = row(&stage, learner.id()).await;
        for _ in 0..2 {
            learner.report(1, json!({ "time_spent_seconds": 1 })).await.expect(200);
        }
        put_back(&stage, then).await;
        for turn in 1..=4_u64 {
            let after = learner.report(1, json!({ "time_spent_seconds": 10 })).await.expect(200);
            assert_eq!(after["time_spent_seconds"].as_u64(), Some(1 + 10 * turn), "turn {turn}");
        }
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 1, "V1");
    }
}

async fn row(stage: &Stage, id: &str) -> Enrollment {
    let id: Uuid = id.parse().unwrap();
    let find = "SELECT site_id FROM enrollment WHERE id = $1";
    let read = stage.server.app().db.read(move |tx| {
        Box::pin(async move {
            let site: Uuid = on!(tx, conn => sqlx::query_scalar(find).bind(id).fetch_one(conn).await)?;
            store::enrollment(tx, SiteId(site), EnrollmentId(id)).await
        })
    });
    read.await.unwrap().unwrap()
}

async fn put_back(stage: &Stage, then: Enrollment) {
    let forget = "DELETE FROM event WHERE subject_id = $1 AND seq > $2";
    let write = stage.server.app().db.write(move |tx| {
        Box::pin(async move {
            store::update_progress(tx, &[&then]).await?;
            let version = i64::try_from(then.version).unwrap();
            execute!(tx, sqlx::query(forget).bind(then.id.0).bind(version))?;
            Ok::<_, DbError>(())
        })
    });
    write.await.unwrap();
}
