//! Courses: what an outline weighs, whether an answer stays as cheap in a large course, and how soon a coach
//! sees how ten thousand do.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::client::{Connection, request};
use crate::drive::{Outcome, Same, Span, drive};
use crate::measure::{Run, Scene, open};
use crate::people::{Queue, member};
use crate::report::{Report, is_doubtful};
use crate::seed_courses::{self, Learners};
use crate::stage::SITE;

/// What the outline of the large course may weigh on its way, in bytes.
const WIRE: usize = 30_000;
/// Statements that opening a course may take.
const STATEMENTS: u64 = 5;
/// How soon a dashboard must be there.
const DASHBOARD: Duration = Duration::from_millis(200);
/// Items of the courses.
pub const SMALL: usize = 5;
const LARGE: usize = 500;

/// What is asked for in a course.
struct Asked {
    slug: String,
    item: String,
    quiz: String,
    answers: Value,
}

impl Run<'_> {
    /// Everything about courses.
    pub async fn courses(&self, report: &mut Report) -> Result<()> {
        let title = self.title();
        let scene = self.scene("courses", 1).await?;
        for items in [SMALL, LARGE] {
            publish(&scene, &slug(items), &course(items)).await?;
        }
        report.head(&format!("{title}: courses of {SMALL} and of {LARGE} items"));
        self.patience().wait_until_quiet().await?;
        self.opening(&scene, report).await?;
        let costs = [self.answering(&scene, SMALL, report).await?, self.answering(&scene, LARGE, report).await?];
        let [small, large] = &costs;
        let (by_time, by_cpu) = (small.rate / large.rate, large.cost() / small.cost());
        let doubtful = is_doubtful(small) || is_doubtful(large);
        report.aim(
            &format!("{title}: an answer in a course of {LARGE} items / of {SMALL}"),
            format!("{by_time:.2}, cpu {by_cpu:.2}"),
            "the same (≤ 1.25)",
            if doubtful { by_cpu } else { by_time } <= 1.25,
        );
        self.dashboards(scene, report).await
    }

    /// The outline's weight, and the statements that opening a course takes.
    async fn opening(&self, scene: &Scene, report: &mut Report) -> Result<()> {
        let title = self.title();
        let token = member("u-opens", soon(scene));
        let mut most = 0;
        for items in [SMALL, LARGE] {
            let way = enroll(scene, &token, &slug(items)).await?;
            let mut connection = Connection::open(scene.server.address()).await?;
            let outline = format!("/api/v1/sites/{SITE}/courses/{}", slug(items));
            let plain = connection.send(request("GET", &outline, &token, "").as_bytes()).await?.body.len();
            let packed = request("GET", &outline, &token, "").replacen(
                "\r\n\r\n",
                "\r\naccept-encoding: gzip, deflate, br, zstd\r\n\r\n",
                1,
            );
            let packed = connection.send(packed.as_bytes()).await?.body.len();
            report.fact(&format!("outline of {items} items, as sent / unpacked"), &format!("{packed} / {plain} bytes"));
            if items == LARGE {
                report.aim(
                    &format!("{title}: outline of {items} items on the wire"),
                    format!("{packed} bytes"),
                    "≤ 30 KB",
                    packed <= WIRE,
                );
            }
            // The least of some: what the server does by itself adds to the count.
            let mut least = u64::MAX;
            for _ in 0..10 {
                let before = statements(scene).await?;
                for path in [&outline, &format!("/api/v1/course-enrollments/{way}")] {
                    connection.call("GET", path, &token, None).await?;
                }
                least = least.min(statements(scene).await? - before);
            }
            report.fact(&format!("statements to open a course of {items} items"), &least.to_string());
            most = most.max(least);
            let text: Rc<[u8]> = request("GET", &outline, &token, "").into_bytes().into();
            let outcome =
                drive(scene.server.address(), &scene.family, 32, self.span(), || Same(Rc::clone(&text))).await?;
            report.line(&format!("outline of {items} items"), &outcome);
        }
        report.aim(&format!("{title}: statements to open a course"), most.to_string(), "≤ 5", most <= STATEMENTS);
        Ok(())
    }

    /// Each of some members answers a quiz once, in the middle of the course; in the large one they did 400 items before.
    pub async fn answering(&self, scene: &Scene, items: usize, report: &mut Report) -> Result<Outcome> {
        let learners = if self.is_quick() { 200 } else { 2_000 };
        let asked = asked(scene, items).await?;
        let expires = soon(scene);
        let path = format!("/api/v1/sites/{SITE}/courses/{}/enrollments", asked.slug);
        let queue = Queue::of(
            (0..learners).map(|number| request("POST", &path, &member(&format!("a-{number}"), expires), "{}")),
        );
        let (ids, span) =
            (Rc::new(RefCell::new(Vec::new())), Span { warm: Duration::ZERO, counted: Duration::from_mins(2) });
        let enrolled = drive(scene.server.address(), &scene.family, 32, span, || Enrolled {
            queue: queue.clone(),
            ids: Rc::clone(&ids),
        })
        .await?;
        report.line(&format!("an enrollment, course of {items} items"), &enrolled);
        if items == LARGE {
            let db = open(&scene.database).await?;
            seed_courses::items(&db, &asked.slug, 400).await?;
            let sqlite = db.is_sqlite();
            db.close().await;
            if sqlite {
                // What the seed left in the log is not for the answers to bring into the file.
                let mut own = sqlx::SqliteConnection::connect(&scene.database).await?;
                let (busy, ..): (i64, i64, i64) =
                    sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut own).await?;
                if busy != 0 {
                    println!("  the log was busy: answers pay for some of the seed");
                }
                own.close().await?;
            }
            self.analyze(&scene.database).await?;
        }
        let body = json!({ "attempt": 1, "answers": asked.answers }).to_string();
        let answers = ids.take().into_iter().map(|(user, way): (String, String)| {
            let path = format!("/api/v1/course-enrollments/{way}/items/{}/quizzes/{}/answers", asked.item, asked.quiz);
            request("POST", &path, &member(&user, expires), &body)
        });
        let queue = Queue::of(answers.collect::<Vec<_>>());
        let before = statements(scene).await?;
        let outcome = drive(scene.server.address(), &scene.family, 32, span, || queue.clone()).await?;
        let each = (statements(scene).await? - before) / learners;
        report.line(&format!("an answer, course of {items} items"), &outcome);
        println!("  statements of an answer, course of {items} items {each:>32}");
        Ok(outcome)
    }

    /// How soon a coach sees a cohort, of a thousand and of ten thousand learners, at a hundred thousand answers
    /// and at a million.
    async fn dashboards(&self, scene: Scene, report: &mut Report) -> Result<()> {
        let title = self.title();
        let (few, many, answers) = if self.is_quick() { (100, 1_000, 20) } else { (1_000, 10_000, 100) };
        let Scene { mut server, prepared, database, .. } = scene;
        server.stop().await?;
        report.head(&format!("{title}: dashboards of cohorts, each learner in two courses"));
        let mut found = Vec::new();
        let soon = prepared.app.clock.now().plus_seconds(36_000);
        let coach = json!({ "sub": "coach", "roles": ["coach"], "cohorts": ["few", "many"] });
        let coach = crate::people::signed(coach, soon);
        // Learners first, then what the many answered.
        let stages = [
            (1, few, "few", answers),
            (few + 1, few + many, "many", 0),
            (few + 1, few + many, "", answers - answers / 10),
        ];
        for (from, to, cohort, answers) in stages {
            let begun = Instant::now();
            let db = open(&database).await?;
            for slug in [slug(SMALL), slug(LARGE)] {
                // What the many answer is split over both; the few answer in the large one.
                let answers = if slug == self::slug(LARGE) { answers } else { 0 };
                seed_courses::learners(&db, &Learners { slug: &slug, cohort, from, to, answers }).await?;
            }
            let total = seed_courses::count(&db).await?;
            db.close().await;
            self.analyze(&database).await?;
            println!("  seeded in {:.0} s: {total} answers", begun.elapsed().as_secs_f64());
            let (mut server, family) = self.serve(&database).await?;
            self.patience().wait_until_quiet().await?;
            for (name, learners) in [("few", few), ("many", many)] {
                if name == "many" && from == 1 {
                    continue;
                }
                let path = format!("/api/v1/sites/{SITE}/me/cohorts/{name}");
                let text: Rc<[u8]> = request("GET", &path, &coach, "").into_bytes().into();
                let outcome = drive(server.address(), &family, 1, self.span(), || Same(Rc::clone(&text))).await?;
                report.line(&format!("dashboard of {learners}, {total} answers"), &outcome);
                found.push(outcome);
            }
            let text: Rc<[u8]> =
                request("GET", &format!("/api/v1/sites/{SITE}/me/cohorts/few/learners?limit=50"), &coach, "")
                    .into_bytes()
                    .into();
            let page = drive(server.address(), &family, 1, self.span(), || Same(Rc::clone(&text))).await?;
            report.line(&format!("50 of its learners, {total} answers"), &page);
            server.stop().await?;
        }
        let [small, .., large] = found.as_slice() else { bail!("two cohorts make a comparison") };
        let before = found.get(2).context("the many were not asked for")?;
        let tail = Duration::from_secs_f64(large.quantile(0.99) / 1000.0);
        report.aim(
            &format!("{title}: dashboard of {many} learners, {} answers each, p99", answers - answers / 10),
            format!("{:.0} ms", tail.as_secs_f64() * 1000.0),
            "≤ 200 ms",
            tail <= DASHBOARD,
        );
        report.fact(
            &format!("its growth: {few} → {many} learners / ten times the answers"),
            &format!(
                "× {:.1} / × {:.2}",
                large.quantile(0.5) / small.quantile(0.5),
                large.quantile(0.5) / before.quantile(0.5)
            ),
        );
        Ok(())
    }
}

