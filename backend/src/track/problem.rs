//! What a refused learner hears. The rules say no in `shared`, without HTTP; here it becomes a problem.

use axum::http::StatusCode;
use jalon_shared::{Problem, track::Refusal};
use serde_json::json;

use crate::http::error::ApiError;

fn conflict(code: &'static str, title: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT.as_u16(), code, title).detail(detail)
}

/// A refusal of `shared`, with the title of the step that blocks (G2).
pub fn refusal(refusal: &Refusal, blocking_title: Option<&str>) -> ApiError {
    let invalid = |pointer: &str, code: &'static str| ApiError::validation_failed(vec![jalon_shared::FieldError::new(pointer, code, refusal.to_string())]);
    match refusal {
        Refusal::NoSuchStep => ApiError::not_found(),
        Refusal::StepOutOfOrder { blocking } => {
            let step = json!({ "id": blocking.id, "order": blocking.order, "title": blocking_title });
            conflict("step_out_of_order", "The step is locked", format!("Complete step {} first.", blocking.order)).with("blocking_step", step).into()
        }
        Refusal::AnswersRequired => invalid("/answers", "answers_required"),
        Refusal::NoQuestions => invalid("/answers", "no_questions"),
        Refusal::AttemptsExhausted => conflict("attempts_exhausted", "All attempts are used", "This quiz can't be answered again.").into(),
        Refusal::Cooldown { retry_at } => {
            conflict("cooldown", "The next attempt must wait", format!("Try again at {retry_at}.")).with("retry_at", retry_at.to_string()).into()
        }
        Refusal::AbsurdTime => invalid("/time_spent_seconds", "out_of_range"),
        Refusal::AbsurdPosition => invalid("/last_position", "out_of_range"),
    }
}

/// The guest's token no longer writes (M5).
pub fn guest_merged() -> ApiError {
    conflict("guest_merged", "The guest has become a member", "Log in to go on: what the guest did is the member's now.").into()
}

/// The guest was merged into somebody else (M5).
pub fn guest_already_merged() -> ApiError {
    conflict("guest_already_merged", "The guest has become another member", "What a guest did can be added to one account only.").into()
}
