//! What learners do in a course: enroll, visit, report, answer. Each is one transaction that reads the sums
//! of the enrollment and the items of one lesson, whatever the course's size.

use std::{collections::BTreeMap, sync::Arc};

use jalon_shared::{
    CourseId, EnrollmentId, ItemId, Lang, Learner, QuestionId, QuizId, Score, SiteId, Timestamp,
    course::{
        self, Command, CourseEvent, Enrollment, Item, ItemProgress, Lesson, Mark, Marked, Record, Regraded, Right,
    },
    quiz::{self, Answer, Quiz},
    wire::course::{AnswersRequest, AnswersResponse, AttemptResult, CourseEnrollment},
    wire::enrollment::ReportRequest,
};
use uuid::Uuid;

use super::{
    catalog::{Catalog, Version},
    completed, problem, store, view,
};
use crate::{
    cohort,
    db::{Db, DbError, Tx},
    guest,
    http::{
        code,
        error::ApiError,
        idempotency::{self, Fingerprint, Lookup},
    },
    quiz::order::Orders,
    track::store::{EventRecord, append_events, lock_member},
    webhook::outbox,
};

/// Who asks, and how to answer.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The caller's site.
    pub site: SiteId,
    /// The site's slug.
    pub site_slug: Arc<str>,
    /// The caller.
    pub learner: Learner,
    /// The cohorts they learn in, by their token; none of guests.
    pub cohorts: Vec<String>,
    /// In which languages to answer.
    pub wanted: Vec<Lang>,
    /// The idempotency key, and what was asked with it.
    pub key: Option<(Uuid, Fingerprint)>,
    /// In which order attempts show things, and what they draw.
    pub orders: Orders,
}

impl Asker {
    /// The key, as it is looked up.
    pub fn query(&self) -> Option<idempotency::Query> {
        let (key, fingerprint) = self.key?;
        Some(idempotency::Query { site: self.site, caller: idempotency::caller_of(&self.learner), key, fingerprint })
    }

    /// Writes down in which cohorts a member learns.
    async fn keep_cohorts(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), DbError> {
        match self.learner.user_id() {
            Some(user) => cohort::store::keep(tx, self.site, user, &self.cohorts, now).await,
            None => Ok(()),
        }
    }

    /// Holds the learner until the end of the transaction: a merge or an erasure comes before or after.
    pub async fn hold(&self, tx: &mut Tx<'_>) -> Result<(), ApiError> {
        match &self.learner {
            Learner::User(user) => Ok(lock_member(tx, self.site, user).await?),
            Learner::Guest(guest) => guest::state::hold(tx, self.site, *guest).await,
        }
    }
}

/// What is to be done in an item.
#[derive(Clone, Debug)]
pub enum What {
    /// `POST …/visit`.
    Visit,
    /// `PATCH …`.
    Report(ReportRequest),
    /// `POST …/answers`.
    Answer(QuizId, AnswersRequest),
}

/// An answer, ready to be sent.
#[derive(Clone, Debug)]
pub struct Done {
    /// The HTTP status.
    pub status: u16,
    /// JSON.
    pub body: String,
    /// Whether its key was answered before.
    pub replay: bool,
}

/// The answer that was given under a key before.
pub async fn before(tx: &mut Tx<'_>, query: Option<&idempotency::Query>) -> Result<Option<Done>, ApiError> {
    let Some(query) = query else { return Ok(None) };
    match idempotency::lookup(tx, query).await? {
        Lookup::Replay(before) => Ok(Some(Done { status: before.status, body: before.response, replay: true })),
        Lookup::Reused => Err(ApiError::idempotency_key_reused()),
        Lookup::Fresh => Ok(None),
    }
}

pub(super) async fn remember(
    tx: &mut Tx<'_>,
    query: Option<idempotency::Query>,
    status: u16,
    body: String,
    now: Timestamp,
) -> Result<Done, ApiError> {
    if let Some(query) = query {
        idempotency::remember(tx, &idempotency::Answer { query, status, response: body.clone() }, now).await?;
    }
    Ok(Done { status, body, replay: false })
}

