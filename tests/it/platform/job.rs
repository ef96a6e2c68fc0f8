//! Periodic jobs run once, whoever many servers there are, and clear up what nobody needs.

use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_backend::db::{Db, DbError, execute, on};
use jalon_backend::job::{Keep, Worker};
use jalon_backend::stop::{Stop, stop};
use jalon_shared::Timestamp;
use jalon_tests::for_both;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const DAY: i64 = 86_400;
const KEEP: Keep = Keep { webhooks: Duration::from_hours(24) };
const LEASE: Duration = Duration::from_mins(1);

/// What a server does when it looks for jobs at this time.
pub async fn tick(db: &Db, me: &str, now: Timestamp, keep: Keep, stop: &Stop) -> Result<Vec<&'static str>, DbError> {
    let clock = Clock::fixed(now);
    Worker { db: db.clone(), clock, me: me.to_owned(), lease: LEASE, keep }.tick(stop).await
}

async fn run(db: &Db, statements: &'static [&'static str]) {
    db.write(move |tx| {
        Box::pin(async move {
            for text in statements.iter().copied() {
                // The same parameters for all: an id, a time, and some bytes.
                let query = (Uuid::from_u128(1), NOW.0, vec![0_u8]);
                execute!(tx, sqlx::query(text).bind(query.0).bind(query.1).bind(query.2))?;
            }
            Ok::<_, DbError>(())
        })
    })
    .await
    .unwrap();
}

async fn count(db: &Db, text: &'static str) -> i64 {
    db.read(move |tx| {
        Box::pin(async move { Ok::<_, DbError>(on!(tx, conn => sqlx::query_scalar(text).fetch_one(conn).await)?) })
    })
    .await
    .unwrap()
}

const SITE: &str = "INSERT INTO site (id, slug, name, default_lang, languages, look, revision, created_at, updated_at)
    VALUES ($1, 'fpsf', 'FPSF', 'fr', '[]', '{}', 1, $2, $2)";

