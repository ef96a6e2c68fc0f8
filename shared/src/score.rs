//! Scores (S1–S4): a percentage with two decimals, held as an integer.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A percentage in hundredths, 0..=10000 (S1). On the wire a number 0–100 with at most two decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = f64, example = 87.5, minimum = 0, maximum = 100))]
pub struct Score(u16);

/// What was given is not a score.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a score is a number from 0 to 100 with at most two decimals")]
pub struct NotAScore;

impl Score {
    /// 0 %.
    pub const ZERO: Self = Self(0);
    /// 100 %.
    pub const FULL: Self = Self(10_000);

    /// From hundredths of a percent.
    pub fn from_hundredths(hundredths: i64) -> Result<Self, NotAScore> {
        u16::try_from(hundredths).ok().filter(|n| *n <= 10_000).map(Self).ok_or(NotAScore)
    }

    /// Hundredths of a percent, 0..=10000.
    pub fn hundredths(self) -> u16 {
        self.0
    }

    /// `got` of `of`, rounded half up; nothing of nothing is 0. More than all is all.
    #[must_use]
    pub fn ratio(got: u64, of: u64) -> Self {
        if of == 0 {
            return Self::ZERO;
        }
        let (got, of) = (u128::from(got.min(of)), u128::from(of));
        Self(u16::try_from((got * 20_000 + of) / (2 * of)).unwrap_or(10_000))
    }

    /// The mean, rounded half up (S2); `None` of none.
    pub fn mean(scores: impl IntoIterator<Item = Self>) -> Option<Self> {
        let (mut sum, mut count) = (0_u64, 0_u64);
        for score in scores {
            sum += u64::from(score.0);
            count += 1;
        }
        (count > 0).then(|| Self(u16::try_from((2 * sum + count) / (2 * count)).unwrap_or(10_000)))
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}"),
            part if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            part => write!(f, "{whole}.{part:02}"),
        }
    }
}

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            serializer.serialize_u16(self.0 / 100)
        } else {
            // The nearest double prints as the same two decimals everywhere.
            serializer.serialize_f64(f64::from(self.0) / 100.0)
        }
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Score;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number from 0 to 100 with at most two decimals")
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Score, E> {
                i64::try_from(n)
                    .ok()
                    .and_then(|n| Score::from_hundredths(n.saturating_mul(100)).ok())
                    .ok_or_else(|| E::custom(NotAScore))
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Score, E> {
                Score::from_hundredths(n.saturating_mul(100)).map_err(E::custom)
            }
            fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<Score, E> {
                let hundredths = (n * 100.0).round();
                if !(0.0..=10_000.0).contains(&hundredths) || (hundredths / 100.0 - n).abs() > 1e-9 {
                    return Err(E::custom(NotAScore));
                }
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 0..=10000")]
                Ok(Score(hundredths as u16))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s1_is_a_number_with_two_decimals_on_the_wire() {
        for (hundredths, text) in [(0, "0"), (10_000, "100"), (8750, "87.5"), (3333, "33.33"), (1, "0.01"), (10, "0.1")]
        {
            let score = Score::from_hundredths(hundredths).unwrap();
            assert_eq!(serde_json::to_string(&score).unwrap(), text);
            assert_eq!(score.to_string(), text);
        }
        for bad in ["-1", "100.01", "101", "33.333", "\"80\"", "null", "1e9", "-0.01"] {
            assert!(serde_json::from_str::<Score>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn s2_mean_rounds_half_up() {
        let score = |n| Score::from_hundredths(n).unwrap();
        assert_eq!(Score::mean([]), None);
        assert_eq!(Score::mean([score(1), score(2)]), Some(score(2)));
        assert_eq!(Score::mean([score(10_000), score(5000), score(5001)]), Some(score(6667)));
        assert_eq!(Score::ratio(1, 3), score(3333));
        assert_eq!(Score::ratio(2, 3), score(6667));
        assert_eq!(Score::ratio(1, 8), score(1250));
        assert_eq!(Score::ratio(5, 0), Score::ZERO);
    }

    proptest! {
        #[test]
        fn s1_every_score_round_trips(hundredths in 0_i64..=10_000) {
            let score = Score::from_hundredths(hundredths).unwrap();
            let back: Score = serde_json::from_str(&serde_json::to_string(&score).unwrap()).unwrap();
            prop_assert_eq!(back, score);
        }

        #[test]
        fn s1_ratio_stays_in_bounds_and_grows(got in 0_u64..10_000_000, of in 1_u64..10_000_000) {
            prop_assert!(Score::ratio(got, of) <= Score::FULL);
            prop_assert!(Score::ratio(got, of) <= Score::ratio(got + 1, of));
        }
    }
}
