//! What goes, or loses a name, when somebody is erased.

use jalon_shared::{
    CourseId, Learner, SiteId, UserId,
    course::{CourseEvent, Definition},
};
use uuid::Uuid;

use crate::{
    db::{DbError, Tx, execute, on},
    site::audit,
    track::store::{EventRecord, EventRow, append_events},
};

/// What stands where a grader's name was.
pub const ERASED: &str = "erased";

/// The courses of a learner, held until the end of the transaction where the database locks rows.
pub async fn courses_for_update(tx: &mut Tx<'_>, site: SiteId, learner: &Learner) -> Result<Vec<CourseId>, DbError> {
    // `+id`: see the statements of one learner in `enrolled`. `FOR UPDATE`: these rows are about to be deleted, and
    // nobody may add an answer that refers to them.
    const USER: [&str; 2] = [
        "SELECT course_id FROM course_enrollment WHERE site_id = $1 AND user_id = $2 ORDER BY +id",
        "SELECT course_id FROM course_enrollment WHERE site_id = $1 AND user_id = $2 ORDER BY id FOR UPDATE",
    ];
    const GUEST: [&str; 2] = [
        "SELECT course_id FROM course_enrollment WHERE site_id = $1 AND guest_id = $2 ORDER BY +id",
        "SELECT course_id FROM course_enrollment WHERE site_id = $1 AND guest_id = $2 ORDER BY id FOR UPDATE",
    ];
    let ids: Vec<Uuid> = match learner {
        Learner::User(user) => {
            let sql = tx.pick(USER[0], USER[1]);
            on!(tx, conn => sqlx::query_scalar(sql).bind(site.0).bind(user.as_str()).fetch_all(conn).await)?
        }
        Learner::Guest(guest) => {
            let sql = tx.pick(GUEST[0], GUEST[1]);
            on!(tx, conn => sqlx::query_scalar(sql).bind(site.0).bind(guest.0).fetch_all(conn).await)?
        }
    };
    Ok(ids.into_iter().map(CourseId).collect())
}

/// Takes away the learner's ways through courses, with all that hangs on them; their events go before.
pub async fn erase(tx: &mut Tx<'_>, site: SiteId, learner: &Learner) -> Result<(), DbError> {
    const OF_USER: [&str; 3] = [
        "DELETE FROM cohort_member WHERE site_id = $1 AND user_id = $2",
        "DELETE FROM course_enrollment WHERE site_id = $1 AND user_id = $2",
        "DELETE FROM shared_answer WHERE site_id = $1 AND user_id = $2",
    ];
    const OF_GUEST: &str = "DELETE FROM course_enrollment WHERE site_id = $1 AND guest_id = $2";
    let enrollments: Vec<Uuid> =
        super::enrollments_of_learner(tx, site, learner).await?.into_iter().map(|one| one.id.0).collect();
    audit::forget_enrollments(tx, site, &enrollments).await?;
    match learner {
        Learner::User(user) => {
            for sql in OF_USER {
                execute!(tx, sqlx::query(sql).bind(site.0).bind(user.as_str()))?;
            }
            forget_grader(tx, site, user).await?;
            forget_instructor(tx, site, user).await
        }
        Learner::Guest(guest) => execute!(tx, sqlx::query(OF_GUEST).bind(site.0).bind(guest.0)).map(drop),
    }
}

