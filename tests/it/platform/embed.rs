//! The widget's files: found by pages pasted years ago, small, immutable where their name says so.
//!
//! What is there depends on whether the widget was built before the server, so these read
//! `integrity.json` first; without a widget they check that the server says so.

use std::path::Path;

use jalon_tests::{Answer, Backend, TestDb, TestServer};

/// What the server says of its widget; `None` when it was built without.
async fn integrity(server: &TestServer) -> Option<serde_json::Value> {
    let answer = server.get("/embed/v1/integrity.json").send().await;
    if answer.status == 503 {
        answer.problem(503, "widget_not_built");
        return None;
    }
    Some(answer.expect(200))
}

fn is_public(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loader_is_evergreen_and_its_versioned_copy_is_not() {
    let db = TestDb::new(Backend::Sqlite).await;
    let server = TestServer::start(&db).await;
    let Some(integrity) = integrity(&server).await else {
        return;
    };
    let version = integrity["version"].as_str().unwrap();

    // A foreign page loads it; no site lists that origin, and none needs to.
    let loader = server.get("/embed/v1/jalon.js").header("origin", "https://anywhere.example").send().await;
    assert_eq!(loader.status, 200);
    is_public(&loader);
    assert!(loader.header("cache-control").contains("max-age=300"), "{loader:?}");
    assert!(loader.header("content-type").starts_with("text/javascript"));

    let fixed = server.get(&format!("/embed/{version}/jalon.js")).send().await;
    assert_eq!(fixed.bytes, loader.bytes);
    assert!(fixed.header("cache-control").contains("immutable"));
    server.get("/embed/0.0.0-none/jalon.js").send().await.problem(404, "not_found");
    server.get("/embed/v1/none.js").send().await.problem(404, "not_found");
    server.get("/embed/v1/..%2f..%2fetc%2fpasswd").send().await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_compressed_immutable_and_not_sent_twice() {
    let db = TestDb::new(Backend::Sqlite).await;
    let server = TestServer::start(&db).await;
    let Some(integrity) = integrity(&server).await else {
        return;
    };
    let files = integrity["files"].as_object().unwrap();
    let is_wasm = |name: &str| Path::new(name).extension().is_some_and(|end| end == "wasm");
    assert!(files.keys().any(|name| is_wasm(name)), "{files:?}");
    for (name, hash) in files {
        assert!(hash.as_str().unwrap().starts_with("sha384-"));
        let path = format!("/embed/v1/{name}");
        let plain = server.get(&path).send().await;
        assert_eq!(plain.status, 200, "{name}");
        is_public(&plain);
        if is_wasm(name) {
            assert_eq!(plain.header("content-type"), "application/wasm");
            assert!(plain.header("cache-control").contains("immutable"));
        }
        for (encoding, accepted) in [("br", "gzip, deflate, br"), ("gzip", "gzip")] {
            let sent = server.get(&path).header("accept-encoding", accepted).send().await;
            assert_eq!(sent.header("content-encoding"), encoding, "{name}");
            assert!(sent.bytes.len() < plain.bytes.len(), "{name} as {encoding}");
            assert_eq!(sent.header("vary"), "accept-encoding");
            assert_ne!(sent.header("etag"), plain.header("etag"));
            let again = server
                .get(&path)
                .header("accept-encoding", accepted)
                .header("if-none-match", sent.header("etag"))
                .send()
                .await;
            assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0), "{name}");
            assert_eq!(again.header("etag"), sent.header("etag"));
        }
    }
}
