//! Webhook endpoints and what was sent to them, as those see them who run a site.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// A new endpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateEndpoint {
    /// Where to send: `https://…`; http for loopback in development only (W5).
    #[cfg_attr(feature = "openapi", schema(example = "https://coaching.example/hooks/jalon"))]
    pub url: String,
    /// The types of events it wants; all, when empty or left out.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(example = json!(["coaching.learning_track.completed"])))]
    pub event_types: Vec<String>,
}

/// A change of an endpoint; what is left out stays.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeEndpoint {
    /// Where to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The types of events it wants; all, when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    /// Off: nothing new is announced to it, and what waits goes on waiting. On: it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// An endpoint, without its secrets.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndpointView {
    /// Its id.
    pub id: Uuid,
    /// Where it is.
    pub url: String,
    /// The types of events it gets; all, when empty.
    pub event_types: Vec<String>,
    /// Whether anything is sent to it.
    pub enabled: bool,
    /// Why Jalon itself switched it off: `gone`, when it answered 410.
    pub disabled_reason: Option<String>,
    /// Its secrets, without what is secret: several while they rotate.
    pub secrets: Vec<SecretView>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A secret, without what is secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretView {
    /// Its id.
    pub id: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ceases to sign; never, when null.
    pub expires_at: Option<Timestamp>,
}

/// A new endpoint with its secret, which is shown this once and never again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndpointCreated {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: EndpointView,
    /// `whsec_…`: what verifies the signatures.
    pub secret: String,
}

impl std::fmt::Debug for EndpointCreated {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointCreated").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The site's endpoints.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndpointList {
    /// The oldest first; a site has at most twenty.
    pub items: Vec<EndpointView>,
}

/// A rotation of an endpoint's secret.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateSecret {
    /// How long those before go on signing too, in seconds; a day, when left out; 0 to a week (604800).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_previous_after_seconds: Option<u32>,
}

/// A new secret, which is shown this once and never again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SecretCreated {
    /// Its id.
    pub id: Uuid,
    /// `whsec_…`: what verifies the signatures.
    pub secret: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When those before cease to sign.
    pub previous_expire_at: Timestamp,
}

impl std::fmt::Debug for SecretCreated {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretCreated").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How far a delivery is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waits for its first or next attempt.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Not tried again by itself; it can be replayed (W4).
    Parked,
}

impl DeliveryState {
    /// As the wire and the database say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Parked].into_iter().find(|state| state.as_str() == text)
    }
}

/// One event on its way to one endpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryView {
    /// Its id.
    pub id: Uuid,
    /// The endpoint.
    pub webhook_id: Uuid,
    /// The event's id: the header `webhook-id`, the same over all attempts (W3).
    pub event_id: Uuid,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How far it is.
    pub state: DeliveryState,
    /// Attempts made since it was written or last replayed.
    pub attempts: u32,
    /// When it is tried next; null when it is not.
    pub next_attempt_at: Option<Timestamp>,
    /// What the receiver answered last.
    pub last_status: Option<u16>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was delivered or parked.
    pub finished_at: Option<Timestamp>,
    /// The newest attempts, the newest first; twenty at most.
    pub attempt_log: Vec<AttemptView>,
}

/// One attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttemptView {
    /// When it began.
    pub at: Timestamp,
    /// What the receiver answered.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// The beginning of what the receiver said.
    pub response_excerpt: Option<String>,
}

/// A page of deliveries.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryList {
    /// The newest first.
    pub items: Vec<DeliveryView>,
    /// For the next page.
    pub next_cursor: Option<String>,
}

/// What came of a test event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestResult {
    /// Whether the receiver took it.
    pub delivered: bool,
    /// The event's id, as the receiver saw it in `webhook-id`.
    pub event_id: Uuid,
    /// What the receiver answered.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// The beginning of what the receiver said.
    pub response_excerpt: Option<String>,
}
