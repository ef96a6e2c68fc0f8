//! What a learner sees of a track.

mod completion;
mod question;
pub mod quiz;
mod result;
mod step;
mod steps;
