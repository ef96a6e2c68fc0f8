//! Nobody gets another's answer out of a cache: one that everybody shares, or a browser's that several
//! pages and persons use one after the other. The caches here do all that RFC 9111 allows, and no less.

use std::collections::HashMap;

use axum::http::HeaderMap;
use jalon_backend::http::router;
use jalon_tests::{Answer, Backend, Stage, TestDb, small_track};
use reqwest::header::{self, HeaderName};
use serde_json::json;
use uuid::Uuid;

use super::routes::BEYOND;

/// Who asks, by the headers that they send.
struct Who {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
}

impl Who {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    async fn ask(&self, stage: &Stage, path: &str, known: Option<&str>) -> Answer {
        let mut request = stage.server.get(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(known) = known {
            request = request.header("if-none-match", known);
        }
        request.send().await
    }
}

/// An answer that is kept, with what of its request it depends on.
struct Kept {
    varies: Vec<(String, Option<String>)>,
    answer: Answer,
}

struct Cache {
    /// Whether several persons use it: then it keeps nothing that is private.
    shared: bool,
    kept: HashMap<String, Vec<Kept>>,
}

fn directives(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|one| one.trim().to_lowercase()).collect()
}

fn says(answer: &Answer, directive: &str) -> bool {
    directives(&answer.headers).iter().any(|one| one.split('=').next() == Some(directive))
}

impl Cache {
    fn new(shared: bool) -> Self {
        Self { shared, kept: HashMap::new() }
    }

    /// RFC 9111, 3. Where nothing is said about it, it is kept: the status alone allows that.
    fn may_keep(&self, who: &Who, answer: &Answer) -> bool {
        let known = matches!(answer.status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501);
        let secret = self.shared && who.header("authorization").is_some();
        let open = ["public", "s-maxage", "must-revalidate"].iter().any(|directive| says(answer, directive));
        known && !says(answer, "no-store") && !(self.shared && says(answer, "private")) && (!secret || open)
    }

    /// The answer, and whether the cache had a part in it.
    async fn ask(&mut self, stage: &Stage, path: &str, who: &Who) -> (Answer, bool) {
        let kept = self.kept.entry(path.to_owned()).or_default();
        let fits = |kept: &&Kept| kept.varies.iter().all(|(name, value)| who.header(name) == value.as_deref());
        // No time passes here: what is not stale at once is fresh.
        let stale = |kept: &Kept| says(&kept.answer, "no-cache") || says(&kept.answer, "max-age=0");
        if let Some(kept) = kept.iter().find(fits)
            && !stale(kept)
        {
            return (kept.answer.clone(), true);
        }
        // All that is kept of this address may be named, whatever it varies by (RFC 9111, 4.3.1).
        let tags: Vec<&str> =
            kept.iter().map(|kept| kept.answer.header("etag")).filter(|tag| !tag.is_empty()).collect();
        let answer =
            who.ask(stage, path, Some(&tags.join(", ")).filter(|tags| !tags.is_empty()).map(String::as_str)).await;
        let varies = || {
            let names = answer.headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
            let names = names.flat_map(|value| value.split(',')).map(|name| name.trim().to_lowercase());
            names.map(|name| (name.clone(), who.header(&name).map(str::to_owned))).collect::<Vec<_>>()
        };
        if answer.status == 304 {
            let found = kept.iter_mut().find(|kept| kept.answer.header("etag") == answer.header("etag"));
            let found = found.unwrap_or_else(|| panic!("{path}: a 304 with a tag that nobody has"));
            for name in answer.headers.keys().filter(|name| **name != header::CONTENT_LENGTH) {
                found.answer.headers.remove(name);
                for value in answer.headers.get_all(name) {
                    found.answer.headers.append(name.clone(), value.clone());
                }
            }
            let answer = found.answer.clone();
            let again = Kept { varies: varies(), answer: answer.clone() };
            if says(&answer, "no-store") {
                let tag = answer.header("etag");
                kept.retain(|kept| kept.answer.header("etag") != tag);
            } else {
                kept.push(again);
            }
            return (answer, true);
        }
        let varies = varies();
        if self.may_keep(who, &answer) && !varies.iter().any(|(name, _)| name == "*") {
            self.kept.entry(path.to_owned()).or_default().push(Kept { varies, answer: answer.clone() });
        }
        (answer, false)
    }
}

