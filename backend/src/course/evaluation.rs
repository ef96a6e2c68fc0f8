//! What learners think of a course: a number, and words if they like.

use axum::{Json, extract::State};
use jalon_shared::{
    CourseId, EnrollmentId, Learner, Problem, SiteId, Timestamp,
    slug::CourseSlug,
    wire::course::{Evaluation, EvaluationSaid},
};
use uuid::Uuid;

use super::store;
use crate::{
    app::AppState,
    db::{DbError, Tx, execute, on},
    http::{Admin, ApiError, ApiJson, ApiPath, ApiResult, MemberAuth, Page, scope},
    track::routes::List,
};

/// The most bytes of a comment.
const MAX_COMMENT: usize = 2000;

/// Says what the learner thinks of the course, in place of what they said before.
#[utoipa::path(put, path = "/api/v1/course-enrollments/{id}/evaluation", tag = "learner", params(("id" = Uuid, Path)), request_body = Evaluation,
    responses((status = 200, body = Evaluation), (status = 404, body = Problem), (status = 422, body = Problem)), security(("member" = [])))]
pub async fn put_evaluation(
    State(app): State<AppState>,
    auth: MemberAuth,
    ApiPath(id): ApiPath<EnrollmentId>,
    ApiJson(mut said): ApiJson<Evaluation>,
) -> ApiResult<Json<Evaluation>> {
    if !(1..=5).contains(&said.rating) {
        return Err(ApiError::invalid_value("/rating", "A rating is 1 to 5."));
    }
    said.comment = said.comment.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if said.comment.as_ref().is_some_and(|text| text.len() > MAX_COMMENT) {
        return Err(ApiError::invalid_value("/comment", format!("A comment has at most {MAX_COMMENT} bytes.")));
    }
    let (site, user, now, put) = (auth.site.id, auth.member.user.clone(), app.clock.now(), said.clone());
    app.db
        .write(move |tx| {
            let (user, put) = (user.clone(), put.clone());
            Box::pin(async move {
                // Held: an erasure comes before or after.
                store::enrollment_for_update(tx, site, id)
                    .await?
                    .filter(|enrollment| enrollment.learner.user_id() == Some(&user))
                    .ok_or_else(ApiError::not_found)?;
                Ok::<_, ApiError>(save(tx, site, id, &put, now).await?)
            })
        })
        .await?;
    Ok(Json(said))
}

/// What learners said of a course, the newest first; without names.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/courses/{course}/evaluations", tag = "authoring",
    params(("site" = String, Path), ("course" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = List<EvaluationSaid>), (status = 404, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn list_evaluations(
    State(app): State<AppState>,
    admin: Admin<scope::CoursesRead>,
    ApiPath((_, course)): ApiPath<(String, String)>,
    page: Page,
) -> ApiResult<Json<List<EvaluationSaid>>> {
    let course = CourseSlug::parse(&course).map_err(|error| ApiError::invalid_value("/course", format!("{error}.")))?;
    let before = page.after::<(i64, Uuid)>()?.unwrap_or((i64::MAX, Uuid::max()));
    let (site, limit) = (admin.site.id, i64::from(page.limit) + 1);
    let found = app
        .db
        .read(move |tx| {
            Box::pin(async move {
                let course = store::course(tx, site, &course).await?.ok_or_else(ApiError::not_found)?;
                Ok::<_, ApiError>(of_course(tx, site, course.id, before, limit).await?)
            })
        })
        .await?;
    let (found, next_cursor) = page.cut(found, |(at, id, ..)| (*at, *id));
    let said = found.into_iter().map(|(at, _, rating, comment)| EvaluationSaid {
        rating: u8::try_from(rating).unwrap_or_default(),
        comment,
        at: Timestamp(at),
    });
    Ok(Json(List { items: said.collect(), next_cursor }))
}

async fn save(
    tx: &mut Tx<'_>,
    site: SiteId,
    id: EnrollmentId,
    said: &Evaluation,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO course_evaluation (site_id, enrollment_id, rating, comment, at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (enrollment_id) DO UPDATE SET rating = excluded.rating, comment = excluded.comment, at = excluded.at";
    execute!(
        tx,
        sqlx::query(SQL).bind(site.0).bind(id.0).bind(i32::from(said.rating)).bind(said.comment.as_deref()).bind(now.0)
    )
    .map(drop)
}

type Row = (i64, Uuid, i32, Option<String>);

async fn of_course(
    tx: &mut Tx<'_>,
    site: SiteId,
    course: CourseId,
    (at, id): (i64, Uuid),
    limit: i64,
) -> Result<Vec<Row>, DbError> {
    const SQL: &str = "SELECT v.at, v.enrollment_id, v.rating, v.comment FROM course_evaluation v \
        JOIN course_enrollment e ON e.id = v.enrollment_id WHERE v.site_id = $1 AND e.course_id = $2 \
        AND (v.at, v.enrollment_id) < ($3, $4) ORDER BY v.at DESC, v.enrollment_id DESC LIMIT $5";
    Ok(
        on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(course.0).bind(at).bind(id).bind(limit).fetch_all(conn).await)?,
    )
}

/// What was said in an enrollment.
pub async fn of_enrollment(tx: &mut Tx<'_>, site: SiteId, id: EnrollmentId) -> Result<Option<Evaluation>, DbError> {
    const SQL: &str = "SELECT rating, comment FROM course_evaluation WHERE site_id = $1 AND enrollment_id = $2";
    let row: Option<(i32, Option<String>)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(id.0).fetch_optional(conn).await)?;
    Ok(row.map(|(rating, comment)| Evaluation { rating: u8::try_from(rating).unwrap_or_default(), comment }))
}

/// How many said something of each course, and the sum of their ratings.
pub async fn sums(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<(Uuid, i64, i64)>, DbError> {
    const SQL: &str = "SELECT e.course_id, CAST(count(*) AS BIGINT), CAST(sum(v.rating) AS BIGINT) FROM course_evaluation v \
        JOIN course_enrollment e ON e.id = v.enrollment_id WHERE v.site_id = $1 GROUP BY e.course_id";
    Ok(on!(tx, conn => sqlx::query_as(SQL).bind(site.0).fetch_all(conn).await)?)
}

/// All that a learner said, for their export.
pub async fn all_of(
    tx: &mut Tx<'_>,
    site: SiteId,
    learner: &Learner,
) -> Result<Vec<(EnrollmentId, Evaluation)>, DbError> {
    let mut all = Vec::new();
    for enrollment in store::enrollments_of_learner(tx, site, learner).await? {
        all.extend(of_enrollment(tx, site, enrollment.id).await?.map(|said| (enrollment.id, said)));
    }
    Ok(all)
}
