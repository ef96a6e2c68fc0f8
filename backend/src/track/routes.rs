//! What learners call: tracks shown and taken, enrollments, the merge, the learner's own.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jalon_shared::{
    EnrollmentId, Lang, Learner, Problem, StepId, Timestamp,
    track::{LessonPlace, Progress, Step, TrackSlug, TrackState, TrackType},
    wire::{
        enrollment::{
            AdvanceRequest, AdvanceResponse, EnrollRequest, Enrollment as EnrollmentView, EnrollmentStatus,
            ReportRequest,
        },
        merge::{MergeReceipt, MergeRequest},
        track::{StepBody, TrackSummary, TrackView},
    },
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    advance::{Advance, Done, What},
    catalog::Version,
    enroll, learner, lesson, merge, problem, store, view,
};
use crate::{
    app::AppState,
    catalog::Rendered,
    guest::token::GuestTokenError,
    http::{
        auth::{Caller, LearnerAuth, MemberAuth},
        code,
        error::{ApiError, ApiResult},
        etag::{ETag, IfNoneMatch},
        idempotency::{self, Fingerprint},
        json::IdemJson,
        lang::Langs,
        page::Page,
        query::{ApiPath, ApiQuery},
    },
    site::Site,
};

/// A page of a list.
#[derive(Serialize, utoipa::ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; null at the end.
    pub next_cursor: Option<String>,
}

/// The languages to answer in (L1): what the request names, else the learner's, else the site's.
pub fn wanted(langs: Langs, of_learner: Option<&Lang>, site: &Site) -> Vec<Lang> {
    if !langs.0.is_empty() {
        return langs.0;
    }
    vec![of_learner.unwrap_or(&site.default_lang).clone()]
}

/// The published version of a track, if this caller may see it (E1): guests and pages that embed it
/// only where `cms_block_enabled`. A retired track is there for whoever is in it already, and goes on.
async fn visible(app: &AppState, caller: &Caller, slug: &str) -> ApiResult<Arc<Version>> {
    let unknown = || ApiError::new(&code::UNKNOWN_TRACK);
    let slug = TrackSlug::parse(slug).map_err(|_| unknown())?;
    let site = &caller.site;
    let row = app.tracks.catalog.row(site.id, site.revision, &slug).await?.ok_or_else(unknown)?;
    let open = match (row.state, &caller.learner) {
        (TrackState::Published, _) => true,
        (TrackState::Retired, Some(auth)) => {
            let (site, track, learner) = (site.id, row.id, auth.learner.clone());
            let enrollment = app
                .db
                .read(move |tx| Box::pin(async move { store::enrollment_in_track(tx, site, &learner, track).await }));
            enrollment.await?.is_some()
        }
        _ => false,
    };
    if !open {
        return Err(unknown());
    }
    let member = caller.learner.as_ref().is_some_and(|learner| learner.learner.user_id().is_some());
    if !row.cms_block_enabled && (caller.embedded || !member) {
        return Err(ApiError::cms_block_disabled());
    }
    let number = row.published_version.ok_or_else(unknown)?;
    app.tracks.catalog.version(site.id, row.id, row.slug.clone(), number).await?.ok_or_else(unknown)
}

/// A ready body with its tag; 304 for who has it.
pub(crate) fn ready(rendered: &Rendered, if_none_match: &IfNoneMatch) -> Response {
    let mut response = if_none_match.not_modified(&rendered.etag).unwrap_or_else(|| {
        let mut response = Response::new(Body::from(rendered.body.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    });
    // A 304 says the same (RFC 9110, 15.4.5): else browsers would forget what they just confirmed.
    let headers = response.headers_mut();
    headers.insert(header::ETAG, rendered.etag.value());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-language, authorization"));
    response
}

pub(crate) fn json_text(status: StatusCode, body: impl IntoResponse) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// What to list.
#[derive(Debug, Deserialize)]
pub struct TracksQuery {
    /// Only tracks of this type.
    track_type: Option<TrackType>,
}

/// The published tracks that the caller may see.
#[utoipa::path(get, path = "/api/v1/sites/{site}/tracks", tag = "learner",
    params(("site" = String, Path), ("track_type" = Option<TrackType>, Query), ("lang" = Option<String>, Query),
        ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<TrackSummary>), (status = 404, body = Problem)), security((), ("guest" = []), ("member" = [])))]
