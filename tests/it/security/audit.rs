//! What those do who run a site can be read afterwards, and no secret with it.

use jalon_tests::{MEMBER_SECRET, Stage, for_both, small_track};
use serde_json::{Value, json};

async fn trail(stage: &Stage) -> (Vec<Value>, String) {
    let trail = stage.server.get("/api/v1/admin/sites/fpsf/events?limit=100").bearer(&stage.key).send().await;
    let all = trail.expect(200)["items"].as_array().unwrap().clone();
    let of_staff = all.into_iter().filter(|event| event["type"].as_str().unwrap().starts_with("site."));
    (of_staff.collect(), trail.text())
}

for_both! {
    async fn p5_what_staff_change_is_in_the_audit_trail_without_secrets(db: TestDb) {
        let stage = Stage::set(&db).await;
        let (before, _) = trail(&stage).await;
        let boss = stage.member_of(Stage::SITE, json!({ "sub": "boss", "roles": ["site_admin"] }));
        let site = "/api/v1/admin/sites/fpsf";
        let post = |path: &str, by: &str, body: Value| stage.server.post(&format!("{site}{path}")).bearer(by).json(&body).send();
        let key = post("/keys", &boss, json!({ "name": "one", "scopes": ["site_admin"] })).await.expect(201);
        let (key_id, by_key) = (key["id"].as_str().unwrap().to_owned(), key["key"].as_str().unwrap().to_owned());
        let secret = "a new secret of the site's login, long";
        let signing = post("/signing-keys", &by_key, json!({ "algorithm": "HS256", "secret": secret })).await.expect(201);
        let signing_id = signing["id"].as_str().unwrap().to_owned();
        post(&format!("/signing-keys/{signing_id}/expire"), &by_key, json!({})).await.expect(200);
        let change = json!({ "origins": ["https://new.example.org"], "name": "Another" });
        stage.server.patch(site).bearer(&by_key).json(&change).send().await.expect(200);
        // What is refused is not written down as done.
        stage.server.patch(site).bearer(&by_key).json(&json!({ "origins": ["*"] })).send().await.problem(422, "validation_failed");
        stage.server.patch(site).bearer(&by_key).header("If-Match", "\"r0\"").json(&change).send().await.problem(412, "version_conflict");
        stage.server.delete(&format!("{site}/keys/{key_id}")).bearer(&boss).send().await.expect(204);

        let (now, text) = trail(&stage).await;
        let done = &now[before.len()..];
        let kinds: Vec<&str> = done.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["site.key_created", "site.signing_key_added", "site.signing_key_expired", "site.changed", "site.key_revoked"]);
        assert_eq!((&done[0]["user_id"], &done[0]["payload"]["by"], &done[0]["subject_id"]), (&json!("boss"), &json!("member"), &json!(key_id)));
        assert_eq!((&done[0]["seq"], &done[4]["seq"], &done[4]["subject_id"]), (&json!(1), &json!(2), &json!(key_id)));
        assert_eq!(done[0]["payload"]["scopes"], json!(["site_admin"]));
        for event in &done[1..4] {
            assert_eq!((&event["user_id"], &event["payload"]["key_id"], &event["payload"]["by"]), (&Value::Null, &json!(key_id), &json!("key")));
        }
        assert_eq!(done[3]["payload"]["fields"], json!(["name", "origins"]));
        assert_eq!(done[3]["payload"]["origins_added"], json!(["https://new.example.org"]));
        for hidden in [secret, MEMBER_SECRET, by_key.as_str(), stage.key.as_str(), boss.as_str()] {
            assert!(!text.contains(hidden), "a secret in the audit trail");
        }
    }

    /// Nobody wipes out that a key was made by having themselves erased; their name goes all the same.
    async fn p5_an_erased_member_of_the_staff_leaves_what_they_did_without_their_name(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let boss = stage.member_of(Stage::SITE, json!({ "sub": "boss-4711", "roles": ["site_admin"] }));
        stage.enroll(&boss, "first").await;
        let new = json!({ "name": "one", "scopes": ["site_read"] });
        stage.server.post("/api/v1/admin/sites/fpsf/keys").bearer(&boss).json(&new).send().await.expect(201);
        let (before, _) = trail(&stage).await;
        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&boss).send().await.expect(204);
        let (after, text) = trail(&stage).await;
        assert!(!text.contains("boss-4711"), "{text}");
        let nameless: Vec<Value> = before.into_iter().map(|mut event| { event["user_id"] = Value::Null; event }).collect();
        assert_eq!(after, nameless);
        assert_eq!(after.last().unwrap()["payload"]["by"], "member");
    }
}
