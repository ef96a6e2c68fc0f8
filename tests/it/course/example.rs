//! The example courses keep the rules that authors are held to, and tell the story they were written for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jalon_backend::{folder::document::document, text::markdown};
use jalon_shared::{
    FieldError, LocalizedText,
    course::{
        Course, Definition, Points, Written,
        source::{BankSource, CourseSource, LessonSource},
    },
    quiz::{QuestionKind, source::QuestionKindName},
    slug::{BankSlug, LessonSlug},
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn read<S: DeserializeOwned>(file: &str, check: impl Fn(&S) -> Vec<FieldError>) -> S {
    let path = examples().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    document(&path, &text, Some("https://media.example"), check).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn links<'s>(each: impl FnOnce(&mut dyn FnMut(String, &'s LocalizedText))) -> Vec<FieldError> {
    let mut faults = Vec::new();
    each(&mut |pointer, text| markdown::check(&pointer, text, &mut faults));
    faults
}

fn bank() -> BankSource {
    read("banks/petanque-rules.yaml", |bank: &BankSource| {
        let mut faults = bank.check();
        faults.extend(links(|take| bank.texts(take)));
        faults
    })
}

fn course(slug: &str) -> (CourseSource, Course) {
    let source = read(&format!("courses/{slug}/course.yaml"), |course: &CourseSource| {
        let mut faults = course.check();
        faults.extend(links(|take| course.texts(take)));
        faults
    });
    let lesson = read("lessons/welcome-umpire/lesson.yaml", LessonSource::check);
    let definition = Definition {
        course: Written::course(source.clone(), BTreeMap::new(), Uuid::now_v7),
        lessons: [(
            LessonSlug::parse("welcome-umpire").unwrap(),
            Written::lesson(lesson, BTreeMap::new(), Uuid::now_v7),
        )]
        .into(),
        banks: [(BankSlug::parse("petanque-rules").unwrap(), Written::bank(bank(), BTreeMap::new(), Uuid::now_v7))]
            .into(),
    };
    assert_eq!(definition.check(), []);
    let compiled = definition.compile();
    (source, compiled)
}

#[test]
fn the_bank_has_questions_of_every_kind_in_three_languages() {
    let bank = bank();
    assert!(bank.questions.len() >= 60, "{}", bank.questions.len());
    let kinds: BTreeSet<&str> = bank.questions.iter().map(|question| question.kind.as_str()).collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    bank.texts(|pointer, text| {
        for lang in ["fr", "en", "sv"] {
            let there = text.is_empty() || text.0.keys().any(|known| known.as_str() == lang);
            assert!(there, "{pointer} is not there in {lang}");
        }
    });
    // The story of a wait for a grader is a lesson's; a test that is drawn passes or fails at once.
    for question in bank.questions.iter().filter(|question| question.kind == QuestionKindName::OpenEnded) {
        assert_eq!(question.tags, ["open"], "{}", question.key);
    }
}

#[test]
fn c1_arbiter_level_2_tells_its_story() {
    let (source, course) = course("arbiter-level-2");
    assert_eq!(source.source_lang.as_str(), "fr");
    let outline = course.outline();
    let film = &outline.items[0];
    assert!(film.quizzes[0].gate && film.quizzes[0].points == Points::whole(10));
    assert_eq!(film.quizzes[0].pass_mark.unwrap().to_string(), "80");
    assert!(film.quizzes[0].cooldown_seconds > 0 && film.quizzes[0].max_attempts > Some(2));
    // Ten points, then an open question worth four.
    let (_, next) =
        outline.items.iter().skip(1).find(|item| item.mandatory()).and_then(|item| course.item(item.id)).unwrap();
    let open = &next.quizzes[0].quiz.questions[0];
    assert!(matches!(open.kind, QuestionKind::OpenEnded { .. }) && open.points == 4, "{}", next.id);
    // What is drawn is drawn from enough, and is never open.
    let quizzes = course.modules.iter().flat_map(|module| &module.lessons).flat_map(|lesson| &lesson.items);
    let drawn: Vec<_> = quizzes.flat_map(|item| &item.quizzes).flat_map(|quiz| &quiz.draws).collect();
    assert!(!drawn.is_empty());
    assert!(
        drawn.iter().all(|draw| draw.pool().all(|question| !matches!(question.kind, QuestionKind::OpenEnded { .. })))
    );
    assert!(course.modules.iter().flat_map(|module| &module.lessons).any(|lesson| lesson.shared));
}

#[test]
fn l4_one_course_is_half_translated_and_one_shares_its_welcome() {
    let (basics, compiled) = course("tournament-basics");
    assert!(compiled.modules[0].lessons[0].shared);
    let share = |source: &CourseSource, lang: &str| {
        let texts: Vec<&LocalizedText> = source.all_texts().into_iter().filter(|text| !text.is_empty()).collect();
        let there = texts.iter().filter(|text| text.0.keys().any(|known| known.as_str() == lang)).count();
        (there * 100) / texts.len()
    };
    assert_eq!(share(&basics, "sv"), 100);
    let (youth, _) = course("youth-coaching");
    assert!((20..=80).contains(&share(&youth, "sv")), "{} %", share(&youth, "sv"));
    assert_eq!(share(&youth, "en"), 100);
}
