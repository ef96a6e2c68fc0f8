//! What a list's cursor tells: nothing. Every list of the API's document that takes one is asked for its first page.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jalon_backend::http::router;
use jalon_tests::{Answer, Stage, TestServer, for_both, small_track};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::course::{Learner, items, own_work::submit, publish, small};
use crate::keep::contents::contents;

const ADMIN: &str = "/api/v1/admin/sites/fpsf";

/// A list with something in it, and who may read it.
struct List {
    /// As the document names it.
    template: &'static str,
    path: String,
    token: String,
}

async fn lists(stage: &Stage) -> Vec<List> {
    let put = async |path: &str, body: &Value| {
        let put = stage.server.put(&format!("{ADMIN}/{path}")).bearer(&stage.key).json(body).send().await;
        assert!(put.status.is_success(), "{path}: {}", put.text());
    };
    let hook = json!({ "url": "https://hooks.example/jalon", "event_types": [] });
    let hook = stage.server.post(&format!("{ADMIN}/webhooks")).bearer(&stage.key).json(&hook).send().await.expect(201);
    let member = stage.member_of(Stage::SITE, json!({ "sub": "u-1", "roles": ["site_admin"], "cohorts": ["north"] }));
    for slug in ["one", "two", "three"] {
        stage.publish(slug, &small_track()).await;
        publish(stage, slug, &small()).await;
        stage.enroll(&member, slug).await;
        let item = json!({ "key": "i", "kind": "content", "title": { "fr": "Lire" }, "body": { "fr": "Bonjour." } });
        put(&format!("lessons/{slug}"), &json!({ "source_lang": "fr", "title": { "fr": "Une" }, "items": [item] }))
            .await;
        let question =
            json!({ "key": "q", "kind": "true_false", "points": 1, "prompt": { "fr": "Vrai ?" }, "right": true });
        put(
            &format!("banks/{slug}"),
            &json!({ "source_lang": "fr", "title": { "fr": "Banque" }, "questions": [question] }),
        )
        .await;
        stage.site(&format!("site-{slug}"), &[]).await;
        Learner::with_token(stage, &member, slug).await;
    }
    let gate = items(stage, "one").await[0][0].clone();
    for user in ["u-2", "u-3", "u-4"] {
        let token = stage.member_of(Stage::SITE, json!({ "sub": user, "cohorts": ["north"] }));
        let way = Learner::with_token(stage, &token, "one").await;
        submit(&way, &gate).await;
        let said = stage.server.put(&format!("{}/evaluation", way.path)).bearer(&token);
        said.json(&json!({ "rating": 3 })).send().await.expect(200);
        // A track that is completed leaves a delivery.
        let track = crate::track::Learner::begin(stage, &token, "one").await;
        track.advance(1, json!({})).await.expect(200);
        track.answer(true).await.expect(200);
        track.advance(4, json!({})).await.expect(200);
    }
    let list = |template: &'static str, path: String, token: &str| List { template, path, token: token.to_owned() };
    let admin = |template: &'static str| {
        list(template, template.replace("{site}", "fpsf").replace("{course}", "one"), &stage.key)
    };
    vec![
        list("/api/v1/sites/{site}/tracks", "/api/v1/sites/fpsf/tracks".to_owned(), &member),
        list("/api/v1/sites/{site}/courses", "/api/v1/sites/fpsf/courses".to_owned(), &member),
        list("/api/v1/sites/{site}/me/enrollments", "/api/v1/sites/fpsf/me/enrollments".to_owned(), &member),
        list("/api/v1/sites/{site}/me/courses", "/api/v1/sites/fpsf/me/courses".to_owned(), &member),
        list(
            "/api/v1/sites/{site}/me/cohorts/{cohort}/learners",
            "/api/v1/sites/fpsf/me/cohorts/north/learners".to_owned(),
            &member,
        ),
        admin("/api/v1/admin/sites"),
        admin("/api/v1/admin/sites/{site}/tracks"),
        admin("/api/v1/admin/sites/{site}/courses"),
        admin("/api/v1/admin/sites/{site}/lessons"),
        admin("/api/v1/admin/sites/{site}/banks"),
        admin("/api/v1/admin/sites/{site}/events"),
        admin("/api/v1/admin/sites/{site}/open-answers"),
        admin("/api/v1/admin/sites/{site}/courses/{course}/evaluations"),
        list(
            "/api/v1/admin/sites/{site}/webhooks/{webhook}/deliveries",
            format!("{ADMIN}/webhooks/{}/deliveries", hook["id"].as_str().unwrap()),
            &stage.key,
        ),
    ]
}

async fn page(stage: &Stage, list: &List, cursor: &str) -> Answer {
    let path = if cursor.is_empty() {
        format!("{}?limit=1", list.path)
    } else {
        format!("{}?limit=1&cursor={cursor}", list.path)
    };
    stage.server.get(&path).bearer(&list.token).send().await
}

async fn batch(stage: &Stage, cursor: &Value) -> Answer {
    let path = format!("{ADMIN}/courses/one/recalculation");
    let body = json!({ "dry_run": true, "limit": 1, "cursor": cursor });
    stage.server.post(&path).bearer(&stage.key).json(&body).send().await
}

