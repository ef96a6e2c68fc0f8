//! What the owner of a site does with endpoints: adds, changes, rotates secrets, tests, replays. The
//! routes and the command line both come here.

use jalon_shared::{
    SiteId, Timestamp,
    wire::webhook::{
        ChangeEndpoint, CreateEndpoint, DeliveryView, EndpointCreated, EndpointView, RotateSecret, SecretCreated,
        SecretView, TestResult,
    },
};
use serde_json::json;
use uuid::Uuid;

use super::{
    deliver::{Answer, Call},
    guard::Guard,
    log, sign, store,
};
use crate::{
    app::AppState,
    db::{DbError, Tx},
    http::{ApiError, ApiResult, code},
    id, site,
    site::Site,
    track::completed::COMPLETED,
};

/// The types of events that endpoints can ask for.
pub const EVENT_TYPES: [&str; 2] = [COMPLETED, crate::course::completed::COMPLETED];
/// The type of a test event. It goes to whom it is sent to, whatever they asked for.
pub const TEST: &str = "jalon.test";
/// The most endpoints of a site.
const MAX_ENDPOINTS: usize = 20;
/// How long secrets go on signing after a new one was made, in seconds, where nothing else is said.
const OVERLAP: u32 = 24 * 3600;
/// The longest they may.
const MAX_OVERLAP: u32 = 7 * 24 * 3600;

fn guard(state: &AppState) -> Guard {
    Guard { development: state.config.development }
}

fn check_url(guard: Guard, url: &str) -> ApiResult<()> {
    guard.check(url).map(drop).map_err(|refused| ApiError::invalid_value("/url", format!("{refused}.")))
}

fn check_types(types: &mut Vec<String>) -> ApiResult<()> {
    if let Some(place) = types.iter().position(|kind| !EVENT_TYPES.contains(&kind.as_str())) {
        let detail = format!("There is no such event; there are {}.", EVENT_TYPES.join(", "));
        return Err(ApiError::invalid_value(format!("/event_types/{place}"), detail));
    }
    types.sort_unstable();
    types.dedup();
    Ok(())
}

/// Two endpoints at one address would hear everything twice.
fn check_unique(others: &[EndpointView], url: &str) -> ApiResult<()> {
    if others.iter().any(|other| other.url == url) {
        return Err(ApiError::new(&code::ALREADY_EXISTS).field(
            "/url",
            "already_exists",
            "The site has an endpoint at this address already.",
        ));
    }
    Ok(())
}

/// All endpoints of the site. Who writes them holds the site's row first, so that two don't race.
async fn locked(tx: &mut Tx<'_>, site: SiteId, now: Timestamp) -> ApiResult<Vec<EndpointView>> {
    site::store::lock(tx, site).await?.ok_or_else(ApiError::unknown_site)?;
    Ok(store::endpoints(tx, site, now).await?)
}

/// Adds an endpoint; its secret is answered this once.
pub async fn add(state: &AppState, site: SiteId, new: CreateEndpoint) -> ApiResult<EndpointCreated> {
    let CreateEndpoint { url, mut event_types } = new;
    check_url(guard(state), &url)?;
    check_types(&mut event_types)?;
    let (now, secret) = (state.clock.now(), sign::new_secret().map_err(ApiError::internal)?);
    let (endpoint, secret_id) = (id::new_v7(now), id::new_v7(now));
    let written = secret.clone();
    let endpoint = state
        .db
        .write_by_staff::<_, ApiError, _>(move |tx| {
            Box::pin(async move {
                let others = locked(tx, site, now).await?;
                check_unique(&others, &url)?;
                if others.len() >= MAX_ENDPOINTS {
                    return Err(ApiError::new(&code::CONFLICT)
                        .detail(format!("A site has at most {MAX_ENDPOINTS} endpoints; delete one first.")));
                }
                store::insert_endpoint(tx, site, endpoint, &url, &event_types, now).await?;
                store::insert_secret(tx, site, endpoint, secret_id, &written, now).await?;
                let secrets = vec![SecretView { id: secret_id, created_at: now, expires_at: None }];
                Ok(EndpointView {
                    id: endpoint,
                    url,
                    event_types,
                    enabled: true,
                    disabled_reason: None,
                    secrets,
                    created_at: now,
                    updated_at: now,
                })
            })
        })
        .await?;
    Ok(EndpointCreated { endpoint, secret })
}

/// All endpoints, the oldest first.
pub async fn list(state: &AppState, site: SiteId) -> ApiResult<Vec<EndpointView>> {
    let now = state.clock.now();
    Ok(state.db.read::<_, DbError, _>(move |tx| Box::pin(store::endpoints(tx, site, now))).await?)
}

/// One endpoint; 404 where the site has none of this id.
pub async fn get(state: &AppState, site: SiteId, endpoint: Uuid) -> ApiResult<EndpointView> {
    let now = state.clock.now();
    let found = state.db.read::<_, DbError, _>(move |tx| Box::pin(store::endpoint(tx, site, endpoint, now))).await?;
    found.ok_or_else(ApiError::not_found)
}

