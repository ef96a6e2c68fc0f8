//! What a recalculation reads, for many enrollments at once: those of a course whose ids lie in a range.

use std::collections::{BTreeMap, BTreeSet};

use jalon_shared::{
    CourseId, EnrollmentId, ItemId, QuestionId, QuizId, SiteId,
    course::{Attempted, ItemProgress},
};
use uuid::Uuid;

use crate::db::{DbError, Tx, on};

/// Enrollments of a course after one id, up to another.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The tenant.
    pub site: SiteId,
    /// The course.
    pub course: CourseId,
    /// Without this one.
    pub after: Uuid,
    /// With this one.
    pub last: Uuid,
}

macro_rules! in_range {
    ($columns:literal, $table:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM course_enrollment e JOIN ",
            $table,
            " t ON t.enrollment_id = e.id WHERE e.site_id = $1 AND e.course_id = $2 AND e.id > $3 AND e.id <= $4",
            $rest
        )
    };
}

/// What was done in all items, by enrollment.
pub async fn items_of_range(
    tx: &mut Tx<'_>,
    of: Range,
) -> Result<BTreeMap<EnrollmentId, BTreeMap<ItemId, ItemProgress>>, DbError> {
    const SQL: &str = in_range!("t.enrollment_id, t.item_id, t.progress", "item_progress", "");
    let rows: Vec<(Uuid, Uuid, String)> = on!(tx, conn => sqlx::query_as(SQL)
        .bind(of.site.0).bind(of.course.0).bind(of.after).bind(of.last).fetch_all(conn).await)?;
    let mut items: BTreeMap<EnrollmentId, BTreeMap<ItemId, ItemProgress>> = BTreeMap::new();
    for (enrollment, item, progress) in rows {
        items.entry(EnrollmentId(enrollment)).or_default().insert(ItemId(item), serde_json::from_str(&progress)?);
    }
    Ok(items)
}

/// All attempts at each quiz, in order.
pub type Attempts = BTreeMap<QuizId, Vec<Attempted>>;

/// All attempts as they are graded now, by enrollment.
pub async fn attempts_of_range(tx: &mut Tx<'_>, of: Range) -> Result<BTreeMap<EnrollmentId, Attempts>, DbError> {
    const OPEN: &str = in_range!("t.enrollment_id, t.quiz_id, t.attempt, t.question_id", "open_answer", "");
    const ALL: &str = in_range!(
        "t.enrollment_id, t.quiz_id, t.attempt, t.record, t.answers",
        "quiz_attempt",
        " ORDER BY t.enrollment_id, t.quiz_id, t.attempt"
    );
    let open: Vec<(Uuid, Uuid, i32, Uuid)> = on!(tx, conn => sqlx::query_as(OPEN)
        .bind(of.site.0).bind(of.course.0).bind(of.after).bind(of.last).fetch_all(conn).await)?;
    let mut of_graders: BTreeMap<(Uuid, Uuid, i32), BTreeSet<QuestionId>> = BTreeMap::new();
    for (enrollment, quiz, attempt, question) in open {
        of_graders.entry((enrollment, quiz, attempt)).or_default().insert(QuestionId(question));
    }
    let rows: Vec<(Uuid, Uuid, i32, String, String)> = on!(tx, conn => sqlx::query_as(ALL)
        .bind(of.site.0).bind(of.course.0).bind(of.after).bind(of.last).fetch_all(conn).await)?;
    let mut attempts: BTreeMap<EnrollmentId, Attempts> = BTreeMap::new();
    for (enrollment, quiz, attempt, record, answers) in rows {
        let of_quiz = attempts.entry(EnrollmentId(enrollment)).or_default().entry(QuizId(quiz)).or_default();
        of_quiz.push(Attempted {
            record: serde_json::from_str(&record)?,
            answers: serde_json::from_str(&answers)?,
            of_graders: of_graders.remove(&(enrollment, quiz, attempt)).unwrap_or_default(),
        });
    }
    Ok(attempts)
}
