//! What a guest did in a course becomes a member's (M1–M6).
//!
//! The union of two ways through a course takes, item by item and quiz by quiz, what was earliest, furthest and
//! best, and the sums of attempts and time. No points are lost by it, nothing complete is opened again (M4),
//! and it does not matter in which order guests come (M3).

use std::collections::BTreeMap;

use super::{
    CourseEvent, Enrollment, Fitted, ItemProgress, Mark, Outline, Points, Progress, QuizProgress, Record,
    decide::follow_all,
};
use crate::{ItemId, QuestionId, QuizId, Timestamp, UserId};

/// What two learners' ways through one course are together. The sums and gates are those of `a`: they are
/// counted anew by who knows the version.
pub fn union(a: &Progress, b: &Progress) -> Progress {
    let mut together = a.clone();
    for (id, other) in &b.items {
        let item = together.items.entry(*id).or_default();
        *item = union_of_items(item, other);
    }
    for (lesson, tracks) in &b.gates.lessons {
        together.gates.lessons.entry(*lesson).or_default().extend(tracks);
    }
    together.started_at = a.started_at.min(b.started_at);
    together.completed_at = earliest(a.completed_at, b.completed_at);
    together.score = a.score.max(b.score);
    together.accounted_until = a.accounted_until.max(b.accounted_until);
    together
}

fn union_of_items(a: &ItemProgress, b: &ItemProgress) -> ItemProgress {
    let mut quizzes = a.quizzes.clone();
    for (id, other) in &b.quizzes {
        let quiz = quizzes.entry(*id).or_default();
        *quiz = union_of_quizzes(quiz, other);
    }
    ItemProgress {
        viewed_at: earliest(a.viewed_at, b.viewed_at),
        completed_at: earliest(a.completed_at, b.completed_at),
        lesson_completed_at: earliest(a.lesson_completed_at, b.lesson_completed_at),
        time_spent_seconds: a.time_spent_seconds.saturating_add(b.time_spent_seconds),
        last_position: a.last_position.max(b.last_position),
        quizzes,
    }
}

fn union_of_quizzes(a: &QuizProgress, b: &QuizProgress) -> QuizProgress {
    let mut shared = a.shared.clone();
    for (question, points) in &b.shared {
        let weight = shared.entry(*question).or_default();
        *weight = (*weight).max(*points);
    }
    // What caps the attempts of one side must not take from what the other has earned (M4).
    let most = a.most.max(b.most).map(|most| most.max(a.confirmed()).max(b.confirmed()));
    let missing = |of: &QuizProgress| (of.attempt_count > 0).then_some(of.missing);
    let mut together = QuizProgress {
        attempt_count: a.attempt_count.saturating_add(b.attempt_count),
        last_attempt_at: a.last_attempt_at.max(b.last_attempt_at),
        passed_at: earliest(a.passed_at, b.passed_at),
        most,
        shared,
        gone: a.gone.union(&b.gone).copied().collect(),
        missing: missing(a).into_iter().chain(missing(b)).min().unwrap_or_default(),
        floor: if a.attempt_count.max(b.attempt_count) > 0 { a.floor().max(b.floor()) } else { Points::ZERO },
        ..QuizProgress::default()
    };
    // Each attempt is compared with all shared answers in its blanks: so no points are lost (M4).
    let better = |records: [&Option<Record>; 2], brings: &dyn Fn(&Record) -> Points| {
        let mut all: Vec<&Record> = records.into_iter().flatten().collect();
        // Attempt numbers break ties last: they depend on the order of merges, the result must not (M3).
        all.sort_by_key(|record| (brings(record), record.ungraded(), content(record), record.attempt));
        all.pop().cloned()
    };
    let best = better([&a.best, &b.best], &|record| together.brings(record));
    let waiting = better([&a.waiting, &b.waiting], &|record| together.brings(record));
    let judged = |record: &Record| together.judged_by(Some(record));
    let of_side = |of: &QuizProgress| if of.other.is_some() { of.other.clone() } else { of.best.clone() };
    let other = better([&of_side(a), &of_side(b)], &judged).filter(|_| !together.gone.is_empty());
    (together.best, together.waiting) = (best, waiting);
    together.other = other.filter(|other| together.best.as_ref() != Some(other));
    together
}