pub async fn list_tracks(
    State(app): State<AppState>,
    caller: Caller,
    langs: Langs,
    page: Page,
    ApiQuery(query): ApiQuery<TracksQuery>,
) -> ApiResult<Json<List<TrackSummary>>> {
    let site = &caller.site;
    let (after, enough) = (page.after::<TrackSlug>()?, usize::try_from(page.limit).unwrap_or(100));
    let member = caller.learner.as_ref().is_some_and(|learner| learner.learner.user_id().is_some());
    let wanted = wanted(langs, caller.learner.as_ref().and_then(|learner| learner.lang.as_ref()), site);
    let mut items = Vec::new();
    for row in app.tracks.catalog.published(site.id, site.revision).await? {
        let shown = row.cms_block_enabled || (member && !caller.embedded);
        if !shown || after.as_ref().is_some_and(|after| row.slug <= *after) {
            continue;
        }
        let Some(number) = row.published_version else { continue };
        let Some(version) = app.tracks.catalog.version(site.id, row.id, row.slug.clone(), number).await? else {
            continue;
        };
        // Of the published version: what a draft says is nobody's to know yet.
        if query.track_type.is_none_or(|wanted| wanted == version.track.track_type) {
            items.push(view::summary(&version.track, &version.slug, version.number, &wanted));
        }
        if items.len() > enough {
            break;
        }
    }
    let (items, next_cursor) = page.cut(items, |summary| summary.slug.clone());
    Ok(Json(List { items, next_cursor }))
}

/// Which version.
#[derive(Debug, Deserialize)]
pub struct VersionQuery {
    /// Its number.
    version: Option<u32>,
}

/// A track and its steps, without bodies and keys. `version` shows the version of an enrollment that began earlier.
#[utoipa::path(get, path = "/api/v1/sites/{site}/tracks/{track}", tag = "learner",
    params(("site" = String, Path), ("track" = String, Path), ("version" = Option<u32>, Query), ("lang" = Option<String>, Query)),
    responses((status = 200, body = TrackView), (status = 304), (status = 403, body = Problem), (status = 404, body = Problem)),
    security((), ("guest" = []), ("member" = [])))]
pub async fn get_track(
    State(app): State<AppState>,
    caller: Caller,
    langs: Langs,
    ApiPath(place): ApiPath<(String, String)>,
    ApiQuery(query): ApiQuery<VersionQuery>,
    if_none_match: IfNoneMatch,
) -> ApiResult<Response> {
    let (_, slug) = place;
    let mut version = visible(&app, &caller, &slug).await?;
    let site = &caller.site;
    if let Some(number) = query.version.filter(|number| *number != version.number) {
        // Only what was published before; drafts are nobody's to see here.
        let older = app.tracks.catalog.once_published(site.id, version.id, version.slug.clone(), number).await?;
        version = older.ok_or_else(ApiError::not_found)?;
    }
    let wanted = wanted(langs, caller.learner.as_ref().and_then(|learner| learner.lang.as_ref()), site);
    let rendered = version.rendered("track", &wanted, || {
        let languages = version.completeness.keys().cloned().collect();
        to_json(&view::track(&version.track, &site.slug, &version.slug, version.number, languages, &wanted))
    });
    Ok(ready(&rendered, &if_none_match))
}

