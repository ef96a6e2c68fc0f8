//! Nobody judges their own work (B9), and a second opinion is somebody else's (B10); on both databases.

use jalon_backend::db::{DbError, execute};
use jalon_tests::{Answer, Stage, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Learner, answers, items, publish, small};
use crate::keep::erasure::{lesson_track, open_lesson};

const ADMIN: &str = "/api/v1/admin/sites/fpsf";
const QUEUE: &str = "/api/v1/admin/sites/fpsf/open-answers";

fn member(stage: &Stage, name: &str, roles: &[&str]) -> String {
    stage.member_of(Stage::SITE, json!({ "sub": name, "roles": roles }))
}

/// Answers the small course's gate: the choice wrong, the open question with a text.
pub(crate) async fn submit(learner: &Learner<'_>, item: &str) -> Value {
    learner.visit(item).await.expect(200);
    let quiz = learner.item(item).await.expect(200)["quizzes"][0].clone();
    let given = answers(&quiz, |question| match question["kind"].as_str() {
        Some("open_ended") => json!({ "text": "Parce que." }),
        _ => json!({ "choice_ids": [wrong(question)] }),
    });
    learner.answer(item, &quiz, &given).await.expect(200)
}

fn wrong(question: &Value) -> Value {
    let choices = question["choices"].as_array().unwrap();
    choices.iter().find(|choice| choice["text"]["value"] == "Deux").unwrap()["id"].clone()
}

pub(crate) async fn queue(stage: &Stage, token: &str, query: &str) -> Vec<Value> {
    let answer = stage.server.get(&format!("{QUEUE}{query}")).bearer(token).send().await;
    answer.expect(200)["items"].as_array().unwrap().clone()
}

pub(crate) async fn say(stage: &Stage, token: &str, answer: &Value, what: &str, body: &Value) -> Answer {
    let path = format!("{QUEUE}/{}/{what}", answer["id"].as_str().unwrap());
    stage.server.post(&path).bearer(token).json(body).send().await
}