fn content(record: &Record) -> Vec<(QuestionId, u32, u32)> {
    let mark = |mark| match mark {
        Mark::Blank => 0,
        Mark::Rejected => 1,
        Mark::Ungraded => 2,
        Mark::Scored(score) => 3 + u32::from(score.hundredths()),
    };
    record.marks.iter().map(|marked| (marked.question_id, marked.points, mark(marked.mark))).collect()
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// By how much the numbers of the guest's attempts grow when they come behind the member's own, quiz by quiz.
pub fn offsets(user: &Progress, guest: &Progress) -> BTreeMap<(ItemId, QuizId), u32> {
    let quizzes = guest.items.iter().flat_map(|(item, done)| done.quizzes.keys().map(move |quiz| (*item, *quiz)));
    quizzes.map(|(item, quiz)| ((item, quiz), user.quiz(item, quiz).map_or(0, |done| done.attempt_count))).collect()
}

/// The guest's way, with attempts numbered behind the member's own.
fn renumbered(user: &Progress, guest: &Progress) -> Progress {
    let mut guest = guest.clone();
    for ((item, quiz), offset) in offsets(user, &guest) {
        let Some(done) = guest.items.get_mut(&item).and_then(|item| item.quizzes.get_mut(&quiz)) else { continue };
        for record in [&mut done.best, &mut done.waiting].into_iter().flatten() {
            record.attempt = record.attempt.saturating_add(offset);
        }
    }
    guest
}

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

/// What happens to the member's enrollment when the guest's in the same course goes into it (M2). `kept` is the
/// outline of the higher of both versions, `has` says which questions its quizzes have. Needs all items of both.
pub fn decide_merge(
    kept: &Outline,
    has: impl Fn(QuizId, QuestionId) -> bool,
    user: &Enrollment,
    guest: &Enrollment,
    now: Timestamp,
) -> Vec<CourseEvent> {
    let Some(guest_id) = guest.learner.guest_id() else { return Vec::new() };
    let version = user.course_version.max(guest.course_version);
    let theirs = renumbered(&user.progress, &guest.progress);
    let mut after = union(&user.progress, &theirs);
    let sides = [(&user.progress, user.course_version), (&theirs, guest.course_version)];
    let fitted = fit(kept, &mut after, sides, version, has);
    (after.totals, after.gates) = after.counted(kept);
    let merged = |score| CourseEvent::Merged {
        guest_id,
        enrollment_id: guest.id,
        course_version: version,
        progress: Box::new(theirs.clone()),
        fitted: fitted.clone(),
        totals: after.totals,
        gates: after.gates.clone(),
        score,
        at: now,
    };
    let (brought, done) = follow_all(kept, &after, now);
    let complete = after.completed_at.is_some() || is_complete(kept, &done);
    // Never less than before, and what both earned together where that is more: hence in any order the same.
    let all = kept.points();
    let earned = (complete && all > Points::ZERO).then(|| done.totals.confirmed.share_of(all));
    let score = after.score.max(earned);
    let mut events = vec![merged(score)];
    events.extend(brought);
    if complete && user.progress.completed_at.is_none() {
        events.push(CourseEvent::Completed {
            score,
            confirmed: done.totals.confirmed,
            potential: done.totals.potential,
            at: after.completed_at.unwrap_or(now),
            merged_from_guest: true,
        });
    }
    events
}

/// Fits the quizzes that one side answered in an earlier version to the version kept (C1, C3, C4); answers those
/// where that changes anything.
fn fit(
    kept: &Outline,
    after: &mut Progress,
    sides: [(&Progress, u32); 2],
    version: u32,
    has: impl Fn(QuizId, QuestionId) -> bool,
) -> Vec<Fitted> {
    let mut all = Vec::new();
    if sides.iter().all(|(_, number)| *number == version) {
        return all;
    }
    for (item, quiz) in kept.items.iter().flat_map(|item| item.quizzes.iter().map(move |quiz| (item.id, quiz))) {
        let Some(together) = after.items.get_mut(&item).and_then(|item| item.quizzes.get_mut(&quiz.id)) else {
            continue;
        };
        let before = together.clone();
        let of_sides = sides.map(|(progress, number)| Some((progress.quiz(item, quiz.id)?, number)));
        together.fit((quiz.questions, quiz.points), |question| has(quiz.id, question), &[]);
        // Who answered the version kept had all its questions, also where another attempt counts.
        let had = of_sides.iter().flatten().filter(|(done, number)| *number == version && done.attempt_count > 0);
        together.missing = had.map(|(done, _)| done.missing).chain([together.missing]).min().unwrap_or_default();
        // What each side earned stays (M4).
        let earned = of_sides.iter().flatten().map(|(done, _)| done.confirmed()).max().unwrap_or_default();
        together.most = together.most.map(|most| most.max(earned));
        if *together != before {
            let (gone, missing, most) = (together.gone.clone(), together.missing, together.most);
            all.push(Fitted { item_id: item, quiz_id: quiz.id, gone, missing, most });
        }
    }
    all
}

fn is_complete(outline: &Outline, progress: &Progress) -> bool {
    let mut needed = outline.needed().peekable();
    needed.peek().is_some() && needed.all(|item| progress.is_complete(item.id))
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
