//! Tracks, their versions and enrollments in the database. Every function takes its scope first.

use std::collections::{BTreeMap, BTreeSet};

use jalon_shared::{
    EnrollmentId, GuestId, Lang, Learner, Score, SiteId, StepId, Timestamp, TrackId, UserId,
    track::{Definition, Enrollment, Progress, StepProgress, TrackEvent, TrackSlug, TrackState, TrackType},
};
use serde::Serialize;
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::{
    db::{DbError, Rows, Tx, on},
    site::audit,
};

/// A track's row.
#[derive(Clone, Debug)]
pub struct TrackRow {
    /// Its id.
    pub id: TrackId,
    /// Its name in addresses.
    pub slug: TrackSlug,
    /// What it is for.
    pub track_type: TrackType,
    /// Where it stands.
    pub state: TrackState,
    /// Whether guests and CMS pages may show it (E1).
    pub cms_block_enabled: bool,
    /// The version learners begin with.
    pub published_version: Option<u32>,
    /// The newest version.
    pub latest_version: u32,
    /// Grows with every change of the row.
    pub revision: i64,
}

#[derive(sqlx::FromRow)]
struct RawTrack {
    id: Uuid,
    slug: String,
    track_type: String,
    state: String,
    cms_block_enabled: bool,
    published_version: Option<i32>,
    latest_version: i32,
    revision: i64,
}

/// What the database holds can't be read: a bug, or a hand in the tables.
fn corrupt(what: impl std::fmt::Display) -> DbError {
    DbError::other(format!("a row that can't be: {what}"))
}

fn version_number(version: i32) -> Result<u32, DbError> {
    u32::try_from(version).map_err(corrupt)
}

fn raw_version(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

/// A state as its column says it.
fn state_name(state: TrackState) -> &'static str {
    match state {
        TrackState::Draft => "draft",
        TrackState::Published => "published",
        TrackState::Retired => "retired",
    }
}

impl TryFrom<RawTrack> for TrackRow {
    type Error = DbError;
    fn try_from(raw: RawTrack) -> Result<Self, DbError> {
        Ok(Self {
            id: TrackId(raw.id),
            slug: TrackSlug::parse(&raw.slug).map_err(corrupt)?,
            track_type: raw.track_type.parse().map_err(|()| corrupt("a track type that is none"))?,
            state: match raw.state.as_str() {
                "draft" => TrackState::Draft,
                "published" => TrackState::Published,
                "retired" => TrackState::Retired,
                other => return Err(corrupt(other)),
            },
            cms_block_enabled: raw.cms_block_enabled,
            published_version: raw.published_version.map(version_number).transpose()?,
            latest_version: version_number(raw.latest_version)?,
            revision: raw.revision,
        })
    }
}

