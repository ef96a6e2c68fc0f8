//! A step of a track that is a lesson of a course: the only way in which a guest gets into a course.

use jalon_tests::{Answer, Stage, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Learner, answers, items, publish, small};
use crate::track::{announced, assert_replay_gives_the_rows};

/// The small course with something more in its first lesson, behind the gate. The gate has one question.
fn course() -> Value {
    let mut course = small();
    let lesson = &mut course["modules"][0]["lessons"][0];
    lesson["items"][0]["quizzes"][0]["questions"].as_array_mut().unwrap().truncate(1);
    lesson["items"][0]["quizzes"][0]["pass_mark"] = json!(100);
    let more = json!({ "key": "more", "kind": "content", "title": { "fr": "Encore" }, "body": { "fr": "Bravo." },
        "quizzes": [{ "key": "check", "title": { "fr": "Encore" }, "questions": [
            { "key": "q", "kind": "true_false", "points": 3, "prompt": { "fr": "Vrai ?" }, "right": true }] }] });
    lesson["items"].as_array_mut().unwrap().push(more);
    course
}

/// A track: something to read, the lesson, something to read.
fn track(course: &str, lesson: &str) -> Value {
    let read =
        |key: &str| json!({ "key": key, "kind": "content", "title": { "fr": key }, "body": { "fr": "Bonjour." } });
    json!({
        "track_type": "umpire_l1_prep", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "Vers l'arbitrage" },
        "steps": [read("welcome"),
            { "key": "lesson", "kind": "lesson", "title": { "fr": "La leçon" }, "lesson": { "course": course, "lesson": lesson } },
            read("end")]
    })
}

/// A learner in a track.
struct Walker<'s> {
    stage: &'s Stage,
    token: String,
    path: String,
}

impl<'s> Walker<'s> {
    async fn begin(stage: &'s Stage, token: &str, track: &str) -> Self {
        let enrollment = stage.enroll(token, track).await;
        let path = format!("/api/v1/enrollments/{}", enrollment["id"].as_str().unwrap());
        Self { stage, token: token.to_owned(), path }
    }

    async fn look(&self) -> Value {
        self.stage.server.get(&self.path).bearer(&self.token).send().await.expect(200)
    }

    async fn step(&self, order: u32) -> Answer {
        self.stage.server.get(&format!("{}/steps/{order}", self.path)).bearer(&self.token).send().await
    }

    async fn post(&self, what: &str, key: Uuid) -> Answer {
        let path = format!("{}/steps/{what}", self.path);
        self.stage.server.post(&path).bearer(&self.token).key(key).json(&json!({})).send().await
    }

    async fn advance(&self, order: u32) -> Answer {
        self.post(&format!("{order}/advance"), Uuid::now_v7()).await
    }

    /// Opens the lesson of step 2; answers the learner's way through the course.
    async fn open(&self) -> Learner<'s> {
        let opened = self.post("2/lesson", Uuid::now_v7()).await;
        assert!(opened.status.is_success(), "{}", opened.text());
        Learner::found(self.stage, &self.token, opened.json()["id"].as_str().unwrap())
    }
}

/// Answers the first quiz of an item, right or not.
async fn answer(learner: &Learner<'_>, item: &str, right: bool) -> Value {
    learner.visit(item).await.expect(200);
    let quiz = learner.item(item).await.expect(200)["quizzes"][0].clone();
    let given = answers(&quiz, |question| {
        let choices = question["choices"].as_array().unwrap();
        let wanted = |choice: &&Value| match question["kind"].as_str() {
            Some("true_false") => choice["value"] == json!(right),
            _ => choice["text"]["value"] == if right { "Trois" } else { "Deux" },
        };
        json!({ "choice_ids": [choices.iter().find(wanted).unwrap()["id"]] })
    });
    learner.answer(item, &quiz, &given).await.expect(200)
}

async fn merge(stage: &Stage, member: &str, guest: &str) -> Value {
    let request = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(member).key(Uuid::now_v7());
    request.json(&json!({ "guest_token": guest })).send().await.expect(200)
}

