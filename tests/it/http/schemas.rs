//! The document's schemas: each of one type, and what they describe is what the server takes (D23).

use std::collections::{BTreeMap, BTreeSet};

use jalon_backend::{
    folder::import::{self, Source},
    http::router,
};
use jalon_tests::{Stage, for_both, small_track};
use serde_json::{Value, json};

/// D23: two types of one name can't both be in the document, which keeps one of them without a word.
#[test]
fn d23_no_two_types_have_one_name_in_the_document() {
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    let mut seen = 0;
    let mut meet = BTreeSet::new();
    for (name, schema) in router::schemas() {
        let schema = serde_json::to_value(schema).unwrap();
        seen += 1;
        if *known.entry(name.clone()).or_insert_with(|| schema.clone()) != schema {
            meet.insert(name);
        }
    }
    assert!(seen > 300 && known.len() > 100, "{seen} schemas of {} names", known.len());
    assert!(meet.is_empty(), "types of these names differ; give each a name of its own: {meet:?}");
    let document = serde_json::to_value(router::openapi()).unwrap();
    for (name, schema) in &known {
        assert_eq!(&document["components"]["schemas"][name], schema, "{name}");
    }
}

/// Why a value is not what a schema of the document says: where, and what.
struct Schemas(Value);

impl Schemas {
    fn new() -> Self {
        Self(serde_json::to_value(router::openapi()).unwrap())
    }

    fn faults(&self, name: &str, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(&json!({ "$ref": format!("#/components/schemas/{name}") }), value, "", &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        for (word, says) in schema.as_object().unwrap_or_else(|| panic!("{at}: {schema} is no schema")) {
            let ok = match word.as_str() {
                "description" | "example" | "title" | "default" => true,
                "$ref" => {
                    let pointer = says.as_str().unwrap().strip_prefix('#').unwrap();
                    let named = self.0.pointer(pointer).unwrap_or_else(|| panic!("{says} is not in the document"));
                    self.check(named, value, at, faults);
                    true
                }
                "type" => match says.as_array() {
                    Some(types) => types.iter().any(|kind| is(kind, value)),
                    None => is(says, value),
                },
                "enum" => says.as_array().unwrap().contains(value),
                "oneOf" => {
                    let fits = |one: &&Value| {
                        let mut faults = Vec::new();
                        self.check(one, value, at, &mut faults);
                        faults.is_empty()
                    };
                    says.as_array().unwrap().iter().filter(fits).count() == 1
                }
                "required" => {
                    let fields = value.as_object();
                    fields.is_none_or(|fields| {
                        says.as_array().unwrap().iter().all(|name| fields.contains_key(name.as_str().unwrap()))
                    })
                }
                "properties" | "propertyNames" => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        if word == "propertyNames" {
                            self.check(says, &json!(name), &format!("{at}/{name}"), faults);
                        } else if let Some(schema) = says.get(name) {
                            self.check(schema, value, &format!("{at}/{name}"), faults);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let more = value
                        .as_object()
                        .into_iter()
                        .flatten()
                        .filter(|(name, _)| schema["properties"].get(name).is_none());
                    let more: Vec<_> = more.collect();
                    if says != &json!(false) {
                        for (name, value) in &more {
                            self.check(says, value, &format!("{at}/{name}"), faults);
                        }
                    }
                    says != &json!(false) || more.is_empty()
                }
                "items" => {
                    for (place, value) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(says, value, &format!("{at}/{place}"), faults);
                    }
                    true
                }
                "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap()),
                "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= says.as_u64().unwrap()),
                "maxItems" => value.as_array().is_none_or(|list| list.len() as u64 <= says.as_u64().unwrap()),
                "format" => match (says.as_str().unwrap(), value.as_str()) {
                    ("uuid", Some(text)) => uuid::Uuid::try_parse(text).is_ok(),
                    ("date-time" | "int32" | "int64" | "double" | "float" | "uuid", _) => true,
                    (other, _) => panic!("{at}: what is the format {other:?}?"),
                },
                other => panic!("{at}: what does {other:?} mean in {schema}?"),
            };
            if !ok {
                faults.push(format!("{at}: {word} {says:.200}: {value:.200}"));
            }
        }
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        other => panic!("there is no type {other:?}"),
    }
}

