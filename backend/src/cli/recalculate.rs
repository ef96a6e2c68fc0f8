//! `jalon recalculate`.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use jalon_shared::{slug::CourseSlug, wire::recalculation::RecalculationReport};
use uuid::Uuid;

use super::{Context, key::plain, site};
use crate::{
    course::recalculate::{self, BATCH, Batch},
    http::auth::Reach,
};

/// Bring everybody in a course to its published version, and count anew by its keys
///
/// Who has begun a course stays in the version they began with, until this. Recorded answers are graded by the
/// published version's keys; what graders said stays; nobody who finished is un-finished. Look first with
/// --dry-run. It goes on in batches, so it may be stopped, and run again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The site's slug
    #[arg(long, value_name = "SLUG")]
    site: String,
    /// The course's slug
    #[arg(long, value_name = "SLUG")]
    course: String,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let course =
            CourseSlug::parse(&self.course).with_context(|| format!("no course is named {:?}", self.course))?;
        let app = context.app().await?;
        let site = site::find(&app, &self.site)?;
        let mut batch = Batch {
            site: site.id,
            site_slug: Arc::from(site.slug.as_str()),
            course,
            by: None,
            reach: Reach::Site,
            dry_run: self.dry_run,
            after: Uuid::nil(),
            limit: BATCH,
        };
        let mut all: Option<RecalculationReport> = None;
        let done = loop {
            match recalculate::batch(&app.db, &app.courses.catalog, batch.clone(), app.clock.now()).await {
                Err(error) => break Err(error),
                Ok((report, next)) => {
                    match &mut all {
                        Some(all) => all.take(report),
                        None => all = Some(report),
                    }
                    let Some(next) = next else { break Ok(()) };
                    batch.after = next;
                }
            }
        };
        app.db.close().await;
        // What came before a failure is done.
        if let Some(all) = &all {
            context.print(all, text(all))?;
        }
        done.map_err(plain).with_context(|| match &all {
            Some(all) => format!("stopped after {} enrollments", all.looked_at),
            None => format!("the course {} was not recalculated", self.course),
        })
    }
}

fn text(report: &RecalculationReport) -> String {
    let mut text = String::new();
    for changed in &report.items {
        let (before, after) = (&changed.before, &changed.after);
        let learner = match (&changed.user_id, &changed.guest_id) {
            (Some(user), _) => user.to_string(),
            (None, Some(guest)) => format!("guest {guest}"),
            (None, None) => changed.enrollment_id.to_string(),
        };
        let points = |points: jalon_shared::course::Points| serde_json::to_string(&points).unwrap_or_default();
        writeln!(
            text,
            "{learner}: points {} to {}, waiting {} to {}, progress {}/{} to {}/{}{}",
            points(before.confirmed_points),
            points(after.confirmed_points),
            points(before.potential_points),
            points(after.potential_points),
            before.progress.done,
            before.progress.of,
            after.progress.done,
            after.progress.of,
            if changed.completed { ", completed" } else { "" },
        )
        .ok();
    }
    let would = if report.dry_run { "would be " } else { "" };
    let (course, version) = (&report.course, report.version);
    write!(
        text,
        "{course} version {version}: {} looked at; {} {would}changed, {} {would}only brought to the version, {} unchanged; {} {would}completed",
        report.looked_at, report.changed, report.moved, report.unchanged, report.completed,
    )
    .ok();
    text
}
