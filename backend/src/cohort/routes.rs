//! What coaches and academy directors call, and the systems that keep cohorts.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jalon_shared::{
    FieldError, Problem, UserId,
    wire::cohort::{AcademyDashboard, CohortDashboard, CohortLearner, CohortPut, CohortSummary, CourseNumbers},
};

use super::{dashboard, store};
use crate::{
    app::AppState,
    course::evaluation,
    http::{
        auth::{Admin, MemberAuth, scope},
        code,
        error::{ApiError, ApiResult},
        json::LargeJson,
        lang::Langs,
        page::Page,
        query::ApiPath,
    },
    site::member::Role,
    track::routes::{List, wanted},
};

/// The cohorts a member looks after; `None`: all, for who may see the whole site's statistics.
async fn looked_after(app: &AppState, auth: &MemberAuth) -> ApiResult<Option<Vec<String>>> {
    let roles = &auth.member.roles;
    if roles.iter().any(|role| matches!(role, Role::SiteAdmin | Role::CourseManager)) {
        return Ok(None);
    }
    if !roles.iter().any(|role| matches!(role, Role::Coach | Role::AcademyDirector)) {
        return Err(
            ApiError::new(&code::FORBIDDEN).detail("Cohorts are for members with the role coach or academy_director.")
        );
    }
    let (site, user) = (auth.site.id, auth.member.user.clone());
    let mut theirs = app.db.read(move |tx| Box::pin(async move { store::of_staff(tx, site, &user).await })).await?;
    theirs.extend(auth.member.cohorts.iter().cloned());
    Ok(Some(theirs))
}

async fn may_see(app: &AppState, auth: &MemberAuth, cohort: &str) -> ApiResult<()> {
    match looked_after(app, auth).await? {
        Some(theirs) if !theirs.iter().any(|one| one == cohort) => Err(ApiError::not_found()),
        _ => Ok(()),
    }
}

fn summary((cohort, learners, staff): store::Counted) -> CohortSummary {
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    CohortSummary { cohort, learners: count(learners), staff: count(staff) }
}

async fn all(app: &AppState, site: jalon_shared::SiteId) -> ApiResult<Vec<CohortSummary>> {
    let rows = app.db.read(move |tx| Box::pin(async move { store::cohorts(tx, site).await })).await?;
    let mut all: Vec<_> = rows.into_iter().map(summary).collect();
    all.sort_by(|a, b| a.cohort.cmp(&b.cohort));
    Ok(all)
}

/// The cohorts that the member looks after, by their token or by the API.
#[utoipa::path(get, path = "/api/v1/sites/{site}/me/cohorts", tag = "coaching", params(("site" = String, Path)),
    responses((status = 200, body = List<CohortSummary>), (status = 403, body = Problem)), security(("member" = [])))]
pub async fn list_my_cohorts(State(app): State<AppState>, auth: MemberAuth) -> ApiResult<Json<List<CohortSummary>>> {
    let theirs = looked_after(&app, &auth).await?;
    let mut items = all(&app, auth.site.id).await?;
    if let Some(theirs) = &theirs {
        items.retain(|cohort| theirs.contains(&cohort.cohort));
        // One in which nobody learns yet is theirs too.
        for name in theirs {
            if !items.iter().any(|cohort| cohort.cohort == *name) {
                items.push(CohortSummary { cohort: name.clone(), learners: 0, staff: 0 });
            }
        }
        items.sort_by(|a, b| a.cohort.cmp(&b.cohort));
    }
    Ok(Json(List { items, next_cursor: None }))
}

/// How a cohort does, course by course; numbers only.
#[utoipa::path(get, path = "/api/v1/sites/{site}/me/cohorts/{cohort}", tag = "coaching",
    params(("site" = String, Path), ("cohort" = String, Path), ("lang" = Option<String>, Query)),
    responses((status = 200, body = CohortDashboard), (status = 403, body = Problem), (status = 404, body = Problem)), security(("member" = [])))]
pub async fn get_cohort_dashboard(
    State(app): State<AppState>,
    auth: MemberAuth,
    langs: Langs,
    ApiPath((_, cohort)): ApiPath<(String, String)>,
) -> ApiResult<Json<CohortDashboard>> {
    may_see(&app, &auth, &cohort).await?;
    let (wanted, now) = (wanted(langs, auth.member.lang.as_ref(), &auth.site), app.clock.now());
    Ok(Json(dashboard::dashboard(&app.db, &app.courses.catalog, auth.site.id, cohort, wanted, now).await?))
}

/// A cohort's learners and how far each is, by id.
#[utoipa::path(get, path = "/api/v1/sites/{site}/me/cohorts/{cohort}/learners", tag = "coaching",
    params(("site" = String, Path), ("cohort" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<CohortLearner>), (status = 403, body = Problem), (status = 404, body = Problem)), security(("member" = [])))]
