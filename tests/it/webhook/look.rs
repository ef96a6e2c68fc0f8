//! Looks for work from a remembered floor: nothing that becomes visible late is missed, and what was delivered
//! beside an open snapshot is not read again and again.

use std::time::{Duration, Instant};

use jalon_backend::clock::Clock;
use jalon_backend::stop::stop;
use jalon_backend::webhook::lease;
use jalon_tests::for_both;

use super::{Desk, Receiver, Says};

for_both! {
    /// W4: a delivery that became visible long after its time (its transaction was open that long) is sent, and one
    /// that is a little late is sent by the next look.
    async fn w4_a_delivery_that_commits_late_is_sent(db: TestDb) {
        let mut receiver = Receiver::start(Says::Status(200)).await;
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint(receiver.url(), &[]).await;
        let (stopper, stop) = stop();
        let dispatcher = desk.dispatcher();
        let working = tokio::spawn(async move { dispatcher.work(&stop).await });
        for late in ["10000", "3600000"] {
            // It has looked, and found nothing: several times.
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(receiver.calls().is_empty());
            // As if its transaction had begun so long ago, with the time of then.
            let told = desk.announce_late(late.parse().unwrap()).await;
            let begun = Instant::now();
            assert_eq!(receiver.call().await.id(), told);
            if late == "10000" {
                assert!(begun.elapsed() < Duration::from_secs(8), "it waited for a look at everything: {:?}", begun.elapsed());
            }
        }
        stopper.stop();
        working.await.unwrap();
        assert_eq!(desk.count("SELECT count(*) FROM webhook_delivery WHERE state = 'delivered'").await, 2);
        assert_eq!(desk.deliveries(endpoint).await.len(), 2);
    }

    /// The look from a floor sees what is due from there on, and nothing else: not what is leased, is over, is
    /// due later, or waits for an endpoint that is switched off.
    async fn a_look_from_a_floor_sees_what_is_due_since(db: TestDb) {
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint("http://127.0.0.1:9/".to_owned(), &[]).await;
        desk.announce(1).await;
        let at = desk.now();
        let look = async |floor: i64| lease::look(&db, desk.now().into(), Some(floor)).await.unwrap();
        let found = look(at.0).await;
        assert_eq!((found.due.as_slice(), found.at, found.whole), ([endpoint].as_slice(), at, true));
        assert!(!look(at.0 + 1).await.whole, "it was due before the floor");
        desk.clock.advance(Duration::from_secs(1));
        let claimed = lease::claim(&db, "me".to_owned(), vec![(endpoint, 1)], desk.now(), Duration::from_mins(1)).await.unwrap();
        assert!(!look(0).await.whole, "it is leased");
        desk.clock.advance(Duration::from_mins(1));
        assert!(look(0).await.whole, "its lease is over");
        // Handed back, it is due at that moment: others, whose floor is later than its time, find it.
        let floor = desk.now().0;
        lease::settle(&db, "me".to_owned(), &[], &[claimed[0].id], desk.now()).await.unwrap();
        assert_eq!(look(floor).await.due, [endpoint]);
        desk.execute("UPDATE webhook_endpoint SET enabled = FALSE WHERE id = $1", endpoint).await;
        assert!(!look(0).await.whole, "its endpoint is switched off");
        desk.execute("UPDATE webhook_endpoint SET enabled = TRUE WHERE id = $1", endpoint).await;
        desk.execute("UPDATE webhook_delivery SET next_at = next_at + 1 WHERE endpoint_id = $1", endpoint).await;
        assert!(!look(0).await.whole, "it is due later");
        desk.execute("UPDATE webhook_delivery SET state = 'delivered', next_at = 0 WHERE endpoint_id = $1", endpoint).await;
        assert!(!look(0).await.whole, "it is over");
    }

    /// Beside a snapshot that stays open (a backup, a report), looks read a few pages, not all that was delivered since.
    async fn an_empty_look_beside_an_open_snapshot_reads_few_pages(db: TestDb) {
        let desk = Desk::new(&db).await;
        let (endpoint, _) = desk.endpoint("http://127.0.0.1:9/".to_owned(), &[]).await;
        if db.is_sqlite() {
            // Its entries go at once, whoever reads; the same looks must do.
            assert!(lease::look(db.db(), Clock::system().for_leases(), Some(0)).await.unwrap().due.is_empty());
            return;
        }
        let mut reader = <sqlx::PgConnection as sqlx::Connection>::connect(&db.url()).await.unwrap();
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM webhook_delivery").execute(&mut reader).await.unwrap();
        for _ in 0..10 {
            desk.announce(1000).await;
        }
        desk.execute("UPDATE webhook_delivery SET state = 'delivered', finished_at = 1 WHERE endpoint_id = $1", endpoint).await;
        let floor = desk.now().0 + 1;
        let pages = async |floor: Option<i64>| {
            let looking = db.reopen().await;
            // What was counted before this connection's own looks.
            let before = desk.count(PAGES).await;
            for _ in 0..10 {
                assert!(lease::look(&looking, Clock::system().for_leases(), floor).await.unwrap().due.is_empty());
            }
            // Counters are written when a connection ends.
            looking.close().await;
            let begun = Instant::now();
            loop {
                let after = desk.count(PAGES).await;
                if after > before || begun.elapsed() > Duration::from_secs(5) {
                    break after - before;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let (whole, recent) = (pages(None).await, pages(Some(floor)).await);
        assert!(recent * 20 < whole, "{recent} pages instead of {whole}, for ten looks");
        drop(reader);
    }
}

const PAGES: &str = "SELECT coalesce(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read, 0)::bigint FROM pg_statio_user_tables WHERE relname = 'webhook_delivery'";
