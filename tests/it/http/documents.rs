//! What the server says about itself.

use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};

for_both! {
    async fn health_readiness_and_counters(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.server.get("/healthz").send().await.expect(200);
        stage.server.get("/readyz").send().await.expect(200);
        stage.server.get("/metrics").send().await.problem(401, "unauthenticated");
        let new = json!({ "name": "a", "scopes": ["statistics_read"] });
        let of_site = stage.server.post("/api/v1/admin/sites/fpsf/keys").bearer(&stage.key).json(&new).send().await.expect(201);
        stage.server.get("/metrics").bearer(of_site["key"].as_str().unwrap()).send().await.problem(403, "forbidden");
        let metrics = stage.server.get("/metrics").bearer(&stage.key).send().await;
        assert_eq!(metrics.status, 200);
        assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
        assert!(metrics.text().contains(r#"jalon_http_requests_total{route="/healthz",method="GET",status="2xx"} 1"#), "{}", metrics.text());
        assert!(metrics.text().contains("jalon_db_commits_total"));
    }

    async fn the_api_is_documented(db: TestDb) {
        let stage = Stage::set(&db).await;
        let document = stage.server.get("/api/openapi.json").send().await;
        let tag = document.header("etag").to_owned();
        assert!(document.expect(200)["openapi"].as_str().unwrap().starts_with("3.1"));
        assert_eq!(stage.server.get("/api/openapi.json").header("if-none-match", &tag).send().await.status, 304);
        let page = stage.server.get("/docs").send().await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-type").starts_with("text/html") && page.header("content-security-policy").contains("default-src 'none'"));
        assert!(page.text().contains("/api/v1/enrollments/{id}/steps/{order}/advance"));
        for path in ["/docs.css", "/favicon.ico"] {
            assert_eq!(stage.server.get(path).send().await.status, 200, "{path}");
        }
        let problem = stage.server.get("/api/v1/sites/nowhere").send().await.problem(404, "unknown_site");
        let explained = stage.server.get(problem["type"].as_str().unwrap()).send().await;
        assert!(explained.status == 200 && explained.text().contains("unknown_site"));
        assert!(stage.server.get("/problems").send().await.text().contains("step_out_of_order"));
        stage.server.get("/problems/nothing").send().await.problem(404, "not_found");
    }
}

/// docs/openapi.json is what the code says. After a change that is meant: `jalon openapi > docs/openapi.json`.
#[test]
fn the_document_is_the_one_that_was_agreed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let agreed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let present = serde_json::to_value(jalon_backend::http::router::openapi()).unwrap();
    let paths = |document: &Value| -> Vec<String> {
        document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
            .collect()
    };
    assert_eq!(paths(&agreed), paths(&present), "run: jalon openapi > docs/openapi.json");
    assert!(agreed == present, "shapes have changed; if that is meant, run: jalon openapi > docs/openapi.json");
}

/// Every operation names its tag and says what it does; every problem that is promised has a page.
#[test]
fn the_document_is_complete() {
    let document = serde_json::to_value(jalon_backend::http::router::openapi()).unwrap();
    let tags: Vec<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            assert!(tags.contains(&tag), "{method} {path}: the tag {tag:?} is not described");
            for scheme in
                operation["security"].as_array().into_iter().flatten().flat_map(|one| one.as_object().unwrap().keys())
            {
                assert!(
                    document["components"]["securitySchemes"][scheme].is_object(),
                    "{method} {path}: {scheme:?} is no way to authenticate"
                );
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                let kinds: Vec<&String> =
                    response["content"].as_object().into_iter().flat_map(|content| content.keys()).collect();
                assert!(
                    status.as_str() < "400" || kinds == ["application/problem+json"],
                    "{method} {path} {status}: {kinds:?}"
                );
            }
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path} says nothing");
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let described =
                    operation["parameters"].as_array().is_some_and(|all| all.iter().any(|known| known["name"] == name));
                assert!(described, "{method} {path}: {{{name}}} is not described");
            }
        }
    }
}
