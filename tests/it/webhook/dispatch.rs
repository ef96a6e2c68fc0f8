//! One delivery: signed, tried, tried again, parked (W3, W4, W5).

use std::time::Duration;

use jalon_backend::webhook::deliver::Sender;
use jalon_backend::webhook::guard::Guard;
use jalon_backend::webhook::retry::MAX_ATTEMPTS;
use jalon_tests::for_both;
use standardwebhooks::Webhook;

use super::{Desk, OPEN, Receiver, Says, counts};

for_both! {
    /// W3: an independent library verifies what comes.
    async fn w3_a_delivery_is_signed_and_delivered(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let desk = Desk::new(&db).await;
        let (endpoint, secret) = desk.endpoint(receiver.url(), &[]).await;
        let ids = desk.announce(1).await;
        desk.settle().await;

        let [call] = <[_; 1]>::try_from(receiver.calls()).unwrap();
        Webhook::new(&secret).unwrap().verify(&call.body, &call.headers).unwrap();
        assert_eq!(call.id(), ids[0]);
        assert_eq!(call.header("content-type"), "application/json");
        assert_eq!(call.json()["data"]["event_id"], ids[0].to_string());
        let delivery = desk.delivery(endpoint).await;
        assert_eq!((delivery.state.as_str(), delivery.attempts, delivery.last_status), ("delivered", 1, Some(200)));
        assert_eq!((delivery.lease_owner, delivery.last_error, delivery.finished_at), (None, None, Some(desk.now().0)));
        assert_eq!(desk.count("SELECT count(*) FROM webhook_attempt WHERE status = 200 AND error IS NULL").await, 1);

        desk.clock.advance(Duration::from_hours(48));
        desk.settle().await;
        assert!(receiver.calls().is_empty(), "what was delivered is not sent again");
    }

    /// W4: the id stays, the timestamp moves, the waits grow, and after the last try it is parked.
    async fn w4_a_failing_receiver_is_tried_for_about_a_day_then_parked(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(500)).await;
        let desk = Desk::new(&db).await;
        let (endpoint, secret) = desk.endpoint(receiver.url(), &[]).await;
        let ids = desk.announce(1).await;
        let (begun, mut last_wait) = (desk.now(), 0);
        let last = i32::try_from(MAX_ATTEMPTS).unwrap();
        for attempt in 1..=last {
            desk.settle().await;
            let [call] = <[_; 1]>::try_from(receiver.calls()).unwrap();
            assert_eq!(call.id(), ids[0]);
            assert_eq!(call.header("webhook-timestamp"), (desk.now().0 / 1000).to_string(), "of the attempt, not of the event");
            assert!(call.is_signed_with(&secret));
            let delivery = desk.delivery(endpoint).await;
            assert_eq!((delivery.attempts, delivery.last_status), (attempt, Some(500)));
            if attempt == last {
                assert_eq!((delivery.state.as_str(), delivery.finished_at), ("parked", Some(desk.now().0)));
                break;
            }
            assert_eq!((delivery.state.as_str(), delivery.finished_at), ("pending", None));
            let wait = delivery.next_at - desk.now().0;
            assert!(wait > last_wait, "{wait} after {last_wait}");
            last_wait = wait;
            desk.clock.advance(Duration::from_millis(u64::try_from(wait - 1).unwrap()));
            desk.settle().await;
            assert!(receiver.calls().is_empty(), "not a moment too early");
            desk.clock.advance(Duration::from_millis(1));
        }
        let hours = (desk.now().0 - begun.0) / 3_600_000;
        assert!((20..=28).contains(&hours), "{hours}");
        desk.clock.advance(Duration::from_hours(48));
        desk.settle().await;
        assert!(receiver.calls().is_empty(), "a parked delivery rests");
        assert_eq!(desk.count("SELECT count(*) FROM webhook_attempt WHERE status = 500 AND error IS NOT NULL AND response_excerpt = 'thank you'").await, 11);
    }

    /// W4
    async fn w4_a_receiver_that_recovers_gets_it(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(503)).await;
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint(receiver.url(), &[]).await;
        let ids = desk.announce(1).await;
        desk.settle().await;
        receiver.say(Says::Status(204));
        desk.clock.advance(Duration::from_secs(10));
        desk.settle().await;
        assert_eq!(counts(&receiver.calls())[&ids[0]], 2);
        let delivery = desk.delivery(endpoint).await;
        assert_eq!((delivery.state.as_str(), delivery.attempts, delivery.last_status, delivery.last_error), ("delivered", 2, Some(204), None));
    }

    /// W4: a receiver may ask for more time, up to six hours.
    async fn w4_retry_after_is_heeded_within_bounds(db: TestDb) {
        let mut receiver = Receiver::start(Says::With(429, "retry-after", "900".to_owned())).await;
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint(receiver.url(), &[]).await;
        desk.announce(1).await;
        desk.settle().await;
        assert_eq!(desk.delivery(endpoint).await.next_at, desk.now().plus_seconds(900).0);
        desk.clock.advance(Duration::from_secs(899));
        desk.settle().await;
        assert_eq!(receiver.calls().len(), 1);
        receiver.say(Says::With(503, "retry-after", "999999".to_owned()));
        desk.clock.advance(Duration::from_secs(1));
        desk.settle().await;
        assert_eq!(receiver.calls().len(), 1);
        assert_eq!(desk.delivery(endpoint).await.next_at, desk.now().plus_seconds(6 * 3600).0);
    }

    /// W4: 410 disables the endpoint; what waited for it is parked.
    async fn w4_gone_disables_the_endpoint_and_parks_what_waits(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(410)).await;
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint(receiver.url(), &[]).await;
        desk.announce(1).await;
        desk.clock.advance(Duration::from_secs(1));
        desk.settle().await;
        assert_eq!(receiver.calls().len(), 1);
        assert_eq!(desk.count("SELECT count(*) FROM webhook_endpoint WHERE NOT enabled AND disabled_reason = 'gone'").await, 1);
        assert_eq!(desk.delivery(endpoint).await.state, "parked");
        desk.announce(3).await;
        assert_eq!(desk.deliveries(endpoint).await.len(), 1, "nothing new is written for it");

        // Back on, with a hundred waiting: they don't all have to hear it.
        desk.execute("UPDATE webhook_endpoint SET enabled = TRUE, disabled_reason = NULL WHERE id = $1", endpoint).await;
        desk.announce(100).await;
        desk.settle().await;
        assert!(receiver.calls().len() <= 8);
        let deliveries = desk.deliveries(endpoint).await;
        assert_eq!(deliveries.len(), 101);
        assert!(deliveries.iter().all(|delivery| delivery.state == "parked" && delivery.lease_owner.is_none()), "{deliveries:?}");
    }

    /// W4: an endpoint that was changed while an attempt was under way stays on.
    async fn w4_gone_does_not_disable_what_was_changed_meanwhile(db: TestDb) {
        let receiver = Receiver::start(Says::Status(410)).await;
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint(receiver.url(), &[]).await;
        desk.announce(1).await;
        desk.execute("UPDATE webhook_endpoint SET updated_at = updated_at + 1 WHERE id = $1", endpoint).await;
        desk.settle().await;
        assert_eq!(desk.count("SELECT count(*) FROM webhook_endpoint WHERE enabled").await, 1);
        assert_eq!(desk.delivery(endpoint).await.state, "parked");
    }

    /// W5: a redirect is a failure; nobody is asked where it points.
    async fn w5_a_redirect_is_not_followed(db: TestDb) {
        let mut elsewhere = Receiver::start(Says::Status(200)).await;
        for status in [301, 302, 303, 307, 308] {
            let mut receiver = Receiver::start(Says::With(status, "location", elsewhere.url())).await;
            let desk = Desk::with_slug(&db, &format!("site-{status}")).await;
            let (endpoint, _) = desk.endpoint(receiver.url(), &[]).await;
            desk.announce(1).await;
            desk.settle().await;
            assert_eq!(receiver.calls().len(), 1);
            let delivery = desk.delivery(endpoint).await;
            assert_eq!((delivery.state.as_str(), delivery.last_status), ("pending", Some(status.into())));
        }
        assert!(elsewhere.calls().is_empty());
    }

    /// W5: where this machine is no place to send to, nothing connects to it.
    async fn w5_loopback_is_refused_in_production(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let desk = Desk::with(&db, Sender::new(Guard { development: false }).unwrap()).await;
        let (literal, _) = desk.endpoint(receiver.url(), &[]).await;
        let (name, _) = desk.endpoint(receiver.url().replace("127.0.0.1", "localhost"), &[]).await;
        desk.announce(1).await;
        desk.settle().await;
        assert!(receiver.calls().is_empty());
        for endpoint in [literal, name] {
            let delivery = desk.delivery(endpoint).await;
            assert_eq!((delivery.state.as_str(), delivery.last_status, delivery.last_error.as_deref()), ("pending", None, Some("the address is not a public one")));
        }
    }

    /// W4: no answer is a failure like any other; so is nobody there.
    async fn w4_a_receiver_that_hangs_or_is_away_is_tried_again(db: TestDb) {
        let mut receiver = Receiver::start(Says::Nothing).await;
        let desk = Desk::with(&db, Sender::new(OPEN).unwrap().within(Duration::from_millis(300))).await;
        let (hangs, _) = desk.endpoint(receiver.url(), &[]).await;
        // A port that was free a moment ago.
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let (away, _) = desk.endpoint(format!("http://{free}/"), &[]).await;
        desk.announce(1).await;
        desk.settle().await;
        assert_eq!(receiver.calls().len(), 1);
        for endpoint in [hangs, away] {
            let delivery = desk.delivery(endpoint).await;
            assert_eq!((delivery.state.as_str(), delivery.attempts, delivery.last_status), ("pending", 1, None));
            assert!(delivery.last_error.is_some_and(|error| error.starts_with("no ")), "says why");
        }
    }

    /// W3: two live secrets, two signatures; an expired one signs no more.
    async fn w3_while_keys_rotate_both_sign(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let desk = Desk::new(&db).await;
        let (endpoint, old) = desk.endpoint(receiver.url(), &[]).await;
        let until = desk.now().plus_seconds(86_400);
        expire_secrets(&desk, endpoint, until).await;
        desk.clock.advance(Duration::from_secs(1));
        let new = desk.secret(endpoint, None).await;

        desk.announce(1).await;
        desk.settle().await;
        let call = receiver.call().await;
        assert!(call.is_signed_with(&old) && call.is_signed_with(&new));
        for secret in [&old, &new] {
            Webhook::new(secret).unwrap().verify(&call.body, &call.headers).unwrap();
        }
        desk.clock.advance(Duration::from_hours(24));
        desk.announce(1).await;
        desk.settle().await;
        let call = receiver.call().await;
        assert!(!call.is_signed_with(&old) && call.is_signed_with(&new));
    }

    /// A switched-off endpoint hears nothing, and goes on where it stopped.
    async fn what_waits_for_an_endpoint_that_is_off_goes_on_waiting(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint(receiver.url(), &[]).await;
        let ids = desk.announce(1).await;
        desk.execute("UPDATE webhook_endpoint SET enabled = FALSE WHERE id = $1", endpoint).await;
        desk.settle().await;
        assert!(receiver.calls().is_empty());
        desk.execute("UPDATE webhook_endpoint SET enabled = TRUE WHERE id = $1", endpoint).await;
        desk.settle().await;
        assert_eq!(receiver.call().await.id(), ids[0]);
    }
}

async fn expire_secrets(desk: &Desk, endpoint: uuid::Uuid, at: jalon_shared::Timestamp) {
    let sql = "UPDATE webhook_secret SET expires_at = $2 WHERE endpoint_id = $1";
    super::write(&desk.db, move |tx| {
        Box::pin(async move { jalon_backend::db::execute!(tx, sqlx::query(sql).bind(endpoint).bind(at.0)) })
    })
    .await;
}
