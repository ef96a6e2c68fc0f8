//! The same strings through everything that is written, typed and said in courses: by authors, learners and
//! graders, in every language of HTML, and in the tables that coaches load into a spreadsheet.

use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::markup::{ADDRESSES, HOSTILE, harm, read};

const ADMIN: &str = "/api/v1/admin/sites/fpsf";

/// What is plain text in answers, and shown as it was typed.
const PLAIN: [&str; 4] = ["title", "course_title", "lesson_title", "name"];

/// What the API gives out as HTML: every text in a language but those that are plain.
fn html_in<'v>(answer: &'v Value, name: &str, found: &mut Vec<&'v str>) {
    match answer {
        Value::Array(items) => items.iter().for_each(|item| html_in(item, name, found)),
        Value::Object(fields) => {
            if let (Some(value), true) = (fields.get("value").and_then(Value::as_str), fields.contains_key("lang")) {
                if !PLAIN.contains(&name) {
                    found.push(value);
                }
                return;
            }
            fields.iter().for_each(|(name, value)| html_in(value, name, found));
        }
        _ => {}
    }
}

/// A lesson's item that says this in everything that is plain text, and that in everything that is Markdown.
fn item(key: &str, plain: &str, rich: &str) -> Value {
    let (plain, rich) = (json!({ "fr": plain }), json!({ "fr": rich }));
    let choices = json!([{ "key": "a", "text": rich, "feedback": rich }, { "key": "b", "text": rich, "feedback": rich, "right": true }]);
    let items = json!([{ "key": "1", "text": rich }, { "key": "2", "text": rich }]);
    let pairs = json!([{ "key": "1", "left": rich, "right": rich }, { "key": "2", "left": rich, "right": rich }]);
    let questions = json!([
        { "key": "q1", "kind": "single_choice", "prompt": rich, "feedback": rich, "hints": [rich, rich], "choices": choices },
        { "key": "q2", "kind": "multiple_choice", "prompt": rich, "feedback": rich, "choices": choices },
        { "key": "q3", "kind": "short_text", "prompt": rich, "feedback": rich, "accept": { "fr": [plain["fr"]] } },
        { "key": "q4", "kind": "ordering", "prompt": rich, "items": items },
        { "key": "q5", "kind": "matching", "prompt": rich, "pairs": pairs },
        { "key": "q6", "kind": "true_false", "prompt": rich, "feedback": rich, "right": true },
        { "key": "q7", "kind": "open_ended", "prompt": rich, "feedback": rich, "guidance": rich, "points": 2 },
    ]);
    let bands = json!([{ "from": 0, "feedback": rich }]);
    // Without an open question in it, so that the band's feedback is said at once.
    let again = json!([{ "key": "q8", "kind": "true_false", "prompt": rich, "right": true }]);
    json!({ "key": key, "kind": "content", "title": plain, "body": rich, "discussion_url": "https://forum.example/?a=1&b=2",
        "quizzes": [
            { "key": "all", "title": plain, "reveal": "after_attempt", "questions": questions, "draw": [{ "bank": "bank", "count": 1 }] },
            { "key": "again", "title": plain, "reveal": "after_attempt", "questions": again, "bands": bands } ] })
}

async fn put(stage: &Stage, path: &str, body: &Value) -> bool {
    let put = stage.server.put(&format!("{ADMIN}/{path}")).bearer(&stage.key).json(body).send().await;
    if put.status == 422 {
        let errors = put.json()["errors"].as_array().unwrap().clone();
        assert!(
            errors.iter().all(|error| error["code"] == "unsafe_url" || error["code"] == "invalid_value"),
            "{}",
            put.text()
        );
        return false;
    }
    assert!(put.status.is_success(), "{}", put.text());
    true
}

