//! Forgets the answers kept for retries: nobody retries after two days.

use jalon_shared::Timestamp;

use super::BATCH;
use crate::db::{DbError, Tx, execute};

/// How long an answer is kept, in seconds. A device's outbox gives the same key again after a long
/// time offline too; then the rules (G4, one enrollment a learner and track) keep it harmless.
const KEEP: i64 = 48 * 3600;

/// Deletes some that are too old.
pub(super) async fn batch(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, DbError> {
    let text = "DELETE FROM idempotency WHERE (site_id, caller, key) IN
        (SELECT site_id, caller, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    execute!(tx, sqlx::query(text).bind(now.plus_seconds(-KEEP).0).bind(BATCH))
}