/// The site's tracks, by slug.
pub async fn tracks(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<TrackRow>, DbError> {
    const SQL: &str = "SELECT id, slug, track_type, state, cms_block_enabled, published_version, latest_version, revision \
        FROM track WHERE site_id = $1 ORDER BY slug";
    let rows: Vec<RawTrack> = on!(tx, conn => sqlx::query_as(SQL).bind(site.0).fetch_all(conn).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The site's track of this slug, locked against other writers where the database locks rows.
pub async fn track_for_update(tx: &mut Tx<'_>, site: SiteId, slug: &TrackSlug) -> Result<Option<TrackRow>, DbError> {
    const SQLITE: &str = "SELECT id, slug, track_type, state, cms_block_enabled, published_version, latest_version, revision \
        FROM track WHERE site_id = $1 AND slug = $2";
    // No key of a track ever changes. `FOR UPDATE` would wait for every learner who starts it: their rows refer to it.
    const POSTGRES: &str = "SELECT id, slug, track_type, state, cms_block_enabled, published_version, latest_version, revision \
        FROM track WHERE site_id = $1 AND slug = $2 FOR NO KEY UPDATE";
    let sql = tx.pick(SQLITE, POSTGRES);
    let row: Option<RawTrack> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(slug.as_str()).fetch_optional(conn).await)?;
    row.map(TryInto::try_into).transpose()
}

/// A new draft without versions; a slug that exists is the schema's to refuse.
pub async fn insert_track(tx: &mut Tx<'_>, site: SiteId, track: &TrackRow, now: Timestamp) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO track (id, site_id, slug, track_type, state, cms_block_enabled, published_version, latest_version, revision, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
    on!(tx, conn => sqlx::query(SQL)
        .bind(track.id.0).bind(site.0).bind(track.slug.as_str()).bind(track.track_type.as_str()).bind(state_name(track.state))
        .bind(track.cms_block_enabled).bind(track.published_version.map(raw_version)).bind(raw_version(track.latest_version)).bind(track.revision)
        .bind(now.0).execute(conn).await.map(drop))?;
    Ok(())
}

/// Saves a track's row, and has every backend look again by raising the site's revision.
pub async fn update_track(tx: &mut Tx<'_>, site: SiteId, track: &TrackRow, now: Timestamp) -> Result<(), DbError> {
    const SQL: &str = "UPDATE track SET track_type = $3, state = $4, cms_block_enabled = $5, published_version = $6, latest_version = $7, revision = $8, updated_at = $9 \
        WHERE site_id = $1 AND id = $2";
    const SITE: &str = "UPDATE site SET revision = revision + 1, updated_at = $2 WHERE id = $1";
    on!(tx, conn => sqlx::query(SQL)
        .bind(site.0).bind(track.id.0).bind(track.track_type.as_str()).bind(state_name(track.state)).bind(track.cms_block_enabled)
        .bind(track.published_version.map(raw_version)).bind(raw_version(track.latest_version)).bind(track.revision).bind(now.0)
        .execute(conn).await.map(drop))?;
    on!(tx, conn => sqlx::query(SITE).bind(site.0).bind(now.0).execute(conn).await.map(drop))?;
    Ok(())
}

/// A new version.
pub async fn insert_version(
    tx: &mut Tx<'_>,
    site: SiteId,
    track: TrackId,
    version: u32,
    definition: &Definition,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str =
        "INSERT INTO track_version (track_id, version, site_id, definition, created_at) VALUES ($1, $2, $3, $4, $5)";
    let definition = serde_json::to_string(definition)?;
    on!(tx, conn => sqlx::query(SQL).bind(track.0).bind(raw_version(version)).bind(site.0).bind(definition).bind(now.0).execute(conn).await.map(drop))?;
    Ok(())
}

/// Marks a version as published, the first time.
pub async fn mark_published(
    tx: &mut Tx<'_>,
    site: SiteId,
    track: TrackId,
    version: u32,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE track_version SET published_at = $4 WHERE site_id = $1 AND track_id = $2 AND version = $3 AND published_at IS NULL";
    on!(tx, conn => sqlx::query(SQL).bind(site.0).bind(track.0).bind(raw_version(version)).bind(now.0).execute(conn).await.map(drop))?;
    Ok(())
}

/// Whether a version was ever published; what was stays so.
pub async fn was_published(tx: &mut Tx<'_>, site: SiteId, track: TrackId, version: u32) -> Result<bool, DbError> {
    const SQL: &str =
        "SELECT published_at IS NOT NULL FROM track_version WHERE site_id = $1 AND track_id = $2 AND version = $3";
    let published: Option<bool> = on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(track.0).bind(raw_version(version)).fetch_optional(conn).await)?;
    Ok(published.unwrap_or(false))
}

/// One version of a track.
pub async fn definition(
    tx: &mut Tx<'_>,
    site: SiteId,
    track: TrackId,
    version: u32,
) -> Result<Option<Definition>, DbError> {
    let text = definition_text(tx, site, track, version).await?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// As [`definition`], as it is stored.
pub async fn definition_text(
    tx: &mut Tx<'_>,
    site: SiteId,
    track: TrackId,
    version: u32,
) -> Result<Option<String>, DbError> {
    const SQL: &str = "SELECT definition FROM track_version WHERE site_id = $1 AND track_id = $2 AND version = $3";
    Ok(
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(track.0).bind(raw_version(version)).fetch_optional(conn).await)?,
    )
}

#[derive(sqlx::FromRow)]
struct RawEnrollment {
    id: Uuid,
    site_id: Uuid,
    track_id: Uuid,
    track_version: i32,
    user_id: Option<String>,
    guest_id: Option<Uuid>,
    current_step_order: i32,
    version: i64,
    started_at: i64,
    completed_at: Option<i64>,
    score: Option<i32>,
    lang: Option<String>,
    merged_from_guest: bool,
    progress: String,
    accounted_until: Option<i64>,
}

impl TryFrom<RawEnrollment> for Enrollment {
    type Error = DbError;
    fn try_from(raw: RawEnrollment) -> Result<Self, DbError> {
        let learner = match (raw.user_id, raw.guest_id) {
            (Some(user), None) => Learner::User(UserId::parse(&user).map_err(corrupt)?),
            (None, Some(guest)) => Learner::Guest(GuestId(guest)),
            _ => return Err(corrupt("an enrollment of nobody, or of two (XOR)")),
        };
        let steps: BTreeMap<StepId, StepProgress> = serde_json::from_str(&raw.progress)?;
        Ok(Self {
            id: EnrollmentId(raw.id),
            site_id: SiteId(raw.site_id),
            track_id: TrackId(raw.track_id),
            track_version: version_number(raw.track_version)?,
            learner,
            lang: raw.lang.as_deref().and_then(|lang| Lang::parse(lang).ok()),
            merged_from_guest: raw.merged_from_guest,
            version: u64::try_from(raw.version).map_err(corrupt)?,
            progress: Progress {
                current_step_order: u16::try_from(raw.current_step_order).map_err(corrupt)?,
                started_at: Timestamp(raw.started_at),
                completed_at: raw.completed_at.map(Timestamp),
                score: raw.score.map(|score| Score::from_hundredths(score.into())).transpose().map_err(corrupt)?,
                accounted_until: raw.accounted_until.map(Timestamp),
                steps,
            },
        })
    }
}

fn enrollments_of(rows: Vec<RawEnrollment>) -> Result<Vec<Enrollment>, DbError> {
    rows.into_iter().map(TryInto::try_into).collect()
}

macro_rules! enrollment_columns {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.site_id, e.track_id, e.track_version, e.user_id, e.guest_id, e.current_step_order, e.version, e.started_at, \
             e.completed_at, e.score, e.lang, e.merged_from_guest, e.progress, e.accounted_until FROM enrollment e ",
            $rest
        )
    };
}

