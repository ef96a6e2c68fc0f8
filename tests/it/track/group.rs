//! Commands that are decided in one group: none of them changes what another one is answered (D22).

use jalon_backend::{
    http::idempotency::Fingerprint,
    track::advance::{Advance, Advancer, What},
};
use jalon_shared::{
    EnrollmentId, GuestId, Lang, Learner as Caller, UserId,
    wire::enrollment::{AdvanceRequest, ReportRequest},
};
use jalon_tests::{Stage, for_both, small_track};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Learner, assert_replay_gives_the_rows};

/// What came of a command: how much time its step has then, for the first time or told again; or a problem's code.
#[derive(PartialEq, Debug)]
enum Came {
    Fresh(u64),
    Replay(u64),
    Refused(String),
}

fn fresh(seconds: u64) -> Came {
    Came::Fresh(seconds)
}

fn replay(seconds: u64) -> Came {
    Came::Replay(seconds)
}

fn refused(code: &str) -> Came {
    Came::Refused(code.to_owned())
}

/// A guest at work.
fn guest(id: &str) -> Caller {
    Caller::Guest(GuestId(id.parse().unwrap()))
}

/// Wants to make commands.
struct Maker<'s> {
    stage: &'s Stage,
    enrollment: EnrollmentId,
    caller: Caller,
}

impl<'s> Maker<'s> {
    fn of(stage: &'s Stage, enrollment: &Value, caller: Caller) -> Self {
        Self { stage, enrollment: EnrollmentId(enrollment["id"].as_str().unwrap().parse().unwrap()), caller }
    }

    /// A command under a key, with the fingerprint that its request would have.
    fn command(&self, key: Uuid, order: u16, what: What, address: &str) -> Advance {
        let site = self.stage.server.app().gate.sites.by_slug(Stage::SITE).unwrap();
        let (method, body) = match &what {
            What::Advance(body) => ("POST", serde_json::to_vec(body).unwrap()),
            What::Report(body) => ("PATCH", serde_json::to_vec(body).unwrap()),
        };
        Advance {
            site: site.id,
            site_slug: Stage::SITE.into(),
            learner: self.caller.clone(),
            enrollment: self.enrollment,
            order,
            step: None,
            what,
            lesson: None,
            key: Some((key, Fingerprint::of(method, &format!("/{}/{order}{address}", self.enrollment), &body))),
            wanted: vec![Lang::parse("fr").unwrap()],
        }
    }

    fn advance(&self, key: Uuid, order: u16, seconds: u32) -> Advance {
        let body = AdvanceRequest { time_spent_seconds: Some(seconds), ..AdvanceRequest::default() };
        self.command(key, order, What::Advance(body), "")
    }

    fn report(&self, key: Uuid, order: u16, seconds: u32) -> Advance {
        let body = ReportRequest { time_spent_seconds: Some(seconds), last_position: None };
        self.command(key, order, What::Report(body), "")
    }
}

/// Runs these commands as one group, in this order: nothing else has its turn before all of them wait.
async fn group(stage: &Stage, commands: Vec<Advance>) -> Vec<Came> {
    let app = stage.server.app().clone();
    let commits = app.db.stats().commits;
    let orders: Vec<u16> = commands.iter().map(|command| command.order).collect();
    let same = app.clone();
    let came = tokio::task::spawn_blocking(move || {
        // One thread: the group's task runs once every command has been handed over.
        let alone = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        alone.block_on(async {
            let advancer = Advancer::new(&same.db, &same.tracks.catalog, &same.courses.catalog, &same.clock);
            futures_util::future::join_all(commands.into_iter().map(|command| advancer.advance(command))).await
        })
    });
    let came = came.await.unwrap();
    assert_eq!(app.db.stats().commits - commits, 1, "one group");
    let come = |(order, came): (u16, Result<jalon_backend::track::advance::Done, _>)| match came {
        Ok(done) => {
            let body: Value = serde_json::from_slice(&done.body).unwrap();
            let enrollment = body.get("enrollment").unwrap_or(&body);
            let seconds = enrollment["steps"][usize::from(order) - 1]["time_spent_seconds"].as_u64().unwrap();
            if done.replay { replay(seconds) } else { fresh(seconds) }
        }
        Err(error) => refused(&jalon_backend::http::ApiError::problem(&error).code),
    };
    orders.into_iter().zip(came).map(come).collect()
}

