//! E2: a page asks only from an origin that the site lists, and only then may it read the answer.

use jalon_tests::{Stage, for_both};
use serde_json::json;

const SITE: &str = "/api/v1/sites/fpsf";

for_both! {
    async fn e2_only_the_sites_own_pages_may_ask(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &["https://other.example"]).await;
        let (_, token) = stage.guest().await;
        let ask = |path: &'static str, origin: &str| stage.server.get(path).header("origin", origin).bearer(&token).send();
        let open = |path: &'static str, origin: &str| stage.server.get(path).header("origin", origin).send();

        let good = open(SITE, Stage::ORIGIN).await;
        good.expect(200);
        assert_eq!(good.header("access-control-allow-origin"), Stage::ORIGIN, "echoed exactly");
        assert_eq!(good.headers.get_all("access-control-allow-credentials").iter().count(), 0, "never credentials");
        assert!(good.headers.get_all("vary").iter().any(|value| value == "origin"));
        for exposed in ["x-request-id", "etag", "retry-after", "idempotent-replay"] {
            assert!(good.header("access-control-expose-headers").contains(exposed));
        }
        for bad in ["https://evil.example", "https://other.example", "http://fpsf.example", "https://fpsf.example:8443", "https://fpsf.example.evil.example", "null", "https://FPSF.example"] {
            for answer in [open(SITE, bad).await, ask("/api/v1/sites/fpsf/me/enrollments", bad).await, ask("/api/v1/enrollments/01890a5d-ac96-774b-bcce-b302099a8057", bad).await] {
                answer.problem(403, "origin_not_allowed");
                let granted = answer.header("access-control-allow-origin");
                // On an address without a site, another site's page may read that it is refused, and nothing else.
                assert!(granted.is_empty() || bad == "https://other.example", "{bad}: {granted}");
            }
        }
        // No origin: a program, or a page of the same origin.
        let program = stage.server.get(SITE).send().await;
        program.expect(200);
        assert_eq!(program.header("access-control-allow-origin"), "");
        // Jalon's own pages.
        let own = open(SITE, &format!("http://{}", stage.server.address())).await;
        own.expect(200);
        // An error is for the page to read, too.
        let error = stage.server.get("/api/v1/sites/fpsf/tracks/nothing").header("origin", Stage::ORIGIN).send().await;
        assert_eq!((error.status.as_u16(), error.header("access-control-allow-origin")), (404, Stage::ORIGIN));
    }

    async fn e2_preflights_are_answered_for_known_origins_only(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &["https://other.example"]).await;
        let preflight = |path: &'static str, origin: &'static str| {
            stage.server.request(reqwest::Method::OPTIONS, path).header("origin", origin).header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization,idempotency-key").send()
        };
        let guests = "/api/v1/sites/fpsf/guests";
        let advance = "/api/v1/enrollments/01890a5d-ac96-774b-bcce-b302099a8057/steps/1/advance";
        for (path, origin) in [(guests, Stage::ORIGIN), (advance, Stage::ORIGIN), (advance, "https://other.example")] {
            let answer = preflight(path, origin).await;
            assert_eq!(answer.status, 204, "{path} {origin}");
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            for header in ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "accept-language"] {
                assert!(answer.header("access-control-allow-headers").contains(header), "{header}");
            }
            for method in ["GET", "POST", "PATCH", "DELETE"] {
                assert!(answer.header("access-control-allow-methods").contains(method), "{method}");
            }
            assert_ne!(answer.header("access-control-max-age"), "");
        }
        for (path, origin) in [(guests, "https://other.example"), (guests, "https://evil.example"), (advance, "https://evil.example"), ("/api/v1/sites/nowhere", Stage::ORIGIN)] {
            let answer = preflight(path, origin).await;
            answer.problem(403, "origin_not_allowed");
            assert_eq!(answer.header("access-control-allow-origin"), "", "{path} {origin}");
        }
    }

    /// A change of the site's origins holds at once, without a restart.
    async fn e2_origins_can_be_changed(db: TestDb) {
        let stage = Stage::set(&db).await;
        let open = || stage.server.get(SITE).header("origin", "https://new.example").send();
        open().await.problem(403, "origin_not_allowed");
        stage.server.patch("/api/v1/admin/sites/fpsf").bearer(&stage.key).json(&json!({ "origins": ["https://NEW.example/"] })).send().await.expect(200);
        open().await.expect(200);
        stage.server.get(SITE).header("origin", Stage::ORIGIN).send().await.problem(403, "origin_not_allowed");
    }
}
