//! The widget's files, from inside the binary: `/embed/…`.
//!
//! - `/embed/v1/jalon.js` is evergreen: a short cache, so that a page pasted years ago gets today's widget.
//! - `/embed/<version>/…` never changes, and `integrity.json` tells the SRI hashes to pin.
//! - Files with a hash in their name are immutable wherever they are asked for.
//!
//! They are public and the same for everybody, so any origin may read them (SRI needs that), without
//! credentials; and `Cross-Origin-Resource-Policy` lets pages with COEP load them.

mod file;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jalon_shared::Problem;

use crate::http::ApiError;
use crate::http::encoding::{self, Encoding};
use file::File;

/// Minutes, and no use of a stale copy while we answer: an old loader asks for hashed files that are gone.
const EVERGREEN: &str = "public, max-age=300, stale-if-error=86400";
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The routes of the widget's files.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/embed/{file}", get(get_file)).route("/embed/{version}/{file}", get(get_versioned_file))
}

async fn get_file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(None, &name, &headers)
}

async fn get_versioned_file(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    answer(Some(&version), &name, &headers)
}

fn answer(version: Option<&str>, name: &str, headers: &HeaderMap) -> Response {
    let Some(package) = file::package() else {
        let problem = Problem::new(503, "widget_not_built", "The widget is not part of this build");
        return ApiError::from(problem.detail("Build it with `cargo xtask widget`, then the server.")).into_response();
    };
    let evergreen = version == Some("v1");
    if !(evergreen || version.is_none_or(|version| version == package.version)) {
        let detail = format!("This server has version {} of the widget.", package.version);
        return ApiError::not_found().detail(detail).into_response();
    }
    if name == "integrity.json" {
        let mut response = axum::Json(package.integrity()).into_response();
        public(response.headers_mut(), if evergreen { EVERGREEN } else { IMMUTABLE });
        return response;
    }
    // The loader has no hash in its name: where no version says which one, it is the evergreen one.
    match package.find(name) {
        Some(found) => {
            let cache = if found.hashed || (version.is_some() && !evergreen) { IMMUTABLE } else { EVERGREEN };
            send(found.file, found.content_type, &found.tag, cache, headers)
        }
        None => ApiError::not_found().into_response(),
    }
}

/// Sends the smallest form the caller understands, or 304 when the caller has it.
fn send(file: &File, content_type: &'static str, tag: &str, cache: &'static str, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoding = encoding::best(accepted, file.brotli.is_some(), file.gzip.is_some());
    let body = match encoding {
        Encoding::Brotli => file.brotli.unwrap_or(file.plain),
        Encoding::Gzip => file.gzip.unwrap_or(file.plain),
        Encoding::Identity => file.plain,
    };
    let etag = format!("\"{tag}{}\"", encoding.suffix());
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut response = if known.split(',').any(|one| one.trim().trim_start_matches("W/") == etag || one.trim() == "*") {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = body.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(name) = encoding.name() {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    public(headers, cache);
    response
}

fn public(headers: &mut HeaderMap, cache: &'static str) {
    const CROSS_ORIGIN: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CROSS_ORIGIN, HeaderValue::from_static("cross-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
