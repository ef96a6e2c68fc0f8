//! Erasure erases: no table, no log and no file holds the name, the ids, the address or an answer.

use std::time::{Duration, Instant};

use jalon_backend::db::DbAddress;
use jalon_tests::{Stage, TestDb, for_both, small_track};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{contents::contents, log};
use crate::course::own_work::{queue, say, submit};
use crate::track::{Learner, assert_replay_gives_the_rows};
use crate::webhook::{Receiver, Says};

const NAME: &str = "Zénobie Oublideux";
const EMAIL: &str = "zenobie@oublideux.example";
/// What the learner types in a quiz.
const TYPED: &str = "ornithorynque-mauve";

/// What must not be found, in the forms in which it could be.
#[derive(Debug)]
struct Traces(Vec<String>);

impl Traces {
    fn of(user: &str, ids: &[&str]) -> Self {
        let mut all: Vec<String> = [user, NAME, "oublideux", EMAIL, TYPED].map(str::to_lowercase).to_vec();
        for id in ids {
            let id: Uuid = id.parse().unwrap();
            all.extend([id.to_string(), id.simple().to_string()]);
        }
        Self(all)
    }

    fn in_text(&self, text: &str) -> Vec<&str> {
        let text = text.to_lowercase();
        self.0.iter().filter(|trace| text.contains(trace.as_str())).map(String::as_str).collect()
    }

    /// Tables and columns that still hold something.
    async fn in_tables(&self, db: &TestDb) -> Vec<String> {
        let mut found = Vec::new();
        for (table, rows) in contents(db).await {
            for row in rows {
                for (column, value) in row.as_object().unwrap() {
                    // PostgreSQL writes a hyphenated id, bytes and JSON in their own ways; so does SQLite.
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    found.extend(self.in_text(&value).into_iter().map(|trace| format!("{table}.{column}: {trace}")));
                }
            }
        }
        found
    }

    /// Files of an SQLite database that still hold something, be it in a page that nobody reads.
    fn in_files(&self, db: &TestDb) -> Vec<String> {
        let DbAddress::Sqlite(path) = &db.config().address else { return Vec::new() };
        let mut found = Vec::new();
        for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            let file = file.unwrap().path();
            let Ok(bytes) = std::fs::read(&file) else { continue };
            // Every byte as one character, so that bytes are found like text.
            let as_text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
            let held = as_text(&bytes);
            for trace in &self.0 {
                let raw = trace.parse::<Uuid>().is_ok_and(|id| held.contains(&as_text(id.as_bytes())));
                if raw || held.contains(&as_text(trace.as_bytes())) {
                    found.push(format!("{}: {trace}", file.display()));
                }
            }
        }
        found
    }
}

/// A quiz in which something is typed, beside the small track's own.
fn track() -> Value {
    let mut track = small_track();
    track["steps"][1]["pass_mark"] = json!(null);
    track["steps"][1]["quiz"]["questions"] = json!([{ "key": "typed", "kind": "short_text", "points": 1,
        "prompt": { "fr": "Quoi ?" }, "accept": { "fr": ["cochonnet"] } }]);
    track
}

/// A learner's whole way, with something typed in it.
async fn take(stage: &Stage, token: &str, slug: &str, finish: bool) -> String {
    let learner = Learner::begin(stage, token, slug).await;
    learner.report(1, json!({ "time_spent_seconds": 12 })).await.expect(200);
    let key = Uuid::now_v7();
    learner.advance_with(1, key, &json!({})).await.expect(200);
    learner.advance_with(1, key, &json!({})).await.expect(200);
    let quiz = learner.step(2).await.expect(200);
    let answers = json!({ "answers": [{ "question_id": quiz["quiz"]["questions"][0]["id"], "text": TYPED }] });
    learner.advance(2, answers).await.expect(200);
    // Refused: what it says must not stand in the log.
    learner.advance(2, json!({ "answers": [{ "question_id": "x", "text": TYPED }] })).await;
    if finish {
        learner.advance(4, json!({})).await.expect(200);
    }
    learner.id().to_owned()
}

/// A track that is a lesson of the small course.
pub(crate) fn lesson_track(lesson: &str) -> Value {
    json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "La leçon" },
        "steps": [{ "key": "a", "kind": "lesson", "title": { "fr": "La leçon" }, "lesson": { "course": "small", "lesson": lesson } }] })
}

