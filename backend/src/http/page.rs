//! Lists in pages: `?limit=` (1–100, 20 when left out) and an opaque `?cursor=`.

use axum::{extract::FromRequestParts, http::request::Parts};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{code, error::ApiError, json::holds_nul, query::ApiQuery};

/// What part of a list is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// 1–100.
    pub limit: u32,
    /// From the page before; read it with [`Page::after`].
    pub cursor: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let ApiQuery(raw) = ApiQuery::<Raw>::from_request_parts(parts, state).await?;
        let limit = raw.limit.unwrap_or(20);
        if !(1..=100).contains(&limit) {
            return Err(ApiError::invalid_value("/limit", "A page holds 1 to 100 items."));
        }
        Ok(Self { limit, cursor: raw.cursor })
    }
}

impl Page {
    /// The place the page begins after, or none for the first one.
    pub fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, ApiError> {
        let Some(cursor) = self.cursor.as_deref() else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|bytes| !holds_nul(bytes));
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).map(Some).ok_or_else(|| {
            ApiError::new(&code::INVALID_CURSOR).field(
                "/cursor",
                "invalid_cursor",
                "Take it from next_cursor, unchanged.",
            )
        })
    }

    /// Cuts what was fetched with a limit of one more than asked for, and makes the cursor of the next page.
    pub fn cut<T, C: Serialize>(&self, mut items: Vec<T>, place: impl Fn(&T) -> C) -> (Vec<T>, Option<String>) {
        let limit = usize::try_from(self.limit).unwrap_or(100);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| Self::cursor(&place(last)));
        (items, next)
    }

    /// The cursor of the page after this place.
    pub fn cursor(place: &impl Serialize) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_round() {
        let page = Page { limit: 2, cursor: None };
        assert_eq!(page.after::<u32>().unwrap(), None);
        let (items, next) = page.cut(vec![1, 2, 3], |item| *item);
        assert_eq!(items, [1, 2]);
        let page = Page { limit: 2, cursor: next };
        assert_eq!(page.after::<u32>().unwrap(), Some(2));
        assert_eq!(page.cut(vec![3], |item| *item), (vec![3], None));
        assert_eq!(Page { limit: 2, cursor: Some("x".into()) }.after::<u32>().unwrap_err().problem().status, 400);
    }
}