/// Everything a grader can do with an answer, with a body that is right.
fn deeds() -> [(&'static str, Value); 5] {
    [
        ("claim", json!({})),
        ("accept", json!({ "points": 3 })),
        ("reject", json!({ "reason": "No." })),
        ("second-opinion", json!({})),
        ("release", json!({})),
    ]
}

for_both! {
    /// C2, B9: not by any role, not before the first grade and not after; others and programs may.
    async fn b9_nobody_grades_their_own_answer(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &small()).await;
        let gate = items(&stage, "small").await[0][0].clone();
        let roles = ["grader", "course_manager", "site_admin"];
        let own = Learner::with_token(&stage, &member(&stage, "gita", &["grader"]), "small").await;
        submit(&own, &gate).await;
        submit(&Learner::enroll(&stage, "u-2", "small").await, &gate).await;
        let by_key = queue(&stage, &stage.key, "").await;
        assert_eq!(by_key.len(), 2);
        let of = |user: &str| by_key.iter().find(|answer| answer["user_id"] == user).unwrap();

        let refused = async |answer: &Value, when: &str| {
            for role in roles {
                let token = member(&stage, "gita", &[role]);
                for query in ["", "?all=true", "?state=waiting", "?state=accepted", "?course=small"] {
                    let offered = queue(&stage, &token, query).await;
                    assert!(offered.iter().all(|answer| answer["user_id"] != "gita"), "{when} {role} {query}: {offered:?}");
                }
                // What graders look for is not the learner's to read.
                let path = format!("{QUEUE}/{}", answer["id"].as_str().unwrap());
                stage.server.get(&path).bearer(&token).send().await.problem(403, "own_work");
                for (what, body) in deeds() {
                    say(&stage, &token, answer, what, &body).await.problem(403, "own_work");
                }
            }
        };
        let version = own.enrollment().await["version"].clone();
        refused(of("gita"), "waiting").await;
        assert_eq!(own.enrollment().await["version"], version);
        let token = member(&stage, "gita", &["grader"]);
        assert_eq!(queue(&stage, &token, "").await.len(), 1, "another's is offered");
        say(&stage, &token, of("u-2"), "accept", &json!({ "points": 1 })).await.expect(200);

        say(&stage, &member(&stage, "bert", &["grader"]), of("gita"), "accept", &json!({ "points": 1 })).await.expect(200);
        refused(of("gita"), "graded").await;
        say(&stage, &member(&stage, "bert", &["grader"]), of("gita"), "second-opinion", &json!({})).await.expect(200);
        refused(of("gita"), "a second opinion is asked for").await;
        assert_eq!(own.enrollment().await["confirmed_points"], 1);
        say(&stage, &stage.key, of("gita"), "accept", &json!({ "points": 2 })).await.expect(200);
        assert_eq!(own.enrollment().await["confirmed_points"], 2);
    }

    /// B9: a grade that becomes one's own by a merge counts (M4: a merge takes nothing away) until another grader has
    /// looked; nobody's own claim stays either.
    async fn b9_a_grade_that_a_merge_makes_ones_own_waits_for_another_grader(db: TestDb) {
        let stage = Stage::set(&db).await;
        for both_began in [false, true] {
            let slug = if both_began { "both" } else { "small" };
            publish(&stage, slug, &small()).await;
            let gate = items(&stage, slug).await[0][0].clone();
            let mut track = lesson_track("one");
            track["steps"][0]["lesson"]["course"] = json!(slug);
            stage.publish("way", &track).await;
            let grader = format!("gita-{slug}");
            let gita = member(&stage, &grader, &["grader"]);
            let own = if both_began { Some(Learner::with_token(&stage, &gita, slug).await) } else { None };
            let (_, token) = stage.guest().await;
            let (_, way) = open_lesson(&stage, &token).await;
            submit(&way, &gate).await;
            let course = format!("?course={slug}");
            let waiting = queue(&stage, &gita, &course).await.remove(0);
            let good = json!({ "points": 3, "comment": "Very good." });
            say(&stage, &gita, &waiting, "accept", &good).await.expect(200);
            say(&stage, &member(&stage, "bert", &["grader"]), &waiting, "second-opinion", &json!({})).await.expect(200);
            let cora = member(&stage, "cora", &["grader"]);
            say(&stage, &cora, &waiting, "accept", &good).await.expect(200);

            let (_, other) = stage.guest().await;
            let (_, second) = open_lesson(&stage, &other).await;
            submit(&second, &gate).await;
            let claimed = queue(&stage, &gita, &course).await.remove(0);
            say(&stage, &gita, &claimed, "accept", &good).await.expect(200);
            let (_, third) = stage.guest().await;
            let (_, third_way) = open_lesson(&stage, &third).await;
            submit(&third_way, &gate).await;
            let to_claim = queue(&stage, &gita, &course).await.remove(0);
            say(&stage, &gita, &to_claim, "claim", &json!({})).await.expect(200);

            for guest in [&token, &other, &third] {
                let merge = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&gita).key(Uuid::now_v7());
                merge.json(&json!({ "guest_token": guest })).send().await.expect(200);
            }
            let mine = stage.server.get("/api/v1/sites/fpsf/me/courses").bearer(&gita).send().await.expect(200);
            assert_eq!(mine["items"][0]["confirmed_points"], 3, "M4: {mine}");
            assert!(own.is_none_or(|own| mine["items"][0]["id"] == own.id()));
            let queued = queue(&stage, &cora, &course).await;
            let ids: Vec<_> = queued.iter().map(|answer| answer["id"].clone()).collect();
            assert!(!ids.contains(&waiting["id"]), "cora's opinion stands: {queued:?}");
            assert!(ids.contains(&claimed["id"]) && ids.contains(&to_claim["id"]), "{queued:?}");
            assert!(queued.iter().all(|answer| answer["claimed_by"].is_null()), "{queued:?}");
            assert!(queue(&stage, &gita, &course).await.is_empty());
            for answer in [&waiting, &claimed, &to_claim] {
                say(&stage, &gita, answer, "accept", &good).await.problem(403, "own_work");
            }
            say(&stage, &cora, &claimed, "reject", &json!({ "reason": "No." })).await.expect(200);
        }
    }

    /// B9: points by recalculation and by shared answers; the dry run, too, which would tell what a key brings.
    async fn b9_staff_leave_their_own_points_to_others(db: TestDb) {
        let stage = Stage::set(&db).await;
        let mut course = small();
        course["modules"][0]["lessons"][0]["items"][0]["quizzes"][0]["questions"].as_array_mut().unwrap().pop();
        publish(&stage, "small", &course).await;
        let gate = items(&stage, "small").await[0][0].clone();
        let boss = member(&stage, "boss", &["course_manager", "site_admin"]);
        let own = Learner::with_token(&stage, &boss, "small").await;
        let other = Learner::enroll(&stage, "u-2", "small").await;
        submit(&own, &gate).await;
        submit(&other, &gate).await;
        let choices = &mut course["modules"][0]["lessons"][0]["items"][0]["quizzes"][0]["questions"][0]["choices"];
        (choices[0]["right"], choices[1]["right"]) = (json!(true), json!(false));
        publish(&stage, "small", &course).await;

        let recalculate = async |token: &str, dry_run: bool| {
            let path = format!("{ADMIN}/courses/small/recalculation");
            stage.server.post(&path).bearer(token).json(&json!({ "dry_run": dry_run })).send().await.expect(200)
        };
        for dry_run in [true, false] {
            let report = recalculate(&boss, dry_run).await;
            assert_eq!((&report["looked_at"], &report["changed"], &report["left_out"]), (&json!(1), &json!(1), &json!(1)), "{report}");
            assert!(!report.to_string().contains("boss") && !report.to_string().contains(own.id()), "{report}");
        }
        assert_eq!(own.enrollment().await["confirmed_points"], 0);
        assert_eq!(other.enrollment().await["confirmed_points"], 1);
        // One at a time: what is left out is passed, not stumbled over.
        let first = json!({ "dry_run": true, "limit": 1 });
        let path = format!("{ADMIN}/courses/small/recalculation");
        let first = stage.server.post(&path).bearer(&boss).json(&first).send().await.expect(200);
        assert_eq!((&first["looked_at"], &first["left_out"]), (&json!(0), &json!(1)), "{first}");
        let next = json!({ "dry_run": true, "limit": 1, "cursor": first["next_cursor"] });
        let next = stage.server.post(&path).bearer(&boss).json(&next).send().await.expect(200);
        assert_eq!((&next["looked_at"], &next["left_out"]), (&json!(1), &json!(0)), "{next}");

        let sync = async |token: &str, user: &str| {
            let path = format!("{ADMIN}/learners/{user}/shared-points");
            stage.server.post(&path).bearer(token).json(&json!({})).send().await
        };
        sync(&boss, "boss").await.problem(403, "own_work");
        sync(&boss, "u-2").await.expect(200);
        sync(&stage.key, "boss").await.expect(200);
        let report = recalculate(&member(&stage, "another", &["course_manager"]), false).await;
        assert_eq!((&report["changed"], &report["left_out"]), (&json!(1), &json!(0)), "{report}");
        assert_eq!(own.enrollment().await["confirmed_points"], 1);
    }

    /// C2, B10: not by a repeated request whose answer was lost, nor by anybody who graded before.
    async fn b10_a_second_opinion_is_always_somebody_elses(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &small()).await;
        let gate = items(&stage, "small").await[0][0].clone();
        let learner = Learner::enroll(&stage, "u-1", "small").await;
        submit(&learner, &gate).await;
        let [anna, bert, carl, dora] = ["anna", "bert", "carl", "dora"].map(|name| member(&stage, name, &["grader"]));
        let waiting = queue(&stage, &anna, "").await.remove(0);
        let good = json!({ "points": 2, "comment": "Good." });
        say(&stage, &anna, &waiting, "accept", &good).await.expect(200);
        say(&stage, &bert, &waiting, "second-opinion", &json!({})).await.expect(200);
        let version = learner.enrollment().await["version"].clone();

        // Her answer was lost on the way: the same again is what she said, and no second opinion.
        let again = say(&stage, &anna, &waiting, "accept", &good).await.expect(200);
        assert_eq!((&again["queued"], again["grades"].as_array().unwrap().len()), (&json!(true), 1), "{again}");
        let key = Uuid::now_v7();
        let path = format!("{QUEUE}/{}/accept", waiting["id"].as_str().unwrap());
        stage.server.post(&path).bearer(&anna).key(key).json(&good).send().await.expect(200);
        let tries = [("accept", json!({ "points": 3 })), ("reject", json!({ "reason": "No." })), ("claim", json!({}))];
        for (what, body) in &tries {
            say(&stage, &anna, &waiting, what, body).await.problem(409, "own_second_opinion");
        }
        let all_at_once = (0..8).map(|_| say(&stage, &anna, &waiting, "accept", &tries[0].1));
        for refused in futures_util::future::join_all(all_at_once).await {
            refused.problem(409, "own_second_opinion");
        }
        say(&stage, &bert, &waiting, "accept", &good).await.problem(409, "own_second_opinion");
        assert_eq!(learner.enrollment().await["version"], version);

        // Somebody else reads it: hers is repeated all the same, for nothing changes.
        say(&stage, &carl, &waiting, "claim", &json!({})).await.expect(200);
        say(&stage, &anna, &waiting, "accept", &good).await.expect(200);
        say(&stage, &carl, &waiting, "accept", &json!({ "points": 1 })).await.expect(200);
        let after = say(&stage, &anna, &waiting, "accept", &good).await.expect(200);
        let graders = |answer: &Value| answer["grades"].as_array().unwrap().iter().map(|grade| grade["grader"].clone()).collect::<Vec<_>>();
        assert_eq!(graders(&after), [json!("anna"), json!("carl")]);
        assert_eq!(learner.enrollment().await["confirmed_points"], 1, "the last one counts");

        // A third is not the first one's either.
        say(&stage, &dora, &waiting, "second-opinion", &json!({})).await.expect(200);
        for grader in [&anna, &carl, &dora] {
            say(&stage, grader, &waiting, "accept", &json!({ "points": 3 })).await.problem(409, "own_second_opinion");
        }
        let after = say(&stage, &bert, &waiting, "accept", &json!({ "points": 2.5 })).await.expect(200);
        assert_eq!(graders(&after), [json!("anna"), json!("carl"), json!("bert")]);
        assert_eq!(learner.enrollment().await["confirmed_points"], 2.5);

        // Whatever a program does: the schema takes no second grade of the same grader.
        let id: Uuid = waiting["id"].as_str().unwrap().parse().unwrap();
        let twice = db.write::<_, DbError, _>(move |tx| Box::pin(async move {
            const SQL: &str = "INSERT INTO grade (site_id, open_answer_id, number, grader, score, comment, at) \
                SELECT site_id, open_answer_id, 9, grader, NULL, 'Again.', 1 FROM grade WHERE open_answer_id = $1 AND grader = 'anna'";
            execute!(tx, sqlx::query(SQL).bind(id))
        }));
        assert!(twice.await.unwrap_err().is_unique());
    }

    /// B10, B14: a database from before, in which a grader gave the second opinion, too, and courses name instructors.
    async fn b10_a_database_from_before_goes_forward(db: TestDb) {
        const UNDO: [&str; 5] = [
            "DROP TABLE course_instructor",
            "DROP INDEX grade_once",
            "ALTER TABLE grade DROP COLUMN repeated",
            "INSERT INTO grade (site_id, open_answer_id, number, grader, score, comment, at) \
             SELECT site_id, open_answer_id, 2, grader, 10000, 'Once more.', at + 1 FROM grade WHERE number = 1",
            "DELETE FROM _sqlx_migrations WHERE version = 15",
        ];
        let stage = Stage::set(&db).await;
        let mut course = small();
        course["instructors"] = json!([{ "key": "a", "name": "A" }, { "key": "b", "name": "B", "user_id": "ida" }]);
        publish(&stage, "small", &course).await;
        publish(&stage, "nobodys", &small()).await;
        let gate = items(&stage, "small").await[0][0].clone();
        let learner = Learner::enroll(&stage, "u-1", "small").await;
        submit(&learner, &gate).await;
        let [anna, bert] = ["anna", "bert"].map(|name| member(&stage, name, &["grader"]));
        let waiting = queue(&stage, &anna, "").await.remove(0);
        say(&stage, &anna, &waiting, "accept", &json!({ "points": 2 })).await.expect(200);
        let version = learner.enrollment().await["version"].clone();
        db.write::<_, DbError, _>(|tx| Box::pin(async move {
            for sql in UNDO {
                execute!(tx, sqlx::query(sql))?;
            }
            Ok(())
        })).await.unwrap();

        db.migrate().await.unwrap();
        assert_eq!(learner.enrollment().await["version"], version);
        let kept = say(&stage, &bert, &waiting, "second-opinion", &json!({})).await.expect(200);
        assert_eq!(kept["grades"].as_array().unwrap().len(), 2, "{kept}");
        say(&stage, &anna, &waiting, "accept", &json!({ "points": 1 })).await.problem(409, "own_second_opinion");
        let ida = member(&stage, "ida", &["instructor"]);
        for (slug, status) in [("small", 200), ("nobodys", 403)] {
            let publish = stage.server.post(&format!("{ADMIN}/courses/{slug}/publish")).bearer(&ida);
            assert_eq!(publish.json(&json!({})).send().await.status, status, "{slug}");
        }
    }
}
