//! What learners call: courses shown and taken.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use jalon_shared::{
    EnrollmentId, ItemId, Lang, Learner, LessonId, Problem, QuizId,
    course::source::{Category, Difficulty},
    slug::CourseSlug,
    wire::{
        course::{
            AnswersRequest, AnswersResponse, CourseEnrollment, CourseState, CourseSummary, CourseView, ItemBody,
            VisitRequest,
        },
        enrollment::{EnrollRequest, EnrollmentStatus, ReportRequest},
    },
};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    around,
    catalog::Version,
    learn::{self, Asker, What},
    problem, store, view,
};
use crate::{
    app::AppState,
    catalog::Rendered,
    http::{
        auth::{Caller, LearnerAuth, MemberAuth},
        code,
        encoding::Accepts,
        error::{ApiError, ApiResult},
        etag::{ETag, IfNoneMatch},
        idempotency::{self, Fingerprint},
        json::IdemJson,
        lang::Langs,
        page::Page,
        query::{ApiPath, ApiQuery},
    },
    track::routes::{List, json_text, ready, to_json, wanted},
};

/// The published version of a course. A deprecated one is there for whoever is in it.
async fn visible(app: &AppState, caller: &Caller, slug: &str) -> ApiResult<Arc<Version>> {
    let unknown = || ApiError::new(&code::UNKNOWN_COURSE);
    let slug = CourseSlug::parse(slug).map_err(|_| unknown())?;
    let site = &caller.site;
    let row = app.courses.catalog.row(site.id, site.revision, &slug).await?.ok_or_else(unknown)?;
    let open = match (row.state, &caller.learner) {
        (CourseState::Published, _) => true,
        (CourseState::Deprecated, Some(auth)) => {
            let (site, course, learner) = (site.id, row.id, auth.learner.clone());
            let enrollment = app
                .db
                .read(move |tx| Box::pin(async move { store::enrollment_in_course(tx, site, &learner, course).await }));
            enrollment.await?.is_some()
        }
        _ => false,
    };
    let number = row.published_version.filter(|_| open).ok_or_else(unknown)?;
    app.courses.catalog.version(site.id, row.id, row.slug.clone(), number).await?.ok_or_else(unknown)
}

fn caller_langs(langs: Langs, caller: &Caller) -> Vec<Lang> {
    wanted(langs, caller.learner.as_ref().and_then(|learner| learner.lang.as_ref()), &caller.site)
}

/// What to list.
#[derive(Debug, Deserialize)]
pub struct CoursesQuery {
    /// Only courses about this.
    category: Option<Category>,
    /// Only courses of this difficulty.
    difficulty: Option<Difficulty>,
    /// Only courses with text in this language.
    language: Option<Lang>,
    /// Only courses whose title or summary holds this, in the language of the answer.
    q: Option<String>,
}

/// The published courses.
#[utoipa::path(get, path = "/api/v1/sites/{site}/courses", tag = "learner",
    params(("site" = String, Path), ("category" = Option<Category>, Query), ("difficulty" = Option<Difficulty>, Query),
        ("language" = Option<Lang>, Query, description = "Only courses with text in this language"),
        ("q" = Option<String>, Query, description = "Only courses whose title or summary holds this, in the language of the answer"),
        ("lang" = Option<String>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<CourseSummary>), (status = 404, body = Problem)), security((), ("guest" = []), ("member" = [])))]
