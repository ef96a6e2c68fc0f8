//! Courses, as learners and authors see them: never an answer key (S4).

use serde::{Deserialize, Serialize};

use crate::{
    ChoiceId, CourseId, EnrollmentId, GuestId, ItemId, Lang, LessonId, ModuleId, QuizId, Resolved, Score, Timestamp,
    UserId,
    course::{
        Points, Share,
        source::{Category, CourseSource, Difficulty, ItemKind, Shortcode},
    },
    quiz::Answer,
    slug::CourseSlug,
    wire::{
        article::ArticleView,
        grading::OpenAnswerOwn,
        quiz::{QuestionResult, QuizView},
        track::VideoView,
    },
};

/// Where a course stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CourseState {
    /// Being written; no learner sees it.
    Draft,
    /// Open to learners.
    Published,
    /// There for enrolled members only.
    Deprecated,
}

impl CourseState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Draft, Self::Published, Self::Deprecated];

    /// As the wire and the database say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Deprecated => "deprecated",
        }
    }
}

/// One course in a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CourseSummary {
    /// Its name in addresses.
    pub slug: CourseSlug,
    /// What it is about.
    pub category: Category,
    /// For whom it is.
    pub difficulty: Difficulty,
    /// The published version.
    pub version: u32,
    /// Its title.
    pub title: Resolved,
    /// What one learns; HTML, sanitised.
    pub summary: Resolved,
    /// Who teaches, the first one first.
    pub instructors: Vec<InstructorView>,
    /// How many lessons it has.
    pub lessons_total: u32,
    /// What all its quizzes are worth.
    pub points_total: Points,
    /// The languages it has any text in.
    pub languages: Vec<Lang>,
}

/// Somebody who teaches.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstructorView {
    /// The name.
    pub name: String,
    /// What they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Resolved>,
}

/// A course and its outline.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CourseView {
    /// The site's slug.
    pub site: String,
    /// What a list says of it.
    #[serde(flatten)]
    pub summary: CourseSummary,
    /// The language it was written in.
    pub source_lang: Lang,
    /// In order.
    pub modules: Vec<ModuleView>,
}

/// A module.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModuleView {
    /// Stable over versions.
    pub id: ModuleId,
    /// Its title.
    pub title: Resolved,
    /// In order.
    pub lessons: Vec<LessonView>,
}

/// A lesson.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LessonView {
    /// Stable over versions, and the same in every course that holds it.
    pub id: LessonId,
    /// Whether other courses may hold it: then right answers are shared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Its title.
    pub title: Resolved,
    /// In order.
    pub items: Vec<ItemOutline>,
}

/// A lesson item, without its body.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemOutline {
    /// Stable over versions.
    pub id: ItemId,
    /// What it shows.
    pub kind: ItemKind,
    /// Its title.
    pub title: Resolved,
    /// Its quizzes. With any it is mandatory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quizzes: Vec<QuizOutline>,
}

/// A quiz, without its questions.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuizOutline {
    /// Stable over versions.
    pub id: QuizId,
    /// Its title.
    pub title: Resolved,
    /// Whether what follows waits until it is passed (C1).
    pub gate: bool,
    /// The score that passes it.
    pub pass_mark: Option<Score>,
    /// How many questions an attempt has.
    pub questions: u32,
    /// What an attempt is worth at most.
    pub points: Points,
}

/// The course of an enrollment, in the enrollment's version.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CourseRef {
    /// Its id.
    pub id: CourseId,
    /// Its name in addresses.
    pub slug: CourseSlug,
    /// The version.
    pub version: u32,
    /// Its title; left out in answers to changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Resolved>,
}