/// A bank, a shared lesson and a course in which each string stands wherever a text may stand. What Markdown is
/// refused is left out; answers how many were taken.
async fn written(stage: &Stage) -> usize {
    let (mut own, mut shared, mut questions, mut taken) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let bank =
        |questions: &[Value]| json!({ "source_lang": "fr", "title": { "fr": HOSTILE[0] }, "questions": questions });
    let drawn = |key: &str, rich: &str| {
        let rich = json!({ "fr": rich });
        let choice = |key: &str, right: bool| json!({ "key": key, "text": rich, "feedback": rich, "right": right });
        json!({ "key": key, "kind": "single_choice", "prompt": rich, "feedback": rich, "choices": [choice("a", true), choice("b", false)] })
    };
    assert!(put(stage, "banks/bank", &bank(&[drawn("q", "Rien.")])).await);
    for (number, hostile) in HOSTILE.iter().enumerate() {
        let (key, plain) = (format!("i{number}"), hostile.replace('\n', " "));
        let lesson = |items: &[Value]| json!({ "source_lang": "fr", "title": { "fr": plain }, "items": items });
        let whole = item(&key, &plain, hostile);
        let harmless = put(stage, "lessons/try", &lesson(std::slice::from_ref(&whole))).await;
        let rich = if harmless { hostile } else { "Rien." };
        taken += usize::from(harmless);
        questions.push(drawn(&key, rich));
        let whole = if harmless { whole } else { item(&key, &plain, "Rien.") };
        if number % 8 == 0 {
            shared.push(whole);
        } else {
            own.push(json!({ "key": format!("l{number}"), "title": { "fr": plain }, "items": [whole] }));
        }
    }
    assert!(put(stage, "banks/bank", &bank(&questions)).await);
    assert!(
        put(stage, "lessons/shared", &json!({ "source_lang": "fr", "title": { "fr": HOSTILE[4] }, "items": shared }))
            .await
    );
    own.push(json!({ "key": "shared", "shared": "shared" }));
    let instructors = HOSTILE.iter().enumerate().map(|(number, hostile)| {
        let plain = hostile.replace('\n', " ");
        json!({ "key": format!("t{number}"), "name": plain, "title": { "fr": plain } })
    });
    let course = json!({ "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": { "fr": HOSTILE[0] },
        "summary": { "fr": HOSTILE.join("\n\n").replace("[x](", "[x](https://e.example/?") }, "instructors": instructors.collect::<Vec<_>>(),
        "modules": [{ "key": "m", "title": { "fr": HOSTILE[3] }, "lessons": own }] });
    let mut course = course;
    if !put(stage, "courses/first", &course).await {
        course["summary"] = json!({ "fr": format!("{}\n\n{}", HOSTILE[9], HOSTILE[12]) });
        assert!(put(stage, "courses/first", &course).await);
    }
    stage.server.post(&format!("{ADMIN}/courses/first/publish")).bearer(&stage.key).send().await.expect(200);
    taken
}

/// Asks all there is as this caller, and keeps every text that is HTML.
struct Asker<'s> {
    stage: &'s Stage,
    token: String,
    html: Vec<String>,
}

impl Asker<'_> {
    fn new(stage: &Stage, token: String) -> Asker<'_> {
        Asker { stage, token, html: Vec::new() }
    }

    async fn get(&mut self, path: &str) -> Value {
        let answer = self.stage.server.get(path).bearer(&self.token).send().await;
        let headers = (answer.header("content-type"), answer.header("x-content-type-options"));
        assert_eq!(headers, ("application/json", "nosniff"), "{path}");
        self.hear(answer.expect(200))
    }

    async fn post(&mut self, path: &str, body: &Value) -> Value {
        let answer = self.stage.server.post(path).bearer(&self.token).key(Uuid::now_v7()).json(body).send().await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text());
        self.hear(answer.json())
    }

    fn hear(&mut self, answer: Value) -> Value {
        let mut found = Vec::new();
        html_in(&answer, "", &mut found);
        self.html.extend(found.into_iter().map(str::to_owned));
        answer
    }

    /// Opens an item, answers its quizzes with this text, and looks again.
    async fn learn(&mut self, way: &str, item: &str, typed: &str) {
        let place = format!("{way}/items/{item}");
        self.post(&format!("{place}/visit"), &json!({})).await;
        let body = self.get(&place).await;
        for quiz in body["quizzes"].as_array().unwrap() {
            let answers = quiz["questions"].as_array().unwrap().iter().filter_map(|question| {
                let id = &question["id"];
                match question["kind"].as_str().unwrap() {
                    "short_text" | "open_ended" => Some(json!({ "question_id": id, "text": typed })),
                    "ordering" | "matching" => None,
                    _ => Some(json!({ "question_id": id, "choice_ids": [question["choices"][0]["id"]] })),
                }
            });
            let answers = json!({ "attempt": quiz["attempt"], "answers": answers.collect::<Vec<_>>() });
            self.post(&format!("{place}/quizzes/{}/answers", quiz["quiz_id"].as_str().unwrap()), &answers).await;
        }
    }
}

