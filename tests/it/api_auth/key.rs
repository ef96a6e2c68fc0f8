//! API keys: scopes, tenants, revocation.

use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_shared::Timestamp;
use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};

async fn make(stage: &Stage, site: &str, scopes: Value) -> (String, String) {
    let new = json!({ "name": "a program", "scopes": scopes });
    let key = stage
        .server
        .post(&format!("/api/v1/admin/sites/{site}/keys"))
        .bearer(&stage.key)
        .json(&new)
        .send()
        .await
        .expect(201);
    (key["id"].as_str().unwrap().to_owned(), key["key"].as_str().unwrap().to_owned())
}

for_both! {
    async fn a_key_allows_what_its_scopes_say_and_on_its_site_only(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &[]).await;
        let (_, key) = make(&stage, "fpsf", json!(["tracks_read"])).await;
        let get = |path: &'static str| stage.server.get(path).bearer(&key).send();
        get("/api/v1/admin/sites/fpsf").await.expect(200);
        let lacking = get("/api/v1/admin/sites/fpsf/keys").await.problem(403, "forbidden");
        assert_eq!(lacking["scope"], "keys_write");
        get("/api/v1/admin/sites").await.problem(403, "forbidden");
        // A foreign tenant is not there, whether it is or not.
        get("/api/v1/admin/sites/other").await.problem(404, "unknown_site");
        get("/api/v1/admin/sites/nowhere").await.problem(404, "unknown_site");
        // A key is no learner.
        get("/api/v1/sites/fpsf/me/enrollments").await.problem(403, "forbidden");
        stage.server.patch("/api/v1/admin/sites/fpsf").bearer(&key).json(&json!({ "name": "Mine" })).send().await.problem(403, "forbidden");
        stage.server.get("/api/v1/admin/sites/fpsf").send().await.problem(401, "unauthenticated");
        stage.server.get("/api/v1/admin/sites/nowhere").send().await.problem(401, "unauthenticated");
    }

    async fn a_key_shows_its_secret_once_and_can_be_revoked(db: TestDb) {
        let stage = Stage::set(&db).await;
        let (id, key) = make(&stage, "fpsf", json!(["site_admin"])).await;
        stage.site("other", &[]).await;
        let list = stage.server.get("/api/v1/admin/sites/fpsf/keys").bearer(&key).send().await;
        assert_eq!(list.expect(200)["items"][0]["id"], id.as_str());
        assert!(!list.text().contains(&key), "a secret is shown once");
        let path = format!("/api/v1/admin/sites/fpsf/keys/{id}");
        stage.server.delete(&format!("/api/v1/admin/sites/other/keys/{id}")).bearer(&stage.key).send().await.problem(404, "not_found");
        stage.server.delete(&path).bearer(&key).send().await.expect(204);
        stage.server.get("/api/v1/admin/sites/fpsf/keys").bearer(&key).send().await.problem(401, "unauthenticated");
        stage.server.delete(&path).bearer(&stage.key).send().await.expect(204);
        stage.server.delete("/api/v1/admin/sites/fpsf/keys/7").bearer(&stage.key).send().await.problem(404, "not_found");
    }

    async fn a_key_ends(db: TestDb) {
        let clock = Clock::fixed(Timestamp(1_800_000_000_000));
        let stage = Stage::set_with(&db, clock.clone(), |_| ()).await;
        let new = json!({ "name": "a", "scopes": ["site_read"], "expires_at": Timestamp(1_800_000_060_000) });
        let made = stage.server.post("/api/v1/admin/sites/fpsf/keys").bearer(&stage.key).json(&new).send().await.expect(201);
        let key = made["key"].as_str().unwrap().to_owned();
        stage.server.get("/api/v1/admin/sites/fpsf").bearer(&key).send().await.expect(200);
        clock.advance(Duration::from_mins(1));
        stage.server.get("/api/v1/admin/sites/fpsf").bearer(&key).send().await.problem(401, "token_expired");
    }

    async fn a_key_that_makes_no_sense_is_refused(db: TestDb) {
        let stage = Stage::set(&db).await;
        for (new, code, pointer) in [
            (json!({ "name": "a", "scopes": [] }), "invalid_value", "/scopes"),
            (json!({ "name": "", "scopes": ["site_read"] }), "invalid_value", "/name"),
            (json!({ "name": "a", "scopes": ["site_read", "server_admin"] }), "invalid_value", "/scopes/1"),
            (json!({ "name": "a", "scopes": ["everything"] }), "invalid_value", "/scopes/0"),
            (json!({ "name": "a", "scopes": ["site_read"], "expires_at": "2020-01-01T00:00:00Z" }), "invalid_value", "/expires_at"),
            (json!({ "name": "a", "scopes": ["site_read"], "expires_at": "soon" }), "invalid_value", "/expires_at"),
            (json!({ "scopes": ["site_read"] }), "missing_field", "/name"),
            (json!({ "name": "a", "scopes": ["site_read"], "secret": "mine" }), "unknown_field", "/secret"),
        ] {
            let problem = stage.server.post("/api/v1/admin/sites/fpsf/keys").bearer(&stage.key).json(&new).send().await.problem(422, code);
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        }
    }
}
