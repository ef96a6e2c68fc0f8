//! How fast the server tells receivers of completions: of those that waited while it was away, and of a
//! burst of new ones.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jalon_backend::clock::Clock;
use jalon_backend::db::{Db, DbError, on};
use jalon_backend::id::new_v7;
use jalon_backend::track::completed::COMPLETED;
use jalon_backend::webhook::outbox::{Message, enqueue};
use jalon_shared::{SiteId, Timestamp};
use serde_json::json;
use tokio::net::TcpListener;

use crate::drive::{Span, drive};
use crate::machine::{self, Meter};
use crate::measure::{Run, expiry, open};
use crate::report::Report;
use crate::seed;
use crate::server::Server;
use crate::sink::Sink;
use crate::stage::{Once, Session, Sessions, Stage, prepare};

/// Connections that complete tracks.
const CONNECTIONS: usize = 64;
/// How long nothing may come before the run gives up.
const SILENCE: Duration = Duration::from_secs(30);

impl Run<'_> {
    /// What waited, then completions as fast as they come, then the same beside five receivers that
    /// don't answer.
    pub async fn drain(&self, report: &mut Report) -> Result<()> {
        let title = self.title();
        let (burst, beside) = if self.is_quick() { (3_000, 1_000) } else { (100_000, 20_000) };
        let database = self.database("drain")?;
        let prepared = prepare(&database).await?;
        let (mut server, _) = self.serve(&database).await?;
        // One step, so that each advance completes a track.
        let (stage, site) = Stage::build(server.address(), &prepared.key, 1, 1).await?;
        stage.ensure(1).await?;
        let first = stage.sessions.borrow().front().cloned();
        let Some(first) = first else { bail!("there is no enrollment to copy") };
        let sink = Sink::start().await?;
        stage.announce_to(&sink.url()).await?;
        server.stop().await?;
        let expires_at = expiry(&prepared);
        let db = open(&database).await?;
        seed::seed(&db, first.enrollment, 1, burst + beside, expires_at).await?;
        announce(&db, site, burst).await?;
        self.analyze(&database).await?;

        report.head(&format!("{title}: {burst} completions, each announced to one receiver"));
        self.patience().wait_until_quiet().await?;
        let begun = Instant::now();
        let (mut server, family) = self.serve(&database).await?;
        let (idle, meter) = (machine::memory(server.process()), Meter::start(&family)?);
        wait(&sink, u64::try_from(burst)?).await?;
        let rate = per_second(u64::try_from(burst)?, begun.elapsed());
        report.fact("deliveries a second, of those that waited", &format!("{rate:.0}"));
        report.fact("processor of one of them", &cost(&meter, burst)?);
        report.fact("memory, at the start and at most", &memory(&server, idle));
        report.aim(&format!("{title}: deliveries that waited"), format!("{rate:.0}/s"), "≥ 1,000/s", rate >= 1000.0);
        let stage = stage.at(server.address());
        let mut dead = Vec::new();
        for (what, from, to) in [("alone", 1, burst), ("beside five receivers that hang", burst + 1, burst + beside)] {
            if from > 1 {
                for _ in 0..5 {
                    // It is connected to, and never answers.
                    let listener = TcpListener::bind("127.0.0.1:0").await?;
                    stage.announce_to(&format!("http://{}/dead", listener.local_addr()?)).await?;
                    dead.push(listener);
                }
            }
            let sessions = Sessions::default();
            sessions.borrow_mut().extend((from..=to).map(|number| Session {
                token: prepared.app.gate.guests.mint(site, seed::guest(number), Timestamp(0), expires_at).into(),
                enrollment: seed::enrollment(number),
                next: 1,
            }));
            let (before, meter, begun) = (sink.received(), Meter::start(&family)?, Instant::now());
            let mut seed = 0;
            let span = Span { warm: Duration::ZERO, counted: Duration::from_mins(5) };
            let outcome = drive(server.address(), &family, CONNECTIONS, span, || {
                seed += 1;
                Once::new(&sessions, seed << 32)
            })
            .await?;
            report.line(&format!("completions, {what}"), &outcome);
            let (meanwhile, count) = (sink.received() - before, to - from + 1);
            wait(&sink, before + u64::try_from(count)?).await?;
            let rate = per_second(u64::try_from(count)?, begun.elapsed());
            report.fact(&format!("delivered while they came, {what}"), &meanwhile.to_string());
            report.fact(&format!("deliveries a second, from first to last, {what}"), &format!("{rate:.0}"));
            report.fact(&format!("processor of completion and delivery, {what}"), &cost(&meter, count)?);
            report.aim(
                &format!("{title}: deliveries of a burst, {what}"),
                format!("{rate:.0}/s"),
                "≥ 1,000/s",
                rate >= 1000.0,
            );
        }
        report.fact("memory, at the start and at most", &memory(&server, idle));
        let words = server.last_words();
        if words.contains("ERROR") {
            report.fault(format!("the server logged errors: {words}"));
        }
        server.stop().await?;
        let (all, delivered) = (2 * burst + beside, count(&db).await?);
        let twice = sink.received() - u64::try_from(all)?;
        if delivered != all || twice > 0 {
            report.fault(format!("{delivered} of {all} are written as delivered, {twice} came twice"));
        }
        db.close().await;
        Ok(())
    }
}

/// Writes announcements as completed tracks do.
pub async fn announce(db: &Db, site: SiteId, count: i64) -> Result<()> {
    let now = Clock::system().now();
    let mut left = count;
    while left > 0 {
        let message = |_| {
            let id = new_v7(now);
            let data = json!({ "event_id": id, "padding": "-".repeat(400) });
            let payload = json!({ "type": COMPLETED, "timestamp": now, "data": data }).to_string();
            Message { id, site, kind: COMPLETED.to_owned(), dedupe_key: id.to_string(), payload }
        };
        let messages: Vec<Message> = (0..left.min(1000)).map(message).collect();
        left -= 1000;
        db.write::<_, DbError, _>(move |tx| Box::pin(async move { enqueue(tx, &messages, now).await })).await?;
    }
    Ok(())
}

/// Processor time for each of so many.
#[expect(clippy::cast_precision_loss, reason = "a count of deliveries")]
fn cost(meter: &Meter, count: i64) -> Result<String> {
    let shares = meter.stop()?;
    Ok(format!("{:.0} µs, others {:.0} %", shares.server_seconds * 1e6 / count as f64, shares.others * 100.0))
}

fn memory(server: &Server, start: f64) -> String {
    format!("{start:.1} / {:.1} MiB", machine::peak(server.process()))
}

/// Waits until so many came in all; an error when nothing comes any more.
async fn wait(sink: &Sink, all: u64) -> Result<()> {
    let (mut before, mut since) = (sink.received(), Instant::now());
    while sink.received() < all {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if sink.received() > before {
            (before, since) = (sink.received(), Instant::now());
        }
        if since.elapsed() > SILENCE {
            bail!("{} of {all} deliveries came, then none", sink.received());
        }
    }
    Ok(())
}

/// How many are written as delivered.
async fn count(db: &Db) -> Result<i64> {
    let text = "SELECT count(*) FROM webhook_delivery WHERE state = 'delivered'";
    Ok(db
        .read(move |tx| {
            Box::pin(async move { Ok::<_, DbError>(on!(tx, conn => sqlx::query_scalar(text).fetch_one(conn).await)?) })
        })
        .await?)
}

#[expect(clippy::cast_precision_loss, reason = "a count of deliveries")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
