//! Sites and their keys, as those see them who run them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::site::Look;
use crate::{Lang, SiteId, Timestamp};

/// A new site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateSite {
    /// Its name in addresses: 1–64 lower-case letters, digits and `-`. Never changes.
    #[cfg_attr(feature = "openapi", schema(example = "fpsf"))]
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The language used where a request names none.
    pub default_lang: Lang,
    /// The languages it offers; the default one when left out.
    #[serde(default)]
    pub languages: Vec<Lang>,
    /// The origins its pages live on: `https://host[:port]`, or http for loopback.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Where its members log in.
    #[serde(default)]
    pub login_url: Option<String>,
    /// How its widgets look.
    #[serde(default)]
    pub look: Look,
}

/// A change of a site; what is left out stays.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeSite {
    /// Its name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// The language used where a request names none.
    #[serde(default)]
    pub default_lang: Option<Lang>,
    /// The languages it offers.
    #[serde(default)]
    pub languages: Option<Vec<Lang>>,
    /// All the origins its pages live on.
    #[serde(default)]
    pub origins: Option<Vec<String>>,
    /// Where its members log in; null takes it away.
    #[serde(default, with = "some_or_null", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub login_url: Option<Option<String>>,
    /// How its widgets look.
    #[serde(default)]
    pub look: Option<Look>,
}

/// Tells a field that is null from one that is left out.
mod some_or_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(
        clippy::option_option,
        clippy::ref_option,
        reason = "left out, null and a value are three things; serde's signature"
    )]
    pub fn serialize<S: Serializer>(value: &Option<Option<String>>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    #[expect(clippy::option_option, reason = "left out, null and a value are three things")]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
        Option::<String>::deserialize(deserializer).map(Some)
    }
}

/// A site and everything about it but its secrets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdminSiteView {
    /// Its id.
    pub id: SiteId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The language used where a request names none.
    pub default_lang: Lang,
    /// The languages it offers.
    pub languages: Vec<Lang>,
    /// The origins its pages live on.
    pub origins: Vec<String>,
    /// Where its members log in.
    pub login_url: Option<String>,
    /// How its widgets look.
    pub look: Look,
    /// Grows with every change; the entity tag is made of it.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A page of sites.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AdminSiteList {
    /// By slug.
    pub items: Vec<AdminSiteView>,
    /// For the next page.
    pub next_cursor: Option<String>,
}

/// What a key allows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything on every site; only for keys of the whole server.
    ServerAdmin,
    /// Everything on the site.
    SiteAdmin,
    /// Read the site's settings.
    SiteRead,
    /// Read tracks as their authors write them.
    TracksRead,
    /// Write, publish and retire tracks.
    TracksWrite,
    /// Read courses, shared lessons and question banks as their authors write them.
    CoursesRead,
    /// Write, publish and deprecate courses; write shared lessons and question banks.
    CoursesWrite,
    /// Webhook endpoints, their secrets and deliveries.
    Webhooks,
    /// The audit trail.
    EventsRead,
    /// Statistics.
    StatisticsRead,
    /// Read, claim and grade open answers.
    Grading,
    /// API keys with no more than its own scopes; see the signing keys.
    KeysWrite,
    /// Revoke guests; export and erase learners.
    LearnersWrite,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::ServerAdmin,
        Self::SiteAdmin,
        Self::SiteRead,
        Self::TracksRead,
        Self::TracksWrite,
        Self::CoursesRead,
        Self::CoursesWrite,
        Self::Webhooks,
        Self::EventsRead,
        Self::StatisticsRead,
        Self::Grading,
        Self::KeysWrite,
        Self::LearnersWrite,
    ];

    /// As the wire says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServerAdmin => "server_admin",
            Self::SiteAdmin => "site_admin",
            Self::SiteRead => "site_read",
            Self::TracksRead => "tracks_read",
            Self::TracksWrite => "tracks_write",
            Self::CoursesRead => "courses_read",
            Self::CoursesWrite => "courses_write",
            Self::Webhooks => "webhooks",
            Self::EventsRead => "events_read",
            Self::StatisticsRead => "statistics_read",
            Self::Grading => "grading",
            Self::KeysWrite => "keys_write",
            Self::LearnersWrite => "learners_write",
        }
    }

    /// Whether holding this scope allows what needs `other`.
    pub fn covers(self, other: Self) -> bool {
        match self {
            Self::ServerAdmin => true,
            Self::SiteAdmin => other != Self::ServerAdmin,
            Self::TracksWrite => matches!(other, Self::TracksWrite | Self::TracksRead | Self::SiteRead),
            Self::CoursesWrite => matches!(other, Self::CoursesWrite | Self::CoursesRead | Self::SiteRead),
            own => own == other || other == Self::SiteRead,
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope)
    }
}

/// There is no such scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "there is no such scope; there are server_admin, site_admin, site_read, tracks_read, tracks_write, courses_read, courses_write, webhooks, events_read, statistics_read, grading, keys_write and learners_write"
)]
pub struct UnknownScope;

/// A new API key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// What it is for, for people.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it ceases to work. Left out: when the key that makes it does, else never.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// An API key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyView {
    /// Its id, for revoking it.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ceases to work.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A new API key with its secret, which is shown this once and never again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyCreated {
    /// The key.
    #[serde(flatten)]
    pub view: KeyView,
    /// Sent as `Authorization: Bearer …`.
    pub key: String,
}

impl std::fmt::Debug for KeyCreated {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyCreated").field("view", &self.view).finish_non_exhaustive()
    }
}

/// All API keys of a site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyList {
    /// The newest first.
    pub items: Vec<KeyView>,
}

/// How a site signs its members' tokens; pinned to the key, never taken from a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum KeyAlgorithm {
    /// HMAC-SHA256 with a shared secret.
    HS256,
    /// RSA PKCS#1 v1.5 with SHA-256; a public key.
    RS256,
    /// ECDSA on P-256 with SHA-256; a public key.
    ES256,
    /// Ed25519; a public key.
    EdDSA,
    /// A key set at an address: RS256, ES256 and `EdDSA` keys, each pinned to what it says it is for.
    JWKS,
}

impl KeyAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::HS256, Self::RS256, Self::ES256, Self::EdDSA, Self::JWKS];

    /// As the wire and the database say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::JWKS => "JWKS",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

/// A new signing key: exactly one of `secret`, `public_key` and `jwks_url`, as the algorithm needs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateSigningKey {
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// The `kid` of its tokens, which picks among several keys.
    #[serde(default)]
    pub kid: Option<String>,
    /// HS256: the shared secret, at least 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// RS256, ES256, `EdDSA`: the public key as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// JWKS: where the key set is, over https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// When it ceases to be valid; never, when left out.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for CreateSigningKey {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateSigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// When a signing key ceases to be valid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpireSigningKey {
    /// Now, when left out; a later time lets tokens under way run out.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// A signing key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SigningKeyView {
    /// Its id.
    pub id: Uuid,
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// The `kid` of its tokens.
    pub kid: Option<String>,
    /// The public key as PEM, or the address of the key set; never a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it ceases to be valid.
    pub expires_at: Option<Timestamp>,
}

/// All signing keys of a site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SigningKeyList {
    /// The newest first.
    pub items: Vec<SigningKeyView>,
}
