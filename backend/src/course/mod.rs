//! Courses on the server: shown, taken, written, graded.

pub(crate) mod around;
pub mod author;
pub mod catalog;
pub mod completed;
pub mod copy;
pub mod evaluation;
pub(crate) mod folder;
pub mod grading;
pub mod judge;
pub mod learn;
pub mod lesson;
pub mod merge;
pub mod problem;
pub mod recalculate;
pub mod routes;
pub mod routes_admin;
pub mod routes_grading;
pub mod routes_staff;
pub mod statistics;
pub mod store;
pub mod sync;
pub mod view;

use crate::{catalog::Caches, db::Db};

/// Everything about courses that lives as long as the server.
#[derive(Clone, Debug)]
pub struct Courses {
    /// What learners may be shown.
    pub catalog: catalog::Catalog,
}

impl Courses {
    /// Ready to serve.
    pub fn new(db: &Db, caches: &Caches) -> Self {
        Self { catalog: catalog::Catalog::new(db, caches) }
    }
}
