//! Learners of courses by the thousand, and their answers by the million, written straight into the tables:
//! copies of one enrollment, item and attempt that the API made.

use anyhow::Result;
use jalon_backend::db::{Db, DbError, execute, on};
use uuid::Uuid;

/// Rows one statement makes, about.
const CHUNK: i64 = 50_000;

/// Who is to be there.
pub struct Learners<'a> {
    /// The course.
    pub slug: &'a str,
    /// The cohort they join with an enrollment; empty: they are there already, and only answer.
    pub cohort: &'a str,
    /// The first number.
    pub from: i64,
    /// The last one.
    pub to: i64,
    /// Answers of each.
    pub answers: i64,
}

const NUMBERS_SQLITE: &str = "WITH RECURSIVE n(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2), \
    k(j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM k WHERE j < {answers}) ";
const NUMBERS_POSTGRES: &str = "WITH n AS (SELECT i FROM generate_series($1::bigint, $2::bigint) AS i), \
    k AS (SELECT j FROM generate_series(1, {answers}) AS j) ";
/// One of three has completed, one of ten waits for a grader.
const ENROLLMENT: &str = "INSERT INTO course_enrollment (id, site_id, course_id, course_version, user_id, version, started_at, completed_at, score, \
    confirmed, potential, answered, needed_complete, time_spent_seconds, gates, lang) \
    {n} SELECT {enrollment}, e.site_id, e.course_id, e.course_version, 's-' || n.i, e.version, e.started_at, \
    CASE WHEN n.i % 3 = 0 THEN e.started_at END, CASE WHEN n.i % 3 = 0 THEN 8000 END, e.confirmed, CASE WHEN n.i % 10 = 0 THEN 10000 ELSE 0 END, \
    e.answered, e.needed_complete, 60, e.gates, e.lang FROM n CROSS JOIN course_enrollment e WHERE e.id = $3";
const COHORT: &str = "INSERT INTO cohort_member (site_id, cohort, role, user_id, source, at) \
    {n} SELECT e.site_id, '{cohort}', 'learner', 's-' || n.i, 'token', e.started_at FROM n CROSS JOIN course_enrollment e WHERE e.id = $3 ON CONFLICT DO NOTHING";
const ITEM: &str = "INSERT INTO item_progress (site_id, enrollment_id, lesson_id, item_id, progress) \
    {n} SELECT p.site_id, {enrollment}, {lesson}, {item}, p.progress FROM n CROSS JOIN k CROSS JOIN \
    (SELECT * FROM item_progress WHERE enrollment_id = $3 AND progress LIKE '%\"q\"%' LIMIT 1) p";
const ATTEMPT: &str = "INSERT INTO quiz_attempt (site_id, enrollment_id, quiz_id, attempt, course_version, record, answers, at) \
    {n} SELECT a.site_id, {enrollment}, {item}, 1, a.course_version, a.record, a.answers, a.at FROM n CROSS JOIN k CROSS JOIN \
    (SELECT * FROM quiz_attempt WHERE enrollment_id = $3 LIMIT 1) a";
/// An enrollment that has answered a quiz.
const TEMPLATE: &str = "SELECT e.id FROM quiz_attempt a JOIN course_enrollment e ON e.id = a.enrollment_id \
    JOIN course c ON c.id = e.course_id WHERE c.slug = $1 LIMIT 1";

/// Adds learners, or the answers of those that are there.
pub async fn learners(db: &Db, learners: &Learners<'_>) -> Result<()> {
    let Learners { slug, cohort, from, to, answers } = *learners;
    let mut texts = Vec::new();
    if !cohort.is_empty() {
        texts.extend([ENROLLMENT, COHORT]);
    }
    if answers > 0 {
        texts.extend([ITEM, ATTEMPT]);
    }
    let fill = |text: &&str| {
        said(db, text, slug).replace("{cohort}", cohort).replace("{answers}", &answers.max(1).to_string())
    };
    let named = slug.to_owned();
    let template: Uuid = db
        .read(|tx| {
            Box::pin(async move {
                Ok::<_, DbError>(on!(tx, conn => sqlx::query_scalar(TEMPLATE).bind(named).fetch_one(conn).await)?)
            })
        })
        .await?;
    let step = CHUNK / answers.max(1);
    let mut first = from;
    while first <= to {
        let last = (first + step - 1).min(to);
        for text in texts.iter().map(fill) {
            run(db, text, (first, last), template).await?;
        }
        first = last + 1;
    }
    Ok(())
}

/// Gives everybody in a course progress in so many further items.
pub async fn items(db: &Db, slug: &str, items: i64) -> Result<()> {
    const TEXT: &str = "INSERT INTO item_progress (site_id, enrollment_id, lesson_id, item_id, progress) \
        {n} SELECT e.site_id, e.id, {lesson}, {item}, '{\"t\":60}' FROM k CROSS JOIN course_enrollment e JOIN course c ON c.id = e.course_id \
        WHERE c.slug = '{slug}' AND $1 <= $2 AND e.id <> $3 ON CONFLICT DO NOTHING";
    run(db, said(db, TEXT, slug).replace("{answers}", &items.to_string()), (1, 1), Uuid::nil()).await
}

/// Answers that are there.
pub async fn count(db: &Db) -> Result<i64> {
    let count = db
        .read(|tx| {
            Box::pin(async move {
                Ok::<i64, DbError>(
                    on!(tx, conn => sqlx::query_scalar("SELECT count(*) FROM quiz_attempt").fetch_one(conn).await)?,
                )
            })
        })
        .await?;
    Ok(count)
}

/// The statement in the words of this database.
fn said(db: &Db, text: &str, slug: &str) -> String {
    let sqlite = db.is_sqlite();
    let id = |prefix: &str, number: &str| {
        if sqlite {
            format!("unhex(printf('{prefix}80%014x', {number}))")
        } else {
            format!("('{prefix}80' || lpad(to_hex({number}), 14, '0'))::uuid")
        }
    };
    // Another prefix for each course: a learner may be in both.
    let enrollment = format!("01900000{:08x}", 0x0003_7000 + (slug.len() as u64 % 16) * 0x10_0000);
    text.replace("{n}", if sqlite { NUMBERS_SQLITE } else { NUMBERS_POSTGRES })
        .replace("{slug}", slug)
        .replace("{enrollment}", &id(&enrollment, "n.i"))
        .replace("{lesson}", &id("0190000000047000", "k.j / 10"))
        .replace("{item}", &id("0190000000057000", "k.j"))
}

async fn run(db: &Db, text: String, (first, last): (i64, i64), template: Uuid) -> Result<()> {
    db.write(move |tx| {
        Box::pin(async move {
            execute!(tx, sqlx::query(sqlx::AssertSqlSafe(text)).bind(first).bind(last).bind(template))?;
            Ok::<_, DbError>(())
        })
    })
    .await?;
    Ok(())
}
