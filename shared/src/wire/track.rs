//! Tracks, as learners see them: no bodies, no keys.

use serde::{Deserialize, Serialize};

use crate::{
    Lang, LessonId, Resolved, Score, StepId,
    quiz::source::is_default,
    slug::CourseSlug,
    track::{Outline, OutlineStep, StepKind, TrackSlug, TrackSource, TrackState, TrackType},
    wire::quiz::QuizView,
};

/// One track in a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrackSummary {
    /// Its name in addresses.
    pub slug: TrackSlug,
    /// What it is for.
    pub track_type: TrackType,
    /// The published version.
    pub version: u32,
    /// Its title.
    pub title: Resolved,
    /// What it is about; HTML, sanitised.
    pub summary: Resolved,
    /// How many steps it has.
    pub steps_total: u16,
}

/// A track and its steps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrackView {
    /// The site's slug.
    pub site: String,
    /// Its name in addresses.
    pub slug: TrackSlug,
    /// What it is for.
    pub track_type: TrackType,
    /// This version.
    pub version: u32,
    /// The language it was written in.
    pub source_lang: Lang,
    /// The languages it has any text in.
    pub languages: Vec<Lang>,
    /// Its title.
    pub title: Resolved,
    /// What it is about.
    pub summary: Resolved,
    /// In order.
    pub steps: Vec<StepOutline>,
}

/// A step, without its body.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepOutline {
    /// Stable over versions.
    pub id: StepId,
    /// 1..n.
    pub order: u16,
    /// What it points at.
    pub kind: StepKind,
    /// Its title.
    pub title: Resolved,
    /// Whether later steps wait for it (G1).
    pub required: bool,
    /// What passes it (G3).
    pub pass_mark: Option<Score>,
    /// Whether it yields a score.
    pub scored: bool,
}

impl TrackView {
    /// What gating needs of it (G7).
    pub fn outline(&self) -> Outline {
        let steps = self.steps.iter();
        Outline {
            steps: steps
                .map(|step| OutlineStep {
                    id: step.id,
                    order: step.order,
                    required: step.required,
                    pass_mark: step.pass_mark,
                    scored: step.scored,
                    film_seconds: None,
                    lesson: step.kind == StepKind::Lesson,
                })
                .collect(),
        }
    }
}

/// What is to be done in a step; served only once the step may be opened (G6). Of `content`, `video`,
/// `quiz`, `lesson` and `url`, the one of its kind is there.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepBody {
    /// The step.
    pub step_id: StepId,
    /// 1..n.
    pub order: u16,
    /// What it points at.
    pub kind: StepKind,
    /// Its title.
    pub title: Resolved,
    /// Whether later steps wait for it.
    pub required: bool,
    /// What passes it.
    pub pass_mark: Option<Score>,
    /// Something to read; HTML, sanitised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Resolved>,
    /// Something to watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoView>,
    /// Questions to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiz: Option<QuizView>,
    /// A lesson to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<LessonStep>,
    /// A page elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The lesson of a course that a step points at.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LessonStep {
    /// The course.
    pub course: CourseSlug,
    /// The version the learner has it in, or would begin with.
    pub version: u32,
    /// The lesson.
    pub lesson_id: LessonId,
    /// Its title.
    pub title: Resolved,
    /// How many items it has.
    pub items: u32,
}

/// A video.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VideoView {
    /// The file.
    pub url: String,
    /// How long it is.
    pub duration_seconds: u32,
    /// A still picture.
    pub poster: Option<String>,
    /// `WebVTT` files.
    pub captions: Vec<CaptionView>,
}

/// Captions in one language.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaptionView {
    /// The language.
    pub lang: Lang,
    /// The `WebVTT` file.
    pub url: String,
}

/// A track, as its authors and the site's staff see it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrackAdmin {
    /// Its name in addresses.
    pub slug: TrackSlug,
    /// Where it stands.
    pub state: TrackState,
    /// Whether guests and CMS pages may show it now (E1).
    pub cms_block_enabled: bool,
    /// The version that learners begin with; null before the first publish.
    pub published_version: Option<u32>,
    /// The newest version, published or not.
    pub latest_version: u32,
    /// Goes into `ETag`, and `If-Match` of the next write.
    pub revision: i64,
    /// The newest version, as it was written; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<TrackSource>,
}

/// A change to a track that makes no version.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TrackPatch {
    /// Switches embedding and guests on or off, at once (E1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub cms_block_enabled: Option<bool>,
}
