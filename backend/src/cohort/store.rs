//! Cohorts in the database. Every function takes its scope first.

use jalon_shared::{CourseId, SiteId, Timestamp, UserId};
use uuid::Uuid;

use crate::db::{DbError, Tx, execute, on};

/// Keeps in which cohorts a member's token says they learn. What the API said stays.
pub async fn keep(
    tx: &mut Tx<'_>,
    site: SiteId,
    user: &UserId,
    cohorts: &[String],
    now: Timestamp,
) -> Result<(), DbError> {
    const KNOWN: &str = "SELECT cohort FROM cohort_member WHERE site_id = $1 AND user_id = $2 AND role = 'learner' AND source = 'token'";
    const GONE: &str = "DELETE FROM cohort_member WHERE site_id = $1 AND user_id = $2 AND cohort = $3 AND role = 'learner' AND source = 'token'";
    const NEW: &str = "INSERT INTO cohort_member (site_id, cohort, role, user_id, source, at) VALUES ($1, $2, 'learner', $3, 'token', $4) \
        ON CONFLICT DO NOTHING";
    let known: Vec<String> =
        on!(tx, conn => sqlx::query_scalar(KNOWN).bind(site.0).bind(user.as_str()).fetch_all(conn).await)?;
    let named: Vec<&String> = cohorts.iter().filter(|cohort| is_name(cohort)).collect();
    for gone in known.iter().filter(|known| !named.contains(known)) {
        execute!(tx, sqlx::query(GONE).bind(site.0).bind(user.as_str()).bind(gone))?;
    }
    for new in named.into_iter().filter(|cohort| !known.contains(cohort)) {
        execute!(tx, sqlx::query(NEW).bind(site.0).bind(new).bind(user.as_str()).bind(now.0))?;
    }
    Ok(())
}

/// Whether a cohort may be named so.
pub fn is_name(name: &str) -> bool {
    (1..=100).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// Who the API says learns in a cohort (`learner`), or looks after it (`staff`), from now on.
pub async fn put(
    tx: &mut Tx<'_>,
    site: SiteId,
    cohort: &str,
    role: &'static str,
    users: &[UserId],
    now: Timestamp,
) -> Result<(), DbError> {
    const CLEAR: &str = "DELETE FROM cohort_member WHERE site_id = $1 AND cohort = $2 AND role = $3 AND source = 'api'";
    const ADD_SQLITE: &str = "INSERT INTO cohort_member (site_id, cohort, role, user_id, source, at) \
        SELECT $1, $2, $3, r.value, 'api', $5 FROM json_each($4) AS r WHERE true ON CONFLICT DO NOTHING";
    const ADD_POSTGRES: &str = "INSERT INTO cohort_member (site_id, cohort, role, user_id, source, at) \
        SELECT $1, $2, $3, r.value, 'api', $5 FROM jsonb_array_elements_text($4::jsonb) AS r ON CONFLICT DO NOTHING";
    let (add, users) = (tx.pick(ADD_SQLITE, ADD_POSTGRES), serde_json::to_string(users)?);
    execute!(tx, sqlx::query(CLEAR).bind(site.0).bind(cohort).bind(role))?;
    execute!(tx, sqlx::query(add).bind(site.0).bind(cohort).bind(role).bind(&users).bind(now.0)).map(drop)
}

/// Everybody the API put into a cohort goes.
pub async fn delete(tx: &mut Tx<'_>, site: SiteId, cohort: &str) -> Result<u64, DbError> {
    const SQL: &str = "DELETE FROM cohort_member WHERE site_id = $1 AND cohort = $2 AND source = 'api'";
    execute!(tx, sqlx::query(SQL).bind(site.0).bind(cohort))
}

/// The members of a cohort in a role, by id.
pub async fn members(tx: &mut Tx<'_>, site: SiteId, cohort: &str, role: &str) -> Result<Vec<String>, DbError> {
    const SQL: &str = "SELECT user_id FROM cohort_member WHERE site_id = $1 AND cohort = $2 AND role = $3 AND source = 'api' ORDER BY user_id";
    Ok(on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(cohort).bind(role).fetch_all(conn).await)?)
}

