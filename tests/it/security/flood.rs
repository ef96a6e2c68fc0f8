//! Keys that are tried by the thousand, and keys that ask by the thousand.

use jalon_backend::clock::Clock;
use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};

const SITE: &str = "/api/v1/admin/sites/fpsf";

async fn events(stage: &Stage) -> usize {
    let trail =
        stage.server.get(&format!("{SITE}/events?limit=100")).bearer(&stage.key).header("x-forwarded-for", "192.0.2.9");
    trail.send().await.expect(200)["items"].as_array().unwrap().len()
}

for_both! {
    /// Guessing is hopeless anyway; it is not free to try for ever either, and leaves nothing behind.
    async fn p5_keys_are_not_tried_by_the_thousand(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| {
            config.limits.per_address = 300;
            config.trusted_proxies = 1;
        }).await;
        let before = events(&stage).await;
        let attack = "192.0.2.1";
        let mut tried = 0;
        loop {
            let wrong = format!("jk_{tried:043}");
            let request = match tried % 3 {
                0 => stage.server.get(SITE).bearer(&wrong),
                1 => stage.server.post(&format!("{SITE}/keys")).bearer(&wrong).json(&json!({ "name": "a", "scopes": ["site_admin"] })),
                _ => stage.server.patch(SITE).bearer("not.a.token").json(&json!({ "name": "mine" })),
            };
            let answer = request.header("x-forwarded-for", attack).send().await;
            if answer.status == 429 {
                assert_ne!(answer.header("retry-after"), "");
                break;
            }
            answer.problem(401, "unauthenticated");
            tried += 1;
            // Some are let in meanwhile: on a machine that is slow, many.
            assert!(tried < 5000, "never refused");
        }
        assert!(tried >= 300);
        assert_eq!(events(&stage).await, before, "no row for who got nowhere");
        let name: Value = stage.server.get(SITE).bearer(&stage.key).header("x-forwarded-for", "192.0.2.2").send().await.expect(200);
        assert_eq!(name["name"], "FPSF");
    }

    /// From however many addresses; whether it may or not. Others go on.
    async fn p5_a_key_and_a_member_of_the_staff_are_limited(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| {
            config.limits.per_learner = 6;
            config.trusted_proxies = 1;
        }).await;
        let new = json!({ "name": "a", "scopes": ["site_read"] });
        let key = stage.server.post(&format!("{SITE}/keys")).bearer(&stage.key).json(&new).send().await.expect(201);
        let boss = stage.member_of(Stage::SITE, json!({ "sub": "boss", "roles": ["site_admin"] }));
        let plain = stage.member("u-1");
        for token in [key["key"].as_str().unwrap(), &boss, &plain] {
            let mut last = 0;
            for number in 0..200 {
                let path = if number % 2 == 0 { SITE.to_owned() } else { format!("{SITE}/webhooks") };
                let answer = stage.server.get(&path).bearer(token).header("x-forwarded-for", &format!("198.51.100.{number}")).send().await;
                last = answer.status.as_u16();
                if last == 429 {
                    assert!((6..60).contains(&number), "{number}");
                    break;
                }
            }
            assert_eq!(last, 429);
        }
        let other = stage.member_of(Stage::SITE, json!({ "sub": "boss-2", "roles": ["site_admin"] }));
        stage.server.get(SITE).bearer(&other).send().await.expect(200);
    }

    /// All keys are in every server's memory: a key can't fill it by making keys.
    async fn p5_a_site_has_so_many_keys_and_no_more(db: TestDb) {
        let stage = Stage::set(&db).await;
        let new = json!({ "name": "a", "scopes": ["site_read"] });
        let make = || stage.server.post(&format!("{SITE}/keys")).bearer(&stage.key).json(&new).send();
        let mut last = Value::Null;
        for _ in 0..200 {
            last = make().await.expect(201);
        }
        make().await.problem(409, "conflict");
        let path = format!("{SITE}/keys/{}", last["id"].as_str().unwrap());
        stage.server.delete(&path).bearer(&stage.key).send().await.expect(204);
        make().await.expect(201);
    }
}
