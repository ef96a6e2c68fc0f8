//! Writing courses, shared lessons and question banks: all is checked before anything is saved, and a
//! version never changes after.

use std::collections::BTreeMap;

use jalon_shared::{
    CourseId, FieldError, LocalizedText, SiteId, Timestamp, UserId,
    course::{
        Definition, Written,
        source::{ArticleSource, BankSource, CourseSource, ItemSource, LessonSource},
    },
    slug::{BankSlug, CourseSlug, LessonSlug},
    track::IdMap,
    weight::Weight,
    wire::course::{CourseAdmin, CourseState, PartAdmin},
};
use serde::{Serialize, de::DeserializeOwned};

use super::store::{self, CourseRow, Held, Part};
use crate::{
    db::{DbError, Tx},
    http::{auth::Reach, code, error::ApiError, etag::ETag},
    id::unordered as unordered_id,
    text::markdown,
};

/// What is wrong with Markdown: links and pictures that must not stand in a page.
fn links<'s>(each: impl FnOnce(&mut dyn FnMut(String, &'s LocalizedText))) -> Vec<FieldError> {
    let mut faults = Vec::new();
    each(&mut |pointer, text| markdown::check(&pointer, text, &mut faults));
    faults
}

/// Everything that is wrong with a course as written, as far as it shows without what it names.
pub fn faults(source: &CourseSource) -> Vec<FieldError> {
    let mut faults = source.check();
    faults.extend(links(|take| source.texts(take)));
    faults
}

/// Something that courses share, as its author writes it.
pub trait Shared: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    /// Which kind of part it is.
    const PART: Part;
    /// Everything that is wrong with it.
    fn faults(&self) -> Vec<FieldError>;
    /// Its lesson items, where it has any.
    fn items(&self) -> &[ItemSource] {
        &[]
    }
    /// It, with the ids of its keys.
    fn written(self, ids: IdMap, new_id: impl FnMut() -> uuid::Uuid) -> Written<Self>;
}

impl Shared for LessonSource {
    const PART: Part = Part::Lesson;

    fn faults(&self) -> Vec<FieldError> {
        let mut faults = self.check();
        faults.extend(links(|take| self.texts(take)));
        faults
    }

    fn items(&self) -> &[ItemSource] {
        &self.items
    }

    fn written(self, ids: IdMap, new_id: impl FnMut() -> uuid::Uuid) -> Written<Self> {
        Written::lesson(self, ids, new_id)
    }
}

impl Shared for BankSource {
    const PART: Part = Part::Bank;

    fn faults(&self) -> Vec<FieldError> {
        let mut faults = self.check();
        faults.extend(links(|take| self.texts(take)));
        faults
    }

    fn written(self, ids: IdMap, new_id: impl FnMut() -> uuid::Uuid) -> Written<Self> {
        Written::bank(self, ids, new_id)
    }
}

/// What a write made.
#[derive(Debug)]
pub struct Wrote<T> {
    /// It, after.
    pub now: T,
    /// Whether it is new.
    pub created: bool,
    /// Whether anything changed; writing the same again changes nothing.
    pub changed: bool,
}

/// Writes a shared lesson or bank. Courses that hold it keep what they were written with; their next version
/// takes this.
pub async fn put_part<S: Shared>(
    tx: &mut Tx<'_>,
    site: SiteId,
    slug: &str,
    source: S,
    if_match: impl FnOnce(Option<&ETag>) -> Result<(), ApiError>,
    now: Timestamp,
) -> Result<Wrote<PartAdmin<S>>, ApiError> {
    let mut faults = source.faults();
    faults.extend(unknown_providers(tx, site, placed(source.items(), "").collect()).await?);
    if !faults.is_empty() {
        return Err(ApiError::validation_failed(faults));
    }
    let before: Option<(i64, Written<S>)> = store::part(tx, site, S::PART, slug, Held::Update).await?;
    if_match(before.as_ref().map(|(revision, _)| ETag::revision(*revision)).as_ref())?;
    let created = before.is_none();
    let (revision, ids) = match before {
        Some((revision, written)) if written.source == source => {
            let now = PartAdmin { slug: slug.to_owned(), revision, source: Some(source) };
            return Ok(Wrote { now, created: false, changed: false });
        }
        Some((revision, written)) => (revision + 1, written.ids),
        None => (1, IdMap::new()),
    };
    let written = source.written(ids, || unordered_id(now));
    store::put_part(tx, site, S::PART, slug, revision, &written, now).await?;
    let part = PartAdmin { slug: slug.to_owned(), revision, source: Some(written.source) };
    Ok(Wrote { now: part, created, changed: true })
}

/// A shared lesson or bank as it was last written.
pub async fn get_part<S: Shared>(tx: &mut Tx<'_>, site: SiteId, slug: &str) -> Result<PartAdmin<S>, ApiError> {
    let found: Option<(i64, Written<S>)> = store::part(tx, site, S::PART, slug, Held::No).await?;
    let (revision, written) = found.ok_or_else(ApiError::not_found)?;
    Ok(PartAdmin { slug: slug.to_owned(), revision, source: Some(written.source) })
}

