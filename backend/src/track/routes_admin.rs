//! What authors and the site's staff call: tracks as written, the audit trail, statistics.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jalon_shared::{
    GuestId, Learner, Problem, Score, Timestamp, UserId,
    track::{TrackSlug, TrackSource},
    wire::track::{TrackAdmin, TrackPatch},
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    author::{self, Change},
    learner,
    routes::List,
    store,
};
use crate::{
    app::AppState,
    http::{
        auth::{Admin, scope},
        error::{ApiError, ApiResult},
        etag::{ETag, IfMatch},
        json::{ApiJson, LargeJson},
        page::Page,
        query::ApiPath,
    },
};

fn parse_slug(slug: &str) -> ApiResult<TrackSlug> {
    TrackSlug::parse(slug).map_err(|error| ApiError::invalid_value("/track", format!("{error}.")))
}

fn tagged(track: TrackAdmin, status: StatusCode) -> Response {
    let tag = ETag::revision(track.revision);
    tag.on((status, Json(track)).into_response())
}

/// All tracks of the site, in any state.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/tracks", tag = "authoring",
    params(("site" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<TrackAdmin>)), security(("api_key" = []), ("member" = [])))]
pub async fn list_tracks_admin(
    State(app): State<AppState>,
    admin: Admin<scope::TracksRead>,
    page: Page,
) -> ApiResult<Json<List<TrackAdmin>>> {
    let (site, after) = (admin.site.id, page.after::<TrackSlug>()?);
    let mut rows = app.db.read(move |tx| Box::pin(async move { store::tracks(tx, site).await })).await?;
    // By bytes, as cursors compare: PostgreSQL sorts as its locale says.
    rows.sort_by(|a, b| a.slug.cmp(&b.slug));
    rows.retain(|row| after.as_ref().is_none_or(|after| row.slug > *after));
    let (rows, next_cursor) = page.cut(rows, |row| row.slug.clone());
    Ok(Json(List { items: rows.iter().map(|row| author::admin(row, None)).collect(), next_cursor }))
}

