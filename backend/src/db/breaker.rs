//! A breaker for writes that PostgreSQL does not acknowledge.
//!
//! A commit that waits for a synchronous standby which is lost is ended by no time limit of PostgreSQL's, and a
//! connection that was given up in it stays occupied on the server. So as many as may write at once may be given up,
//! and no more: the permit of a write that was given up is kept. After a few of them writes are refused at once. One
//! connection meanwhile waits for a commit of its own; when that is acknowledged, writes go on.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::DbError;

/// Given up one after the other, with no commit of the probe between: then writes are refused.
const FEW: usize = 3;
/// How long to wait before another probe, after one that could not be sent.
const PAUSE: Duration = Duration::from_millis(500);

/// In which line a write waits for its permit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// With all others.
    Learners,
    /// With those of authors and administrators, who are few.
    Staff,
}

/// Who may write, and whether writes are acknowledged.
#[derive(Debug)]
pub(super) struct Breaker {
    permits: Arc<Semaphore>,
    /// For the line of the staff: one more connection.
    staff: Arc<Semaphore>,
    /// At how many writes given up it opens.
    opens_at: usize,
    /// Writes that were given up since the last commit of the probe: of learners, and of staff.
    given_up: watch::Sender<[usize; 2]>,
    options: PgConnectOptions,
    limit: Duration,
}

impl Breaker {
    /// For a pool of so many connections, of which some are for reads only. After `limit` a write is given up.
    pub(super) fn new(options: PgConnectOptions, connections: u32, limit: Duration) -> Arc<Self> {
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        let readers = (connections / 4).max(1);
        let writers = connections.saturating_sub(readers).max(1);
        let permits = Arc::new(Semaphore::new(writers));
        let (staff, given_up) = (Arc::new(Semaphore::new(1)), watch::Sender::new([0, 0]));
        Arc::new(Self { permits, staff, opens_at: FEW.min(writers), given_up, options, limit })
    }

    /// Whether writes are refused.
    pub(super) fn is_open(&self) -> bool {
        self.opens(&self.given_up.borrow())
    }

    fn opens(&self, given_up: &[usize; 2]) -> bool {
        given_up.iter().sum::<usize>() >= self.opens_at
    }

    /// Leave to write; refused at once where writes are not acknowledged, and after `patience` where too many wait.
    pub(super) async fn permit(&self, line: Line, patience: Duration) -> Result<OwnedSemaphorePermit, DbError> {
        let permits = Arc::clone(if line == Line::Staff { &self.staff } else { &self.permits });
        let mut given_up = self.given_up.subscribe();
        tokio::select! {
            biased;
            _ = given_up.wait_for(|given_up| self.opens(given_up)) => Err(self.refusal()),
            permit = tokio::time::timeout(patience, permits.acquire_owned()) => match permit {
                Ok(Ok(permit)) => Ok(permit),
                // Nobody closes it.
                Ok(Err(_)) => Err(self.refusal()),
                Err(_) => Err(DbError::Overloaded),
            },
        }
    }

    fn refusal(&self) -> DbError {
        let limit = self.limit.as_secs_f32();
        DbError::Unavailable(format!(
            "PostgreSQL left writes unacknowledged for {limit} s; it is asked whether it takes one"
        ))
    }

    /// A write was given up: its connection may be occupied on the server for as long as it waits.
    pub(super) fn give_up(self: &Arc<Self>, permit: OwnedSemaphorePermit, line: Line, pool: &PgPool) {
        permit.forget();
        let mut first = false;
        self.given_up.send_modify(|count| {
            first = *count == [0, 0];
            count[usize::from(line == Line::Staff)] += 1;
        });
        if first {
            let (breaker, pool) = (Arc::clone(self), pool.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = pool.close_event() => {}
                    () = breaker.wait_for_a_commit(&pool) => {}
                }
            });
        }
    }

    /// Waits until PostgreSQL acknowledges a commit; then everybody may write again.
    async fn wait_for_a_commit(&self, pool: &PgPool) {
        loop {
            match self.probe(pool).await {
                Ok(()) => break,
                Err(error) => tracing::warn!(%error, "PostgreSQL acknowledges no commit"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        let mut counts = [0, 0];
        self.given_up.send_modify(|given_up| counts = std::mem::take(given_up));
        self.permits.add_permits(counts[0]);
        self.staff.add_permits(counts[1]);
        tracing::info!(given_up = counts[0] + counts[1], "PostgreSQL acknowledges commits again");
    }

    /// One commit, without a limit: another probe beside one that waits would occupy another connection.
    async fn probe(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        // Something to commit that touches no row, so that it waits for nobody's lock.
        const WRITE: &str = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
            SELECT pg_logical_emit_message(true, 'jalon', 'probe')";
        let late = || sqlx::Error::PoolTimedOut;
        let connect = tokio::time::timeout(self.limit, self.options.connect());
        let mut own = connect.await.map_err(|_| late())??;
        let begin = async {
            own.execute(WRITE).await?;
            sqlx::query_scalar("SELECT pg_backend_pid()").persistent(false).fetch_one(&mut own).await
        };
        let process: i32 = tokio::time::timeout(self.limit, begin).await.map_err(|_| late())??;
        {
            let commit = own.execute("COMMIT");
            tokio::pin!(commit);
            loop {
                tokio::select! {
                    done = &mut commit => {
                        done?;
                        break;
                    }
                    () = tokio::time::sleep(self.limit) => {
                        // A connection that broke without a word would be waited for in vain.
                        if !is_there(pool, process, self.limit).await {
                            return Err(late());
                        }
                    }
                }
            }
        }
        own.close().await
    }
}

/// Whether the server still has this process of ours; that is also supposed where it can't be asked.
async fn is_there(pool: &PgPool, process: i32, limit: Duration) -> bool {
    const SQL: &str = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'";
    let ask = async {
        let mut connection: sqlx::pool::PoolConnection<sqlx::Postgres> = pool.acquire().await?;
        let connection: &mut PgConnection = &mut connection;
        sqlx::query_scalar::<_, i64>(SQL).bind(process).persistent(false).fetch_one(connection).await
    };
    !matches!(tokio::time::timeout(limit, ask).await, Ok(Ok(0)))
}
