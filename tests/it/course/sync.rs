//! What was answered right in shared lessons, brought into a learner's courses by staff; on both databases.

use std::collections::BTreeMap;

use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};

use super::{Learner, answers, items, publish, small};
use crate::keep::contents::contents;

fn item(key: &str, gate: bool, questions: &[(&str, u32)]) -> Value {
    let questions = questions.iter().map(|(key, points)| {
        json!({ "key": key, "kind": "single_choice", "points": points, "prompt": { "fr": key },
            "choices": [{ "key": "a", "text": { "fr": "a" }, "right": true }, { "key": "b", "text": { "fr": "b" } }] })
    });
    let mut quiz = json!({ "key": "z", "title": { "fr": "Questions" }, "questions": questions.collect::<Vec<_>>() });
    if gate {
        (quiz["gate"], quiz["pass_mark"]) = (json!(true), json!(100));
    }
    json!({ "key": key, "kind": "content", "title": { "fr": key }, "body": { "fr": "Lire." }, "quizzes": [quiz] })
}

fn course(lessons: &[Value]) -> Value {
    json!({ "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": { "fr": "Cours" },
        "modules": [{ "key": "m", "title": { "fr": "Module" }, "lessons": lessons }] })
}

/// Answers an item's quiz: by the question's name what to choose; the rest stays blank.
async fn answer(learner: &Learner<'_>, item: &str, chosen: &[(&str, &str)]) {
    learner.visit(item).await.expect(200);
    let quiz = learner.item(item).await.expect(200)["quizzes"][0].clone();
    let given = answers(&quiz, |question| {
        let choice = chosen.iter().find(|(name, _)| question["prompt"]["value"] == *name).map(|(_, choice)| {
            question["choices"].as_array().unwrap().iter().find(|one| one["text"]["value"] == *choice).unwrap()["id"].clone()
        });
        json!({ "choice_ids": choice.into_iter().collect::<Vec<_>>() })
    });
    learner.answer(item, &quiz, &given).await.expect(200);
}

async fn sync(stage: &Stage, user: &str) -> BTreeMap<String, Value> {
    let path = format!("/api/v1/admin/sites/fpsf/learners/{user}/shared-points");
    let report = stage.server.post(&path).bearer(&stage.key).json(&json!({})).send().await.expect(200);
    assert_eq!(report["user_id"], user);
    let line = |item: &Value| {
        let told = json!([
            item["questions"],
            item["before"]["confirmed_points"],
            item["after"]["confirmed_points"],
            item["completed"]
        ]);
        (item["course"].as_str().unwrap().to_owned(), told)
    };
    report["items"].as_array().unwrap().iter().map(line).collect()
}

for_both! {
    /// Only right answers; only where the lesson is open; never over an own answer, never into a finished course; once.
    async fn shared_points_come_by_staff_as_they_would_by_a_visit(db: TestDb) {
        let stage = Stage::set(&db).await;
        let hello = json!({ "source_lang": "fr", "title": { "fr": "Bonjour" }, "items": [item("i", false, &[("one", 1), ("two", 2)])] });
        stage.server.put("/api/v1/admin/sites/fpsf/lessons/hello").bearer(&stage.key).json(&hello).send().await.expect(201);
        let shared = json!({ "key": "s", "shared": "hello" });
        let own = |key: &str, gate: bool| json!({ "key": key, "title": { "fr": key }, "items": [item("o", gate, &[("own", 5)])] });
        for (slug, lessons) in [
            ("first", vec![shared.clone()]),
            ("finished", vec![shared.clone()]),
            ("answered", vec![shared.clone(), own("more", false)]),
            ("open", vec![shared.clone(), own("more", false)]),
            ("gated", vec![own("gate", true), shared.clone()]),
        ] {
            publish(&stage, slug, &course(&lessons)).await;
        }
        let item = items(&stage, "first").await[0][0].clone();
        let mut ways = BTreeMap::new();
        for slug in ["first", "finished", "answered", "open", "gated"] {
            ways.insert(slug, Learner::enroll(&stage, "anna", slug).await);
        }
        Learner::enroll(&stage, "bert", "open").await;
        answer(&ways["finished"], &item, &[("one", "b"), ("two", "b")]).await;
        answer(&ways["answered"], &item, &[("one", "b")]).await;
        assert!(sync(&stage, "anna").await.is_empty(), "wrong answers are not shared");
        answer(&ways["first"], &item, &[("one", "a"), ("two", "a")]).await;

        let before = contents(&db).await;
        let brought = sync(&stage, "anna").await;
        assert_eq!(brought, BTreeMap::from([
            ("answered".to_owned(), json!([1, 0, 2, false])),
            ("open".to_owned(), json!([2, 0, 3, false])),
        ]));
        let open = ways["open"].enrollment().await;
        assert_eq!((&open["items"][0]["viewed_at"], &open["progress"]), (&Value::Null, &json!({ "done": 2, "of": 3 })), "nothing is seen by it: {open}");
        assert!(open["items"][0]["completed_at"].is_string());
        assert_eq!(ways["finished"].enrollment().await["confirmed_points"], 0);
        assert_eq!(ways["gated"].enrollment().await["version"], 1);

        // It is written down who did it, not for whom; and a second time there is nothing to do.
        let after = contents(&db).await;
        let audit: Vec<_> = after["event"].iter().filter(|event| event["type"] == "site.points_synced").collect();
        let [audit] = audit.as_slice() else { panic!("{audit:?}") };
        let payload: Value = audit["payload"].as_str().map_or_else(|| audit["payload"].clone(), |text| serde_json::from_str(text).unwrap());
        assert!(payload["enrollments"] == 2 && !audit.to_string().contains("anna"), "{audit}");
        assert!(ways.values().all(|way| !audit.to_string().contains(way.id())), "{audit}");
        assert_eq!(after["event"].len(), before["event"].len() + 5, "one of staff; points in two courses, in one of them an item and a lesson complete by it");
        assert!(sync(&stage, "anna").await.is_empty());
        assert_eq!(contents(&db).await, after);
        assert!(sync(&stage, "bert").await.is_empty(), "they are anna's answers");

        // The gate is passed: what is behind it comes, and that completes the course, which is announced.
        let gate = items(&stage, "gated").await[0][0].clone();
        answer(&ways["gated"], &gate, &[("own", "a")]).await;
        let announced = async || contents(&db).await["webhook_message"].len();
        let so_far = announced().await;
        assert_eq!(sync(&stage, "anna").await, BTreeMap::from([("gated".to_owned(), json!([2, 5, 8, true]))]));
        assert_eq!(announced().await, so_far + 1);
    }

    async fn p5_staff_sync_only_who_is_theirs(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &[]).await;
        publish(&stage, "small", &small()).await;
        Learner::enroll(&stage, "anna", "small").await;
        let ask = async |path: &str, body: &Value| stage.server.post(path).bearer(&stage.key).json(body).send().await;
        ask("/api/v1/admin/sites/fpsf/learners/nobody/shared-points", &json!({})).await.problem(404, "not_found");
        ask("/api/v1/admin/sites/other/learners/anna/shared-points", &json!({})).await.problem(404, "not_found");
        let wrong = ask("/api/v1/admin/sites/fpsf/learners/anna/shared-points", &json!({ "course": "small" })).await.problem(422, "unknown_field");
        assert_eq!(wrong["errors"][0]["pointer"], "/course");
    }
}
