//! Sites: created, read, changed, kept apart.

use jalon_tests::{Stage, TestServer, for_both};
use serde_json::{Value, json};

const ADMIN: &str = "/api/v1/admin/sites";

fn new_site() -> Value {
    json!({
        "slug": "club", "name": "Le club", "default_lang": "FR", "languages": ["en", "sv", "en"], "origins": ["https://Club.example/", "http://localhost:3000"],
        "login_url": "https://club.example/login", "look": { "accent": "#0a7d5f" }
    })
}

for_both! {
    async fn a_site_is_created_once_and_shown_to_anybody(db: TestDb) {
        let stage = Stage::set(&db).await;
        let created = stage.server.post(ADMIN).bearer(&stage.key).json(&new_site()).send().await;
        let site = created.expect(201);
        assert_eq!((created.header("location"), created.header("etag")), ("/api/v1/admin/sites/club", "\"r1\""));
        assert_eq!(site["languages"], json!(["fr", "en", "sv"]));
        assert_eq!(site["origins"], json!(["http://localhost:3000", "https://club.example"]));
        let again = stage.server.post(ADMIN).bearer(&stage.key).json(&new_site()).send().await.problem(409, "already_exists");
        assert_eq!(again["errors"][0]["pointer"], "/slug");

        let shown = stage.server.get("/api/v1/sites/club").send().await;
        assert_eq!(shown.expect(200), json!({
            "slug": "club", "name": "Le club", "default_lang": "fr", "languages": ["fr", "en", "sv"],
            "look": { "accent": "#0a7d5f" }, "login_url": "https://club.example/login"
        }));
        let same = stage.server.get("/api/v1/sites/club").header("if-none-match", shown.header("etag")).send().await;
        assert_eq!(same.status, 304);
        stage.server.post(ADMIN).json(&new_site()).send().await.problem(401, "unauthenticated");
        stage.server.post(ADMIN).bearer(&stage.member("u-42")).json(&new_site()).send().await.problem(403, "forbidden");
    }

    async fn a_change_holds_to_its_version(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.server.post(ADMIN).bearer(&stage.key).json(&new_site()).send().await.expect(201);
        let change = |only: &'static str, change: Value| stage.server.patch(&format!("{ADMIN}/club")).bearer(&stage.key).header("if-match", only).json(&change).send();
        let changed = change("\"r1\"", json!({ "name": "Notre club", "login_url": null })).await;
        let site = changed.expect(200);
        assert_eq!((site["name"].as_str(), &site["login_url"], site["revision"].as_i64()), (Some("Notre club"), &Value::Null, Some(2)));
        assert_eq!((site["look"]["accent"].as_str(), site["origins"].as_array().unwrap().len()), (Some("#0a7d5f"), 2), "what is left out stays");
        assert_eq!(changed.header("etag"), "\"r2\"");
        change("\"r1\"", json!({ "name": "Anders" })).await.problem(412, "version_conflict");
        change("*", json!({ "default_lang": "sv" })).await.expect(200);
        let site = stage.server.get(&format!("{ADMIN}/club")).bearer(&stage.key).send().await.expect(200);
        assert_eq!((site["name"].as_str(), &site["languages"]), (Some("Notre club"), &json!(["sv", "fr", "en"])));
        for (bad, pointer) in [(json!({ "name": " " }), "/name"), (json!({ "origins": ["ftp://x"] }), "/origins/0"), (json!({ "look": { "accent": "red" } }), "/look/accent")] {
            assert_eq!(change("*", bad).await.problem(422, "validation_failed")["errors"][0]["pointer"], pointer);
        }
        change("*", json!({ "slug": "mine" })).await.problem(422, "unknown_field");
    }

    async fn sites_are_listed_in_pages(db: TestDb) {
        let stage = Stage::set(&db).await;
        for slug in ["b", "c", "a"] {
            stage.site(slug, &[]).await;
        }
        let mut found = Vec::new();
        let mut path = format!("{ADMIN}?limit=3");
        loop {
            let page = stage.server.get(&path).bearer(&stage.key).send().await.expect(200);
            found.extend(page["items"].as_array().unwrap().iter().map(|site| site["slug"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{ADMIN}?limit=3&cursor={cursor}");
        }
        assert_eq!(found, ["a", "b", "c", "fpsf"]);
    }

    /// Another backend on the same database sees a change by its poll.
    async fn backends_hear_of_each_others_changes(db: TestDb) {
        let stage = Stage::set(&db).await;
        let second = TestServer::start(&db).await;
        stage.server.post(ADMIN).bearer(&stage.key).json(&new_site()).send().await.expect(201);
        second.app().gate.sites.poll().await.unwrap();
        second.get("/api/v1/sites/club").send().await.expect(200);
        stage.server.patch(&format!("{ADMIN}/club")).bearer(&stage.key).json(&json!({ "name": "X" })).send().await.expect(200);
        second.app().gate.sites.poll().await.unwrap();
        assert_eq!(second.get("/api/v1/sites/club").send().await.expect(200)["name"], "X");
        // What this one holds in memory may be old: it does not write over what the other wrote.
        stage.server.patch(&format!("{ADMIN}/club")).bearer(&stage.key).json(&json!({ "name": "Y" })).send().await.expect(200);
        let late = second.patch(&format!("{ADMIN}/club")).bearer(&stage.key).json(&json!({ "default_lang": "en" })).send().await;
        assert_eq!((&late.expect(200)["name"], &late.json()["default_lang"]), (&json!("Y"), &json!("en")));
    }

    /// L4
    async fn l4_languages_are_listed_with_their_completeness(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("premiers-pas", &jalon_tests::small_track()).await;
        let list = stage.server.get("/api/v1/sites/fpsf/languages").send().await.expect(200);
        let items = list["items"].as_array().unwrap();
        assert_eq!((items[0]["lang"].as_str(), items[0]["name"].as_str(), items[0]["completeness"].as_f64()), (Some("fr"), Some("Français"), Some(100.0)));
        assert_eq!(items[1]["lang"], "en");
        let share = items[1]["completeness"].as_f64().unwrap();
        assert!(share > 0.0 && share < 100.0, "{list}");
        // A course has but its title in English: all in all there is less of it.
        crate::course::publish(&stage, "petit-cours", &crate::course::small()).await;
        let list = stage.server.get("/api/v1/sites/fpsf/languages").send().await.expect(200);
        let less = list["items"][1]["completeness"].as_f64().unwrap();
        assert_eq!(list["items"][0]["completeness"].as_f64(), Some(100.0));
        assert!(less > 0.0 && less < share, "{less} of {share}");
    }
}
