//! Jalon's server.

pub mod app;
pub mod clock;
pub mod config;
pub mod db;
pub mod id;
pub mod job;
pub mod server;
pub mod stop;
