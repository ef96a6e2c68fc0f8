//! A guest comes into being; a guest's token is revoked.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jalon_shared::{
    GuestId, Problem, SiteId, Timestamp,
    wire::guest::{CreateGuest, GuestCreated},
};

use super::store;
use crate::{
    app::AppState,
    db::{Db, DbError},
    http::{
        Admin, ApiError, ApiPath, ApiResult, IdemJson, SiteCtx,
        idempotency::{self, Answer, Lookup, Query},
        limit::NewGuest,
        scope,
    },
    id,
};

/// A new guest, or the one that this idempotency key already made.
enum Made {
    Fresh(GuestId, Timestamp, Timestamp),
    Again(GuestId, Timestamp, Timestamp),
    Reused,
}

/// Creates a guest and answers with their token (E3).
///
/// With an `Idempotency-Key`, a repeated request answers the same guest and the same token: the token
/// is made again from the guest's row, and stored nowhere.
///
/// An address has fewer of these than of other requests: it answers 429 with `Retry-After` beyond.
#[utoipa::path(post, path = "/api/v1/sites/{site}/guests", tag = "learner",
    params(("site" = String, Path, description = "The site's slug"),
        ("Idempotency-Key" = Option<uuid::Uuid>, Header, description = "The same key answers the same guest again")),
    request_body = CreateGuest,
    responses(
        (status = 201, description = "The guest", body = GuestCreated),
        (status = 403, description = "origin_not_allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "unknown_site", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "unknown_field, idempotency_key_reused", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "rate_limited: too many requests, or new guests, from this address", body = Problem, content_type = "application/problem+json")))]
pub async fn create_guest(
    State(state): State<AppState>,
    ctx: SiteCtx,
    _leave: NewGuest,
    IdemJson { body: CreateGuest {}, key, fingerprint }: IdemJson<CreateGuest>,
) -> ApiResult<Response> {
    let site = ctx.site.id;
    let now = state.clock.now();
    let expires_at = now.plus_seconds(i64::try_from(state.config.guest_ttl.as_secs()).unwrap_or(i64::MAX / 1000));
    let query = key.0.map(|key| Query { site, caller: idempotency::ANONYMOUS.to_owned(), key, fingerprint });
    let made = match make(&state.db, site, query.clone(), now, expires_at).await {
        // The same key came in at the same moment elsewhere: it is answered by what that made.
        Err(error) if error.is_unique() => make(&state.db, site, query, now, expires_at).await?,
        made => made?,
    };
    let (guest_id, created_at, expires_at, again) = match made {
        Made::Fresh(guest, created_at, expires_at) => (guest, created_at, expires_at, false),
        Made::Again(guest, created_at, expires_at) => (guest, created_at, expires_at, true),
        Made::Reused => return Err(ApiError::idempotency_key_reused()),
    };
    let token = state.gate.guests.mint(site, guest_id, created_at, expires_at);
    // As the token says it, to the second.
    let expires_at = Timestamp(expires_at.0.div_euclid(1000) * 1000);
    let created = GuestCreated { guest_id, token, expires_at };
    let mut response =
        (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], axum::Json(created)).into_response();
    if again {
        idempotency::mark_replay(&mut response);
    }
    Ok(response)
}

async fn make(
    db: &Db,
    site: SiteId,
    query: Option<Query>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Made, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            if let Some(query) = &query {
                match idempotency::lookup(tx, query).await? {
                    Lookup::Fresh => {}
                    Lookup::Reused => return Ok(Made::Reused),
                    Lookup::Replay(remembered) => {
                        let guest: GuestId = remembered.response.parse().map_err(DbError::other)?;
                        // A guest who was erased meanwhile does not come back.
                        return Ok(match store::times(tx, site, guest).await? {
                            Some((created_at, expires_at)) => Made::Again(guest, created_at, expires_at),
                            None => Made::Reused,
                        });
                    }
                }
            }
            let guest = GuestId(id::new_v7(now));
            store::insert(tx, site, guest, now, expires_at).await?;
            if let Some(query) = query {
                idempotency::remember(tx, &Answer { query, status: 201, response: guest.to_string() }, now).await?;
            }
            Ok(Made::Fresh(guest, now, expires_at))
        })
    })
    .await
}

/// Revokes a guest's token (E3); what the guest did stays.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/guests/{guest}/revoke", tag = "site", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug"), ("guest" = GuestId, Path, description = "The guest")),
    responses(
        (status = 204, description = "The token is no longer taken"),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json")))]
pub async fn revoke_guest(
    State(state): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
    ApiPath((_, guest)): ApiPath<(String, GuestId)>,
) -> ApiResult<StatusCode> {
    let (site, now) = (admin.site.id, state.clock.now());
    let found = state.db.write::<_, DbError, _>(move |tx| Box::pin(store::revoke(tx, site, guest, now))).await?;
    if !found {
        return Err(ApiError::not_found());
    }
    state.gate.sites.reload().await?;
    Ok(StatusCode::NO_CONTENT)
}