/// The body of a step that a new learner may open, before there is an enrollment: looking creates no guest.
#[utoipa::path(get, path = "/api/v1/sites/{site}/tracks/{track}/steps/{order}", tag = "learner",
    params(("site" = String, Path), ("track" = String, Path), ("order" = u16, Path), ("lang" = Option<String>, Query)),
    responses((status = 200, body = StepBody), (status = 304), (status = 409, body = Problem, description = "`step_out_of_order`")),
    security((), ("guest" = []), ("member" = [])))]
pub async fn preview_step(
    State(app): State<AppState>,
    caller: Caller,
    langs: Langs,
    ApiPath(place): ApiPath<(String, String, u16)>,
    if_none_match: IfNoneMatch,
) -> ApiResult<Response> {
    let (_, slug, order) = place;
    let version = visible(&app, &caller, &slug).await?;
    let wanted = wanted(langs, caller.learner.as_ref().and_then(|learner| learner.lang.as_ref()), &caller.site);
    open_step(&version, &Progress::begun(Timestamp(0)), order, &wanted)?;
    if let Some((step, place)) = lesson_step(&version, order) {
        let learner = caller.learner.as_ref().map(|auth| auth.learner.clone());
        let body = to_json(&lesson::body(&app, (&caller.site, learner), &version, (step, place), &wanted).await?);
        return Ok(ready(&Rendered::of(body), &if_none_match));
    }
    let rendered = version.rendered(&format!("step{order}"), &wanted, || match version.track.step(order) {
        Some(step) => to_json(&view::step_body(&version.track, step, (&app.orders, None), None, &wanted, Timestamp(0))),
        None => Vec::new(),
    });
    Ok(ready(&rendered, &if_none_match))
}

/// A step that is done in a lesson, and where that is.
fn lesson_step(version: &Version, order: u16) -> Option<(&Step, LessonPlace)> {
    let step = version.track.step(order)?;
    Some((step, *step.lesson()?))
}

/// E1: a page of the site gets what is in a track only while it may be embedded, enrolled or not. What
/// was done there is still taken, so that nobody's work is lost when the switch goes off.
pub(crate) async fn may_be_embedded(app: &AppState, auth: &LearnerAuth, version: &Version) -> ApiResult<()> {
    if !auth.embedded {
        return Ok(());
    }
    let row = app.tracks.catalog.row(auth.site.id, auth.site.revision, &version.slug).await?;
    if row.is_some_and(|row| row.cms_block_enabled) { Ok(()) } else { Err(ApiError::cms_block_disabled()) }
}

/// G6: the body of a locked step is not served.
pub(crate) fn open_step(version: &Version, progress: &Progress, order: u16, wanted: &[Lang]) -> ApiResult<()> {
    let step = version.outline.at(order).ok_or_else(ApiError::not_found)?;
    let Some(blocking) = version.outline.blocking(step, progress) else { return Ok(()) };
    let title =
        version.track.step(blocking.order).map(|step| step.title.resolve(wanted, &version.track.source_lang).value);
    Err(problem::refusal(&jalon_shared::track::Refusal::StepOutOfOrder { blocking: *blocking }, title.as_deref()))
}

/// Begins a track; who began it already gets the enrollment there is.
#[utoipa::path(post, path = "/api/v1/sites/{site}/tracks/{track}/enrollments", tag = "learner",
    params(("site" = String, Path), ("track" = String, Path), ("Idempotency-Key" = Option<Uuid>, Header)), request_body = EnrollRequest,
    responses((status = 201, body = EnrollmentView), (status = 200, body = EnrollmentView), (status = 403, body = Problem), (status = 409, body = Problem)),
    security(("guest" = []), ("member" = [])))]
