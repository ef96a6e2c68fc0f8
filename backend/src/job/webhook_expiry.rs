//! Forgets deliveries that are over, with their attempts, and what they said.
//!
//! A message's row stays, without its text: by its key the same completion is never announced again
//! (W1). What waits for an endpoint that is switched off is forgotten too when it is that old: nobody
//! wants to hear of it by now.

use jalon_shared::Timestamp;
use uuid::Uuid;

use super::{BATCH, Keep};
use crate::db::{DbError, Tx, execute, on};

/// Deletes some that are too old.
pub(super) async fn batch(tx: &mut Tx<'_>, now: Timestamp, keep: Keep) -> Result<u64, DbError> {
    // Ids begin with the time, so that the oldest are the first; no index is kept for this alone.
    const OLD: &str = "DELETE FROM webhook_delivery WHERE id IN (SELECT d.id FROM webhook_delivery d WHERE d.id < $1 \
        AND (d.finished_at < $2 OR d.state = 'pending' AND EXISTS (SELECT 1 FROM webhook_endpoint e WHERE e.id = d.endpoint_id AND NOT e.enabled)) \
        ORDER BY d.id LIMIT $3) RETURNING message_id";
    const SQLITE: &str = "UPDATE webhook_message SET payload = '' WHERE id IN (SELECT unhex(value, '-') FROM json_each($1)) \
        AND NOT EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.message_id = webhook_message.id)";
    const POSTGRES: &str = "UPDATE webhook_message SET payload = '' WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb)) \
        AND NOT EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.message_id = webhook_message.id)";
    let before = now.0.saturating_sub(i64::try_from(keep.webhooks.as_millis()).unwrap_or(i64::MAX));
    let first = Uuid::from_u128(u128::from(before.max(0).unsigned_abs()) << 80);
    let messages: Vec<Uuid> =
        on!(tx, conn => sqlx::query_scalar(OLD).bind(first).bind(before).bind(BATCH).fetch_all(conn).await)?;
    if !messages.is_empty() {
        let (sql, ids) = (tx.pick(SQLITE, POSTGRES), serde_json::to_string(&messages)?);
        execute!(tx, sqlx::query(sql).bind(ids))?;
    }
    Ok(messages.len() as u64)
}
