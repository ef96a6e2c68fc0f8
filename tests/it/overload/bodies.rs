//! Bodies that are too much, or never whole.

use jalon_tests::for_both;
use tokio::io::AsyncWriteExt as _;

use super::{attack, crowded, honest_visit, metric, until};

/// What a socket's buffers take before the server has read anything, and what it reads of a body it refuses.
const HEARD_AT_MOST: usize = 24 * 1024 * 1024;

for_both! {
    /// A body without end is refused, and not listened to for long.
    async fn p6_endless_bodies_are_cut_off(db: TestDb) {
        let stage = crowded(&db, 40).await;
        let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
        let chunked = attack::head_of_body(0).replace("content-length: 0", "transfer-encoding: chunked");
        for (head, part) in [(chunked, chunk), (attack::head_of_body(1 << 40), "a".repeat(0x10000))] {
            let stream = attack::open(stage.server.address(), head.as_bytes()).await;
            let (reads, mut writes) = stream.into_split();
            let answer = tokio::spawn(async move { attack::hear(reads).await });
            let mut sent = 0;
            while sent <= HEARD_AT_MOST && writes.write_all(part.as_bytes()).await.is_ok() {
                sent += part.len();
            }
            assert!(sent <= HEARD_AT_MOST, "{sent} bytes were taken");
            let answer = answer.await.unwrap();
            let (status, kind, _) = attack::parts(&answer, "content-type");
            assert_eq!((status, kind), (413, "application/problem+json"));
        }
        honest_visit(&stage.server.url("")).await;
    }

    /// A body that is still coming takes none of the places of requests being answered.
    async fn p6_bodies_on_their_way_are_no_requests_yet(db: TestDb) {
        let stage = crowded(&db, 100).await;
        let halves = attack::dripping(stage.server.address(), 50, &attack::head_of_body(1000)).await;
        until(&stage, "jalon_http_bodies_arriving", |bodies| bodies == 50).await;
        // The one that asks.
        assert_eq!(metric(&stage, "jalon_http_requests_in_flight").await, 1);
        honest_visit(&stage.server.url("")).await;
        drop(halves);
        until(&stage, "jalon_http_bodies_arriving", |bodies| bodies == 0).await;
        assert_eq!(metric(&stage, "jalon_http_requests_in_flight").await, 1);
    }
}
