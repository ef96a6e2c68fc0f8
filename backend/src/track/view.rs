//! What learners get to see of a step, a quiz and an attempt: in their language, never with a key (S4).

use jalon_shared::{
    EnrollmentId, Lang, Score, Timestamp,
    quiz::{Answer, Graded, Quiz},
    track::{Step, StepProgress, StepTarget, Track, enrollment},
    wire::{
        quiz::{QuizResult, QuizView},
        track::{CaptionView, StepBody, StepOutline, TrackSummary, TrackView, VideoView},
    },
};

use crate::{
    quiz::{order::Orders, view as quiz_view},
    text::In,
};

/// One track in a list.
pub fn summary(track: &Track, slug: &jalon_shared::track::TrackSlug, version: u32, wanted: &[Lang]) -> TrackSummary {
    let texts = In { wanted, source: &track.source_lang };
    TrackSummary {
        slug: slug.clone(),
        track_type: track.track_type,
        version,
        title: texts.plain(&track.title),
        summary: texts.plain(&track.summary),
        steps_total: u16::try_from(track.steps.len()).unwrap_or(u16::MAX),
    }
}

/// A track and its steps.
pub fn track(
    track: &Track,
    site: &str,
    slug: &jalon_shared::track::TrackSlug,
    version: u32,
    languages: Vec<Lang>,
    wanted: &[Lang],
) -> TrackView {
    let texts = In { wanted, source: &track.source_lang };
    let outline = |step: &Step| StepOutline {
        id: step.id,
        order: step.order,
        kind: step.kind,
        title: texts.plain(&step.title),
        required: step.required,
        pass_mark: step.pass_mark,
        scored: step.scored(),
    };
    TrackView {
        site: site.to_owned(),
        slug: slug.clone(),
        track_type: track.track_type,
        version,
        source_lang: track.source_lang.clone(),
        languages,
        title: texts.plain(&track.title),
        summary: texts.plain(&track.summary),
        steps: track.steps.iter().map(outline).collect(),
    }
}

/// A step's body for the attempt that is next, in `enrollment` (a preview has none).
pub fn step_body(
    track: &Track,
    step: &Step,
    (orders, enrollment): (&Orders, Option<EnrollmentId>),
    done: Option<&StepProgress>,
    wanted: &[Lang],
    now: Timestamp,
) -> StepBody {
    let texts = In { wanted, source: &track.source_lang };
    let mut body = StepBody {
        step_id: step.id,
        order: step.order,
        kind: step.kind,
        title: texts.plain(&step.title),
        required: step.required,
        pass_mark: step.pass_mark,
        content: None,
        video: None,
        quiz: None,
        lesson: None,
        url: None,
    };
    match &step.target {
        StepTarget::Content(text) => body.content = Some(texts.html(text)),
        StepTarget::Link(url) => body.url = Some(url.clone()),
        // Who serves it asks the course.
        StepTarget::Lesson(..) => {}
        StepTarget::Video(video) => {
            body.video = Some(VideoView {
                url: video.url.clone(),
                duration_seconds: video.duration_seconds,
                poster: video.poster.clone(),
                captions: video
                    .captions
                    .iter()
                    .map(|(lang, url)| CaptionView { lang: lang.clone(), url: url.clone() })
                    .collect(),
            });
        }
        StepTarget::Quiz(quiz) => body.quiz = Some(next_attempt(quiz, step, (orders, enrollment), done, texts, now)),
    }
    body
}

fn next_attempt(
    quiz: &Quiz,
    step: &Step,
    (orders, enrollment): (&Orders, Option<EnrollmentId>),
    done: Option<&StepProgress>,
    texts: In<'_>,
    now: Timestamp,
) -> QuizView {
    let attempt = done.map_or(0, |done| done.attempt_count).saturating_add(1);
    let order = match enrollment {
        Some(enrollment) => orders.attempt(enrollment.0, step.id.0, attempt),
        None => orders.preview(step.id.0),
    };
    let retry_at = done.and_then(|done| enrollment::retry_at(done, quiz.cooldown_seconds)).filter(|at| *at > now);
    quiz_view::quiz(quiz, attempt, retry_at, &order, texts)
}

/// What an attempt came to: the score always, the right answers only where the quiz says so.
pub fn result(
    track: &Track,
    step: &Step,
    quiz: &Quiz,
    answers: &[Answer],
    graded: &Graded,
    after: Option<&StepProgress>,
    wanted: &[Lang],
) -> QuizResult {
    let texts = In { wanted, source: &track.source_lang };
    let passed = step.pass_mark.is_none_or(|mark| graded.score >= mark);
    let reveal = quiz.reveal.shows(passed || after.is_some_and(|after| after.completed_at.is_some()));
    let questions = quiz_view::results(quiz, answers, &graded.questions, reveal, texts);
    QuizResult {
        score: graded.score,
        passed,
        questions,
        attempts_left: quiz.max_attempts.map(|max| max.saturating_sub(after.map_or(0, |after| after.attempt_count))),
        retry_at: after.and_then(|after| enrollment::retry_at(after, quiz.cooldown_seconds)),
    }
}

/// The score of a step as the receipt and the webhook say it.
pub fn steps_completed(track: &Track, progress: &jalon_shared::track::Progress) -> (usize, Option<Score>) {
    (track.steps.iter().filter(|step| progress.is_complete(step.id)).count(), progress.score)
}
