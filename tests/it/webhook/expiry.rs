//! Old deliveries are forgotten; that they were announced is not (W1).

use std::time::Duration;

use jalon_backend::job::Keep;
use jalon_backend::stop::stop;
use jalon_backend::webhook::outbox::enqueue;
use jalon_tests::for_both;
use uuid::Uuid;

use super::{Desk, Receiver, Says, write};
use crate::platform::job::tick;

const KEEP: Keep = Keep { webhooks: Duration::from_hours(24) };

/// Runs the job when so much time has passed.
async fn pass(desk: &Desk, time: Duration) {
    desk.clock.advance(time);
    let (_stopper, stop) = stop();
    tick(&desk.db, &Uuid::now_v7().to_string(), desk.now(), KEEP, &stop).await.unwrap();
}

for_both! {
    /// W1
    async fn w1_old_deliveries_are_forgotten_and_not_what_was_announced(db: TestDb) {
        let receiver = Receiver::start(Says::Status(200)).await;
        let desk = Desk::new(&db).await;
        let (heard, _) = desk.endpoint(receiver.url(), &[]).await;
        let (off, _) = desk.endpoint(receiver.url(), &[]).await;
        desk.announce(600).await;
        desk.execute("UPDATE webhook_endpoint SET enabled = FALSE WHERE id = $1", off).await;
        desk.settle().await;
        let told = desk.message("once");
        let now = desk.now();
        write(&db, move |tx| Box::pin(async move { enqueue(tx, &[told], now).await })).await;
        desk.settle().await;
        assert_eq!((desk.deliveries(heard).await.len(), desk.deliveries(off).await.len()), (601, 600));

        pass(&desk, Duration::from_hours(24) - Duration::from_millis(1)).await;
        assert_eq!((desk.deliveries(heard).await.len(), desk.deliveries(off).await.len()), (601, 600), "a day is a day");
        // One is young: it was replayed, and delivered again just now. One waits for an endpoint that listens.
        let replayed = desk.deliveries(heard).await[0].id;
        desk.execute("UPDATE webhook_delivery SET finished_at = finished_at + 86400000 WHERE id = $1", replayed).await;
        let waits = desk.deliveries(heard).await[1].id;
        desk.execute("UPDATE webhook_delivery SET state = 'pending', finished_at = NULL WHERE id = $1", waits).await;
        pass(&desk, Duration::from_secs(3601)).await;
        let left: Vec<Uuid> = desk.deliveries(heard).await.iter().map(|delivery| delivery.id).collect();
        assert_eq!((left, desk.deliveries(off).await.len()), (vec![replayed, waits], 0));
        assert_eq!(desk.count("SELECT count(*) FROM webhook_attempt").await, 2);
        // What was announced is known, and no longer what was said; but for the two that may be sent again.
        assert_eq!(desk.count("SELECT count(*) FROM webhook_message").await, 601);
        assert_eq!(desk.count("SELECT count(*) FROM webhook_message WHERE payload <> ''").await, 2);
        let (again, now) = (desk.message("once"), desk.now());
        write(&db, move |tx| Box::pin(async move { enqueue(tx, &[again], now).await })).await;
        assert_eq!(desk.deliveries(heard).await.len(), 2, "never announced a second time");
    }
}