pub async fn enroll_in_track(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath(place): ApiPath<(String, String)>,
    request: IdemJson<EnrollRequest>,
) -> ApiResult<Response> {
    let IdemJson { body: EnrollRequest {}, key, fingerprint } = request;
    let (_, slug) = place;
    let caller = Caller { site: Arc::clone(&auth.site), embedded: auth.embedded, learner: Some(auth.clone()) };
    let version = visible(&app, &caller, &slug).await?;
    let wish = enroll::Enroll {
        site: auth.site.id,
        site_slug: auth.site.slug.as_str().into(),
        lang: wanted(langs, auth.lang.as_ref(), &auth.site).into_iter().next(),
        key: key.0.map(|key| idempotency::Query {
            site: auth.site.id,
            caller: idempotency::caller_of(&auth.learner),
            key,
            fingerprint,
        }),
        learner: auth.learner,
        version,
    };
    let enrolled = enroll::enroll(&app.db, &app.tracks.catalog, wish, app.clock.now()).await?;
    let status = StatusCode::from_u16(enrolled.status).unwrap_or(StatusCode::OK);
    let mut response = json_text(status, enrolled.body);
    if enrolled.replay {
        idempotency::mark_replay(&mut response);
    }
    Ok(response)
}

/// Which enrollments.
#[derive(Debug, Deserialize)]
pub struct StatusQuery {
    /// Only those that are so far.
    status: Option<EnrollmentStatus>,
}

/// The caller's enrollments, oldest first.
#[utoipa::path(get, path = "/api/v1/sites/{site}/me/enrollments", tag = "learner",
    params(("site" = String, Path), ("status" = Option<EnrollmentStatus>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<EnrollmentView>), (status = 409, body = Problem, description = "`guest_merged`")), security(("guest" = []), ("member" = [])))]
pub async fn list_my_enrollments(
    State(app): State<AppState>,
    auth: LearnerAuth,
    page: Page,
    ApiQuery(query): ApiQuery<StatusQuery>,
) -> ApiResult<Json<List<EnrollmentView>>> {
    let after: Uuid = page.after()?.unwrap_or_default();
    let (site, slug) = (auth.site.id, auth.site.slug.clone());
    let found =
        learner::enrollments(&app.db, &app.tracks.catalog, (site, slug), auth.learner, query.status, after, page.limit)
            .await?;
    let (items, next_cursor) = page.cut(found, |enrollment| enrollment.id);
    Ok(Json(List { items, next_cursor }))
}

/// One enrollment of the caller.
#[utoipa::path(get, path = "/api/v1/enrollments/{id}", tag = "learner", params(("id" = Uuid, Path)),
    responses((status = 200, body = EnrollmentView), (status = 404, body = Problem), (status = 409, body = Problem, description = "`guest_merged`")), security(("guest" = []), ("member" = [])))]
pub async fn get_enrollment(
    State(app): State<AppState>,
    auth: LearnerAuth,
    ApiPath(id): ApiPath<EnrollmentId>,
) -> ApiResult<Response> {
    let (enrollment, version) = enroll::of_caller(&app.db, &app.tracks.catalog, auth.site.id, auth.learner, id).await?;
    let tag = ETag(format!("v{}", enrollment.version));
    Ok(tag.on(Json(enroll::view(&enrollment, &version, &auth.site.slug))))
}

/// The body of a step, once it may be opened (G6).
#[utoipa::path(get, path = "/api/v1/enrollments/{id}/steps/{order}", tag = "learner",
    params(("id" = Uuid, Path), ("order" = u16, Path), ("lang" = Option<String>, Query)),
    responses((status = 200, body = StepBody), (status = 404, body = Problem), (status = 409, body = Problem, description = "`step_out_of_order`, `guest_merged`")),
    security(("guest" = []), ("member" = [])))]
