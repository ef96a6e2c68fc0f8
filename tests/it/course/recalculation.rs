//! An author changes a course, looks at what a recalculation would change, and does it; on both databases.

use std::collections::BTreeMap;

use jalon_backend::{
    course::store as courses,
    db::{DbError, on},
};
use jalon_shared::course::{CourseEvent, Enrollment, replay};
use jalon_tests::{Stage, TestDb, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Learner, answers, items, publish, small};
use crate::keep::contents::contents;

/// A course of one lesson; each item asks one question, with the right choice and its points.
fn course(asks: &[(&str, &str, u32)]) -> Value {
    let items = asks.iter().map(|(key, right, points)| {
        let choice = |name: &str| json!({ "key": name, "text": { "fr": name }, "right": name == *right });
        let question = json!({ "key": "q", "kind": "single_choice", "points": points, "prompt": { "fr": "Quoi ?" },
            "choices": [choice("a"), choice("b")] });
        json!({ "key": key, "kind": "content", "title": { "fr": key }, "body": { "fr": "Lire." },
            "quizzes": [{ "key": "z", "title": { "fr": "Questions" }, "questions": [question] }] })
    });
    json!({ "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": { "fr": "Cours" },
        "modules": [{ "key": "m", "title": { "fr": "Module" }, "lessons": [
            { "key": "l", "title": { "fr": "Une" }, "items": items.collect::<Vec<_>>() }] }] })
}

/// Chooses this at every question of the item's quiz.
async fn choose(learner: &Learner<'_>, item: &str, name: &str) {
    learner.visit(item).await.expect(200);
    let quiz = learner.item(item).await.expect(200)["quizzes"][0].clone();
    let given = answers(&quiz, |question| {
        let choice = question["choices"].as_array().unwrap().iter().find(|choice| choice["text"]["value"] == name);
        json!({ "choice_ids": [choice.unwrap()["id"]] })
    });
    learner.answer(item, &quiz, &given).await.expect(200);
}

const PATH: &str = "/api/v1/admin/sites/fpsf/courses/small/recalculation";

/// All batches of so many, one after the other: the sums, and who changes.
async fn recalculate(stage: &Stage, dry_run: bool, limit: u32) -> Value {
    let mut cursor = Value::Null;
    let mut all = json!({ "looked_at": 0, "changed": 0, "moved": 0, "unchanged": 0, "completed": 0, "items": [] });
    loop {
        let body = json!({ "dry_run": dry_run, "limit": limit, "cursor": cursor });
        let report = stage.server.post(PATH).bearer(&stage.key).json(&body).send().await.expect(200);
        assert_eq!(report["dry_run"], dry_run);
        assert!(report["looked_at"].as_u64().unwrap() <= u64::from(limit));
        for sum in ["looked_at", "changed", "moved", "unchanged", "completed"] {
            all[sum] = json!(all[sum].as_u64().unwrap() + report[sum].as_u64().unwrap());
        }
        all["items"].as_array_mut().unwrap().extend(report["items"].as_array().unwrap().iter().cloned());
        cursor = report["next_cursor"].clone();
        if cursor.is_null() {
            return all;
        }
    }
}

/// By member: points before and after, waiting after, progress before and after, whether it is completed by this.
fn told(report: &Value) -> BTreeMap<String, Value> {
    let line = |item: &Value| {
        let (before, after) = (&item["before"], &item["after"]);
        let progress = |standing: &Value| json!([standing["progress"]["done"], standing["progress"]["of"]]);
        assert!(item["guest_id"].is_null());
        (
            item["user_id"].as_str().unwrap().to_owned(),
            json!([
                before["confirmed_points"],
                after["confirmed_points"],
                after["potential_points"],
                progress(before),
                progress(after),
                item["completed"]
            ]),
        )
    };
    report["items"].as_array().unwrap().iter().map(line).collect()
}

fn sums(report: &Value) -> [u64; 5] {
    ["looked_at", "changed", "moved", "unchanged", "completed"].map(|sum| report[sum].as_u64().unwrap())
}

