//! Authors write tracks; every version is checked whole, and no learner loses anything by it (T1).

use jalon_tests::{Stage, for_both, small_track};
use serde_json::{Value, json};

use super::{Learner, assert_replay_gives_the_rows};

const PATH: &str = "/api/v1/admin/sites/fpsf/tracks/first";

/// The small track with one thing changed.
fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut track = small_track();
    change(&mut track);
    track
}

for_both! {
    /// Every mistake has its pointer and its code, and nothing is saved.
    async fn mistakes_are_named_by_pointer_and_nothing_is_saved(db: TestDb) {
        let stage = Stage::set(&db).await;
        let choices = "/steps/1/quiz/questions/0/choices";
        let cases: Vec<(Value, &str, &str)> = vec![
            (with(|t| t["title"] = json!({ "en": "Only English" })), "/title/fr", "missing_source_language"),
            (with(|t| t["steps"] = json!([])), "/steps", "out_of_range"),
            (with(|t| t["steps"][1]["key"] = "welcome".into()), "/steps/1/key", "duplicate_key"),
            (with(|t| t["steps"][0]["key"] = "a b".into()), "/steps/0/key", "invalid_key"),
            (with(|t| t["steps"][0]["order"] = 2.into()), "/steps/0/order", "order_hole"),
            (with(|t| t["steps"][0]["kind"] = "exam".into()), "/steps/0/kind", "unsupported_step_kind"),
            (with(|t| t["steps"][0]["pass_mark"] = 50.into()), "/steps/0/pass_mark", "unknown_field"),
            (with(|t| t["steps"][0]["body"] = json!({ "fr": "[x](javascript:alert(1))" })), "/steps/0/body/fr", "unsafe_url"),
            (with(|t| { t["steps"][0].as_object_mut().unwrap().remove("body"); }), "/steps/0/body", "missing_field"),
            (with(|t| t["steps"][1]["quiz"]["questions"][0]["choices"][1]["right"] = false.into()), choices, "no_right_answer"),
            (with(|t| t["steps"][1]["quiz"]["questions"][0]["choices"][0]["right"] = true.into()), choices, "several_right_answers"),
            (with(|t| t["steps"][1]["quiz"]["questions"][0]["choices"][1]["key"] = "a".into()), "/steps/1/quiz/questions/0/choices/1/key", "duplicate_key"),
            (with(|t| t["steps"][1]["quiz"]["questions"][0] = json!({ "key": "o", "kind": "open_ended", "prompt": { "fr": "Pourquoi ?" } })), "/steps/1/quiz/questions/0/kind", "unsupported_question_kind"),
            (with(|t| t["steps"][1]["quiz"]["questions"][0]["hints"] = json!([{ "fr": "Indice" }])), "/steps/1/quiz/questions/0/hints", "unknown_field"),
            (with(|t| t["steps"][1]["quiz"]["max_attempts"] = 0.into()), "/steps/1/quiz/max_attempts", "out_of_range"),
            (with(|t| t["steps"][3] = json!({ "key": "l", "kind": "link", "title": { "fr": "L" }, "url": "javascript:alert(1)" })), "/steps/3/url", "unsafe_url"),
            (with(|t| t["steps"][3] = json!({ "key": "v", "kind": "video", "title": { "fr": "V" }, "video": { "url": "http://evil.example/x.mp4", "duration_seconds": 5 } })), "/steps/3/video/url", "unsafe_url"),
        ];
        for (track, pointer, code) in cases {
            let problem = stage.server.put(PATH).bearer(&stage.key).json(&track).send().await.problem(422, "validation_failed");
            let found = problem["errors"].as_array().unwrap().iter().any(|error| error["pointer"] == pointer && error["code"] == code);
            assert!(found, "{pointer} {code} in {problem}");
        }
        for (track, pointer, code) in [
            (with(|t| t["colour"] = "red".into()), "/colour", "unknown_field"),
            (with(|t| t["steps"][0]["colour"] = "red".into()), "/steps/0/colour", "unknown_field"),
            (with(|t| t["steps"][1]["pass_mark"] = 101.into()), "/steps/1/pass_mark", "invalid_value"),
            (with(|t| t["source_lang"] = "fr_FR".into()), "/source_lang", "invalid_value"),
            (with(|t| { t.as_object_mut().unwrap().remove("source_lang"); }), "/source_lang", "missing_field"),
        ] {
            let problem = stage.server.put(PATH).bearer(&stage.key).json(&track).send().await.problem(422, code);
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        }
        stage.server.get(PATH).bearer(&stage.key).send().await.problem(404, "not_found");
        stage.server.put("/api/v1/admin/sites/fpsf/tracks/No%20Slug").bearer(&stage.key).json(&small_track()).send().await.problem(422, "invalid_value");
    }

    /// Versions: the same again makes none; `If-Match` guards; what was written reads back.
    async fn versions_are_made_by_changes_only(db: TestDb) {
        let stage = Stage::set(&db).await;
        let server = &stage.server;
        let put = async |track: &Value, tag: Option<&str>| {
            let mut request = server.put(PATH).bearer(&stage.key).json(track);
            if let Some(tag) = tag {
                request = request.header("if-match", tag);
            }
            request.send().await
        };
        put(&small_track(), Some("\"r1\"")).await.problem(412, "version_conflict");
        let first = put(&small_track(), None).await;
        assert_eq!((first.status.as_u16(), first.json()["latest_version"].as_u64(), first.json()["state"].as_str()), (201, Some(1), Some("draft")));
        let same = put(&small_track(), Some(first.header("etag"))).await;
        assert_eq!((same.expect(200)["latest_version"].as_u64(), same.header("etag")), (Some(1), first.header("etag")));
        let changed = with(|t| t["title"]["fr"] = "Autre".into());
        let second = put(&changed, Some(first.header("etag"))).await;
        assert_eq!(second.expect(200)["latest_version"].as_u64(), Some(2));
        put(&small_track(), Some(first.header("etag"))).await.problem(412, "version_conflict");
        let read = server.get(PATH).bearer(&stage.key).send().await.expect(200);
        assert_eq!(read["source"]["title"]["fr"], "Autre");
        put(&read["source"], None).await.expect(200);
        assert_eq!(server.get(PATH).bearer(&stage.key).send().await.expect(200)["latest_version"].as_u64(), Some(2), "it round-trips");
        let publish = format!("{PATH}/publish");
        let once = server.post(&publish).bearer(&stage.key).send().await.expect(200);
        assert_eq!(server.post(&publish).bearer(&stage.key).send().await.expect(200), once, "twice is once");
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        server.post(&format!("{PATH}/retire")).bearer(&stage.key).send().await.expect(200);
        server.get("/api/v1/sites/fpsf/tracks/first").bearer(&token).send().await.expect(200);
        learner.advance(1, json!({})).await.expect(200);
        let (_, late) = stage.guest().await;
        server.get("/api/v1/sites/fpsf/tracks/first").bearer(&late).send().await.problem(404, "unknown_track");
        let enroll = "/api/v1/sites/fpsf/tracks/first/enrollments";
        server.post(enroll).bearer(&late).json(&json!({})).send().await.problem(404, "unknown_track");
        server.get("/api/v1/sites/fpsf/tracks/first").send().await.problem(404, "unknown_track");
    }

    /// T1: a new version moves and loses nobody's progress; the finished stay finished.
    async fn t1_a_new_version_takes_nothing_away(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, half) = stage.guest().await;
        let half = Learner::begin(&stage, &half, "first").await;
        half.advance(1, json!({})).await.expect(200);
        let (_, whole) = stage.guest().await;
        let whole = Learner::begin(&stage, &whole, "first").await;
        whole.advance(1, json!({})).await.expect(200);
        whole.answer(true).await.expect(200);
        let done = whole.advance(4, json!({})).await.expect(200)["enrollment"].clone();

        // Another first step, and the old ones in another order.
        let newer = with(|t| {
            let steps = t["steps"].as_array_mut().unwrap();
            steps.swap(2, 3);
            steps.insert(0, json!({ "key": "new", "kind": "content", "title": { "fr": "Nouveau" }, "body": { "fr": "Neuf." } }));
        });
        stage.publish("first", &newer).await;
        assert_eq!(whole.look().await, done, "T1");
        let seen = half.look().await;
        assert_eq!((seen["track"]["version"].as_u64(), seen["current_step_order"].as_u64()), (Some(1), Some(1)));
        half.answer(true).await.expect(200);
        half.advance(4, json!({})).await.expect(200);
        let old = stage.server.get("/api/v1/sites/fpsf/tracks/first?version=1").send().await.expect(200);
        assert_eq!(old["steps"].as_array().unwrap().len(), 4, "an enrollment's version can still be shown");
        let new = stage.server.get("/api/v1/sites/fpsf/tracks/first").send().await.expect(200);
        assert_eq!(new["steps"].as_array().unwrap().len(), 5);
        assert_eq!(new["steps"][1]["id"], old["steps"][0]["id"], "a step keeps its id wherever it goes");

        // A guest in the new version and a member in the old one become one, by step id.
        let member = stage.member("u-42");
        let (_, late) = stage.guest().await;
        let late_learner = Learner::begin(&stage, &late, "first").await;
        late_learner.advance(1, json!({})).await.expect(200);
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&json!({ "guest_token": late })).send().await.expect(200);
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 3, "V1");
    }

    /// The audit trail lists what happened, in order, by pages; statistics count.
    async fn v1_the_audit_trail_and_the_statistics(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        learner.advance(1, json!({})).await.expect(200);
        learner.answer(true).await.expect(200);
        learner.advance(4, json!({})).await.expect(200);
        let mut kinds = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = stage.server.get(&format!("/api/v1/admin/sites/fpsf/events?limit=2{cursor}")).bearer(&stage.key).send().await.expect(200);
            kinds.extend(page["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        // What staff did stands in it too; here, before anybody learnt.
        assert_eq!(kinds[..2], ["site.created", "site.signing_key_added"]);
        assert_eq!(kinds[2..], ["track.started", "step.completed", "quiz.answered", "step.completed", "step.completed", "track.completed"]);
        let statistics = stage.server.get("/api/v1/admin/sites/fpsf/statistics").bearer(&stage.key).send().await.expect(200);
        let track = &statistics["tracks"][0];
        assert_eq!((track["enrollments"].as_u64(), track["guests"].as_u64(), track["completed"].as_u64(), track["mean_score"].as_u64()), (Some(1), Some(1), Some(1), Some(100)));
        stage.server.get("/api/v1/admin/sites/fpsf/events").bearer(&token).send().await.problem(403, "forbidden");
    }
}
