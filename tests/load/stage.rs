//! What the load plays on: a site with a track, guests, their enrollments, a webhook endpoint.
//!
//! All of it comes by the API, as learners' and authors' programs make it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail};
use jalon_backend::app::AppState;
use jalon_backend::clock::Clock;
use jalon_backend::config::{Config, Settings};
use jalon_backend::db::Db;
use jalon_backend::site::routes::add_key;
use jalon_shared::SiteId;
use jalon_shared::wire::admin_site::{CreateKey, Scope};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::client::{Connection, request};
use crate::drive::Work;

/// The site's slug.
pub const SITE: &str = "bench";
/// What signs its members' tokens (HS256).
pub const SECRET: &str = "the secret of a bench that nobody else can reach";
/// Connections that make enrollments.
const MAKERS: usize = 64;

/// One learner's way through one track.
#[derive(Clone, Debug)]
pub struct Session {
    /// The guest's token.
    pub token: Rc<str>,
    /// The enrollment.
    pub enrollment: Uuid,
    /// The step to take next.
    pub next: u16,
}

/// Enrollments that wait for somebody to walk them.
pub type Sessions = Rc<RefCell<VecDeque<Session>>>;

/// A migrated database with an API key of the whole server, and what mints guests' tokens.
pub struct Prepared {
    /// The API key.
    pub key: String,
    /// The application's parts, for the tokens of guests that are seeded; its database is closed.
    pub app: AppState,
}

/// Migrates the database and makes the first key, as `jalon key add` does.
pub async fn prepare(database: &str) -> Result<Prepared> {
    let settings = Settings { database_url: Some(database.to_owned()), ..Settings::default() };
    let config = settings.complete()?;
    let db = Db::connect(&config.db).await?;
    db.migrate().await?;
    with_key(db, config).await
}

/// The same on a database that a server migrated, perhaps of another version.
pub async fn prepare_existing(database: &str) -> Result<Prepared> {
    let settings = Settings { database_url: Some(database.to_owned()), ..Settings::default() };
    let config = settings.complete()?;
    with_key(Db::connect(&config.db).await?, config).await
}

async fn with_key(db: Db, config: Config) -> Result<Prepared> {
    let app = AppState::new(db, Clock::system(), config).await?;
    let new = CreateKey { name: "bench".to_owned(), scopes: vec![Scope::ServerAdmin], expires_at: None };
    let Ok(created) = add_key(&app, None, new).await else {
        bail!("the first API key was refused");
    };
    app.db.close().await;
    Ok(Prepared { key: created.key, app })
}

/// The site and its tracks, on a running server.
#[derive(Debug)]
pub struct Stage {
    address: SocketAddr,
    key: String,
    tracks: usize,
    steps: u16,
    /// Enrollments not yet walked to their end.
    pub sessions: Sessions,
}

impl Stage {
    /// Makes the site, and `tracks` published tracks of `steps` content steps each.
    pub async fn build(address: SocketAddr, key: &str, tracks: usize, steps: u16) -> Result<(Self, SiteId)> {
        let mut connection = Connection::open(address).await?;
        let site = json!({"slug": SITE, "name": "Bench", "default_lang": "en"});
        let (status, made) = connection.call("POST", "/api/v1/admin/sites", key, Some(&site)).await?;
        if status != 201 {
            bail!("the site was answered with {status}: {made}");
        }
        let id = serde_json::from_value(made["id"].clone()).context("the site has no id")?;
        let signing = json!({"algorithm": "HS256", "secret": SECRET});
        let path = format!("/api/v1/admin/sites/{SITE}/signing-keys");
        let (status, answer) = connection.call("POST", &path, key, Some(&signing)).await?;
        if status != 201 {
            bail!("the signing key was answered with {status}: {answer}");
        }
        for number in 0..tracks {
            let path = format!("/api/v1/admin/sites/{SITE}/tracks/track-{number}");
            let source = source(number, steps);
            for (method, path, body) in
                [("PUT", path.clone(), Some(&source)), ("POST", format!("{path}/publish"), None)]
            {
                let (status, answer) = connection.call(method, &path, key, body).await?;
                if !(200..300).contains(&status) {
                    bail!("{method} {path} was answered with {status}: {answer}");
                }
            }
        }
        let stage = Self { address, key: key.to_owned(), tracks, steps, sessions: Sessions::default() };
        Ok((stage, id))
    }

    /// The same on a server that was started anew.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Has finished tracks announced to `url`. Answers whether the server knows webhooks.
    pub async fn announce_to(&self, url: &str) -> Result<bool> {
        let endpoint = json!({
            "url": url,
            "event_types": ["coaching.learning_track.completed"],
        });
        let path = format!("/api/v1/admin/sites/{SITE}/webhooks");
        let (status, answer) =
            Connection::open(self.address).await?.call("POST", &path, &self.key, Some(&endpoint)).await?;
        match status {
            200 | 201 => Ok(true),
            404 => Ok(false),
            _ => bail!("the webhook endpoint was answered with {status}: {answer}"),
        }
    }

