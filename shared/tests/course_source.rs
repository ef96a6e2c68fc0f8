//! Courses as their authors write them: what is refused, and what becomes of what is not.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use jalon_shared::{
    course::{
        Definition, Points, Written,
        source::{BankSource, CourseSource, LessonSource},
    },
    quiz::shuffle::{Numbers, Part},
    slug::{BankSlug, LessonSlug},
};
use serde_json::{Value, json};
use uuid::Uuid;

fn question(key: &str, tag: &str) -> Value {
    json!({ "key": key, "kind": "single_choice", "prompt": { "fr": key }, "tags": [tag],
            "choices": [{ "key": "a", "text": { "fr": "a" }, "right": true }, { "key": "b", "text": { "fr": "b" } }] })
}

fn course() -> Value {
    json!({
        "category": "umpiring", "difficulty": "intermediate", "source_lang": "fr", "title": { "fr": "Arbitre" },
        "instructors": [{ "key": "dubois", "name": "Claire Dubois" }],
        "modules": [
            { "key": "terrain", "title": { "fr": "Terrain" }, "lessons": [
                { "key": "welcome", "shared": "welcome" },
                { "key": "circle", "title": { "fr": "Le cercle" }, "items": [
                    { "key": "film", "kind": "video", "title": { "fr": "Film" },
                      "video": { "url": "https://example.org/a.mp4", "duration_seconds": 200 },
                      "quizzes": [{ "key": "check", "title": { "fr": "Contrôle" }, "gate": true, "pass_mark": 80,
                          "shuffle": true, "questions": [question("own", "circle")],
                          "draw": [{ "bank": "rules", "tags": ["jack"], "count": 2, "points": 3 }, { "bank": "rules", "count": 2 }],
                          "bands": [{ "from": 0, "feedback": { "fr": "Relisez." } }, { "from": 80, "feedback": { "fr": "Bravo." } }] }] },
                    { "key": "more", "kind": "content", "title": { "fr": "Plus" }, "body": { "fr": "Texte" } }] }] }]
    })
}

fn lesson() -> Value {
    json!({ "source_lang": "en", "title": { "en": "Welcome" }, "items": [
        { "key": "read", "kind": "content", "title": { "en": "Read" }, "body": { "en": "Text" },
          "quizzes": [{ "key": "q", "title": { "en": "Check" }, "questions": [
              { "key": "o", "kind": "open_ended", "points": 4, "prompt": { "en": "Why?" }, "hints": [{ "en": "Think." }] }] }] }] })
}

fn bank() -> Value {
    json!({ "source_lang": "fr", "title": { "fr": "Règles" }, "questions": [
        question("j1", "jack"), question("j2", "jack"), question("j3", "jack"), question("c1", "circle")] })
}

struct Ids(u128);

impl Ids {
    fn next(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(self.0)
    }
}

fn definition(course: Value) -> Definition {
    let mut ids = Ids(0);
    let lesson: LessonSource = serde_json::from_value(lesson()).unwrap();
    let bank: BankSource = serde_json::from_value(bank()).unwrap();
    assert_eq!((lesson.check(), bank.check()), (vec![], vec![]));
    Definition {
        course: Written::course(serde_json::from_value(course).unwrap(), BTreeMap::new(), || ids.next()),
        lessons: [(
            LessonSlug::parse("welcome").unwrap(),
            Written::lesson(lesson, BTreeMap::new(), || Uuid::from_u128(900)),
        )]
        .into(),
        banks: [(BankSlug::parse("rules").unwrap(), {
            let mut ids = Ids(500);
            Written::bank(bank, BTreeMap::new(), || ids.next())
        })]
        .into(),
    }
}

fn faults(change: impl FnOnce(&mut Value)) -> Vec<(String, String)> {
    let mut written = course();
    change(&mut written);
    let source: CourseSource = serde_json::from_value(written.clone()).unwrap();
    let mut faults = source.check();
    faults.extend(definition(written).check());
    faults.into_iter().map(|fault| (fault.pointer, fault.code.to_string())).collect()
}

type Change = fn(&mut Value);

