//! The hot path: what learners do, group by group.
//!
//! All commands that wait are taken together: their rows are loaded in one statement, decided in
//! memory one after the other, and written in one statement a table. A refused command never reaches
//! the write. What is answered is durable, and remembered under its idempotency key in the same commit.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use jalon_shared::{
    EnrollmentId, GuestId, Lang, Learner, SiteId, StepId, Timestamp, quiz,
    track::{self, Command, Enrollment, LessonPlace, OutlineStep, Refusal, TrackEvent, enrollment::Attempt},
    wire::{
        enrollment::{self as wire, AdvanceRequest, ReportRequest, TrackRef},
        quiz::QuizResult,
    },
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    catalog::{Catalog, Version},
    completed,
    recent::Recent,
    store::{self, EventRecord},
    view,
};
use crate::{
    clock::Clock,
    course::{self, lesson::Standing},
    db::{Db, DbError, Gatherer, Tx},
    failpoint,
    guest::{self, store::GuestState},
    http::{
        error::ApiError,
        idempotency::{self, Fingerprint, Lookup},
    },
    webhook::outbox,
};

/// What a learner asks to do with a step of an enrollment.
#[derive(Clone, Debug)]
pub struct Advance {
    /// The caller's site.
    pub site: SiteId,
    /// The site's slug.
    pub site_slug: Arc<str>,
    /// The caller.
    pub learner: Learner,
    /// The enrollment.
    pub enrollment: EnrollmentId,
    /// The step, by its order in the enrollment's version.
    pub order: u16,
    /// The step, by its id: it is this one then, wherever it stands now. A merge can have taken the
    /// enrollment to a newer version since the learner saw it.
    pub step: Option<StepId>,
    /// What to do.
    pub what: What,
    /// How far the learner is with the step's lesson, where it is one. Asked for when it is found to be.
    pub lesson: Option<Arc<Standing>>,
    /// The idempotency key, and what was asked with it.
    pub key: Option<(Uuid, Fingerprint)>,
    /// In which languages to answer.
    pub wanted: Vec<Lang>,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum What {
    /// `POST …/advance`.
    Advance(AdvanceRequest),
    /// `PATCH …/steps/{order}`.
    Report(ReportRequest),
}

/// An answer, ready to be sent: the body, and whether it was given before.
#[derive(Clone, Debug)]
pub struct Done {
    /// JSON.
    pub body: Vec<u8>,
    /// Whether its key was answered before.
    pub replay: bool,
}

/// What a command came to, inside its group. The answer's JSON is made of it once the group is committed, by
/// whoever asked: inside it would hold up all the others.
#[derive(Clone, Debug)]
struct Said {
    answer: Arc<Answer>,
    replay: bool,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "always behind an Arc, and nearly always the large one")]
enum Answer {
    /// What to make it from.
    State { enrollment: Enrollment, version: Arc<Version>, result: Option<QuizResult> },
    /// Its text, remembered before an upgrade.
    Text(String),
}

impl Said {
    fn new(enrollment: Enrollment, version: Arc<Version>, result: Option<QuizResult>) -> Self {
        Self { answer: Arc::new(Answer::State { enrollment, version, result }), replay: false }
    }

    fn again(self) -> Self {
        Self { replay: true, ..self }
    }
}

/// Takes learners' commands.
#[derive(Clone, Debug)]
pub struct Advancer {
    gatherer: Gatherer<Advance, Result<Said, Refused>>,
    recent: Arc<Recent>,
    /// Whether it is of use: rows are locked and read at once on PostgreSQL.
    remembers: bool,
    db: Db,
    courses: course::catalog::Catalog,
}

