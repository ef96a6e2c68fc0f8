//! Bodies as JSON: what can't be read is a problem with a stable code and a pointer to the field.

use std::fmt::Write as _;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use http_body_util::{BodyExt, Limited};
use jalon_shared::FieldError;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::Segment;

use super::{
    arriving, code,
    error::ApiError,
    idempotency::{Fingerprint, IdemKey},
    strict::{self, Strict},
};
use crate::app::AppState;

/// The most a body may hold, in bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// The most that a body may hold which somebody wrote as a whole: a course of 1000 items, a cohort of 20,000.
pub const MAX_LARGE: usize = 6 * 1024 * 1024;
/// How much of a body that is too large is read and forgotten, so that its sender hears why.
const MAX_DRAINED: usize = 4 * 1024 * 1024;

/// A JSON body. A blank one reads as `{}`, so that a body with optional fields only may be left out.
///
/// Answers 400 `invalid_json`, 408 `request_timeout`, 413 `body_too_large`, 415
/// `unsupported_media_type`, 422 `unknown_field`, `missing_field` or `invalid_value`.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

/// The same for what is written as a whole, up to [`MAX_LARGE`]. Who may send it comes before it.
#[derive(Debug)]
pub struct LargeJson<T>(pub T);

/// A JSON body with its idempotency key, for every POST that changes learning.
#[derive(Debug)]
pub struct IdemJson<T> {
    /// The body.
    pub body: T,
    /// The key, if the caller sent one.
    pub key: IdemKey,
    /// Of method, path, query and body: the same key with another one is refused.
    pub fingerprint: Fingerprint,
}

impl<T: DeserializeOwned> FromRequest<AppState> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, state, MAX_BODY).await?;
        parse(&parts.headers, &bytes).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<AppState> for LargeJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, state, MAX_LARGE).await?;
        parse(&parts.headers, &bytes).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<AppState> for IdemJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let key = IdemKey::read(&parts.headers)?;
        let bytes = read_body(&parts.headers, body, state, MAX_BODY).await?;
        let body = parse(&parts.headers, &bytes)?;
        let fingerprint = match key.0 {
            Some(_) => {
                let address = parts.uri.path_and_query().map_or(parts.uri.path(), |address| address.as_str());
                Fingerprint::of(parts.method.as_str(), address, &bytes)
            }
            None => Fingerprint::default(),
        };
        Ok(Self { body, key, fingerprint })
    }
}

async fn read_body(headers: &HeaderMap, body: Body, state: &AppState, most: usize) -> Result<Bytes, ApiError> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut body = Limited::new(body, most - MAX_BODY + MAX_DRAINED);
    let mut read = arriving::Body::begin(&state.gate);
    // Only bytes are awaited here: no transaction stands inside this timeout.
    let whole = tokio::time::timeout(state.config.read_timeout, async {
        let mut too_large = declared.is_some_and(|length| length > most);
        while !too_large && let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err(ApiError::new(&code::INVALID_REQUEST).detail("The body ended before it was complete."));
            };
            let bytes = frame.data_ref().map(AsRef::as_ref).unwrap_or_default();
            too_large = read.len() + bytes.len() > most;
            if !too_large && let Err(overloaded) = read.push(bytes) {
                read.forget();
                drain(&mut body).await;
                return Err(overloaded);
            }
        }
        if too_large {
            read.forget();
            drain(&mut body).await;
            return Err(ApiError::new(&code::BODY_TOO_LARGE));
        }
        Ok(())
    });
    whole.await.unwrap_or_else(|_| Err(ApiError::new(&code::REQUEST_TIMEOUT)))?;
    read.end()
}

/// Reads on and forgets: who is still sending when the connection closes hears a reset and no answer.
async fn drain(body: &mut Limited<Body>) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, ApiError> {
    let bytes = if bytes.iter().all(u8::is_ascii_whitespace) {
        b"{}".as_slice()
    } else if is_json(headers) {
        bytes
    } else {
        return Err(ApiError::new(&code::UNSUPPORTED_MEDIA_TYPE));
    };
    // Every body is an object, and what is none has no field that a fault could name.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| not_json(&error))?;
        return Err(ApiError::invalid_value("", "An object is needed."));
    }
    // The fast way first; only what fails is read again to find out where.
    read(bytes).or_else(|_| explain(bytes))
}

/// Reads JSON, and nothing for what it is not.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Strict(&mut json))?;
    json.end()?;
    Ok(value)
}

/// Whether there may be a NUL in a text. No JSON text holds one but escaped; an escaped backslash before
/// `u0000` is taken for one here.
pub(super) fn holds_nul(bytes: &[u8]) -> bool {
    bytes.windows(6).any(|part| part == b"\\u0000")
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.len() > 17
            && essence.get(..12).is_some_and(|start| start.eq_ignore_ascii_case("application/"))
            && essence.ends_with("+json")
}

/// Reads JSON (of a request or a file) and says what is wrong and where.
pub fn explain<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = match serde_path_to_error::deserialize(Strict(&mut json)) {
        Ok(value) => value,
        Err(error) => return Err(to_problem(bytes, error.path(), error.inner())),
    };
    match json.end() {
        Ok(()) => Ok(value),
        Err(error) => Err(not_json(&error)),
    }
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::new(&code::INVALID_JSON).detail(format!("{error}."))
}

/// Whether this is JSON, whatever it says. Much that `serde_json` calls a fault of the syntax is JSON of another
/// form than the type's: a number for an enum, one that is too large, half of a surrogate pair.
fn is_json_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

