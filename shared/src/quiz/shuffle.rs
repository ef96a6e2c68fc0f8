//! Orders that look random and are the same whenever the same attempt is looked at again (S4).
//!
//! Chance comes in as an argument: numbers of a keyed function whose key never leaves the server. What is shown
//! depends on these numbers and on the set of ids, never on the order in which an author wrote things: even whoever
//! knows the numbers learns nothing of the right order.

use crate::QuestionId;

/// What is put in order within one attempt. Each part has numbers of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The questions.
    Questions,
    /// The choices of a question, or its items to order.
    Choices(QuestionId),
    /// The left sides of a question's pairs.
    Lefts(QuestionId),
    /// The right sides of a question's pairs.
    Rights(QuestionId),
    /// What the quiz's draw of this place takes out of its bank.
    Draw(u32),
}

/// Where one attempt's orders come from.
pub trait Numbers {
    /// Numbers without end for one part: the same at every call and on every server, evenly spread over all of `u64`,
    /// and not to be foretold without the server's key, whatever other parts and attempts have shown.
    fn of(&self, part: Part) -> impl Iterator<Item = u64>;
}

/// Puts items in a random order that does not depend on the order they come in.
pub fn shuffle<T, K: Ord>(items: &mut [T], id: impl FnMut(&T) -> K, numbers: impl Iterator<Item = u64>) {
    choose(items, items.len(), id, numbers);
}

/// Brings `count` items chosen at random to the front, in a random order (Fisher–Yates). Which, depends on the
/// numbers and on the set of ids, not on the order the items come in; ids are unique.
pub fn choose<T, K: Ord>(items: &mut [T], count: usize, id: impl FnMut(&T) -> K, numbers: impl Iterator<Item = u64>) {
    items.sort_unstable_by_key(id);
    let len = items.len();
    for (place, number) in (0..len.min(count)).zip(numbers) {
        // Of 2^64 numbers at most `len` more lead to one place than to another: not to be noticed.
        #[expect(clippy::cast_possible_truncation, reason = "smaller than the items' number, a usize")]
        let step = (number % (len - place) as u64) as usize;
        items.swap(place, place + step);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s4_every_order_is_as_likely() {
        let mut seen: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
        // All combinations of numbers that 3 items can make use of, each once.
        for number in 0..6_u64 {
            let mut items = vec![1, 2, 3];
            shuffle(&mut items, |item| *item, [number / 2, number % 2, 0].into_iter());
            *seen.entry(items).or_default() += 1;
        }
        assert_eq!(seen.len(), 6, "{seen:?}");
    }

    proptest! {
        #[test]
        fn s4_the_order_written_is_not_in_the_order_shown(
            written in Just((0..12_u32).collect::<Vec<_>>()).prop_shuffle(),
            numbers in proptest::collection::vec(any::<u64>(), 12),
            count in 0..14_usize,
        ) {
            let mut sorted: Vec<u32> = (0..12).collect();
            let mut items = written;
            choose(&mut items, count, |item| *item, numbers.iter().copied());
            choose(&mut sorted, count, |item| *item, numbers.iter().copied());
            prop_assert_eq!(&items, &sorted);
            items.sort_unstable();
            prop_assert_eq!(items, (0..12).collect::<Vec<_>>(), "nothing is lost");
        }
    }
}
