//! A step that is done in a lesson of a course: opened there, and complete once the lesson is.

use axum::{extract::State, response::Response};
use jalon_shared::{
    EnrollmentId, Lang, Learner, Problem, Timestamp, TrackId,
    track::{LessonPlace, Step},
    wire::{
        course::{OpenLessonRequest, OpenedLesson},
        track::StepBody,
    },
};

use super::{
    catalog::Version,
    enroll,
    routes::{self, StepQuery},
    view,
};
use crate::{
    app::AppState,
    course::{self, learn::Asker, routes::answered},
    db::{DbError, Tx},
    http::{
        auth::LearnerAuth,
        error::{ApiError, ApiResult},
        json::IdemJson,
        lang::Langs,
        query::{ApiPath, ApiQuery},
    },
    site::Site,
};

/// What a lesson's step shows: where the lesson is, in the learner's version of the course.
pub async fn body(
    app: &AppState,
    (site, learner): (&Site, Option<Learner>),
    version: &Version,
    (step, place): (&Step, LessonPlace),
    wanted: &[Lang],
) -> Result<StepBody, DbError> {
    let body = view::step_body(&version.track, step, (&app.orders, None), None, wanted, Timestamp(0));
    let lesson = course::lesson::shown(&app.db, &app.courses.catalog, site.id, learner, place, wanted).await?;
    Ok(StepBody { lesson, ..body })
}

/// Opens the lesson that a step points at: makes the caller's way through its course, or finds it. From then on the
/// lesson's items are open to them, whatever stands before the lesson in the course; its own gates hold (C1).
///
/// `step_id` as for an advance.
#[utoipa::path(post, path = "/api/v1/enrollments/{id}/steps/{order}/lesson", tag = "learner",
    params(("id" = Uuid, Path), ("order" = u16, Path), ("Idempotency-Key" = Option<Uuid>, Header),
        ("step_id" = Option<Uuid>, Query), ("lang" = Option<String>, Query)),
    request_body = OpenLessonRequest,
    responses((status = 201, body = OpenedLesson), (status = 200, body = OpenedLesson), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "`step_out_of_order` with `blocking_step`, `step_gone`, `guest_merged`")),
    security(("guest" = []), ("member" = [])))]
pub async fn open_lesson(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath((id, order)): ApiPath<(EnrollmentId, u16)>,
    ApiQuery(query): ApiQuery<StepQuery>,
    request: IdemJson<OpenLessonRequest>,
) -> ApiResult<Response> {
    let IdemJson { body: OpenLessonRequest {}, key, fingerprint } = request;
    let asker = course::routes::asker(&app, &auth, langs, key.0.map(|key| (key, fingerprint)));
    if auth.embedded {
        // E1; whose it is not hears so below.
        let (site, learner) = (auth.site.id, auth.learner.clone());
        if let Ok((_, version)) = enroll::of_caller(&app.db, &app.tracks.catalog, site, learner, id).await {
            routes::may_be_embedded(&app, &auth, &version).await?;
        }
    }
    let (app, now) = (&app, app.clock.now());
    let done = super::again_after_conflict(|| {
        let (tracks, courses) = (app.tracks.catalog.clone(), app.courses.catalog.clone());
        let (asker, step) = (asker.clone(), query.step_id);
        app.db.write(move |tx| {
            Box::pin(async move {
                asker.hold(tx).await?;
                if let Some(done) = course::learn::before(tx, asker.query().as_ref()).await? {
                    return Ok(done);
                }
                let place = place(tx, &tracks, &asker, id, (order, step)).await?;
                course::lesson::open(tx, &courses, &asker, place, now).await
            })
        })
    });
    Ok(answered(done.await?))
}

/// Where the lesson of a step is, if the caller may open that step (G1, G6).
async fn place(
    tx: &mut Tx<'_>,
    catalog: &super::catalog::Catalog,
    asker: &Asker,
    id: EnrollmentId,
    (order, step): (u16, Option<jalon_shared::StepId>),
) -> Result<(TrackId, LessonPlace), ApiError> {
    let enrollment = super::store::enrollment(tx, asker.site, id).await?;
    let enrollment =
        enrollment.filter(|enrollment| enrollment.learner == asker.learner).ok_or_else(ApiError::not_found)?;
    let version = super::version_of(tx, catalog, &enrollment).await?;
    let order = match step {
        Some(step) => version.outline.step(step).ok_or_else(super::problem::step_gone)?.order,
        None => order,
    };
    routes::open_step(&version, &enrollment.progress, order, &asker.wanted)?;
    let place = version.track.step(order).and_then(Step::lesson).ok_or_else(ApiError::not_found)?;
    Ok((enrollment.track_id, *place))
}
