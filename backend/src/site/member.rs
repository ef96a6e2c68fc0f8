//! A member's token: a JWT that the site's own login signed.
//!
//! The algorithm is pinned to the key and never taken from the token; `kid` picks among the site's
//! keys and never loads one; the audience must be the site; a token must end, and soon.

use std::sync::Arc;

use jalon_shared::{
    Lang, Timestamp, UserId,
    weight::{Weight, block},
    wire::admin_site::KeyAlgorithm,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Site,
    jwks::KeySets,
    strength::{self, Weak},
};
use crate::cohort;
use crate::kept::{Filling, Kept};

/// The most names of a token's audience that are looked up.
const MAX_AUDIENCE: usize = 8;

/// How far the site's clock may be from ours, in seconds.
pub const LEEWAY_SECONDS: i64 = 60;

/// A key that signs the members' tokens of a site, ready to verify.
#[derive(Clone)]
pub struct SigningKey {
    /// Its id.
    pub id: Uuid,
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// The `kid` of its tokens, if it has one.
    pub kid: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// From when on it is no longer valid.
    pub expires_at: Option<Timestamp>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret {
        key: DecodingKey,
        text: String,
    },
    Public {
        algorithm: Algorithm,
        key: DecodingKey,
        pem: String,
    },
    KeySet {
        url: String,
    },
    /// A row that can't be used; it verifies nothing.
    Broken,
}

impl std::fmt::Debug for SigningKey {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What a key was made from can't be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadKey {
    /// What everybody may know is no secret.
    #[error("a PEM key is no HS256 secret: whoever knows it could sign; choose RS256, ES256 or EdDSA for a public key")]
    KeyAsSecret,
    /// Too short to withstand guessing.
    #[error("an HS256 secret has at least 32 bytes")]
    ShortSecret,
    /// Not the PEM of a public key of this kind.
    #[error("this is not the PEM of a public key for {0}")]
    NotAPublicKey(&'static str),
    /// Somebody pasted the wrong half.
    #[error(
        "this is a private key; only the public key belongs here (and this one is now known to others: make a new pair)"
    )]
    PrivateKey,
    /// Whoever wants to can sign with it.
    #[error("{0}")]
    Weak(#[from] Weak),
    /// Not an address of a key set.
    #[error("the address of the key set must be https (http for localhost only)")]
    NotAnAddress,
}

