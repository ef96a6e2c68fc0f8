//! Receivers that mean no good, or are broken (promise 4): each costs one failed attempt, bounded in
//! time and size, delays nobody else, and the log says in plain words what happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jalon_backend::webhook::deliver::Sender;
use jalon_tests::for_both;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use super::{Desk, OPEN, Receiver, Says, counts};

/// What a receiver does with a connection after it has read something.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Says this and keeps the connection open.
    Says(&'static [u8]),
    /// Says this and closes.
    Ends(&'static [u8]),
    /// Says this, then repeats that for ever, as fast as it is taken.
    Floods(&'static [u8], &'static [u8]),
    /// Says this, then one byte after the other, slowly, for ever.
    Drips(&'static [u8]),
    /// Closes before it has read anything.
    Slams,
    /// Answers, and cuts the connection with more to come.
    Cuts(&'static [u8]),
}

/// How much a receiver could say at most, in bytes: sockets' buffers on both sides included.
const MOST_SAID: usize = 16 << 20;

/// Starts such a receiver; answers its address, and how much it could say on its busiest connection.
async fn receiver(does: Does) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let most = Arc::new(AtomicUsize::new(0));
    let said = Arc::clone(&most);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, does, Arc::clone(&said)));
        }
    });
    (format!("http://{address}/hook"), most)
}

