//! What a guest did in courses becomes the member's (M1–M7), in the transaction that merges their tracks.

use std::collections::HashMap;

use jalon_shared::{
    EnrollmentId, GuestId, Learner, LessonId, QuizId, Score, SiteId, Timestamp, UserId,
    course::{CourseEvent, Enrollment, Mark, QuizProgress, merge},
    wire::merge::{MergeOutcome, MergedCourse},
};
use uuid::Uuid;

use super::{
    catalog::{Catalog, Version},
    completed, learn, store,
};
use crate::{
    db::{DbError, Tx},
    track::store::append_events,
    webhook::outbox,
};

/// Who becomes whom.
#[derive(Debug)]
pub struct Merging<'a> {
    /// The site of both.
    pub site: SiteId,
    /// Its slug.
    pub site_slug: &'a str,
    /// The member, who is held.
    pub user: &'a UserId,
    /// The guest, who is held.
    pub guest: GuestId,
    /// The idempotency key of the request.
    pub cause: Option<Uuid>,
    /// When.
    pub now: Timestamp,
}

/// Merges what both did in courses; answers the receipt's lines (M7).
pub async fn merge(tx: &mut Tx<'_>, catalog: &Catalog, merging: &Merging<'_>) -> Result<Vec<MergedCourse>, DbError> {
    let &Merging { site, user, guest, .. } = merging;
    let (mut own, mut theirs) = (HashMap::new(), Vec::new());
    for enrollment in store::enrollments_of_both(tx, site, user, guest).await? {
        match &enrollment.learner {
            Learner::User(_) => drop(own.insert(enrollment.course_id, enrollment)),
            Learner::Guest(_) => theirs.push(enrollment),
        }
    }
    let mut courses = Vec::with_capacity(theirs.len());
    for mut theirs in theirs {
        let version = learn::version_of(tx, catalog, &theirs).await?;
        theirs.progress.items = store::items(tx, site, theirs.id, None).await?;
        let own = own.remove(&theirs.course_id);
        // They belong to the enrollment that goes on.
        let into = own.as_ref().map_or(theirs.id, |own| own.id);
        share(tx, merging, &theirs, into, &version).await?;
        courses.push(match own {
            None => take_over(tx, merging, theirs, &version).await?,
            Some(mut user) => {
                user.progress.items = store::items(tx, site, user.id, None).await?;
                let number = user.course_version.max(theirs.course_version);
                let kept = learn::version_numbered(tx, catalog, site, user.course_id, number).await?;
                take_in(tx, merging, user, theirs, &kept).await?
            }
        });
    }
    if !courses.is_empty() {
        store::requeue_own_grades(tx, site, user).await?;
    }
    courses.sort_by(|a, b| a.course.cmp(&b.course));
    Ok(courses)
}

/// The guest's enrollment changes owner (M1).
async fn take_over(
    tx: &mut Tx<'_>,
    merging: &Merging<'_>,
    mut enrollment: Enrollment,
    version: &Version,
) -> Result<MergedCourse, DbError> {
    let items_from_guest = merge::items_from_guest(&version.outline, None, &enrollment.progress);
    let happened = merge::decide_move(&enrollment, merging.user, merging.now);
    write(tx, merging, &mut enrollment, &happened, version).await?;
    Ok(MergedCourse {
        course: version.slug.clone(),
        enrollment_id: enrollment.id,
        outcome: MergeOutcome::Moved,
        items_from_guest,
        completed_by_merge: completes(&happened),
    })
}

/// The guest's enrollment goes into the member's (M2): what it has is moved before it goes, so that nothing is lost.
async fn take_in(
    tx: &mut Tx<'_>,
    merging: &Merging<'_>,
    mut user: Enrollment,
    mut theirs: Enrollment,
    kept: &Version,
) -> Result<MergedCourse, DbError> {
    let items_from_guest = merge::items_from_guest(&kept.outline, Some(&user.progress), &theirs.progress);
    recount(tx, &user, &mut theirs).await?;
    let has = |quiz, question| kept.course.quiz(quiz).is_some_and(|quiz| quiz.worth(question).is_some());
    let happened = merge::decide_merge(&kept.outline, has, &user, &theirs, merging.now);
    for ((_, quiz), offset) in merge::offsets(&user.progress, &theirs.progress) {
        store::move_attempts(tx, merging.site, (theirs.id, user.id), quiz, offset).await?;
    }
    let mut places = store::item_places(tx, merging.site, user.id).await?;
    places.extend(store::item_places(tx, merging.site, theirs.id).await?);
    let untouched = user.progress.items.clone();
    write(tx, merging, &mut user, &happened, kept).await?;
    for (item, progress) in &user.progress.items {
        let place = kept.item(*item).map(|(lesson, _)| lesson.id).or_else(|| places.get(item).copied());
        if let Some(lesson) = place.filter(|_| untouched.get(item) != Some(progress)) {
            store::put_item(tx, &user, lesson, *item, progress).await?;
        }
    }
    let absorbed = CourseEvent::Absorbed { into: user.id, at: merging.now };
    theirs.apply(&absorbed);
    let id = crate::id::new_v7(merging.now);
    append_events(tx, &[learn::record(&theirs, &absorbed, id, merging.cause, merging.now)?]).await?;
    store::delete_enrollment(tx, merging.site, theirs.id).await?;
    Ok(MergedCourse {
        course: kept.slug.clone(),
        enrollment_id: user.id,
        outcome: if items_from_guest.is_empty() { MergeOutcome::Kept } else { MergeOutcome::Merged },
        items_from_guest,
        completed_by_merge: completes(&happened),
    })
}