fn courses_announced(announced: &[Value]) -> Vec<(&Value, &Value)> {
    let courses = announced.iter().filter(|message| message["type"] == "coaching.course.completed");
    courses.map(|message| (&message["data"]["user_id"], &message["data"]["merged_from_guest"])).collect()
}

for_both! {
    /// From the track into the lesson, past its gate, back to the track, and over to the member.
    async fn g1_c1_m1_a_guest_does_a_lesson_in_a_track_and_keeps_it_as_a_member(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &course()).await;
        stage.publish("way", &track("small", "one")).await;
        let lessons = items(&stage, "small").await;
        let (read, more, outside) = (&lessons[0][0], &lessons[0][1], &lessons[1][0]);
        let (_, guest) = stage.guest().await;
        let walker = Walker::begin(&stage, &guest, "way").await;

        // The track's gate holds, for the body and for the lesson (G1, G6).
        walker.step(2).await.problem(409, "step_out_of_order");
        walker.post("2/lesson", Uuid::now_v7()).await.problem(409, "step_out_of_order");
        walker.advance(1).await.expect(200);
        let body = walker.step(2).await.expect(200);
        let lesson = &body["lesson"];
        assert_eq!((&lesson["course"], &lesson["version"], &lesson["items"]), (&json!("small"), &json!(1), &json!(2)), "{body}");
        assert_eq!(lesson["title"]["value"], "Une");
        let outline = format!("/api/v1/sites/fpsf/courses/small?version=1&lesson={}", lesson["lesson_id"].as_str().unwrap());
        let outline = stage.server.get(&outline).bearer(&guest).send().await.expect(200);
        assert_eq!((outline["modules"].as_array().unwrap().len(), &outline["modules"][0]["lessons"][0]["items"][1]["id"]), (1, &json!(more)));
        assert_eq!(outline["modules"][0]["lessons"].as_array().unwrap().len(), 1);

        // Not done yet, not even begun.
        let missing = walker.advance(2).await.problem(409, "lesson_incomplete");
        assert_eq!((&missing["course_enrollment_id"], &missing["missing_items"][0]["id"], &missing["missing_items"][0]["title"]), (&Value::Null, &json!(read), &json!("Lire")), "{missing}");
        let key = Uuid::now_v7();
        let opened = walker.post("2/lesson", key).await;
        let again = walker.post("2/lesson", key).await;
        assert_eq!((again.header("idempotent-replay"), again.text()), ("true", opened.text()));
        let opened = opened.expect(201);
        assert_eq!((&opened["lesson_id"], &opened["user_id"], &opened["course"]["slug"]), (&lesson["lesson_id"], &Value::Null, &json!("small")));
        assert_eq!((&opened["open_lessons"][0]["lesson_id"], &opened["open_lessons"][0]["gate"]["item_id"]), (&lesson["lesson_id"], &json!(read)));
        walker.post("2/lesson", Uuid::now_v7()).await.expect(200);

        // The lesson's own gate holds; what is outside of the lesson is not there.
        let learner = Learner::found(&stage, &guest, opened["id"].as_str().unwrap());
        let locked = learner.item(more).await.problem(409, "item_locked");
        assert_eq!(locked["blocking_item"]["id"], read.as_str());
        learner.visit(more).await.problem(409, "item_locked");
        for refused in [learner.item(outside).await, learner.visit(outside).await, learner.report(outside, &json!({ "time_spent_seconds": 1 })).await] {
            refused.problem(404, "not_found");
        }
        answer(&learner, read, false).await;
        walker.advance(2).await.problem(409, "lesson_incomplete");
        learner.report(read, &json!({ "time_spent_seconds": 30, "last_position": 12 })).await.expect(200);
        let passed = answer(&learner, read, true).await;
        assert_eq!(passed["enrollment"]["open_lessons"], json!([{ "lesson_id": lesson["lesson_id"], "gate": null }]), "{passed}");
        answer(&learner, more, false).await;
        let key = Uuid::now_v7();
        let done = walker.post("2/advance", key).await;
        let again = walker.post("2/advance", key).await;
        assert_eq!((again.header("idempotent-replay"), again.text()), ("true", done.text()));
        let done = done.expect(200);
        assert_eq!((&done["enrollment"]["steps"][1]["state"], &done["enrollment"]["steps"][1]["score"]), (&json!("completed"), &json!(25)), "1 of 4 points: {done}");
        // G4: a better score later is taken; the same again changes nothing.
        answer(&learner, more, true).await;
        let better = walker.advance(2).await.expect(200);
        assert_eq!(better["enrollment"]["steps"][1]["score"], 100);
        assert_eq!(walker.advance(2).await.expect(200)["enrollment"]["version"], better["enrollment"]["version"]);
        let ended = walker.advance(3).await.expect(200);
        assert_eq!(ended["enrollment"]["score"], 100, "{ended}");
        // The course was finished on the way, as a guest.
        assert_eq!(courses_announced(&announced(&stage).await), [(&Value::Null, &json!(false))]);

        // They log in: the same work, the same ids, announced for the member.
        let member = stage.member("u-1");
        let receipt = merge(&stage, &member, &guest).await;
        assert_eq!((&receipt["courses"][0]["course"], &receipt["courses"][0]["outcome"], &receipt["courses"][0]["enrollment_id"]), (&json!("small"), &json!("moved"), &json!(learner.id())), "{receipt}");
        assert_eq!((&receipt["courses"][0]["items_from_guest"], &receipt["courses"][0]["completed_by_merge"]), (&json!([read, more]), &json!(true)));
        assert_eq!(merge(&stage, &member, &guest).await, receipt, "M3");
        learner.visit(read).await.problem(409, "guest_merged");
        walker.post("2/lesson", Uuid::now_v7()).await.problem(409, "guest_merged");
        let learner = Learner::found(&stage, &member, learner.id());
        let kept = learner.enrollment().await;
        assert_eq!((&kept["user_id"], &kept["confirmed_points"], &kept["time_spent_seconds"]), (&json!("u-1"), &json!(4), &json!(30)), "{kept}");
        assert_eq!(courses_announced(&announced(&stage).await), [(&Value::Null, &json!(false)), (&json!("u-1"), &json!(true))]);
        learner.visit(outside).await.expect(200);
        let mine = stage.server.get("/api/v1/sites/fpsf/me/courses").bearer(&member).send().await.expect(200);
        assert_eq!(mine["items"][0]["id"], learner.id());
        assert_replay_gives_the_rows(&stage).await;
        replayed(&stage).await;
    }

    /// M2: the guest and the member both began the course; nothing of either is lost, and a grader still finds what
    /// waits.
    async fn m2_a_guests_lesson_and_a_members_course_become_one(db: TestDb) {
        let stage = Stage::set(&db).await;
        let mut with_open = course();
        let open = json!({ "key": "open", "kind": "open_ended", "points": 4, "prompt": { "fr": "Pourquoi ?" } });
        with_open["modules"][0]["lessons"][0]["items"][1]["quizzes"][0]["questions"].as_array_mut().unwrap().push(open);
        publish(&stage, "small", &with_open).await;
        stage.publish("way", &track("small", "one")).await;
        let lessons = items(&stage, "small").await;
        let (read, more, outside) = (&lessons[0][0], &lessons[0][1], &lessons[1][0]);

        // The member tried the gate once, wrongly.
        let member = stage.member("u-1");
        let own = Learner::with_token(&stage, &member, "small").await;
        answer(&own, read, false).await;
        own.report(read, &json!({ "time_spent_seconds": 20, "last_position": 3 })).await.expect(200);
        own.visit(outside).await.problem(409, "item_locked");

        // The guest passes it, and leaves something for a grader.
        let (_, guest) = stage.guest().await;
        let walker = Walker::begin(&stage, &guest, "way").await;
        walker.advance(1).await.expect(200);
        let theirs = walker.open().await;
        answer(&theirs, read, false).await;
        answer(&theirs, read, true).await;
        theirs.report(read, &json!({ "time_spent_seconds": 30 })).await.expect(200);
        theirs.visit(more).await.expect(200);
        let quiz = theirs.item(more).await.expect(200)["quizzes"][0].clone();
        let given = answers(&quiz, |question| match question["kind"].as_str() {
            Some("open_ended") => json!({ "text": "Parce que." }),
            _ => json!({ "choice_ids": [question["choices"].as_array().unwrap().iter().find(|choice| choice["value"] == json!(true)).unwrap()["id"]] }),
        });
        theirs.answer(more, &quiz, &given).await.expect(200);
        let admin = "/api/v1/admin/sites/fpsf/open-answers";
        let queue = stage.server.get(admin).bearer(&stage.key).send().await.expect(200);
        assert_eq!((&queue["items"][0]["user_id"], queue["items"][0]["guest_id"].is_string()), (&Value::Null, true), "{queue}");
        let waiting = queue["items"][0]["id"].as_str().unwrap().to_owned();
        walker.advance(2).await.expect(200);
        walker.advance(3).await.expect(200);

        let receipt = merge(&stage, &member, &guest).await;
        let line = &receipt["courses"][0];
        assert_eq!((&line["outcome"], &line["enrollment_id"], &line["completed_by_merge"]), (&json!("merged"), &json!(own.id()), &json!(true)), "{receipt}");
        assert_eq!(line["items_from_guest"], json!([read, more]));
        assert_eq!(merge(&stage, &member, &guest).await, receipt, "M3");
        let both = own.enrollment().await;
        assert_eq!((&both["confirmed_points"], &both["potential_points"], &both["time_spent_seconds"]), (&json!(4), &json!(4), &json!(50)), "{both}");
        let state = both["items"].as_array().unwrap().iter().find(|item| item["item_id"] == json!(read)).unwrap();
        assert_eq!((&state["quizzes"][0]["attempt_count"], &state["last_position"]), (&json!(3), &json!(3)), "{both}");
        // Finished as a guest, and, once, as the member.
        assert_eq!(courses_announced(&announced(&stage).await), [(&Value::Null, &json!(false)), (&json!("u-1"), &json!(true))]);
        stage.server.get(&theirs.path).bearer(&member).send().await.problem(404, "not_found");
        own.visit(outside).await.expect(200);
        assert_eq!(own.item(more).await.expect(200)["open_answers"][0]["answer"], "Parce que.");
        assert_replay_gives_the_rows(&stage).await;
        assert_eq!(replayed(&stage).await, 1);

        // The grader's word reaches the member, and the track's step takes the better score (G4).
        let grader = stage.member_of(Stage::SITE, json!({ "sub": "g-1", "roles": ["grader"] }));
        stage.server.post(&format!("{admin}/{waiting}/accept")).bearer(&grader).json(&json!({ "points": 4 })).send().await.expect(200);
        assert_eq!(own.enrollment().await["confirmed_points"], 8);
        let walker = Walker { token: member.clone(), ..walker };
        assert_eq!(walker.advance(2).await.expect(200)["enrollment"]["steps"][1]["score"], 100);
        replayed(&stage).await;
    }

    /// What a guest answered right in a shared lesson counts in the member's other courses, from the next visit.
    async fn m2_right_answers_of_a_guest_in_a_shared_lesson_are_the_members(db: TestDb) {
        let stage = Stage::set(&db).await;
        let mut lesson = course()["modules"][0]["lessons"][0].clone();
        lesson.as_object_mut().unwrap().remove("key");
        lesson["source_lang"] = json!("fr");
        stage.server.put("/api/v1/admin/sites/fpsf/lessons/welcome").bearer(&stage.key).json(&lesson).send().await.expect(201);
        let mut sharing = course();
        sharing["modules"][0]["lessons"][0] = json!({ "key": "hello", "shared": "welcome" });
        publish(&stage, "one", &sharing).await;
        publish(&stage, "two", &sharing).await;
        stage.publish("way", &track("one", "hello")).await;
        let lessons = items(&stage, "two").await;
        let (_, guest) = stage.guest().await;
        let walker = Walker::begin(&stage, &guest, "way").await;
        walker.advance(1).await.expect(200);
        let theirs = walker.open().await;
        answer(&theirs, &lessons[0][0], true).await;
        let member = stage.member("u-1");
        let other = Learner::with_token(&stage, &member, "two").await;
        assert_eq!(other.visit(&lessons[0][0]).await.expect(200)["confirmed_points"], 0);
        merge(&stage, &member, &guest).await;
        assert_eq!(other.visit(&lessons[0][0]).await.expect(200)["confirmed_points"], 1);
    }

    /// An author hears what is wrong with a lesson that a step names, and where.
    async fn a_lesson_that_is_not_there_is_told_with_its_pointer(db: TestDb) {
        let stage = Stage::set(&db).await;
        let put = async |track: &Value| stage.server.put("/api/v1/admin/sites/fpsf/tracks/way").bearer(&stage.key).json(track).send().await;
        let refused = async |track: &Value, pointer: &str, code: &str| {
            let problem = put(track).await.problem(422, "validation_failed");
            assert_eq!((&problem["errors"][0]["pointer"], &problem["errors"][0]["code"]), (&json!(pointer), &json!(code)), "{problem}");
        };
        refused(&track("small", "one"), "/steps/1/lesson/course", "unknown_course").await;
        stage.server.put("/api/v1/admin/sites/fpsf/courses/small").bearer(&stage.key).json(&course()).send().await.expect(201);
        refused(&track("small", "one"), "/steps/1/lesson/course", "course_not_published").await;
        publish(&stage, "small", &course()).await;
        refused(&track("small", "three"), "/steps/1/lesson/lesson", "unknown_lesson").await;
        let mut marked = track("small", "two");
        marked["steps"][1]["pass_mark"] = json!(50);
        refused(&marked, "/steps/1/pass_mark", "no_points").await;
        let mut bare = track("small", "one");
        bare["steps"][1].as_object_mut().unwrap().remove("lesson");
        refused(&bare, "/steps/1/lesson", "missing_field").await;
        let mut exam = track("small", "one");
        exam["steps"][1]["kind"] = json!("exam");
        refused(&exam, "/steps/1/kind", "unsupported_step_kind").await;
        put(&track("small", "one")).await.expect(201);
        // The same words make no version, also after the course has a new one; what it reads back is what was written.
        let mut newer = course();
        newer["title"]["fr"] = json!("Un autre");
        publish(&stage, "small", &newer).await;
        let again = put(&track("small", "one")).await.expect(200);
        assert_eq!((&again["latest_version"], &again["source"]["steps"][1]["lesson"]), (&json!(1), &json!({ "course": "small", "lesson": "one" })));
    }

    /// G3, E1, E2: a mark that is not reached, a page that may not show it, somebody else's enrollment.
    async fn g3_e1_a_lesson_step_keeps_the_tracks_rules(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &course()).await;
        let mut marked = track("small", "one");
        marked["steps"][1]["pass_mark"] = json!(80);
        stage.publish("way", &marked).await;
        let lessons = items(&stage, "small").await;
        let (_, guest) = stage.guest().await;
        let walker = Walker::begin(&stage, &guest, "way").await;
        walker.advance(1).await.expect(200);
        let learner = walker.open().await;
        answer(&learner, &lessons[0][0], true).await;
        answer(&learner, &lessons[0][1], false).await;
        let below = walker.advance(2).await.expect(200);
        assert_eq!((&below["enrollment"]["steps"][1]["state"], &below["enrollment"]["steps"][1]["score"]), (&json!("in_progress"), &json!(25)), "{below}");
        walker.advance(3).await.problem(409, "step_out_of_order");
        answer(&learner, &lessons[0][1], true).await;
        assert_eq!(walker.advance(2).await.expect(200)["enrollment"]["steps"][1]["state"], "completed");
        walker.post("1/lesson", Uuid::now_v7()).await.problem(404, "not_found");

        // Somebody else's is not there; and no guest gets into a course by another door.
        let (_, other) = stage.guest().await;
        let thief = Learner::found(&stage, &other, learner.id());
        for refused in [thief.item(&lessons[0][0]).await, thief.visit(&lessons[0][0]).await] {
            refused.problem(404, "not_found");
        }
        stage.server.get(&learner.path).bearer(&other).send().await.problem(404, "not_found");
        stage.server.post("/api/v1/sites/fpsf/courses/small/enrollments").bearer(&other).json(&json!({})).send().await.problem(403, "forbidden");

        // E1: switched off, a page of the site shows it no more; what is done is still taken.
        let patch = json!({ "cms_block_enabled": false });
        stage.server.patch("/api/v1/admin/sites/fpsf/tracks/way").bearer(&stage.key).json(&patch).send().await.expect(200);
        let item = format!("{}/items/{}", learner.path, lessons[0][0]);
        stage.server.get(&item).bearer(&guest).header("origin", Stage::ORIGIN).send().await.problem(403, "cms_block_disabled");
        let open = format!("{}/steps/2/lesson", walker.path);
        stage.server.post(&open).bearer(&guest).header("origin", Stage::ORIGIN).json(&json!({})).send().await.problem(403, "cms_block_disabled");
        stage.server.patch(&item).bearer(&guest).header("origin", Stage::ORIGIN).json(&json!({ "time_spent_seconds": 5 })).send().await.expect(200);
        assert_eq!(walker.look().await["steps"][1]["state"], "completed");
    }

    /// A member's own way through the course counts; one from before the lesson comes along to the version that has it.
    async fn c4_a_member_keeps_what_they_have_when_a_track_opens_a_newer_lesson(db: TestDb) {
        let stage = Stage::set(&db).await;
        let mut old = course();
        old["modules"][0]["lessons"].as_array_mut().unwrap().remove(0);
        publish(&stage, "small", &old).await;
        let member = stage.member("u-1");
        let before = Learner::with_token(&stage, &member, "small").await;
        let end = items(&stage, "small").await[0][0].clone();
        before.visit(&end).await.expect(200);
        assert!(before.enrollment().await["completed_at"].is_string());
        publish(&stage, "small", &course()).await;
        stage.publish("way", &track("small", "one")).await;
        let lessons = items(&stage, "small").await;
        let walker = Walker::begin(&stage, &member, "way").await;
        walker.advance(1).await.expect(200);
        assert_eq!(walker.step(2).await.expect(200)["lesson"]["version"], 2);
        let learner = walker.open().await;
        assert_eq!(learner.id(), before.id());
        let now = learner.enrollment().await;
        assert_eq!((&now["course"]["version"], now["completed_at"].is_string()), (&json!(2), true), "{now}");
        answer(&learner, &lessons[0][0], true).await;
        answer(&learner, &lessons[0][1], true).await;
        assert_eq!(walker.advance(2).await.expect(200)["enrollment"]["steps"][1]["score"], 100);
        replayed(&stage).await;

        // Nor is anybody stuck when the course loses the lesson: who begins now has it in the version that had it.
        let mut newer = old.clone();
        newer["title"]["fr"] = json!("Sans la leçon");
        publish(&stage, "small", &newer).await;
        let (_, guest) = stage.guest().await;
        let walker = Walker::begin(&stage, &guest, "way").await;
        walker.advance(1).await.expect(200);
        let learner = walker.open().await;
        assert_eq!(learner.enrollment().await["course"]["version"], 2);
        answer(&learner, &lessons[0][0], true).await;
    }
}

