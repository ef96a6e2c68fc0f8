//! Lesson items copied into other lessons, on both databases.

use jalon_tests::{Answer, Stage, for_both};
use serde_json::{Value, json};

use super::{Learner, answers, items, publish, small};

const ADMIN: &str = "/api/v1/admin/sites/fpsf";

async fn copy(stage: &Stage, to: &str, body: &Value) -> Answer {
    stage.server.post(&format!("{ADMIN}/{to}/copies")).bearer(&stage.key).json(body).send().await
}

async fn source(stage: &Stage, of: &str) -> Value {
    stage.server.get(&format!("{ADMIN}/{of}")).bearer(&stage.key).send().await.expect(200)["source"].clone()
}

/// The place of the fault of a refused request, and what kind it is.
fn refused(answer: &Answer) -> (String, String) {
    let problem = answer.expect(422);
    let fault = if problem["errors"][0].is_object() { &problem["errors"][0] } else { panic!("{problem}") };
    (fault["pointer"].as_str().unwrap().to_owned(), fault["code"].as_str().unwrap().to_owned())
}

async fn put(stage: &Stage, what: &str, body: &Value) {
    let wrote = stage.server.put(&format!("{ADMIN}/{what}")).bearer(&stage.key).json(body).send().await;
    assert!(wrote.status.is_success(), "{}", wrote.text());
}

