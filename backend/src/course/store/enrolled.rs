//! Enrollments: their sums, and what was done in each item.

use std::collections::BTreeMap;

use jalon_shared::{
    CourseId, EnrollmentId, GuestId, ItemId, Lang, Learner, LessonId, Score, SiteId, Timestamp, UserId,
    course::{Enrollment, ItemProgress, Points, Progress, Totals},
    wire::course::Peers,
};
use uuid::Uuid;

use super::{Held, corrupt, number, raw, signed, unsigned};
use crate::db::{DbError, Tx, execute, on};

#[derive(sqlx::FromRow)]
struct RawEnrollment {
    id: Uuid,
    site_id: Uuid,
    course_id: Uuid,
    course_version: i32,
    user_id: Option<String>,
    guest_id: Option<Uuid>,
    version: i64,
    started_at: i64,
    completed_at: Option<i64>,
    score: Option<i32>,
    confirmed: i64,
    potential: i64,
    answered: i32,
    needed_complete: i32,
    time_spent_seconds: i64,
    gates: String,
    lang: Option<String>,
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
        let points =
            |n: i64| Points::from_ten_thousandths(unsigned(n)?).ok_or_else(|| corrupt("points past all bounds"));
        Ok(Self {
            id: EnrollmentId(raw.id),
            site_id: SiteId(raw.site_id),
            course_id: CourseId(raw.course_id),
            course_version: number(raw.course_version)?,
            learner,
            lang: raw.lang.as_deref().and_then(|lang| Lang::parse(lang).ok()),
            version: unsigned(raw.version)?,
            progress: Progress {
                started_at: Timestamp(raw.started_at),
                completed_at: raw.completed_at.map(Timestamp),
                score: raw.score.map(|score| Score::from_hundredths(score.into())).transpose().map_err(corrupt)?,
                totals: Totals {
                    confirmed: points(raw.confirmed)?,
                    potential: points(raw.potential)?,
                    answered: number(raw.answered)?,
                    needed_complete: number(raw.needed_complete)?,
                    time_spent_seconds: unsigned(raw.time_spent_seconds)?,
                },
                gates: serde_json::from_str(&raw.gates)?,
                accounted_until: raw.accounted_until.map(Timestamp),
                items: BTreeMap::new(),
            },
        })
    }
}

macro_rules! enrollment_columns {
    ($rest:literal) => {
        concat!(
            "SELECT id, site_id, course_id, course_version, user_id, guest_id, version, started_at, completed_at, score, confirmed, potential, \
             answered, needed_complete, time_spent_seconds, gates, lang, accounted_until FROM course_enrollment ",
            $rest
        )
    };
}

// One learner's, by id. Beside `ORDER BY id` SQLite takes the index of (site, id) and reads all enrollments of the
// tenant; `+id` keeps it from that.
const PAGE_OF_USER_SQLITE: &str =
    enrollment_columns!("WHERE site_id = $1 AND user_id = $2 AND +id > $3 ORDER BY +id LIMIT $4");
const PAGE_OF_USER_POSTGRES: &str =
    enrollment_columns!("WHERE site_id = $1 AND user_id = $2 AND id > $3 ORDER BY id LIMIT $4");
const OF_USER_SQLITE: &str = enrollment_columns!("WHERE site_id = $1 AND user_id = $2 ORDER BY +id");
const OF_USER_POSTGRES: &str = enrollment_columns!("WHERE site_id = $1 AND user_id = $2 ORDER BY id");
const OF_GUEST_SQLITE: &str = enrollment_columns!("WHERE site_id = $1 AND guest_id = $2 ORDER BY +id");
const OF_GUEST_POSTGRES: &str = enrollment_columns!("WHERE site_id = $1 AND guest_id = $2 ORDER BY id");
const OF_BOTH_SQLITE: &str = enrollment_columns!(
    "WHERE site_id = $1 AND id IN (SELECT id FROM course_enrollment WHERE site_id = $1 AND user_id = $2 \
     UNION ALL SELECT id FROM course_enrollment WHERE site_id = $1 AND guest_id = $3) ORDER BY id"
);
// `FOR UPDATE`: a merge deletes the guest's rows or changes their keys (the learner is in unique indexes).
const OF_BOTH_POSTGRES: &str =
    enrollment_columns!("WHERE site_id = $1 AND (user_id = $2 OR guest_id = $3) ORDER BY id FOR UPDATE");

