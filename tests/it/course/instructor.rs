//! Instructors create courses, and change those they are instructors of, no others (B14); on both databases.

use jalon_tests::{Answer, Stage, for_both};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Learner, items, own_work::submit, small};

const ADMIN: &str = "/api/v1/admin/sites/fpsf";

fn instructor(stage: &Stage, name: &str) -> String {
    stage.member_of(Stage::SITE, json!({ "sub": name, "roles": ["instructor"] }))
}

/// The small course, with these members as its instructors.
fn taught_by(names: &[&str]) -> Value {
    let mut course = small();
    let one = |name: &&str| json!({ "key": name, "name": format!("Prof. {name}"), "user_id": name });
    course["instructors"] = names.iter().map(one).collect();
    course
}

async fn put(stage: &Stage, token: &str, slug: &str, course: &Value) -> Answer {
    stage.server.put(&format!("{ADMIN}/courses/{slug}")).bearer(token).json(course).send().await
}

/// All that can be done to a course which is there.
async fn deeds(stage: &Stage, token: &str, slug: &str) -> Vec<(String, Answer)> {
    let mut course =
        stage.server.get(&format!("{ADMIN}/courses/{slug}")).bearer(&stage.key).send().await.expect(200)["source"]
            .clone();
    course["summary"] = json!({ "fr": format!("Changé {}.", uuid::Uuid::now_v7()) });
    let copy = json!({ "from": { "course": slug, "lesson": "one", "item": "read" },
        "to": { "lesson": "two", "key": format!("k{}", uuid::Uuid::now_v7().simple()) } });
    let mut all = vec![("put".to_owned(), put(stage, token, slug, &course).await)];
    for (what, body) in [
        ("publish", json!({})),
        ("recalculation", json!({ "dry_run": true })),
        ("recalculation", json!({ "dry_run": false })),
        ("copies", copy),
        ("deprecate", json!({})),
        ("publish", json!({})),
    ] {
        let path = format!("{ADMIN}/courses/{slug}/{what}");
        all.push((what.to_owned(), stage.server.post(&path).bearer(token).json(&body).send().await));
    }
    all
}

async fn may(stage: &Stage, token: &str, slug: &str) {
    for (what, answer) in deeds(stage, token, slug).await {
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    }
}

async fn may_not(stage: &Stage, token: &str, slug: &str) {
    let read =
        async || stage.server.get(&format!("{ADMIN}/courses/{slug}")).bearer(&stage.key).send().await.expect(200);
    let before = read().await;
    for (what, answer) in deeds(stage, token, slug).await {
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (403, &json!("forbidden")),
            "{what}: {}",
            answer.text()
        );
    }
    assert_eq!(read().await, before);
}

