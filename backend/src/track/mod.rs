//! Learning tracks on the server: shown, taken, merged, written.

pub mod advance;
pub mod author;
pub mod catalog;
pub mod completed;
pub mod enroll;
pub mod folder;
pub mod learner;
pub mod lesson;
pub mod merge;
pub mod page;
pub mod problem;
mod recent;
pub mod routes;
pub mod routes_admin;
pub mod store;
pub mod view;

use std::sync::Arc;

use jalon_shared::track::{Enrollment, TrackSlug};

use crate::{
    clock::Clock,
    course,
    db::{Db, DbError, Tx},
    http::{code, error::ApiError},
};
use catalog::{Catalog, Version};

/// Everything about tracks that lives as long as the server.
#[derive(Clone, Debug)]
pub struct Tracks {
    /// What learners may be shown.
    pub catalog: Catalog,
    /// What learners do.
    pub advancer: advance::Advancer,
}

impl Tracks {
    /// Ready to serve.
    pub fn new(db: &Db, courses: &course::catalog::Catalog, clock: &Clock) -> Self {
        let catalog = Catalog::new(db, courses.caches());
        Self { advancer: advance::Advancer::new(db, &catalog, courses, clock), catalog }
    }
}

/// Tries a write again when another backend was first with a row that this one meant to add: what it
/// finds then is what there is. On SQLite, with its one writer, it never comes to that.
pub async fn again_after_conflict<T, F: Future<Output = Result<T, ApiError>>>(
    mut write: impl FnMut() -> F,
) -> Result<T, ApiError> {
    for _ in 0..2 {
        match write().await {
            Err(error) if error.problem().code == code::CONFLICT.code => {}
            done => return done,
        }
    }
    write().await
}

/// The version an enrollment is in.
pub async fn version_of(tx: &mut Tx<'_>, catalog: &Catalog, enrollment: &Enrollment) -> Result<Arc<Version>, DbError> {
    version_numbered(tx, catalog, enrollment, enrollment.track_version).await
}

/// A version of an enrollment's track.
pub async fn version_numbered(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    enrollment: &Enrollment,
    number: u32,
) -> Result<Arc<Version>, DbError> {
    if let Some(known) = catalog.known_version(enrollment.track_id, number) {
        return Ok(known);
    }
    let slug = store::slug(tx, enrollment.site_id, enrollment.track_id).await?;
    let missing = || DbError::other(format!("track {} has no version {number}", enrollment.track_id));
    let slug: TrackSlug = slug.ok_or_else(missing)?;
    catalog.version_in(tx, enrollment.site_id, enrollment.track_id, slug, number).await?.ok_or_else(missing)
}
