//! What a guest did in a course becomes a member's (M1–M6).

use super::{CourseEvent, Enrollment, ItemProgress, Outline, Progress};
use crate::{ItemId, Timestamp, UserId};

/// What happens when the guest's enrollment becomes the member's who has none in that course (M1): it changes
/// owner, and a finished one is announced for the member (M6).
pub fn decide_move(guest: &Enrollment, user: &UserId, now: Timestamp) -> Vec<CourseEvent> {
    let Some(guest_id) = guest.learner.guest_id() else { return Vec::new() };
    let mut events = vec![CourseEvent::Moved { guest_id, user_id: user.clone(), at: now }];
    if let Some(at) = guest.progress.completed_at {
        let totals = guest.progress.totals;
        events.push(CourseEvent::Completed {
            score: guest.progress.score,
            confirmed: totals.confirmed,
            potential: totals.potential,
            at,
            merged_from_guest: true,
        });
    }
    events
}

/// The items where the guest had something that the member had not, in the course's order (M7): completed it,
/// passed a quiz, earned more, or got further. Needs all items of both.
pub fn items_from_guest(outline: &Outline, user: Option<&Progress>, guest: &Progress) -> Vec<ItemId> {
    let brought = |item: &ItemId| {
        let Some(theirs) = guest.items.get(item) else { return false };
        user.and_then(|user| user.items.get(item)).is_none_or(|own| brings(own, theirs))
    };
    outline.items.iter().map(|item| item.id).filter(brought).collect()
}

fn brings(own: &ItemProgress, theirs: &ItemProgress) -> bool {
    let more = theirs.quizzes.iter().any(|(quiz, theirs)| {
        let Some(own) = own.quizzes.get(quiz) else { return true };
        theirs.confirmed() > own.confirmed() || (theirs.passed_at.is_some() && own.passed_at.is_none())
    });
    more || (theirs.completed_at.is_some() && own.completed_at.is_none()) || theirs.last_position > own.last_position
}
