//! What graders do: read the queue, claim, accept or reject, ask for a second opinion (C2).

use std::sync::Arc;

use jalon_shared::{
    FieldError, Lang, LocalizedText, Score, SiteId, Timestamp, UserId,
    course::{self, Command, Points},
    quiz::QuestionKind,
    wire::grading::{GradeView, OpenAnswerState, OpenAnswerView},
};
use uuid::Uuid;

use super::{
    catalog::{Catalog, Version},
    learn::{self, Saving},
    problem,
    store::{self, OpenAnswer},
};
use crate::{
    db::{Db, DbError, Tx},
    http::{auth::Actor, code, error::ApiError},
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
    /// Who it is.
    pub name: UserId,
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

/// A page of open answers, one more than `limit` where there is one.
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
            let found = store::open_answers(tx, grader.site, which, course, after, i64::from(limit) + 1).await?;
            let mut views = Vec::with_capacity(found.len());
            for answer in found {
                views.push(view(tx, &catalog, &grader, answer).await?);
            }
            Ok(views)
        })
    })
    .await
}

/// One open answer.
pub async fn get(db: &Db, catalog: &Catalog, grader: Grader, id: Uuid) -> Result<OpenAnswerView, ApiError> {
    let catalog = catalog.clone();
    db.read(move |tx| {
        Box::pin(async move {
            let answer = store::open_answer(tx, grader.site, id).await?.ok_or_else(ApiError::not_found)?;
            Ok(view(tx, &catalog, &grader, answer).await?)
        })
    })
    .await
}

async fn view(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    grader: &Grader,
    answer: OpenAnswer,
) -> Result<OpenAnswerView, DbError> {
    let lost = || DbError::other(format!("open answer {} has lost its enrollment", answer.id));
    let enrollment = store::enrollment(tx, grader.site, answer.enrollment).await?.ok_or_else(lost)?;
    let version = learn::version_of(tx, catalog, &enrollment).await?;
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
    now: Timestamp,
) -> Result<OpenAnswerView, ApiError> {
    crate::track::again_after_conflict(|| {
        let (catalog, grader, what) = (catalog.clone(), grader.clone(), what.clone());
        db.write(move |tx| {
            Box::pin(async move {
                let answer = change_in(tx, &catalog, &grader, id, &what, now).await?;
                Ok(view(tx, &catalog, &grader, answer).await?)
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
    now: Timestamp,
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
    if let Some((by, until)) = &answer.claim
        && *until > now
        && by != grader.name.as_str()
    {
        return Err(ApiError::new(&code::CLAIMED)
            .with("claimed_by", by.as_str())
            .with("claimed_until", until.to_string()));
    }
    let own_opinion = answer.queued && answer.asked_by.as_deref() == Some(grader.name.as_str());
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
            answer.claim = Some((grader.name.as_str().to_owned(), now.plus_seconds(CLAIM_SECONDS)));
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
        // The same once more, from somebody whose answer was lost, is no error.
        let last = store::grades(tx, grader.site, id).await?.pop();
        let same = last.is_some_and(|last| {
            last.grader.as_deref() == Some(grader.name.as_str())
                && last.score == score.map(|score| i32::from(score.hundredths()))
                && last.comment == *comment
        });
        return if same { Ok(answer) } else { Err(ApiError::new(&code::NOT_QUEUED)) };
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
