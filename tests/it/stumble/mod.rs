//! Promise 2: a database that stumbles is survived. Callers are told to come again, nothing acknowledged
//! is lost, `/readyz` tells the truth, and nothing is left over afterwards.

mod postgres;
mod sqlite;

use std::time::{Duration, Instant};

use crate::process::Process;

/// Waits until the server holds no more than before and nothing waits in it.
async fn is_at_rest(server: &Process, key: &str, before: (usize, usize)) {
    let begun = Instant::now();
    loop {
        let waiting = server.metric(key, "jalon_db_writes_waiting").await;
        // The request that asks is one.
        let in_flight = server.metric(key, "jalon_http_requests_in_flight").await;
        let (files, threads) = server.holds();
        // The pool may have been smaller then than it may become: it has eight connections at most.
        if waiting == 0 && in_flight <= 1 && files <= before.0 + 8 && threads <= before.1 + 8 {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{waiting} writes, {in_flight} requests, {files} files and {threads} threads are left over; it was {before:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