/// Opens that lesson as a guest; answers the enrollment in the track, and the guest in the course.
pub(crate) async fn open_lesson<'s>(stage: &'s Stage, token: &str) -> (String, crate::course::Learner<'s>) {
    let learner = Learner::begin(stage, token, "way").await;
    let open = format!("/api/v1/enrollments/{}/steps/1/lesson", learner.id());
    let opened = stage.server.post(&open).bearer(token).key(Uuid::now_v7()).json(&json!({})).send().await.expect(201);
    (learner.id().to_owned(), crate::course::Learner::found(stage, token, opened["id"].as_str().unwrap()))
}

/// Does it; answers what there is to find of it.
async fn do_lesson(stage: &Stage, token: &str) -> [String; 2] {
    let (enrollment, way) = open_lesson(stage, token).await;
    answer_lesson(stage, &way).await;
    [enrollment, way.id().to_owned()]
}

/// Types something into the small course's quiz, where no grader is waited for already.
async fn answer_lesson(stage: &Stage, way: &crate::course::Learner<'_>) {
    let lessons = crate::course::items(stage, "small").await;
    let item = &lessons[0][0];
    way.visit(item).await.expect(200);
    let quiz = way.item(item).await.expect(200)["quizzes"][0].clone();
    let answers = crate::course::answers(&quiz, |question| match question["kind"].as_str() {
        Some("open_ended") => json!({ "text": TYPED }),
        _ => json!({ "choice_ids": [question["choices"][0]["id"]] }),
    });
    let answered = way.answer(item, &quiz, &answers).await;
    assert!(answered.status == 200 || answered.json()["code"] == "awaiting_grading", "{}", answered.text());
}

/// Everything that leaves something behind. Answers the traces, and tokens to try again with.
async fn leave_traces(stage: &Stage, user: &str, hook: &str) -> (Traces, String, String) {
    for slug in ["first", "second", "third"] {
        stage.publish(slug, &track()).await;
    }
    crate::course::publish(stage, "small", &crate::course::small()).await;
    stage.publish("way", &lesson_track("one")).await;
    let hooks = json!({ "url": hook, "event_types": [] });
    stage.server.post("/api/v1/admin/sites/fpsf/webhooks").bearer(&stage.key).json(&hooks).send().await.expect(201);
    let claims =
        json!({ "sub": user, "name": NAME, "email": EMAIL, "roles": ["site_admin"], "cohorts": ["Oublideux"] });
    let member = stage.member_of(Stage::SITE, claims);

    // As two guests: one whose finished enrollment moves, one whose goes into the member's own.
    let (one, one_token) = stage.guest().await;
    let mut ids = vec![one.clone()];
    ids.push(take(stage, &one_token, "first", true).await);
    ids.extend(do_lesson(stage, &one_token).await);
    let (two, two_token) = stage.guest().await;
    ids.push(two.clone());
    ids.push(take(stage, &two_token, "second", true).await);
    ids.extend(do_lesson(stage, &two_token).await);
    ids.push(take(stage, &member, "second", false).await);
    ids.push(take(stage, &member, "third", true).await);
    for guest in [&one_token, &two_token] {
        let key = Uuid::now_v7();
        for _ in 0..2 {
            let request = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).key(key);
            request.json(&json!({ "guest_token": guest })).send().await.expect(200);
        }
    }
    // In a course, with something typed that waits for a grader; a second one shares a lesson with it.
    let way = crate::course::Learner::with_token(stage, &member, "small").await;
    answer_lesson(stage, &way).await;
    ids.push(way.id().to_owned());
    // As staff: an author, who looks at things too.
    stage.server.put("/api/v1/admin/sites/fpsf/tracks/fourth").bearer(&member).json(&track()).send().await.expect(201);
    for path in ["sites/fpsf/me/export", "sites/fpsf/me/enrollments", "admin/sites/fpsf/events?limit=100"] {
        stage.server.get(&format!("/api/v1/{path}")).bearer(&member).send().await.expect(200);
    }
    ids.extend(judge_others(stage, user, &member).await);
    let said = stage.server.put(&format!("{}/evaluation", way.path)).bearer(&member);
    said.json(&json!({ "rating": 2, "comment": TYPED })).send().await.expect(200);
    // What must be refused, and must not be logged with what it said.
    stage
        .server
        .post("/api/v1/sites/fpsf/me/merge")
        .bearer(&stage.member("v"))
        .json(&json!({ "guest_token": one_token }))
        .send()
        .await
        .problem(409, "guest_already_merged");
    stage.server.get(&format!("/api/v1/enrollments/{user}/steps/1?name=Oublideux")).bearer(&member).send().await;
    stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&json!({ TYPED: NAME })).send().await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    (Traces::of(user, &ids), member, one_token)
}

