//! Periodic jobs. Each holds a lease row while it runs, so that of several backends one runs it.

mod guest_expiry;
mod idempotency_expiry;
mod webhook_expiry;

use std::time::Duration;

use futures_util::future::BoxFuture;
use jalon_shared::Timestamp;

use crate::app::AppState;
use crate::clock::{self, Clock};
use crate::db::{Db, DbError, Tx, execute, on};
use crate::stop::Stop;

/// How often the runner looks for jobs that are due, at least; more often where leases are shorter.
const TICK: Duration = Duration::from_secs(30);
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

/// How a run ended.
enum End {
    /// Nothing is left; so many rows were touched.
    Done(u64),
    /// The server stops: whoever comes next goes on.
    Stopped,
    /// Somebody else has the job by now.
    Lost,
}

/// Runs the jobs until asked to stop. A failure is logged, and tried again at the next tick.
pub async fn run(app: AppState, stop: Stop) {
    let me = crate::id::new_v7(app.clock.now()).to_string();
    let lease = app.config.lease;
    let keep = Keep { webhooks: app.config.webhook_keep };
    let worker = Worker { db: app.db.clone(), clock: app.clock.clone(), me, lease, keep };
    loop {
        if let Err(error) = worker.tick(&stop).await {
            tracing::warn!(%error, "a periodic job failed");
        }
        if !stop.sleep(TICK.min(lease / 2)).await {
            return;
        }
    }
}

/// Runs jobs. Any number of them may work on one database.
#[derive(Debug)]
pub struct Worker {
    /// The database.
    pub db: Db,
    /// The time, where the database's clock does not decide.
    pub clock: Clock,
    /// Whose leases are ours.
    pub me: String,
    /// How long a lease lasts from the last batch: what we ran when we died is run by others after it.
    pub lease: Duration,
    /// How long things are kept.
    pub keep: Keep,
}

impl Worker {
    /// Runs each job that is due and that nobody else runs; answers the names of those that it ran to their end.
    pub async fn tick(&self, stop: &Stop) -> Result<Vec<&'static str>, DbError> {
        let mut ran = Vec::new();
        for job in &JOBS {
            if stop.is_requested() {
                break;
            }
            let Some(now) = self.claim(job).await? else { continue };
            let end = self.work(job, now, stop).await;
            // Handed back whatever happened, so that the next try need not wait for the lease to end.
            self.release(job, matches!(end, Ok(End::Done(_))).then_some(now)).await?;
            match end? {
                End::Done(rows) => {
                    if rows > 0 {
                        tracing::info!(job = job.name, rows, "job done");
                        self.db.scrub();
                    }
                    ran.push(job.name);
                }
                End::Stopped => {}
                End::Lost => tracing::warn!(job = job.name, "another server took the job over"),
            }
        }
        Ok(ran)
    }

    /// One batch after the other.
    async fn work(&self, job: &Job, now: Timestamp, stop: &Stop) -> Result<End, DbError> {
        let mut rows = 0;
        while !stop.is_requested() {
            match self.step(job, now).await? {
                None => return Ok(End::Lost),
                Some(0) => return Ok(End::Done(rows)),
                Some(touched) => rows += touched,
            }
        }
        Ok(End::Stopped)
    }

    /// One batch, and the lease anew, in one transaction: while that is open nobody can take the job over,
    /// and who has lost it does nothing any more.
    async fn step(&self, job: &Job, now: Timestamp) -> Result<Option<u64>, DbError> {
        let (name, batch, keep, me) = (job.name, job.batch, self.keep, self.me.clone());
        let (time, lease) = (self.clock.for_leases(), self.lease);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let until = clock::after(tx.now(time).await?, lease).0;
                    let text = "UPDATE job SET lease_until = $3 WHERE name = $1 AND lease_owner = $2";
                    if execute!(tx, sqlx::query(text).bind(name).bind(&me).bind(until))? == 0 {
                        return Ok(None);
                    }
                    batch(tx, now, keep).await.map(Some)
                })
            })
            .await
    }

    /// Takes the lease when the job is due and free; answers when that was, by the clock that decides.
    async fn claim(&self, job: &Job) -> Result<Option<Timestamp>, DbError> {
        let (name, every, me, lease) = (job.name, job.every, self.me.clone(), self.lease);
        let time = self.clock.for_leases();
        // Looking costs nobody a commit; most ticks end here.
        let waits: Option<bool> = self
            .db
            .read(move |tx| {
                Box::pin(async move {
                    let now = tx.now(time).await?;
                    let due = now.plus_seconds(-every).0;
                    let text = "SELECT lease_until > $2 OR coalesce(last_run_at > $3, FALSE) FROM job WHERE name = $1";
                    let row = on!(tx, conn => sqlx::query_scalar(text).bind(name).bind(now.0).bind(due).fetch_optional(conn).await);
                    Ok::<_, DbError>(row?)
                })
            })
            .await?;
        if waits == Some(true) {
            return Ok(None);
        }
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let now = tx.now(time).await?;
                    let (until, due) = (clock::after(now, lease).0, now.plus_seconds(-every).0);
                    let text = "INSERT INTO job (name, lease_until, lease_owner) VALUES ($1, $2, $3)
                        ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until, lease_owner = excluded.lease_owner
                        WHERE job.lease_until <= $4 AND (job.last_run_at IS NULL OR job.last_run_at <= $5)";
                    let taken = execute!(tx, sqlx::query(text).bind(name).bind(until).bind(&me).bind(now.0).bind(due))?;
                    Ok((taken == 1).then_some(now))
                })
            })
            .await
    }

    /// Hands the lease back, if it is ours still; `ran_at` is when the run counts from, none when it failed.
    async fn release(&self, job: &Job, ran_at: Option<Timestamp>) -> Result<(), DbError> {
        let (name, me, ran_at) = (job.name, self.me.clone(), ran_at.map(|at| at.0));
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let text =
                        "UPDATE job SET lease_until = 0, lease_owner = NULL, last_run_at = coalesce($3, last_run_at)
                        WHERE name = $1 AND lease_owner = $2";
                    execute!(tx, sqlx::query(text).bind(name).bind(&me).bind(ran_at)).map(drop)
                })
            })
            .await
    }
}
