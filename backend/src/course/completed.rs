//! The announcement of a completed course (C3, W1).

use jalon_shared::{
    Learner, Timestamp,
    course::{CourseEvent, Enrollment},
};
use serde_json::json;
use uuid::Uuid;

use super::catalog::Version;
use crate::{db::DbError, webhook::outbox};

/// The type of the webhook.
pub const COMPLETED: &str = "coaching.course.completed";

/// What makes a second announcement of the same course and learner impossible: the outbox holds it once.
pub fn dedupe_key(course: jalon_shared::CourseId, learner: &Learner) -> String {
    match learner {
        Learner::User(user) => format!("{COMPLETED}:{course}:u:{user}"),
        Learner::Guest(guest) => format!("{COMPLETED}:{course}:g:{guest}"),
    }
}

/// The message for an enrollment that just became complete, to be written in the same transaction.
pub fn message(
    enrollment: &Enrollment,
    version: &Version,
    site: &str,
    event: &CourseEvent,
    id: Uuid,
    now: Timestamp,
) -> Result<outbox::Message, DbError> {
    let merged_from_guest = matches!(event, CourseEvent::Completed { merged_from_guest: true, .. });
    let progress = &enrollment.progress;
    let payload = json!({
        "type": COMPLETED,
        "timestamp": now,
        "data": {
            "event_id": id,
            "site": site,
            "enrollment_id": enrollment.id,
            "user_id": enrollment.learner.user_id(),
            "guest_id": enrollment.learner.guest_id(),
            "course": {
                "slug": version.slug,
                "category": version.course.category,
                "difficulty": version.course.difficulty,
                "version": version.number,
            },
            "score": progress.score,
            "confirmed_points": progress.totals.confirmed,
            "potential_points": progress.totals.potential,
            "points_total": version.outline.points(),
            "completed_at": progress.completed_at,
            "time_spent_seconds": progress.totals.time_spent_seconds,
            "lang": enrollment.lang,
            "merged_from_guest": merged_from_guest,
        },
    });
    Ok(outbox::Message {
        id,
        site: enrollment.site_id,
        kind: COMPLETED.into(),
        dedupe_key: dedupe_key(enrollment.course_id, &enrollment.learner),
        payload: serde_json::to_string(&payload)?,
    })
}
