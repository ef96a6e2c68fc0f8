//! C17: every list and every text that authors write has a bound.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use jalon_shared::{
    FieldError,
    course::source::{BankSource, CourseSource, LessonSource},
    track::TrackSource,
};
use serde_json::{Map, Value, json};

/// Who bounds it: its own tests are elsewhere.
const ELSEWHERE: [&str; 1] = ["accept"];

fn text() -> Value {
    json!({ "en": "Text" })
}

/// One question of each kind.
fn questions() -> Value {
    let hints = json!([text()]);
    json!([
        { "key": "one", "kind": "single_choice", "points": 1, "prompt": text(), "feedback": text(), "hints": hints, "tags": ["a"],
          "choices": [{ "key": "a", "text": text(), "right": true, "feedback": text() }, { "key": "b", "text": text() }] },
        { "key": "true", "kind": "true_false", "prompt": text(), "right": true },
        { "key": "number", "kind": "numeric", "prompt": text(), "value": 1, "tolerance": 0 },
        { "key": "word", "kind": "short_text", "prompt": text(), "accept": { "en": ["Jack"] } },
        { "key": "order", "kind": "ordering", "prompt": text(),
          "items": [{ "key": "a", "text": text() }, { "key": "b", "text": text() }] },
        { "key": "match", "kind": "matching", "prompt": text(),
          "pairs": [{ "key": "a", "left": text(), "right": text() }, { "key": "b", "left": text(), "right": text() }] },
        { "key": "open", "kind": "open_ended", "prompt": text(), "guidance": text(), "max_characters": 100 },
    ])
}

fn video() -> Value {
    json!({ "url": "https://example.org/a.mp4", "duration_seconds": 10, "poster": "https://example.org/a.png",
        "captions": { "en": "https://example.org/a.vtt" } })
}

fn items() -> Value {
    let quiz = json!({ "key": "quiz", "title": text(), "gate": true, "pass_mark": 50, "max_attempts": 3, "cooldown_seconds": 1,
        "shuffle": true, "reveal": "never", "questions": questions(),
        "draw": [{ "bank": "rules", "tags": ["a"], "count": 1, "points": 2 }], "bands": [{ "from": 0, "feedback": text() }] });
    json!([
        { "key": "read", "kind": "content", "title": text(), "body": text(), "discussion_url": "https://example.org/talk",
          "shortcodes": ["peers_online"], "quizzes": [quiz] },
        { "key": "watch", "kind": "video", "title": text(), "video": video() },
        { "key": "article", "kind": "article", "title": text(), "article": { "provider": "wiki", "id": "jack" } },
    ])
}

/// Reads a source and checks it; the error is what reading it found.
type CheckSource = fn(Value) -> Result<Vec<FieldError>, String>;

/// Each source with every field that there is, and what checks it.
fn sources() -> Vec<(&'static str, Value, CheckSource)> {
    fn faults<S: serde::de::DeserializeOwned>(
        source: Value,
        check: impl Fn(&S) -> Vec<FieldError>,
    ) -> Result<Vec<FieldError>, String> {
        serde_json::from_value(source).map(|source| check(&source)).map_err(|error| error.to_string())
    }
    let mut of_track = questions();
    of_track.as_array_mut().unwrap().pop();
    of_track[0].as_object_mut().unwrap().remove("hints");
    let quiz =
        json!({ "max_attempts": 3, "cooldown_seconds": 1, "shuffle": true, "reveal": "never", "questions": of_track });
    let track = json!({ "track_type": "beginner_intro", "source_lang": "en", "cms_block_enabled": true, "title": text(), "summary": text(),
        "steps": [
            { "key": "read", "kind": "content", "order": 1, "required": true, "title": text(), "body": text() },
            { "key": "watch", "kind": "video", "title": text(), "video": video() },
            { "key": "quiz", "kind": "quiz", "pass_mark": 50, "title": text(), "quiz": quiz },
            { "key": "lesson", "kind": "lesson", "title": text(), "lesson": { "course": "rules", "lesson": "first" } },
            { "key": "link", "kind": "link", "title": text(), "url": "https://example.org/" },
        ] });
    let course = json!({ "category": "rules", "difficulty": "beginner", "source_lang": "en", "title": text(), "summary": text(),
        "instructors": [{ "key": "a", "name": "A", "title": text(), "user_id": "u-1" }],
        "modules": [{ "key": "m", "title": text(), "lessons": [
            { "key": "own", "title": text(), "items": items() }, { "key": "of-all", "shared": "welcome" }] }] });
    let lesson = json!({ "source_lang": "en", "title": text(), "items": items() });
    let bank = json!({ "source_lang": "en", "title": text(), "questions": questions() });
    vec![
        ("TrackSource", track, |source| faults(source, TrackSource::check)),
        ("CourseSource", course, |source| faults(source, CourseSource::check)),
        ("LessonSource", lesson, |source| faults(source, LessonSource::check)),
        ("BankSource", bank, |source| faults(source, BankSource::check)),
    ]
}

