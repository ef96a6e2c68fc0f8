//! What only shows beside something else, on PostgreSQL: an author's writes beside learners who start, and the
//! dispatcher's looks beside a snapshot that stays open. With `--beside`, of two programs in the same run.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use jalon_shared::SiteId;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};

use crate::client::{Connection, request};
use crate::drain::announce;
use crate::drive::{Span, drive};
use crate::measure::{Run, open};
use crate::people::{Queue, member};
use crate::report::Report;
use crate::server::Server;
use crate::sink::Sink;
use crate::stage::{Prepared, SITE, Stage, prepare_existing};

/// Clients that start courses.
const STARTING: usize = 32;
/// How many times as fast as the program beside it an author's save is to be, and an empty look.
const SAVE_AIM: f64 = 6.0;
const LOOK_AIM: f64 = 20.0;
/// A course of the author's.
const COURSE: &str = "beside";

/// A server of one of the two programs, with a site on it.
struct Scene {
    server: Server,
    family: Vec<u32>,
    stage: Stage,
    site: SiteId,
    prepared: Prepared,
    database: String,
}

/// What an author's writes took, in milliseconds.
struct Author {
    saves: Vec<f64>,
    publishes: Vec<f64>,
}

/// What a second of idle looks cost.
struct Idle {
    /// Pages of the table of deliveries and of its indexes.
    pages: f64,
    /// Milliseconds in which the database ran statements, of any kind.
    busy: f64,
}

