//! How a cohort's learners do: numbers by course, and each of them.

use jalon_shared::{
    Lang, Score, SiteId, Timestamp, UserId,
    course::Enrollment,
    slug::CourseSlug,
    wire::{
        cohort::{AcademyDashboard, CohortDashboard, CohortLearner, CourseNumbers, LearnerCourse},
        enrollment::EnrollmentStatus,
    },
};

use super::{
    csv,
    store::{self, Sums},
};
use crate::{
    course::{catalog, learn, store as courses},
    db::{Db, DbError, Tx},
    text::In,
};

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

/// Sums as numbers, with the title of the course where it is published.
pub async fn numbers(
    tx: &mut Tx<'_>,
    catalog: &catalog::Catalog,
    site: SiteId,
    wanted: &[Lang],
    sums: Sums,
) -> Result<CourseNumbers, DbError> {
    let slug = CourseSlug::parse(&sums.slug).map_err(DbError::other)?;
    let row = courses::course(tx, site, &slug).await?;
    let mut title = None;
    if let Some((row, number)) = row.and_then(|row| row.published_version.map(|number| (row, number)))
        && let Some(version) = catalog.version_in(tx, site, row.id, row.slug, number).await?
    {
        title = Some(In { wanted, source: &version.course.source_lang }.plain(&version.course.title));
    }
    let mean = |sum: i64, count: i64| (count > 0).then(|| (2 * sum + count) / (2 * count));
    let mean_score = mean(sums.score_sum, sums.scored).and_then(|mean| Score::from_hundredths(mean).ok());
    Ok(CourseNumbers {
        course: slug,
        title,
        enrolled: unsigned(sums.enrolled),
        started: unsigned(sums.enrolled - sums.completed - sums.in_progress),
        in_progress: unsigned(sums.in_progress),
        completed: unsigned(sums.completed),
        awaiting_grading: unsigned(sums.awaiting),
        mean_score,
        time_spent_seconds: unsigned(sums.time_spent_seconds),
        evaluations: 0,
        mean_rating: None,
    })
}

/// A cohort's numbers.
pub async fn dashboard(
    db: &Db,
    catalog: &catalog::Catalog,
    site: SiteId,
    cohort: String,
    wanted: Vec<Lang>,
    now: Timestamp,
) -> Result<CohortDashboard, DbError> {
    let catalog = catalog.clone();
    db.read(move |tx| {
        Box::pin(async move {
            let learners = unsigned(store::learners(tx, site, &cohort).await?);
            let mut numbers_of = Vec::new();
            for sums in store::sums_of_cohort(tx, site, &cohort).await? {
                numbers_of.push(numbers(tx, &catalog, site, &wanted, sums).await?);
            }
            numbers_of.sort_by(|a, b| a.course.cmp(&b.course));
            Ok(CohortDashboard { cohort, learners, at: now, courses: numbers_of })
        })
    })
    .await
}

/// The numbers of an academy: of all these cohorts together, each learner once.
pub async fn academy(
    db: &Db,
    catalog: &catalog::Catalog,
    site: SiteId,
    mut cohorts: Vec<String>,
    wanted: Vec<Lang>,
    now: Timestamp,
) -> Result<AcademyDashboard, DbError> {
    let catalog = catalog.clone();
    cohorts.sort();
    cohorts.dedup();
    db.read(move |tx| {
        Box::pin(async move {
            let learners = unsigned(store::learners_of(tx, site, &cohorts).await?);
            let mut courses = Vec::new();
            for sums in store::sums_of_cohorts(tx, site, &cohorts).await? {
                courses.push(numbers(tx, &catalog, site, &wanted, sums).await?);
            }
            courses.sort_by(|a, b| a.course.cmp(&b.course));
            Ok(AcademyDashboard { cohorts, learners, at: now, courses })
        })
    })
    .await
}

/// One learner, in all their courses; of a cohort only who learns in it.
pub async fn one(
    db: &Db,
    catalog: &catalog::Catalog,
    site: SiteId,
    cohort: Option<String>,
    user: UserId,
) -> Result<Option<CohortLearner>, DbError> {
    let catalog = catalog.clone();
    db.read(move |tx| {
        Box::pin(async move {
            let member = match &cohort {
                Some(cohort) => store::is_learner(tx, site, cohort, &user).await?,
                None => false,
            };
            let of = jalon_shared::Learner::User(user.clone());
            let enrollments = if member || cohort.is_none() {
                courses::enrollments_of_learner(tx, site, &of).await?
            } else {
                Vec::new()
            };
            if enrollments.is_empty() && !member {
                return Ok(None);
            }
            Ok(Some(learner(tx, &catalog, enrollments, user).await?))
        })
    })
    .await
}