pub async fn list_cohort_learners(
    State(app): State<AppState>,
    auth: MemberAuth,
    page: Page,
    ApiPath((_, cohort)): ApiPath<(String, String)>,
) -> ApiResult<Json<List<CohortLearner>>> {
    may_see(&app, &auth, &cohort).await?;
    let (after, limit) = (page.after::<String>()?.unwrap_or_default(), i64::from(page.limit) + 1);
    let found = dashboard::learners(&app.db, &app.courses.catalog, auth.site.id, cohort, after, limit).await?;
    let (items, next_cursor) = page.cut(found, |learner| learner.user_id.to_string());
    Ok(Json(List { items, next_cursor }))
}

/// The same as a table for spreadsheets: a row each learner and course.
#[utoipa::path(get, path = "/api/v1/sites/{site}/me/cohorts/{cohort}/learners.csv", tag = "coaching",
    params(("site" = String, Path), ("cohort" = String, Path)),
    responses((status = 200, body = String, content_type = "text/csv"), (status = 403, body = Problem), (status = 404, body = Problem)), security(("member" = [])))]
pub async fn get_cohort_table(
    State(app): State<AppState>,
    auth: MemberAuth,
    ApiPath((_, cohort)): ApiPath<(String, String)>,
) -> ApiResult<Response> {
    may_see(&app, &auth, &cohort).await?;
    let text = dashboard::table(&app.db, &app.courses.catalog, auth.site.id, cohort).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"learners.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

/// One learner of a cohort, and how far they are in each of their courses.
#[utoipa::path(get, path = "/api/v1/sites/{site}/me/cohorts/{cohort}/learners/{user}", tag = "coaching",
    params(("site" = String, Path), ("cohort" = String, Path), ("user" = String, Path, description = "The member's `sub`, percent-encoded")),
    responses((status = 200, body = CohortLearner), (status = 403, body = Problem), (status = 404, body = Problem)), security(("member" = [])))]
pub async fn get_cohort_learner(
    State(app): State<AppState>,
    auth: MemberAuth,
    ApiPath((_, cohort, user)): ApiPath<(String, String, UserId)>,
) -> ApiResult<Json<CohortLearner>> {
    may_see(&app, &auth, &cohort).await?;
    let found = dashboard::one(&app.db, &app.courses.catalog, auth.site.id, Some(cohort), user).await?;
    found.map(Json).ok_or_else(ApiError::not_found)
}

/// How all the cohorts do together that the member looks after, course by course; numbers only, each learner once.
#[utoipa::path(get, path = "/api/v1/sites/{site}/me/academy", tag = "coaching",
    params(("site" = String, Path), ("lang" = Option<String>, Query)),
    responses((status = 200, body = AcademyDashboard), (status = 403, body = Problem)), security(("member" = [])))]
pub async fn get_academy_dashboard(
    State(app): State<AppState>,
    auth: MemberAuth,
    langs: Langs,
) -> ApiResult<Json<AcademyDashboard>> {
    let (wanted, now) = (wanted(langs, auth.member.lang.as_ref(), &auth.site), app.clock.now());
    let cohorts = match looked_after(&app, &auth).await? {
        Some(theirs) => theirs,
        None => all(&app, auth.site.id).await?.into_iter().map(|cohort| cohort.cohort).collect(),
    };
    Ok(Json(dashboard::academy(&app.db, &app.courses.catalog, auth.site.id, cohorts, wanted, now).await?))
}

/// How far a member is in each of their courses, for programs and staff that answer for the site's members.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/learners/{user}/courses", tag = "site",
    params(("site" = String, Path), ("user" = String, Path, description = "The member's `sub`, percent-encoded")),
    responses((status = 200, body = CohortLearner), (status = 404, body = Problem, description = "Nobody of this name is in a course")), security(("api_key" = []), ("member" = [])))]
pub async fn get_learner_courses(
    State(app): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
    ApiPath((_, user)): ApiPath<(String, UserId)>,
) -> ApiResult<Json<CohortLearner>> {
    let found = dashboard::one(&app.db, &app.courses.catalog, admin.site.id, None, user).await?;
    found.map(Json).ok_or_else(ApiError::not_found)
}

/// All cohorts of the site.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/cohorts", tag = "site", params(("site" = String, Path)),
    responses((status = 200, body = List<CohortSummary>)), security(("api_key" = []), ("member" = [])))]
pub async fn list_cohorts(
    State(app): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
) -> ApiResult<Json<List<CohortSummary>>> {
    Ok(Json(List { items: all(&app, admin.site.id).await?, next_cursor: None }))
}

fn users(names: &[String]) -> ApiResult<Vec<UserId>> {
    names.iter().map(|name| UserId::parse(name).map_err(|error| crate::db::DbError::other(error).into())).collect()
}

