//! An enrollment: `decide` says what a command changes, `apply` changes it, `replay` is `apply` alone (V1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Outline, OutlineStep, TrackEvent, completion, merge};
use crate::{
    EnrollmentId, Lang, Learner, Score, SiteId, StepId, Timestamp, TrackId,
    quiz::{Answer, Graded},
    spent,
};

/// The longest time one report may add, in seconds: a browser's clock is not to be trusted further.
pub const MAX_REPORT_SECONDS: u32 = 4 * 3600;
/// The furthest position, in seconds: the longest video is a day.
pub const MAX_POSITION_SECONDS: u32 = 86_400;

/// One learner's way through one track.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Enrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// Its tenant.
    pub site_id: SiteId,
    /// The track.
    pub track_id: TrackId,
    /// The version it began with, or was brought to.
    pub track_version: u32,
    /// Whose it is (XOR).
    pub learner: Learner,
    /// The language it was begun in.
    pub lang: Option<Lang>,
    /// Whether a guest's work is in it.
    pub merged_from_guest: bool,
    /// Grows by one with every event.
    pub version: u64,
    /// What was done.
    pub progress: Progress,
}

/// What was done in a track.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The highest order that is complete; 0 before the first.
    pub current_step_order: u16,
    /// When it began.
    pub started_at: Timestamp,
    /// When it became complete: set once (G5).
    pub completed_at: Option<Timestamp>,
    /// The track's score, frozen at completion (S3).
    pub score: Option<Score>,
    /// Up to when reported time is accounted for; `None` before the first report. See [`crate::spent`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounted_until: Option<Timestamp>,
    /// By step; also steps of other versions, so that nothing is ever lost.
    pub steps: BTreeMap<StepId, StepProgress>,
}

/// What was done in a step.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StepProgress {
    /// How often it was done, or its quiz answered.
    #[serde(rename = "n", default, skip_serializing_if = "crate::quiz::source::is_default")]
    pub attempt_count: u32,
    /// Seconds.
    #[serde(rename = "t", default, skip_serializing_if = "crate::quiz::source::is_default")]
    pub time_spent_seconds: u32,
    /// Seconds into the video.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub last_position: Option<u32>,
    /// The best score.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none", with = "hundredths")]
    pub score: Option<Score>,
    /// When it became complete.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none", with = "millis")]
    pub completed_at: Option<Timestamp>,
    /// When its quiz was last answered: the cooldown counts from here.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none", with = "millis")]
    pub last_attempt_at: Option<Timestamp>,
}

/// Scores as integers, as rows keep them.
mod hundredths {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Score;

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub fn serialize<S: Serializer>(score: &Option<Score>, serializer: S) -> Result<S::Ok, S::Error> {
        score.map(Score::hundredths).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Score>, D::Error> {
        let hundredths = Option::<i64>::deserialize(deserializer)?;
        hundredths.map(Score::from_hundredths).transpose().map_err(serde::de::Error::custom)
    }
}

/// Moments as integers, as rows keep them.
mod millis {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Timestamp;

    #[expect(clippy::ref_option, reason = "serde asks for it")]
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(|at| at.0).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(Timestamp))
    }
}

impl StepProgress {
    /// Whether anything was done.
    pub fn is_begun(&self) -> bool {
        self.attempt_count > 0
            || self.time_spent_seconds > 0
            || self.last_position.is_some()
            || self.completed_at.is_some()
            || self.score.is_some()
    }
}

impl Progress {
    /// Nothing done yet.
    pub fn begun(started_at: Timestamp) -> Self {
        Self {
            current_step_order: 0,
            started_at,
            completed_at: None,
            score: None,
            accounted_until: None,
            steps: BTreeMap::new(),
        }
    }

    /// Whether this step is complete.
    pub fn is_complete(&self, step: StepId) -> bool {
        self.steps.get(&step).is_some_and(|step| step.completed_at.is_some())
    }

    /// Seconds, over all steps.
    pub fn time_spent_seconds(&self) -> u64 {
        self.steps.values().map(|step| u64::from(step.time_spent_seconds)).sum()
    }
}

/// What a learner wants to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Complete a step; a quiz comes with its answers, graded.
    Advance {
        /// The step.
        step: StepId,
        /// Seconds to add.
        time_spent_seconds: u32,
        /// The position, in seconds.
        last_position: Option<u32>,
        /// For a quiz: the attempt.
        attempt: Option<Attempt>,
        /// For a lesson: what became of it in its course.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lesson: Option<LessonDone>,
    },
    /// Report time and position.
    Report {
        /// The step.
        step: StepId,
        /// Seconds to add.
        time_spent_seconds: u32,
        /// The new position, in seconds.
        last_position: Option<u32>,
    },
}

