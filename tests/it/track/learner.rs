//! A guest takes a track (G1–G6, S1–S4, L1–L3, E1, W1).

use jalon_tests::{Stage, for_both, small_track};
use serde_json::json;
use uuid::Uuid;

use super::{Learner, announced, answers, assert_replay_gives_the_rows};

for_both! {
    /// The whole way: G1, G2, G3, G4, G5, S2, S3, W1, V1.
    async fn g1_to_g5_a_guest_takes_a_track(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (guest, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        assert_eq!(learner.enrollment["guest_id"], guest.as_str());
        assert!(learner.enrollment["user_id"].is_null(), "XOR");
        assert_eq!(stage.enroll(&token, "first").await["id"], learner.enrollment["id"], "one enrollment per track and learner");

        let refused = learner.advance(4, json!({})).await.problem(409, "step_out_of_order");
        assert_eq!((refused["blocking_step"]["order"].as_u64(), refused["blocking_step"]["title"].as_str()), (Some(1), Some("Bienvenue")), "G2");
        assert_eq!(learner.look().await, learner.enrollment, "G2: nothing is written");
        learner.step(2).await.problem(409, "step_out_of_order");

        let after = learner.advance(1, json!({ "time_spent_seconds": 12 })).await.expect(200)["enrollment"].clone();
        assert_eq!((after["current_step_order"].as_u64(), after["time_spent_seconds"].as_u64()), (Some(1), Some(12)));
        assert_eq!(after["steps"][1]["state"], "open");
        assert_eq!((after["steps"][3]["state"].as_str(), after["steps"][3]["blocked_by"].as_u64()), (Some("locked"), Some(2)));
        let again = learner.advance(1, json!({ "time_spent_seconds": 12 })).await.expect(200);
        assert_eq!(again["enrollment"], after, "G4: unchanged");

        let failed = learner.answer(false).await.expect(200);
        assert_eq!((failed["result"]["passed"].as_bool(), failed["result"]["score"].as_u64(), failed["result"]["attempts_left"].as_u64()), (Some(false), Some(0), Some(2)), "G3");
        assert_eq!(failed["enrollment"]["steps"][1]["state"], "in_progress");
        learner.advance(4, json!({})).await.problem(409, "step_out_of_order");
        let passed = learner.answer(true).await.expect(200);
        assert_eq!((passed["result"]["passed"].as_bool(), passed["result"]["score"].as_u64()), (Some(true), Some(100)));

        let done = learner.advance(4, json!({})).await.expect(200)["enrollment"].clone();
        assert!(done["completed_at"].is_string(), "G5: the optional step may be skipped");
        assert_eq!(done["score"].as_u64(), Some(100), "S2");
        let more = learner.advance(3, json!({})).await.expect(200)["enrollment"].clone();
        assert_eq!((&more["completed_at"], &more["score"]), (&done["completed_at"], &done["score"]), "S3, G5: once");

        let announced = announced(&stage).await;
        assert_eq!(announced.len(), 1, "W1: exactly one");
        let data = &announced[0]["data"];
        assert_eq!(announced[0]["type"], "coaching.learning_track.completed");
        assert_eq!((data["site"].as_str(), data["guest_id"].as_str(), data["user_id"].as_str()), (Some("fpsf"), Some(guest.as_str()), None), "W2");
        assert_eq!((data["track"]["slug"].as_str(), data["steps_completed"].as_u64(), data["steps_total"].as_u64()), (Some("first"), Some(3), Some(4)), "W2");
        assert_eq!((data["score"].as_u64(), &data["completed_at"], data["lang"].as_str()), (Some(100), &done["completed_at"], Some("fr")), "W2");
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 1, "V1");
    }

    /// S4, G6: no answer key on any learner's answer; a locked step's body is not served.
    async fn s4_g6_keys_stay_and_locked_bodies_too(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let server = &stage.server;
        server.get("/api/v1/sites/fpsf/tracks/first/steps/1").send().await.expect(200);
        server.get("/api/v1/sites/fpsf/tracks/first/steps/2").send().await.problem(409, "step_out_of_order");
        let learner = Learner::begin(&stage, &token, "first").await;
        learner.advance(1, json!({})).await.expect(200);
        let quiz = learner.step(2).await;
        for key in ["\"right\"", "\"key\"", "\"correct\"", "\"accept\""] {
            assert!(!quiz.text().contains(key), "{key} in {}", quiz.text());
        }
        let list = server.get("/api/v1/sites/fpsf/tracks/first").send().await;
        assert!(!list.text().contains("Bonjour.") && !list.text().contains("Trois"), "no bodies, no questions");
        let shown = |answer: &jalon_tests::Answer| answer.json()["quiz"]["questions"][0]["choices"].to_string();
        assert_eq!(shown(&quiz), shown(&learner.step(2).await), "the order is the same within an attempt");
    }

    /// S4, G4: a passed quiz with attempts left is no oracle: whatever is graded and told is an attempt, and what is no
    /// attempt is told nothing.
    async fn s4_whatever_is_graded_is_an_attempt(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        learner.advance(1, json!({})).await.expect(200);
        let quiz = learner.step(2).await.expect(200);
        learner.answer(true).await.expect(200);
        let key = Uuid::now_v7();
        let worse = learner.advance_with(2, key, &answers(&quiz, false)).await.expect(200);
        let step = |body: &serde_json::Value| body["enrollment"]["steps"][1].clone();
        assert_eq!((worse["result"]["score"].as_u64(), worse["result"]["attempts_left"].as_u64()), (Some(0), Some(1)));
        assert_eq!((step(&worse)["attempt_count"].as_u64(), step(&worse)["score"].as_u64()), (Some(2), Some(100)), "told and counted; the best stays");
        assert_eq!(learner.advance_with(2, key, &answers(&quiz, false)).await.expect(200), worse, "the same request is the same attempt");
        let same = learner.answer(true).await.expect(200);
        assert_eq!((step(&same)["attempt_count"].as_u64(), same["result"]["attempts_left"].as_u64()), (Some(3), Some(0)));
        assert_eq!(step(&same)["completed_at"], step(&worse)["completed_at"]);
        // All attempts are used: as it is, and nothing is told of these answers (G4).
        for body in [answers(&quiz, false), answers(&quiz, true), json!({})] {
            let told = learner.advance(2, body).await.expect(200);
            assert_eq!(told["enrollment"], same["enrollment"]);
            assert!(told["result"].is_null(), "{told}");
        }
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 1, "V1");
        learner.advance(4, json!({})).await.expect(200);
        assert_eq!(announced(&stage).await.len(), 1, "W1");
    }

    /// The same key and body answer the first result again; with another body it is refused.
    async fn a_request_sent_twice_counts_once(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        learner.advance(1, json!({})).await.expect(200);
        let quiz = learner.step(2).await.expect(200);
        let (key, wrong) = (Uuid::now_v7(), answers(&quiz, false));
        let first = learner.advance_with(2, key, &wrong).await;
        let second = learner.advance_with(2, key, &wrong).await;
        assert_eq!(first.expect(200), second.expect(200));
        assert_eq!((first.header("idempotent-replay"), second.header("idempotent-replay")), ("", "true"));
        assert_eq!(learner.look().await["steps"][1]["attempt_count"].as_u64(), Some(1));
        learner.advance_with(2, key, &answers(&quiz, true)).await.problem(422, "idempotency_key_reused");
        // Five at once, one attempt.
        let key = Uuid::now_v7();
        let five = (0..5).map(|_| learner.advance_with(2, key, &wrong));
        for answer in futures_util::future::join_all(five).await {
            answer.expect(200);
        }
        assert_eq!(learner.look().await["steps"][1]["attempt_count"].as_u64(), Some(2));
        learner.answer(false).await.expect(200);
        learner.answer(true).await.problem(409, "attempts_exhausted");
        assert_replay_gives_the_rows(&stage).await;
    }

    /// Time is added, the position replaced; neither can be absurd.
    async fn time_and_position_are_kept_within_reason(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        learner.report(1, json!({ "time_spent_seconds": 10, "last_position": 40 })).await.expect(200);
        let after = learner.report(1, json!({ "time_spent_seconds": 5, "last_position": 12 })).await.expect(200);
        assert_eq!((after["steps"][0]["time_spent_seconds"].as_u64(), after["steps"][0]["last_position"].as_u64()), (Some(15), Some(12)));
        assert_eq!(after["steps"][0]["state"], "in_progress");
        learner.report(2, json!({ "time_spent_seconds": 10 })).await.problem(409, "step_out_of_order");
        for (body, pointer) in [
            (json!({ "time_spent_seconds": 14_401 }), "/time_spent_seconds"),
            (json!({ "time_spent_seconds": -1 }), "/time_spent_seconds"),
            (json!({ "last_position": 1e12 }), "/last_position"),
            (json!({ "last_position": 86_401 }), "/last_position"),
        ] {
            let refused = learner.report(1, body).await.expect(422);
            assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
        }
        assert_eq!(learner.look().await["version"], after["version"], "nothing is half-written");
    }

    /// L1, L2, L3: texts follow the language, progress does not.
    async fn l1_to_l3_languages_change_texts_and_nothing_else(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let server = &stage.server;
        let title = async |query: &str, accept: &str| {
            let answer = server.get(&format!("/api/v1/sites/fpsf/tracks/first{query}")).header("accept-language", accept).send().await;
            let title = answer.expect(200)["title"].clone();
            (title["value"].as_str().unwrap().to_owned(), title["lang"].as_str().unwrap().to_owned(), title["fallback"].as_bool().unwrap())
        };
        let say = |value: &str, lang: &str, fallback| (value.to_owned(), lang.to_owned(), fallback);
        assert_eq!(title("", "en").await, say("First steps", "en", false));
        assert_eq!(title("?lang=en-GB", "fr").await, say("First steps", "en", false), "L1: the base language");
        assert_eq!(title("?lang=sv", "").await, say("Premiers pas", "fr", true), "L2: a fallback is marked");
        assert_eq!(title("", "").await, say("Premiers pas", "fr", false), "the site's default");
        server.get("/api/v1/sites/fpsf/tracks/first?lang=xx_YY").send().await.problem(422, "invalid_value");

        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        let before = learner.advance(1, json!({})).await.expect(200)["enrollment"].clone();
        let swedish = server.get(&format!("/api/v1/enrollments/{}/steps/1?lang=sv", learner.id())).bearer(&token).send().await.expect(200);
        assert_eq!(swedish["content"]["fallback"], true);
        assert_eq!(learner.look().await, before, "L3");
        let languages = server.get("/api/v1/sites/fpsf/languages").send().await.expect(200);
        assert_eq!(languages["items"].as_array().unwrap().len(), 2, "L4: {languages}");
    }

    /// E1: drafts for nobody; without `cms_block_enabled` for members outside of pages only; at once.
    async fn e1_who_may_see_a_track(db: TestDb) {
        let stage = Stage::set(&db).await;
        let server = &stage.server;
        server.put("/api/v1/admin/sites/fpsf/tracks/draft").bearer(&stage.key).json(&small_track()).send().await.expect(201);
        server.get("/api/v1/sites/fpsf/tracks/draft").send().await.problem(404, "unknown_track");
        let mut members_only = small_track();
        members_only["cms_block_enabled"] = false.into();
        stage.publish("members", &members_only).await;
        stage.publish("open", &small_track()).await;
        let member = stage.member("u-42");
        let track = "/api/v1/sites/fpsf/tracks/members";
        server.get(track).send().await.problem(403, "cms_block_disabled");
        server.get(track).bearer(&member).send().await.expect(200);
        server.get(track).bearer(&member).header("origin", Stage::ORIGIN).send().await.problem(403, "cms_block_disabled");
        server.get(track).header("origin", "https://elsewhere.example").send().await.problem(403, "origin_not_allowed");
        let slugs = async |bearer: Option<&str>| {
            let mut request = server.get("/api/v1/sites/fpsf/tracks");
            if let Some(token) = bearer {
                request = request.bearer(token);
            }
            let list = request.send().await.expect(200);
            list["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(slugs(None).await, ["open"]);
        assert_eq!(slugs(Some(&member)).await, ["members", "open"]);

        let (_, guest) = stage.guest().await;
        let learner = Learner::begin(&stage, &guest, "open").await;
        let admin = "/api/v1/admin/sites/fpsf/tracks/open";
        server.patch(admin).bearer(&stage.key).json(&json!({ "cms_block_enabled": false })).send().await.expect(200);
        server.get("/api/v1/sites/fpsf/tracks/open").send().await.problem(403, "cms_block_disabled");
        let (_, other) = stage.guest().await;
        let path = "/api/v1/sites/fpsf/tracks/open/enrollments";
        server.post(path).bearer(&other).json(&json!({})).send().await.problem(403, "cms_block_disabled");
        assert_eq!(learner.look().await["id"], learner.enrollment["id"], "progress made stays");
    }

    /// Reads are answered from memory with a tag, and not again to who has them.
    async fn a_track_read_has_a_tag(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let path = "/api/v1/sites/fpsf/tracks/first";
        let first = stage.server.get(path).send().await;
        let tag = first.header("etag").to_owned();
        assert!(tag.len() > 4);
        let second = stage.server.get(path).header("if-none-match", &tag).send().await;
        assert_eq!((second.status.as_u16(), second.bytes.len()), (304, 0));
        let mut changed = small_track();
        changed["title"]["fr"] = "Deuxièmes pas".into();
        stage.publish("first", &changed).await;
        assert_eq!(stage.server.get(path).header("if-none-match", &tag).send().await.expect(200)["title"]["value"], "Deuxièmes pas");
    }

    /// The page without scripts holds what a new learner may open, and nothing behind a lock (G6).
    async fn g6_the_plain_page_shows_open_steps_only(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let page = stage.server.get("/t/fpsf/first").send().await;
        assert_eq!(page.status.as_u16(), 200);
        let html = page.text();
        assert!(html.contains("<h1>Premiers pas</h1>") && html.contains("Bonjour.") && !html.contains("Bravo."), "{html}");
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
        assert_eq!(stage.server.get("/t/fpsf/nothing").send().await.status.as_u16(), 404);
        assert_eq!(stage.server.get("/t/nobody/first").send().await.status.as_u16(), 404);
    }
}
