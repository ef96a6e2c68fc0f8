//! A8: time is what devices report, and never more than has passed; positions lie within the film.

use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_shared::Timestamp;
use jalon_tests::{Stage, TestDb, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Learner, assert_replay_gives_the_rows};

const START: Timestamp = Timestamp(1_795_262_400_000);
const TOLERANCE: u64 = 600;
const DAY: u64 = 86_400;
const FILM: u64 = 90;

/// The rule once more, as a bucket that fills while time passes: what may still be reported.
#[derive(Clone, Copy)]
struct Bucket {
    left: u64,
    taken: u64,
    began: u64,
}

impl Bucket {
    fn new(now: u64) -> Self {
        Self { left: TOLERANCE, taken: 0, began: now }
    }

    fn pass(&mut self, seconds: u64) {
        self.left = (self.left + seconds).min(TOLERANCE + DAY);
    }

    fn take(&mut self, reported: u64) {
        let taken = reported.min(self.left);
        self.left -= taken;
        self.taken += taken;
    }
}

/// Devices' whims: the same for the same seed.
struct Whims(u64);

impl Whims {
    fn of(&mut self, choices: &[u64]) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        choices[usize::try_from(self.0 >> 33).unwrap() % choices.len()]
    }

    fn passed(&mut self) -> u64 {
        self.of(&[0, 0, 0, 1, 30, 700, 10_000, 100_000])
    }

    fn reported(&mut self) -> u64 {
        self.of(&[0, 5, 60, 599, 3000, 14_400, 14_400])
    }
}

fn track() -> Value {
    let question = json!({ "key": "q", "kind": "true_false", "prompt": { "fr": "Vrai ?" }, "right": true });
    json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "T" }, "summary": { "fr": "T" },
        "steps": [
            { "key": "film", "kind": "video", "required": false, "title": { "fr": "Film" }, "video": { "url": "https://media.example/a.mp4", "duration_seconds": FILM } },
            { "key": "check", "kind": "quiz", "required": false, "title": { "fr": "Q" }, "quiz": { "questions": [question] } },
            { "key": "end", "kind": "content", "required": true, "title": { "fr": "Fin" }, "body": { "fr": "Bravo." } } ] })
}

/// A device does something, and lies about the time it took.
async fn lie(learner: &Learner<'_>, whims: &mut Whims, seconds: u64) -> Value {
    match whims.of(&[0, 0, 1, 2]) {
        0 => {
            let body = json!({ "time_spent_seconds": seconds, "last_position": whims.of(&[0, 89, 90, 91, 86_400]) });
            learner.report(1, body).await.expect(200)
        }
        1 => {
            let quiz = learner.step(2).await.expect(200);
            let question = &quiz["quiz"]["questions"][0];
            let answer = json!({ "question_id": question["id"], "choice_ids": [question["choices"][0]["id"]] });
            learner.advance(2, json!({ "answers": [answer], "time_spent_seconds": seconds })).await.expect(200)["enrollment"].clone()
        }
        _ => learner.report(3, json!({ "time_spent_seconds": seconds })).await.expect(200),
    }
}

fn pass(clock: &Clock, now: &mut u64, seconds: u64, buckets: &mut [&mut Bucket]) {
    clock.advance(Duration::from_secs(seconds));
    *now += seconds;
    for bucket in buckets {
        bucket.pass(seconds);
    }
}

fn assert_counted(seen: &Value, bucket: Bucket, now: u64) {
    let spent = seen["time_spent_seconds"].as_u64().unwrap();
    assert!(spent <= now - bucket.began + TOLERANCE, "more than has passed: {spent}");
    assert_eq!(spent, bucket.taken);
}

