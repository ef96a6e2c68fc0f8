//! Tracks over HTTP, on both databases: as learners, members and authors meet them.

mod author;
mod bad_input;
mod gift;
mod group;
mod learner;
mod merge;
mod merge_order;
mod own;
mod recent;
mod replay;
mod time;
mod visible;

use jalon_tests::{Answer, Stage};
use serde_json::{Value, json};
use uuid::Uuid;

/// A learner at work on one enrollment.
pub struct Learner<'s> {
    stage: &'s Stage,
    token: String,
    enrollment: Value,
}

impl<'s> Learner<'s> {
    pub async fn begin(stage: &'s Stage, token: &str, track: &str) -> Self {
        let enrollment = stage.enroll(token, track).await;
        Self { stage, token: token.to_owned(), enrollment }
    }

    /// Who was under way already.
    pub async fn found(stage: &'s Stage, token: &str, id: &str) -> Self {
        let learner = Self { stage, token: token.to_owned(), enrollment: json!({ "id": id }) };
        let enrollment = learner.look().await;
        Self { enrollment, ..learner }
    }

    pub fn id(&self) -> &str {
        self.enrollment["id"].as_str().unwrap()
    }

    pub async fn look(&self) -> Value {
        self.stage
            .server
            .get(&format!("/api/v1/enrollments/{}", self.id()))
            .bearer(&self.token)
            .send()
            .await
            .expect(200)
    }

    pub async fn step(&self, order: u32) -> Answer {
        self.stage
            .server
            .get(&format!("/api/v1/enrollments/{}/steps/{order}", self.id()))
            .bearer(&self.token)
            .send()
            .await
    }

    pub async fn advance_with(&self, order: u32, key: Uuid, body: &Value) -> Answer {
        let path = format!("/api/v1/enrollments/{}/steps/{order}/advance", self.id());
        self.stage.server.post(&path).bearer(&self.token).key(key).json(body).send().await
    }

    pub async fn advance(&self, order: u32, body: Value) -> Answer {
        self.advance_with(order, Uuid::now_v7(), &body).await
    }

    /// As the widget does: the step is this one, wherever it stands.
    pub async fn advance_step(&self, order: u32, step: &str) -> Answer {
        let path = format!("/api/v1/enrollments/{}/steps/{order}/advance?step_id={step}", self.id());
        self.stage.server.post(&path).bearer(&self.token).key(Uuid::now_v7()).json(&json!({})).send().await
    }

    pub async fn report(&self, order: u32, body: Value) -> Answer {
        let path = format!("/api/v1/enrollments/{}/steps/{order}", self.id());
        self.stage.server.patch(&path).bearer(&self.token).json(&body).send().await
    }

    /// Answers the small track's quiz, rightly or wrongly.
    pub async fn answer(&self, right: bool) -> Answer {
        let quiz = self.step(2).await.expect(200);
        self.advance(2, answers(&quiz, right)).await
    }
}

/// Answers to the small track's one question, found by what the choices say.
fn answers(quiz: &Value, right: bool) -> Value {
    let question = &quiz["quiz"]["questions"][0];
    let says = if right { "Trois" } else { "Deux" };
    let choice = question["choices"].as_array().unwrap().iter().find(|choice| choice["text"]["value"] == says).unwrap();
    json!({ "answers": [{ "question_id": question["id"], "choice_ids": [choice["id"]] }], "time_spent_seconds": 20 })
}

/// The announcements in the outbox, oldest first.
pub async fn announced(stage: &Stage) -> Vec<Value> {
    use jalon_backend::db::{DbError, on};
    let payloads: Vec<String> = stage
        .server
        .app()
        .db
        .read(|tx| {
            Box::pin(async move {
                Ok::<_, DbError>(on!(tx, conn => sqlx::query_scalar("SELECT payload FROM webhook_message ORDER BY created_at, id").fetch_all(conn).await)?)
            })
        })
        .await
        .unwrap();
    payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect()
}

/// V1: for every enrollment there is, the replay of its events is its row, bit for bit.
pub async fn assert_replay_gives_the_rows(stage: &Stage) -> usize {
    use jalon_backend::{
        db::{DbError, on},
        track::store,
    };
    use jalon_shared::{EnrollmentId, SiteId, track};
    stage
        .server
        .app()
        .db
        .read(|tx| {
            Box::pin(async move {
                let ids: Vec<(Uuid, Uuid)> =
                    on!(tx, conn => sqlx::query_as("SELECT site_id, id FROM enrollment").fetch_all(conn).await)?;
                for (site, id) in &ids {
                    let row = store::enrollment(tx, SiteId(*site), EnrollmentId(*id)).await?.unwrap();
                    let events = store::events_of_enrollment(tx, SiteId(*site), EnrollmentId(*id)).await?;
                    assert_eq!(events.len() as u64, row.version, "V1: the version counts the events");
                    let again = track::replay(&events).unwrap();
                    assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&row).unwrap(), "V1");
                }
                Ok::<_, DbError>(ids.len())
            })
        })
        .await
        .unwrap()
}
