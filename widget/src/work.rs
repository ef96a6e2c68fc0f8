//! What is to be done in a step of a track or an item of a course, and what came of it. A course shows itself
//! to the widget as a track does: its items are steps, its gate is what blocks them, and what it has besides –
//! modules, several quizzes in an item, points – stands here.

use std::ops::Deref;

use jalon_shared::{
    EnrollmentId, Lang, LessonId, QuizId, Resolved, Score, StepId, Timestamp,
    track::{StepKind, StepState, TrackSlug, TrackType},
    wire::{
        enrollment::{Enrollment, EnrollmentStep, TrackRef},
        quiz::{QuestionResult, QuizView},
        track::{StepBody, StepOutline, TrackView, VideoView},
    },
};
use uuid::Uuid;
use wasm_bindgen::JsValue;

use crate::{
    from_js,
    js::{self, FromJs, Unreadable},
};

/// A course's name among the tracks': where things of it lie on the device, and what entries of the outbox say.
pub const COURSE: &str = "course:";

/// The course's slug, where this is the name of one, or of a lesson in one.
pub fn course(name: &str) -> Option<&str> {
    name.strip_prefix(COURSE)?.split('/').next()
}

/// A lesson that a step of a track is done in, as its name says it: `course:{course}/{lesson}/{track}/{order}/{step}`.
/// What lies on the device under this name, or waits in the outbox, needs nothing beside it.
pub struct OfStep<'n> {
    /// The lesson's id.
    pub lesson: &'n str,
    /// The track's slug.
    pub track: &'n str,
    /// The step's order.
    pub order: &'n str,
    /// The step's id.
    pub step: &'n str,
}

/// The lesson and its step, where this is the name of one.
pub fn lesson(name: &str) -> Option<OfStep<'_>> {
    let mut parts = name.strip_prefix(COURSE)?.split('/').skip(1);
    let mut part = || parts.next();
    Some(OfStep { lesson: part()?, track: part()?, order: part()?, step: part()? })
}

/// The name of the lesson that a step is done in.
pub fn lesson_of(track: &str, body: &StepBody) -> Option<String> {
    let lesson = body.lesson.as_ref()?;
    let (id, step) = (lesson.lesson_id.to_string(), body.step_id.to_string());
    Some([COURSE, lesson.course.as_str(), "/", &id, "/", track, "/", &body.order.to_string(), "/", &step].concat())
}

/// The quiz of a track's step has no id of its own.
pub const ONLY: QuizId = QuizId(Uuid::nil());

/// A way through content: a track, or a course shown as one.
pub struct Way {
    /// The steps.
    pub track: TrackView,
    /// What a course has besides.
    pub course: Option<Course>,
}

/// What a course has besides its items.
#[derive(Clone)]
pub struct Course {
    /// As lists say it.
    pub about: About,
    /// In order.
    pub modules: Vec<Module>,
    /// The order of the last item of each lesson.
    pub ends: Vec<(LessonId, u16)>,
}

/// A course in a list.
#[derive(Clone)]
pub struct About {
    /// Its name in addresses.
    pub slug: String,
    /// What it is about.
    pub category: String,
    /// For whom it is.
    pub difficulty: String,
    /// Its title.
    pub title: Resolved,
    /// What one learns; HTML, sanitised.
    pub summary: Resolved,
    /// Who teaches.
    pub instructors: Vec<Teacher>,
    /// How many lessons it has.
    pub lessons_total: u32,
    /// What its quizzes are worth.
    pub points_total: f64,
    /// The languages it has any text in.
    pub languages: Vec<String>,
}

/// Who teaches.
#[derive(Clone)]
pub struct Teacher {
    /// The name.
    pub name: String,
    /// What they are.
    pub title: Option<Resolved>,
}

/// A module.
#[derive(Clone)]
pub struct Module {
    /// Its title.
    pub title: Resolved,
    /// In order.
    pub lessons: Vec<Lesson>,
}

/// A lesson.
#[derive(Clone)]
pub struct Lesson {
    /// Stable over versions.
    pub id: LessonId,
    /// Its title.
    pub title: Resolved,
    /// In order.
    pub items: Vec<Item>,
}

/// An item, without its body.
#[derive(Clone)]
pub struct Item {
    /// Stable over versions.
    pub id: StepId,
    /// What it shows.
    pub kind: String,
    /// Its title.
    pub title: Resolved,
    /// With any it is mandatory.
    pub quizzes: Vec<Asked>,
}

/// A quiz in the outline.
#[derive(Clone)]
pub struct Asked {
    /// What an attempt is worth at most.
    pub points: f64,
}

