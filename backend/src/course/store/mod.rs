//! Courses, what they share, and their enrollments in the database. Every function takes its scope first.

mod answered;
mod authored;
mod enrolled;
mod erased;
mod open_answer;
mod recalculated;

pub use answered::*;
pub use authored::*;
pub use enrolled::*;
pub use erased::*;
pub use open_answer::*;
pub use recalculated::*;

use crate::db::DbError;

/// What the database holds can't be read: a bug, or a hand in the tables.
pub(super) fn corrupt(what: impl std::fmt::Display) -> DbError {
    DbError::other(format!("a row that can't be: {what}"))
}

pub(super) fn number(version: i32) -> Result<u32, DbError> {
    u32::try_from(version).map_err(corrupt)
}

pub(super) fn raw(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(count: i64) -> Result<u64, DbError> {
    u64::try_from(count).map_err(corrupt)
}
