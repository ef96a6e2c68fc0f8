//! What authors write: courses, their versions, and the lessons and banks they share.

use std::collections::BTreeMap;

use jalon_shared::{
    CourseId, SiteId, Timestamp, UserId,
    course::{Definition, Written},
    slug::CourseSlug,
    wire::course::CourseState,
};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{corrupt, number, raw};
use crate::db::{DbError, Tx, execute, on};

/// A course's row.
#[derive(Clone, Debug)]
pub struct CourseRow {
    /// Its id.
    pub id: CourseId,
    /// Its name in addresses.
    pub slug: CourseSlug,
    /// Where it stands.
    pub state: CourseState,
    /// The version learners begin with.
    pub published_version: Option<u32>,
    /// The newest version.
    pub latest_version: u32,
    /// Grows with every change of the row.
    pub revision: i64,
}

#[derive(sqlx::FromRow)]
struct RawCourse {
    id: Uuid,
    slug: String,
    state: String,
    published_version: Option<i32>,
    latest_version: i32,
    revision: i64,
}
impl TryFrom<RawCourse> for CourseRow {
    type Error = DbError;
    fn try_from(row: RawCourse) -> Result<Self, DbError> {
        Ok(Self {
            id: CourseId(row.id),
            slug: CourseSlug::parse(&row.slug).map_err(corrupt)?,
            state: CourseState::ALL
                .into_iter()
                .find(|state| state.as_str() == row.state)
                .ok_or_else(|| corrupt(&row.state))?,
            published_version: row.published_version.map(number).transpose()?,
            latest_version: number(row.latest_version)?,
            revision: row.revision,
        })
    }
}

/// The site's courses, by slug.
pub async fn courses(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<CourseRow>, DbError> {
    const SQL: &str = "SELECT id, slug, state, published_version, latest_version, revision FROM course WHERE site_id = $1 ORDER BY slug";
    let rows: Vec<RawCourse> = on!(tx, conn => sqlx::query_as(SQL).bind(site.0).fetch_all(conn).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The site's course of this slug.
pub async fn course(tx: &mut Tx<'_>, site: SiteId, slug: &CourseSlug) -> Result<Option<CourseRow>, DbError> {
    const SQL: &str = "SELECT id, slug, state, published_version, latest_version, revision FROM course WHERE site_id = $1 AND slug = $2";
    let row: Option<RawCourse> =
        on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(slug.as_str()).fetch_optional(conn).await)?;
    row.map(TryInto::try_into).transpose()
}

/// The same, locked against other writers where the database locks rows; learners go on meanwhile.
pub async fn course_for_update(tx: &mut Tx<'_>, site: SiteId, slug: &CourseSlug) -> Result<Option<CourseRow>, DbError> {
    const SQLITE: &str = "SELECT id, slug, state, published_version, latest_version, revision FROM course WHERE site_id = $1 AND slug = $2";
    // No key of a course ever changes. `FOR UPDATE` would wait for every learner who starts it: their rows refer to it.
    const POSTGRES: &str = "SELECT id, slug, state, published_version, latest_version, revision FROM course WHERE site_id = $1 AND slug = $2 FOR NO KEY UPDATE";
    let sql = tx.pick(SQLITE, POSTGRES);
    let row: Option<RawCourse> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(slug.as_str()).fetch_optional(conn).await)?;
    row.map(TryInto::try_into).transpose()
}

/// A new draft without versions; a slug that exists is the schema's to refuse.
pub async fn insert_course(tx: &mut Tx<'_>, site: SiteId, course: &CourseRow, now: Timestamp) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO course (id, site_id, slug, state, published_version, latest_version, revision, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(course.id.0)
            .bind(site.0)
            .bind(course.slug.as_str())
            .bind(course.state.as_str())
            .bind(course.published_version.map(raw))
            .bind(raw(course.latest_version))
            .bind(course.revision)
            .bind(now.0)
    )
    .map(drop)
}

