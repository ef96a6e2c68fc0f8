//! Open answers and what graders said of them.

use jalon_shared::{
    CourseId, EnrollmentId, ItemId, LessonId, QuestionId, QuizId, Score, SiteId, Timestamp, UserId,
    course::{Enrollment, Marked},
    wire::grading::OpenAnswerState,
};
use uuid::Uuid;

use super::{corrupt, number, raw};
use crate::db::{DbError, Tx, execute, on};

/// An open answer.
#[derive(Clone, Debug)]
pub struct OpenAnswer {
    /// Its id.
    pub id: Uuid,
    /// The learner's way.
    pub enrollment: EnrollmentId,
    /// The course.
    pub course: CourseId,
    /// The lesson.
    pub lesson: LessonId,
    /// The item.
    pub item: ItemId,
    /// The quiz.
    pub quiz: QuizId,
    /// Which attempt.
    pub attempt: u32,
    /// The question.
    pub question: QuestionId,
    /// What it is worth at most.
    pub points: u32,
    /// What was answered.
    pub answer: String,
    /// What became of it.
    pub state: OpenAnswerState,
    /// Whether a grader is to look at it.
    pub queued: bool,
    /// Who asked for a second opinion.
    pub asked_by: Option<String>,
    /// Who reads it, until when.
    pub claim: Option<(String, Timestamp)>,
    /// The share of its points.
    pub score: Option<Score>,
    /// What the last grader said.
    pub comment: Option<String>,
    /// When it was graded last.
    pub graded_at: Option<Timestamp>,
    /// When it was answered.
    pub at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Raw {
    id: Uuid,
    enrollment_id: Uuid,
    course_id: Uuid,
    lesson_id: Uuid,
    item_id: Uuid,
    quiz_id: Uuid,
    attempt: i32,
    question_id: Uuid,
    points: i32,
    answer: String,
    state: String,
    queued: i32,
    asked_by: Option<String>,
    claimed_by: Option<String>,
    claimed_until: Option<i64>,
    score: Option<i32>,
    comment: Option<String>,
    graded_at: Option<i64>,
    at: i64,
}

fn score(raw: Option<i32>) -> Result<Option<Score>, DbError> {
    raw.map(|score| Score::from_hundredths(score.into())).transpose().map_err(corrupt)
}

impl TryFrom<Raw> for OpenAnswer {
    type Error = DbError;
    fn try_from(row: Raw) -> Result<Self, DbError> {
        Ok(Self {
            id: row.id,
            enrollment: EnrollmentId(row.enrollment_id),
            course: CourseId(row.course_id),
            lesson: LessonId(row.lesson_id),
            item: ItemId(row.item_id),
            quiz: QuizId(row.quiz_id),
            attempt: number(row.attempt)?,
            question: QuestionId(row.question_id),
            points: number(row.points)?,
            answer: row.answer,
            state: OpenAnswerState::ALL
                .into_iter()
                .find(|state| state.as_str() == row.state)
                .ok_or_else(|| corrupt(&row.state))?,
            queued: row.queued == 1,
            asked_by: row.asked_by,
            claim: row.claimed_by.zip(row.claimed_until.map(Timestamp)),
            score: score(row.score)?,
            comment: row.comment,
            graded_at: row.graded_at.map(Timestamp),
            at: Timestamp(row.at),
        })
    }
}

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT id, enrollment_id, course_id, lesson_id, item_id, quiz_id, attempt, question_id, points, answer, state, queued, asked_by, \
             claimed_by, claimed_until, score, comment, graded_at, at FROM open_answer ",
            $rest
        )
    };
}

/// Which open answers to list.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// Those that a grader is to look at.
    Queued,
    /// Those of this state.
    Of(OpenAnswerState),
    /// All.
    All,
}

