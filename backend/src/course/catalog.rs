//! Courses as learners may be shown them, held in memory.

use std::collections::HashMap;

use jalon_shared::{
    CourseId, ItemId, LessonId, SiteId,
    course::{Course, Definition, Item, Lesson, Outline},
    localized,
    slug::CourseSlug,
    weight::{Weight, block},
    wire::course::CourseState,
};

use super::store::{self, CourseRow};
use crate::{
    catalog::{self, Completeness, Noun},
    db::{DbError, Tx},
};

/// Courses, as the catalogue holds them.
#[derive(Debug)]
pub struct Courses;

/// One version of a course, ready to use.
#[derive(Debug)]
pub struct Held {
    /// What it holds, keys included.
    pub course: Course,
    /// What gating, points and progress need of it.
    pub outline: Outline,
    /// Where each item stands: module, lesson, item.
    places: HashMap<ItemId, (usize, usize, usize)>,
}

impl Held {
    /// An item and its lesson.
    pub fn item(&self, id: ItemId) -> Option<(&Lesson, &Item)> {
        let (module, lesson, item) = *self.places.get(&id)?;
        let lesson = self.course.modules.get(module)?.lessons.get(lesson)?;
        Some((lesson, lesson.items.get(item)?))
    }

    /// A lesson.
    pub fn lesson(&self, id: LessonId) -> Option<&Lesson> {
        self.course.modules.iter().flat_map(|module| &module.lessons).find(|lesson| lesson.id == id)
    }
}

/// Every site's courses.
pub type Catalog = catalog::Catalog<Courses>;
/// One version of a course.
pub type Version = catalog::Version<Courses>;

impl Noun for Courses {
    type Id = CourseId;
    type Slug = CourseSlug;
    type Row = CourseRow;
    type Held = Held;

    fn id(row: &CourseRow) -> CourseId {
        row.id
    }

    fn uuid(id: CourseId) -> uuid::Uuid {
        id.0
    }

    fn slug(row: &CourseRow) -> &CourseSlug {
        &row.slug
    }

    fn published_version(row: &CourseRow) -> Option<u32> {
        row.published_version.filter(|_| row.state == CourseState::Published)
    }

    fn weight(held: &Held) -> usize {
        held.course.heap() + held.outline.heap() + block(held.places.capacity() * 48)
    }

    async fn rows(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<CourseRow>, DbError> {
        store::courses(tx, site).await
    }

    async fn text(tx: &mut Tx<'_>, site: SiteId, id: CourseId, number: u32) -> Result<Option<String>, DbError> {
        store::definition_text(tx, site, id, number).await
    }

    fn compile(text: &str) -> Result<(Held, Completeness), serde_json::Error> {
        let definition: Definition = serde_json::from_str(text)?;
        let course = definition.compile();
        let outline = course.outline();
        let mut places = HashMap::new();
        for (m, module) in course.modules.iter().enumerate() {
            for (l, lesson) in module.lessons.iter().enumerate() {
                places.extend(lesson.items.iter().enumerate().map(|(i, item)| (item.id, (m, l, i))));
            }
        }
        let completeness = localized::completeness(definition.all_texts());
        Ok((Held { course, outline, places }, completeness))
    }

    async fn was_published(tx: &mut Tx<'_>, site: SiteId, id: CourseId, number: u32) -> Result<bool, DbError> {
        store::was_published(tx, site, id, number).await
    }
}