for_both! {
    /// A copy has its quizzes, and a life of its own: in another course, beside the original, in a shared lesson.
    async fn an_item_is_copied_with_its_quizzes_and_has_a_life_of_its_own(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &small()).await;
        publish(&stage, "other", &small()).await;
        let original = source(&stage, "courses/small").await["modules"][0]["lessons"][0]["items"][0].clone();

        let body = json!({ "from": { "course": "small", "lesson": "one", "item": "read" }, "to": { "lesson": "two", "key": "again", "before": "end" } });
        let path = format!("{ADMIN}/courses/other/copies");
        stage.server.post(&path).bearer(&stage.key).header("if-match", "\"r99\"").json(&body).send().await.problem(412, "version_conflict");
        let wrote = stage.server.post(&path).bearer(&stage.key).header("if-match", "\"r2\"").json(&body).send().await;
        assert_eq!(wrote.header("etag"), "\"r3\"");
        let wrote = wrote.expect(200);
        assert_eq!((&wrote["latest_version"], &wrote["published_version"]), (&json!(2), &json!(1)), "as a PUT: a version, not published");
        let written = wrote["source"]["modules"][0]["lessons"][1]["items"].clone();
        let mut expected = original.clone();
        expected["key"] = json!("again");
        assert_eq!((&written[0], &written[1]["key"]), (&expected, &json!("end")));
        assert_eq!(source(&stage, "courses/small").await["modules"][0]["lessons"][0]["items"][0], original);

        // Beside the original, its questions are others: answering one does not answer the other.
        let body = json!({ "from": { "course": "small", "lesson": "one", "item": "read" }, "to": { "lesson": "one", "key": "twin" } });
        copy(&stage, "courses/small", &body).await.expect(200);
        stage.server.post(&format!("{ADMIN}/courses/small/publish")).bearer(&stage.key).send().await.expect(200);
        let lessons = items(&stage, "small").await;
        assert_eq!(lessons[0].len(), 2);
        let learner = Learner::enroll(&stage, "u-1", "small").await;
        let quiz = learner.item(&lessons[0][0]).await.expect(200)["quizzes"][0].clone();
        let given = answers(&quiz, |question| match question["kind"].as_str().unwrap() {
            "open_ended" => json!({ "text": "" }),
            _ => json!({ "choice_ids": [question["choices"].as_array().unwrap().iter().find(|choice| choice["text"]["value"] == "Trois").unwrap()["id"]] }),
        });
        let after = learner.answer(&lessons[0][0], &quiz, &given).await.expect(200);
        assert_eq!((&after["enrollment"]["confirmed_points"], &after["enrollment"]["points_total"]), (&json!(1), &json!(8)));
        let twin = learner.item(&lessons[0][1]).await.expect(200)["quizzes"][0].clone();
        assert_eq!(twin["attempt"], 1);
        assert_ne!(twin["questions"][0]["id"], quiz["questions"][0]["id"]);

        // Into a shared lesson, and from there; also by the name that it has in a course.
        put(&stage, "lessons/hello", &json!({ "source_lang": "fr", "title": { "fr": "Bonjour" }, "items": [
            { "key": "a", "kind": "content", "title": { "fr": "A" }, "body": { "fr": "A." } }] })).await;
        let wrote = copy(&stage, "lessons/hello", &json!({ "from": { "course": "small", "lesson": "one", "item": "read" } })).await.expect(200);
        assert_eq!((&wrote["revision"], &wrote["source"]["items"][1]), (&json!(2), &original));
        copy(&stage, "lessons/hello", &json!({ "from": { "shared_lesson": "hello", "item": "a" }, "to": { "key": "z", "before": "a" } })).await.expect(200);
        let keys: Vec<Value> = source(&stage, "lessons/hello").await["items"].as_array().unwrap().iter().map(|item| item["key"].clone()).collect();
        assert_eq!(keys, ["z", "a", "read"]);
        let mut holds = small();
        holds["modules"][0]["lessons"][1] = json!({ "key": "s", "shared": "hello" });
        put(&stage, "courses/holds", &holds).await;
        copy(&stage, "courses/holds", &json!({ "from": { "course": "holds", "lesson": "s", "item": "a" }, "to": { "lesson": "one" } })).await.expect(200);
        // A shared lesson is written where it is.
        let into = json!({ "from": { "course": "holds", "lesson": "one", "item": "read" }, "to": { "lesson": "s", "key": "b" } });
        assert_eq!(refused(&copy(&stage, "courses/holds", &into).await), ("/to/lesson".to_owned(), "shared_lesson".to_owned()));
    }

    /// Everything wrong has its place, and nothing is written then.
    async fn p5_a_copy_that_cannot_be_says_why(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("elsewhere", &[]).await;
        publish(&stage, "small", &small()).await;
        let english = json!({ "source_lang": "en", "title": { "en": "Hello" }, "items": [
            { "key": "a", "kind": "content", "title": { "en": "A", "fr": "A" }, "body": { "en": "A." } },
            { "key": "both", "kind": "content", "title": { "en": "B", "fr": "B" }, "body": { "en": "B.", "fr": "B." } }] });
        put(&stage, "lessons/english", &english).await;
        let bank = |questions: &[&str]| {
            let one = |key: &&str| json!({ "key": key, "kind": "true_false", "points": 1, "prompt": { "fr": "Vrai ?" }, "right": true });
            json!({ "source_lang": "fr", "title": { "fr": "Banque" }, "questions": questions.iter().map(one).collect::<Vec<_>>() })
        };
        put(&stage, "banks/rules", &bank(&["a", "b"])).await;
        let mut drawing = small();
        drawing["modules"][0]["lessons"][0]["items"][0]["quizzes"][0] = json!({ "key": "gate", "title": { "fr": "Questions" }, "draw": [{ "bank": "rules", "count": 2 }] });
        put(&stage, "courses/drawing", &drawing).await;
        put(&stage, "banks/rules", &bank(&["a"])).await;
        let before = crate::keep::contents::contents(&db).await;

        let from = |course: &str, lesson: &str, item: &str| json!({ "course": course, "lesson": lesson, "item": item });
        let good = from("small", "one", "read");
        let to = json!({ "lesson": "two" });
        for (from, to, pointer, code) in [
            (from("none", "one", "read"), to.clone(), "/from/course", "unknown_course"),
            (from("small", "none", "read"), to.clone(), "/from/lesson", "unknown_lesson"),
            (from("small", "one", "none"), to.clone(), "/from/item", "unknown_item"),
            (from("SMALL!", "one", "read"), to.clone(), "/from/course", "invalid_value"),
            (json!({ "shared_lesson": "none", "item": "a" }), to.clone(), "/from/shared_lesson", "unknown_lesson"),
            (json!({ "shared_lesson": "english", "course": "small", "item": "a" }), to.clone(), "/from/shared_lesson", "invalid_value"),
            (json!({ "course": "small", "item": "a" }), to.clone(), "/from/lesson", "missing_field"),
            (json!({ "lesson": "one", "item": "a" }), to.clone(), "/from/course", "missing_field"),
            (json!({ "item": "a" }), to.clone(), "/from", "missing_field"),
            (json!({ "course": "small", "lesson": "one" }), to.clone(), "/from/item", "missing_field"),
            (good.clone(), json!({}), "/to/lesson", "missing_field"),
            (good.clone(), json!({ "lesson": "none" }), "/to/lesson", "unknown_lesson"),
            (good.clone(), json!({ "lesson": "two", "module": "m" }), "/to/module", "unknown_field"),
            (good.clone(), json!({ "lesson": "two", "key": "end" }), "/to/key", "duplicate_key"),
            (good.clone(), json!({ "lesson": "one" }), "/to/key", "duplicate_key"),
            (good.clone(), json!({ "lesson": "two", "key": "not a key" }), "/to/key", "invalid_key"),
            (good.clone(), json!({ "lesson": "two", "before": "none" }), "/to/before", "unknown_item"),
            // The course is French, and this was never written in French.
            (json!({ "shared_lesson": "english", "item": "a" }), to.clone(), "/from/item", "missing_source_language"),
            // It was drawn from a bank that has too few questions by now.
            (from("drawing", "one", "read"), to.clone(), "/to", "too_few_questions"),
        ] {
            let answer = copy(&stage, "courses/small", &json!({ "from": from, "to": to })).await;
            assert_eq!(refused(&answer), (pointer.to_owned(), code.to_owned()), "{}", answer.text());
        }
        let told = copy(&stage, "courses/small", &json!({ "from": { "shared_lesson": "english", "item": "a" }, "to": to })).await.expect(422);
        assert!(told["errors"][0]["detail"].as_str().unwrap().contains("/body/fr"), "{told}");
        copy(&stage, "courses/none", &json!({ "from": good, "to": to })).await.problem(404, "not_found");
        copy(&stage, "lessons/none", &json!({ "from": good })).await.problem(404, "not_found");
        // Another site's courses are not there to be copied.
        let foreign = stage.server.put("/api/v1/admin/sites/elsewhere/courses/theirs").bearer(&stage.key).json(&small()).send().await;
        foreign.expect(201);
        let theirs = json!({ "from": from("theirs", "one", "read"), "to": to });
        assert_eq!(refused(&copy(&stage, "courses/small", &theirs).await).1, "unknown_course");
        let after = crate::keep::contents::contents(&db).await;
        assert_eq!(after["course_version"].len(), before["course_version"].len() + 1, "theirs only");
        // What is written in both languages may be copied.
        copy(&stage, "courses/small", &json!({ "from": { "shared_lesson": "english", "item": "both" }, "to": to })).await.expect(200);
    }
}
