//! What a refused learner or grader hears. The rules say no in `shared`, without HTTP; here it becomes a
//! problem.

use jalon_shared::{FieldError, course::Refusal};
use serde_json::json;

use crate::http::{code, error::ApiError};

/// A refusal of `shared`, with the title of the item whose gate blocks (C1).
pub fn refusal(refusal: &Refusal, blocking_title: Option<&str>) -> ApiError {
    let invalid = |pointer: &str, code: &'static str| {
        ApiError::validation_failed(vec![FieldError::new(pointer, code, refusal.to_string())])
    };
    match refusal {
        Refusal::NoSuchItem | Refusal::NoSuchQuiz | Refusal::NoSuchAnswer => ApiError::not_found(),
        Refusal::ItemLocked { item, quiz } => ApiError::new(&code::ITEM_LOCKED)
            .with("blocking_item", json!({ "id": item, "quiz_id": quiz, "title": blocking_title })),
        Refusal::AttemptsExhausted => ApiError::new(&code::ATTEMPTS_EXHAUSTED),
        Refusal::Cooldown { retry_at } => ApiError::new(&code::COOLDOWN)
            .detail(format!("Try again at {retry_at}."))
            .with("retry_at", retry_at.to_string()),
        Refusal::AwaitingGrading => ApiError::new(&code::AWAITING_GRADING),
        Refusal::WorthNothing => invalid("/points", "out_of_range"),
        Refusal::AbsurdTime => invalid("/time_spent_seconds", "out_of_range"),
        Refusal::AbsurdPosition => invalid("/last_position", "out_of_range"),
    }
}
