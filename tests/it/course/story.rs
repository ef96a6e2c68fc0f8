//! A learner's way through a course over HTTP, on both databases: Arbiter Level 2, as it stands in the examples.

use jalon_backend::{clock::Clock, folder::document};
use jalon_shared::{
    Timestamp,
    course::source::{BankSource, CourseSource, LessonSource},
    quiz::{Question, QuestionKind},
};
use jalon_tests::{Answer, Stage, TestDb, for_both};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

fn example<S: DeserializeOwned + Serialize>(file: &str) -> Value {
    let path = super::example::examples().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let source: S = document::document(&path, &text, Some("https://media.example"), |_| Vec::new()).unwrap();
    serde_json::to_value(source).unwrap()
}

/// A stage with the bank, the shared lesson and a course of the examples, published.
pub async fn stage(db: &TestDb, clock: Clock, courses: &[&str]) -> Stage {
    let stage = Stage::set_with(db, clock, |_| ()).await;
    let admin = "/api/v1/admin/sites/fpsf";
    let bank = example::<BankSource>("banks/petanque-rules.yaml");
    put(&stage, &format!("{admin}/banks/petanque-rules"), &bank).await.expect(201);
    let lesson = example::<LessonSource>("lessons/welcome-umpire/lesson.yaml");
    put(&stage, &format!("{admin}/lessons/welcome-umpire"), &lesson).await.expect(201);
    for slug in courses {
        let course = example::<CourseSource>(&format!("courses/{slug}/course.yaml"));
        put(&stage, &format!("{admin}/courses/{slug}"), &course).await.expect(201);
        stage.server.post(&format!("{admin}/courses/{slug}/publish")).bearer(&stage.key).send().await.expect(200);
    }
    stage
}

async fn put(stage: &Stage, path: &str, body: &Value) -> Answer {
    stage.server.put(path).bearer(&stage.key).json(body).send().await
}

/// A learner in a course.
pub struct Learner<'s> {
    stage: &'s Stage,
    token: String,
    /// The enrollment's address.
    pub path: String,
}

impl<'s> Learner<'s> {
    /// Who is in the course already.
    pub fn found(stage: &'s Stage, token: &str, id: &str) -> Self {
        Self { stage, token: token.to_owned(), path: format!("/api/v1/course-enrollments/{id}") }
    }

    /// Enrolls.
    pub async fn enroll(stage: &'s Stage, user: &str, course: &str) -> Self {
        Self::with_token(stage, &stage.member(user), course).await
    }

    /// The same, with a token that is there.
    pub async fn with_token(stage: &'s Stage, token: &str, course: &str) -> Self {
        let path = format!("/api/v1/sites/fpsf/courses/{course}/enrollments");
        let enrollment = stage.server.post(&path).bearer(token).key(Uuid::now_v7()).json(&json!({})).send().await;
        assert!(enrollment.status.is_success(), "{}", enrollment.text());
        let path = format!("/api/v1/course-enrollments/{}", enrollment.json()["id"].as_str().unwrap());
        Self { stage, token: token.to_owned(), path }
    }

    /// The enrollment's id.
    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }

    /// The enrollment.
    pub async fn enrollment(&self) -> Value {
        self.stage.server.get(&self.path).bearer(&self.token).send().await.expect(200)
    }

    /// What an item shows.
    pub async fn item(&self, item: &str) -> Answer {
        self.stage.server.get(&format!("{}/items/{item}", self.path)).bearer(&self.token).send().await
    }

    /// Opens an item.
    pub async fn visit(&self, item: &str) -> Answer {
        let path = format!("{}/items/{item}/visit", self.path);
        self.stage.server.post(&path).bearer(&self.token).key(Uuid::now_v7()).json(&json!({})).send().await
    }

    /// Reports time and position.
    pub async fn report(&self, item: &str, body: &Value) -> Answer {
        self.stage.server.patch(&format!("{}/items/{item}", self.path)).bearer(&self.token).json(body).send().await
    }

    /// Answers a quiz of an item, under this key.
    pub async fn answer_with(&self, item: &str, quiz: &Value, answers: &Value, key: Uuid) -> Answer {
        let path = format!("{}/items/{item}/quizzes/{}/answers", self.path, quiz["quiz_id"].as_str().unwrap());
        let body = json!({ "attempt": quiz["attempt"], "answers": answers });
        self.stage.server.post(&path).bearer(&self.token).key(key).json(&body).send().await
    }

    /// The same, once.
    pub async fn answer(&self, item: &str, quiz: &Value, answers: &Value) -> Answer {
        self.answer_with(item, quiz, answers, Uuid::now_v7()).await
    }
}

