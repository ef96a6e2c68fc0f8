//! The orders in which attempts show things, and what they draw from banks (S4).
//!
//! A key that stays on the server decides them: HMAC-SHA256 of the enrollment, the quiz and the attempt's number makes
//! a key of the attempt's own, and that makes the numbers of each part of it. Whoever knows all orders of all other
//! attempts, and this program, can't tell the next one. All servers of one database have the same key; a backup
//! carries it. Without an enrollment (a preview) all see the same order.

use hmac::{Hmac, Mac};
use jalon_shared::{
    Timestamp,
    quiz::shuffle::{Numbers, Part},
};
use sha2::Sha256;
use uuid::Uuid;

use crate::{
    db::{Db, DbError},
    http::gate,
};

/// The name of the key among the server's secrets.
const SECRET: &str = "attempt_order";

/// Makes the orders of all attempts.
#[derive(Clone)]
pub struct Orders(Hmac<Sha256>);

/// The orders of one attempt.
#[derive(Clone)]
pub struct AttemptOrder(Hmac<Sha256>);

impl std::fmt::Debug for Orders {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orders").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AttemptOrder {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttemptOrder").finish_non_exhaustive()
    }
}

impl Orders {
    /// With the key of this database; made at the first start.
    pub async fn load(db: &Db, now: Timestamp) -> Result<Self, DbError> {
        Ok(Self::new(&gate::server_secret(db, SECRET, now).await?))
    }

    /// With this key.
    pub fn new(key: &[u8]) -> Self {
        Self(keyed(key))
    }

    /// The orders of attempt `attempt` at `quiz` (a course's quiz, a track's step) in `enrollment`.
    pub fn attempt(&self, enrollment: Uuid, quiz: Uuid, attempt: u32) -> AttemptOrder {
        let mut mac = self.0.clone();
        mac.update(enrollment.as_bytes());
        mac.update(quiz.as_bytes());
        mac.update(&attempt.to_be_bytes());
        AttemptOrder(keyed(&mac.finalize().into_bytes()))
    }

    /// The orders that a step's preview shows to whoever has no enrollment.
    pub fn preview(&self, step: Uuid) -> AttemptOrder {
        self.attempt(Uuid::nil(), step, 1)
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

impl Numbers for AttemptOrder {
    fn of(&self, part: Part) -> impl Iterator<Item = u64> {
        let (tag, thing) = match part {
            Part::Questions => (0_u8, Uuid::nil()),
            Part::Choices(question) => (1, question.0),
            Part::Lefts(question) => (2, question.0),
            Part::Rights(question) => (3, question.0),
            Part::Draw(place) => (4, Uuid::from_u128(place.into())),
        };
        let mut mac = self.0.clone();
        mac.update(&[tag]);
        mac.update(thing.as_bytes());
        // 32 bytes at a time, four numbers.
        (0_u32..).flat_map(move |block| {
            let mut mac = mac.clone();
            mac.update(&block.to_be_bytes());
            let bytes: [u8; 32] = mac.finalize().into_bytes().into();
            let mut numbers = [0; 4];
            for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
                *number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            }
            numbers
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use jalon_shared::QuestionId;

    use super::*;

    #[test]
    fn s4_an_attempt_keeps_its_numbers_and_no_two_things_share_any() {
        let ids = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let mut seen = BTreeSet::new();
        for key in [b"one".as_slice(), b"two"] {
            let orders = Orders::new(key);
            for (enrollment, quiz, attempt) in
                ids.iter().flat_map(|a| ids.iter().flat_map(move |b| (1..4).map(move |n| (*a, *b, n))))
            {
                let order = orders.attempt(enrollment, quiz, attempt);
                for part in [
                    Part::Questions,
                    Part::Choices(QuestionId(ids[0])),
                    Part::Choices(QuestionId(ids[1])),
                    Part::Lefts(QuestionId(ids[0])),
                    Part::Rights(QuestionId(ids[0])),
                    Part::Draw(1),
                ] {
                    let numbers: Vec<u64> = order.of(part).take(9).collect();
                    let again = Orders::new(key).attempt(enrollment, quiz, attempt);
                    assert_eq!(numbers, again.of(part).take(9).collect::<Vec<_>>());
                    for number in numbers {
                        assert!(seen.insert(number), "{part:?}");
                    }
                }
            }
        }
        assert_eq!(seen.len(), 2 * 12 * 6 * 9);
    }

    /// All servers, of this version and later ones, must show a running attempt alike.
    #[test]
    fn s4_the_numbers_stay_what_they_are_from_version_to_version() {
        let order = Orders::new(b"key").attempt(Uuid::from_u128(1), Uuid::from_u128(2), 3);
        let number = order.of(Part::Choices(QuestionId(Uuid::from_u128(4)))).nth(5).unwrap();
        assert_eq!(number, 4_909_500_401_131_796_645, "as HMAC-SHA256 says elsewhere too");
    }
}