/// A course that the learner takes.
#[derive(Clone)]
pub struct Mine {
    /// The course.
    pub course: CourseRef,
    /// When it became complete.
    pub completed_at: Option<Timestamp>,
    confirmed_points: f64,
    potential_points: f64,
    points_total: f64,
    /// Questions answered of all.
    pub progress: Option<Share>,
}

impl Mine {
    /// In points.
    pub fn points(&self) -> Points {
        Points { confirmed: self.confirmed_points, potential: self.potential_points, total: self.points_total }
    }

    /// How far it is, as a percentage.
    pub fn share(&self) -> Score {
        let points = |share: Share| Points { confirmed: share.done.into(), potential: 0.0, total: share.of.into() };
        self.progress.map_or_else(|| self.points(), points).share()
    }
}

/// So much of so much (C4).
#[derive(Clone, Copy)]
pub struct Share {
    done: u32,
    of: u32,
}

/// What a step or an item shows.
pub struct Shown {
    /// As a track's step has it.
    pub step: StepBody,
    /// What is to be answered: in a track's step one quiz at most.
    pub tasks: Vec<Task>,
    /// Where it is talked about.
    pub discussion_url: Option<String>,
    /// What the learner wrote, and what became of it.
    pub open_answers: Vec<Opened>,
    /// Whether the lesson that it points at was opened on this device before.
    pub begun: bool,
    /// What somebody else wrote.
    pub article: Option<Article>,
    /// What is shown below.
    pub shortcodes: Vec<String>,
    /// Others who take the course.
    pub peers: Option<Peers>,
    /// What the learner thinks of it.
    pub evaluation: Option<Evaluation>,
}

/// An article of a content provider.
pub struct Article {
    /// Whose it is.
    pub provider: String,
    /// HTML, sanitised; nothing while the provider doesn't answer.
    pub content: Option<Resolved>,
    /// Where it stands.
    pub url: Option<String>,
}

/// How many others take a course.
pub struct Peers {
    /// At the moment.
    pub online: u32,
    /// The others.
    pub offline: u32,
}

/// What a learner thinks of a course.
#[derive(Clone)]
pub struct Evaluation {
    /// From 1 to 5.
    pub rating: u8,
    /// In words.
    pub comment: Option<String>,
}

/// An open answer of the learner's.
pub struct Opened {
    /// To which quiz.
    pub quiz_id: QuizId,
    /// What was written.
    pub answer: String,
    /// `waiting`, `accepted` or `rejected`.
    pub state: String,
    /// What it brought.
    pub points: Option<f64>,
    /// What it could bring at most.
    pub points_total: f64,
    /// What the grader said.
    pub comment: Option<String>,
}

impl Deref for Shown {
    type Target = StepBody;
    fn deref(&self) -> &StepBody {
        &self.step
    }
}

/// A quiz to answer.
pub struct Task {
    /// Its id; [`ONLY`] in a track.
    pub quiz_id: QuizId,
    /// Its title.
    pub title: Resolved,
    /// The score that passes it.
    pub pass_mark: Option<Score>,
    /// Its questions, for the attempt that is next.
    pub quiz: QuizView,
}

impl FromJs for Task {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        Ok(Self {
            quiz_id: js::get(value, "quiz_id")?,
            title: js::get(value, "title")?,
            pass_mark: js::get(value, "pass_mark")?,
            quiz: QuizView::from_js(value)?,
        })
    }
}

/// What an attempt came to, in a track or a course.
#[derive(Clone)]
pub struct Attempt {
    score: Option<Score>,
    /// Whether it passes; `None` where there is no mark.
    pub passed: Option<bool>,
    confirmed_points: Option<f64>,
    potential_points: Option<f64>,
    points_total: Option<f64>,
    /// Said to its score.
    pub feedback: Option<Resolved>,
    /// Each question.
    pub questions: Vec<QuestionResult>,
    /// How many attempts are left; `None`: without limit.
    pub attempts_left: Option<u32>,
}

impl Attempt {
    /// How much of it was right.
    pub fn score(&self) -> Score {
        self.score.or_else(|| self.points().map(Points::share)).unwrap_or(Score::FULL)
    }

    /// Whether a grader could still add points (C3).
    pub fn waits(&self) -> bool {
        self.potential_points.is_some_and(|points| points > 0.0)
    }

    /// In points, where there are any.
    pub fn points(&self) -> Option<Points> {
        let (confirmed, total) = (self.confirmed_points?, self.points_total?);
        Some(Points { confirmed, potential: self.potential_points.unwrap_or_default(), total })
    }
}

/// Points (C3).
#[derive(Clone, Copy)]
pub struct Points {
    /// Earned.
    pub confirmed: f64,
    /// What graders could still add.
    pub potential: f64,
    /// At most.
    pub total: f64,
}

