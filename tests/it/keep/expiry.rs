//! What runs out goes whole, in short batches, and nothing else goes.

use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_backend::db::{Db, DbError, execute};
use jalon_backend::job::Keep;
use jalon_backend::stop::stop;
use jalon_shared::Timestamp;
use jalon_tests::{Stage, for_both, small_track};
use serde_json::json;
use uuid::Uuid;

use super::{
    contents::contents,
    erasure::{lesson_track, open_lesson},
    rows,
};
use crate::platform::job::tick;
use crate::track::{Learner, assert_replay_gives_the_rows};

const THEN: Timestamp = Timestamp(1_795_262_400_000);
const DAY: u64 = 86_400;
const KEEP: Keep = Keep { webhooks: Duration::from_hours(90 * 24) };

async fn traces(db: &Db, ids: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (table, all) in contents(db).await {
        for row in all {
            let text = row.to_string();
            for id in ids {
                if text.contains(*id) || text.contains(&id.replace('-', "")) {
                    found.push(table.clone());
                }
            }
        }
    }
    found.dedup();
    found
}

for_both! {
    /// E3
    async fn p8_a_guest_who_ran_out_is_nowhere_and_yesterdays_is_untouched(db: TestDb) {
        let clock = Clock::fixed(THEN);
        let stage = Stage::set_with(&db, clock.clone(), |config| config.guest_ttl = Duration::from_hours(30 * 24)).await;
        stage.publish("first", &small_track()).await;
        let hook = json!({ "url": "http://127.0.0.1:9/hook", "event_types": [] });
        stage.server.post("/api/v1/admin/sites/fpsf/webhooks").bearer(&stage.key).json(&hook).send().await.expect(201);
        let finish = async |token: &str| {
            let learner = Learner::begin(&stage, token, "first").await;
            learner.advance(1, json!({})).await.expect(200);
            learner.answer(true).await.expect(200);
            learner.advance(4, json!({})).await.expect(200);
            learner.id().to_owned()
        };
        let (old, old_token) = stage.guest().await;
        let old_enrollment = finish(&old_token).await;
        // And a course, which is one lesson of a track.
        let mut course = crate::course::small();
        course["modules"][0]["lessons"].as_array_mut().unwrap().remove(0);
        crate::course::publish(&stage, "small", &course).await;
        stage.publish("way", &lesson_track("two")).await;
        let (_, in_course) = open_lesson(&stage, &old_token).await;
        in_course.visit(&crate::course::items(&stage, "small").await[0][0]).await.expect(200);
        let old_course = in_course.id();
        assert!(in_course.enrollment().await["completed_at"].is_string());
        let (merged, merged_token) = stage.guest().await;
        finish(&merged_token).await;
        let member = stage.member("u-42");
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&json!({ "guest_token": merged_token })).send().await.expect(200);

        clock.advance(Duration::from_secs(20 * DAY));
        let (young, young_token) = stage.guest().await;
        let young_enrollment = finish(&young_token).await;
        clock.advance(Duration::from_secs(11 * DAY));
        let now = clock.now();
        let left = traces(&db, &[&old, &old_enrollment, old_course]).await;
        assert!(["course_enrollment", "item_progress", "webhook_message"].iter().all(|table| left.iter().any(|it| it == table)), "{left:?}");

        let (_stopper, stop) = stop();
        tick(&db, "job", now, KEEP, &stop).await.unwrap();
        assert_eq!(traces(&db, &[&old, &old_enrollment, old_course]).await, Vec::<String>::new(), "in no table");
        let kept = traces(&db, &[&young, &young_enrollment]).await;
        for table in ["enrollment", "event", "guest", "webhook_message"] {
            assert!(kept.iter().any(|it| it == table), "{table} lost something of a guest who is not due");
        }
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 2, "V1: the young guest's and the member's");
        let enrollments = "/api/v1/sites/fpsf/me/enrollments";
        let left = async |token: &str| stage.server.get(enrollments).bearer(token).send().await.expect(200)["items"].as_array().unwrap().len();
        assert_eq!((left(&young_token).await, left(&stage.member("u-42")).await), (1, 1));
        assert!(!traces(&db, &[&merged]).await.is_empty(), "the member's, whom a later erasure finds it by");
        // Answers kept for retries are forgotten: all but those of the last two days.
        let recent = rows::<(i64,)>(&db, "SELECT count(*) FROM idempotency").await;
        assert_eq!(recent, [(0,)], "the youngest is eleven days old");
    }

    /// Learners write between the batches.
    async fn p8_expiry_works_in_short_batches(db: TestDb) {
        let stage = Stage::set_with(&db, Clock::fixed(THEN), |_| ()).await;
        stage.server.stop().await;
        let site = rows::<(Uuid,)>(&db, "SELECT id FROM site").await[0].0;
        // A hundred at a time: on a busy machine more would be longer than a write may take.
        for hundred in 0..13_i64 {
            db.write(move |tx| Box::pin(async move {
                let guest = "INSERT INTO guest (id, site_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
                let answer = "INSERT INTO idempotency (site_id, caller, key, fingerprint, status, response, created_at)
                    VALUES ($2, 'anonymous', $1, $1, 201, '', $3)";
                let answer = if tx.pick("s", "p") == "p" { answer.replace("$1, 201", "uuid_send($1), 201") } else { answer.to_owned() };
                for number in hundred * 100..(hundred + 1) * 100 {
                    execute!(tx, sqlx::query(guest).bind(Uuid::now_v7()).bind(site).bind(THEN.0).bind(THEN.0 + number))?;
                    execute!(tx, sqlx::query(sqlx::AssertSqlSafe(answer.as_str())).bind(Uuid::now_v7()).bind(site).bind(THEN.0))?;
                }
                Ok::<_, DbError>(())
            })).await.unwrap();
        }
        let before = db.stats().commits;
        let (_stopper, stop) = stop();
        tick(&db, "job", THEN.plus_seconds(365 * 86_400), KEEP, &stop).await.unwrap();
        let commits = db.stats().commits - before;
        assert_eq!(rows::<(i64, i64)>(&db, "SELECT (SELECT count(*) FROM guest), (SELECT count(*) FROM idempotency)").await, [(0, 0)]);
        // Of 500 each: three and one that finds nothing, for either; and taking and handing back two leases.
        assert!(commits >= 10, "{commits} commits for 2,600 rows");
    }
}
