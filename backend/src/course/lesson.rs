//! A lesson that a learning track points at: found when the track is written, opened to its learners, and asked
//! how far it is. Guests reach a course's lesson in no other way.

use std::sync::Arc;

use jalon_shared::{
    EnrollmentId, FieldError, ItemId, Lang, Learner, LessonId, SiteId, Timestamp, TrackId,
    course::{self, Command, Enrollment, Points},
    track::{LessonPlace, StepLessonSource, enrollment::LessonDone},
    wire::{
        course::{CourseEnrollment, OpenedLesson},
        track::LessonStep,
    },
};

use super::{
    catalog::{Catalog, Version},
    learn::{self, Asker, Done, Saving},
    store,
};
use crate::{
    db::{Db, DbError, Tx},
    http::error::ApiError,
    text::In,
};

/// The lesson that an author names, with what its quizzes are worth; else what is wrong with it, told at `at`.
pub async fn find(
    tx: &mut Tx<'_>,
    site: SiteId,
    named: &StepLessonSource,
    at: &str,
) -> Result<Result<(LessonPlace, Points), FieldError>, DbError> {
    let StepLessonSource { course, lesson } = named;
    let fault =
        |field: &str, code: &'static str, detail: String| FieldError::new(format!("{at}/{field}"), code, detail);
    let Some(row) = store::course(tx, site, course).await? else {
        return Ok(Err(fault("course", "unknown_course", format!("there is no course {course}; write it first"))));
    };
    let Some(number) = row.published_version else {
        return Ok(Err(fault("course", "course_not_published", format!("publish the course {course} first"))));
    };
    let definition = store::definition(tx, site, row.id, number).await?;
    let definition =
        definition.ok_or_else(|| DbError::other(format!("course {course} has lost its version {number}")))?;
    let Some((lesson_id, points)) = definition.lesson_of_key(lesson) else {
        let detail = format!("the published version of the course {course} has no lesson with the key {lesson:?}");
        return Ok(Err(fault("lesson", "unknown_lesson", detail)));
    };
    Ok(Ok((LessonPlace { course_id: row.id, course_version: number, lesson_id }, points)))
}

/// The learner's way through the lesson's course, if there is one, and the version in which they have the
/// lesson, or would begin with it: the published one while it holds the lesson, else that which held it when
/// the track was written. No learner is left before a lesson that is gone.
async fn way(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    site: SiteId,
    learner: Option<&Learner>,
    place: &LessonPlace,
) -> Result<(Option<Enrollment>, Arc<Version>), DbError> {
    let enrollment = match learner {
        Some(learner) => store::enrollment_in_course(tx, site, learner, place.course_id).await?,
        None => None,
    };
    if let Some(enrollment) = &enrollment {
        let version = learn::version_of(tx, catalog, enrollment).await?;
        if version.lesson(place.lesson_id).is_some() {
            return Ok((Some(enrollment.clone()), version));
        }
    }
    if let Some(number) = store::published_version(tx, site, place.course_id).await? {
        let version = learn::version_numbered(tx, catalog, site, place.course_id, number).await?;
        if version.lesson(place.lesson_id).is_some() {
            return Ok((enrollment, version));
        }
    }
    let version = learn::version_numbered(tx, catalog, site, place.course_id, place.course_version).await?;
    Ok((enrollment, version))
}

/// What a step shows of its lesson.
pub async fn shown(
    db: &Db,
    catalog: &Catalog,
    site: SiteId,
    learner: Option<Learner>,
    place: LessonPlace,
    wanted: &[Lang],
) -> Result<Option<LessonStep>, DbError> {
    let catalog = catalog.clone();
    let (_, version) =
        db.read(move |tx| Box::pin(async move { way(tx, &catalog, site, learner.as_ref(), &place).await })).await?;
    Ok(version.lesson(place.lesson_id).map(|lesson| LessonStep {
        course: version.slug.clone(),
        version: version.number,
        lesson_id: lesson.id,
        title: In { wanted, source: &lesson.source_lang }.plain(&lesson.title),
        items: u32::try_from(lesson.items.len()).unwrap_or(u32::MAX),
    }))
}