impl Points {
    /// How much of all is earned.
    #[expect(clippy::cast_possible_truncation, reason = "at most 1e4")]
    pub fn share(self) -> Score {
        let share = if self.total > 0.0 { self.confirmed / self.total } else { 1.0 };
        Score::from_hundredths((share * 1e4).round() as i64).unwrap_or(Score::FULL)
    }
}

/// The server's word on an enrollment.
pub struct Heard {
    /// As a track's.
    pub enrollment: Enrollment,
    /// What a course's has besides.
    pub standing: Option<Standing>,
}

impl Deref for Heard {
    type Target = Enrollment;
    fn deref(&self) -> &Enrollment {
        &self.enrollment
    }
}

/// Where the learner stands in a course.
pub struct Standing {
    /// The item whose quiz keeps the rest shut (C1).
    pub gate: Option<StepId>,
    /// What tracks opened.
    pub open: Vec<OpenLesson>,
    /// All together.
    pub points: Points,
    /// Quizzes that were answered.
    pub quizzes: Vec<Tried>,
    /// The item that was opened last.
    pub last: Option<StepId>,
}

/// Where the learner stands with a quiz.
pub struct Tried {
    /// The quiz.
    pub quiz_id: QuizId,
    /// How often it was answered.
    pub attempt_count: u32,
    /// When it was passed.
    pub passed_at: Option<Timestamp>,
    confirmed_points: f64,
    potential_points: f64,
    /// Whether an attempt waits for a grader.
    pub awaits_grading: bool,
    /// When the next attempt is possible.
    pub retry_at: Option<Timestamp>,
}

impl Tried {
    /// In points, of so many.
    pub fn points(&self, total: f64) -> Points {
        Points { confirmed: self.confirmed_points, potential: self.potential_points, total }
    }
}

struct Gate {
    item_id: StepId,
}

/// A lesson that a track opened: only its own gates hold in it.
pub struct OpenLesson {
    /// The lesson.
    pub lesson_id: LessonId,
    gate: Option<Gate>,
}

impl OpenLesson {
    /// The item whose quiz keeps the rest of it shut.
    pub fn gate(&self) -> Option<StepId> {
        self.gate.as_ref().map(|gate| gate.item_id)
    }
}

/// The course of an enrollment.
#[derive(Clone)]
pub struct CourseRef {
    /// Its name in addresses.
    pub slug: TrackSlug,
    version: u32,
    /// Its title, in lists.
    pub title: Option<Resolved>,
}

struct Done {
    item_id: StepId,
    viewed_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    last_position: Option<u32>,
    quizzes: Vec<Tried>,
}

from_js! {
    About { slug, category, difficulty, title, summary, instructors, lessons_total, points_total, languages }
    Teacher { name, title }
    Module { title, lessons }
    Lesson { id, title, items }
    Item { id, kind, title, quizzes }
    Asked { points }
    Attempt { score, passed, confirmed_points, potential_points, points_total, feedback, questions, attempts_left }
    Tried { quiz_id, attempt_count, passed_at, confirmed_points, potential_points, awaits_grading, retry_at }
    Gate { item_id }
    OpenLesson { lesson_id, gate }
    CourseRef { slug, version, title }
    Mine {
        course, completed_at, confirmed_points, potential_points, points_total, progress,
    }
    Share { done, of }
    Article { provider, content, url }
    Peers { online, offline }
    Evaluation { rating, comment }
    Opened { quiz_id, answer, state, points, points_total, comment }
    Done { item_id, viewed_at, completed_at, last_position, quizzes }
}

/// Reads a track, or a course or a lesson as one.
pub fn way(name: &str, raw: &JsValue) -> Result<Way, Unreadable> {
    if course(name).is_none() {
        return Ok(Way { track: TrackView::from_js(raw)?, course: None });
    }
    let about = About::from_js(raw)?;
    let modules: Vec<Module> = js::get(raw, "modules")?;
    let (mut steps, mut ends, mut order) = (Vec::new(), Vec::new(), 0_u16);
    for lesson in modules.iter().flat_map(|module| &module.lessons) {
        for item in &lesson.items {
            let asked = !item.quizzes.is_empty();
            order = order.checked_add(1).ok_or(Unreadable)?;
            steps.push(StepOutline {
                id: item.id,
                order,
                kind: kind(&item.kind),
                title: item.title.clone(),
                required: asked,
                pass_mark: None,
                scored: asked,
            });
        }
        ends.push((lesson.id, order));
    }
    let (mut title, mut summary) = (about.title.clone(), about.summary.clone());
    let alone = lesson(name).is_some();
    if let (true, Some(only)) = (alone, modules.iter().flat_map(|module| &module.lessons).next()) {
        title = only.title.clone();
        summary.value.clear();
    }
    let track = TrackView {
        site: String::new(),
        slug: TrackSlug::parse(&about.slug).map_err(|_| Unreadable)?,
        track_type: TrackType::BeginnerIntro,
        version: js::get(raw, "version")?,
        source_lang: Lang::parse("en").map_err(|_| Unreadable)?,
        languages: Vec::new(),
        title,
        summary,
        steps,
    };
    Ok(Way { track, course: (!alone).then_some(Course { about, modules, ends }) })
}

