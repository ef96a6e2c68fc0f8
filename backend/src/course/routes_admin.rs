//! What authors call: courses, shared lessons and question banks as written.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jalon_shared::{
    Problem, SiteId,
    course::source::{BankSource, CourseSource, LessonSource},
    slug::{BankSlug, CourseSlug, LessonSlug, NotASlug},
    wire::{
        copying::{CopyRequest, LessonCopyRequest},
        course::{CourseAdmin, PartAdmin, QuestionStatistics},
    },
};
use serde::Serialize;

use super::{
    author::{self, Change, Shared},
    copy, statistics, store,
};
use crate::{
    app::AppState,
    db::DbError,
    http::{
        auth::{Admin, CourseAuthor, scope},
        error::{ApiError, ApiResult},
        etag::{ETag, IfMatch},
        json::{ApiJson, LargeJson},
        lang::Langs,
        page::Page,
        query::ApiPath,
    },
    track::{
        routes::{List, wanted},
        routes_admin::check,
    },
};

fn slug<S>(parse: fn(&str) -> Result<S, NotASlug>, text: &str, field: &str) -> ApiResult<S> {
    parse(text).map_err(|error| ApiError::invalid_value(field, format!("{error}.")))
}

fn tagged(revision: i64, body: impl Serialize, created: bool) -> Response {
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    ETag::revision(revision).on((status, Json(body)).into_response())
}

/// Has this server see the change at once; others see it within a second.
async fn changed(app: &AppState, site: SiteId) -> ApiResult<()> {
    app.courses.catalog.forget(site);
    Ok(app.gate.sites.reload().await?)
}

/// All courses of the site, in any state.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/courses", tag = "authoring",
    params(("site" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<CourseAdmin>)), security(("api_key" = []), ("member" = [])))]
pub async fn list_courses_admin(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesRead>,
    page: Page,
) -> ApiResult<Json<List<CourseAdmin>>> {
    let (site, after) = (admin.site.id, page.after::<CourseSlug>()?);
    let (mut rows, mut instructors) = app
        .db
        .read(move |tx| {
            Box::pin(async move {
                let rows = store::courses(tx, site).await?;
                Ok::<_, DbError>((rows, store::instructors_of_site(tx, site).await?))
            })
        })
        .await?;
    // By bytes, as cursors compare: PostgreSQL sorts as its locale says.
    rows.sort_by(|a, b| a.slug.cmp(&b.slug));
    rows.retain(|row| after.as_ref().is_none_or(|after| row.slug > *after));
    let (rows, next_cursor) = page.cut(rows, |row| row.slug.clone());
    let admin = |row: &store::CourseRow| author::admin(row, instructors.remove(&row.id).unwrap_or_default(), None);
    Ok(Json(List { items: rows.iter().map(admin).collect(), next_cursor }))
}