/// One enrollment of this site without its items; whose it is, the caller checks.
pub async fn enrollment(tx: &mut Tx<'_>, site: SiteId, id: EnrollmentId) -> Result<Option<Enrollment>, DbError> {
    const SQL: &str = enrollment_columns!("WHERE site_id = $1 AND id = $2");
    let row: Option<RawEnrollment> =
        on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(id.0).fetch_optional(conn).await)?;
    row.map(TryInto::try_into).transpose()
}

/// The same, locked where the database locks rows. Whoever asks for it changes no key of it.
pub async fn enrollment_for_update(
    tx: &mut Tx<'_>,
    site: SiteId,
    id: EnrollmentId,
) -> Result<Option<Enrollment>, DbError> {
    const SQLITE: &str = enrollment_columns!("WHERE site_id = $1 AND id = $2");
    const POSTGRES: &str = enrollment_columns!("WHERE site_id = $1 AND id = $2 FOR NO KEY UPDATE");
    let sql = tx.pick(SQLITE, POSTGRES);
    let row: Option<RawEnrollment> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(id.0).fetch_optional(conn).await)?;
    row.map(TryInto::try_into).transpose()
}

/// The learner's enrollment in a course, without its items.
pub async fn enrollment_in_course(
    tx: &mut Tx<'_>,
    site: SiteId,
    learner: &Learner,
    course: CourseId,
) -> Result<Option<Enrollment>, DbError> {
    const USER: &str = enrollment_columns!("WHERE site_id = $1 AND course_id = $2 AND user_id = $3");
    const GUEST: &str = enrollment_columns!("WHERE site_id = $1 AND course_id = $2 AND guest_id = $3");
    let row: Option<RawEnrollment> = match learner {
        Learner::User(user) => {
            on!(tx, conn => sqlx::query_as(USER).bind(site.0).bind(course.0).bind(user.as_str()).fetch_optional(conn).await)?
        }
        Learner::Guest(guest) => {
            on!(tx, conn => sqlx::query_as(GUEST).bind(site.0).bind(course.0).bind(guest.0).fetch_optional(conn).await)?
        }
    };
    row.map(TryInto::try_into).transpose()
}

