//! `Idempotency-Key`: the same key and body of the same caller answer the first result again.
//!
//! Who changes learning looks its key up and remembers its answer in the *same* write transaction as
//! the change, so that a key is never remembered without its change, nor the other way round.

use std::fmt::Write as _;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, request::Parts},
    response::Response,
};
use jalon_shared::{Learner, SiteId, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{code, error::ApiError};
use crate::db::{DbError, Rows, Tx, on};

/// The header that carries the key.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header that marks an answer given again.
pub const IDEMPOTENT_REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// The caller's key, if there is one; 400 `invalid_idempotency_key` when it is not a UUID.
#[derive(Clone, Copy, Default, Debug)]
pub struct IdemKey(pub Option<Uuid>);

impl IdemKey {
    /// Reads the header.
    pub fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return if headers.contains_key(IDEMPOTENCY_KEY) {
                Err(ApiError::new(&code::INVALID_IDEMPOTENCY_KEY).detail("The header came more than once."))
            } else {
                Ok(Self(None))
            };
        };
        let key = value.to_str().ok().and_then(|text| Uuid::try_parse(text.trim()).ok());
        key.map(|key| Self(Some(key))).ok_or_else(|| ApiError::new(&code::INVALID_IDEMPOTENCY_KEY))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdemKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::read(&parts.headers)
    }
}

/// What was asked, as SHA-256 hashes: of method, path, query and body. In the query the order does not matter,
/// nor does `lang`: it changes in which words is answered, not what is done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Fingerprint {
    /// As it is remembered.
    asked: [u8; 32],
    /// As it was remembered by servers that left the query out: a key of theirs may be asked again, from a
    /// server that took their place. No fingerprint of today is like one of those.
    before: [u8; 32],
}

/// Stands before what is hashed, so that no fingerprint is one of those without a query.
const FORM: &[u8] = b"jalon idempotency 2";

impl Fingerprint {
    /// The fingerprint of a request; the address is its path, with its query where it has one.
    pub fn of(method: &str, address: &str, body: &[u8]) -> Self {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let mut query: Vec<_> =
            url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "lang").collect();
        query.sort();
        let (method, path) = (method.as_bytes(), path.as_bytes());
        let mut parts = vec![FORM, method, path, body];
        parts.extend(query.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
        Self { asked: hash(&parts), before: hash(&[method, path, body]) }
    }

    /// As lower-case hexadecimal, the form in which a batch carries it through JSON.
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.asked {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Whether a remembered one was made of the same request.
    fn is(&self, remembered: &[u8]) -> bool {
        remembered == self.asked || remembered == self.before
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Whose key it is, as the table holds it: `g:<guest>`, `u:<user>`, `k:<api key>` or `anonymous`.
pub fn caller_of(learner: &Learner) -> String {
    match learner {
        Learner::Guest(id) => format!("g:{id}"),
        Learner::User(id) => format!("u:{id}"),
    }
}

/// The caller of a request without a token: there a key is the site's alone.
pub const ANONYMOUS: &str = "anonymous";

/// An answer given before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// Its HTTP status.
    pub status: u16,
    /// Its body (or what it can be made from again).
    pub response: String,
}

/// What is known of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// Nothing: do it.
    Fresh,
    /// It was done: answer this again, with `Idempotent-Replay: true`.
    Replay(Remembered),
    /// It was used for something else: 422 `idempotency_key_reused`.
    Reused,
}

/// One key to look up, in a group of many.
#[derive(Clone, Debug)]
pub struct Query {
    /// The caller's site.
    pub site: SiteId,
    /// See [`caller_of`].
    pub caller: String,
    /// The key.
    pub key: Uuid,
    /// What is asked now.
    pub fingerprint: Fingerprint,
}

/// One answer to remember, in a group of many.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What it answers.
    pub query: Query,
    /// Its HTTP status.
    pub status: u16,
    /// Its body.
    pub response: String,
}

