//! Copying a lesson item, quizzes included, into another lesson: of a course, or one that courses share. What is
//! copied has a life of its own from then on; its target is written as a `PUT` would write it.

use jalon_shared::{
    FieldError, Lang, SiteId, Timestamp,
    course::{
        Written,
        source::{ItemSource, LessonSource},
    },
    slug::{CourseSlug, LessonSlug},
    wire::{
        copying::{CopyFrom, CopyRequest, LessonCopyRequest},
        course::{CourseAdmin, PartAdmin},
    },
};

use super::{
    author::{self, Wrote},
    store::{self, Held, Part},
};
use crate::{
    db::{DbError, Tx},
    http::{
        auth::Reach,
        error::ApiError,
        etag::{ETag, IfMatch},
    },
    track::routes_admin::check,
};

fn fault(pointer: &str, code: &'static str, detail: impl Into<String>) -> ApiError {
    ApiError::validation_failed(vec![FieldError::new(pointer, code, detail)])
}

/// Copies an item into a lesson of a course's own: a new version, not yet published.
pub async fn into_course(
    tx: &mut Tx<'_>,
    site: SiteId,
    slug: &CourseSlug,
    CopyRequest { from, to }: CopyRequest,
    (reach, if_match): (&Reach, &IfMatch),
    now: Timestamp,
) -> Result<Wrote<CourseAdmin>, ApiError> {
    let row = store::course_for_update(tx, site, slug).await?.ok_or_else(ApiError::not_found)?;
    author::may_change(tx, site, &row, reach).await?;
    check(if_match, Some(&ETag::revision(row.revision)))?;
    let definition = store::definition(tx, site, row.id, row.latest_version).await?;
    let lost = || DbError::other(format!("course {} has lost its newest version", row.id));
    let mut source = definition.ok_or_else(lost)?.course.source;
    let item = original(tx, site, &from).await?;
    let lang = source.source_lang.clone();
    let mut lessons = source.modules.iter_mut().flat_map(|module| &mut module.lessons);
    let lesson = lessons
        .find(|lesson| lesson.key == to.lesson)
        .ok_or_else(|| fault("/to/lesson", "unknown_lesson", format!("the course has no lesson {:?}", to.lesson)))?;
    if let Some(shared) = &lesson.shared {
        let detail = format!("this lesson is shared: copy into the shared lesson {shared}, and write the course again");
        return Err(fault("/to/lesson", "shared_lesson", detail));
    }
    place(&mut lesson.items, item, (to.key, to.before), &lang)?;
    author::put(tx, site, slug, source, reach, |_| Ok(()), now).await.map_err(of_target)
}

/// Copies an item into a lesson that courses share.
pub async fn into_lesson(
    tx: &mut Tx<'_>,
    site: SiteId,
    slug: &LessonSlug,
    LessonCopyRequest { from, to }: LessonCopyRequest,
    if_match: &IfMatch,
    now: Timestamp,
) -> Result<Wrote<PartAdmin<LessonSource>>, ApiError> {
    let found: Option<(i64, Written<LessonSource>)> =
        store::part(tx, site, Part::Lesson, slug.as_str(), Held::Update).await?;
    let (revision, Written { mut source, .. }) = found.ok_or_else(ApiError::not_found)?;
    check(if_match, Some(&ETag::revision(revision)))?;
    let item = original(tx, site, &from).await?;
    let lang = source.source_lang.clone();
    place(&mut source.items, item, (to.key, to.before), &lang)?;
    author::put_part(tx, site, slug.as_str(), source, |_| Ok(()), now).await.map_err(of_target)
}

