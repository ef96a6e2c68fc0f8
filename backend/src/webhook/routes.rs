//! Webhook endpoints over HTTP.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jalon_shared::{
    Problem,
    wire::webhook::{
        ChangeEndpoint, CreateEndpoint, DeliveryList, DeliveryState, DeliveryView, EndpointCreated, EndpointList,
        EndpointView, RotateSecret, SecretCreated, TestResult,
    },
};
use serde::Deserialize;
use uuid::Uuid;

use super::{endpoint, log};
use crate::{
    app::AppState,
    db::DbError,
    http::{Admin, ApiError, ApiJson, ApiPath, ApiQuery, ApiResult, Page, scope},
};

type Webhooks = Admin<scope::Webhooks>;

/// Adds an endpoint; its secret is shown this once.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/webhooks", tag = "webhook", security(("api_key" = []), ("member" = [])), request_body = CreateEndpoint,
    params(("site" = String, Path, description = "The site's slug")),
    responses(
        (status = 201, description = "The endpoint and its secret", body = EndpointCreated),
        (status = 409, description = "already_exists, or conflict when there are twenty", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "invalid_value: the address or an event type is not taken (W5)", body = Problem, content_type = "application/problem+json")))]
pub async fn create_webhook(
    State(state): State<AppState>,
    admin: Webhooks,
    ApiJson(new): ApiJson<CreateEndpoint>,
) -> ApiResult<Response> {
    let created = endpoint::add(&state, admin.site.id, new).await?;
    let place = format!("/api/v1/admin/sites/{}/webhooks/{}", admin.site.slug, created.endpoint.id);
    let place = HeaderValue::from_str(&place).map_err(ApiError::internal)?;
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, place), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        Json(created),
    )
        .into_response())
}

/// The site's endpoints, without their secrets.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/webhooks", tag = "webhook", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug")), responses((status = 200, description = "The oldest first", body = EndpointList)))]
pub async fn list_webhooks(State(state): State<AppState>, admin: Webhooks) -> ApiResult<Json<EndpointList>> {
    Ok(Json(EndpointList { items: endpoint::list(&state, admin.site.id).await? }))
}

/// One endpoint.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/webhooks/{webhook}", tag = "webhook", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug"), ("webhook" = Uuid, Path, description = "The endpoint's id")),
    responses(
        (status = 200, description = "The endpoint", body = EndpointView),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json")))]
pub async fn show_webhook(
    State(state): State<AppState>,
    admin: Webhooks,
    ApiPath((_, webhook)): ApiPath<(String, Uuid)>,
) -> ApiResult<Json<EndpointView>> {
    Ok(Json(endpoint::get(&state, admin.site.id, webhook).await?))
}

/// Changes an endpoint; what is left out stays. Switching it on after it answered 410 lets new events
/// come; replay what was parked meanwhile.
#[utoipa::path(patch, path = "/api/v1/admin/sites/{site}/webhooks/{webhook}", tag = "webhook", security(("api_key" = []), ("member" = [])), request_body = ChangeEndpoint,
    params(("site" = String, Path, description = "The site's slug"), ("webhook" = Uuid, Path, description = "The endpoint's id")),
    responses(
        (status = 200, description = "The endpoint as it is now", body = EndpointView),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "invalid_value", body = Problem, content_type = "application/problem+json")))]
pub async fn change_webhook(
    State(state): State<AppState>,
    admin: Webhooks,
    ApiPath((_, webhook)): ApiPath<(String, Uuid)>,
    ApiJson(change): ApiJson<ChangeEndpoint>,
) -> ApiResult<Json<EndpointView>> {
    Ok(Json(endpoint::change(&state, admin.site.id, webhook, change).await?))
}

