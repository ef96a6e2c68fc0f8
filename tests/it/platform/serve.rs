//! Serving: what a connection may do, how the server stops, and who is harmed by whom.

use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_tests::{TestServer, for_both};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

for_both! {
    async fn it_is_alive_and_ready(db: TestDb) {
        let server = TestServer::start(&db).await;
        assert_eq!(server.get("/healthz").send().await.expect(200)["status"], "ok");
        assert_eq!(server.get("/readyz").send().await.expect(200)["status"], "ok");
        server.stop().await;
    }

    async fn a_head_that_never_ends_loses_its_connection(db: TestDb) {
        let server = TestServer::start_with(&db, Clock::system(), |config| config.read_timeout = Duration::from_millis(100)).await;
        let mut slow = TcpStream::connect(server.address()).await.unwrap();
        slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
        let mut answer = Vec::new();
        // Ends only because the server closes.
        slow.read_to_end(&mut answer).await.unwrap();
        assert!(!String::from_utf8_lossy(&answer).contains("200"));
        server.get("/healthz").send().await.expect(200);
    }

    async fn the_only_place_goes_to_who_comes(db: TestDb) {
        let server = TestServer::start_with(&db, Clock::system(), |config| config.max_connections = 1).await;
        let mut first = TcpStream::connect(server.address()).await.unwrap();
        first.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut start = [0; 12];
        first.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");

        server.get("/healthz").send().await.expect(200);
        let mut rest = Vec::new();
        // Ends only because the server closed.
        first.read_to_end(&mut rest).await.ok();
    }

    async fn stopping_finishes_what_is_under_way_and_takes_no_more(db: TestDb) {
        let server = TestServer::start(&db).await;
        let address = server.address();
        // Half a request: the server must wait for its other half.
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"POST /api/v1/sites/none/guests HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{").await.unwrap();
        // It is under way once the server has answered somebody who came later.
        server.get("/healthz").send().await.expect(200);
        let stopped = tokio::spawn(server.stop());
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        half.write_all(b"}").await.unwrap();
        let mut answer = String::new();
        half.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        stopped.await.unwrap();
    }
}
