//! The load behind `cargo xtask bench`: how much the server does, beside what the machine could.
//!
//! Every number stands beside a reference of the same run on the same machine, because absolute
//! ones say more about the machine: an advance beside an empty handler of the same server, and
//! beside the database alone that writes the same rows.

mod alone;
mod client;
mod drive;
mod machine;
mod report;
mod seed;
mod server;
mod sink;
mod stage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jalon_backend::db::{Db, DbConfig};
use jalon_shared::{SiteId, Timestamp};
use jalon_tests::Cluster;
use serde_json::json;
use tempfile::TempDir;

use crate::client::{Connection, request};
use crate::drive::{Outcome, Same, Span, drive};
use crate::machine::wait_until_quiet;
use crate::report::Report;
use crate::server::Server;
use crate::sink::Sink;
use crate::stage::{Once, Prepared, SITE, Session, Sessions, Stage, prepare, read_track};

const HELP: &str = "\
usage: jalon-load [--server PROGRAM] [--quick] [--only sqlite|postgres|reads|scale] [--steps N]

  --server PROGRAM  the server's program (default: `jalon` beside this one)
  --quick           a smoke run: short measurements, small tables
  --only WHAT       one part only
  --steps N         steps of the tracks, 1 to 200 (default 12, as people write them)";

/// Tracks of the site: one guest is in all of them.
const TRACKS: usize = 25;
/// Connections of the measurements.
const LEVELS: [usize; 4] = [1, 8, 32, 256];

/// How the run is to be.
#[derive(Clone, Debug)]
struct Options {
    server: PathBuf,
    quick: bool,
    only: Option<String>,
    steps: u16,
}

impl Options {
    fn read() -> Result<Option<Self>> {
        let own = std::env::current_exe()?;
        let mut options = Self {
            server: own.with_file_name("jalon"),
            quick: false,
            only: None,
            steps: 12,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().context(HELP);
            match argument.as_str() {
                "--server" => options.server = value()?.into(),
                "--quick" => options.quick = true,
                "--only" => options.only = Some(value()?),
                "--steps" => options.steps = value()?.parse().context("--steps takes a number")?,
                "--help" | "-h" => return Ok(None),
                other => bail!("there is no {other}\n{HELP}"),
            }
        }
        let parts = ["sqlite", "postgres", "reads", "scale"];
        if let Some(only) = &options.only
            && !parts.contains(&only.as_str())
        {
            bail!("--only takes one of {}", parts.join(", "));
        }
        Ok(Some(options))
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }

    fn span(&self) -> Span {
        let milliseconds = if self.quick { 800 } else { 4000 };
        Span {
            warm: Duration::from_millis(milliseconds / 8),
            counted: Duration::from_millis(milliseconds),
        }
    }