/// When the members' tokens expire.
fn soon(scene: &Scene) -> jalon_shared::Timestamp {
    scene.prepared.app.clock.now().plus_seconds(36_000)
}

/// Enrolls, and keeps who is in by which id.
struct Enrolled {
    queue: Queue,
    ids: Rc<RefCell<Vec<(String, String)>>>,
}

impl crate::drive::Work for Enrolled {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        self.queue.ask(request)
    }

    fn hear(&mut self, _: u16, body: &[u8]) {
        let way: Value = serde_json::from_slice(body).unwrap_or_default();
        if let (Some(user), Some(id)) = (way["user_id"].as_str(), way["id"].as_str()) {
            self.ids.borrow_mut().push((user.to_owned(), id.to_owned()));
        }
    }
}

pub fn slug(items: usize) -> String {
    format!("course-of-{items}")
}

/// A course of so many items, ten a lesson, each with a quiz of two questions.
pub fn course(items: usize) -> Value {
    const WORDS: [&str; 8] = ["umpire", "measures", "distance", "between", "boule", "jack", "players", "circle"];
    let title = |place: usize| {
        let words: Vec<&str> = (0..5).map(|word| WORDS[(place * 5 + word * (place % 3 + 1)) % WORDS.len()]).collect();
        json!({ "en": format!("The {} {place}", words.join(" ")), "fr": format!("Étape {place}") })
    };
    let question = |key: &str| json!({ "key": key, "kind": "true_false", "prompt": { "en": "The jack is thrown first." }, "right": true });
    let item = |place: usize| {
        let quiz = json!({ "key": "quiz", "title": { "en": "Questions" }, "pass_mark": 50, "questions": [question("q1"), question("q2")] });
        json!({ "key": format!("item-{place}"), "kind": "content", "title": title(place),
            "body": { "en": "A player throws the jack between six and ten metres." }, "quizzes": [quiz] })
    };
    let lessons: Vec<Value> = (0..items.div_ceil(10))
        .map(|lesson| {
            let items: Vec<Value> = (lesson * 10..items.min(lesson * 10 + 10)).map(item).collect();
            json!({ "key": format!("lesson-{lesson}"), "title": title(lesson + 5000), "items": items })
        })
        .collect();
    json!({ "category": "umpiring", "difficulty": "advanced", "source_lang": "en", "title": title(0),
        "modules": [{ "key": "m", "title": title(1), "lessons": lessons }] })
}