/// Lesson items that show articles of a provider which the site doesn't have. `items` come with their pointers.
async fn unknown_providers(
    tx: &mut Tx<'_>,
    site: SiteId,
    items: Vec<(String, &ItemSource)>,
) -> Result<Vec<FieldError>, DbError> {
    let articles: Vec<_> = items.iter().filter_map(|(at, item)| Some((at, item.article.as_ref()?))).collect();
    if articles.is_empty() {
        return Ok(Vec::new());
    }
    let known = crate::article::store::providers(tx, site).await?;
    let missing = articles.iter().filter(|(_, article)| !known.iter().any(|(name, _)| *name == article.provider));
    let fault = |(at, article): &(&String, &ArticleSource)| {
        let text = format!("there is no content provider {}; add it to the site first", article.provider);
        FieldError::new(format!("{at}/article/provider"), "unknown_provider", text)
    };
    Ok(missing.map(fault).collect())
}

/// Items with their pointers.
fn placed<'s>(items: &'s [ItemSource], at: &str) -> impl Iterator<Item = (String, &'s ItemSource)> {
    items.iter().enumerate().map(move |(place, item)| (format!("{at}/items/{place}"), item))
}

/// The most bytes of memory that the texts of the shared lessons and banks take which a course names: each version
/// of the course holds them, and whoever looks at it has the server read them.
const MAX_NAMED: usize = 64 * 1024 * 1024;

/// A course with the shared lessons and banks it names, as these are now.
async fn define(tx: &mut Tx<'_>, site: SiteId, course: Written<CourseSource>) -> Result<Definition, ApiError> {
    let mut named = 0;
    let mut count = |bytes: usize| {
        named += bytes;
        if named <= MAX_NAMED {
            return Ok(());
        }
        let text = format!("the shared lessons and banks of a course take at most {} MiB; name fewer", MAX_NAMED >> 20);
        Err(ApiError::validation_failed(vec![FieldError::new("/modules", "out_of_range", text)]))
    };
    let mut lessons: BTreeMap<LessonSlug, Written<LessonSource>> = BTreeMap::new();
    for slug in course.source.lessons().filter_map(|lesson| lesson.shared.as_ref()) {
        if !lessons.contains_key(slug)
            && let Some((_, written)) =
                store::part::<LessonSource>(tx, site, Part::Lesson, slug.as_str(), Held::Share).await?
        {
            count(written.source.all_texts().iter().map(|text| text.heap()).sum())?;
            lessons.insert(slug.clone(), written);
        }
    }
    let own = course.source.lessons().flat_map(|lesson| &lesson.items);
    let items: Vec<&ItemSource> = own.chain(lessons.values().flat_map(|lesson| &lesson.source.items)).collect();
    let mut banks: BTreeMap<BankSlug, Written<BankSource>> = BTreeMap::new();
    for draw in items.iter().flat_map(|item| &item.quizzes).flat_map(|quiz| &quiz.draw) {
        if !banks.contains_key(&draw.bank)
            && let Some((_, written)) =
                store::part::<BankSource>(tx, site, Part::Bank, draw.bank.as_str(), Held::Share).await?
        {
            let mut bytes = 0;
            written.source.texts(|_, text| bytes += text.heap());
            count(bytes)?;
            banks.insert(draw.bank.clone(), written);
        }
    }
    Ok(Definition { course, lessons, banks })
}

/// Refuses who may not change a course that is there: an instructor changes those whose newest version has them.
/// Asked with the course held, of what is stored and never of what is about to be written.
pub async fn may_change(tx: &mut Tx<'_>, site: SiteId, row: &CourseRow, reach: &Reach) -> Result<(), ApiError> {
    let Reach::Own(user) = reach else { return Ok(()) };
    if store::instructors(tx, site, row.id, row.latest_version).await?.contains(user) {
        return Ok(());
    }
    Err(ApiError::forbidden("Instructors change the courses of which they are instructors."))
}

/// The members who are a course's instructors once this is written: whom it names; if it names nobody, who they
/// were; of a new course the instructor who writes it.
fn instructors_after(source: &CourseSource, before: Vec<UserId>, reach: &Reach, is_new: bool) -> Vec<UserId> {
    let mut named: Vec<UserId> = source.instructors.iter().filter_map(|one| one.user_id.clone()).collect();
    named.sort();
    match reach {
        _ if !named.is_empty() => named,
        Reach::Own(user) if is_new => vec![user.clone()],
        Reach::Own(_) | Reach::Site => before,
    }
}

