//! What languages courses are there in (L4), on both databases.

use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};

use super::publish;

for_both! {
    /// The questions that a course may draw are texts of it; those it never draws are not.
    async fn l4_drawn_questions_count_for_the_languages_of_a_course(db: TestDb) {
        let stage = Stage::set(&db).await;
        let question = |key: &str, tag: &str, prompt: Value| json!({ "key": key, "kind": "true_false", "points": 1, "tags": [tag], "prompt": prompt, "right": true });
        let both = json!({ "fr": "Vrai ?", "en": "True?" });
        let bank = json!({ "source_lang": "fr", "title": { "fr": "Banque" }, "questions": [
            question("a", "in", both.clone()), question("b", "in", json!({ "fr": "Vrai ?" })), question("c", "out", both)] });
        stage.server.put("/api/v1/admin/sites/fpsf/banks/rules").bearer(&stage.key).json(&bank).send().await.expect(201);
        let quiz = json!({ "key": "z", "title": { "fr": "Questions" }, "draw": [{ "bank": "rules", "tags": ["in"], "count": 1 }] });
        let course = json!({ "category": "rules", "difficulty": "beginner", "source_lang": "fr", "title": { "fr": "Cours", "en": "Course" },
            "modules": [{ "key": "m", "title": { "fr": "Module" }, "lessons": [{ "key": "l", "title": { "fr": "Une" }, "items": [
                { "key": "i", "kind": "content", "title": { "fr": "Lire" }, "body": { "fr": "Lire." }, "quizzes": [quiz] }] }] }] });
        publish(&stage, "small", &course).await;
        let languages = stage.server.get("/api/v1/sites/fpsf/languages").send().await.expect(200);
        let of = |lang: &str| {
            let all = languages["items"].as_array().unwrap();
            all.iter().find(|entry| entry["lang"] == lang).unwrap()["completeness"].clone()
        };
        // Eight texts: the course's, its module's, lesson's, item's (two), quiz's, and two questions. English: two.
        assert_eq!((of("fr"), of("en")), (json!(100), json!(25)), "{languages}");
    }
}