/// Takes an instructor out of the courses that name them as a member of the site: their name, as it is shown, is the
/// course's, and stays.
async fn forget_instructor(tx: &mut Tx<'_>, site: SiteId, user: &UserId) -> Result<(), DbError> {
    const VERSIONS: [&str; 2] = [
        "SELECT course_id, version, definition FROM course_version WHERE site_id = $1 AND (course_id, version) IN \
         (SELECT course_id, version FROM course_instructor WHERE site_id = $1 AND user_id = $2) ORDER BY course_id, version",
        // Two instructors of one course may go at the same moment.
        "SELECT course_id, version, definition FROM course_version WHERE site_id = $1 AND (course_id, version) IN \
         (SELECT course_id, version FROM course_instructor WHERE site_id = $1 AND user_id = $2) ORDER BY course_id, version FOR NO KEY UPDATE",
    ];
    const UPDATE: &str =
        "UPDATE course_version SET definition = $4 WHERE site_id = $1 AND course_id = $2 AND version = $3";
    const DELETE: &str = "DELETE FROM course_instructor WHERE site_id = $1 AND user_id = $2";
    let sql = tx.pick(VERSIONS[0], VERSIONS[1]);
    let versions: Vec<(Uuid, i32, String)> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(user.as_str()).fetch_all(conn).await)?;
    for (course, version, definition) in versions {
        let mut definition: Definition = serde_json::from_str(&definition)?;
        for one in &mut definition.course.source.instructors {
            one.user_id.take_if(|named| named == user);
        }
        let definition = serde_json::to_string(&definition)?;
        execute!(tx, sqlx::query(UPDATE).bind(site.0).bind(course).bind(version).bind(&definition))?;
    }
    execute!(tx, sqlx::query(DELETE).bind(site.0).bind(user.as_str())).map(drop)
}

/// Takes a grader's name out of what they graded: the grades are the learners', and stay. What was graded while the
/// learner was a guest has its events in the guest's enrollment, which may have gone into the member's since (M2).
async fn forget_grader(tx: &mut Tx<'_>, site: SiteId, user: &UserId) -> Result<(), DbError> {
    const EVENTS: &str = "SELECT id, subject_id, seq, type, user_id, guest_id, at, cause, payload FROM event \
        WHERE type = 'quiz.graded' AND subject_id IN (\
        SELECT a.enrollment_id FROM grade g JOIN open_answer a ON a.id = g.open_answer_id WHERE g.site_id = $1 AND g.grader = $2 \
        UNION SELECT b.subject_id FROM grade g JOIN open_answer a ON a.id = g.open_answer_id \
        JOIN course_enrollment e ON e.id = a.enrollment_id JOIN guest m ON m.site_id = e.site_id AND m.merged_into = e.user_id \
        JOIN event b ON b.guest_id = m.id AND b.seq = 1 WHERE g.site_id = $1 AND g.grader = $2)";
    const DELETE: &str = "DELETE FROM event WHERE site_id = $1 AND id = $2";
    const NAMES: [&str; 3] = [
        "UPDATE grade SET grader = NULL WHERE site_id = $1 AND grader = $2",
        "UPDATE open_answer SET claimed_by = NULL, claimed_until = NULL WHERE site_id = $1 AND claimed_by = $2",
        "UPDATE open_answer SET asked_by = NULL WHERE site_id = $1 AND asked_by = $2",
    ];
    let events: Vec<EventRow> =
        on!(tx, conn => sqlx::query_as(EVENTS).bind(site.0).bind(user.as_str()).fetch_all(conn).await)?;
    let nobody = UserId::parse(ERASED).map_err(DbError::other)?;
    for event in events {
        let mut payload: CourseEvent = serde_json::from_str(&event.payload)?;
        let CourseEvent::QuizGraded { grader, .. } = &mut payload else { continue };
        if grader != user {
            continue;
        }
        *grader = nobody.clone();
        // Events are never edited: this is another one, which takes its place.
        execute!(tx, sqlx::query(DELETE).bind(site.0).bind(event.id))?;
        let record = EventRecord {
            id: event.id,
            site_id: site,
            subject_id: event.subject_id,
            seq: u64::try_from(event.seq).map_err(DbError::other)?,
            kind: payload.name(),
            user_id: event.user_id.as_deref().map(UserId::parse).transpose().map_err(DbError::other)?,
            guest_id: event.guest_id.map(jalon_shared::GuestId),
            at: event.at,
            cause: event.cause,
            payload: serde_json::to_string(&payload)?,
        };
        append_events(tx, &[record]).await?;
    }
    for sql in NAMES {
        execute!(tx, sqlx::query(sql).bind(site.0).bind(user.as_str()))?;
    }
    Ok(())
}
