//! Key sets of other servers (JWKS, RFC 7517): fetched, kept for ten minutes, and longer when the
//! other server does not answer.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::BoxFuture;
use jalon_shared::{SiteId, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde::Deserialize;

use super::strength;
use crate::kept::{Filling, Kept};

/// How long a key set is fresh, in seconds.
const FRESH_SECONDS: i64 = 600;
/// How long a stale one still serves when a new one can't be had, in seconds.
const STALE_SECONDS: i64 = 24 * 3600;
/// How soon a set is fetched again for a `kid` it lacks, or after a failure, in seconds.
const AGAIN_SECONDS: i64 = 30;
/// The most keys taken from a set.
const MAX_KEYS: usize = 50;
/// The most bytes a set may have; whoever fetches holds to it.
pub const MAX_BYTES: usize = 128 * 1024;

/// Fetches the text at an address: through a client that refuses private addresses, follows no
/// redirect, and gives up after a few seconds.
pub type Fetch = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Vec<u8>, String>> + Send + Sync>;

/// What a set weighs in memory, in bytes: it is fetched after it was put there, so the weight is that of a large
/// one.
const WEIGHT: usize = 16 * 1024;
/// Bytes of memory for key sets: a thousand of them. A site whose key sets change often doesn't push out others'.
const REMEMBERED: usize = 32 * 1024 * 1024;
/// The longest `kid` of a key that is used, in bytes.
const MAX_KID: usize = 256;

/// The key sets, by address.
#[derive(Clone)]
pub struct KeySets {
    fetch: Fetch,
    sets: Arc<Kept<String, Arc<Entry>>>,
}

impl std::fmt::Debug for KeySets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySets").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Entry {
    held: Mutex<Held>,
    /// Held by whoever fetches: one at a time.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Held {
    keys: Arc<Vec<Key>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    verifies: DecodingKey,
}

/// The set can't be had, and there is none from before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unavailable;

/// Whether moments lie at least so many seconds apart.
fn passed(since: Option<Timestamp>, now: Timestamp, seconds: i64) -> bool {
    since.is_none_or(|since| now.0.saturating_sub(since.0) >= seconds * 1000)
}

impl Held {
    fn usable(&self, now: Timestamp) -> bool {
        !passed(self.fetched_at, now, STALE_SECONDS)
    }

    fn lacks(&self, kid: Option<&str>) -> bool {
        kid.is_some_and(|kid| !self.keys.iter().any(|key| key.kid.as_deref() == Some(kid)))
    }

    /// Whether it should be fetched now: it is old, or lacks this key, and was not tried a moment ago.
    fn wants_fetch(&self, kid: Option<&str>, now: Timestamp) -> bool {
        passed(self.tried_at, now, AGAIN_SECONDS) && (passed(self.fetched_at, now, FRESH_SECONDS) || self.lacks(kid))
    }
}

impl Entry {
    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches, unless somebody else did while this one waited.
    async fn refresh(&self, fetch: &Fetch, url: &str, kid: Option<&str>, now: Timestamp) {
        let _one_at_a_time = self.fetching.lock().await;
        if !self.held().wants_fetch(kid, now) {
            return;
        }
        self.held().tried_at = Some(now);
        match fetch(url.to_owned()).await.and_then(|bytes| read(&bytes)) {
            Ok(keys) => {
                let mut held = self.held();
                held.keys = Arc::new(keys);
                held.fetched_at = Some(now);
            }
            Err(error) => {
                // A query may hold a secret.
                let place = url.split('?').next().unwrap_or_default();
                tracing::warn!(url = place, error, "a key set can't be fetched");
            }
        }
    }
}

impl KeySets {
    /// Key sets that are fetched like this.
    pub fn new(fetch: Fetch) -> Self {
        Self { fetch, sets: Arc::new(Kept::new(REMEMBERED)) }
    }

    /// How full the memory for key sets is.
    pub fn filling(&self) -> Filling {
        self.sets.filling()
    }

