//! What was sent to an endpoint and what became of it: read, and replayed (W4).

use std::collections::HashMap;

use jalon_shared::{
    SiteId, Timestamp,
    wire::webhook::{AttemptView, DeliveryState, DeliveryView},
};
use uuid::Uuid;

use crate::clock::LeaseTime;
use crate::db::{DbError, Tx, execute, on};

/// Attempts shown of a delivery, at most: the newest.
const SHOWN: i64 = 20;

/// A statement that reads deliveries, with this end.
macro_rules! deliveries_where {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.endpoint_id, d.message_id, m.type AS kind, d.state, d.attempts, d.next_at, d.last_status, d.last_error, \
            d.created_at, d.finished_at FROM webhook_delivery d JOIN webhook_message m ON m.site_id = d.site_id AND m.id = d.message_id \
            WHERE d.site_id = $1 AND ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    endpoint_id: Uuid,
    message_id: Uuid,
    kind: String,
    state: String,
    attempts: i32,
    next_at: i64,
    last_status: Option<i32>,
    last_error: Option<String>,
    created_at: i64,
    finished_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    delivery_id: Uuid,
    at: i64,
    status: Option<i32>,
    error: Option<String>,
    duration_ms: i64,
    response_excerpt: Option<String>,
}

/// Deliveries to an endpoint, the newest first, from before the delivery `before`; in one state or in all.
pub async fn deliveries(
    tx: &mut Tx<'_>,
    site: SiteId,
    endpoint: Uuid,
    state: Option<DeliveryState>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DeliveryView>, DbError> {
    const SQL: &str =
        deliveries_where!("d.endpoint_id = $2 AND d.id < $3 AND ($4 = '' OR d.state = $4) ORDER BY d.id DESC LIMIT $5");
    let (before, state) = (before.unwrap_or(Uuid::max()), state.map_or("", DeliveryState::as_str));
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(endpoint).bind(before).bind(state).bind(limit).fetch_all(conn).await)?;
    with_attempts(tx, site, rows).await
}

/// One delivery of the site.
pub async fn delivery(tx: &mut Tx<'_>, site: SiteId, id: Uuid) -> Result<Option<DeliveryView>, DbError> {
    const SQL: &str = deliveries_where!("d.id = $2");
    let row: Option<Row> = on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(id).fetch_optional(conn).await)?;
    Ok(with_attempts(tx, site, row.into_iter().collect()).await?.pop())
}

/// Lets a delivery begin anew, at once: whether it was parked, delivered or waits for its next attempt.
/// `false` when it is on its way at this moment, or there is none.
pub async fn replay(tx: &mut Tx<'_>, site: SiteId, id: Uuid, now: impl Into<LeaseTime>) -> Result<bool, DbError> {
    const SQL: &str = "UPDATE webhook_delivery SET state = 'pending', attempts = 0, next_at = $3, lease_until = 0, lease_owner = NULL, finished_at = NULL \
        WHERE site_id = $1 AND id = $2 AND (state <> 'pending' OR lease_until <= $3)";
    let now = tx.now(now).await?;
    Ok(execute!(tx, sqlx::query(SQL).bind(site.0).bind(id).bind(now.0))? == 1)
}

async fn with_attempts(tx: &mut Tx<'_>, site: SiteId, rows: Vec<Row>) -> Result<Vec<DeliveryView>, DbError> {
    const SQLITE: &str = "SELECT delivery_id, at, status, error, duration_ms, response_excerpt FROM ( \
        SELECT a.*, row_number() OVER (PARTITION BY delivery_id ORDER BY at DESC, id DESC) AS place FROM webhook_attempt a \
        WHERE site_id = $1 AND delivery_id IN (SELECT unhex(value, '-') FROM json_each($2))) AS newest WHERE place <= $3 ORDER BY place";
    const POSTGRES: &str = "SELECT delivery_id, at, status, error, duration_ms, response_excerpt FROM ( \
        SELECT a.*, row_number() OVER (PARTITION BY delivery_id ORDER BY at DESC, id DESC) AS place FROM webhook_attempt a \
        WHERE site_id = $1 AND delivery_id IN (SELECT value::uuid FROM jsonb_array_elements_text($2::jsonb))) AS newest WHERE place <= $3 ORDER BY place";
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let (sql, ids) = (tx.pick(SQLITE, POSTGRES), serde_json::to_string(&ids)?);
    let attempts: Vec<AttemptRow> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(&ids).bind(SHOWN).fetch_all(conn).await)?;
    let mut by_delivery: HashMap<Uuid, Vec<AttemptView>> = HashMap::new();
    for row in attempts {
        let attempt = AttemptView {
            at: Timestamp(row.at),
            status: row.status.and_then(|status| u16::try_from(status).ok()),
            error: row.error,
            duration_ms: u32::try_from(row.duration_ms).unwrap_or(u32::MAX),
            response_excerpt: row.response_excerpt,
        };
        by_delivery.entry(row.delivery_id).or_default().push(attempt);
    }
    rows.into_iter()
        .map(|row| {
            let state =
                DeliveryState::parse(&row.state).ok_or_else(|| DbError::other("a delivery has an unknown state"))?;
            Ok(DeliveryView {
                id: row.id,
                webhook_id: row.endpoint_id,
                event_id: row.message_id,
                kind: row.kind,
                state,
                attempts: u32::try_from(row.attempts).unwrap_or(0),
                next_attempt_at: (state == DeliveryState::Pending).then_some(Timestamp(row.next_at)),
                last_status: row.last_status.and_then(|status| u16::try_from(status).ok()),
                last_error: row.last_error,
                created_at: Timestamp(row.created_at),
                finished_at: row.finished_at.map(Timestamp),
                attempt_log: by_delivery.remove(&row.id).unwrap_or_default(),
            })
        })
        .collect()
}