/// A page of the member's enrollments, oldest first, after this id; without their items.
pub async fn enrollments_of_user(
    tx: &mut Tx<'_>,
    site: SiteId,
    user: &UserId,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Enrollment>, DbError> {
    let sql = tx.pick(PAGE_OF_USER_SQLITE, PAGE_OF_USER_POSTGRES);
    let rows: Vec<RawEnrollment> = on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(user.as_str()).bind(after).bind(limit).fetch_all(conn).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// All of a learner's enrollments, oldest first; without their items.
pub async fn enrollments_of_learner(
    tx: &mut Tx<'_>,
    site: SiteId,
    learner: &Learner,
) -> Result<Vec<Enrollment>, DbError> {
    let (of_user, of_guest) = (tx.pick(OF_USER_SQLITE, OF_USER_POSTGRES), tx.pick(OF_GUEST_SQLITE, OF_GUEST_POSTGRES));
    let rows: Vec<RawEnrollment> = match learner {
        Learner::User(user) => {
            on!(tx, conn => sqlx::query_as(of_user).bind(site.0).bind(user.as_str()).fetch_all(conn).await)?
        }
        Learner::Guest(guest) => {
            on!(tx, conn => sqlx::query_as(of_guest).bind(site.0).bind(guest.0).fetch_all(conn).await)?
        }
    };
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The next enrollments of a course after this id, without their items; held until the end of the transaction
/// where it writes and the database locks rows.
pub async fn enrollments_of_course(
    tx: &mut Tx<'_>,
    site: SiteId,
    course: CourseId,
    after: Uuid,
    limit: i64,
    held: Held,
) -> Result<Vec<Enrollment>, DbError> {
    const READ: &str = enrollment_columns!("WHERE site_id = $1 AND course_id = $2 AND id > $3 ORDER BY id LIMIT $4");
    const UPDATE: &str =
        enrollment_columns!("WHERE site_id = $1 AND course_id = $2 AND id > $3 ORDER BY id LIMIT $4 FOR NO KEY UPDATE");
    let sql = match held {
        Held::Update => tx.pick(READ, UPDATE),
        Held::No | Held::Share => READ,
    };
    let rows: Vec<RawEnrollment> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(course.0).bind(after).bind(limit).fetch_all(conn).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The enrollments of a member and of the guest who becomes that member, held until the end of the transaction
/// where the database locks rows; without their items.
pub async fn enrollments_of_both(
    tx: &mut Tx<'_>,
    site: SiteId,
    user: &UserId,
    guest: GuestId,
) -> Result<Vec<Enrollment>, DbError> {
    let sql = tx.pick(OF_BOTH_SQLITE, OF_BOTH_POSTGRES);
    let rows: Vec<RawEnrollment> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(user.as_str()).bind(guest.0).fetch_all(conn).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Says whose an enrollment is after a merge, and when it began (M1, M2).
pub async fn update_owner(tx: &mut Tx<'_>, enrollment: &Enrollment) -> Result<(), DbError> {
    const SQL: &str =
        "UPDATE course_enrollment SET user_id = $3, guest_id = $4, started_at = $5 WHERE site_id = $1 AND id = $2";
    let (user, guest) = (enrollment.learner.user_id(), enrollment.learner.guest_id());
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(enrollment.site_id.0)
            .bind(enrollment.id.0)
            .bind(user.map(UserId::as_str))
            .bind(guest.map(|guest| guest.0))
            .bind(enrollment.progress.started_at.0)
    )
    .map(drop)
}

/// What was done in the items of one lesson, or in all.
pub async fn items(
    tx: &mut Tx<'_>,
    site: SiteId,
    enrollment: EnrollmentId,
    lesson: Option<LessonId>,
) -> Result<BTreeMap<ItemId, ItemProgress>, DbError> {
    const ALL: &str = "SELECT item_id, progress FROM item_progress WHERE site_id = $1 AND enrollment_id = $2";
    const LESSON: &str =
        "SELECT item_id, progress FROM item_progress WHERE site_id = $1 AND enrollment_id = $2 AND lesson_id = $3";
    let rows: Vec<(Uuid, String)> = match lesson {
        None => on!(tx, conn => sqlx::query_as(ALL).bind(site.0).bind(enrollment.0).fetch_all(conn).await)?,
        Some(lesson) => {
            on!(tx, conn => sqlx::query_as(LESSON).bind(site.0).bind(enrollment.0).bind(lesson.0).fetch_all(conn).await)?
        }
    };
    rows.into_iter().map(|(item, progress)| Ok((ItemId(item), serde_json::from_str(&progress)?))).collect()
}

/// The lessons of the items in which anything was done.
pub async fn item_places(
    tx: &mut Tx<'_>,
    site: SiteId,
    enrollment: EnrollmentId,
) -> Result<BTreeMap<ItemId, LessonId>, DbError> {
    const SQL: &str = "SELECT item_id, lesson_id FROM item_progress WHERE site_id = $1 AND enrollment_id = $2";
    let rows: Vec<(Uuid, Uuid)> =
        on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(enrollment.0).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(item, lesson)| (ItemId(item), LessonId(lesson))).collect())
}

/// Takes away a guest's enrollment that went into a member's (M2), with what was not moved before.
pub async fn delete_enrollment(tx: &mut Tx<'_>, site: SiteId, id: EnrollmentId) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM course_enrollment WHERE site_id = $1 AND id = $2";
    execute!(tx, sqlx::query(SQL).bind(site.0).bind(id.0)).map(drop)
}

/// Adds an enrollment unless the learner has one in that course already; answers whether it was added.
pub async fn insert_enrollment(tx: &mut Tx<'_>, enrollment: &Enrollment) -> Result<bool, DbError> {
    const SQL: &str = "INSERT INTO course_enrollment (id, site_id, course_id, course_version, user_id, guest_id, version, started_at, confirmed, \
        potential, answered, needed_complete, time_spent_seconds, gates, lang) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 0, 0, $9, $10) ON CONFLICT DO NOTHING";
    let gates = serde_json::to_string(&enrollment.progress.gates)?;
    let added = execute!(
        tx,
        sqlx::query(SQL)
            .bind(enrollment.id.0)
            .bind(enrollment.site_id.0)
            .bind(enrollment.course_id.0)
            .bind(raw(enrollment.course_version))
            .bind(enrollment.learner.user_id().map(UserId::as_str))
            .bind(enrollment.learner.guest_id().map(|guest| guest.0))
            .bind(signed(enrollment.version))
            .bind(enrollment.progress.started_at.0)
            .bind(&gates)
            .bind(enrollment.lang.as_ref().map(Lang::as_str))
    )?;
    Ok(added == 1)
}

/// Saves an enrollment's sums.
pub async fn update_enrollment(
    tx: &mut Tx<'_>,
    enrollment: &Enrollment,
    active: Option<Timestamp>,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE course_enrollment SET course_version = $3, version = $4, completed_at = $5, score = $6, confirmed = $7, potential = $8, \
        answered = $9, needed_complete = $10, time_spent_seconds = $11, gates = $12, active_at = coalesce($13, active_at), accounted_until = $14 WHERE site_id = $1 AND id = $2";
    let progress = &enrollment.progress;
    let gates = serde_json::to_string(&progress.gates)?;
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(enrollment.site_id.0)
            .bind(enrollment.id.0)
            .bind(raw(enrollment.course_version))
            .bind(signed(enrollment.version))
            .bind(progress.completed_at.map(|at| at.0))
            .bind(progress.score.map(|score| i32::from(score.hundredths())))
            .bind(signed(progress.totals.confirmed.ten_thousandths()))
            .bind(signed(progress.totals.potential.ten_thousandths()))
            .bind(raw(progress.totals.answered))
            .bind(raw(progress.totals.needed_complete))
            .bind(signed(progress.totals.time_spent_seconds))
            .bind(&gates)
            // To the minute: the index is not to be written with every answer.
            .bind(active.map(|at| at.0 - at.0.rem_euclid(60_000)))
            .bind(progress.accounted_until.map(|at| at.0))
    )
    .map(drop)
}

/// The most that are counted.
const MOST_PEERS: i64 = 1000;

/// How many others take a course: who did something since, and the rest.
pub async fn peers(tx: &mut Tx<'_>, course: CourseId, own: EnrollmentId, since: Timestamp) -> Result<Peers, DbError> {
    const SQL: &str = "SELECT (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM course_enrollment WHERE course_id = $1 AND id <> $2 AND active_at >= $3 LIMIT $4) AS here), \
        (SELECT CAST(count(*) AS BIGINT) FROM (SELECT 1 FROM course_enrollment WHERE course_id = $1 AND id <> $2 AND active_at < $3 LIMIT $4) AS away)";
    let (online, offline): (i64, i64) = on!(tx, conn => sqlx::query_as(SQL).bind(course.0).bind(own.0).bind(since.0).bind(MOST_PEERS).fetch_one(conn).await)?;
    Ok(Peers { online: u32::try_from(online).unwrap_or(0), offline: u32::try_from(offline).unwrap_or(0) })
}

/// Saves what was done in an item.
pub async fn put_item(
    tx: &mut Tx<'_>,
    enrollment: &Enrollment,
    lesson: LessonId,
    item: ItemId,
    progress: &ItemProgress,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO item_progress (site_id, enrollment_id, lesson_id, item_id, progress) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (enrollment_id, lesson_id, item_id) DO UPDATE SET progress = excluded.progress";
    let progress = serde_json::to_string(progress)?;
    execute!(
        tx,
        sqlx::query(SQL).bind(enrollment.site_id.0).bind(enrollment.id.0).bind(lesson.0).bind(item.0).bind(&progress)
    )
    .map(drop)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::db::{Db, DbConfig};

    #[tokio::test]
    async fn one_learners_enrollments_are_found_without_reading_the_tenants() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite://{}", folder.path().join("plans.db").display());
        let db = Db::connect(&DbConfig::new(address.parse().unwrap())).await.unwrap();
        db.migrate().await.unwrap();
        let statements = [(PAGE_OF_USER_SQLITE, 4), (OF_USER_SQLITE, 2), (OF_GUEST_SQLITE, 2), (OF_BOTH_SQLITE, 3)];
        for (statement, places) in statements {
            let explain: &'static str = format!("EXPLAIN QUERY PLAN {statement}").leak();
            let plan: Vec<(i64, i64, i64, String)> = db
                .read(move |tx| {
                    Box::pin(async move {
                        let nobody = Uuid::nil();
                        let rows = match places {
                            2 => on!(tx, conn => sqlx::query_as(explain).bind(nobody).bind(nobody).fetch_all(conn).await)?,
                            4 => {
                                on!(tx, conn => sqlx::query_as(explain).bind(nobody).bind(nobody).bind(nobody).bind(1).fetch_all(conn).await)?
                            }
                            _ => on!(tx, conn => sqlx::query_as(explain).bind(nobody).bind(nobody).bind(nobody).fetch_all(conn).await)?,
                        };
                        Ok::<_, DbError>(rows)
                    })
                })
                .await
                .unwrap();
            let plan: Vec<String> = plan.into_iter().map(|row| row.3).collect();
            // Wherever rows are looked for, it is by more than the site.
            let few = |line: &str| ["AND user_id=?", "AND guest_id=?", "AND id=?"].iter().any(|by| line.contains(by));
            let mut reads =
                plan.iter().filter(|line| line.starts_with("SEARCH") || line.starts_with("SCAN")).peekable();
            assert!(reads.peek().is_some() && reads.all(|line| few(line)), "{statement}: {plan:#?}");
        }
        db.close().await;
    }
}