pub async fn list_courses(
    State(app): State<AppState>,
    caller: Caller,
    langs: Langs,
    page: Page,
    ApiQuery(query): ApiQuery<CoursesQuery>,
) -> ApiResult<Json<List<CourseSummary>>> {
    let site = &caller.site;
    let (after, enough) = (page.after::<CourseSlug>()?, usize::try_from(page.limit).unwrap_or(100));
    let wanted = caller_langs(langs, &caller);
    let needle = query.q.as_deref().map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
    let mut items = Vec::new();
    for row in app.courses.catalog.published(site.id, site.revision).await? {
        if after.as_ref().is_some_and(|after| row.slug <= *after) {
            continue;
        }
        let Some(number) = row.published_version else { continue };
        let Some(version) = app.courses.catalog.version(site.id, row.id, row.slug.clone(), number).await? else {
            continue;
        };
        let course = &version.course;
        if query.category.is_some_and(|wanted| wanted != course.category)
            || query.difficulty.is_some_and(|wanted| wanted != course.difficulty)
            || query.language.as_ref().is_some_and(|wanted| !version.completeness.contains_key(wanted))
        {
            continue;
        }
        let summary = view::summary(&version, &wanted);
        let found = needle.as_ref().is_none_or(|needle| {
            [&summary.title.value, &summary.summary.value].iter().any(|text| text.to_lowercase().contains(needle))
        });
        if found {
            items.push(summary);
        }
        if items.len() > enough {
            break;
        }
    }
    let (items, next_cursor) = page.cut(items, |summary| summary.slug.clone());
    Ok(Json(List { items, next_cursor }))
}

/// Which version, and what of it.
#[derive(Debug, Deserialize)]
pub struct VersionQuery {
    /// Its number.
    version: Option<u32>,
    /// Only this lesson, with its module.
    lesson: Option<LessonId>,
}

/// A course and its outline, without bodies and keys. `version` shows the version of an enrollment that began
/// earlier; `lesson` shows that lesson only.
#[utoipa::path(get, path = "/api/v1/sites/{site}/courses/{course}", tag = "learner",
    params(("site" = String, Path), ("course" = String, Path), ("version" = Option<u32>, Query), ("lesson" = Option<Uuid>, Query), ("lang" = Option<String>, Query)),
    responses((status = 200, body = CourseView), (status = 304), (status = 404, body = Problem)),
    security((), ("guest" = []), ("member" = [])))]
pub async fn get_course(
    State(app): State<AppState>,
    caller: Caller,
    langs: Langs,
    ApiPath(place): ApiPath<(String, String)>,
    ApiQuery(query): ApiQuery<VersionQuery>,
    if_none_match: IfNoneMatch,
    accepts: Accepts,
) -> ApiResult<Response> {
    let (_, slug) = place;
    let mut version = visible(&app, &caller, &slug).await?;
    let site = &caller.site;
    if let Some(number) = query.version.filter(|number| *number != version.number) {
        // Only what was published before; drafts are nobody's to see here.
        let older = app.courses.catalog.once_published(site.id, version.id, version.slug.clone(), number).await?;
        version = older.ok_or_else(ApiError::not_found)?;
    }
    let wanted = caller_langs(langs, &caller);
    if query.lesson.is_some_and(|lesson| version.lesson(lesson).is_none()) {
        return Err(ApiError::not_found());
    }
    // A course may hold hundreds of items. Packed, its outline is a fifth.
    let form = accepts.ready();
    let what = query.lesson.map_or_else(|| "course".to_owned(), |lesson| format!("lesson {lesson} ")) + form.suffix();
    let rendered = version
        .rendered(&what, &wanted, || form.pack(to_json(&view::course(&version, &site.slug, query.lesson, &wanted))));
    Ok(form.on(ready(&rendered, &if_none_match)))
}

/// Who asks, as what is done in courses wants it.
pub(crate) fn asker(app: &AppState, auth: &LearnerAuth, langs: Langs, key: Option<(Uuid, Fingerprint)>) -> Asker {
    Asker {
        site: auth.site.id,
        site_slug: Arc::from(auth.site.slug.as_str()),
        learner: auth.learner.clone(),
        cohorts: auth.cohorts.clone(),
        wanted: wanted(langs, auth.lang.as_ref(), &auth.site),
        key,
        orders: app.orders.clone(),
    }
}

pub(crate) fn answered(done: learn::Done) -> Response {
    let mut response = json_text(StatusCode::from_u16(done.status).unwrap_or(StatusCode::OK), done.body);
    if done.replay {
        idempotency::mark_replay(&mut response);
    }
    response
}

