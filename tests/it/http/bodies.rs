//! Bad bodies and addresses: each a problem with a stable code and a pointer, never a 5xx.

use std::{io::ErrorKind, time::Duration};

use jalon_backend::clock::Clock;
use jalon_tests::{Stage, for_both};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const GUESTS: &str = "/api/v1/sites/fpsf/guests";
const SITES: &str = "/api/v1/admin/sites";

for_both! {
    async fn every_bad_body_has_its_code(db: TestDb) {
        let stage = Stage::set(&db).await;
        let site = |body: serde_json::Value| stage.server.post(SITES).bearer(&stage.key).json(&body).send();
        for (body, code, pointer) in [
            (json!({ "slug": "a", "name": "A", "default_lang": "fr", "colour": "red" }), "unknown_field", "/colour"),
            (json!({ "slug": "a", "name": "A", "default_lang": "fr", "look": { "css": "x" } }), "unknown_field", "/look/css"),
            (json!({ "slug": "a", "name": "A" }), "missing_field", "/default_lang"),
            (json!({ "slug": "a", "name": 7, "default_lang": "fr" }), "invalid_value", "/name"),
            (json!({ "slug": "a", "name": "A", "default_lang": "français" }), "invalid_value", "/default_lang"),
            (json!({ "slug": "a", "name": "A", "default_lang": "fr", "languages": ["en", "?"] }), "invalid_value", "/languages/1"),
            (json!({ "slug": "A b", "name": "A", "default_lang": "fr" }), "validation_failed", "/slug"),
            (json!({ "slug": "a", "name": "A", "default_lang": "fr", "origins": ["https://a.example", "*"] }), "validation_failed", "/origins/1"),
            (json!({ "slug": "a", "name": "A", "default_lang": "fr", "login_url": "javascript:alert(1)" }), "validation_failed", "/login_url"),
            (json!({ "slug": "a", "name": "A\u{0}", "default_lang": "fr" }), "validation_failed", "/name"),
        ] {
            assert_eq!(site(body.clone()).await.problem(422, code)["errors"][0]["pointer"], pointer, "{body}");
        }
        stage.server.get("/api/v1/sites/a").send().await.problem(404, "unknown_site");

        let raw = |kind: &'static str, body: Vec<u8>| stage.server.post(GUESTS).body(kind, body).send();
        raw("application/json", b"{".to_vec()).await.problem(400, "invalid_json");
        raw("application/json", b"{} {}".to_vec()).await.problem(400, "invalid_json");
        raw("application/json", vec![0xff, 0xfe, 0x00]).await.problem(400, "invalid_json");
        raw("application/json", "[".repeat(100_000).into_bytes()).await.problem(400, "invalid_json");
        for list in ["[]", "7", "null", "\"a\"", " [{}]"] {
            raw("application/json", list.into()).await.problem(422, "invalid_value");
        }
        raw("application/json", format!("{{\"a\":{}", "[".repeat(100_000)).into_bytes()).await.problem(422, "unknown_field");
        raw("text/plain", b"{}".to_vec()).await.problem(415, "unsupported_media_type");
        raw("application/x-www-form-urlencoded", b"a=b".to_vec()).await.problem(415, "unsupported_media_type");
        raw("application/json", vec![b' '; 256 * 1024 + 1]).await.problem(413, "body_too_large");
        raw("application/json; charset=utf-8", b"{}".to_vec()).await.expect(201);
        raw("application/json", b"".to_vec()).await.expect(201);
        stage.server.post(GUESTS).send().await.expect(201);
    }

    async fn every_bad_address_is_a_problem(db: TestDb) {
        let stage = Stage::set(&db).await;
        let (_, token) = stage.guest().await;
        stage.server.get("/api/v1/nothing").send().await.problem(404, "not_found");
        stage.server.get("/api/v1/sites/nowhere").send().await.problem(404, "unknown_site");
        stage.server.get("/api/v1/sites/FPSF").send().await.problem(404, "unknown_site");
        stage.server.get("/api/v1/enrollments/7").bearer(&token).send().await.problem(404, "not_found");
        stage.server.get("/api/v1/enrollments/01890a5d-ac96-774b-bcce-b302099a8057/steps/-1").bearer(&token).send().await.problem(404, "not_found");
        let wrong = stage.server.delete("/api/v1/sites/fpsf").send().await;
        wrong.problem(405, "method_not_allowed");
        assert!(wrong.header("allow").contains("GET"), "{}", wrong.header("allow"));
        stage.server.request(reqwest::Method::from_bytes(b"BREW").unwrap(), "/api/v1/sites/fpsf").send().await.problem(405, "method_not_allowed");
        stage.server.get("/api/v1/sites/fpsf/tracks?lang=%3Cscript%3E").send().await.problem(422, "invalid_value");
        for (query, pointer) in [("limit=0", "/limit"), ("limit=101", "/limit"), ("limit=many", "/limit")] {
            let answer = stage.server.get(&format!("{SITES}?{query}")).bearer(&stage.key).send().await;
            assert_eq!(answer.problem(422, "invalid_value")["errors"][0]["pointer"], pointer);
        }
        stage.server.get(&format!("{SITES}?cursor=mine")).bearer(&stage.key).send().await.problem(400, "invalid_cursor");
    }

    /// A body that never comes ends in 408, and holds nothing.
    async fn a_slow_body_is_given_up(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| config.read_timeout = Duration::from_millis(200)).await;
        let mut stream = tokio::net::TcpStream::connect(stage.server.address()).await.unwrap();
        let head = "POST /api/v1/sites/fpsf/guests HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer).await {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    }
}
