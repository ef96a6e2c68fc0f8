//! What graders call: the queue of open answers, and what to do with one.

use std::sync::Arc;

use axum::{Json, extract::State};
use jalon_shared::{
    Problem,
    slug::CourseSlug,
    wire::grading::{AcceptRequest, GraderRequest, OpenAnswerState, OpenAnswerView, RejectRequest},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    grading::{self, Grader, What},
    store::Which,
};
use crate::{
    app::AppState,
    http::{
        auth::{Admin, scope},
        code,
        error::{ApiError, ApiResult},
        json::ApiJson,
        lang::Langs,
        page::Page,
        query::{ApiPath, ApiQuery},
    },
    track::routes::{List, wanted},
};

fn grader(admin: &Admin<scope::Grading>, langs: Langs) -> ApiResult<Grader> {
    Ok(Grader {
        site: admin.site.id,
        site_slug: Arc::from(admin.site.slug.as_str()),
        name: Grader::name(&admin.actor)?,
        by: Some(admin.actor.clone()),
        wanted: wanted(langs, None, &admin.site),
    })
}

/// Which open answers.
#[derive(Debug, Deserialize)]
pub struct OpenAnswersQuery {
    /// Only those of this state, whether or not a grader is to look at them; left out, the queue.
    state: Option<OpenAnswerState>,
    /// All there are.
    #[serde(default)]
    all: bool,
    /// Only those of this course.
    course: Option<CourseSlug>,
}

/// The graders' queue, oldest first; or, with `state` or `all`, what was graded too. A member's own answers are not
/// in their list.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/open-answers", tag = "grading",
    params(("site" = String, Path), ("state" = Option<OpenAnswerState>, Query), ("all" = Option<bool>, Query), ("course" = Option<String>, Query),
        ("lang" = Option<String>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<OpenAnswerView>)), security(("api_key" = []), ("member" = [])))]
pub async fn list_open_answers(
    State(app): State<AppState>,
    admin: Admin<scope::Grading>,
    langs: Langs,
    page: Page,
    ApiQuery(query): ApiQuery<OpenAnswersQuery>,
) -> ApiResult<Json<List<OpenAnswerView>>> {
    let which = match (query.state, query.all) {
        (Some(state), _) => Which::Of(state),
        (None, true) => Which::All,
        (None, false) => Which::Queued,
    };
    let course = match &query.course {
        None => None,
        Some(slug) => {
            let row = app.courses.catalog.row(admin.site.id, admin.site.revision, slug).await?;
            Some(row.ok_or_else(|| ApiError::new(&code::UNKNOWN_COURSE))?.id)
        }
    };
    let (grader, after) = (grader(&admin, langs)?, page.after()?.unwrap_or_default());
    let found = grading::list(&app.db, &app.courses.catalog, grader, (which, course), after, page.limit).await?;
    let (items, next_cursor) = page.cut(found, |answer| answer.id);
    Ok(Json(List { items, next_cursor }))
}

/// One open answer, with all that graders said of it.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/open-answers/{answer}", tag = "grading",
    params(("site" = String, Path), ("answer" = Uuid, Path), ("lang" = Option<String>, Query)),
    responses((status = 200, body = OpenAnswerView), (status = 403, body = Problem, description = "`own_work`"), (status = 404, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn get_open_answer(
    State(app): State<AppState>,
    admin: Admin<scope::Grading>,
    langs: Langs,
    ApiPath((_, answer)): ApiPath<(String, Uuid)>,
) -> ApiResult<Json<OpenAnswerView>> {
    let grader = grader(&admin, langs)?;
    Ok(Json(grading::get(&app.db, &app.courses.catalog, grader, answer).await?))
}

async fn change(
    app: &AppState,
    admin: &Admin<scope::Grading>,
    langs: Langs,
    answer: Uuid,
    what: What,
) -> ApiResult<Json<OpenAnswerView>> {
    let grader = grader(admin, langs)?;
    Ok(Json(grading::change(&app.db, &app.courses.catalog, grader, answer, what, &app.clock).await?))
}

/// Takes an answer for half an hour, so that nobody else reads it meanwhile; again, for another half hour.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/open-answers/{answer}/claim", tag = "grading",
    params(("site" = String, Path), ("answer" = Uuid, Path)), request_body = GraderRequest,
    responses((status = 200, body = OpenAnswerView), (status = 403, body = Problem, description = "`own_work`"), (status = 404, body = Problem), (status = 409, body = Problem, description = "`claimed` with `claimed_until`, `not_queued`, `own_second_opinion`")),
    security(("api_key" = []), ("member" = [])))]
