//! What a learner sees of a track.

mod completion;
mod question;
pub mod quiz;
mod result;
pub mod shortcode;
mod step;
mod steps;
