//! A guest's enrollment becomes a member's (M1–M6).
//!
//! The union of two ways through a track is commutative, associative and monotone: it takes, step by
//! step and by stable id, what was furthest, best, earliest, and the sums of attempts and time.

use super::{Enrollment, Outline, Progress, StepProgress, TrackEvent, completion};
use crate::{StepId, Timestamp, UserId};

/// What two learners' ways through one track are together; `current_step_order` is the higher one.
pub fn union(a: &Progress, b: &Progress) -> Progress {
    let mut steps = a.steps.clone();
    for (id, other) in &b.steps {
        let step = steps.entry(*id).or_default();
        *step = union_of_steps(step, other);
    }
    Progress {
        current_step_order: a.current_step_order.max(b.current_step_order),
        started_at: a.started_at.min(b.started_at),
        completed_at: earliest(a.completed_at, b.completed_at),
        score: a.score.max(b.score),
        accounted_until: a.accounted_until.max(b.accounted_until),
        steps,
    }
}

fn union_of_steps(a: &StepProgress, b: &StepProgress) -> StepProgress {
    StepProgress {
        attempt_count: a.attempt_count.saturating_add(b.attempt_count),
        time_spent_seconds: a.time_spent_seconds.saturating_add(b.time_spent_seconds),
        last_position: a.last_position.max(b.last_position),
        score: a.score.max(b.score),
        completed_at: earliest(a.completed_at, b.completed_at),
        last_attempt_at: a.last_attempt_at.max(b.last_attempt_at),
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// What happens when the guest's enrollment becomes the member's who has none in that track (M1): it
/// changes owner, and a finished one is announced for the member (M6).
pub fn decide_move(guest: &Enrollment, user: &UserId, now: Timestamp) -> Vec<TrackEvent> {
    let Some(guest_id) = guest.learner.guest_id() else {
        return Vec::new();
    };
    let mut events = vec![TrackEvent::Moved { guest_id, user_id: user.clone(), at: now }];
    if let Some(at) = guest.progress.completed_at {
        events.push(TrackEvent::Completed { score: guest.progress.score, at, merged_from_guest: true });
    }
    events
}

/// What happens to the member's enrollment when the guest's in the same track is merged into it (M2).
///
/// The higher track version is kept. `outlines` are those of every version that work on either side was
/// begun in, the kept one first: the track is complete when the union completes any of them, so that a
/// newer version takes nothing away. All of them, not only the two at hand: else it would matter in which
/// order three guests of three versions came (M3).
pub fn decide_merge(outlines: &[&Outline], user: &Enrollment, guest: &Enrollment, now: Timestamp) -> Vec<TrackEvent> {
    let (Some(guest_id), Some(kept)) = (guest.learner.guest_id(), outlines.first()) else {
        return Vec::new();
    };
    let both = union(&user.progress, &guest.progress);
    let completing = || outlines.iter().filter(|outline| outline.is_complete(&both));
    let score = completing().filter_map(|outline| completion::merged_score(outline, &both)).max().max(both.score);
    let mut events = vec![TrackEvent::Merged {
        guest_id,
        enrollment_id: guest.id,
        track_version: user.track_version.max(guest.track_version),
        current_step_order: kept.current_step_order(&both),
        score,
        progress: guest.progress.clone(),
        at: now,
    }];
    if user.progress.completed_at.is_none() && (both.completed_at.is_some() || completing().next().is_some()) {
        events.push(TrackEvent::Completed { score, at: both.completed_at.unwrap_or(now), merged_from_guest: true });
    }
    events
}

/// The steps where the guest had something that the member had not (M7): completed it, scored higher,
/// got further, or spent attempts or time there.
pub fn steps_from_guest(user: Option<&Progress>, guest: &Progress) -> Vec<StepId> {
    let brought = |id: &StepId, theirs: &StepProgress| {
        let Some(own) = user.and_then(|user| user.steps.get(id)) else {
            return theirs.is_begun();
        };
        let completed = theirs.completed_at.is_some() && own.completed_at.is_none();
        completed || theirs.score > own.score || theirs.last_position > own.last_position
    };
    guest.steps.iter().filter(|(id, theirs)| brought(id, theirs)).map(|(id, _)| *id).collect()
}
