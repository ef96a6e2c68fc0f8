//! Promise 6: under a flood honest people are served, memory is bounded, and what is refused is 4xx or 503.
//!
//! Every server here would wait a minute for a slow caller, which is longer than an honest one waits: what
//! passes does not pass because slow ones were timed out.

mod attack;
mod bodies;
mod connections;
mod heads;
mod memory;

use std::time::{Duration, Instant};

use jalon_backend::clock::Clock;
use jalon_tests::{Stage, TestDb};
use serde_json::json;

/// How long a server waits for a slow caller.
const SLOW: Duration = Duration::from_mins(1);
/// What an honest caller has to wait at most; machines are shared.
const HONEST: Duration = Duration::from_secs(25);

/// A stage with this many places for connections.
async fn crowded(db: &TestDb, places: usize) -> Stage {
    Stage::set_with(db, Clock::system(), |config| {
        config.max_connections = places;
        config.read_timeout = SLOW;
    })
    .await
}

/// Connections of the attackers: 400 fit everybody's limit of open files; ask for more.
fn flood() -> usize {
    std::env::var("JALON_CONNECTIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(400)
}

/// Some new people come and begin: every request on a connection of its own.
async fn honest_visit(base: &str) {
    let begun = Instant::now();
    let client = reqwest::Client::builder().no_proxy().timeout(HONEST).pool_max_idle_per_host(0).build().unwrap();
    for _ in 0..5 {
        let site = client.get(format!("{base}/api/v1/sites/fpsf")).send().await.expect("an answer in time");
        assert_eq!(site.status(), 200);
        let guest = client.post(format!("{base}/api/v1/sites/fpsf/guests")).json(&json!({})).send().await;
        assert_eq!(guest.expect("an answer in time").status(), 201);
    }
    assert!(begun.elapsed() < HONEST, "{:?}", begun.elapsed());
}

/// A counter or gauge.
async fn metric(stage: &Stage, name: &str) -> u64 {
    let text = stage.server.get("/metrics").bearer(&stage.key).send().await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// Waits until a counter or gauge is as it should be.
async fn until(stage: &Stage, name: &str, wanted: impl Fn(u64) -> bool) {
    let begun = Instant::now();
    loop {
        let value = metric(stage, name).await;
        if wanted(value) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(50), "{name} is {value}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
