//! What attempts and shared answers come to, as a learner with patience tries it; on both databases.

use jalon_backend::db::{DbError, execute};
use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Learner, answers, items, publish};

/// A question of two choices; `a` is right.
fn question(key: &str) -> Value {
    json!({ "key": key, "kind": "single_choice", "points": 1, "prompt": { "fr": key },
        "choices": [{ "key": "a", "text": { "fr": "a" }, "right": true }, { "key": "b", "text": { "fr": "b" } }] })
}

/// A lesson that courses share: one item with a gate of these questions, which 100 % pass.
fn lesson(questions: &[&str], max_attempts: Option<u32>) -> Value {
    let questions: Vec<Value> = questions.iter().map(|key| question(key)).collect();
    let mut quiz =
        json!({ "key": "z", "title": { "fr": "Questions" }, "gate": true, "pass_mark": 100, "questions": questions });
    if let Some(most) = max_attempts {
        quiz["max_attempts"] = json!(most);
    }
    json!({ "source_lang": "fr", "title": { "fr": "Bonjour" }, "items": [
        { "key": "i", "kind": "content", "title": { "fr": "i" }, "body": { "fr": "Lire." }, "quizzes": [quiz] }] })
}

/// A course of the shared lesson, and one item behind its gate.
fn course(shared: usize) -> Value {
    let mut lessons: Vec<Value> = (0..shared).map(|n| json!({ "key": format!("s{n}"), "shared": "hello" })).collect();
    lessons.push(json!({ "key": "end", "title": { "fr": "Fin" }, "items": [
        { "key": "end", "kind": "content", "title": { "fr": "Fin" }, "body": { "fr": "Bravo." } }] }));
    json!({ "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": { "fr": "Cours" },
        "modules": [{ "key": "m", "title": { "fr": "Module" }, "lessons": lessons }] })
}

async fn write_lesson(stage: &Stage, lesson: &Value) {
    let wrote = stage.server.put("/api/v1/admin/sites/fpsf/lessons/hello").bearer(&stage.key).json(lesson).send().await;
    assert!(wrote.status.is_success(), "{}", wrote.text());
}

/// Answers the item's quiz: by the question's name what to choose; the rest stays blank.
async fn answer(learner: &Learner<'_>, item: &str, chosen: &[(&str, &str)]) {
    let quiz = learner.item(item).await.expect(200)["quizzes"][0].clone();
    let given = answers(&quiz, |question| {
        let choice = chosen.iter().find(|(name, _)| question["prompt"]["value"] == *name).map(|(_, choice)| {
            let all = question["choices"].as_array().unwrap();
            all.iter().find(|one| one["text"]["value"] == *choice).unwrap()["id"].clone()
        });
        json!({ "choice_ids": choice.into_iter().collect::<Vec<_>>() })
    });
    learner.answer(item, &quiz, &given).await.expect(200);
}

async fn points(learner: &Learner<'_>) -> u64 {
    learner.enrollment().await["confirmed_points"].as_u64().unwrap()
}

async fn recalculate(stage: &Stage, slug: &str, dry_run: bool) -> Value {
    let path = format!("/api/v1/admin/sites/fpsf/courses/{slug}/recalculation");
    stage.server.post(&path).bearer(&stage.key).json(&json!({ "dry_run": dry_run })).send().await.expect(200)
}