impl Run<'_> {
    /// The programs of this run: that of `--beside` first.
    pub fn builds(&self) -> Vec<(&'static str, &Path)> {
        let beside = self.beside().map(|program| ("beside", program));
        beside.into_iter().chain([("this", self.program())]).collect()
    }

    /// An author saves and publishes a course while clients start it.
    pub async fn authors(&self, report: &mut Report) -> Result<()> {
        report.head("PostgreSQL: an author's writes beside 32 clients that start the course");
        let mut found = Vec::new();
        for (name, program) in self.builds() {
            let mut scene = self.scene_of(program, &format!("authors_{name}")).await?;
            self.patience().wait_until_quiet().await?;
            let author = self.author_beside_learners(&scene, name, report).await?;
            scene.server.stop().await?;
            for (what, took) in [("save", &author.saves), ("publish", &author.publishes)] {
                report.fact(
                    &format!("{name}: an author's {what}, median / p99 / of so many"),
                    &format!("{:.1} / {:.1} ms / {}", quantile(took, 0.5), quantile(took, 0.99), took.len()),
                );
            }
            found.push(quantile(&author.saves, 0.5));
        }
        if let [beside, this] = found[..] {
            let times = beside / this;
            let what = "PostgreSQL: an author's save beside 32 clients, times as fast as --beside";
            report.aim(what, format!("{times:.1}"), "≥ 6", times >= SAVE_AIM);
        }
        Ok(())
    }

    async fn author_beside_learners(&self, scene: &Scene, name: &str, report: &mut Report) -> Result<Author> {
        let (counted, members) = if self.is_quick() { (3, 6_000) } else { (15, 40_000) };
        let path = format!("/api/v1/admin/sites/{SITE}/courses/{COURSE}");
        let mut connection = Connection::open(scene.server.address()).await?;
        let mut number = 0;
        let mut write = async |method: &str, path: &str, body: Option<Value>| {
            let begun = Instant::now();
            let (status, answer) = connection.call(method, path, &scene.prepared.key, body.as_ref()).await?;
            // Not a measurement of refusals; but one that waited in vain took that long.
            if !(200..300).contains(&status) && status != 503 {
                bail!("{method} {path} was answered with {status}: {answer}");
            }
            Ok::<f64, anyhow::Error>(begun.elapsed().as_secs_f64() * 1000.0)
        };
        write("PUT", &path, Some(course(0))).await?;
        write("POST", &format!("{path}/publish"), None).await?;
        let soon = scene.prepared.app.clock.now().plus_seconds(3600);
        let start = format!("/api/v1/sites/{SITE}/courses/{COURSE}/enrollments");
        let queue =
            Queue::of((0..members).map(|user| request("POST", &start, &member(&format!("b-{user}"), soon), "{}")));
        let span = Span { warm: Duration::from_secs(1), counted: Duration::from_secs(counted) };
        let mut author = Author { saves: Vec::new(), publishes: Vec::new() };
        let writing = async {
            tokio::time::sleep(span.warm).await;
            let end = Instant::now() + span.counted;
            while Instant::now() < end {
                number += 1;
                author.saves.push(write("PUT", &path, Some(course(number))).await?);
                author.publishes.push(write("POST", &format!("{path}/publish"), None).await?);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<(), anyhow::Error>(())
        };
        let driving = drive(scene.server.address(), &scene.family, STARTING, span, || queue.clone());
        let (wrote, outcome) = tokio::join!(writing, driving);
        wrote?;
        report.line(&format!("{name}: courses started meanwhile"), &outcome?);
        Ok(author)
    }

    /// Deliveries are made and done while a snapshot stays open; then an idle server looks for more.
    pub async fn look(&self, report: &mut Report) -> Result<()> {
        let deliveries = if self.is_quick() { 2_000 } else { 20_000 };
        report.head(&format!(
            "PostgreSQL: looks for work after {deliveries} deliveries, beside a snapshot that stays open"
        ));
        let mut found = Vec::new();
        for (name, program) in self.builds() {
            let mut scene = self.scene_of(program, &format!("look_{name}")).await?;
            let sink = Sink::start().await?;
            scene.stage.announce_to(&sink.url()).await?;
            let mut reader = PgConnection::connect(&scene.database).await?;
            sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM webhook_delivery")
                .execute(&mut reader)
                .await?;
            let db = open(&scene.database).await?;
            announce(&db, scene.site, deliveries).await?;
            db.close().await;
            let begun = Instant::now();
            while sink.received() < u64::try_from(deliveries)? {
                if begun.elapsed() > Duration::from_mins(3) {
                    bail!("{} of {deliveries} deliveries came", sink.received());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            // Neither vacuum's reading is counted, nor the plans of a table that looked empty.
            let mut own = PgConnection::connect(&scene.database).await?;
            sqlx::raw_sql("ALTER TABLE webhook_delivery SET (autovacuum_enabled = off); ANALYZE webhook_delivery")
                .execute(&mut own)
                .await?;
            own.close().await?;
            // What was due a moment ago is looked at for a while.
            tokio::time::sleep(Duration::from_secs(if self.is_quick() { 17 } else { 20 })).await;
            let idle = idle(&scene.database, Duration::from_secs(30)).await?;
            scene.server.stop().await?;
            let (pages, busy) = (format!("{:.0}", idle.pages), format!("{:.2} ms", idle.busy));
            report.fact(&format!("{name}: pages of deliveries read a second, idle"), &pages);
            report.fact(&format!("{name}: the database ran statements, of a second"), &busy);
            reader.close().await?;
            found.push(idle);
        }
        if let [beside, this] = &found[..] {
            let (pages, busy) = (beside.pages / this.pages, beside.busy / this.busy);
            let what =
                "PostgreSQL: empty looks under a snapshot, times fewer pages than --beside (time of all statements)";
            report.aim(what, format!("{pages:.0} ({busy:.0})"), "≥ 20", pages >= LOOK_AIM);
        }
        Ok(())
    }

    /// A server of this program on a database that it migrated itself, with a site on it.
    async fn scene_of(&self, program: &Path, name: &str) -> Result<Scene> {
        let database = self.database(name)?;
        let (server, family) = self.serve_with(program, &database).await?;
        let prepared = prepare_existing(&database).await?;
        // The server learns of the key by itself.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (stage, site) = Stage::build(server.address(), &prepared.key, 1, 1).await?;
        Ok(Scene { server, family, stage, site, prepared, database })
    }
}

/// What the database does in a second of this time.
async fn idle(database: &str, time: Duration) -> Result<Idle> {
    const COUNTERS: &str = "SELECT (heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::float8, \
        (SELECT active_time FROM pg_stat_database WHERE datname = current_database()) \
        FROM pg_statio_user_tables WHERE relname = 'webhook_delivery'";
    let mut own = PgConnection::connect(database).await?;
    let read = async |own: &mut PgConnection| -> Result<(f64, f64)> {
        sqlx::query_as(COUNTERS).fetch_one(own).await.context("PostgreSQL has no counters")
    };
    let (pages, busy) = read(&mut own).await?;
    tokio::time::sleep(time).await;
    let (more, busier) = read(&mut own).await?;
    own.close().await?;
    let seconds = time.as_secs_f64();
    Ok(Idle { pages: (more - pages).max(1.0) / seconds, busy: (busier - busy).max(0.01) / seconds })
}

fn quantile(took: &[f64], part: f64) -> f64 {
    let mut took = took.to_vec();
    took.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list of measurements"
    )]
    let index = (took.len() as f64 * part) as usize;
    took.get(index.min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// A small course; each number another text.
fn course(number: u32) -> Value {
    let item = json!({ "key": "read", "kind": "content", "title": { "en": "Read" }, "body": { "en": format!("Text {number}.") } });
    json!({ "category": "rules", "difficulty": "beginner", "source_lang": "en", "title": { "en": "Beside" },
        "modules": [{ "key": "m", "title": { "en": "M" }, "lessons": [{ "key": "l", "title": { "en": "L" }, "items": [item] }] }] })
}