for_both! {
    async fn b14_an_instructor_creates_courses_and_changes_their_own(db: TestDb) {
        let stage = Stage::set(&db).await;
        let (ida, ingo) = (instructor(&stage, "ida"), instructor(&stage, "ingo"));
        // Who names nobody is the instructor of what they create.
        let made = put(&stage, &ida, "idas", &small()).await.expect(201);
        assert_eq!((&made["instructor_ids"], &made["source"]["instructors"]), (&json!(["ida"]), &Value::Null), "{made}");
        assert_eq!(put(&stage, &ida, "idas", &small()).await.expect(200)["revision"], made["revision"], "the same again makes nothing");
        may(&stage, &ida, "idas").await;
        may_not(&stage, &ingo, "idas").await;
        let own = Learner::with_token(&stage, &ida, "idas").await;
        submit(&own, &items(&stage, "idas").await[0][0]).await;

        // The API says who they are; what names nobody leaves them.
        put(&stage, &stage.key, "shared", &taught_by(&["ida", "ingo"])).await.expect(201);
        may(&stage, &ida, "shared").await;
        may(&stage, &ingo, "shared").await;
        let mut nobody = small();
        nobody["instructors"] = json!([{ "key": "guest", "name": "Somebody from outside" }]);
        let after = put(&stage, &stage.key, "shared", &nobody).await.expect(200);
        assert_eq!(after["instructor_ids"], json!(["ida", "ingo"]));
        may(&stage, &ida, "shared").await;
        // Who names others only, hands over.
        assert_eq!(put(&stage, &ida, "shared", &taught_by(&["ingo"])).await.expect(200)["instructor_ids"], json!(["ingo"]));
        may_not(&stage, &ida, "shared").await;
        may(&stage, &ingo, "shared").await;
        let listed = stage.server.get(&format!("{ADMIN}/courses")).bearer(&ida).send().await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 2, "they may be read");

        // The role is the token's, whatever the course says.
        for role in ["member", "grader", "coach", "academy_director"] {
            let token = stage.member_of(Stage::SITE, json!({ "sub": "ingo", "roles": [role] }));
            may_not(&stage, &token, "shared").await;
        }
        // Who may change all courses needs not be named.
        for role in ["course_manager", "site_admin"] {
            may(&stage, &stage.member_of(Stage::SITE, json!({ "sub": "other", "roles": ["instructor", role] })), "shared").await;
        }
    }

    /// Nobody comes into another's course by writing themselves into it.
    async fn b14_no_instructor_writes_themselves_into_anothers_course(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &[]).await;
        let (ida, ingo) = (instructor(&stage, "ida"), instructor(&stage, "ingo"));
        put(&stage, &ida, "idas", &taught_by(&["ida"])).await.expect(201);
        put(&stage, &stage.key, "nobodys", &small()).await.expect(201);
        for slug in ["idas", "nobodys"] {
            for course in [taught_by(&["ingo"]), taught_by(&["ida", "ingo"]), small()] {
                put(&stage, &ingo, slug, &course).await.problem(403, "forbidden");
                // Neither is it told whether it would be right.
                put(&stage, &ingo, slug, &{ let mut wrong = course; wrong["modules"] = json!([]); wrong }).await.problem(403, "forbidden");
            }
            may_not(&stage, &ingo, slug).await;
        }
        // Not with a foreign token, nor by a name that only looks the same.
        let foreign = stage.member_of("other", json!({ "sub": "ida", "roles": ["instructor"] }));
        assert_eq!(put(&stage, &foreign, "idas", &small()).await.status, 401);
        for name in ["IDA", "ida ", "ıda"] {
            may_not(&stage, &instructor(&stage, name), "idas").await;
        }
        // Two who create the same course: one of them has it.
        let both = futures_util::future::join_all([&ida, &ingo].map(|token| {
            let stage = &stage;
            async move { put(stage, token, "raced", &small()).await.status.as_u16() }
        })).await;
        assert!(both.contains(&201) && both.iter().all(|status| [201, 403, 409].contains(status)), "{both:?}");
        let twice = json!([{ "key": "a", "name": "A", "user_id": "ida" }, { "key": "b", "name": "B", "user_id": "ida" }]);
        let mut course = small();
        course["instructors"] = twice;
        let fault = put(&stage, &ida, "twice", &course).await.problem(422, "validation_failed");
        assert_eq!(fault["errors"][0]["pointer"], "/instructors/1/user_id");
    }

    /// What courses share, tracks, and everything of the site are not an instructor's to change.
    async fn b14_an_instructor_changes_courses_and_nothing_else(db: TestDb) {
        let stage = Stage::set(&db).await;
        let ida = instructor(&stage, "ida");
        let lesson = json!({ "source_lang": "fr", "title": { "fr": "Commune" }, "items": small()["modules"][0]["lessons"][0]["items"] });
        stage.server.put(&format!("{ADMIN}/lessons/common")).bearer(&stage.key).json(&lesson).send().await.expect(201);
        // They may use what is shared in a course of theirs.
        let mut course = small();
        course["modules"][0]["lessons"][0] = json!({ "key": "c", "shared": "common" });
        put(&stage, &ida, "idas", &course).await.expect(201);
        let copy = json!({ "from": { "course": "idas", "lesson": "two", "item": "end" }, "to": {} });
        for (method, path, body) in [
            (Method::PUT, "lessons/common", lesson.clone()),
            (Method::PUT, "lessons/mine", lesson.clone()),
            (Method::POST, "lessons/common/copies", copy),
            (Method::PUT, "banks/mine", json!({})),
            (Method::PUT, "tracks/mine", jalon_tests::small_track()),
            (Method::PATCH, "", json!({ "name": "Mine" })),
            (Method::GET, "keys", json!({})),
            (Method::POST, "keys", json!({ "name": "mine", "scopes": ["courses_write"] })),
            (Method::GET, "open-answers", json!({})),
            (Method::GET, "courses/idas/question-statistics", json!({})),
            (Method::GET, "events", json!({})),
            (Method::POST, "learners/ida/shared-points", json!({})),
        ] {
            let path = format!("{ADMIN}/{path}");
            let request = stage.server.request(method.clone(), path.trim_end_matches('/')).bearer(&ida);
            let request = if method == Method::GET { request } else { request.json(&body) };
            request.send().await.problem(403, "forbidden");
        }
        for path in ["lessons/common", "lessons", "courses/idas", "banks"] {
            stage.server.get(&format!("{ADMIN}/{path}")).bearer(&ida).send().await.expect(200);
        }
        stage.server.post(&format!("{ADMIN}/courses/nothing/publish")).bearer(&ida).json(&json!({})).send().await.problem(404, "not_found");
    }
}
