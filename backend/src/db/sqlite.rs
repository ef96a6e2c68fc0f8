//! SQLite: a pool of readers beside one writer that commits for everybody who waits.
//!
//! One writer, because SQLite has one: ten connections that fight for its lock had a tail of 650 ms
//! where one had 15. `BEGIN IMMEDIATE`, because a deferred transaction that becomes a write fails at
//! once, past any busy timeout. `synchronous = FULL`, because in WAL `NORMAL` does not sync a commit,
//! and an answer we gave could vanish with the power.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::migrate::{self, Dialect};
use super::{DbConfig, DbError, DbStats, Tx};

/// Writes that share a commit, at most: bounds what one failing commit costs, and how long the first waits.
const GROUP: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    options: SqliteConnectOptions,
    readers: SqlitePool,
    queue: mpsc::Sender<Command>,
    scrubs: mpsc::Sender<()>,
    counters: Arc<Counters>,
}

#[derive(Default, Debug)]
struct Counters {
    writes: AtomicU64,
    commits: AtomicU64,
}

enum Command {
    Write(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// How every connection of a server is opened.
pub(super) fn options(path: &Path, config: &DbConfig) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(config.patience)
        .statement_cache_capacity(256)
        // Rows that fit here come without a further hop between the two threads.
        .row_buffer_size(1024)
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

impl Sqlite {
    pub(super) async fn open(path: &Path, config: &DbConfig) -> Result<Self, DbError> {
        let options = options(path, config);
        // The writer keeps what it touches often; negative numbers are KiB, used only when needed.
        // What is deleted is overwritten, so that erasing erases.
        let writing = options
            .clone()
            .pragma("cache_size", "-65536")
            .pragma("wal_autocheckpoint", "4000")
            .pragma("secure_delete", "ON");
        // The writer comes first: it makes the file, and the WAL that readers need.
        let connection = writing.connect().await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(config.connections)
            .acquire_timeout(config.patience)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options.pragma("cache_size", "-16384").pragma("query_only", "ON"));
        let (queue, commands) = mpsc::channel(config.queue);
        let counters = Arc::<Counters>::default();
        let writer = Writer { options: writing.clone(), connection: Some(connection), counters: Arc::clone(&counters) };
        tokio::spawn(writer.run(commands));
        let (scrubs, wanted) = mpsc::channel(1);
        tokio::spawn(scrub(writing.clone(), wanted));
        Ok(Self { options: writing, readers, queue, scrubs, counters })
    }

    pub(super) async fn migrate(&self, more: &[migrate::Text]) -> Result<(), DbError> {
        let mut connection = self.options.connect().await?;
        let migrator = migrate::migrator(Dialect::Sqlite, i64::MAX, more);
        let done = migrate::run_sqlite(&migrator, &mut connection).await;
        connection.close().await?;
        done
    }

    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        let readers = self.readers.clone();
        let task = async move {
            let mut connection = readers.acquire().await.map_err(DbError::from)?;
            execute(&mut connection, "BEGIN").await?;
            let answer = std::panic::AssertUnwindSafe(async { work(&mut Tx::Sqlite(&mut connection)).await })
                .catch_unwind()
                .await;
            // Nothing was written; this only gives the snapshot up.
            execute(&mut connection, "ROLLBACK").await?;
            answer.unwrap_or_else(|_| Err(panicked().into()))
        };
        tokio::spawn(task).await.unwrap_or_else(|_| Err(panicked().into()))
    }

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Work { todo: Some(work), result: None, reply };
        self.queue.try_send(Command::Write(Box::new(job))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DbError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        // The writer answers always, except when the work panicked or the database was closed meanwhile.
        answer.await.unwrap_or_else(|_| Err(panicked().into()))
    }

    /// Asks for the write-ahead log to be emptied. One who asks while another waits is served with them.
    pub(super) fn scrub(&self) {
        self.scrubs.try_send(()).ok();
    }

    pub(super) fn stats(&self) -> DbStats {
        DbStats {
            waiting: self.queue.max_capacity() - self.queue.capacity(),
            writes: self.counters.writes.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
            refused: false,
        }
    }

    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.queue.send(Command::Close(reply)).await.is_ok() {
            // An error means that the writer has gone: closed too.
            done.await.ok();
        }
        self.readers.close().await;
    }
}

/// One write that waits. Erased, because a group mixes nouns.
trait Job: Send {
    /// Runs the work; whether to keep what it did.
    fn run<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> BoxFuture<'a, bool>;
    /// Tells the caller, once it is known whether the commit held.
    fn answer(self: Box<Self>, commit: Result<(), DbError>);
}