impl SigningKey {
    /// A key of what the database holds. What can't be used verifies nothing.
    pub fn from_row(
        id: Uuid,
        algorithm: KeyAlgorithm,
        kid: Option<String>,
        material: &str,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Self {
        let material = Material::read(algorithm, material).unwrap_or_else(|error| {
            tracing::error!(key = %id, %error, "a signing key can't be used");
            Material::Broken
        });
        Self { id, algorithm, kid, created_at, expires_at, material }
    }

    /// Whether it verifies tokens now.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }

    /// What of it may be shown: a public key or an address, never a secret.
    pub fn public(&self) -> Option<&str> {
        match &self.material {
            Material::Public { pem, .. } => Some(pem),
            Material::KeySet { url } => Some(url),
            Material::Secret { .. } | Material::Broken => None,
        }
    }

    /// The shared secret, for signing a token to try things out (`jalon token member`).
    pub fn secret(&self) -> Option<&str> {
        match &self.material {
            Material::Secret { text, .. } => Some(text),
            _ => None,
        }
    }
}

impl Material {
    fn read(algorithm: KeyAlgorithm, text: &str) -> Result<Self, BadKey> {
        let public = |algorithm: Algorithm, key: Result<DecodingKey, jsonwebtoken::errors::Error>| {
            if text.contains("PRIVATE KEY") {
                return Err(BadKey::PrivateKey);
            }
            match key {
                Ok(key) if text.contains("PUBLIC KEY") => {
                    strength::check(algorithm, &key)?;
                    Ok(Self::Public { algorithm, key, pem: text.trim().to_owned() })
                }
                _ => Err(BadKey::NotAPublicKey(match algorithm {
                    Algorithm::RS256 => "RS256",
                    Algorithm::ES256 => "ES256",
                    _ => "EdDSA",
                })),
            }
        };
        match algorithm {
            KeyAlgorithm::HS256 if text.len() < 32 => Err(BadKey::ShortSecret),
            KeyAlgorithm::HS256 if text.contains("-----BEGIN") => Err(BadKey::KeyAsSecret),
            KeyAlgorithm::HS256 => {
                Ok(Self::Secret { key: DecodingKey::from_secret(text.as_bytes()), text: text.to_owned() })
            }
            KeyAlgorithm::RS256 => public(Algorithm::RS256, DecodingKey::from_rsa_pem(text.as_bytes())),
            KeyAlgorithm::ES256 => public(Algorithm::ES256, DecodingKey::from_ec_pem(text.as_bytes())),
            KeyAlgorithm::EdDSA => public(Algorithm::EdDSA, DecodingKey::from_ed_pem(text.as_bytes())),
            KeyAlgorithm::JWKS if super::valid::is_web_address(text) => Ok(Self::KeySet { url: text.to_owned() }),
            KeyAlgorithm::JWKS => Err(BadKey::NotAnAddress),
        }
    }
}

/// Checks that a key can be used, before it is stored.
pub fn check_material(algorithm: KeyAlgorithm, text: &str) -> Result<(), BadKey> {
    Material::read(algorithm, text).map(drop)
}

/// What a member may do beyond learning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Learns.
    Member,
    /// Teaches.
    Instructor,
    /// Writes courses and tracks.
    CourseManager,
    /// Grades open answers.
    Grader,
    /// Sees the progress of their cohorts.
    Coach,
    /// Sees the progress of the academy.
    AcademyDirector,
    /// Runs the site.
    SiteAdmin,
}

/// A member, as the site's login vouches for them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Who it is.
    pub user: UserId,
    /// Their name, if the site tells.
    pub name: Option<String>,
    /// Their e-mail address, if the site tells.
    pub email: Option<String>,
    /// Their language, if the site tells.
    pub lang: Option<Lang>,
    /// What they may do; roles that Jalon does not know are left out.
    pub roles: Vec<Role>,
    /// The groups they belong to.
    pub cohorts: Vec<String>,
    /// When the token ends.
    pub expires_at: Timestamp,
}

impl Member {
    /// Bytes that it takes besides its own size.
    fn heap(&self) -> usize {
        block(self.user.as_str().len())
            + self.name.heap()
            + self.email.heap()
            + self.lang.heap()
            + block(self.roles.capacity() * size_of::<Role>())
            + self.cohorts.heap()
    }
}

