//! What must be true of the tables, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use jalon_backend::db::{Db, DbError, on};
use jalon_backend::track::store;
use jalon_shared::{EnrollmentId, SiteId, track};
use serde_json::Value;
use uuid::Uuid;

/// V1: for every enrollment of the site, the replay of its events is its row, bit for bit. W1: every
/// completion has one event and one announcement, under the same id. Answers what was announced: track,
/// learner, whether by a merge.
pub async fn check(db: &Db, slug: &str) -> Result<Vec<(String, String, bool)>, String> {
    let slug = slug.to_owned();
    db.read(move |tx| Box::pin(async move { read(tx, &slug).await })).await.unwrap()
}

type Announced = Result<Vec<(String, String, bool)>, String>;

async fn read(tx: &mut jalon_backend::db::Tx<'_>, slug: &str) -> Result<Announced, DbError> {
    let site: Uuid =
        on!(tx, conn => sqlx::query_scalar("SELECT id FROM site WHERE slug = $1").bind(slug).fetch_one(conn).await)?;
    let ids: Vec<Uuid> = on!(tx, conn => sqlx::query_scalar("SELECT id FROM enrollment WHERE site_id = $1").bind(site).fetch_all(conn).await)?;
    for id in ids {
        let row = store::enrollment(tx, SiteId(site), EnrollmentId(id)).await?.unwrap();
        let events = store::events_of_enrollment(tx, SiteId(site), EnrollmentId(id)).await?;
        if events.len() as u64 != row.version {
            return Ok(Err(format!("V1: {} events, version {}: {id}", events.len(), row.version)));
        }
        let (replayed, row) = (serde_json::to_string(&track::replay(&events)), serde_json::to_string(&Some(row)));
        if replayed.as_ref().unwrap() != row.as_ref().unwrap() {
            return Ok(Err(format!("V1: {replayed:?} by replay, {row:?} in the row")));
        }
    }
    let events: Vec<(Uuid, Uuid, Option<String>, Option<Uuid>)> = on!(tx, conn => sqlx::query_as(
        "SELECT id, subject_id, user_id, guest_id FROM event WHERE site_id = $1 AND type = 'track.completed'").bind(site).fetch_all(conn).await)?;
    let messages: Vec<(Uuid, String)> = on!(tx, conn => sqlx::query_as("SELECT id, payload FROM webhook_message WHERE site_id = $1").bind(site).fetch_all(conn).await)?;
    Ok(announced(&events, &messages))
}

fn announced(events: &[(Uuid, Uuid, Option<String>, Option<Uuid>)], messages: &[(Uuid, String)]) -> Announced {
    let mut once = BTreeMap::new();
    for (id, subject, user, guest) in events {
        if user.is_some() == guest.is_some() {
            return Err(format!("XOR: event {id}"));
        }
        if let Some(other) = once.insert((subject, user, guest), id) {
            return Err(format!("W1: {subject} was completed under two ids, {other} and {id}"));
        }
    }
    let by_event: BTreeSet<Uuid> = events.iter().map(|(id, ..)| *id).collect();
    let by_message: BTreeSet<Uuid> = messages.iter().map(|(id, _)| *id).collect();
    if by_event != by_message || messages.len() != by_message.len() {
        return Err(format!("W1: completed {by_event:?}, announced {by_message:?}"));
    }
    let mut said = Vec::new();
    for (id, payload) in messages {
        let data = serde_json::from_str::<Value>(payload).unwrap()["data"].take();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (user, guest) = (text(&data["user_id"]), text(&data["guest_id"]));
        if data["event_id"] != id.to_string() || user.is_some() == guest.is_some() {
            return Err(format!("W2: {payload}"));
        }
        let track = text(&data["track"]["slug"]).unwrap_or_default();
        said.push((track, user.or(guest).unwrap_or_default(), data["merged_from_guest"] == true));
    }
    said.sort();
    Ok(said)
}