    /// Makes guests and enrollments by the API until so many advances can be made.
    pub async fn ensure(&self, advances: usize) -> Result<()> {
        let steps = usize::from(self.steps);
        let there: usize = self.sessions.borrow().iter().map(|session| steps + 1 - usize::from(session.next)).sum();
        let guests = advances.saturating_sub(there).div_ceil(steps * self.tracks);
        let left = Rc::new(RefCell::new(guests));
        let mut makers = JoinSet::new();
        for _ in 0..MAKERS.min(guests) {
            let (left, sessions) = (Rc::clone(&left), Rc::clone(&self.sessions));
            let (address, tracks) = (self.address, self.tracks);
            makers.spawn_local(async move {
                let mut connection = Connection::open(address).await?;
                while take_one(&left) {
                    make_guest(&mut connection, tracks, &sessions).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(made) = makers.join_next().await {
            made??;
        }
        Ok(())
    }

    /// What one connection does: walk enrollments, one after the other.
    pub fn walker(&self, seed: u64) -> Walker {
        Walker { sessions: Rc::clone(&self.sessions), session: None, steps: self.steps, keys: Keys(seed) }
    }
}

fn take_one(left: &RefCell<usize>) -> bool {
    let mut left = left.borrow_mut();
    let some = *left > 0;
    *left -= usize::from(some);
    some
}

async fn make_guest(connection: &mut Connection, tracks: usize, sessions: &Sessions) -> Result<()> {
    let empty = json!({});
    let path = format!("/api/v1/sites/{SITE}/guests");
    let (status, guest) = connection.call("POST", &path, "", Some(&empty)).await?;
    let Some(token) = guest["token"].as_str().filter(|_| status == 201) else {
        bail!("a guest was answered with {status}: {guest}");
    };
    for number in 0..tracks {
        let path = format!("/api/v1/sites/{SITE}/tracks/track-{number}/enrollments");
        let (status, enrollment) = connection.call("POST", &path, token, Some(&empty)).await?;
        let id = enrollment["id"].as_str().and_then(|id| id.parse::<Uuid>().ok());
        let Some(enrollment) = id.filter(|_| status == 201) else {
            bail!("an enrollment was answered with {status}: {enrollment}");
        };
        sessions.borrow_mut().push_back(Session { token: token.into(), enrollment, next: 1 });
    }
    Ok(())
}

/// A track of content steps, of the size that people write.
fn source(number: usize, steps: u16) -> Value {
    let text = "A player throws the jack between six and ten metres. ".repeat(12);
    let steps: Vec<Value> = (1..=steps)
        .map(|step| {
            json!({
                "key": format!("step-{step}"), "kind": "content", "required": true,
                "title": {"en": format!("Step {step}"), "fr": format!("Étape {step}")},
                "body": {"en": text},
            })
        })
        .collect();
    json!({
        "track_type": "beginner_intro", "source_lang": "en", "cms_block_enabled": true,
        "title": {"en": format!("Track {number}")}, "summary": {"en": "What it is about."},
        "steps": steps,
    })
}

/// Walks enrollments: takes one, advances step by step to its end, takes the next.
#[derive(Debug)]
pub struct Walker {
    sessions: Sessions,
    session: Option<Session>,
    steps: u16,
    keys: Keys,
}

impl Work for Walker {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        if self.session.is_none() {
            self.session = self.sessions.borrow_mut().pop_front();
        }
        let Some(session) = &self.session else {
            return false;
        };
        advance(request, session, self.keys.next());
        true
    }

    fn hear(&mut self, status: u16, _: &[u8]) {
        match &mut self.session {
            Some(session) if status == 200 && session.next < self.steps => session.next += 1,
            _ => self.session = None,
        }
    }
}

impl Drop for Walker {
    /// Whoever comes next goes on with it.
    fn drop(&mut self) {
        self.sessions.borrow_mut().extend(self.session.take());
    }
}

/// Advances each enrollment once, in the order they lie.
#[derive(Debug)]
pub struct Once {
    sessions: Sessions,
    keys: Keys,
}

impl Once {
    /// Over these enrollments.
    pub fn new(sessions: &Sessions, seed: u64) -> Self {
        Self { sessions: Rc::clone(sessions), keys: Keys(seed) }
    }
}

impl Work for Once {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        let Some(session) = self.sessions.borrow_mut().pop_front() else {
            return false;
        };
        advance(request, &session, self.keys.next());
        true
    }

    fn hear(&mut self, _: u16, _: &[u8]) {}
}

/// Writes one advance, with a key of its own.
fn advance(to: &mut Vec<u8>, session: &Session, key: Uuid) {
    const BODY: &str = r#"{"time_spent_seconds":7}"#;
    // Writing to a Vec can't fail.
    let _ = write!(
        to,
        "POST /api/v1/enrollments/{}/steps/{}/advance HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n\r\n{BODY}",
        session.enrollment,
        session.next,
        session.token,
        BODY.len()
    );
}

/// Random-looking UUIDs from a seed (SplitMix64): as scattered as a browser's, and cheap.
#[derive(Debug)]
pub struct Keys(pub u64);

impl Keys {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next UUID.
    pub fn next(&mut self) -> Uuid {
        let (high, low) = (self.number(), self.number());
        let random = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        uuid::Builder::from_random_bytes(random).into_uuid()
    }
}

/// The request that reads a track, with the tag of an answer had before or without.
pub fn read_track(token: &str, tag: Option<&str>) -> String {
    let path = format!("/api/v1/sites/{SITE}/tracks/track-0");
    let plain = request("GET", &path, token, "");
    match tag {
        Some(tag) => plain.replacen("\r\n\r\n", &format!("\r\nif-none-match: {tag}\r\n\r\n"), 1),
        None => plain,
    }
}
