//! All waiting commands of one kind, taken together: one statement for many learners.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::{Db, DbError, Tx};

/// Commands in one group, at most.
const GROUP: usize = 256;
/// Groups under way at once on PostgreSQL. One on SQLite, which has one writer: with two a group is half as
/// large and its commit as dear, which cost a third of the rate at 32 connections.
const LANES: usize = 4;
/// Commands that may wait in a lane before more are refused.
const QUEUE: usize = 4096;
/// How often a group that PostgreSQL asked to repeat is run in all.
const TRIES: usize = 3;

/// Runs one group inside one write. Answers a result for each command, in their order.
type Run<C, R> = dyn for<'a, 't> Fn(&'a mut Tx<'t>, Arc<[C]>) -> BoxFuture<'a, Result<Vec<R>, DbError>> + Send + Sync;

/// Gathers commands that wait and hands them as a group to one function inside one write.
///
/// While a group is under way the next one gathers. A refusal is a result like any other (make `R` a
/// `Result`); only a failing statement is an `Err`, and then the members run one by one, so that one
/// bad command harms nobody else.
#[derive(Debug)]
pub struct Gatherer<C, R> {
    lanes: Vec<mpsc::Sender<Waiting<C, R>>>,
}

impl<C, R> Clone for Gatherer<C, R> {
    fn clone(&self) -> Self {
        Self { lanes: self.lanes.clone() }
    }
}

type Waiting<C, R> = (C, oneshot::Sender<Result<R, DbError>>);

impl<C, R> Gatherer<C, R>
where
    C: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    /// Starts gathering for `run`. The tasks end when the last clone is dropped.
    pub fn new<F>(db: &Db, run: F) -> Self
    where
        F: for<'a, 't> Fn(&'a mut Tx<'t>, Arc<[C]>) -> BoxFuture<'a, Result<Vec<R>, DbError>> + Send + Sync + 'static,
    {
        let run: Arc<Run<C, R>> = Arc::new(run);
        let lanes = if db.is_sqlite() { 1 } else { LANES };
        let lanes = (0..lanes)
            .map(|_| {
                let (sender, receiver) = mpsc::channel(QUEUE);
                tokio::spawn(Lane { db: db.clone(), run: Arc::clone(&run), waiting: receiver }.drain());
                sender
            })
            .collect();
        Self { lanes }
    }

    /// Runs a command and waits for its result. Commands of one `key` (say, the learner) never run in
    /// two groups at once, and keep their order.
    pub async fn submit(&self, key: u64, command: C) -> Result<R, DbError> {
        let lane = usize::try_from(key % self.lanes.len() as u64).unwrap_or(0);
        let (reply, answer) = oneshot::channel();
        self.lanes[lane].try_send((command, reply)).map_err(|_| DbError::Overloaded)?;
        answer.await.unwrap_or_else(|_| Err(DbError::Unavailable("the server is stopping".to_owned())))
    }
}

struct Lane<C, R> {
    db: Db,
    run: Arc<Run<C, R>>,
    waiting: mpsc::Receiver<Waiting<C, R>>,
}

impl<C, R> Lane<C, R>
where
    C: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    async fn drain(mut self) {
        let mut group = Vec::with_capacity(GROUP);
        while self.waiting.recv_many(&mut group, GROUP).await > 0 {
            // Those who were answered together ask again together: let them arrive before we leave.
            tokio::task::yield_now().await;
            while group.len() < GROUP
                && let Ok(one) = self.waiting.try_recv()
            {
                group.push(one);
            }
            let (commands, replies): (Vec<C>, Vec<_>) = group.drain(..).unzip();
            self.answer(commands.into(), replies).await;
        }
    }

    async fn answer(&mut self, commands: Arc<[C]>, replies: Vec<oneshot::Sender<Result<R, DbError>>>) {
        match self.write(Arc::clone(&commands)).await {
            Ok(results) => {
                for (result, reply) in results.into_iter().zip(replies) {
                    // Who hung up needs no answer; what was committed stays.
                    reply.send(Ok(result)).ok();
                }
            }
            // Alone already, or no better one by one.
            Err(error) if commands.len() == 1 || error.is_transient() => {
                for reply in replies {
                    reply.send(Err(error.clone())).ok();
                }
                // Who waits behind them would find the database as it is, one patience after the other.
                if self.db.is_sqlite() || !matches!(error, DbError::Busy(_)) {
                    while let Ok((_, reply)) = self.waiting.try_recv() {
                        reply.send(Err(error.clone())).ok();
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, commands = commands.len(), "a group failed; its members run one by one");
                for (command, reply) in commands.iter().zip(replies) {
                    let result = self.write([command.clone()].into()).await;
                    reply.send(result.and_then(|mut results| results.pop().ok_or_else(missing))).ok();
                }
            }
        }
    }

    async fn write(&self, commands: Arc<[C]>) -> Result<Vec<R>, DbError> {
        let mut tries = 1;
        loop {
            let (run, group) = (Arc::clone(&self.run), Arc::clone(&commands));
            let answer = self
                .db
                .write(move |tx| {
                    Box::pin(async move {
                        let size = group.len();
                        let results = run(tx, group).await?;
                        if results.len() == size { Ok(results) } else { Err(missing()) }
                    })
                })
                .await;
            match answer {
                // SQLite has waited for its lock already; PostgreSQL may want a transaction to be repeated.
                Err(DbError::Busy(_)) if tries < TRIES && !self.db.is_sqlite() => tries += 1,
                answer => return answer,
            }
        }
    }
}

fn missing() -> DbError {
    DbError::other("a group did not answer each of its commands")
}
