//! A stand-in for DeepL that follows the description of its API: bounds, refusals, tags, quota.
//!
//! Its languages are fewer; its translation is a mark on each word, so that a test sees what was
//! translated and what was not.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

pub const KEY: &str = "a1b2c3d4-0000-1111-2222-333344445555:fx";

/// What the next request gets instead of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    pub status: u16,
    pub retry_after: Option<u32>,
}

#[derive(Default)]
pub struct Inner {
    /// Requests as they came: path and body.
    pub requests: Vec<(String, Value)>,
    pub failures: VecDeque<Failure>,
    pub used: u64,
    pub quota: u64,
    /// What is done to each translation before it is sent.
    pub spoil: Option<fn(&str) -> String>,
    /// Called before each answer to a translation.
    pub before: Option<Box<dyn FnMut() + Send>>,
}

pub struct Deepl {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    _runtime: tokio::runtime::Runtime,
}

impl Deepl {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let inner = Arc::new(Mutex::new(Inner { quota: 500_000, ..Inner::default() }));
        let app = axum::Router::new().fallback(answer).with_state(inner.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, inner, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// The bodies of translation requests until now.
    pub fn translations(&self) -> Vec<Value> {
        let requests = &self.lock().requests;
        requests.iter().filter(|(path, _)| path == "/v2/translate").map(|(_, body)| body.clone()).collect()
    }
}

const TARGETS: &[&str] =
    &["AR", "DE", "DE-CH", "EN-GB", "EN-US", "ES", "FI", "JA", "NB", "PT-BR", "PT-PT", "SV", "TH", "ZH-HANS"];
const FORMAL: &[&str] = &["DE", "DE-CH", "ES", "JA", "PT-BR", "PT-PT"];
const SOURCES: &[&str] = &["AR", "DE", "EN", "ES", "FR", "SV"];
const GLOSSARY: &str = "def3a26b-3e84-45b3-84ae-0c0aaf3525f7";

async fn answer(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut inner = inner.lock().unwrap();
    let parsed: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    inner.requests.push((uri.path().to_owned(), parsed.clone()));
    if headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
        != Some(&format!("DeepL-Auth-Key {KEY}"))
    {
        return StatusCode::FORBIDDEN.into_response();
    }
    match (method, uri.path()) {
        (Method::GET, "/v2/usage") => {
            axum::Json(json!({ "character_count": inner.used, "character_limit": inner.quota })).into_response()
        }
        (Method::GET, "/v3/glossaries") => axum::Json(json!({ "glossaries": [{
            "glossary_id": GLOSSARY,
            "name": "Pétanque",
            "dictionaries": [
                { "source_lang": "fr", "target_lang": "sv", "entry_count": 12 },
                { "source_lang": "fr", "target_lang": "pt", "entry_count": 12 },
            ],
            "creation_time": "2026-01-01T00:00:00.000Z",
        }]}))
        .into_response(),
        (Method::POST, "/v2/translate") => {
            if let Some(Failure { status, retry_after }) = inner.failures.pop_front() {
                let status = StatusCode::from_u16(status).unwrap();
                let wait = retry_after.map(|seconds| (header::RETRY_AFTER, seconds.to_string()));
                return (
                    status,
                    wait.map(|wait| [wait]).into_iter().next().map_or_else(HeaderMap::new, |[(name, value)]| {
                        HeaderMap::from_iter([(name, value.parse().unwrap())])
                    }),
                    "{\"message\":\"scripted\"}",
                )
                    .into_response();
            }
            if body.len() > 128 * 1024 {
                return StatusCode::PAYLOAD_TOO_LARGE.into_response();
            }
            if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
                return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
            }
            if let Some(before) = &mut inner.before {
                before();
            }
            match translate(&mut inner, &parsed) {
                Ok(answer) => axum::Json(answer).into_response(),
                Err((status, message)) => {
                    (StatusCode::from_u16(status).unwrap(), axum::Json(json!({ "message": message }))).into_response()
                }
            }
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

type Refusal = (u16, String);

fn bad(message: impl Into<String>) -> Refusal {
    (400, message.into())
}

fn translate(inner: &mut Inner, body: &Value) -> Result<Value, Refusal> {
    let body: &Map<String, Value> = body.as_object().ok_or_else(|| bad("Bad request"))?;
    let known = [
        "text",
        "source_lang",
        "target_lang",
        "context",
        "show_billed_characters",
        "split_sentences",
        "preserve_formatting",
        "formality",
        "model_type",
        "glossary_id",
        "tag_handling",
        "tag_handling_version",
        "outline_detection",
        "non_splitting_tags",
        "splitting_tags",
        "ignore_tags",
        "enable_beta_languages",
    ];
    if let Some(unknown) = body.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(bad(format!("Parameter {unknown} is not known.")));
    }
    let word = |name: &str| body.get(name).and_then(Value::as_str);
    let on = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    let texts: Vec<&str> = match body.get("text") {
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
        _ => return Err(bad("Parameter text not specified.")),
    };
    if texts.is_empty() || texts.len() > 50 {
        return Err(bad("Too many texts."));
    }
    let target = word("target_lang").filter(|target| TARGETS.contains(target));
    let target = target.ok_or_else(|| bad("Value for 'target_lang' not supported."))?;
    if target == "DE-CH" && !on("enable_beta_languages") {
        return Err(bad("Value for 'target_lang' not supported."));
    }
    let source = word("source_lang");
    if source.is_some_and(|source| !SOURCES.contains(&source)) {
        return Err(bad("Value for 'source_lang' not supported."));
    }
    match word("formality") {
        None | Some("default" | "prefer_more" | "prefer_less") => {}
        Some("more" | "less") if FORMAL.contains(&target) => {}
        Some(_) => return Err(bad("'formality' is not supported for given 'target_lang'.")),
    }
    if let Some(glossary) = word("glossary_id") {
        let pair = source == Some("FR") && ["SV", "PT-BR", "PT-PT"].contains(&target);
        if glossary != GLOSSARY || !pair {
            return Err(bad("No dictionary found for language pair"));
        }
    }
    let tags = word("tag_handling") == Some("xml");
    let list = |name: &str| -> Vec<&str> {
        let list = body.get(name).and_then(Value::as_array);
        list.map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    };
    let ignored = list("ignore_tags");
    let mut out = Vec::new();
    let mut sum = 0;
    for text in &texts {
        let (translated, billed) =
            if tags { marked(text, &ignored, target)? } else { (mark(text, target), text.chars().count() as u64) };
        sum += billed;
        out.push((translated, billed));
    }
    if inner.used + sum > inner.quota {
        return Err((456, "Quota Exceeded".to_owned()));
    }
    inner.used += sum;
    let translations = out.into_iter().map(|(text, billed)| {
        let text = inner.spoil.map_or_else(|| text.clone(), |spoil| spoil(&text));
        let mut translation = json!({ "detected_source_language": source.unwrap_or("FR"), "text": text });
        if on("show_billed_characters") {
            translation["billed_characters"] = billed.into();
        }
        translation
    });
    Ok(json!({ "translations": translations.collect::<Vec<_>>() }))
}

/// The translation of words.
fn mark(text: &str, target: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for letter in text.chars().chain(['\n']) {
        if inside && !letter.is_alphanumeric() {
            out.push('°');
            out.push_str(&target.to_lowercase());
        }
        inside = letter.is_alphanumeric();
        out.push(letter);
    }
    out.pop();
    out
}

/// The translation of XML, which must be well-formed; and how many characters of it are not tags.
fn marked(xml: &str, ignored: &[&str], target: &str) -> Result<(String, u64), Refusal> {
    let broken = || bad("Tag handling parsing failed, please check input.");
    let mut out = String::new();
    let mut stack: Vec<&str> = Vec::new();
    let mut billed = 0;
    let mut rest = xml;
    loop {
        let end = rest.find('<').unwrap_or(rest.len());
        let words = &rest[..end];
        let raw = words.replace("&amp;", "\u{1}").replace("&lt;", "\u{2}").replace("&gt;", "\u{3}");
        if raw.contains(['&', '>']) {
            return Err(broken());
        }
        billed += raw.chars().count() as u64;
        let kept = stack.iter().any(|tag| ignored.contains(tag));
        let said = if kept { raw } else { mark(&raw, target) };
        out.push_str(&said.replace('\u{1}', "&amp;").replace('\u{2}', "&lt;").replace('\u{3}', "&gt;"));
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
        let end = rest.find('>').ok_or_else(broken)?;
        let tag = &rest[1..end];
        if let Some(name) = tag.strip_prefix('/') {
            if stack.pop() != Some(name) {
                return Err(broken());
            }
        } else if !tag.ends_with('/') {
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            if name.is_empty() || !attributes.is_empty() && attributes.matches(['\'', '"']).count() % 2 != 0 {
                return Err(broken());
            }
            stack.push(name);
        }
        // As XML is written by others: with the other quotes.
        out.push_str(&rest[..=end].replace('\'', "\""));
        rest = &rest[end + 1..];
    }
    if stack.is_empty() { Ok((out, billed)) } else { Err(broken()) }
}

/// All files of a folder.
pub fn files(folder: &std::path::Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.insert(name, text);
        }
    }
    found
}