    /// How long to wait for a quiet machine.
    fn patience(&self) -> Duration {
        Duration::from_secs(if self.quick { 4 } else { 60 })
    }
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = runtime.map_err(Into::into).and_then(|runtime| {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, run())
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("jalon-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool> {
    let Some(options) = Options::read()? else {
        println!("{HELP}");
        return Ok(true);
    };
    let mut report = Report::default();
    let scratch = tempfile::Builder::new().prefix("jalon-load-").tempdir()?;
    if machine::is_in_memory(scratch.path()) {
        report.note("temporary files lie in memory here, so nothing is durable: set TMPDIR to a disk".into());
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let wanted = options.wants(kind.name()) || options.wants("scale");
        // Track reads come from memory: once is enough.
        if wanted || (kind == Kind::Sqlite && options.wants("reads")) {
            Run::start(&options, kind, &scratch)?
                .measure(&mut report)
                .await?;
        }
    }
    Ok(report.end())
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// The measurements on one database.
struct Run<'a> {
    options: &'a Options,
    kind: Kind,
    scratch: &'a Path,
    cluster: Option<Cluster>,
}

/// A server with a stage on it.
struct Scene {
    server: Server,
    stage: Stage,
    sink: Sink,
    prepared: Prepared,
    site: SiteId,
    database: String,
    family: Vec<u32>,
}

impl<'a> Run<'a> {
    fn start(options: &'a Options, kind: Kind, scratch: &'a TempDir) -> Result<Self> {
        let cluster = (kind == Kind::Postgres).then(Cluster::durable);
        let scratch = scratch.path();
        if !options.server.is_file() {
            bail!("there is no {}", options.server.display());
        }
        Ok(Self {
            options,
            kind,
            scratch,
            cluster,
        })
    }

    async fn measure(&self, report: &mut Report) -> Result<()> {
        if self.options.wants(self.kind.name()) {
            self.advances(report).await?;
        }
        if self.kind == Kind::Sqlite && self.options.wants("reads") {
            self.reads(report).await?;
        }
        if self.options.wants("scale") {
            self.scale(report).await?;
        }
        Ok(())
    }

    /// A new database: its address.
    fn database(&self, name: &str) -> Result<String> {
        let Some(cluster) = &self.cluster else {
            return Ok(format!(
                "sqlite://{}",
                self.scratch.join(format!("{name}.db")).display()
            ));
        };
        let made = std::process::Command::new(cluster.programs.join("createdb"))
            .env("PGHOST", &cluster.folder)
            .args(["-U", "postgres", name])
            .status()?;
        if !made.success() {
            bail!("createdb ended with {made}");
        }
        Ok(cluster.address(name))
    }

    async fn serve(&self, database: &str) -> Result<(Server, Vec<u32>)> {
        let log = self.scratch.join("server.log");
        let server = Server::start(&self.options.server, database, log).await?;
        let mut family = vec![server.process()];
        family.extend(self.cluster.as_ref().map(Cluster::process));
        Ok((server, family))
    }

    async fn scene(&self, name: &str, tracks: usize) -> Result<Scene> {
        let database = self.database(name)?;
        let prepared = prepare(&database).await?;
        let (server, family) = self.serve(&database).await?;
        let sink = Sink::start().await?;
        let (stage, site) =
            Stage::build(server.address(), &prepared.key, tracks, self.options.steps).await?;
        Ok(Scene {
            server,
            stage,
            sink,
            prepared,
            site,
            database,
            family,
        })
    }

    /// Advances at every level, beside an empty handler and beside the database alone.
    async fn advances(&self, report: &mut Report) -> Result<()> {
        let title = self.kind.title();
        let mut scene = self.scene("advances", TRACKS).await?;
        if !scene.stage.announce_to(&scene.sink.url()).await? {
            report.note("this server has no webhooks yet: completions are written, not delivered".into());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let idle = machine::memory(scene.server.process());

        Report::head(&format!(
            "{title}: durable advances, tracks of {} steps, everything on",
            self.options.steps
        ));
        wait_until_quiet(self.options.patience()).await?;
        let mut most = (0.0, 0.0, 0.0);
        let mut rate = 2000.0;
        for level in LEVELS {
            let empty = self.empty(&scene, level).await?;
            report.line("empty handler", &empty);
            let advances = self.advance(&scene, level, rate).await?;
            report.line("advance", &advances);
            if advances.dry > 0 {
                report.note(format!("{} of {level} connections ran out of enrollments", advances.dry));
            }
            rate = advances.rate * 3.0;
            match level {
                32 => most.1 = advances.quantile(0.99),
                256 => most = (advances.rate, most.1, advances.rate / empty.rate),
                _ => {}
            }
        }
        let after = machine::memory(scene.server.process());
        println!(
            "  webhooks delivered: {}; memory {idle:.1} MiB idle, {after:.1} MiB after the load",
            scene.sink.received()
        );
        let words = scene.server.last_words();
        if words.contains("ERROR") {
            report.fault(format!("the server logged errors: {words}"));
        }
        let row = self.row(&scene).await?;
        scene.server.stop().await?;
        let alone = self.alone(&row, &scene).await?;
        println!("  {:<34} {:>5} {alone:>10.0}", self.alone_name(), if self.kind == Kind::Sqlite { 1 } else { 32 });

        let (advance, tail, ratio) = most;
        if self.kind == Kind::Sqlite {
            report.aim(
                "SQLite: advance / empty handler, 256 connections",
                format!("{ratio:.2}"),
                "≥ 0.15",
                ratio >= 0.15,
            );
            report.aim(
                "SQLite: p99 of an advance, 32 connections",
                format!("{tail:.1} ms"),
                "≤ 15 ms",
                tail <= 15.0,
            );
            report.aim("idle server (SQLite)", format!("{idle:.1} MiB"), "≤ 40 MB", idle <= 38.1);
        }
        let to_alone = advance / alone;
        report.aim(
            &format!("{title}: advance (256) / {}", self.alone_name()),
            format!("{to_alone:.2}"),
            if self.kind == Kind::Postgres { "≥ 0.5" } else { "—" },
            self.kind == Kind::Sqlite || to_alone >= 0.5,
        );
        Ok(())
    }

    fn alone_name(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "database alone (64 a commit)",
            Kind::Postgres => "database alone (pgbench)",
        }
    }

    async fn empty(&self, scene: &Scene, level: usize) -> Result<Outcome> {
        let request: Rc<[u8]> = request("GET", "/healthz", "", "").into_bytes().into();
        let address = scene.server.address();
        drive(address, &scene.family, level, self.options.span(), || {
            Same(Rc::clone(&request))
        })
        .await
    }

    /// `rate`: what may be reached, for making enough enrollments.
    async fn advance(&self, scene: &Scene, level: usize, rate: f64) -> Result<Outcome> {
        let span = self.options.span();
        let seconds = (span.warm + span.counted).as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate"
        )]
        let needed = (rate.min(60_000.0) * seconds) as usize;
        let per_connection = level * usize::from(self.options.steps) * 2;
        scene.stage.ensure(needed.max(per_connection)).await?;
        scene.sink.wait_until_silent(Duration::from_secs(10)).await;
        let mut seed = level as u64;
        let address = scene.server.address();
        drive(address, &scene.family, level, span, || {
            seed += 1;
            scene.stage.walker(seed << 32)
        })
        .await
    }

