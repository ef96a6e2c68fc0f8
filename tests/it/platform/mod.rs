//! The server as a process: jobs, serving, stopping.

mod embed;
mod job;
mod serve;
