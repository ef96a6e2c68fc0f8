//! Webhooks (W1–W5): a real receiver on loopback, whose answer a test can change.

#[cfg(debug_assertions)]
mod burst;
mod connect;
#[cfg(debug_assertions)]
mod crash;
mod dispatch;
mod endpoint;
mod expiry;
mod fairness;
mod hostile;
mod lease;
mod look;
mod outbox;
mod story;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jalon_backend::clock::Clock;
use jalon_backend::db::{Db, DbError, execute, on};
use jalon_backend::webhook::deliver::Sender;
use jalon_backend::webhook::dispatch::Dispatcher;
use jalon_backend::webhook::guard::Guard;
use jalon_backend::webhook::outbox::{Message, enqueue};
use jalon_backend::webhook::{Webhooks, sign};
use jalon_shared::{SiteId, Timestamp};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Development: the receiver is on loopback.
pub const OPEN: Guard = Guard { development: true };
pub const KIND: &str = "coaching.learning_track.completed";

/// What a receiver answers.
#[derive(Clone, Debug)]
pub enum Says {
    Status(u16),
    With(u16, &'static str, String),
    /// Says back what it was sent.
    Echo(u16),
    /// Takes the request and never answers.
    Nothing,
}

/// A request as a receiver saw it.
#[derive(Clone, Debug)]
pub struct Call {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn id(&self) -> Uuid {
        self.header("webhook-id").parse().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether a receiver that knows only this secret accepts it, whatever the machine's clock says.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let at: i64 = self.header("webhook-timestamp").parse().unwrap();
        let signature = Webhook::new(secret).unwrap().sign(self.header("webhook-id"), at, &self.body).unwrap();
        self.header("webhook-signature").split(' ').any(|one| one == signature)
    }
}

/// Somebody else's system.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    calls: mpsc::UnboundedReceiver<Call>,
}

#[derive(Clone)]
struct Ears {
    says: Arc<Mutex<Says>>,
    calls: mpsc::UnboundedSender<Call>,
}

impl Receiver {
    pub async fn start(says: Says) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::unbounded_channel();
        let says = Arc::new(Mutex::new(says));
        let router = axum::Router::new().fallback(hear).with_state(Ears { says: Arc::clone(&says), calls: sender });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, says, calls }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// The next request; it must come soon.
    pub async fn call(&mut self) -> Call {
        tokio::time::timeout(Duration::from_secs(20), self.calls.recv()).await.expect("no webhook came").unwrap()
    }

    /// What has come so far.
    pub fn calls(&mut self) -> Vec<Call> {
        std::iter::from_fn(|| self.calls.try_recv().ok()).collect()
    }
}

async fn hear(State(ears): State<Ears>, headers: HeaderMap, body: Bytes) -> Response {
    ears.calls.send(Call { headers, body: body.clone() }).ok();
    let says = ears.says.lock().unwrap().clone();
    let status = |code| StatusCode::from_u16(code).unwrap();
    match says {
        Says::Status(code) => (status(code), "thank you").into_response(),
        Says::With(code, header, value) => (status(code), [(header, value)], "look there").into_response(),
        Says::Echo(code) => (status(code), body).into_response(),
        Says::Nothing => std::future::pending().await,
    }
}

/// A site with endpoints, and a clock that stands still.
#[derive(Debug)]
pub struct Desk {
    pub db: Db,
    pub clock: Clock,
    pub site: SiteId,
    sender: Sender,
}

impl Desk {
    /// Of this machine's present, so that a receiver that looks at its own clock accepts what is sent.
    pub async fn new(db: &Db) -> Self {
        Self::with(db, Sender::new(OPEN).unwrap()).await
    }

    pub async fn with(db: &Db, sender: Sender) -> Self {
        Self::of(db, sender, "fpsf").await
    }

    /// On a site of another name.
    pub async fn with_slug(db: &Db, slug: &str) -> Self {
        Self::of(db, Sender::new(OPEN).unwrap(), slug).await
    }

