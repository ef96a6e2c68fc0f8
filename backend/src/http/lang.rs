//! Which languages a request asks for (L1).

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use jalon_shared::Lang;

use super::error::ApiError;

/// The languages a request names, in order of preference: `?lang=` alone (a list by commas), else
/// `Accept-Language`. The site's default comes after them: see [`Langs::or_default`].
///
/// A `?lang=` that is no language tag is 422 `invalid_value`; an `Accept-Language` nobody can read is none.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Langs(pub Vec<Lang>);

impl Langs {
    /// Reads query and header.
    pub fn read(parts: &Parts) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
        if let Some(asked) = asked {
            let asked = asked.replace("%2C", ",").replace("%2c", ",");
            let wanted: Result<Vec<Lang>, _> = asked.split(',').take(10).map(Lang::parse).collect();
            return wanted.map(Self).map_err(|error| ApiError::invalid_value("/lang", format!("{error}.")));
        }
        let header = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self(header.map(Lang::parse_accept).unwrap_or_default()))
    }

    /// With the site's default language at the end. A language that comes from the token stands
    /// between what the request names and the default.
    #[must_use]
    pub fn or_default(mut self, of_learner: Option<&Lang>, default: &Lang) -> Vec<Lang> {
        if self.0.is_empty() {
            self.0.extend(of_learner.cloned());
        }
        if !self.0.contains(default) {
            self.0.push(default.clone());
        }
        self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Langs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::read(parts)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(uri: &str, accept: &str) -> Result<String, u16> {
        let request = axum::http::Request::builder().uri(uri).header("accept-language", accept).body(()).unwrap();
        Langs::read(&request.into_parts().0)
            .map(|langs| langs.0.iter().map(Lang::as_str).collect::<Vec<_>>().join(" "))
            .map_err(|error| error.problem().status)
    }

    #[test]
    fn l1_query_before_header() {
        assert_eq!(read("/?lang=sv", "fr, en;q=0.5"), Ok("sv".into()));
        assert_eq!(read("/?a=b&lang=sv,pt-br", "fr"), Ok("sv pt-BR".into()));
        assert_eq!(read("/", "en;q=0.5, fr, *;q=0.1"), Ok("fr en".into()));
        assert_eq!(read("/", "???"), Ok(String::new()));
        assert_eq!(read("/?lang=", "fr"), Err(422));
        assert_eq!(read("/?lang=%3Cscript%3E", "fr"), Err(422));
    }
}
