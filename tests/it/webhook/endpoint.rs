//! Endpoints over HTTP: who may have which, their secrets, what was sent to them.

use jalon_backend::clock::Clock;
use jalon_backend::db::DbError;
use jalon_backend::webhook::{outbox, sign, store};
use jalon_shared::{SiteId, Timestamp};
use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{KIND, Receiver, Says};

const WEBHOOKS: &str = "/api/v1/admin/sites/fpsf/webhooks";
/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1/hook";

async fn create(stage: &Stage, url: &str) -> Value {
    stage.server.post(WEBHOOKS).bearer(&stage.key).json(&json!({ "url": url })).send().await.expect(201)
}

fn path(endpoint: &Value, rest: &str) -> String {
    format!("{WEBHOOKS}/{}{rest}", endpoint["id"].as_str().unwrap())
}

fn site(stage: &Stage) -> SiteId {
    stage.server.app().gate.sites.by_slug(Stage::SITE).unwrap().id
}

/// Announces `count` events, as a completed track would.
async fn announce(stage: &Stage, count: usize) {
    let (site, now) = (site(stage), stage.now());
    let message = |id: Uuid| outbox::Message {
        id,
        site,
        kind: KIND.to_owned(),
        dedupe_key: id.to_string(),
        payload: json!({ "type": KIND, "data": {} }).to_string(),
    };
    let messages: Vec<outbox::Message> = (0..count).map(|_| message(jalon_backend::id::new_v7(now))).collect();
    let written = stage
        .server
        .app()
        .db
        .write::<_, DbError, _>(move |tx| Box::pin(async move { outbox::enqueue(tx, &messages, now).await }))
        .await;
    written.unwrap();
}

