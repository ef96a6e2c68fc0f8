//! What stands around an item's own text: hints, articles of others, those who take the course too, what learners
//! think of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jalon_backend::clock::Clock;
use jalon_shared::Timestamp;
use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};

use super::{Learner, items};

const ADMIN: &str = "/api/v1/admin/sites/fpsf";
const NOON: Timestamp = Timestamp(1_795_262_400_000);

/// A magazine whose articles a course shows.
#[derive(Clone, Default)]
struct Magazine {
    asked: Arc<AtomicUsize>,
    /// What it answers; 0: the article.
    fails: Arc<AtomicU16>,
    edition: Arc<AtomicUsize>,
}

#[derive(serde::Deserialize)]
struct Lang {
    lang: String,
}

async fn article(
    State(magazine): State<Magazine>,
    Path(id): Path<String>,
    Query(Lang { lang }): Query<Lang>,
    headers: HeaderMap,
) -> Response {
    magazine.asked.fetch_add(1, Ordering::SeqCst);
    let fails = magazine.fails.load(Ordering::SeqCst);
    if fails != 0 {
        return StatusCode::from_u16(fails).unwrap().into_response();
    }
    let edition = magazine.edition.load(Ordering::SeqCst);
    let tag = format!("\"{edition}\"");
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    if let Some(size) = id.strip_prefix("of ").and_then(|size| size.parse().ok()) {
        return ([(header::CONTENT_TYPE, "text/markdown")], "a".repeat(size)).into_response();
    }
    if id == "nul.md" {
        return ([(header::CONTENT_TYPE, "text/markdown")], "# a\0b\n\n&#0;c `\0d`").into_response();
    }
    if id == "nul" {
        let odd = json!({ "title": "a\0b", "html": "<p title=\"\0\">a\0b&#0;c</p>\0", "url": "https://magazine.example/\0", "lang": "f\0r" });
        return axum::Json(odd).into_response();
    }
    let body = json!({ "title": format!("{id} {lang}"), "html": format!("<p onclick=\"x()\">Edition {edition}</p><script>x()</script>"),
        "url": "https://magazine.example/1", "lang": "fr" });
    ([(header::ETAG, tag)], axum::Json(body)).into_response()
}