/// The version an enrollment is in.
pub async fn version_of(tx: &mut Tx<'_>, catalog: &Catalog, enrollment: &Enrollment) -> Result<Arc<Version>, DbError> {
    version_numbered(tx, catalog, enrollment.site_id, enrollment.course_id, enrollment.course_version).await
}

/// A version of a course.
pub async fn version_numbered(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    site: SiteId,
    id: CourseId,
    number: u32,
) -> Result<Arc<Version>, DbError> {
    if let Some(known) = catalog.known_version(id, number) {
        return Ok(known);
    }
    let missing = || DbError::other(format!("course {id} has no version {number}"));
    let slug = store::slug(tx, site, id).await?.ok_or_else(missing)?;
    catalog.version_in(tx, site, id, slug, number).await?.ok_or_else(missing)
}

/// Enrolls in a course, or answers the enrollment there is (at most one per course and learner).
pub async fn enroll(
    db: &Db,
    catalog: &Catalog,
    asker: Asker,
    version: Arc<Version>,
    lang: Option<Lang>,
    now: Timestamp,
) -> Result<Done, ApiError> {
    crate::track::again_after_conflict(|| {
        let (catalog, asker, version, lang) = (catalog.clone(), asker.clone(), Arc::clone(&version), lang.clone());
        db.write(move |tx| Box::pin(async move { enroll_in(tx, &catalog, asker, &version, lang, now).await }))
    })
    .await
}

async fn enroll_in(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    asker: Asker,
    version: &Version,
    lang: Option<Lang>,
    now: Timestamp,
) -> Result<Done, ApiError> {
    asker.hold(tx).await?;
    let query = asker.query();
    if let Some(done) = before(tx, query.as_ref()).await? {
        return Ok(done);
    }
    asker.keep_cohorts(tx, now).await?;
    if let Some(mut there) = store::enrollment_in_course(tx, asker.site, &asker.learner, version.id).await? {
        there.progress.items = store::items(tx, asker.site, there.id, None).await?;
        let version = version_of(tx, catalog, &there).await?;
        let body = json(&whole(&there, &version, &asker, now))?;
        return remember(tx, query, 200, body, now).await;
    }
    let enrollment = begin(tx, &asker, version, lang, now).await?;
    let body = json(&whole(&enrollment, version, &asker, now))?;
    remember(tx, query, 201, body, now).await
}

/// An enrollment with all its items, as its learner reads it.
pub(super) fn whole(enrollment: &Enrollment, version: &Version, asker: &Asker, now: Timestamp) -> CourseEnrollment {
    let open_lessons = view::open_lessons(enrollment, version, None);
    let view = view::enrollment(enrollment, version, &asker.site_slug, Some(&asker.wanted), now);
    CourseEnrollment { open_lessons, ..view }
}