/// A cohort's name, its learners, its staff.
pub type Counted = (String, i64, i64);

/// The site's cohorts, by name.
pub async fn cohorts(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<Counted>, DbError> {
    const SQL: &str = "SELECT cohort, CAST(count(DISTINCT CASE WHEN role = 'learner' THEN user_id END) AS BIGINT), \
        CAST(count(DISTINCT CASE WHEN role = 'staff' THEN user_id END) AS BIGINT) FROM cohort_member WHERE site_id = $1 GROUP BY cohort";
    Ok(on!(tx, conn => sqlx::query_as(SQL).bind(site.0).fetch_all(conn).await)?)
}

/// How many learn in a cohort.
pub async fn learners(tx: &mut Tx<'_>, site: SiteId, cohort: &str) -> Result<i64, DbError> {
    const SQL: &str = "SELECT CAST(count(DISTINCT user_id) AS BIGINT) FROM cohort_member WHERE site_id = $1 AND cohort = $2 AND role = 'learner'";
    Ok(on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(cohort).fetch_one(conn).await)?)
}

/// The cohorts that the API has a member look after.
pub async fn of_staff(tx: &mut Tx<'_>, site: SiteId, user: &UserId) -> Result<Vec<String>, DbError> {
    const SQL: &str = "SELECT cohort FROM cohort_member WHERE site_id = $1 AND user_id = $2 AND role = 'staff'";
    Ok(on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(user.as_str()).fetch_all(conn).await)?)
}

/// A page of a cohort's learners, by id, after this one.
pub async fn learners_after(
    tx: &mut Tx<'_>,
    site: SiteId,
    cohort: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    const SQL: &str = "SELECT DISTINCT user_id FROM cohort_member WHERE site_id = $1 AND cohort = $2 AND role = 'learner' AND user_id > $3 ORDER BY user_id LIMIT $4";
    Ok(
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(cohort).bind(after).bind(limit).fetch_all(conn).await)?,
    )
}

/// Sums of one course.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Sums {
    /// The course.
    pub course_id: Uuid,
    /// Its slug.
    pub slug: String,
    /// Enrollments.
    pub enrolled: i64,
    /// Complete.
    pub completed: i64,
    /// Not complete, and something answered or complete.
    pub in_progress: i64,
    /// With points that wait for a grader.
    pub awaiting: i64,
    /// Of the completed ones that have a score.
    pub score_sum: i64,
    /// How many those are.
    pub scored: i64,
    /// All together.
    pub time_spent_seconds: i64,
}

macro_rules! sums {
    ($from:literal) => {
        concat!(
            "SELECT e.course_id AS course_id, c.slug AS slug, CAST(count(*) AS BIGINT) AS enrolled, \
             CAST(sum(CASE WHEN e.completed_at IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS completed, \
             CAST(sum(CASE WHEN e.completed_at IS NULL AND (e.answered > 0 OR e.needed_complete > 0) THEN 1 ELSE 0 END) AS BIGINT) AS in_progress, \
             CAST(sum(CASE WHEN e.potential > 0 THEN 1 ELSE 0 END) AS BIGINT) AS awaiting, \
             CAST(coalesce(sum(e.score), 0) AS BIGINT) AS score_sum, CAST(count(e.score) AS BIGINT) AS scored, \
             CAST(sum(e.time_spent_seconds) AS BIGINT) AS time_spent_seconds FROM ",
            $from,
            " GROUP BY e.course_id, c.slug"
        )
    };
}

