//! A guest becomes a member (M1–M8).

use jalon_tests::{Answer, Stage, for_both, small_track};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Learner, announced, assert_replay_gives_the_rows};

async fn merge(stage: &Stage, member: &str, guest: &str) -> Answer {
    let path = "/api/v1/sites/fpsf/me/merge";
    stage.server.post(path).bearer(member).key(Uuid::now_v7()).json(&json!({ "guest_token": guest })).send().await
}

async fn mine(stage: &Stage, token: &str) -> Vec<Value> {
    let list = stage.server.get("/api/v1/sites/fpsf/me/enrollments").bearer(token).send().await.expect(200);
    list["items"].as_array().unwrap().clone()
}

for_both! {
    /// M1, M3, M5, M7: the guest's enrollment changes owner, once.
    async fn m1_the_guests_enrollment_changes_owner(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (guest_id, guest) = stage.guest().await;
        let learner = Learner::begin(&stage, &guest, "first").await;
        learner.advance(1, json!({ "time_spent_seconds": 7 })).await.expect(200);
        let member = stage.member("u-42");
        let receipt = merge(&stage, &member, &guest).await.expect(200);
        assert_eq!((receipt["guest_id"].as_str(), receipt["user_id"].as_str()), (Some(guest_id.as_str()), Some("u-42")));
        let track = &receipt["tracks"][0];
        assert_eq!((track["outcome"].as_str(), track["current_step_order"].as_u64(), &track["steps_from_guest"]), (Some("moved"), Some(1), &json!([1])), "M7");
        assert_eq!(merge(&stage, &member, &guest).await.expect(200), receipt, "M3: the same receipt again");
        let own = mine(&stage, &member).await;
        assert_eq!((own.len(), &own[0]["id"], own[0]["user_id"].as_str()), (1, &learner.enrollment["id"], Some("u-42")), "M1");
        assert_eq!(own[0]["time_spent_seconds"].as_u64(), Some(7));
        merge(&stage, &stage.member("u-43"), &guest).await.problem(409, "guest_already_merged");
        learner.advance(2, json!({})).await.problem(409, "guest_merged");
        let path = "/api/v1/sites/fpsf/tracks/first/enrollments";
        stage.server.post(path).bearer(&guest).json(&json!({})).send().await.problem(409, "guest_merged");
        stage.server.get("/api/v1/sites/fpsf/me/enrollments").bearer(&guest).send().await.problem(409, "guest_merged");
        assert_replay_gives_the_rows(&stage).await;
    }

    /// M2, M4, M7: both have one; per step nothing is lost.
    async fn m2_both_ways_become_one(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let member = stage.member("u-42");
        let own = Learner::begin(&stage, &member, "first").await;
        own.report(1, json!({ "time_spent_seconds": 10, "last_position": 50 })).await.expect(200);
        let (_, guest) = stage.guest().await;
        let theirs = Learner::begin(&stage, &guest, "first").await;
        theirs.advance(1, json!({ "time_spent_seconds": 5 })).await.expect(200);
        theirs.answer(false).await.expect(200);
        let receipt = merge(&stage, &member, &guest).await.expect(200);
        assert_eq!((receipt["tracks"][0]["outcome"].as_str(), &receipt["tracks"][0]["steps_from_guest"]), (Some("merged"), &json!([1, 2])));
        let after = own.look().await;
        assert_eq!((after["id"].as_str(), after["current_step_order"].as_u64()), (Some(own.id()), Some(1)), "M2");
        let step = &after["steps"][0];
        assert_eq!((step["time_spent_seconds"].as_u64(), step["last_position"].as_u64(), step["attempt_count"].as_u64()), (Some(15), Some(50), Some(1)));
        assert_eq!(after["steps"][1]["attempt_count"].as_u64(), Some(1));
        assert_eq!(mine(&stage, &member).await.len(), 1);
        stage.server.get(&format!("/api/v1/enrollments/{}", theirs.id())).bearer(&member).send().await.problem(404, "not_found");

        // A guest who is behind adds nothing but time: "kept".
        let (_, behind) = stage.guest().await;
        Learner::begin(&stage, &behind, "first").await.report(1, json!({ "time_spent_seconds": 1 })).await.expect(200);
        let receipt = merge(&stage, &member, &behind).await.expect(200);
        assert_eq!((receipt["tracks"][0]["outcome"].as_str(), receipt["tracks"][0]["current_step_order"].as_u64()), (Some("kept"), Some(1)), "M4");
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 1, "V1");
    }

    /// M2: what a device did before the merge took its enrollment to a newer version counts for the step that
    /// was meant, though another one has its order now.
    async fn m2_what_was_done_before_a_merge_counts_for_the_step_that_was_meant(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, guest) = stage.guest().await;
        let before = Learner::begin(&stage, &guest, "first").await;
        let meant = before.enrollment["steps"][0]["step_id"].as_str().unwrap().to_owned();
        let mut newer = small_track();
        let news = json!({ "key": "news", "kind": "content", "required": false, "title": { "fr": "Nouveau" }, "body": { "fr": "Nouveau" } });
        newer["steps"].as_array_mut().unwrap().insert(0, news);
        stage.publish("first", &newer).await;
        let member = stage.member("u-42");
        let own = Learner::begin(&stage, &member, "first").await;
        merge(&stage, &member, &guest).await.expect(200);

        let states = |enrollment: &Value| -> Vec<String> {
            enrollment["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap().to_owned()).collect()
        };
        let answer = own.advance_step(1, &meant).await.expect(200);
        assert_eq!(states(&answer["enrollment"])[..2], ["open", "completed"], "the step that was meant, at its new place");
        let path = format!("/api/v1/enrollments/{}/steps/1?step_id={meant}", own.id());
        let report = stage.server.patch(&path).bearer(&member).json(&json!({ "time_spent_seconds": 9 })).send().await.expect(200);
        assert_eq!((&report["steps"][0]["time_spent_seconds"], &report["steps"][1]["time_spent_seconds"]), (&json!(0), &json!(9)));

        let version = own.look().await["version"].clone();
        own.advance_step(1, &Uuid::now_v7().to_string()).await.problem(409, "step_gone");
        own.advance_step(1, "one").await.problem(422, "invalid_value");
        assert_eq!(own.look().await["version"], version, "nothing was written");
        let answer = own.advance(1, json!({})).await.expect(200);
        assert_eq!(states(&answer["enrollment"])[..2], ["completed", "completed"], "without an id the order decides");
        assert_replay_gives_the_rows(&stage).await;
    }

    /// M6: a finished guest is announced for the member too; a finished member hears nothing again.
    async fn m6_completion_by_merge_is_announced_once(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let finish = async |token: &str| {
            let learner = Learner::begin(&stage, token, "first").await;
            learner.advance(1, json!({})).await.expect(200);
            learner.answer(true).await.expect(200);
            learner.advance(4, json!({})).await.expect(200);
        };
        let (guest_id, guest) = stage.guest().await;
        finish(&guest).await;
        let member = stage.member("u-42");
        let receipt = merge(&stage, &member, &guest).await.expect(200);
        assert_eq!(receipt["tracks"][0]["completed_by_merge"], true);
        let said = announced(&stage).await;
        assert_eq!(said.len(), 2);
        assert_eq!((said[0]["data"]["guest_id"].as_str(), said[0]["data"]["merged_from_guest"].as_bool()), (Some(guest_id.as_str()), Some(false)));
        assert_eq!((said[1]["data"]["user_id"].as_str(), said[1]["data"]["merged_from_guest"].as_bool()), (Some("u-42"), Some(true)));
        assert_eq!(said[0]["data"]["completed_at"], said[1]["data"]["completed_at"], "the completion, not the merge, is told");

        let (_, another) = stage.guest().await;
        finish(&another).await;
        let receipt = merge(&stage, &member, &another).await.expect(200);
        assert_eq!(receipt["tracks"][0]["completed_by_merge"], false);
        assert_eq!(announced(&stage).await.len(), 3, "the other guest's own, and nothing more for the member");

        // Two halves make a whole: the union completes it.
        let (_, first_half) = stage.guest().await;
        let half = Learner::begin(&stage, &first_half, "first").await;
        half.advance(1, json!({})).await.expect(200);
        half.answer(true).await.expect(200);
        let member = stage.member("u-77");
        let own = Learner::begin(&stage, &member, "first").await;
        own.advance(1, json!({})).await.expect(200);
        merge(&stage, &member, &first_half).await.expect(200);
        own.advance(4, json!({})).await.expect(200);
        let said = announced(&stage).await;
        assert_eq!((said.len(), said[3]["data"]["user_id"].as_str()), (4, Some("u-77")));
        assert_replay_gives_the_rows(&stage).await;
    }

    /// M8: an advance racing a merge ends in one of the two serial orders.
    async fn m8_an_advance_racing_a_merge_is_not_lost(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        for round in 0..12 {
            let (_, guest) = stage.guest().await;
            let learner = Learner::begin(&stage, &guest, "first").await;
            let member = stage.member(&format!("racer-{round}"));
            if round % 2 == 0 {
                Learner::begin(&stage, &member, "first").await;
            }
            let (advanced, merged) = tokio::join!(learner.advance(1, json!({})), merge(&stage, &member, &guest));
            merged.expect(200);
            let after = mine(&stage, &member).await;
            assert_eq!(after.len(), 1);
            if advanced.status == 200 {
                assert_eq!(after[0]["current_step_order"].as_u64(), Some(1), "what was acknowledged came along");
            } else {
                advanced.problem(409, "guest_merged");
                assert_eq!(after[0]["current_step_order"].as_u64(), Some(0));
            }
        }
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 12);
    }

    /// M3, M5 under load: one guest shown by several members at once belongs to one of them.
    async fn m5_a_guest_belongs_to_one_member(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, guest) = stage.guest().await;
        Learner::begin(&stage, &guest, "first").await.advance(1, json!({})).await.expect(200);
        let members: Vec<String> = (0..6).map(|n| stage.member(&format!("m-{n}"))).collect();
        let answers = futures_util::future::join_all(members.iter().map(|member| merge(&stage, member, &guest))).await;
        let won = answers.iter().filter(|answer| answer.status.as_u16() == 200).count();
        assert_eq!(won, 1);
        for lost in answers.iter().filter(|answer| answer.status.as_u16() != 200) {
            lost.problem(409, "guest_already_merged");
        }
    }

    /// What is no guest's token of this site is refused, and a guest can't merge.
    async fn m1_only_a_guests_token_is_merged_by_a_member(db: TestDb) {
        let stage = Stage::set(&db).await;
        let (_, guest) = stage.guest().await;
        let member = stage.member("u-42");
        for bad in ["", "nonsense", member.as_str(), &format!("{guest}x")] {
            let refused = merge(&stage, &member, bad).await.problem(422, "invalid_value");
            assert_eq!(refused["errors"][0]["pointer"], "/guest_token");
        }
        let path = "/api/v1/sites/fpsf/me/merge";
        stage.server.post(path).bearer(&guest).json(&json!({ "guest_token": guest })).send().await.problem(403, "forbidden");
        stage.server.post(path).json(&json!({ "guest_token": guest })).send().await.problem(401, "unauthenticated");
        stage.site("other", &["https://other.example"]).await;
        let elsewhere = stage.member_of("other", json!({ "sub": "u-42" }));
        let refused = stage.server.post("/api/v1/sites/other/me/merge").bearer(&elsewhere).json(&json!({ "guest_token": guest })).send().await;
        refused.problem(422, "invalid_value");
    }

    /// M3, M8: guests of one member, merged at the same moment, come one after the other.
    async fn m8_two_guests_are_merged_at_the_same_moment(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let member = stage.member("u-42");
        let mut guests = Vec::new();
        for _ in 0..6 {
            let (_, guest) = stage.guest().await;
            Learner::begin(&stage, &guest, "first").await.advance(1, json!({ "time_spent_seconds": 1 })).await.expect(200);
            guests.push(guest);
        }
        let merges = guests.iter().map(|guest| merge(&stage, &member, guest));
        let receipts: Vec<Value> = futures_util::future::join_all(merges).await.iter().map(|answer| answer.expect(200)).collect();
        let moved = receipts.iter().filter(|receipt| receipt["tracks"][0]["outcome"] == "moved").count();
        assert_eq!(moved, 1, "{receipts:?}");
        let own = mine(&stage, &member).await;
        assert_eq!((own.len(), own[0]["time_spent_seconds"].as_u64()), (1, Some(6)));
        assert_replay_gives_the_rows(&stage).await;
    }

    /// M3, M8: guests of one member with several tracks each, begun in different orders, merged at the same
    /// moment: none waits for another for ever, and every merge is answered at once.
    async fn m8_guests_with_many_tracks_do_not_wait_for_each_other(db: TestDb) {
        const TRACKS: usize = 5;
        let stage = Stage::set(&db).await;
        for track in 0..TRACKS {
            stage.publish(&format!("track-{track}"), &small_track()).await;
        }
        for round in 0..6 {
            let member = stage.member(&format!("u-{round}"));
            let mut guests = Vec::new();
            for first in 0..TRACKS {
                let (_, guest) = stage.guest().await;
                for track in 0..TRACKS {
                    stage.enroll(&guest, &format!("track-{}", (first + track * 2) % TRACKS)).await;
                }
                guests.push(guest);
            }
            let merges = guests.iter().map(|guest| merge(&stage, &member, guest));
            for answer in futures_util::future::join_all(merges).await {
                answer.expect(200);
            }
            assert_eq!(mine(&stage, &member).await.len(), TRACKS);
        }
        assert_eq!(assert_replay_gives_the_rows(&stage).await, 6 * TRACKS);
    }

    /// M3: three versions meet in one enrollment; in which order does not matter.
    async fn m3_three_versions_in_any_order(db: TestDb) {
        let stage = Stage::set(&db).await;
        let step = |key: &str| json!({ "key": key, "kind": "content", "required": true, "title": { "fr": key }, "body": { "fr": key } });
        let track = |keys: &[&str]| {
            let steps: Vec<Value> = keys.iter().map(|key| step(key)).collect();
            json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "T" }, "summary": { "fr": "T" }, "steps": steps })
        };
        // What the three of them do completes the first version, and no other.
        let versions = [track(&["a", "b"]), track(&["b", "c", "d"]), track(&["c", "d", "e", "f"])];
        let mut ways = Vec::new();
        for version in &versions {
            stage.publish("first", version).await;
            for name in ["one", "other"] {
                let (_, guest) = stage.guest().await;
                let learner = Learner::begin(&stage, &guest, "first").await;
                learner.advance(1, json!({})).await.expect(200);
                ways.push((name, guest));
            }
        }
        let guests = |name: &str| ways.iter().filter(|way| way.0 == name).map(|way| way.1.clone()).collect::<Vec<_>>();
        for (name, order) in [("one", [2, 0, 1]), ("other", [2, 1, 0])] {
            let member = stage.member(name);
            for place in order {
                merge(&stage, &member, &guests(name)[place]).await.expect(200);
            }
            let own = mine(&stage, &member).await;
            assert_eq!((own.len(), &own[0]["track"]["version"]), (1, &json!(3)), "the highest is kept");
            assert!(own[0]["completed_at"].is_string(), "{order:?}: {}", own[0]);
        }
        assert_eq!(announced(&stage).await.len(), 2);
        assert_replay_gives_the_rows(&stage).await;
    }

    /// One key begins one enrollment, and each retry hears the first answer, even at the same moment.
    async fn one_key_at_the_same_moment_is_one_enrollment(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, guest) = stage.guest().await;
        for token in [guest, stage.member("u-42")] {
            let key = Uuid::now_v7();
            let path = "/api/v1/sites/fpsf/tracks/first/enrollments";
            let retries = (0..6).map(|_| stage.server.post(path).bearer(&token).key(key).json(&json!({})).send());
            let answers = futures_util::future::join_all(retries).await;
            let bodies: Vec<Value> = answers.iter().map(|answer| answer.expect(201)).collect();
            assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
            assert_eq!(answers.iter().filter(|answer| answer.header("idempotent-replay").is_empty()).count(), 1);
        }
    }

    /// A merge takes an idempotency key like every POST that changes learning.
    async fn a_merges_key_is_for_one_guest(db: TestDb) {
        let stage = Stage::set(&db).await;
        let ((_, one), (_, two)) = (stage.guest().await, stage.guest().await);
        let (member, key) = (stage.member("u-42"), Uuid::now_v7());
        let merge = async |guest: &str| {
            let body = json!({ "guest_token": guest });
            stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).key(key).json(&body).send().await
        };
        let first = merge(&one).await;
        let again = merge(&one).await;
        assert_eq!((again.expect(200), again.header("idempotent-replay")), (first.expect(200), "true"));
        merge(&two).await.problem(422, "idempotency_key_reused");
    }

    /// A guest token that no longer counts is a fault of the body: the member's own token is good.
    async fn a_revoked_guest_is_not_the_members_fault(db: TestDb) {
        let stage = Stage::set(&db).await;
        let (id, guest) = stage.guest().await;
        stage.server.post(&format!("/api/v1/admin/sites/fpsf/guests/{id}/revoke")).bearer(&stage.key).send().await.expect(204);
        let problem = merge(&stage, &stage.member("u-42"), &guest).await.problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["pointer"], "/guest_token");
    }
}