    /// What an advance writes, as the API and the tables show it.
    async fn row(&self, scene: &Scene) -> Result<alone::Row> {
        scene.stage.ensure(100).await?;
        let sessions = scene.stage.sessions.borrow();
        let half = self.options.steps / 2;
        let session = sessions
            .iter()
            .find(|session| session.next >= half)
            .or_else(|| sessions.front())
            .context("no enrollment is left")?;
        let path = format!("/api/v1/enrollments/{}", session.enrollment);
        let (_, enrollment) = Connection::open(scene.server.address())
            .await?
            .call("GET", &path, &session.token, None)
            .await?;
        let done = json!({"attempt_count": 1, "time_spent_seconds": 7, "completed_at": 1_800_000_000_000_i64});
        let progress = enrollment["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .take(half.into())
            .filter_map(|step| Some((step["step_id"].as_str()?.to_owned(), done.clone())))
            .collect::<serde_json::Map<_, _>>();
        Ok(alone::Row {
            site: scene.site.0,
            progress: json!(progress).to_string(),
            payload: json!({"type": "step.completed", "step": session.enrollment, "time_spent_seconds": 7}).to_string(),
            response: json!({ "enrollment": enrollment }).to_string(),
        })
    }

    /// The database alone, on copies of an enrollment in the database that was just measured.
    async fn alone(&self, row: &alone::Row, scene: &Scene) -> Result<f64> {
        const LEARNERS: i64 = 10_000;
        let db = open(&scene.database).await?;
        let template = template(scene)?;
        seed::seed(&db, template.enrollment, 1, LEARNERS, expiry(&scene.prepared)).await?;
        wait_until_quiet(self.options.patience()).await?;
        let span = self.options.span().counted;
        let rate = match &self.cluster {
            None => alone::sqlite(&db, row, LEARNERS, span).await?,
            Some(cluster) => alone::postgres(
                &cluster.programs,
                &cluster.folder,
                "advances",
                self.scratch,
                row,
                LEARNERS,
                span.max(Duration::from_secs(1)),
            )?,
        };
        db.close().await;
        Ok(rate)
    }

    /// Track reads, whole and not modified, beside an empty handler.
    async fn reads(&self, report: &mut Report) -> Result<()> {
        let mut scene = self.scene("reads", 1).await?;
        scene.stage.ensure(1).await?;
        let token = template(&scene)?.token;
        let plain = read_track(&token, None);
        let mut connection = Connection::open(scene.server.address()).await?;
        let first = connection.send(plain.as_bytes()).await?;
        let tag = first.header("etag").context("a track has no ETag")?.to_owned();
        let size = first.body.len();
        drop(connection);
        let known = read_track(&token, Some(&tag));

        Report::head(&format!("track reads ({size} bytes), as a guest"));
        wait_until_quiet(self.options.patience()).await?;
        for level in [32, 256] {
            let empty = self.empty(&scene, level).await?;
            report.line("empty handler", &empty);
            for (what, text) in [("track, whole", &plain), ("track, not modified", &known)] {
                let request: Rc<[u8]> = text.clone().into_bytes().into();
                let address = scene.server.address();
                let outcome = drive(address, &scene.family, level, self.options.span(), || {
                    Same(Rc::clone(&request))
                })
                .await?;
                report.line(what, &outcome);
                if level == 256 {
                    let ratio = outcome.rate / empty.rate;
                    report.aim(
                        &format!("{what} / empty handler, 256 connections"),
                        format!("{ratio:.2}"),
                        "≥ 0.5",
                        ratio >= 0.5,
                    );
                }
            }
        }
        scene.server.stop().await
    }

    /// The first advance of enrollments picked all over the table, few and many.
    async fn scale(&self, report: &mut Report) -> Result<()> {
        let (few, many) = if self.options.quick {
            (2_000, 20_000)
        } else {
            (10_000, 1_000_000)
        };
        let title = self.kind.title();
        let scene = self.scene("scale", 1).await?;
        scene.stage.ensure(1).await?;
        let template = template(&scene)?;
        let expires_at = expiry(&scene.prepared);
        let Scene {
            mut server,
            prepared,
            site,
            database,
            ..
        } = scene;
        server.stop().await?;

        Report::head(&format!(
            "{title}: {few} first advances, each of another enrollment picked from all over the table"
        ));
        let mut rates = Vec::new();
        let mut from = 1;
        for total in [few, many] {
            let start = std::time::Instant::now();
            let db = open(&database).await?;
            seed::seed(&db, template.enrollment, from, total, expires_at).await?;
            db.close().await;
            println!("  made {total} enrollments in {:.0} s", start.elapsed().as_secs_f64());
            self.analyze(&database).await?;
            let sessions = Sessions::default();
            // Those added last have never advanced; a stride without common divisor visits each once.
            let fresh = total - from + 1;
            let stride = 7919;
            for place in 0..few.min(fresh) {
                let number = from + (place * stride) % fresh;
                sessions.borrow_mut().push_back(Session {
                    token: prepared
                        .app
                        .gate
                        .guests
                        .mint(site, seed::guest(number), Timestamp(0), expires_at)
                        .into(),
                    enrollment: seed::enrollment(number),
                    next: 1,
                });
            }
            from = total + 1;
            let (mut server, family) = self.serve(&database).await?;
            wait_until_quiet(self.options.patience()).await?;
            let span = Span {
                warm: Duration::ZERO,
                counted: Duration::from_secs(60),
            };
            let mut seed = 0;
            let outcome = drive(server.address(), &family, 32, span, || {
                seed += 1;
                Once::new(&sessions, seed << 32)
            })
            .await?;
            report.line(&format!("advance, {total} enrollments"), &outcome);
            rates.push(outcome.rate);
            server.stop().await?;
        }
        let cost = |rate: f64| format!("{:.0} µs", 1e6 / rate);
        let ratio = rates[0] / rates[1];
        report.aim(
            &format!("{title}: cost at {many} / at {few} enrollments"),
            format!("{} / {} = {ratio:.2}", cost(rates[1]), cost(rates[0])),
            "flat (≤ 1.25)",
            ratio <= 1.25,
        );
        Ok(())
    }

    /// Tells PostgreSQL's planner what was written, as its autovacuum would within a minute.
    async fn analyze(&self, database: &str) -> Result<()> {
        if self.kind == Kind::Postgres {
            let db = open(database).await?;
            db.write(|tx| {
                Box::pin(async move {
                    jalon_backend::db::execute!(tx, sqlx::query("ANALYZE"))?;
                    Ok::<_, jalon_backend::db::DbError>(())
                })
            })
            .await?;
            db.close().await;
        }
        Ok(())
    }
}

/// Opens a database beside the server, for seeding.
async fn open(database: &str) -> Result<Db> {
    let mut config = DbConfig::new(database.parse()?);
    config.connections = 2;
    // A statement here writes tens of thousands of rows.
    config.patience = Duration::from_secs(300);
    Ok(Db::connect(&config).await?)
}

/// An enrollment that nobody has advanced.
fn template(scene: &Scene) -> Result<Session> {
    let sessions = scene.stage.sessions.borrow();
    let fresh = sessions.iter().rev().find(|session| session.next == 1);
    fresh
        .cloned()
        .with_context(|| format!("no fresh enrollment is left on {SITE}"))
}

/// When the guests that are seeded expire.
fn expiry(prepared: &Prepared) -> Timestamp {
    prepared.app.clock.now().plus_seconds(86_400)
}