/// One learner's way through one course.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CourseEnrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// The site's slug.
    pub site: String,
    /// The course.
    pub course: CourseRef,
    /// The member, or null (XOR).
    pub user_id: Option<UserId>,
    /// The guest, or null (XOR).
    pub guest_id: Option<GuestId>,
    /// Grows with every change.
    pub version: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it became complete, or null.
    pub completed_at: Option<Timestamp>,
    /// How much of the course's points was confirmed at completion (S3).
    pub score: Option<Score>,
    /// Points earned (C3).
    pub confirmed_points: Points,
    /// Points that graders could still add (C3).
    pub potential_points: Points,
    /// What all the course's quizzes are worth.
    pub points_total: Points,
    /// Questions answered of all; where it has none, items seen (C4).
    pub progress: Share,
    /// Over all items.
    pub time_spent_seconds: u64,
    /// The first gate that is not passed: nothing behind its item is open (C1). Null when all are.
    pub gate: Option<GateView>,
    /// Items in which anything was done; in an answer to a change those of its lesson only.
    pub items: Vec<ItemState>,
    /// Lessons that a track opened, whatever stands before them in the course; in an answer to a change that of
    /// its item only, and none in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_lessons: Vec<OpenLesson>,
}

/// A lesson that a track opened: in it only its own gates hold (C1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenLesson {
    /// The lesson.
    pub lesson_id: LessonId,
    /// The first gate in it that is not passed; null when all are.
    pub gate: Option<GateView>,
}

/// The body of `POST …/lesson`; may be left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenLessonRequest {}

/// The answer to `POST …/lesson`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenedLesson {
    /// The learner's way through the course.
    #[serde(flatten)]
    pub enrollment: CourseEnrollment,
    /// The lesson that is open now.
    pub lesson_id: LessonId,
}

/// The gate that keeps the rest shut.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GateView {
    /// Its item.
    pub item_id: ItemId,
    /// The quiz to pass.
    pub quiz_id: QuizId,
}

/// Where the learner stands with an item.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemState {
    /// The item.
    pub item_id: ItemId,
    /// When it was first opened.
    pub viewed_at: Option<Timestamp>,
    /// When it became complete.
    pub completed_at: Option<Timestamp>,
    /// Seconds.
    pub time_spent_seconds: u32,
    /// Seconds into the video.
    pub last_position: Option<u32>,
    /// Quizzes that were answered, or are answered by what is shared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quizzes: Vec<QuizState>,
}

/// Where the learner stands with a quiz.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuizState {
    /// The quiz.
    pub quiz_id: QuizId,
    /// How often it was answered.
    pub attempt_count: u32,
    /// When it was passed.
    pub passed_at: Option<Timestamp>,
    /// Points earned (C3).
    pub confirmed_points: Points,
    /// Points that graders could still add (C3).
    pub potential_points: Points,
    /// Whether an attempt waits for a grader.
    pub awaits_grading: bool,
    /// When the next attempt is possible; null: now.
    pub retry_at: Option<Timestamp>,
    /// How many questions are answered by what is shared.
    #[serde(default, skip_serializing_if = "crate::quiz::source::is_default")]
    pub shared: u32,
}

/// What an item shows; served only once it may be opened (C1, G6). Of `content`, `video` and `article`, the
/// one of its kind is there.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemBody {
    /// The item.
    pub item_id: ItemId,
    /// What it shows.
    pub kind: ItemKind,
    /// Its title.
    pub title: Resolved,
    /// Something to read; HTML, sanitised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Resolved>,
    /// Something to watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoView>,
    /// An article of a content provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<ArticleView>,
    /// Where it is talked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discussion_url: Option<String>,
    /// What is shown below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcodes: Vec<Shortcode>,
    /// Others who take the course, where a shortcode asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Peers>,
    /// What the learner said of the course, where a shortcode asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// In order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quizzes: Vec<ItemQuizView>,
    /// The learner's open answers here, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_answers: Vec<OpenAnswerOwn>,
}

/// How many others take the course; a thousand stands for a thousand and more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Peers {
    /// Did something in the last five minutes.
    pub online: u32,
    /// The others.
    pub offline: u32,
}

