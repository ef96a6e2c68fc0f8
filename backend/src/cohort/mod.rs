//! Cohorts: who learns in them, who looks after them, and how they do.

pub mod csv;
pub mod dashboard;
pub mod routes;
pub mod store;
