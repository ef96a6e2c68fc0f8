//! The server in a process of its own, and requests to it whose answers may get lost.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use jalon_backend::clock::Clock;
use jalon_backend::db::{Db, DbError, on};
use jalon_backend::quiz::order::Orders;
use jalon_tests::{MEMBER_SECRET, Stage, TestDb};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::process::Process;

/// A request, to be sent as often as wished, byte for byte the same.
#[derive(Clone, Debug)]
pub struct Letter {
    pub method: &'static str,
    pub path: String,
    pub token: Option<String>,
    pub key: Option<Uuid>,
    pub body: Option<Value>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u64,
    pub replay: bool,
    pub body: Value,
}

pub struct Served<'d> {
    db: &'d TestDb,
    /// An API key that may do everything.
    pub key: String,
    process: Process,
    client: reqwest::Client,
    /// Times it was killed.
    pub kills: usize,
    /// What attempts draw: the server's own key.
    pub orders: Orders,
}

impl<'d> Served<'d> {
    pub async fn start(db: &'d TestDb) -> Self {
        let stage = Stage::set(db).await;
        let key = stage.key.clone();
        stage.server.stop().await;
        let process = Process::start(&db.url()).await;
        let orders = Orders::load(db, Clock::system().now()).await.unwrap();
        Self { db, key, process, client: client(), kills: 0, orders }
    }

    pub async fn kill(&mut self) {
        self.process.kill().await;
        self.kills += 1;
    }

    pub async fn start_again(&mut self) {
        self.process = Process::start(&self.db.url()).await;
        // New connections, so that none is left over from the one that was killed.
        self.client = client();
    }

    /// Starts it where the story before left it dead.
    pub async fn make_sure(&mut self) {
        if !self.process.runs() {
            self.start_again().await;
        }
    }

    /// Sends a letter: `None` when no whole answer came.
    pub fn send(&self, letter: &Letter) -> impl Future<Output = Option<Answer>> + Send + use<> {
        let url = format!("{}{}", self.process.base, letter.path);
        let mut request = self.client.request(letter.method.parse().unwrap(), url);
        if let Some(token) = &letter.token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = letter.key {
            request = request.header("idempotency-key", key.to_string());
        }
        if let Some(body) = &letter.body {
            request = request.json(body);
        }
        async move {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16().into();
            let replay = answer.headers().contains_key("idempotent-replay");
            let bytes = answer.bytes().await.ok()?;
            let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).ok()? };
            Some(Answer { status, replay, body })
        }
    }

    /// Sends a letter and hangs up after so many microseconds, whatever the server is at by then. The
    /// connection that comes back tells when the server has let go of it; read it to its end.
    pub async fn send_and_hang_up(&self, letter: &Letter, after: Duration) -> TcpStream {
        let host = self.process.base.strip_prefix("http://").unwrap();
        let body = letter.body.as_ref().map(Value::to_string).unwrap_or_default();
        let mut text = format!(
            "{} {} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            letter.method,
            letter.path,
            body.len()
        );
        if let Some(token) = &letter.token {
            write!(text, "authorization: Bearer {token}\r\n").unwrap();
        }
        if let Some(key) = letter.key {
            write!(text, "idempotency-key: {key}\r\n").unwrap();
        }
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.unwrap();
        spin(after).await;
        // An error means that it has answered and closed already.
        stream.shutdown().await.ok();
        stream
    }

    /// Sends all at the same moment; `kill`: the process, so much later. A death is followed by a start.
    pub async fn together(&mut self, letters: &[Letter], kill: Option<Duration>) -> Vec<Option<Answer>> {
        let sent: Vec<_> = letters.iter().map(|letter| tokio::spawn(self.send(letter))).collect();
        if let Some(after) = kill {
            spin(after).await;
            self.kill().await;
        }
        let mut answers = Vec::new();
        for answer in sent {
            answers.push(answer.await.unwrap());
        }
        if kill.is_some() {
            self.start_again().await;
        }
        answers
    }

    /// One letter, sent so often. `cut`: all but the last are hung up on, and only the last is heard.
    pub async fn copies(&self, letter: &Letter, copies: usize, cut: bool) -> Result<Vec<Answer>, String> {
        let mut answers = Vec::new();
        if cut {
            let mut hung_up = Vec::new();
            for copy in 1..copies {
                let after = Duration::from_micros(copy as u64 * 7919 % 3000);
                hung_up.push(self.send_and_hang_up(letter, after).await);
            }
            answers.push(self.send(letter).await.ok_or("no answer")?);
            for stream in hung_up {
                let_go(stream).await;
            }
        } else {
            let sent = (0..copies).map(|_| self.send(letter));
            for answer in futures_util::future::join_all(sent).await {
                answers.push(answer.ok_or("no answer")?);
            }
        }
        Ok(answers)
    }

    /// Sends as the site's owner; the answer must be a success.
    pub async fn admin(&self, method: &'static str, path: &str, body: Option<Value>) -> Answer {
        let letter = Letter { method, path: path.to_owned(), token: Some(self.key.clone()), key: None, body };
        let answer = self.send(&letter).await.unwrap();
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        answer
    }

    /// A new site, so that stories know nothing of each other.
    pub async fn site(&self) -> String {
        let slug = format!("s{}", Uuid::now_v7().simple());
        let site = json!({ "slug": slug, "name": slug, "default_lang": "fr", "languages": ["fr"], "origins": [Stage::ORIGIN] });
        self.admin("POST", "/api/v1/admin/sites", Some(site)).await;
        let key = json!({ "algorithm": "HS256", "secret": MEMBER_SECRET });
        self.admin("POST", &format!("/api/v1/admin/sites/{slug}/signing-keys"), Some(key)).await;
        slug
    }

    /// The database, beside the server.
    pub fn db(&self) -> &Db {
        self.db.db()
    }

    /// What is in the database, by one statement with the site's slug and another word.
    pub async fn text(&self, sql: &'static str, site: &str, word: &str) -> String {
        let (site, word) = (site.to_owned(), word.to_owned());
        self.db()
            .read(move |tx| {
                Box::pin(async move {
                    Ok::<_, DbError>(
                        on!(tx, conn => sqlx::query_scalar(sql).bind(site).bind(word).fetch_one(conn).await)?,
                    )
                })
            })
            .await
            .unwrap()
    }

    /// The ids of a track's keys, by path, of its newest version.
    pub async fn ids(&self, site: &str, track: &str) -> Value {
        let text = self
            .text(
                "SELECT v.definition FROM track_version v JOIN track t ON t.id = v.track_id AND t.latest_version = v.version \
                 JOIN site s ON s.id = t.site_id WHERE s.slug = $1 AND t.slug = $2",
                site,
                track,
            )
            .await;
        serde_json::from_str::<Value>(&text).unwrap()["ids"].take()
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap()
}

/// A member's token, good for a day.
pub fn member(site: &str, sub: &str, roles: &[&str]) -> String {
    let exp = Clock::system().now().plus_seconds(86_400).0 / 1000;
    let claims = json!({ "sub": sub, "aud": site, "exp": exp, "roles": roles });
    let key = jsonwebtoken::EncodingKey::from_secret(MEMBER_SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// Reads what is left until the server has let go.
async fn let_go(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end too.
    tokio::time::timeout(Duration::from_mins(1), stream.read_to_end(&mut rest)).await.unwrap().ok();
}

/// Waits to the microsecond, which no timer does: tokio's count milliseconds.
async fn spin(moment: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < moment {
        tokio::task::yield_now().await;
    }
}