/// One enrollment of this site; whose it is, the caller checks.
pub async fn enrollment(tx: &mut Tx<'_>, site: SiteId, id: EnrollmentId) -> Result<Option<Enrollment>, DbError> {
    const SQL: &str = enrollment_columns!("WHERE e.site_id = $1 AND e.id = $2");
    let row: Option<RawEnrollment> =
        on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(id.0).fetch_optional(conn).await)?;
    row.map(TryInto::try_into).transpose()
}

/// Many enrollments at once, locked where the database locks rows (in the order of their ids, so that
/// two groups can't wait for each other). An advance changes no key of them.
pub async fn enrollments_for_update(tx: &mut Tx<'_>, ids: &[EnrollmentId]) -> Result<Vec<Enrollment>, DbError> {
    const SQLITE: Rows = Rows { before: enrollment_columns!("WHERE e.id IN ("), row: "(?)", after: ")" };
    const POSTGRES: &str = enrollment_columns!(
        "WHERE e.id IN (SELECT r.value::uuid FROM jsonb_array_elements_text($1::jsonb) AS r(value)) ORDER BY e.id FOR NO KEY UPDATE"
    );
    let rows: Vec<RawEnrollment> = match tx {
        Tx::Sqlite(conn) => SQLITE.fetch(conn, ids, |query, id| query.bind(id.0)).await?,
        Tx::Postgres(conn) => sqlx::query_as(POSTGRES).bind(serde_json::to_string(ids)?).fetch_all(&mut **conn).await?,
    };
    enrollments_of(rows)
}

/// Which of these copies are not what the database holds: their rows have another version by now, or are
/// gone. For `SQLite`, where nobody else writes until the transaction ends.
pub async fn outdated(conn: &mut SqliteConnection, copies: &[Enrollment]) -> Result<Vec<EnrollmentId>, DbError> {
    const SQL: Rows = Rows {
        before: "SELECT q.column1 FROM (",
        row: "(?, ?)",
        after: ") AS q LEFT JOIN enrollment e ON e.id = q.column1 AND e.version = q.column2 \
            WHERE e.id IS NULL AND q.column1 IS NOT NULL",
    };
    let ids: Vec<(Uuid,)> =
        SQL.fetch(conn, copies, |query, copy| query.bind(copy.id.0).bind(signed(copy.version))).await?;
    Ok(ids.into_iter().map(|(id,)| EnrollmentId(id)).collect())
}

/// The learner's enrollment in a track.
pub async fn enrollment_in_track(
    tx: &mut Tx<'_>,
    site: SiteId,
    learner: &Learner,
    track: TrackId,
) -> Result<Option<Enrollment>, DbError> {
    const USER: &str = enrollment_columns!("WHERE e.site_id = $1 AND e.track_id = $2 AND e.user_id = $3");
    const GUEST: &str = enrollment_columns!("WHERE e.site_id = $1 AND e.track_id = $2 AND e.guest_id = $3");
    let row: Option<RawEnrollment> = match learner {
        Learner::User(user) => {
            on!(tx, conn => sqlx::query_as(USER).bind(site.0).bind(track.0).bind(user.as_str()).fetch_optional(conn).await)?
        }
        Learner::Guest(guest) => {
            on!(tx, conn => sqlx::query_as(GUEST).bind(site.0).bind(track.0).bind(guest.0).fetch_optional(conn).await)?
        }
    };
    row.map(TryInto::try_into).transpose()
}

/// A page of the learner's enrollments, oldest first, after this id.
pub async fn enrollments_of_learner(
    tx: &mut Tx<'_>,
    site: SiteId,
    learner: &Learner,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Enrollment>, DbError> {
    const USER: &str =
        enrollment_columns!("WHERE e.site_id = $1 AND e.user_id = $2 AND e.id > $3 ORDER BY e.id LIMIT $4");
    const GUEST: &str =
        enrollment_columns!("WHERE e.site_id = $1 AND e.guest_id = $2 AND e.id > $3 ORDER BY e.id LIMIT $4");
    let rows: Vec<RawEnrollment> = match learner {
        Learner::User(user) => {
            on!(tx, conn => sqlx::query_as(USER).bind(site.0).bind(user.as_str()).bind(after).bind(limit).fetch_all(conn).await)?
        }
        Learner::Guest(guest) => {
            on!(tx, conn => sqlx::query_as(GUEST).bind(site.0).bind(guest.0).bind(after).bind(limit).fetch_all(conn).await)?
        }
    };
    enrollments_of(rows)
}

/// An enrollment as the set-based statements take it.
#[derive(Serialize)]
struct EnrollmentRecord<'a> {
    id: EnrollmentId,
    site_id: SiteId,
    track_id: TrackId,
    track_version: u32,
    user_id: Option<&'a UserId>,
    guest_id: Option<GuestId>,
    current_step_order: u16,
    version: u64,
    started_at: i64,
    completed_at: Option<i64>,
    score: Option<u16>,
    time_spent_seconds: u64,
    lang: Option<&'a Lang>,
    merged_from_guest: bool,
    progress: String,
    accounted_until: Option<i64>,
}

