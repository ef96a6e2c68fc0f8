//! What learners get to see of a step, a quiz and an attempt: in their language, never with a key (S4).

use jalon_shared::{
    ChoiceId, Lang, LocalizedText, Resolved, Score, Timestamp,
    quiz::{Answer, Graded, Question, QuestionKind, Quiz, shuffle, source::QuestionKindName},
    track::{Step, StepProgress, StepTarget, Track, enrollment},
    wire::{
        quiz::{ChoiceFeedback, ChoiceView, QuestionResult, QuestionView, QuizResult, QuizView, RightAnswer},
        track::{CaptionView, StepBody, StepOutline, TrackSummary, TrackView, VideoView},
    },
};

use super::markdown;

/// The languages of a request, and what texts were written in.
#[derive(Clone, Copy)]
pub struct In<'a> {
    /// What was asked for, most wanted first (L1).
    pub wanted: &'a [Lang],
    /// What the object was written in.
    pub source: &'a Lang,
}

impl In<'_> {
    fn plain(self, text: &LocalizedText) -> Resolved {
        text.resolve(self.wanted, self.source)
    }

    fn html(self, text: &LocalizedText) -> Resolved {
        let mut resolved = self.plain(text);
        resolved.value = markdown::render(&resolved.value);
        resolved
    }

    fn inline(self, text: &LocalizedText) -> Resolved {
        let mut resolved = self.plain(text);
        resolved.value = markdown::render_inline(&resolved.value);
        resolved
    }

    fn some_inline(self, text: &LocalizedText) -> Option<Resolved> {
        (!text.is_empty()).then(|| self.inline(text))
    }
}

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

/// A step's body for the attempt that is next. `enrollment` seeds the order (a preview has none).
pub fn step_body(
    track: &Track,
    step: &Step,
    enrollment: uuid::Uuid,
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
        url: None,
    };
    match &step.target {
        StepTarget::Content(text) => body.content = Some(texts.html(text)),
        StepTarget::Link(url) => body.url = Some(url.clone()),
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
        StepTarget::Quiz(quiz) => body.quiz = Some(quiz_view(quiz, step, enrollment, done, texts, now)),
    }
    body
}

fn quiz_view(
    quiz: &Quiz,
    step: &Step,
    enrollment: uuid::Uuid,
    done: Option<&StepProgress>,
    texts: In<'_>,
    now: Timestamp,
) -> QuizView {
    let attempt = done.map_or(0, |done| done.attempt_count).saturating_add(1);
    let seed = shuffle::Seed::of_attempt(enrollment, step.id.0, attempt);
    let mut questions: Vec<QuestionView> = quiz
        .questions
        .iter()
        .map(|question| question_view(question, quiz.shuffle, seed.of(question.id.0), texts))
        .collect();
    if quiz.shuffle {
        shuffle::shuffle(&mut questions, seed);
    }
    QuizView {
        attempt,
        max_attempts: quiz.max_attempts,
        cooldown_seconds: quiz.cooldown_seconds,
        retry_at: done.and_then(|done| enrollment::retry_at(done, quiz.cooldown_seconds)).filter(|at| *at > now),
        reveal: quiz.reveal,
        questions,
    }
}

fn question_view(question: &Question, shuffled: bool, seed: shuffle::Seed, texts: In<'_>) -> QuestionView {
    let one = |id: ChoiceId, text: &LocalizedText| ChoiceView { id, text: Some(texts.inline(text)), value: None };
    let mut view = QuestionView {
        id: question.id,
        kind: kind_name(&question.kind),
        points: question.points,
        prompt: texts.inline(&question.prompt),
        choices: Vec::new(),
        items: Vec::new(),
        lefts: Vec::new(),
        rights: Vec::new(),
    };
    match &question.kind {
        QuestionKind::SingleChoice { choices } | QuestionKind::MultipleChoice { choices } => {
            view.choices = choices.iter().map(|choice| one(choice.id, &choice.text)).collect();
            if shuffled {
                shuffle::shuffle(&mut view.choices, seed);
            }
        }
        QuestionKind::TrueFalse { true_id, false_id, .. } => {
            view.choices = [(*true_id, true), (*false_id, false)]
                .map(|(id, value)| ChoiceView { id, text: None, value: Some(value) })
                .into();
        }
        QuestionKind::Numeric { .. } | QuestionKind::ShortText { .. } => {}
        QuestionKind::Ordering { items } => {
            view.items = items.iter().map(|item| one(item.id, &item.text)).collect();
            shuffle::derange(&mut view.items, seed);
        }
        QuestionKind::Matching { pairs } => {
            view.lefts = pairs.iter().map(|pair| one(pair.left_id, &pair.left)).collect();
            view.rights = pairs.iter().map(|pair| one(pair.right_id, &pair.right)).collect();
            shuffle::shuffle(&mut view.lefts, seed);
            shuffle::shuffle(&mut view.rights, seed.of(question.id.0));
        }
    }
    view
}