    /// The keys for this algorithm: the one of this `kid`, or all where the token names none.
    ///
    /// A set that is merely old answers at once and is fetched beside: members must not wait for
    /// another server that is slow or away.
    pub async fn keys(
        &self,
        site: SiteId,
        url: &str,
        kid: Option<&str>,
        algorithm: Algorithm,
        now: Timestamp,
    ) -> Result<Vec<DecodingKey>, Unavailable> {
        let entry = self.sets.get(url).unwrap_or_else(|| {
            let entry = Arc::<Entry>::default();
            self.sets.put(&url.to_owned(), site, WEIGHT, false, Arc::clone(&entry));
            entry
        });
        let held = entry.held().clone();
        if held.wants_fetch(kid, now) {
            if held.usable(now) && !held.lacks(kid) {
                let (entry, fetch, url) = (Arc::clone(&entry), Arc::clone(&self.fetch), url.to_owned());
                tokio::spawn(async move { entry.refresh(&fetch, &url, None, now).await });
            } else {
                entry.refresh(&self.fetch, url, kid, now).await;
            }
        } else if !held.usable(now) || held.lacks(kid) {
            // Somebody may be fetching it at this moment: their answer is ours, too.
            drop(entry.fetching.lock().await);
        }
        let held = entry.held().clone();
        if !held.usable(now) {
            return Err(Unavailable);
        }
        let fits = |key: &&Key| key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid);
        Ok(held.keys.iter().filter(fits).map(|key| key.verifies.clone()).collect())
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

fn read(bytes: &[u8]) -> Result<Vec<Key>, String> {
    // Not in serde's words: they repeat what stands there, which is anybody's.
    let set: Set = serde_json::from_slice(bytes)
        .map_err(|error| format!("what comes is no key set, at line {} column {}", error.line(), error.column()))?;
    // A key of a kind we don't know must not spoil the others (RFC 7517, 5).
    Ok(set.keys.into_iter().take(MAX_KEYS).filter_map(|key| read_key(&serde_json::from_value(key).ok()?)).collect())
}

fn read_key(jwk: &Jwk) -> Option<Key> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        // Symmetric keys have no place in a public set.
        _ => return None,
    };
    if let AlgorithmParameters::EllipticCurve(curve) = &jwk.algorithm {
        // Each in full (RFC 7518, 6.2.1.2): joined, a byte too many here could hide one that lacks there.
        let full = |text: &str| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32);
        if !full(&curve.x) || !full(&curve.y) {
            return None;
        }
    }
    if jwk.common.key_id.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
        return None;
    }
    let fits = jwk.common.key_algorithm.is_none_or(|named| named == algorithm.into());
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    if !fits || !signs {
        return None;
    }
    let verifies = DecodingKey::from_jwk(jwk).ok()?;
    if let Err(why) = strength::check(algorithm, &verifies) {
        tracing::warn!(kid = jwk.common.key_id, %why, "a key of a set is not used");
        return None;
    }
    Some(Key { kid: jwk.common.key_id.clone(), algorithm, verifies })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const ED: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[tokio::test]
    async fn a_set_is_fetched_rarely_and_outlives_a_failure() {
        let fetched = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&fetched);
        let sets = KeySets::new(Arc::new(move |_| {
            let count = counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                if count == 0 {
                    Ok(format!(
                        "{{\"keys\":[{ED},{{\"kty\":\"oct\",\"kid\":\"b\",\"k\":\"c2VjcmV0\"}},{{\"kty\":\"new\"}}]}}"
                    )
                    .into_bytes())
                } else {
                    Err("down".into())
                }
            })
        }));
        let ask = async |kid: Option<&str>, at: i64| {
            sets.keys(SiteId(uuid::Uuid::nil()), "https://id.example/jwks", kid, Algorithm::EdDSA, Timestamp(at * 1000))
                .await
                .map(|keys| keys.len())
        };
        assert_eq!(ask(Some("a"), 0).await, Ok(1));
        assert_eq!(ask(None, 1).await, Ok(1), "without a kid, all of that algorithm");
        assert_eq!(ask(Some("b"), 2).await, Ok(0), "a symmetric key is none; and no fetch so soon");
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
        assert_eq!(ask(Some("z"), 40).await, Ok(0), "an unknown kid lets it be fetched again");
        assert_eq!(ask(Some("z"), 50).await, Ok(0));
        assert_eq!(fetched.load(Ordering::SeqCst), 2);
        assert_eq!(ask(Some("a"), 700).await, Ok(1), "old, but the other server is down");
        while fetched.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(Some("a"), 100_000).await, Err(Unavailable), "too old");
        assert_eq!(
            sets.keys(
                SiteId(uuid::Uuid::nil()),
                "https://id.example/jwks",
                Some("a"),
                Algorithm::ES256,
                Timestamp(701_000)
            )
            .await
            .unwrap()
            .len(),
            0,
            "the algorithm is the key's"
        );
    }

    /// The base point of P-256 as a key: its coordinates, cut where they should be, and where they should not.
    #[test]
    fn a_coordinate_too_long_hides_none_too_short() {
        let x = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY";
        let y = "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
        let both = [x, y].map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).concat();
        let taken = |at: usize| {
            let [x, y] = [&both[..at], &both[at..]].map(|part| URL_SAFE_NO_PAD.encode(part));
            let key = serde_json::json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
            read_key(&serde_json::from_value(key).unwrap()).is_some()
        };
        assert!(taken(32) && !taken(31) && !taken(33) && !taken(0) && !taken(64));
    }
}
