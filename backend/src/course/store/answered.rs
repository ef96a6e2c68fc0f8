//! Attempts as they are graded now, open answers, and what is shared between courses.

use jalon_shared::{
    EnrollmentId, LessonId, QuestionId, QuizId, SiteId, Timestamp, UserId,
    course::{Enrollment, Mark, Record},
};
use uuid::Uuid;

use super::raw;
use crate::db::{DbError, Tx, execute, on};

/// Keeps an attempt, or how it is graded now.
pub async fn put_attempt(
    tx: &mut Tx<'_>,
    enrollment: &Enrollment,
    quiz: QuizId,
    record: &Record,
    answers: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO quiz_attempt (site_id, enrollment_id, quiz_id, attempt, course_version, record, answers, at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let marks = serde_json::to_string(record)?;
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(enrollment.site_id.0)
            .bind(enrollment.id.0)
            .bind(quiz.0)
            .bind(raw(record.attempt))
            .bind(raw(enrollment.course_version))
            .bind(&marks)
            .bind(answers)
            .bind(now.0)
    )
    .map(drop)
}

/// All attempts at a quiz, in order, as they are graded now.
pub async fn records(
    tx: &mut Tx<'_>,
    site: SiteId,
    enrollment: EnrollmentId,
    quiz: QuizId,
) -> Result<Vec<Record>, DbError> {
    const SQL: &str =
        "SELECT record FROM quiz_attempt WHERE site_id = $1 AND enrollment_id = $2 AND quiz_id = $3 ORDER BY attempt";
    let rows: Vec<String> =
        on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(enrollment.0).bind(quiz.0).fetch_all(conn).await)?;
    rows.iter().map(|record| Ok(serde_json::from_str(record)?)).collect()
}

/// Says how one question of an attempt is graded now.
pub async fn regrade(
    tx: &mut Tx<'_>,
    enrollment: &Enrollment,
    quiz: QuizId,
    attempt: u32,
    question: QuestionId,
    mark: Mark,
) -> Result<(), DbError> {
    let (site, id) = (enrollment.site_id, enrollment.id);
    for mut record in records(tx, site, id, quiz).await? {
        if record.attempt != attempt {
            continue;
        }
        for marked in record.marks.iter_mut().filter(|marked| marked.question_id == question) {
            marked.mark = mark;
        }
        put_record(tx, site, id, quiz, &record).await?;
    }
    Ok(())
}

/// Says how an attempt is graded now.
pub async fn put_record(
    tx: &mut Tx<'_>,
    site: SiteId,
    enrollment: EnrollmentId,
    quiz: QuizId,
    record: &Record,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE quiz_attempt SET record = $5 WHERE site_id = $1 AND enrollment_id = $2 AND quiz_id = $3 AND attempt = $4";
    let marks = serde_json::to_string(record)?;
    execute!(tx, sqlx::query(SQL).bind(site.0).bind(enrollment.0).bind(quiz.0).bind(raw(record.attempt)).bind(&marks))
        .map(drop)
}

/// Brings a guest's attempts at a quiz into a member's enrollment (M2), numbered behind the member's own, with the
/// open answers in them.
pub async fn move_attempts(
    tx: &mut Tx<'_>,
    site: SiteId,
    (from, to): (EnrollmentId, EnrollmentId),
    quiz: QuizId,
    offset: u32,
) -> Result<(), DbError> {
    const ATTEMPT: &str = "UPDATE quiz_attempt SET enrollment_id = $3, attempt = $6, record = $7 \
        WHERE site_id = $1 AND enrollment_id = $2 AND quiz_id = $4 AND attempt = $5";
    const ANSWERS: &str = "UPDATE open_answer SET enrollment_id = $3, attempt = attempt + $5 \
        WHERE site_id = $1 AND enrollment_id = $2 AND quiz_id = $4";
    for mut record in records(tx, site, from, quiz).await? {
        let before = record.attempt;
        record.attempt = before.saturating_add(offset);
        let marks = serde_json::to_string(&record)?;
        execute!(
            tx,
            sqlx::query(ATTEMPT)
                .bind(site.0)
                .bind(from.0)
                .bind(to.0)
                .bind(quiz.0)
                .bind(raw(before))
                .bind(raw(record.attempt))
                .bind(&marks)
        )?;
    }
    execute!(tx, sqlx::query(ANSWERS).bind(site.0).bind(from.0).bind(to.0).bind(quiz.0).bind(raw(offset))).map(drop)
}

/// Which questions of a shared lesson this member has answered right in another enrollment than this one. What an
/// enrollment answered itself, in whichever attempt, is not shared with it: its attempts would add up.
pub async fn shared_answers(
    tx: &mut Tx<'_>,
    site: SiteId,
    user: &UserId,
    lesson: LessonId,
    enrollment: EnrollmentId,
) -> Result<Vec<QuestionId>, DbError> {
    const SQL: &str = "SELECT question_id FROM shared_answer WHERE site_id = $1 AND user_id = $2 AND lesson_id = $3 \
        AND (enrollment_id IS NULL OR enrollment_id <> $4)";
    let rows: Vec<Uuid> = on!(tx, conn => sqlx::query_scalar(SQL)
        .bind(site.0)
        .bind(user.as_str())
        .bind(lesson.0)
        .bind(enrollment.0)
        .fetch_all(conn)
        .await)?;
    Ok(rows.into_iter().map(QuestionId).collect())
}

/// Stores a right answer to a question of a shared lesson, once; and in which enrollment it was given, or that it was
/// in several.
pub async fn share_answer(
    tx: &mut Tx<'_>,
    (site, user, enrollment): (SiteId, &UserId, EnrollmentId),
    lesson: LessonId,
    question: QuestionId,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO shared_answer (site_id, user_id, lesson_id, question_id, enrollment_id, at) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (site_id, user_id, lesson_id, question_id) DO UPDATE SET enrollment_id = NULL \
        WHERE shared_answer.enrollment_id IS NOT NULL AND shared_answer.enrollment_id <> excluded.enrollment_id";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(site.0)
            .bind(user.as_str())
            .bind(lesson.0)
            .bind(question.0)
            .bind(enrollment.0)
            .bind(now.0)
    )
    .map(drop)
}

/// A learner of a course, with a first attempt at a quiz where there is one.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct FirstAttempt {
    /// The enrollment.
    pub enrollment_id: Uuid,
    /// The quiz.
    pub quiz_id: Option<Uuid>,
    /// What became of it; JSON.
    pub record: Option<String>,
    /// What was answered; JSON.
    pub answers: Option<String>,
}

/// The first attempts of the newest learners of a course, before this enrollment: all quizzes of so many learners.
pub async fn first_attempts(
    tx: &mut Tx<'_>,
    site: SiteId,
    course: jalon_shared::CourseId,
    before: Uuid,
    learners: i64,
) -> Result<Vec<FirstAttempt>, DbError> {
    const SQL: &str = "SELECT e.id AS enrollment_id, a.quiz_id, a.record, a.answers FROM \
        (SELECT id FROM course_enrollment WHERE site_id = $1 AND course_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4) e \
        LEFT JOIN quiz_attempt a ON a.enrollment_id = e.id AND a.attempt = 1 ORDER BY e.id DESC";
    Ok(
        on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(course.0).bind(before).bind(learners).fetch_all(conn).await)?,
    )
}
