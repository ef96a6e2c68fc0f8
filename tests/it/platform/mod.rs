//! The server as a process: jobs, serving, stopping.

mod abort;
mod embed;
pub mod job;
mod kill;
mod serve;