impl Magazine {
    async fn open() -> (Self, String) {
        let magazine = Self::default();
        let router = axum::Router::new().route("/a/{id}", axum::routing::get(article)).with_state(magazine.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/a/{{id}}?lang={{lang}}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (magazine, address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A course of one article with all that can stand below it, and a question with hints.
fn course() -> Value {
    let question = json!({ "key": "q", "kind": "true_false", "right": true, "prompt": { "fr": "Vrai ?" },
        "hints": [{ "fr": "*Peut-être*." }, { "fr": "Oui.", "sv": "Ja." }] });
    json!({
        "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": { "fr": "Cours" },
        "modules": [{ "key": "m", "title": { "fr": "Module" }, "lessons": [{ "key": "l", "title": { "fr": "Leçon" }, "items": [
            { "key": "a", "kind": "article", "title": { "fr": "Lire" }, "article": { "provider": "magazine", "id": "le/jeu" },
              "shortcodes": ["peers_online", "course_evaluation", "next_steps"],
              "quizzes": [{ "key": "quiz", "title": { "fr": "Quiz" }, "questions": [question] }] },
            { "key": "b", "kind": "content", "title": { "fr": "Fin" }, "body": { "fr": "Fin." } },
        ] }] }]
    })
}

async fn stage_with(db: &jalon_tests::TestDb, clock: Clock, url: &str) -> Stage {
    let stage = Stage::set_with(db, clock, |_| ()).await;
    let provider = format!("{ADMIN}/article-providers/magazine");
    // The provider comes first.
    let refused = stage.server.put(&format!("{ADMIN}/courses/read")).bearer(&stage.key).json(&course()).send().await;
    let errors = refused.problem(422, "validation_failed")["errors"].clone();
    assert_eq!(errors[0]["pointer"], "/modules/0/lessons/0/items/0/article/provider");
    assert_eq!(errors[0]["code"], "unknown_provider");
    for _ in 0..2 {
        let put = stage.server.put(&provider).bearer(&stage.key).json(&json!({ "url": url })).send().await;
        assert!(put.status.is_success(), "{}", put.text());
    }
    super::publish(&stage, "read", &course()).await;
    stage
}

for_both! {
    async fn an_article_is_shown_from_its_copy_while_its_provider_is_away(db: TestDb) {
        let (magazine, url) = Magazine::open().await;
        let clock = Clock::fixed(NOON);
        let stage = stage_with(&db, clock.clone(), &url).await;
        let item = items(&stage, "read").await[0][0].clone();
        let learner = Learner::enroll(&stage, "anna", "read").await;
        let wait = |seconds: u64| clock.advance(Duration::from_secs(seconds));

        // Nothing yet, and it does not answer: the item opens all the same.
        magazine.fails.store(503, Ordering::SeqCst);
        let body = learner.item(&item).await.expect(200);
        assert_eq!((&body["article"]["provider"], &body["article"]["content"]), (&json!("magazine"), &Value::Null));
        // It is not asked again at once, then it is.
        magazine.fails.store(0, Ordering::SeqCst);
        assert_eq!(learner.item(&item).await.expect(200)["article"]["content"], Value::Null);
        assert_eq!(magazine.asked(), 1);
        wait(31);
        let article = learner.item(&item).await.expect(200)["article"].clone();
        assert_eq!(article["content"], json!({ "value": "<p>Edition 0</p>", "lang": "fr", "fallback": false }));
        assert_eq!(article["title"]["value"], "le/jeu fr");
        assert_eq!(article["url"], "https://magazine.example/1");
        learner.item(&item).await.expect(200);
        assert_eq!(magazine.asked(), 2);

        // An old copy is shown at once; beside, the new edition comes.
        magazine.edition.store(1, Ordering::SeqCst);
        wait(601);
        let again = |what: &'static str| {
            let (learner, item) = (&learner, &item);
            async move {
                for _ in 0..600 {
                    let article = learner.item(item).await.expect(200)["article"].clone();
                    if article["content"]["value"] == what {
                        return article;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                panic!("no {what}");
            }
        };
        let fresh = again("<p>Edition 1</p>").await;
        assert_eq!((magazine.asked(), &fresh["fetched_at"]), (3, &json!(clock.now())));
        // Unchanged (304): confirmed, not fetched.
        wait(601);
        for _ in 0..600 {
            if learner.item(&item).await.expect(200)["article"]["fetched_at"] == json!(clock.now()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(learner.item(&item).await.expect(200)["article"]["fetched_at"], json!(clock.now()));
        assert_eq!(magazine.asked(), 4);
        // Away for longer: the copy stays. Gone: it goes.
        magazine.fails.store(500, Ordering::SeqCst);
        wait(1200);
        assert_eq!(learner.item(&item).await.expect(200)["article"]["content"]["value"], "<p>Edition 1</p>");
        magazine.fails.store(404, Ordering::SeqCst);
        for _ in 0..600 {
            wait(31);
            if learner.item(&item).await.expect(200)["article"]["content"].is_null() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(learner.item(&item).await.expect(200)["article"]["content"], Value::Null);
    }

    async fn an_article_may_be_long_and_not_endless(db: TestDb) {
        let (_, url) = Magazine::open().await;
        let stage = stage_with(&db, Clock::fixed(NOON), &url).await;
        let mut long = course();
        let lesson = &mut long["modules"][0]["lessons"][0];
        let item = |size: usize| json!({ "key": format!("of{size}"), "kind": "article", "title": { "fr": "Lire" }, "article": { "provider": "magazine", "id": format!("of {size}") } });
        lesson["items"] = [128 * 1024, 128 * 1024 + 1, 2_000_000].map(item).to_vec().into();
        crate::course::publish(&stage, "long", &long).await;
        let ids = items(&stage, "long").await[0].clone();
        let anna = Learner::enroll(&stage, "anna", "long").await;
        let all = anna.item(&ids[0]).await.expect(200);
        assert_eq!(all["article"]["content"]["value"].as_str().unwrap().trim().len(), 128 * 1024 + "<p></p>".len());
        for id in &ids[1..] {
            assert!(anna.item(id).await.expect(200)["article"]["content"].is_null(), "too much is not shown");
        }
    }

    /// C19: what comes from a provider is nobody's fault here; it is shown without what can't be kept.
    async fn c19_an_article_is_kept_without_nuls(db: TestDb) {
        let (_, url) = Magazine::open().await;
        let stage = stage_with(&db, Clock::fixed(NOON), &url).await;
        let mut odd = course();
        let item = |id: &str| json!({ "key": id.replace('.', "-"), "kind": "article", "title": { "fr": "Lire" }, "article": { "provider": "magazine", "id": id } });
        odd["modules"][0]["lessons"][0]["items"] = ["nul", "nul.md"].map(item).to_vec().into();
        crate::course::publish(&stage, "odd", &odd).await;
        let ids = items(&stage, "odd").await[0].clone();
        let anna = Learner::enroll(&stage, "anna", "odd").await;
        for (id, kept) in ids.iter().zip(["b", "c"]) {
            let shown = anna.item(id).await;
            let article = shown.expect(200)["article"].clone();
            let content = article["content"]["value"].as_str().unwrap_or_else(|| panic!("{article}"));
            assert!(content.contains(kept) && !shown.text().contains("\\u0000"), "{article}");
            assert_eq!((&article["url"], &article["title"]), (&Value::Null, &Value::Null), "{article}");
        }
    }

    async fn a_content_provider_is_somewhere_public_and_names_no_host_by_an_article(db: TestDb) {
        let stage = Stage::set(&db).await;
        let path = format!("{ADMIN}/article-providers/magazine");
        let put = async |path: &str, body: Value| stage.server.put(path).bearer(&stage.key).json(&body).send().await;
        for url in ["https://a.example/x", "http://a.example/{id}", "https://{id}.example/", "https://10.0.0.1/{id}", "ftp://a.example/{id}", "{id}", "https://u:p@a.example/{id}"] {
            let refused = put(&path, json!({ "url": url })).await;
            assert_eq!(refused.problem(422, "invalid_value")["errors"][0]["pointer"], "/url", "{url}");
        }
        put(&format!("{ADMIN}/article-providers/A"), json!({ "url": "https://a.example/{id}" })).await.problem(422, "invalid_value");
        put(&path, json!({ "url": "https://a.example/{id}", "token": "x" })).await.problem(422, "unknown_field");
        put(&path, json!({ "url": "https://a.example/{lang}/{id}" })).await.expect(201);
        put(&path, json!({ "url": "https://b.example/{id}" })).await.expect(200);
        let all = stage.server.get(&format!("{ADMIN}/article-providers")).bearer(&stage.key).send().await.expect(200);
        assert_eq!(all["items"], json!([{ "name": "magazine", "url": "https://b.example/{id}" }]));
        stage.server.delete(&path).bearer(&stage.key).send().await.expect(204);
        stage.server.delete(&path).bearer(&stage.key).send().await.problem(404, "not_found");
    }

    async fn hints_peers_and_what_learners_think_come_with_the_item(db: TestDb) {
        let (_, url) = Magazine::open().await;
        let clock = Clock::fixed(NOON);
        let stage = stage_with(&db, clock.clone(), &url).await;
        let ids = items(&stage, "read").await[0].clone();
        let anna = Learner::enroll(&stage, "anna", "read").await;
        let bertil = Learner::enroll(&stage, "bertil", "read").await;
        Learner::enroll(&stage, "carl", "read").await;

        let body = anna.item(&ids[0]).await.expect(200);
        let hints = &body["quizzes"][0]["questions"][0]["hints"];
        assert_eq!(hints[0]["value"].as_str().unwrap().trim(), "<p><em>Peut-être</em>.</p>");
        assert_eq!(hints.as_array().unwrap().len(), 2);
        assert_eq!(body["shortcodes"], json!(["peers_online", "course_evaluation", "next_steps"]));
        assert_eq!(body["peers"], json!({ "online": 0, "offline": 2 }));
        bertil.visit(&ids[1]).await.expect(200);
        assert_eq!(anna.item(&ids[0]).await.expect(200)["peers"], json!({ "online": 1, "offline": 1 }));
        clock.advance(Duration::from_secs(361));
        assert_eq!(anna.item(&ids[0]).await.expect(200)["peers"], json!({ "online": 0, "offline": 2 }));
        // Where no shortcode asks, nothing is said.
        let other = anna.item(&ids[1]).await.expect(200);
        assert!(other.get("peers").is_none() && other.get("evaluation").is_none());

        let say = async |learner: &Learner<'_>, who: &str, said: Value| {
            stage.server.put(&format!("{}/evaluation", learner.path)).bearer(&stage.member(who)).json(&said).send().await
        };
        for (said, pointer) in [(json!({ "rating": 0 }), "/rating"), (json!({ "rating": 6 }), "/rating"), (json!({ "rating": 3, "comment": "x".repeat(2001) }), "/comment")] {
            assert_eq!(say(&anna, "anna", said).await.problem(422, "invalid_value")["errors"][0]["pointer"], pointer);
        }
        say(&anna, "bertil", json!({ "rating": 1 })).await.problem(404, "not_found");
        say(&anna, "anna", json!({ "rating": 2, "comment": "  " })).await.expect(200);
        say(&anna, "anna", json!({ "rating": 4, "comment": " Bra <b>kurs</b> " })).await.expect(200);
        say(&bertil, "bertil", json!({ "rating": 5 })).await.expect(200);
        assert_eq!(anna.item(&ids[0]).await.expect(200)["evaluation"], json!({ "rating": 4, "comment": "Bra <b>kurs</b>" }));

        let admin = async |path: &str| stage.server.get(&format!("{ADMIN}/{path}")).bearer(&stage.key).send().await.expect(200);
        let numbers = admin("course-statistics").await["items"][0].clone();
        assert_eq!((&numbers["evaluations"], &numbers["mean_rating"]), (&json!(2), &json!(4.5)));
        let first = admin("courses/read/evaluations?limit=1").await;
        let next = admin(&format!("courses/read/evaluations?limit=1&cursor={}", first["next_cursor"].as_str().unwrap())).await;
        let ratings = [&first["items"][0]["rating"], &next["items"][0]["rating"]].map(|rating| rating.as_u64().unwrap());
        assert_eq!(ratings.iter().sum::<u64>(), 9);
        assert!(next["next_cursor"].is_null() && !first.to_string().contains("anna"));
        let export = stage.server.get("/api/v1/sites/fpsf/me/export").bearer(&stage.member("anna")).send().await.expect(200);
        assert_eq!(export["course_evaluations"][0]["comment"], "Bra <b>kurs</b>");
        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&stage.member("anna")).send().await.expect(204);
        assert_eq!(admin("course-statistics").await["items"][0]["evaluations"], 1);
    }
}
