//! Bringing a course's enrollments to its published version and counting anew (C3, C4), or only saying what
//! that would change. A batch of enrollments is one transaction, so that learners go on meanwhile; what was
//! finished stays finished.

use std::{collections::BTreeMap, sync::Arc};

use jalon_shared::{
    SiteId, Timestamp,
    course::{self, Command, CourseEvent, Enrollment},
    slug::CourseSlug,
    wire::recalculation::{CourseStanding, RecalculatedEnrollment, RecalculationReport},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    author,
    catalog::{Catalog, Version},
    judge,
    learn::{self, Saving},
    store::{self, Attempts, Held, Range},
    view,
};
use crate::{
    db::{Db, DbError, Tx},
    http::{auth::Reach, code, error::ApiError},
    site::audit::{self, By},
};

/// How many enrollments a batch has, unless somebody says otherwise.
pub const BATCH: u32 = 100;
/// How many it may have.
pub const MOST: u32 = 500;

/// A batch to recalculate.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The site.
    pub site: SiteId,
    /// The site's slug.
    pub site_slug: Arc<str>,
    /// The course.
    pub course: CourseSlug,
    /// Who wants it.
    pub by: By,
    /// Which courses they may change.
    pub reach: Reach,
    /// Only to say what would change.
    pub dry_run: bool,
    /// The enrollment before the first.
    pub after: Uuid,
    /// How many enrollments, [`MOST`] at most.
    pub limit: u32,
}

/// Recalculates a batch, or says what that would change; and after which enrollment the next begins.
pub async fn batch(
    db: &Db,
    catalog: &Catalog,
    batch: Batch,
    now: Timestamp,
) -> Result<(RecalculationReport, Option<Uuid>), ApiError> {
    if batch.dry_run {
        let catalog = catalog.clone();
        return db.read(move |tx| Box::pin(async move { batch_in(tx, &catalog, &batch, now).await })).await;
    }
    crate::track::again_after_conflict(|| {
        let (catalog, batch) = (catalog.clone(), batch.clone());
        db.write(move |tx| Box::pin(async move { batch_in(tx, &catalog, &batch, now).await }))
    })
    .await
}

async fn batch_in(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    batch: &Batch,
    now: Timestamp,
) -> Result<(RecalculationReport, Option<Uuid>), ApiError> {
    let (site, held) = (batch.site, if batch.dry_run { Held::No } else { Held::Update });
    let row = match held {
        Held::Update => store::course_for_update(tx, site, &batch.course).await?,
        _ => store::course(tx, site, &batch.course).await?,
    };
    let row = row.ok_or_else(ApiError::not_found)?;
    author::may_change(tx, site, &row, &batch.reach).await?;
    let number = row.published_version.ok_or_else(|| {
        ApiError::new(&code::CONFLICT).detail("A course that was never published has nobody in it to recalculate.")
    })?;
    let version = catalog.version_in(tx, site, row.id, row.slug.clone(), number).await?;
    let version = version.ok_or_else(|| DbError::other(format!("course {} has no version {number}", row.id)))?;
    let mut report = RecalculationReport {
        course: row.slug,
        version: number,
        dry_run: batch.dry_run,
        looked_at: 0,
        changed: 0,
        moved: 0,
        unchanged: 0,
        completed: 0,
        left_out: 0,
        items: Vec::new(),
        next_cursor: None,
    };
    let limit = usize::try_from(batch.limit.min(MOST)).unwrap_or(usize::MAX);
    let one_more = i64::from(batch.limit.min(MOST)) + 1;
    let mut found = store::enrollments_of_course(tx, site, row.id, batch.after, one_more, held).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let Some(last) = found.last().map(|enrollment| enrollment.id.0) else { return Ok((report, None)) };
    let range = Range { site, course: row.id, after: batch.after, last };
    let mut items = store::items_of_range(tx, range).await?;
    let mut attempts = store::attempts_of_range(tx, range).await?;
    for mut enrollment in found {
        if !judge::may_judge(&batch.by, &enrollment.learner) {
            // Not even by a dry run, which would tell the keys' effect on one's own answers.
            report.left_out += 1;
            continue;
        }
        enrollment.progress.items = items.remove(&enrollment.id).unwrap_or_default();
        let attempts = attempts.remove(&enrollment.id).unwrap_or_default();
        let before = learn::version_of(tx, catalog, &enrollment).await?;
        let recalculated = Recalculated::of(enrollment, &attempts, (&before, &version), now)?;
        recalculated.tell(&mut report);
        if !batch.dry_run {
            recalculated.save(tx, &version, &batch.site_slug, now).await?;
        }
    }
    if !batch.dry_run && report.changed + report.moved > 0 {
        let what = json!({
            "course": report.course, "version": number, "changed": report.changed, "moved": report.moved, "completed": report.completed,
        });
        audit::record(tx, site, &batch.by, audit::COURSE_RECALCULATED, row.id.0, what, now).await?;
    }
    Ok((report, more.then_some(last)))
}

