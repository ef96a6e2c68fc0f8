//! A track as its author writes it, and what can be wrong with it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{LessonPlaces, StepKind, StepTarget, TrackType};
use crate::{
    FieldError, Lang, LocalizedText, Score, VideoSource,
    address::is_safe_address,
    quiz::source::{Check, QuestionKindName, QuizSource, is_default, is_key},
    slug::CourseSlug,
};

/// A whole track, as `PUT` and `jalon import` take it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TrackSource {
    /// What it is for.
    pub track_type: TrackType,
    /// The language it is written in; every text must be there in it.
    pub source_lang: Lang,
    /// Whether guests and CMS pages may show it (E1).
    #[serde(default)]
    pub cms_block_enabled: bool,
    /// Its title.
    pub title: LocalizedText,
    /// What it is about.
    #[serde(default, skip_serializing_if = "is_default")]
    pub summary: LocalizedText,
    /// 1–200 steps, in order.
    pub steps: Vec<StepSource>,
}

/// A step as written; the field its kind asks for, and no others.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StepSource {
    /// Unique in the track: letters, digits, `-`, `_`; at most 64. It names the step over all versions.
    pub key: String,
    /// What it points at: `content`, `video`, `quiz`, `lesson` or `link`.
    pub kind: StepKind,
    /// May be written for the reader's sake; then it must be the step's place, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u16>,
    /// Whether later steps wait for it (G1).
    #[serde(default = "yes")]
    pub required: bool,
    /// For a quiz or a lesson: the score that passes it (G3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_mark: Option<Score>,
    /// Its title.
    pub title: LocalizedText,
    /// Content: Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<LocalizedText>,
    /// Video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoSource>,
    /// Quiz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiz: Option<QuizSource>,
    /// Lesson: one of a course of this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<StepLessonSource>,
    /// Link: an https address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A lesson of a course, by the names its author gave.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StepLessonSource {
    /// The course, which must be published.
    pub course: CourseSlug,
    /// The lesson's key in it.
    pub lesson: String,
}

fn yes() -> bool {
    true
}

impl TrackSource {
    /// Everything that is wrong with it; nothing, when it may become a version.
    pub fn check(&self) -> Vec<FieldError> {
        let mut check = Check::new(&self.source_lang);
        check.text(&self.title, "/title", 500);
        check.optional_text(&self.summary, "/summary", 5000);
        if self.steps.is_empty() || self.steps.len() > 200 {
            check.fault("/steps", "out_of_range", "a track has 1 to 200 steps");
        }
        check.keys(self.steps.iter().map(|step| step.key.as_str()), "/steps");
        for (place, step) in self.steps.iter().enumerate() {
            step.check(&mut check, place);
        }
        check.into_faults()
    }

    /// Every Markdown text of it, with its pointer.
    pub fn texts<'s>(&'s self, mut take: impl FnMut(String, &'s LocalizedText)) {
        for (place, step) in self.steps.iter().enumerate() {
            if let Some(body) = &step.body {
                take(format!("/steps/{place}/body"), body);
            }
            if let Some(quiz) = &step.quiz {
                quiz.texts(&format!("/steps/{place}/quiz"), &mut take);
            }
        }
    }

    /// Every text that a translator would translate (L4).
    pub fn all_texts(&self) -> Vec<&LocalizedText> {
        let mut all = vec![&self.title, &self.summary];
        all.extend(self.steps.iter().map(|step| &step.title));
        self.texts(|_, text| all.push(text));
        all
    }
}

impl StepSource {
    fn check(&self, check: &mut Check<'_>, place: usize) {
        let at = format!("/steps/{place}");
        if self.order.is_some_and(|order| usize::from(order) != place + 1) {
            check.fault(
                format!("{at}/order"),
                "order_hole",
                format!("steps are numbered 1..n without holes; this is number {}", place + 1),
            );
        }
        check.text(&self.title, &format!("{at}/title"), 500);
        if self.pass_mark.is_some() && !matches!(self.kind, StepKind::Quiz | StepKind::Lesson) {
            check.fault(format!("{at}/pass_mark"), "unknown_field", "only a scored step has a pass mark");
        }
        let wanted = match self.kind {
            StepKind::Content => "body",
            StepKind::Video => "video",
            StepKind::Quiz => "quiz",
            StepKind::Lesson => "lesson",
            StepKind::Link => "url",
            StepKind::Exam | StepKind::Webinar => {
                check.fault(
                    format!("{at}/kind"),
                    "unsupported_step_kind",
                    "steps of this kind can't be written yet; use content, video, quiz, lesson or link",
                );
                return;
            }
        };
        for (name, there) in [
            ("body", self.body.is_some()),
            ("video", self.video.is_some()),
            ("quiz", self.quiz.is_some()),
            ("lesson", self.lesson.is_some()),
            ("url", self.url.is_some()),
        ] {
            if there && name != wanted {
                check.fault(
                    format!("{at}/{name}"),
                    "unknown_field",
                    format!("a step of this kind has `{wanted}` instead"),
                );
            }
            if !there && name == wanted {
                check.fault(format!("{at}/{name}"), "missing_field", format!("a step of this kind needs `{wanted}`"));
            }
        }
        if let Some(body) = &self.body {
            check.text(body, &format!("{at}/body"), 100_000);
        }
        if let Some(video) = &self.video {
            video.check(check, &format!("{at}/video"));
        }
        if let Some(quiz) = &self.quiz {
            quiz.check(check, &format!("{at}/quiz"));
            for (place, question) in quiz.questions.iter().enumerate() {
                if question.kind == QuestionKindName::OpenEnded {
                    check.fault(
                        format!("{at}/quiz/questions/{place}/kind"),
                        "unsupported_question_kind",
                        "a track has no graders, so it can't ask open questions",
                    );
                }
                if !question.hints.is_empty() {
                    check.fault(
                        format!("{at}/quiz/questions/{place}/hints"),
                        "unknown_field",
                        "questions of a track have no hints",
                    );
                }
            }
        }
        if self.lesson.as_ref().is_some_and(|lesson| !is_key(&lesson.lesson)) {
            check.fault(format!("{at}/lesson/lesson"), "invalid_key", "the lesson's key, as its course has it");
        }
        if self.url.as_ref().is_some_and(|url| !is_safe_address(url)) {
            check.fault(format!("{at}/url"), "unsafe_url", "an https address is needed");
        }
    }

    /// What is to be done; taken out of the source.
    pub(super) fn target(&mut self, id: &impl Fn(&str) -> Uuid, lessons: &LessonPlaces) -> StepTarget {
        if let Some(quiz) = &self.quiz {
            StepTarget::Quiz(quiz.compile(&self.key, id))
        } else if let Some(video) = self.video.take() {
            StepTarget::Video(video)
        } else if let Some(url) = self.url.take() {
            StepTarget::Link(url)
        } else if let Some(lesson) = self.lesson.take() {
            StepTarget::Lesson(lesson.course, lessons.get(&self.key).copied().unwrap_or_default())
        } else {
            StepTarget::Content(self.body.take().unwrap_or_default())
        }
    }
}