struct Work<F, T, E> {
    todo: Option<F>,
    /// `None` until it ran, and when it panicked.
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Work<F, T, E>
where
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
    F: for<'a, 't> FnOnce(&'a mut Tx<'t>) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
{
    fn run<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(work) = self.todo.take() else {
                return false;
            };
            self.result = std::panic::AssertUnwindSafe(async { work(tx).await }).catch_unwind().await.ok();
            matches!(self.result, Some(Ok(_)))
        })
    }

    fn answer(self: Box<Self>, commit: Result<(), DbError>) {
        let result = match commit {
            Ok(()) => self.result,
            // A refusal stays one: it wrote nothing, whatever became of the commit.
            Err(error) => Some(self.result.and_then(Result::err).map_or_else(|| Err(error.into()), Err)),
        };
        if let Some(result) = result {
            // The caller may have hung up; what was committed stays.
            self.reply.send(result).ok();
        }
    }
}

/// The one who writes.
struct Writer {
    options: SqliteConnectOptions,
    /// `None` after a failure that leaves its state in doubt: the next group opens another.
    connection: Option<SqliteConnection>,
    counters: Arc<Counters>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut commands = Vec::with_capacity(GROUP);
        let mut group = Vec::with_capacity(GROUP);
        while queue.recv_many(&mut commands, GROUP).await > 0 {
            let mut closing = None;
            for command in commands.drain(..) {
                match command {
                    Command::Write(job) => group.push(job),
                    Command::Close(reply) => closing = Some(reply),
                }
            }
            if let Err(error) = self.write(&mut group).await {
                // Who waits behind them would find the database as it is, one busy timeout after the other.
                while let Ok(command) = queue.try_recv() {
                    match command {
                        Command::Write(job) => job.answer(Err(error.clone())),
                        Command::Close(reply) => closing = Some(reply),
                    }
                }
            }
            if let Some(reply) = closing {
                queue.close();
                while let Some(Command::Write(job)) = queue.recv().await {
                    group.push(job);
                    // Each of them is told.
                    self.write(&mut group).await.ok();
                }
                self.disconnect().await;
                reply.send(()).ok();
                return;
            }
        }
        self.disconnect().await;
    }

    async fn write(&mut self, group: &mut Vec<Box<dyn Job>>) -> Result<(), DbError> {
        if group.is_empty() {
            return Ok(());
        }
        self.counters.writes.fetch_add(group.len() as u64, Ordering::Relaxed);
        let commit = self.commit(group).await.map_err(|error| match error {
            // SQLite ends the whole transaction by itself when the disk is full or can't be written, and
            // then knows no savepoint any more: nothing was written, and that is no mistake of ours.
            DbError::Other(cause) => DbError::Unavailable(cause.to_string()),
            error => error,
        });
        if let Err(error) = &commit {
            tracing::error!(%error, jobs = group.len(), "a group of writes was not committed");
            self.disconnect().await;
        }
        for job in group.drain(..) {
            job.answer(commit.clone());
        }
        commit
    }

    async fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), DbError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.options.connect().await?),
        };
        execute(connection, "BEGIN IMMEDIATE").await?;
        if let [job] = group {
            // Alone, it needs no savepoint: the transaction is its own.
            if !job.run(&mut Tx::Sqlite(connection)).await {
                return execute(connection, "ROLLBACK").await;
            }
        } else {
            for job in group {
                execute(connection, "SAVEPOINT job").await?;
                if !job.run(&mut Tx::Sqlite(connection)).await {
                    execute(connection, "ROLLBACK TO job").await?;
                }
                execute(connection, "RELEASE job").await?;
            }
        }
        execute(connection, "COMMIT").await?;
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Closing rolls back whatever is open.
    async fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the writing connection did not close cleanly");
        }
    }
}

/// Empties the write-ahead log whenever asked. Readers and the writer come first: it tries again until
/// there is a gap between them.
async fn scrub(options: SqliteConnectOptions, mut wanted: mpsc::Receiver<()>) {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(10);
    // Nobody waits longer than this because of us.
    let options = options.busy_timeout(Duration::from_millis(100));
    while wanted.recv().await.is_some() {
        let mut pause = FIRST;
        while !wanted.is_closed() {
            match truncate(&options).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "the write-ahead log was not emptied"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }
}

/// Whether the log is empty now.
async fn truncate(options: &SqliteConnectOptions) -> Result<bool, DbError> {
    let mut connection = options.connect().await?;
    // Most of the work without holding anybody up.
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await?;
    let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(busy == 0)
}

async fn execute(connection: &mut SqliteConnection, text: &'static str) -> Result<(), DbError> {
    sqlx::query(text).execute(connection).await?;
    Ok(())
}

fn panicked() -> DbError {
    DbError::other("the work panicked inside its transaction, or the database was closed under it")
}

fn closed() -> DbError {
    DbError::Unavailable("the database was closed".to_owned())
}