fn kind(name: &str) -> StepKind {
    match name {
        "video" => StepKind::Video,
        "article" => StepKind::Link,
        _ => StepKind::Content,
    }
}

/// Reads what a step or an item shows.
pub fn shown(name: &str, order: u16, raw: &JsValue) -> Result<Shown, Unreadable> {
    if course(name).is_none() {
        let mut step = StepBody::from_js(raw)?;
        let quiz = step.quiz.take();
        let task = quiz.map(|quiz| Task { quiz_id: ONLY, title: step.title.clone(), pass_mark: step.pass_mark, quiz });
        return Ok(Shown {
            step,
            tasks: task.into_iter().collect(),
            discussion_url: None,
            open_answers: Vec::new(),
            begun: false,
            article: None,
            shortcodes: Vec::new(),
            peers: None,
            evaluation: None,
        });
    }
    let video: Option<VideoView> = js::get(raw, "video")?;
    let step = StepBody {
        step_id: js::get(raw, "item_id")?,
        order,
        kind: StepKind::Content,
        title: js::get(raw, "title")?,
        required: false,
        pass_mark: None,
        content: js::get(raw, "content")?,
        video,
        quiz: None,
        lesson: None,
        url: js::get(raw, "url")?,
    };
    Ok(Shown {
        step,
        tasks: js::get(raw, "quizzes")?,
        discussion_url: js::get(raw, "discussion_url")?,
        open_answers: js::get(raw, "open_answers")?,
        begun: false,
        article: js::get(raw, "article")?,
        shortcodes: js::get(raw, "shortcodes")?,
        peers: js::get(raw, "peers")?,
        evaluation: js::get(raw, "evaluation")?,
    })
}

/// Reads an enrollment.
pub fn heard(name: &str, raw: &JsValue) -> Result<Heard, Unreadable> {
    if course(name).is_none() {
        return Ok(Heard { enrollment: Enrollment::from_js(raw)?, standing: None });
    }
    let items: Vec<Done> = js::get(raw, "items")?;
    let about: CourseRef = js::get(raw, "course")?;
    let mut gate: Option<Gate> = js::get(raw, "gate")?;
    let mut completed_at = js::get(raw, "completed_at")?;
    let mut open: Vec<OpenLesson> = js::get(raw, "open_lessons")?;
    if let Some(alone) = lesson(name) {
        // In a lesson that a track opened only its own gates hold; and its end is not the course's.
        gate = open.drain(..).find(|open| open.lesson_id.to_string() == alone.lesson).and_then(|open| open.gate);
        completed_at = None;
    }
    let points = Points {
        confirmed: js::get(raw, "confirmed_points")?,
        potential: js::get(raw, "potential_points")?,
        total: js::get(raw, "points_total")?,
    };
    let gate = gate.map(|gate| gate.item_id);
    let mut standing = Standing { gate, open, points, quizzes: Vec::new(), last: None };
    let (mut latest, mut steps) = (Timestamp(0), Vec::new());
    for item in items {
        if let Some(at) = item.viewed_at.filter(|at| *at >= latest) {
            latest = at;
            standing.last = Some(item.item_id);
        }
        steps.push(EnrollmentStep {
            step_id: item.item_id,
            order: 0,
            state: StepState::Open,
            blocked_by: None,
            required: false,
            score: None,
            // What was opened is begun.
            attempt_count: 1,
            time_spent_seconds: 0,
            last_position: item.last_position,
            completed_at: item.completed_at,
            last_attempt_at: None,
        });
        standing.quizzes.extend(item.quizzes);
    }
    let id: EnrollmentId = js::get(raw, "id")?;
    let enrollment = Enrollment {
        id,
        site: String::new(),
        track: TrackRef { slug: about.slug, track_type: TrackType::BeginnerIntro, version: about.version },
        user_id: None,
        guest_id: None,
        current_step_order: u16::try_from(steps.len()).unwrap_or(u16::MAX),
        version: js::get(raw, "version")?,
        started_at: js::get(raw, "started_at")?,
        completed_at,
        score: js::get(raw, "score")?,
        time_spent_seconds: 0,
        steps,
    };
    Ok(Heard { enrollment, standing: Some(standing) })
}
