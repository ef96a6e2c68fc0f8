//! Cohorts, and how their learners do.

use serde::{Deserialize, Serialize};

use crate::{
    EnrollmentId, Resolved, Score, Timestamp, UserId,
    course::{Points, Share},
    slug::CourseSlug,
    wire::enrollment::EnrollmentStatus,
};

/// The body of `PUT …/cohorts/{cohort}`: whom the API puts into it. Those who are in it by their tokens stay.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CohortPut {
    /// Who learns in it; at most 20,000.
    #[serde(default)]
    pub learners: Vec<UserId>,
    /// Coaches and academy directors who look after it; at most 1,000.
    #[serde(default)]
    pub staff: Vec<UserId>,
}

/// A cohort in a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CohortSummary {
    /// Its name.
    pub cohort: String,
    /// How many learn in it.
    pub learners: u64,
    /// How many look after it by the API; those who do by their tokens are not counted.
    pub staff: u64,
}

/// How a cohort does, course by course.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CohortDashboard {
    /// Its name.
    pub cohort: String,
    /// How many learn in it.
    pub learners: u64,
    /// When this was counted.
    pub at: Timestamp,
    /// The courses that any of them is in, by slug.
    pub courses: Vec<CourseNumbers>,
}

/// How all the cohorts do that somebody looks after, course by course.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AcademyDashboard {
    /// The cohorts, by name.
    pub cohorts: Vec<String>,
    /// How many learn in any of them; each once.
    pub learners: u64,
    /// When this was counted.
    pub at: Timestamp,
    /// The courses that any of them is in, by slug; each learner once.
    pub courses: Vec<CourseNumbers>,
}

/// How many are how far in a course; no persons.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CourseNumbers {
    /// The course.
    pub course: CourseSlug,
    /// Its title, where it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Resolved>,
    /// Who enrolled.
    pub enrolled: u64,
    /// Of these, who did nothing further.
    pub started: u64,
    /// Who is on the way.
    pub in_progress: u64,
    /// Who completed it.
    pub completed: u64,
    /// Whose answers wait for a grader.
    pub awaiting_grading: u64,
    /// The mean of the scores of those who completed it.
    pub mean_score: Option<Score>,
    /// All together.
    pub time_spent_seconds: u64,
    /// How many said what they think of it; in the statistics of the site only.
    #[serde(default, skip_serializing_if = "crate::quiz::source::is_default")]
    pub evaluations: u64,
    /// The mean of their ratings, 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_rating: Option<f64>,
}

/// A learner of a cohort.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CohortLearner {
    /// Who.
    pub user_id: UserId,
    /// The courses they are in, oldest first.
    pub courses: Vec<LearnerCourse>,
}

/// How far a learner is in a course.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LearnerCourse {
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The course.
    pub course: CourseSlug,
    /// How far.
    pub status: EnrollmentStatus,
    /// Questions answered of all (C4).
    pub progress: Share,
    /// Points earned (C3).
    pub confirmed_points: Points,
    /// Points that graders could still add (C3).
    pub potential_points: Points,
    /// What all the course's quizzes are worth.
    pub points_total: Points,
    /// At completion.
    pub score: Option<Score>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it became complete.
    pub completed_at: Option<Timestamp>,
    /// Over all items.
    pub time_spent_seconds: u64,
}