/// Why a token is not taken. What it says is safe to show: it helps whoever signs tokens, and no attacker.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT, or not signed by one of the site's keys with that key's algorithm.
    #[error("the token is not valid for this site: {0}")]
    Invalid(&'static str),
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// The site's key set can't be had, so nobody can tell.
    #[error("the site's key set can't be fetched")]
    KeySetUnavailable,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    aud: Option<Audience>,
    #[serde(default)]
    site: Option<String>,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    lang: Option<String>,
    #[serde(default)]
    roles: Option<Vec<serde_json::Value>>,
    #[serde(default)]
    cohorts: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// Reads members' tokens.
#[derive(Debug)]
pub struct MemberTokens {
    key_sets: KeySets,
    max_lifetime_seconds: i64,
    /// Tokens with a costly signature that were verified lately.
    verified: Arc<VerifiedTokens>,
}

/// By the hashes of the tokens.
type VerifiedTokens = Kept<[u8; 32], Arc<Verified>>;

#[derive(Debug)]
struct Verified {
    member: Member,
    site: Uuid,
    /// A change of the site's keys lets its revision grow, and so ends this.
    revision: i64,
    until: Timestamp,
}

/// Bytes of memory for verified tokens: some ten thousand of usual size. One site's tokens don't push out others'.
const REMEMBERED: usize = 4 * 1024 * 1024;
/// How long, in seconds: as long as a key set is.
const REMEMBER_SECONDS: i64 = 600;

impl MemberTokens {
    /// With the key sets of other servers, and how long a token may be valid, in seconds.
    pub fn new(key_sets: KeySets, max_lifetime_seconds: i64) -> Self {
        Self { key_sets, max_lifetime_seconds, verified: Arc::new(Kept::new(REMEMBERED)) }
    }

    /// Says how full the memory for verified tokens is.
    pub fn filling(&self) -> impl Fn() -> Filling + Send + Sync + use<> {
        let verified = Arc::clone(&self.verified);
        move || verified.filling()
    }

    /// The key sets of other servers.
    pub fn key_sets(&self) -> &KeySets {
        &self.key_sets
    }

    /// The one site that a token is for, where the address names none: its `site`, else the only one of its
    /// audience that `known` knows. Nothing is verified: that site's keys decide. Never the first of several:
    /// in which the token counts is not to hang on the order of a list.
    pub fn site<T>(token: &str, known: impl Fn(&str) -> Option<T>) -> Result<T, TokenError> {
        let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(token)
            .map_err(|_| TokenError::Invalid("its claims can't be read"))?;
        let mut names: Vec<&str> = match (&claims.site, &claims.aud) {
            (Some(site), _) => vec![site],
            (None, Some(audience)) => audience.names().iter().take(MAX_AUDIENCE).map(String::as_str).collect(),
            (None, None) => Vec::new(),
        };
        names.sort_unstable();
        names.dedup();
        let mut sites = names.into_iter().filter_map(known);
        match (sites.next(), sites.next()) {
            (Some(site), None) => Ok(site),
            (None, _) => Err(TokenError::Invalid("it names no site in its audience (aud)")),
            (Some(_), Some(_)) => {
                Err(TokenError::Invalid("its audience (aud) has several sites; name the one it is for in site"))
            }
        }
    }

    /// The member that a token vouches for, on this site.
    pub async fn read(&self, site: &Site, token: &str, now: Timestamp) -> Result<Member, TokenError> {
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| TokenError::Invalid("it is not a JWT with a known algorithm"))?;
        // What its signer says must be understood, and is not, makes it invalid (RFC 7515, 4.1.11). We
        // understand no extension.
        if header.crit.is_some() {
            return Err(TokenError::Invalid("its header asks for an extension (crit)"));
        }
        if header.alg == Algorithm::HS256 {
            return self.verify(site, token, &header, now).await.map(|(member, _)| member);
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.verified.get(&hash)
            && known.site == site.id.0
            && known.revision == site.revision
            && now < known.until
        {
            return Ok(known.member.clone());
        }
        let (member, key_ends) = self.verify(site, token, &header, now).await?;
        let until = now.plus_seconds(REMEMBER_SECONDS).min(member.expires_at);
        let until = key_ends.map_or(until, |ends| until.min(ends));
        let bytes = size_of::<Verified>() + 16 + member.heap();
        let known = Verified { member: member.clone(), site: site.id.0, revision: site.revision, until };
        self.verified.put(&hash, site.id, bytes, false, Arc::new(known));
        Ok(member)
    }

    /// The member, and when the key that signed ceases to be valid.
    async fn verify(
        &self,
        site: &Site,
        token: &str,
        header: &jsonwebtoken::Header,
        now: Timestamp,
    ) -> Result<(Member, Option<Timestamp>), TokenError> {
        let mut unavailable = false;
        for key in site.signing_keys.iter().filter(|key| key.is_live(now)) {
            if key.kid.is_some() && header.kid.is_some() && key.kid != header.kid {
                continue;
            }
            let ends = key.expires_at;
            match &key.material {
                Material::Secret { key, .. } if header.alg == Algorithm::HS256 => {
                    if let Some(claims) = signed(token, key, Algorithm::HS256)? {
                        return self.accept(site, claims, now).map(|member| (member, ends));
                    }
                }
                Material::Public { algorithm, key, .. } if header.alg == *algorithm => {
                    if let Some(claims) = signed(token, key, *algorithm)? {
                        return self.accept(site, claims, now).map(|member| (member, ends));
                    }
                }
                Material::KeySet { url } if header.alg != Algorithm::HS256 => {
                    match self.key_sets.keys(site.id, url, header.kid.as_deref(), header.alg, now).await {
                        Ok(keys) => {
                            for key in &keys {
                                if let Some(claims) = signed(token, key, header.alg)? {
                                    return self.accept(site, claims, now).map(|member| (member, ends));
                                }
                            }
                        }
                        Err(_) => unavailable = true,
                    }
                }
                _ => {}
            }
        }
        Err(if unavailable {
            TokenError::KeySetUnavailable
        } else {
            TokenError::Invalid("none of the site's live keys has signed it with its own algorithm")
        })
    }

    fn accept(&self, site: &Site, claims: Claims, now: Timestamp) -> Result<Member, TokenError> {
        let audience = claims.aud.as_ref().map(Audience::names).unwrap_or_default();
        if !audience.contains(&site.slug) || claims.site.as_ref().is_some_and(|name| *name != site.slug) {
            return Err(TokenError::Invalid("its audience (aud) is not the site's slug"));
        }
        let expires_at = claims.exp.and_then(moment).ok_or(TokenError::Invalid("it has no end (exp)"))?;
        if now.0 >= expires_at.plus_seconds(LEEWAY_SECONDS).0 {
            return Err(TokenError::Expired);
        }
        if expires_at > now.plus_seconds(self.max_lifetime_seconds + LEEWAY_SECONDS) {
            return Err(TokenError::Invalid("it is valid for too long (exp)"));
        }
        for (begin, why) in
            [(claims.nbf, "it is not valid yet (nbf)"), (claims.iat, "it was issued in the future (iat)")]
        {
            if begin.is_some_and(|begin| moment(begin).is_none_or(|begin| begin > now.plus_seconds(LEEWAY_SECONDS))) {
                return Err(TokenError::Invalid(why));
            }
        }
        let user =
            claims.sub.and_then(|sub| UserId::parse(&sub).ok()).ok_or(TokenError::Invalid("it names nobody (sub)"))?;
        Ok(Member {
            user,
            name: claims.name.map(|name| name.chars().filter(|c| !c.is_control()).take(200).collect()),
            email: claims.email.filter(|email| email.len() <= 320 && !email.chars().any(char::is_control)),
            lang: claims.lang.and_then(|lang| Lang::parse(&lang).ok()),
            roles: claims
                .roles
                .unwrap_or_default()
                .into_iter()
                .filter_map(|role| serde_json::from_value(role).ok())
                .collect(),
            // No cohort has another name; and PostgreSQL has no text with a NUL to ask for one.
            cohorts: claims
                .cohorts
                .unwrap_or_default()
                .into_iter()
                .filter(|cohort| cohort::store::is_name(cohort))
                .collect(),
            expires_at,
        })
    }
}

/// The claims, if this key signed them with this algorithm. Times and audience are ours to judge: they
/// come from our clock and our site.
fn signed(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Option<Claims>, TokenError> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    match jsonwebtoken::decode::<Claims>(token, key, &validation) {
        Ok(data) => Ok(Some(data.claims)),
        Err(error) => match error.kind() {
            // Signed by this key, but not what we can read: no other key will do better.
            ErrorKind::Json(_) | ErrorKind::Utf8(_) => Err(TokenError::Invalid("its claims can't be read")),
            _ => Ok(None),
        },
    }
}

/// A `NumericDate` (RFC 7519), if it is one of the years that calendars have.
fn moment(seconds: f64) -> Option<Timestamp> {
    if !(0.0..=253_402_300_799.0).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie within the years 1970–9999")]
    let millis = (seconds * 1000.0) as i64;
    Some(Timestamp(millis))
}