/// Why a command was refused.
#[derive(Clone, Debug)]
pub enum Refused {
    /// No such enrollment, or not the caller's.
    NotFound,
    /// The guest was merged into a member: its token no longer writes (M5).
    GuestMerged,
    /// The guest's token was revoked.
    GuestRevoked,
    /// The same key with another body.
    KeyReused,
    /// The enrollment's version has no such step (any more).
    StepGone,
    /// The step is done in this lesson: ask how far that is, then come again.
    AsksLesson(Box<Advance>, LessonPlace),
    /// The lesson is not complete.
    LessonIncomplete(Arc<Standing>),
    /// A rule says no; with the title of the step that blocks.
    Rule(Refusal, Option<String>),
    /// The answers' form is wrong.
    Answers(Vec<jalon_shared::FieldError>),
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::not_found(),
            Refused::GuestMerged => super::problem::guest_merged(),
            Refused::GuestRevoked => Self::token_revoked(),
            Refused::KeyReused => Self::idempotency_key_reused(),
            Refused::StepGone => super::problem::step_gone(),
            Refused::Answers(faults) => Self::validation_failed(faults),
            // A merge after a merge took the enrollment to another version each time.
            Refused::AsksLesson(..) => DbError::Busy("the step's lesson changed again".to_owned()).into(),
            Refused::LessonIncomplete(standing) => super::problem::lesson_incomplete(&standing),
            Refused::Rule(refusal, title) => super::problem::refusal(&refusal, title.as_deref()),
        }
    }
}

impl Advancer {
    /// Starts gathering.
    pub fn new(db: &Db, catalog: &Catalog, courses: &course::catalog::Catalog, clock: &Clock) -> Self {
        let (catalog, clock, recent) = (catalog.clone(), clock.clone(), Arc::<Recent>::default());
        let known = Arc::clone(&recent);
        let gatherer = Gatherer::new(db, move |tx, commands| {
            let (catalog, known, now) = (catalog.clone(), Arc::clone(&known), clock.now());
            Box::pin(async move { run(tx, &catalog, &known, &commands, now).await })
        });
        Self { gatherer, recent, remembers: db.is_sqlite(), db: db.clone(), courses: courses.clone() }
    }

    /// Lets go of what nobody asked for of late; call it every minute.
    pub fn sweep(&self) {
        self.recent.age();
    }

    /// Lets go of all that is kept in memory of learners: somebody was erased.
    pub fn forget(&self) {
        self.recent.forget();
    }

    /// Does what a learner asks; durable once answered.
    pub async fn advance(&self, command: Advance) -> Result<Done, ApiError> {
        let key = command.enrollment.0.as_u64_pair().1;
        let (site, whole) = (Arc::clone(&command.site_slug), matches!(command.what, What::Advance(_)));
        let said = self.submit(key, command).await?;
        failpoint::reach("advance.committed");
        if let Answer::State { enrollment, .. } = said.answer.as_ref()
            && self.remembers
            && !said.replay
        {
            self.recent.keep(enrollment);
        }
        let body = match said.answer.as_ref() {
            Answer::State { enrollment, version, result } => body(&site, whole, enrollment, version, result.as_ref())?,
            Answer::Text(text) => text.clone().into_bytes(),
        };
        Ok(Done { body, replay: said.replay })
    }
}

impl Advancer {
    /// Has a command decided. Only what turns out to be a lesson's step needs the course beside it: it is asked
    /// outside the group, and the command comes again.
    async fn submit(&self, key: u64, mut command: Advance) -> Result<Said, ApiError> {
        for _ in 0..3 {
            match self.gatherer.submit(key, command).await? {
                Err(Refused::AsksLesson(asking, place)) => {
                    let (site, learner, wanted) = (asking.site, asking.learner.clone(), asking.wanted.clone());
                    let standing =
                        course::lesson::standing(&self.db, &self.courses, site, learner, place, wanted).await?;
                    command = Advance { lesson: Some(Arc::new(standing)), ..*asking };
                }
                other => return Ok(other?),
            }
        }
        Err(DbError::Busy("the step's lesson changed again and again".to_owned()).into())
    }
}

/// One group, while it is decided.
struct Group {
    now: Timestamp,
    enrollments: HashMap<EnrollmentId, Enrollment>,
    versions: HashMap<EnrollmentId, Arc<Version>>,
    guests: HashMap<(SiteId, GuestId), GuestState>,
    changed: BTreeSet<EnrollmentId>,
    events: Vec<EventRecord>,
    messages: Vec<outbox::Message>,
    answers: Vec<idempotency::Answer>,
}

