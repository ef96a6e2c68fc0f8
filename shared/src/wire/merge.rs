//! A guest becomes a member (M1–M8).

use serde::{Deserialize, Serialize};

use crate::{EnrollmentId, GuestId, ItemId, Timestamp, UserId, slug::CourseSlug, track::TrackSlug};

/// The body of `POST …/me/merge`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MergeRequest {
    /// The guest's token; a secret, never logged.
    pub guest_token: String,
}

/// What was kept from where (M7). The same again for the same guest (M3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MergeReceipt {
    /// The guest that is no more.
    pub guest_id: GuestId,
    /// The member.
    pub user_id: UserId,
    /// When.
    pub merged_at: Timestamp,
    /// By track.
    pub tracks: Vec<MergedTrack>,
    /// By course, where the guest was in any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub courses: Vec<MergedCourse>,
}

/// What a merge did in one course.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MergedCourse {
    /// The course.
    pub course: CourseSlug,
    /// The member's enrollment.
    pub enrollment_id: EnrollmentId,
    /// What happened.
    pub outcome: MergeOutcome,
    /// The items that the guest brought something to.
    pub items_from_guest: Vec<ItemId>,
    /// Whether the merge completed the course for the member.
    pub completed_by_merge: bool,
}

/// What a merge did in one track.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MergedTrack {
    /// The track.
    pub track: TrackSlug,
    /// The member's enrollment.
    pub enrollment_id: EnrollmentId,
    /// What happened.
    pub outcome: MergeOutcome,
    /// After the merge.
    pub current_step_order: u16,
    /// The orders of the steps that the guest brought something to.
    pub steps_from_guest: Vec<u16>,
    /// Whether the merge completed the track for the member.
    pub completed_by_merge: bool,
}

/// What a merge did with a guest's enrollment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MergeOutcome {
    /// The member had none: the guest's changed owner (M1).
    Moved,
    /// Both had one: the member's took what the guest's had more (M2).
    Merged,
    /// The member's had everything already; only attempts and time were added.
    Kept,
}