for_both! {
    async fn an_endpoint_shows_its_secret_once_and_can_be_changed_and_deleted(db: TestDb) {
        let stage = Stage::set(&db).await;
        let created = stage.server.post(WEBHOOKS).bearer(&stage.key).json(&json!({ "url": "https://coaching.example/hook" })).send().await;
        assert_eq!(created.header("cache-control"), "no-store");
        let place = created.header("location").to_owned();
        let created = created.expect(201);
        let secret = created["secret"].as_str().unwrap();
        assert!(secret.starts_with(sign::PREFIX));
        assert_eq!((&created["enabled"], &created["event_types"], created["secrets"].as_array().unwrap().len()), (&json!(true), &json!([]), 1));

        let shown = stage.server.get(&place).bearer(&stage.key).send().await;
        assert!(!shown.text().contains(secret));
        let list = stage.server.get(WEBHOOKS).bearer(&stage.key).send().await;
        assert!(!list.text().contains(secret));
        assert_eq!(list.expect(200)["items"], json!([shown.expect(200)]));

        let change = json!({ "url": "https://coaching.example/other", "event_types": [KIND], "enabled": false });
        let changed = stage.server.patch(&place).bearer(&stage.key).json(&change).send().await.expect(200);
        assert_eq!((&changed["url"], &changed["enabled"]), (&change["url"], &json!(false)));
        // What is left out stays.
        let again = stage.server.patch(&place).bearer(&stage.key).json(&json!({ "enabled": true })).send().await.expect(200);
        assert_eq!((&again["url"], &again["event_types"], &again["enabled"]), (&change["url"], &change["event_types"], &json!(true)));
        assert_eq!(stage.server.get(&place).bearer(&stage.key).send().await.expect(200), again);

        stage.server.delete(&place).bearer(&stage.key).send().await.expect(204);
        stage.server.get(&place).bearer(&stage.key).send().await.problem(404, "not_found");
        stage.server.delete(&place).bearer(&stage.key).send().await.problem(404, "not_found");
        stage.server.patch(&place).bearer(&stage.key).json(&json!({})).send().await.problem(404, "not_found");
    }

    /// W5
    async fn w5_an_endpoint_at_an_inner_address_is_refused(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::system(), |config| config.development = false).await;
        let good = create(&stage, "https://coaching.example/hook").await;
        for url in ["http://coaching.example/", "https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://0x7f.1/", "https://2852039166/", "https://localhost/",
            "https://10.0.0.1:8443/", "https://user:password@coaching.example/", "https://coaching.example:25/", "file:///etc/passwd", "", "hook"] {
            let problem = stage.server.post(WEBHOOKS).bearer(&stage.key).json(&json!({ "url": url })).send().await.problem(422, "invalid_value");
            assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}");
            let problem = stage.server.patch(&path(&good, "")).bearer(&stage.key).json(&json!({ "url": url })).send().await.problem(422, "invalid_value");
            assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}");
        }
        assert_eq!(stage.server.get(WEBHOOKS).bearer(&stage.key).send().await.expect(200)["items"].as_array().unwrap().len(), 1);
    }

    async fn bad_endpoints_get_a_code_and_a_pointer(db: TestDb) {
        let stage = Stage::set(&db).await;
        let post = |body: Value| stage.server.post(WEBHOOKS).bearer(&stage.key).json(&body).send();
        let pointer = |problem: Value| problem["errors"][0]["pointer"].as_str().unwrap().to_owned();
        assert_eq!(pointer(post(json!({})).await.problem(422, "missing_field")), "/url");
        assert_eq!(pointer(post(json!({ "url": NOBODY, "secret": "x" })).await.problem(422, "unknown_field")), "/secret");
        assert_eq!(pointer(post(json!({ "url": NOBODY, "event_types": [KIND, "track.started"] })).await.problem(422, "invalid_value")), "/event_types/1");
        let first = create(&stage, NOBODY).await;
        assert_eq!(pointer(post(json!({ "url": NOBODY })).await.problem(409, "already_exists")), "/url");
        for n in 2..=20 {
            create(&stage, &format!("http://127.0.0.1:{n}/")).await;
        }
        post(json!({ "url": "http://127.0.0.1:21/" })).await.problem(409, "conflict");
        let taken = stage.server.patch(&path(&first, "")).bearer(&stage.key).json(&json!({ "url": "http://127.0.0.1:2/" })).send().await;
        taken.problem(409, "already_exists");
        for rest in ["", "/deliveries"] {
            stage.server.get(&format!("{WEBHOOKS}/no-uuid{rest}")).bearer(&stage.key).send().await.problem(404, "not_found");
        }
        stage.server.get(&path(&first, "/deliveries?state=lost")).bearer(&stage.key).send().await.problem(422, "invalid_value");
        stage.server.get(&path(&first, "/deliveries?cursor=x")).bearer(&stage.key).send().await.problem(400, "invalid_cursor");
        let too_long = json!({ "expire_previous_after_seconds": 604_801 });
        stage.server.post(&path(&first, "/secrets")).bearer(&stage.key).json(&too_long).send().await.problem(422, "invalid_value");
    }

    async fn endpoints_are_their_sites_and_need_the_scope(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.site("other", &[]).await;
        let key = async |site: &str, scope: &str| {
            let new = json!({ "name": "a program", "scopes": [scope] });
            let path = format!("/api/v1/admin/sites/{site}/keys");
            stage.server.post(&path).bearer(&stage.key).json(&new).send().await.expect(201)["key"].as_str().unwrap().to_owned()
        };
        let (own, reader, foreign) = (key("fpsf", "webhooks").await, key("fpsf", "tracks_read").await, key("other", "site_admin").await);
        let endpoint = stage.server.post(WEBHOOKS).bearer(&own).json(&json!({ "url": NOBODY })).send().await.expect(201);
        announce(&stage, 1).await;
        let deliveries = stage.server.get(&path(&endpoint, "/deliveries")).bearer(&own).send().await.expect(200);
        let delivery = deliveries["items"][0]["id"].as_str().unwrap();

        stage.server.get(WEBHOOKS).send().await.problem(401, "unauthenticated");
        stage.server.get(WEBHOOKS).bearer(&reader).send().await.problem(403, "forbidden");
        stage.server.post(WEBHOOKS).bearer(&reader).json(&json!({ "url": NOBODY })).send().await.problem(403, "forbidden");
        stage.server.get(WEBHOOKS).bearer(&stage.member("u-42")).send().await.problem(403, "forbidden");
        stage.server.get(WEBHOOKS).bearer(&foreign).send().await.problem(404, "unknown_site");
        // By the other site's own address, the endpoint is not there either.
        let elsewhere = path(&endpoint, "").replace("/fpsf/", "/other/");
        for (method, rest) in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/secrets"), ("POST", "/test"), ("GET", "/deliveries")] {
            let request = stage.server.request(method.parse().unwrap(), &format!("{elsewhere}{rest}")).bearer(&foreign);
            request.send().await.problem(404, "not_found");
        }
        let replay = format!("/api/v1/admin/sites/other/deliveries/{delivery}/replay");
        stage.server.post(&replay).bearer(&foreign).send().await.problem(404, "not_found");
        stage.server.get(&path(&endpoint, "")).bearer(&own).send().await.expect(200);
    }

    /// W3
    async fn w3_while_a_secret_rotates_both_sign_and_then_the_new_one_alone(db: TestDb) {
        let clock = Clock::fixed(Timestamp(1_763_640_000_000));
        let stage = Stage::set_with(&db, clock.clone(), |_| ()).await;
        let endpoint = create(&stage, NOBODY).await;
        let old = endpoint["secret"].as_str().unwrap().to_owned();
        let rotated = stage.server.post(&path(&endpoint, "/secrets")).bearer(&stage.key).send().await;
        assert_eq!(rotated.header("cache-control"), "no-store");
        let rotated = rotated.expect(201);
        let new = rotated["secret"].as_str().unwrap().to_owned();
        assert_eq!(rotated["previous_expire_at"], "2025-11-21T12:00:00.000Z");
        let (site, id): (SiteId, Uuid) = (site(&stage), endpoint["id"].as_str().unwrap().parse().unwrap());
        let live = async || {
            let now = clock.now();
            stage.server.app().db.read::<_, DbError, _>(move |tx| Box::pin(store::live_secrets(tx, site, id, now))).await.unwrap()
        };
        assert_eq!(live().await, [new.clone(), old.clone()]);
        clock.advance(std::time::Duration::from_secs(86_399));
        assert_eq!(live().await, [new.clone(), old]);
        clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(live().await, [new.as_str()]);
        // At once, where the old one got out.
        let newest = stage.server.post(&path(&endpoint, "/secrets")).bearer(&stage.key).json(&json!({ "expire_previous_after_seconds": 0 })).send().await.expect(201);
        assert_eq!(live().await, [newest["secret"].as_str().unwrap()]);
        let shown = stage.server.get(&path(&endpoint, "")).bearer(&stage.key).send().await.expect(200);
        assert_eq!(shown["secrets"], json!([{ "id": newest["id"], "created_at": newest["created_at"], "expires_at": null }]));
    }

    async fn a_test_event_tells_what_came_of_it(db: TestDb) {
        let stage = Stage::set(&db).await;
        let mut receiver = Receiver::start(Says::Status(204)).await;
        let endpoint = create(&stage, &receiver.url()).await;
        // Even to one that is switched off.
        stage.server.patch(&path(&endpoint, "")).bearer(&stage.key).json(&json!({ "enabled": false })).send().await.expect(200);
        let test = async |endpoint: &Value| stage.server.post(&path(endpoint, "/test")).bearer(&stage.key).send().await.expect(200);
        let result = test(&endpoint).await;
        assert_eq!((&result["delivered"], &result["status"], &result["error"]), (&json!(true), &json!(204), &Value::Null));
        let heard = receiver.call().await;
        assert!(heard.is_signed_with(endpoint["secret"].as_str().unwrap()));
        let body = heard.json();
        assert_eq!((&body["type"], &body["data"]["event_id"], &body["data"]["site"]), (&json!("jalon.test"), &result["event_id"], &json!("fpsf")));
        assert_eq!(heard.header("webhook-id"), result["event_id"].as_str().unwrap());
        // It is no delivery.
        assert_eq!(stage.server.get(&path(&endpoint, "/deliveries")).bearer(&stage.key).send().await.expect(200)["items"], json!([]));

        let nobody = create(&stage, NOBODY).await;
        let result = test(&nobody).await;
        assert_eq!((&result["delivered"], &result["status"]), (&json!(false), &Value::Null));
        let error = result["error"].as_str().unwrap();
        assert!(error.starts_with("no connection: "), "{error}");
        assert!(!error.contains("127.0.0.1"), "{error}");
    }

    /// W4
    async fn w4_deliveries_are_listed_in_pages_and_replayed(db: TestDb) {
        // The clock stands, so that what failed once waits.
        let clock = Clock::fixed(Timestamp(1_763_640_000_000));
        let stage = Stage::set_with(&db, clock, |_| ()).await;
        let endpoint = create(&stage, NOBODY).await;
        announce(&stage, 5).await;
        let list = async |query: &str| stage.server.get(&path(&endpoint, &format!("/deliveries{query}"))).bearer(&stage.key).send().await.expect(200);
        let all = list("").await;
        let ids: Vec<&Value> = all["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert_eq!((ids.len(), &all["next_cursor"]), (5, &Value::Null));
        assert!(all["items"].as_array().unwrap().iter().all(|item| item["state"] == "pending" && item["type"] == KIND && item["webhook_id"] == endpoint["id"]));
        let first = list("?limit=3&state=pending").await;
        let second = list(&format!("?limit=3&state=pending&cursor={}", first["next_cursor"].as_str().unwrap())).await;
        let pages: Vec<&Value> = first["items"].as_array().unwrap().iter().chain(second["items"].as_array().unwrap()).map(|item| &item["id"]).collect();
        assert_eq!((pages, &second["next_cursor"]), (ids.clone(), &Value::Null));
        for state in ["delivered", "parked"] {
            assert_eq!(list(&format!("?state={state}")).await["items"], json!([]));
        }
        // A switched-off endpoint gets nothing anew.
        stage.server.patch(&path(&endpoint, "")).bearer(&stage.key).json(&json!({ "enabled": false })).send().await.expect(200);
        let replay = format!("/api/v1/admin/sites/fpsf/deliveries/{}/replay", ids[0].as_str().unwrap());
        stage.server.post(&replay).bearer(&stage.key).send().await.problem(409, "conflict");
        announce(&stage, 1).await;
        assert_eq!(list("").await["items"].as_array().unwrap().len(), 5);
        let unknown = format!("/api/v1/admin/sites/fpsf/deliveries/{}/replay", Uuid::now_v7());
        stage.server.post(&unknown).bearer(&stage.key).send().await.problem(404, "not_found");
    }
}
