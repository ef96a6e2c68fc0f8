//! Jalon's server.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod demo;
pub mod embed;
pub mod guest;
pub mod http;
pub mod id;
pub mod job;
pub mod server;
pub mod site;
pub mod stop;
pub mod track;
pub mod webhook;