async fn run(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    recent: &Recent,
    commands: &[Advance],
    now: Timestamp,
) -> Result<Vec<Result<Said, Refused>>, DbError> {
    let ids: Vec<EnrollmentId> =
        commands.iter().map(|command| command.enrollment).collect::<BTreeSet<_>>().into_iter().collect();
    // First the rows, locked; then the keys: who waited for a row sees what its owner remembered.
    let enrollments = enrollments(tx, recent, &ids).await?;
    let queries: Vec<idempotency::Query> = commands.iter().filter_map(query).collect();
    let mut lookups = idempotency::lookup_all(tx, &queries).await?.into_iter();
    let guests: BTreeSet<(SiteId, GuestId)> =
        commands.iter().filter_map(|command| Some((command.site, command.learner.guest_id()?))).collect();
    let guests = guest::store::guest_states(tx, &guests.into_iter().collect::<Vec<_>>()).await?;

    let mut group = Group {
        now,
        versions: versions(tx, catalog, &enrollments).await?,
        enrollments: enrollments.into_iter().map(|enrollment| (enrollment.id, enrollment)).collect(),
        guests,
        changed: BTreeSet::new(),
        events: Vec::new(),
        messages: Vec::new(),
        answers: Vec::new(),
    };
    // What was done in this group, by its key. As between groups, what was refused is not remembered: neither the
    // misuse of a key nor a refusal decides what the next command under that key is answered.
    let mut done: HashMap<(SiteId, String, Uuid), (Fingerprint, Said)> = HashMap::new();
    let mut results = Vec::with_capacity(commands.len());
    for command in commands {
        let Some(query) = query(command) else {
            results.push(group.decide(command, None)?);
            continue;
        };
        let result = match lookups.next().unwrap_or(Lookup::Fresh) {
            Lookup::Replay(before) => said(tx, catalog, command, before.response).await?,
            Lookup::Reused => Err(Refused::KeyReused),
            Lookup::Fresh => {
                let fingerprint = query.fingerprint;
                match done.entry((query.site, query.caller.clone(), query.key)) {
                    Entry::Occupied(first) if first.get().0 == fingerprint => Ok(first.get().1.clone().again()),
                    Entry::Occupied(_) => Err(Refused::KeyReused),
                    Entry::Vacant(place) => {
                        let result = group.decide(command, Some(query))?;
                        if let Ok(said) = &result {
                            place.insert((fingerprint, said.clone()));
                        }
                        result
                    }
                }
            }
        };
        results.push(result);
    }
    if !group.changed.is_empty() {
        let changed: Vec<&Enrollment> = group.changed.iter().filter_map(|id| group.enrollments.get(id)).collect();
        store::update_progress(tx, &changed).await?;
    }
    store::append_events(tx, &group.events).await?;
    outbox::enqueue(tx, &group.messages, now).await?;
    idempotency::remember_all(tx, &group.answers, now).await?;
    Ok(results)
}

/// The enrollments of a group, locked where the database locks rows; copies of those it still holds like that.
async fn enrollments(tx: &mut Tx<'_>, recent: &Recent, ids: &[EnrollmentId]) -> Result<Vec<Enrollment>, DbError> {
    let mut good = match tx {
        Tx::Sqlite(conn) => {
            let mut copies = recent.copies(ids);
            let outdated: HashSet<EnrollmentId> = store::outdated(conn, &copies).await?.into_iter().collect();
            copies.retain(|copy| !outdated.contains(&copy.id));
            recent.drop_all(&outdated);
            copies
        }
        // Rows are locked, and read at once.
        Tx::Postgres(_) => Vec::new(),
    };
    let known: HashSet<EnrollmentId> = good.iter().map(|copy| copy.id).collect();
    let missing: Vec<EnrollmentId> = ids.iter().copied().filter(|id| !known.contains(id)).collect();
    if !missing.is_empty() {
        good.extend(store::enrollments_for_update(tx, &missing).await?);
    }
    Ok(good)
}

/// What is remembered of an answer: not its kilobytes, but what they were made from. The enrollment's
/// events up to that version give the same answer again (V1).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    /// The enrollment's version after it.
    version: u64,
    /// How a quiz went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<QuizResult>,
}

