//! The announcement of a completed track (W1, W2).

use jalon_shared::{
    Learner, Timestamp,
    track::{Enrollment, TrackEvent},
};
use serde_json::json;
use uuid::Uuid;

use super::catalog::Version;
use crate::{db::DbError, webhook::outbox};

/// The type of the webhook.
pub const COMPLETED: &str = "coaching.learning_track.completed";

/// What makes a second announcement of the same track and learner impossible: the outbox holds it once.
pub fn dedupe_key(track: jalon_shared::TrackId, learner: &Learner) -> String {
    match learner {
        Learner::User(user) => format!("{COMPLETED}:{track}:u:{user}"),
        Learner::Guest(guest) => format!("{COMPLETED}:{track}:g:{guest}"),
    }
}

/// The message for an enrollment that just became complete, to be written in the same transaction.
pub fn message(
    enrollment: &Enrollment,
    version: &Version,
    site: &str,
    event: &TrackEvent,
    id: Uuid,
    now: Timestamp,
) -> Result<outbox::Message, DbError> {
    let merged_from_guest = matches!(event, TrackEvent::Completed { merged_from_guest: true, .. });
    let progress = &enrollment.progress;
    let steps_completed = version.track.steps.iter().filter(|step| progress.is_complete(step.id)).count();
    let payload = json!({
        "type": COMPLETED,
        "timestamp": now,
        "data": {
            "event_id": id,
            "site": site,
            "enrollment_id": enrollment.id,
            "user_id": enrollment.learner.user_id(),
            "guest_id": enrollment.learner.guest_id(),
            "track": { "slug": version.slug, "track_type": version.track.track_type, "version": version.number },
            "score": progress.score,
            "completed_at": progress.completed_at,
            "steps_completed": steps_completed,
            "steps_total": version.track.steps.len(),
            "time_spent_seconds": progress.time_spent_seconds(),
            "lang": enrollment.lang,
            "merged_from_guest": merged_from_guest,
        },
    });
    Ok(outbox::Message {
        id,
        site: enrollment.site_id,
        kind: COMPLETED.into(),
        dedupe_key: dedupe_key(enrollment.track_id, &enrollment.learner),
        payload: serde_json::to_string(&payload)?,
    })
}
