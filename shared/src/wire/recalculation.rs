//! What staff have done to enrollments: a course's brought to its published version and counted anew (C3), and a
//! learner's given what they answered right in other courses.

use serde::{Deserialize, Serialize};

use crate::{
    EnrollmentId, GuestId, UserId,
    course::{Points, Share},
    slug::CourseSlug,
    wire::course::GateView,
};

/// The body of `POST …/recalculation`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RecalculationRequest {
    /// Only say what would change.
    pub dry_run: bool,
    /// How many enrollments to look at, 1–500; left out, 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 500))]
    pub limit: Option<u32>,
    /// `next_cursor` of the answer before; left out, from the first enrollment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What a recalculation changes, or would, in the enrollments it looked at.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecalculationReport {
    /// The course.
    pub course: CourseSlug,
    /// Its published version, to which enrollments are brought.
    pub version: u32,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Enrollments looked at: the sum of the next three.
    pub looked_at: u32,
    /// Of these, in which points, progress, the gate or completion change: `items`.
    pub changed: u32,
    /// Which are brought to the version, or graded anew, and stand where they stood.
    pub moved: u32,
    /// In which nothing changes.
    pub unchanged: u32,
    /// Which become complete; announced by webhook.
    pub completed: u32,
    /// The caller's own, which is not looked at: nobody judges their own work.
    #[serde(default)]
    pub left_out: u32,
    /// Those that change, oldest first.
    pub items: Vec<RecalculatedEnrollment>,
    /// Where to go on; null: these were the last.
    pub next_cursor: Option<String>,
}

/// An enrollment that a recalculation changes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecalculatedEnrollment {
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The member, or null (XOR).
    pub user_id: Option<UserId>,
    /// The guest, or null (XOR).
    pub guest_id: Option<GuestId>,
    /// Whether it becomes complete by this. Who was complete stays it, with the score they had (C4, S3).
    pub completed: bool,
    /// Before.
    pub before: CourseStanding,
    /// After.
    pub after: CourseStanding,
}

/// The body of `POST …/shared-points`; may be left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SharedPointsRequest {}

/// What a learner's right answers in shared lessons brought to their courses.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SharedPointsReport {
    /// The member.
    pub user_id: UserId,
    /// Enrollments looked at: those that are not complete.
    pub looked_at: u32,
    /// Those that changed, oldest first.
    pub items: Vec<SharedPoints>,
}

/// What shared answers brought to one course.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SharedPoints {
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// Its course.
    pub course: CourseSlug,
    /// How many questions are answered by it.
    pub questions: u32,
    /// Whether the course became complete by it; announced by webhook.
    pub completed: bool,
    /// Before.
    pub before: CourseStanding,
    /// After.
    pub after: CourseStanding,
}

/// Where an enrollment stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CourseStanding {
    /// The version of the course.
    pub course_version: u32,
    /// Points earned (C3).
    pub confirmed_points: Points,
    /// Points that graders could still add (C3).
    pub potential_points: Points,
    /// What all the version's quizzes are worth.
    pub points_total: Points,
    /// Questions answered of all (C4).
    pub progress: Share,
    /// The first gate that is not passed (C1); null when all are.
    pub gate: Option<GateView>,
}

impl RecalculationReport {
    /// This, and what came of the enrollments after.
    pub fn take(&mut self, next: Self) {
        self.looked_at += next.looked_at;
        self.changed += next.changed;
        self.moved += next.moved;
        self.unchanged += next.unchanged;
        self.completed += next.completed;
        self.left_out += next.left_out;
        self.items.extend(next.items);
        self.version = next.version;
        self.next_cursor = next.next_cursor;
    }
}
