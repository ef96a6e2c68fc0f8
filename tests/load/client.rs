//! An HTTP/1.1 client that costs little: the load shares the machine with what it measures.
//!
//! One request at a time on a connection that stays open, answers with a `content-length` only, and
//! no parsing beyond status and length. Anything else is an error, so it can't measure nonsense.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that stays open.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, in the connection's buffer until the next request.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The headers, as they came.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a whole request and reads its answer to the end.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (head, total) = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break (end + 4, end + 4 + body_length(&self.buffer[..end])?);
            }
        };
        while self.buffer.len() < total {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Answer { status: status(&self.buffer)?, head: &self.buffer[..head], body: &self.buffer[head..total] })
    }

    /// A call that is not part of a measurement: JSON in, status and JSON out.
    pub async fn call(&mut self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self.send(request(method, path, token, &body).as_bytes()).await?;
        let json = if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(answer.body)? };
        Ok((answer.status, json))
    }
}

impl Answer<'_> {
    /// A header's value; the name in lower case, as the server writes it.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(self.head).ok()?;
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A whole request with an optional JSON body.
pub fn request(method: &str, path: &str, token: &str, body: &str) -> String {
    let authorization = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    let content = if body.is_empty() {
        String::new()
    } else {
        format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
    };
    format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n{authorization}{content}\r\n{body}")
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn status(head: &[u8]) -> Result<u16> {
    let digits = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| Error::new(ErrorKind::InvalidData, "no HTTP status"))
}

fn body_length(head: &[u8]) -> Result<usize> {
    const NAME: &[u8] = b"content-length: ";
    if matches!(status(head)?, 204 | 304) {
        return Ok(0);
    }
    let start =
        find(head, NAME).ok_or_else(|| Error::new(ErrorKind::InvalidData, "an answer without content-length"))?;
    let digits = head[start + NAME.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    Ok(digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0')))
}
