//! Heads that are too much: refused with the problem that every refusal is.

use jalon_tests::{Stage, for_both};

use super::{attack, honest_visit};

for_both! {
    /// hyper refuses these before any layer of ours sees them.
    async fn p6_heads_that_are_too_large_or_no_heads_are_problems(db: TestDb) {
        let stage = Stage::set(&db).await;
        let address = stage.server.address();
        let start = "GET /api/v1/sites/fpsf HTTP/1.1\r\nhost: a\r\n";
        let many = "x-more: 1\r\n".repeat(500);
        for (head, status, code) in [
            (format!("{start}x-long: {}\r\n\r\n", "a".repeat(100_000)), 431, "headers_too_large"),
            (format!("{start}x-long: {}", "a".repeat(1_000_000)), 431, "headers_too_large"),
            (format!("{start}{many}\r\n"), 431, "headers_too_large"),
            (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(60_000)), 431, "headers_too_large"),
            (format!("{start}no colon\r\n\r\n"), 400, "invalid_request"),
            ("rubbish\r\n\r\n".to_owned(), 400, "invalid_request"),
            (format!("{start}\0: 1\r\n\r\n"), 400, "invalid_request"),
        ] {
            let answer = attack::hear(attack::open(address, head.as_bytes()).await).await;
            let (got, kind, body) = attack::parts(&answer, "content-type");
            let what = &head[..head.len().min(60)];
            assert_eq!((got, kind), (status, "application/problem+json"), "{what}");
            let problem: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some(code), Some(status.into())), "{what}");
            let (_, id, _) = attack::parts(&answer, "x-request-id");
            assert!(uuid::Uuid::parse_str(id).is_ok(), "{answer}");
        }
        // Also when the connection was good before.
        let second = format!("{start}\r\n{start}{many}\r\n");
        let answer = attack::hear(attack::open(address, second.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 431"), "{answer}");
        honest_visit(&stage.server.url("")).await;
    }
}