fn kind_name(kind: &QuestionKind) -> QuestionKindName {
    match kind {
        QuestionKind::SingleChoice { .. } => QuestionKindName::SingleChoice,
        QuestionKind::MultipleChoice { .. } => QuestionKindName::MultipleChoice,
        QuestionKind::TrueFalse { .. } => QuestionKindName::TrueFalse,
        QuestionKind::Numeric { .. } => QuestionKindName::Numeric,
        QuestionKind::ShortText { .. } => QuestionKindName::ShortText,
        QuestionKind::Ordering { .. } => QuestionKindName::Ordering,
        QuestionKind::Matching { .. } => QuestionKindName::Matching,
    }
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
    let questions = quiz
        .questions
        .iter()
        .zip(&graded.questions)
        .map(|(question, graded)| QuestionResult {
            question_id: question.id,
            score: graded.score,
            feedback: texts.some_inline(&question.feedback),
            choices: choice_feedback(question, answers.iter().find(|answer| answer.question_id == question.id), texts),
            right: reveal.then(|| right_answer(question, texts)),
        })
        .collect();
    QuizResult {
        score: graded.score,
        passed,
        questions,
        attempts_left: quiz.max_attempts.map(|max| max.saturating_sub(after.map_or(0, |after| after.attempt_count))),
        retry_at: after.and_then(|after| enrollment::retry_at(after, quiz.cooldown_seconds)),
    }
}

fn choice_feedback(question: &Question, answer: Option<&Answer>, texts: In<'_>) -> Vec<ChoiceFeedback> {
    let (QuestionKind::SingleChoice { choices } | QuestionKind::MultipleChoice { choices }, Some(answer)) =
        (&question.kind, answer)
    else {
        return Vec::new();
    };
    let chosen = answer.choice_ids.as_deref().unwrap_or_default();
    choices
        .iter()
        .filter(|choice| chosen.contains(&choice.id))
        .filter_map(|choice| {
            Some(ChoiceFeedback { choice_id: choice.id, feedback: texts.some_inline(&choice.feedback)? })
        })
        .collect()
}

fn right_answer(question: &Question, texts: In<'_>) -> RightAnswer {
    let mut right = RightAnswer::default();
    match &question.kind {
        QuestionKind::SingleChoice { choices } | QuestionKind::MultipleChoice { choices } => {
            right.choice_ids = choices.iter().filter(|choice| choice.right).map(|choice| choice.id).collect();
        }
        QuestionKind::TrueFalse { true_id, false_id, right: truth } => {
            right.choice_ids = vec![if *truth { *true_id } else { *false_id }];
        }
        QuestionKind::Numeric { value, tolerance } => {
            (right.number, right.tolerance) = (Some(*value), (tolerance.0 != 0).then_some(*tolerance));
        }
        QuestionKind::ShortText { accept } => {
            let wanted = texts.wanted.iter().flat_map(|lang| [lang.clone(), lang.base()]).chain([texts.source.clone()]);
            right.texts = wanted
                .into_iter()
                .find_map(|lang| accept.get(&lang))
                .or_else(|| accept.values().next())
                .cloned()
                .unwrap_or_default();
        }
        QuestionKind::Ordering { items } => right.order = items.iter().map(|item| item.id).collect(),
        QuestionKind::Matching { pairs } => {
            right.pairs = pairs.iter().map(|pair| (pair.left_id, pair.right_id)).collect();
        }
    }
    right
}

/// The score of a step as the receipt and the webhook say it.
pub fn steps_completed(track: &Track, progress: &jalon_shared::track::Progress) -> (usize, Option<Score>) {
    (track.steps.iter().filter(|step| progress.is_complete(step.id)).count(), progress.score)
}
