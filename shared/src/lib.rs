//! What is *true* in Jalon: the nouns, the rules, and the wire types both sides speak.
//!
//! This crate compiles into the widget (so that it is instant) and into the server (where it is the
//! law). It does no IO, reads no clock, draws no random number, keeps no float in a score, and never
//! depends on an iteration order that could differ between machines. Time and ids come in as arguments.

pub mod address;
pub mod course;
pub mod id;
pub mod lang;
pub mod learner;
pub mod localized;
pub mod problem;
pub mod quiz;
pub mod score;
pub mod slug;
pub mod spent;
pub mod time;
pub mod track;
pub mod vectors;
pub mod video;
pub mod weight;
pub mod wire;

pub use id::{
    ChoiceId, CourseId, EnrollmentId, EventId, GuestId, ItemId, LessonId, ModuleId, QuestionId, QuizId, SiteId, StepId,
    TrackId,
};
pub use lang::Lang;
pub use learner::{Learner, UserId};
pub use localized::{LocalizedText, Resolved};
pub use problem::{FieldError, Problem};
pub use score::Score;
pub use time::Timestamp;
pub use video::VideoSource;
