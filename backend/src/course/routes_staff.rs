//! What authors and staff call for those who are in courses already.

use std::sync::Arc;

use axum::{Json, extract::State};
use jalon_shared::{
    Problem, UserId,
    slug::CourseSlug,
    wire::recalculation::{RecalculationReport, RecalculationRequest, SharedPointsReport, SharedPointsRequest},
};

use super::{
    recalculate::{self, BATCH, Batch, MOST},
    sync::{self, Sync},
};
use crate::{
    app::AppState,
    http::{
        auth::{Admin, CourseAuthor, scope},
        error::{ApiError, ApiResult},
        json::ApiJson,
        page::{List, Page},
        query::ApiPath,
    },
};

/// Brings a course's enrollments to its published version and counts anew, with recorded answers graded by its
/// keys (C3); or, with `dry_run`, only says what that would change. One call is one batch: go on with
/// `next_cursor`. Nobody who finished is un-finished (C4); doing it twice changes nothing more. A member's own
/// enrollment is left out, and counted in `left_out`: somebody else recalculates that.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/courses/{course}/recalculation", tag = "authoring",
    params(("site" = String, Path), ("course" = String, Path)), request_body = RecalculationRequest,
    responses((status = 200, body = RecalculationReport), (status = 404, body = Problem), (status = 409, body = Problem, description = "It was never published"), (status = 422, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn recalculate_course(
    State(app): State<AppState>,
    author: CourseAuthor,
    list: List,
    ApiPath((_, course)): ApiPath<(String, String)>,
    ApiJson(request): ApiJson<RecalculationRequest>,
) -> ApiResult<Json<RecalculationReport>> {
    // No course is named so.
    let course = CourseSlug::parse(&course).map_err(|_| ApiError::not_found())?;
    let limit = request.limit.unwrap_or(BATCH);
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::invalid_value("/limit", format!("A batch holds 1 to {MOST} enrollments.")));
    }
    let page = Page::new(limit, request.cursor, list);
    let batch = Batch {
        site: author.site.id,
        site_slug: Arc::from(author.site.slug.as_str()),
        course,
        by: Some(author.actor),
        reach: author.reach,
        dry_run: request.dry_run,
        after: page.after()?.unwrap_or_default(),
        limit,
    };
    let (mut report, next) = recalculate::batch(&app.db, &app.courses.catalog, batch, app.clock.now()).await?;
    report.next_cursor = next.as_ref().map(|last| page.cursor(last));
    Ok(Json(report))
}

/// Brings what a member answered right in shared lessons into all their courses that are not complete, as far as the
/// lessons are open: what the next visit of each lesson would bring. Answers of the course's own win, and nothing is
/// seen by it. Doing it twice changes nothing more. Members don't do it for themselves.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/learners/{user}/shared-points", tag = "site",
    params(("site" = String, Path), ("user" = String, Path, description = "The member's `sub`, percent-encoded")), request_body = SharedPointsRequest,
    responses((status = 200, body = SharedPointsReport), (status = 403, body = Problem, description = "`own_work`"), (status = 404, body = Problem, description = "Nobody of this name is in a course")),
    security(("api_key" = []), ("member" = [])))]
pub async fn sync_shared_points(
    State(app): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
    ApiPath((_, user)): ApiPath<(String, UserId)>,
    ApiJson(SharedPointsRequest {}): ApiJson<SharedPointsRequest>,
) -> ApiResult<Json<SharedPointsReport>> {
    let site_slug = Arc::from(admin.site.slug.as_str());
    let wanted = Sync { site: admin.site.id, site_slug, user, by: Some(admin.actor), orders: app.orders.clone() };
    Ok(Json(sync::sync(&app.db, &app.courses.catalog, wanted, app.clock.now()).await?))
}
