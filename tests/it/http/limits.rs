//! Rate limits and what else protects the server.

use jalon_backend::clock::Clock;
use jalon_tests::{Stage, for_both};
use serde_json::json;

const SITE: &str = "/api/v1/sites/fpsf";

for_both! {
    /// The limiter stands inside CORS, so that a page can read how long to wait; preflights are not counted.
    async fn an_address_is_limited_and_the_page_can_read_it(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| {
            config.limits.per_address = 20;
            config.trusted_proxies = 1;
        }).await;
        let ask = |address: &'static str| stage.server.get(SITE).header("origin", Stage::ORIGIN).header("x-forwarded-for", address).send();
        for _ in 0..20 {
            ask("6.6.6.6, 192.0.2.1").await.expect(200);
        }
        let refused = ask("7.7.7.7, 192.0.2.1").await;
        refused.problem(429, "rate_limited");
        assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
        assert_eq!(refused.header("access-control-allow-origin"), Stage::ORIGIN);
        assert_ne!(refused.header("x-request-id"), "");
        let preflight = stage.server.request(reqwest::Method::OPTIONS, SITE).header("origin", Stage::ORIGIN).header("access-control-request-method", "GET")
            .header("x-forwarded-for", "192.0.2.1").send().await;
        assert_eq!(preflight.status, 204);
        stage.server.get("/healthz").header("x-forwarded-for", "192.0.2.1").send().await.expect(200);
        ask("192.0.2.2").await.expect(200);
        // One IPv6 subscriber has a whole /64.
        for host in 0..20 {
            stage.server.get(SITE).header("x-forwarded-for", &format!("2001:db8::{host:x}")).send().await.expect(200);
        }
        stage.server.get(SITE).header("x-forwarded-for", "2001:db8::ffff:1").send().await.problem(429, "rate_limited");
    }

    /// A class behind one address comes in at once; who makes guests by the thousand does not, and everybody else
    /// there goes on. By /64, inside CORS, and not for a page that may not ask at all.
    async fn p6_guests_have_a_limit_of_their_own(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| {
            config.limits.guests_per_address = 30;
            config.trusted_proxies = 1;
        }).await;
        let guest = |address: &str, origin: &str| {
            let request = stage.server.post("/api/v1/sites/fpsf/guests").header("origin", origin).header("x-forwarded-for", address);
            request.json(&json!({})).send()
        };
        for _ in 0..40 {
            guest("192.0.2.1", "https://else.example").await.problem(403, "origin_not_allowed");
        }
        let mut refused = Vec::new();
        for _ in 0..40 {
            let answer = guest("192.0.2.1", Stage::ORIGIN).await;
            if answer.status != 201 {
                refused.push(answer);
            }
        }
        // One is let in every two seconds meanwhile: on a machine that is slow, some more than 30.
        let last = refused.pop().expect("40 at once are too many");
        last.problem(429, "rate_limited");
        assert!(refused.len() < 10);
        assert!((1..=2).contains(&last.header("retry-after").parse::<u32>().unwrap()));
        assert_eq!(last.header("access-control-allow-origin"), Stage::ORIGIN);
        stage.server.get(SITE).header("x-forwarded-for", "192.0.2.1").send().await.expect(200);
        guest("192.0.2.2", Stage::ORIGIN).await.expect(201);
        let mut subscriber = Vec::new();
        for host in 0..60 {
            subscriber.push(guest(&format!("2001:db8::{host:x}"), Stage::ORIGIN).await.status.as_u16());
        }
        assert!(subscriber.contains(&429), "one subscriber has a whole /64");
    }

    async fn a_learner_and_a_site_are_limited(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| config.limits.per_learner = 3).await;
        let (_, token) = stage.guest().await;
        let (_, other) = stage.guest().await;
        let ask = |token: &str| stage.server.get("/api/v1/sites/fpsf/me/enrollments").bearer(token).send();
        for _ in 0..3 {
            ask(&token).await.expect(200);
        }
        ask(&token).await.problem(429, "rate_limited");
        ask(&other).await.expect(200);
    }

    async fn a_site_is_limited_and_its_neighbour_is_not(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| config.limits.per_site = 5).await;
        stage.site("other", &[]).await;
        for _ in 0..5 {
            stage.server.get(SITE).send().await.expect(200);
        }
        stage.server.get(SITE).send().await.problem(429, "rate_limited");
        stage.server.get("/api/v1/sites/other").send().await.expect(200);
    }

    async fn every_answer_has_an_id_and_nothing_but_what_was_sane(db: TestDb) {
        let stage = Stage::set(&db).await;
        let id = |sent: &'static str| async {
            let answer = stage.server.get(SITE).header("x-request-id", sent).send().await;
            answer.header("x-request-id").to_owned()
        };
        assert_eq!(id("abc-1.2_3").await, "abc-1.2_3");
        for odd in ["", "a b", "<script>", "\"x\"", "a\u{7f}"] {
            if odd.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                let got = id(odd).await;
                assert!(uuid::Uuid::parse_str(&got).is_ok(), "{odd:?}: {got}");
            }
        }
        for path in ["/healthz", "/nowhere", "/api/v1/nowhere", "/docs"] {
            let answer = stage.server.get(path).send().await;
            assert_ne!(answer.header("x-request-id"), "", "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
        let refused = stage.server.post("/api/v1/sites/fpsf/guests").json(&json!(7)).send().await;
        assert_ne!(refused.header("x-request-id"), "");
        assert_eq!(refused.header("cache-control"), "no-store");
    }
}
