//! One who is slow or dead delays nobody else, and there is room for many.

use std::time::{Duration, Instant};

use jalon_backend::stop::stop;
use jalon_backend::webhook::deliver::Sender;
use jalon_tests::for_both;

use super::{Desk, OPEN, Receiver, Says, counts};

for_both! {
    /// A hundred receivers that never answer, each with a hundred waiting, and one that does. There are
    /// more of the dead than could all have attempts under way, and than could all be claimed for.
    async fn p4_dead_receivers_delay_nobody_else(db: TestDb) {
        const DEAD: usize = 100;
        let mut dead = Receiver::start(Says::Nothing).await;
        let mut alive = Receiver::start(Says::Status(200)).await;
        // Longer than the test: no attempt that hangs makes room for another by ending.
        let desk = Desk::with(&db, Sender::new(OPEN).unwrap().within(Duration::from_mins(10))).await;
        for _ in 0..DEAD {
            desk.endpoint(dead.url(), &[]).await;
        }
        desk.announce(100).await;
        let (stopper, stop) = stop();
        let dispatcher = desk.dispatcher();
        let working = tokio::spawn(async move { dispatcher.work(&stop).await });
        // All that will be tried of theirs is under way.
        for _ in 0..DEAD {
            dead.call().await;
        }
        desk.endpoint(alive.url(), &[]).await;
        desk.announce(200).await;
        let mut calls = Vec::new();
        for _ in 0..200 {
            calls.push(alive.call().await);
        }
        assert_eq!(counts(&calls).len(), 200);
        assert_eq!(desk.count("SELECT count(*) FROM webhook_attempt WHERE status IS NULL").await, 0, "no dead attempt ended");
        assert!(dead.calls().len() < DEAD * 8, "each has its share and no more");
        working.abort();
        drop(stopper);
    }
}

/// How fast it is: `cargo test -p jalon-tests --release webhook::fairness::speed -- --ignored --nocapture`.
mod speed {
    use super::*;
    use jalon_tests::{Backend, TestDb, run};

    async fn story(db: TestDb) {
        const COUNT: usize = 10_000;
        let receiver = Receiver::start(Says::Status(200)).await;
        let desk = Desk::new(&db).await;
        desk.endpoint(receiver.url(), &[]).await;
        for _ in 0..10 {
            desk.announce(COUNT / 10).await;
        }
        let begun = Instant::now();
        desk.settle().await;
        let rate = 1000 * COUNT / usize::try_from(begun.elapsed().as_millis()).unwrap();
        println!("{:?}: {rate} deliveries a second", db.backend());
        assert_eq!(desk.count("SELECT count(*) FROM webhook_delivery WHERE state = 'delivered'").await, 10_000);
        assert!(cfg!(debug_assertions) || rate >= 1000);
    }

    #[test]
    #[ignore = "measures"]
    fn sqlite() {
        run(Backend::Sqlite, story);
    }

    #[test]
    #[ignore = "measures"]
    fn postgres() {
        run(Backend::Postgres, story);
    }
}
