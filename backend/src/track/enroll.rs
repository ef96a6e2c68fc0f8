//! Beginning a track, and looking at an enrollment.

use std::sync::Arc;

use jalon_shared::{
    EnrollmentId, Lang, Learner, SiteId, Timestamp,
    track::{Enrollment, TrackEvent},
    wire::enrollment::{Enrollment as View, TrackRef},
};
use uuid::Uuid;

use super::{
    catalog::{Catalog, Version},
    store::{self, EventRecord},
};
use crate::{
    db::{Db, DbError, Tx},
    guest,
    http::{
        error::ApiError,
        idempotency::{self, Lookup},
    },
};

/// An enrollment as its learner sees it.
pub fn view(enrollment: &Enrollment, version: &Version, site: &str) -> View {
    let track = TrackRef { slug: version.slug.clone(), track_type: version.track.track_type, version: version.number };
    View::new(enrollment, &version.outline, site, track)
}

/// The caller's enrollment and its version; 404 when there is none, or it is somebody else's; 409 `guest_merged` for
/// a guest who became a member (M5).
pub async fn of_caller(
    db: &Db,
    catalog: &Catalog,
    site: SiteId,
    learner: Learner,
    id: EnrollmentId,
) -> Result<(Enrollment, Arc<Version>), ApiError> {
    let catalog = catalog.clone();
    db.read(move |tx| {
        Box::pin(async move {
            let found = store::enrollment(tx, site, id).await?;
            let Some(enrollment) = found.filter(|enrollment| enrollment.learner == learner) else {
                guest::state::may_read(tx, site, &learner).await?;
                return Err(ApiError::not_found());
            };
            let version = super::version_of(tx, &catalog, &enrollment).await?;
            Ok((enrollment, version))
        })
    })
    .await
}

/// A wish to begin a track.
#[derive(Clone, Debug)]
pub struct Enroll {
    /// The caller's site.
    pub site: SiteId,
    /// The site's slug.
    pub site_slug: Arc<str>,
    /// The caller.
    pub learner: Learner,
    /// The version to begin with.
    pub version: Arc<Version>,
    /// The language of the page.
    pub lang: Option<Lang>,
    /// The idempotency key.
    pub key: Option<idempotency::Query>,
}

/// An answer to it.
pub struct Enrolled {
    /// 201 new, 200 existing.
    pub status: u16,
    /// JSON.
    pub body: String,
    /// Whether its key was answered before.
    pub replay: bool,
}

/// Begins a track, or answers the enrollment there is (at most one per track and learner).
pub async fn enroll(db: &Db, catalog: &Catalog, wish: Enroll, now: Timestamp) -> Result<Enrolled, ApiError> {
    super::again_after_conflict(|| {
        let (catalog, wish) = (catalog.clone(), wish.clone());
        db.write(move |tx| Box::pin(async move { enroll_in(tx, &catalog, wish, now).await }))
    })
    .await
}

async fn enroll_in(tx: &mut Tx<'_>, catalog: &Catalog, wish: Enroll, now: Timestamp) -> Result<Enrolled, ApiError> {
    if let Learner::User(user) = &wish.learner {
        // A merge into this member, or their erasure, comes before or after.
        store::lock_member(tx, wish.site, user).await?;
    }
    if let Some(query) = &wish.key {
        match idempotency::lookup(tx, query).await? {
            Lookup::Replay(before) => {
                return Ok(Enrolled { status: before.status, body: before.response, replay: true });
            }
            Lookup::Reused => return Err(ApiError::idempotency_key_reused()),
            Lookup::Fresh => {}
        }
    }
    if let Learner::Guest(guest) = &wish.learner {
        // Held until the end: a merge of this guest comes before or after, never between (M8).
        guest::state::hold(tx, wish.site, *guest).await?;
    }
    let (status, enrollment) = match store::enrollment_in_track(tx, wish.site, &wish.learner, wish.version.id).await? {
        Some(there) => (200, there),
        None => begin(tx, &wish, now).await?,
    };
    let version = super::version_of(tx, catalog, &enrollment).await?;
    let body = serde_json::to_string(&view(&enrollment, &version, &wish.site_slug)).map_err(DbError::from)?;
    if let Some(query) = wish.key {
        idempotency::remember(tx, &idempotency::Answer { query, status, response: body.clone() }, now).await?;
    }
    Ok(Enrolled { status, body, replay: false })
}

async fn begin(tx: &mut Tx<'_>, wish: &Enroll, now: Timestamp) -> Result<(u16, Enrollment), ApiError> {
    let id = crate::id::new_v7(now);
    let event = TrackEvent::Started {
        enrollment_id: EnrollmentId(id),
        site_id: wish.site,
        track_id: wish.version.id,
        track_version: wish.version.number,
        learner: wish.learner.clone(),
        lang: wish.lang.clone(),
        at: now,
    };
    let enrollment = Enrollment::begun(&event).ok_or_else(|| DbError::other("an enrollment that did not begin"))?;
    if !store::insert_enrollment(tx, &enrollment).await? {
        // Another backend was first, and has committed: theirs is the one.
        let there = store::enrollment_in_track(tx, wish.site, &wish.learner, wish.version.id).await?;
        return Ok((200, there.ok_or_else(|| DbError::Busy("an enrollment came and went".to_owned()))?));
    }
    let cause: Option<Uuid> = wish.key.as_ref().map(|query| query.key);
    store::append_events(tx, &[EventRecord::new(&enrollment, &event, crate::id::new_v7(now), cause, now)?]).await?;
    Ok((201, enrollment))
}
