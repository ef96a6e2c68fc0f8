//! Guest tokens over HTTP (E3).

use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_shared::Timestamp;
use jalon_tests::{Stage, TestServer, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

const BORN: Timestamp = Timestamp(1_800_000_000_000);
const MINE: &str = "/api/v1/sites/fpsf/me/enrollments";

for_both! {
    /// A lost answer must not make a second guest.
    async fn e3_the_same_key_answers_the_same_guest_and_token(db: TestDb) {
        let stage = Stage::set(&db).await;
        let create = |key: Uuid, body: Value| stage.server.post("/api/v1/sites/fpsf/guests").key(key).json(&body).send();
        let key = Uuid::now_v7();
        let first = create(key, json!({})).await;
        let again = create(key, json!({})).await;
        assert_eq!(first.expect(201), again.expect(201));
        assert_eq!((first.header("idempotent-replay"), again.header("idempotent-replay")), ("", "true"));
        assert_ne!(create(Uuid::now_v7(), json!({})).await.expect(201)["guest_id"], first.json()["guest_id"]);
        create(key, json!({ "x": 1 })).await.problem(422, "unknown_field");
        stage.server.post("/api/v1/sites/fpsf/guests").key(key).send().await.problem(422, "idempotency_key_reused");
        // At the same moment, too.
        let key = Uuid::now_v7();
        let racing = futures_util::future::join_all((0..8).map(|_| create(key, json!({})))).await;
        let one = racing[0].expect(201);
        assert!(racing.iter().all(|answer| answer.expect(201) == one));
        stage.server.post("/api/v1/sites/fpsf/guests").header("idempotency-key", "7").json(&json!({})).send().await.problem(400, "invalid_idempotency_key");
    }

    async fn e3_a_token_ends_and_can_be_revoked(db: TestDb) {
        let clock = Clock::fixed(BORN);
        let stage = Stage::set_with(&db, clock.clone(), |config| config.guest_ttl = Duration::from_secs(100)).await;
        let (id, token) = stage.guest().await;
        let (_, other) = stage.guest().await;
        let ask = |token: String| stage.server.get(MINE).bearer(&token).send();
        ask(token.clone()).await.expect(200);
        stage.server.post(&format!("/api/v1/admin/sites/fpsf/guests/{id}/revoke")).bearer(&stage.key).send().await.expect(204);
        ask(token.clone()).await.problem(401, "token_revoked");
        ask(other.clone()).await.expect(200);
        stage.server.post(&format!("/api/v1/admin/sites/fpsf/guests/{}/revoke", Uuid::now_v7())).bearer(&stage.key).send().await.problem(404, "not_found");
        clock.advance(Duration::from_secs(100));
        let expired = ask(other).await;
        expired.problem(401, "token_expired");
        assert!(expired.header("www-authenticate").starts_with("Bearer"));
    }

    async fn e3_forged_and_foreign_tokens_are_refused(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &[]).await;
        let (_, token) = stage.guest().await;
        let parts: Vec<&str> = token.split('.').collect();
        let tampered = format!("{}.{}x.{}", parts[0], parts[1], parts[2]);
        for bad in [tampered.as_str(), &token[..token.len() - 3], "x", "a.b.c", "jk_nothing", &"x".repeat(9000)] {
            let answer = stage.server.get(MINE).bearer(bad).send().await;
            assert!(matches!(answer.status.as_u16(), 401 | 403), "{bad}: {}", answer.text());
        }
        stage.server.get(MINE).send().await.problem(401, "unauthenticated");
        stage.server.get(MINE).header("authorization", "Basic dTpw").send().await.problem(401, "unauthenticated");
        stage.server.get(MINE).header("authorization", &format!("Bearer {token}")).header("authorization", &format!("Bearer {token}")).send().await.problem(401, "unauthenticated");
        // A good token, on another site.
        stage.server.get("/api/v1/sites/other/me/enrollments").bearer(&token).send().await.problem(401, "unauthenticated");
        stage.server.get("/api/v1/sites/nowhere/me/enrollments").bearer(&token).send().await.problem(404, "unknown_site");
        // A guest runs nothing, and is no member.
        stage.server.get("/api/v1/admin/sites/fpsf").bearer(&token).send().await.problem(403, "forbidden");
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&token).json(&json!({ "guest_token": token })).send().await.problem(403, "forbidden");
    }

    /// All backends of a database share the secret and hear of revocations.
    async fn e3_another_backend_takes_the_same_token(db: TestDb) {
        let stage = Stage::set(&db).await;
        let (id, token) = stage.guest().await;
        let second = TestServer::start(&db).await;
        second.get(MINE).bearer(&token).send().await.expect(200);
        stage.server.post(&format!("/api/v1/admin/sites/fpsf/guests/{id}/revoke")).bearer(&stage.key).send().await.expect(204);
        second.app().gate.sites.poll().await.unwrap();
        second.get(MINE).bearer(&token).send().await.problem(401, "token_revoked");
    }
}
