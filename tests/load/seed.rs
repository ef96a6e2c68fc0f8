//! Enrollments by the million, written straight into the tables: copies of one that the API made.

use anyhow::Result;
use jalon_backend::db::{Db, DbError, execute};
use jalon_shared::{GuestId, Timestamp};
use uuid::Uuid;

/// Learners one statement makes.
const CHUNK: i64 = 50_000;

/// The guest with this number.
pub fn guest(number: i64) -> GuestId {
    GuestId(numbered(0x0190_0000_0000_7000, number))
}

/// The enrollment with this number.
pub fn enrollment(number: i64) -> Uuid {
    numbered(0x0190_0000_0001_7000, number)
}

fn numbered(prefix: u64, number: i64) -> Uuid {
    Uuid::from_u64_pair(prefix, 0x8000_0000_0000_0000 | number.unsigned_abs())
}

/// Adds the learners `from..=to`: a guest, an enrollment and its first event each, all like `template`.
pub async fn seed(db: &Db, template: Uuid, from: i64, to: i64, expires_at: Timestamp) -> Result<()> {
    const NUMBERS_SQLITE: &str = "WITH RECURSIVE n(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2) ";
    const NUMBERS_POSTGRES: &str = "WITH n AS (SELECT i FROM generate_series($1::bigint, $2::bigint) AS i) ";
    const GUEST: &str = "INSERT INTO guest (id, site_id, created_at, expires_at) \
        {n} SELECT {guest}, e.site_id, e.started_at, $4 FROM n CROSS JOIN enrollment e WHERE e.id = $3";
    const ENROLLMENT: &str = "INSERT INTO enrollment (id, site_id, track_id, track_version, guest_id, current_step_order, version, \
        started_at, time_spent_seconds, lang, merged_from_guest, progress) \
        {n} SELECT {enrollment}, e.site_id, e.track_id, e.track_version, {guest}, e.current_step_order, e.version, \
        e.started_at, e.time_spent_seconds, e.lang, e.merged_from_guest, e.progress FROM n CROSS JOIN enrollment e \
        WHERE e.id = $3 AND $4 > 0";
    const EVENT: &str = "INSERT INTO event (id, site_id, subject_id, seq, type, guest_id, at, cause, payload) \
        {n} SELECT {event}, v.site_id, {enrollment}, v.seq, v.type, {guest}, v.at, v.cause, v.payload FROM n CROSS JOIN event v \
        WHERE v.subject_id = $3 AND $4 > 0";
    let id = |prefix: &str| {
        if db.is_sqlite() {
            format!("unhex(printf('{prefix}80%014x', n.i))")
        } else {
            format!("('{prefix}80' || lpad(to_hex(n.i), 14, '0'))::uuid")
        }
    };
    let numbers = if db.is_sqlite() { NUMBERS_SQLITE } else { NUMBERS_POSTGRES };
    let texts = [GUEST, ENROLLMENT, EVENT].map(|text| {
        text.replace("{n}", numbers)
            .replace("{guest}", &id("0190000000007000"))
            .replace("{enrollment}", &id("0190000000017000"))
            .replace("{event}", &id("0190000000027000"))
    });
    let mut first = from;
    while first <= to {
        let last = (first + CHUNK - 1).min(to);
        for text in texts.clone() {
            db.write(move |tx| {
                Box::pin(async move {
                    execute!(
                        tx,
                        sqlx::query(sqlx::AssertSqlSafe(text)).bind(first).bind(last).bind(template).bind(expires_at.0)
                    )?;
                    Ok::<_, DbError>(())
                })
            })
            .await?;
        }
        first = last + 1;
    }
    Ok(())
}

/// Gives the enrollments with these numbers to members, with an event each: the rows of a merge.
pub async fn give(db: &Db, from: i64, to: i64) -> Result<()> {
    const OWNER: &str = "UPDATE enrollment SET guest_id = NULL, user_id = {user}, merged_from_guest = TRUE, version = version + 1 \
        WHERE id >= {first} AND id <= {last}";
    const EVENT: &str = "INSERT INTO event (id, site_id, subject_id, seq, type, user_id, at, cause, payload) \
        SELECT {event}, site_id, id, version, 'guest.merged', user_id, started_at, 'alone', '{}' FROM enrollment \
        WHERE id >= {first} AND id <= {last}";
    let id = |bind: &str| {
        if db.is_sqlite() {
            format!("unhex(printf('019000000001700080%014x', {bind}))")
        } else {
            format!("('019000000001700080' || lpad(to_hex({bind}::bigint), 14, '0'))::uuid")
        }
    };
    let event = if db.is_sqlite() { "randomblob(16)" } else { "gen_random_uuid()" };
    // All of them are in one track, where each member is once.
    let user = if db.is_sqlite() { "hex(id)" } else { "id::text" };
    let texts = [OWNER, EVENT].map(|text| {
        text.replace("{first}", &id("$1"))
            .replace("{last}", &id("$2"))
            .replace("{event}", event)
            .replace("{user}", user)
    });
    db.write(move |tx| {
        Box::pin(async move {
            for text in texts {
                execute!(tx, sqlx::query(sqlx::AssertSqlSafe(text)).bind(from).bind(to))?;
            }
            Ok::<_, DbError>(())
        })
    })
    .await?;
    Ok(())
}
