//! The outermost layer: request id, CORS, limits, panics, security headers, the log line and counters.
//!
//! One layer and not eight: each boxed layer costs an allocation and a hop on every request, and their
//! order (limits inside CORS, so that a page can read a 429; preflights not counted) is plain to see here.

use std::{
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;

use super::{
    auth::site_in_path,
    code, context,
    error::{ApiError, ProblemCode},
    limit::client_address,
};
use crate::app::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, accept-language, x-request-id",
);
const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
const EXPOSE_HEADERS: HeaderValue =
    HeaderValue::from_static("x-request-id, etag, retry-after, idempotent-replay, date");
/// How long a browser may remember a preflight, in seconds; two hours is the most that browsers do.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("7200");
/// Requests answered at once, at most; more are told to come again.
pub(super) const MAX_IN_FLIGHT: usize = 4096;

/// Where a request goes; what belongs to it differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Area {
    /// `/api/…`: CORS by origin, limits.
    Api,
    /// Static files for every page; they bring their own CORS headers.
    Static,
    /// Health and counters: neither limited nor for pages.
    Operations,
    /// Pages for people.
    Page,
}

impl Area {
    fn of(path: &str) -> Self {
        if path.starts_with("/api/") {
            Self::Api
        } else if path.starts_with("/embed/") || path.starts_with("/media/") {
            Self::Static
        } else if matches!(path, "/healthz" | "/readyz" | "/metrics") {
            Self::Operations
        } else {
            Self::Page
        }
    }
}

/// The layer; see the module.
pub async fn edge(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(&state, request.headers());
    let method = request.method().clone();
    let area = Area::of(request.uri().path());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let grant = (area == Area::Api).then(|| grant(&state, &request)).flatten();

    let id_text = id.to_str().unwrap_or_default().to_owned();
    let (mut response, site) = context::scope(context::Request::new(id_text), async {
        let response = AssertUnwindSafe(answer(&state, request, next, area, grant.is_some())).catch_unwind().await;
        let response = response.unwrap_or_else(|panic| {
            let cause =
                panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            ApiError::internal(format!("a handler panicked: {}", cause.unwrap_or("?"))).into_response()
        });
        (response, context::site())
    })
    .await;

    response = as_problem(response);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("strict-origin-when-cross-origin"));
    if matches!(area, Area::Api | Area::Operations) {
        // Of this moment and this caller, where a handler says nothing else.
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if area == Area::Api {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        );
        if let Some(origin) = grant {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
        }
    }

    let took = begun.elapsed();
    let status = response.status();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    state.gate.metrics.count(route, &method, status, took);
    let code = response.extensions().get::<ProblemCode>();
    tracing::info!(
        target: "jalon::request",
        method = method.as_str(),
        route,
        status = status.as_u16(),
        ms = f64::from(u32::try_from(took.as_micros()).unwrap_or(u32::MAX)) / 1000.0,
        request_id = id.to_str().unwrap_or_default(),
        site = site.as_ref().map(|site| site.slug.as_str()),
        code = code.map(|code| code.0.as_ref()),
    );
    response
}

async fn answer(state: &AppState, request: Request, next: Next, area: Area, granted: bool) -> Response {
    if area == Area::Api && is_preflight(&request) {
        return preflight(&request, granted);
    }
    if matches!(area, Area::Api | Area::Page) {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        let address = client_address(request.headers(), peer, state.config.trusted_proxies);
        if let Some(address) = address
            && let Err(refused) = state.gate.limits.address(address)
        {
            return refused.into_response();
        }
    }
    let Some(_place) = Place::take(state) else {
        return ApiError::overloaded().into_response();
    };
    // Giving up a request is what a caller who hangs up does: its transaction runs on in its own task.
    match tokio::time::timeout(state.config.answer_timeout.max(Duration::from_secs(1)), next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::overloaded().detail("The answer took too long.").into_response(),
    }
}

/// One of the requests being answered.
struct Place<'a>(&'a AppState);

impl<'a> Place<'a> {
    fn take(state: &'a AppState) -> Option<Self> {
        let place = Self(state);
        let before = state.gate.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < MAX_IN_FLIGHT).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.gate.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The caller's id, if it can stand in a log; else a new one.
fn request_id(state: &AppState, headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        (1..=128).contains(&value.len())
            && value.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
        let id = crate::id::new_v7(state.clock.now());
        HeaderValue::from_str(id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    })
}

/// The page's origin, if it may read the answer (E2): exactly one of the site's, never `*`. Jalon's own
/// pages need no grant.
fn grant(state: &AppState, request: &Request) -> Option<HeaderValue> {
    let origin = request.headers().get(header::ORIGIN)?;
    let text = origin.to_str().ok()?;
    let granted = match site_in_path(request.uri().path()) {
        Some(slug) => state.gate.sites.by_slug(slug).is_some_and(|site| site.has_origin(text)),
        None => state.gate.sites.is_origin(text),
    };
    granted.then(|| origin.clone())
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(request: &Request, granted: bool) -> Response {
    if !granted {
        let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        return ApiError::origin_not_allowed(origin.unwrap_or_default()).into_response();
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOW_METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    response
}

/// The whole answer, head and body, to a head that hyper refused before it was a request.
pub fn refused_head(state: &AppState, status: u16) -> Vec<u8> {
    let code = if status == 431 { &code::HEADERS_TOO_LARGE } else { &code::INVALID_REQUEST };
    let id = request_id(state, &HeaderMap::new());
    let id = id.to_str().unwrap_or_default();
    let body = serde_json::to_string(ApiError::new(code).problem()).unwrap_or_default();
    let reason = StatusCode::from_u16(code.status).ok().and_then(|status| status.canonical_reason());
    let answer = format!(
        "HTTP/1.1 {} {}\r\nx-request-id: {id}\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
        code.status,
        reason.unwrap_or_default(),
        body.len(),
    );
    let other = Method::from_bytes(b"-").unwrap_or_default();
    let refused = StatusCode::from_u16(code.status).unwrap_or(StatusCode::BAD_REQUEST);
    state.gate.metrics.count("unmatched", &other, refused, Duration::ZERO);
    tracing::info!(target: "jalon::request", status = code.status, request_id = id, code = code.code, "a head was refused");
    answer.into_bytes()
}

/// What the framework refuses by itself (a wrong method, a broken request) becomes a problem too.
fn as_problem(response: Response) -> Response {
    let status = response.status();
    let bare = match response.headers().get(header::CONTENT_TYPE) {
        None => true,
        Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
    };
    if !(status.is_client_error() || status.is_server_error()) || !bare {
        return response;
    }
    let code = match status.as_u16() {
        401 => &code::UNAUTHENTICATED,
        403 => &code::FORBIDDEN,
        404 => &code::NOT_FOUND,
        405 => &code::METHOD_NOT_ALLOWED,
        408 => &code::REQUEST_TIMEOUT,
        413 => &code::BODY_TOO_LARGE,
        415 => &code::UNSUPPORTED_MEDIA_TYPE,
        429 => &code::RATE_LIMITED,
        431 => &code::HEADERS_TOO_LARGE,
        503 => &code::OVERLOADED,
        500.. => &code::INTERNAL,
        _ => &code::INVALID_REQUEST,
    };
    let mut problem = ApiError::new(code).into_response();
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = response.headers().get(&name) {
            problem.headers_mut().insert(name, value.clone());
        }
    }
    problem
}