/// A lesson, a course, a bank and a track that have every field the document knows of them: of a question every
/// kind, of a lesson item every kind.
fn written() -> Vec<(&'static str, &'static str, Value)> {
    let text = |text: &str| json!({ "fr": text, "pt-BR": text });
    let question = |key: &str, kind: &str, fields: Value| {
        let mut question = json!({ "key": key, "kind": kind, "points": 2, "prompt": text("?"), "feedback": text("!"), "hints": [text("…")], "tags": ["un"] });
        question.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        question
    };
    let choices = json!([{ "key": "a", "text": text("a"), "right": true, "feedback": text("oui") }, { "key": "b", "text": text("b") }]);
    let questions = json!([
        question("single", "single_choice", json!({ "choices": choices })),
        question("multiple", "multiple_choice", json!({ "choices": choices })),
        question("statement", "true_false", json!({ "right": false })),
        question("number", "numeric", json!({ "value": 2.5, "tolerance": 0.1 })),
        question("short", "short_text", json!({ "accept": { "fr": ["but"] } })),
        question(
            "order",
            "ordering",
            json!({ "items": [{ "key": "a", "text": text("a") }, { "key": "b", "text": text("b") }] })
        ),
        question(
            "match",
            "matching",
            json!({ "pairs": [
            { "key": "a", "left": text("a"), "right": text("1") }, { "key": "b", "left": text("b"), "right": text("2") }] })
        ),
        question("open", "open_ended", json!({ "guidance": text("lire"), "max_characters": 100 })),
    ]);
    let quiz = json!({ "key": "quiz", "title": text("Quiz"), "gate": true, "pass_mark": 62.5, "max_attempts": 3, "cooldown_seconds": 60,
        "shuffle": true, "reveal": "after_pass", "questions": questions, "draw": [{ "bank": "bank", "tags": ["un"], "count": 1, "points": 3 }],
        "bands": [{ "from": 50, "feedback": text("bien") }] });
    let video = json!({ "url": "https://media.example/a.mp4", "duration_seconds": 60, "captions": { "fr": "https://media.example/a.vtt" },
        "poster": "https://media.example/a.jpg" });
    let items = json!([
        { "key": "read", "kind": "content", "title": text("Lire"), "body": text("…"), "discussion_url": "https://forum.example/1",
          "shortcodes": ["course_certificate", "peers_online"], "quizzes": [quiz] },
        { "key": "watch", "kind": "video", "title": text("Voir"), "video": video },
    ]);
    let bank = json!({ "source_lang": "fr", "title": text("Banque"), "questions": questions });
    let lesson = json!({ "source_lang": "fr", "title": text("Partagée"), "items": items });
    let course = json!({ "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": text("Cours"), "summary": text("…"),
        "instructors": [{ "key": "one", "name": "Anna", "title": text("Arbitre"), "user_id": "u-1" }],
        "modules": [{ "key": "m", "title": text("Module"), "lessons": [
            { "key": "own", "title": text("Une"), "items": items }, { "key": "shared", "shared": "lesson" }] }] });
    let mut of_track = questions;
    of_track.as_array_mut().unwrap().retain(|question| question["kind"] != "open_ended");
    for question in of_track.as_array_mut().unwrap() {
        question.as_object_mut().unwrap().remove("hints");
    }
    let step = |order: u32, key: &str, kind: &str, fields: Value| {
        let mut step = json!({ "key": key, "kind": kind, "order": order, "required": true, "title": text("Étape") });
        step.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        step
    };
    let track = json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": text("Parcours"), "summary": text("…"),
        "steps": [
            step(1, "read", "content", json!({ "body": text("…") })),
            step(2, "watch", "video", json!({ "video": video })),
            step(3, "quiz", "quiz", json!({ "pass_mark": 50, "quiz": { "max_attempts": 2, "cooldown_seconds": 1, "shuffle": true, "reveal": "never", "questions": of_track } })),
            step(4, "lesson", "lesson", json!({ "pass_mark": 50, "lesson": { "course": "course", "lesson": "own" } })),
            step(5, "link", "link", json!({ "url": "https://www.example.org/" })),
        ] });
    vec![
        ("banks", "bank", bank),
        ("lessons", "lesson", lesson),
        ("courses", "course", course),
        ("tracks", "track", track),
    ]
}

fn schema_of(kind: &str) -> &'static str {
    match kind {
        "banks" => "BankSource",
        "lessons" => "LessonSource",
        "courses" => "CourseSource",
        "tracks" => "TrackSource",
        other => panic!("{other}"),
    }
}

/// Each object's fields in a value, by its schema: what the examples show of the document.
fn fields(document: &Value, schema: &Value, value: &Value, shown: &mut BTreeSet<String>, name: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(&reference[1..]).unwrap();
        return fields(document, named, value, shown, reference.rsplit('/').next().unwrap());
    }
    for one in schema["oneOf"].as_array().into_iter().flatten().filter(|one| one["type"] != "null") {
        fields(document, one, value, shown, name);
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        if let Some(schema) = schema["properties"].get(key) {
            shown.insert(format!("{name}.{key}"));
            fields(document, schema, value, shown, "");
        }
    }
    for value in value.as_array().into_iter().flatten() {
        fields(document, &schema["items"], value, shown, "");
    }
}

