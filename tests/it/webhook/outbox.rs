//! What is announced is written with what it announces, once (W1).

use jalon_backend::db::DbError;
use jalon_backend::webhook::outbox;
use jalon_tests::for_both;

use super::{Desk, KIND, write};

for_both! {
    /// W1: a second announcement under the same key is dropped, in one group or in two.
    async fn w1_an_announcement_is_written_once(db: TestDb) {
        let desk = Desk::new(&db).await;
        desk.endpoint("https://coaching.example/hook".to_owned(), &[]).await;
        let now = desk.now();
        for group in [vec![desk.message("a"), desk.message("a"), desk.message("b")], vec![desk.message("a"), desk.message("c")], vec![]] {
            write(&db, move |tx| Box::pin(async move { outbox::enqueue(tx, &group, now).await })).await;
        }
        assert_eq!(desk.count("SELECT count(*) FROM webhook_message").await, 3);
        assert_eq!(desk.count("SELECT count(*) FROM webhook_delivery WHERE state = 'pending' AND attempts = 0").await, 3);
    }

    /// W1: what is rolled back was never announced, and can be announced later.
    async fn w1_what_is_rolled_back_is_not_announced(db: TestDb) {
        let desk = Desk::new(&db).await;
        desk.endpoint("https://coaching.example/hook".to_owned(), &[]).await;
        let (message, now) = (desk.message("a"), desk.now());
        let again = message.clone();
        let failed = db.write::<(), DbError, _>(move |tx| Box::pin(async move {
            outbox::enqueue(tx, &[message], now).await?;
            Err(DbError::other("the change failed"))
        })).await;
        assert!(failed.is_err());
        assert_eq!(desk.count("SELECT count(*) FROM webhook_message").await, 0);
        write(&db, move |tx| Box::pin(async move { outbox::enqueue(tx, &[again], now).await })).await;
        assert_eq!(desk.count("SELECT count(*) FROM webhook_delivery").await, 1);
    }

    /// Endpoints get what they listen to: all types, or those they name; nothing while they are off.
    async fn an_endpoint_gets_what_it_listens_to(db: TestDb) {
        let desk = Desk::new(&db).await;
        let url = || "https://coaching.example/hook".to_owned();
        let (all, _) = desk.endpoint(url(), &[]).await;
        let (named, _) = desk.endpoint(url(), &["other", KIND]).await;
        let (other, _) = desk.endpoint(url(), &["other"]).await;
        let (off, _) = desk.endpoint(url(), &[]).await;
        desk.execute("UPDATE webhook_endpoint SET enabled = FALSE WHERE id = $1", off).await;
        desk.announce(2).await;
        for (endpoint, count) in [(all, 2), (named, 2), (other, 0), (off, 0)] {
            assert_eq!(desk.deliveries(endpoint).await.len(), count);
        }
    }
}
