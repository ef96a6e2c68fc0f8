//! What graders do: read the queue, claim, accept or reject, ask for a second opinion (C2).

use std::sync::Arc;

use jalon_shared::{
    FieldError, Lang, LocalizedText, Score, SiteId, Timestamp, UserId,
    course::{self, Command, Enrollment, Points},
    quiz::QuestionKind,
    wire::grading::{GradeView, OpenAnswerState, OpenAnswerView},
};
use uuid::Uuid;

use super::{
    catalog::{Catalog, Version},
    judge,
    learn::{self, Saving},
    problem,
    store::{self, OpenAnswer},
};
use crate::{
    clock::Clock,
    db::{Db, DbError, Tx},
    http::{auth::Actor, code, error::ApiError},
    site::audit::By,
    text::In,
};

/// How long an answer is its claimer's.
const CLAIM_SECONDS: i64 = 30 * 60;
/// The longest comment, in characters.
const COMMENT: usize = 4_000;

/// Who grades, and how to answer.
#[derive(Clone, Debug)]
pub struct Grader {
    /// The site.
    pub site: SiteId,
    /// The site's slug.
    pub site_slug: Arc<str>,
    /// Who it is, as grades name them.
    pub name: UserId,
    /// Who it is, as it is decided what they may judge.
    pub by: By,
    /// In which languages to answer.
    pub wanted: Vec<Lang>,
}

impl Grader {
    /// A grader is a member, or a program that hands on what a person said.
    pub fn name(actor: &Actor) -> Result<UserId, DbError> {
        match actor {
            Actor::Member(user) => Ok(user.clone()),
            Actor::Key(id) => UserId::parse(&format!("key:{id}")).map_err(DbError::other),
        }
    }
}

/// What a grader asks.
#[derive(Clone, Debug)]
pub enum What {
    /// To have it for half an hour.
    Claim,
    /// To let go of it.
    Release,
    /// It is worth so much.
    Accept(Points, String),
    /// It is worth nothing, for this reason.
    Reject(String),
    /// Somebody else shall look at it.
    SecondOpinion,
}

impl What {
    /// Whether it says of an answer, worth so much at most, what this grade said.
    fn repeats(&self, grade: &store::GradeRow, points: u32) -> bool {
        let (score, comment) = match self {
            Self::Accept(given, comment) => match share(*given, points) {
                Ok(score) => (Some(i32::from(score.hundredths())), comment),
                Err(_) => return false,
            },
            Self::Reject(reason) => (None, reason),
            Self::Claim | Self::Release | Self::SecondOpinion => return false,
        };
        (grade.score, &grade.comment) == (score, comment)
    }
}

/// A page of open answers without the grader's own, one more than `limit` where there is one.
pub async fn list(
    db: &Db,
    catalog: &Catalog,
    grader: Grader,
    (which, course): (store::Which, Option<jalon_shared::CourseId>),
    after: Uuid,
    limit: u32,
) -> Result<Vec<OpenAnswerView>, DbError> {
    let catalog = catalog.clone();
    db.read(move |tx| {
        Box::pin(async move {
            let without = judge::own(&grader.by);
            let (after, limit) = (after, i64::from(limit) + 1);
            let found = store::open_answers(tx, grader.site, which, course, without, after, limit).await?;
            let mut views = Vec::with_capacity(found.len());
            for answer in found {
                let enrollment = enrollment_of(tx, &grader, &answer).await?;
                views.push(view(tx, &catalog, &grader, &enrollment, answer).await?);
            }
            Ok(views)
        })
    })
    .await
}

/// One open answer; 403 `own_work` for its learner, who would read what graders look for.
pub async fn get(db: &Db, catalog: &Catalog, grader: Grader, id: Uuid) -> Result<OpenAnswerView, ApiError> {
    let catalog = catalog.clone();
    db.read(move |tx| {
        Box::pin(async move {
            let answer = store::open_answer(tx, grader.site, id).await?.ok_or_else(ApiError::not_found)?;
            let enrollment = enrollment_of(tx, &grader, &answer).await?;
            judge::check(&grader.by, &enrollment.learner)?;
            Ok(view(tx, &catalog, &grader, &enrollment, answer).await?)
        })
    })
    .await
}

async fn enrollment_of(tx: &mut Tx<'_>, grader: &Grader, answer: &OpenAnswer) -> Result<Enrollment, DbError> {
    let lost = || DbError::other(format!("open answer {} has lost its enrollment", answer.id));
    store::enrollment(tx, grader.site, answer.enrollment).await?.ok_or_else(lost)
}