/// Changes an endpoint; what is left out stays.
pub async fn change(state: &AppState, site: SiteId, endpoint: Uuid, change: ChangeEndpoint) -> ApiResult<EndpointView> {
    let ChangeEndpoint { url, mut event_types, enabled } = change;
    if let Some(url) = &url {
        check_url(guard(state), url)?;
    }
    if let Some(types) = &mut event_types {
        check_types(types)?;
    }
    let now = state.clock.now();
    let changed = state
        .db
        .write_by_staff::<_, ApiError, _>(move |tx| {
            Box::pin(async move {
                let mut others = locked(tx, site, now).await?;
                let place = others.iter().position(|other| other.id == endpoint).ok_or_else(ApiError::not_found)?;
                let mut endpoint = others.swap_remove(place);
                if let Some(url) = url {
                    check_unique(&others, &url)?;
                    endpoint.url = url;
                }
                endpoint.event_types = event_types.unwrap_or(endpoint.event_types);
                endpoint.enabled = enabled.unwrap_or(endpoint.enabled);
                if endpoint.enabled {
                    endpoint.disabled_reason = None;
                }
                endpoint.updated_at = now;
                store::update_endpoint(tx, site, &endpoint, now).await?;
                Ok(endpoint)
            })
        })
        .await?;
    // What waited while it was off goes on now.
    state.webhooks.wake();
    Ok(changed)
}

/// Deletes an endpoint with all that was sent to it.
pub async fn delete(state: &AppState, site: SiteId, endpoint: Uuid) -> ApiResult<()> {
    let found = state
        .db
        .write_by_staff::<_, DbError, _>(move |tx| Box::pin(store::delete_endpoint(tx, site, endpoint)))
        .await?;
    if found { Ok(()) } else { Err(ApiError::not_found()) }
}

/// Makes a new secret. Those before go on signing for a while, so that the receiver can change over
/// without losing anything (W3).
pub async fn rotate(state: &AppState, site: SiteId, endpoint: Uuid, rotate: &RotateSecret) -> ApiResult<SecretCreated> {
    let overlap = rotate.expire_previous_after_seconds.unwrap_or(OVERLAP);
    if overlap > MAX_OVERLAP {
        return Err(ApiError::invalid_value(
            "/expire_previous_after_seconds",
            "Secrets before go on signing for a week (604800) at most.",
        ));
    }
    let (now, secret) = (state.clock.now(), sign::new_secret().map_err(ApiError::internal)?);
    let (id, previous_expire_at) = (id::new_v7(now), now.plus_seconds(i64::from(overlap)));
    let written = secret.clone();
    state
        .db
        .write_by_staff::<_, ApiError, _>(move |tx| {
            Box::pin(async move {
                if !locked(tx, site, now).await?.iter().any(|known| known.id == endpoint) {
                    return Err(ApiError::not_found());
                }
                store::expire_secrets(tx, site, endpoint, previous_expire_at, now).await?;
                Ok(store::insert_secret(tx, site, endpoint, id, &written, now).await?)
            })
        })
        .await?;
    Ok(SecretCreated { id, secret, created_at: now, previous_expire_at })
}

/// Sends a test event now, whether the endpoint is enabled or not, and answers what came of it. It is
/// tried once and does not appear among the deliveries.
pub async fn test(state: &AppState, site: &Site, endpoint: Uuid) -> ApiResult<TestResult> {
    let (site_id, now) = (site.id, state.clock.now());
    let (endpoint, secrets) = state
        .db
        .read::<_, ApiError, _>(move |tx| {
            Box::pin(async move {
                let found = store::endpoint(tx, site_id, endpoint, now).await?.ok_or_else(ApiError::not_found)?;
                Ok((found, store::live_secrets(tx, site_id, endpoint, now).await?))
            })
        })
        .await?;
    let event_id = id::new_v7(now);
    let payload = json!({
        "type": TEST,
        "timestamp": now,
        "data": { "event_id": event_id, "site": site.slug, "webhook_id": endpoint.id },
    });
    let call = Call { url: endpoint.url, secrets, id: event_id, payload: payload.to_string() };
    let Answer { status, error, took, excerpt, .. } = state.webhooks.sender.send(call, now).await;
    Ok(TestResult {
        delivered: status.is_some_and(|status| (200..300).contains(&status)),
        event_id,
        status,
        error,
        duration_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        response_excerpt: excerpt,
    })
}

/// Sends a delivery again, at once and with all its attempts before it (W4).
pub async fn replay(state: &AppState, site: SiteId, delivery: Uuid) -> ApiResult<DeliveryView> {
    let (now, leases) = (state.clock.now(), state.clock.for_leases());
    let replayed = state
        .db
        .write_by_staff::<_, ApiError, _>(move |tx| {
            Box::pin(async move {
                let found = log::delivery(tx, site, delivery).await?.ok_or_else(ApiError::not_found)?;
                let endpoint =
                    store::endpoint(tx, site, found.webhook_id, now).await?.ok_or_else(ApiError::not_found)?;
                if !endpoint.enabled {
                    return Err(ApiError::new(&code::CONFLICT).detail("The endpoint is disabled; enable it first."));
                }
                if !log::replay(tx, site, delivery, leases).await? {
                    return Err(ApiError::new(&code::CONFLICT).detail("The delivery is on its way at this moment."));
                }
                log::delivery(tx, site, delivery).await?.ok_or_else(ApiError::not_found)
            })
        })
        .await?;
    state.webhooks.wake();
    Ok(replayed)
}