/// Deletes an endpoint and the list of what was sent to it.
#[utoipa::path(delete, path = "/api/v1/admin/sites/{site}/webhooks/{webhook}", tag = "webhook", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug"), ("webhook" = Uuid, Path, description = "The endpoint's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json")))]
pub async fn delete_webhook(
    State(state): State<AppState>,
    admin: Webhooks,
    ApiPath((_, webhook)): ApiPath<(String, Uuid)>,
) -> ApiResult<StatusCode> {
    endpoint::delete(&state, admin.site.id, webhook).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new secret, shown this once. Those before go on signing beside it for a day, or as long as is
/// said: the receiver takes over the new one without losing anything (W3).
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/webhooks/{webhook}/secrets", tag = "webhook", security(("api_key" = []), ("member" = [])), request_body = RotateSecret,
    params(("site" = String, Path, description = "The site's slug"), ("webhook" = Uuid, Path, description = "The endpoint's id")),
    responses(
        (status = 201, description = "The new secret", body = SecretCreated),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "invalid_value", body = Problem, content_type = "application/problem+json")))]
pub async fn rotate_secret(
    State(state): State<AppState>,
    admin: Webhooks,
    ApiPath((_, webhook)): ApiPath<(String, Uuid)>,
    ApiJson(rotate): ApiJson<RotateSecret>,
) -> ApiResult<Response> {
    let created = endpoint::rotate(&state, admin.site.id, webhook, &rotate).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(created)).into_response())
}

/// Which deliveries.
#[derive(Deserialize)]
pub struct Wanted {
    state: Option<DeliveryState>,
}

/// What was sent to an endpoint, or waits to be, with its newest attempts (W4).
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/webhooks/{webhook}/deliveries", tag = "webhook", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug"), ("webhook" = Uuid, Path, description = "The endpoint's id"),
        ("state" = Option<DeliveryState>, Query, description = "Only those in this state"),
        ("limit" = Option<u32>, Query, description = "1–100, default 20"), ("cursor" = Option<String>, Query, description = "From next_cursor")),
    responses(
        (status = 200, description = "The newest first", body = DeliveryList),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json")))]
pub async fn list_deliveries(
    State(state): State<AppState>,
    admin: Webhooks,
    ApiPath((_, webhook)): ApiPath<(String, Uuid)>,
    ApiQuery(wanted): ApiQuery<Wanted>,
    page: Page,
) -> ApiResult<Json<DeliveryList>> {
    endpoint::get(&state, admin.site.id, webhook).await?;
    let (site, before, limit) = (admin.site.id, page.after::<Uuid>()?, i64::from(page.limit) + 1);
    let found = state
        .db
        .read::<_, DbError, _>(move |tx| Box::pin(log::deliveries(tx, site, webhook, wanted.state, before, limit)))
        .await?;
    let (items, next_cursor) = page.cut(found, |delivery| delivery.id);
    Ok(Json(DeliveryList { items, next_cursor }))
}

/// Sends a delivery again, at once, whatever its state; all its attempts lie before it anew (W4). The
/// receiver sees the same `webhook-id`.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/deliveries/{delivery}/replay", tag = "webhook", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug"), ("delivery" = Uuid, Path, description = "The delivery's id")),
    responses(
        (status = 202, description = "It is on its way", body = DeliveryView),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "conflict: the endpoint is disabled, or the delivery under way", body = Problem, content_type = "application/problem+json")))]
pub async fn replay_delivery(
    State(state): State<AppState>,
    admin: Webhooks,
    ApiPath((_, delivery)): ApiPath<(String, Uuid)>,
) -> ApiResult<Response> {
    let replayed = endpoint::replay(&state, admin.site.id, delivery).await?;
    Ok((StatusCode::ACCEPTED, Json(replayed)).into_response())
}

/// Sends a `jalon.test` event now, once, whether the endpoint is enabled or not, and answers what came of it.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/webhooks/{webhook}/test", tag = "webhook", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug"), ("webhook" = Uuid, Path, description = "The endpoint's id")),
    responses(
        (status = 200, description = "What came of it, good or bad", body = TestResult),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json")))]
pub async fn test_webhook(
    State(state): State<AppState>,
    admin: Webhooks,
    ApiPath((_, webhook)): ApiPath<(String, Uuid)>,
) -> ApiResult<Json<TestResult>> {
    Ok(Json(endpoint::test(&state, &admin.site, webhook).await?))
}