/// Enrolls in a course; who is in it already gets the enrollment there is. Members only.
#[utoipa::path(post, path = "/api/v1/sites/{site}/courses/{course}/enrollments", tag = "learner",
    params(("site" = String, Path), ("course" = String, Path), ("Idempotency-Key" = Option<Uuid>, Header)), request_body = EnrollRequest,
    responses((status = 201, body = CourseEnrollment), (status = 200, body = CourseEnrollment), (status = 403, body = Problem), (status = 404, body = Problem)),
    security(("member" = [])))]
pub async fn enroll_in_course(
    State(app): State<AppState>,
    auth: MemberAuth,
    caller: Caller,
    langs: Langs,
    ApiPath(place): ApiPath<(String, String)>,
    request: IdemJson<EnrollRequest>,
) -> ApiResult<Response> {
    let IdemJson { body: EnrollRequest {}, key, fingerprint } = request;
    let (_, slug) = place;
    let version = visible(&app, &caller, &slug).await?;
    let asker = Asker {
        site: auth.site.id,
        site_slug: Arc::from(auth.site.slug.as_str()),
        learner: Learner::User(auth.member.user),
        cohorts: auth.member.cohorts,
        wanted: wanted(langs, auth.member.lang.as_ref(), &auth.site),
        key: key.0.map(|key| (key, fingerprint)),
        orders: app.orders.clone(),
    };
    let lang = asker.wanted.first().cloned();
    Ok(answered(learn::enroll(&app.db, &app.courses.catalog, asker, version, lang, app.clock.now()).await?))
}

/// Which enrollments.
#[derive(Debug, Deserialize)]
pub struct StatusQuery {
    /// Only those that are so far.
    status: Option<EnrollmentStatus>,
}

/// How far an enrollment is: a question answered or an item complete is progress.
fn status(enrollment: &CourseEnrollment, begun: bool) -> EnrollmentStatus {
    match (enrollment.completed_at, begun) {
        (Some(_), _) => EnrollmentStatus::Completed,
        (None, true) => EnrollmentStatus::InProgress,
        (None, false) => EnrollmentStatus::Started,
    }
}

/// The member's courses, oldest first.
#[utoipa::path(get, path = "/api/v1/sites/{site}/me/courses", tag = "learner",
    params(("site" = String, Path), ("status" = Option<EnrollmentStatus>, Query), ("lang" = Option<String>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<CourseEnrollment>)), security(("member" = [])))]
pub async fn list_my_courses(
    State(app): State<AppState>,
    auth: MemberAuth,
    langs: Langs,
    page: Page,
    ApiQuery(query): ApiQuery<StatusQuery>,
) -> ApiResult<Json<List<CourseEnrollment>>> {
    let mut after: Uuid = page.after()?.unwrap_or_default();
    let enough = usize::try_from(page.limit).unwrap_or(100);
    let (site, slug, user, now) = (auth.site.id, auth.site.slug.clone(), auth.member.user.clone(), app.clock.now());
    let wanted = wanted(langs, auth.member.lang.as_ref(), &auth.site);
    let catalog = app.courses.catalog.clone();
    let found = app
        .db
        .read(move |tx| {
            Box::pin(async move {
                let mut found = Vec::new();
                loop {
                    let some = store::enrollments_of_user(tx, site, &user, after, 100).await?;
                    let last = some.len() < 100;
                    for enrollment in some {
                        after = enrollment.id.0;
                        let version = learn::version_of(tx, &catalog, &enrollment).await?;
                        let totals = enrollment.progress.totals;
                        let seen = view::enrollment(&enrollment, &version, &slug, Some(&wanted), now);
                        let begun = totals.answered > 0 || totals.needed_complete > 0;
                        if query.status.is_none_or(|wanted| wanted == status(&seen, begun)) {
                            found.push(seen);
                        }
                        if found.len() > enough {
                            return Ok::<_, crate::db::DbError>(found);
                        }
                    }
                    if last {
                        return Ok(found);
                    }
                }
            })
        })
        .await?;
    let (items, next_cursor) = page.cut(found, |enrollment| enrollment.id);
    Ok(Json(List { items, next_cursor }))
}

