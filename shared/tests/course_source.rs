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

/// A course of one module whose lessons are these.
fn course_of(lessons: &[Value]) -> CourseSource {
    let modules: Vec<Value> = lessons
        .chunks(100)
        .enumerate()
        .map(|(number, lessons)| json!({ "key": format!("m{number}"), "title": { "fr": "M" }, "lessons": lessons }))
        .collect();
    serde_json::from_value(json!({ "category": "umpiring", "difficulty": "intermediate", "source_lang": "fr",
        "title": { "fr": "Grand" }, "modules": modules }))
    .unwrap()
}

fn drawing(items: usize, draw: impl Fn(usize) -> Value) -> Value {
    let items: Vec<Value> = (0..items)
        .map(|place| {
            json!({ "key": format!("i{place}"), "kind": "content", "title": { "fr": "I" }, "body": { "fr": "T" },
                "quizzes": [{ "key": "q", "title": { "fr": "Q" }, "draw": draw(place) }] })
        })
        .collect();
    json!(items)
}

fn large_bank(name: &str, questions: usize) -> (BankSlug, Written<BankSource>) {
    let questions: Vec<Value> =
        (0..questions).map(|place| question(&format!("{name}-{place}"), &format!("tag-{place}"))).collect();
    let source: BankSource =
        serde_json::from_value(json!({ "source_lang": "fr", "title": { "fr": name }, "questions": questions }))
            .unwrap();
    assert_eq!(source.check(), vec![]);
    let mut ids = Ids(u128::from(name.as_bytes()[name.len() - 1]) * 1_000_000);
    (BankSlug::parse(name).unwrap(), Written::bank(source, BTreeMap::new(), || ids.next()))
}

/// C16: however many quizzes draw from a bank, it is held once; and an attempt is what it was.
#[test]
fn c16_a_bank_is_held_once_however_many_quizzes_draw_from_it() {
    use jalon_shared::weight::Weight;
    const BANKS: usize = 5;
    let names: Vec<String> = (0..BANKS).map(|bank| format!("bank-{bank}")).collect();
    let draw: Vec<Value> = names.iter().map(|bank| json!({ "bank": bank, "count": 2, "points": 3 })).collect();
    let lessons: Vec<Value> = (0..10)
        .map(|number| json!({ "key": format!("l{number}"), "title": { "fr": "L" }, "items": drawing(100, |_| json!(draw)) }))
        .collect();
    let source = course_of(&lessons);
    assert_eq!(source.check(), vec![]);
    let mut ids = Ids(0);
    let definition = Definition {
        course: Written::course(source, BTreeMap::new(), || ids.next()),
        lessons: BTreeMap::new(),
        banks: names.iter().map(|name| large_bank(name, 2000)).collect(),
    };
    assert_eq!(definition.check(), vec![]);
    assert_eq!(
        definition.all_texts().iter().filter(|text| text.0.values().any(|text| text.starts_with("bank-"))).count(),
        10_000
    );
    let course = definition.compile();
    let quizzes: Vec<_> = course
        .modules
        .iter()
        .flat_map(|module| &module.lessons)
        .flat_map(|lesson| &lesson.items)
        .flat_map(|item| &item.quizzes)
        .collect();
    assert_eq!(quizzes.len(), 1000);
    for quiz in &quizzes {
        for (draw, first) in quiz.draws.iter().zip(&quizzes[0].draws) {
            assert!(std::sync::Arc::ptr_eq(draw.bank(), first.bank()));
            assert_eq!(draw.places().as_ptr(), first.places().as_ptr());
            assert_eq!(draw.pool().count(), 2000);
        }
    }
    let banks: usize = quizzes[0].draws.iter().map(|draw| draw.bank().heap()).sum();
    assert!(course.heap() < banks + 4 * 1024 * 1024, "{} for banks of {banks}", course.heap());
    let attempt = quizzes[500].attempt(&Counting(1));
    assert_eq!((attempt.questions.len(), attempt.points()), (10, 30));
    let drawn = &attempt.questions[3];
    assert_eq!(quizzes[500].worth(drawn.id).unwrap().1, 3);
    assert_eq!(quizzes[500].worth(jalon_shared::QuestionId(Uuid::from_u128(7))), None);
}

/// C16: what a course names has a bound as well as what it holds.
#[test]
fn c16_a_course_names_no_more_than_a_server_bears() {
    let found = |definition: &Definition| -> Vec<(String, String)> {
        definition.check().into_iter().map(|fault| (fault.pointer, fault.code.to_string())).collect()
    };
    // 21 shared lessons of 100 items.
    let items: Vec<Value> = (0..100)
        .map(|place| json!({ "key": format!("i{place}"), "kind": "content", "title": { "en": "I" }, "body": { "en": "T" } }))
        .collect();
    let lesson: LessonSource =
        serde_json::from_value(json!({ "source_lang": "en", "title": { "en": "L" }, "items": items })).unwrap();
    let lessons: Vec<Value> =
        (0..21).map(|number| json!({ "key": format!("l{number}"), "shared": format!("lesson-{number}") })).collect();
    let mut ids = Ids(0);
    let mut large = Definition {
        course: Written::course(course_of(&lessons), BTreeMap::new(), Uuid::nil),
        lessons: (0..21)
            .map(|number| {
                let slug = LessonSlug::parse(&format!("lesson-{number}")).unwrap();
                (slug, Written::lesson(lesson.clone(), BTreeMap::new(), || ids.next()))
            })
            .collect(),
        banks: BTreeMap::new(),
    };
    assert_eq!(found(&large), [("/modules/0/lessons/20".to_owned(), "out_of_range".to_owned())]);
    large.course = Written::course(course_of(&lessons[..20]), BTreeMap::new(), Uuid::nil);
    assert_eq!(found(&large), []);
    // 1,100 pools: each quiz draws by a tag of its own.
    let by_tag = |place: usize| json!([{ "bank": "bank-0", "tags": [format!("tag-{place}")], "count": 1 }, { "bank": "bank-0", "tags": [format!("tag-{}", place + 900)], "count": 1 }]);
    let lessons: Vec<Value> = (0..6)
        .map(|number| json!({ "key": format!("l{number}"), "title": { "fr": "L" }, "items": drawing(100, |place| by_tag(number * 100 + place)) }))
        .collect();
    let pools = |lessons: &[Value]| Definition {
        course: Written::course(course_of(lessons), BTreeMap::new(), Uuid::nil),
        lessons: BTreeMap::new(),
        banks: [large_bank("bank-0", 2000)].into(),
    };
    assert_eq!(found(&pools(&lessons)), [("/modules/0/lessons/5".to_owned(), "out_of_range".to_owned())]);
    assert_eq!(found(&pools(&lessons[..5])), []);
}
