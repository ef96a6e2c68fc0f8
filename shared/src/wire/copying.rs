//! Lesson items copied into other lessons.

use serde::{Deserialize, Serialize};

use crate::slug::{CourseSlug, LessonSlug};

/// The body of `POST …/courses/{course}/copies`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CopyRequest {
    /// What to copy.
    pub from: CopyFrom,
    /// Where it goes.
    pub to: CopyTo,
}

/// The body of `POST …/lessons/{lesson}/copies`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LessonCopyRequest {
    /// What to copy.
    pub from: CopyFrom,
    /// Where it goes.
    #[serde(default)]
    pub to: LessonCopyTo,
}

/// An item: of a course's lesson, as the course's newest version has it, or of a shared lesson as it is now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CopyFrom {
    /// The course; with `lesson`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<CourseSlug>,
    /// The key of its lesson.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<String>,
    /// The shared lesson; without the two above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_lesson: Option<LessonSlug>,
    /// The item's key.
    pub item: String,
}

/// A place in a course.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CopyTo {
    /// The key of a lesson of the course's own.
    pub lesson: String,
    /// The copy's key; left out, that of the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key of the item that it comes before; left out, it comes last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// A place in a shared lesson.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LessonCopyTo {
    /// The copy's key; left out, that of the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key of the item that it comes before; left out, it comes last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}
