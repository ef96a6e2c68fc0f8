//! Rows of endpoints and their secrets. The site comes first, everywhere: it is the only way in.

use std::collections::HashMap;

use jalon_shared::{
    SiteId, Timestamp,
    wire::webhook::{EndpointView, SecretView},
};
use uuid::Uuid;

use super::sign::MAX_SIGNATURES;
use crate::db::{DbError, Tx, execute, on};

#[derive(sqlx::FromRow)]
struct EndpointRow {
    id: Uuid,
    url: String,
    event_types: String,
    enabled: bool,
    disabled_reason: Option<String>,
    created_at: i64,
    updated_at: i64,
}

/// The site's endpoints with their live secrets, the oldest first.
pub async fn endpoints(tx: &mut Tx<'_>, site: SiteId, now: Timestamp) -> Result<Vec<EndpointView>, DbError> {
    const ROWS: &str = "SELECT id, url, event_types, enabled, disabled_reason, created_at, updated_at FROM webhook_endpoint WHERE site_id = $1 ORDER BY id";
    const SECRETS: &str = "SELECT endpoint_id, id, created_at, expires_at FROM webhook_secret \
        WHERE site_id = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY created_at DESC, id DESC";
    let rows: Vec<EndpointRow> = on!(tx, conn => sqlx::query_as(ROWS).bind(site.0).fetch_all(conn).await)?;
    let secrets: Vec<(Uuid, Uuid, i64, Option<i64>)> =
        on!(tx, conn => sqlx::query_as(SECRETS).bind(site.0).bind(now.0).fetch_all(conn).await)?;
    let mut by_endpoint: HashMap<Uuid, Vec<SecretView>> = HashMap::new();
    for (endpoint, id, created_at, expires_at) in secrets {
        let secret = SecretView { id, created_at: Timestamp(created_at), expires_at: expires_at.map(Timestamp) };
        by_endpoint.entry(endpoint).or_default().push(secret);
    }
    rows.into_iter()
        .map(|row| {
            Ok(EndpointView {
                id: row.id,
                url: row.url,
                event_types: serde_json::from_str(&row.event_types)?,
                enabled: row.enabled,
                disabled_reason: row.disabled_reason,
                secrets: by_endpoint.remove(&row.id).unwrap_or_default(),
                created_at: Timestamp(row.created_at),
                updated_at: Timestamp(row.updated_at),
            })
        })
        .collect()
}

/// One endpoint. A site has few, so that the list is the one way to read them.
pub async fn endpoint(
    tx: &mut Tx<'_>,
    site: SiteId,
    id: Uuid,
    now: Timestamp,
) -> Result<Option<EndpointView>, DbError> {
    Ok(endpoints(tx, site, now).await?.into_iter().find(|endpoint| endpoint.id == id))
}

/// Writes a new, enabled endpoint without a secret.
pub async fn insert_endpoint(
    tx: &mut Tx<'_>,
    site: SiteId,
    id: Uuid,
    url: &str,
    event_types: &[String],
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO webhook_endpoint (id, site_id, url, event_types, enabled, created_at, updated_at) VALUES ($1, $2, $3, $4, TRUE, $5, $5)";
    let types = serde_json::to_string(event_types)?;
    execute!(tx, sqlx::query(SQL).bind(id).bind(site.0).bind(url).bind(&types).bind(now.0)).map(drop)
}

/// Writes an endpoint as it shall be now. Switching it on forgets why it was off.
pub async fn update_endpoint(
    tx: &mut Tx<'_>,
    site: SiteId,
    endpoint: &EndpointView,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE webhook_endpoint SET url = $3, event_types = $4, enabled = $5, \
        disabled_reason = CASE WHEN $5 THEN NULL ELSE disabled_reason END, updated_at = $6 WHERE site_id = $1 AND id = $2";
    let types = serde_json::to_string(&endpoint.event_types)?;
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(site.0)
            .bind(endpoint.id)
            .bind(&endpoint.url)
            .bind(&types)
            .bind(endpoint.enabled)
            .bind(now.0)
    )
    .map(drop)
}

/// Deletes an endpoint and all that was sent to it; `false` when there is none.
pub async fn delete_endpoint(tx: &mut Tx<'_>, site: SiteId, id: Uuid) -> Result<bool, DbError> {
    Ok(execute!(tx, sqlx::query("DELETE FROM webhook_endpoint WHERE site_id = $1 AND id = $2").bind(site.0).bind(id))?
        == 1)
}

/// Writes a new secret that signs until it is replaced.
pub async fn insert_secret(
    tx: &mut Tx<'_>,
    site: SiteId,
    endpoint: Uuid,
    id: Uuid,
    secret: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str =
        "INSERT INTO webhook_secret (id, site_id, endpoint_id, secret, created_at) VALUES ($1, $2, $3, $4, $5)";
    execute!(tx, sqlx::query(SQL).bind(id).bind(site.0).bind(endpoint).bind(secret).bind(now.0)).map(drop)
}

/// Lets all secrets of an endpoint end at `at`, or earlier where that was said before; forgets those that have ended.
pub async fn expire_secrets(
    tx: &mut Tx<'_>,
    site: SiteId,
    endpoint: Uuid,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), DbError> {
    const OLD: &str = "DELETE FROM webhook_secret WHERE site_id = $1 AND endpoint_id = $2 AND expires_at <= $3";
    const LIVE: &str = "UPDATE webhook_secret SET expires_at = $3 WHERE site_id = $1 AND endpoint_id = $2 AND (expires_at IS NULL OR expires_at > $3)";
    execute!(tx, sqlx::query(OLD).bind(site.0).bind(endpoint).bind(now.0))?;
    execute!(tx, sqlx::query(LIVE).bind(site.0).bind(endpoint).bind(at.0)).map(drop)
}

/// The secrets that sign for an endpoint now, the newest first.
pub async fn live_secrets(
    tx: &mut Tx<'_>,
    site: SiteId,
    endpoint: Uuid,
    now: Timestamp,
) -> Result<Vec<String>, DbError> {
    const SQL: &str = "SELECT secret FROM webhook_secret WHERE site_id = $1 AND endpoint_id = $2 AND (expires_at IS NULL OR expires_at > $3) \
        ORDER BY created_at DESC, id DESC LIMIT $4";
    let limit = i64::try_from(MAX_SIGNATURES).unwrap_or(1);
    Ok(
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(endpoint).bind(now.0).bind(limit).fetch_all(conn).await)?,
    )
}