fn records<'a>(enrollments: impl IntoIterator<Item = &'a Enrollment>) -> Result<String, DbError> {
    let mut records = Vec::new();
    for enrollment in enrollments {
        records.push(EnrollmentRecord {
            id: enrollment.id,
            site_id: enrollment.site_id,
            track_id: enrollment.track_id,
            track_version: enrollment.track_version,
            user_id: enrollment.learner.user_id(),
            guest_id: enrollment.learner.guest_id(),
            current_step_order: enrollment.progress.current_step_order,
            version: enrollment.version,
            started_at: enrollment.progress.started_at.0,
            completed_at: enrollment.progress.completed_at.map(|at| at.0),
            score: enrollment.progress.score.map(Score::hundredths),
            time_spent_seconds: enrollment.progress.time_spent_seconds(),
            lang: enrollment.lang.as_ref(),
            merged_from_guest: enrollment.merged_from_guest,
            progress: serde_json::to_string(&enrollment.progress.steps)?,
            accounted_until: enrollment.progress.accounted_until.map(|at| at.0),
        });
    }
    Ok(serde_json::to_string(&records)?)
}

/// Adds an enrollment unless the learner has one in that track already; answers whether it was added.
pub async fn insert_enrollment(tx: &mut Tx<'_>, enrollment: &Enrollment) -> Result<bool, DbError> {
    const SQLITE: &str = "INSERT INTO enrollment (id, site_id, track_id, track_version, user_id, guest_id, current_step_order, version, started_at, \
        completed_at, score, time_spent_seconds, lang, merged_from_guest, progress, accounted_until) \
        SELECT unhex(r.value ->> 'id', '-'), unhex(r.value ->> 'site_id', '-'), unhex(r.value ->> 'track_id', '-'), r.value ->> 'track_version', \
        r.value ->> 'user_id', unhex(r.value ->> 'guest_id', '-'), r.value ->> 'current_step_order', r.value ->> 'version', r.value ->> 'started_at', \
        r.value ->> 'completed_at', r.value ->> 'score', r.value ->> 'time_spent_seconds', r.value ->> 'lang', r.value ->> 'merged_from_guest', \
        r.value ->> 'progress', r.value ->> 'accounted_until' FROM json_each($1) AS r WHERE true ON CONFLICT DO NOTHING";
    const POSTGRES: &str = "INSERT INTO enrollment (id, site_id, track_id, track_version, user_id, guest_id, current_step_order, version, started_at, \
        completed_at, score, time_spent_seconds, lang, merged_from_guest, progress, accounted_until) \
        SELECT id, site_id, track_id, track_version, user_id, guest_id, current_step_order, version, started_at, completed_at, score, time_spent_seconds, \
        lang, merged_from_guest, progress, accounted_until FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, site_id uuid, track_id uuid, track_version int, user_id text, \
        guest_id uuid, current_step_order int, version bigint, started_at bigint, completed_at bigint, score int, time_spent_seconds bigint, lang text, \
        merged_from_guest boolean, progress text, accounted_until bigint) ON CONFLICT DO NOTHING";
    let sql = tx.pick(SQLITE, POSTGRES);
    let records = records([enrollment])?;
    Ok(on!(tx, conn => sqlx::query(sql).bind(records).execute(conn).await.map(|done| done.rows_affected()))? == 1)
}

/// Saves enrollments and whose they are, one statement for all of them.
pub async fn update_enrollments<'a>(
    tx: &mut Tx<'_>,
    enrollments: impl IntoIterator<Item = &'a Enrollment>,
) -> Result<(), DbError> {
    const SQLITE: &str = "UPDATE enrollment SET track_version = r.value ->> 'track_version', user_id = r.value ->> 'user_id', \
        guest_id = unhex(r.value ->> 'guest_id', '-'), current_step_order = r.value ->> 'current_step_order', version = r.value ->> 'version', \
        started_at = r.value ->> 'started_at', completed_at = r.value ->> 'completed_at', score = r.value ->> 'score', \
        time_spent_seconds = r.value ->> 'time_spent_seconds', merged_from_guest = r.value ->> 'merged_from_guest', progress = r.value ->> 'progress', accounted_until = r.value ->> 'accounted_until' \
        FROM json_each($1) AS r WHERE enrollment.id = unhex(r.value ->> 'id', '-')";
    const POSTGRES: &str = "UPDATE enrollment SET track_version = r.track_version, user_id = r.user_id, guest_id = r.guest_id, \
        current_step_order = r.current_step_order, version = r.version, started_at = r.started_at, completed_at = r.completed_at, score = r.score, \
        time_spent_seconds = r.time_spent_seconds, merged_from_guest = r.merged_from_guest, progress = r.progress, accounted_until = r.accounted_until \
        FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, track_version int, user_id text, guest_id uuid, current_step_order int, version bigint, \
        started_at bigint, completed_at bigint, score int, time_spent_seconds bigint, merged_from_guest boolean, progress text, accounted_until bigint) WHERE enrollment.id = r.id";
    let sql = tx.pick(SQLITE, POSTGRES);
    let records = records(enrollments)?;
    on!(tx, conn => sqlx::query(sql).bind(records).execute(conn).await.map(drop))?;
    Ok(())
}