/// The item to copy.
async fn original(tx: &mut Tx<'_>, site: SiteId, from: &CopyFrom) -> Result<ItemSource, ApiError> {
    let items = match (&from.course, &from.lesson, &from.shared_lesson) {
        (Some(course), Some(lesson), None) => of_course(tx, site, course, lesson).await?,
        (None, None, Some(slug)) => {
            let found: Option<(i64, Written<LessonSource>)> =
                store::part(tx, site, Part::Lesson, slug.as_str(), Held::Share).await?;
            let unknown =
                || fault("/from/shared_lesson", "unknown_lesson", format!("there is no shared lesson {slug}"));
            found.ok_or_else(unknown)?.1.source.items
        }
        (Some(_), None, None) => return Err(fault("/from/lesson", "missing_field", "name the course's lesson")),
        (None, Some(_), None) => return Err(fault("/from/course", "missing_field", "name the lesson's course")),
        (None, None, None) => {
            return Err(fault("/from", "missing_field", "name a course and a lesson of it, or a shared lesson"));
        }
        (_, _, Some(_)) => {
            let detail = "an item is either a course's or a shared lesson's: name one of them";
            return Err(fault("/from/shared_lesson", "invalid_value", detail));
        }
    };
    let found = items.into_iter().find(|item| item.key == from.item);
    found.ok_or_else(|| fault("/from/item", "unknown_item", format!("the lesson has no item {:?}", from.item)))
}

/// The items of a course's lesson; of a shared one, as the course holds it.
async fn of_course(tx: &mut Tx<'_>, site: SiteId, course: &CourseSlug, key: &str) -> Result<Vec<ItemSource>, ApiError> {
    let unknown = || fault("/from/course", "unknown_course", format!("there is no course {course}"));
    let row = store::course(tx, site, course).await?.ok_or_else(unknown)?;
    let definition = store::definition(tx, site, row.id, row.latest_version).await?;
    let lost = || DbError::other(format!("course {} has lost its newest version", row.id));
    let mut definition = definition.ok_or_else(lost)?;
    let lessons = definition.course.source.modules.into_iter().flat_map(|module| module.lessons);
    let lesson = lessons
        .into_iter()
        .find(|lesson| lesson.key == key)
        .ok_or_else(|| fault("/from/lesson", "unknown_lesson", format!("the course {course} has no lesson {key:?}")))?;
    Ok(match lesson.shared {
        None => lesson.items,
        Some(slug) => definition.lessons.remove(&slug).map(|shared| shared.source.items).unwrap_or_default(),
    })
}

/// Puts a copy among a lesson's items, which are written in this language.
fn place(
    items: &mut Vec<ItemSource>,
    mut item: ItemSource,
    (key, before): (Option<String>, Option<String>),
    lang: &Lang,
) -> Result<(), ApiError> {
    if let Some(key) = key {
        item.key = key;
    }
    let mut faults: Vec<FieldError> = Vec::new();
    for found in item.faults(lang) {
        faults.push(if found.pointer == "/0/key" {
            FieldError { pointer: "/to/key".to_owned(), ..found }
        } else {
            // The original is not in the request, so its place stands in words.
            let detail = format!("{} of the item: {}", found.pointer, found.detail);
            FieldError { pointer: "/from/item".to_owned(), detail, ..found }
        });
    }
    if items.iter().any(|there| there.key == item.key) {
        let detail = format!("the lesson has an item {:?} already; give the copy another key", item.key);
        faults.push(FieldError::new("/to/key", "duplicate_key", detail));
    }
    let at = match &before {
        None => items.len(),
        Some(before) => items.iter().position(|there| there.key == *before).unwrap_or_else(|| {
            faults.push(FieldError::new("/to/before", "unknown_item", format!("the lesson has no item {before:?}")));
            0
        }),
    };
    if !faults.is_empty() {
        return Err(ApiError::validation_failed(faults));
    }
    items.insert(at, item);
    Ok(())
}

/// What is wrong with the whole, once the copy is in it: too many items, a bank that has not enough questions any
/// more. Pointers into the target would point at nothing in the request.
fn of_target(error: ApiError) -> ApiError {
    let problem = error.problem();
    if problem.status != 422 || problem.errors.is_empty() {
        return error;
    }
    let faults = problem.errors.iter().map(|found| {
        let detail = format!("with the copy, {} of the target: {}", found.pointer, found.detail);
        FieldError { pointer: "/to".to_owned(), code: found.code.clone(), detail }
    });
    ApiError::validation_failed(faults.collect())
}
