//! Courses.

mod around;
mod cohort;
mod copying;
mod example;
mod folder;
mod grading;
mod instructor;
mod languages;
mod lesson_step;
pub(crate) mod own_work;
mod points;
mod recalculation;
mod size;
mod story;
mod sync;

pub use story::{Learner, answers, items};

use jalon_tests::Stage;
use serde_json::{Value, json};

/// A course of two lessons: something to read with a gate of two questions, one of them open; something to read.
pub fn small() -> Value {
    let question = json!({ "key": "q1", "kind": "single_choice", "points": 1, "prompt": { "fr": "Combien de joueurs ?" },
        "choices": [ { "key": "a", "text": { "fr": "Deux" } }, { "key": "b", "text": { "fr": "Trois" }, "right": true } ] });
    let open = json!({ "key": "q2", "kind": "open_ended", "points": 3, "prompt": { "fr": "Pourquoi ?" } });
    let quiz = json!({ "key": "gate", "title": { "fr": "Questions" }, "gate": true, "pass_mark": 25, "questions": [question, open] });
    json!({
        "category": "rules", "difficulty": "beginner", "source_lang": "fr",
        "title": { "fr": "Petit cours", "en": "A small course" }, "summary": { "fr": "Les bases." },
        "modules": [{ "key": "m", "title": { "fr": "Module" }, "lessons": [
            { "key": "one", "title": { "fr": "Une" }, "items": [
                { "key": "read", "kind": "content", "title": { "fr": "Lire" }, "body": { "fr": "Bonjour." }, "quizzes": [quiz] }] },
            { "key": "two", "title": { "fr": "Deux" }, "items": [
                { "key": "end", "kind": "content", "title": { "fr": "Fin" }, "body": { "fr": "Bravo." } }] } ] }]
    })
}

/// Writes and publishes a course.
pub async fn publish(stage: &Stage, slug: &str, course: &Value) {
    let path = format!("/api/v1/admin/sites/fpsf/courses/{slug}");
    let wrote = stage.server.put(&path).bearer(&stage.key).json(course).send().await;
    assert!(wrote.status.is_success(), "{}", wrote.text());
    stage.server.post(&format!("{path}/publish")).bearer(&stage.key).send().await.expect(200);
}