/// The answer that was given before, from what is remembered of it.
async fn said(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    command: &Advance,
    remembered: String,
) -> Result<Result<Said, Refused>, DbError> {
    let Ok(Remembered { version, result }) = serde_json::from_str(&remembered) else {
        // Remembered before an upgrade, when the whole answer was.
        return Ok(Ok(Said { answer: Arc::new(Answer::Text(remembered)), replay: true }));
    };
    let events = store::events_of_enrollment(tx, command.site, command.enrollment).await?;
    let then = events.iter().take(usize::try_from(version).unwrap_or(usize::MAX));
    let Some(enrollment) = track::replay(then) else {
        // Erased meanwhile.
        return Ok(Err(Refused::NotFound));
    };
    let version = super::version_of(tx, catalog, &enrollment).await?;
    Ok(Ok(Said::new(enrollment, version, result).again()))
}

/// The answer to a command, with what a quiz came to where the whole of it is wanted.
fn body(
    site: &str,
    whole: bool,
    enrollment: &Enrollment,
    version: &Version,
    result: Option<&QuizResult>,
) -> Result<Vec<u8>, DbError> {
    let track = TrackRef { slug: version.slug.clone(), track_type: version.track.track_type, version: version.number };
    let enrollment = wire::Enrollment::new(enrollment, &version.outline, site, track);
    // Room for all of it at once: it would grow ten times else.
    let mut text = Vec::with_capacity(512 + 256 * version.outline.steps.len());
    let written = if whole {
        serde_json::to_writer(&mut text, &wire::AdvanceResponse { enrollment, result: result.cloned() })
    } else {
        serde_json::to_writer(&mut text, &enrollment)
    };
    written?;
    Ok(text)
}

fn query(command: &Advance) -> Option<idempotency::Query> {
    let (key, fingerprint) = command.key?;
    Some(idempotency::Query { site: command.site, caller: idempotency::caller_of(&command.learner), key, fingerprint })
}

/// The versions these enrollments are in; all of them in memory, but the first time.
async fn versions(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    enrollments: &[Enrollment],
) -> Result<HashMap<EnrollmentId, Arc<Version>>, DbError> {
    let mut versions = HashMap::with_capacity(enrollments.len());
    for enrollment in enrollments {
        versions.insert(enrollment.id, super::version_of(tx, catalog, enrollment).await?);
    }
    Ok(versions)
}

impl Group {
    /// Decides one command on what the group has made of its enrollment so far.
    fn decide(
        &mut self,
        command: &Advance,
        query: Option<idempotency::Query>,
    ) -> Result<Result<Said, Refused>, DbError> {
        if let Some(guest) = command.learner.guest_id() {
            match self.guests.get(&(command.site, guest)) {
                Some(GuestState::Live) => {}
                Some(GuestState::Merged(_)) => return Ok(Err(Refused::GuestMerged)),
                Some(GuestState::Revoked) | None => return Ok(Err(Refused::GuestRevoked)),
            }
        }
        let found = self
            .enrollments
            .get_mut(&command.enrollment)
            .filter(|found| found.site_id == command.site && found.learner == command.learner);
        let (Some(enrollment), Some(version)) = (found, self.versions.get(&command.enrollment)) else {
            return Ok(Err(Refused::NotFound));
        };
        let (found, unknown) = match command.step {
            Some(id) => (version.outline.step(id), Refused::StepGone),
            None => (version.outline.at(command.order), Refused::NotFound),
        };
        let Some(step) = found.copied() else { return Ok(Err(unknown)) };
        let (wish, result) = match understand(command, version, enrollment, &step, self.now) {
            Ok(understood) => understood,
            Err(refused) => return Ok(Err(refused)),
        };
        let happened = match track::decide(&version.outline, &enrollment.progress, &wish, self.now) {
            Ok(happened) => happened,
            Err(Refusal::LessonIncomplete) if command.lesson.is_some() => {
                return Ok(Err(command.lesson.clone().map_or(Refused::StepGone, Refused::LessonIncomplete)));
            }
            Err(refusal) => {
                return Ok(Err(Refused::Rule(refusal.clone(), blocking_title(&refusal, version, &command.wanted))));
            }
        };
        for event in &happened {
            enrollment.apply(event);
            let id = crate::id::new_v7(self.now);
            self.events.push(EventRecord::new(enrollment, event, id, command.key.map(|(key, _)| key), self.now)?);
            if let TrackEvent::Completed { .. } = event {
                self.messages.push(completed::message(enrollment, version, &command.site_slug, event, id, self.now)?);
            }
        }
        if !happened.is_empty() {
            self.changed.insert(enrollment.id);
        }
        let result = result.map(|graded| {
            let after = enrollment.progress.steps.get(&step.id);
            graded.result(version, step.order, &command.wanted, after)
        });
        if let Some(query) = query {
            let remembered = Remembered { version: enrollment.version, result: result.clone() };
            self.answers.push(idempotency::Answer {
                query,
                status: 200,
                response: serde_json::to_string(&remembered)?,
            });
        }
        Ok(Ok(Said::new(enrollment.clone(), Arc::clone(version), result)))
    }
}