/// Everything by which staff are named in other people's work: grades of guests' answers before a merge, a second
/// opinion given and one asked for, a claim, a sync, a recalculation, a cohort, the instructors of a course.
/// Answers ids of their own that it leaves.
async fn judge_others(stage: &Stage, user: &str, member: &str) -> Vec<String> {
    const ADMIN: &str = "/api/v1/admin/sites/fpsf";
    let put = async |path: &str, body: &Value| {
        let put = stage.server.put(&format!("{ADMIN}/{path}")).bearer(&stage.key).json(body).send().await;
        assert!(put.status.is_success(), "{path}: {}", put.text());
    };
    let bert = stage.member_of(Stage::SITE, json!({ "sub": "bert", "roles": ["grader"] }));
    let gate = crate::course::items(stage, "small").await[0][0].clone();
    let waiting = async |learner: &str| {
        let all = queue(stage, &stage.key, "?course=small").await;
        all.into_iter().find(|answer| answer["user_id"] == learner || answer["guest_id"] == learner).unwrap()
    };
    let good = json!({ "points": 1, "comment": "Bien." });
    // Two guests, graded before they log in: one whose enrollment moves, one whose goes into the member's own; and
    // one of whom another opinion is asked.
    for (number, pupil) in ["pupil-moved", "pupil-merged", "pupil-asked"].into_iter().enumerate() {
        let (guest, token) = stage.guest().await;
        let (_, way) = open_lesson(stage, &token).await;
        submit(&way, &gate).await;
        let answer = waiting(&guest).await;
        if number == 2 {
            say(stage, &bert, &answer, "accept", &good).await.expect(200);
            say(stage, member, &answer, "second-opinion", &json!({})).await.expect(200);
        } else {
            say(stage, member, &answer, "claim", &json!({})).await.expect(200);
            say(stage, member, &answer, "accept", &good).await.expect(200);
        }
        if number > 0 {
            crate::course::Learner::enroll(stage, pupil, "small").await;
        }
        let merge = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&stage.member(pupil));
        merge.json(&json!({ "guest_token": token })).send().await.expect(200);
    }
    for pupil in ["pupil-claimed", "pupil-second"] {
        submit(&crate::course::Learner::enroll(stage, pupil, "small").await, &gate).await;
    }
    say(stage, member, &waiting("pupil-claimed").await, "claim", &json!({})).await.expect(200);
    let answer = waiting("pupil-second").await;
    say(stage, &bert, &answer, "accept", &good).await.expect(200);
    say(stage, &bert, &answer, "second-opinion", &json!({})).await.expect(200);
    say(stage, member, &answer, "reject", &json!({ "reason": "Non." })).await.expect(200);

    // Points that are shared: staff bring them to a pupil, and others to them.
    let question = json!({ "key": "q", "kind": "single_choice", "points": 1, "prompt": { "fr": "Oui ?" },
        "choices": [{ "key": "a", "text": { "fr": "Oui" }, "right": true }, { "key": "b", "text": { "fr": "Non" } }] });
    let item = json!({ "key": "i", "kind": "content", "title": { "fr": "Lire" }, "body": { "fr": "Bonjour." },
        "quizzes": [{ "key": "z", "title": { "fr": "Questions" }, "questions": [question] }] });
    put("lessons/common", &json!({ "source_lang": "fr", "title": { "fr": "Commune" }, "items": [item] })).await;
    let mut course = crate::course::small();
    course["modules"][0]["lessons"][0] = json!({ "key": "c", "shared": "common" });
    course["instructors"] = json!([{ "key": "prof", "name": "Prof.", "user_id": user }]);
    let mut own = Vec::new();
    for slug in ["shared-one", "shared-two"] {
        crate::course::publish(stage, slug, &course).await;
    }
    course["summary"] = json!({ "fr": "Une autre version." });
    crate::course::publish(stage, "shared-two", &course).await;
    let common = crate::course::items(stage, "shared-one").await[0][0].clone();
    let learners =
        [(stage.member("pupil-synced"), member, "pupil-synced"), (member.to_owned(), stage.key.as_str(), user)];
    for (token, by, name) in &learners {
        let one = crate::course::Learner::with_token(stage, token, "shared-one").await;
        let two = crate::course::Learner::with_token(stage, token, "shared-two").await;
        one.visit(&common).await.expect(200);
        let quiz = one.item(&common).await.expect(200)["quizzes"][0].clone();
        let right = crate::course::answers(&quiz, |question| {
            let choices = question["choices"].as_array().unwrap();
            json!({ "choice_ids": [choices.iter().find(|choice| choice["text"]["value"] == "Oui").unwrap()["id"]] })
        });
        one.answer(&common, &quiz, &right).await.expect(200);
        let name = name.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let sync = stage.server.post(&format!("{ADMIN}/learners/{name}/shared-points")).bearer(by);
        let report = sync.json(&json!({})).send().await.expect(200);
        assert_eq!(report["items"].as_array().unwrap().len(), 1, "{report}");
        if *token == member {
            own.extend([one.id().to_owned(), two.id().to_owned()]);
        }
    }
    put("cohorts/north", &json!({ "learners": [user], "staff": [user] })).await;
    let mut small = crate::course::small();
    small["summary"] = json!({ "fr": "Les bases, encore." });
    crate::course::publish(stage, "small", &small).await;
    let recalculate = stage.server.post(&format!("{ADMIN}/courses/small/recalculation")).bearer(member);
    recalculate.json(&json!({ "dry_run": false })).send().await.expect(200);
    own
}

