//! Answers of every wrong form, on tracks and in courses alike: 422 with the place, and nothing is lost by it.

use jalon_tests::{Answer, Stage, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

/// One question of each kind that a machine grades.
fn questions() -> Value {
    let prompt = json!({ "fr": "?" });
    let text = |text: &str| json!({ "fr": text });
    json!([
        { "key": "single", "kind": "single_choice", "prompt": prompt, "choices": [
            { "key": "a", "text": text("a"), "right": true }, { "key": "b", "text": text("b") }] },
        { "key": "numeric", "kind": "numeric", "prompt": prompt, "value": 3, "tolerance": 0 },
        { "key": "short", "kind": "short_text", "prompt": prompt, "accept": { "fr": ["cochonnet"] } },
        { "key": "ordering", "kind": "ordering", "prompt": prompt, "items": [
            { "key": "a", "text": text("a") }, { "key": "b", "text": text("b") }] },
        { "key": "matching", "kind": "matching", "prompt": prompt, "pairs": [
            { "key": "a", "left": text("a"), "right": text("a") }, { "key": "b", "left": text("b"), "right": text("b") }] }
    ])
}

/// The questions as they are shown, by kind.
struct Shown(Vec<Value>);

impl Shown {
    fn of(&self, kind: &str) -> &Value {
        self.0.iter().find(|question| question["kind"] == kind).unwrap()
    }

    /// The id of a choice, by what it says.
    fn id(&self, kind: &str, list: &str, says: &str) -> Value {
        let list = self.of(kind)[list].as_array().unwrap();
        list.iter().find(|one| one["text"]["value"] == says).unwrap()["id"].clone()
    }

    /// Right answers to all.
    fn right(&self) -> Value {
        let pair = |says| json!([self.id("matching", "lefts", says), self.id("matching", "rights", says)]);
        json!([
            { "question_id": self.of("single_choice")["id"], "choice_ids": [self.id("single_choice", "choices", "a")] },
            { "question_id": self.of("numeric")["id"], "number": 3 },
            { "question_id": self.of("short_text")["id"], "text": "Cochonnet" },
            { "question_id": self.of("ordering")["id"], "order": [self.id("ordering", "items", "a"), self.id("ordering", "items", "b")] },
            { "question_id": self.of("matching")["id"], "pairs": [pair("a"), pair("b")] },
        ])
    }

    /// Answers whose form is wrong, with the code of the problem and the place of the fault. Each stands behind
    /// a right one, at `/answers/1`.
    fn wrong(&self) -> Vec<(Value, &'static str, String)> {
        let id = Uuid::now_v7();
        let mut all = Vec::new();
        let mut add = |kind: &str, fields: Value, code: &'static str, below: &str| {
            let mut answer = json!({ "question_id": self.of(kind)["id"] });
            answer.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            all.push((answer, code, format!("/answers/1{below}")));
        };
        let (form, rule) = ("invalid_value", "validation_failed");
        let a = self.id("single_choice", "choices", "a");
        for bad in [json!("x"), json!(7), json!(true), json!({}), json!({ "0": a }), a.clone()] {
            add("single_choice", json!({ "choice_ids": bad }), form, "/choice_ids");
        }
        for bad in [json!("x"), json!(""), json!(7), json!(null), json!([a]), json!({})] {
            add("single_choice", json!({ "choice_ids": [bad] }), form, "/choice_ids/0");
        }
        add("single_choice", json!({ "choice_ids": [id] }), rule, "/choice_ids/0");
        for bad in [json!("3"), json!([3]), json!({}), json!(true), json!(1e300), json!(-1e10)] {
            add("numeric", json!({ "number": bad }), form, "/number");
        }
        for bad in [json!(7), json!(["x"]), json!({ "fr": "x" }), json!(false), json!("a\0b")] {
            let code = if bad == "a\0b" { rule } else { form };
            add("short_text", json!({ "text": bad }), code, "/text");
        }
        add("short_text", json!({ "text": "x".repeat(501) }), rule, "/text");
        let (first, second) = (self.id("ordering", "items", "a"), self.id("ordering", "items", "b"));
        for (bad, below) in [
            (json!("x"), ""),
            (json!({}), ""),
            (json!([first, "x"]), "/1"),
            (json!([null]), "/0"),
            (json!([[first, second]]), "/0"),
        ] {
            add("ordering", json!({ "order": bad }), form, &format!("/order{below}"));
        }
        for bad in [json!([first]), json!([first, first]), json!([first, second, first]), json!([first, id])] {
            add("ordering", json!({ "order": bad }), rule, "/order");
        }
        let (left, right) = (self.id("matching", "lefts", "a"), self.id("matching", "rights", "a"));
        for (bad, below) in [
            (json!("x"), ""),
            (json!({}), ""),
            (json!([[left, right, left]]), "/0"),
            (json!([[left, right], [left, right, right, right]]), "/1"),
            (json!([[left]]), "/0"),
            (json!([[]]), "/0"),
            (json!([null]), "/0"),
            (json!([{ "0": left, "1": right }]), "/0"),
            (json!([{ "left": left, "right": right }]), "/0"),
            (json!([left, right]), "/0"),
            (json!([[left, null]]), "/0/1"),
            (json!([["x", right]]), "/0/0"),
            (json!([[left, [right]]]), "/0/1"),
        ] {
            add("matching", json!({ "pairs": bad }), form, &format!("/pairs{below}"));
        }
        add("matching", json!({ "pairs": [[right, left]] }), rule, "/pairs/0");
        add("matching", json!({ "pairs": [[left, right], [left, right]] }), rule, "/pairs/1");
        // Another field than the question's kind asks for, two of them, none of them, one that is not there.
        add("numeric", json!({ "text": "3" }), rule, "/text");
        add("numeric", json!({ "number": 3, "text": "3" }), rule, "/text");
        add("short_text", json!({ "text": "x", "choice_ids": [] }), rule, "/choice_ids");
        add("numeric", json!({}), rule, "");
        add("numeric", json!({ "number": null }), rule, "");
        add("numeric", json!({ "value": 3 }), "unknown_field", "/value");
        for (question, code, below) in [
            (json!(id), rule, "/question_id"),
            (json!("x"), form, "/question_id"),
            (json!(7), form, "/question_id"),
            (json!(null), form, "/question_id"),
            (self.of("single_choice")["id"].clone(), rule, "/question_id"),
        ] {
            all.push((json!({ "question_id": question, "number": 3 }), code, format!("/answers/1{below}")));
        }
        all.push((json!({ "number": 3 }), "missing_field", "/answers/1/question_id".to_owned()));
        for bad in [json!(null), json!(7), json!("x"), json!([]), json!([self.of("numeric")["id"], null, null, 3])] {
            all.push((bad, form, "/answers/1".to_owned()));
        }
        all
    }
}

