//! What strangers do to a server: bytes on a plain connection.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

pub const HALF_HEAD: &str = "GET /api/v1/sites/fpsf HTTP/1.1\r\nhost: a\r\nx-slow: ";

/// The head of a request for a guest with a body of this length.
pub fn head_of_body(length: usize) -> String {
    format!(
        "POST /api/v1/sites/fpsf/guests HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Connects and sends this, which the server may refuse to read to its end.
pub async fn open(address: SocketAddr, start: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(start).await.ok();
    stream
}

/// Many who each send a start, and then a byte now and then, until they are thrown out.
pub async fn dripping(address: SocketAddr, number: usize, start: &str) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for _ in 0..number {
        let mut stream = open(address, start.as_bytes()).await;
        all.spawn(async move {
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }
    all
}

/// Reads until the server closes; a reset after an answer is one, too.
pub async fn hear(mut stream: impl AsyncRead + Unpin) -> String {
    let mut answer = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(Ok(length @ 1..)) = tokio::time::timeout(super::HONEST, stream.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer, its header of this name, and its body.
pub fn parts<'a>(answer: &'a str, header: &str) -> (u16, &'a str, &'a str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case(header).then_some(value)
    });
    (status, value.unwrap_or_default(), body)
}
