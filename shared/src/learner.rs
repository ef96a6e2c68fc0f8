//! Who learns: a guest or a user, never both, never neither (XOR).

use serde::{Deserialize, Deserializer, Serialize};

use crate::GuestId;

/// A member's id: the `sub` of the site's token, 1–255 characters, no control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, example = "u-42"))]
#[serde(transparent)]
pub struct UserId(Box<str>);

/// What was given is not a member's id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a user id has 1 to 255 characters and no control characters")]
pub struct NotAUserId;

impl UserId {
    /// Reads a member's id.
    pub fn parse(text: &str) -> Result<Self, NotAUserId> {
        let fits = !text.is_empty() && text.chars().count() <= 255 && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.into())) } else { Err(NotAUserId) }
    }

    /// The id as the site knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A guest or a user. On the wire two fields, of which exactly one is not null.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "LearnerIds", try_from = "LearnerIds")]
pub enum Learner {
    /// A visitor without account.
    Guest(GuestId),
    /// A member of the site.
    User(UserId),
}

impl Learner {
    /// The member's id, if it is one.
    pub fn user_id(&self) -> Option<&UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Guest(_) => None,
        }
    }

    /// The guest's id, if it is one.
    pub fn guest_id(&self) -> Option<GuestId> {
        match self {
            Self::Guest(id) => Some(*id),
            Self::User(_) => None,
        }
    }
}

/// A learner as the wire and the database hold it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LearnerIds {
    /// The member, or null.
    pub user_id: Option<UserId>,
    /// The guest, or null.
    pub guest_id: Option<GuestId>,
}

/// Both a guest and a user, or neither.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("exactly one of user_id and guest_id must be given (XOR)")]
pub struct NotOneLearner;

impl From<Learner> for LearnerIds {
    fn from(learner: Learner) -> Self {
        match learner {
            Learner::Guest(id) => Self { user_id: None, guest_id: Some(id) },
            Learner::User(id) => Self { user_id: Some(id), guest_id: None },
        }
    }
}

impl TryFrom<LearnerIds> for Learner {
    type Error = NotOneLearner;
    fn try_from(ids: LearnerIds) -> Result<Self, NotOneLearner> {
        match (ids.user_id, ids.guest_id) {
            (Some(user), None) => Ok(Self::User(user)),
            (None, Some(guest)) => Ok(Self::Guest(guest)),
            _ => Err(NotOneLearner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xor_both_and_neither_are_refused() {
        let read = |text: &str| serde_json::from_str::<Learner>(text);
        assert!(read(r#"{"user_id":"u-42","guest_id":null}"#).is_ok());
        assert!(read(r#"{"user_id":null,"guest_id":"01890a5d-ac96-774b-bcce-b302099a8057"}"#).is_ok());
        assert!(read(r#"{"user_id":null,"guest_id":null}"#).is_err());
        assert!(read(r#"{"user_id":"u-42","guest_id":"01890a5d-ac96-774b-bcce-b302099a8057"}"#).is_err());
        assert!(read(r#"{"user_id":"","guest_id":null}"#).is_err());
    }
}
