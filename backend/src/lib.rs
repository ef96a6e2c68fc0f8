//! Jalon's server.
