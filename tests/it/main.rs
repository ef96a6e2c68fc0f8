//! Jalon's integration tests: one binary, so that it links once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod api_auth;
mod api_site;
mod course;
mod fleet;
mod garbage;
mod http;
mod keep;
mod overload;
mod platform;
mod postgres;
mod process;
mod promise;
mod security;
mod store;
mod stumble;
mod track;
mod webhook;