/// Saves how far enrollments came, one statement for all of them; whose they are stays. `SQLite` writes an
/// index anew for every column of it that a statement names, changed or not: naming the owner made this
/// hottest of all statements 2.4 times as dear.
pub async fn update_progress(tx: &mut Tx<'_>, enrollments: &[&Enrollment]) -> Result<(), DbError> {
    const SQLITE: Rows = Rows {
        before: "UPDATE enrollment SET current_step_order = r.column2, version = r.column3, completed_at = r.column4, score = r.column5, \
            time_spent_seconds = r.column6, progress = r.column7, accounted_until = r.column8 FROM (",
        row: "(?, ?, ?, ?, ?, ?, ?, ?)",
        after: ") AS r WHERE enrollment.id = r.column1",
    };
    const POSTGRES: &str = "UPDATE enrollment SET current_step_order = r.current_step_order, version = r.version, completed_at = r.completed_at, \
        score = r.score, time_spent_seconds = r.time_spent_seconds, progress = r.progress, accounted_until = r.accounted_until FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, \
        current_step_order int, version bigint, completed_at bigint, score int, time_spent_seconds bigint, progress text, accounted_until bigint) WHERE enrollment.id = r.id";
    match tx {
        Tx::Sqlite(conn) => {
            let mut rows = Vec::with_capacity(enrollments.len());
            for enrollment in enrollments {
                rows.push((enrollment, serde_json::to_string(&enrollment.progress.steps)?));
            }
            SQLITE
                .execute(conn, &rows, |query, (enrollment, steps)| {
                    let progress = &enrollment.progress;
                    query
                        .bind(enrollment.id.0)
                        .bind(i64::from(progress.current_step_order))
                        .bind(signed(enrollment.version))
                        .bind(progress.completed_at.map(|at| at.0))
                        .bind(progress.score.map(|score| i64::from(score.hundredths())))
                        .bind(signed(progress.time_spent_seconds()))
                        .bind(steps.as_str())
                        .bind(progress.accounted_until.map(|at| at.0))
                })
                .await?;
        }
        Tx::Postgres(conn) => {
            let records = records(enrollments.iter().copied())?;
            sqlx::query(POSTGRES).bind(records).execute(&mut **conn).await?;
        }
    }
    Ok(())
}

/// A count as the database holds it.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Takes away a guest's enrollment that went into a member's (M2).
pub async fn delete_enrollment(tx: &mut Tx<'_>, site: SiteId, id: EnrollmentId) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM enrollment WHERE site_id = $1 AND id = $2";
    on!(tx, conn => sqlx::query(SQL).bind(site.0).bind(id.0).execute(conn).await.map(drop))?;
    Ok(())
}

/// One event to append.
#[derive(Serialize)]
pub struct EventRecord {
    /// Its id.
    pub id: Uuid,
    /// Its tenant.
    pub site_id: SiteId,
    /// What it happened to: an enrollment.
    pub subject_id: Uuid,
    /// Its number there, which is the version it led to.
    pub seq: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whose, if a member's.
    pub user_id: Option<UserId>,
    /// Whose, if a guest's.
    pub guest_id: Option<GuestId>,
    /// When.
    pub at: i64,
    /// The idempotency key of the request that caused it.
    pub cause: Option<String>,
    /// The event, as JSON.
    pub payload: String,
}

impl EventRecord {
    /// An event that led `enrollment` to the version it has now.
    pub fn new(
        enrollment: &Enrollment,
        event: &TrackEvent,
        id: Uuid,
        cause: Option<Uuid>,
        now: Timestamp,
    ) -> Result<Self, DbError> {
        Ok(Self {
            id,
            site_id: enrollment.site_id,
            subject_id: enrollment.id.0,
            seq: enrollment.version,
            kind: event.name(),
            user_id: enrollment.learner.user_id().cloned(),
            guest_id: enrollment.learner.guest_id(),
            at: now.0,
            cause: cause.map(|cause| cause.to_string()),
            payload: serde_json::to_string(event)?,
        })
    }
}

