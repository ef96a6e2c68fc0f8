//! Many completions at once (promise 4): each is delivered once, and the server holds few of them at a
//! time. How fast it is, `cargo xtask bench --only webhooks` measures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jalon_backend::webhook::outbox::{Message, enqueue};
use jalon_tests::for_both;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Desk, KIND, write};
use crate::process::Process;

const COUNT: usize = 3000;
/// Far more than a real one has, so that who holds all of them shows.
const SIZE: usize = 25_000;
/// What the server may need for them at a time, in KiB: half of what they are.
const MOST_KIB: u64 = (COUNT * SIZE / 1024 / 2) as u64;

/// How many deliveries a server leases at a time, those included whose outcome is not written yet.
const MOST_HELD: i64 = 2048;

/// How often each event came.
type Heard = Arc<Mutex<HashMap<String, usize>>>;

/// A receiver that remembers ids only.
async fn receiver() -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard = Heard::default();
    let ears = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(hear(stream, Arc::clone(&ears)));
        }
    });
    (url, heard)
}

async fn hear(stream: TcpStream, heard: Heard) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut id, mut length, mut line) = (String::new(), 0, String::new());
        while stream.read_line(&mut line).await? > 2 {
            match line.trim_end().split_once(": ") {
                Some(("webhook-id", value)) => value.clone_into(&mut id),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                _ => {}
            }
            line.clear();
        }
        if id.is_empty() {
            return Ok(());
        }
        stream.read_exact(&mut vec![0; length]).await?;
        *heard.lock().unwrap().entry(id).or_default() += 1;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}

/// The most memory that a process ever held, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

for_both! {
    /// W4
    async fn p4_a_burst_is_delivered_once_each_in_bounded_memory(db: TestDb) {
        let desk = Desk::new(&db).await;
        let (url, heard) = receiver().await;
        let (endpoint, _) = desk.endpoint(url, &[]).await;
        let deliver = async |count: usize, size: usize| {
            let mut left = count;
            while left > 0 {
                let batch = left.min(100);
                let messages: Vec<Message> = (0..batch).map(|_| {
                    let message = desk.message(&uuid::Uuid::now_v7().to_string());
                    let payload = json!({ "type": KIND, "data": { "event_id": message.id, "padding": "a".repeat(size) } }).to_string();
                    Message { payload, ..message }
                }).collect();
                let now = desk.now();
                write(&db, move |tx| Box::pin(async move { enqueue(tx, &messages, now).await })).await;
                left -= batch;
            }
            heard.lock().unwrap().clear();
            let mut server = Process::start(&db.url()).await;
            let begun = Instant::now();
            let waiting = "SELECT count(*) FROM webhook_delivery WHERE state <> 'delivered'";
            let held = "SELECT count(*) FROM webhook_delivery WHERE state = 'pending' AND lease_owner IS NOT NULL";
            while heard.lock().unwrap().len() < count || desk.count(waiting).await > 0 {
                assert!(desk.count(held).await <= MOST_HELD);
                assert!(begun.elapsed() < Duration::from_mins(2), "{} of {count} came", heard.lock().unwrap().len());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let peak = peak(server.id());
            server.kill().await;
            peak
        };
        let few = deliver(200, 1).await;
        let many = deliver(COUNT, SIZE).await;
        assert!(heard.lock().unwrap().values().all(|times| *times == 1), "each once");
        assert_eq!(desk.deliveries(endpoint).await.len(), COUNT + 200);
        // SQLite keeps what it wrote in a cache of its own, within bounds of its own.
        assert!(db.is_sqlite() || many < few + MOST_KIB, "{many} KiB, and {few} KiB for next to nothing");
    }
}
