//! What a handler answers when it can't do what was asked: a problem, and headers that belong to it.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jalon_shared::{FieldError, Problem};
use serde_json::Value;

use super::code::{self, Code};
use crate::db::DbError;

/// The result of a handler.
pub type ApiResult<T> = Result<T, ApiError>;

/// An answer as `application/problem+json` (RFC 9457). Boxed: errors are rare, results are moved often.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: Problem,
    headers: HeaderMap,
}

/// The code of the problem an answer holds, for the log line and the metrics.
#[derive(Clone, Debug)]
pub struct ProblemCode(pub std::borrow::Cow<'static, str>);

impl ApiError {
    /// A problem of this kind.
    pub fn new(code: &'static Code) -> Self {
        Self::from(Problem::new(code.status, code.code, code.title))
    }

    /// With a sentence on what happened here.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.problem.detail = detail.into();
        self
    }

    /// With a field at fault, by JSON pointer (RFC 6901).
    #[must_use]
    pub fn field(mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        self.0.problem.errors.push(FieldError::new(pointer, code, detail));
        self
    }

    /// With an extension member such as `blocking_step`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.problem.more.insert(name.to_owned(), value.into());
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// With `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The problem it will answer.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }

    /// 401 without saying more than a caller without a valid token should know.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(&code::UNAUTHENTICATED)
            .detail(detail)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 401: the token was good once.
    pub fn token_expired() -> Self {
        Self::new(&code::TOKEN_EXPIRED)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
    }

    /// 401: the guest token was revoked (E3).
    pub fn token_revoked() -> Self {
        Self::new(&code::TOKEN_REVOKED)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))
    }

    /// 403.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(&code::FORBIDDEN).detail(detail)
    }

    /// 404: not there, or nobody's business.
    pub fn not_found() -> Self {
        Self::new(&code::NOT_FOUND)
    }

    /// 404: no site of this slug.
    pub fn unknown_site() -> Self {
        Self::new(&code::UNKNOWN_SITE)
    }

    /// 403: E2.
    pub fn origin_not_allowed(origin: &str) -> Self {
        Self::new(&code::ORIGIN_NOT_ALLOWED).detail(format!("{origin} is not one of the site's origins."))
    }

    /// 403: E1.
    pub fn cms_block_disabled() -> Self {
        Self::new(&code::CMS_BLOCK_DISABLED)
    }

    /// 422: one field holds what it may not.
    pub fn invalid_value(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(&code::INVALID_VALUE).field(pointer, "invalid_value", detail)
    }

    /// 422: several fields are at fault.
    pub fn validation_failed(errors: Vec<FieldError>) -> Self {
        let mut error = Self::new(&code::VALIDATION_FAILED);
        error.0.problem.errors = errors;
        error
    }

    /// 412: `If-Match` names another version.
    pub fn version_conflict() -> Self {
        Self::new(&code::VERSION_CONFLICT)
    }

    /// 422: the same key with another body.
    pub fn idempotency_key_reused() -> Self {
        Self::new(&code::IDEMPOTENCY_KEY_REUSED)
    }

    /// 429.
    pub fn rate_limited(retry_after_seconds: u64) -> Self {
        Self::new(&code::RATE_LIMITED).retry_after(retry_after_seconds.max(1))
    }

    /// 503: try again in a moment.
    pub fn overloaded() -> Self {
        Self::new(&code::OVERLOADED).retry_after(1)
    }

    /// 500; what happened goes to the log, never to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, request_id = super::context::request_id(), "internal error");
        Self::new(&code::INTERNAL)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        debug_assert!(code::find(&problem.code).is_some(), "{} has no line in code.rs", problem.code);
        Self(Box::new(Inner { problem, headers: HeaderMap::new() }))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Inner { problem, headers } = *self.0;
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(ProblemCode(problem.code));
        response
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Overloaded => Self::overloaded(),
            DbError::Busy(cause) => {
                tracing::warn!(cause, request_id = super::context::request_id(), "the database is busy");
                Self::overloaded()
            }
            DbError::Unavailable(cause) => {
                tracing::error!(cause, request_id = super::context::request_id(), "the database is not available");
                Self::new(&code::UNAVAILABLE).retry_after(5)
            }
            DbError::Constraint { kind: crate::db::ConstraintKind::Unique, name } => {
                tracing::info!(name, request_id = super::context::request_id(), "somebody else was first");
                Self::new(&code::CONFLICT)
            }
            error => Self::internal(error),
        }
    }
}
