//! Open answers and their graders, on both databases.

use jalon_backend::clock::Clock;
use jalon_shared::Timestamp;
use jalon_tests::{Answer, Stage, for_both};
use serde_json::{Value, json};

use super::{Learner, answers, items, publish, small};

const QUEUE: &str = "/api/v1/admin/sites/fpsf/open-answers";

struct Grader<'s> {
    stage: &'s Stage,
    token: String,
}

impl<'s> Grader<'s> {
    fn new(stage: &'s Stage, name: &str) -> Self {
        Self { stage, token: stage.member_of(Stage::SITE, json!({ "sub": name, "roles": ["grader"] })) }
    }

    async fn queue(&self, query: &str) -> Vec<Value> {
        let answer = self.stage.server.get(&format!("{QUEUE}{query}")).bearer(&self.token).send().await;
        answer.expect(200)["items"].as_array().unwrap().clone()
    }

    async fn say(&self, answer: &Value, what: &str, body: &Value) -> Answer {
        let path = format!("{QUEUE}/{}/{what}", answer["id"].as_str().unwrap());
        self.stage.server.post(&path).bearer(&self.token).json(body).send().await
    }
}

/// Answers the small course's gate: the choice wrong, the open question with this text.
async fn submit(learner: &Learner<'_>, item: &str, text: &str) -> Value {
    learner.visit(item).await.expect(200);
    let quiz = learner.item(item).await.expect(200)["quizzes"][0].clone();
    let given = answers(&quiz, |question| match question["kind"].as_str() {
        Some("open_ended") => json!({ "text": text }),
        _ => json!({ "choice_ids": [question["choices"][0]["id"]] }),
    });
    learner.answer(item, &quiz, &given).await.expect(200)
}