/// A page of the site's open answers, oldest first, after this id; without those of one member.
pub async fn open_answers(
    tx: &mut Tx<'_>,
    site: SiteId,
    which: Which,
    course: Option<CourseId>,
    without: Option<&UserId>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<OpenAnswer>, DbError> {
    // Of one course or of all: the id of all there is stands for "any". Nobody's name equals NULL: then all are listed.
    const QUEUED: &str = columns!(
        "WHERE site_id = $1 AND id > $2 AND queued = 1 AND ($4 IS NULL OR course_id = $4) \
         AND NOT EXISTS (SELECT 1 FROM course_enrollment e WHERE e.id = enrollment_id AND e.user_id = $5) ORDER BY id LIMIT $3"
    );
    const STATE: &str = columns!(
        "WHERE site_id = $1 AND id > $2 AND ($4 IS NULL OR course_id = $4) AND state = $6 \
         AND NOT EXISTS (SELECT 1 FROM course_enrollment e WHERE e.id = enrollment_id AND e.user_id = $5) ORDER BY id LIMIT $3"
    );
    const ALL: &str = columns!(
        "WHERE site_id = $1 AND id > $2 AND ($4 IS NULL OR course_id = $4) \
         AND NOT EXISTS (SELECT 1 FROM course_enrollment e WHERE e.id = enrollment_id AND e.user_id = $5) ORDER BY id LIMIT $3"
    );
    let (course, without) = (course.map(|course| course.0), without.map(UserId::as_str));
    let rows: Vec<Raw> = match which {
        Which::Queued => {
            on!(tx, conn => sqlx::query_as(QUEUED).bind(site.0).bind(after).bind(limit).bind(course).bind(without).fetch_all(conn).await)?
        }
        Which::Of(state) => {
            on!(tx, conn => sqlx::query_as(STATE).bind(site.0).bind(after).bind(limit).bind(course).bind(without).bind(state.as_str()).fetch_all(conn).await)?
        }
        Which::All => {
            on!(tx, conn => sqlx::query_as(ALL).bind(site.0).bind(after).bind(limit).bind(course).bind(without).fetch_all(conn).await)?
        }
    };
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One open answer.
pub async fn open_answer(tx: &mut Tx<'_>, site: SiteId, id: Uuid) -> Result<Option<OpenAnswer>, DbError> {
    const SQL: &str = columns!("WHERE site_id = $1 AND id = $2");
    let row: Option<Raw> = on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(id).fetch_optional(conn).await)?;
    row.map(TryInto::try_into).transpose()
}

/// The learner's open answers in an item, oldest first.
pub async fn open_answers_of_item(
    tx: &mut Tx<'_>,
    site: SiteId,
    enrollment: EnrollmentId,
    item: ItemId,
) -> Result<Vec<OpenAnswer>, DbError> {
    // SQLite would read all open answers of the tenant for their order.
    const SQLITE: &str = columns!("WHERE +site_id = $1 AND enrollment_id = $2 AND item_id = $3 ORDER BY +id");
    const POSTGRES: &str = columns!("WHERE site_id = $1 AND enrollment_id = $2 AND item_id = $3 ORDER BY id");
    let sql = tx.pick(SQLITE, POSTGRES);
    let rows: Vec<Raw> =
        on!(tx, conn => sqlx::query_as(sql).bind(site.0).bind(enrollment.0).bind(item.0).fetch_all(conn).await)?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Puts an open answer into the graders' queue.
pub async fn put_open_answer(
    tx: &mut Tx<'_>,
    enrollment: &Enrollment,
    (lesson, item, quiz): (LessonId, ItemId, QuizId),
    attempt: u32,
    marked: &Marked,
    answer: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO open_answer (id, site_id, enrollment_id, course_id, lesson_id, item_id, quiz_id, attempt, question_id, points, \
        answer, state, queued, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'waiting', 1, $12)";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(crate::id::new_v7(now))
            .bind(enrollment.site_id.0)
            .bind(enrollment.id.0)
            .bind(enrollment.course_id.0)
            .bind(lesson.0)
            .bind(item.0)
            .bind(quiz.0)
            .bind(raw(attempt))
            .bind(marked.question_id.0)
            .bind(raw(marked.points))
            .bind(answer)
            .bind(now.0)
    )
    .map(drop)
}

/// Saves what became of an open answer, and who reads it.
pub async fn update_open_answer(tx: &mut Tx<'_>, site: SiteId, answer: &OpenAnswer) -> Result<(), DbError> {
    const SQL: &str = "UPDATE open_answer SET state = $3, queued = $4, asked_by = $5, claimed_by = $6, claimed_until = $7, score = $8, comment = $9, \
        graded_at = $10 WHERE site_id = $1 AND id = $2";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(site.0)
            .bind(answer.id)
            .bind(answer.state.as_str())
            .bind(i32::from(answer.queued))
            .bind(answer.asked_by.as_deref())
            .bind(answer.claim.as_ref().map(|(by, _)| by.as_str()))
            .bind(answer.claim.as_ref().map(|(_, until)| until.0))
            .bind(answer.score.map(|score| i32::from(score.hundredths())))
            .bind(answer.comment.as_deref())
            .bind(answer.graded_at.map(|at| at.0))
    )
    .map(drop)
}

