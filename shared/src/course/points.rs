//! Points (C3): what questions are worth, to the ten-thousandth, so that parts of a point add up the same
//! on every machine.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Score;

/// Points in ten-thousandths. On the wire a number with at most four decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = f64, example = 7.5, minimum = 0))]
pub struct Points(u64);

impl Points {
    /// None.
    pub const ZERO: Self = Self(0);
    /// The most there can be: no course is worth more than a thousand million points.
    const MAX: u64 = 10_000_000_000_000;

    /// Whole points.
    #[must_use]
    pub fn whole(points: u32) -> Self {
        Self(u64::from(points) * 10_000)
    }

    /// What a question of so many points brings when answered so well. Where the score stands for whole or
    /// half points it is exactly those: 1 of 3 is 33.33 %, and one point.
    #[must_use]
    pub fn of(points: u32, score: Score) -> Self {
        let (points, score_parts) = (u64::from(points), u64::from(score.hundredths()));
        let halves = (points * score_parts + 2_500) / 5_000;
        if Score::ratio(halves, 2 * points) == score { Self(halves * 5_000) } else { Self(points * score_parts) }
    }

    /// Ten-thousandths of a point.
    pub fn ten_thousandths(self) -> u64 {
        self.0
    }

    /// From ten-thousandths; `None` past a thousand million points.
    pub fn from_ten_thousandths(n: u64) -> Option<Self> {
        (n <= Self::MAX).then_some(Self(n))
    }

    /// What is left when `other` is taken away; never below zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// How much of `all` this is.
    #[must_use]
    pub fn share_of(self, all: Self) -> Score {
        Score::ratio(self.0, all.0)
    }
}

impl std::ops::Add for Points {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::iter::Sum for Points {
    fn sum<I: Iterator<Item = Self>>(points: I) -> Self {
        points.fold(Self::ZERO, |sum, points| sum + points)
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(10_000) {
            serializer.serialize_u64(self.0 / 10_000)
        } else {
            #[expect(clippy::cast_precision_loss, reason = "at most 1e13, which a double holds exactly")]
            serializer.serialize_f64(self.0 as f64 / 1e4)
        }
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Points;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("points: a number, 0 or more, with at most four decimals")
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Points, E> {
                n.checked_mul(10_000)
                    .and_then(Points::from_ten_thousandths)
                    .ok_or_else(|| E::custom("at most a thousand million points"))
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Points, E> {
                u64::try_from(n).map_err(|_| E::custom("points are 0 or more")).and_then(|n| self.visit_u64(n))
            }
            fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<Points, E> {
                let parts = (n * 1e4).round();
                #[expect(clippy::cast_precision_loss, reason = "1e13 is exact")]
                let most = Points::MAX as f64;
                if !(0.0..=most).contains(&parts) || (parts / 1e4 - n).abs() > 1e-9 * n.abs().max(1.0) {
                    return Err(E::custom("points are 0 or more, with at most four decimals"));
                }
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 0..=1e13")]
                Ok(Points(parts as u64))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn c3_points_are_exact_and_plain_numbers_on_the_wire() {
        for (part, of) in [(1_u32, 3_u32), (2, 3), (5, 7), (3, 4), (99, 100)] {
            assert_eq!(Points::of(of, Score::ratio(part.into(), of.into())), Points::whole(part), "{part} of {of}");
        }
        assert_eq!(Points::of(3, Score::ratio(5, 6)), Points(25_000), "two and a half of three");
        let third = Points::of(1, Score::ratio(1, 3));
        assert_eq!(serde_json::to_string(&third).unwrap(), "0.3333");
        assert_eq!(serde_json::to_string(&Points::whole(8)).unwrap(), "8");
        for text in ["0", "8", "0.3333", "12.5", "1000000000"] {
            let points: Points = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&points).unwrap(), text);
        }
        for bad in ["-1", "0.33333", "1000000001", "null", "\"8\""] {
            assert!(serde_json::from_str::<Points>(bad).is_err(), "{bad}");
        }
        assert_eq!(Points::whole(5).share_of(Points::whole(10)), Score::ratio(1, 2));
        assert_eq!(Points::whole(1).less(Points::whole(2)), Points::ZERO);
    }
}
