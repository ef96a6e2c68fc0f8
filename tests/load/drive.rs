//! Drives a number of connections for some seconds and says what came of it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::task::JoinSet;

use crate::client::Connection;
use crate::machine::{Meter, Shares};

/// What one connection asks, request after request.
pub trait Work: 'static {
    /// Writes the next request; `false` when there is nothing left to ask.
    fn ask(&mut self, request: &mut Vec<u8>) -> bool;
    /// Hears the answer to it.
    fn hear(&mut self, status: u16, body: &[u8]);
}

/// The same request again and again.
#[derive(Clone, Debug)]
pub struct Same(pub Rc<[u8]>);

impl Work for Same {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        request.extend_from_slice(&self.0);
        true
    }

    fn hear(&mut self, _: u16, _: &[u8]) {}
}

/// What came of it.
#[derive(Clone, Default, Debug)]
pub struct Outcome {
    /// Connections.
    pub connections: usize,
    /// Answers with 2xx or 304 a second.
    pub rate: f64,
    /// How long these took, in microseconds, sorted.
    pub took: Vec<u32>,
    /// Answers with 4xx.
    pub refused: u64,
    /// Answers with 5xx, and connections that broke.
    pub failed: u64,
    /// The first failure's text.
    pub first_failure: Option<String>,
    /// Connections that had nothing left to ask before the time was over.
    pub dry: usize,
    /// Who used the processors.
    pub shares: Shares,
}

impl Outcome {
    /// Processor time of the server (and its database) for one answer, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "a count of answers")]
    pub fn cost(&self) -> f64 {
        self.shares.server_seconds * 1e6 / self.took.len().max(1) as f64
    }

    /// A quantile (0 to 1) in milliseconds.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list of measurements"
    )]
    pub fn quantile(&self, part: f64) -> f64 {
        let index = (self.took.len() as f64 * part) as usize;
        let took = self.took.get(index.min(self.took.len().saturating_sub(1)));
        f64::from(took.copied().unwrap_or(0)) / 1000.0
    }
}

/// How long to drive.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Not counted.
    pub warm: Duration,
    /// Counted; at most, when the work ends before.
    pub counted: Duration,
}

/// Drives `connections` connections, each with the work that `work` makes. Call inside a `LocalSet`.
pub async fn drive<W: Work>(
    address: SocketAddr,
    family: &[u32],
    connections: usize,
    span: Span,
    mut work: impl FnMut() -> W,
) -> Result<Outcome> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let start = Instant::now() + span.warm;
    let end = start + span.counted;
    let tally = Rc::new(RefCell::new(Outcome::default()));
    let mut all = JoinSet::new();
    for connection in open {
        all.spawn_local(ask(connection, work(), start, end, Rc::clone(&tally)));
    }
    tokio::time::sleep_until(start.into()).await;
    let meter = Meter::start(family)?;
    let begun = Instant::now();
    // Those who have nothing left to ask end early; all of them ending ends the measurement.
    tokio::select! {
        () = tokio::time::sleep_until(end.into()) => {}
        done = finish(&mut all) => done?,
    }
    let (lasted, shares) = (begun.elapsed(), meter.stop()?);
    finish(&mut all).await?;
    let mut outcome = tally.take();
    outcome.connections = connections;
    outcome.shares = shares;
    outcome.took.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "a count of answers")]
    let answers = outcome.took.len() as f64;
    outcome.rate = answers / lasted.as_secs_f64();
    Ok(outcome)
}

async fn finish(all: &mut JoinSet<()>) -> Result<()> {
    while let Some(done) = all.join_next().await {
        if done.is_err() {
            bail!("the load itself broke");
        }
    }
    Ok(())
}

async fn ask<W: Work>(
    mut connection: Connection,
    mut work: W,
    start: Instant,
    end: Instant,
    tally: Rc<RefCell<Outcome>>,
) {
    let mut request = Vec::with_capacity(1024);
    loop {
        let sent = Instant::now();
        if sent >= end {
            return;
        }
        request.clear();
        if !work.ask(&mut request) {
            tally.borrow_mut().dry += 1;
            return;
        }
        let answer = connection.send(&request).await;
        let now = Instant::now();
        let mut tally = tally.borrow_mut();
        match answer {
            Ok(answer) => {
                work.hear(answer.status, answer.body);
                match answer.status {
                    200..=299 | 304 => {
                        if now >= start && now < end {
                            let took = now.duration_since(sent).as_micros();
                            tally.took.push(u32::try_from(took).unwrap_or(u32::MAX));
                        }
                    }
                    400..=499 => {
                        tally.refused += 1;
                        tally.first_failure.get_or_insert_with(|| text(answer.body));
                    }
                    _ => {
                        tally.failed += 1;
                        tally.first_failure.get_or_insert_with(|| text(answer.body));
                    }
                }
            }
            Err(error) => {
                tally.failed += 1;
                tally.first_failure.get_or_insert_with(|| error.to_string());
                return;
            }
        }
    }
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(300).collect()
}
