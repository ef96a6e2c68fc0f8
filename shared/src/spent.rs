//! How much of the time that devices report is believed: never more than has passed.
//!
//! Each enrollment keeps one moment, up to which its time is accounted for; it begins where the enrollment began. A
//! report moves it on by what is taken of the report, and never further than the present and a tolerance. So whatever
//! devices report, and however often, the sum of it is never more than the time that passed since the enrollment
//! began and the tolerance; and a device that was offline and sends several reports at once loses nothing.

use crate::Timestamp;

/// How much more than has passed may be reported, in seconds: time that was read before the enrollment began (the
/// first thing worth saving begins it), and clocks that differ.
pub const TOLERANCE_SECONDS: i64 = 600;

/// The longest time that may be reported afterwards, in seconds: a day. Older time that nobody reported is gone.
pub const UNREPORTED_SECONDS: i64 = 86_400;

/// How many of the `reported` seconds are taken at `now`, and up to when time is accounted for then; that stays as it
/// was where none is taken.
pub fn taken(
    accounted_until: Option<Timestamp>,
    started_at: Timestamp,
    reported: u32,
    now: Timestamp,
) -> (u32, Option<Timestamp>) {
    let from = accounted_until.unwrap_or(started_at).max(now.plus_seconds(-UNREPORTED_SECONDS));
    let room = now.plus_seconds(TOLERANCE_SECONDS).0.saturating_sub(from.0).max(0) / 1000;
    let taken = reported.min(u32::try_from(room).unwrap_or(u32::MAX));
    if taken == 0 { (0, accounted_until) } else { (taken, Some(from.plus_seconds(taken.into()))) }
}

/// A position as it is kept: within the film, where there is one and it is known how long that is.
pub fn position(film_seconds: Option<u32>, reported: Option<u32>) -> Option<u32> {
    reported.map(|position| position.min(film_seconds.unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Devices that report what they like, when they like.
        #[test]
        fn a8_no_more_than_has_passed(
            steps in proptest::collection::vec((0..200_000_i64, prop_oneof![Just(0_u32), 0..100_u32, any::<u32>()]), 1..60)
        ) {
            let start = Timestamp(1_700_000_000_000);
            let (mut now, mut until, mut sum) = (start, None, 0_i64);
            let mut last = start;
            for (passed, reported) in steps {
                now = now.plus_seconds(passed);
                let (taken, after) = taken(until, start, reported, now);
                prop_assert!(taken <= reported);
                prop_assert!(after >= until, "never back");
                sum += i64::from(taken);
                prop_assert!(sum * 1000 <= now.0 - start.0 + TOLERANCE_SECONDS * 1000);
                prop_assert!(i64::from(taken) <= UNREPORTED_SECONDS + TOLERANCE_SECONDS);
                if taken > 0 {
                    last = now;
                }
                until = after;
            }
            prop_assert!(until.is_none_or(|until| until <= last.plus_seconds(TOLERANCE_SECONDS)));
        }

        /// An honest device loses nothing, however late and in how many pieces its reports come.
        #[test]
        fn a8_an_honest_device_loses_nothing(
            spent in proptest::collection::vec(0..3000_u32, 1..20), late in 0..20_000_i64, before in 0..TOLERANCE_SECONDS
        ) {
            let start = Timestamp(1_700_000_000_000);
            let all: i64 = spent.iter().map(|seconds| i64::from(*seconds)).sum();
            // It had begun to read before, and sends all at once.
            let now = start.plus_seconds((all - before).max(0) + late);
            let mut until = None;
            for seconds in spent {
                let (taken, after) = taken(until, start, seconds, now);
                prop_assert_eq!(taken, seconds);
                until = after;
            }
        }
    }

    #[test]
    fn a8_positions_lie_within_the_film() {
        assert_eq!(position(Some(90), Some(86_400)), Some(90));
        assert_eq!(position(Some(90), Some(12)), Some(12));
        assert_eq!(position(None, Some(12)), Some(12));
        assert_eq!(position(Some(90), None), None);
    }
}
