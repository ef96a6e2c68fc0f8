//! Connections that hold a place.

use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_tests::{Stage, for_both};
use tokio::io::AsyncWriteExt as _;

use super::{SLOW, attack, crowded, flood, honest_visit, metric, until};

for_both! {
    /// Far more idle connections than places: whoever has something to ask gets one.
    async fn p6_idle_connections_give_way(db: TestDb) {
        let stage = crowded(&db, flood() / 6).await;
        let mut idle = Vec::new();
        for number in 0..flood() {
            idle.push(attack::open(stage.server.address(), b"").await);
            if number % (flood() / 4) == 1 {
                honest_visit(&stage.server.url("")).await;
            }
        }
        honest_visit(&stage.server.url("")).await;
        assert!(metric(&stage, "jalon_connections_gave_way_total").await > 0);
        assert!(metric(&stage, "jalon_connections").await <= flood() as u64 / 6);
    }

    /// Slow-loris, both kinds, with all places taken by them.
    async fn p6_who_drips_gives_way(db: TestDb) {
        let stage = crowded(&db, 40).await;
        let address = stage.server.address();
        let mut heads = attack::dripping(address, 80, attack::HALF_HEAD).await;
        honest_visit(&stage.server.url("")).await;
        let mut bodies = attack::dripping(address, 80, &attack::head_of_body(200_000)).await;
        honest_visit(&stage.server.url("")).await;
        heads.abort_all();
        bodies.abort_all();
    }

    /// Who asks and never fetches the answer is let go, and holds no more than the answer under way.
    async fn p6_who_never_reads_is_let_go(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| {
            config.read_timeout = SLOW;
            config.answer_timeout = Duration::from_secs(1);
        }).await;
        let ask = "GET /api/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(400);
        let mut deaf = Vec::new();
        for _ in 0..10 {
            let mut stream = attack::open(stage.server.address(), b"").await;
            // Asked until nothing more is taken.
            tokio::time::timeout(Duration::from_millis(500), stream.write_all(ask.as_bytes())).await.ok();
            deaf.push(stream);
        }
        honest_visit(&stage.server.url("")).await;
        // They are still there, yet the server has closed.
        until(&stage, "jalon_connections", |open| open < 10).await;
        drop(deaf);
    }

    /// A thousand requests in one packet are a thousand requests to the limiter.
    async fn p6_pipelined_requests_are_counted_each(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| config.limits.per_address = 50).await;
        let ask = "GET /api/v1/sites/fpsf HTTP/1.1\r\nhost: a\r\n\r\n";
        let last = "GET /api/v1/sites/fpsf HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let stream = attack::open(stage.server.address(), format!("{}{last}", ask.repeat(299)).as_bytes()).await;
        let answers = attack::hear(stream).await;
        let count = |status: &str| answers.matches(&format!("HTTP/1.1 {status}")).count();
        assert_eq!(count(""), 300);
        assert!(count("200") > 0 && count("429") > 200, "{} {}", count("200"), count("429"));
        assert_eq!((count("200") + count("429"), answers.matches("retry-after: ").count()), (300, count("429")));
    }
}
