//! Whatever comes in: a 4xx problem with a stable code, nothing half-written, nothing of anybody else's.

use jalon_tests::{Stage, for_both, small_track};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Learner, answers};

for_both! {
    /// Answers of every wrong form.
    async fn c2_answers_of_every_wrong_form(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        learner.advance(1, json!({})).await.expect(200);
        let quiz = learner.step(2).await.expect(200);
        let good = answers(&quiz, true)["answers"][0].clone();
        let question = good["question_id"].clone();
        let choice = good["choice_ids"][0].clone();
        let unknown = Uuid::now_v7();
        let before = learner.look().await;
        for (body, pointer, code) in [
            (json!({}), "/answers", "answers_required"),
            (json!({ "answers": [] }), "/answers", "answers_required"),
            (json!({ "answers": [{ "question_id": question, "choice_ids": [] }] }), "/answers", "answers_required"),
            (json!({ "answers": [good, good] }), "/answers/1/question_id", "answered_twice"),
            (json!({ "answers": [{ "question_id": unknown, "choice_ids": [choice] }] }), "/answers/0/question_id", "unknown_question"),
            (json!({ "answers": [{ "question_id": question, "choice_ids": [unknown] }] }), "/answers/0/choice_ids/0", "unknown_choice"),
            (json!({ "answers": [{ "question_id": question, "choice_ids": [choice, choice] }] }), "/answers/0/choice_ids/1", "chosen_twice"),
            (json!({ "answers": [{ "question_id": question, "text": "Trois" }] }), "/answers/0/text", "wrong_answer_kind"),
            (json!({ "answers": [{ "question_id": question }] }), "/answers/0", "missing_field"),
        ] {
            let problem = learner.advance(2, body.clone()).await.problem(422, "validation_failed");
            let found = problem["errors"].as_array().unwrap().iter().any(|error| error["pointer"] == pointer && error["code"] == code);
            assert!(found, "{body}: {problem}");
        }
        for (body, pointer, code) in [
            (json!({ "answers": [{ "question_id": question, "choice": [choice] }] }), "/answers/0/choice", "unknown_field"),
            (json!({ "answers": "b" }), "/answers", "invalid_value"),
            (json!({ "answers": [{ "question_id": "q1", "choice_ids": [choice] }] }), "/answers/0/question_id", "invalid_value"),
            (json!({ "answer": [] }), "/answer", "unknown_field"),
            (json!({ "time_spent_seconds": "long" }), "/time_spent_seconds", "invalid_value"),
        ] {
            let problem = learner.advance(2, body.clone()).await.problem(422, code);
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
        }
        learner.advance(1, json!({ "answers": [good] })).await.problem(422, "validation_failed");
        assert_eq!(learner.look().await, before, "not one attempt was burnt");
    }

    /// Bodies, paths and headers that make no sense.
    async fn requests_that_make_no_sense(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        let advance = format!("/api/v1/enrollments/{}/steps/1/advance", learner.id());
        let post = |body: &str| stage.server.post(&advance).bearer(&token).body("application/json", body.to_owned());
        post("{").send().await.problem(400, "invalid_json");
        post("\u{feff}nonsense").send().await.problem(400, "invalid_json");
        let deep = format!("{{\"answers\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
        assert!(post(&deep).send().await.status.is_client_error());
        let big = format!("{{\"answers\":[\"{}\"]}}", "x".repeat(300 * 1024));
        post(&big).send().await.problem(413, "body_too_large");
        stage.server.post(&advance).bearer(&token).body("text/plain", "{\"a\":1}").send().await.problem(415, "unsupported_media_type");
        stage.server.post(&advance).bearer(&token).header("idempotency-key", "1").json(&json!({})).send().await.problem(400, "invalid_idempotency_key");
        for order in ["0", "5", "65535"] {
            let path = format!("/api/v1/enrollments/{}/steps/{order}/advance", learner.id());
            stage.server.post(&path).bearer(&token).json(&json!({})).send().await.problem(404, "not_found");
        }
        for path in ["/api/v1/enrollments/nonsense", "/api/v1/enrollments/%ff%fe", "/api/v1/nowhere", "/api/v1/sites/fpsf/tracks/..%2f..%2fetc"] {
            let answer = stage.server.get(path).bearer(&token).send().await;
            assert_eq!(answer.status.as_u16(), 404, "{path}: {}", answer.text());
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
        let steps = format!("/api/v1/enrollments/{}/steps/nine", learner.id());
        stage.server.get(&steps).bearer(&token).send().await.problem(404, "not_found");
        stage.server.delete(&advance).bearer(&token).send().await.problem(405, "method_not_allowed");
        stage.server.get("/api/v1/sites/fpsf/me/enrollments?limit=0").bearer(&token).send().await.problem(422, "invalid_value");
        stage.server.get("/api/v1/sites/fpsf/me/enrollments?status=lost").bearer(&token).send().await.problem(422, "invalid_value");
        stage.server.get("/api/v1/sites/fpsf/me/enrollments?cursor=zzz").bearer(&token).send().await.problem(400, "invalid_cursor");
        assert_eq!(learner.look().await["version"], learner.enrollment["version"]);
    }

    /// PostgreSQL has no text with a NUL: nobody gets so far as to find out.
    async fn a_nul_is_refused_by_pointer(db: TestDb) {
        let stage = Stage::set(&db).await;
        let nul = "a\0b";
        let secret = format!("{nul}{}", "x".repeat(40));
        for (path, body, pointer) in [
            ("/api/v1/admin/sites/fpsf/signing-keys", json!({ "algorithm": "HS256", "secret": secret }), "/secret"),
            ("/api/v1/admin/sites/fpsf/signing-keys", json!({ "algorithm": "HS256", "secret": "x".repeat(40), "kid": nul }), "/kid"),
            ("/api/v1/admin/sites/fpsf/signing-keys", json!({ "algorithm": "JWKS", "jwks_url": format!("https://example.org/{nul}") }), "/jwks_url"),
            ("/api/v1/admin/sites/fpsf/webhooks", json!({ "url": format!("https://example.org/{nul}") }), "/url"),
        ] {
            let problem = stage.server.post(path).bearer(&stage.key).json(&body).send().await.problem(422, "validation_failed");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        }
        let change = json!({ "login_url": format!("https://example.org/{nul}") });
        stage.server.patch("/api/v1/admin/sites/fpsf").bearer(&stage.key).json(&change).send().await.problem(422, "validation_failed");
        let mut track = small_track();
        track["steps"][0]["title"]["fr"] = nul.into();
        let put = stage.server.put("/api/v1/admin/sites/fpsf/tracks/first").bearer(&stage.key).json(&track).send().await;
        assert_eq!(put.problem(422, "validation_failed")["errors"][0]["pointer"], "/steps/0/title/fr");
        // Only what looks like one is let through.
        track["steps"][0]["title"]["fr"] = "\\u0000".into();
        stage.publish("first", &track).await;
    }

    /// Another learner's and another site's things do not exist.
    async fn what_is_not_yours_is_not_there(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        stage.site("other", &["https://other.example"]).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        let (_, stranger) = stage.guest().await;
        let foreign = stage.member_of("other", json!({ "sub": "u-42" }));
        let member = stage.member("u-42");
        let get = format!("/api/v1/enrollments/{}", learner.id());
        for token in [&stranger, &foreign, &member] {
            stage.server.get(&get).bearer(token).send().await.problem(404, "not_found");
            stage.server.get(&format!("{get}/steps/1")).bearer(token).send().await.problem(404, "not_found");
            stage.server.post(&format!("{get}/steps/1/advance")).bearer(token).json(&json!({})).send().await.problem(404, "not_found");
            stage.server.patch(&format!("{get}/steps/1")).bearer(token).json(&json!({})).send().await.problem(404, "not_found");
        }
        stage.server.get(&get).send().await.problem(401, "unauthenticated");
        stage.server.get(&get).bearer("nonsense").send().await.problem(401, "unauthenticated");
        stage.server.get("/api/v1/sites/other/tracks/first").send().await.problem(404, "unknown_track");
        stage.server.get("/api/v1/sites/other/me/enrollments").bearer(&token).send().await.problem(401, "unauthenticated");
        // The same key used by two callers is two keys.
        let key = Uuid::now_v7();
        learner.advance_with(1, key, &json!({})).await.expect(200);
        let other = Learner::begin(&stage, &stranger, "first").await;
        let answer = other.advance_with(1, key, &json!({})).await;
        assert_eq!((answer.expect(200)["enrollment"]["id"].as_str(), answer.header("idempotent-replay")), (Some(other.id()), ""));
        let list: Value = stage.server.get("/api/v1/sites/fpsf/me/enrollments").bearer(&stranger).send().await.expect(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
    }
}
