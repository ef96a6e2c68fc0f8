//! Which compressed form a caller takes (RFC 9110, 12.5.3), and answers that are kept in it.

use std::io::Write as _;

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};

/// A form in which an answer can be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// `br`
    Brotli,
    /// `gzip`
    Gzip,
    /// As it is.
    Identity,
}

impl Encoding {
    /// For `Content-Encoding`.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    /// Makes the entity tags of the forms differ, as they must.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => "-br",
            Self::Gzip => "-gz",
            Self::Identity => "",
        }
    }
}

/// The smallest form there is that the header allows: any weight above 0 will do.
pub fn best(accepted: &str, brotli: bool, gzip: bool) -> Encoding {
    let allows = |name: &str| {
        let mut any = false;
        for part in accepted.split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let coding = pieces.next().unwrap_or_default();
            let weight = pieces.find_map(|piece| piece.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if coding.eq_ignore_ascii_case(name) {
                return weight > 0.0;
            }
            any |= coding == "*" && weight > 0.0;
        }
        any
    };
    if brotli && allows("br") {
        Encoding::Brotli
    } else if gzip && allows("gzip") {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

/// What the caller's `Accept-Encoding` says; empty where there is none.
#[derive(Clone, Default, Debug)]
pub struct Accepts(String);

impl Accepts {
    /// The form for an answer that is kept ready: packing costs once.
    pub fn ready(&self) -> Encoding {
        best(&self.0, false, true)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Accepts {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let said = parts.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        Ok(Self(said.unwrap_or_default().to_owned()))
    }
}

impl Encoding {
    /// A body in this form; only `gzip` is made here.
    pub fn pack(self, body: Vec<u8>) -> Vec<u8> {
        if self != Self::Gzip {
            return body;
        }
        let mut encoder =
            flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::best());
        // Writing to a Vec can't fail; if it did, an empty answer would be wrong, not half of one.
        encoder.write_all(&body).and_then(|()| encoder.finish()).unwrap_or_default()
    }

    /// Says of a response that its body is in this form, and that others get others.
    pub fn on(self, mut response: Response) -> Response {
        if let (Some(name), StatusCode::OK) = (self.name(), response.status()) {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_form_allowed() {
        let cases = [
            ("", Encoding::Identity),
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip;q=1.0, br;q=0.1", Encoding::Brotli),
            ("gzip, br;q=0", Encoding::Gzip),
            ("GZIP", Encoding::Gzip),
            ("*", Encoding::Brotli),
            ("*;q=0.5, br;q=0", Encoding::Gzip),
            ("identity", Encoding::Identity),
            ("br; q=nonsense", Encoding::Identity),
        ];
        for (accepted, expected) in cases {
            assert_eq!(best(accepted, true, true), expected, "{accepted}");
        }
        assert_eq!(best("br, gzip", false, true), Encoding::Gzip);
        assert_eq!(best("br", false, false), Encoding::Identity);
    }
}
