//! The real server on a free port, and a small client for it.

use std::net::SocketAddr;
use std::time::Duration;

use jalon_backend::app::AppState;
use jalon_backend::clock::Clock;
use jalon_backend::config::{Config, Limits, Settings};
use jalon_backend::db::Db;
use jalon_backend::http::router;
use jalon_backend::server::Server;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::TestDb;

/// The server as it runs in production, on loopback, with everything on but rate limits.
#[derive(Debug)]
pub struct TestServer {
    server: Server,
    client: reqwest::Client,
}

impl TestServer {
    /// Starts one on this database, with the machine's clock.
    pub async fn start(db: &TestDb) -> Self {
        Self::start_with(db, Clock::system(), |_| ()).await
    }

    /// Starts one with another clock or configuration. Several on one database are several backends
    /// (on SQLite they are not allowed to be, but restart as one).
    pub async fn start_with(db: &TestDb, clock: Clock, configure: impl FnOnce(&mut Config)) -> Self {
        // An error means that another test of this process was first.
        rustls::crypto::ring::default_provider().install_default().ok();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Settings::default().complete().unwrap();
        config.db = db.config().clone();
        config.listen = listener.local_addr().unwrap();
        config.development = true;
        config.limits = Limits { per_address: 0, guests_per_address: 0, per_learner: 0, per_site: 0 };
        configure(&mut config);
        // Its own connections: stopping the server closes them, and the test goes on with its own.
        let app = AppState::new(Db::connect(&config.db).await.unwrap(), clock, config).await.unwrap();
        let router = router::router(app.clone());
        let server = Server::start(app, listener, router, Vec::new()).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { server, client }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The whole address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// What the server's handlers share.
    pub fn app(&self) -> &AppState {
        self.server.app()
    }

    /// A client that follows no redirect and knows no proxy.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// A request to be sent.
    pub fn request(&self, method: Method, path: &str) -> Request {
        Request(self.client.request(method, self.url(path)))
    }

    /// `GET`
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// `POST` without a body; see [`Request::json`].
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// `PUT`
    pub fn put(&self, path: &str) -> Request {
        self.request(Method::PUT, path)
    }

    /// `PATCH`
    pub fn patch(&self, path: &str) -> Request {
        self.request(Method::PATCH, path)
    }

    /// `DELETE`
    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::DELETE, path)
    }

    /// Stops it in order, as SIGTERM does.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// A request being put together.
#[derive(Debug)]
pub struct Request(reqwest::RequestBuilder);

impl Request {
    /// With a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        Self(self.0.header(name, HeaderValue::from_str(value).unwrap()))
    }

    /// `Authorization: Bearer …`
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        Self(self.0.bearer_auth(token))
    }

    /// With an idempotency key.
    #[must_use]
    pub fn key(self, key: uuid::Uuid) -> Self {
        self.header("idempotency-key", &key.to_string())
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// With any body.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self(self.0.header("content-type", content_type).body(body))
    }

    /// Sends it.
    pub async fn send(self) -> Answer {
        let response = self.0.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A header's value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON, of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem in an answer that must have this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(
            (problem["status"].as_u64(), problem["code"].as_str()),
            (Some(status.into()), Some(code)),
            "{problem}"
        );
        problem
    }
}