/// What becomes of one enrollment.
struct Recalculated {
    before: Enrollment,
    happened: Vec<CourseEvent>,
    standings: [CourseStanding; 2],
    completed: bool,
}

impl Recalculated {
    fn of(
        before: Enrollment,
        attempts: &Attempts,
        (old, new): (&Version, &Version),
        now: Timestamp,
    ) -> Result<Self, DbError> {
        let records = new.course.regraded(&before.progress, attempts);
        let regraded = !records.is_empty();
        let command = Command::Recalculate { course_version: new.number, records };
        let mut happened = course::decide(&new.outline, &before.progress, &command, now).map_err(DbError::other)?;
        let mut after = before.clone();
        for event in &happened {
            after.apply(event);
        }
        if !regraded && after.progress == before.progress && after.course_version == before.course_version {
            // Only counted, and it was right: nothing happened.
            happened.clear();
        }
        let completed = before.progress.completed_at.is_none() && after.progress.completed_at.is_some();
        let standings = [standing(&before, old), standing(&after, new)];
        Ok(Self { before, happened, standings, completed })
    }

    /// Whether the learner stands elsewhere after it.
    fn changes(&self) -> bool {
        let [before, after] = &self.standings;
        let seen =
            |it: &CourseStanding| (it.confirmed_points, it.potential_points, it.progress.score(), it.gate.clone());
        self.completed || seen(before) != seen(after)
    }

    fn tell(&self, report: &mut RecalculationReport) {
        report.looked_at += 1;
        report.completed += u32::from(self.completed);
        if self.happened.is_empty() {
            report.unchanged += 1;
        } else if self.changes() {
            report.changed += 1;
            let [before, after] = self.standings.clone();
            report.items.push(RecalculatedEnrollment {
                enrollment_id: self.before.id,
                user_id: self.before.learner.user_id().cloned(),
                guest_id: self.before.learner.guest_id(),
                completed: self.completed,
                before,
                after,
            });
        } else {
            report.moved += 1;
        }
    }

    async fn save(self, tx: &mut Tx<'_>, version: &Version, site_slug: &str, now: Timestamp) -> Result<(), ApiError> {
        let mut enrollment = self.before;
        let untouched: BTreeMap<_, _> = enrollment.progress.items.clone();
        let saving = Saving { site_slug, cause: None, now };
        learn::save(tx, &mut enrollment, &self.happened, (version, &untouched), &saving).await
    }
}

/// Where an enrollment stands.
pub(super) fn standing(enrollment: &Enrollment, version: &Version) -> CourseStanding {
    let (progress, outline) = (&enrollment.progress, &version.outline);
    CourseStanding {
        course_version: enrollment.course_version,
        confirmed_points: progress.totals.confirmed,
        potential_points: progress.totals.potential,
        points_total: outline.points(),
        progress: progress.of_course_by_totals(outline),
        gate: view::gate(progress, outline),
    }
}
