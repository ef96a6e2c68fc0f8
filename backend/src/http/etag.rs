//! Entity tags: `If-None-Match` on reads, `If-Match` on authoring writes (RFC 9110, 13.1).

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::error::ApiError;

/// A strong entity tag; hold it without the quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ETag(pub String);

impl ETag {
    /// The tag of a row's revision.
    pub fn revision(revision: i64) -> Self {
        Self(format!("r{revision}"))
    }

    /// The tag of an answer: of its bytes.
    pub fn of(body: &[u8]) -> Self {
        let hash = Sha256::digest(body);
        Self(URL_SAFE_NO_PAD.encode(&hash[..12]))
    }

    /// The header's value.
    pub fn value(&self) -> HeaderValue {
        HeaderValue::from_str(&format!("\"{}\"", self.0)).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }

    /// An answer with this tag.
    pub fn on(&self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        response.headers_mut().insert(header::ETAG, self.value());
        response
    }
}

/// What `If-Match` asks for: the write goes ahead only on this version.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct IfMatch(Option<String>);

impl IfMatch {
    /// 412 `version_conflict` unless the present tag is one that was named, or none was.
    pub fn check(&self, present: &ETag) -> Result<(), ApiError> {
        match &self.0 {
            Some(named) if !matches(named, present, false) => Err(ApiError::version_conflict()),
            _ => Ok(()),
        }
    }

    /// The same for what does not exist yet: any `If-Match` fails.
    pub fn check_absent(&self) -> Result<(), ApiError> {
        if self.0.is_some() { Err(ApiError::version_conflict()) } else { Ok(()) }
    }
}

/// What `If-None-Match` asks for: the answer is 304 when the caller has this version already.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct IfNoneMatch(Option<String>);

impl IfNoneMatch {
    /// 304 with the tag, if the caller has it; else none, and the answer must be made.
    pub fn not_modified(&self, present: &ETag) -> Option<Response> {
        self.0.as_ref().filter(|named| matches(named, present, true)).map(|_| present.on(StatusCode::NOT_MODIFIED))
    }
}

fn matches(named: &str, present: &ETag, weak: bool) -> bool {
    named.split(',').map(str::trim).any(|tag| {
        let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
        tag == "*" || tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) == Some(present.0.as_str())
    })
}

fn read(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(read(&parts.headers, &header::IF_MATCH)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(read(&parts.headers, &header::IF_NONE_MATCH)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_as_rfc_9110_says() {
        let present = ETag::revision(7);
        let check = |named: &str| IfMatch(Some(named.into())).check(&present).is_ok();
        assert!(check("\"r7\"") && check("\"r1\", \"r7\"") && check("*"));
        assert!(!check("\"r8\"") && !check("W/\"r7\"") && !check("r7") && !check(""));
        assert!(IfMatch(None).check(&present).is_ok());
        let has = |named: &str| IfNoneMatch(Some(named.into())).not_modified(&present).is_some();
        assert!(has("\"r7\"") && has("W/\"r7\"") && !has("\"r8\""));
        assert!(IfNoneMatch(None).not_modified(&present).is_none());
    }
}