pub async fn get_step(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath((id, order)): ApiPath<(EnrollmentId, u16)>,
    if_none_match: IfNoneMatch,
) -> ApiResult<Response> {
    let wanted = wanted(langs, auth.lang.as_ref(), &auth.site);
    let (enrollment, version) =
        enroll::of_caller(&app.db, &app.tracks.catalog, auth.site.id, auth.learner.clone(), id).await?;
    may_be_embedded(&app, &auth, &version).await?;
    open_step(&version, &enrollment.progress, order, &wanted)?;
    let step = version.track.step(order).ok_or_else(ApiError::not_found)?;
    if let Some((step, place)) = lesson_step(&version, order) {
        // A course changes under its tracks.
        let learner = (auth.site.as_ref(), Some(auth.learner.clone()));
        let body = to_json(&lesson::body(&app, learner, &version, (step, place), &wanted).await?);
        return Ok(ready(&Rendered::of(body), &if_none_match));
    }
    if step.quiz().is_none() {
        let rendered = version.rendered(&format!("step{order}"), &wanted, || {
            to_json(&view::step_body(&version.track, step, (&app.orders, None), None, &wanted, Timestamp(0)))
        });
        return Ok(ready(&rendered, &if_none_match));
    }
    // A quiz has its own order for this attempt of this learner.
    let body = to_json(&view::step_body(
        &version.track,
        step,
        (&app.orders, Some(id)),
        enrollment.progress.steps.get(&step.id),
        &wanted,
        app.clock.now(),
    ));
    Ok(ready(&Rendered::of(body), &if_none_match))
}

/// Which step.
#[derive(Debug, Deserialize)]
pub struct StepQuery {
    /// Its id, which no version changes. In the query and not in the body: a server that doesn't know it
    /// yet, while servers are being replaced one by one, leaves it alone.
    pub(super) step_id: Option<StepId>,
}

/// What stands around every command of the hot path.
async fn run(
    app: &AppState,
    auth: LearnerAuth,
    langs: Langs,
    (enrollment, order): (EnrollmentId, u16),
    step: Option<StepId>,
    what: What,
    key: Option<(Uuid, Fingerprint)>,
) -> ApiResult<Response> {
    let command = Advance {
        site: auth.site.id,
        wanted: wanted(langs, auth.lang.as_ref(), &auth.site),
        site_slug: Arc::from(auth.site.slug.as_str()),
        learner: auth.learner,
        enrollment,
        order,
        step,
        what,
        lesson: None,
        key,
    };
    let Done { body, replay } = app.tracks.advancer.advance(command).await?;
    let mut response = json_text(StatusCode::OK, body);
    if replay {
        idempotency::mark_replay(&mut response);
    }
    Ok(response)
}

/// Completes a step, or answers its quiz (G1–G5).
///
/// With `step_id` it is that step, wherever it stands in the learner's version of the track; the order in
/// the path is then only where the caller saw it.
#[utoipa::path(post, path = "/api/v1/enrollments/{id}/steps/{order}/advance", tag = "learner",
    params(("id" = Uuid, Path), ("order" = u16, Path), ("Idempotency-Key" = Option<Uuid>, Header),
        ("step_id" = Option<Uuid>, Query), ("lang" = Option<String>, Query)),
    request_body = AdvanceRequest,
    responses((status = 200, body = AdvanceResponse), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 409, body = Problem, description = "`step_out_of_order` with `blocking_step`, `attempts_exhausted`, `cooldown` with `retry_at`, `lesson_incomplete` with `missing_items` and `course_enrollment_id`, `step_gone`, `guest_merged`")),
    security(("guest" = []), ("member" = [])))]
pub async fn advance_step(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath(place): ApiPath<(EnrollmentId, u16)>,
    ApiQuery(query): ApiQuery<StepQuery>,
    request: IdemJson<AdvanceRequest>,
) -> ApiResult<Response> {
    let IdemJson { body, key, fingerprint } = request;
    run(&app, auth, langs, place, query.step_id, What::Advance(body), key.0.map(|key| (key, fingerprint))).await
}

/// Adds time, replaces the position.
///
/// `step_id` as for an advance.
#[utoipa::path(patch, path = "/api/v1/enrollments/{id}/steps/{order}", tag = "learner",
    params(("id" = Uuid, Path), ("order" = u16, Path), ("Idempotency-Key" = Option<Uuid>, Header),
        ("step_id" = Option<Uuid>, Query)), request_body = ReportRequest,
    responses((status = 200, body = EnrollmentView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)),
    security(("guest" = []), ("member" = [])))]