fn to_problem(bytes: &[u8], path: &serde_path_to_error::Path, error: &serde_json::Error) -> ApiError {
    if error.classify() != Category::Data && !is_json_text(bytes) {
        return not_json(error);
    }
    let message = error.to_string();
    // serde_json ends its messages with a place in the text, which a pointer says better.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let message = if message == "expected value" { "a value of another kind is needed here" } else { message };
    let mut pointer = pointer(path);
    if message == strict::NUL {
        let fault = FieldError::new(pointer, "invalid_value", format!("{message}."));
        return ApiError::validation_failed(vec![fault]);
    }
    let (code, field) = match message.split('`').collect::<Vec<_>>().as_slice() {
        ["unknown field ", field, ..] => (&code::UNKNOWN_FIELD, Some(*field)),
        ["missing field ", field, ..] => (&code::MISSING_FIELD, Some(*field)),
        ["duplicate field ", field, ..] => (&code::INVALID_VALUE, Some(*field)),
        _ => (&code::INVALID_VALUE, None),
    };
    if let Some(field) = field {
        let segment = format!("/{}", escape(field));
        // The path already ends with an unknown field, but not with a missing one.
        if code.code != "unknown_field" || !pointer.ends_with(&segment) {
            pointer.push_str(&segment);
        }
    }
    ApiError::new(code).field(pointer, code.code, format!("{message}."))
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                let _ = write!(pointer, "/{index}");
            }
            Segment::Map { key } => {
                let _ = write!(pointer, "/{}", escape(key));
            }
            // A variant's name does not stand in the text of an internally tagged enum.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        size: Option<Size>,
        #[serde(default)]
        pairs: Vec<(String, String)>,
        #[serde(default)]
        texts: std::collections::BTreeMap<String, String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Size {
        Small,
        Large,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        #[serde(rename = "a/b")]
        size: u8,
    }

    fn refused(text: &str) -> (u16, String, Option<String>) {
        let Err(error) = explain::<Outer>(text.as_bytes()) else { return (200, String::new(), None) };
        assert!(read::<Outer>(text.as_bytes()).is_err(), "the fast way takes what is refused: {text}");
        let problem = error.problem();
        (problem.status, problem.code.to_string(), problem.errors.first().map(|error| error.pointer.clone()))
    }

    #[test]
    fn every_mistake_has_a_code_and_a_pointer() {
        for (text, status, code, pointer) in [
            (r#"{"nam": 1}"#, 422, "unknown_field", Some("/nam")),
            (r#"{"name": "a", "inner": [{"a/b": 1}, {"x": 1}]}"#, 422, "unknown_field", Some("/inner/1/x")),
            (r#"{"name": "a", "inner": [{}]}"#, 422, "missing_field", Some("/inner/0/a~1b")),
            (r#"{"name": 7}"#, 422, "invalid_value", Some("/name")),
            (r#"{"name": "a", "inner": [{"a/b": 256}]}"#, 422, "invalid_value", Some("/inner/0/a~1b")),
            (r#"{"name": "a", "name": "b"}"#, 422, "invalid_value", Some("/name")),
            (r#"{"name": "a", "inner": [{"a/b": 1, "a/b": 1}]}"#, 422, "invalid_value", Some("/inner/0/a~1b")),
            (r#"{"name": "a", "inner": [[1]]}"#, 422, "invalid_value", Some("/inner/0")),
            (r#"{"name": "a", "inner": {}}"#, 422, "invalid_value", Some("/inner")),
            (r#"{"name": "a", "inner": [{"a/b": 1e999}]}"#, 422, "invalid_value", Some("/inner/0/a~1b")),
            (r#"{"name": "a\ud800"}"#, 422, "invalid_value", Some("/name")),
            (r#"{"name": "a\udc00\ud800"}"#, 422, "invalid_value", Some("/name")),
            (r#"{"name": "a\u0000"}"#, 422, "validation_failed", Some("/name")),
            (r#"{"name": "a\\u0000"}"#, 200, "", None),
            (r#"{"name": "a", "size": 7}"#, 422, "invalid_value", Some("/size")),
            (r#"{"name": "a", "size": {"small": null, "large": null}}"#, 422, "invalid_value", Some("/size")),
            (r#"{"name": "a", "pairs": [["a", "b"], ["a", "b", "c"]]}"#, 422, "invalid_value", Some("/pairs/1")),
            (r#"{"name": "a", "pairs": [["a"]]}"#, 422, "invalid_value", Some("/pairs/0")),
            (r#"{"name": "a", "pairs": [{"0": "a", "1": "b"}]}"#, 422, "invalid_value", Some("/pairs/0")),
            (r#"{"name": "a", "texts": {"x": "1", "y": "2", "x": "3"}}"#, 422, "invalid_value", Some("/texts/x")),
            (r#"{"name": "a", "texts": {"x\u0000": "1"}}"#, 422, "validation_failed", Some("/texts")),
            (r#"{"name": "a", "size": 7"#, 400, "invalid_json", None),
            (r#"{"name": "a", "pairs": [["a", "b", }"#, 400, "invalid_json", None),
            ("[]", 422, "invalid_value", Some("")),
            ("{", 400, "invalid_json", None),
            ("{} x", 422, "missing_field", Some("/name")),
            (r#"{"name":"a"} x"#, 400, "invalid_json", None),
            ("\u{feff}{}", 400, "invalid_json", None),
        ] {
            let (got_status, got_code, got_pointer) = refused(text);
            if let Some(pointer) = pointer {
                assert_eq!(got_pointer.as_deref(), Some(pointer), "{text}");
            }
            assert_eq!((got_status, got_code.as_str()), (status, code), "{text}");
        }
        let deep = format!("{{\"name\": {}", "[".repeat(100_000));
        assert!(refused(&deep).0 < 500);
    }
}