pub async fn claim(
    State(app): State<AppState>,
    admin: Admin<scope::Grading>,
    langs: Langs,
    ApiPath((_, answer)): ApiPath<(String, Uuid)>,
    ApiJson(GraderRequest {}): ApiJson<GraderRequest>,
) -> ApiResult<Json<OpenAnswerView>> {
    change(&app, &admin, langs, answer, What::Claim).await
}

/// Lets go of an answer.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/open-answers/{answer}/release", tag = "grading",
    params(("site" = String, Path), ("answer" = Uuid, Path)), request_body = GraderRequest,
    responses((status = 200, body = OpenAnswerView), (status = 403, body = Problem, description = "`own_work`"), (status = 404, body = Problem), (status = 409, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn release(
    State(app): State<AppState>,
    admin: Admin<scope::Grading>,
    langs: Langs,
    ApiPath((_, answer)): ApiPath<(String, Uuid)>,
    ApiJson(GraderRequest {}): ApiJson<GraderRequest>,
) -> ApiResult<Json<OpenAnswerView>> {
    change(&app, &admin, langs, answer, What::Release).await
}

/// Accepts an answer with points, more than 0 (C2). The learner's points, gates and completion follow. The same from
/// the same grader again changes nothing.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/open-answers/{answer}/accept", tag = "grading",
    params(("site" = String, Path), ("answer" = Uuid, Path)), request_body = AcceptRequest,
    responses((status = 200, body = OpenAnswerView), (status = 403, body = Problem, description = "`own_work`"), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "`claimed`, `not_queued`, `own_second_opinion`"), (status = 422, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn accept(
    State(app): State<AppState>,
    admin: Admin<scope::Grading>,
    langs: Langs,
    ApiPath((_, answer)): ApiPath<(String, Uuid)>,
    ApiJson(AcceptRequest { points, comment }): ApiJson<AcceptRequest>,
) -> ApiResult<Json<OpenAnswerView>> {
    change(&app, &admin, langs, answer, What::Accept(points, comment)).await
}

/// Rejects an answer, with a reason (C2).
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/open-answers/{answer}/reject", tag = "grading",
    params(("site" = String, Path), ("answer" = Uuid, Path)), request_body = RejectRequest,
    responses((status = 200, body = OpenAnswerView), (status = 403, body = Problem, description = "`own_work`"), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "`claimed`, `not_queued`, `own_second_opinion`"), (status = 422, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn reject(
    State(app): State<AppState>,
    admin: Admin<scope::Grading>,
    langs: Langs,
    ApiPath((_, answer)): ApiPath<(String, Uuid)>,
    ApiJson(RejectRequest { reason }): ApiJson<RejectRequest>,
) -> ApiResult<Json<OpenAnswerView>> {
    change(&app, &admin, langs, answer, What::Reject(reason)).await
}

/// Puts a graded answer into the queue once more, for another grader. What was said counts until then.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/open-answers/{answer}/second-opinion", tag = "grading",
    params(("site" = String, Path), ("answer" = Uuid, Path)), request_body = GraderRequest,
    responses((status = 200, body = OpenAnswerView), (status = 403, body = Problem, description = "`own_work`"), (status = 404, body = Problem), (status = 409, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn ask_second_opinion(
    State(app): State<AppState>,
    admin: Admin<scope::Grading>,
    langs: Langs,
    ApiPath((_, answer)): ApiPath<(String, Uuid)>,
    ApiJson(GraderRequest {}): ApiJson<GraderRequest>,
) -> ApiResult<Json<OpenAnswerView>> {
    change(&app, &admin, langs, answer, What::SecondOpinion).await
}