for_both! {
    /// D23: what is written as the document says is taken, and what is taken is as the document says.
    async fn d23_what_is_written_by_the_document_is_taken(db: TestDb) {
        let stage = Stage::set(&db).await;
        let schemas = Schemas::new();
        let mut shown = BTreeSet::new();
        for (kind, slug, body) in written() {
            let name = schema_of(kind);
            assert_eq!(schemas.faults(name, &body), Vec::<String>::new(), "{kind}");
            fields(&schemas.0, &json!({ "$ref": format!("#/components/schemas/{name}") }), &body, &mut shown, "");
            let path = format!("/api/v1/admin/sites/fpsf/{kind}/{slug}");
            stage.server.put(&path).bearer(&stage.key).json(&body).send().await.expect(201);
            if kind == "courses" {
                stage.server.post(&format!("{path}/publish")).bearer(&stage.key).send().await.expect(200);
            }
            let kept = stage.server.get(&path).bearer(&stage.key).send().await.expect(200);
            assert_eq!(schemas.faults(name, &kept["source"]), Vec::<String>::new(), "{kind}, as it is kept");
        }
        // Nothing of these schemas is left out, but the article: it needs a provider outside.
        let mut all = BTreeSet::new();
        let mut open: Vec<String> = ["BankSource", "LessonSource", "CourseSource", "TrackSource"].map(str::to_owned).to_vec();
        let mut done = BTreeSet::new();
        while let Some(name) = open.pop() {
            let schema = &schemas.0["components"]["schemas"][&name];
            let text = schema.to_string();
            open.extend(text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).filter(|name| done.insert(name.clone())));
            all.extend(schema["properties"].as_object().into_iter().flatten().map(|(key, _)| format!("{name}.{key}")));
        }
        let missing: Vec<&String> = all.difference(&shown).filter(|field| !field.starts_with("ArticleSource.")).collect();
        assert_eq!(missing, ["ItemSource.article"], "fields that no example has");
    }

    /// D23: the examples are as the document says, and are taken.
    async fn d23_the_examples_are_as_the_document_says(db: TestDb) {
        let stage = Stage::set(&db).await;
        let schemas = Schemas::new();
        let magazine = stage.server.put("/api/v1/admin/sites/fpsf/article-providers/magazine").bearer(&stage.key);
        magazine.json(&json!({ "url": "https://magazine.example/{id}" })).send().await.expect(201);
        let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let mut taken = 0;
        for folder in ["banks", "lessons", "courses", "tracks", "content"] {
            let documents = import::read(&base.join(folder), Some("https://media.example")).unwrap_or_else(|faults| panic!("{faults:#?}"));
            for document in documents {
                let (kind, body) = match &document.source {
                    Source::Bank(_, source) => ("banks", serde_json::to_value(source)),
                    Source::Lesson(_, source) => ("lessons", serde_json::to_value(source)),
                    Source::Course(_, source) => ("courses", serde_json::to_value(source)),
                    Source::Track(_, source) => ("tracks", serde_json::to_value(source)),
                };
                let body = body.unwrap();
                assert_eq!(schemas.faults(schema_of(kind), &body), Vec::<String>::new(), "{}", document.slug);
                let path = format!("/api/v1/admin/sites/fpsf/{kind}/{}", document.slug);
                stage.server.put(&path).bearer(&stage.key).json(&body).send().await.expect(201);
                if kind == "courses" {
                    stage.server.post(&format!("{path}/publish")).bearer(&stage.key).send().await.expect(200);
                }
                taken += 1;
            }
        }
        assert!(taken > 8, "{taken}");
    }

    /// D23: what the document does not allow, the server does not take either.
    async fn d23_what_the_document_forbids_is_refused(db: TestDb) {
        let stage = Stage::set(&db).await;
        let schemas = Schemas::new();
        for (pointer, value) in [
            ("/colour", json!("red")), ("/steps/0/colour", json!("red")), ("/steps", json!({})), ("/steps/0", json!([])),
            ("/title", json!("Titre")), ("/title/fr", json!(7)), ("/source_lang", json!(7)), ("/track_type", json!("other")),
            ("/steps/1/pass_mark", json!(101)), ("/steps/1/pass_mark", json!(-1)), ("/steps/1/quiz/questions/0/points", json!(1.5)),
            ("/steps/1/quiz/questions/0/kind", json!("essay")), ("/steps/0/body", json!([["fr", "x"]])),
        ] {
            let mut body = small_track();
            if let Some(there) = body.pointer_mut(pointer) {
                *there = value;
            } else {
                let (object, name) = pointer.rsplit_once('/').unwrap();
                body.pointer_mut(object).unwrap()[name] = value;
            }
            assert_ne!(schemas.faults("TrackSource", &body), Vec::<String>::new(), "{pointer}");
            let answer = stage.server.put("/api/v1/admin/sites/fpsf/tracks/bad").bearer(&stage.key).json(&body).send().await;
            assert_eq!(answer.status, 422, "{pointer}: {}", answer.text());
        }
    }
}
