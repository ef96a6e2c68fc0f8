//! Where the webhooks go: a receiver that takes everything at once.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running receiver; ends when dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    received: Rc<Cell<u64>>,
    task: JoinHandle<()>,
}

impl Sink {
    /// Starts one. Call inside a `LocalSet`.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let received = Rc::new(Cell::new(0));
        let count = Rc::clone(&received);
        let task = tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(take(stream, Rc::clone(&count)));
            }
        });
        Ok(Self { address, received, task })
    }

    /// Where to send to.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// How many came.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// Waits until nothing came for a while, at most so long: what the last measurement caused shall
    /// not burden the next.
    pub async fn wait_until_silent(&self, patience: Duration) {
        let start = Instant::now();
        let mut before = u64::MAX;
        while before != self.received() && start.elapsed() < patience {
            before = self.received();
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes requests from one connection. A delivery has a `content-length` and a body of one line.
async fn take(mut stream: TcpStream, received: Rc<Cell<u64>>) {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        buffer.clear();
        loop {
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if is_whole(&buffer) {
                break;
            }
        }
        received.set(received.get() + 1);
        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
            return;
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