/// The ids of a course's items, lesson by lesson.
pub async fn items(stage: &Stage, course: &str) -> Vec<Vec<String>> {
    let course = stage.server.get(&format!("/api/v1/sites/fpsf/courses/{course}")).send().await.expect(200);
    let modules = course["modules"].as_array().unwrap().clone();
    let lessons = modules.iter().flat_map(|module| module["lessons"].as_array().unwrap().clone());
    let ids = |lesson: Value| {
        let items = lesson["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    lessons.map(ids).collect()
}

/// Answers to all questions of a quiz, as they are shown.
pub fn answers(quiz: &Value, answer: impl Fn(&Value) -> Value) -> Value {
    let answers = quiz["questions"].as_array().unwrap().iter().map(|question| {
        let mut given = answer(question);
        given["question_id"] = question["id"].clone();
        given
    });
    answers.collect()
}

/// Answers that earn so many points of a quiz; what is left stays blank.
pub async fn worth(stage: &Stage, course: &str, item: &str, quiz: &Value, points: u32) -> Value {
    let app = stage.server.app();
    let site = app.gate.sites.by_slug("fpsf").unwrap();
    let slug = jalon_shared::slug::CourseSlug::parse(course).unwrap();
    let row = app.courses.catalog.row(site.id, site.revision, &slug).await.unwrap().unwrap();
    let version =
        app.courses.catalog.version(site.id, row.id, slug, row.published_version.unwrap()).await.unwrap().unwrap();
    let (_, item) = version.item(item.parse().unwrap()).unwrap();
    let known = item.quizzes.iter().find(|known| known.id.to_string() == quiz["quiz_id"].as_str().unwrap()).unwrap();
    let all: Vec<(&Question, u32)> = known.questions().collect();
    let (mut left, mut answers) = (points, Vec::new());
    let of = |view: &Value| {
        *all.iter().find(|(question, _)| question.id.to_string() == view["id"].as_str().unwrap()).unwrap()
    };
    let mut questions: Vec<(&Question, u32)> = quiz["questions"].as_array().unwrap().iter().map(of).collect();
    // The large ones first, so that small ones fill up.
    questions.sort_by_key(|(_, points)| std::cmp::Reverse(*points));
    for (question, points) in questions {
        if points <= left {
            left -= points;
            answers.push(right(question));
        }
    }
    assert_eq!(left, 0, "no questions of this quiz bring exactly {points}");
    json!(answers)
}

/// The right answer, by the key; to an open question anything.
fn right(question: &Question) -> Value {
    let mut answer = json!({ "question_id": question.id });
    match &question.kind {
        QuestionKind::SingleChoice { choices } | QuestionKind::MultipleChoice { choices } => {
            let ids: Vec<_> = choices.iter().filter(|choice| choice.right).map(|choice| choice.id).collect();
            answer["choice_ids"] = json!(ids);
        }
        QuestionKind::TrueFalse { true_id, false_id, right } => {
            answer["choice_ids"] = json!([if *right { true_id } else { false_id }]);
        }
        QuestionKind::Numeric { value, .. } => answer["number"] = json!(value),
        QuestionKind::ShortText { accept } => answer["text"] = json!(accept.texts().values().flatten().next()),
        QuestionKind::Ordering { items } => {
            answer["order"] = json!(items.iter().map(|item| item.id).collect::<Vec<_>>());
        }
        QuestionKind::Matching { pairs } => {
            answer["pairs"] = json!(pairs.iter().map(|pair| (pair.left_id, pair.right_id)).collect::<Vec<_>>());
        }
        QuestionKind::OpenEnded { .. } => answer["text"] = json!("The umpire measures again, before both teams."),
    }
    answer
}

for_both! {
    /// Fails with 5 of 10, waits, passes with 8; lesson two opens, and not before, for nobody.
    async fn c1_a_failed_quiz_keeps_the_next_lesson_shut_and_a_passed_one_opens_it(db: TestDb) {
        let now = Timestamp::parse("2026-11-21T10:00:00Z").unwrap();
        let clock = Clock::fixed(now);
        let stage = stage(&db, clock.clone(), &["arbiter-level-2"]).await;
        let lessons = items(&stage, "arbiter-level-2").await;
        let (film, second) = (&lessons[0][0], &lessons[1][0]);
        let learner = Learner::enroll(&stage, "u-1", "arbiter-level-2").await;
        learner.visit(film).await.expect(200);
        let seen = learner.report(film, &json!({ "time_spent_seconds": 180, "last_position": 180 })).await.expect(200);
        assert_eq!(seen["items"][0]["last_position"], 60, "the film is a minute long");

        // A colleague calls the API directly: what is shut is shut for every call.
        for refused in [learner.item(second).await, learner.visit(second).await, learner.report(second, &json!({ "time_spent_seconds": 1 })).await] {
            let problem = refused.problem(409, "item_locked");
            assert_eq!(problem["blocking_item"]["id"], film.as_str(), "{problem}");
        }
        let quiz = learner.item(film).await.expect(200)["quizzes"][0].clone();
        assert!(!quiz.to_string().contains("\"right\""), "S4: {quiz}");
        let five = worth(&stage, "arbiter-level-2", film, &quiz, 5).await;
        let failed = learner.answer(film, &quiz, &five).await.expect(200);
        assert_eq!((&failed["result"]["confirmed_points"], &failed["result"]["points_total"], &failed["result"]["passed"]), (&json!(5), &json!(10), &json!(false)), "{failed}");
        learner.answer(film, &quiz, &five).await.problem(409, "attempt_over");
        let quiz = learner.item(film).await.expect(200)["quizzes"][0].clone();
        let eight = worth(&stage, "arbiter-level-2", film, &quiz, 8).await;
        learner.answer(film, &quiz, &eight).await.problem(409, "cooldown");
        learner.item(second).await.problem(409, "item_locked");

        clock.advance(std::time::Duration::from_hours(1));
        let key = Uuid::now_v7();
        let passed = learner.answer_with(film, &quiz, &eight, key).await;
        let again = learner.answer_with(film, &quiz, &eight, key).await;
        assert_eq!((again.header("idempotent-replay"), again.text()), ("true", passed.text()));
        let passed = passed.expect(200);
        assert_eq!((&passed["result"]["passed"], &passed["enrollment"]["confirmed_points"]), (&json!(true), &json!(8)), "{passed}");

        // Lesson two asks an open question worth four: it waits for a grader.
        learner.visit(second).await.expect(200);
        let body = learner.item(second).await.expect(200);
        let open = body["quizzes"][0].clone();
        let points = u32::try_from(open["questions"][0]["points"].as_u64().unwrap()).unwrap();
        let answer = worth(&stage, "arbiter-level-2", second, &open, points).await;
        learner.answer(second, &open, &answer).await.expect(200);
        let enrollment = learner.enrollment().await;
        assert_eq!((&enrollment["confirmed_points"], &enrollment["potential_points"]), (&json!(8), &json!(4)), "{enrollment}");
        let open = learner.item(second).await.expect(200)["quizzes"][0].clone();
        learner.answer(second, &open, &answer).await.problem(409, "awaiting_grading");
    }

    /// What was right in one course is answered in the other at the first visit; nothing moves before.
    async fn shared_answers_of_one_course_count_in_the_other_from_the_first_visit(db: TestDb) {
        let stage = stage(&db, Clock::system(), &["arbiter-level-2", "tournament-basics"]).await;
        let basics = items(&stage, "tournament-basics").await;
        let learner = Learner::enroll(&stage, "u-1", "tournament-basics").await;
        let welcome = &basics[0][0];
        for item in &basics[0] {
            learner.visit(item).await.expect(200);
        }
        let quiz = learner.item(welcome).await.expect(200)["quizzes"][0].clone();
        assert!(quiz.is_object(), "the shared lesson begins with a quiz");
        let all = quiz["questions"].as_array().unwrap().iter().map(|question| question["points"].as_u64().unwrap()).sum::<u64>();
        let answers = worth(&stage, "tournament-basics", welcome, &quiz, u32::try_from(all).unwrap()).await;
        learner.answer(welcome, &quiz, &answers).await.expect(200);

        // The other course: pass its first gates up to the shared lesson, and only look.
        let lessons = items(&stage, "arbiter-level-2").await;
        let other = Learner::enroll(&stage, "u-1", "arbiter-level-2").await;
        let shared = lessons.iter().find(|lesson| **lesson == basics[0]).expect("the same lesson has the same items");
        for item in lessons.iter().take_while(|lesson| *lesson != shared).flatten() {
            other.visit(item).await.expect(200);
            for quiz in other.item(item).await.expect(200)["quizzes"].as_array().into_iter().flatten() {
                let all = quiz["questions"].as_array().unwrap().iter().map(|question| question["points"].as_u64().unwrap()).sum::<u64>();
                let answers = worth(&stage, "arbiter-level-2", item, quiz, u32::try_from(all).unwrap()).await;
                other.answer(item, quiz, &answers).await.expect(200);
            }
        }
        let before = other.enrollment().await["confirmed_points"].as_f64().unwrap();
        let after = other.visit(&shared[0]).await.expect(200);
        #[expect(clippy::cast_precision_loss, reason = "a handful of points")]
        let gained = after["confirmed_points"].as_f64().unwrap() - all as f64;
        assert!((gained - before).abs() < 1e-9, "{before} and {all} in {after}");
        let again = other.visit(&shared[0]).await.expect(200);
        assert_eq!(again["version"], after["version"], "a second visit changes nothing");
    }
}
