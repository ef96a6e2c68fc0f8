//! The transactional outbox: an announcement is written in the transaction that brings it about, or
//! not at all (W1). The dispatcher takes it from there.

use jalon_shared::{SiteId, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::db::{DbError, Tx, on, pg_now};
use crate::failpoint;

/// Something to announce.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Message {
    /// The event's id: the same over all retries (W3).
    pub id: Uuid,
    /// Its tenant.
    #[serde(rename = "site_id")]
    pub site: SiteId,
    /// Its type, e.g. `coaching.learning_track.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What may be announced once only: a second message with this key is dropped (W1).
    pub dedupe_key: String,
    /// The whole body that is sent, as JSON.
    pub payload: String,
}

/// One delivery, before it is written. Which endpoint it goes to, the database says.
#[derive(Serialize)]
struct Delivery {
    message_id: Uuid,
}

/// Writes messages, and a delivery for every enabled endpoint of their site that listens to their type.
/// Two statements for any number of messages, none for none. Run it in the transaction of the change.
pub async fn enqueue(tx: &mut Tx<'_>, messages: &[Message], now: Timestamp) -> Result<(), DbError> {
    const MESSAGES_SQLITE: &str = "INSERT INTO webhook_message (id, site_id, type, dedupe_key, payload, created_at) \
        SELECT unhex(r.value ->> 'id', '-'), unhex(r.value ->> 'site_id', '-'), r.value ->> 'type', r.value ->> 'dedupe_key', r.value ->> 'payload', $2 \
        FROM json_each($1) AS r WHERE true ON CONFLICT (dedupe_key) DO NOTHING";
    const MESSAGES_POSTGRES: &str = "INSERT INTO webhook_message (id, site_id, type, dedupe_key, payload, created_at) \
        SELECT id, site_id, type, dedupe_key, payload, $2 FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, site_id uuid, type text, dedupe_key text, payload text) \
        ON CONFLICT (dedupe_key) DO NOTHING";
    // A delivery's id begins with its message's, time and counter, so that deliveries sort as their
    // messages do. A message that was dropped above finds no row here, so it is not sent again.
    const DELIVERIES_SQLITE: &str = "INSERT INTO webhook_delivery (id, site_id, message_id, endpoint_id, state, attempts, next_at, lease_until, created_at) \
        SELECT CAST(substr(m.id, 1, 12) || randomblob(4) AS BLOB), m.site_id, m.id, e.id, 'pending', 0, $2, 0, $2 FROM json_each($1) AS r \
        CROSS JOIN webhook_message m ON m.id = unhex(r.value ->> 'message_id', '-') \
        JOIN webhook_endpoint e ON e.site_id = m.site_id AND e.enabled \
        AND (json_array_length(e.event_types) = 0 OR EXISTS (SELECT 1 FROM json_each(e.event_types) AS t WHERE t.value = m.type)) \
        WHERE true ON CONFLICT (message_id, endpoint_id) DO NOTHING";
    // Due at once by the database's clock, which decides: not later, where this server's clock is ahead.
    const DELIVERIES_POSTGRES: &str = concat!(
        "INSERT INTO webhook_delivery (id, site_id, message_id, endpoint_id, state, attempts, next_at, lease_until, created_at) \
        SELECT (substr(m.id::text, 1, 28) || substr(gen_random_uuid()::text, 29))::uuid, m.site_id, m.id, e.id, 'pending', 0, \
        least($2, ",
        pg_now!("NULL"),
        "), 0, $2 \
        FROM jsonb_to_recordset($1::jsonb) AS r(message_id uuid) JOIN webhook_message m ON m.id = r.message_id \
        JOIN webhook_endpoint e ON e.site_id = m.site_id AND e.enabled \
        AND (jsonb_array_length(e.event_types::jsonb) = 0 OR e.event_types::jsonb ? m.type) ON CONFLICT (message_id, endpoint_id) DO NOTHING"
    );
    if messages.is_empty() {
        return Ok(());
    }
    let deliveries: Vec<Delivery> = messages.iter().map(|message| Delivery { message_id: message.id }).collect();
    let (written, sent) = (serde_json::to_string(messages)?, serde_json::to_string(&deliveries)?);
    let (first, second) =
        (tx.pick(MESSAGES_SQLITE, MESSAGES_POSTGRES), tx.pick(DELIVERIES_SQLITE, DELIVERIES_POSTGRES));
    on!(tx, conn => sqlx::query(first).bind(written).bind(now.0).execute(conn).await.map(drop))?;
    on!(tx, conn => sqlx::query(second).bind(sent).bind(now.0).execute(conn).await.map(drop))?;
    failpoint::reach("outbox.written");
    Ok(())
}
