//! What a refused learner hears. The rules say no in `shared`, without HTTP; here it becomes a problem.

use jalon_shared::{FieldError, track::Refusal};
use serde_json::json;

use crate::{
    course::lesson::Standing,
    http::{code, error::ApiError},
};

/// A refusal of `shared`, with the title of the step that blocks (G2).
pub fn refusal(refusal: &Refusal, blocking_title: Option<&str>) -> ApiError {
    let invalid = |pointer: &str, code: &'static str| {
        ApiError::validation_failed(vec![FieldError::new(pointer, code, refusal.to_string())])
    };
    match refusal {
        Refusal::NoSuchStep => ApiError::not_found(),
        Refusal::StepOutOfOrder { blocking } => ApiError::new(&code::STEP_OUT_OF_ORDER)
            .detail(format!("Complete step {} first.", blocking.order))
            .with("blocking_step", json!({ "id": blocking.id, "order": blocking.order, "title": blocking_title })),
        Refusal::AnswersRequired => invalid("/answers", "answers_required"),
        Refusal::NoQuestions => invalid("/answers", "no_questions"),
        Refusal::LessonIncomplete => ApiError::new(&code::LESSON_INCOMPLETE),
        Refusal::AttemptsExhausted => ApiError::new(&code::ATTEMPTS_EXHAUSTED),
        Refusal::Cooldown { retry_at } => ApiError::new(&code::COOLDOWN)
            .detail(format!("Try again at {retry_at}."))
            .with("retry_at", retry_at.to_string()),
        Refusal::AbsurdTime => invalid("/time_spent_seconds", "out_of_range"),
        Refusal::AbsurdPosition => invalid("/last_position", "out_of_range"),
    }
}

/// The lesson of a step is not complete.
pub fn lesson_incomplete(standing: &Standing) -> ApiError {
    let missing: Vec<_> = standing.missing.iter().map(|(id, title)| json!({ "id": id, "title": title })).collect();
    ApiError::new(&code::LESSON_INCOMPLETE)
        .with("missing_items", missing)
        .with("course_enrollment_id", json!(standing.enrollment))
}

/// The step that was named isn't in the enrollment's version.
pub fn step_gone() -> ApiError {
    ApiError::new(&code::STEP_GONE)
}

/// The guest's token no longer writes (M5).
pub fn guest_merged() -> ApiError {
    ApiError::new(&code::GUEST_MERGED)
}

/// The guest was merged into somebody else (M5).
pub fn guest_already_merged() -> ApiError {
    ApiError::new(&code::GUEST_ALREADY_MERGED)
}
