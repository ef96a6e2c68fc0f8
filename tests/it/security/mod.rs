//! Nobody reaches what is not theirs.

mod audit;
mod authorization;
mod cache;
mod cursors;
mod flood;
mod keys;
mod markup;
mod markup_course;
mod memory;
mod orders;
mod process;
mod routes;
mod secrets;