/// A course, as its newest version was written.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/courses/{course}", tag = "authoring", params(("site" = String, Path), ("course" = String, Path)),
    responses((status = 200, body = CourseAdmin), (status = 404, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn get_course_admin(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesRead>,
    ApiPath((_, course)): ApiPath<(String, String)>,
) -> ApiResult<Response> {
    let (site, course) = (admin.site.id, slug(CourseSlug::parse, &course, "/course")?);
    let course = app.db.read(move |tx| Box::pin(async move { author::get(tx, site, &course).await })).await?;
    Ok(tagged(course.revision, course, false))
}

/// Writes a whole course: checks all of it, makes a version that is not yet published, with the shared lessons
/// and banks it names as they are now. The same again makes none. An instructor creates courses, and changes those of
/// which they are an instructor.
#[utoipa::path(put, path = "/api/v1/admin/sites/{site}/courses/{course}", tag = "authoring",
    params(("site" = String, Path), ("course" = String, Path), ("If-Match" = Option<String>, Header)), request_body = CourseSource,
    responses((status = 200, body = CourseAdmin), (status = 201, body = CourseAdmin), (status = 412, body = Problem), (status = 422, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn put_course(
    State(app): State<AppState>,
    author: CourseAuthor,
    ApiPath((_, course)): ApiPath<(String, String)>,
    if_match: IfMatch,
    LargeJson(source): LargeJson<CourseSource>,
) -> ApiResult<Response> {
    let (site, course, now) = (author.site.id, slug(CourseSlug::parse, &course, "/course")?, app.clock.now());
    let reach = author.reach;
    let wrote = app
        .db
        .write_by_staff(move |tx| {
            Box::pin(
                async move { author::put(tx, site, &course, source, &reach, |tag| check(&if_match, tag), now).await },
            )
        })
        .await?;
    changed(&app, site).await?;
    Ok(tagged(wrote.now.revision, wrote.now, wrote.created))
}

async fn change(
    app: &AppState,
    CourseAuthor { site, reach, .. }: CourseAuthor,
    course: &str,
    what: Change,
    if_match: IfMatch,
) -> ApiResult<Response> {
    let (site, course, now) = (site.id, slug(CourseSlug::parse, course, "/course")?, app.clock.now());
    let course = app
        .db
        .write_by_staff(move |tx| {
            Box::pin(
                async move { author::change(tx, site, &course, what, &reach, |tag| check(&if_match, tag), now).await },
            )
        })
        .await?;
    changed(app, site).await?;
    Ok(tagged(course.revision, course, false))
}

/// Learners begin with the newest version from now on; who is in stays in theirs.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/courses/{course}/publish", tag = "authoring",
    params(("site" = String, Path), ("course" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = CourseAdmin), (status = 404, body = Problem), (status = 412, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn publish_course(
    State(app): State<AppState>,
    author: CourseAuthor,
    ApiPath((_, course)): ApiPath<(String, String)>,
    if_match: IfMatch,
) -> ApiResult<Response> {
    change(&app, author, &course, Change::Publish, if_match).await
}

/// There for enrolled members only, from now on.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/courses/{course}/deprecate", tag = "authoring",
    params(("site" = String, Path), ("course" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, body = CourseAdmin), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn deprecate_course(
    State(app): State<AppState>,
    author: CourseAuthor,
    ApiPath((_, course)): ApiPath<(String, String)>,
    if_match: IfMatch,
) -> ApiResult<Response> {
    change(&app, author, &course, Change::Deprecate, if_match).await
}

async fn list_parts<S: Shared>(app: &AppState, site: SiteId, page: &Page) -> ApiResult<Json<List<PartAdmin<S>>>> {
    let after: Option<String> = page.after()?;
    let mut rows = app.db.read(move |tx| Box::pin(async move { store::parts(tx, site, S::PART).await })).await?;
    rows.sort();
    rows.retain(|(slug, _)| after.as_ref().is_none_or(|after| slug > after));
    let (rows, next_cursor) = page.cut(rows, |(slug, _)| slug.clone());
    let items = rows.into_iter().map(|(slug, revision)| PartAdmin { slug, revision, source: None }).collect();
    Ok(Json(List { items, next_cursor }))
}

async fn get_part<S: Shared>(app: &AppState, site: SiteId, slug: String) -> ApiResult<Response> {
    let part = app.db.read(move |tx| Box::pin(async move { author::get_part::<S>(tx, site, &slug).await })).await?;
    Ok(tagged(part.revision, part, false))
}

async fn put_part<S: Shared>(
    app: &AppState,
    site: SiteId,
    slug: String,
    if_match: IfMatch,
    source: S,
) -> ApiResult<Response> {
    let now = app.clock.now();
    let wrote = app
        .db
        .write_by_staff(move |tx| {
            Box::pin(async move { author::put_part(tx, site, &slug, source, |tag| check(&if_match, tag), now).await })
        })
        .await?;
    Ok(tagged(wrote.now.revision, wrote.now, wrote.created))
}

/// Copies a lesson item, quizzes included, into a lesson of this course: a new version, not yet published. Every text
/// must be there in the language that the course is written in.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/courses/{course}/copies", tag = "authoring",
    params(("site" = String, Path), ("course" = String, Path), ("If-Match" = Option<String>, Header)), request_body = CopyRequest,
    responses((status = 200, body = CourseAdmin), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn copy_into_course(
    State(app): State<AppState>,
    author: CourseAuthor,
    ApiPath((_, course)): ApiPath<(String, String)>,
    if_match: IfMatch,
    ApiJson(request): ApiJson<CopyRequest>,
) -> ApiResult<Response> {
    let (site, course, now) = (author.site.id, slug(CourseSlug::parse, &course, "/course")?, app.clock.now());
    let reach = author.reach;
    let wrote = app
        .db
        .write_by_staff(move |tx| {
            Box::pin(async move { copy::into_course(tx, site, &course, request, (&reach, &if_match), now).await })
        })
        .await?;
    changed(&app, site).await?;
    Ok(tagged(wrote.now.revision, wrote.now, wrote.created))
}

/// The same into a lesson that courses share; they take it with their next version.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/lessons/{lesson}/copies", tag = "authoring",
    params(("site" = String, Path), ("lesson" = String, Path), ("If-Match" = Option<String>, Header)), request_body = LessonCopyRequest,
    responses((status = 200, body = PartAdmin<LessonSource>), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn copy_into_lesson(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesWrite>,
    ApiPath((_, lesson)): ApiPath<(String, String)>,
    if_match: IfMatch,
    ApiJson(request): ApiJson<LessonCopyRequest>,
) -> ApiResult<Response> {
    let (site, lesson, now) = (admin.site.id, slug(LessonSlug::parse, &lesson, "/lesson")?, app.clock.now());
    let wrote = app
        .db
        .write_by_staff(move |tx| {
            Box::pin(async move { copy::into_lesson(tx, site, &lesson, request, &if_match, now).await })
        })
        .await?;
    Ok(tagged(wrote.now.revision, wrote.now, wrote.created))
}

/// How the questions of a course do, over the first attempts of its newest 20,000 learners: how often right, how well
/// each separates, what was chosen.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/courses/{course}/question-statistics", tag = "authoring",
    params(("site" = String, Path), ("course" = String, Path), ("lang" = Option<String>, Query)),
    responses((status = 200, body = List<QuestionStatistics>), (status = 404, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn list_question_statistics(
    State(app): State<AppState>,
    admin: Admin<scope::StatisticsRead>,
    langs: Langs,
    ApiPath((_, course)): ApiPath<(String, String)>,
) -> ApiResult<Json<List<QuestionStatistics>>> {
    let (site, course) = (admin.site.id, slug(CourseSlug::parse, &course, "/course")?);
    let row = app.courses.catalog.row(site, admin.site.revision, &course).await?.ok_or_else(ApiError::not_found)?;
    let number = row.published_version.unwrap_or(row.latest_version);
    let version = app.courses.catalog.version(site, row.id, course, number).await?.ok_or_else(ApiError::not_found)?;
    let wanted = wanted(langs, None, &admin.site);
    let items = statistics::questions(&app.db, site, row.id, &version, &wanted).await?;
    Ok(Json(List { items, next_cursor: None }))
}

/// The lessons that courses of the site share.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/lessons", tag = "authoring",
    params(("site" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<PartAdmin<LessonSource>>)), security(("api_key" = []), ("member" = [])))]
pub async fn list_lessons(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesRead>,
    page: Page,
) -> ApiResult<Json<List<PartAdmin<LessonSource>>>> {
    list_parts(&app, admin.site.id, &page).await
}

/// A shared lesson, as it was last written.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/lessons/{lesson}", tag = "authoring", params(("site" = String, Path), ("lesson" = String, Path)),
    responses((status = 200, body = PartAdmin<LessonSource>), (status = 404, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn get_lesson(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesRead>,
    ApiPath((_, lesson)): ApiPath<(String, String)>,
) -> ApiResult<Response> {
    let lesson = slug(LessonSlug::parse, &lesson, "/lesson")?;
    get_part::<LessonSource>(&app, admin.site.id, lesson.to_string()).await
}

/// Writes a lesson that courses may share. Courses take it with their next version.
#[utoipa::path(put, path = "/api/v1/admin/sites/{site}/lessons/{lesson}", tag = "authoring",
    params(("site" = String, Path), ("lesson" = String, Path), ("If-Match" = Option<String>, Header)), request_body = LessonSource,
    responses((status = 200, body = PartAdmin<LessonSource>), (status = 201, body = PartAdmin<LessonSource>), (status = 412, body = Problem), (status = 422, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn put_lesson(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesWrite>,
    ApiPath((_, lesson)): ApiPath<(String, String)>,
    if_match: IfMatch,
    LargeJson(source): LargeJson<LessonSource>,
) -> ApiResult<Response> {
    let lesson = slug(LessonSlug::parse, &lesson, "/lesson")?;
    put_part(&app, admin.site.id, lesson.to_string(), if_match, source).await
}

/// The question banks of the site.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/banks", tag = "authoring",
    params(("site" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<PartAdmin<BankSource>>)), security(("api_key" = []), ("member" = [])))]
pub async fn list_banks(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesRead>,
    page: Page,
) -> ApiResult<Json<List<PartAdmin<BankSource>>>> {
    list_parts(&app, admin.site.id, &page).await
}

/// A question bank, as it was last written.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/banks/{bank}", tag = "authoring", params(("site" = String, Path), ("bank" = String, Path)),
    responses((status = 200, body = PartAdmin<BankSource>), (status = 404, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn get_bank(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesRead>,
    ApiPath((_, bank)): ApiPath<(String, String)>,
) -> ApiResult<Response> {
    let bank = slug(BankSlug::parse, &bank, "/bank")?;
    get_part::<BankSource>(&app, admin.site.id, bank.to_string()).await
}

/// Writes a question bank. Courses take it with their next version.
#[utoipa::path(put, path = "/api/v1/admin/sites/{site}/banks/{bank}", tag = "authoring",
    params(("site" = String, Path), ("bank" = String, Path), ("If-Match" = Option<String>, Header)), request_body = BankSource,
    responses((status = 200, body = PartAdmin<BankSource>), (status = 201, body = PartAdmin<BankSource>), (status = 412, body = Problem), (status = 422, body = Problem)),
    security(("api_key" = []), ("member" = [])))]
pub async fn put_bank(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesWrite>,
    ApiPath((_, bank)): ApiPath<(String, String)>,
    if_match: IfMatch,
    LargeJson(source): LargeJson<BankSource>,
) -> ApiResult<Response> {
    let bank = slug(BankSlug::parse, &bank, "/bank")?;
    put_part(&app, admin.site.id, bank.to_string(), if_match, source).await
}