/// Saves a course's row, and has every backend look again by raising the site's revision.
pub async fn update_course(tx: &mut Tx<'_>, site: SiteId, course: &CourseRow, now: Timestamp) -> Result<(), DbError> {
    const SQL: &str = "UPDATE course SET state = $3, published_version = $4, latest_version = $5, revision = $6, updated_at = $7 \
        WHERE site_id = $1 AND id = $2";
    const SITE: &str = "UPDATE site SET revision = revision + 1, updated_at = $2 WHERE id = $1";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(site.0)
            .bind(course.id.0)
            .bind(course.state.as_str())
            .bind(course.published_version.map(raw))
            .bind(raw(course.latest_version))
            .bind(course.revision)
            .bind(now.0)
    )?;
    execute!(tx, sqlx::query(SITE).bind(site.0).bind(now.0)).map(drop)
}

/// A new version, with the members who are its instructors.
pub async fn insert_version(
    tx: &mut Tx<'_>,
    site: SiteId,
    course: CourseId,
    version: u32,
    (definition, instructors): (&Definition, &[UserId]),
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str =
        "INSERT INTO course_version (course_id, version, site_id, definition, created_at) VALUES ($1, $2, $3, $4, $5)";
    const INSTRUCTOR: &str =
        "INSERT INTO course_instructor (course_id, version, site_id, user_id) VALUES ($1, $2, $3, $4)";
    let definition = serde_json::to_string(definition)?;
    execute!(tx, sqlx::query(SQL).bind(course.0).bind(raw(version)).bind(site.0).bind(&definition).bind(now.0))?;
    for user in instructors {
        execute!(tx, sqlx::query(INSTRUCTOR).bind(course.0).bind(raw(version)).bind(site.0).bind(user.as_str()))?;
    }
    Ok(())
}

/// The members who are the instructors of a version, in order.
pub async fn instructors(
    tx: &mut Tx<'_>,
    site: SiteId,
    course: CourseId,
    version: u32,
) -> Result<Vec<UserId>, DbError> {
    const SQL: &str = "SELECT user_id FROM course_instructor WHERE site_id = $1 AND course_id = $2 AND version = $3";
    let users: Vec<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(course.0).bind(raw(version)).fetch_all(conn).await)?;
    let mut users: Vec<UserId> =
        users.iter().map(|user| UserId::parse(user)).collect::<Result<_, _>>().map_err(corrupt)?;
    users.sort();
    Ok(users)
}

/// The same of the newest versions of all the site's courses.
pub async fn instructors_of_site(tx: &mut Tx<'_>, site: SiteId) -> Result<BTreeMap<CourseId, Vec<UserId>>, DbError> {
    const SQL: &str = "SELECT i.course_id, i.user_id FROM course c JOIN course_instructor i ON i.course_id = c.id \
        AND i.version = c.latest_version WHERE c.site_id = $1";
    let rows: Vec<(Uuid, String)> = on!(tx, conn => sqlx::query_as(SQL).bind(site.0).fetch_all(conn).await)?;
    let mut all: BTreeMap<CourseId, Vec<UserId>> = BTreeMap::new();
    for (course, user) in rows {
        all.entry(CourseId(course)).or_default().push(UserId::parse(&user).map_err(corrupt)?);
    }
    for users in all.values_mut() {
        users.sort();
    }
    Ok(all)
}

/// Marks a version as published, the first time.
pub async fn mark_published(
    tx: &mut Tx<'_>,
    site: SiteId,
    course: CourseId,
    version: u32,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE course_version SET published_at = $4 WHERE site_id = $1 AND course_id = $2 AND version = $3 AND published_at IS NULL";
    execute!(tx, sqlx::query(SQL).bind(site.0).bind(course.0).bind(raw(version)).bind(now.0)).map(drop)
}

/// Whether a version was ever published; what was stays so.
pub async fn was_published(tx: &mut Tx<'_>, site: SiteId, course: CourseId, version: u32) -> Result<bool, DbError> {
    const SQL: &str =
        "SELECT published_at IS NOT NULL FROM course_version WHERE site_id = $1 AND course_id = $2 AND version = $3";
    let published: Option<bool> = on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(course.0).bind(raw(version)).fetch_optional(conn).await)?;
    Ok(published.unwrap_or(false))
}

