//! Identifiers: a type a noun, so that a step's id can't stand where a question's belongs.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = Uuid))]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

id! {
    /// A tenant.
    SiteId,
    /// A visitor without account; issued by the server.
    GuestId,
    /// A learning track, over all its versions.
    TrackId,
    /// A step; stable over versions, so that reordering never moves anybody's progress.
    StepId,
    /// A question; stable over versions.
    QuestionId,
    /// A choice, an item to order, or one side of a pair. Random, never in authored order: the
    /// order of ids must not give an answer away (S4).
    ChoiceId,
    /// One learner's way through one track, or one course.
    EnrollmentId,
    /// A course, over all its versions.
    CourseId,
    /// A module of a course; stable over versions.
    ModuleId,
    /// A lesson; stable over versions, and the same in every course that holds it.
    LessonId,
    /// A lesson item; stable over versions.
    ItemId,
    /// A quiz of a lesson item; stable over versions.
    QuizId,
    /// Something that changed learning.
    EventId,
}
