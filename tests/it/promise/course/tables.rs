//! What must be true of the tables, whatever happened in courses.

use std::collections::{BTreeMap, BTreeSet};

use jalon_backend::catalog::Caches;
use jalon_backend::course::{catalog::Catalog, learn, store};
use jalon_backend::db::{Db, DbError, Tx, on};
use jalon_shared::{
    EnrollmentId, SiteId,
    course::{self, CourseEvent, Enrollment, Record},
};
use serde_json::Value;
use uuid::Uuid;

/// What was announced (course, member, score in hundredths), and which right answers are shared (member, question).
#[derive(PartialEq, Eq, Debug)]
pub struct Found {
    announced: Vec<(String, String, Option<u64>)>,
    shared: BTreeSet<(String, String)>,
}

impl Found {
    pub fn of(mut announced: Vec<(String, String, Option<u64>)>, shared: BTreeSet<(String, String)>) -> Self {
        announced.sort();
        Self { announced, shared }
    }
}

type Checked = Result<Found, String>;

/// V1: the replay of an enrollment's events is its rows, bit for bit. C3: its sums are those that its answers
/// add up to. W1: every completion has one event and one announcement, under the same id.
pub async fn check(db: &Db, slug: &str) -> Checked {
    let (slug, catalog) = (slug.to_owned(), Catalog::new(db, &Caches::new(4 * 1024 * 1024)));
    db.read(move |tx| Box::pin(async move { read(tx, &catalog, &slug).await })).await.unwrap()
}

async fn read(tx: &mut Tx<'_>, catalog: &Catalog, slug: &str) -> Result<Checked, DbError> {
    let site: Uuid =
        on!(tx, conn => sqlx::query_scalar("SELECT id FROM site WHERE slug = $1").bind(slug).fetch_one(conn).await)?;
    let ids: Vec<Uuid> = on!(tx, conn => sqlx::query_scalar("SELECT id FROM course_enrollment WHERE site_id = $1").bind(site).fetch_all(conn).await)?;
    for id in ids {
        let mut row = store::enrollment(tx, SiteId(site), EnrollmentId(id)).await?.unwrap();
        row.progress.items = store::items(tx, SiteId(site), row.id, None).await?;
        let payloads: Vec<String> = on!(tx, conn => sqlx::query_scalar("SELECT payload FROM event WHERE site_id = $1 AND subject_id = $2 ORDER BY seq")
            .bind(site).bind(id).fetch_all(conn).await)?;
        let version = learn::version_of(tx, catalog, &row).await?;
        let records: Vec<(Uuid, String)> = on!(tx, conn => sqlx::query_as("SELECT quiz_id, record FROM quiz_attempt WHERE enrollment_id = $1 ORDER BY attempt")
            .bind(id).fetch_all(conn).await)?;
        if let Err(error) = adds_up(&row, &payloads).and_then(|()| counted(&row, &version.outline, &records)) {
            return Ok(Err(format!("{id}: {error}")));
        }
    }
    let events: Vec<Uuid> = on!(tx, conn => sqlx::query_scalar("SELECT id FROM event WHERE site_id = $1 AND type = 'course.completed'").bind(site).fetch_all(conn).await)?;
    let messages: Vec<(Uuid, String)> = on!(tx, conn => sqlx::query_as("SELECT id, payload FROM webhook_message WHERE site_id = $1").bind(site).fetch_all(conn).await)?;
    let shared: Vec<(String, Uuid)> = on!(tx, conn => sqlx::query_as("SELECT user_id, question_id FROM shared_answer WHERE site_id = $1").bind(site).fetch_all(conn).await)?;
    let shared = shared.into_iter().map(|(user, question)| (user, question.to_string())).collect();
    Ok(announced(&events, &messages).map(|announced| Found::of(announced, shared)))
}

fn adds_up(row: &Enrollment, payloads: &[String]) -> Result<(), String> {
    let events: Vec<CourseEvent> = payloads.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    if events.len() as u64 != row.version {
        return Err(format!("V1: {} events, version {}", events.len(), row.version));
    }
    let text = |enrollment: Option<&Enrollment>| serde_json::to_string(&enrollment).unwrap();
    let (replayed, row) = (text(course::replay(&events).as_ref()), text(Some(row)));
    if replayed == row { Ok(()) } else { Err(format!("V1: {replayed} by replay, {row} in the rows")) }
}

/// C3: sums and gates counted anew, and points that hang on attempts as they are graded now.
fn counted(row: &Enrollment, outline: &course::Outline, records: &[(Uuid, String)]) -> Result<(), String> {
    let progress = &row.progress;
    let counted = progress.counted(outline);
    if counted != (progress.totals, progress.gates.clone()) {
        return Err(format!("C3: {counted:?} counted anew, {:?} {:?} stored", progress.totals, progress.gates));
    }
    let mut stored: BTreeMap<Uuid, Vec<Record>> = BTreeMap::new();
    for (quiz, record) in records {
        stored.entry(*quiz).or_default().push(serde_json::from_str(record).unwrap());
    }
    for (quiz, done) in progress.items.values().flat_map(|item| &item.quizzes) {
        let attempts = stored.remove(&quiz.0).unwrap_or_default();
        if attempts.len() != usize::try_from(done.attempt_count).unwrap() {
            return Err(format!("{} attempts counted, {attempts:?} stored", done.attempt_count));
        }
        for record in [&done.best, &done.waiting].into_iter().flatten() {
            if !attempts.contains(record) {
                return Err(format!("C3: points hang on {record:?}, {attempts:?} stored"));
            }
        }
    }
    if stored.is_empty() { Ok(()) } else { Err(format!("attempts of nothing: {stored:?}")) }
}

fn announced(events: &[Uuid], messages: &[(Uuid, String)]) -> Result<Vec<(String, String, Option<u64>)>, String> {
    let completed: BTreeSet<Uuid> = events.iter().copied().collect();
    let told: BTreeSet<Uuid> = messages.iter().map(|(id, _)| *id).collect();
    if completed != told || messages.len() != told.len() {
        return Err(format!("W1: completed {completed:?}, announced {told:?}"));
    }
    let said = messages.iter().map(|(id, payload)| {
        let message: Value = serde_json::from_str(payload).unwrap();
        let data = &message["data"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if message["type"] != "coaching.course.completed"
            || data["event_id"] != id.to_string()
            || !data["guest_id"].is_null()
        {
            return Err(format!("W2: {payload}"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10000")]
        let score = data["score"].as_f64().map(|score| (score * 100.0).round() as u64);
        Ok((text(&data["course"]["slug"]), text(&data["user_id"]), score))
    });
    said.collect()
}
