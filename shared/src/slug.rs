//! Names in addresses.

use serde::{Deserialize, Deserializer, Serialize};

/// What was given is not a slug.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a slug has 1 to 64 lower-case letters, digits and -, and no - at its ends")]
pub struct NotASlug;

/// Whether this is a slug: lower-case letters, digits and `-`, 1–64, no `-` at either end.
fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

macro_rules! slug {
    ($($(#[$doc:meta])* $name:ident, $example:literal;)+) => {$(
        $(#[$doc])*
        ///
        /// Lower-case letters, digits and `-`, 1–64, no `-` at either end.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, example = $example))]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Reads a slug.
            pub fn parse(text: &str) -> Result<Self, NotASlug> {
                if is_slug(text) { Ok(Self(text.into())) } else { Err(NotASlug) }
            }

            /// The slug.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )+};
}

slug! {
    /// A track's name in addresses.
    TrackSlug, "beginner-intro";
    /// A course's name in addresses.
    CourseSlug, "arbiter-level-2";
    /// The name of a lesson that several courses hold.
    LessonSlug, "welcome";
    /// A question bank's name.
    BankSlug, "petanque-rules";
    /// A content provider's name.
    ProviderSlug, "federation-magazine";
}
