//! Authors write while learners start: no statement of an author's waits for rows that refer to what is written.

use jalon_tests::{Backend, Stage, TestDb, run, small_track};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::course::{Learner, publish, small};

const ADMIN: &str = "/api/v1/admin/sites/fpsf";

/// What learners' transactions insert while they start and answer: rows that refer to a site, a course, a track, their
/// versions, an enrollment, an endpoint. Copies of those that are there, under other ids.
const OPEN: &str = "BEGIN;
    INSERT INTO enrollment SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'user_id', 'other'))).* FROM enrollment e;
    INSERT INTO course_enrollment SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'user_id', 'other'))).* FROM course_enrollment e;
    INSERT INTO item_progress SELECT site_id, id, id, id, '{}' FROM course_enrollment WHERE user_id <> 'other';
    INSERT INTO guest SELECT gen_random_uuid(), id, 1, 2 FROM site;
    INSERT INTO webhook_message SELECT gen_random_uuid(), id, 't', 'key', '{}', 1 FROM site;
    INSERT INTO webhook_delivery (id, site_id, message_id, endpoint_id, state, attempts, next_at, lease_until, created_at)
        SELECT gen_random_uuid(), e.site_id, m.id, e.id, 'pending', 0, 9223372036854775807, 0, 1 FROM webhook_endpoint e, webhook_message m";

/// A transaction of learners that stays open.
async fn learners(db: &TestDb) -> PgConnection {
    let mut connection = PgConnection::connect(&db.url()).await.unwrap();
    sqlx::raw_sql(OPEN).execute(&mut connection).await.unwrap();
    connection
}

async fn call(stage: &Stage, method: &str, path: &str, body: Option<&Value>) {
    let path = format!("{ADMIN}{path}");
    let request = stage.server.request(method.parse().unwrap(), &path).bearer(&stage.key);
    let request = if let Some(body) = body { request.json(body) } else { request };
    let answer = request.send().await;
    assert!(answer.status.is_success(), "{method} {path} beside learners: {} {}", answer.status, answer.text());
}

/// E1 of PostgreSQL's row locks: an author's statement that conflicts with `FOR KEY SHARE`, which every insert takes of
/// the rows it refers to, waits for all learners who start at that moment, and for those who start meanwhile.
#[test]
fn an_author_does_not_wait_for_learners_who_start() {
    run(Backend::Postgres, async |db| {
        // What waits is refused after a second.
        let stage = Stage::set_with(&db, jalon_backend::clock::Clock::system(), |config| {
            config.db.patience = std::time::Duration::from_secs(1);
        })
        .await;
        let lesson = |text: &str| {
            json!({ "source_lang": "fr", "title": { "fr": text }, "items": [
                { "key": "a", "kind": "content", "title": { "fr": "A" }, "body": { "fr": "A." } }] })
        };
        let hook = |path: &str| json!({ "url": format!("http://127.0.0.1:9/{path}"), "event_types": [] });
        call(&stage, "PUT", "/lessons/hello", Some(&lesson("Bonjour"))).await;
        let mut course = small();
        course["modules"][0]["lessons"][1] = json!({ "key": "hello", "shared": "hello" });
        publish(&stage, "small", &course).await;
        stage.publish("t", &small_track()).await;
        call(&stage, "POST", "/webhooks", Some(&hook("one"))).await;
        let learner = Learner::enroll(&stage, "u-1", "small").await;
        stage.enroll(&stage.member("u-1"), "t").await;
        let endpoint = stage.server.get(&format!("{ADMIN}/webhooks")).bearer(&stage.key).send().await.expect(200);
        let endpoint = endpoint["items"][0]["id"].clone();

        let crowd = learners(&db).await;
        let mut track = small_track();
        track["title"]["fr"] = json!("Autrement");
        call(&stage, "PUT", "/tracks/t", Some(&track)).await;
        call(&stage, "POST", "/tracks/t/publish", None).await;
        call(&stage, "PATCH", "/tracks/t", Some(&json!({ "cms_block_enabled": false }))).await;
        call(&stage, "POST", "/tracks/t/retire", None).await;
        course["title"]["fr"] = json!("Autrement");
        call(&stage, "PUT", "/courses/small", Some(&course)).await;
        call(&stage, "POST", "/courses/small/publish", None).await;
        let copy = json!({ "from": { "course": "small", "lesson": "one", "item": "read" }, "to": { "lesson": "one", "key": "twin" } });
        call(&stage, "POST", "/courses/small/copies", Some(&copy)).await;
        call(&stage, "PUT", "/lessons/hello", Some(&lesson("Bonsoir"))).await;
        call(&stage, "POST", "/courses/small/recalculation", Some(&json!({ "dry_run": false }))).await;
        call(&stage, "POST", "/courses/small/deprecate", None).await;
        call(&stage, "PATCH", "", Some(&json!({ "name": "Autrement" }))).await;
        call(&stage, "POST", "/webhooks", Some(&hook("two"))).await;
        let path = format!("/webhooks/{}", endpoint.as_str().unwrap());
        call(&stage, "PATCH", &path, Some(&json!({ "enabled": false }))).await;
        // Nor does one who learns wait for another's insert that refers to the same enrollment.
        learner.enrollment().await;
        crowd.close().await.unwrap();
        stage.server.stop().await;
    });
}
