//! An enrollment in a course: `apply` changes it by what happened, `replay` is `apply` alone (V1). What
//! happens is [`super::decide`]'s to say.

use serde::{Deserialize, Serialize};

use super::{CourseEvent, ItemProgress, Progress, QuizProgress, merge};
use crate::{CourseId, EnrollmentId, ItemId, Lang, Learner, QuizId, SiteId};

/// One learner's way through one course.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Enrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// Its tenant.
    pub site_id: SiteId,
    /// The course.
    pub course_id: CourseId,
    /// The version it began with, or was brought to.
    pub course_version: u32,
    /// Whose it is (XOR).
    pub learner: Learner,
    /// The language it was begun in.
    pub lang: Option<Lang>,
    /// Grows by one with every event.
    pub version: u64,
    /// What was done.
    pub progress: Progress,
}

/// Changes what was done by one event. Never refuses: what was decided has happened.
pub fn apply(progress: &mut Progress, event: &CourseEvent) {
    match event {
        CourseEvent::Enrolled { .. } | CourseEvent::Moved { .. } | CourseEvent::Absorbed { .. } => {}
        CourseEvent::LessonOpened { lesson_id, track_id, .. } => {
            progress.gates.lessons.entry(*lesson_id).or_default().insert(*track_id);
        }
        CourseEvent::ItemViewed { item_id, at } => {
            let item = progress.item(*item_id);
            item.viewed_at = item.viewed_at.or(Some(*at));
        }
        CourseEvent::ItemProgressed { item_id, time_spent_seconds, accounted_until, last_position, .. } => {
            progress.accounted_until = progress.accounted_until.max(*accounted_until);
            progress.spend(*item_id, *time_spent_seconds);
            let item = progress.item(*item_id);
            item.last_position = last_position.or(item.last_position);
        }
        CourseEvent::PointsShared { item_id, quiz_id, of, questions, best, other, most, .. } => {
            progress.change_quiz(*item_id, *quiz_id, *of, |quiz| {
                quiz.shared.extend(questions.iter().copied());
                quiz.most = quiz.most.or(*most);
                if best.is_some() {
                    quiz.best.clone_from(best);
                    quiz.other.clone_from(other);
                }
            });
        }
        CourseEvent::QuizAnswered { item_id, quiz_id, of, record, time_spent_seconds, accounted_until, at, .. } => {
            progress.accounted_until = progress.accounted_until.max(*accounted_until);
            progress.spend(*item_id, *time_spent_seconds);
            progress.change_quiz(*item_id, *quiz_id, *of, |quiz| {
                quiz.floor = quiz.floor();
                quiz.attempt_count = quiz.attempt_count.max(record.attempt);
                quiz.last_attempt_at = Some(*at);
                quiz.missing = 0;
                quiz.submit(record.clone());
            });
        }
        CourseEvent::QuizGraded { item_id, quiz_id, best, waiting, other, .. } => {
            progress.change_quiz(*item_id, *quiz_id, 0, |quiz| {
                quiz.best.clone_from(best);
                quiz.waiting.clone_from(waiting);
                quiz.other.clone_from(other);
            });
        }
        CourseEvent::QuizPassed { item_id, quiz_id, gates, at } => {
            let quiz = progress.item(*item_id).quizzes.entry(*quiz_id).or_default();
            quiz.passed_at = quiz.passed_at.or(Some(*at));
            if let Some(gates) = gates {
                progress.gates = gates.clone();
            }
        }
        CourseEvent::ItemCompleted { item_id, needed, at } => {
            let item = progress.item(*item_id);
            if item.completed_at.is_none() {
                item.completed_at = Some(*at);
                progress.totals.needed_complete += u32::from(*needed);
            }
        }
        CourseEvent::LessonCompleted { item_id, at, .. } => {
            let item = progress.item(*item_id);
            item.lesson_completed_at = item.lesson_completed_at.or(Some(*at));
        }
        CourseEvent::Completed { score, at, .. } => {
            if progress.completed_at.is_none() {
                progress.completed_at = Some(*at);
                progress.score = *score;
            }
        }
        CourseEvent::Merged { progress: guest, fitted, totals, gates, score, .. } => {
            *progress = merge::union(progress, guest);
            for fitted in fitted {
                let quiz = progress.item(fitted.item_id).quizzes.entry(fitted.quiz_id).or_default();
                quiz.gone.clone_from(&fitted.gone);
                (quiz.missing, quiz.most) = (fitted.missing, fitted.most);
            }
            progress.totals = *totals;
            progress.gates.clone_from(gates);
            if progress.completed_at.is_some() {
                progress.score = progress.score.max(*score);
            }
        }
        CourseEvent::Recalculated { records, totals, gates, .. } => {
            for regraded in records {
                let quiz = progress.item(regraded.item_id).quizzes.entry(regraded.quiz_id).or_default();
                quiz.best.clone_from(&regraded.best);
                quiz.waiting.clone_from(&regraded.waiting);
                quiz.shared.clone_from(&regraded.shared);
                quiz.most = regraded.most;
                quiz.gone.clone_from(&regraded.gone);
                quiz.other.clone_from(&regraded.other);
                quiz.missing = regraded.missing;
            }
            progress.totals = *totals;
            progress.gates.clone_from(gates);
        }
    }
}

