//! Cohorts, their dashboards and tables, and how questions do, on both databases.

use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Learner, answers, items, publish, small};

const ADMIN: &str = "/api/v1/admin/sites/fpsf";
const MINE: &str = "/api/v1/sites/fpsf/me/cohorts";

fn member(stage: &Stage, name: &str, role: &str, cohorts: &[&str]) -> String {
    stage.member_of(Stage::SITE, json!({ "sub": name, "roles": [role], "cohorts": cohorts }))
}

async fn get(stage: &Stage, path: &str, token: &str) -> Value {
    stage.server.get(path).bearer(token).send().await.expect(200)
}

/// Answers the small course's gate, the choice right or not.
async fn answer(learner: &Learner<'_>, item: &str, right: bool) {
    learner.visit(item).await.expect(200);
    let quiz = learner.item(item).await.expect(200)["quizzes"][0].clone();
    let given = answers(&quiz, |question| {
        if question["kind"] == "open_ended" {
            return json!({ "text": "" });
        }
        let text = if right { "Trois" } else { "Deux" };
        let choice = question["choices"].as_array().unwrap().iter().find(|choice| choice["text"]["value"] == text);
        json!({ "choice_ids": [choice.unwrap()["id"]] })
    });
    learner.answer(item, &quiz, &given).await.expect(200);
}