async fn serve(mut stream: TcpStream, does: Does, most: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut said = 0;
    if matches!(does, Does::Slams) {
        return Ok(());
    }
    let mut request = [0; 4096];
    // The whole request, head and body, comes at once.
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    match does {
        Does::Says(text) => {
            stream.write_all(text).await?;
            // Until the other side gives up.
            while stream.read(&mut request).await? > 0 {}
        }
        Does::Ends(text) => stream.write_all(text).await?,
        Does::Slams => {}
        Does::Cuts(text) => {
            stream.write_all(text).await?;
            // What was not read makes the end a reset.
            stream.set_zero_linger()?;
        }
        Does::Drips(text) => {
            stream.write_all(text).await?;
            loop {
                stream.write_all(b"a").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Does::Floods(text, more) => {
            stream.write_all(text).await?;
            let more = more.repeat(65_536 / more.len());
            loop {
                stream.write_all(&more).await?;
                said += more.len();
                most.fetch_max(said, Ordering::Relaxed);
            }
        }
    }
    Ok(())
}

/// What is written of the one delivery to an endpoint, after one attempt.
type Told = (&'static str, Option<i32>, Option<&'static str>);

const DELIVERED: &str = "delivered";
const PENDING: &str = "pending";
const NO_ANSWER: Option<&str> = Some("no answer within 2 seconds");
const NOT_HTTP: Option<&str> = Some("no answer: what it answers is not HTTP/1.1");

/// What receivers do, and what the log says of it.
const HOSTILE: [(&str, Does, Told); 26] = [
    ("hangs", Does::Says(b""), (PENDING, None, NO_ANSWER)),
    ("hangs in the head", Does::Says(b"HTTP/1.1 200 OK\r\nx"), (PENDING, None, NO_ANSWER)),
    ("drips its head", Does::Drips(b"HTTP/1.1 200 OK\r\nx: "), (PENDING, None, NO_ANSWER)),
    ("drips its body", Does::Drips(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n"), (DELIVERED, Some(200), None)),
    ("hangs in the body", Does::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"), (DELIVERED, Some(200), None)),
    ("closes after reading", Does::Ends(b""), (PENDING, None, Some("no answer: it closed the connection without an answer"))),
    ("closes in the head", Does::Ends(b"HTTP/1.1 200 OK\r\nx: y\r\n"), (PENDING, None, Some("no answer: it closed the connection without an answer"))),
    ("closes in the body", Does::Ends(b"HTTP/1.1 500 Oh\r\ncontent-length: 99\r\n\r\nx"), (PENDING, Some(500), Some("answered 500 Internal Server Error"))),
    ("cuts in the body", Does::Cuts(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx"), (DELIVERED, Some(200), None)),
    ("garbage", Does::Floods(b"", b"\x00\xff\x13\r\n\r\n"), (PENDING, None, NOT_HTTP)),
    ("speaks HTTP/0.9", Does::Ends(b"<html>hello</html>"), (PENDING, None, NOT_HTTP)),
    ("speaks HTTP/2", Does::Says(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), (PENDING, None, NOT_HTTP)),
    ("speaks TLS", Does::Ends(b"\x15\x03\x01\x00\x02\x02\x46"), (PENDING, None, NOT_HTTP)),
    ("two lengths", Does::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"), (PENDING, None, NOT_HTTP)),
    ("a length beyond numbers", Does::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"), (PENDING, None, NOT_HTTP)),
    ("status 000", Does::Says(b"HTTP/1.1 000 Zero\r\ncontent-length: 0\r\n\r\n"), (PENDING, None, NOT_HTTP)),
    ("endless status line", Does::Floods(b"HTTP/1.1 200 ", b"OK"), (PENDING, None, Some("no answer: the head of the answer is too large"))),
    ("endless headers", Does::Floods(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), (PENDING, None, Some("no answer: the head of the answer is too large"))),
    ("an endless header", Does::Floods(b"HTTP/1.1 200 OK\r\nx: ", b"aaaa"), (PENDING, None, Some("no answer: the head of the answer is too large"))),
    ("endless interim answers", Does::Floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (PENDING, None, Some("no answer: it says too much"))),
    ("another protocol", Does::Says(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"), (PENDING, Some(101), Some("answered 101 Switching Protocols"))),
    ("200 MB", Does::Floods(b"HTTP/1.1 200 OK\r\ncontent-length: 209715200\r\n\r\n", b"0123456789abcdef"), (DELIVERED, Some(200), None)),
    ("an endless body", Does::Floods(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"4\r\nabcd\r\n"), (DELIVERED, Some(200), None)),
    ("an endless chunk", Does::Floods(b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\nretry-after: 99999999999999999999\r\n\r\nfffffffffffffff\r\n", b"\0\x1b[2J"), (PENDING, Some(503), Some("answered 503 Service Unavailable"))),
    ("redirects to the cloud's metadata", Does::Says(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data/\r\ncontent-length: 0\r\n\r\n"), (PENDING, Some(302), Some("answered 302 Found; redirects are not followed"))),
    ("refreshes to the cloud's metadata", Does::Says(b"HTTP/1.1 200 OK\r\nrefresh: 0; url=http://169.254.169.254/\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"), (DELIVERED, Some(200), None)),
];

for_both! {
    /// W4, W5
    async fn p4_a_hostile_receiver_costs_one_bounded_attempt_and_the_log_says_why(db: TestDb) {
        let desk = Desk::with(&db, Sender::new(OPEN).unwrap().within(Duration::from_secs(2))).await;
        let mut hostile: Vec<(&str, Uuid, Arc<AtomicUsize>, Told)> = Vec::new();
        for (name, does, told) in HOSTILE {
            let (url, said) = receiver(does).await;
            hostile.push((name, desk.endpoint(url, &[]).await.0, said, told));
        }
        // Who slams the door may be heard before or after the request is out.
        let (slams, _) = receiver(Does::Slams).await;
        let slams = desk.endpoint(slams, &[]).await.0;
        desk.announce(1).await;
        let begun = Instant::now();
        desk.settle().await;
        let took = begun.elapsed();
        for (name, endpoint, said, told) in hostile {
            let delivery = desk.delivery(endpoint).await;
            assert_eq!((delivery.state.as_str(), delivery.last_status, delivery.last_error.as_deref()), told, "{name}");
            assert_eq!((delivery.attempts, delivery.lease_owner), (1, None), "{name}");
            let said = said.load(Ordering::Relaxed);
            assert!(said <= MOST_SAID, "{name} could say {said} bytes");
        }
        let delivery = desk.delivery(slams).await;
        let error = delivery.last_error.unwrap();
        assert!(["no answer: it cut the connection", "no answer: it closed the connection without an answer"].contains(&error.as_str()), "{error}");
        // Two seconds for an answer and three for its body, all at once; the rest is the machine's.
        assert!(took < Duration::from_secs(50), "{took:?}");
        assert_eq!(desk.count("SELECT CAST(max(length(response_excerpt)) AS BIGINT) FROM webhook_attempt").await, 500);
        assert_eq!(desk.count("SELECT count(*) FROM webhook_attempt").await, i64::try_from(HOSTILE.len()).unwrap() + 1);
    }

    /// Nobody waits for any of them: all of a good receiver's deliveries come while every hostile
    /// attempt is still under way, or done and over.
    async fn p4_hostile_receivers_delay_nobody_else(db: TestDb) {
        let desk = Desk::with(&db, Sender::new(OPEN).unwrap().within(Duration::from_secs(50))).await;
        let mut good = Receiver::start(Says::Status(200)).await;
        let mut hang = Vec::new();
        for (_, does, (_, _, error)) in HOSTILE {
            let (url, _) = receiver(does).await;
            let endpoint = desk.endpoint(url, &[]).await.0;
            if error == NO_ANSWER {
                hang.push(endpoint);
            }
        }
        desk.announce(20).await;
        let (stopper, stop) = jalon_backend::stop::stop();
        let dispatcher = desk.dispatcher();
        let working = tokio::spawn(async move { dispatcher.work(&stop).await });
        desk.endpoint(good.url(), &[]).await;
        let ids = desk.announce(200).await;
        let mut calls = Vec::new();
        for _ in 0..200 {
            calls.push(good.call().await);
        }
        let counts = counts(&calls);
        assert!(ids.iter().all(|id| counts[id] == 1));
        for endpoint in hang {
            assert!(desk.deliveries(endpoint).await.iter().all(|delivery| delivery.attempts == 0), "an attempt that hangs had time to end");
        }
        working.abort();
        drop(stopper);
    }
}
