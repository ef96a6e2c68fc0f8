//! For whoever runs the server: is it alive, is it ready, what does it count.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use jalon_shared::wire::admin_site::Scope;
use serde::Serialize;

use super::{ApiResult, code, error::ApiError};
use crate::{
    app::AppState,
    db::{self, DbError, Tx, execute},
    site::key,
};

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

/// How long the database may take to show that it works; then we aren't ready.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer that it works is good for.
const FRESH: Duration = Duration::from_millis(500);

/// When the database last showed that it works, and its newest migration then.
pub type LastReady = tokio::sync::Mutex<Option<(Instant, i64)>>;

/// Ready: the database can be read and written, and its migrations are current.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "Ready for requests", body = Health),
    (status = 503, description = "Not ready; the detail says why", body = jalon_shared::Problem, content_type = "application/problem+json")))]
pub async fn readyz(State(state): State<AppState>) -> ApiResult<axum::Json<Health>> {
    let unready = |detail: &str| ApiError::new(&code::UNAVAILABLE).detail(detail).retry_after(5);
    // What is given up here runs on in a task of the database's, whose time is limited too.
    match tokio::time::timeout(PATIENCE, probe(&state)).await {
        Ok(Ok(applied)) if applied >= db::latest_migration() => Ok(axum::Json(Health { status: "ok" })),
        Ok(Ok(_)) => Err(unready("Migrations are missing; run jalon migrate.")),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            Err(unready("The database can't be reached or written."))
        }
        Err(_) => {
            tracing::warn!("not ready: the database doesn't answer");
            Err(unready("The database doesn't answer."))
        }
    }
}

/// Reads and writes a little, as a learner's request would. Many who ask at once share one answer at
/// most [`FRESH`] old, so that nobody can keep the disk busy by asking.
async fn probe(state: &AppState) -> Result<i64, DbError> {
    let mut last = state.ready.lock().await;
    if let Some((at, applied)) = *last
        && at.elapsed() < FRESH
    {
        return Ok(applied);
    }
    *last = None;
    let applied = state.db.migration().await?;
    if applied >= db::latest_migration() {
        let now = state.clock.now().0;
        state.db.write(move |tx| Box::pin(write(tx, now))).await?;
    }
    *last = Some((Instant::now(), applied));
    Ok(applied)
}

/// A full disk, a lock or a standby let us read and not write: only a write shows that writes work.
async fn write(tx: &mut Tx<'_>, now: i64) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO job (name, lease_until, last_run_at) VALUES ('readiness', 0, $1) \
        ON CONFLICT (name) DO UPDATE SET last_run_at = excluded.last_run_at";
    execute!(tx, sqlx::query(SQL).bind(now)).map(drop)
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
    let bodies = state.gate.arriving.bodies.load(std::sync::atomic::Ordering::Relaxed);
    for (name, kind, value) in [
        ("jalon_http_requests_in_flight", "gauge", in_flight as u64),
        ("jalon_http_bodies_arriving", "gauge", bodies as u64),
        ("jalon_db_writes_waiting", "gauge", stats.waiting as u64),
        ("jalon_db_writes_total", "counter", stats.writes),
        ("jalon_db_commits_total", "counter", stats.commits),
        ("jalon_db_writes_refused", "gauge", u64::from(stats.refused)),
        ("jalon_db_statements_total", "counter", crate::db::statements()),
    ] {
        let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {value}");
    }
    let headers =
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, text).into_response()
}