for_both! {
    /// D22: the misuse of a key is refused, and those who use it as they did hear what they heard.
    async fn d22_the_misuse_of_a_key_harms_no_honest_retry_in_its_group(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (id, token) = stage.guest().await;
        let maker = Maker::of(&stage, &stage.enroll(&token, "first").await, guest(&id));
        let (key, other) = (Uuid::now_v7(), Uuid::now_v7());
        let reused = || refused("idempotency_key_reused");
        // Not done yet: the first one is, the others are measured by it.
        let came = group(&stage, vec![
            maker.advance(key, 1, 7), maker.advance(key, 1, 8), maker.advance(key, 1, 7), maker.report(key, 1, 7), maker.advance(key, 1, 7),
        ]).await;
        assert_eq!(came, [fresh(7), reused(), replay(7), reused(), replay(7)]);
        // Done before, by a group that is gone; the misuse comes first.
        let came = group(&stage, vec![
            maker.advance(key, 1, 8), maker.advance(key, 1, 7), maker.report(other, 1, 1), maker.advance(key, 2, 7), maker.advance(key, 1, 7),
        ]).await;
        assert_eq!(came, [reused(), replay(7), fresh(8), reused(), replay(7)]);
        let came = group(&stage, vec![maker.advance(key, 1, 7), maker.advance(key, 1, 8), maker.advance(key, 1, 7)]).await;
        assert_eq!(came, [replay(7), reused(), replay(7)]);
        assert_replay_gives_the_rows(&stage).await;
    }

    /// D22: what is refused is not remembered: under its key another thing may be done, or the same one later.
    async fn d22_a_refusal_decides_nothing_for_the_next_under_its_key(db: TestDb) {
        let stage = Stage::set(&db).await;
        let mut track = small_track();
        track["steps"].as_array_mut().unwrap().remove(1);
        stage.publish("first", &track).await;
        let (id, token) = stage.guest().await;
        let maker = Maker::of(&stage, &stage.enroll(&token, "first").await, guest(&id));
        let (key, other) = (Uuid::now_v7(), Uuid::now_v7());
        // Step 3 waits for step 1, which is done in between.
        let came = group(&stage, vec![
            maker.advance(key, 3, 4), maker.advance(key, 3, 4), maker.advance(other, 1, 5), maker.advance(key, 3, 4), maker.advance(key, 3, 5), maker.advance(key, 3, 4),
        ]).await;
        let locked = || refused("step_out_of_order");
        assert_eq!(came, [locked(), locked(), fresh(5), fresh(4), refused("idempotency_key_reused"), replay(4)]);
        // Something else under a key whose first use was refused.
        let key = Uuid::now_v7();
        let came = group(&stage, vec![maker.advance(key, 9, 1), maker.report(key, 1, 1), maker.advance(key, 9, 1)]).await;
        assert_eq!(came, [refused("not_found"), fresh(6), refused("idempotency_key_reused")]);
        assert_replay_gives_the_rows(&stage).await;
    }

    /// D22: a key is its caller's own, and so is an enrollment, also beside others in the group.
    async fn d22_a_stranger_under_the_same_key_harms_nobody_in_the_group(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (id, token) = stage.guest().await;
        let (stranger, _) = stage.guest().await;
        let (revoked, _) = stage.guest().await;
        let revoke = format!("/api/v1/admin/sites/fpsf/guests/{revoked}/revoke");
        stage.server.post(&revoke).bearer(&stage.key).send().await.expect(204);
        let enrollment = stage.enroll(&token, "first").await;
        let own = Maker::of(&stage, &enrollment, guest(&id));
        let theirs = Maker::of(&stage, &enrollment, guest(&stranger));
        let gone = Maker::of(&stage, &enrollment, guest(&revoked));
        let key = Uuid::now_v7();
        let came = group(&stage, vec![
            theirs.advance(key, 1, 7), gone.advance(key, 1, 7), own.advance(key, 1, 7), theirs.advance(key, 1, 7), own.advance(key, 1, 7), gone.report(key, 1, 1),
        ]).await;
        let (no, out) = (|| refused("not_found"), || refused("token_revoked"));
        assert_eq!(came, [no(), out(), fresh(7), no(), replay(7), out()]);
        assert_replay_gives_the_rows(&stage).await;
    }

    /// D22, M5: a guest who was merged in between is refused, and the member who has the enrollment now is not.
    async fn d22_a_guest_merged_in_between_harms_no_one_in_the_group(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (id, token) = stage.guest().await;
        let enrollment = stage.enroll(&token, "first").await;
        let member = stage.member("u-42");
        let merge = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).key(Uuid::now_v7());
        merge.json(&json!({ "guest_token": token })).send().await.expect(200);
        let before = Maker::of(&stage, &enrollment, guest(&id));
        let now = Maker::of(&stage, &enrollment, Caller::User(UserId::parse("u-42").unwrap()));
        let key = Uuid::now_v7();
        let came = group(&stage, vec![
            before.advance(key, 1, 7), now.advance(key, 1, 7), before.report(key, 1, 7), now.advance(key, 1, 7), now.report(key, 1, 7),
        ]).await;
        let merged = || refused("guest_merged");
        assert_eq!(came, [merged(), fresh(7), merged(), replay(7), refused("idempotency_key_reused")]);
        assert_replay_gives_the_rows(&stage).await;
    }

    /// D22: `step_id` is part of what is asked, the language of the answer is not.
    async fn d22_a_key_is_for_one_step_in_any_language(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        let step = |place: usize| learner.enrollment["steps"][place]["step_id"].as_str().unwrap().to_owned();
        let (first, second) = (step(0), step(1));
        let key = Uuid::now_v7();
        let path = format!("/api/v1/enrollments/{}/steps/1", learner.id());
        let post = async |rest: &str, key: Uuid| {
            stage.server.post(&format!("{path}{rest}")).bearer(&token).key(key).json(&json!({})).send().await
        };
        let done = post(&format!("/advance?step_id={first}"), key).await;
        assert_eq!(done.header("idempotent-replay"), "");
        for again in ["", "&lang=en", "&lang=fr%2Cen"] {
            let replay = post(&format!("/advance?step_id={first}{again}"), key).await;
            assert_eq!((replay.header("idempotent-replay"), replay.expect(200)), ("true", done.expect(200)), "{again}");
        }
        let replay = post(&format!("/advance?lang=en&step_id={first}"), key).await;
        assert_eq!(replay.header("idempotent-replay"), "true", "in whatever order");
        for other in [format!("/advance?step_id={second}"), "/advance".to_owned(), format!("/advance?step_id={first}&step=2")] {
            post(&other, key).await.problem(422, "idempotency_key_reused");
        }
        let patch = stage.server.patch(&format!("{path}?step_id={first}")).bearer(&token).key(key).json(&json!({}));
        patch.send().await.problem(422, "idempotency_key_reused");
        // The other way round: first without, then with it; and reports alike.
        let key = Uuid::now_v7();
        post("/advance", key).await.expect(200);
        post(&format!("/advance?step_id={first}"), key).await.problem(422, "idempotency_key_reused");
        let key = Uuid::now_v7();
        let report = async |step: &str| {
            stage.server.patch(&format!("{path}?step_id={step}")).bearer(&token).key(key).json(&json!({ "time_spent_seconds": 1 })).send().await
        };
        report(&first).await.expect(200);
        report(&second).await.problem(422, "idempotency_key_reused");
        assert_eq!(report(&first).await.header("idempotent-replay"), "true");
    }

    /// D22: what a server remembered that did not look at the query yet is answered again by one that does.
    async fn d22_a_key_remembered_before_an_upgrade_is_known_after_it(db: TestDb) {
        use jalon_backend::db::{DbError, execute};
        use sha2::Digest;
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        let learner = Learner::begin(&stage, &token, "first").await;
        let step = learner.enrollment["steps"][0]["step_id"].as_str().unwrap();
        let (key, path) = (Uuid::now_v7(), format!("/api/v1/enrollments/{}/steps/1/advance", learner.id()));
        let post = async |query: &str, body: Value| {
            stage.server.post(&format!("{path}{query}")).bearer(&token).key(key).json(&body).send().await
        };
        post(&format!("?step_id={step}"), json!({})).await.expect(200);
        // As it was made then: of method, path and body.
        let mut text = Vec::new();
        for part in [b"POST".as_slice(), path.as_bytes(), b"{}"] {
            text.extend((part.len() as u64).to_be_bytes());
            text.extend(part);
        }
        let hash = sha2::Sha256::digest(&text).to_vec();
        db.write::<_, DbError, _>(move |tx| {
            let hash = hash.clone();
            Box::pin(async move {
                let sql = "UPDATE idempotency SET fingerprint = $1 WHERE key = $2";
                assert_eq!(execute!(tx, sqlx::query(sql).bind(hash).bind(key))?, 1);
                Ok(())
            })
        }).await.unwrap();
        let replay = post(&format!("?step_id={step}"), json!({})).await;
        assert_eq!((replay.status.as_u16(), replay.header("idempotent-replay")), (200, "true"));
        post(&format!("?step_id={step}"), json!({ "time_spent_seconds": 1 })).await.problem(422, "idempotency_key_reused");
    }
}
