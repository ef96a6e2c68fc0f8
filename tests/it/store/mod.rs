//! The database room, on both databases.

mod group;
mod schema;