/// Looks one key up.
pub async fn lookup(tx: &mut Tx<'_>, query: &Query) -> Result<Lookup, DbError> {
    let found: Option<(Vec<u8>, i64, String)> = on!(tx, conn => sqlx::query_as(
        "SELECT fingerprint, CAST(status AS BIGINT), response FROM idempotency WHERE site_id = $1 AND caller = $2 AND key = $3")
        .bind(query.site.0)
        .bind(&query.caller)
        .bind(query.key)
        .fetch_optional(&mut *conn).await)?;
    Ok(found.map_or(Lookup::Fresh, |row| judge(row, &query.fingerprint)))
}

fn judge((fingerprint, status, response): (Vec<u8>, i64, String), asked: &Fingerprint) -> Lookup {
    if asked.is(&fingerprint) {
        Lookup::Replay(Remembered { status: u16::try_from(status).unwrap_or(200), response })
    } else {
        Lookup::Reused
    }
}

/// Remembers one answer. A key that came in at the same moment by another backend is a constraint
/// error, so that the change it belongs to is rolled back with it.
pub async fn remember(tx: &mut Tx<'_>, answer: &Answer, now: Timestamp) -> Result<(), DbError> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO idempotency (site_id, caller, key, fingerprint, status, response, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(answer.query.site.0)
        .bind(&answer.query.caller)
        .bind(answer.query.key)
        .bind(answer.query.fingerprint.asked.as_slice())
        .bind(i32::from(answer.status))
        .bind(&answer.response)
        .bind(now.0)
        .execute(&mut *conn).await.map(drop))?;
    Ok(())
}

/// Looks many keys up in one statement; answers in the order asked.
pub async fn lookup_all(tx: &mut Tx<'_>, queries: &[Query]) -> Result<Vec<Lookup>, DbError> {
    const SQLITE: Rows = Rows {
        before: "SELECT q.column1, i.fingerprint, CAST(i.status AS BIGINT), i.response FROM (",
        row: "(?, ?, ?, ?)",
        after: ") AS q CROSS JOIN idempotency i ON i.site_id = q.column2 AND i.caller = q.column3 AND i.key = q.column4",
    };
    const POSTGRES: &str = "SELECT q.place, i.fingerprint, CAST(i.status AS BIGINT), i.response \
        FROM (SELECT CAST(value ->> 0 AS BIGINT) AS place, CAST(value ->> 1 AS UUID) AS site_id, \
                     value ->> 2 AS caller, CAST(value ->> 3 AS UUID) AS key \
              FROM jsonb_array_elements(CAST($1 AS JSONB))) q \
        JOIN idempotency i ON i.site_id = q.site_id AND i.caller = q.caller AND i.key = q.key";
    let mut answers = vec![Lookup::Fresh; queries.len()];
    if queries.is_empty() {
        return Ok(answers);
    }
    let batch: Vec<(i64, Uuid, &str, Uuid)> =
        (0..).zip(queries).map(|(place, query)| (place, query.site.0, query.caller.as_str(), query.key)).collect();
    let rows: Vec<(i64, Vec<u8>, i64, String)> = match tx {
        Tx::Sqlite(conn) => {
            SQLITE
                .fetch(conn, &batch, |query, (place, site, caller, key)| {
                    query.bind(*place).bind(*site).bind((*caller).to_owned()).bind(*key)
                })
                .await?
        }
        Tx::Postgres(conn) => {
            sqlx::query_as(POSTGRES).bind(serde_json::to_string(&batch)?).fetch_all(&mut **conn).await?
        }
    };
    for (place, fingerprint, status, response) in rows {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        if let (Some(answer), Some(query)) = (answers.get_mut(place), queries.get(place)) {
            *answer = judge((fingerprint, status, response), &query.fingerprint);
        }
    }
    Ok(answers)
}

