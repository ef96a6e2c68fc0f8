//! What a learner answered right in shared lessons, brought into all their courses at once because staff ask for
//! it. A visit brings the same, one lesson at a time.

use std::sync::Arc;

use jalon_shared::{
    Learner, SiteId, Timestamp, UserId,
    course::{self, Command, CourseEvent},
    wire::recalculation::{SharedPoints, SharedPointsReport},
};
use serde_json::json;

use super::{
    catalog::Catalog,
    judge,
    learn::{self, Saving},
    recalculate::standing,
    store,
};
use crate::{
    db::{Db, DbError, Tx},
    http::error::ApiError,
    quiz::order::Orders,
    site::audit::{self, By},
};

/// Whose courses, and who wants it.
#[derive(Clone, Debug)]
pub struct Sync {
    /// The site.
    pub site: SiteId,
    /// The site's slug.
    pub site_slug: Arc<str>,
    /// The learner.
    pub user: UserId,
    /// Who wants it.
    pub by: By,
    /// What attempts draw.
    pub orders: Orders,
}

/// Brings what is shared into all the learner's courses that are not complete, as far as their lessons are open
/// (C1). Answers of the enrollment's own win. 404 for who is in no course.
pub async fn sync(db: &Db, catalog: &Catalog, sync: Sync, now: Timestamp) -> Result<SharedPointsReport, ApiError> {
    crate::track::again_after_conflict(|| {
        let (catalog, sync) = (catalog.clone(), sync.clone());
        db.write(move |tx| Box::pin(async move { sync_in(tx, &catalog, &sync, now).await }))
    })
    .await
}

async fn sync_in(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    Sync { site, site_slug, user, by, orders }: &Sync,
    now: Timestamp,
) -> Result<SharedPointsReport, ApiError> {
    let learner = Learner::User(user.clone());
    judge::check(by, &learner)?;
    let all = store::enrollments_of_learner(tx, *site, &learner).await?;
    if all.is_empty() {
        return Err(ApiError::not_found());
    }
    let mut report = SharedPointsReport { user_id: user.clone(), looked_at: 0, items: Vec::new() };
    for one in all.iter().filter(|one| one.progress.completed_at.is_none()) {
        // As it is once it is held: it may be complete by now, or gone.
        let found = store::enrollment_for_update(tx, *site, one.id).await?;
        let held = |one: &course::Enrollment| one.learner == learner && one.progress.completed_at.is_none();
        let Some(mut enrollment) = found.filter(held) else { continue };
        report.looked_at += 1;
        let version = learn::version_of(tx, catalog, &enrollment).await?;
        let lessons = version.course.modules.iter().flat_map(|module| &module.lessons);
        let shared: Vec<_> = lessons.filter(|lesson| lesson.shared).collect();
        if shared.is_empty() {
            continue;
        }
        enrollment.progress.items = store::items(tx, *site, enrollment.id, None).await?;
        let (mut after, mut happened) = (enrollment.clone(), Vec::new());
        for lesson in shared {
            let (rights, records) = learn::rights(tx, orders, lesson, &after).await?;
            let command = Command::Share { lesson: lesson.id, rights, records };
            let events = course::decide(&version.outline, &after.progress, &command, now).map_err(DbError::other)?;
            for event in &events {
                after.apply(event);
            }
            happened.extend(events);
        }
        if happened.is_empty() {
            continue;
        }
        let questions = happened.iter().map(|event| match event {
            CourseEvent::PointsShared { questions, .. } => questions.len(),
            _ => 0,
        });
        report.items.push(SharedPoints {
            enrollment_id: enrollment.id,
            course: version.slug.clone(),
            questions: u32::try_from(questions.sum::<usize>()).unwrap_or(u32::MAX),
            completed: after.progress.completed_at.is_some(),
            before: standing(&enrollment, &version),
            after: standing(&after, &version),
        });
        let untouched = enrollment.progress.items.clone();
        let saving = Saving { site_slug, cause: None, now };
        learn::save(tx, &mut enrollment, &happened, (&version, &untouched), &saving).await?;
    }
    if !report.items.is_empty() {
        let what = json!({ "enrollments": report.items.len() });
        // A subject of its own, and a number: neither the learner nor what is theirs is to stay here.
        audit::record(tx, *site, by, audit::POINTS_SYNCED, crate::id::new_v7(now), what, now).await?;
    }
    Ok(report)
}
