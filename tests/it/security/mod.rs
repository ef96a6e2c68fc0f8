//! Nobody reaches what is not theirs.

mod audit;
mod authorization;
mod cache;
mod flood;
mod keys;
mod markup;
mod markup_course;
mod orders;
mod process;
mod routes;
mod secrets;
