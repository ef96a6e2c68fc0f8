//! Deletes guests whose token has run out: nobody can come back to what they did (E3).
//!
//! Their enrollments go with them (the schema cascades), and their events too, so that nothing about
//! them stays. A guest who became a member lives on in that member: only the guest's row goes, the
//! events stay, because the member's rows are what they add up to (V1).

use jalon_shared::Timestamp;
use uuid::Uuid;

use super::BATCH;
use crate::db::{DbError, Tx, execute, on};

/// Deletes some that ran out.
pub(super) async fn batch(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, DbError> {
    const DUE: &str = "SELECT site_id, id, merged_into IS NULL FROM guest WHERE expires_at < $1 ORDER BY expires_at LIMIT $2";
    let due: Vec<(Uuid, Uuid, bool)> =
        on!(tx, conn => sqlx::query_as(DUE).bind(now.0).bind(BATCH).fetch_all(conn).await)?;
    for (site, guest, alone) in &due {
        if *alone {
            let text = "DELETE FROM event WHERE site_id = $1 AND guest_id = $2";
            execute!(tx, sqlx::query(text).bind(*site).bind(*guest))?;
        }
        let text = "DELETE FROM guest WHERE site_id = $1 AND id = $2";
        execute!(tx, sqlx::query(text).bind(*site).bind(*guest))?;
    }
    Ok(due.len() as u64)
}
