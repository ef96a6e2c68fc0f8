//! The federation's side of the demo: its pages, its login, and the receiver of its coaching system.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jalon_shared::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::{ARTICLES, CONTENT, PAGES, media};
use crate::clock::Clock;

/// How long a member's token lives, in seconds: short, as a federation's would.
const TOKEN_SECONDS: i64 = 3600;
/// Events shown, at most.
const SHOWN: usize = 50;

/// The CMS.
#[derive(Clone)]
pub struct Cms(Arc<Inner>);

struct Inner {
    words: [(&'static str, String); 3],
    site: String,
    signing: jsonwebtoken::EncodingKey,
    webhook: Webhook,
    heard: Mutex<Vec<Heard>>,
    headers: BTreeMap<String, BTreeMap<String, String>>,
    clock: Clock,
}

/// An event whose signature was verified.
#[derive(Clone, Serialize)]
struct Heard {
    id: String,
    received_at: Timestamp,
    verified: bool,
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

#[derive(Deserialize)]
struct Login {
    user: String,
    name: String,
    #[serde(default)]
    lang: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    cohorts: Vec<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'a str,
    name: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'a str>,
    roles: &'a [String],
    cohorts: &'a [String],
}

impl Cms {
    /// A CMS at `cms` that embeds `site` from `api`, signs with `secret`, and verifies with `hook`.
    pub fn new(api: &str, cms: &str, site: &str, secret: &str, hook: &str) -> anyhow::Result<Self> {
        let headers = PAGES
            .get_file("headers.json")
            .and_then(include_dir::File::contents_utf8)
            .context("headers.json is missing")?;
        Ok(Self(Arc::new(Inner {
            words: [("{{api}}", api.to_owned()), ("{{cms}}", cms.to_owned()), ("{{site}}", site.to_owned())],
            site: site.to_owned(),
            signing: jsonwebtoken::EncodingKey::from_secret(secret.as_bytes()),
            webhook: Webhook::new(hook)?,
            heard: Mutex::default(),
            headers: serde_json::from_str(headers)?,
            clock: Clock::system(),
        })))
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(|state: State<Self>, headers: HeaderMap| async move { state.page("index.html", &headers) }))
            .route(
                "/{name}",
                get(|state: State<Self>, Path(name): Path<String>, headers: HeaderMap| async move {
                    state.page(&name, &headers)
                }),
            )
            .route("/media/{name}", get(film))
            .route("/cms/articles/{id}", get(article))
            .route("/cms/login", post(login))
            .route("/cms/hook", post(hear))
            .route("/cms/webhooks", get(show))
            .with_state(self)
    }

    fn page(&self, name: &str, asked: &HeaderMap) -> Response {
        let file = PAGES.get_file(name).filter(|_| name != "headers.json");
        let Some(file) = file else { return StatusCode::NOT_FOUND.into_response() };
        let Some(text) = file.contents_utf8().filter(|_| media::content_type(name).starts_with("text/html")) else {
            return media::serve(name, file.contents(), asked);
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        for (header, value) in self.0.headers.get(name).into_iter().flatten() {
            if let (Ok(header), Ok(value)) = (header.parse::<HeaderName>(), HeaderValue::from_str(&self.filled(value)))
            {
                headers.insert(header, value);
            }
        }
        (headers, self.filled(text)).into_response()
    }

    fn filled(&self, text: &str) -> String {
        self.0.words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }
}

async fn film(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match CONTENT.get_file(format!("media/{name}")) {
        Some(file) if media::content_type(&name) != "application/octet-stream" => {
            media::serve(&name, file.contents(), &headers)
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    lang: String,
}

/// An article of the federation's magazine, as a content provider answers it.
async fn article(Path(id): Path<String>, Query(Wanted { lang }): Query<Wanted>) -> Response {
    let found = [lang.as_str(), "fr"].into_iter().find_map(|lang| {
        let text = ARTICLES.get_file(format!("{id}.{lang}.md"))?.contents_utf8()?;
        let (title, text) = text.strip_prefix("# ")?.split_once('\n')?;
        Some(json!({ "title": title, "markdown": text, "lang": lang }))
    });
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |found| Json(found).into_response())
}

/// The CMS's login: whoever you say you are. It signs the token that names the member to Jalon.
async fn login(State(cms): State<Cms>, Json(login): Json<Login>) -> Response {
    let now = cms.0.clock.now().0 / 1000;
    let claims = Claims {
        sub: &login.user,
        aud: &cms.0.site,
        name: &login.name,
        iat: now,
        exp: now + TOKEN_SECONDS,
        lang: login.lang.as_deref(),
        roles: &login.roles,
        cohorts: &login.cohorts,
    };
    match jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &cms.0.signing) {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The coaching system: takes only what is signed, once.
async fn hear(State(cms): State<Cms>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if cms.0.webhook.verify(&body, &headers).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let (Some(id), Ok(event)) =
        (headers.get("webhook-id").and_then(|id| id.to_str().ok()), serde_json::from_slice::<Value>(&body))
    else {
        return StatusCode::BAD_REQUEST;
    };
    let mut heard = cms.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
    if !heard.iter().any(|known| known.id == id) {
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        heard.push(Heard {
            id: id.to_owned(),
            received_at: cms.0.clock.now(),
            verified: true,
            kind,
            data: event["data"].clone(),
        });
        let spare = heard.len().saturating_sub(SHOWN);
        heard.drain(..spare);
    }
    StatusCode::NO_CONTENT
}

async fn show(State(cms): State<Cms>) -> Response {
    let heard = cms.0.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "items": heard }))).into_response()
}
