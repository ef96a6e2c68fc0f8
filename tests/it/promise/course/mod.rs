//! The same for courses: two of them that hold one lesson, two members with two devices each, two graders.

pub mod command;
mod content;
mod grading;
mod model;
mod quiz;
mod resolve;
mod seen;
mod story;
mod tables;

pub use story::Story;
