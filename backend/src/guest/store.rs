//! Rows of guests.

use std::collections::HashMap;

use jalon_shared::{GuestId, SiteId, Timestamp, UserId};
use uuid::Uuid;

use crate::db::{DbError, Rows, Tx, on};

/// What may be done in a guest's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GuestState {
    /// Everything a guest may do.
    Live,
    /// Nothing any more: 401 `token_revoked` (E3).
    Revoked,
    /// Nothing any more: 409 `guest_merged` (M5). The member they became.
    Merged(UserId),
}

/// Adds a guest.
pub async fn insert(
    tx: &mut Tx<'_>,
    site: SiteId,
    guest: GuestId,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    on!(tx, conn => sqlx::query("INSERT INTO guest (id, site_id, created_at, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(guest.0).bind(site.0).bind(now.0).bind(expires_at.0).execute(conn).await.map(drop))?;
    Ok(())
}

/// When a guest was created and when they expire.
pub async fn times(tx: &mut Tx<'_>, site: SiteId, guest: GuestId) -> Result<Option<(Timestamp, Timestamp)>, DbError> {
    let row: Option<(i64, i64)> = on!(tx, conn => sqlx::query_as("SELECT created_at, expires_at FROM guest WHERE site_id = $1 AND id = $2")
        .bind(site.0).bind(guest.0).fetch_optional(conn).await)?;
    Ok(row.map(|(created_at, expires_at)| (Timestamp(created_at), Timestamp(expires_at))))
}

/// The states of guests, in one statement: for the write path, inside the transaction that writes.
/// A guest whose row is gone (erased, expired) is missing in the answer: treat it as revoked.
pub async fn guest_states(
    tx: &mut Tx<'_>,
    guests: &[(SiteId, GuestId)],
) -> Result<HashMap<(SiteId, GuestId), GuestState>, DbError> {
    const SQLITE: Rows = Rows {
        before: "SELECT g.site_id, g.id, g.revoked_at IS NOT NULL, g.merged_into FROM (",
        row: "(?, ?)",
        after: ") AS q CROSS JOIN guest g ON g.id = q.column2 AND g.site_id = q.column1",
    };
    // Nearly all guests are live: it is cheaper to be told of the others.
    const NOT_LIVE: Rows = Rows {
        before: "SELECT q.column1, q.column2 FROM (",
        row: "(?, ?)",
        after: ") AS q LEFT JOIN guest g ON g.id = q.column2 AND g.site_id = q.column1 AND g.revoked_at IS NULL \
            AND g.merged_into IS NULL WHERE g.id IS NULL AND q.column2 IS NOT NULL",
    };
    const POSTGRES: &str = "SELECT g.site_id, g.id, g.revoked_at IS NOT NULL, g.merged_into FROM jsonb_array_elements(CAST($1 AS JSONB)) q \
        JOIN guest g ON g.id = CAST(q.value ->> 1 AS UUID) AND g.site_id = CAST(q.value ->> 0 AS UUID)";
    if guests.is_empty() {
        return Ok(HashMap::new());
    }
    let mut states = HashMap::with_capacity(guests.len());
    let rows: Vec<(Uuid, Uuid, bool, Option<String>)> = match tx {
        Tx::Sqlite(conn) => {
            let others: Vec<(Uuid, Uuid)> =
                NOT_LIVE.fetch(conn, guests, |query, (site, guest)| query.bind(site.0).bind(guest.0)).await?;
            states.extend(guests.iter().map(|one| (*one, GuestState::Live)));
            for (site, guest) in &others {
                states.remove(&(SiteId(*site), GuestId(*guest)));
            }
            SQLITE.fetch(conn, &others, |query, (site, guest)| query.bind(*site).bind(*guest)).await?
        }
        Tx::Postgres(conn) => {
            let batch: Vec<(Uuid, Uuid)> = guests.iter().map(|(site, guest)| (site.0, guest.0)).collect();
            sqlx::query_as(POSTGRES).bind(serde_json::to_string(&batch)?).fetch_all(&mut **conn).await?
        }
    };
    for (site, id, revoked, merged_into) in rows {
        states.insert((SiteId(site), GuestId(id)), state(revoked, merged_into)?);
    }
    Ok(states)
}

/// The state of one guest of the site; see [`guest_states`].
pub async fn guest_state(tx: &mut Tx<'_>, site: SiteId, guest: GuestId) -> Result<GuestState, DbError> {
    Ok(guest_states(tx, &[(site, guest)]).await?.remove(&(site, guest)).unwrap_or(GuestState::Revoked))
}

pub(super) fn state(revoked: bool, merged_into: Option<String>) -> Result<GuestState, DbError> {
    Ok(match merged_into {
        Some(user) => GuestState::Merged(UserId::parse(&user).map_err(DbError::other)?),
        None if revoked => GuestState::Revoked,
        None => GuestState::Live,
    })
}

/// Revokes a guest's token; one that is revoked already stays so. False when the site has no such guest.
/// Afterwards call `SiteCache::reload`.
pub async fn revoke(tx: &mut Tx<'_>, site: SiteId, guest: GuestId, now: Timestamp) -> Result<bool, DbError> {
    let rows = on!(tx, conn => sqlx::query("UPDATE guest SET revoked_at = coalesce(revoked_at, $3) WHERE site_id = $1 AND id = $2")
        .bind(site.0).bind(guest.0).bind(now.0).execute(conn).await.map(|done| done.rows_affected()))?;
    Ok(rows > 0)
}