/// Of the guest's attempts the one that brings most may be another beside what is shared with the member: all of them
/// are looked at, where there are several.
async fn recount(tx: &mut Tx<'_>, user: &Enrollment, theirs: &mut Enrollment) -> Result<(), DbError> {
    let several = |item, quiz: &(&QuizId, &QuizProgress)| {
        quiz.1.attempt_count > 1 && user.progress.quiz(item, *quiz.0).is_some_and(|own| !own.shared.is_empty())
    };
    let quizzes = theirs.progress.items.iter().flat_map(|(item, done)| {
        done.quizzes.iter().filter(|quiz| several(*item, quiz)).map(|(quiz, _)| (*item, *quiz)).collect::<Vec<_>>()
    });
    for (item, quiz) in quizzes.collect::<Vec<_>>() {
        let records = store::records(tx, theirs.site_id, theirs.id, quiz).await?;
        let shared = user.progress.quiz(item, quiz).map(|own| own.shared.clone()).unwrap_or_default();
        if let Some(done) = theirs.progress.items.get_mut(&item).and_then(|item| item.quizzes.get_mut(&quiz)) {
            done.choose_beside(shared, records);
        }
    }
    Ok(())
}

fn completes(happened: &[CourseEvent]) -> bool {
    happened.iter().any(|event| matches!(event, CourseEvent::Completed { .. }))
}

/// Writes what happened to an enrollment, and what others hear of it; its items are the caller's.
async fn write(
    tx: &mut Tx<'_>,
    merging: &Merging<'_>,
    enrollment: &mut Enrollment,
    happened: &[CourseEvent],
    version: &Version,
) -> Result<(), DbError> {
    let (mut events, mut messages) = (Vec::new(), Vec::new());
    for event in happened {
        enrollment.apply(event);
        let id = crate::id::new_v7(merging.now);
        events.push(learn::record(enrollment, event, id, merging.cause, merging.now)?);
        if let CourseEvent::Completed { .. } = event {
            messages.push(completed::message(enrollment, version, merging.site_slug, event, id, merging.now)?);
        }
    }
    store::update_enrollment(tx, enrollment, Some(merging.now)).await?;
    store::update_owner(tx, enrollment).await?;
    append_events(tx, &events).await?;
    outbox::enqueue(tx, &messages, merging.now).await
}

/// The guest's right answers in shared lessons are the member's from here on, for every course that holds them.
async fn share(
    tx: &mut Tx<'_>,
    merging: &Merging<'_>,
    theirs: &Enrollment,
    into: EnrollmentId,
    version: &Version,
) -> Result<(), DbError> {
    for (lesson, quiz) in shared_quizzes(version, theirs) {
        for record in store::records(tx, merging.site, theirs.id, quiz).await? {
            for marked in record.marks {
                if marked.mark == Mark::Scored(Score::FULL) {
                    let of = (merging.site, merging.user, into);
                    store::share_answer(tx, of, lesson, marked.question_id, merging.now).await?;
                }
            }
        }
    }
    Ok(())
}

/// The quizzes of shared lessons that were answered, with their lessons.
fn shared_quizzes(version: &Version, theirs: &Enrollment) -> Vec<(LessonId, QuizId)> {
    let mut quizzes = Vec::new();
    for lesson in version.course.modules.iter().flat_map(|module| &module.lessons).filter(|lesson| lesson.shared) {
        for item in &lesson.items {
            let answered =
                |quiz: QuizId| theirs.progress.quiz(item.id, quiz).is_some_and(|done| done.attempt_count > 0);
            quizzes.extend(item.quizzes.iter().filter(|quiz| answered(quiz.id)).map(|quiz| (lesson.id, quiz.id)));
        }
    }
    quizzes
}
