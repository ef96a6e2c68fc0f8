//! For whoever runs the server: is it alive, is it ready, what does it count.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use jalon_shared::wire::admin_site::Scope;
use serde::Serialize;

use super::{ApiResult, code, error::ApiError};
use crate::{app::AppState, db, site::key};

/// The state of a server.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Health {
    /// `ok`, when it is answered with 200.
    status: &'static str,
}

/// Alive: the process answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "Alive", body = Health)))]
pub async fn healthz() -> axum::Json<Health> {
    axum::Json(Health { status: "ok" })
}

/// Ready: the database can be reached and its migrations are current.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "Ready for requests", body = Health),
    (status = 503, description = "Not ready; the detail says why", body = jalon_shared::Problem, content_type = "application/problem+json")))]
pub async fn readyz(State(state): State<AppState>) -> ApiResult<axum::Json<Health>> {
    let unready = |detail: &str| ApiError::new(&code::UNAVAILABLE).detail(detail).retry_after(5);
    match state.db.migration().await {
        Ok(applied) if applied >= db::latest_migration() => Ok(axum::Json(Health { status: "ok" })),
        Ok(_) => Err(unready("Migrations are missing; run jalon migrate.")),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(unready("The database can't be reached."))
        }
    }
}

/// Counters for Prometheus; here behind an API key of the whole server.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(("api_key" = [])), responses(
    (status = 200, description = "Counters in Prometheus' text format", body = String, content_type = "text/plain"),
    (status = 401, description = "unauthenticated", body = jalon_shared::Problem, content_type = "application/problem+json")))]
pub async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> ApiResult<Response> {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let key = token.and_then(|token| state.gate.sites.key(&key::hash(token.trim())));
    match key.filter(|key| key.is_live(state.clock.now())) {
        Some(key) if key.allows_server(Scope::StatisticsRead) => Ok(render(&state)),
        Some(_) => {
            Err(ApiError::forbidden("This needs an API key of the whole server with the scope statistics_read."))
        }
        None => Err(ApiError::unauthenticated("Send an API key of the whole server.")),
    }
}

/// The counters on a listener of their own, where no key is asked for.
pub fn metrics_router(state: AppState) -> axum::Router {
    let open = async |State(state): State<AppState>| render(&state);
    axum::Router::new().route("/metrics", axum::routing::get(open)).with_state(state)
}

fn render(state: &AppState) -> Response {
    let mut text = state.gate.metrics.render();
    let stats = state.db.stats();
    let in_flight = state.gate.in_flight.load(std::sync::atomic::Ordering::Relaxed);
    for (name, kind, value) in [
        ("jalon_http_requests_in_flight", "gauge", in_flight as u64),
        ("jalon_db_writes_waiting", "gauge", stats.waiting as u64),
        ("jalon_db_writes_total", "counter", stats.writes),
        ("jalon_db_commits_total", "counter", stats.commits),
    ] {
        let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