/// What a grader said.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct GradeRow {
    /// Of which answer.
    pub open_answer_id: Uuid,
    /// Who.
    pub grader: Option<String>,
    /// The share of the points, in hundredths of a percent.
    pub score: Option<i32>,
    /// What the learner reads.
    pub comment: String,
    /// When.
    pub at: i64,
}

/// Everything graders said of an answer, in order.
pub async fn grades(tx: &mut Tx<'_>, site: SiteId, answer: Uuid) -> Result<Vec<GradeRow>, DbError> {
    const SQL: &str = "SELECT open_answer_id, grader, score, comment, at FROM grade WHERE site_id = $1 AND open_answer_id = $2 ORDER BY number";
    Ok(on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(answer).fetch_all(conn).await)?)
}

/// What a member said of answers that became their own by a merge is not to stand as the last word (C2): another
/// grader is to look at them. Points stay until then (M4). Their own claims on such answers end.
pub async fn requeue_own_grades(tx: &mut Tx<'_>, site: SiteId, user: &UserId) -> Result<(), DbError> {
    const LAST: &str = "UPDATE open_answer SET queued = 1, asked_by = NULL, claimed_by = NULL, claimed_until = NULL \
        WHERE site_id = $1 AND enrollment_id IN (SELECT id FROM course_enrollment WHERE site_id = $1 AND user_id = $2) AND queued = 0 \
        AND EXISTS (SELECT 1 FROM grade g WHERE g.open_answer_id = open_answer.id AND g.grader = $2 \
            AND g.number = (SELECT max(number) FROM grade WHERE open_answer_id = open_answer.id))";
    const CLAIMS: &str = "UPDATE open_answer SET claimed_by = NULL, claimed_until = NULL WHERE site_id = $1 AND claimed_by = $2 \
        AND enrollment_id IN (SELECT id FROM course_enrollment WHERE site_id = $1 AND user_id = $2)";
    for sql in [LAST, CLAIMS] {
        execute!(tx, sqlx::query(sql).bind(site.0).bind(user.as_str()))?;
    }
    Ok(())
}

/// Writes down what a grader said, after what was said before. A second grade of the same grader is the schema's to
/// refuse.
pub async fn put_grade(tx: &mut Tx<'_>, site: SiteId, answer: &OpenAnswer, grader: &str) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO grade (site_id, open_answer_id, number, grader, score, comment, at) \
        VALUES ($1, $2, (SELECT coalesce(max(number), 0) + 1 FROM grade WHERE open_answer_id = $2), $3, $4, $5, $6)";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(site.0)
            .bind(answer.id)
            .bind(grader)
            .bind(answer.score.map(|score| i32::from(score.hundredths())))
            .bind(answer.comment.as_deref().unwrap_or_default())
            .bind(answer.graded_at.map_or(answer.at.0, |at| at.0))
    )
    .map(drop)
}