/// Whom the API put into a cohort.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/cohorts/{cohort}", tag = "site", params(("site" = String, Path), ("cohort" = String, Path)),
    responses((status = 200, body = CohortPut)), security(("api_key" = []), ("member" = [])))]
pub async fn get_cohort(
    State(app): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
    ApiPath((_, cohort)): ApiPath<(String, String)>,
) -> ApiResult<Json<CohortPut>> {
    let site = admin.site.id;
    let (learners, staff) = app
        .db
        .read(move |tx| {
            Box::pin(async move {
                let learners = store::members(tx, site, &cohort, "learner").await?;
                Ok::<_, crate::db::DbError>((learners, store::members(tx, site, &cohort, "staff").await?))
            })
        })
        .await?;
    Ok(Json(CohortPut { learners: users(&learners)?, staff: users(&staff)? }))
}

/// Says who learns in a cohort and who looks after it; whoever was put there by the API before goes. Who is in
/// it by their token stays.
#[utoipa::path(put, path = "/api/v1/admin/sites/{site}/cohorts/{cohort}", tag = "site", params(("site" = String, Path), ("cohort" = String, Path)),
    request_body = CohortPut, responses((status = 200, body = CohortPut), (status = 422, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn put_cohort(
    State(app): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
    ApiPath((_, cohort)): ApiPath<(String, String)>,
    LargeJson(body): LargeJson<CohortPut>,
) -> ApiResult<Json<CohortPut>> {
    let mut faults = Vec::new();
    if !store::is_name(&cohort) {
        faults.push(FieldError::new("/cohort", "out_of_range", "A cohort's name has 1 to 100 characters.".to_owned()));
    }
    for (users, most, field) in [(&body.learners, 20_000, "/learners"), (&body.staff, 1_000, "/staff")] {
        if users.len() > most {
            faults.push(FieldError::new(field, "too_many", format!("At most {most}.")));
        }
    }
    if !faults.is_empty() {
        return Err(ApiError::validation_failed(faults));
    }
    let (site, now, put) = (admin.site.id, app.clock.now(), body.clone());
    app.db
        .write(move |tx| {
            let (cohort, put) = (cohort.clone(), put.clone());
            Box::pin(async move {
                store::put(tx, site, &cohort, "learner", &put.learners, now).await?;
                store::put(tx, site, &cohort, "staff", &put.staff, now).await
            })
        })
        .await?;
    Ok(Json(body))
}

/// Takes out of a cohort whom the API put there.
#[utoipa::path(delete, path = "/api/v1/admin/sites/{site}/cohorts/{cohort}", tag = "site", params(("site" = String, Path), ("cohort" = String, Path)),
    responses((status = 204)), security(("api_key" = []), ("member" = [])))]
pub async fn delete_cohort(
    State(app): State<AppState>,
    admin: Admin<scope::LearnersWrite>,
    ApiPath((_, cohort)): ApiPath<(String, String)>,
) -> ApiResult<StatusCode> {
    let site = admin.site.id;
    app.db
        .write(move |tx| {
            let cohort = cohort.clone();
            Box::pin(async move { store::delete(tx, site, &cohort).await })
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How the site's courses are taken; numbers only, no persons.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/course-statistics", tag = "site", params(("site" = String, Path), ("lang" = Option<String>, Query)),
    responses((status = 200, body = List<CourseNumbers>)), security(("api_key" = []), ("member" = [])))]
pub async fn list_course_statistics(
    State(app): State<AppState>,
    admin: Admin<scope::StatisticsRead>,
    langs: Langs,
) -> ApiResult<Json<List<CourseNumbers>>> {
    let (site, wanted, catalog) = (admin.site.id, wanted(langs, None, &admin.site), app.courses.catalog.clone());
    let items = app
        .db
        .read(move |tx| {
            Box::pin(async move {
                let mut items = Vec::new();
                let said = evaluation::sums(tx, site).await?;
                for sums in store::sums_of_site(tx, site, None).await? {
                    let said = said.iter().find(|(course, ..)| *course == sums.course_id);
                    let mut numbers = dashboard::numbers(tx, &catalog, site, &wanted, sums).await?;
                    if let Some((_, count, sum)) = said {
                        numbers.evaluations = u64::try_from(*count).unwrap_or_default();
                        numbers.mean_rating = Some(mean(*sum, *count));
                    }
                    items.push(numbers);
                }
                items.sort_by(|a, b| a.course.cmp(&b.course));
                Ok::<_, crate::db::DbError>(items)
            })
        })
        .await?;
    Ok(Json(List { items, next_cursor: None }))
}

/// To two decimals.
#[expect(clippy::cast_precision_loss, reason = "ratings of 1 to 5")]
fn mean(sum: i64, count: i64) -> f64 {
    (sum as f64 / count.max(1) as f64 * 100.0).round() / 100.0
}