/// Appends events, one statement for all of them. Two writers can't both append the same number.
pub async fn append_events(tx: &mut Tx<'_>, events: &[EventRecord]) -> Result<(), DbError> {
    const SQLITE: Rows = Rows {
        before: "INSERT INTO event (id, site_id, subject_id, seq, type, user_id, guest_id, at, cause, payload) SELECT * FROM (",
        row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        after: ") WHERE column1 IS NOT NULL",
    };
    const POSTGRES: &str = "INSERT INTO event (id, site_id, subject_id, seq, type, user_id, guest_id, at, cause, payload) \
        SELECT id, site_id, subject_id, seq, type, user_id, guest_id, at, cause, payload FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, site_id uuid, \
        subject_id uuid, seq bigint, type text, user_id text, guest_id uuid, at bigint, cause text, payload text)";
    if events.is_empty() {
        return Ok(());
    }
    match tx {
        Tx::Sqlite(conn) => {
            SQLITE
                .execute(conn, events, |query, event| {
                    query
                        .bind(event.id)
                        .bind(event.site_id.0)
                        .bind(event.subject_id)
                        .bind(signed(event.seq))
                        .bind(event.kind)
                        .bind(event.user_id.as_ref().map(UserId::as_str))
                        .bind(event.guest_id.map(|guest| guest.0))
                        .bind(event.at)
                        .bind(event.cause.as_deref())
                        .bind(event.payload.as_str())
                })
                .await?;
        }
        Tx::Postgres(conn) => {
            sqlx::query(POSTGRES).bind(serde_json::to_string(events)?).execute(&mut **conn).await?;
        }
    }
    Ok(())
}

/// The events of an enrollment, first to last (V1).
pub async fn events_of_enrollment(
    tx: &mut Tx<'_>,
    site: SiteId,
    enrollment: EnrollmentId,
) -> Result<Vec<TrackEvent>, DbError> {
    const SQL: &str = "SELECT payload FROM event WHERE site_id = $1 AND subject_id = $2 ORDER BY seq";
    let payloads: Vec<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(enrollment.0).fetch_all(conn).await)?;
    payloads.iter().map(|payload| Ok(serde_json::from_str(payload)?)).collect()
}

/// The slug of a track.
pub async fn slug(tx: &mut Tx<'_>, site: SiteId, track: TrackId) -> Result<Option<TrackSlug>, DbError> {
    const SQL: &str = "SELECT slug FROM track WHERE site_id = $1 AND id = $2";
    let slug: Option<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(track.0).fetch_optional(conn).await)?;
    slug.map(|slug| TrackSlug::parse(&slug).map_err(corrupt)).transpose()
}

/// The enrollments of a member and of the guest who becomes that member, locked where the database
/// locks rows.
pub async fn enrollments_of_both(
    tx: &mut Tx<'_>,
    site: SiteId,
    user: &UserId,
    guest: GuestId,
) -> Result<Vec<Enrollment>, DbError> {
    const SQLITE: &str =
        enrollment_columns!("WHERE e.site_id = $1 AND (e.user_id = $2 OR e.guest_id = $3) ORDER BY e.id");
    // `FOR UPDATE`: a merge deletes the guest's rows or changes their keys (the learner is in unique indexes).
    const POSTGRES: &str =
        enrollment_columns!("WHERE e.site_id = $1 AND (e.user_id = $2 OR e.guest_id = $3) ORDER BY e.id FOR UPDATE");
    let sql = tx.pick(SQLITE, POSTGRES);
    let rows: Vec<RawEnrollment> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(user.as_str()).bind(guest.0).fetch_all(conn).await)?;
    enrollments_of(rows)
}

/// The versions in which the work in an enrollment was begun: its own, and those of the guests' enrollments
/// that were merged into it (M2).
pub async fn versions_begun_in(tx: &mut Tx<'_>, enrollment: &Enrollment) -> Result<BTreeSet<u32>, DbError> {
    let mut versions = BTreeSet::new();
    if enrollment.merged_from_guest {
        for event in events_of_enrollment(tx, enrollment.site_id, enrollment.id).await? {
            match event {
                TrackEvent::Started { track_version, .. } => {
                    versions.insert(track_version);
                }
                TrackEvent::Merged { enrollment_id: guest, .. } => versions.extend(begun(tx, enrollment, guest).await?),
                _ => {}
            }
        }
    }
    Ok(versions)
}

/// The version that an enrollment of the same site began with, read from its first event: of a guest's that
/// went into a member's, nothing else is left.
async fn begun(tx: &mut Tx<'_>, into: &Enrollment, guest: EnrollmentId) -> Result<Option<u32>, DbError> {
    const SQL: &str = "SELECT payload FROM event WHERE site_id = $1 AND subject_id = $2 AND seq = 1";
    let payload: Option<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(into.site_id.0).bind(guest.0).fetch_optional(conn).await)?;
    Ok(match payload.map(|payload| serde_json::from_str(&payload)).transpose()? {
        Some(TrackEvent::Started { track_version, .. }) => Some(track_version),
        _ => None,
    })
}

