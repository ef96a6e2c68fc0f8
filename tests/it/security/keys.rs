//! A key is worth its own scopes, and no more by the keys it can make.

use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_shared::{Timestamp, wire::admin_site::Scope};
use jalon_tests::{Answer, Stage, for_both};
use serde_json::{Value, json};

const KEYS: &str = "/api/v1/admin/sites/fpsf/keys";
const NOW: Timestamp = Timestamp(1_800_000_000_000);

async fn ask(stage: &Stage, by: &str, new: &Value) -> Answer {
    stage.server.post(KEYS).bearer(by).json(new).send().await
}

async fn make(stage: &Stage, by: &str, scopes: &[Scope]) -> String {
    let made = ask(stage, by, &json!({ "name": "one", "scopes": scopes })).await.expect(201);
    made["key"].as_str().unwrap().to_owned()
}

for_both! {
    /// Every pair: the scopes of a key that may make keys, and the scope of the key it asks for.
    async fn p5_a_key_makes_no_key_that_may_more_than_itself(db: TestDb) {
        let stage = Stage::set(&db).await;
        for held in Scope::ALL.into_iter().filter(|scope| *scope != Scope::ServerAdmin) {
            let maker = make(&stage, &stage.key, &[Scope::KeysWrite, held]).await;
            for wanted in Scope::ALL {
                let has = wanted == Scope::KeysWrite || wanted == Scope::SiteRead || wanted == held
                    || held == Scope::SiteAdmin && wanted != Scope::ServerAdmin
                    || held == Scope::TracksWrite && wanted == Scope::TracksRead
                    || held == Scope::CoursesWrite && wanted == Scope::CoursesRead;
                // The one that is lacking hides behind one that is not.
                let answer = ask(&stage, &maker, &json!({ "name": "two", "scopes": [Scope::KeysWrite, wanted] })).await;
                if has {
                    answer.expect(201);
                } else {
                    let problem = answer.problem(403, "forbidden");
                    assert_eq!(problem["scope"], wanted.as_str(), "{held:?} asks for {wanted:?}: {problem}");
                    assert_eq!(problem["errors"][0]["pointer"], "/scopes/1");
                    assert!(problem["detail"].as_str().unwrap().contains(wanted.as_str()), "{problem}");
                }
            }
        }
        // Whoever runs the site by their role gives everything of the site.
        let boss = stage.member_of(Stage::SITE, json!({ "sub": "boss", "roles": ["site_admin"] }));
        make(&stage, &boss, &[Scope::SiteAdmin, Scope::Webhooks]).await;
        ask(&stage, &boss, &json!({ "name": "x", "scopes": ["server_admin"] })).await.problem(403, "forbidden");
    }

    /// A key that was lent for an hour is not made a key for ever.
    async fn p5_a_key_makes_no_key_that_outlives_it(db: TestDb) {
        let clock = Clock::fixed(NOW);
        let stage = Stage::set_with(&db, clock.clone(), |_| ()).await;
        let hour = NOW.plus_seconds(3600);
        let made = ask(&stage, &stage.key, &json!({ "name": "lent", "scopes": ["keys_write"], "expires_at": hour })).await;
        let lent = made.expect(201)["key"].as_str().unwrap().to_owned();
        let new = |end: Option<Timestamp>| json!({ "name": "longer", "scopes": ["keys_write"], "expires_at": end });
        let problem = ask(&stage, &lent, &new(Some(hour.plus_seconds(1)))).await.problem(403, "forbidden");
        assert_eq!(problem["errors"][0]["pointer"], "/expires_at");
        ask(&stage, &lent, &new(Some(hour))).await.expect(201);
        let unsaid = ask(&stage, &lent, &new(None)).await.expect(201);
        assert_eq!(unsaid["expires_at"], json!(hour), "it ends with its maker");
        let grandchild = ask(&stage, unsaid["key"].as_str().unwrap(), &new(None)).await.expect(201);
        clock.advance(Duration::from_hours(1));
        ask(&stage, grandchild["key"].as_str().unwrap(), &new(None)).await.problem(401, "token_expired");
    }

    /// Whoever adds a signing key can be any member, also one whose role is `site_admin`.
    async fn p5_only_who_runs_the_site_touches_what_signs_its_members(db: TestDb) {
        let stage = Stage::set(&db).await;
        let keys_write = make(&stage, &stage.key, &[Scope::KeysWrite]).await;
        let path = "/api/v1/admin/sites/fpsf/signing-keys";
        let mine = json!({ "algorithm": "HS256", "secret": "a secret of my own, and long enough for it" });
        let problem = stage.server.post(path).bearer(&keys_write).json(&mine).send().await.problem(403, "forbidden");
        assert_eq!(problem["scope"], "site_admin");
        let known = stage.server.get(path).bearer(&keys_write).send().await.expect(200);
        let expire = format!("{path}/{}/expire", known["items"][0]["id"].as_str().unwrap());
        stage.server.post(&expire).bearer(&keys_write).json(&json!({})).send().await.problem(403, "forbidden");
        let site_admin = make(&stage, &stage.key, &[Scope::SiteAdmin]).await;
        stage.server.post(path).bearer(&site_admin).json(&mine).send().await.expect(201);
    }
}