/// The sums of a cohort, by course.
pub async fn sums_of_cohort(tx: &mut Tx<'_>, site: SiteId, cohort: &str) -> Result<Vec<Sums>, DbError> {
    const SQL: &str = sums!(
        "(SELECT DISTINCT site_id, user_id FROM cohort_member WHERE site_id = $1 AND cohort = $2 AND role = 'learner') m \
         JOIN course_enrollment e ON e.site_id = m.site_id AND e.user_id = m.user_id JOIN course c ON c.id = e.course_id"
    );
    Ok(on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(cohort).fetch_all(conn).await)?)
}

/// How many learn in any of these cohorts; each once.
pub async fn learners_of(tx: &mut Tx<'_>, site: SiteId, cohorts: &[String]) -> Result<i64, DbError> {
    const SQLITE: &str = "SELECT CAST(count(DISTINCT user_id) AS BIGINT) FROM cohort_member \
        WHERE site_id = $1 AND role = 'learner' AND cohort IN (SELECT value FROM json_each($2))";
    const POSTGRES: &str = "SELECT CAST(count(DISTINCT user_id) AS BIGINT) FROM cohort_member \
        WHERE site_id = $1 AND role = 'learner' AND cohort IN (SELECT jsonb_array_elements_text($2::jsonb))";
    let (sql, cohorts) = (tx.pick(SQLITE, POSTGRES), serde_json::to_string(cohorts)?);
    Ok(on!(tx, conn => sqlx::query_scalar(sql).bind(site.0).bind(&cohorts).fetch_one(conn).await)?)
}

/// The sums of all these cohorts, by course; each learner once.
pub async fn sums_of_cohorts(tx: &mut Tx<'_>, site: SiteId, cohorts: &[String]) -> Result<Vec<Sums>, DbError> {
    const SQLITE: &str = sums!(
        "(SELECT DISTINCT site_id, user_id FROM cohort_member WHERE site_id = $1 AND role = 'learner' \
         AND cohort IN (SELECT value FROM json_each($2))) m \
         JOIN course_enrollment e ON e.site_id = m.site_id AND e.user_id = m.user_id JOIN course c ON c.id = e.course_id"
    );
    const POSTGRES: &str = sums!(
        "(SELECT DISTINCT site_id, user_id FROM cohort_member WHERE site_id = $1 AND role = 'learner' \
         AND cohort IN (SELECT jsonb_array_elements_text($2::jsonb))) m \
         JOIN course_enrollment e ON e.site_id = m.site_id AND e.user_id = m.user_id JOIN course c ON c.id = e.course_id"
    );
    let (sql, cohorts) = (tx.pick(SQLITE, POSTGRES), serde_json::to_string(cohorts)?);
    Ok(on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(&cohorts).fetch_all(conn).await)?)
}

/// Whether somebody learns in a cohort.
pub async fn is_learner(tx: &mut Tx<'_>, site: SiteId, cohort: &str, user: &UserId) -> Result<bool, DbError> {
    const SQL: &str = "SELECT CAST(count(*) AS BIGINT) FROM cohort_member WHERE site_id = $1 AND cohort = $2 AND role = 'learner' AND user_id = $3";
    let rows: i64 =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(cohort).bind(user.as_str()).fetch_one(conn).await)?;
    Ok(rows > 0)
}

/// The sums of a course; of all the site's, without one.
pub async fn sums_of_site(tx: &mut Tx<'_>, site: SiteId, course: Option<CourseId>) -> Result<Vec<Sums>, DbError> {
    const ALL: &str = sums!("course c JOIN course_enrollment e ON e.course_id = c.id WHERE c.site_id = $1");
    const ONE: &str =
        sums!("course c JOIN course_enrollment e ON e.course_id = c.id WHERE c.site_id = $1 AND c.id = $2");
    Ok(match course {
        None => on!(tx, conn => sqlx::query_as(ALL).bind(site.0).fetch_all(conn).await)?,
        Some(course) => on!(tx, conn => sqlx::query_as(ONE).bind(site.0).bind(course.0).fetch_all(conn).await)?,
    })
}