for_both! {
    async fn of_two_servers_one_runs_a_job(db: TestDb) {
        let (_stopper, stop) = stop();
        let second = db.reopen().await;
        let (one, two) = tokio::join!(tick(&db, "one", NOW, KEEP, &stop), tick(&second, "two", NOW, KEEP, &stop));
        let mut ran = [one.unwrap(), two.unwrap()].concat();
        ran.sort_unstable();
        assert_eq!(ran, ["guest_expiry", "idempotency_expiry", "webhook_expiry"]);

        assert!(tick(&second, "two", NOW.plus_seconds(60), KEEP, &stop).await.unwrap().is_empty(), "not due again yet");
        assert_eq!(tick(&second, "two", NOW.plus_seconds(1000), KEEP, &stop).await.unwrap(), ["idempotency_expiry"]);
    }

    async fn a_server_that_died_holds_its_job_back_until_the_lease_ends(db: TestDb) {
        let (_stopper, stop) = stop();
        run(&db, &["INSERT INTO job (name, lease_until, lease_owner) VALUES ('guest_expiry', $2 + 60000, 'dead')"]).await;
        assert_eq!(tick(&db, "one", NOW, KEEP, &stop).await.unwrap(), ["idempotency_expiry", "webhook_expiry"]);
        assert_eq!(tick(&db, "one", NOW.plus_seconds(61), KEEP, &stop).await.unwrap(), ["guest_expiry"]);
    }

    async fn answers_for_retries_are_forgotten_after_two_days(db: TestDb) {
        let (_stopper, stop) = stop();
        run(&db, &[
            SITE,
            "INSERT INTO idempotency (site_id, caller, key, fingerprint, status, response, created_at)
             VALUES ($1, 'old', $1, $3, 200, '{}', $2 - 172800001)",
            "INSERT INTO idempotency (site_id, caller, key, fingerprint, status, response, created_at)
             VALUES ($1, 'young', $1, $3, 200, '{}', $2 - 172800000)",
        ]).await;
        tick(&db, "one", NOW, KEEP, &stop).await.unwrap();
        assert_eq!(count(&db, "SELECT count(*) FROM idempotency").await, 1);
        assert_eq!(count(&db, "SELECT count(*) FROM idempotency WHERE caller = 'young'").await, 1);
    }

    /// E3, V1
    async fn e3_an_expired_guest_goes_with_everything_but_a_members_history(db: TestDb) {
        let (_stopper, stop) = stop();
        run(&db, &[
            SITE,
            "INSERT INTO track (id, site_id, slug, track_type, state, cms_block_enabled, latest_version, revision, created_at, updated_at)
             VALUES ($1, $1, 't', 'beginner_intro', 'draft', FALSE, 1, 1, $2, $2)",
            "INSERT INTO track_version (track_id, version, site_id, definition, created_at) VALUES ($1, 1, $1, '{}', $2)",
            "INSERT INTO guest (id, site_id, created_at, expires_at) VALUES ($1, $1, $2, $2 + 86400000)",
            "INSERT INTO enrollment (id, site_id, track_id, track_version, guest_id, current_step_order, version, started_at,
                time_spent_seconds, merged_from_guest, progress) VALUES ($1, $1, $1, 1, $1, 0, 1, $2, 0, FALSE, '[]')",
            "INSERT INTO event (id, site_id, subject_id, seq, type, guest_id, at, payload) VALUES ($1, $1, $1, 1, 'track.started', $1, $2, '{}')",
        ]).await;
        db.write(|tx| Box::pin(async move {
            let (site, merged) = (Uuid::from_u128(1), Uuid::from_u128(2));
            let guest = "INSERT INTO guest (id, site_id, created_at, expires_at, merged_into, merged_at) VALUES ($2, $1, $3, $3, 'u', $3)";
            execute!(tx, sqlx::query(guest).bind(site).bind(merged).bind(NOW.0))?;
            let event = "INSERT INTO event (id, site_id, subject_id, seq, type, guest_id, at, payload) VALUES ($2, $1, $2, 1, 'track.started', $2, $3, '{}')";
            execute!(tx, sqlx::query(event).bind(site).bind(merged).bind(NOW.0))?;
            Ok::<_, DbError>(())
        })).await.unwrap();

        tick(&db, "one", NOW, KEEP, &stop).await.unwrap();
        assert_eq!(count(&db, "SELECT count(*) FROM guest").await, 2, "neither has run out yet");
        tick(&db, "one", NOW.plus_seconds(2 * DAY), KEEP, &stop).await.unwrap();
        assert_eq!(count(&db, "SELECT count(*) FROM guest").await, 1, "by the merged one's row an erasure finds what it left");
        assert_eq!(count(&db, "SELECT count(*) FROM guest WHERE merged_into = 'u'").await, 1);
        assert_eq!(count(&db, "SELECT count(*) FROM enrollment").await, 0);
        assert_eq!(count(&db, "SELECT count(*) FROM event").await, 1, "the member's history stays");
    }

    async fn a_stopping_server_starts_no_job(db: TestDb) {
        let (stopper, stop) = stop();
        stopper.stop();
        assert!(tick(&db, "one", NOW, KEEP, &stop).await.unwrap().is_empty());
    }

    /// Promise 3: who was frozen for longer than a lease does no more of what somebody else has by now.
    async fn p3_a_server_that_lost_a_job_does_no_more_of_it(db: TestDb) {
        // After the first row is gone, the job is another server's.
        const SQLITE: [&str; 1] = ["CREATE TRIGGER steal AFTER DELETE ON idempotency
            BEGIN UPDATE job SET lease_owner = 'other', lease_until = 7 WHERE name = 'idempotency_expiry'; END"];
        const POSTGRES: [&str; 2] = ["CREATE FUNCTION steal() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN UPDATE job SET lease_owner = ''other'', lease_until = 7 WHERE name = ''idempotency_expiry''; RETURN NULL; END'",
            "CREATE TRIGGER steal AFTER DELETE ON idempotency FOR EACH ROW EXECUTE FUNCTION steal()"];
        let (_stopper, stop) = stop();
        run(&db, &[
            SITE,
            "INSERT INTO idempotency (site_id, caller, key, fingerprint, status, response, created_at)
             VALUES ($1, 'old', $1, $3, 200, '{}', $2 - 172800001)",
        ]).await;
        let triggers: &[&str] = if db.is_sqlite() { &SQLITE } else { &POSTGRES };
        db.write(move |tx| Box::pin(async move {
            for text in triggers.iter().copied() {
                execute!(tx, sqlx::query(text))?;
            }
            Ok::<_, DbError>(())
        })).await.unwrap();
        assert_eq!(tick(&db, "slow", NOW, KEEP, &stop).await.unwrap(), ["guest_expiry", "webhook_expiry"]);
        let others = "SELECT count(*) FROM job WHERE name = 'idempotency_expiry' AND lease_owner = 'other' AND lease_until = 7 AND last_run_at IS NULL";
        assert_eq!(count(&db, others).await, 1, "the other one's lease stands, and its run counts");
    }
}
