//! A quiz whose questions stand in a GIFT file, taken over HTTP.

use jalon_backend::folder::import::{self as folder, Source};
use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};

use super::Learner;

const TRACK: &str = "track_type: beginner_intro
source_lang: fr
cms_block_enabled: true
title: { fr: Un }
steps:
  - key: check
    kind: quiz
    pass_mark: 100
    title: { fr: Contrôle }
    quiz:
      questions: { gift: check.gift }
";

for_both! {
    async fn gift_a_quiz_of_a_question_file_is_taken(db: TestDb) {
        let stage = Stage::set(&db).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gift.yaml");
        std::fs::write(&file, TRACK).unwrap();
        let gift = "::un::Combien ? {=Trois # Oui.\n~Deux}\n\n::deux::Mètres ?{#6..10}\n";
        std::fs::write(folder.path().join("check.gift"), gift).unwrap();
        let read = folder::read(&file, None).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert!(read[0].warnings.is_empty());
        let Source::Track(_, source) = &read[0].source else { panic!("{read:?}") };
        stage.publish("gift", &serde_json::to_value(source).unwrap()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "gift").await;
        let quiz = learner.step(1).await.expect(200);
        let questions = &quiz["quiz"]["questions"];
        let choices = questions[0]["choices"].as_array().unwrap();
        let right = choices.iter().find(|choice| choice["text"]["value"] == "Trois").unwrap();
        let answers = |number: Value| json!({ "answers": [
            { "question_id": questions[0]["id"], "choice_ids": [right["id"]] },
            { "question_id": questions[1]["id"], "number": number },
        ]});
        let half = learner.advance(1, answers(json!(10.5))).await.expect(200);
        assert_eq!((half["result"]["passed"].as_bool(), half["result"]["score"].as_u64()), (Some(false), Some(50)));
        let full = learner.advance(1, answers(json!(6))).await.expect(200);
        assert_eq!((full["result"]["passed"].as_bool(), full["result"]["score"].as_u64()), (Some(true), Some(100)));
    }
}

/// A fault in the question file is told at its own line and the track's own field.
#[test]
fn gift_a_fault_names_the_question_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gift.yaml");
    std::fs::write(&file, TRACK).unwrap();
    let faults = folder::read(&file, None).unwrap_err();
    assert_eq!((faults[0].line, faults[0].pointer.as_str()), (Some(11), "/steps/0/quiz/questions"));
    std::fs::write(folder.path().join("check.gift"), "Un ?{T}\n\nDeux ?{=[markdown][x](javascript\\:a)\n~b}\n")
        .unwrap();
    let faults = folder::read(&file, None).unwrap_err();
    assert!(faults[0].file.ends_with("check.gift"), "{faults:?}");
    assert_eq!((faults[0].line, faults[0].pointer.as_str()), (Some(3), "/steps/0/quiz/questions/1/choices/0/text/fr"));
    std::fs::write(folder.path().join("check.gift"), "Un ?{T}\n\nDeux ?{=a").unwrap();
    let faults = folder::read(&file, None).unwrap_err();
    assert_eq!((faults[0].line, faults[0].pointer.as_str()), (Some(3), "/steps/0/quiz/questions/1"));
}