/// A track, as its newest version was written.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/tracks/{track}", tag = "authoring", params(("site" = String, Path), ("track" = String, Path)),
    responses((status = 200, body = TrackAdmin), (status = 404, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn get_track_admin(
    State(app): State<AppState>,
    admin: Admin<scope::TracksRead>,
    ApiPath(place): ApiPath<(String, String)>,
) -> ApiResult<Response> {
    let (_, slug) = place;
    let (site, slug) = (admin.site.id, parse_slug(&slug)?);
    let track = app.db.read(move |tx| Box::pin(async move { author::get(tx, site, &slug).await })).await?;
    Ok(tagged(track, StatusCode::OK))
}

/// Writes a whole track: checks all of it, makes a version that is not yet published. The same again makes none.
#[utoipa::path(put, path = "/api/v1/admin/sites/{site}/tracks/{track}", tag = "authoring",
    params(("site" = String, Path), ("track" = String, Path), ("If-Match" = Option<String>, Header)), request_body = TrackSource,
    responses((status = 200, body = TrackAdmin), (status = 201, body = TrackAdmin), (status = 412, body = Problem), (status = 422, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn put_track(
    State(app): State<AppState>,
    admin: Admin<scope::TracksWrite>,
    ApiPath(place): ApiPath<(String, String)>,
    if_match: IfMatch,
    LargeJson(source): LargeJson<TrackSource>,
) -> ApiResult<Response> {
    let (_, slug) = place;
    let (site, slug, now) = (admin.site.id, parse_slug(&slug)?, app.clock.now());
    let written = app
        .db
        .write_by_staff(move |tx| {
            Box::pin(async move { author::put(tx, site, &slug, source, |tag| check(&if_match, tag), now).await })
        })
        .await?;
    changed(&app, site).await?;
    Ok(tagged(written.track, if written.created { StatusCode::CREATED } else { StatusCode::OK }))
}

pub(crate) fn check(if_match: &IfMatch, present: Option<&ETag>) -> ApiResult<()> {
    present.map_or_else(|| if_match.check_absent(), |tag| if_match.check(tag))
}

/// Has this server see the change at once; others see it within a second.
async fn changed(app: &AppState, site: jalon_shared::SiteId) -> ApiResult<()> {
    app.tracks.catalog.forget(site);
    Ok(app.gate.sites.reload().await?)
}

async fn change(
    app: &AppState,
    site: jalon_shared::SiteId,
    slug: &str,
    what: Change,
    if_match: IfMatch,
) -> ApiResult<Response> {
    let (slug, now) = (parse_slug(slug)?, app.clock.now());
    let track = app
        .db
        .write_by_staff(move |tx| {
            Box::pin(async move { author::change(tx, site, &slug, what, |tag| check(&if_match, tag), now).await })
        })
        .await?;
    changed(app, site).await?;
    Ok(tagged(track, StatusCode::OK))
}

/// Switches embedding and guests on or off, at once (E1); makes no version.
#[utoipa::path(patch, path = "/api/v1/admin/sites/{site}/tracks/{track}", tag = "authoring",
    params(("site" = String, Path), ("track" = String, Path), ("If-Match" = Option<String>, Header)), request_body = TrackPatch,
    responses((status = 200, body = TrackAdmin), (status = 404, body = Problem), (status = 412, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn patch_track(
    State(app): State<AppState>,
    admin: Admin<scope::TracksWrite>,
    ApiPath(place): ApiPath<(String, String)>,
    if_match: IfMatch,
    ApiJson(patch): ApiJson<TrackPatch>,
) -> ApiResult<Response> {
    let (_, slug) = place;
    let Some(enabled) = patch.cms_block_enabled else {
        return Err(ApiError::invalid_value("/cms_block_enabled", "Say what to change."));
    };
    change(&app, admin.site.id, &slug, Change::CmsBlock(enabled), if_match).await
}

/// Learners begin with the newest version from now on; who is in stays in theirs.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/tracks/{track}/publish", tag = "authoring",
    params(("site" = String, Path), ("track" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = TrackAdmin), (status = 404, body = Problem), (status = 412, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn publish_track(
    State(app): State<AppState>,
    admin: Admin<scope::TracksWrite>,
    ApiPath(place): ApiPath<(String, String)>,
    if_match: IfMatch,
) -> ApiResult<Response> {
    let (_, slug) = place;
    change(&app, admin.site.id, &slug, Change::Publish, if_match).await
}

/// No new enrollments; who is in goes on.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/tracks/{track}/retire", tag = "authoring",
    params(("site" = String, Path), ("track" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = TrackAdmin), (status = 404, body = Problem), (status = 412, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn retire_track(
    State(app): State<AppState>,
    admin: Admin<scope::TracksWrite>,
    ApiPath(place): ApiPath<(String, String)>,
    if_match: IfMatch,
) -> ApiResult<Response> {
    let (_, slug) = place;
    change(&app, admin.site.id, &slug, Change::Retire, if_match).await
}

/// The audit trail: everything that changed learning, oldest first.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/events", tag = "site",
    params(("site" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<Value>)), security(("api_key" = []), ("member" = [])))]
pub async fn list_events(
    State(app): State<AppState>,
    admin: Admin<scope::EventsRead>,
    page: Page,
) -> ApiResult<Json<List<Value>>> {
    let (site, after, limit) = (admin.site.id, page.after::<Uuid>()?.unwrap_or_default(), i64::from(page.limit) + 1);
    let rows =
        app.db.read(move |tx| Box::pin(async move { store::events_of_site(tx, site, after, limit).await })).await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.id);
    let items = rows.iter().map(learner::event_json).collect::<Result<_, _>>()?;
    Ok(Json(List { items, next_cursor }))
}

/// Everything that is known about a member, for a site that answers for them.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/learners/{user}/export", tag = "site",
    params(("site" = String, Path), ("user" = String, Path, description = "The member's `sub`, percent-encoded")),
    responses((status = 200, body = Value, description = "As the member's own export"), (status = 404, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn export_learner(
    State(app): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
    ApiPath((_, user)): ApiPath<(String, UserId)>,
) -> ApiResult<Response> {
    let (site, slug) = (admin.site.id, admin.site.slug.clone());
    let everything = learner::export(
        &app.db,
        (&app.tracks.catalog, &app.courses.catalog),
        site,
        slug,
        Learner::User(user),
        app.clock.now(),
    )
    .await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(everything)).into_response())
}

/// Erases everything about a member, and the guests who became that member. It can't be undone. A
/// member who is not there is erased already. The audit trail keeps that somebody was, not who.
#[utoipa::path(delete, path = "/api/v1/admin/sites/{site}/learners/{user}", tag = "site",
    params(("site" = String, Path), ("user" = String, Path, description = "The member's `sub`, percent-encoded")),
    responses((status = 204, description = "Nothing of theirs is left"), (status = 404, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn erase_learner(
    State(app): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
    ApiPath((_, user)): ApiPath<(String, UserId)>,
) -> ApiResult<StatusCode> {
    erase(&app, admin, Learner::User(user)).await
}

/// Erases everything about a guest. What a guest left who became a member is erased with the member.
#[utoipa::path(delete, path = "/api/v1/admin/sites/{site}/guests/{guest}", tag = "site",
    params(("site" = String, Path), ("guest" = GuestId, Path)),
    responses((status = 204, description = "Nothing of theirs is left"), (status = 404, body = Problem), (status = 409, body = Problem, description = "`guest_merged`")),
    security(("api_key" = []), ("member" = [])))]
pub async fn erase_guest(
    State(app): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
    ApiPath((_, guest)): ApiPath<(String, GuestId)>,
) -> ApiResult<StatusCode> {
    erase(&app, admin, Learner::Guest(guest)).await
}

async fn erase(app: &AppState, admin: Admin<scope::LearnersWrite>, learner: Learner) -> ApiResult<StatusCode> {
    let by = learner::Eraser::Staff(admin.actor, app.clock.now());
    learner::erase(&app.db, admin.site.id, learner, by).await?;
    app.tracks.advancer.forget();
    Ok(StatusCode::NO_CONTENT)
}

/// How one track is taken.
#[derive(Serialize, utoipa::ToSchema)]
pub struct TrackStatistics {
    /// The track.
    track: String,
    /// Enrollments.
    enrollments: i64,
    /// Of these, of guests.
    guests: i64,
    /// Of these, complete.
    completed: i64,
    /// The mean score of the complete ones that have one; null: none has.
    mean_score: Option<Score>,
    /// Seconds, over all.
    time_spent_seconds: i64,
}

/// How the site's tracks are taken.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SiteStatistics {
    /// When it was counted.
    at: Timestamp,
    /// By track.
    tracks: Vec<TrackStatistics>,
}

/// How the site's tracks are taken; numbers only, no persons.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/statistics", tag = "site", params(("site" = String, Path)),
    responses((status = 200, body = SiteStatistics)), security(("api_key" = []), ("member" = [])))]
pub async fn get_statistics(
    State(app): State<AppState>,
    admin: Admin<scope::StatisticsRead>,
) -> ApiResult<Json<SiteStatistics>> {
    let site = admin.site.id;
    let rows = app.db.read(move |tx| Box::pin(async move { store::statistics(tx, site).await })).await?;
    let mean = |sum: i64, count: i64| {
        (count > 0).then(|| Score::from_hundredths((2 * sum + count) / (2 * count)).ok()).flatten()
    };
    let tracks = rows
        .into_iter()
        .map(|row| TrackStatistics {
            mean_score: mean(row.score_sum, row.scored),
            track: row.slug,
            enrollments: row.enrollments,
            guests: row.guests,
            completed: row.completed,
            time_spent_seconds: row.time_spent_seconds,
        })
        .collect();
    Ok(Json(SiteStatistics { at: app.clock.now(), tracks }))
}