/// A graded attempt that is to be shown.
struct Shown {
    answers: Vec<quiz::Answer>,
    graded: quiz::Graded,
}

impl Shown {
    fn result(
        &self,
        version: &Version,
        order: u16,
        wanted: &[Lang],
        after: Option<&track::StepProgress>,
    ) -> QuizResult {
        let step = version.track.step(order);
        match step.and_then(|step| Some((step, step.quiz()?))) {
            Some((step, quiz)) => view::result(&version.track, step, quiz, &self.answers, &self.graded, after, wanted),
            None => QuizResult {
                score: self.graded.score,
                passed: false,
                questions: Vec::new(),
                attempts_left: None,
                retry_at: None,
            },
        }
    }
}

/// Makes of a request the command that `shared` decides; grades what is to be graded (S4).
fn understand(
    command: &Advance,
    version: &Version,
    enrollment: &Enrollment,
    step: &OutlineStep,
    now: Timestamp,
) -> Result<(Command, Option<Shown>), Refused> {
    let request = match &command.what {
        What::Report(report) => {
            let wish = Command::Report {
                step: step.id,
                time_spent_seconds: report.time_spent_seconds.unwrap_or(0),
                last_position: report.last_position,
            };
            return Ok((wish, None));
        }
        What::Advance(request) => request,
    };
    let quiz = version.track.step(step.order).and_then(track::Step::quiz);
    let blocked = version.outline.blocking(step, &enrollment.progress).is_some();
    let place = version.track.step(step.order).and_then(track::Step::lesson).filter(|_| !blocked);
    let lesson = match (place, &command.lesson) {
        (Some(place), Some(standing)) if standing.lesson == place.lesson_id => standing.done,
        (Some(place), _) => return Err(Refused::AsksLesson(Box::new(command.clone()), *place)),
        (None, _) => None,
    };
    let (attempt, shown) = match (quiz, &request.answers) {
        // Locked comes before everything: nothing is graded, not even the form of it (G2, S4).
        (Some(quiz), Some(answers)) if !blocked => {
            // Nor is anything graded that could not count: it would tell the answers for nothing.
            let done = enrollment.progress.steps.get(&step.id);
            match track::enrollment::may_attempt(done, quiz.max_attempts, quiz.cooldown_seconds, now) {
                Err(_) if enrollment.progress.is_complete(step.id) => (None, None),
                Err(refusal) => return Err(Refused::Rule(refusal, None)),
                Ok(()) => {
                    let faults = quiz::answer::check(quiz, answers);
                    if !faults.is_empty() {
                        return Err(Refused::Answers(faults));
                    }
                    let graded = quiz::grade(quiz, answers);
                    (
                        Some(Attempt::new(quiz, answers.clone(), &graded)),
                        Some(Shown { answers: answers.clone(), graded }),
                    )
                }
            }
        }
        (None, Some(answers)) if !blocked && !answers.is_empty() => {
            return Err(Refused::Rule(Refusal::NoQuestions, None));
        }
        _ => (None, None),
    };
    let wish = Command::Advance {
        step: step.id,
        time_spent_seconds: request.time_spent_seconds.unwrap_or(0),
        last_position: request.last_position,
        attempt,
        lesson,
    };
    Ok((wish, shown))
}

fn blocking_title(refusal: &Refusal, version: &Version, wanted: &[Lang]) -> Option<String> {
    let Refusal::StepOutOfOrder { blocking } = refusal else { return None };
    let step = version.track.step(blocking.order)?;
    Some(step.title.resolve(wanted, &version.track.source_lang).value)
}
