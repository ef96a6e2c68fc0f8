//! Rate limits: per address, per learner, per site; stricter for new guests. A limiter is one map; a check is one lookup.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::atomic::{AtomicBool, Ordering},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderName, request::Parts},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::keyed::DashMapStateStore,
};
use jalon_shared::{Learner, SiteId};
use uuid::Uuid;

use super::error::ApiError;
use crate::{app::AppState, config};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The limits; each may be off.
#[derive(Debug)]
pub struct Limits {
    address: Option<Limit>,
    guests: Option<Limit>,
    learner: Option<Limit>,
    site: Option<Limit>,
}

/// Keys of one limit that are counted apart, at most: about 10 MB.
const APART: usize = 200_000;
/// Beyond that, new keys share so many counts, so that memory stays bounded whatever addresses a flood comes from.
const SHARED: u64 = 65_536;
/// How often the number of keys is looked at: once in so many checks of a key, by its hash.
const LOOK: u64 = 256;

/// One limit. Keys are hashed to 64 bits with a seed nobody outside knows, so an entry is small.
#[derive(Debug)]
struct Limit {
    limiter: RateLimiter<u64, DashMapStateStore<u64>, DefaultClock>,
    seed: RandomState,
    /// Whether it holds as many keys as it may.
    full: AtomicBool,
}

impl Limit {
    fn new(per_minute: u32) -> Option<Self> {
        let quota = Quota::per_minute(NonZeroU32::new(per_minute)?);
        Some(Self { limiter: RateLimiter::dashmap(quota), seed: RandomState::new(), full: AtomicBool::new(false) })
    }

    fn check(&self, key: impl Hash) -> Result<(), ApiError> {
        let mut key = self.seed.hash_one(key);
        if key.is_multiple_of(LOOK) {
            self.full.store(self.limiter.len() >= APART, Ordering::Relaxed);
        }
        if self.full.load(Ordering::Relaxed) {
            key %= SHARED;
        }
        self.limiter.check_key(&key).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            ApiError::rate_limited(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
        })
    }
}

impl Limits {
    /// As configured; 0 is no limit.
    pub fn new(config: config::Limits) -> Self {
        Self {
            address: Limit::new(config.per_address),
            guests: Limit::new(config.guests_per_address),
            learner: Limit::new(config.per_learner),
            site: Limit::new(config.per_site),
        }
    }

    /// Counts a request from an address; IPv6 by /64, which is what one subscriber has.
    pub fn address(&self, address: IpAddr) -> Result<(), ApiError> {
        self.address.as_ref().map_or(Ok(()), |limit| limit.check(network(address)))
    }

    /// Counts a new guest from an address.
    fn guest(&self, address: IpAddr) -> Result<(), ApiError> {
        self.guests.as_ref().map_or(Ok(()), |limit| limit.check(network(address)))
    }

    /// Counts a request by a learner.
    pub fn learner(&self, site: SiteId, learner: &Learner) -> Result<(), ApiError> {
        self.learner.as_ref().map_or(Ok(()), |limit| limit.check((site, learner)))
    }

    /// Counts a request with an API key: as many as a learner's.
    pub fn key(&self, key: Uuid) -> Result<(), ApiError> {
        self.learner.as_ref().map_or(Ok(()), |limit| limit.check(key))
    }

    /// Counts a request for a site.
    pub fn site(&self, site: SiteId) -> Result<(), ApiError> {
        self.site.as_ref().map_or(Ok(()), |limit| limit.check(site))
    }

    /// Forgets who has not come for long enough to have the full quota again.
    pub fn sweep(&self) {
        for limit in [&self.address, &self.guests, &self.learner, &self.site].into_iter().flatten() {
            limit.limiter.retain_recent();
            limit.limiter.shrink_to_fit();
            limit.full.store(limit.limiter.len() >= APART, Ordering::Relaxed);
        }
    }
}

/// Leave to make one more guest from this address. Anybody may make guests, and each is a row for months: so
/// they have a limit of their own, below that of requests.
#[derive(Debug)]
pub struct NewGuest;