/// Remembers many answers in one statement.
pub async fn remember_all(tx: &mut Tx<'_>, answers: &[Answer], now: Timestamp) -> Result<(), DbError> {
    const SQLITE: Rows = Rows {
        before: "INSERT INTO idempotency (site_id, caller, key, fingerprint, status, response, created_at) SELECT * FROM (",
        row: "(?, ?, ?, ?, ?, ?, ?)",
        after: ") WHERE column1 IS NOT NULL",
    };
    const POSTGRES: &str = "INSERT INTO idempotency (site_id, caller, key, fingerprint, status, response, created_at) \
        SELECT CAST(value ->> 0 AS UUID), value ->> 1, CAST(value ->> 2 AS UUID), decode(value ->> 3, 'hex'), CAST(value ->> 4 AS INTEGER), value ->> 5, $2 \
        FROM jsonb_array_elements(CAST($1 AS JSONB))";
    if answers.is_empty() {
        return Ok(());
    }
    match tx {
        Tx::Sqlite(conn) => {
            SQLITE
                .execute(conn, answers, |query, Answer { query: asked, status, response }| {
                    query
                        .bind(asked.site.0)
                        .bind(asked.caller.as_str())
                        .bind(asked.key)
                        .bind(asked.fingerprint.asked.as_slice())
                        .bind(i64::from(*status))
                        .bind(response.as_str())
                        .bind(now.0)
                })
                .await?;
        }
        Tx::Postgres(conn) => {
            let batch: Vec<_> = answers
                .iter()
                .map(|Answer { query, status, response }| {
                    (query.site.0, &query.caller, query.key, query.fingerprint.hex(), status, response)
                })
                .collect();
            sqlx::query(POSTGRES).bind(serde_json::to_string(&batch)?).bind(now.0).execute(&mut **conn).await?;
        }
    }
    Ok(())
}

/// Marks an answer as given before.
pub fn mark_replay(response: &mut Response) {
    response.headers_mut().insert(IDEMPOTENT_REPLAY, HeaderValue::from_static("true"));
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_uuid_or_refused() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IDEMPOTENCY_KEY, value.parse().unwrap());
            }
            IdemKey::read(&headers).map(|key| key.0.is_some()).map_err(|error| error.problem().code.to_string())
        };
        assert_eq!(read(&[]), Ok(false));
        assert_eq!(read(&["01890a5d-ac96-774b-bcce-b302099a8057"]), Ok(true));
        for bad in
            [&["1"][..], &[""], &["01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8057"]]
        {
            assert_eq!(read(bad), Err("invalid_idempotency_key".to_owned()));
        }
    }

    #[test]
    fn fingerprints_do_not_run_together() {
        assert_ne!(Fingerprint::of("POST", "/a", b"b"), Fingerprint::of("POST", "/ab", b""));
        assert_eq!(Fingerprint::of("POST", "/a", b"").hex().len(), 64);
    }

    #[test]
    fn d22_whatever_changes_what_is_done_changes_the_fingerprint_and_the_language_does_not() {
        let of = |address: &str| Fingerprint::of("POST", address, b"{}");
        let one = of("/a?step_id=1");
        for same in ["/a?lang=fr&step_id=1", "/a?step_id=1&lang=en,fr", "/a?step%5Fid=1", "/a?step_id=%31&"] {
            assert_eq!(of(same), one, "{same}");
        }
        for other in [
            "/a",
            "/a?step_id=2",
            "/a?step_id=",
            "/a?step_id=1&step_id=2",
            "/a?step_ids=1",
            "/a?step_id=1&x=1",
            "/b?step_id=1",
            "/astep_id1",
        ] {
            assert_ne!(of(other), one, "{other}");
            assert!(!one.is(&of(other).asked) && !of(other).is(&one.asked), "{other}");
        }
        assert_ne!(Fingerprint::of("PATCH", "/a?step_id=1", b"{}"), one);
        assert_ne!(Fingerprint::of("POST", "/a?step_id=1", b"{ }"), one);
        // What a server remembered that left the query out is the same request still, wherever it may be told.
        assert!(one.is(&of("/a").before) && !one.is(&of("/b").before));
    }
}
