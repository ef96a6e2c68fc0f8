//! Lists in pages: `?limit=` (1–100, 20 when left out) and an opaque `?cursor=`, sealed for the list and the site
//! ([`cursor`](super::cursor)).

use axum::{
    RequestPartsExt,
    extract::{FromRequestParts, MatchedPath, RawPathParams},
    http::request::Parts,
};
use jalon_shared::SiteId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{auth::site_in_path, code, cursor::Cursors, error::ApiError, json::holds_nul, query::ApiQuery};
use crate::app::AppState;

/// What part of a list is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// 1–100.
    pub limit: u32,
    /// From the page before; read it with [`Page::after`].
    pub cursor: Option<String>,
    /// The list that its cursors belong to.
    list: List,
}

#[derive(Deserialize)]
struct Raw {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A list, as its cursors are bound to it: its site and its address, without the query.
#[derive(Clone, Debug)]
pub struct List {
    cursors: Cursors,
    name: String,
}

impl List {
    /// A list of this name.
    pub fn new(cursors: &Cursors, site: Option<SiteId>, name: &str) -> Self {
        let site = site.map(|site| site.0.to_string()).unwrap_or_default();
        Self { cursors: cursors.clone(), name: format!("{site} {name}") }
    }
}

impl FromRequestParts<AppState> for List {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        // As the address names it once it is decoded: there are several ways to write the same one.
        let mut name = parts.extract::<MatchedPath>().await.map(|path| path.as_str().to_owned()).unwrap_or_default();
        if let Ok(params) = parts.extract::<RawPathParams>().await {
            for (_, value) in &params {
                name.push('\n');
                name.push_str(value);
            }
        }
        let site = site_in_path(parts.uri.path()).and_then(|slug| state.gate.sites.by_slug(slug));
        Ok(Self::new(&state.gate.cursors, site.map(|site| site.id), &name))
    }
}

impl FromRequestParts<AppState> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let (limit, cursor) = Self::asked(parts).await?;
        Ok(Self::new(limit, cursor, List::from_request_parts(parts, state).await?))
    }
}

impl Page {
    /// Of a list whose place and limit come otherwise than in the query.
    pub fn new(limit: u32, cursor: Option<String>, list: List) -> Self {
        Self { limit, cursor, list }
    }

    /// The limit and the cursor of a query; the cursor as it came.
    pub async fn asked(parts: &mut Parts) -> Result<(u32, Option<String>), ApiError> {
        let ApiQuery(raw) = ApiQuery::<Raw>::from_request_parts(parts, &()).await?;
        let limit = raw.limit.unwrap_or(20);
        if (1..=100).contains(&limit) {
            Ok((limit, raw.cursor))
        } else {
            Err(ApiError::invalid_value("/limit", "A page holds 1 to 100 items."))
        }
    }

    /// The place the page begins after, or none for the first one.
    pub fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, ApiError> {
        let Some(cursor) = self.cursor.as_deref() else { return Ok(None) };
        let bytes = self.list.cursors.open(&self.list.name, cursor).filter(|bytes| !holds_nul(bytes));
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
        let next = items.last().filter(|_| more).map(|last| self.cursor(&place(last)));
        (items, next)
    }

    /// The cursor of the page after this place.
    pub fn cursor(&self, place: &impl Serialize) -> String {
        self.list.cursors.seal(&self.list.name, &serde_json::to_vec(place).unwrap_or_default())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_round() {
        let list = List::new(&Cursors::new(b"secret"), None, "numbers");
        let page = |cursor: Option<String>| Page::new(2, cursor, list.clone());
        assert_eq!(page(None).after::<u32>().unwrap(), None);
        let (items, next) = page(None).cut(vec![1, 2, 3], |item| *item);
        assert_eq!(items, [1, 2]);
        let second = page(next);
        assert_eq!(second.after::<u32>().unwrap(), Some(2));
        assert_eq!(second.cut(vec![3], |item| *item), (vec![3], None));
        for bad in ["x", "Mg", ""] {
            assert_eq!(page(Some(bad.into())).after::<u32>().unwrap_err().problem().status, 400);
        }
    }
}
