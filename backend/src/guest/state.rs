//! What a merge does to a guest's row (M3, M5).

use jalon_shared::{GuestId, Learner, SiteId, Timestamp, UserId};

use super::store::{GuestState, guest_state, state};
use crate::{
    db::{DbError, Tx, on},
    http::{code, error::ApiError},
};

/// One guest's state, locked where the database locks rows: who asks next waits for this transaction.
pub async fn state_for_update(tx: &mut Tx<'_>, site: SiteId, guest: GuestId) -> Result<Option<GuestState>, DbError> {
    const SQLITE: &str = "SELECT merged_into, revoked_at IS NOT NULL FROM guest WHERE site_id = $1 AND id = $2";
    // `FOR UPDATE`, though no key changes: an insert of whatever refers to this guest waits too, so that a merge or an
    // erasure misses nothing. No crowd refers to one guest.
    const POSTGRES: &str =
        "SELECT merged_into, revoked_at IS NOT NULL FROM guest WHERE site_id = $1 AND id = $2 FOR UPDATE";
    let sql = tx.pick(SQLITE, POSTGRES);
    let row: Option<(Option<String>, bool)> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(guest.0).fetch_optional(conn).await)?;
    row.map(|(merged_into, revoked)| state(revoked, merged_into)).transpose()
}

/// Holds a guest until the end of the transaction, so that a merge comes before or after (M8); refuses one who
/// writes no more (E3, M5).
pub async fn hold(tx: &mut Tx<'_>, site: SiteId, guest: GuestId) -> Result<(), ApiError> {
    may_write(&state_for_update(tx, site, guest).await?.unwrap_or(GuestState::Revoked))
}

/// Refuses a guest who writes no more (E3, M5).
pub fn may_write(state: &GuestState) -> Result<(), ApiError> {
    match state {
        GuestState::Live => Ok(()),
        GuestState::Merged(_) => Err(ApiError::new(&code::GUEST_MERGED)),
        GuestState::Revoked => Err(ApiError::token_revoked()),
    }
}

/// What to say to a learner whose own is not there: 409 `guest_merged` to a guest who became a member (M5), for it is
/// the member's now; nothing special to others. In the transaction that looked, so that it costs nothing where
/// something was found: a merge leaves nothing to its guest.
pub async fn may_read(tx: &mut Tx<'_>, site: SiteId, learner: &Learner) -> Result<(), ApiError> {
    match learner {
        Learner::User(_) => Ok(()),
        Learner::Guest(guest) => match guest_state(tx, site, *guest).await? {
            GuestState::Merged(_) => Err(ApiError::new(&code::GUEST_MERGED)),
            // A revoked token is refused before; one whose row is gone has nothing to be shown.
            GuestState::Live | GuestState::Revoked => Ok(()),
        },
    }
}

/// The receipt of a guest's merge (M3, M7).
pub async fn receipt(tx: &mut Tx<'_>, site: SiteId, guest: GuestId) -> Result<Option<String>, DbError> {
    const SQL: &str = "SELECT receipt FROM guest WHERE site_id = $1 AND id = $2 AND receipt IS NOT NULL";
    Ok(on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(guest.0).fetch_optional(conn).await)?)
}

/// Marks a guest as merged, once.
pub async fn mark_merged(
    tx: &mut Tx<'_>,
    site: SiteId,
    guest: GuestId,
    user: &UserId,
    receipt: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE guest SET merged_into = $3, merged_at = $4, receipt = $5 WHERE site_id = $1 AND id = $2 AND merged_into IS NULL";
    on!(tx, conn => sqlx::query(SQL).bind(site.0).bind(guest.0).bind(user.as_str()).bind(now.0).bind(receipt).execute(conn).await.map(drop))?;
    Ok(())
}
