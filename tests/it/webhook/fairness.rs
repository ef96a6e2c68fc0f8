//! One who is slow or dead delays nobody else, and there is room for many.

use std::time::Instant;

use jalon_backend::stop::stop;
use jalon_tests::for_both;

use super::{Desk, Receiver, Says, counts};

for_both! {
    /// Twenty receivers that never answer, each with a hundred waiting, and one that does.
    async fn a_dead_receiver_delays_nobody_else(db: TestDb) {
        let mut dead = Receiver::start(Says::Nothing).await;
        let mut alive = Receiver::start(Says::Status(200)).await;
        let desk = Desk::new(&db).await;
        for _ in 0..20 {
            desk.endpoint(dead.url(), &[]).await;
        }
        desk.announce(100).await;
        let (stopper, stop) = stop();
        let dispatcher = desk.dispatcher();
        let working = tokio::spawn(async move { dispatcher.work(&stop).await });
        dead.call().await;
        desk.endpoint(alive.url(), &[]).await;
        let begun = Instant::now();
        desk.announce(200).await;
        let mut calls = Vec::new();
        for _ in 0..200 {
            calls.push(alive.call().await);
        }
        assert_eq!(counts(&calls).len(), 200);
        // An attempt that hangs takes fifteen seconds: nobody waited for one to end.
        assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
        assert!(dead.calls().len() < 20 * 8, "each has its share and no more");
        stopper.stop();
        working.abort();
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
