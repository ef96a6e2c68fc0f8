//! A guest comes into being.

use serde::{Deserialize, Serialize};

use crate::{GuestId, Timestamp};

/// What a guest is created from: nothing, so far.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateGuest {}

/// A new guest. The token is a bearer secret (E3): keep it in the page's storage, never in an address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestCreated {
    /// Who it is.
    pub guest_id: GuestId,
    /// Sent as `Authorization: Bearer …`.
    pub token: String,
    /// When the token ceases to be valid.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for GuestCreated {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestCreated")
            .field("guest_id", &self.guest_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
