//! What learners get to see of a course, an item and an attempt: in their language, never with a key (S4).

use jalon_shared::{
    Lang, LessonId, Timestamp,
    course::{
        Enrollment, Item, ItemProgress, ItemQuiz, ItemTarget, Lesson, Outline, OutlineItem, Points, Progress, Record,
        decide::retry_at, source::ItemKind,
    },
    quiz::{Answer, GradedQuestion, Quiz},
    wire::{
        course::{
            AttemptResult, CourseEnrollment, CourseRef, CourseSummary, CourseView, GateView, InstructorView, ItemBody,
            ItemOutline, ItemQuizView, ItemState, LessonView, ModuleView, OpenLesson, QuizOutline, QuizState,
        },
        grading::OpenAnswerOwn,
        track::{CaptionView, VideoView},
    },
};

use super::{around::Around, catalog::Version, store};
use crate::{
    quiz::{order::Orders, view as quiz_view},
    text::In,
};

/// One course in a list.
pub fn summary(version: &Version, wanted: &[Lang]) -> CourseSummary {
    let course = &version.course;
    let texts = In { wanted, source: &course.source_lang };
    CourseSummary {
        slug: version.slug.clone(),
        category: course.category,
        difficulty: course.difficulty,
        version: version.number,
        title: texts.plain(&course.title),
        summary: texts.html(&course.summary),
        instructors: course
            .instructors
            .iter()
            .map(|one| InstructorView {
                name: one.name.clone(),
                title: (!one.title.is_empty()).then(|| texts.plain(&one.title)),
            })
            .collect(),
        lessons_total: count(course.modules.iter().map(|module| module.lessons.len()).sum()),
        points_total: version.outline.points(),
        languages: version.completeness.keys().cloned().collect(),
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// What an item shows, in one word.
pub fn kind(item: &Item) -> ItemKind {
    match item.target {
        ItemTarget::Content(_) => ItemKind::Content,
        ItemTarget::Video(_) => ItemKind::Video,
        ItemTarget::Article(_) => ItemKind::Article,
    }
}

/// A course and its outline, or one lesson of it.
pub fn course(version: &Version, site: &str, only: Option<LessonId>, wanted: &[Lang]) -> CourseView {
    let course = &version.course;
    let texts = In { wanted, source: &course.source_lang };
    let lesson = |lesson: &Lesson| {
        // A shared lesson was written on its own, perhaps in another language.
        let texts = In { wanted, source: &lesson.source_lang };
        LessonView {
            id: lesson.id,
            shared: lesson.shared,
            title: texts.plain(&lesson.title),
            items: lesson
                .items
                .iter()
                .map(|item| ItemOutline {
                    id: item.id,
                    kind: kind(item),
                    title: texts.plain(&item.title),
                    quizzes: item.quizzes.iter().map(|quiz| quiz_outline(quiz, texts)).collect(),
                })
                .collect(),
        }
    };
    CourseView {
        site: site.to_owned(),
        summary: summary(version, wanted),
        source_lang: course.source_lang.clone(),
        modules: course
            .modules
            .iter()
            .map(|module| ModuleView {
                id: module.id,
                title: texts.plain(&module.title),
                lessons: module
                    .lessons
                    .iter()
                    .filter(|lesson| only.is_none_or(|only| only == lesson.id))
                    .map(lesson)
                    .collect(),
            })
            .filter(|module| !module.lessons.is_empty())
            .collect(),
    }
}

fn quiz_outline(quiz: &ItemQuiz, texts: In<'_>) -> QuizOutline {
    let outline = quiz.outline();
    QuizOutline {
        id: quiz.id,
        title: texts.plain(&quiz.title),
        gate: quiz.gate,
        pass_mark: quiz.pass_mark,
        questions: outline.questions,
        points: outline.points,
    }
}

/// An enrollment as its learner sees it, with the course's title in one of these languages, where it is read.
pub fn enrollment(
    enrollment: &Enrollment,
    version: &Version,
    site: &str,
    wanted: Option<&[Lang]>,
    now: Timestamp,
) -> CourseEnrollment {
    let (progress, outline) = (&enrollment.progress, &version.outline);
    let course = &version.course;
    let title = wanted.map(|wanted| In { wanted, source: &course.source_lang }.plain(&course.title));
    CourseEnrollment {
        id: enrollment.id,
        site: site.to_owned(),
        course: CourseRef { id: version.id, slug: version.slug.clone(), version: version.number, title },
        user_id: enrollment.learner.user_id().cloned(),
        guest_id: enrollment.learner.guest_id(),
        version: enrollment.version,
        started_at: progress.started_at,
        completed_at: progress.completed_at,
        score: progress.score,
        confirmed_points: progress.totals.confirmed,
        potential_points: progress.totals.potential,
        points_total: outline.points(),
        progress: progress.of_course_by_totals(outline),
        time_spent_seconds: progress.totals.time_spent_seconds,
        gate: gate(progress, outline),
        items: outline
            .items
            .iter()
            .filter_map(|item| Some(item_state(item, progress.items.get(&item.id)?, progress, now)))
            .collect(),
        open_lessons: Vec::new(),
    }
}

/// The first gate that is not passed (C1); in a completed course none is asked for.
pub fn gate(progress: &Progress, outline: &Outline) -> Option<GateView> {
    let open = usize::try_from(progress.gates.open).unwrap_or(usize::MAX);
    let (place, quiz) = outline.gates().nth(open).filter(|_| progress.completed_at.is_none())?;
    Some(GateView { item_id: outline.items[place].id, quiz_id: quiz.id })
}

/// The lessons that tracks opened, or the one of them that is named, whose items must be there.
pub fn open_lessons(enrollment: &Enrollment, version: &Version, only: Option<LessonId>) -> Vec<OpenLesson> {
    let progress = &enrollment.progress;
    let opened = progress.gates.lessons.keys().filter(|lesson| only.is_none_or(|only| **lesson == only));
    let known = opened.filter(|lesson| version.outline.lesson(**lesson).next().is_some());
    let gate = |lesson| {
        let gate = progress.gate_of_lesson(&version.outline, lesson).filter(|_| progress.completed_at.is_none());
        gate.map(|(item, quiz)| GateView { item_id: item.id, quiz_id: quiz.id })
    };
    known.map(|lesson| OpenLesson { lesson_id: *lesson, gate: gate(*lesson) }).collect()
}

fn item_state(item: &OutlineItem, done: &ItemProgress, progress: &Progress, now: Timestamp) -> ItemState {
    ItemState {
        item_id: item.id,
        viewed_at: done.viewed_at,
        completed_at: done.completed_at,
        time_spent_seconds: done.time_spent_seconds,
        last_position: done.last_position,
        quizzes: item
            .quizzes
            .iter()
            .filter_map(|quiz| {
                let done = done.quizzes.get(&quiz.id)?;
                Some(QuizState {
                    quiz_id: quiz.id,
                    attempt_count: done.attempt_count,
                    passed_at: done.passed_at,
                    confirmed_points: done.confirmed(),
                    potential_points: done.potential(),
                    awaits_grading: done.waiting.is_some(),
                    retry_at: retry_at(quiz, progress, item.id).filter(|at| *at > now),
                    shared: count(done.shared.len()),
                })
            })
            .collect(),
    }
}

/// What an item shows, with its quizzes for the attempts that are next.
pub fn item(
    lesson: &Lesson,
    item: &Item,
    (enrollment, around, orders): (&Enrollment, Around, &Orders),
    version: &Version,
    wanted: &[Lang],
    now: Timestamp,
) -> ItemBody {
    let texts = In { wanted, source: &lesson.source_lang };
    let mut body = ItemBody {
        item_id: item.id,
        kind: kind(item),
        title: texts.plain(&item.title),
        content: None,
        video: None,
        article: around.article,
        discussion_url: item.discussion_url.clone(),
        shortcodes: item.shortcodes.clone(),
        peers: around.peers,
        evaluation: around.evaluation,
        quizzes: Vec::new(),
        open_answers: around.open_answers.iter().map(open_answer).collect(),
    };
    match &item.target {
        ItemTarget::Content(text) => body.content = Some(texts.html(text)),
        ItemTarget::Video(video) => {
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
        // The provider's text is fetched by whoever serves it.
        ItemTarget::Article(_) => {}
    }
    let progress = &enrollment.progress;
    for quiz in &item.quizzes {
        let done = progress.quiz(item.id, quiz.id);
        let attempt = done.map_or(0, |done| done.attempt_count).saturating_add(1);
        let order = orders.attempt(enrollment.id.0, quiz.id.0, attempt);
        let outline = version.outline.item(item.id).and_then(|item| item.quiz(quiz.id));
        let retry_at = outline.and_then(|outline| retry_at(outline, progress, item.id)).filter(|at| *at > now);
        body.quizzes.push(ItemQuizView {
            quiz_id: quiz.id,
            title: texts.plain(&quiz.title),
            gate: quiz.gate,
            pass_mark: quiz.pass_mark,
            quiz: quiz_view::quiz(&quiz.attempt(&order), attempt, retry_at, &order, texts),
        });
    }
    body
}

/// An attempt that was submitted, to be shown.
pub struct Submitted<'a> {
    /// What became of it.
    pub record: &'a Record,
    /// Its questions.
    pub questions: &'a Quiz,
    /// What was answered.
    pub answers: &'a [Answer],
    /// What the keys said.
    pub graded: &'a [GradedQuestion],
}

/// What an attempt came to: points always, the right answers only where the quiz says so.
pub fn result(
    lesson: &Lesson,
    item: &OutlineItem,
    quiz: &ItemQuiz,
    submitted: &Submitted<'_>,
    progress: &Progress,
    (wanted, now): (&[Lang], Timestamp),
) -> AttemptResult {
    let texts = In { wanted, source: &lesson.source_lang };
    let done = progress.quiz(item.id, quiz.id);
    let passed = quiz.pass_mark.is_some().then(|| done.is_some_and(|done| done.passed_at.is_some()));
    let (confirmed, of) = (submitted.record.confirmed(), submitted.record.of());
    let reveal = quiz.quiz.reveal.shows(passed.unwrap_or(true));
    let outline = item.quiz(quiz.id);
    // While a grader is waited for nobody knows which band it will be.
    let band = (!submitted.record.waits()).then(|| quiz.band(confirmed.share_of(of))).flatten();
    AttemptResult {
        attempt: submitted.record.attempt,
        confirmed_points: confirmed,
        potential_points: submitted.record.ungraded(),
        points_total: of,
        passed,
        feedback: band.map(|text| texts.inline(text)),
        questions: quiz_view::results(submitted.questions, submitted.answers, submitted.graded, reveal, texts),
        attempts_left: quiz.quiz.max_attempts.map(|max| done.map_or(max, |done| done.attempts_left(max))),
        retry_at: outline.and_then(|outline| retry_at(outline, progress, item.id)).filter(|at| *at > now),
    }
}

fn open_answer(answer: &store::OpenAnswer) -> OpenAnswerOwn {
    OpenAnswerOwn {
        quiz_id: answer.quiz,
        attempt: answer.attempt,
        question_id: answer.question,
        answer: answer.answer.clone(),
        state: answer.state,
        points: answer.score.map(|score| Points::of(answer.points, score)),
        points_total: Points::whole(answer.points),
        comment: answer.comment.clone().filter(|comment| !comment.is_empty()),
        graded_at: answer.graded_at,
    }
}
