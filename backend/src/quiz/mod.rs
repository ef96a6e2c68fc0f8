//! Quizzes on the server: what tracks and courses have in common.

pub mod order;
pub mod view;
