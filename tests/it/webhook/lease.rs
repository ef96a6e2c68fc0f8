//! Leases: nothing goes out twice at once, and nothing is lost with the server that held it.

use std::time::Duration;

use jalon_backend::clock;
use jalon_backend::stop::stop;
use jalon_backend::webhook::LEASE;
use jalon_backend::webhook::deliver::Sender;
use jalon_backend::webhook::lease::{self, Outcome};
use jalon_tests::for_both;
use uuid::Uuid;

use super::{Desk, OPEN, Receiver, Says, counts};

fn failed(delivery: Uuid, endpoint: Uuid, state: &'static str) -> Outcome {
    Outcome {
        id: delivery,
        endpoint_id: endpoint,
        attempt_id: Uuid::now_v7(),
        state,
        next_at: i64::MAX,
        status: Some(500),
        error: Some("answered 500".to_owned()),
        at: 0,
        duration_ms: 1,
        excerpt: None,
        finished_at: (state != "pending").then_some(1),
        gone: false,
    }
}

for_both! {
    /// Two servers on one database (on SQLite: two dispatchers of one server) send everything once.
    async fn two_dispatchers_never_send_the_same_twice(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let desk = Desk::new(&db).await;
        for _ in 0..3 {
            desk.endpoint(receiver.url(), &[]).await;
        }
        desk.announce(400).await;
        let second = if db.is_sqlite() { db.db().clone() } else { db.reopen().await };
        let (mut one, mut two) = (desk.dispatcher(), desk.dispatcher_on(&second));
        tokio::join!(one.settle(), two.settle());
        // Whoever found the other at work left the rest to it; nothing may be left when both are done.
        let counts = counts(&receiver.calls());
        assert_eq!(counts.len(), 400);
        assert!(counts.values().all(|count| *count == 3), "each event once to each of three endpoints");
        assert_eq!(desk.count("SELECT count(*) FROM webhook_delivery WHERE state = 'delivered' AND attempts = 1 AND lease_owner IS NULL").await, 1200);
        assert_eq!(desk.count("SELECT count(*) FROM webhook_attempt").await, 1200);
    }

    /// W4: a server that died holds its deliveries for a minute, no longer.
    async fn w4_what_a_dead_server_held_is_sent_when_its_lease_ends(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint(receiver.url(), &[]).await;
        desk.announce(1).await;
        let claimed = lease::claim(&db, "dead".to_owned(), vec![(endpoint, 10)], desk.now(), LEASE).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert!(lease::due(&db, desk.now()).await.unwrap().is_empty());
        desk.settle().await;
        assert!(receiver.calls().is_empty());
        desk.clock.advance(LEASE);
        desk.settle().await;
        assert_eq!(receiver.calls().len(), 1);

        // It was not dead, only slow: its word on a failure comes too late to count.
        lease::settle(&db, "dead".to_owned(), &[failed(claimed[0].id, endpoint, "pending")], &[], desk.now()).await.unwrap();
        let delivery = desk.delivery(endpoint).await;
        assert_eq!((delivery.state.as_str(), delivery.attempts), ("delivered", 1));
    }

    /// That the receiver took it counts, whoever holds the lease by now.
    async fn a_late_word_of_success_counts(db: TestDb) {
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint("http://127.0.0.1:9/".to_owned(), &[]).await;
        desk.announce(1).await;
        let slow = lease::claim(&db, "slow".to_owned(), vec![(endpoint, 10)], desk.now(), LEASE).await.unwrap();
        let later = clock::after(desk.now(), LEASE);
        assert_eq!(lease::claim(&db, "other".to_owned(), vec![(endpoint, 10)], later, LEASE).await.unwrap().len(), 1);
        lease::settle(&db, "slow".to_owned(), &[failed(slow[0].id, endpoint, "delivered")], &[], later).await.unwrap();
        lease::settle(&db, "other".to_owned(), &[failed(slow[0].id, endpoint, "pending")], &[], later).await.unwrap();
        assert_eq!(desk.delivery(endpoint).await.state, "delivered");
    }

    /// A claim takes the oldest, and no more than there is room for.
    async fn a_claim_takes_the_oldest_and_no_more_than_fit(db: TestDb) {
        let desk = Desk::new(&db).await;
        let (one, _) = desk.endpoint("http://127.0.0.1:9/".to_owned(), &[]).await;
        let (two, _) = desk.endpoint("http://127.0.0.1:9/".to_owned(), &[]).await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.extend(desk.announce(1).await);
            desk.clock.advance(Duration::from_millis(1));
        }
        let mut claimed = lease::claim(&db, "me".to_owned(), vec![(one, 2), (two, 2)], desk.now(), LEASE).await.unwrap();
        claimed.sort_by_key(|claimed| (claimed.endpoint != one, claimed.message));
        let taken: Vec<_> = claimed.iter().map(|claimed| (claimed.endpoint, claimed.message)).collect();
        assert_eq!(taken, [(one, ids[0]), (one, ids[1]), (two, ids[0]), (two, ids[1])]);
        assert!(claimed.iter().all(|claimed| claimed.secrets.len() == 1 && claimed.attempts == 0));
        let again = lease::claim(&db, "me".to_owned(), vec![(one, 100)], desk.now(), LEASE).await.unwrap();
        assert_eq!(again.iter().map(|claimed| claimed.message).collect::<Vec<_>>().len(), 3, "what is leased is not claimed again");
    }

    /// An endpoint that is deleted under an attempt spoils nobody else's outcome.
    async fn an_endpoint_may_be_deleted_under_an_attempt(db: TestDb) {
        let desk = Desk::new(&db).await;
        let (deleted, _) = desk.endpoint("http://127.0.0.1:9/".to_owned(), &[]).await;
        let (stays, _) = desk.endpoint("http://127.0.0.1:9/".to_owned(), &[]).await;
        desk.announce(1).await;
        let claimed = lease::claim(&db, "me".to_owned(), vec![(deleted, 10), (stays, 10)], desk.now(), LEASE).await.unwrap();
        desk.execute("DELETE FROM webhook_endpoint WHERE id = $1", deleted).await;
        let outcomes: Vec<Outcome> = claimed.iter().map(|claimed| failed(claimed.id, claimed.endpoint, "delivered")).collect();
        lease::settle(&db, "me".to_owned(), &outcomes, &[], desk.now()).await.unwrap();
        assert_eq!(desk.delivery(stays).await.state, "delivered");
        assert_eq!(desk.count("SELECT count(*) FROM webhook_attempt").await, 1);
    }

    /// A server that stops hands back what it has not begun, and counts what it has.
    async fn a_stopping_server_hands_its_leases_back(db: TestDb) {
        let mut receiver = Receiver::start(Says::Nothing).await;
        let desk = Desk::with(&db, Sender::new(OPEN).unwrap().within(Duration::from_secs(1))).await;
        let (endpoint, _) = desk.endpoint(receiver.url(), &[]).await;
        desk.announce(60).await;
        let (stopper, stop) = stop();
        let dispatcher = desk.dispatcher();
        let working = tokio::spawn(async move { dispatcher.work(&stop).await });
        // Eight at once, to one that nothing is known of.
        for _ in 0..8 {
            receiver.call().await;
        }
        stopper.stop();
        working.await.unwrap();
        let deliveries = desk.deliveries(endpoint).await;
        assert!(deliveries.iter().all(|delivery| delivery.state == "pending" && delivery.lease_owner.is_none() && delivery.lease_until == 0), "{deliveries:?}");
        assert_eq!(deliveries.iter().filter(|delivery| delivery.attempts == 1).count(), 8);

        receiver.say(Says::Status(200));
        let mut next = desk.dispatcher();
        next.settle().await;
        assert_eq!(receiver.calls().len(), 52, "at once, without waiting for a lease to end");
    }
}
