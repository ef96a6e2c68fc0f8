//! Learning tracks: a short, linear way through content.

pub mod completion;
pub mod enrollment;
pub mod event;
pub mod gating;
pub mod merge;
pub mod source;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{CourseId, Lang, LessonId, LocalizedText, Score, StepId, VideoSource, quiz::Quiz, slug::CourseSlug};

pub use crate::slug::{NotASlug, TrackSlug};
pub use enrollment::{Command, Enrollment, Progress, Refusal, StepProgress, apply, decide, replay};
pub use event::TrackEvent;
pub use gating::{Outline, OutlineStep, StepState};
pub use source::{StepLessonSource, StepSource, TrackSource};

/// What a track is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrackType {
    /// For whoever never threw a boule.
    BeginnerIntro,
    /// For whoever comes back.
    ReturningRefresher,
    /// For teachers of physical education.
    PeTeacherIntro,
    /// Towards the first umpire's exam.
    UmpireL1Prep,
    /// Protecting young players.
    YouthSafeguardingBasics,
}

impl TrackType {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::BeginnerIntro,
        Self::ReturningRefresher,
        Self::PeTeacherIntro,
        Self::UmpireL1Prep,
        Self::YouthSafeguardingBasics,
    ];

    /// As the wire and the database say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeginnerIntro => "beginner_intro",
            Self::ReturningRefresher => "returning_refresher",
            Self::PeTeacherIntro => "pe_teacher_intro",
            Self::UmpireL1Prep => "umpire_l1_prep",
            Self::YouthSafeguardingBasics => "youth_safeguarding_basics",
        }
    }
}

impl std::str::FromStr for TrackType {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// Where a track stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrackState {
    /// Being written; no learner sees it.
    Draft,
    /// Open to learners.
    Published,
    /// No new enrollments; who is in goes on.
    Retired,
}

/// What a step points at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Something to read.
    Content,
    /// Something to watch.
    Video,
    /// Questions to answer.
    Quiz,
    /// A lesson of a course.
    Lesson,
    /// An exam.
    Exam,
    /// A webinar.
    Webinar,
    /// A page elsewhere.
    Link,
}

/// The ids that belong to a track's keys, by path (`step`, `step/question/choice`). They stay when a
/// key goes, so that a key which comes back is the same step again.
pub type IdMap = BTreeMap<String, Uuid>;

/// Where a lesson that a step names is: found when the track is written, so that a course's author can rename
/// what they like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LessonPlace {
    /// The course.
    pub course_id: CourseId,
    /// A published version that holds it.
    pub course_version: u32,
    /// The lesson.
    pub lesson_id: LessonId,
}

impl LessonPlace {
    /// Whether both are the same lesson of the same course, in whatever version.
    pub fn is(&self, other: &Self) -> bool {
        (self.course_id, self.lesson_id) == (other.course_id, other.lesson_id)
    }
}

/// The lessons of a track, by the keys of their steps.
pub type LessonPlaces = BTreeMap<String, LessonPlace>;

/// One version of a track, as it is stored: immutable once published.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Definition {
    /// What the author wrote.
    pub source: TrackSource,
    /// The ids of its keys.
    pub ids: IdMap,
    /// Its lessons.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lessons: LessonPlaces,
}

impl Definition {
    /// A new version of what was checked before: known keys keep their ids, new ones get one from
    /// `new_id`, which must be random so that ids never tell the authored order (S4). `lessons` are those that
    /// its steps name.
    pub fn new(source: TrackSource, mut ids: IdMap, lessons: LessonPlaces, mut new_id: impl FnMut() -> Uuid) -> Self {
        for step in &source.steps {
            if let Some(quiz) = &step.quiz {
                quiz.paths(&step.key, &mut |path| {
                    ids.entry(path).or_insert_with(&mut new_id);
                });
            }
            ids.entry(step.key.clone()).or_insert_with(&mut new_id);
        }
        Self { source, ids, lessons }
    }

    /// The version ready to be used. Its texts are moved, not copied: a track may have ten thousand.
    pub fn compile(self) -> Track {
        let Self { source, ids, lessons } = self;
        let id = |path: &str| ids.get(path).copied().unwrap_or_default();
        let steps = source
            .steps
            .into_iter()
            .zip(1..)
            .map(|(mut step, order)| Step {
                id: StepId(id(&step.key)),
                order,
                kind: step.kind,
                required: step.required,
                pass_mark: step.pass_mark,
                target: step.target(&id, &lessons),
                title: step.title,
            })
            .collect();
        Track {
            track_type: source.track_type,
            source_lang: source.source_lang,
            title: source.title,
            summary: source.summary,
            steps,
        }
    }
}

/// One version of a track, with its answer keys: it stays on the server.
#[derive(Clone, PartialEq, Debug)]
pub struct Track {
    /// What it is for.
    pub track_type: TrackType,
    /// The language it was written in.
    pub source_lang: Lang,
    /// Its title.
    pub title: LocalizedText,
    /// What it is about.
    pub summary: LocalizedText,
    /// In order, 1..n without holes.
    pub steps: Vec<Step>,
}

/// A step of a version.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Stable over versions.
    pub id: StepId,
    /// 1..n.
    pub order: u16,
    /// What it points at.
    pub kind: StepKind,
    /// Whether later steps wait for it (G1).
    pub required: bool,
    /// What its best score must reach to complete it (G3).
    pub pass_mark: Option<Score>,
    /// Its title.
    pub title: LocalizedText,
    /// What is to be done.
    pub target: StepTarget,
}

/// What is to be done in a step.
#[derive(Clone, PartialEq, Debug)]
pub enum StepTarget {
    /// Markdown to read.
    Content(LocalizedText),
    /// A video to watch.
    Video(VideoSource),
    /// Questions to answer.
    Quiz(Quiz),
    /// A lesson of a course, to be done there.
    Lesson(CourseSlug, LessonPlace),
    /// A page elsewhere.
    Link(String),
}

impl Track {
    /// What gating needs of it.
    pub fn outline(&self) -> Outline {
        Outline {
            steps: self
                .steps
                .iter()
                .map(|step| OutlineStep {
                    id: step.id,
                    order: step.order,
                    required: step.required,
                    pass_mark: step.pass_mark,
                    scored: step.scored(),
                    lesson: step.lesson().is_some(),
                    film_seconds: match &step.target {
                        StepTarget::Video(video) => Some(video.duration_seconds),
                        _ => None,
                    },
                })
                .collect(),
        }
    }

    /// The step of this order.
    pub fn step(&self, order: u16) -> Option<&Step> {
        self.steps.get(usize::from(order).checked_sub(1)?)
    }
}

impl Step {
    /// Whether doing it can yield a score; a lesson without questions yields none.
    pub fn scored(&self) -> bool {
        matches!(self.target, StepTarget::Quiz(_) | StepTarget::Lesson(..))
    }

    /// Its lesson, if it is one.
    pub fn lesson(&self) -> Option<&LessonPlace> {
        match &self.target {
            StepTarget::Lesson(_, place) => Some(place),
            _ => None,
        }
    }

    /// Its quiz, if it is one.
    pub fn quiz(&self) -> Option<&Quiz> {
        match &self.target {
            StepTarget::Quiz(quiz) => Some(quiz),
            _ => None,
        }
    }
}