/// Waits until the receiver was told of the guests' and the member's completions.
async fn told(receiver: &mut Receiver, count: usize) {
    let mut calls = Vec::new();
    while calls.len() < count {
        calls.push(receiver.call().await.id());
        calls.sort_unstable();
        calls.dedup();
    }
}

/// Waits until all that the story leaves behind is there: an attempt is written down after its receiver
/// has heard of it.
async fn story_is_written(traces: &Traces, db: &TestDb) {
    const TABLES: [&str; 16] = [
        "cohort_member",
        "course_enrollment",
        "course_evaluation",
        "course_instructor",
        "course_version",
        "enrollment",
        "event",
        "grade",
        "guest",
        "idempotency",
        "item_progress",
        "open_answer",
        "quiz_attempt",
        "shared_answer",
        "webhook_attempt",
        "webhook_message",
    ];
    let begun = Instant::now();
    loop {
        let found = traces.in_tables(db).await;
        let missing = TABLES.iter().find(|table| !found.iter().any(|place| place.starts_with(**table)));
        let Some(table) = missing else {
            assert!(found.len() > 30, "the scan finds what is there: {found:?}");
            return;
        };
        assert!(begun.elapsed() < Duration::from_mins(1), "the story leaves nothing in {table}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn files_are_clean(traces: &Traces, db: &TestDb) {
    let begun = Instant::now();
    loop {
        let found = traces.in_files(db);
        if found.is_empty() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "still in the files: {found:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

for_both! {
    /// Excepted is nothing but numbers: how many began and finished, in the metrics of a running server.
    /// (Credentials, which outlive an erasure by their nature, are not there yet.)
    async fn p8_a_member_who_erases_themselves_is_nowhere(db: TestDb) {
        log::catch();
        // It refuses, and says back all it was told: that stands in the attempts.
        let mut receiver = Receiver::start(Says::Echo(503)).await;
        let stage = Stage::set(&db).await;
        let other = stage.member("somebody-else");
        let user = format!("user-{}", Uuid::now_v7().simple());
        let (traces, member, guest) = leave_traces(&stage, &user, &receiver.url()).await;
        Learner::begin(&stage, &other, "first").await.advance(1, json!({})).await.expect(200);
        told(&mut receiver, 5).await;
        story_is_written(&traces, &db).await;

        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&member).send().await.expect(204);
        assert_eq!(traces.in_tables(&db).await, Vec::<String>::new());
        files_are_clean(&traces, &db).await;
        // A token from before finds nothing, and makes nothing by looking.
        let export = stage.server.get("/api/v1/sites/fpsf/me/export").bearer(&member).send().await.expect(200);
        for of in ["enrollments", "course_enrollments", "events", "merged_guests"] {
            assert_eq!(export[of], json!([]), "{of}");
        }
        stage.server.get("/api/v1/sites/fpsf/me/enrollments").bearer(&guest).send().await;
        assert_eq!(traces.in_tables(&db).await, Vec::<String>::new());
        // Another's work is untouched.
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 4);
        let graded = queue(&stage, &stage.key, "?all=true&course=small").await;
        assert_eq!(graded.len(), 5);
        let grades = graded.iter().flat_map(|answer| answer["grades"].as_array().unwrap().clone());
        let nobodys = grades.filter(|grade| grade["grader"].is_null()).count();
        assert_eq!(nobodys, 3, "the grades are the learners', and stay: {graded:?}");
        stage.server.stop().await;

        let lines = log::caught();
        assert!(lines.contains("/me/merge") && lines.contains("guest_already_merged"), "the log is caught: {lines}");
        let traced: Vec<_> = lines.lines().filter(|line| !traces.in_text(line).is_empty()).collect();
        assert!(traced.is_empty(), "{traced:#?}");
    }

    /// From system to system, by a key that may; the audit trail says that, not whom.
    async fn p8_a_member_is_erased_by_the_sites_own_system(db: TestDb) {
        let mut receiver = Receiver::start(Says::Echo(200)).await;
        let stage = Stage::set(&db).await;
        // An id needs not look like one.
        let user = format!("ou/bli eux+{}@é.example", Uuid::now_v7().simple());
        let (traces, ..) = leave_traces(&stage, &user, &receiver.url()).await;
        told(&mut receiver, 5).await;
        let key = |scope: &str| json!({ "name": scope, "scopes": [scope] });
        let keys = "/api/v1/admin/sites/fpsf/keys";
        let make = async |scope: &str| stage.server.post(keys).bearer(&stage.key).json(&key(scope)).send().await.expect(201);
        let (may, may_not) = (make("learners_write").await, make("events_read").await);
        let (may_key, may_not) = (may["key"].as_str().unwrap(), may_not["key"].as_str().unwrap());
        let encoded = user.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let path = format!("/api/v1/admin/sites/fpsf/learners/{encoded}");

        stage.server.delete(&path).bearer(may_not).send().await.problem(403, "forbidden");
        let export = stage.server.get(&format!("{path}/export")).bearer(may_key).send().await.expect(200);
        assert_eq!((export["user_id"].as_str(), export["enrollments"].as_array().unwrap().len()), (Some(user.as_str()), 4));
        assert_eq!(export["merged_guests"].as_array().unwrap().len(), 2);
        assert_eq!(export["course_enrollments"][0]["items"][0]["quizzes"][0]["potential_points"], 3, "{export}");
        stage.server.get(&format!("{path}/export")).bearer(may_not).send().await.problem(403, "forbidden");

        stage.server.delete(&path).bearer(may_key).send().await.expect(204);
        stage.server.delete(&path).bearer(may_key).send().await.expect(204);
        assert_eq!(traces.in_tables(&db).await, Vec::<String>::new());
        files_are_clean(&traces, &db).await;
        let trail = stage.server.get("/api/v1/admin/sites/fpsf/events?limit=100").bearer(may_not).send().await.expect(200);
        let erased: Vec<&Value> = trail["items"].as_array().unwrap().iter().filter(|event| event["type"] == "learner.erased").collect();
        assert_eq!(erased.len(), 2);
        assert_eq!((&erased[0]["payload"]["key_id"], &erased[0]["user_id"]), (&may["id"], &Value::Null));
    }

    /// The learner goes, of whom graders spoke while they were two guests: so do the graders' names in what they said.
    async fn p8_b12_what_graders_said_of_a_merged_guest_goes_with_the_learner(db: TestDb) {
        let stage = Stage::set(&db).await;
        crate::course::publish(&stage, "small", &crate::course::small()).await;
        stage.publish("way", &lesson_track("one")).await;
        let gate = crate::course::items(&stage, "small").await[0][0].clone();
        let names = ["grader-of-a-guest", "claimer-of-a-guest", "asker-of-a-guest", "grader-of-a-member"];
        let [first, claimer, asker, last] = names.map(|name| stage.member_of(Stage::SITE, json!({ "sub": name, "roles": ["grader"] })));
        let mut ids = Vec::new();
        let pupil = stage.member("the-pupil");
        let own = crate::course::Learner::with_token(&stage, &pupil, "small").await;
        ids.push(own.id().to_owned());
        let good = json!({ "points": 1, "comment": "Bien." });
        for number in 0..2 {
            let (guest, token) = stage.guest().await;
            let (enrollment, way) = open_lesson(&stage, &token).await;
            submit(&way, &gate).await;
            let answer = queue(&stage, &stage.key, "").await.into_iter().find(|answer| answer["guest_id"] == guest.as_str()).unwrap();
            say(&stage, &first, &answer, "accept", &good).await.expect(200);
            say(&stage, &asker, &answer, "second-opinion", &json!({})).await.expect(200);
            if number == 0 {
                say(&stage, &claimer, &answer, "claim", &json!({})).await.expect(200);
            } else {
                say(&stage, &last, &answer, "accept", &good).await.expect(200);
            }
            ids.extend([guest, enrollment, way.id().to_owned()]);
            let merge = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&pupil);
            merge.json(&json!({ "guest_token": token })).send().await.expect(200);
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut traces = Traces::of("the-pupil", &ids);
        traces.0.extend(names.map(str::to_owned));
        let there = traces.in_tables(&db).await;
        assert!(names.iter().all(|name| there.iter().any(|place| place.ends_with(name))), "{there:?}");
        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&pupil).send().await.expect(204);
        assert_eq!(traces.in_tables(&db).await, Vec::<String>::new());
    }

    async fn p8_who_of_the_staff_erased_somebody_goes_with_their_own_erasure(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let clerk = stage.member_of(Stage::SITE, json!({ "sub": "clerk-4711", "roles": ["site_admin"] }));
        stage.enroll(&stage.member("u-1"), "first").await;
        stage.server.delete("/api/v1/admin/sites/fpsf/learners/u-1").bearer(&clerk).send().await.expect(204);
        let traces = Traces(vec!["clerk-4711".to_owned()]);
        assert!(!traces.in_tables(&db).await.is_empty(), "the audit trail says who erased");
        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&clerk).send().await.expect(204);
        assert_eq!(traces.in_tables(&db).await, Vec::<String>::new());
    }

    async fn p8_a_guest_is_erased_by_the_sites_own_system(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &track()).await;
        let (id, token) = stage.guest().await;
        let enrollment = take(&stage, &token, "first", true).await;
        let traces = Traces::of("nobody-of-this-name", &[&id, &enrollment]);
        assert!(!traces.in_tables(&db).await.is_empty());
        let path = format!("/api/v1/admin/sites/fpsf/guests/{id}");
        stage.server.post(&format!("{path}/revoke")).bearer(&stage.key).send().await.expect(204);
        stage.server.delete(&path).bearer(&stage.key).send().await.expect(204);
        assert_eq!(traces.in_tables(&db).await, Vec::<String>::new());
        files_are_clean(&traces, &db).await;

        let (merged, token) = stage.guest().await;
        let member = stage.member("u");
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&json!({ "guest_token": token })).send().await.expect(200);
        let path = format!("/api/v1/admin/sites/fpsf/guests/{merged}");
        stage.server.delete(&path).bearer(&stage.key).send().await.problem(409, "guest_merged");
    }

    /// Not one learner in an empty house, but one of many, over many pages.
    async fn p8_one_of_many_leaves_no_bytes_behind(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &track()).await;
        let mut erased = Vec::new();
        for number in 0..60 {
            let user = format!("member-{number}-{}", Uuid::now_v7().simple());
            let token = stage.member(&user);
            // Only those who go type what is looked for.
            if number % 3 == 0 {
                let enrollment = take(&stage, &token, "first", true).await;
                erased.push((user, token, enrollment));
            } else {
                Learner::begin(&stage, &token, "first").await.advance(1, json!({})).await.expect(200);
            }
        }
        for (_, token, _) in &erased {
            stage.server.delete("/api/v1/sites/fpsf/me").bearer(token).send().await.expect(204);
        }
        let all = erased.iter().flat_map(|(user, _, enrollment)| Traces::of(user, &[enrollment]).0);
        let all = Traces(all.collect());
        assert_eq!(all.in_tables(&db).await, Vec::<String>::new());
        files_are_clean(&all, &db).await;
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 40);
    }
}
