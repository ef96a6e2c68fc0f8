//! Jalon's server.

pub mod db;