/// Holds a member until the end of the transaction, whether or not there is a row of theirs: what adds
/// enrollments to a member, or takes all away, comes one after the other. Take it before any other lock.
pub async fn lock_member(tx: &mut Tx<'_>, site: SiteId, user: &UserId) -> Result<(), DbError> {
    // SQLite has one writer.
    if let Tx::Postgres(conn) = tx {
        let name = format!("member:{site}:{user}");
        let text = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        sqlx::query(text).bind(name).execute(&mut **conn).await?;
    }
    Ok(())
}

/// One event of the audit trail.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EventRow {
    /// Its id; time-ordered.
    pub id: Uuid,
    /// What it happened to.
    pub subject_id: Uuid,
    /// Its number there.
    pub seq: i64,
    /// Its type.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// Whose, if a member's.
    pub user_id: Option<String>,
    /// Whose, if a guest's.
    pub guest_id: Option<Uuid>,
    /// When.
    pub at: i64,
    /// The idempotency key of the request that caused it.
    pub cause: Option<String>,
    /// JSON.
    pub payload: String,
}

/// A page of the site's audit trail, oldest first, after this id.
pub async fn events_of_site(tx: &mut Tx<'_>, site: SiteId, after: Uuid, limit: i64) -> Result<Vec<EventRow>, DbError> {
    const SQL: &str = "SELECT id, subject_id, seq, type, user_id, guest_id, at, cause, payload FROM event WHERE site_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    Ok(on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(after).bind(limit).fetch_all(conn).await)?)
}

/// What the events of a member are of: the member's enrollments, and those of the guests who became this
/// member that went into another (M2). $1: the site, $2: the member.
macro_rules! subjects_of_user {
    () => {
        "SELECT id FROM enrollment WHERE site_id = $1 AND user_id = $2 \
         UNION SELECT id FROM course_enrollment WHERE site_id = $1 AND user_id = $2 \
         UNION SELECT begun.subject_id FROM guest g JOIN event begun ON begun.guest_id = g.id AND begun.seq = 1 \
         WHERE g.site_id = $1 AND g.merged_into = $2"
    };
}

/// What the events of a guest are of: the guest's enrollments, and those that were once. $1: the site, $2: the guest.
macro_rules! subjects_of_guest {
    () => {
        "SELECT id FROM enrollment WHERE site_id = $1 AND guest_id = $2 \
         UNION SELECT id FROM course_enrollment WHERE site_id = $1 AND guest_id = $2 \
         UNION SELECT subject_id FROM event WHERE seq = 1 AND guest_id = $2"
    };
}

const EVENTS_OF_USER: &str = concat!(
    "SELECT id, subject_id, seq, type, user_id, guest_id, at, cause, payload FROM event WHERE subject_id IN (",
    subjects_of_user!(),
    ") ORDER BY subject_id, seq"
);
const EVENTS_OF_GUEST: &str = concat!(
    "SELECT id, subject_id, seq, type, user_id, guest_id, at, cause, payload FROM event WHERE subject_id IN (",
    subjects_of_guest!(),
    ") ORDER BY subject_id, seq"
);
const ERASE_EVENTS_OF_USER: &str = concat!("DELETE FROM event WHERE subject_id IN (", subjects_of_user!(), ")");
const ERASE_EVENTS_OF_GUEST: &str = concat!("DELETE FROM event WHERE subject_id IN (", subjects_of_guest!(), ")");

/// Everything that happened to the learner, in order: for the learner's own export. What the guests did
/// who became this member is theirs too, even where an enrollment went into another (M2).
///
/// By subject alone: `SQLite` would take a site that is named beside it for the better way in, and read
/// all events of the tenant. The subjects are this site's.
pub async fn events_of_learner(tx: &mut Tx<'_>, site: SiteId, learner: &Learner) -> Result<Vec<EventRow>, DbError> {
    Ok(match learner {
        Learner::User(user) => {
            on!(tx, conn => sqlx::query_as(EVENTS_OF_USER).bind(site.0).bind(user.as_str()).fetch_all(conn).await)?
        }
        Learner::Guest(guest) => {
            on!(tx, conn => sqlx::query_as(EVENTS_OF_GUEST).bind(site.0).bind(guest.0).fetch_all(conn).await)?
        }
    })
}