/// What a learner thinks of a course.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// From 1, poor, to 5, very good.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5))]
    pub rating: u8,
    /// In words; at most 2,000 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What somebody said of a course.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluationSaid {
    /// From 1, poor, to 5, very good.
    pub rating: u8,
    /// In words.
    pub comment: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A quiz of an item, for the attempt that is next.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemQuizView {
    /// The quiz.
    pub quiz_id: QuizId,
    /// Its title.
    pub title: Resolved,
    /// Whether what follows waits until it is passed (C1).
    pub gate: bool,
    /// The score that passes it.
    pub pass_mark: Option<Score>,
    /// Its questions.
    #[serde(flatten)]
    pub quiz: QuizView,
}

/// The body of `POST …/visit`; may be left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VisitRequest {}

/// The body of `POST …/answers`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AnswersRequest {
    /// Which attempt it is, as the quiz said: a stale tab's answers are not taken for another attempt's.
    pub attempt: u32,
    /// What is answered.
    pub answers: Vec<Answer>,
    /// Seconds to add, at most four hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_spent_seconds: Option<u32>,
}

/// The answer to `POST …/answers`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnswersResponse {
    /// The enrollment, after.
    pub enrollment: CourseEnrollment,
    /// How the attempt went.
    pub result: AttemptResult,
}

/// What an attempt came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttemptResult {
    /// Which attempt it was.
    pub attempt: u32,
    /// Points earned by it.
    pub confirmed_points: Points,
    /// Points that a grader could still add.
    pub potential_points: Points,
    /// What it was worth at most.
    pub points_total: Points,
    /// Whether the quiz is passed; null where it has no pass mark.
    pub passed: Option<bool>,
    /// Said to its score; HTML, sanitised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Resolved>,
    /// Each question, in the attempt's authored order.
    pub questions: Vec<QuestionResult>,
    /// How many attempts are left; null: without limit.
    pub attempts_left: Option<u32>,
    /// When the next attempt is possible; null: now.
    pub retry_at: Option<Timestamp>,
}

/// A course, as its authors and the site's staff see it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CourseAdmin {
    /// Its name in addresses.
    pub slug: CourseSlug,
    /// Where it stands.
    pub state: CourseState,
    /// The version that learners begin with; null before the first publish.
    pub published_version: Option<u32>,
    /// The newest version, published or not.
    pub latest_version: u32,
    /// Goes into `ETag`, and `If-Match` of the next write.
    pub revision: i64,
    /// The members who are its instructors and may change it, by the newest version: those that the source names as
    /// members of the site, else those there were, else the instructor who created it.
    #[serde(default)]
    pub instructor_ids: Vec<UserId>,
    /// The newest version, as it was written; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<CourseSource>,
}

/// A shared lesson or a question bank, as its authors see it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartAdmin<S> {
    /// Its name.
    pub slug: String,
    /// Goes into `ETag`, and `If-Match` of the next write.
    pub revision: i64,
    /// As it was last written; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<S>,
}

/// How a question does, over the first attempts at its quiz.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuestionStatistics {
    /// The item.
    pub item_id: ItemId,
    /// The quiz.
    pub quiz_id: QuizId,
    /// The question.
    pub question_id: crate::QuestionId,
    /// What is asked; HTML, sanitised.
    pub prompt: Resolved,
    /// In how many first attempts it stood.
    pub shown: u64,
    /// In how many of them nothing was answered.
    pub blank: u64,
    /// In how many of them a grader is waited for.
    pub waiting: u64,
    /// In how many of them it brought all its points.
    pub right: u64,
    /// The mean share of its points, of those that are graded.
    pub mean_score: Option<Score>,
    /// How well it separates those who do well from those who don't: the correlation of its score with that of
    /// the rest of the attempt, −1 to 1. Below 0.1 look at the question; null where nothing differs.
    pub discrimination: Option<f64>,
    /// How often each choice was taken; those nobody took are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ChoiceStatistics>,
}

/// How often a choice was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChoiceStatistics {
    /// The choice.
    pub choice_id: ChoiceId,
    /// So often.
    pub times: u64,
}
