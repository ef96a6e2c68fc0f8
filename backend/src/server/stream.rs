//! A caller's stream: one who does not fetch the answer is not waited for without end, and what hyper refuses by
//! itself is answered as everything else is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// After a refused head: how long, and how much, the rest is read and forgotten, so that its sender hears why.
const LISTEN_ON: Duration = Duration::from_millis(500);
const LISTEN_ON_BYTES: usize = 1024 * 1024;

/// Makes the answer to a head that hyper refused with this status.
pub(super) type Refusal = Box<dyn Fn(u16) -> Vec<u8> + Send>;

pub(super) struct Stream {
    tcp: TcpStream,
    /// How long a caller may take nothing of an answer.
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    refusal: Refusal,
    /// What is written in place of hyper's own answer, how much of it was, and how long hyper's is.
    instead: Option<(Vec<u8>, usize, usize)>,
    /// After a refusal: what may still be read, and until when.
    listens_on: Option<(usize, Pin<Box<Sleep>>)>,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, patience: Duration, refusal: Refusal) -> Self {
        Self { tcp, patience, stalled: None, refusal, instead: None, listens_on: None }
    }

    /// Writes, for as long as the other side takes something.
    fn write_some(&mut self, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.tcp).poll_write_vectored(cx, parts) {
            Poll::Ready(written) => {
                self.stalled = None;
                Poll::Ready(written)
            }
            Poll::Pending => {
                let patience = self.patience;
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                ready!(stalled.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the answer is not fetched")))
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.instead.is_none()
            && let Some(first) = parts.iter().find(|part| !part.is_empty())
            && let Some(status) = refused_by_hyper(first)
        {
            self.instead = Some(((self.refusal)(status), 0, first.len()));
        }
        let Some((text, mut written, whole)) = self.instead.take() else {
            return self.write_some(cx, parts);
        };
        while written < text.len() {
            match self.write_some(cx, &[io::IoSlice::new(&text[written..])]) {
                Poll::Ready(Ok(more)) if more > 0 => written += more,
                Poll::Ready(Ok(_)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.instead = Some((text, written, whole));
                    return Poll::Pending;
                }
            }
        }
        self.listens_on = Some((LISTEN_ON_BYTES, Box::pin(tokio::time::sleep(LISTEN_ON))));
        Poll::Ready(Ok(whole))
    }
}

/// The status, if this is an answer that hyper made by itself: a bare head. All of ours have a request id.
fn refused_by_hyper(bytes: &[u8]) -> Option<u16> {
    let head = std::str::from_utf8(bytes.get(..bytes.len().min(512))?).ok()?;
    let status = head.strip_prefix("HTTP/1.1 4").filter(|_| head.ends_with("\r\n\r\n"))?;
    let bare = head.matches("\r\n\r\n").count() == 1 && !head.contains("x-request-id:");
    let rest: u16 = status.get(..2).filter(|_| bare)?.parse().ok()?;
    Some(400 + rest)
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
        let this = &mut *self;
        // Closing with unread bytes would be a reset, and the refusal lost with it.
        while let Some((left, until)) = &mut this.listens_on {
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            let over = match Pin::new(&mut this.tcp).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) => {
                    *left = left.saturating_sub(buffer.filled().len());
                    buffer.filled().is_empty() || *left == 0
                }
                Poll::Ready(Err(_)) => true,
                Poll::Pending => {
                    ready!(until.as_mut().poll(cx));
                    true
                }
            };
            if over {
                this.listens_on = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_hyper_says_by_itself_is_replaced() {
        let bare = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(refused_by_hyper(bare.as_bytes()), Some(431));
        for other in [
            "HTTP/1.1 404 Not Found\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 431 Request Header Fields Too Large\r\n\r\nbody\r\n\r\n",
            "HTTP/1.1 4",
            "",
        ] {
            assert_eq!(refused_by_hyper(other.as_bytes()), None, "{other}");
        }
    }
}