for_both! {
    /// Half of the questions right in one attempt, the other half in the next: no gate of 100 % opens by that.
    async fn c1_right_answers_of_ones_own_attempts_do_not_add_up(db: TestDb) {
        let stage = Stage::set(&db).await;
        write_lesson(&stage, &lesson(&["one", "two"], None)).await;
        publish(&stage, "first", &course(1)).await;
        publish(&stage, "second", &course(1)).await;
        let all = items(&stage, "first").await;
        let (item, end) = (all[0][0].clone(), all[1][0].clone());
        let anna = Learner::enroll(&stage, "anna", "first").await;
        for half in [("one", "a"), ("two", "a"), ("one", "a")] {
            anna.visit(&item).await.expect(200);
            answer(&anna, &item, &[half]).await;
            anna.visit(&item).await.expect(200);
        }
        let sync = "/api/v1/admin/sites/fpsf/learners/anna/shared-points";
        stage.server.post(sync).bearer(&stage.key).json(&json!({})).send().await.expect(200);
        assert_eq!(points(&anna).await, 1, "one attempt counts, not what several have together");
        anna.visit(&end).await.problem(409, "item_locked");

        // In another course they count: there each was answered right elsewhere.
        let there = Learner::enroll(&stage, "anna", "second").await;
        there.visit(&item).await.expect(200);
        assert_eq!(points(&there).await, 2);
        // And what was answered right there, too, counts here.
        answer(&there, &item, &[("one", "a"), ("two", "b")]).await;
        anna.visit(&item).await.expect(200);
        assert_eq!(points(&anna).await, 2);
        anna.visit(&end).await.expect(200);
    }

    /// A database from before knows where its shared answers were given, as far as its attempts tell.
    async fn c1_shared_answers_of_a_database_from_before_know_their_enrollment(db: TestDb) {
        const UNDO: [&str; 2] =
            ["ALTER TABLE shared_answer DROP COLUMN enrollment_id", "DELETE FROM _sqlx_migrations WHERE version = 14"];
        let stage = Stage::set(&db).await;
        write_lesson(&stage, &lesson(&["one", "two", "three"], None)).await;
        publish(&stage, "first", &course(1)).await;
        publish(&stage, "second", &course(1)).await;
        let item = items(&stage, "first").await[0][0].clone();
        let (anna, there) = (Learner::enroll(&stage, "anna", "first").await, Learner::enroll(&stage, "anna", "second").await);
        answer(&anna, &item, &[("one", "a")]).await;
        answer(&anna, &item, &[("three", "a"), ("one", "b")]).await;
        answer(&there, &item, &[("three", "a")]).await;
        db.write::<_, DbError, _>(|tx| Box::pin(async move {
            for sql in UNDO {
                execute!(tx, sqlx::query(sql))?;
            }
            Ok(())
        })).await.unwrap();
        db.migrate().await.unwrap();
        answer(&anna, &item, &[("two", "a")]).await;
        anna.visit(&item).await.expect(200);
        assert_eq!(points(&anna).await, 2, "two itself, and three, which was right elsewhere too; not one");
        there.visit(&item).await.expect(200);
        assert_eq!(points(&there).await, 3);
    }

    /// A guest's right answers become the member's: not a second time in the enrollment that they came into.
    async fn c1_m2_a_merge_does_not_make_attempts_add_up_either(db: TestDb) {
        let stage = Stage::set(&db).await;
        write_lesson(&stage, &lesson(&["one", "two"], None)).await;
        publish(&stage, "first", &course(1)).await;
        let item = items(&stage, "first").await[0][0].clone();
        let way = json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "P" },
            "steps": [{ "key": "l", "kind": "lesson", "title": { "fr": "L" }, "lesson": { "course": "first", "lesson": "s0" } }] });
        stage.publish("way", &way).await;
        let (_, guest) = stage.guest().await;
        let track = stage.enroll(&guest, "way").await;
        let path = format!("/api/v1/enrollments/{}/steps/1/lesson", track["id"].as_str().unwrap());
        let opened = stage.server.post(&path).bearer(&guest).key(Uuid::now_v7()).json(&json!({})).send().await;
        let as_guest = Learner::found(&stage, &guest, opened.json()["id"].as_str().unwrap());
        answer(&as_guest, &item, &[("one", "a")]).await;
        let anna = Learner::enroll(&stage, "anna", "first").await;
        let merge = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&stage.member("anna")).key(Uuid::now_v7());
        merge.json(&json!({ "guest_token": guest })).send().await.expect(200);
        answer(&anna, &item, &[("two", "a")]).await;
        anna.visit(&item).await.expect(200);
        assert_eq!(points(&anna).await, 1);
    }

    /// Points that shared answers bring to an attempt's blanks stay, whatever is submitted after it; and whatever was
    /// submitted before them.
    async fn c3_an_attempt_never_takes_points_away(db: TestDb) {
        let stage = Stage::set(&db).await;
        write_lesson(&stage, &lesson(&["one", "two", "three"], None)).await;
        for slug in ["first", "after", "before"] {
            publish(&stage, slug, &course(1)).await;
        }
        let item = items(&stage, "first").await[0][0].clone();
        // Two attempts of one point each: `two` is blank in the first, wrong in the second.
        let before = Learner::enroll(&stage, "anna", "before").await;
        answer(&before, &item, &[("one", "a"), ("three", "b")]).await;
        answer(&before, &item, &[("one", "a"), ("two", "b"), ("three", "b")]).await;

        let first = Learner::enroll(&stage, "anna", "first").await;
        answer(&first, &item, &[("two", "a")]).await;

        let after = Learner::enroll(&stage, "anna", "after").await;
        after.visit(&item).await.expect(200);
        assert_eq!(points(&after).await, 2, "one and two, from the others");
        answer(&after, &item, &[("three", "a"), ("one", "b"), ("two", "b")]).await;
        assert_eq!(points(&after).await, 2, "what was shared before the first attempt stays");
        answer(&after, &item, &[("three", "a")]).await;
        assert_eq!(points(&after).await, 3);
        for same in [&[("one", "a")][..], &[("one", "a"), ("two", "b"), ("three", "b")], &[("three", "b")]] {
            answer(&after, &item, same).await;
            assert_eq!(points(&after).await, 3, "{same:?}");
        }

        before.visit(&item).await.expect(200);
        assert_eq!(points(&before).await, 2, "the attempt that left `two` blank brings more now");
    }

    async fn a_course_holds_a_shared_lesson_once(db: TestDb) {
        let stage = Stage::set(&db).await;
        write_lesson(&stage, &lesson(&["one"], None)).await;
        let put = stage.server.put("/api/v1/admin/sites/fpsf/courses/twice").bearer(&stage.key).json(&course(2)).send().await;
        let problem = put.problem(422, "validation_failed");
        assert_eq!((&problem["errors"][0]["pointer"], &problem["errors"][0]["code"]), (&json!("/modules/0/lessons/1/shared"), &json!("duplicate")));
        publish(&stage, "once", &course(1)).await;
    }

    /// All questions are exchanged: what was answered of the old ones passes no gate, is no progress, and with the new
    /// ones brings no more than the quiz is worth.
    async fn c1_c3_c4_exchanged_questions_open_no_gate_and_bring_no_more_than_the_quiz_is_worth(db: TestDb) {
        let stage = Stage::set(&db).await;
        write_lesson(&stage, &lesson(&["one", "two", "three"], Some(1))).await;
        for slug in ["own", "shared", "more"] {
            publish(&stage, slug, &course(1)).await;
        }
        let (item, end) = (items(&stage, "own").await[0][0].clone(), items(&stage, "own").await[1][0].clone());
        let other_end = items(&stage, "shared").await[1][0].clone();
        let own = Learner::enroll(&stage, "anna", "own").await;
        answer(&own, &item, &[("one", "a"), ("two", "a"), ("three", "b")]).await;
        let shared = Learner::enroll(&stage, "anna", "shared").await;
        shared.visit(&item).await.expect(200);
        assert_eq!((points(&own).await, points(&shared).await), (2, 2));

        write_lesson(&stage, &lesson(&["three", "four"], Some(1))).await;
        for slug in ["own", "shared", "more"] {
            publish(&stage, slug, &course(1)).await;
        }
        let told = recalculate(&stage, "own", true).await;
        assert_eq!(told["items"][0]["after"]["progress"], json!({ "done": 1, "of": 2 }), "the dry run says what changes: {told}");
        for slug in ["own", "shared"] {
            recalculate(&stage, slug, false).await;
        }
        for (learner, end) in [(&own, &end), (&shared, &other_end)] {
            let enrollment = learner.enrollment().await;
            assert_eq!(enrollment["confirmed_points"], 2, "points stay: {enrollment}");
            learner.visit(end).await.problem(409, "item_locked");
        }
        assert_eq!(own.enrollment().await["progress"]["done"], 1, "`three` was answered, `four` never was");
        assert_eq!(shared.enrollment().await["progress"]["done"], 0);

        // Who answers the new ones elsewhere takes them along, and no more than there are.
        let more = Learner::enroll(&stage, "anna", "more").await;
        answer(&more, &item, &[("three", "a"), ("four", "a")]).await;
        shared.visit(&item).await.expect(200);
        let enrollment = shared.enrollment().await;
        assert_eq!((&enrollment["confirmed_points"], &enrollment["points_total"]), (&json!(2), &json!(2)));
        shared.visit(&other_end).await.expect(200);

        // All attempts were used on what is gone: the new question can be answered all the same, once.
        answer(&own, &item, &[("three", "a"), ("four", "a")]).await;
        own.visit(&end).await.expect(200);
        let enrollment = own.enrollment().await;
        assert_eq!((&enrollment["confirmed_points"], &enrollment["progress"]), (&json!(2), &json!({ "done": 2, "of": 2 })));
    }
}