    async fn of(db: &Db, sender: Sender, slug: &str) -> Self {
        let clock = Clock::fixed(Clock::system().now());
        let (site, now, slug) = (SiteId(Uuid::now_v7()), clock.now(), slug.to_owned());
        let sql = "INSERT INTO site (id, slug, name, default_lang, languages, look, revision, created_at, updated_at)
            VALUES ($1, $3, 'FPSF', 'fr', '[]', '{}', 1, $2, $2)";
        write(db, move |tx| {
            Box::pin(async move { execute!(tx, sqlx::query(sql).bind(site.0).bind(now.0).bind(&slug)) })
        })
        .await;
        Self { db: db.clone(), clock, site, sender }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A dispatcher that holds nothing yet.
    pub fn dispatcher(&self) -> Dispatcher {
        self.dispatcher_on(&self.db)
    }

    pub fn dispatcher_on(&self, db: &Db) -> Dispatcher {
        Dispatcher::new(db.clone(), self.clock.clone(), &Webhooks::with_sender(OPEN, self.sender.clone()))
    }

    /// Delivers what is due now.
    pub async fn settle(&self) {
        self.dispatcher().settle().await;
    }

    /// Adds an endpoint that wants these types (all: none named); answers its id and secret.
    pub async fn endpoint(&self, url: String, types: &[&str]) -> (Uuid, String) {
        let (id, site, now, types) = (Uuid::now_v7(), self.site.0, self.now().0, json!(types).to_string());
        let sql = "INSERT INTO webhook_endpoint (id, site_id, url, event_types, enabled, created_at, updated_at) VALUES ($1, $2, $3, $4, TRUE, $5, $5)";
        write(&self.db, move |tx| {
            Box::pin(
                async move { execute!(tx, sqlx::query(sql).bind(id).bind(site).bind(&url).bind(&types).bind(now)) },
            )
        })
        .await;
        (id, self.secret(id, None).await)
    }

    /// Adds a secret to an endpoint.
    pub async fn secret(&self, endpoint: Uuid, expires_at: Option<Timestamp>) -> String {
        let secret = sign::new_secret().unwrap();
        let (site, now, row) = (self.site.0, self.now().0, secret.clone());
        let sql = "INSERT INTO webhook_secret (id, site_id, endpoint_id, secret, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
        let (id, expires_at) = (Uuid::now_v7(), expires_at.map(|at| at.0));
        write(&self.db, move |tx| {
            Box::pin(async move {
                execute!(tx, sqlx::query(sql).bind(id).bind(site).bind(endpoint).bind(&row).bind(now).bind(expires_at))
            })
        })
        .await;
        secret
    }

    pub fn message(&self, name: &str) -> Message {
        let id = Uuid::now_v7();
        let payload =
            json!({ "type": KIND, "timestamp": self.now(), "data": { "event_id": id, "name": name } }).to_string();
        Message { id, site: self.site, kind: KIND.to_owned(), dedupe_key: name.to_owned(), payload }
    }

    /// Announces so many things; answers their ids.
    pub async fn announce(&self, count: usize) -> Vec<Uuid> {
        let messages: Vec<Message> = (0..count).map(|_| self.message(&Uuid::now_v7().to_string())).collect();
        let (ids, now) = (messages.iter().map(|message| message.id).collect(), self.now());
        write(&self.db, move |tx| Box::pin(async move { enqueue(tx, &messages, now).await })).await;
        ids
    }

    /// Announces something as of so many milliseconds ago; answers its id.
    pub async fn announce_late(&self, millis: i64) -> Uuid {
        let message = self.message(&Uuid::now_v7().to_string());
        let (id, then) = (message.id, Timestamp(self.now().0 - millis));
        write(&self.db, move |tx| Box::pin(async move { enqueue(tx, &[message], then).await })).await;
        id
    }

    /// All deliveries to an endpoint.
    pub async fn deliveries(&self, endpoint: Uuid) -> Vec<Delivery> {
        let sql = "SELECT id, state, attempts, next_at, lease_until, lease_owner, last_status, last_error, finished_at
            FROM webhook_delivery WHERE endpoint_id = $1 ORDER BY id";
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    Ok::<_, DbError>(on!(tx, conn => sqlx::query_as(sql).bind(endpoint).fetch_all(conn).await)?)
                })
            })
            .await
            .unwrap()
    }

    /// The only delivery to an endpoint.
    pub async fn delivery(&self, endpoint: Uuid) -> Delivery {
        let [delivery] = <[Delivery; 1]>::try_from(self.deliveries(endpoint).await).unwrap();
        delivery
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        self.db
            .read(move |tx| {
                Box::pin(
                    async move { Ok::<_, DbError>(on!(tx, conn => sqlx::query_scalar(sql).fetch_one(conn).await)?) },
                )
            })
            .await
            .unwrap()
    }

    /// Runs a statement whose only parameter is an endpoint.
    pub async fn execute(&self, sql: &'static str, endpoint: Uuid) {
        write(&self.db, move |tx| Box::pin(async move { execute!(tx, sqlx::query(sql).bind(endpoint)) })).await;
    }
}

/// A row of `webhook_delivery`.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
pub struct Delivery {
    pub id: Uuid,
    pub state: String,
    pub attempts: i32,
    pub next_at: i64,
    pub lease_until: i64,
    pub lease_owner: Option<String>,
    pub last_status: Option<i32>,
    pub last_error: Option<String>,
    pub finished_at: Option<i64>,
}

/// How often each event came.
pub fn counts(calls: &[Call]) -> HashMap<Uuid, usize> {
    let mut counts = HashMap::new();
    for call in calls {
        *counts.entry(call.id()).or_default() += 1;
    }
    counts
}

async fn write<T, F>(db: &Db, work: F) -> T
where
    T: Send + 'static,
    F: for<'a, 't> FnOnce(&'a mut jalon_backend::db::Tx<'t>) -> futures_util::future::BoxFuture<'a, Result<T, DbError>>
        + Send
        + 'static,
{
    db.write(work).await.unwrap()
}
