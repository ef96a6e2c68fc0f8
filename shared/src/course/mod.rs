//! Courses: modules, lessons and lesson items, with quizzes that gate (C1), points (C3) and progress (C4).
//!
//! The shape is that of tracks: [`decide`] says what a command changes, [`apply`] changes it, [`replay`]
//! is `apply` alone (V1). What differs is size: a course may hold hundreds of items, so a decision reads
//! the sums of an enrollment and the items of one lesson, and nothing else.

pub mod attempt;
pub mod decide;
pub mod definition;
pub mod enrollment;
pub mod event;
pub mod merge;
pub mod outline;
pub mod points;
pub mod progress;
pub mod recalculate;
pub mod source;

pub use attempt::{Mark, Marked, QuizProgress, Record};
pub use decide::{Command, Refusal, Right, decide};
pub use definition::{Course, Definition, Item, ItemQuiz, ItemTarget, Lesson, Module, Written};
pub use enrollment::{Enrollment, apply, replay};
pub use event::{CourseEvent, Fitted, Regraded};
pub use outline::{Outline, OutlineItem, OutlineQuiz};
pub use points::Points;
pub use progress::{Gates, ItemProgress, Progress, Share, Totals};
pub use recalculate::Attempted;
