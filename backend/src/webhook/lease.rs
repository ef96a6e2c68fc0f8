//! Deliveries under lease: who holds one may try it, and says what came of it.
//!
//! Leases begin and end by one clock, the database's where several servers share one ([`LeaseTime`]).
//!
//! Claimed by state and lease (`next_at <= now AND lease_until <= now`), never by "newer than the last
//! one": a row that commits late is found like any other. A server that dies loses its leases when they
//! end (`--lease`); one that stops hands them back.

use std::time::{Duration, Instant};

use jalon_shared::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::clock::{self, LeaseTime};
use crate::db::{Db, DbError, Tx, execute, on, pg_now};
use crate::failpoint;

/// A delivery that is ours to try.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its id.
    pub id: Uuid,
    /// Where it goes.
    pub endpoint: Uuid,
    /// The event's id.
    pub message: Uuid,
    /// Attempts made before.
    pub attempts: u32,
    /// The endpoint's address.
    pub url: String,
    /// The endpoint's live secrets, the newest first.
    pub secrets: Vec<String>,
    /// The body.
    pub payload: String,
    /// When the lease ends, at the latest, by this server's own clock.
    pub until: Timestamp,
    /// When the claim began, whatever the clock says.
    pub since: Instant,
}

/// What came of an attempt, as it is written: the delivery's new state and the attempt itself.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The delivery.
    pub id: Uuid,
    /// Where it went.
    pub endpoint_id: Uuid,
    /// The attempt's own id.
    pub attempt_id: Uuid,
    /// `pending`, `delivered` or `parked`.
    pub state: &'static str,
    /// When it is tried next, if it is.
    pub next_at: i64,
    /// The answer's status.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// When the attempt began.
    pub at: i64,
    /// How long it took.
    pub duration_ms: u64,
    /// The beginning of what the receiver said.
    pub excerpt: Option<String>,
    /// When the delivery was finished, if it is.
    pub finished_at: Option<i64>,
    /// Whether the receiver wants nothing more, ever (410).
    pub gone: bool,
}

#[derive(Serialize)]
struct Id {
    id: Uuid,
}

fn ids(ids: impl IntoIterator<Item = Uuid>) -> Result<String, DbError> {
    Ok(serde_json::to_string(&ids.into_iter().map(|id| Id { id }).collect::<Vec<_>>())?)
}

/// What a look for work found.
#[derive(Clone, Debug)]
pub struct Look {
    /// The endpoints that something is due for.
    pub due: Vec<Uuid>,
    /// When it looked, by the clock that decides.
    pub at: Timestamp,
    /// Whether it looked at everything, rather than only at what became due of late.
    pub whole: bool,
}

/// Looks for work. With a `floor` it first asks whether anything is due whose time came at or after that (in
/// milliseconds), and looks at everything only if so.
///
/// A snapshot that is held open elsewhere (a backup, a report) keeps the index entries of all that was delivered
/// since: a look at everything reads them, one from a floor begins behind them. What it can't see are rows that
/// committed later than the floor allows for, and leases of servers that died: whoever looks must look at
/// everything now and then.
pub async fn look(db: &Db, now: LeaseTime, floor: Option<i64>) -> Result<Look, DbError> {
    const SQLITE: &str = "SELECT $1, EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.state = 'pending' AND d.next_at >= $2 AND d.next_at <= $1 \
        AND d.lease_until <= $1 AND EXISTS (SELECT 1 FROM webhook_endpoint e WHERE e.id = d.endpoint_id AND e.enabled))";
    const POSTGRES: &str = concat!(
        "SELECT ",
        pg_now!("$1"),
        ", EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.state = 'pending' AND d.next_at >= $2 AND d.next_at <= ",
        pg_now!("$1"),
        " AND d.lease_until <= ",
        pg_now!("$1"),
        " AND EXISTS (SELECT 1 FROM webhook_endpoint e WHERE e.id = d.endpoint_id AND e.enabled))"
    );
    db.read(move |tx| {
        Box::pin(async move {
            if let Some(floor) = floor {
                let (sql, given) = (tx.pick(SQLITE, POSTGRES), now.given(tx.is_sqlite()));
                let (at, waits): (i64, bool) =
                    on!(tx, conn => sqlx::query_as(sql).bind(given).bind(floor).fetch_one(conn).await)?;
                if !waits {
                    return Ok(Look { due: Vec::new(), at: Timestamp(at), whole: false });
                }
            }
            let at = tx.now(now).await?;
            Ok(Look { due: due_in(tx, at).await?, at, whole: true })
        })
    })
    .await
}