/// A new enrollment of a learner who has none in this course.
pub(super) async fn begin(
    tx: &mut Tx<'_>,
    asker: &Asker,
    version: &Version,
    lang: Option<Lang>,
    now: Timestamp,
) -> Result<Enrollment, ApiError> {
    let event = CourseEvent::Enrolled {
        enrollment_id: EnrollmentId(crate::id::new_v7(now)),
        site_id: asker.site,
        course_id: version.id,
        course_version: version.number,
        learner: asker.learner.clone(),
        lang,
        at: now,
    };
    let enrollment = Enrollment::begun(&event).ok_or_else(|| DbError::other("an enrollment that did not begin"))?;
    if !store::insert_enrollment(tx, &enrollment).await? {
        return Err(DbError::Busy("another backend enrolled the same learner".to_owned()).into());
    }
    let cause = asker.key.map(|(key, _)| key);
    append_events(tx, &[record(&enrollment, &event, crate::id::new_v7(now), cause, now)?]).await?;
    Ok(enrollment)
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, ApiError> {
    serde_json::to_string(value).map_err(|error| DbError::from(error).into())
}

pub(super) fn record(
    enrollment: &Enrollment,
    event: &CourseEvent,
    id: Uuid,
    cause: Option<Uuid>,
    now: Timestamp,
) -> Result<EventRecord, DbError> {
    Ok(EventRecord {
        id,
        site_id: enrollment.site_id,
        subject_id: enrollment.id.0,
        seq: enrollment.version,
        kind: event.name(),
        user_id: enrollment.learner.user_id().cloned(),
        guest_id: enrollment.learner.guest_id(),
        at: now.0,
        cause: cause.map(|cause| cause.to_string()),
        payload: serde_json::to_string(event)?,
    })
}

/// The caller's enrollment with all its items, and its version; 404 when there is none, or it is somebody
/// else's; 409 `guest_merged` for a guest who became a member (M5).
pub async fn of_caller(
    db: &Db,
    catalog: &Catalog,
    site: SiteId,
    learner: Learner,
    id: EnrollmentId,
) -> Result<(Enrollment, Arc<Version>), ApiError> {
    let catalog = catalog.clone();
    db.read(move |tx| {
        Box::pin(async move {
            let found = store::enrollment(tx, site, id).await?;
            let Some(mut enrollment) = found.filter(|enrollment| enrollment.learner == learner) else {
                guest::state::may_read(tx, site, &learner).await?;
                return Err(ApiError::not_found());
            };
            enrollment.progress.items = store::items(tx, site, id, None).await?;
            let version = version_of(tx, &catalog, &enrollment).await?;
            Ok((enrollment, version))
        })
    })
    .await
}

/// All of a learner's enrollments in courses, for their export.
pub async fn all_of(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    (site, site_slug): (SiteId, &str),
    learner: &Learner,
    now: Timestamp,
) -> Result<Vec<CourseEnrollment>, DbError> {
    let mut all = Vec::new();
    for mut enrollment in store::enrollments_of_learner(tx, site, learner).await? {
        enrollment.progress.items = store::items(tx, site, enrollment.id, None).await?;
        let version = version_of(tx, catalog, &enrollment).await?;
        let open_lessons = view::open_lessons(&enrollment, &version, None);
        let view = view::enrollment(&enrollment, &version, site_slug, Some(&[]), now);
        all.push(CourseEnrollment { open_lessons, ..view });
    }
    Ok(all)
}

/// Does what a learner asks in an item; durable once answered.
pub async fn change(
    db: &Db,
    catalog: &Catalog,
    asker: Asker,
    (enrollment, item): (EnrollmentId, ItemId),
    what: What,
    now: Timestamp,
) -> Result<Done, ApiError> {
    crate::track::again_after_conflict(|| {
        let (catalog, asker, what) = (catalog.clone(), asker.clone(), what.clone());
        db.write(move |tx| Box::pin(async move { change_in(tx, &catalog, asker, (enrollment, item), what, now).await }))
    })
    .await
}

async fn change_in(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    asker: Asker,
    (id, item): (EnrollmentId, ItemId),
    what: What,
    now: Timestamp,
) -> Result<Done, ApiError> {
    let found = store::enrollment_for_update(tx, asker.site, id).await?;
    if let Some(guest) = asker.learner.guest_id() {
        // After the row: a merge holds it too, and is done then.
        guest::state::may_write(&guest::store::guest_state(tx, asker.site, guest).await?)?;
    }
    let mut enrollment =
        found.filter(|enrollment| enrollment.learner == asker.learner).ok_or_else(ApiError::not_found)?;
    // After the row: who waited for it sees what its owner remembered.
    let query = asker.query();
    if let Some(done) = before(tx, query.as_ref()).await? {
        return Ok(done);
    }
    let version = version_of(tx, catalog, &enrollment).await?;
    let (lesson, shown) = item_for(&enrollment, &version, item)?;
    enrollment.progress.items = store::items(tx, asker.site, id, Some(lesson.id)).await?;
    let untouched = enrollment.progress.items.clone();

    let (command, attempt) = match &what {
        What::Visit => {
            asker.keep_cohorts(tx, now).await?;
            let (rights, records) = rights(tx, &asker.orders, lesson, &enrollment).await?;
            (Command::Visit { item, rights, records }, None)
        }
        What::Report(report) => (
            Command::Report {
                item,
                time_spent_seconds: report.time_spent_seconds.unwrap_or(0),
                last_position: report.last_position,
            },
            None,
        ),
        What::Answer(quiz, request) => {
            let attempt = Attempt::new(&asker.orders, &enrollment, shown, *quiz, request)?;
            (attempt.command(item, *quiz, request), Some(attempt))
        }
    };
    let happened = course::decide(&version.outline, &enrollment.progress, &command, now)
        .map_err(|refusal| refused(&refusal, &version, &asker.wanted))?;
    if let Some(attempt) = &attempt {
        // Only what may be answered is told what is wrong with its answers (C1, G6).
        attempt.check()?;
    }
    let saving = Saving { site_slug: &asker.site_slug, cause: asker.key.map(|(key, _)| key), now };
    save(tx, &mut enrollment, &happened, (&version, &untouched), &saving).await?;

    let open_lessons = view::open_lessons(&enrollment, &version, Some(lesson.id));
    let after = view::enrollment(&enrollment, &version, &asker.site_slug, None, now);
    let after = CourseEnrollment { open_lessons, ..after };
    let body = match (&what, attempt) {
        (What::Answer(quiz, request), Some(attempt)) => {
            let result =
                attempt.result(&happened, (&enrollment, &version, lesson), (item, *quiz), request, &asker, now);
            json(&AnswersResponse { enrollment: after, result: result.ok_or_else(ApiError::not_found)? })?
        }
        _ => json(&after)?,
    };
    remember(tx, query, 200, body, now).await
}

/// An item, if this learner may know of it: of a course a guest sees the lessons that a track opened.
pub fn item_for<'v>(
    enrollment: &Enrollment,
    version: &'v Version,
    item: ItemId,
) -> Result<(&'v Lesson, &'v Item), ApiError> {
    let found = version.item(item);
    let member = enrollment.learner.user_id().is_some();
    found
        .filter(|(lesson, _)| member || enrollment.progress.gates.lessons.contains_key(&lesson.id))
        .ok_or_else(ApiError::not_found)
}