for_both! {
    async fn a8_devices_that_lie_about_time_in_a_track(db: TestDb) {
        for seed in 1..4 {
            let (mut whims, mut now) = (Whims(seed), 0);
            let clock = Clock::fixed(START.plus_seconds(i64::try_from(seed).unwrap() * 100_000_000));
            let db = TestDb::new(db.backend()).await;
            let stage = Stage::set_with(&db, clock.clone(), |_| ()).await;
            stage.publish("first", &track()).await;
            let (_, guest) = stage.guest().await;
            let (_, other) = stage.guest().await;
            let (first, second) = (Learner::begin(&stage, &guest, "first").await, Learner::begin(&stage, &other, "first").await);
            let (mut one, mut two) = (Bucket::new(0), Bucket::new(0));
            for _ in 0..25 {
                let passed = whims.passed();
                pass(&clock, &mut now, passed, &mut [&mut one, &mut two]);
                let reported = whims.reported();
                let (learner, bucket) = if whims.of(&[0, 1]) == 0 { (&first, &mut one) } else { (&second, &mut two) };
                bucket.take(reported);
                let seen = lie(learner, &mut whims, reported).await;
                assert_counted(&seen, *bucket, now);
                let position = seen["steps"][0]["last_position"].as_u64();
                assert!(position.is_none_or(|position| position <= FILM), "{position:?}");
            }
            // M2: both become one member's. What was spent adds up, and nothing more may be reported than by either.
            for token in [&guest, &other] {
                let merge = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&stage.member("u-42")).key(Uuid::now_v7());
                merge.json(&json!({ "guest_token": token })).send().await.expect(200);
            }
            let spent = Learner::found(&stage, &stage.member("u-42"), first.id()).await.look().await["time_spent_seconds"].as_u64();
            assert_eq!(spent, Some(one.taken + two.taken), "M2");
            let (both, before) = (&mut Bucket { left: one.left.min(two.left), ..one }, two.taken);
            for _ in 0..10 {
                let passed = whims.passed();
                pass(&clock, &mut now, passed, &mut [both]);
                let reported = whims.reported();
                both.take(reported);
                let learner = Learner::found(&stage, &stage.member("u-42"), first.id()).await;
                let seen = lie(&learner, &mut whims, reported).await;
                assert_eq!(seen["time_spent_seconds"].as_u64(), Some(both.taken + before));
            }
            assert_eq!(assert_replay_gives_the_rows(&stage).await, 1, "V1");
            stage.server.stop().await;
        }
    }

    async fn a8_devices_that_lie_about_time_in_a_course(db: TestDb) {
        let (mut whims, mut now) = (Whims(7), 0);
        let clock = Clock::fixed(START);
        let stage = Stage::set_with(&db, clock.clone(), |_| ()).await;
        let mut course = crate::course::small();
        course["modules"][0]["lessons"][0]["items"][0] = json!({ "key": "film", "kind": "video", "title": { "fr": "Film" },
            "video": { "url": "https://media.example/a.mp4", "duration_seconds": FILM }, "quizzes": [{ "key": "quiz", "title": { "fr": "Q" },
                "questions": [{ "key": "q", "kind": "true_false", "prompt": { "fr": "Vrai ?" }, "right": true }] }] });
        crate::course::publish(&stage, "small", &course).await;
        let items = crate::course::items(&stage, "small").await;
        crate::course::Learner::with_token(&stage, &stage.member("u-1"), "small").await;
        let mut bucket = Bucket::new(0);
        for _ in 0..40 {
            let passed = whims.passed();
            pass(&clock, &mut now, passed, &mut [&mut bucket]);
            let reported = whims.reported();
            let member = crate::course::Learner::with_token(&stage, &stage.member("u-1"), "small").await;
            bucket.take(reported);
            let item = &items[0][0];
            let seen = if whims.of(&[0, 1]) == 0 {
                let body = json!({ "time_spent_seconds": reported, "last_position": whims.of(&[0, 91, 86_400]) });
                member.report(item, &body).await.expect(200)
            } else {
                let quiz = member.item(item).await.expect(200)["quizzes"][0].clone();
                let question = &quiz["questions"][0];
                let answer = json!({ "question_id": question["id"], "choice_ids": [question["choices"][0]["id"]] });
                let path = format!("{}/items/{item}/quizzes/{}/answers", member.path, quiz["quiz_id"].as_str().unwrap());
                let body = json!({ "attempt": quiz["attempt"], "answers": [answer], "time_spent_seconds": reported });
                stage.server.post(&path).bearer(&stage.member("u-1")).json(&body).send().await.expect(200)["enrollment"].clone()
            };
            assert_counted(&seen, bucket, now);
            let position = seen["items"][0]["last_position"].as_u64();
            assert!(position.is_none_or(|position| position <= FILM), "{position:?}");
        }
        assert_eq!(crate::course::Learner::with_token(&stage, &stage.member("u-1"), "small").await.enrollment().await["time_spent_seconds"].as_u64(), Some(bucket.taken));
    }
}
