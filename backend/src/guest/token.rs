//! Guest tokens (E3): signed by the server, they end, and name site and guest.
//!
//! A guest token is a JWT of its own kind: its header is one constant text, it is signed with the
//! server's secret and never with a site's, and its issuer is Jalon. So it can't be taken for a
//! member's token, nor a member's for a guest's. It is made of the guest's row alone: the same guest
//! always gets the same token, and no token is stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use jalon_shared::{GuestId, SiteId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The header of every guest token, and of nothing else.
const HEADER: &str = r#"{"alg":"HS256","typ":"jalon-guest+jwt"}"#;
const ISSUER: &str = "jalon";

/// Makes and reads guest tokens.
#[derive(Clone)]
pub struct GuestTokens {
    mac: Hmac<Sha256>,
    /// The encoded header with its dot.
    start: String,
}

impl std::fmt::Debug for GuestTokens {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestTokens").finish_non_exhaustive()
    }
}

/// What a guest token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuestClaims {
    /// The site it is for.
    pub site: SiteId,
    /// The guest.
    pub guest: GuestId,
}

/// As the token holds it; times in seconds (RFC 7519).
#[derive(Serialize, Deserialize)]
struct Claims<'a> {
    iss: &'a str,
    site: SiteId,
    sub: GuestId,
    iat: i64,
    exp: i64,
}

/// Why a guest token is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GuestTokenError {
    /// Not ours, or tampered with.
    #[error("the guest token is not valid")]
    Invalid,
    /// It was good once.
    #[error("the guest token has expired")]
    Expired,
}

impl GuestTokens {
    /// With the server's secret.
    pub fn new(secret: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self { mac, start: format!("{}.", URL_SAFE_NO_PAD.encode(HEADER)) }
    }

    /// The token of a guest; always the same for the same row.
    pub fn mint(&self, site: SiteId, guest: GuestId, created_at: Timestamp, expires_at: Timestamp) -> String {
        let claims = Claims {
            iss: ISSUER,
            site,
            sub: guest,
            iat: created_at.0.div_euclid(1000),
            exp: expires_at.0.div_euclid(1000),
        };
        let claims = serde_json::to_vec(&claims).unwrap_or_default();
        let mut token = self.start.clone();
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.mac.clone().chain_update(token.as_bytes()).finalize().into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// Whether a bearer token is of this kind at all, by its constant beginning.
    pub fn is_one(&self, token: &str) -> bool {
        token.starts_with(&self.start)
    }

    /// What a token says, if we signed it and it has not ended.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<GuestClaims, GuestTokenError> {
        let (claims, exp) = self.verify(token).ok_or(GuestTokenError::Invalid)?;
        if now.0.div_euclid(1000) >= exp { Err(GuestTokenError::Expired) } else { Ok(claims) }
    }

    /// What a token says and when it ends, if we signed it; the merge takes a token that has ended, too.
    pub fn verify(&self, token: &str) -> Option<(GuestClaims, i64)> {
        let (signed, signature) = token.rsplit_once('.')?;
        let claims = signed.strip_prefix(&self.start)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // Compared in constant time; nothing of the claims is read before.
        self.mac.clone().chain_update(signed.as_bytes()).verify_slice(&signature).ok()?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let claims: Claims<'_> = serde_json::from_slice(&claims).ok()?;
        (claims.iss == ISSUER).then_some((GuestClaims { site: claims.site, guest: claims.sub }, claims.exp))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use uuid::Uuid;

    use super::*;

    const BORN: Timestamp = Timestamp(1_763_640_000_123);

    fn token(secret: &[u8]) -> String {
        GuestTokens::new(secret).mint(
            SiteId(Uuid::from_u128(1)),
            GuestId(Uuid::from_u128(2)),
            BORN,
            BORN.plus_seconds(100),
        )
    }

    #[test]
    fn e3_a_token_is_the_same_for_the_same_guest_and_ends() {
        let tokens = GuestTokens::new(b"secret");
        let token = token(b"secret");
        assert_eq!(token, self::token(b"secret"));
        let claims = tokens.read(&token, BORN).unwrap();
        assert_eq!((claims.site, claims.guest), (SiteId(Uuid::from_u128(1)), GuestId(Uuid::from_u128(2))));
        assert_eq!(tokens.read(&token, BORN.plus_seconds(100)), Err(GuestTokenError::Expired));
        // It is a JWT that anybody can look into.
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().typ.as_deref(), Some("jalon-guest+jwt"));
    }

    #[test]
    fn e3_forged_tokens_are_refused() {
        let tokens = GuestTokens::new(b"secret");
        let good = token(b"secret");
        let parts: Vec<&str> = good.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"jalon-guest+jwt"}"#);
        let member = jsonwebtoken::encode(
            &jsonwebtoken::Header::default(),
            &serde_json::json!({"iss": "jalon", "site": Uuid::from_u128(1), "sub": Uuid::from_u128(2), "iat": 0, "exp": 9_999_999_999_u64}),
            &jsonwebtoken::EncodingKey::from_secret(b"secret"),
        )
        .unwrap();
        for forged in [
            token(b"another secret"),
            format!("{none}.{}.", parts[1]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode("{}"), parts[2]),
            format!("{good}="),
            format!("{good}.{}", parts[2]),
            member,
            String::new(),
            "..".into(),
        ] {
            assert_eq!(tokens.read(&forged, BORN), Err(GuestTokenError::Invalid), "{forged}");
        }
    }
}