pub(super) fn refused(refusal: &course::Refusal, version: &Version, wanted: &[Lang]) -> ApiError {
    let title = match refusal {
        course::Refusal::ItemLocked { item, .. } => {
            version.item(*item).map(|(lesson, item)| item.title.resolve(wanted, &lesson.source_lang).value)
        }
        _ => None,
    };
    problem::refusal(refusal, title.as_deref())
}

/// What the member answered right in other courses that hold this lesson, as this enrollment has the questions; and
/// all attempts at these quizzes, where there are several: with more shared another of them may count.
pub(super) async fn rights(
    tx: &mut Tx<'_>,
    orders: &Orders,
    lesson: &Lesson,
    enrollment: &Enrollment,
) -> Result<(Vec<Right>, BTreeMap<QuizId, Vec<Record>>), DbError> {
    let (mut rights, mut records) = (Vec::new(), BTreeMap::new());
    // What a guest answers is shared once they are a member.
    let Some(user) = enrollment.learner.user_id() else { return Ok((rights, records)) };
    if !lesson.shared || enrollment.progress.completed_at.is_some() {
        return Ok((rights, records));
    }
    let known = store::shared_answers(tx, enrollment.site_id, user, lesson.id, enrollment.id).await?;
    for item in &lesson.items {
        for quiz in &item.quizzes {
            let done = enrollment.progress.quiz(item.id, quiz.id);
            let tried = done.map_or(0, |done| done.attempt_count);
            // Those of the attempt that would be next, where questions are drawn.
            let questions = quiz.attempt(&orders.attempt(enrollment.id.0, quiz.id.0, tried + 1));
            let shared = |question: QuestionId| done.is_some_and(|done| done.shared.contains_key(&question));
            let new = questions.questions.iter().filter(|one| known.contains(&one.id) && !shared(one.id));
            let before = rights.len();
            rights.extend(new.map(|question| Right {
                item: item.id,
                quiz: quiz.id,
                question: question.id,
                points: question.points,
            }));
            if rights.len() > before && tried > 1 {
                let all = store::records(tx, enrollment.site_id, enrollment.id, quiz.id).await?;
                records.insert(quiz.id, all);
            }
        }
    }
    Ok((rights, records))
}