/// Writes a whole course as a new version, not yet published. `if_match` is checked against what is there.
pub async fn put(
    tx: &mut Tx<'_>,
    site: SiteId,
    slug: &CourseSlug,
    source: CourseSource,
    reach: &Reach,
    if_match: impl FnOnce(Option<&ETag>) -> Result<(), ApiError>,
    now: Timestamp,
) -> Result<Wrote<CourseAdmin>, ApiError> {
    let before = store::course_for_update(tx, site, slug).await?;
    let mut instructors = Vec::new();
    if let Some(row) = &before {
        may_change(tx, site, row, reach).await?;
        instructors = store::instructors(tx, site, row.id, row.latest_version).await?;
    }
    let faults = faults(&source);
    if !faults.is_empty() {
        return Err(ApiError::validation_failed(faults));
    }
    let instructors = instructors_after(&source, instructors, reach, before.is_none());
    if_match(before.as_ref().map(|row| ETag::revision(row.revision)).as_ref())?;
    let latest = match &before {
        Some(row) => {
            let latest = store::definition(tx, site, row.id, row.latest_version).await?;
            Some(latest.ok_or_else(|| DbError::other(format!("course {} has lost its newest version", row.id)))?)
        }
        None => None,
    };
    let ids = latest.as_ref().map(|latest| latest.course.ids.clone()).unwrap_or_default();
    let mut placed_items = Vec::new();
    for (module, of_module) in source.modules.iter().enumerate() {
        for (lesson, of_lesson) in of_module.lessons.iter().enumerate() {
            placed_items.extend(placed(&of_lesson.items, &format!("/modules/{module}/lessons/{lesson}")));
        }
    }
    let mut faults = unknown_providers(tx, site, placed_items).await?;
    let definition = define(tx, site, Written::course(source, ids, || unordered_id(now))).await?;
    faults.extend(definition.check());
    if !faults.is_empty() {
        return Err(ApiError::validation_failed(faults));
    }
    let Some(mut row) = before else {
        let row = CourseRow {
            id: CourseId(crate::id::new_v7(now)),
            slug: slug.clone(),
            state: CourseState::Draft,
            published_version: None,
            latest_version: 1,
            revision: 1,
        };
        store::insert_course(tx, site, &row, now).await?;
        store::insert_version(tx, site, row.id, 1, (&definition, &instructors), now).await?;
        store::update_course(tx, site, &row, now).await?;
        let now = admin(&row, instructors, Some(definition.course.source));
        return Ok(Wrote { now, created: true, changed: true });
    };
    if latest.as_ref() == Some(&definition) {
        let now = admin(&row, instructors, Some(definition.course.source));
        return Ok(Wrote { now, created: false, changed: false });
    }
    row.revision += 1;
    row.latest_version += 1;
    store::insert_version(tx, site, row.id, row.latest_version, (&definition, &instructors), now).await?;
    store::update_course(tx, site, &row, now).await?;
    let now = admin(&row, instructors, Some(definition.course.source));
    Ok(Wrote { now, created: false, changed: true })
}

/// What a change of a course's row is.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Learners begin with the newest version from now on.
    Publish,
    /// There for enrolled members only.
    Deprecate,
}

/// Changes a course's row; the same change twice changes nothing.
pub async fn change(
    tx: &mut Tx<'_>,
    site: SiteId,
    slug: &CourseSlug,
    change: Change,
    reach: &Reach,
    if_match: impl FnOnce(Option<&ETag>) -> Result<(), ApiError>,
    now: Timestamp,
) -> Result<CourseAdmin, ApiError> {
    let mut row = store::course_for_update(tx, site, slug).await?.ok_or_else(ApiError::not_found)?;
    may_change(tx, site, &row, reach).await?;
    if_match(Some(&ETag::revision(row.revision)))?;
    let before = (row.state, row.published_version);
    match change {
        Change::Publish => {
            row.state = CourseState::Published;
            row.published_version = Some(row.latest_version);
            store::mark_published(tx, site, row.id, row.latest_version, now).await?;
        }
        Change::Deprecate if row.published_version.is_none() => {
            return Err(ApiError::new(&code::CONFLICT)
                .detail("A course that was never published has no learners to keep it for."));
        }
        Change::Deprecate => row.state = CourseState::Deprecated,
    }
    if before != (row.state, row.published_version) {
        row.revision += 1;
        store::update_course(tx, site, &row, now).await?;
    }
    let instructors = store::instructors(tx, site, row.id, row.latest_version).await?;
    Ok(admin(&row, instructors, None))
}

/// A course as its authors see it.
pub fn admin(row: &CourseRow, instructor_ids: Vec<UserId>, source: Option<CourseSource>) -> CourseAdmin {
    CourseAdmin {
        slug: row.slug.clone(),
        state: row.state,
        published_version: row.published_version,
        latest_version: row.latest_version,
        revision: row.revision,
        instructor_ids,
        source,
    }
}

/// One course as its authors see it, with what they wrote.
pub async fn get(tx: &mut Tx<'_>, site: SiteId, slug: &CourseSlug) -> Result<CourseAdmin, ApiError> {
    let row = store::course(tx, site, slug).await?.ok_or_else(ApiError::not_found)?;
    let definition = store::definition(tx, site, row.id, row.latest_version).await?;
    let instructors = store::instructors(tx, site, row.id, row.latest_version).await?;
    Ok(admin(&row, instructors, definition.map(|definition| definition.course.source)))
}
