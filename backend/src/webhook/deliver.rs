//! One attempt over HTTP: signed, guarded, bounded in time and size (W3, W5).

use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::{Request, StatusCode};
use jalon_shared::Timestamp;
use uuid::Uuid;

use super::connect::Client;
use super::guard::Guard;
use super::{retry, sign};

/// How long an attempt may take until the status comes.
const TOTAL: Duration = Duration::from_secs(15);
/// How long to listen on once the status came; the status stands whatever follows.
const BODY: Duration = Duration::from_secs(3);
/// How much of an answer is read, in bytes.
const MAX_BODY: usize = 16 * 1024;
/// How much of it is kept to be looked at, in characters.
const EXCERPT: usize = 500;

/// What is sent where.
#[derive(Clone, Debug)]
pub struct Call {
    /// The endpoint's address.
    pub url: String,
    /// Its live secrets, the newest first.
    pub secrets: Vec<String>,
    /// The event's id.
    pub id: Uuid,
    /// The body.
    pub payload: String,
}

/// What came of it.
#[derive(Clone, Default, Debug)]
pub struct Answer {
    /// The status, if an answer came.
    pub status: Option<u16>,
    /// Why none came.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// How long the receiver asks us to wait.
    pub retry_after: Option<Duration>,
    /// The beginning of what it said.
    pub excerpt: Option<String>,
}

impl Answer {
    fn failed(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::default() }
    }
}

/// Makes attempts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sender {
    guard: Guard,
    client: Client,
    total: Duration,
}

impl Sender {
    /// One that goes where the guard lets it.
    pub fn new(guard: Guard) -> Result<Self, rustls::Error> {
        Ok(Self::with(guard, Client::new(guard)?))
    }

    /// One with this client, which must be the guard's.
    pub fn with(guard: Guard, client: Client) -> Self {
        Self { guard, client, total: TOTAL }
    }

    /// The same, whose attempts take no longer than `total`.
    #[must_use]
    pub fn within(self, total: Duration) -> Self {
        Self { total, ..self }
    }

    /// Makes one attempt; `now` is what the signature says.
    pub async fn send(&self, call: Call, now: Timestamp) -> Answer {
        let begun = Instant::now();
        let answer = self.attempt(call, now).await;
        Answer { took: begun.elapsed(), ..answer }
    }

    async fn attempt(&self, call: Call, now: Timestamp) -> Answer {
        // Rules may have changed since it was registered, and numbers never pass the resolver.
        let url = match self.guard.check(&call.url) {
            Ok(url) => url,
            Err(refused) => return Answer::failed(refused.to_string()),
        };
        let signature = match sign::signatures(&call.secrets, call.id, now, &call.payload) {
            Ok(signature) if !signature.is_empty() => signature,
            Ok(_) => return Answer::failed("the endpoint has no live secret"),
            Err(error) => return Answer::failed(error.to_string()),
        };
        let request = Request::post(url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", call.id.to_string())
            .header("webhook-timestamp", sign::seconds(now))
            .header("webhook-signature", signature)
            .body(Full::new(Bytes::from(call.payload)));
        let Ok(request) = request else {
            return Answer::failed("the address holds characters that HTTP does not know");
        };
        let response = match tokio::time::timeout(self.total, self.client.send(request)).await {
            Ok(Ok(response)) => response,
            // A certificate's words are somebody else's, too.
            Ok(Err(failed)) => return Answer::failed(excerpt(failed.0.as_bytes()).unwrap_or_default()),
            Err(_) => return Answer::failed(format!("no answer within {} seconds", self.total.as_secs())),
        };
        let status = response.status();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Answer {
            status: Some(status.as_u16()),
            error: (!status.is_success()).then(|| failure(status)),
            retry_after: asked.and_then(|value| retry::retry_after(value, now)),
            excerpt: excerpt(&read(response.into_body()).await),
            took: Duration::ZERO,
        }
    }
}

fn failure(status: StatusCode) -> String {
    if status.is_redirection() {
        format!("answered {status}; redirects are not followed")
    } else {
        format!("answered {status}")
    }
}

/// The beginning of an answer's body; what is slow or broken in it changes nothing.
async fn read(mut body: Incoming) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(chunk) = frame.into_data() else { continue };
            let room = MAX_BODY - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if bytes.len() == MAX_BODY {
                break;
            }
        }
    };
    tokio::time::timeout(BODY, reading).await.ok();
    bytes
}

/// Text to look at: no control characters (which a terminal would obey), not too long.
fn excerpt(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(EXCERPT).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_plain() {
        assert_eq!(excerpt(b" \r\n "), None);
        assert_eq!(excerpt(b"no\x1b[31m way\xff").as_deref(), Some("no [31m way\u{fffd}"));
        assert_eq!(excerpt(&[b'a'; 9000]).map(|text| text.len()), Some(EXCERPT));
    }
}