/// One version of a course.
pub async fn definition(
    tx: &mut Tx<'_>,
    site: SiteId,
    course: CourseId,
    version: u32,
) -> Result<Option<Definition>, DbError> {
    let text = definition_text(tx, site, course, version).await?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// As [`definition`], as it is stored.
pub async fn definition_text(
    tx: &mut Tx<'_>,
    site: SiteId,
    course: CourseId,
    version: u32,
) -> Result<Option<String>, DbError> {
    const SQL: &str = "SELECT definition FROM course_version WHERE site_id = $1 AND course_id = $2 AND version = $3";
    Ok(
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(course.0).bind(raw(version)).fetch_optional(conn).await)?,
    )
}

/// What courses share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A lesson.
    Lesson,
    /// A question bank.
    Bank,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Lesson => "lesson",
            Self::Bank => "bank",
        }
    }
}

/// Whether a row is held until the end of the transaction, where the database locks rows.
#[derive(Clone, Copy, Debug)]
pub enum Held {
    /// Not: for transactions that only read.
    No,
    /// Against writers. They wait for it, so only for what authors do, never for what a crowd does.
    Share,
    /// For writing it, without a change of its keys: rows that refer to it are inserted meanwhile.
    Update,
}

/// A shared lesson or bank as it was last written, with its revision.
pub async fn part<S: DeserializeOwned>(
    tx: &mut Tx<'_>,
    site: SiteId,
    part: Part,
    slug: &str,
    held: Held,
) -> Result<Option<(i64, Written<S>)>, DbError> {
    const SQLITE: &str = "SELECT revision, written FROM course_part WHERE site_id = $1 AND kind = $2 AND slug = $3";
    const SHARE: &str =
        "SELECT revision, written FROM course_part WHERE site_id = $1 AND kind = $2 AND slug = $3 FOR SHARE";
    const UPDATE: &str =
        "SELECT revision, written FROM course_part WHERE site_id = $1 AND kind = $2 AND slug = $3 FOR NO KEY UPDATE";
    let sql = match held {
        Held::No => SQLITE,
        Held::Share => tx.pick(SQLITE, SHARE),
        Held::Update => tx.pick(SQLITE, UPDATE),
    };
    let row: Option<(i64, String)> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(part.as_str()).bind(slug).fetch_optional(conn).await)?;
    row.map(|(revision, written)| Ok((revision, serde_json::from_str(&written)?))).transpose()
}

/// The slugs of the site's shared lessons or banks, with their revisions.
pub async fn parts(tx: &mut Tx<'_>, site: SiteId, part: Part) -> Result<Vec<(String, i64)>, DbError> {
    const SQL: &str = "SELECT slug, revision FROM course_part WHERE site_id = $1 AND kind = $2 ORDER BY slug";
    Ok(on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(part.as_str()).fetch_all(conn).await)?)
}

/// Writes a shared lesson or bank.
pub async fn put_part<S: Serialize>(
    tx: &mut Tx<'_>,
    site: SiteId,
    part: Part,
    slug: &str,
    revision: i64,
    written: &Written<S>,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO course_part (id, site_id, kind, slug, revision, written, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
        ON CONFLICT (site_id, kind, slug) DO UPDATE SET revision = excluded.revision, written = excluded.written, updated_at = excluded.updated_at";
    let written = serde_json::to_string(written)?;
    let id = crate::id::new_v7(now);
    execute!(
        tx,
        sqlx::query(SQL).bind(id).bind(site.0).bind(part.as_str()).bind(slug).bind(revision).bind(&written).bind(now.0)
    )
    .map(drop)
}

/// The version of a course that learners begin with; `None` before the first publish.
pub async fn published_version(tx: &mut Tx<'_>, site: SiteId, course: CourseId) -> Result<Option<u32>, DbError> {
    const SQL: &str = "SELECT published_version FROM course WHERE site_id = $1 AND id = $2";
    let version: Option<Option<i32>> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(course.0).fetch_optional(conn).await)?;
    version.flatten().map(number).transpose()
}

/// The slug of a course.
pub async fn slug(tx: &mut Tx<'_>, site: SiteId, course: CourseId) -> Result<Option<CourseSlug>, DbError> {
    const SQL: &str = "SELECT slug FROM course WHERE site_id = $1 AND id = $2";
    let slug: Option<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(course.0).fetch_optional(conn).await)?;
    slug.map(|slug| CourseSlug::parse(&slug).map_err(corrupt)).transpose()
}