/// V1: the rows are what the events add up to.
async fn holds(db: &TestDb, learner: &Learner<'_>) -> Enrollment {
    let id: Uuid = learner.id().parse().unwrap();
    let (row, events) = db
        .read(move |tx| {
            Box::pin(async move {
                const EVENTS: &str = "SELECT payload FROM event WHERE subject_id = $1 ORDER BY seq";
                const SITE: &str = "SELECT site_id FROM course_enrollment WHERE id = $1";
                let site: Uuid = on!(tx, conn => sqlx::query_scalar(SITE).bind(id).fetch_one(conn).await)?;
                let (site, id) = (jalon_shared::SiteId(site), jalon_shared::EnrollmentId(id));
                let mut row = courses::enrollment(tx, site, id).await?.unwrap();
                row.progress.items = courses::items(tx, site, id, None).await?;
                let events: Vec<String> = on!(tx, conn => sqlx::query_scalar(EVENTS).bind(id.0).fetch_all(conn).await)?;
                Ok::<_, DbError>((row, events))
            })
        })
        .await
        .unwrap();
    let events: Vec<CourseEvent> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert_eq!(replay(&events).as_ref(), Some(&row));
    row
}

async fn announced(db: &TestDb) -> usize {
    let all = contents(db).await;
    all["webhook_message"].iter().filter(|message| message["type"] == "coaching.course.completed").count()
}

