//! What those do who run a site, in its audit trail: written in the transaction that does it, beside the
//! events of learning. Never a secret, never free text.

use jalon_shared::{SiteId, Timestamp, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    db::{DbError, Tx, on},
    http::auth::Actor,
    id,
};

/// A site was made.
pub const SITE_CREATED: &str = "site.created";
/// Its settings or origins were changed.
pub const SITE_CHANGED: &str = "site.changed";
/// An API key was made.
pub const KEY_CREATED: &str = "site.key_created";
/// An API key was revoked.
pub const KEY_REVOKED: &str = "site.key_revoked";
/// A key that signs members' tokens was added.
pub const SIGNING_KEY_ADDED: &str = "site.signing_key_added";
/// A key that signs members' tokens was given an end.
pub const SIGNING_KEY_EXPIRED: &str = "site.signing_key_expired";

/// A course's enrollments were brought to its published version and counted anew.
pub const COURSE_RECALCULATED: &str = "site.course_recalculated";

/// A learner's courses were given what the learner answered right in others.
pub const POINTS_SYNCED: &str = "site.points_synced";

/// All types of these events begin so, by which the index and [`forget`] find them.
#[cfg(test)]
const PREFIX: &str = "site.";

/// Who did it; nobody where the operator did, on the command line.
pub type By = Option<Actor>;

/// Writes down what was done to `subject`: a key, a course, or the site itself. Whoever calls holds
/// the row of that, or the site's, so that two don't count alike.
pub async fn record(
    tx: &mut Tx<'_>,
    site: SiteId,
    by: &By,
    kind: &'static str,
    subject: Uuid,
    mut what: Value,
    now: Timestamp,
) -> Result<(), DbError> {
    let (by, key, user) = match by {
        None => ("command_line", None, None),
        Some(Actor::Key(id)) => ("key", Some(*id), None),
        Some(Actor::Member(user)) => ("member", None, Some(user.as_str())),
    };
    what["by"] = json!(by);
    what["key_id"] = json!(key);
    let (id, payload) = (id::new_v7(now), what.to_string());
    insert(tx, site, id, (subject, None), kind, user, now.0, &payload).await
}

/// Takes a person's name out of what they did for the site: that it was done stays.
pub async fn forget(tx: &mut Tx<'_>, site: SiteId, user: &UserId) -> Result<(), DbError> {
    type Row = (Uuid, Uuid, i64, String, i64, String);
    const THEIRS: &str = "SELECT id, subject_id, seq, type, at, payload FROM event WHERE site_id = $1 AND user_id = $2 AND substr(type, 1, 5) = 'site.'";
    const DELETE: &str = "DELETE FROM event WHERE site_id = $1 AND user_id = $2 AND substr(type, 1, 5) = 'site.'";
    let theirs: Vec<Row> =
        on!(tx, conn => sqlx::query_as(THEIRS).bind(site.0).bind(user.as_str()).fetch_all(conn).await)?;
    if theirs.is_empty() {
        return Ok(());
    }
    // Events are never edited: this is another one, which takes its place.
    on!(tx, conn => sqlx::query(DELETE).bind(site.0).bind(user.as_str()).execute(conn).await.map(drop))?;
    for (id, subject, seq, kind, at, payload) in theirs {
        insert(tx, site, id, (subject, Some(seq)), &kind, None, at, &payload).await?;
    }
    Ok(())
}

/// Takes enrollments of somebody who is erased out of what staff did for them: how many there were, stays. What is
/// written down today names none.
pub async fn forget_enrollments(tx: &mut Tx<'_>, site: SiteId, enrollments: &[Uuid]) -> Result<(), DbError> {
    type Row = (Uuid, Uuid, i64, Option<String>, i64, String);
    // By the index of what staff did.
    const SYNCED: &str = "SELECT id, subject_id, seq, user_id, at, payload FROM event \
        WHERE site_id = $1 AND substr(type, 1, 5) = 'site.' AND type = 'site.points_synced'";
    const DELETE: &str = "DELETE FROM event WHERE site_id = $1 AND id = $2";
    if enrollments.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = enrollments.iter().map(Uuid::to_string).collect();
    let synced: Vec<Row> = on!(tx, conn => sqlx::query_as(SYNCED).bind(site.0).fetch_all(conn).await)?;
    for (id, subject, seq, user, at, payload) in synced {
        if !names.iter().any(|name| payload.contains(name)) {
            continue;
        }
        let mut what: Value = serde_json::from_str(&payload)?;
        what["enrollments"] = json!(what["enrollments"].as_array().map_or(0, Vec::len));
        // Events are never edited: this is another one, which takes its place.
        on!(tx, conn => sqlx::query(DELETE).bind(site.0).bind(id).execute(conn).await.map(drop))?;
        insert(tx, site, id, (subject, Some(seq)), POINTS_SYNCED, user.as_deref(), at, &what.to_string()).await?;
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "a row's columns")]
async fn insert(
    tx: &mut Tx<'_>,
    site: SiteId,
    id: Uuid,
    (subject, seq): (Uuid, Option<i64>),
    kind: &str,
    user: Option<&str>,
    at: i64,
    payload: &str,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO event (id, site_id, subject_id, seq, type, user_id, guest_id, at, cause, payload) \
        VALUES ($1, $2, $3, coalesce($4, (SELECT coalesce(max(seq), 0) + 1 FROM event WHERE subject_id = $3)), $5, $6, NULL, $7, NULL, $8)";
    on!(tx, conn => sqlx::query(SQL).bind(id).bind(site.0).bind(subject).bind(seq).bind(kind).bind(user).bind(at).bind(payload)
        .execute(conn).await.map(drop))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_knows_these_types() {
        assert_eq!(PREFIX.len(), 5, "substr(type, 1, 5) in the statements and in migration 6");
        let sites = [SITE_CREATED, SITE_CHANGED, KEY_CREATED, KEY_REVOKED, SIGNING_KEY_ADDED, SIGNING_KEY_EXPIRED];
        for kind in sites.into_iter().chain([COURSE_RECALCULATED, POINTS_SYNCED]) {
            assert!(kind.starts_with(PREFIX), "{kind}");
        }
    }
}