for_both! {
    /// A coach sees how their cohort does, by its tokens and by the API, and no other one.
    async fn a_coach_sees_their_cohorts_and_no_others(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &small()).await;
        let lessons = items(&stage, "small").await;
        // Two by their tokens, one by the API, one in another cohort; =SUM is somebody's idea of a name.
        for (user, cohort) in [("anna", "north"), ("=SUM(A1)", "north"), ("bert", "south")] {
            let token = member(&stage, user, "member", &[cohort]);
            let learner = Learner::with_token(&stage, &token, "small").await;
            if user == "anna" {
                answer(&learner, &lessons[0][0], true).await;
                learner.visit(&lessons[1][0]).await.expect(200);
            }
        }
        // Anna is in it by both: counted once, and hers to stay when one takes her out.
        let put = json!({ "learners": ["anna", "carl"], "staff": ["coach-by-api"] });
        let path = format!("{ADMIN}/cohorts/north");
        stage.server.put(&path).bearer(&stage.key).json(&put).send().await.expect(200);
        assert_eq!(get(&stage, &path, &stage.key).await, put);
        stage.server.put(&format!("{ADMIN}/cohorts/{}", "x".repeat(101))).bearer(&stage.key).json(&put).send().await.problem(422, "validation_failed");

        for coach in [member(&stage, "coach", "coach", &["north"]), member(&stage, "coach-by-api", "academy_director", &[])] {
            let mine = get(&stage, MINE, &coach).await;
            assert_eq!((mine["items"].as_array().unwrap().len(), &mine["items"][0]["learners"]), (1, &json!(3)), "{mine}");
            let dashboard = get(&stage, &format!("{MINE}/north?lang=en"), &coach).await;
            assert_eq!(dashboard["learners"], 3);
            let of = &dashboard["courses"][0];
            assert_eq!((&of["course"], &of["title"]["value"]), (&json!("small"), &json!("A small course")));
            assert_eq!((&of["enrolled"], &of["started"], &of["in_progress"], &of["completed"]), (&json!(2), &json!(1), &json!(0), &json!(1)), "{of}");
            assert_eq!((&of["mean_score"], &of["awaiting_grading"]), (&json!(25), &json!(0)));
            let first = get(&stage, &format!("{MINE}/north/learners?limit=2"), &coach).await;
            let next = first["next_cursor"].as_str().unwrap();
            let second = get(&stage, &format!("{MINE}/north/learners?limit=2&cursor={next}"), &coach).await;
            let all: Vec<&Value> = [&first, &second].into_iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
            let mut names: Vec<_> = all.iter().map(|learner| learner["user_id"].as_str().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, ["=SUM(A1)", "anna", "carl"]);
            let anna = all.iter().find(|learner| learner["user_id"] == "anna").unwrap();
            assert_eq!((&anna["courses"][0]["status"], &anna["courses"][0]["confirmed_points"]), (&json!("completed"), &json!(1)));
            let table = stage.server.get(&format!("{MINE}/north/learners.csv")).bearer(&coach).send().await;
            assert_eq!(table.header("content-type"), "text/csv; charset=utf-8; header=present");
            let text = table.text();
            assert!(text.contains("\r\nanna,small,completed,2,2,1,0,4,25,") && text.contains("\"'=SUM(A1)\",small,started") && text.contains("carl,,"), "{text}");
            // Another cohort is not theirs to know of.
            for path in ["south", "south/learners", "south/learners.csv", "nowhere"] {
                stage.server.get(&format!("{MINE}/{path}")).bearer(&coach).send().await.problem(404, "not_found");
            }
        }
        stage.server.get(MINE).bearer(&member(&stage, "anna", "member", &["north"])).send().await.problem(403, "forbidden");
        // What no database can be asked for is refused before it is.
        let boss = member(&stage, "boss", "site_admin", &[]);
        for path in [format!("{MINE}/%00"), format!("{MINE}/%00/learners"), format!("{MINE}/%00/learners.csv"), format!("{ADMIN}/cohorts/%00")] {
            stage.server.get(&path).bearer(&boss).send().await.problem(404, "not_found");
        }
        // The cursor is the text `"\u0000"`.
        stage.server.get(&format!("{MINE}/north/learners?cursor=Ilx1MDAwMCI")).bearer(&boss).send().await.problem(400, "invalid_cursor");
        let boss = get(&stage, MINE, &member(&stage, "boss", "course_manager", &[])).await;
        assert_eq!(boss["items"].as_array().unwrap().len(), 2);
        let courses = get(&stage, &format!("{ADMIN}/course-statistics"), &stage.key).await;
        assert_eq!((&courses["items"][0]["enrolled"], &courses["items"][0]["completed"]), (&json!(3), &json!(1)));

        // Who leaves by their token is gone with their next visit; whom the API put there, with its word.
        let moved = member(&stage, "=SUM(A1)", "member", &["south"]);
        Learner::with_token(&stage, &moved, "small").await;
        stage.server.delete(&path).bearer(&stage.key).send().await.expect(204);
        let left = get(&stage, &format!("{MINE}/north"), &member(&stage, "coach", "coach", &["north"])).await;
        assert_eq!((&left["learners"], &left["courses"][0]["enrolled"]), (&json!(1), &json!(1)), "by her token");
        // And who is erased is in none.
        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&member(&stage, "anna", "member", &["north"])).send().await.expect(204);
        let left = get(&stage, &format!("{MINE}/north"), &member(&stage, "coach", "coach", &["north"])).await;
        assert_eq!((&left["learners"], &left["courses"]), (&json!(0), &json!([])));
    }

    /// A director's academy is all their cohorts together, with nobody counted twice; and one learner is shown to who
    /// looks after one of the learner's cohorts, and to the site's own programs.
    async fn a_director_sees_each_learner_once_and_a_coach_only_their_own(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &[]).await;
        publish(&stage, "small", &small()).await;
        let lessons = items(&stage, "small").await;
        for (user, cohorts) in [("anna", &["north", "south"][..]), ("bert", &["south"]), ("carl", &["west"])] {
            let learner = Learner::with_token(&stage, &member(&stage, user, "member", cohorts), "small").await;
            if user == "anna" {
                answer(&learner, &lessons[0][0], true).await;
            }
        }
        let director = member(&stage, "director", "academy_director", &["north"]);
        let put = json!({ "learners": ["anna"], "staff": ["director"] });
        stage.server.put(&format!("{ADMIN}/cohorts/south")).bearer(&stage.key).json(&put).send().await.expect(200);
        let academy = "/api/v1/sites/fpsf/me/academy?lang=en";
        let all = get(&stage, academy, &director).await;
        let of = &all["courses"][0];
        assert_eq!((&all["cohorts"], &all["learners"]), (&json!(["north", "south"]), &json!(2)), "{all}");
        assert_eq!((&of["title"]["value"], &of["enrolled"], &of["started"]), (&json!("A small course"), &json!(2), &json!(1)), "{all}");
        let boss = get(&stage, academy, &member(&stage, "boss", "course_manager", &[])).await;
        assert_eq!((&boss["cohorts"], &boss["learners"]), (&json!(["north", "south", "west"]), &json!(3)));
        let nobody = get(&stage, academy, &member(&stage, "new", "coach", &[])).await;
        assert_eq!((&nobody["cohorts"], &nobody["learners"], &nobody["courses"]), (&json!([]), &json!(0), &json!([])));

        let anna = get(&stage, &format!("{MINE}/north/learners/anna"), &director).await;
        assert_eq!((&anna["user_id"], &anna["courses"][0]["course"], &anna["courses"][0]["confirmed_points"]), (&json!("anna"), &json!("small"), &json!(1)), "{anna}");
        for path in ["north/learners/bert", "west/learners/carl", "west/learners/anna", "north/learners/nobody"] {
            stage.server.get(&format!("{MINE}/{path}")).bearer(&director).send().await.problem(404, "not_found");
        }
        assert_eq!(get(&stage, &format!("{ADMIN}/learners/anna/courses"), &stage.key).await, anna);
        for path in ["fpsf/learners/nobody/courses", "other/learners/anna/courses"] {
            stage.server.get(&format!("/api/v1/admin/sites/{path}")).bearer(&stage.key).send().await.problem(404, "not_found");
        }
    }

    /// What the document promises: 20,000 learners in one cohort, in one request.
    async fn a_cohort_takes_twenty_thousand_learners_and_no_more(db: TestDb) {
        let stage = Stage::set(&db).await;
        let path = format!("{ADMIN}/cohorts/all");
        let of = |count: usize, tail: usize| {
            let names: Vec<String> = (0..count).map(|n| format!("{n:05}-{}", "x".repeat(tail))).collect();
            json!({ "learners": names, "staff": [] })
        };
        let put = async |body: &Value| stage.server.put(&path).bearer(&stage.key).json(body).send().await;
        let most = of(20_000, 249);
        put(&most).await.expect(200);
        assert_eq!(get(&stage, &path, &stage.key).await, most);
        assert_eq!(put(&of(20_001, 10)).await.problem(422, "validation_failed")["errors"][0]["pointer"], "/learners");
        put(&of(30_000, 249)).await.problem(413, "body_too_large");
        let summary = get(&stage, &format!("{ADMIN}/cohorts"), &stage.key).await;
        assert_eq!(summary["items"][0]["learners"], 20_000, "what was refused changed nothing");
        // A body that nobody writes as a whole holds less.
        let large = json!({ "url": "x".repeat(300_000) });
        stage.server.post(&format!("{ADMIN}/webhooks")).bearer(&stage.key).json(&large).send().await.problem(413, "body_too_large");
    }

    async fn an_author_sees_how_often_each_question_is_right_and_what_was_chosen(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &small()).await;
        let lessons = items(&stage, "small").await;
        for right in [true, true, false] {
            let learner = Learner::with_token(&stage, &stage.member(&Uuid::now_v7().to_string()), "small").await;
            answer(&learner, &lessons[0][0], right).await;
            // A second attempt knows the questions: it counts for the learner, not here.
            answer(&learner, &lessons[0][0], true).await;
        }
        Learner::enroll(&stage, "looks-only", "small").await;
        let all = get(&stage, &format!("{ADMIN}/courses/small/question-statistics"), &stage.key).await;
        let (choice, open) = (&all["items"][0], &all["items"][1]);
        assert_eq!((&choice["shown"], &choice["right"], &choice["mean_score"]), (&json!(3), &json!(2), &json!(66.67)), "{all}");
        let times: Vec<_> = choice["choices"].as_array().unwrap().iter().map(|choice| choice["times"].as_u64().unwrap()).collect();
        assert_eq!(times.iter().sum::<u64>(), 3);
        assert_eq!((&open["blank"], &open["mean_score"], &open["discrimination"]), (&json!(3), &json!(0), &Value::Null));
    }
}
