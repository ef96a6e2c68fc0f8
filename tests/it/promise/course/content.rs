//! What authors may put into the two courses, as they write it, and the ids it got.

use std::collections::BTreeMap;

use jalon_shared::course::{Course, Definition};
use serde_json::{Value, json};

pub const COURSES: usize = 2;
pub const SLUGS: [&str; COURSES] = ["one", "two"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of two is right.
    Single,
    /// Two of four are right: one of them alone is half, with a wrong one it is nothing.
    Several,
    /// A person grades.
    Open,
}

pub struct Question {
    pub kind: Kind,
    pub points: u64,
}

/// All there are; the place is the key.
pub const QUESTIONS: [Question; 23] = {
    const fn single(points: u64) -> Question {
        Question { kind: Kind::Single, points }
    }
    const fn several(points: u64) -> Question {
        Question { kind: Kind::Several, points }
    }
    const fn open(points: u64) -> Question {
        Question { kind: Kind::Open, points }
    }
    [
        // check
        single(1),
        several(2),
        single(1),
        // know
        single(1),
        several(3),
        // why
        open(2),
        single(1),
        // essay
        open(4),
        single(2),
        // slow, opinion
        single(1),
        several(3),
        single(2),
        // twice
        single(1),
        single(1),
        single(1),
        // the bank
        single(1),
        single(1),
        several(1),
        single(1),
        several(1),
        // what others of the shared lesson may be exchanged for
        single(2),
        several(2),
        single(1),
    ]
};
pub const BANK: std::ops::Range<usize> = 15..20;

pub struct Quiz {
    pub key: &'static str,
    pub gate: bool,
    /// In hundredths of a percent.
    pub pass_mark: Option<u64>,
    pub max_attempts: Option<usize>,
    pub cooldown_seconds: u64,
    pub questions: &'static [usize],
    /// What it asks where the shared lesson's questions are exchanged; nothing: the same.
    pub others: &'static [usize],
    /// So many of the bank.
    pub draw: usize,
}

const PLAIN: Quiz = Quiz {
    key: "",
    gate: false,
    pass_mark: None,
    max_attempts: None,
    cooldown_seconds: 0,
    questions: &[],
    others: &[],
    draw: 0,
};

pub const QUIZZES: [Quiz; 8] = [
    Quiz { key: "check", gate: true, pass_mark: Some(6000), questions: &[0, 1, 2], ..PLAIN },
    Quiz { key: "know", questions: &[3, 4], others: &[4, 20], ..PLAIN },
    Quiz { key: "draw", gate: true, pass_mark: Some(5000), max_attempts: Some(4), draw: 2, ..PLAIN },
    Quiz { key: "why", pass_mark: Some(3000), questions: &[5, 6], others: &[6, 21], ..PLAIN },
    Quiz { key: "essay", gate: true, pass_mark: Some(5000), max_attempts: Some(2), questions: &[7, 8], ..PLAIN },
    Quiz { key: "slow", pass_mark: Some(10_000), cooldown_seconds: 3600, questions: &[9], ..PLAIN },
    Quiz { key: "opinion", questions: &[10, 11], ..PLAIN },
    Quiz {
        key: "twice",
        gate: true,
        pass_mark: Some(6000),
        max_attempts: Some(5),
        questions: &[12, 13, 14],
        others: &[14, 22],
        ..PLAIN
    },
];

pub struct Item {
    pub key: &'static str,
    pub quizzes: &'static [usize],
}

pub const ITEMS: [Item; 10] = [
    Item { key: "read", quizzes: &[] },
    Item { key: "check", quizzes: &[0] },
    Item { key: "know", quizzes: &[1] },
    Item { key: "more", quizzes: &[] },
    Item { key: "draw", quizzes: &[2] },
    Item { key: "why", quizzes: &[3] },
    Item { key: "twice", quizzes: &[7] },
    Item { key: "essay", quizzes: &[4] },
    Item { key: "slow", quizzes: &[5, 6] },
    Item { key: "bye", quizzes: &[] },
];

pub struct Lesson {
    pub key: &'static str,
    /// Which items it may hold.
    pub items: std::ops::Range<usize>,
}

/// The second one is shared by both courses.
pub const LESSONS: [Lesson; 3] =
    [Lesson { key: "intro", items: 0..2 }, Lesson { key: "welcome", items: 2..7 }, Lesson { key: "end", items: 7..10 }];
pub const SHARED: usize = 1;

pub fn lesson_of(item: usize) -> usize {
    LESSONS.iter().position(|lesson| lesson.items.contains(&item)).unwrap()
}

/// Lessons in order, each with its items in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Version {
    pub lessons: Vec<(usize, Vec<usize>)>,
    /// Whether the shared lesson has its other questions.
    pub exchanged: bool,
}

impl std::ops::Deref for Version {
    type Target = Vec<(usize, Vec<usize>)>;
    fn deref(&self) -> &Self::Target {
        &self.lessons
    }
}

/// What a quiz asks in a version: these questions, or so many of the bank.
#[derive(Clone, Copy)]
pub struct Asks {
    pub questions: &'static [usize],
    pub draw: usize,
}

impl Asks {
    pub fn of(quiz: usize, exchanged: bool) -> Self {
        let Quiz { questions, others, draw, .. } = QUIZZES[quiz];
        Self { questions: if exchanged && !others.is_empty() { others } else { questions }, draw }
    }

    pub fn has(self, question: usize) -> bool {
        self.questions.contains(&question) || self.draw > 0 && BANK.contains(&question)
    }
}

impl Version {
    pub fn asks(&self, quiz: usize) -> Asks {
        Asks::of(quiz, self.exchanged)
    }
}

