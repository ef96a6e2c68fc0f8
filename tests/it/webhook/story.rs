//! From a completed track to somebody else's system, over HTTP, with the server as it runs (W1–W4).

use std::time::{Duration, Instant};

use jalon_backend::clock::Clock;
use jalon_shared::Timestamp;
use jalon_tests::{Stage, for_both, small_track};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use uuid::Uuid;

use super::{KIND, Receiver, Says};

const WEBHOOKS: &str = "/api/v1/admin/sites/fpsf/webhooks";

/// Adds an endpoint; answers its path and secret.
async fn listen(stage: &Stage, url: &str) -> (String, String) {
    let new = json!({ "url": url, "event_types": [KIND] });
    let endpoint = stage.server.post(WEBHOOKS).bearer(&stage.key).json(&new).send().await.expect(201);
    let text = |name: &str| endpoint[name].as_str().unwrap().to_owned();
    (format!("{WEBHOOKS}/{}", text("id")), text("secret"))
}

/// Takes the small track to its end; answers the enrollment.
async fn complete(stage: &Stage, token: &str) -> Value {
    let enrollment = stage.enroll(token, "first").await;
    let steps = format!("/api/v1/enrollments/{}/steps", enrollment["id"].as_str().unwrap());
    let advance = async |order: u32, body: Value| {
        let request =
            stage.server.post(&format!("{steps}/{order}/advance")).bearer(token).key(Uuid::now_v7()).json(&body);
        request.send().await.expect(200)["enrollment"].clone()
    };
    advance(1, json!({ "time_spent_seconds": 30 })).await;
    let quiz = stage.server.get(&format!("{steps}/2")).bearer(token).send().await.expect(200);
    let question = &quiz["quiz"]["questions"][0];
    let right =
        question["choices"].as_array().unwrap().iter().find(|choice| choice["text"]["value"] == "Trois").unwrap();
    advance(2, json!({ "answers": [{ "question_id": question["id"], "choice_ids": [right["id"]] }] })).await;
    let done = advance(4, json!({})).await;
    // G4: once more changes nothing.
    assert_eq!(advance(4, json!({})).await, done);
    done
}

/// Asks for an endpoint's deliveries until they are as wanted.
async fn deliveries(stage: &Stage, endpoint: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let list = stage.server.get(&format!("{endpoint}/deliveries")).bearer(&stage.key).send().await.expect(200);
        let items = list["items"].as_array().unwrap().clone();
        if wanted(&items) {
            return items;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{items:?}");
    }
}

fn is(state: &'static str) -> impl Fn(&[Value]) -> bool {
    move |items| items.iter().all(|item| item["state"] == state)
}