#[test]
fn every_mistake_of_an_author_has_its_pointer() {
    assert_eq!(faults(|_| {}), []);
    let at = "/modules/0/lessons/1/items/0";
    let cases: [(Change, &str, &str); 19] = [
        (|c| c["title"] = json!({ "en": "x" }), "/title/fr", "missing_source_language"),
        (|c| c["modules"] = json!([]), "/modules", "out_of_range"),
        (|c| c["modules"][0]["lessons"] = json!([]), "/modules/0/lessons", "out_of_range"),
        (|c| c["instructors"][0]["name"] = " ".into(), "/instructors/0/name", "out_of_range"),
        (|c| c["modules"][0]["lessons"][1]["key"] = "welcome".into(), "/modules/0/lessons/1/key", "duplicate_key"),
        (
            |c| c["modules"][0]["lessons"][0]["title"] = json!({ "fr": "x" }),
            "/modules/0/lessons/0/title",
            "unknown_field",
        ),
        (|c| c["modules"][0]["lessons"][0]["shared"] = "gone".into(), "/modules/0/lessons/0/shared", "unknown_lesson"),
        (|c| c["modules"][0]["lessons"][1]["items"] = json!([]), "/modules/0/lessons/1/items", "out_of_range"),
        (|c| c["modules"][0]["lessons"][1]["items"][0]["kind"] = "article".into(), "{at}/article", "missing_field"),
        (
            |c| c["modules"][0]["lessons"][1]["items"][0]["article"] = json!({ "provider": "a", "id": "b\0" }),
            "{at}/article/id",
            "out_of_range",
        ),
        (|c| c["modules"][0]["lessons"][1]["items"][0]["kind"] = "content".into(), "{at}/video", "unknown_field"),
        (
            |c| c["modules"][0]["lessons"][1]["items"][0]["discussion_url"] = "javascript:alert(1)".into(),
            "{at}/discussion_url",
            "unsafe_url",
        ),
        (
            |c| c["modules"][0]["lessons"][1]["items"][0]["video"]["url"] = "http://evil.example/a.mp4".into(),
            "{at}/video/url",
            "unsafe_url",
        ),
        (
            |c| {
                c["modules"][0]["lessons"][1]["items"][0]["quizzes"][0].as_object_mut().unwrap().remove("pass_mark");
            },
            "{at}/quizzes/0/pass_mark",
            "missing_field",
        ),
        (
            |c| c["modules"][0]["lessons"][1]["items"][0]["quizzes"][0]["pass_mark"] = 0.into(),
            "{at}/quizzes/0/pass_mark",
            "out_of_range",
        ),
        (
            |c| c["modules"][0]["lessons"][1]["items"][0]["quizzes"][0]["bands"][1]["from"] = 0.into(),
            "{at}/quizzes/0/bands/1/from",
            "out_of_range",
        ),
        (
            |c| c["modules"][0]["lessons"][1]["items"][0]["quizzes"][0]["draw"][0]["bank"] = "gone".into(),
            "{at}/quizzes/0/draw/0/bank",
            "unknown_bank",
        ),
        (
            |c| c["modules"][0]["lessons"][1]["items"][0]["quizzes"][0]["draw"][0]["count"] = 4.into(),
            "{at}/quizzes/0/draw/0/count",
            "too_few_questions",
        ),
        (
            |c| c["modules"][0]["lessons"][1]["items"][0]["quizzes"][0]["draw"][1]["count"] = 3.into(),
            "{at}/quizzes/0/draw/1/count",
            "too_few_questions",
        ),
    ];
    for (change, pointer, code) in cases {
        let pointer = pointer.replace("{at}", at);
        let found = faults(change);
        assert!(found.contains(&(pointer.clone(), code.to_owned())), "{pointer} {code} in {found:?}");
    }
}

#[test]
fn what_is_written_reads_back_as_it_was() {
    let source: CourseSource = serde_json::from_value(course()).unwrap();
    let again: CourseSource = serde_json::from_value(serde_json::to_value(&source).unwrap()).unwrap();
    assert_eq!(again, source);
    let stored = serde_json::to_string(&definition(course())).unwrap();
    assert_eq!(serde_json::from_str::<Definition>(&stored).unwrap(), definition(course()));
}

/// Numbers that differ between attempts; the server's are kept secret.
struct Counting(u64);

impl Numbers for Counting {
    fn of(&self, part: Part) -> impl Iterator<Item = u64> {
        let place = if let Part::Draw(place) = part { place } else { 100 };
        (0_u32..).map(move |n| BuildHasherDefault::<DefaultHasher>::default().hash_one((self.0, place, n)))
    }
}

/// Each attempt draws anew, never a question twice, is worth the same, and stays what it was.
#[test]
fn c2_an_attempt_draws_once_and_keeps_what_it_drew() {
    let compiled = definition(course()).compile();
    let outline = compiled.outline();
    let quiz = &compiled.modules[0].lessons[1].items[0].quizzes[0];
    let mut drawn = BTreeSet::new();
    for enrollment in 0..20 {
        for attempt in 1..4 {
            let questions = quiz.attempt(&Counting(enrollment * 1000 + attempt));
            let ids: Vec<_> = questions.questions.iter().map(|question| question.id).collect();
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 5);
            assert_eq!(Points::whole(u32::try_from(questions.points()).unwrap()), Points::whole(1 + 2 * 3 + 2));
            assert_eq!(quiz.attempt(&Counting(enrollment * 1000 + attempt)), questions);
            drawn.insert(ids);
        }
    }
    assert!(drawn.len() > 10, "only {} different draws", drawn.len());
    let known = outline.items[1].quiz(quiz.id).unwrap();
    assert_eq!((known.questions, known.points), (5, Points::whole(9)));
    let says = |percent: u64| quiz.band(jalon_shared::Score::ratio(percent, 100)).unwrap().0.values().next().cloned();
    assert_eq!((says(79), says(80)), (Some("Relisez.".to_owned()), Some("Bravo.".to_owned())));
}

/// Keys keep their ids: a new version moves items and adds some, and nobody's progress goes astray.
#[test]
fn v1_ids_stay_over_versions_and_shared_lessons_have_their_own() {
    let first = definition(course());
    let mut newer = course();
    let items = newer["modules"][0]["lessons"][1]["items"].as_array_mut().unwrap();
    items.reverse();
    items.insert(0, json!({ "key": "new", "kind": "content", "title": { "fr": "Neuf" }, "body": { "fr": "x" } }));
    let mut ids = Ids(10_000);
    let second = Definition {
        course: Written::course(serde_json::from_value(newer).unwrap(), first.course.ids.clone(), || ids.next()),
        ..first.clone()
    };
    let of = |definition: &Definition| -> Vec<Uuid> {
        definition.compile().outline().items.iter().map(|item| item.id.0).collect()
    };
    let (before, after) = (of(&first), of(&second));
    assert_eq!(after, [before[0], Uuid::from_u128(10_001), before[2], before[1]]);
    let (lesson, _) = first
        .compile()
        .item(jalon_shared::ItemId(before[0]))
        .map(|(lesson, item)| (lesson.clone(), item.clone()))
        .unwrap();
    assert!(lesson.shared && lesson.source_lang.as_str() == "en");
}
