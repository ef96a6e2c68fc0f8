//! The noun *guest*: a visitor without account, and the token that lets them come back (E3).
//!
//! The merge into a member lives with the tracks it moves.

pub mod routes;
pub mod state;
pub mod store;
pub mod token;