async fn view(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    grader: &Grader,
    enrollment: &Enrollment,
    answer: OpenAnswer,
) -> Result<OpenAnswerView, DbError> {
    let version = learn::version_of(tx, catalog, enrollment).await?;
    let grades = store::grades(tx, grader.site, answer.id).await?;
    let user = |name: Option<String>| name.as_deref().map(UserId::parse).transpose().map_err(DbError::other);
    let points =
        |hundredths: i32| Score::from_hundredths(hundredths.into()).map(|score| Points::of(answer.points, score));
    let mut said = Vec::with_capacity(grades.len());
    for grade in grades {
        said.push(GradeView {
            grader: user(grade.grader)?,
            points: grade.score.map(points).transpose().map_err(DbError::other)?,
            comment: grade.comment,
            at: Timestamp(grade.at),
        });
    }
    let asked = Asked::of(&version, &answer, grader);
    let (claimed_by, claimed_until) = answer.claim.clone().unzip();
    Ok(OpenAnswerView {
        id: answer.id,
        course: version.slug.clone(),
        course_title: In { wanted: &grader.wanted, source: &version.course.source_lang }.plain(&version.course.title),
        lesson_id: answer.lesson,
        lesson_title: asked.lesson_title,
        item_id: answer.item,
        quiz_id: answer.quiz,
        question_id: answer.question,
        prompt: asked.prompt,
        guidance: asked.guidance,
        points_total: Points::whole(answer.points),
        enrollment_id: answer.enrollment,
        user_id: enrollment.learner.user_id().cloned(),
        guest_id: enrollment.learner.guest_id(),
        attempt: answer.attempt,
        answer: answer.answer,
        answered_at: answer.at,
        state: answer.state,
        queued: answer.queued,
        second_opinion_asked_by: user(answer.asked_by)?,
        claimed_by: user(claimed_by)?,
        claimed_until,
        grades: said,
    })
}

/// What was asked, in the grader's language.
struct Asked {
    lesson_title: jalon_shared::Resolved,
    prompt: jalon_shared::Resolved,
    guidance: Option<jalon_shared::Resolved>,
}

impl Asked {
    fn of(version: &Version, answer: &OpenAnswer, grader: &Grader) -> Self {
        let nothing = LocalizedText::default();
        let of_course = In { wanted: &grader.wanted, source: &version.course.source_lang };
        let Some((lesson, item)) = version.item(answer.item) else {
            return Self { lesson_title: of_course.plain(&nothing), prompt: of_course.plain(&nothing), guidance: None };
        };
        let texts = In { wanted: &grader.wanted, source: &lesson.source_lang };
        let lesson_title = texts.plain(&lesson.title);
        let quiz = item.quizzes.iter().find(|quiz| quiz.id == answer.quiz);
        let Some((question, _)) = quiz.and_then(|quiz| quiz.worth(answer.question)) else {
            return Self { lesson_title, prompt: texts.plain(&nothing), guidance: None };
        };
        let guidance = match &question.kind {
            QuestionKind::OpenEnded { guidance, .. } if !guidance.is_empty() => Some(texts.html(guidance)),
            _ => None,
        };
        Self { lesson_title, prompt: texts.inline(&question.prompt), guidance }
    }
}

/// Does what a grader asks; answers the answer after.
pub async fn change(
    db: &Db,
    catalog: &Catalog,
    grader: Grader,
    id: Uuid,
    what: What,
    clock: &Clock,
) -> Result<OpenAnswerView, ApiError> {
    let (now, leases) = (clock.now(), clock.for_leases());
    crate::track::again_after_conflict(|| {
        let (catalog, grader, what) = (catalog.clone(), grader.clone(), what.clone());
        db.write(move |tx| {
            Box::pin(async move {
                // A claim is a lease: servers whose clocks differ agree on its end.
                let claims = tx.now(leases).await?;
                let answer = change_in(tx, &catalog, &grader, id, &what, (now, claims)).await?;
                let enrollment = enrollment_of(tx, &grader, &answer).await?;
                Ok(view(tx, &catalog, &grader, &enrollment, answer).await?)
            })
        })
    })
    .await
}

