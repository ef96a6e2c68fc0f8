//! An order that looks random and is the same whenever the same attempt is looked at again.

use uuid::Uuid;

/// Where an attempt's orders come from: which enrollment, which step, which attempt. The same on every
/// machine, so that a reload, a second device and a second backend show the same order.
#[derive(Clone, Copy, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The seed of attempt `attempt` at `step` in `enrollment`.
    pub fn of_attempt(enrollment: Uuid, step: Uuid, attempt: u32) -> Self {
        let mut state = u64::from(attempt);
        for half in [enrollment.as_u64_pair().0, enrollment.as_u64_pair().1, step.as_u64_pair().0, step.as_u64_pair().1]
        {
            state = mix(state ^ half);
        }
        Self(state)
    }

    /// The seed for one thing within the attempt, so that two questions are not shuffled alike.
    #[must_use]
    pub fn of(self, thing: Uuid) -> Self {
        Self(mix(self.0 ^ mix(thing.as_u64_pair().0) ^ thing.as_u64_pair().1))
    }
}

/// `SplitMix64`'s finaliser (Steele, Lea, Flood 2014).
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Shuffles in place (Fisher–Yates).
pub fn shuffle<T>(items: &mut [T], seed: Seed) {
    let mut state = seed.0;
    for last in (1..items.len()).rev() {
        state = mix(state);
        #[expect(clippy::cast_possible_truncation, reason = "smaller than last + 1, a usize")]
        items.swap(last, (state % (last as u64 + 1)) as usize);
    }
}

/// Shuffles so that, with two items or more, the order given is not the order shown: an ordering
/// question must not come already solved.
pub fn derange<T: PartialEq + Clone>(items: &mut [T], seed: Seed) {
    let before = items.to_vec();
    shuffle(items, seed);
    if items.len() > 1 && items == before {
        items.rotate_left(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_stable_per_attempt_and_differs_between_attempts() {
        let seed = |attempt| Seed::of_attempt(Uuid::from_u128(7), Uuid::from_u128(9), attempt);
        let order = |attempt| {
            let mut items: Vec<u32> = (0..10).collect();
            shuffle(&mut items, seed(attempt));
            items
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        let mut sorted = order(3);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>(), "nothing is lost");
    }

    #[test]
    fn s4_an_ordering_question_never_comes_solved() {
        for attempt in 0..200 {
            let mut items = [1, 2];
            derange(&mut items, Seed::of_attempt(Uuid::nil(), Uuid::nil(), attempt));
            assert_eq!(items, [2, 1]);
        }
    }
}