for_both! {
    /// W1, W2, W3: one completion, one webhook, and all that the coaching system needs is in it.
    async fn w2_a_completed_track_is_told_once(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (endpoint, secret) = listen(&stage, &receiver.url()).await;
        let (guest, token) = stage.guest().await;
        let enrollment = complete(&stage, &token).await;

        let call = receiver.call().await;
        Webhook::new(&secret).unwrap().verify(&call.body, &call.headers).unwrap();
        let body = call.json();
        assert_eq!(body["type"], KIND);
        assert!(Timestamp::parse(body["timestamp"].as_str().unwrap()).is_some());
        assert_eq!(body["data"], json!({
            "event_id": call.id(), "site": "fpsf", "enrollment_id": enrollment["id"], "user_id": null, "guest_id": guest,
            "track": { "slug": "first", "track_type": "beginner_intro", "version": 1 },
            "score": 100, "completed_at": enrollment["completed_at"], "steps_completed": 3, "steps_total": 4,
            "time_spent_seconds": 30, "lang": body["data"]["lang"], "merged_from_guest": false
        }));

        // The next that comes is another's.
        let (_, other) = stage.guest().await;
        let second = complete(&stage, &other).await;
        assert_eq!(receiver.call().await.json()["data"]["enrollment_id"], second["id"]);
        let listed = deliveries(&stage, &endpoint, |items| items.len() == 2 && is("delivered")(items)).await;
        assert!(listed.iter().all(|item| item["attempts"] == 1 && item["last_status"] == 200 && item["attempt_log"].as_array().unwrap().len() == 1), "{listed:?}");
        assert!(receiver.calls().is_empty());
    }

    /// M6: who finished as a guest and then logs in is heard of as a member, once.
    async fn m6_a_finished_guest_who_becomes_a_member_is_told_once_more(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (endpoint, _) = listen(&stage, &receiver.url()).await;
        let (guest, token) = stage.guest().await;
        complete(&stage, &token).await;
        assert_eq!(receiver.call().await.json()["data"]["guest_id"], guest);
        for _ in 0..2 {
            let merge = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&stage.member("u-42")).key(Uuid::now_v7());
            merge.json(&json!({ "guest_token": token })).send().await.expect(200);
        }
        let told = receiver.call().await.json();
        assert_eq!((&told["data"]["user_id"], &told["data"]["guest_id"], &told["data"]["merged_from_guest"]), (&json!("u-42"), &Value::Null, &json!(true)));
        deliveries(&stage, &endpoint, |items| items.len() == 2 && is("delivered")(items)).await;
        assert!(receiver.calls().is_empty());
    }

    /// W4: parked after the last try, listed, replayed under the same id.
    async fn w4_a_parked_delivery_is_listed_and_replayed(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(500)).await;
        let clock = Clock::fixed(Clock::system().now());
        let stage = Stage::set_with(&db, clock.clone(), |_| ()).await;
        stage.publish("first", &small_track()).await;
        let (endpoint, secret) = listen(&stage, &receiver.url()).await;
        let (_, token) = stage.guest().await;
        complete(&stage, &token).await;
        let first = receiver.call().await;
        let mut attempts = 1;
        let parked = loop {
            let [delivery] = <[Value; 1]>::try_from(deliveries(&stage, &endpoint, |items| items[0]["attempts"] == attempts).await).unwrap();
            if delivery["state"] == "parked" {
                break delivery;
            }
            clock.advance(Duration::from_hours(12));
            assert_eq!(receiver.call().await.id(), first.id());
            attempts += 1;
        };
        assert_eq!((attempts, &parked["last_status"], &parked["next_attempt_at"]), (11, &json!(500), &Value::Null));
        assert_eq!(parked["attempt_log"].as_array().unwrap().len(), 11);

        receiver.say(Says::Status(200));
        let replay = format!("/api/v1/admin/sites/fpsf/deliveries/{}/replay", parked["id"].as_str().unwrap());
        stage.server.post(&replay).bearer(&stage.key).send().await.expect(202);
        let again = receiver.call().await;
        assert_eq!((again.id(), &again.body), (first.id(), &first.body));
        assert!(again.is_signed_with(&secret));
        deliveries(&stage, &endpoint, is("delivered")).await;
        assert!(receiver.calls().is_empty());
    }

    /// W4: 410 switches the endpoint off; switched on again, it hears what comes.
    async fn w4_an_endpoint_that_is_gone_can_come_back(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(410)).await;
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (endpoint, _) = listen(&stage, &receiver.url()).await;
        let complete_one = async || {
            let (_, token) = stage.guest().await;
            complete(&stage, &token).await;
        };
        complete_one().await;
        receiver.call().await;
        deliveries(&stage, &endpoint, is("parked")).await;
        let shown = stage.server.get(&endpoint).bearer(&stage.key).send().await.expect(200);
        assert_eq!((&shown["enabled"], &shown["disabled_reason"]), (&json!(false), &json!("gone")));
        complete_one().await;

        receiver.say(Says::Status(200));
        let shown = stage.server.patch(&endpoint).bearer(&stage.key).json(&json!({ "enabled": true })).send().await.expect(200);
        assert_eq!((&shown["enabled"], &shown["disabled_reason"]), (&json!(true), &Value::Null));
        complete_one().await;
        receiver.call().await;
        deliveries(&stage, &endpoint, |items| items.len() == 2 && items[0]["state"] == "delivered" && items[1]["state"] == "parked").await;
        assert!(receiver.calls().is_empty(), "what came while it was off was never meant for it");
    }

    /// What was done is counted where Prometheus looks.
    async fn attempts_are_counted(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (endpoint, _) = listen(&stage, &receiver.url()).await;
        let (_, token) = stage.guest().await;
        complete(&stage, &token).await;
        receiver.call().await;
        deliveries(&stage, &endpoint, is("delivered")).await;
        let metrics = stage.server.get("/metrics").bearer(&stage.key).send().await.text();
        assert!(metrics.contains("jalon_webhook_attempts_total{outcome=\"delivered\"} 1\n"), "{metrics}");
        assert!(metrics.contains("jalon_webhook_attempts_under_way 0\n"), "{metrics}");
    }
}
