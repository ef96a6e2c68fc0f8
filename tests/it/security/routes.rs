//! What the router answers beside the operations of the API's document, and to whom: anybody, and the same
//! to all. A route without a line here fails the test.

use std::collections::BTreeSet;

use jalon_backend::http::{health, router};
use jalon_tests::{Stage, for_both, small_track};
use reqwest::Method;
use serde_json::json;

/// A route beyond the document, and an address of it that is there. All are for anybody, and for reading.
pub const BEYOND: [(&str, &str); 9] = [
    ("/embed/{file}", "/embed/integrity.json"),
    ("/embed/{version}/{file}", "/embed/v1/jalon.js"),
    ("/docs", "/docs"),
    ("/docs.css", "/docs.css"),
    ("/favicon.ico", "/favicon.ico"),
    ("/problems", "/problems"),
    ("/problems/{code}", "/problems/unknown_site"),
    ("/t/page.css", "/t/page.css"),
    ("/t/{site}/{track}", "/t/fpsf/first"),
];

/// The paths of a router. It tells them to who debugs it, and to nobody else.
fn paths(router: &axum::Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let (_, rest) = text.split_once("paths: {").expect("a router that is printed says its paths");
    let (paths, _) = rest.split_once("\"}").unwrap();
    // In between: RouteId(7): "/a/path", RouteId(8): "/another
    paths.split("): \"").skip(1).map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

/// Methods that a route may answer; HEAD goes with GET.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"];

for_both! {
    async fn p5_every_route_has_its_line_and_answers_no_other_method(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let document = serde_json::to_value(router::openapi()).unwrap();
        let documented = document["paths"].as_object().unwrap();
        let known: BTreeSet<String> = documented.keys().cloned().chain(BEYOND.map(|(path, _)| path.to_owned())).collect();
        let there = paths(&router::router(stage.server.app().clone()));
        assert_eq!(there, known, "on the left what is routed, on the right what is documented or in BEYOND");
        // The counters without a key, where an operator asks for them: and nothing else there.
        assert_eq!(paths(&health::metrics_router(stage.server.app().clone())), BTreeSet::from(["/metrics".to_owned()]));

        let address = |path: &str| path.replace("{site}", "fpsf").replace("{track}", "first").replace("{order}", "1");
        let beyond = json!({ "get": {} });
        let all = documented.iter().map(|(path, item)| (address(path), item)).chain(BEYOND.iter().map(|(_, path)| ((*path).to_owned(), &beyond)));
        for (path, item) in all {
            let path = path.replace(['{', '}'], "");
            for method in METHODS.iter().filter(|method| item.get(method.to_lowercase()).is_none()) {
                let answer = stage.server.request(method.parse().unwrap(), &path).bearer(&stage.key).json(&json!({})).send().await;
                answer.problem(405, "method_not_allowed");
                assert_ne!(answer.header("allow"), "", "{method} {path}");
            }
            // HEAD lets in whom GET lets in, and says no more.
            if item.get("get").is_some() {
                let get = stage.server.get(&path).send().await;
                let head = stage.server.request(Method::HEAD, &path).send().await;
                assert_eq!((head.status, head.bytes.len()), (get.status, 0), "{path}");
            }
        }
    }

    async fn p5_what_is_for_anybody_is_the_same_for_all(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let boss = stage.member_of(Stage::SITE, json!({ "sub": "boss", "roles": ["site_admin"] }));
        let (_, guest) = stage.guest().await;
        for (template, path) in BEYOND {
            let ask = async |token: Option<&str>| {
                let request = stage.server.get(path);
                let answer = match token {
                    Some(token) => request.bearer(token),
                    None => request,
                }.send().await;
                (answer.status.as_u16(), answer.bytes)
            };
            let nobody = ask(None).await;
            assert!(nobody.0 == 200 || template.starts_with("/embed/") && nobody.0 == 503, "{path}: {}", nobody.0);
            for token in ["rubbish", &stage.key, &boss, &guest] {
                assert!(ask(Some(token)).await == nobody, "{path} differs by token");
            }
        }
    }

    /// A page without a login shows what a page without a login may: whoever asks.
    async fn p5_plain_pages_show_no_track_that_is_not_for_all(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &[]).await;
        let mut track = small_track();
        track["title"]["fr"] = json!("Rien que pour nous");
        stage.publish("retired", &track).await;
        stage.server.post("/api/v1/admin/sites/fpsf/tracks/retired/retire").bearer(&stage.key).send().await.expect(200);
        stage.server.put("/api/v1/admin/sites/fpsf/tracks/draft").bearer(&stage.key).json(&track).send().await.expect(201);
        track["cms_block_enabled"] = json!(false);
        stage.publish("hidden", &track).await;
        let boss = stage.member_of(Stage::SITE, json!({ "sub": "boss", "roles": ["site_admin"] }));
        for (path, status) in [("fpsf/retired", 404), ("fpsf/draft", 404), ("fpsf/hidden", 403), ("other/hidden", 404), ("nowhere/hidden", 404)] {
            for token in [None, Some(&stage.key), Some(&boss)] {
                let request = stage.server.get(&format!("/t/{path}"));
                let answer = match token {
                    Some(token) => request.bearer(token),
                    None => request,
                }.send().await;
                assert_eq!(answer.status, status, "{path}");
                assert!(!answer.text().contains("Rien que pour nous") && !answer.text().contains("Bonjour"), "{path}");
            }
        }
        // What comes after a step that nobody has taken yet is not in the page either (G6).
        stage.publish("first", &small_track()).await;
        let page = stage.server.get("/t/fpsf/first").send().await.text();
        assert!(page.contains("Bonjour.") && !page.contains("Bravo.") && !page.contains("Trois"), "{page}");
    }
}