for_both! {
    async fn p5_no_text_of_an_author_a_learner_or_a_grader_runs_in_a_course(db: TestDb) {
        let stage = Stage::set(&db).await;
        let taken = written(&stage).await;
        assert!(taken > 20, "{taken} of {} strings are taken as Markdown", HOSTILE.len());

        let claims = json!({ "sub": "u-1", "name": HOSTILE[4], "email": HOSTILE[5], "cohorts": [HOSTILE[6]] });
        let mut learner = Asker::new(&stage, stage.member_of(Stage::SITE, claims));
        let way = learner.post("/api/v1/sites/fpsf/courses/first/enrollments", &json!({})).await;
        let way = format!("/api/v1/course-enrollments/{}", way["id"].as_str().unwrap());
        let shown = learner.get("/api/v1/sites/fpsf/courses/first").await;
        let lessons = shown["modules"][0]["lessons"].as_array().unwrap().clone();
        let items: Vec<&Value> = lessons.iter().flat_map(|lesson| lesson["items"].as_array().unwrap()).collect();
        assert_eq!(items.len(), HOSTILE.len());
        // What is plain comes as it was typed: pages show it as text.
        let mut titles: Vec<&str> = items.iter().map(|item| item["title"]["value"].as_str().unwrap()).collect();
        let mut typed: Vec<String> = HOSTILE.iter().map(|hostile| hostile.replace('\n', " ")).collect();
        let teachers: Vec<&str> = shown["instructors"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(teachers, typed);
        titles.sort_unstable();
        typed.sort_unstable();
        assert_eq!(titles, typed);
        for (item, hostile) in items.iter().zip(HOSTILE) {
            learner.learn(&way, item["id"].as_str().unwrap(), hostile).await;
        }

        // Graders read what was typed, and say something of the same kind.
        let grader = json!({ "sub": "g-1", "name": HOSTILE[4], "roles": ["grader"] });
        let mut grader = Asker::new(&stage, stage.member_of(Stage::SITE, grader));
        let queue = grader.get(&format!("{ADMIN}/open-answers?limit=100")).await;
        let queue = queue["items"].as_array().unwrap();
        assert_eq!(queue.len(), HOSTILE.len());
        for (place, answer) in queue.iter().enumerate() {
            let (path, said) = (format!("{ADMIN}/open-answers/{}", answer["id"].as_str().unwrap()), HOSTILE[place]);
            assert!(HOSTILE.contains(&answer["answer"].as_str().unwrap()), "as it was typed: {answer}");
            let graded = if place % 2 == 0 {
                grader.post(&format!("{path}/accept"), &json!({ "points": 1, "comment": said })).await
            } else {
                grader.post(&format!("{path}/reject"), &json!({ "reason": said })).await
            };
            assert_eq!(graded["grades"][0]["comment"], said);
        }
        for item in items {
            let body = learner.get(&format!("{way}/items/{}", item["id"].as_str().unwrap())).await;
            let own = &body["open_answers"][0];
            assert!(HOSTILE.contains(&own["comment"].as_str().unwrap()) && HOSTILE.contains(&own["answer"].as_str().unwrap()), "{own}");
        }
        let evaluation = json!({ "rating": 1, "comment": HOSTILE[33] });
        let path = format!("{way}/evaluation");
        let said = stage.server.put(&path).bearer(&learner.token).key(Uuid::now_v7()).json(&evaluation).send().await;
        assert!(said.status.is_success(), "{}", said.text());
        for path in ["courses", "me/courses", "me/export", "courses?q=%3Cscript%3E"] {
            learner.get(&format!("/api/v1/sites/fpsf/{path}")).await;
        }
        let mut owner = Asker::new(&stage, stage.key.clone());
        for path in ["open-answers?all=true&limit=100", "courses/first/question-statistics", "course-statistics", "cohorts", "courses/first", "courses/first/evaluations", "lessons/shared", "banks/bank"] {
            owner.get(&format!("{ADMIN}/{path}")).await;
        }
        let coded = HOSTILE[6].bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let coach = json!({ "sub": "c-1", "roles": ["coach"], "cohorts": [HOSTILE[6]] });
        let mut coach = Asker::new(&stage, stage.member_of(Stage::SITE, coach));
        assert_eq!(coach.get("/api/v1/sites/fpsf/me/cohorts").await["items"][0]["cohort"], HOSTILE[6]);
        assert_eq!(coach.get(&format!("/api/v1/sites/fpsf/me/cohorts/{coded}")).await["learners"], 1);
        coach.get(&format!("/api/v1/sites/fpsf/me/cohorts/{coded}/learners")).await;

        let all: Vec<String> = [learner, grader, owner, coach].into_iter().flat_map(|one| one.html).collect();
        assert!(all.len() > 3000, "{}", all.len());
        for html in &all {
            assert_eq!(harm(html, false), Vec::<String>::new(), "{html}");
        }
        assert!(all.iter().any(|html| read(html).text.borrow().contains("alert")), "what is no markup is read as text");
    }

    /// A cell that begins a formula would be one in whatever opens the table.
    async fn p5_no_cell_of_a_coach_s_table_is_a_formula(db: TestDb) {
        let stage = Stage::set(&db).await;
        crate::course::publish(&stage, "small", &crate::course::small()).await;
        let names = ["=1+1", "+1", "-1", "@SUM(A1)", "\u{ff1d}1", "a\"b", "a,b", "=cmd|' /C calc'!A0", "<script>alert(1)</script>"];
        for name in names {
            let token = stage.member_of(Stage::SITE, json!({ "sub": name, "cohorts": ["north"] }));
            crate::course::Learner::with_token(&stage, &token, "small").await;
        }
        let coach = stage.member_of(Stage::SITE, json!({ "sub": "c-1", "roles": ["coach"], "cohorts": ["north"] }));
        let table = stage.server.get("/api/v1/sites/fpsf/me/cohorts/north/learners.csv").bearer(&coach).send().await;
        assert_eq!((table.header("content-type"), table.header("x-content-type-options")), ("text/csv; charset=utf-8; header=present", "nosniff"));
        assert!(table.header("content-disposition").starts_with("attachment"));
        let rows = cells(&table.text());
        assert_eq!(rows.len(), names.len() + 1);
        for row in &rows {
            assert_eq!(row.len(), rows[0].len(), "{row:?}");
            assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])), "{row:?}");
        }
        for name in names {
            assert!(rows.iter().any(|row| row[0].trim_start_matches('\'') == name), "{name} is still who they are: {rows:?}");
        }
    }

    async fn p5_no_address_that_runs_or_leads_astray_is_taken_into_a_course(db: TestDb) {
        let stage = Stage::set(&db).await;
        for address in ADDRESSES {
            let video = |field: &str, value: Value| {
                let mut video = json!({ "url": "https://e.example/v.mp4", "duration_seconds": 1 });
                video[field] = value;
                json!({ "key": "i", "kind": "video", "title": { "fr": "x" }, "video": video })
            };
            let content = json!({ "key": "i", "kind": "content", "title": { "fr": "x" }, "body": { "fr": "x" }, "discussion_url": address });
            for item in [content, video("url", json!(address)), video("poster", json!(address)), video("captions", json!({ "fr": address }))] {
                let lesson = json!({ "source_lang": "fr", "title": { "fr": "x" }, "items": [item] });
                let put = stage.server.put(&format!("{ADMIN}/lessons/l")).bearer(&stage.key).json(&lesson).send().await;
                assert_eq!(put.status, 422, "{address:?} in {}: {}", lesson["items"][0], put.text());
            }
        }
    }
}

/// A table's rows and cells, as RFC 4180 has them.
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    rows
}