pub fn course(version: &Version) -> Value {
    let lessons: Vec<Value> = version
        .lessons
        .iter()
        .map(|(lesson, items)| {
            let key = LESSONS[*lesson].key;
            if *lesson == SHARED {
                json!({ "key": key, "shared": key })
            } else {
                json!({ "key": key, "title": { "fr": key }, "items": written(items, false) })
            }
        })
        .collect();
    json!({ "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": { "fr": "C" },
        "modules": [{ "key": "m", "title": { "fr": "M" }, "lessons": lessons }] })
}

pub fn lesson(items: &[usize], exchanged: bool) -> Value {
    json!({ "source_lang": "fr", "title": { "fr": "Bienvenue" }, "items": written(items, exchanged) })
}

pub fn bank() -> Value {
    json!({ "source_lang": "fr", "title": { "fr": "B" }, "questions": BANK.map(question).collect::<Vec<_>>() })
}

fn written(items: &[usize], exchanged: bool) -> Vec<Value> {
    let items = items.iter().map(|item| {
        let item = &ITEMS[*item];
        let quizzes: Vec<Value> = item.quizzes.iter().map(|quiz| written_quiz(*quiz, exchanged)).collect();
        json!({ "key": item.key, "kind": "content", "title": { "fr": item.key }, "body": { "fr": "Lisez." }, "quizzes": quizzes })
    });
    items.collect()
}

fn written_quiz(number: usize, exchanged: bool) -> Value {
    let quiz = &QUIZZES[number];
    let questions: Vec<Value> = Asks::of(number, exchanged).questions.iter().map(|place| question(*place)).collect();
    let mut written = json!({ "key": quiz.key, "title": { "fr": quiz.key }, "gate": quiz.gate, "shuffle": true, "reveal": "never",
        "cooldown_seconds": quiz.cooldown_seconds, "questions": questions });
    if let Some(mark) = quiz.pass_mark {
        written["pass_mark"] = (mark / 100).into();
    }
    if let Some(most) = quiz.max_attempts {
        written["max_attempts"] = most.into();
    }
    if quiz.draw > 0 {
        written["draw"] = json!([{ "bank": "bank", "count": quiz.draw }]);
    }
    written
}

fn question(place: usize) -> Value {
    let Question { kind, points } = QUESTIONS[place];
    let key = format!("q{place}");
    let choice = |key: &str, right: bool| json!({ "key": key, "text": { "fr": key }, "right": right });
    let mut written = json!({ "key": key, "points": points, "prompt": { "fr": key } });
    if BANK.contains(&place) {
        // What is drawn is worth what the draw says.
        written["points"] = 1.into();
    }
    match kind {
        Kind::Single => {
            written["kind"] = "single_choice".into();
            written["choices"] = json!([choice("no", false), choice("yes", true)]);
        }
        Kind::Several => {
            written["kind"] = "multiple_choice".into();
            written["choices"] =
                json!([choice("no", false), choice("yes", true), choice("nor", false), choice("too", true)]);
        }
        Kind::Open => written["kind"] = "open_ended".into(),
    }
    written
}

/// The ids of one course's keys.
#[derive(Default)]
pub struct Ids {
    pub items: BTreeMap<usize, String>,
    pub quizzes: BTreeMap<usize, String>,
    pub questions: BTreeMap<usize, String>,
    choices: BTreeMap<(usize, &'static str), String>,
    /// Each version, ready for use.
    pub versions: Vec<Course>,
}

impl Ids {
    /// Learns a version as it is stored.
    pub fn learn(&mut self, text: &str) {
        let stored: Value = serde_json::from_str(text).unwrap();
        let bank = &stored["banks"]["bank"]["ids"];
        for (number, lesson) in LESSONS.iter().enumerate() {
            let (ids, at) = if number == SHARED {
                (&stored["lessons"][lesson.key]["ids"], "@lesson")
            } else {
                (&stored["course"]["ids"], lesson.key)
            };
            for item in lesson.items.clone() {
                let at = format!("{at}/{}", ITEMS[item].key);
                keep(&mut self.items, item, &ids[&at]);
                for quiz in ITEMS[item].quizzes {
                    let at = format!("{at}/{}", QUIZZES[*quiz].key);
                    keep(&mut self.quizzes, *quiz, &ids[&at]);
                    for question in QUIZZES[*quiz].questions.iter().chain(QUIZZES[*quiz].others) {
                        self.question(*question, ids, &format!("{at}/q{question}"));
                    }
                }
            }
        }
        for question in BANK {
            self.question(question, bank, &format!("q{question}"));
        }
        self.versions.push(serde_json::from_str::<Definition>(text).unwrap().compile());
    }

    fn question(&mut self, question: usize, ids: &Value, at: &str) {
        keep(&mut self.questions, question, &ids[at]);
        for choice in ["no", "yes", "nor", "too"] {
            keep(&mut self.choices, (question, choice), &ids[format!("{at}/{choice}")]);
        }
    }

    pub fn choices(&self, question: usize, keys: &[&'static str]) -> Vec<&String> {
        keys.iter().map(|key| &self.choices[&(question, *key)]).collect()
    }
}

fn keep<K: Ord>(ids: &mut BTreeMap<K, String>, key: K, id: &Value) {
    if let Some(id) = id.as_str() {
        let known = ids.entry(key).or_insert_with(|| id.to_owned());
        assert_eq!(known, id, "ids are stable over versions");
    }
}

/// Which of these has this id.
pub fn of(ids: &BTreeMap<usize, String>, id: &Value) -> Option<usize> {
    let id = id.as_str()?;
    ids.iter().find(|(_, known)| *known == id).map(|(place, _)| *place)
}