/// Everything by which rows are known: ids as bytes and as text, and the names of people and things.
async fn hidden(db: &jalon_tests::TestDb) -> Vec<Vec<u8>> {
    let mut all = BTreeSet::new();
    for row in contents(db).await.into_values().flatten() {
        for value in row.as_object().unwrap().values().filter_map(Value::as_str) {
            if let Ok(id) = value.parse::<Uuid>() {
                all.extend([id.as_bytes().to_vec(), id.to_string().into_bytes(), id.simple().to_string().into_bytes()]);
            } else if (3..=64).contains(&value.len()) {
                all.insert(value.as_bytes().to_vec());
            }
        }
    }
    all.into_iter().collect()
}

fn flipped(cursor: &str, place: usize) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap();
    bytes[place] ^= 1;
    URL_SAFE_NO_PAD.encode(bytes)
}

for_both! {
    async fn b13_no_cursor_tells_what_its_list_does_not(db: TestDb) {
        let stage = Stage::set(&db).await;
        let lists = lists(&stage).await;
        let document = serde_json::to_value(router::openapi()).unwrap();
        let documented: BTreeSet<&str> = document["paths"].as_object().unwrap().iter()
            .filter(|(_, item)| item["get"]["parameters"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "cursor")))
            .map(|(path, _)| path.as_str()).collect();
        assert_eq!(documented, lists.iter().map(|list| list.template).collect(), "every list has its line in this test");

        let hidden = hidden(&db).await;
        assert!(hidden.len() > 100);
        let (mut cursors, mut wrong) = (Vec::new(), Vec::new());
        for list in &lists {
            let first = page(&stage, list, "").await.expect(200);
            let cursor = first["next_cursor"].as_str().unwrap_or_else(|| panic!("{} has one page: {first}", list.path)).to_owned();
            let second = page(&stage, list, &cursor).await.expect(200);
            if second["items"][0] == first["items"][0] && !list.path.ends_with("evaluations") {
                wrong.push(format!("{}: the second page is the first", list.path));
            }
            cursors.push((list.path.clone(), cursor));
        }
        let first = batch(&stage, &Value::Null).await.expect(200);
        let of_batch = first["next_cursor"].as_str().unwrap().to_owned();
        batch(&stage, &json!(of_batch)).await.expect(200);
        cursors.push(("recalculation".to_owned(), of_batch.clone()));

        for (path, cursor) in &cursors {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap();
            let told = hidden.iter().filter(|one| bytes.windows(one.len()).any(|part| part == one.as_slice()));
            wrong.extend(told.map(|one| format!("{path}: its cursor holds {:?}", String::from_utf8_lossy(one))));
        }
        let refused = |answer: &Answer| answer.status == 400 && answer.json()["code"] == "invalid_cursor";
        for (list, (_, own)) in lists.iter().zip(&cursors) {
            for (path, cursor) in cursors.iter().filter(|(path, _)| *path != list.path) {
                if !refused(&page(&stage, list, cursor).await) {
                    wrong.push(format!("{} takes the cursor of {path}", list.path));
                }
            }
            for place in (0..URL_SAFE_NO_PAD.decode(own).unwrap().len()).step_by(5) {
                let answer = page(&stage, list, &flipped(own, place)).await;
                if !refused(&answer) {
                    wrong.push(format!("{} takes a cursor with another byte {place}: {}", list.path, answer.status));
                }
            }
            // The same list of another site.
            if list.template.contains("{site}") && list.token == stage.key && !list.template.contains("{webhook}") {
                let other = List { template: list.template, path: list.path.replace("fpsf", "site-one"), token: stage.key.clone() };
                if list.template.contains("{course}") {
                    let course = stage.server.put("/api/v1/admin/sites/site-one/courses/one").bearer(&stage.key).json(&small()).send().await;
                    assert!(course.status.is_success());
                }
                if !refused(&page(&stage, &other, own).await) {
                    wrong.push(format!("{} takes another site's cursor", other.path));
                }
            }
        }
        for place in 0..URL_SAFE_NO_PAD.decode(&of_batch).unwrap().len() {
            if !refused(&batch(&stage, &json!(flipped(&of_batch, place))).await) {
                wrong.push(format!("the recalculation takes a cursor with another byte {place}"));
            }
        }
        for (path, cursor) in cursors.iter().filter(|(path, _)| path != "recalculation") {
            if !refused(&batch(&stage, &json!(cursor)).await) {
                wrong.push(format!("the recalculation takes the cursor of {path}"));
            }
        }
        // As cursors were before they were encrypted, in which a browser may still hold one.
        let old = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Uuid::nil()).unwrap());
        for list in &lists {
            if !refused(&page(&stage, list, &old).await) {
                wrong.push(format!("{} takes a cursor that anybody can make", list.path));
            }
        }
        assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
        let key = stage.key.clone();
        stage.server.stop().await;

        // Another server of this database takes them; one of another does not.
        let again = TestServer::start(&db).await;
        let (path, cursor) = cursors.iter().find(|(path, _)| path.ends_with("/events")).unwrap();
        again.get(&format!("{path}?limit=1&cursor={cursor}")).bearer(&key).send().await.expect(200);
    }
}
