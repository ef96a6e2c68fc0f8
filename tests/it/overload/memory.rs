//! All of it at once, against a process whose memory is looked at.

use std::time::Duration;

use jalon_backend::app::AppState;
use jalon_backend::clock::Clock;
use jalon_backend::config::Settings;
use jalon_backend::db::Db;
use jalon_backend::http::router;
use jalon_backend::server::Server;
use jalon_tests::{Backend, Stage};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{attack, flood, honest_visit};

/// The environment's variable that makes [`child`] a server: the address of its database.
const DATABASE: &str = "JALON_TEST_OVERLOAD_DATABASE";
/// What the server may grow by: 32 MiB for large bodies, 64 KiB for each connection, and as much again for what
/// the allocator keeps.
fn growth() -> u64 {
    2 * (32 * 1024 + 64 * flood() as u64)
}

/// Not a test: the server, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the test beside it starts"]
async fn child() {
    let Ok(address) = std::env::var(DATABASE) else {
        return;
    };
    let mut config = Settings { database_url: Some(address), ..Settings::default() }.complete().unwrap();
    (config.limits.per_address, config.limits.guests_per_address) = (0, 0);
    config.read_timeout = super::SLOW;
    config.development = true;
    let db = Db::connect(&config.db).await.unwrap();
    let app = AppState::new(db, Clock::system(), config).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let router = router::router(app.clone());
    let server = Server::start(app, listener, router, Vec::new()).unwrap();
    println!("\nlistening {}", server.address());
    std::future::pending::<()>().await;
}

/// The memory that a process has now, in KiB.
fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Sends this and goes on reading nothing; gives up where the server takes no more.
async fn hold(address: std::net::SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = attack::open(address, b"").await;
    tokio::time::timeout(Duration::from_millis(100), stream.write_all(bytes)).await.ok();
    stream
}

/// Half heads, half bodies as large as they may be, and answers that nobody fetches.
#[test]
fn p6_memory_is_bounded_whatever_strangers_send() {
    jalon_tests::run(Backend::Sqlite, async |db| {
        // Sets the stage in the database, then leaves it to the other process.
        Stage::set(&db).await.server.stop().await;
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["overload::memory::child", "--exact", "--ignored", "--nocapture"])
            .env(DATABASE, db.url())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let process = child.id().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("the server ended before it listened");
            if let Some((_, address)) = line.split_once("listening ") {
                break address.parse().unwrap();
            }
        };
        let base = format!("http://{address}");
        honest_visit(&base).await;
        let before = memory(process);

        let half_head = format!("{}{}", attack::HALF_HEAD, "a".repeat(30_000));
        let half_body = format!("{}{}", attack::head_of_body(262_000), " ".repeat(261_000));
        let deaf = "GET /api/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(20);
        for (what, bytes) in [("heads", half_head), ("bodies", half_body), ("deaf", deaf)] {
            let mut held = Vec::new();
            for _ in 0..flood() {
                held.push(hold(address, bytes.as_bytes()).await);
            }
            honest_visit(&base).await;
            let grown = memory(process).saturating_sub(before);
            println!("{what}: {grown} KiB more");
            assert!(grown < growth(), "{what}: {grown} KiB more");
            if what == "bodies" {
                // There is no more memory for large ones.
                let client = reqwest::Client::builder().no_proxy().timeout(super::HONEST).build().unwrap();
                let guests = format!("{base}/api/v1/sites/fpsf/guests");
                let answer = client.post(guests).body(" ".repeat(200_000)).send().await.unwrap();
                assert_eq!(answer.status(), 503);
                assert!(answer.headers().contains_key("retry-after"));
            }
        }
        child.kill().await.unwrap();
    });
}