pub async fn publish(scene: &Scene, slug: &str, course: &Value) -> Result<()> {
    let path = format!("/api/v1/admin/sites/{SITE}/courses/{slug}");
    let mut connection = Connection::open(scene.server.address()).await?;
    for (method, path, body) in [("PUT", path.clone(), Some(course)), ("POST", format!("{path}/publish"), None)] {
        let (status, answer) = connection.call(method, &path, &scene.prepared.key, body).await?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} was answered with {status}: {answer}");
        }
    }
    Ok(())
}

async fn enroll(scene: &Scene, token: &str, slug: &str) -> Result<String> {
    let path = format!("/api/v1/sites/{SITE}/courses/{slug}/enrollments");
    let (status, way) =
        Connection::open(scene.server.address()).await?.call("POST", &path, token, Some(&json!({}))).await?;
    way["id"].as_str().map(str::to_owned).with_context(|| format!("{path} was answered with {status}: {way}"))
}

/// The item in the middle, its quiz, and right answers to it.
async fn asked(scene: &Scene, items: usize) -> Result<Asked> {
    let (slug, token) = (slug(items), member("u-looks", scene.prepared.app.clock.now().plus_seconds(3600)));
    let way = enroll(scene, &token, &slug).await?;
    let mut connection = Connection::open(scene.server.address()).await?;
    let (_, outline) = connection.call("GET", &format!("/api/v1/sites/{SITE}/courses/{slug}"), &token, None).await?;
    let lessons = outline["modules"][0]["lessons"].as_array().context("no lessons")?;
    let middle = lessons[lessons.len() / 2]["items"].as_array().context("no items")?;
    let item = middle[middle.len() / 2]["id"].as_str().context("no id")?.to_owned();
    let (_, body) =
        connection.call("GET", &format!("/api/v1/course-enrollments/{way}/items/{item}"), &token, None).await?;
    let quiz = &body["quizzes"][0];
    let answers = quiz["questions"].as_array().context("no questions")?.iter().map(|question| {
        let right = question["choices"].as_array().into_iter().flatten().find(|choice| choice["value"] == true);
        json!({ "question_id": question["id"], "choice_ids": [right.map(|choice| &choice["id"])] })
    });
    Ok(Asked { answers: answers.collect(), quiz: quiz["quiz_id"].as_str().context("no quiz")?.to_owned(), slug, item })
}

/// Statements that the server has run.
async fn statements(scene: &Scene) -> Result<u64> {
    let mut connection = Connection::open(scene.server.address()).await?;
    let answer = connection.send(request("GET", "/metrics", &scene.prepared.key, "").as_bytes()).await?;
    let text = std::str::from_utf8(answer.body)?;
    let line = text.lines().find_map(|line| line.strip_prefix("jalon_db_statements_total "));
    Ok(line.context("this server does not count its statements")?.parse()?)
}