async fn change_in(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    grader: &Grader,
    id: Uuid,
    what: &What,
    (now, claims): (Timestamp, Timestamp),
) -> Result<OpenAnswer, ApiError> {
    let found = store::open_answer(tx, grader.site, id).await?.ok_or_else(ApiError::not_found)?;
    // The enrollment first, as everybody takes it; then what holds now.
    let enrollment = store::enrollment_for_update(tx, grader.site, found.enrollment).await?;
    let mut answer = store::open_answer(tx, grader.site, id).await?.ok_or_else(ApiError::not_found)?;
    if answer.enrollment != found.enrollment {
        // A merge took it to another one meanwhile: once more.
        return Err(ApiError::new(&code::CONFLICT));
    }
    let mut enrollment = enrollment.ok_or_else(ApiError::not_found)?;
    judge::check(&grader.by, &enrollment.learner)?;
    // Read while the enrollment is held, so no grade comes between this and ours; the schema refuses it, too.
    let before = store::grades(tx, grader.site, id).await?;
    let own = before.iter().rev().find(|grade| grade.grader.as_deref() == Some(grader.name.as_str()));
    if own.is_some_and(|own| what.repeats(own, answer.points)) {
        // The same once more, from somebody whose answer was lost, is no error and no second opinion.
        return Ok(answer);
    }
    if let Some((by, until)) = &answer.claim
        && *until > claims
        && by != grader.name.as_str()
    {
        return Err(ApiError::new(&code::CLAIMED)
            .with("claimed_by", by.as_str())
            .with("claimed_until", until.to_string()));
    }
    // Who asked for another opinion doesn't give it, nor does anybody who gave one already.
    let asked = answer.asked_by.as_deref() == Some(grader.name.as_str());
    let own_opinion = answer.queued && (asked || own.is_some());
    let (score, comment) = match what {
        What::Release => {
            answer.claim = None;
            store::update_open_answer(tx, grader.site, &answer).await?;
            return Ok(answer);
        }
        What::SecondOpinion => {
            if answer.state == OpenAnswerState::Waiting {
                return Err(ApiError::new(&code::CONFLICT)
                    .detail("A second opinion comes after the first: accept or reject the answer, then ask."));
            }
            if !answer.queued {
                answer.queued = true;
                answer.asked_by = Some(grader.name.as_str().to_owned());
                answer.claim = None;
                store::update_open_answer(tx, grader.site, &answer).await?;
            }
            return Ok(answer);
        }
        _ if own_opinion => return Err(ApiError::new(&code::OWN_SECOND_OPINION)),
        What::Claim => {
            if !answer.queued {
                return Err(ApiError::new(&code::NOT_QUEUED));
            }
            answer.claim = Some((grader.name.as_str().to_owned(), claims.plus_seconds(CLAIM_SECONDS)));
            store::update_open_answer(tx, grader.site, &answer).await?;
            return Ok(answer);
        }
        What::Accept(points, comment) => (Some(share(*points, answer.points)?), comment),
        What::Reject(reason) => {
            if reason.trim().is_empty() {
                return Err(ApiError::invalid_value("/reason", "Say why: the learner reads it.".to_owned()));
            }
            (None, reason)
        }
    };
    if comment.chars().count() > COMMENT {
        let field = if score.is_some() { "/comment" } else { "/reason" };
        return Err(ApiError::invalid_value(field, format!("It is at most {COMMENT} characters.")));
    }
    if !answer.queued {
        return Err(ApiError::new(&code::NOT_QUEUED));
    }
    let version = learn::version_of(tx, catalog, &enrollment).await?;
    let (lesson, _) = version.item(answer.item).ok_or_else(ApiError::not_found)?;
    enrollment.progress.items = store::items(tx, grader.site, enrollment.id, Some(lesson.id)).await?;
    let untouched = enrollment.progress.items.clone();
    let command = Command::Grade {
        item: answer.item,
        quiz: answer.quiz,
        attempt: answer.attempt,
        question: answer.question,
        score,
        grader: grader.name.clone(),
        comment: comment.clone(),
        records: store::records(tx, grader.site, enrollment.id, answer.quiz).await?,
    };
    let happened = course::decide(&version.outline, &enrollment.progress, &command, now)
        .map_err(|refusal| problem::refusal(&refusal, None))?;
    let saving = Saving { site_slug: &grader.site_slug, cause: None, now };
    learn::save(tx, &mut enrollment, &happened, (&version, &untouched), &saving).await?;
    answer.state = if score.is_some() { OpenAnswerState::Accepted } else { OpenAnswerState::Rejected };
    (answer.queued, answer.asked_by, answer.claim) = (false, None, None);
    (answer.score, answer.comment, answer.graded_at) = (score, Some(comment.clone()), Some(now));
    store::update_open_answer(tx, grader.site, &answer).await?;
    store::put_grade(tx, grader.site, &answer, grader.name.as_str()).await?;
    Ok(answer)
}

/// The share of a question's points that so many are.
fn share(points: Points, of: u32) -> Result<Score, ApiError> {
    let (given, most) = (points.ten_thousandths(), Points::whole(of).ten_thousandths());
    let fault = |detail: String| ApiError::validation_failed(vec![FieldError::new("/points", "out_of_range", detail)]);
    if given == 0 {
        return Err(fault("An accepted answer is worth more than 0; reject it instead.".to_owned()));
    }
    if given > most || !given.is_multiple_of(5_000) {
        return Err(fault(format!("Give whole or half points, at most {of}.")));
    }
    Ok(Score::ratio(given, most))
}