for_both! {
    /// A grader sees a queue, reads, accepts with points and a comment; the learner sees it, and the gate opens.
    async fn c2_an_accepted_answer_brings_its_points_and_opens_the_gate(db: TestDb) {
        let stage = Stage::set(&db).await;
        publish(&stage, "small", &small()).await;
        let lessons = items(&stage, "small").await;
        let (gate, end) = (&lessons[0][0], &lessons[1][0]);
        let learner = Learner::enroll(&stage, "u-1", "small").await;
        let answered = submit(&learner, gate, "Parce que <b>trois</b>.").await;
        assert_eq!((&answered["result"]["passed"], &answered["result"]["potential_points"]), (&json!(false), &json!(3)));
        learner.item(end).await.problem(409, "item_locked");

        let (anna, bert) = (Grader::new(&stage, "anna"), Grader::new(&stage, "bert"));
        let queue = anna.queue("?course=small&lang=en").await;
        let [waiting] = queue.as_slice() else { panic!("{queue:?}") };
        assert_eq!((&waiting["answer"], &waiting["user_id"], &waiting["state"]), (&json!("Parce que <b>trois</b>."), &json!("u-1"), &json!("waiting")));
        assert_eq!((&waiting["course_title"]["value"], &waiting["prompt"]["value"]), (&json!("A small course"), &json!("Pourquoi ?")));
        anna.say(waiting, "claim", &json!({})).await.expect(200);
        let taken = bert.say(waiting, "accept", &json!({ "points": 1 })).await.problem(409, "claimed");
        assert_eq!(taken["claimed_by"], "anna");

        for bad in [json!(0), json!(3.5), json!(0.3), json!(-1), json!("3")] {
            let refused = anna.say(waiting, "accept", &json!({ "points": bad })).await;
            assert!(refused.status.is_client_error(), "{bad}: {}", refused.text());
        }
        anna.say(waiting, "reject", &json!({ "reason": " " })).await.problem(422, "invalid_value");
        let good = json!({ "points": 2, "comment": "Say too who measures." });
        let graded = anna.say(waiting, "accept", &good).await.expect(200);
        assert_eq!((&graded["state"], &graded["grades"][0]["points"], &graded["queued"]), (&json!("accepted"), &json!(2), &json!(false)));
        // The answer was lost on the way: the same once more changes nothing, another grade needs another opinion.
        let version = learner.enrollment().await["version"].clone();
        anna.say(waiting, "accept", &good).await.expect(200);
        anna.say(waiting, "accept", &json!({ "points": 1 })).await.problem(409, "not_queued");
        let after = learner.enrollment().await;
        assert_eq!((&after["version"], &after["confirmed_points"], &after["potential_points"]), (&version, &json!(2), &json!(0)));
        let own = learner.item(gate).await.expect(200)["open_answers"][0].clone();
        assert_eq!((&own["points"], &own["comment"], &own["state"]), (&json!(2), &json!("Say too who measures."), &json!("accepted")));
        assert!(own.get("grader").is_none());
        learner.visit(end).await.expect(200);
        assert!(learner.enrollment().await["completed_at"].is_string());
        assert!(anna.queue("").await.is_empty());
        assert_eq!(anna.queue("?state=accepted").await.len(), 1);
    }

    /// Rejected is no score; a second opinion is somebody else's, and the last one counts.
    async fn c2_a_second_opinion_replaces_the_first_and_all_is_kept(db: TestDb) {
        let clock = Clock::fixed(Timestamp::parse("2026-11-21T10:00:00Z").unwrap());
        let stage = Stage::set_with(&db, clock.clone(), |_| ()).await;
        publish(&stage, "small", &small()).await;
        let lessons = items(&stage, "small").await;
        let learner = Learner::enroll(&stage, "u-1", "small").await;
        submit(&learner, &lessons[0][0], "Parce que.").await;
        let (anna, bert) = (Grader::new(&stage, "anna"), Grader::new(&stage, "bert"));
        let waiting = bert.queue("").await.remove(0);
        bert.say(&waiting, "second-opinion", &json!({})).await.problem(409, "conflict");
        // A claim that was forgotten ends by itself.
        bert.say(&waiting, "claim", &json!({})).await.expect(200);
        anna.say(&waiting, "claim", &json!({})).await.problem(409, "claimed");
        clock.advance(std::time::Duration::from_mins(31));
        anna.say(&waiting, "claim", &json!({})).await.expect(200);
        anna.say(&waiting, "release", &json!({})).await.expect(200);
        let rejected = anna.say(&waiting, "reject", &json!({ "reason": "Too short." })).await.expect(200);
        assert_eq!((&rejected["state"], &rejected["grades"][0]["points"]), (&json!("rejected"), &Value::Null));
        assert_eq!(learner.enrollment().await["potential_points"], 0);

        anna.say(&waiting, "second-opinion", &json!({})).await.expect(200);
        anna.say(&waiting, "accept", &json!({ "points": 3 })).await.problem(409, "own_second_opinion");
        assert_eq!(learner.item(&lessons[0][0]).await.expect(200)["open_answers"][0]["state"], "rejected", "until then the first counts");
        let after = bert.say(&waiting, "accept", &json!({ "points": 2.5 })).await.expect(200);
        let said: Vec<_> = after["grades"].as_array().unwrap().iter().map(|grade| (grade["grader"].clone(), grade["points"].clone())).collect();
        assert_eq!(said, [(json!("anna"), Value::Null), (json!("bert"), json!(2.5))]);
        assert_eq!(learner.enrollment().await["confirmed_points"], 2.5);
    }

    /// Nobody grades on another site, and a grader who is erased leaves the grade, without the name.
    async fn p8_an_erased_grader_leaves_the_grades_without_a_name(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &[]).await;
        publish(&stage, "small", &small()).await;
        let lessons = items(&stage, "small").await;
        let learner = Learner::enroll(&stage, "u-1", "small").await;
        submit(&learner, &lessons[0][0], "Parce que.").await;
        let anna = Grader::new(&stage, "anna-the-grader");
        let waiting = anna.queue("").await.remove(0);
        let path = format!("/api/v1/admin/sites/other/open-answers/{}/claim", waiting["id"].as_str().unwrap());
        let stranger = stage.member_of("other", json!({ "sub": "x", "roles": ["grader"] }));
        stage.server.post(&path).bearer(&stranger).json(&json!({})).send().await.problem(404, "not_found");
        anna.say(&waiting, "claim", &json!({})).await.expect(200);
        anna.say(&waiting, "accept", &json!({ "points": 1 })).await.expect(200);
        anna.say(&waiting, "second-opinion", &json!({})).await.expect(200);
        let there = crate::keep::contents::contents(&db).await;
        let named = |all: &crate::keep::contents::Contents| {
            all.iter().filter(|(_, rows)| rows.iter().any(|row| row.to_string().contains("anna-the-grader"))).map(|(table, _)| table.clone()).collect::<Vec<_>>()
        };
        assert_eq!(named(&there), ["event", "grade", "open_answer"]);
        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&anna.token).send().await.expect(204);
        assert_eq!(named(&crate::keep::contents::contents(&db).await), Vec::<String>::new());
        let left = Grader::new(&stage, "bert").queue("?all=true").await;
        assert_eq!((&left[0]["grades"][0]["grader"], &left[0]["grades"][0]["points"]), (&Value::Null, &json!(1)));
        assert_eq!(learner.enrollment().await["confirmed_points"], 1);
    }
}