impl Progress {
    fn item(&mut self, item: ItemId) -> &mut ItemProgress {
        self.items.entry(item).or_default()
    }

    fn spend(&mut self, item: ItemId, seconds: u32) {
        let item = self.item(item);
        let before = item.time_spent_seconds;
        item.time_spent_seconds = before.saturating_add(seconds);
        self.totals.time_spent_seconds += u64::from(item.time_spent_seconds - before);
    }

    /// Changes a quiz of `of` questions, and the sums by what that changes. A change that answers no
    /// question needs no `of`.
    fn change_quiz(&mut self, item: ItemId, quiz: QuizId, of: u32, change: impl FnOnce(&mut QuizProgress)) {
        let quiz = self.items.entry(item).or_default().quizzes.entry(quiz).or_default();
        let before = (quiz.confirmed(), quiz.potential(), quiz.answered(of));
        change(quiz);
        let totals = &mut self.totals;
        totals.confirmed = totals.confirmed.less(before.0) + quiz.confirmed();
        totals.potential = totals.potential.less(before.1) + quiz.potential();
        totals.answered = totals.answered.saturating_sub(before.2) + quiz.answered(of);
    }
}

impl Enrollment {
    /// Changes the whole enrollment by one event.
    pub fn apply(&mut self, event: &CourseEvent) {
        apply(&mut self.progress, event);
        self.version += 1;
        match event {
            CourseEvent::Recalculated { course_version, .. } | CourseEvent::Merged { course_version, .. } => {
                self.course_version = *course_version;
            }
            CourseEvent::Moved { user_id, .. } => self.learner = Learner::User(user_id.clone()),
            _ => {}
        }
    }

    /// The enrollment that an event begins; `None` for any event but `course.enrolled`.
    pub fn begun(event: &CourseEvent) -> Option<Self> {
        let CourseEvent::Enrolled { enrollment_id, site_id, course_id, course_version, learner, lang, at } = event
        else {
            return None;
        };
        Some(Self {
            id: *enrollment_id,
            site_id: *site_id,
            course_id: *course_id,
            course_version: *course_version,
            learner: learner.clone(),
            lang: lang.clone(),
            version: 1,
            progress: Progress::begun(*at),
        })
    }
}

/// The enrollment that its events add up to (V1); `None` when there is none, or none any more.
pub fn replay<'e>(events: impl IntoIterator<Item = &'e CourseEvent>) -> Option<Enrollment> {
    let mut events = events.into_iter();
    let mut enrollment = Enrollment::begun(events.next()?)?;
    for event in events {
        if matches!(event, CourseEvent::Absorbed { .. }) {
            return None;
        }
        enrollment.apply(event);
    }
    Some(enrollment)
}