/// A lesson that is complete in its course.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LessonDone {
    /// How much of its points was earned; `None` where it has none.
    pub score: Option<Score>,
}

/// A graded attempt at a quiz, with the quiz's limits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// What was answered.
    pub answers: Vec<Answer>,
    /// What it reached.
    pub score: Score,
    /// How right each answer was.
    pub questions: Vec<(crate::QuestionId, Score)>,
    /// The quiz's attempt limit.
    pub max_attempts: Option<u32>,
    /// The quiz's cooldown.
    pub cooldown_seconds: u32,
}

impl Attempt {
    /// An attempt at this quiz.
    pub fn new(quiz: &crate::quiz::Quiz, answers: Vec<Answer>, graded: &Graded) -> Self {
        Self {
            answers,
            score: graded.score,
            questions: graded
                .questions
                .iter()
                .map(|question| (question.question_id, question.score.unwrap_or_default()))
                .collect(),
            max_attempts: quiz.max_attempts,
            cooldown_seconds: quiz.cooldown_seconds,
        }
    }
}

/// Why a command changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    /// The track version has no such step.
    #[error("there is no such step")]
    NoSuchStep,
    /// A required step before it is not complete (G2).
    #[error("step {} must be completed first", blocking.order)]
    StepOutOfOrder {
        /// The first one that blocks.
        blocking: OutlineStep,
    },
    /// A quiz needs answers.
    #[error("this step is completed by answering its questions")]
    AnswersRequired,
    /// Only a quiz takes answers.
    #[error("this step has no questions to answer")]
    NoQuestions,
    /// A lesson is completed in its course first.
    #[error("the lesson must be completed first")]
    LessonIncomplete,
    /// All attempts are used.
    #[error("all attempts are used")]
    AttemptsExhausted,
    /// The next attempt must wait.
    #[error("the next attempt is possible at {retry_at}")]
    Cooldown {
        /// Until when.
        retry_at: Timestamp,
    },
    /// More seconds than one report may hold.
    #[error("a report holds at most {MAX_REPORT_SECONDS} seconds")]
    AbsurdTime,
    /// A position no video has.
    #[error("a position is at most {MAX_POSITION_SECONDS} seconds")]
    AbsurdPosition,
}

/// What a command changes: its events, to be [`apply`]-ed in order; none when it changes nothing (G4).
pub fn decide(
    outline: &Outline,
    progress: &Progress,
    command: &Command,
    now: Timestamp,
) -> Result<Vec<TrackEvent>, Refusal> {
    let (step, time_spent_seconds, last_position) = match command {
        Command::Advance { step, time_spent_seconds, last_position, .. }
        | Command::Report { step, time_spent_seconds, last_position } => (*step, *time_spent_seconds, *last_position),
    };
    let step = outline.step(step).ok_or(Refusal::NoSuchStep)?;
    let last_position = spent::position(step.film_seconds, last_position);
    if time_spent_seconds > MAX_REPORT_SECONDS {
        return Err(Refusal::AbsurdTime);
    }
    if last_position.is_some_and(|position| position > MAX_POSITION_SECONDS) {
        return Err(Refusal::AbsurdPosition);
    }
    if let Some(blocking) = outline.blocking(step, progress) {
        return Err(Refusal::StepOutOfOrder { blocking: *blocking });
    }
    let reports_time = time_spent_seconds > 0;
    let (time_spent_seconds, accounted_until) =
        spent::taken(progress.accounted_until, progress.started_at, time_spent_seconds, now);
    let accounted_until = accounted_until.filter(|_| time_spent_seconds > 0);
    let spent = Spent { time_spent_seconds, accounted_until, last_position };
    match command {
        Command::Report { .. } => {
            let moved = last_position.is_some_and(|position| {
                progress.steps.get(&step.id).and_then(|done| done.last_position) != Some(position)
            });
            // Also where none of the time is taken: the widget, which knows less, counts the same versions.
            let changes = reports_time || moved;
            Ok(changes.then(|| spent.progressed(step, now)).into_iter().collect())
        }
        Command::Advance { attempt: Some(_), .. } if step.lesson => Err(Refusal::NoQuestions),
        Command::Advance { lesson: None, .. } if step.lesson => {
            if progress.is_complete(step.id) {
                Ok(Vec::new())
            } else {
                Err(Refusal::LessonIncomplete)
            }
        }
        Command::Advance { lesson: Some(lesson), .. } if step.lesson => {
            Ok(learn(outline, progress, step, *lesson, spent, now))
        }
        Command::Advance { attempt: None, .. } if step.scored => {
            if progress.is_complete(step.id) {
                Ok(Vec::new())
            } else {
                Err(Refusal::AnswersRequired)
            }
        }
        Command::Advance { attempt: Some(_), .. } if !step.scored => Err(Refusal::NoQuestions),
        Command::Advance { attempt: Some(attempt), .. } => answer(outline, progress, step, attempt, spent, now),
        Command::Advance { attempt: None, .. } => {
            if progress.is_complete(step.id) {
                return Ok(Vec::new());
            }
            let completed = spent.completed(step, now);
            Ok(with_completion(outline, progress, vec![completed], now))
        }
    }
}