async fn learner(
    tx: &mut Tx<'_>,
    catalog: &catalog::Catalog,
    enrollments: Vec<Enrollment>,
    user: UserId,
) -> Result<CohortLearner, DbError> {
    let mut ways = Vec::with_capacity(enrollments.len());
    for enrollment in enrollments {
        let version = learn::version_of(tx, catalog, &enrollment).await?;
        let (progress, totals) = (&enrollment.progress, enrollment.progress.totals);
        ways.push(LearnerCourse {
            enrollment_id: enrollment.id,
            course: version.slug.clone(),
            status: if progress.completed_at.is_some() {
                EnrollmentStatus::Completed
            } else if totals.answered > 0 || totals.needed_complete > 0 {
                EnrollmentStatus::InProgress
            } else {
                EnrollmentStatus::Started
            },
            progress: progress.of_course_by_totals(&version.outline),
            confirmed_points: totals.confirmed,
            potential_points: totals.potential,
            points_total: version.outline.points(),
            score: progress.score,
            started_at: progress.started_at,
            completed_at: progress.completed_at,
            time_spent_seconds: totals.time_spent_seconds,
        });
    }
    Ok(CohortLearner { user_id: user, courses: ways })
}

/// A page of a cohort's learners, by id, after this one.
pub async fn learners(
    db: &Db,
    catalog: &catalog::Catalog,
    site: SiteId,
    cohort: String,
    after: String,
    limit: i64,
) -> Result<Vec<CohortLearner>, DbError> {
    let catalog = catalog.clone();
    db.read(move |tx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for name in store::learners_after(tx, site, &cohort, &after, limit).await? {
                let user = UserId::parse(&name).map_err(DbError::other)?;
                let of = jalon_shared::Learner::User(user.clone());
                let enrollments = courses::enrollments_of_learner(tx, site, &of).await?;
                found.push(learner(tx, &catalog, enrollments, user).await?);
            }
            Ok(found)
        })
    })
    .await
}

/// All of a cohort's learners as a table for spreadsheets: a row each learner and course.
pub async fn table(db: &Db, catalog: &catalog::Catalog, site: SiteId, cohort: String) -> Result<String, DbError> {
    const PAGE: i64 = 500;
    let mut text = String::new();
    csv::row(
        &mut text,
        [
            "user_id",
            "course",
            "status",
            "questions_answered",
            "questions",
            "confirmed_points",
            "potential_points",
            "points_total",
            "score",
            "started_at",
            "completed_at",
            "time_spent_seconds",
        ],
    );
    let mut after = String::new();
    loop {
        // In pages: a long table holds no snapshot open, and never all learners in memory.
        let page = learners(db, catalog, site, cohort.clone(), after.clone(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(text) };
        last.user_id.as_str().clone_into(&mut after);
        for learner in &page {
            if learner.courses.is_empty() {
                let mut cells = vec![learner.user_id.as_str()];
                cells.resize(12, "");
                csv::row(&mut text, cells);
            }
            for way in &learner.courses {
                let status = match way.status {
                    EnrollmentStatus::Completed => "completed",
                    EnrollmentStatus::InProgress => "in_progress",
                    EnrollmentStatus::Started => "started",
                    EnrollmentStatus::Expired => "expired",
                };
                let points = |points: jalon_shared::course::Points| serde_json::to_string(&points).unwrap_or_default();
                let cells = [
                    learner.user_id.to_string(),
                    way.course.to_string(),
                    status.to_owned(),
                    way.progress.done.to_string(),
                    way.progress.of.to_string(),
                    points(way.confirmed_points),
                    points(way.potential_points),
                    points(way.points_total),
                    way.score.map(|score| score.to_string()).unwrap_or_default(),
                    way.started_at.to_string(),
                    way.completed_at.map(|at| at.to_string()).unwrap_or_default(),
                    way.time_spent_seconds.to_string(),
                ];
                csv::row(&mut text, cells.iter().map(String::as_str));
            }
        }
    }
}
