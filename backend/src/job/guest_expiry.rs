//! Deletes guests whose token has run out: nobody can come back to what they did (E3).
//!
//! Their enrollments go with them (the schema cascades), and their events and announcements too, so
//! that nothing about them stays. A guest who became a member lives on in that member, row and events:
//! the member's rows are what the events add up to (V1), and by the guest's row an erasure finds what
//! the guest left, and a second merge its receipt (M3, M5).

use jalon_shared::{GuestId, Learner, SiteId, Timestamp, TrackId};
use uuid::Uuid;

use super::BATCH;
use crate::{
    course,
    db::{DbError, Tx, execute, on},
    track::completed,
};

/// Deletes some that ran out.
pub(super) async fn batch(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, DbError> {
    const DUE: &str =
        "SELECT site_id, id FROM guest WHERE expires_at < $1 AND merged_into IS NULL ORDER BY expires_at LIMIT $2";
    const TRACKS: &str =
        "SELECT track_id FROM enrollment WHERE site_id = $1 AND guest_id = $2 AND completed_at IS NOT NULL";
    const MESSAGE: &str = "DELETE FROM webhook_message WHERE site_id = $1 AND dedupe_key = $2";
    const EVENTS: &str =
        "DELETE FROM event WHERE subject_id IN (SELECT subject_id FROM event WHERE seq = 1 AND guest_id = $1)";
    const GUEST: &str = "DELETE FROM guest WHERE site_id = $1 AND id = $2";
    let due: Vec<(Uuid, Uuid)> = on!(tx, conn => sqlx::query_as(DUE).bind(now.0).bind(BATCH).fetch_all(conn).await)?;
    for (site, guest) in &due {
        let tracks: Vec<Uuid> =
            on!(tx, conn => sqlx::query_scalar(TRACKS).bind(*site).bind(*guest).fetch_all(conn).await)?;
        for track in tracks {
            let key = completed::dedupe_key(TrackId(track), &Learner::Guest(GuestId(*guest)));
            execute!(tx, sqlx::query(MESSAGE).bind(*site).bind(key))?;
        }
        let learner = Learner::Guest(GuestId(*guest));
        for course in course::store::courses_for_update(tx, SiteId(*site), &learner).await? {
            let key = course::completed::dedupe_key(course, &learner);
            execute!(tx, sqlx::query(MESSAGE).bind(*site).bind(key))?;
        }
        execute!(tx, sqlx::query(EVENTS).bind(*guest))?;
        execute!(tx, sqlx::query(GUEST).bind(*site).bind(*guest))?;
    }
    Ok(due.len() as u64)
}
