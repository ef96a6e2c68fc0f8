//! Query strings and path parameters; what can't be read is a problem with a pointer.

use axum::{
    extract::{FromRequestParts, Path, Query, rejection::PathRejection},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use super::{code, error::ApiError, strict::NUL};

/// A query string. Unknown parameters are left alone, bad ones and texts with U+0000 are 422 `invalid_value`.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        if query.contains("%00")
            && let Some((name, _)) = url::form_urlencoded::parse(query.as_bytes()).find(|(_, text)| text.contains('\0'))
        {
            return Err(ApiError::invalid_value(format!("/{name}"), format!("{NUL}.")));
        }
        Query::<T>::try_from_uri(&parts.uri).map(|Query(query)| Self(query)).map_err(|rejection| {
            let message = rejection.body_text();
            let message = message.strip_prefix("Failed to deserialize query string: ").unwrap_or(&message);
            let field = message
                .split_once(": ")
                .map(|(field, _)| field)
                .filter(|field| !field.is_empty() && field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            let pointer = field.map(|field| format!("/{field}")).unwrap_or_default();
            ApiError::invalid_value(pointer, format!("{message}."))
        })
    }
}

/// Path parameters. One that can't be read names nothing that exists: 404 `not_found`.
#[derive(Debug)]
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // Nothing is named with a NUL, and PostgreSQL has no such text to ask with.
        if parts.uri.path().contains("%00") {
            return Err(ApiError::not_found());
        }
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => Err(ApiError::not_found()),
            Err(rejection) => Err(ApiError::new(&code::INVALID_REQUEST).detail(rejection.body_text())),
        }
    }
}