/// The endpoints that something is due for.
pub async fn due(db: &Db, now: impl Into<LeaseTime>) -> Result<Vec<Uuid>, DbError> {
    Ok(look(db, now.into(), None).await?.due)
}

/// Walks from endpoint to endpoint along the index of what
/// waits, so that a long queue of one costs no more than a short one.
async fn due_in(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Uuid>, DbError> {
    const SQL: &str = "WITH RECURSIVE waiting(endpoint_id) AS ( \
            SELECT endpoint_id FROM (SELECT endpoint_id FROM webhook_delivery WHERE state = 'pending' ORDER BY endpoint_id LIMIT 1) AS first_one \
            UNION ALL \
            SELECT (SELECT d.endpoint_id FROM webhook_delivery d WHERE d.state = 'pending' AND d.endpoint_id > w.endpoint_id ORDER BY d.endpoint_id LIMIT 1) \
            FROM waiting w WHERE w.endpoint_id IS NOT NULL) \
        SELECT e.id FROM waiting w JOIN webhook_endpoint e ON e.id = w.endpoint_id WHERE e.enabled AND EXISTS ( \
            SELECT 1 FROM webhook_delivery d WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.next_at <= $1 AND d.lease_until <= $1)";
    Ok(on!(tx, conn => sqlx::query_scalar(SQL).bind(now.0).fetch_all(conn).await)?)
}

/// Leases what is due for these endpoints to `me`, for so long: the oldest first, for each as many as it
/// has room for. Never what somebody else holds.
pub async fn claim(
    db: &Db,
    me: String,
    wanted: Vec<(Uuid, usize)>,
    now: impl Into<LeaseTime>,
    lease: Duration,
) -> Result<Vec<Claimed>, DbError> {
    let now = now.into();
    // Before it is asked for: by our own clock it ends no later than it does.
    let claim = Claim { me, own_until: clock::after(now.own(), lease), since: Instant::now() };
    db.write(move |tx| {
        Box::pin(async move {
            let mut claimed = Vec::new();
            let now = tx.now(now).await?;
            for (endpoint, room) in wanted {
                let room = i64::try_from(room).unwrap_or(i64::MAX);
                claim_for(tx, &claim, endpoint, room, (now, clock::after(now, lease)), &mut claimed).await?;
            }
            if !claimed.is_empty() {
                failpoint::reach("webhook.claiming");
            }
            Ok(claimed)
        })
    })
    .await
}

/// What all that is claimed at once has in common.
struct Claim {
    me: String,
    own_until: Timestamp,
    since: Instant,
}

async fn claim_for(
    tx: &mut Tx<'_>,
    claim: &Claim,
    endpoint: Uuid,
    room: i64,
    (now, until): (Timestamp, Timestamp),
    claimed: &mut Vec<Claimed>,
) -> Result<(), DbError> {
    type Row = (Uuid, Uuid, i32, String);
    const SQLITE: &str = "UPDATE webhook_delivery SET lease_until = $2, lease_owner = $3 WHERE id IN ( \
            SELECT w.id FROM webhook_delivery w WHERE w.endpoint_id = $4 AND w.state = 'pending' \
            AND w.next_at <= $1 AND w.lease_until <= $1 ORDER BY w.next_at LIMIT $5) \
        RETURNING id, message_id, attempts, (SELECT m.payload FROM webhook_message m WHERE m.id = message_id)";
    // An array is made once; a subquery that PostgreSQL ran again would lock more rows than it may.
    const POSTGRES: &str = "UPDATE webhook_delivery SET lease_until = $2, lease_owner = $3 WHERE id = ANY(ARRAY( \
            SELECT w.id FROM webhook_delivery w WHERE w.endpoint_id = $4 AND w.state = 'pending' \
            AND w.next_at <= $1 AND w.lease_until <= $1 ORDER BY w.next_at LIMIT $5 FOR NO KEY UPDATE SKIP LOCKED)) \
        RETURNING id, message_id, attempts, (SELECT m.payload FROM webhook_message m WHERE m.id = message_id)";
    const ENDPOINT: &str = "SELECT e.url, s.secret FROM webhook_endpoint e \
        LEFT JOIN webhook_secret s ON s.site_id = e.site_id AND s.endpoint_id = e.id AND (s.expires_at IS NULL OR s.expires_at > $2) \
        WHERE e.id = $1 ORDER BY s.created_at DESC, s.id DESC";
    let sql = tx.pick(SQLITE, POSTGRES);
    let rows: Vec<Row> = on!(tx, conn => sqlx::query_as(sql).bind(now.0).bind(until.0).bind(&claim.me).bind(endpoint).bind(room).fetch_all(conn).await)?;
    if rows.is_empty() {
        return Ok(());
    }
    let known: Vec<(String, Option<String>)> =
        on!(tx, conn => sqlx::query_as(ENDPOINT).bind(endpoint).bind(now.0).fetch_all(conn).await)?;
    let Some((url, _)) = known.first() else { return Ok(()) };
    let secrets: Vec<String> = known.iter().filter_map(|(_, secret)| secret.clone()).collect();
    claimed.extend(rows.into_iter().map(|(id, message, attempts, payload)| Claimed {
        id,
        endpoint,
        message,
        attempts: u32::try_from(attempts).unwrap_or(0),
        url: url.clone(),
        secrets: secrets.clone(),
        payload,
        until: claim.own_until,
        since: claim.since,
    }));
    Ok(())
}

/// Writes what came of attempts, and hands back what was not tried. An outcome counts while `me` holds
/// the lease; that the receiver took it counts always.
pub async fn settle(
    db: &Db,
    me: String,
    outcomes: &[Outcome],
    returned: &[Uuid],
    now: impl Into<LeaseTime>,
) -> Result<(), DbError> {
    let now = now.into();
    if outcomes.is_empty() && returned.is_empty() {
        return Ok(());
    }
    let rows = (!outcomes.is_empty()).then(|| serde_json::to_string(outcomes)).transpose()?;
    let gone = outcomes.iter().any(|outcome| outcome.gone);
    let returned = (!returned.is_empty()).then(|| ids(returned.iter().copied())).transpose()?;
    db.write(move |tx| {
        Box::pin(async move {
            if let Some(rows) = &rows {
                write_outcomes(tx, &me, rows, now).await?;
                failpoint::reach("webhook.recording");
                if gone {
                    disable_gone(tx, rows, now.own()).await?;
                }
            }
            if let Some(returned) = &returned {
                hand_back(tx, &me, returned, now).await?;
            }
            Ok(())
        })
    })
    .await
}

async fn write_outcomes(tx: &mut Tx<'_>, me: &str, rows: &str, now: LeaseTime) -> Result<(), DbError> {
    const SQLITE: &str = "UPDATE webhook_delivery SET state = r.new_state, attempts = attempts + 1, next_at = r.new_next_at, lease_until = 0, \
            lease_owner = NULL, last_status = r.status, last_error = r.error, finished_at = r.new_finished_at \
        FROM (SELECT unhex(value ->> 'id', '-') AS delivery_id, value ->> 'state' AS new_state, value ->> 'next_at' AS new_next_at, \
            value ->> 'status' AS status, value ->> 'error' AS error, value ->> 'finished_at' AS new_finished_at FROM json_each($1)) AS r \
        WHERE id = r.delivery_id AND (state = 'pending' AND lease_owner = $2 OR state <> 'delivered' AND r.new_state = 'delivered')";
    // An outcome says by our clock when the next attempt is; it is that long after the present of the clock that decides.
    const POSTGRES: &str = concat!(
        "UPDATE webhook_delivery AS d SET state = r.state, attempts = d.attempts + 1, \
            next_at = (r.next_at - $4) + ",
        pg_now!("$3"),
        ", lease_until = 0, \
            lease_owner = NULL, last_status = r.status, last_error = r.error, finished_at = r.finished_at \
        FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, state text, next_at bigint, status integer, error text, finished_at bigint) \
        WHERE d.id = r.id AND (d.state = 'pending' AND d.lease_owner = $2 OR d.state <> 'delivered' AND r.state = 'delivered')"
    );
    // Joined with the deliveries: an endpoint may have been deleted under an attempt.
    const ATTEMPTS_SQLITE: &str = "INSERT INTO webhook_attempt (id, site_id, delivery_id, at, status, error, duration_ms, response_excerpt) \
        SELECT unhex(r.value ->> 'attempt_id', '-'), d.site_id, d.id, r.value ->> 'at', r.value ->> 'status', r.value ->> 'error', \
            r.value ->> 'duration_ms', r.value ->> 'excerpt' \
        FROM json_each($1) AS r CROSS JOIN webhook_delivery d ON d.id = unhex(r.value ->> 'id', '-') WHERE true ON CONFLICT DO NOTHING";
    const ATTEMPTS_POSTGRES: &str = "INSERT INTO webhook_attempt (id, site_id, delivery_id, at, status, error, duration_ms, response_excerpt) \
        SELECT r.attempt_id, d.site_id, d.id, r.at, r.status, r.error, r.duration_ms, r.excerpt \
        FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, attempt_id uuid, at bigint, status integer, error text, duration_ms bigint, excerpt text) \
        JOIN webhook_delivery d ON d.id = r.id ON CONFLICT DO NOTHING";
    let (update, insert) = (tx.pick(SQLITE, POSTGRES), tx.pick(ATTEMPTS_SQLITE, ATTEMPTS_POSTGRES));
    match tx {
        Tx::Sqlite(_) => execute!(tx, sqlx::query(update).bind(rows).bind(me))?,
        Tx::Postgres(_) => {
            execute!(tx, sqlx::query(update).bind(rows).bind(me).bind(now.given(false)).bind(now.own().0))?
        }
    };
    execute!(tx, sqlx::query(insert).bind(rows)).map(drop)
}

/// 410: disables the endpoint, unless somebody changed it since the attempt began, and parks all that
/// waits for it (W4).
async fn disable_gone(tx: &mut Tx<'_>, rows: &str, now: Timestamp) -> Result<(), DbError> {
    const SQLITE: &str = "UPDATE webhook_endpoint SET enabled = FALSE, disabled_reason = 'gone', updated_at = $2 \
        WHERE enabled AND EXISTS (SELECT 1 FROM json_each($1) AS r WHERE r.value ->> 'gone' AND unhex(r.value ->> 'endpoint_id', '-') = webhook_endpoint.id \
        AND r.value ->> 'at' >= updated_at) RETURNING id";
    const POSTGRES: &str = "UPDATE webhook_endpoint SET enabled = FALSE, disabled_reason = 'gone', updated_at = $2 \
        WHERE enabled AND EXISTS (SELECT 1 FROM jsonb_to_recordset($1::jsonb) AS r(endpoint_id uuid, gone boolean, at bigint) \
        WHERE r.gone AND r.endpoint_id = webhook_endpoint.id AND r.at >= updated_at) RETURNING id";
    const PARK: &str = "UPDATE webhook_delivery SET state = 'parked', lease_until = 0, lease_owner = NULL, finished_at = $2, \
        last_error = 'the endpoint was disabled: it answered 410 Gone' WHERE endpoint_id = $1 AND state = 'pending'";
    let sql = tx.pick(SQLITE, POSTGRES);
    let disabled: Vec<Uuid> = on!(tx, conn => sqlx::query_scalar(sql).bind(rows).bind(now.0).fetch_all(conn).await)?;
    for endpoint in disabled {
        execute!(tx, sqlx::query(PARK).bind(endpoint).bind(now.0))?;
    }
    Ok(())
}

/// They are due at this moment, so that a look from a floor finds them.
async fn hand_back(tx: &mut Tx<'_>, me: &str, returned: &str, now: LeaseTime) -> Result<(), DbError> {
    const SQLITE: &str = "UPDATE webhook_delivery SET lease_until = 0, lease_owner = NULL, next_at = max(next_at, $3) \
        WHERE lease_owner = $2 AND id IN (SELECT unhex(value ->> 'id', '-') FROM json_each($1))";
    const POSTGRES: &str = "UPDATE webhook_delivery SET lease_until = 0, lease_owner = NULL, next_at = greatest(next_at, $3) \
        WHERE lease_owner = $2 AND id IN (SELECT r.id FROM jsonb_to_recordset($1::jsonb) AS r(id uuid))";
    let (sql, now) = (tx.pick(SQLITE, POSTGRES), tx.now(now).await?);
    execute!(tx, sqlx::query(sql).bind(returned).bind(me).bind(now.0)).map(drop)
}