/// One enrollment of the caller, with all items in which anything was done.
#[utoipa::path(get, path = "/api/v1/course-enrollments/{id}", tag = "learner", params(("id" = Uuid, Path), ("lang" = Option<String>, Query)),
    responses((status = 200, body = CourseEnrollment), (status = 404, body = Problem), (status = 409, body = Problem, description = "`guest_merged`")),
    security(("guest" = []), ("member" = [])))]
pub async fn get_course_enrollment(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath(id): ApiPath<EnrollmentId>,
) -> ApiResult<Response> {
    let wanted = wanted(langs, auth.lang.as_ref(), &auth.site);
    let (enrollment, version) =
        learn::of_caller(&app.db, &app.courses.catalog, auth.site.id, auth.learner.clone(), id).await?;
    let tag = ETag(format!("v{}", enrollment.version));
    let wanted = Some(wanted.as_slice());
    let open_lessons = view::open_lessons(&enrollment, &version, None);
    let view = view::enrollment(&enrollment, &version, &auth.site.slug, wanted, app.clock.now());
    Ok(tag.on(Json(CourseEnrollment { open_lessons, ..view })))
}

/// E1: a page of the site gets what a guest has in a lesson only while a track that opened it may be embedded.
/// Members reach the course itself in such pages too.
async fn may_be_embedded(
    app: &AppState,
    auth: &LearnerAuth,
    enrollment: &jalon_shared::course::Enrollment,
    lesson: LessonId,
) -> ApiResult<()> {
    if !auth.embedded || auth.learner.guest_id().is_none() {
        return Ok(());
    }
    let (site, catalog) = (&auth.site, &app.tracks.catalog);
    for track in enrollment.progress.gates.lessons.get(&lesson).into_iter().flatten() {
        let Some(slug) = catalog.slug(site.id, site.revision, *track).await? else { continue };
        if catalog.row(site.id, site.revision, &slug).await?.is_some_and(|row| row.cms_block_enabled) {
            return Ok(());
        }
    }
    Err(ApiError::cms_block_disabled())
}

/// What an item shows, once it may be opened (C1, G6). A guest sees items of lessons that a track opened.
#[utoipa::path(get, path = "/api/v1/course-enrollments/{id}/items/{item}", tag = "learner",
    params(("id" = Uuid, Path), ("item" = Uuid, Path), ("lang" = Option<String>, Query)),
    responses((status = 200, body = ItemBody), (status = 304), (status = 404, body = Problem), (status = 409, body = Problem, description = "`item_locked` with `blocking_item`, `guest_merged`")),
    security(("guest" = []), ("member" = [])))]
pub async fn get_item(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath((id, item)): ApiPath<(EnrollmentId, ItemId)>,
    if_none_match: IfNoneMatch,
) -> ApiResult<Response> {
    let wanted = wanted(langs, auth.lang.as_ref(), &auth.site);
    let (enrollment, version) =
        learn::of_caller(&app.db, &app.courses.catalog, auth.site.id, auth.learner.clone(), id).await?;
    let (lesson, shown) = learn::item_for(&enrollment, &version, item)?;
    may_be_embedded(&app, &auth, &enrollment, lesson.id).await?;
    if let Some((blocking, quiz)) = enrollment.progress.blocking(&version.outline, item) {
        let title =
            version.item(blocking.id).map(|(lesson, item)| item.title.resolve(&wanted, &lesson.source_lang).value);
        let refusal = jalon_shared::course::Refusal::ItemLocked { item: blocking.id, quiz: quiz.id };
        return Err(problem::refusal(&refusal, title.as_deref()));
    }
    let now = app.clock.now();
    let around = around::of_item(&app, &auth.site, &enrollment, (shown, &lesson.source_lang), &wanted, now).await?;
    let body = to_json(&view::item(lesson, shown, (&enrollment, around, &app.orders), &version, &wanted, now));
    Ok(ready(&Rendered::of(body), &if_none_match))
}