pub async fn report_step(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath(place): ApiPath<(EnrollmentId, u16)>,
    ApiQuery(query): ApiQuery<StepQuery>,
    request: IdemJson<ReportRequest>,
) -> ApiResult<Response> {
    let IdemJson { body, key, fingerprint } = request;
    run(&app, auth, langs, place, query.step_id, What::Report(body), key.0.map(|key| (key, fingerprint))).await
}

/// What a guest did becomes the member's (M1–M8). The same guest again answers the same receipt.
#[utoipa::path(post, path = "/api/v1/sites/{site}/me/merge", tag = "learner",
    params(("site" = String, Path), ("Idempotency-Key" = Option<Uuid>, Header)), request_body = MergeRequest,
    responses((status = 200, body = MergeReceipt), (status = 409, body = Problem, description = "`guest_already_merged`"), (status = 422, body = Problem)),
    security(("member" = [])))]
pub async fn merge_guest(
    State(app): State<AppState>,
    auth: MemberAuth,
    request: IdemJson<MergeRequest>,
) -> ApiResult<Response> {
    let IdemJson { body: MergeRequest { guest_token }, key, fingerprint } = request;
    let now = app.clock.now();
    let bad = |detail: &str| ApiError::invalid_value("/guest_token", detail);
    let claims = app.gate.guests.read(&guest_token, now).map_err(|error| match error {
        GuestTokenError::Expired => bad("The guest token has expired."),
        GuestTokenError::Invalid => bad("This is no guest token of this server."),
    })?;
    if claims.site != auth.site.id {
        return Err(bad("The guest token is for another site."));
    }
    let caller = idempotency::caller_of(&Learner::User(auth.member.user.clone()));
    let wish = merge::Merge {
        site: auth.site.id,
        site_slug: auth.site.slug.as_str().into(),
        user: auth.member.user,
        guest: claims.guest,
        key: key.0.map(|key| idempotency::Query { site: auth.site.id, caller, key, fingerprint }),
    };
    let merged = merge::merge(&app.db, &app.tracks.catalog, &app.courses.catalog, wish, now).await?;
    let mut response = json_text(StatusCode::OK, merged.receipt);
    if merged.replay {
        idempotency::mark_replay(&mut response);
    }
    Ok(response)
}

/// Everything that is known about the caller.
#[utoipa::path(get, path = "/api/v1/sites/{site}/me/export", tag = "learner", params(("site" = String, Path)),
    responses((status = 200, body = serde_json::Value, description = "Enrollments, and every event they add up from"), (status = 409, body = Problem, description = "`guest_merged`")), security(("guest" = []), ("member" = [])))]
pub async fn export_me(State(app): State<AppState>, auth: LearnerAuth) -> ApiResult<Response> {
    let everything = learner::export(
        &app.db,
        (&app.tracks.catalog, &app.courses.catalog),
        auth.site.id,
        auth.site.slug.clone(),
        auth.learner,
        app.clock.now(),
    )
    .await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"jalon-export.json\""));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((headers, Json(everything)).into_response())
}

/// Erases everything about the caller. It can't be undone.
#[utoipa::path(delete, path = "/api/v1/sites/{site}/me", tag = "learner", params(("site" = String, Path)),
    responses((status = 204), (status = 409, body = Problem, description = "`guest_merged`")), security(("guest" = []), ("member" = [])))]
pub async fn erase_me(State(app): State<AppState>, auth: LearnerAuth) -> ApiResult<StatusCode> {
    learner::erase(&app.db, auth.site.id, auth.learner, learner::Eraser::Learner).await?;
    app.tracks.advancer.forget();
    Ok(StatusCode::NO_CONTENT)
}