/// What is taken of what a device reports.
#[derive(Clone, Copy)]
struct Spent {
    time_spent_seconds: u32,
    accounted_until: Option<Timestamp>,
    last_position: Option<u32>,
}

impl Spent {
    fn progressed(self, step: &OutlineStep, at: Timestamp) -> TrackEvent {
        let Self { time_spent_seconds, accounted_until, last_position } = self;
        TrackEvent::Progressed { step_id: step.id, time_spent_seconds, accounted_until, last_position, at }
    }

    /// An attempt, too.
    fn completed(self, step: &OutlineStep, at: Timestamp) -> TrackEvent {
        let Self { time_spent_seconds, accounted_until, last_position } = self;
        TrackEvent::StepCompleted {
            step_id: step.id,
            order: step.order,
            attempt: true,
            time_spent_seconds,
            accounted_until,
            last_position,
            at,
        }
    }
}

/// Whether a step's quiz may be answered now.
pub fn may_attempt(
    done: Option<&StepProgress>,
    max_attempts: Option<u32>,
    cooldown_seconds: u32,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(done) = done else { return Ok(()) };
    if max_attempts.is_some_and(|max| done.attempt_count >= max) {
        return Err(Refusal::AttemptsExhausted);
    }
    match retry_at(done, cooldown_seconds) {
        Some(retry_at) if retry_at > now => Err(Refusal::Cooldown { retry_at }),
        _ => Ok(()),
    }
}

/// When a step's quiz may next be answered, where it has a cooldown and was answered without completing.
pub fn retry_at(done: &StepProgress, cooldown_seconds: u32) -> Option<Timestamp> {
    if cooldown_seconds == 0 || done.completed_at.is_some() {
        return None;
    }
    done.last_attempt_at.map(|at| at.plus_seconds(i64::from(cooldown_seconds)))
}

fn answer(
    outline: &Outline,
    progress: &Progress,
    step: &OutlineStep,
    attempt: &Attempt,
    spent: Spent,
    now: Timestamp,
) -> Result<Vec<TrackEvent>, Refusal> {
    let done = progress.steps.get(&step.id);
    let complete = progress.is_complete(step.id);
    match may_attempt(done, attempt.max_attempts, attempt.cooldown_seconds, now) {
        // G4: a completed step answers as it is.
        Err(_) if complete => return Ok(Vec::new()),
        other => other?,
    }
    // Whatever is graded is told, and whatever is told counts as an attempt: also one that brings no more (S4).
    let passed = step.pass_mark.is_none_or(|mark| attempt.score >= mark);
    let answered = TrackEvent::QuizAnswered {
        step_id: step.id,
        attempt: done.map_or(0, |done| done.attempt_count).saturating_add(1),
        score: attempt.score,
        passed,
        time_spent_seconds: spent.time_spent_seconds,
        accounted_until: spent.accounted_until,
        answers: attempt.answers.clone(),
        questions: attempt.questions.clone(),
        at: now,
    };
    if complete || !passed {
        return Ok(vec![answered]);
    }
    let completed = TrackEvent::StepCompleted {
        step_id: step.id,
        order: step.order,
        attempt: false,
        time_spent_seconds: 0,
        accounted_until: None,
        last_position: None,
        at: now,
    };
    Ok(with_completion(outline, progress, vec![answered, completed], now))
}

/// A lesson was completed in its course, or a better score earned there since (G3, G4).
fn learn(
    outline: &Outline,
    progress: &Progress,
    step: &OutlineStep,
    lesson: LessonDone,
    spent: Spent,
    now: Timestamp,
) -> Vec<TrackEvent> {
    let best = progress.steps.get(&step.id).and_then(|done| done.score);
    let mut events = Vec::new();
    if let Some(score) = lesson.score.filter(|score| best.is_none_or(|best| *score > best)) {
        events.push(TrackEvent::LessonScored { step_id: step.id, score, at: now });
    }
    if progress.is_complete(step.id) {
        return events;
    }
    let best = best.max(lesson.score);
    // A mark that nothing can reach, in a lesson without questions, holds nobody up.
    if step.pass_mark.is_some_and(|mark| best.is_some_and(|best| best < mark)) {
        if spent.time_spent_seconds > 0 {
            events.push(spent.progressed(step, now));
        }
        return events;
    }
    events.push(spent.completed(step, now));
    with_completion(outline, progress, events, now)
}