/// Everything that can be read, with what is in the stage for its parameters.
fn paths(enrollment: &str) -> Vec<String> {
    let document = serde_json::to_value(router::openapi()).unwrap();
    let operations = document["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("get").is_some());
    let nothing = Uuid::now_v7().to_string();
    let concrete = operations.map(|(path, _)| {
        let path =
            path.replace("{site}", "fpsf").replace("{track}", "first").replace("{order}", "1").replace("{user}", "u-1");
        path.replace("{id}", enrollment)
            .split('/')
            .map(|part| if part.starts_with('{') { nothing.as_str() } else { part })
            .collect::<Vec<_>>()
            .join("/")
    });
    let more = [
        "/api/v1/sites/fpsf/tracks/first?lang=en",
        "/api/v1/sites/fpsf/tracks?lang=sv",
        "/t/fpsf/first?lang=en",
        "/t/fpsf/none",
        "/t/fpsf/members",
        "/problems/none",
        "/embed/v1/none",
        "/nowhere",
    ];
    concrete.chain(BEYOND.map(|(_, path)| path.to_owned())).chain(more.map(str::to_owned)).collect()
}

async fn stage(db: &TestDb) -> Stage {
    let stage = Stage::set(db).await;
    let origins = json!({ "origins": [Stage::ORIGIN, "https://deux.example"] });
    stage.server.patch("/api/v1/admin/sites/fpsf").bearer(&stage.key).json(&origins).send().await.expect(200);
    stage.site("other", &["https://other.example"]).await;
    let mut track = small_track();
    stage.publish("first", &track).await;
    track["cms_block_enabled"] = json!(false);
    stage.publish("members", &track).await;
    stage
}

/// Whose headers differ in all that answers may depend on, and some that they must not depend on.
fn callers(stage: &Stage, guests: [&str; 2]) -> Vec<Who> {
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    let origin = |origin: &str| ("origin", origin.to_owned());
    let lang = |lang: &str| ("accept-language", lang.to_owned());
    let page = Stage::ORIGIN;
    let swede = stage.member_of(Stage::SITE, json!({ "sub": "u-2", "lang": "en" }));
    let boss = stage.member_of(Stage::SITE, json!({ "sub": "u-1", "roles": ["site_admin"] }));
    let foreign = stage.member_of("other", json!({ "sub": "u-1" }));
    let forged = [
        "x-forwarded-host",
        "x-host",
        "x-original-url",
        "x-rewrite-url",
        "forwarded",
        "x-http-method-override",
        "x-forwarded-prefix",
        "x-forwarded-scheme",
    ];
    let who = |name, headers| Who { name, headers };
    vec![
        who("a program", vec![]),
        who(
            "who forges",
            forged
                .map(|name| (name, "https://evil.example/'\"><script>".to_owned()))
                .into_iter()
                .chain([("x-forwarded-proto", "nothttps".to_owned())])
                .collect(),
        ),
        who("a page in French", vec![origin(page), lang("fr")]),
        who("a page in English", vec![origin(page), lang("en")]),
        who("another page of the site", vec![origin("https://deux.example"), lang("fr")]),
        who("another site's page", vec![origin("https://other.example"), lang("en")]),
        who("nobody's page", vec![origin("https://evil.example"), lang("en")]),
        who("one guest", vec![origin(page), lang("fr"), bearer(guests[0])]),
        who("another guest", vec![origin(page), lang("fr"), bearer(guests[1])]),
        who("a member", vec![lang("fr"), bearer(&boss)]),
        who("a member who reads English", vec![bearer(&swede)]),
        who("another site's member", vec![lang("fr"), bearer(&foreign)]),
        who("the server's key", vec![bearer(&stage.key)]),
        who("a forged token", vec![lang("fr"), bearer("a.b.c")]),
        who("who takes gzip", vec![("accept-encoding", "gzip".to_owned())]),
    ]
}

/// What of an answer must be right for whoever gets it.
fn seen(who: &Who, answer: &Answer) -> (u16, Vec<u8>, Vec<String>) {
    let read = |name: &HeaderName| {
        answer
            .headers
            .get(name)
            .map_or_else(String::new, |value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let names = [
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_SECURITY_POLICY,
        header::ETAG,
    ];
    let mut all: Vec<String> = names.iter().map(read).collect();
    // Whether the page that asks may read it.
    let granted = read(&header::ACCESS_CONTROL_ALLOW_ORIGIN);
    all.push(who.header("origin").is_some_and(|origin| granted == "*" || granted == origin).to_string());
    (answer.status.as_u16(), answer.bytes.clone(), all)
}

#[test]
fn p5_nobody_gets_anothers_answer_from_a_cache() {
    jalon_tests::run(Backend::Sqlite, async |db: TestDb| {
        let stage = stage(&db).await;
        let (_, one) = stage.guest().await;
        let (_, two) = stage.guest().await;
        let enrollment = stage.enroll(&one, "first").await["id"].as_str().unwrap().to_owned();
        stage.enroll(&two, "first").await;
        let callers = callers(&stage, [&one, &two]);
        let (mut wrong, mut helped) = (Vec::new(), HashMap::<String, usize>::new());
        for path in paths(&enrollment) {
            for (shared, backwards) in [(true, false), (false, false), (true, true), (false, true)] {
                let mut cache = Cache::new(shared);
                let order: Vec<&Who> =
                    if backwards { callers.iter().rev().collect() } else { callers.iter().collect() };
                // Twice, so that each meets what all the others left.
                for who in order.iter().chain(&order) {
                    let (cached, from_cache) = cache.ask(&stage, &path, who).await;
                    if !from_cache {
                        continue;
                    }
                    *helped.entry(path.clone()).or_default() += 1;
                    let right = who.ask(&stage, &path, None).await;
                    if seen(who, &cached) != seen(who, &right) {
                        wrong.push(format!(
                            "{path} (shared: {shared}) for {}: {:?} and not {:?}",
                            who.name, cached, right
                        ));
                    }
                }
            }
        }
        assert!(
            wrong.is_empty(),
            "{} wrong answers, the first: {:.2000}",
            wrong.len(),
            wrong.first().map_or("", String::as_str)
        );
        for path in
            ["/api/v1/sites/fpsf", "/api/v1/sites/fpsf/tracks/first", "/t/page.css", "/docs", "/api/openapi.json"]
        {
            assert!(helped.contains_key(path), "{path} is never cached: this test shows nothing of it");
        }
        for path in helped.keys() {
            assert!(
                !path.contains("/admin/") && !path.contains("/me/") && !path.ends_with('z') && path != "/metrics",
                "{path} was cached"
            );
        }
    });
}

/// A 304 says of caching what the answer itself says (RFC 9110, 15.4.5), to the letter.
#[test]
fn p5_a_304_says_the_same_of_caching() {
    jalon_tests::run(Backend::Sqlite, async |db: TestDb| {
        let stage = stage(&db).await;
        let (_, guest) = stage.guest().await;
        let enrollment = stage.enroll(&guest, "first").await["id"].as_str().unwrap().to_owned();
        let mut confirmed = 0;
        for path in paths(&enrollment) {
            for who in callers(&stage, [&guest, &guest]) {
                let full = who.ask(&stage, &path, None).await;
                let tag = full.header("etag");
                // Where nothing may be kept, a tag is for writing with If-Match.
                if full.status != 200 || tag.is_empty() || says(&full, "no-store") {
                    continue;
                }
                let again = who.ask(&stage, &path, Some(tag)).await;
                assert_eq!(again.status, 304, "{path} for {}", who.name);
                let said = |answer: &Answer| {
                    [header::CACHE_CONTROL, header::VARY, header::ETAG, header::ACCESS_CONTROL_ALLOW_ORIGIN].map(
                        |name| {
                            answer
                                .headers
                                .get_all(name)
                                .iter()
                                .map(|value| value.to_str().unwrap().to_owned())
                                .collect::<Vec<_>>()
                        },
                    )
                };
                assert_eq!(said(&again), said(&full), "{path} for {}", who.name);
                confirmed += 1;
            }
        }
        assert!(confirmed > 20, "{confirmed}");
    });
}