/// An attempt that is being submitted.
struct Attempt {
    questions: Quiz,
    graded: quiz::Graded,
    faults: Vec<jalon_shared::FieldError>,
}

impl Attempt {
    fn new(
        orders: &Orders,
        enrollment: &Enrollment,
        item: &Item,
        quiz: QuizId,
        request: &AnswersRequest,
    ) -> Result<Self, ApiError> {
        let known = item.quizzes.iter().find(|known| known.id == quiz).ok_or_else(ApiError::not_found)?;
        let next = enrollment.progress.quiz(item.id, quiz).map_or(0, |done| done.attempt_count).saturating_add(1);
        let over = || ApiError::new(&code::ATTEMPT_OVER).with("attempt", next);
        if request.attempt != next {
            return Err(over());
        }
        let questions = known.attempt(&orders.attempt(enrollment.id.0, quiz.0, next));
        // Shown before the draw became another one (by a merge, a recalculation or an upgrade): read it again.
        let other =
            |answer: &Answer| questions.question(answer.question_id).is_none() && known.may_draw(answer.question_id);
        if request.answers.iter().any(other) {
            return Err(over());
        }
        let faults = quiz::answer::check(&questions, &request.answers);
        let graded = quiz::grade(&questions, &request.answers);
        Ok(Self { questions, graded, faults })
    }

    fn check(&self) -> Result<(), ApiError> {
        if self.faults.is_empty() { Ok(()) } else { Err(ApiError::validation_failed(self.faults.clone())) }
    }

    fn command(&self, item: ItemId, quiz: QuizId, request: &AnswersRequest) -> Command {
        let marks = self.questions.questions.iter().zip(&self.graded.questions).map(|(question, graded)| {
            let answer = request.answers.iter().find(|answer| answer.question_id == question.id);
            let mark = match graded.score {
                _ if answer.is_none_or(Answer::is_blank) => Mark::Blank,
                Some(score) => Mark::Scored(score),
                None => Mark::Ungraded,
            };
            Marked { question_id: question.id, points: question.points, mark }
        });
        Command::Answer {
            item,
            quiz,
            answers: request.answers.clone(),
            marks: marks.collect(),
            time_spent_seconds: request.time_spent_seconds.unwrap_or(0),
        }
    }

    fn result(
        &self,
        happened: &[CourseEvent],
        (enrollment, version, lesson): (&Enrollment, &Version, &Lesson),
        (item, quiz): (ItemId, QuizId),
        request: &AnswersRequest,
        asker: &Asker,
        now: Timestamp,
    ) -> Option<AttemptResult> {
        let record = happened.iter().find_map(|event| match event {
            CourseEvent::QuizAnswered { record, .. } => Some(record),
            _ => None,
        })?;
        let known =
            lesson.items.iter().find(|known| known.id == item)?.quizzes.iter().find(|known| known.id == quiz)?;
        let submitted = view::Submitted {
            record,
            questions: &self.questions,
            answers: &request.answers,
            graded: &self.graded.questions,
        };
        let outline = version.outline.item(item)?;
        Some(view::result(lesson, outline, known, &submitted, &enrollment.progress, (&asker.wanted, now)))
    }
}

/// What is written beside what happened.
#[derive(Debug)]
pub struct Saving<'a> {
    /// The site's slug.
    pub site_slug: &'a str,
    /// The idempotency key of the request.
    pub cause: Option<Uuid>,
    /// When.
    pub now: Timestamp,
}