/// Takes away everything of a learner: enrollments, their events, remembered answers, announcements,
/// and the guests who became this member. Statistics keep nothing of the person.
pub async fn erase_learner(
    tx: &mut Tx<'_>,
    site: SiteId,
    learner: &Learner,
    caller: &str,
    dedupe_keys: &[String],
) -> Result<(), DbError> {
    const ENROLLMENTS: [&str; 2] = [
        "DELETE FROM enrollment WHERE site_id = $1 AND user_id = $2",
        "DELETE FROM enrollment WHERE site_id = $1 AND guest_id = $2",
    ];
    const GUESTS: [&str; 2] = [
        "DELETE FROM guest WHERE site_id = $1 AND merged_into = $2",
        "DELETE FROM guest WHERE site_id = $1 AND id = $2",
    ];
    const ANSWERS: &str = "DELETE FROM idempotency WHERE site_id = $1 AND caller = $2";
    const CREATED: &str = "DELETE FROM idempotency WHERE site_id = $1 AND caller = 'anonymous' AND response LIKE $2";
    const MESSAGE: &str = "DELETE FROM webhook_message WHERE site_id = $1 AND dedupe_key = $2";
    // What they did as staff names them too.
    const AS_STAFF: &str = "DELETE FROM event WHERE site_id = $1 AND user_id = $2 AND type = 'learner.erased'";
    if let Learner::User(user) = learner {
        on!(tx, conn => sqlx::query(AS_STAFF).bind(site.0).bind(user.as_str()).execute(conn).await.map(drop))?;
        audit::forget(tx, site, user).await?;
    }
    let (events, enrollments, guests) = match learner {
        Learner::User(_) => (ERASE_EVENTS_OF_USER, ENROLLMENTS[0], GUESTS[0]),
        Learner::Guest(_) => (ERASE_EVENTS_OF_GUEST, ENROLLMENTS[1], GUESTS[1]),
    };
    for sql in [events, enrollments, guests] {
        match learner {
            Learner::User(user) => {
                on!(tx, conn => sqlx::query(sql).bind(site.0).bind(user.as_str()).execute(conn).await.map(drop))?;
            }
            Learner::Guest(guest) => {
                on!(tx, conn => sqlx::query(sql).bind(site.0).bind(guest.0).execute(conn).await.map(drop))?;
            }
        }
    }
    on!(tx, conn => sqlx::query(ANSWERS).bind(site.0).bind(caller).execute(conn).await.map(drop))?;
    if let Learner::Guest(guest) = learner {
        // A guest was made by somebody without a token: that answer stands under nobody's name.
        let id = format!("%{guest}%");
        on!(tx, conn => sqlx::query(CREATED).bind(site.0).bind(id).execute(conn).await.map(drop))?;
    }
    for key in dedupe_keys {
        on!(tx, conn => sqlx::query(MESSAGE).bind(site.0).bind(key).execute(conn).await.map(drop))?;
    }
    Ok(())
}

/// The guests who became this member.
pub async fn guests_of_user(tx: &mut Tx<'_>, site: SiteId, user: &UserId) -> Result<Vec<GuestId>, DbError> {
    const SQL: &str = "SELECT id FROM guest WHERE site_id = $1 AND merged_into = $2";
    let ids: Vec<Uuid> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(user.as_str()).fetch_all(conn).await)?;
    Ok(ids.into_iter().map(GuestId).collect())
}

/// What the statistics say of one track.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct TrackStatistics {
    /// The track's name in addresses.
    pub slug: String,
    /// Enrollments.
    pub enrollments: i64,
    /// Of these, of guests.
    pub guests: i64,
    /// Of these, complete.
    pub completed: i64,
    /// The sum of the scores of the complete ones, in hundredths of a percent.
    pub score_sum: i64,
    /// How many of the complete ones have a score.
    pub scored: i64,
    /// Seconds, over all.
    pub time_spent_seconds: i64,
}

/// How the site's tracks are taken.
pub async fn statistics(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<TrackStatistics>, DbError> {
    const SQL: &str = "SELECT t.slug, COUNT(e.id) AS enrollments, COUNT(e.guest_id) AS guests, COUNT(e.completed_at) AS completed, \
        CAST(COALESCE(SUM(e.score), 0) AS BIGINT) AS score_sum, COUNT(e.score) AS scored, CAST(COALESCE(SUM(e.time_spent_seconds), 0) AS BIGINT) AS time_spent_seconds \
        FROM track t LEFT JOIN enrollment e ON e.track_id = t.id WHERE t.site_id = $1 GROUP BY t.slug ORDER BY t.slug";
    Ok(on!(tx, conn => sqlx::query_as(SQL).bind(site.0).fetch_all(conn).await)?)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::db::{Db, DbConfig};

    #[tokio::test]
    async fn one_learners_events_are_found_without_reading_the_tenants() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite://{}", folder.path().join("plans.db").display());
        let db = Db::connect(&DbConfig::new(address.parse().unwrap())).await.unwrap();
        db.migrate().await.unwrap();
        for statement in [EVENTS_OF_USER, EVENTS_OF_GUEST, ERASE_EVENTS_OF_USER, ERASE_EVENTS_OF_GUEST] {
            let explain: &'static str = format!("EXPLAIN QUERY PLAN {statement}").leak();
            let plan: Vec<(i64, i64, i64, String)> = db
                .read(move |tx| {
                    Box::pin(async move {
                        let rows = on!(tx, conn => sqlx::query_as(explain).bind(Uuid::nil()).bind(Uuid::nil()).fetch_all(conn).await)?;
                        Ok::<_, DbError>(rows)
                    })
                })
                .await
                .unwrap();
            let plan: Vec<String> = plan.into_iter().map(|row| row.3).collect();
            assert!(plan.iter().any(|line| line.contains("subject_id=?")), "{plan:#?}");
            assert!(
                !plan.iter().any(|line| line.starts_with("SCAN ") || line.contains("event USING PRIMARY KEY")),
                "{plan:#?}"
            );
        }
        db.close().await;
    }
}