/// Adds the track's completion, if these events bring it (G5).
fn with_completion(
    outline: &Outline,
    progress: &Progress,
    mut events: Vec<TrackEvent>,
    now: Timestamp,
) -> Vec<TrackEvent> {
    if progress.completed_at.is_some() {
        return events;
    }
    let mut after = progress.clone();
    for event in &events {
        apply(&mut after, event);
    }
    if outline.is_complete(&after) {
        events.push(TrackEvent::Completed {
            score: completion::score(outline, &after),
            at: now,
            merged_from_guest: false,
        });
    }
    events
}

/// Changes what was done by one event. Never refuses: what was decided has happened.
pub fn apply(progress: &mut Progress, event: &TrackEvent) {
    match event {
        TrackEvent::Progressed { step_id, time_spent_seconds, accounted_until, last_position, .. } => {
            progress.accounted_until = progress.accounted_until.max(*accounted_until);
            let step = progress.steps.entry(*step_id).or_default();
            step.time_spent_seconds = step.time_spent_seconds.saturating_add(*time_spent_seconds);
            step.last_position = last_position.or(step.last_position);
        }
        TrackEvent::QuizAnswered { step_id, score, time_spent_seconds, accounted_until, at, .. } => {
            progress.accounted_until = progress.accounted_until.max(*accounted_until);
            let step = progress.steps.entry(*step_id).or_default();
            step.attempt_count = step.attempt_count.saturating_add(1);
            step.time_spent_seconds = step.time_spent_seconds.saturating_add(*time_spent_seconds);
            step.score = step.score.max(Some(*score));
            step.last_attempt_at = Some(*at);
        }
        TrackEvent::LessonScored { step_id, score, .. } => {
            let step = progress.steps.entry(*step_id).or_default();
            step.score = step.score.max(Some(*score));
        }
        TrackEvent::StepCompleted {
            step_id,
            order,
            attempt,
            time_spent_seconds,
            accounted_until,
            last_position,
            at,
        } => {
            progress.accounted_until = progress.accounted_until.max(*accounted_until);
            let step = progress.steps.entry(*step_id).or_default();
            step.attempt_count = step.attempt_count.saturating_add(u32::from(*attempt));
            step.time_spent_seconds = step.time_spent_seconds.saturating_add(*time_spent_seconds);
            step.last_position = last_position.or(step.last_position);
            step.completed_at = step.completed_at.or(Some(*at));
            progress.current_step_order = progress.current_step_order.max(*order);
        }
        TrackEvent::Completed { score, at, .. } => {
            if progress.completed_at.is_none() {
                progress.completed_at = Some(*at);
                progress.score = *score;
            }
        }
        TrackEvent::Merged { current_step_order, score, progress: guest, .. } => {
            *progress = merge::union(progress, guest);
            progress.current_step_order = *current_step_order;
            if progress.completed_at.is_some() {
                progress.score = progress.score.max(*score);
            }
        }
        TrackEvent::Started { .. } | TrackEvent::Moved { .. } | TrackEvent::Absorbed { .. } => {}
    }
}

impl Enrollment {
    /// Changes the whole enrollment by one event.
    pub fn apply(&mut self, event: &TrackEvent) {
        apply(&mut self.progress, event);
        self.version += 1;
        match event {
            TrackEvent::Moved { user_id, .. } => {
                self.learner = Learner::User(user_id.clone());
                self.merged_from_guest = true;
            }
            TrackEvent::Merged { track_version, .. } => {
                self.track_version = *track_version;
                self.merged_from_guest = true;
            }
            _ => {}
        }
    }

    /// The enrollment that an event begins; `None` for any event but `track.started`.
    pub fn begun(event: &TrackEvent) -> Option<Self> {
        let TrackEvent::Started { enrollment_id, site_id, track_id, track_version, learner, lang, at } = event else {
            return None;
        };
        Some(Self {
            id: *enrollment_id,
            site_id: *site_id,
            track_id: *track_id,
            track_version: *track_version,
            learner: learner.clone(),
            lang: lang.clone(),
            merged_from_guest: false,
            version: 1,
            progress: Progress::begun(*at),
        })
    }
}

/// The enrollment that its events add up to (V1); `None` when there is none, or none any more.
pub fn replay<'e>(events: impl IntoIterator<Item = &'e TrackEvent>) -> Option<Enrollment> {
    let mut enrollment: Option<Enrollment> = None;
    for event in events {
        match (&mut enrollment, event) {
            (None, event) => enrollment = Enrollment::begun(event),
            (Some(_), TrackEvent::Absorbed { .. }) => return None,
            (Some(enrollment), event) => enrollment.apply(event),
        }
    }
    enrollment
}