impl FromRequestParts<AppState> for NewGuest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        if let Some(address) = client_address(&parts.headers, peer, state.config.trusted_proxies) {
            state.gate.limits.guest(address)?;
        }
        Ok(Self)
    }
}

/// What counts as one address: IPv6 by /64, which is what one subscriber has.
pub fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6) & !u128::from(u64::MAX),
    }
}

/// Where a request comes from. `trusted` proxies of ours stand before us and each has put the address
/// it saw at the right end of `X-Forwarded-For`; what stands further left is the caller's own claim.
pub fn client_address(headers: &HeaderMap, peer: Option<SocketAddr>, trusted: usize) -> Option<IpAddr> {
    let peer = peer.map(|peer| peer.ip());
    if trusted == 0 {
        return peer;
    }
    // By bytes: an odd one in the caller's part must not hide what our proxy put beside it.
    let values = headers.get_all(FORWARDED_FOR).iter();
    let entries: Vec<&[u8]> = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
    let seen = entries.len().checked_sub(trusted).and_then(|place| entries.get(place));
    seen.and_then(|entry| parse_address(std::str::from_utf8(entry).ok()?.trim())).or(peer)
}

fn parse_address(text: &str) -> Option<IpAddr> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_proxies_are_believed() {
        let peer = Some("10.0.0.1:999".parse().unwrap());
        let client = |forwarded: &[&str], trusted| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(FORWARDED_FOR, value.parse().unwrap());
            }
            client_address(&headers, peer, trusted).unwrap().to_string()
        };
        assert_eq!(client(&["1.1.1.1"], 0), "10.0.0.1", "nobody is trusted");
        assert_eq!(client(&["6.6.6.6, 2.2.2.2"], 1), "2.2.2.2", "the leftmost is the attacker's");
        assert_eq!(client(&["6.6.6.6", "2.2.2.2, 3.3.3.3"], 2), "2.2.2.2");
        assert_eq!(client(&["6.6.6.6"], 2), "10.0.0.1", "did not come through our proxies");
        assert_eq!(client(&["6.6.6.6, rubbish"], 1), "10.0.0.1");
        assert_eq!(client(&["[2001:db8::1]:443"], 1), "2001:db8::1");
        assert_eq!(client(&[], 1), "10.0.0.1");
    }

    #[test]
    fn an_ipv6_subscriber_is_one_and_ipv4_is_itself() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::2"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        assert_eq!(network("::ffff:1.2.3.4"), network("1.2.3.4"));
        assert_ne!(network("1.2.3.4"), network("1.2.3.5"));
    }

    /// C15: from however many addresses a flood comes, it fills no memory; and it is limited as a whole.
    #[test]
    fn c15_a_flood_of_addresses_fills_no_memory() {
        let limits = Limits::new(config::Limits { per_address: 3, guests_per_address: 0, per_learner: 0, per_site: 0 });
        let limit = limits.address.as_ref().unwrap();
        let refused = (0..600_000_u64).filter(|number| limit.check(number).is_err()).count();
        let most = APART + usize::try_from(SHARED).unwrap() + 64 * usize::try_from(LOOK).unwrap();
        assert!(limit.limiter.len() <= most, "{} keys", limit.limiter.len());
        assert!(refused > 100_000, "only {refused} were refused");
    }

    #[test]
    fn the_limit_says_how_long_to_wait() {
        let limits = Limits::new(config::Limits { per_address: 2, guests_per_address: 0, per_learner: 0, per_site: 0 });
        let here: IpAddr = "1.2.3.4".parse().unwrap();
        assert!(limits.address(here).is_ok() && limits.address(here).is_ok());
        let refused = limits.address(here).unwrap_err();
        assert_eq!(refused.problem().status, 429);
        assert!(limits.address("1.2.3.5".parse().unwrap()).is_ok());
        limits.sweep();
        assert!(limits.address(here).is_err(), "who is being limited is not forgotten");
        assert!(limits.site(SiteId(uuid::Uuid::nil())).is_ok(), "0 is no limit");
    }
}
