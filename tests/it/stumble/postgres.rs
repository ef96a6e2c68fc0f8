//! PostgreSQL is frozen, ends and comes back.

use jalon_tests::{Cluster, Stage, TestDb};

use super::is_at_rest;
use crate::fleet::load::{Load, track};
use crate::fleet::start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_a_postgres_that_freezes_ends_and_comes_back_is_survived() {
    let cluster = Cluster::own("stumble");
    let db = TestDb::of(&cluster).await;
    let stage = Stage::set(&db).await;
    stage.publish("t", &track()).await;
    let server = start(&db).await;
    let load = Load::start(&stage, vec![server.base.clone()]);
    load.goes_on(50).await;
    server.ready(200).await;
    let before = server.holds();
    // Its own connections would wait with PostgreSQL.
    let key = stage.key.clone();
    stage.server.stop().await;

    let frozen = cluster.freeze();
    server.ready(503).await;
    load.everybody_is_refused().await;
    for _ in 0..3 {
        assert_eq!(server.health("/readyz").await, 503);
    }
    drop(frozen);
    server.ready(200).await;
    load.goes_on(50).await;

    for _ in 0..2 {
        cluster.end();
        server.ready(503).await;
        load.is_refused(64).await;
        assert_eq!(server.health("/readyz").await, 503);
        cluster.run();
        server.ready(200).await;
        load.goes_on(50).await;
    }

    let after = db.reopen().await;
    load.settle(&after).await;
    is_at_rest(&server, &key, before).await;
    server.stop().await;
}
