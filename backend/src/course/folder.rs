//! Courses and shared lessons as folders: `course.yaml` or `lesson.yaml`, with the items' Markdown beside it.

use std::collections::BTreeMap;

use jalon_shared::{
    Lang, LocalizedText, VideoSource,
    course::source::{
        ArticleSource, Category, CourseLessonSource, CourseSource, Difficulty, InstructorSource, ItemKind,
        ItemQuizSource, ItemSource, LessonSource, ModuleSource, Shortcode,
    },
    slug::LessonSlug,
};
use serde::Serialize;

use crate::folder::{
    export::{FileName, Folder},
    find::Kind,
    import::FolderError,
};

#[derive(Serialize)]
struct Course<'a> {
    category: Category,
    difficulty: Difficulty,
    source_lang: &'a Lang,
    title: &'a LocalizedText,
    #[serde(skip_serializing_if = "is_empty")]
    summary: &'a LocalizedText,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    instructors: &'a [InstructorSource],
    modules: Vec<Module<'a>>,
}

#[derive(Serialize)]
struct Module<'a> {
    key: &'a str,
    title: &'a LocalizedText,
    lessons: Vec<CourseLesson<'a>>,
}

#[derive(Serialize)]
struct CourseLesson<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<&'a LessonSlug>,
    #[serde(skip_serializing_if = "is_empty")]
    title: &'a LocalizedText,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Lesson<'a> {
    source_lang: &'a Lang,
    title: &'a LocalizedText,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    key: &'a str,
    kind: ItemKind,
    title: &'a LocalizedText,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    body: BTreeMap<Lang, FileName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video: Option<&'a VideoSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    article: Option<&'a ArticleSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discussion_url: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    shortcodes: &'a [Shortcode],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    quizzes: &'a [ItemQuizSource],
}

/// Nothing at all: a blank text is written, as it was.
fn is_empty(text: &LocalizedText) -> bool {
    text.0.is_empty()
}

/// Items, with their bodies in files below `at`.
fn items<'a>(items: &'a [ItemSource], at: &str, to: &Folder) -> Result<Vec<Item<'a>>, FolderError> {
    let item = |item: &'a ItemSource| {
        // Taken apart, so that a new field is not forgotten here.
        let ItemSource { key, kind, title, body, video, article, discussion_url, shortcodes, quizzes } = item;
        let body = match body {
            Some(body) => to.texts(&format!("{at}{key}"), body)?,
            None => BTreeMap::new(),
        };
        Ok(Item {
            key,
            kind: *kind,
            title,
            body,
            video: video.as_ref(),
            article: article.as_ref(),
            discussion_url: discussion_url.as_deref(),
            shortcodes,
            quizzes,
        })
    };
    items.iter().map(item).collect()
}

/// Writes a shared lesson; the bodies of its items as `<item>.<lang>.md`.
pub(crate) fn lesson(source: &LessonSource, to: &Folder) -> Result<(), FolderError> {
    let LessonSource { source_lang, title, items: own } = source;
    to.document(Kind::Lesson, &Lesson { source_lang, title, items: items(own, "", to)? })
}

/// Writes a course; the bodies of its items as `<lesson>/<item>.<lang>.md`.
pub(crate) fn course<'a>(source: &'a CourseSource, to: &Folder) -> Result<(), FolderError> {
    let CourseSource { category, difficulty, source_lang, title, summary, instructors, modules } = source;
    let course_lesson = |lesson: &'a CourseLessonSource| {
        let CourseLessonSource { key, shared, title, items: own } = lesson;
        Ok(CourseLesson { key, shared: shared.as_ref(), title, items: items(own, &format!("{key}/"), to)? })
    };
    let module = |module: &'a ModuleSource| {
        let ModuleSource { key, title, lessons } = module;
        Ok(Module { key, title, lessons: lessons.iter().map(course_lesson).collect::<Result<_, FolderError>>()? })
    };
    let modules = modules.iter().map(module).collect::<Result<_, FolderError>>()?;
    let (category, difficulty) = (*category, *difficulty);
    to.document(Kind::Course, &Course { category, difficulty, source_lang, title, summary, instructors, modules })
}
