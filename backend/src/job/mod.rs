//! Periodic jobs. Each holds a lease row while it runs, so that of several backends one runs it.

mod guest_expiry;
mod idempotency_expiry;
mod webhook_expiry;

use std::time::Duration;

use futures_util::future::BoxFuture;
use jalon_shared::Timestamp;

use crate::app::AppState;
use crate::db::{Db, DbError, Tx, execute, on};
use crate::stop::Stop;

/// How often the runner looks for jobs that are due.
const TICK: Duration = Duration::from_secs(30);
/// How long a run may take before another backend may think that we died, in seconds. Each job works
/// in short batches and asks between them whether to stop, so this is long.
const LEASE: i64 = 600;
/// Rows deleted in one transaction: keeps the writer free for learners.
const BATCH: i64 = 500;

/// Something to be done from time to time.
struct Job {
    /// The name of its lease row.
    name: &'static str,
    /// Seconds from one run to the next.
    every: i64,
    /// Does one batch; answers how many rows it touched. It is called until it answers 0.
    batch: for<'a, 't> fn(&'a mut Tx<'t>, Timestamp, Keep) -> BoxFuture<'a, Result<u64, DbError>>,
}

/// How long things are kept, where the operator says so.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Webhook deliveries, from their end.
    pub webhooks: Duration,
}

const JOBS: [Job; 3] = [
    Job { name: "guest_expiry", every: 3600, batch: |tx, now, _| Box::pin(guest_expiry::batch(tx, now)) },
    Job { name: "idempotency_expiry", every: 900, batch: |tx, now, _| Box::pin(idempotency_expiry::batch(tx, now)) },
    Job { name: "webhook_expiry", every: 3600, batch: |tx, now, keep| Box::pin(webhook_expiry::batch(tx, now, keep)) },
];

/// Runs the jobs until asked to stop. A failure is logged, and tried again at the next tick.
pub async fn run(app: AppState, stop: Stop) {
    let me = crate::id::new_v7(app.clock.now()).to_string();
    loop {
        let keep = Keep { webhooks: app.config.webhook_keep };
        if let Err(error) = tick(&app.db, &me, app.clock.now(), keep, &stop).await {
            tracing::warn!(%error, "a periodic job failed");
        }
        if !stop.sleep(TICK).await {
            return;
        }
    }
}

/// Runs each job that is due at `now` and that nobody else runs; answers their names.
pub async fn tick(db: &Db, me: &str, now: Timestamp, keep: Keep, stop: &Stop) -> Result<Vec<&'static str>, DbError> {
    let mut ran = Vec::new();
    for job in &JOBS {
        if stop.is_requested() {
            break;
        }
        if !claim(db, job, me, now).await? {
            continue;
        }
        let done = work(db, job, now, keep, stop).await;
        // Handed back whatever happened, so that the next try need not wait for the lease to end.
        release(db, job, me, done.is_ok().then_some(now)).await?;
        let rows = done?;
        if rows > 0 {
            tracing::info!(job = job.name, rows, "job done");
            db.scrub();
        }
        ran.push(job.name);
    }
    Ok(ran)
}

async fn work(db: &Db, job: &Job, now: Timestamp, keep: Keep, stop: &Stop) -> Result<u64, DbError> {
    let batch = job.batch;
    let mut rows = 0;
    while !stop.is_requested() {
        match db.write(move |tx| batch(tx, now, keep)).await? {
            0 => break,
            touched => rows += touched,
        }
    }
    Ok(rows)
}

/// Takes the lease when the job is due and free.
async fn claim(db: &Db, job: &Job, me: &str, now: Timestamp) -> Result<bool, DbError> {
    let (name, me, now, due) = (job.name, me.to_owned(), now.0, now.plus_seconds(-job.every).0);
    // Looking costs nobody a commit; most ticks end here.
    let waits: Option<bool> = db
        .read(move |tx| {
            Box::pin(async move {
                let text = "SELECT lease_until > $2 OR coalesce(last_run_at > $3, FALSE) FROM job WHERE name = $1";
                let row =
                    on!(tx, conn => sqlx::query_scalar(text).bind(name).bind(now).bind(due).fetch_optional(conn).await);
                Ok::<_, DbError>(row?)
            })
        })
        .await?;
    if waits == Some(true) {
        return Ok(false);
    }
    db.write(move |tx| {
        Box::pin(async move {
            let text = "INSERT INTO job (name, lease_until, lease_owner) VALUES ($1, $2, $3)
                ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until, lease_owner = excluded.lease_owner
                WHERE job.lease_until <= $4 AND (job.last_run_at IS NULL OR job.last_run_at <= $5)";
            let until = Timestamp(now).plus_seconds(LEASE).0;
            Ok(execute!(tx, sqlx::query(text).bind(name).bind(until).bind(&me).bind(now).bind(due))? == 1)
        })
    })
    .await
}

/// Hands the lease back; `ran_at` is when the run counts from, none when it failed.
async fn release(db: &Db, job: &Job, me: &str, ran_at: Option<Timestamp>) -> Result<(), DbError> {
    let (name, me, ran_at) = (job.name, me.to_owned(), ran_at.map(|at| at.0));
    db.write(move |tx| {
        Box::pin(async move {
            let text = "UPDATE job SET lease_until = 0, lease_owner = NULL, last_run_at = coalesce($3, last_run_at)
                WHERE name = $1 AND lease_owner = $2";
            execute!(tx, sqlx::query(text).bind(name).bind(&me).bind(ran_at)).map(drop)
        })
    })
    .await
}