/// Sends all that is wrong, and then what is not JSON at all.
async fn refuse(shown: &Shown, send: impl AsyncFn(String) -> Answer, whole: impl Fn(Value) -> Value) {
    let (first, second) = (shown.right()[0].clone(), shown.right()[1].clone());
    let wrong = shown.wrong();
    assert!(wrong.len() > 60);
    for (answer, code, pointer) in wrong {
        // Behind an answer to another question, but where it is to be the second one to the same.
        let same = answer["question_id"] == first["question_id"] && answer.get("choice_ids").is_some();
        let body = whole(json!([if same { &second } else { &first }, answer])).to_string();
        let problem = send(body.clone()).await;
        let problem = problem.problem(422, code);
        assert_eq!(problem["errors"][0]["pointer"], pointer.as_str(), "{body}\n{problem}");
    }
    for answers in [json!("x"), json!(7), json!({}), json!({ "0": first })] {
        let problem = send(whole(answers).to_string()).await.problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["pointer"], "/answers");
    }
    let right = whole(shown.right()).to_string();
    for broken in [
        &right[..right.len() - 1],
        "{\"answers\":[{\"question_id\":}]}",
        "{\"answers\":[,]}",
        "{'answers':[]}",
        "\u{feff}{}",
    ] {
        send(broken.to_owned()).await.problem(400, "invalid_json");
    }
    let lone = whole(json!([{ "question_id": shown.of("short_text")["id"], "text": "%" }])).to_string();
    for half in ["\\ud800", "\\udc00", "\\ud800x", "\\ud800\\u0041"] {
        let problem = send(lone.replace('%', half)).await.problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["pointer"], "/answers/0/text", "{half}");
    }
}