/// V1: for every enrollment in a course, the replay of its events is its rows.
pub async fn replayed(stage: &Stage) -> usize {
    use jalon_backend::{
        course::store,
        db::{DbError, on},
    };
    use jalon_shared::{EnrollmentId, SiteId, course};
    const SQL: &str = "SELECT payload FROM event WHERE subject_id = $1 ORDER BY seq";
    let read = stage.server.app().db.read(|tx| {
        Box::pin(async move {
            let ids: Vec<(Uuid, Uuid)> =
                on!(tx, conn => sqlx::query_as("SELECT site_id, id FROM course_enrollment").fetch_all(conn).await)?;
            for (site, id) in &ids {
                let (site, id) = (SiteId(*site), EnrollmentId(*id));
                let mut row = store::enrollment(tx, site, id).await?.unwrap();
                row.progress.items = store::items(tx, site, id, None).await?;
                let payloads: Vec<String> = on!(tx, conn => sqlx::query_scalar(SQL).bind(id.0).fetch_all(conn).await)?;
                let events: Vec<course::CourseEvent> =
                    payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect();
                assert_eq!(events.len() as u64, row.version, "V1: the version counts the events");
                assert_eq!(course::replay(&events), Some(row), "V1");
            }
            Ok::<_, DbError>(ids.len())
        })
    });
    read.await.unwrap()
}