/// How far a learner is with a lesson that a step of a track points at.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Which lesson.
    pub lesson: LessonId,
    /// What became of it, once it is complete.
    pub done: Option<LessonDone>,
    /// The learner's way through its course.
    pub enrollment: Option<EnrollmentId>,
    /// What is still to be done, with its title.
    pub missing: Vec<(ItemId, String)>,
}

/// How far a learner is with a lesson. What is complete stays so: it may be asked before it is acted on.
pub async fn standing(
    db: &Db,
    catalog: &Catalog,
    site: SiteId,
    learner: Learner,
    place: LessonPlace,
    wanted: Vec<Lang>,
) -> Result<Standing, DbError> {
    let catalog = catalog.clone();
    db.read(move |tx| {
        Box::pin(async move {
            let (enrollment, version) = way(tx, &catalog, site, Some(&learner), &place).await?;
            let lesson = place.lesson_id;
            let mut progress = course::Progress::begun(Timestamp(0));
            if let Some(enrollment) = &enrollment {
                progress.items = store::items(tx, site, enrollment.id, Some(lesson)).await?;
            }
            let outline = &version.outline;
            let complete = progress.is_lesson_complete(outline, lesson);
            let missing = outline.needed_of_lesson(lesson).filter(|item| !complete && !progress.is_complete(item.id));
            let title = |item: ItemId| {
                let found = version.item(item).map(|(lesson, item)| item.title.resolve(&wanted, &lesson.source_lang));
                (item, found.map(|title| title.value).unwrap_or_default())
            };
            Ok(Standing {
                lesson,
                done: complete.then(|| LessonDone { score: progress.score_of_lesson(outline, lesson) }),
                enrollment: enrollment.map(|enrollment| enrollment.id),
                missing: missing.map(|item| title(item.id)).collect(),
            })
        })
    })
    .await
}

/// Opens a lesson to a learner whom a track brings there: their way through the course is found, or begun. The
/// learner is held, and their key was not used before.
pub async fn open(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    asker: &Asker,
    (track, place): (TrackId, LessonPlace),
    now: Timestamp,
) -> Result<Done, ApiError> {
    let (there, version) = way(tx, catalog, asker.site, Some(&asker.learner), &place).await?;
    let lesson = version.lesson(place.lesson_id).ok_or_else(ApiError::not_found)?;
    let begun = there.is_none();
    let mut enrollment = match there {
        None => learn::begin(tx, asker, &version, asker.wanted.first().cloned(), now).await?,
        Some(there) => {
            let there = store::enrollment_for_update(tx, asker.site, there.id).await?;
            there.ok_or_else(|| DbError::Busy("an enrollment came and went".to_owned()))?
        }
    };
    enrollment.progress.items = store::items(tx, asker.site, enrollment.id, None).await?;
    let saving = Saving { site_slug: &asker.site_slug, cause: asker.key.map(|(key, _)| key), now };
    let mut commands = vec![Command::OpenLesson { lesson: lesson.id, track }];
    if enrollment.course_version != version.number {
        // Who is in a version from before the lesson comes along to one that holds it; nothing is lost by that.
        commands.insert(0, Command::Recalculate { course_version: version.number, records: Vec::new() });
    }
    for command in commands {
        let untouched = enrollment.progress.items.clone();
        let happened = course::decide(&version.outline, &enrollment.progress, &command, now)
            .map_err(|refusal| learn::refused(&refusal, &version, &asker.wanted))?;
        learn::save(tx, &mut enrollment, &happened, (&version, &untouched), &saving).await?;
    }
    let whole: CourseEnrollment = learn::whole(&enrollment, &version, asker, now);
    let body = learn::json(&OpenedLesson { enrollment: whole, lesson_id: lesson.id })?;
    learn::remember(tx, asker.query(), if begun { 201 } else { 200 }, body, now).await
}