for_both! {
    /// The author marked the wrong choice right: who knew better goes up, who did not goes down, who finished
    /// stays finished. The dry run writes nothing and says just that.
    async fn c3_a_corrected_key_moves_points_and_un_finishes_nobody(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &course(&[("one", "a", 2), ("two", "b", 1)])).await;
        let lesson = items(&stage, "small").await.remove(0);
        let mut learners = Vec::new();
        for (name, one, two) in [("anna", "b", ""), ("bert", "a", ""), ("carl", "a", "b"), ("dora", "", ""), ("eve", "b", "b")] {
            let learner = Learner::enroll(&stage, name, "small").await;
            for (item, choice) in lesson.iter().zip([one, two]).filter(|(_, choice)| !choice.is_empty()) {
                choose(&learner, item, choice).await;
            }
            learners.push(learner);
        }
        assert_eq!(announced(&db).await, 2);
        publish(&stage, "small", &course(&[("one", "b", 2), ("two", "b", 1)])).await;

        let before = contents(&db).await;
        let dry = recalculate(&stage, true, 100).await;
        assert_eq!(contents(&db).await, before, "a dry run writes nothing");
        assert_eq!(sums(&dry), [5, 4, 1, 0, 0]);
        assert_eq!(told(&dry), BTreeMap::from([
            ("anna".to_owned(), json!([0, 2, 0, [1, 2], [1, 2], false])),
            ("bert".to_owned(), json!([2, 0, 0, [1, 2], [1, 2], false])),
            ("carl".to_owned(), json!([3, 1, 0, [2, 2], [2, 2], false])),
            ("eve".to_owned(), json!([1, 3, 0, [2, 2], [2, 2], false])),
        ]));
        let (carl, eve) = (learners[2].enrollment().await, learners[4].enrollment().await);
        assert_eq!(recalculate(&stage, true, 2).await, dry, "batches add up");

        // What is done is what was said, in batches as at once.
        assert_eq!(recalculate(&stage, false, 2).await, dry);
        for learner in &learners {
            assert_eq!(holds(&db, learner).await.course_version, 2);
        }
        for (before, learner, points) in [(&carl, &learners[2], 1), (&eve, &learners[4], 3)] {
            let after = learner.enrollment().await;
            assert_eq!((&after["completed_at"], &after["score"]), (&before["completed_at"], &before["score"]), "C4, S3");
            assert_eq!((&after["confirmed_points"], &after["course"]["version"]), (&json!(points), &json!(2)));
        }
        // Statistics read the attempts as they are graded now.
        let statistics = stage.server.get("/api/v1/admin/sites/fpsf/courses/small/question-statistics").bearer(&stage.key).send().await.expect(200);
        assert_eq!((&statistics["items"][0]["shown"], &statistics["items"][0]["right"]), (&json!(4), &json!(2)));
        assert_eq!(announced(&db).await, 2);

        let done = contents(&db).await;
        let audit: Vec<_> = done["event"].iter().filter(|event| event["type"] == "site.course_recalculated").collect();
        assert_eq!(audit.len(), 3, "one a batch that changed something");
        assert!(audit.iter().all(|event| event["payload"].to_string().contains("\\\"by\\\":\\\"key\\\"")), "{audit:?}");
        assert_eq!(sums(&recalculate(&stage, false, 100).await), [5, 0, 0, 5, 0]);
        assert_eq!(contents(&db).await, done, "a second time changes nothing");
        // And learning goes on by the new key.
        choose(&learners[1], &lesson[0], "b").await;
        assert_eq!(holds(&db, &learners[1]).await.progress.totals.confirmed, jalon_shared::course::Points::whole(2));
    }

    /// A quiz comes into the course: who is on the way has more to do, who finished stays finished.
    async fn c4_a_new_quiz_is_for_those_on_the_way_only(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &course(&[("one", "a", 2), ("two", "b", 1)])).await;
        let lesson = items(&stage, "small").await.remove(0);
        let (bert, carl) = (Learner::enroll(&stage, "bert", "small").await, Learner::enroll(&stage, "carl", "small").await);
        choose(&bert, &lesson[0], "a").await;
        choose(&carl, &lesson[0], "a").await;
        choose(&carl, &lesson[1], "b").await;
        let finished = carl.enrollment().await;
        publish(&stage, "small", &course(&[("one", "a", 2), ("new", "a", 5), ("two", "b", 1)])).await;
        let dry = recalculate(&stage, true, 100).await;
        assert_eq!(told(&dry), BTreeMap::from([("bert".to_owned(), json!([2, 2, 0, [1, 2], [1, 3], false]))]));
        assert_eq!(recalculate(&stage, false, 100).await, dry);
        let after = carl.enrollment().await;
        assert_eq!((&after["completed_at"], &after["score"], &after["progress"]), (&finished["completed_at"], &finished["score"], &json!({ "done": 3, "of": 3 })));
        let lesson = items(&stage, "small").await.remove(0);
        choose(&bert, &lesson[2], "b").await;
        assert!(bert.enrollment().await["completed_at"].is_null());
        choose(&bert, &lesson[1], "a").await;
        assert!(bert.enrollment().await["completed_at"].is_string());
        holds(&db, &bert).await;
        holds(&db, &carl).await;
    }

    /// What somebody lacked is taken out: they are complete, and that is announced, once.
    async fn w1_who_becomes_complete_by_a_recalculation_is_announced_once(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &course(&[("one", "a", 2), ("two", "b", 1)])).await;
        let lesson = items(&stage, "small").await.remove(0);
        let (bert, dora) = (Learner::enroll(&stage, "bert", "small").await, Learner::enroll(&stage, "dora", "small").await);
        choose(&bert, &lesson[0], "a").await;
        dora.visit(&lesson[0]).await.expect(200);
        publish(&stage, "small", &course(&[("one", "a", 2)])).await;
        let dry = recalculate(&stage, true, 100).await;
        assert_eq!(told(&dry), BTreeMap::from([("bert".to_owned(), json!([2, 2, 0, [1, 2], [1, 1], true]))]));
        assert_eq!((sums(&dry), announced(&db).await), ([2, 1, 1, 0, 1], 0));
        assert_eq!(recalculate(&stage, false, 100).await, dry);
        let bert = holds(&db, &bert).await;
        assert_eq!((bert.progress.score.map(|score| score.to_string()).as_deref(), announced(&db).await), (Some("100"), 1));
        assert!(bert.progress.items.values().any(|item| item.lesson_completed_at.is_some()), "the lesson is complete too");
        assert_eq!(sums(&recalculate(&stage, false, 100).await), [2, 0, 0, 2, 0]);
        assert_eq!(announced(&db).await, 1);
    }

    /// What graders said stays, what waits for them waits, with the weight it was asked with; a question that is gone
    /// keeps its mark, and no quiz brings more than it is worth.
    async fn c3_open_answers_and_questions_that_are_gone_keep_their_marks(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &small()).await;
        let item = items(&stage, "small").await[0][0].clone();
        let mut learners = Vec::new();
        for name in ["graded", "waiting"] {
            let learner = Learner::enroll(&stage, name, "small").await;
            learner.visit(&item).await.expect(200);
            let quiz = learner.item(&item).await.expect(200)["quizzes"][0].clone();
            let given = answers(&quiz, |question| {
                if question["kind"] == "open_ended" {
                    return json!({ "text": "Parce que." });
                }
                json!({ "choice_ids": [question["choices"].as_array().unwrap().iter().find(|choice| choice["text"]["value"] == "Trois").unwrap()["id"]] })
            });
            learner.answer(&item, &quiz, &given).await.expect(200);
            learners.push(learner);
        }
        let queue = "/api/v1/admin/sites/fpsf/open-answers";
        let first = stage.server.get(queue).bearer(&stage.key).send().await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
        stage.server.post(&format!("{queue}/{first}/accept")).bearer(&stage.key).json(&json!({ "points": 2 })).send().await.expect(200);

        // The choice gets a new key, the open question more weight: it keeps what it was asked with.
        let mut newer = small();
        let quiz = &mut newer["modules"][0]["lessons"][0]["items"][0]["quizzes"][0];
        quiz["questions"][0]["choices"][0]["right"] = json!(true);
        quiz["questions"][0]["choices"][1]["right"] = json!(false);
        quiz["questions"][1]["points"] = json!(6);
        publish(&stage, "small", &newer).await;
        let dry = recalculate(&stage, true, 100).await;
        let open = contents(&db).await["open_answer"].clone();
        assert_eq!(recalculate(&stage, false, 100).await, dry);
        assert_eq!(contents(&db).await["open_answer"], open);
        let [graded, waiting] = [holds(&db, &learners[0]).await, holds(&db, &learners[1]).await];
        let points = |enrollment: &Enrollment| { let totals = enrollment.progress.totals; serde_json::to_value((totals.confirmed, totals.potential)).unwrap() };
        assert_eq!((points(&graded), points(&waiting)), (json!([2, 0]), json!([0, 3])));

        // The open question goes; its marks stay, within what the quiz is worth: one point.
        let quiz = &mut newer["modules"][0]["lessons"][0]["items"][0]["quizzes"][0];
        quiz["questions"].as_array_mut().unwrap().truncate(1);
        publish(&stage, "small", &newer).await;
        recalculate(&stage, false, 100).await;
        let [graded, waiting] = [holds(&db, &learners[0]).await, holds(&db, &learners[1]).await];
        assert_eq!((points(&graded), points(&waiting)), (json!([1, 0]), json!([0, 1])));
        let left = stage.server.get(queue).bearer(&stage.key).send().await.expect(200)["items"].as_array().unwrap().clone();
        let [left] = left.as_slice() else { panic!("{left:?}") };
        stage.server.post(&format!("{queue}/{}/accept", left["id"].as_str().unwrap())).bearer(&stage.key).json(&json!({ "points": 3 })).send().await.expect(200);
        assert_eq!(points(&holds(&db, &learners[1]).await), json!([1, 0]));
        assert_eq!(sums(&recalculate(&stage, false, 100).await), [2, 0, 0, 2, 0]);
    }

    /// A question that attempts drew from a bank is found there by its id.
    async fn c3_drawn_questions_are_graded_by_the_banks_new_key(db: TestDb) {
        let stage = Stage::set(&db).await;
        let bank = |first: &str| {
            let question = |key: &str, right: &str| json!({ "key": key, "kind": "single_choice", "points": 1, "prompt": { "fr": key },
                "choices": [{ "key": "a", "text": { "fr": "a" }, "right": right == "a" }, { "key": "b", "text": { "fr": "b" }, "right": right == "b" }] });
            json!({ "source_lang": "fr", "title": { "fr": "Banque" }, "questions": [question("first", first), question("second", "a"), question("third", "a")] })
        };
        let mut drawing = course(&[("one", "a", 1)]);
        drawing["modules"][0]["lessons"][0]["items"][0]["quizzes"][0] =
            json!({ "key": "z", "title": { "fr": "Questions" }, "draw": [{ "bank": "rules", "count": 2, "points": 3 }] });
        stage.server.put("/api/v1/admin/sites/fpsf/banks/rules").bearer(&stage.key).json(&bank("a")).send().await.expect(201);
        publish(&stage, "small", &drawing).await;
        let item = items(&stage, "small").await[0][0].clone();
        let mut expected = BTreeMap::new();
        for n in 0..6 {
            let name = format!("u-{n}");
            let learner = Learner::enroll(&stage, &name, "small").await;
            let quiz = learner.item(&item).await.expect(200)["quizzes"][0].clone();
            choose(&learner, &item, "a").await;
            if quiz["questions"].as_array().unwrap().iter().any(|question| question["prompt"]["value"] == "first") {
                expected.insert(name, json!([6, 3, 0, [2, 2], [2, 2], false]));
            }
        }
        stage.server.put("/api/v1/admin/sites/fpsf/banks/rules").bearer(&stage.key).json(&bank("b")).send().await.expect(200);
        publish(&stage, "small", &drawing).await;
        let done = recalculate(&stage, false, 4).await;
        assert_eq!(told(&done), expected);
        assert_eq!(done["looked_at"], 6);
    }

    /// Only this site's course, only what was published, and everything wrong has its place.
    async fn p5_a_recalculation_knows_its_site_and_says_what_is_wrong(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &[]).await;
        publish(&stage, "small", &course(&[("one", "a", 2)])).await;
        let bert = Learner::enroll(&stage, "bert", "small").await;
        let post = async |path: &str, body: &Value| stage.server.post(path).bearer(&stage.key).json(body).send().await;
        for (body, code, pointer) in [
            (json!({}), "missing_field", "/dry_run"),
            (json!({ "dry_run": "yes" }), "invalid_value", "/dry_run"),
            (json!({ "dry_run": true, "limit": 0 }), "invalid_value", "/limit"),
            (json!({ "dry_run": true, "limit": 501 }), "invalid_value", "/limit"),
            (json!({ "dry_run": true, "course": "small" }), "unknown_field", "/course"),
        ] {
            let problem = post(PATH, &body).await.problem(422, code);
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        }
        let problem = post(PATH, &json!({ "dry_run": true, "cursor": "x" })).await.problem(400, "invalid_cursor");
        assert_eq!(problem["errors"][0]["pointer"], "/cursor");
        let go = json!({ "dry_run": false });
        for path in ["/api/v1/admin/sites/other/courses/small/recalculation", "/api/v1/admin/sites/fpsf/courses/none/recalculation", "/api/v1/admin/sites/fpsf/courses/NO!/recalculation"] {
            post(path, &go).await.problem(404, "not_found");
        }
        stage.server.put("/api/v1/admin/sites/fpsf/courses/draft").bearer(&stage.key).json(&course(&[("one", "a", 2)])).send().await.expect(201);
        post("/api/v1/admin/sites/fpsf/courses/draft/recalculation", &go).await.problem(409, "conflict");

        // Another site's course of the same name, with another key: theirs is not touched.
        stage.server.put("/api/v1/admin/sites/other/courses/small").bearer(&stage.key).json(&course(&[("one", "b", 9)])).send().await.expect(201);
        stage.server.post("/api/v1/admin/sites/other/courses/small/publish").bearer(&stage.key).send().await.expect(200);
        let theirs = post("/api/v1/admin/sites/other/courses/small/recalculation", &go).await.expect(200);
        assert_eq!((sums(&theirs), holds(&db, &bert).await.version), ([0; 5], 1));
        // A deprecated course still has people in it.
        stage.server.post("/api/v1/admin/sites/fpsf/courses/small/deprecate").bearer(&stage.key).send().await.expect(200);
        assert_eq!(sums(&recalculate(&stage, false, 100).await), [1, 0, 0, 1, 0]);
    }
}
