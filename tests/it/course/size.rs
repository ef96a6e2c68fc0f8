//! A large course opens as a small one does: as many statements, and an outline that a phone can wait for.

use std::io::Read as _;

use jalon_tests::{Answer, Stage, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::process::Process;

/// What the outline of a course of 500 items may weigh on its way.
const WIRE: usize = 30_000;
/// Statements that opening a course may take, with the one that reads which courses the site has.
const STATEMENTS: u64 = 5;

/// A course of so many items, ten a lesson, with titles as people write them; each item has a quiz.
fn course(items: usize) -> Value {
    const WORDS: [&str; 16] = [
        "the", "umpire", "measures", "distance", "between", "boule", "and", "jack", "before", "players", "pick", "up",
        "their", "circle", "again", "twice",
    ];
    let title = |place: usize| {
        let words = (0..6).map(|word| WORDS[(place * 7 + word * (place % 5 + 1)) % WORDS.len()]);
        json!({ "en": format!("{} {place}", words.collect::<Vec<_>>().join(" ")), "sv": format!("Moment {place}") })
    };
    let item = |place: usize| {
        let question = json!({ "key": "q", "kind": "true_false", "prompt": title(place), "right": true });
        let quiz = json!({ "key": "quiz", "title": title(place + 1000), "pass_mark": 60, "gate": place % 10 == 9, "questions": [question] });
        json!({ "key": format!("i{place}"), "kind": "content", "title": title(place), "body": title(place), "quizzes": [quiz] })
    };
    let lessons: Vec<Value> = (0..items.div_ceil(10))
        .map(|lesson| {
            let items: Vec<Value> = (lesson * 10..items.min(lesson * 10 + 10)).map(item).collect();
            json!({ "key": format!("l{lesson}"), "title": title(lesson + 2000), "items": items })
        })
        .collect();
    json!({ "category": "umpiring", "difficulty": "advanced", "source_lang": "en", "title": title(0), "modules": [{ "key": "m", "title": title(1), "lessons": lessons }] })
}

fn unpacked(answer: &Answer) -> Value {
    let mut text = String::new();
    flate2::read::GzDecoder::new(answer.bytes.as_slice()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Statements that the server has run.
async fn statements(server: &Process, key: &str) -> u64 {
    server.metric(key, "jalon_db_statements_total").await
}

for_both! {
    async fn what_authors_write_may_be_large_and_a_strangers_body_may_not(db: TestDb) {
        let stage = Stage::set(&db).await;
        let text = "Une phrase. ".repeat(8000);
        let item = |place: usize| json!({ "key": format!("i{place}"), "kind": "content", "title": { "fr": "Lire" }, "body": { "fr": text } });
        let items: Vec<Value> = (0..12).map(item).collect();
        let course = json!({ "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": { "fr": "Long" },
            "modules": [{ "key": "m", "title": { "fr": "Module" }, "lessons": [{ "key": "l", "title": { "fr": "Leçon" }, "items": items }] }] });
        let path = "/api/v1/admin/sites/fpsf/courses/long";
        assert!(course.to_string().len() > 1024 * 1024);
        let put = || stage.server.put(path).json(&course);
        put().send().await.problem(401, "unauthenticated");
        put().bearer(&stage.member("anna")).send().await.problem(403, "forbidden");
        put().bearer(&stage.key).send().await.expect(201);
        let read = stage.server.get(path).bearer(&stage.key).send().await.expect(200);
        assert_eq!(read["source"]["modules"][0]["lessons"][0]["items"][11]["body"]["fr"], text);
        let most = json!({ "slug": "x".repeat(6 * 1024 * 1024) });
        stage.server.put(path).bearer(&stage.key).json(&most).send().await.problem(413, "body_too_large");
    }

    async fn an_outline_of_500_items_is_small_on_its_way(db: TestDb) {
        let stage = Stage::set(&db).await;
        crate::course::publish(&stage, "large", &course(500)).await;
        let ask = |encoding: &'static str| stage.server.get("/api/v1/sites/fpsf/courses/large").header("accept-encoding", encoding);
        let packed = ask("gzip, deflate, br, zstd").send().await;
        assert_eq!((packed.status.as_u16(), packed.header("content-encoding")), (200, "gzip"));
        assert!(packed.bytes.len() <= WIRE, "{} bytes", packed.bytes.len());
        let plain = ask("identity").send().await;
        assert_eq!((plain.header("content-encoding"), plain.json()), ("", unpacked(&packed)));
        assert!(packed.bytes.len() * 3 < plain.bytes.len());
        let items = plain.json()["modules"][0]["lessons"].as_array().unwrap().iter().map(|lesson| lesson["items"].as_array().unwrap().len()).sum::<usize>();
        assert_eq!(items, 500);
        assert_ne!(packed.header("etag"), plain.header("etag"), "two forms, two tags (RFC 9110, 8.8.3)");
        for answer in [&packed, &plain] {
            assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "accept-encoding"), "{:?}", answer.headers);
            let known = ask("gzip").header("if-none-match", answer.header("etag")).send().await;
            let same = answer.header("etag") == packed.header("etag");
            assert_eq!(known.status.as_u16(), if same { 304 } else { 200 }, "{:?}", answer.headers);
        }
        assert_eq!(ask("gzip;q=0").send().await.header("content-encoding"), "");
    }

    async fn opening_a_course_of_500_items_takes_as_many_statements_as_one_of_5(db: TestDb) {
        let stage = Stage::set(&db).await;
        let token = stage.member("u-1");
        let mut ways = Vec::new();
        for (slug, items) in [("large", 500), ("small", 5)] {
            crate::course::publish(&stage, slug, &course(items)).await;
            let path = format!("/api/v1/sites/fpsf/courses/{slug}/enrollments");
            let way = stage.server.post(&path).bearer(&token).key(Uuid::now_v7()).json(&json!({})).send().await.expect(201);
            ways.push((slug, format!("/api/v1/course-enrollments/{}", way["id"].as_str().unwrap())));
        }
        let key = stage.key.clone();
        stage.server.stop().await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let get = async |url: String| client.get(url).bearer_auth(&token).send().await.unwrap().error_for_status().unwrap();
        // What the server does by itself meanwhile adds to the count now and then, and never takes from it.
        let mut least = [[u64::MAX; 2]; 2];
        for round in 0..16 {
            let server = Process::start(&db.url()).await;
            server.ready(200).await;
            // Which courses the site has is read once for all of them, by one statement.
            client.get(format!("{}/api/v1/sites/fpsf/courses/none", server.base)).send().await.unwrap();
            // In turn: what a server does at its start would always meet the first one.
            for place in [round % 2, 1 - round % 2] {
                let (slug, way) = &ways[place];
                // First when nothing of it is in memory, then when it is.
                for time in [0, 1, 1, 1, 1] {
                    let before = statements(&server, &key).await;
                    get(format!("{}/api/v1/sites/fpsf/courses/{slug}", server.base)).await;
                    get(format!("{}{way}", server.base)).await;
                    let took = statements(&server, &key).await.saturating_sub(before);
                    least[place][time] = took.min(least[place][time]);
                }
            }
            server.stop().await;
            let [large, small] = least;
            if large == small && large.iter().all(|count| count < &STATEMENTS) {
                return;
            }
        }
        panic!("[cold, warm] of 500 items and of 5: {least:?}, fewer than {STATEMENTS} each, and alike");
    }
}
