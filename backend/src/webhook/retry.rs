//! What becomes of a delivery after an attempt (W4). Pure: time and chance come in as arguments.

use std::time::Duration;

use chrono::DateTime;
use jalon_shared::Timestamp;

/// Seconds to wait after the first, second, … failed attempt: about a day in all.
const DELAYS: [u64; 10] = [5, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, 4 * 3600, 7 * 3600, 9 * 3600];
/// Attempts in all, before a delivery is parked.
pub const MAX_ATTEMPTS: usize = DELAYS.len() + 1;
/// The least and the most that a receiver may ask us to wait.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(6));
/// Gone: nobody listens there any more.
const GONE: u16 = 410;

/// What becomes of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The receiver took it.
    Delivered,
    /// Try again after this time.
    Retry(Duration),
    /// Not tried again by itself; it is listed and can be replayed.
    Parked,
    /// The receiver wants nothing more, ever: its endpoint is disabled and the delivery parked.
    Gone,
}

/// Decides after attempt number `attempt` (from 1). `status` is the answer's, if one came; redirects
/// are failures like any other. `random` spreads the retries of many deliveries.
pub fn after(attempt: u32, status: Option<u16>, retry_after: Option<Duration>, random: u64) -> Next {
    match status {
        Some(200..=299) => Next::Delivered,
        Some(GONE) => Next::Gone,
        _ => match delay(attempt, random) {
            // A receiver may ask for more time than the schedule gives, not for less: else it could
            // use up a day's attempts in seconds.
            Some(delay) => Next::Retry(delay.max(retry_after.unwrap_or_default())),
            None => Next::Parked,
        },
    }
}

/// How long to wait after failed attempt number `attempt` (from 1): the schedule's delay, give or take
/// a tenth. `None` after the last.
pub fn delay(attempt: u32, random: u64) -> Option<Duration> {
    let place = usize::try_from(attempt.checked_sub(1)?).ok()?;
    let millis = DELAYS.get(place)? * 1000;
    Some(Duration::from_millis(millis - millis / 10 + random % (millis / 5 + 1)))
}

/// Reads the header `Retry-After`: seconds, or a date. Held between a second and six hours.
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    let wait = if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit is a long time, and cut below.
        Duration::from_secs(header.parse().unwrap_or(u64::MAX))
    } else {
        let at = DateTime::parse_from_rfc2822(header).ok()?.timestamp_millis();
        Duration::from_millis(u64::try_from(at.saturating_sub(now.0)).unwrap_or(0))
    };
    Some(wait.clamp(RETRY_AFTER.0, RETRY_AFTER.1))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_763_640_000_000);

    #[test]
    fn w4_delays_grow_over_about_a_day() {
        for random in [0, u64::MAX / 2, u64::MAX] {
            let delays: Vec<Duration> = (1..).map_while(|attempt| delay(attempt, random)).collect();
            assert_eq!(delays.len() + 1, MAX_ATTEMPTS);
            assert!(delays.windows(2).all(|pair| pair[0] < pair[1]), "{delays:?}");
            let hours = delays.iter().sum::<Duration>().as_secs() / 3600;
            assert!((20..=28).contains(&hours), "{hours}");
        }
    }

    proptest! {
        #[test]
        fn w4_chance_moves_a_delay_by_a_tenth_at_most(attempt in 1..MAX_ATTEMPTS, random: u64) {
            let base = DELAYS[attempt - 1] * 1000;
            let millis = u64::try_from(delay(u32::try_from(attempt).unwrap(), random).unwrap().as_millis()).unwrap();
            prop_assert!(millis >= base * 9 / 10 && millis <= base * 11 / 10);
        }

        #[test]
        fn w4_no_header_makes_it_wait_longer_than_six_hours(header in ".*") {
            if let Some(wait) = retry_after(&header, NOW) {
                prop_assert!(wait >= RETRY_AFTER.0 && wait <= RETRY_AFTER.1);
            }
        }
    }

    #[test]
    fn w4_what_becomes_of_a_delivery() {
        let retry = |attempt| Next::Retry(delay(attempt, 7).unwrap());
        for (attempt, status, next) in [
            (1, Some(200), Next::Delivered),
            (11, Some(204), Next::Delivered),
            (1, Some(301), retry(1)),
            (1, Some(308), retry(1)),
            (2, Some(400), retry(2)),
            (3, Some(500), retry(3)),
            (4, None, retry(4)),
            (10, None, retry(10)),
            (11, Some(500), Next::Parked),
            (12, None, Next::Parked),
            (1, Some(410), Next::Gone),
            (0, Some(500), Next::Parked),
        ] {
            assert_eq!(after(attempt, status, None, 7), next, "{attempt} {status:?}");
        }
        let hour = Duration::from_hours(1);
        assert_eq!(after(1, Some(503), Some(hour), 0), Next::Retry(hour));
        assert_eq!(after(10, Some(503), Some(Duration::from_secs(1)), 7), retry(10));
        assert_eq!(after(11, Some(503), Some(hour), 0), Next::Parked);
    }

    #[test]
    fn w4_retry_after_is_seconds_or_a_date_within_bounds() {
        let seconds = |header| retry_after(header, NOW).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 120 "), Some(120));
        assert_eq!(seconds("0"), Some(1));
        assert_eq!(seconds("86400"), Some(6 * 3600));
        assert_eq!(seconds("99999999999999999999999"), Some(6 * 3600));
        assert_eq!(seconds("Thu, 20 Nov 2025 12:01:30 GMT"), Some(90));
        assert_eq!(seconds("Thu, 20 Nov 2025 11:00:00 GMT"), Some(1));
        assert_eq!(seconds("Sat, 20 Nov 2055 12:00:00 GMT"), Some(6 * 3600));
        for no in ["", "-1", "1.5", "soon", "2025-11-20T12:00:00Z"] {
            assert_eq!(seconds(no), None, "{no}");
        }
    }
}
