//! The server as a process: jobs, serving, stopping.

mod abort;
mod embed;
mod job;
pub mod kill;
mod serve;