/// Every place of a document, with its value.
fn places<'v>(value: &'v Value, at: String, take: &mut dyn FnMut(String, &'v Value)) {
    match value {
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                places(item, format!("{at}/{place}"), take);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                if !ELSEWHERE.contains(&name.as_str()) {
                    places(field, format!("{at}/{name}"), take);
                }
            }
        }
        _ => {}
    }
    take(at, value);
}

/// Whether this is a map by language.
fn is_by_language(fields: &Map<String, Value>) -> bool {
    fields.len() == 1 && fields.contains_key("en")
}

fn tag(number: usize) -> String {
    let letter = |digit: usize| char::from(b'a' + u8::try_from(digit % 26).unwrap());
    [letter(number / 676), letter(number / 26), letter(number)].into_iter().collect()
}

/// Too much of it: too many entries, too many languages, too long a text; nothing, where it is none of these.
fn too_much(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => {
            let many = (0..5000).map(|number| {
                let mut item = items[0].clone();
                if let Some(key) = item.get_mut("key") {
                    *key = format!("k{number}").into();
                }
                item
            });
            vec![Value::Array(many.collect())]
        }
        Value::Object(fields) if is_by_language(fields) => {
            let blank = (0..300).map(|number| (tag(number), json!(" ")));
            let full = (0..300).map(|number| (tag(number), fields["en"].clone()));
            let mut all: Vec<Value> =
                vec![Value::Object(full.chain([("en".to_owned(), fields["en"].clone())]).collect())];
            all.push(Value::Object(blank.collect()));
            all
        }
        Value::String(text) => vec![format!("{text}{}", "x".repeat(150_000)).into(), " ".repeat(150_000).into()],
        _ => Vec::new(),
    }
}

#[test]
fn c17_every_list_and_every_text_has_a_bound() {
    for (name, source, check) in sources() {
        assert_eq!(check(source.clone()), Ok(Vec::new()), "{name} is in order");
        let mut all = Vec::new();
        places(&source, String::new(), &mut |at, value| all.push((at, value.clone())));
        for (at, value) in all {
            for much in too_much(&value) {
                let mut changed = source.clone();
                *changed.pointer_mut(&at).unwrap() = much;
                match check(changed) {
                    // Refused as it is read: the pointer comes from there.
                    Err(_) => {}
                    Ok(faults) => {
                        let told = faults.iter().any(|fault| {
                            fault.pointer.starts_with(&at)
                                || at.starts_with(&fault.pointer) && !fault.pointer.is_empty()
                        });
                        assert!(told, "{name}{at} has no bound, or is told elsewhere: {faults:?}");
                    }
                }
            }
        }
    }
}

/// What the API's document says that authors may write is in the samples above: a new field needs a bound.
#[test]
fn c17_the_samples_have_every_field() {
    let document: Value = serde_json::from_str(
        &std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json")).unwrap(),
    )
    .unwrap();
    let mut known = BTreeSet::new();
    for (_, source, _) in sources() {
        places(&source, String::new(), &mut |_, value| {
            known.extend(value.as_object().into_iter().flat_map(|fields| fields.keys().cloned()));
        });
    }
    let mut wanted: Vec<String> = sources().iter().map(|(name, ..)| (*name).to_owned()).collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        let schema = &document["components"]["schemas"][&name];
        if !seen.insert(name) {
            continue;
        }
        places(schema, String::new(), &mut |at, value| {
            if at.ends_with("/$ref") {
                wanted.push(value.as_str().unwrap().rsplit('/').next().unwrap().to_owned());
            }
        });
        for field in schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
            assert!(known.contains(field), "{field} is in no sample");
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
}

/// C17: what a short answer is compared with has a bound, and is folded once.
#[test]
fn c17_accepted_texts_have_a_bound() {
    let question = |accept: Value| -> jalon_shared::quiz::source::QuestionSource {
        serde_json::from_value(json!({ "key": "q", "kind": "short_text", "prompt": { "en": "?" }, "accept": accept }))
            .unwrap()
    };
    let faults = |accept: Value| -> Vec<(String, String)> {
        let lang = jalon_shared::Lang::parse("en").unwrap();
        let mut check = jalon_shared::quiz::source::Check::new(&lang);
        question(accept).check(&mut check, "");
        check.into_faults().into_iter().map(|fault| (fault.pointer, fault.code.to_string())).collect()
    };
    assert_eq!(faults(json!({ "en": vec!["a"; 100], "fr": ["b".repeat(2000)] })), []);
    assert_eq!(faults(json!({ "en": vec!["a"; 101] })), [("/accept/en".to_owned(), "out_of_range".to_owned())]);
    assert_eq!(faults(json!({ "en": ["a", "b".repeat(2001)] })), [("/accept/en/1".to_owned(), "too_long".to_owned())]);
}