/// Opens an item: the first time is written down, an item without quizzes is complete by it, and what was
/// answered right in other courses that hold its lesson counts from here on.
#[utoipa::path(post, path = "/api/v1/course-enrollments/{id}/items/{item}/visit", tag = "learner",
    params(("id" = Uuid, Path), ("item" = Uuid, Path), ("Idempotency-Key" = Option<Uuid>, Header)), request_body = VisitRequest,
    responses((status = 200, body = CourseEnrollment), (status = 404, body = Problem), (status = 409, body = Problem, description = "`item_locked` with `blocking_item`")),
    security(("guest" = []), ("member" = [])))]
pub async fn visit_item(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath(place): ApiPath<(EnrollmentId, ItemId)>,
    request: IdemJson<VisitRequest>,
) -> ApiResult<Response> {
    let IdemJson { body: VisitRequest {}, key, fingerprint } = request;
    let asker = asker(&app, &auth, langs, key.0.map(|key| (key, fingerprint)));
    Ok(answered(learn::change(&app.db, &app.courses.catalog, asker, place, What::Visit, app.clock.now()).await?))
}

/// Adds time, replaces the position.
#[utoipa::path(patch, path = "/api/v1/course-enrollments/{id}/items/{item}", tag = "learner",
    params(("id" = Uuid, Path), ("item" = Uuid, Path), ("Idempotency-Key" = Option<Uuid>, Header)), request_body = ReportRequest,
    responses((status = 200, body = CourseEnrollment), (status = 404, body = Problem), (status = 409, body = Problem, description = "`item_locked` with `blocking_item`"), (status = 422, body = Problem)),
    security(("guest" = []), ("member" = [])))]
pub async fn report_item(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath(place): ApiPath<(EnrollmentId, ItemId)>,
    request: IdemJson<ReportRequest>,
) -> ApiResult<Response> {
    let IdemJson { body, key, fingerprint } = request;
    let asker = asker(&app, &auth, langs, key.0.map(|key| (key, fingerprint)));
    let what = What::Report(body);
    Ok(answered(learn::change(&app.db, &app.courses.catalog, asker, place, what, app.clock.now()).await?))
}

/// Answers a quiz of an item (C1–C3). Open answers wait for a grader.
#[utoipa::path(post, path = "/api/v1/course-enrollments/{id}/items/{item}/quizzes/{quiz}/answers", tag = "learner",
    params(("id" = Uuid, Path), ("item" = Uuid, Path), ("quiz" = Uuid, Path), ("Idempotency-Key" = Option<Uuid>, Header), ("lang" = Option<String>, Query)),
    request_body = AnswersRequest,
    responses((status = 200, body = AnswersResponse), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 409, body = Problem, description = "`item_locked` with `blocking_item`, `attempts_exhausted`, `cooldown` with `retry_at`, `awaiting_grading`, `attempt_over` with `attempt`")),
    security(("guest" = []), ("member" = [])))]
pub async fn answer_quiz(
    State(app): State<AppState>,
    auth: LearnerAuth,
    langs: Langs,
    ApiPath((id, item, quiz)): ApiPath<(EnrollmentId, ItemId, QuizId)>,
    request: IdemJson<AnswersRequest>,
) -> ApiResult<Response> {
    let IdemJson { body, key, fingerprint } = request;
    let asker = asker(&app, &auth, langs, key.0.map(|key| (key, fingerprint)));
    let what = What::Answer(quiz, body);
    Ok(answered(learn::change(&app.db, &app.courses.catalog, asker, (id, item), what, app.clock.now()).await?))
}