for_both! {
    /// D21
    async fn d21_every_wrong_form_of_an_answer_has_its_place_in_a_track(db: TestDb) {
        let stage = Stage::set(&db).await;
        let track = json!({
            "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "Formes" },
            "steps": [{ "key": "quiz", "kind": "quiz", "pass_mark": 100, "title": { "fr": "Quiz" },
                "quiz": { "max_attempts": 1, "questions": questions() } }]
        });
        stage.publish("forms", &track).await;
        let (_, token) = stage.guest().await;
        let before = stage.enroll(&token, "forms").await;
        let path = format!("/api/v1/enrollments/{}", before["id"].as_str().unwrap());
        let step = stage.server.get(&format!("{path}/steps/1")).bearer(&token).send().await.expect(200);
        let shown = Shown(step["quiz"]["questions"].as_array().unwrap().clone());
        let send = async |body: String| {
            stage.server.post(&format!("{path}/steps/1/advance")).bearer(&token).key(Uuid::now_v7()).body("application/json", body).send().await
        };
        refuse(&shown, send, |answers| json!({ "answers": answers, "time_spent_seconds": 5 })).await;
        assert_eq!(stage.server.get(&path).bearer(&token).send().await.expect(200), before, "nothing is lost or counted");
        let done = send(json!({ "answers": shown.right() }).to_string()).await.expect(200);
        assert_eq!((&done["result"]["passed"], done["result"]["score"].as_u64()), (&json!(true), Some(100)), "the one attempt is there");
    }

    /// D21
    async fn d21_every_wrong_form_of_an_answer_has_its_place_in_a_course(db: TestDb) {
        let stage = Stage::set(&db).await;
        let mut course = crate::course::small();
        course["modules"][0]["lessons"][0]["items"][0]["quizzes"][0] = json!({
            "key": "quiz", "title": { "fr": "Quiz" }, "gate": true, "pass_mark": 100, "max_attempts": 1, "questions": questions() });
        crate::course::publish(&stage, "forms", &course).await;
        let learner = crate::course::Learner::enroll(&stage, "u", "forms").await;
        let item = crate::course::items(&stage, "forms").await[0][0].clone();
        learner.visit(&item).await.expect(200);
        let before = learner.enrollment().await;
        let quiz = learner.item(&item).await.expect(200)["quizzes"][0].clone();
        let shown = Shown(quiz["questions"].as_array().unwrap().clone());
        let token = stage.member("u");
        let path = format!("{}/items/{item}/quizzes/{}/answers", learner.path, quiz["quiz_id"].as_str().unwrap());
        let send = async |body: String| {
            stage.server.post(&path).bearer(&token).key(Uuid::now_v7()).body("application/json", body).send().await
        };
        refuse(&shown, send, |answers| json!({ "attempt": quiz["attempt"], "answers": answers })).await;
        assert_eq!(learner.enrollment().await, before, "nothing is lost or counted");
        let done = send(json!({ "attempt": quiz["attempt"], "answers": shown.right() }).to_string()).await.expect(200);
        assert_eq!(done["result"]["passed"], true, "the one attempt is there");
    }
}