/// Saves what happened: sums, items, events, attempts, what is shared, and what others hear.
pub async fn save(
    tx: &mut Tx<'_>,
    enrollment: &mut Enrollment,
    happened: &[CourseEvent],
    (version, untouched): (&Version, &BTreeMap<ItemId, ItemProgress>),
    &Saving { site_slug, cause, now }: &Saving<'_>,
) -> Result<(), ApiError> {
    if happened.is_empty() {
        return Ok(());
    }
    let (mut events, mut messages) = (Vec::new(), Vec::new());
    for event in happened {
        enrollment.apply(event);
        let id = crate::id::new_v7(now);
        events.push(record(enrollment, event, id, cause, now)?);
        if let CourseEvent::Completed { .. } = event {
            messages.push(completed::message(enrollment, version, site_slug, event, id, now)?);
        }
    }
    let lesson_of = |item: &ItemId| {
        let found = version.item(*item).map(|(lesson, _)| lesson);
        found.ok_or_else(|| DbError::other(format!("version {} has no item {item}", version.number)))
    };
    // What graders and staff do doesn't make the learner one who is here.
    let by_learner = |event: &CourseEvent| {
        use CourseEvent::{ItemProgressed, ItemViewed, QuizAnswered};
        matches!(event, ItemViewed { .. } | ItemProgressed { .. } | QuizAnswered { .. })
    };
    store::update_enrollment(tx, enrollment, happened.iter().any(by_learner).then_some(now)).await?;
    for (item, progress) in &enrollment.progress.items {
        if untouched.get(item) != Some(progress) {
            store::put_item(tx, enrollment, lesson_of(item)?.id, *item, progress).await?;
        }
    }
    append_events(tx, &events).await?;
    for event in happened {
        match event {
            CourseEvent::QuizAnswered { item_id, quiz_id, record, answers, .. } => {
                let place = (lesson_of(item_id)?, *item_id, *quiz_id);
                save_attempt(tx, enrollment, place, record, answers, now).await?;
            }
            CourseEvent::QuizGraded { item_id, quiz_id, attempt, question_id, score, .. } => {
                let mark = score.map_or(Mark::Rejected, Mark::Scored);
                store::regrade(tx, enrollment, *quiz_id, *attempt, *question_id, mark).await?;
                if *score == Some(Score::FULL) {
                    share(tx, enrollment, lesson_of(item_id)?, *question_id, now).await?;
                }
            }
            CourseEvent::Recalculated { records, .. } => {
                for regraded in records {
                    save_regraded(tx, enrollment, lesson_of(&regraded.item_id)?, regraded, now).await?;
                }
            }
            _ => {}
        }
    }
    outbox::enqueue(tx, &messages, now).await?;
    Ok(())
}

async fn save_attempt(
    tx: &mut Tx<'_>,
    enrollment: &Enrollment,
    (lesson, item, quiz): (&Lesson, ItemId, QuizId),
    record: &Record,
    answers: &[Answer],
    now: Timestamp,
) -> Result<(), ApiError> {
    let text = serde_json::to_string(answers).map_err(DbError::from)?;
    store::put_attempt(tx, enrollment, quiz, record, &text, now).await?;
    for marked in &record.marks {
        match marked.mark {
            Mark::Ungraded => {
                let answer = answers.iter().find(|answer| answer.question_id == marked.question_id);
                let text = answer.and_then(|answer| answer.text.as_deref()).unwrap_or_default();
                let place = (lesson.id, item, quiz);
                store::put_open_answer(tx, enrollment, place, record.attempt, marked, text, now).await?;
            }
            Mark::Scored(Score::FULL) => share(tx, enrollment, lesson, marked.question_id, now).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn save_regraded(
    tx: &mut Tx<'_>,
    enrollment: &Enrollment,
    lesson: &Lesson,
    regraded: &Regraded,
    now: Timestamp,
) -> Result<(), DbError> {
    for record in &regraded.attempts {
        store::put_record(tx, enrollment.site_id, enrollment.id, regraded.quiz_id, record).await?;
        for marked in record.marks.iter().filter(|marked| marked.mark == Mark::Scored(Score::FULL)) {
            share(tx, enrollment, lesson, marked.question_id, now).await?;
        }
    }
    Ok(())
}

/// A right answer in a lesson that other courses hold counts there too.
async fn share(
    tx: &mut Tx<'_>,
    enrollment: &Enrollment,
    lesson: &Lesson,
    question: QuestionId,
    now: Timestamp,
) -> Result<(), DbError> {
    match enrollment.learner.user_id() {
        Some(user) if lesson.shared => {
            store::share_answer(tx, (enrollment.site_id, user, enrollment.id), lesson.id, question, now).await
        }
        _ => Ok(()),
    }
}
