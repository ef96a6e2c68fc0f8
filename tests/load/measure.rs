//! The measurements on one database: advances, track reads, few and many enrollments.

use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jalon_backend::db::{Db, DbConfig};
use jalon_shared::{SiteId, Timestamp};
use jalon_tests::Cluster;
use serde_json::json;

use crate::client::{Connection, request};
use crate::drive::{Outcome, Same, Span, drive};
use crate::report::Report;
use crate::server::Server;
use crate::sink::Sink;
use crate::stage::{Prepared, Session, Stage, prepare, read_track};
use crate::{Options, alone, machine, seed};

/// Tracks of the site: one guest is in all of them.
const TRACKS: usize = 25;
/// Connections of the measurements.
const LEVELS: [usize; 4] = [1, 8, 32, 256];

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A throw-away cluster that syncs its commits.
    Postgres,
}

impl Kind {
    /// As `--only` names it.
    pub fn name(self) -> &'static str {
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
pub struct Run<'a> {
    options: &'a Options,
    kind: Kind,
    scratch: &'a Path,
    cluster: Option<Cluster>,
}

/// A server with a stage on it.
pub struct Scene {
    /// The program.
    pub server: Server,
    /// The site and its learners.
    pub stage: Stage,
    /// Takes the webhooks.
    pub sink: Sink,
    /// The application's parts.
    pub prepared: Prepared,
    /// The site.
    pub site: SiteId,
    /// The database's address.
    pub database: String,
    /// The processes whose time counts as the server's.
    pub family: Vec<u32>,
}

impl<'a> Run<'a> {
    /// Starts what the measurements need; `scratch` is a folder for their files.
    pub fn start(options: &'a Options, kind: Kind, scratch: &'a Path) -> Result<Self> {
        let cluster = (kind == Kind::Postgres).then(Cluster::durable);
        if !options.server.is_file() {
            bail!("there is no {}", options.server.display());
        }
        Ok(Self { options, kind, scratch, cluster })
    }

    /// Measures what the options ask for.
    pub async fn measure(&self, report: &mut Report) -> Result<()> {
        if self.options.wants(self.kind.name()) {
            self.advances(report).await?;
        }
        if self.kind == Kind::Sqlite && self.options.wants("reads") {
            self.reads(report).await?;
        }
        if self.options.wants("people") {
            self.people(report).await?;
        }
        if self.options.wants("webhooks") {
            self.drain(report).await?;
        }
        if self.options.wants("start") {
            self.cold_start(report).await?;
        }
        if self.options.wants("scale") {
            self.scale(report).await?;
        }
        if self.options.wants("courses") {
            self.courses(report).await?;
        }
        if self.options.only.as_deref() == Some("speed") {
            self.speed(report).await?;
        }
        if self.kind == Kind::Sqlite && self.options.wants("memory") {
            self.memory(report).await?;
        }
        if self.kind == Kind::Postgres && self.options.wants("authors") {
            self.authors(report).await?;
        }
        if self.kind == Kind::Postgres && self.options.wants("look") {
            self.look(report).await?;
        }
        Ok(())
    }

    /// The database's name, as people write it.
    pub fn title(&self) -> &'static str {
        self.kind.title()
    }

    /// The program, and the one beside it.
    pub fn programs(&self) -> (&Path, Option<&Path>) {
        (&self.options.server, self.options.beside.as_deref())
    }

    /// Where a server's log goes.
    pub fn log(&self, name: &str) -> std::path::PathBuf {
        self.scratch.join(format!("{name}.log"))
    }

    /// Whether it is a smoke run.
    pub fn is_quick(&self) -> bool {
        self.options.quick
    }

    /// The server's program.
    pub fn program(&self) -> &Path {
        &self.options.server
    }

    /// The program to compare with.
    pub fn beside(&self) -> Option<&Path> {
        self.options.beside.as_deref()
    }

    /// Steps of the tracks.
    pub fn steps(&self) -> u16 {
        self.options.steps
    }

    /// How long to measure.
    pub fn span(&self) -> Span {
        self.options.span()
    }

    /// How long to wait for a quiet machine.
    pub fn patience(&self) -> &machine::Patience {
        &self.options.patience
    }

    /// A new database: its address.
    pub fn database(&self, name: &str) -> Result<String> {
        let Some(cluster) = &self.cluster else {
            return Ok(format!("sqlite://{}", self.scratch.join(format!("{name}.db")).display()));
        };
        let made = Command::new(cluster.programs.join("createdb"))
            .env("PGHOST", &cluster.folder)
            .args(["-U", "postgres", name])
            .status()?;
        if !made.success() {
            bail!("createdb ended with {made}");
        }
        Ok(cluster.address(name))
    }

    pub async fn serve(&self, database: &str) -> Result<(Server, Vec<u32>)> {
        self.serve_with(&self.options.server, database).await
    }

    /// The same with another program.
    pub async fn serve_with(&self, program: &Path, database: &str) -> Result<(Server, Vec<u32>)> {
        let log = self.scratch.join("server.log");
        let server = Server::start(program, database, log).await?;
        let mut family = vec![server.process()];
        family.extend(self.cluster.as_ref().map(Cluster::process));
        Ok((server, family))
    }

    pub async fn scene(&self, name: &str, tracks: usize) -> Result<Scene> {
        let database = self.database(name)?;
        let prepared = prepare(&database).await?;
        let (server, family) = self.serve(&database).await?;
        let sink = Sink::start().await?;
        let (stage, site) = Stage::build(server.address(), &prepared.key, tracks, self.options.steps).await?;
        Ok(Scene { server, stage, sink, prepared, site, database, family })
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

        report.head(&format!("{title}: durable advances, tracks of {} steps, everything on", self.options.steps));
        self.options.patience.wait_until_quiet().await?;
        let (mut tail, mut most) = (0.0, None);
        let mut rate = if self.options.connections.is_some() { 25_000.0 } else { 4000.0 };
        for level in LEVELS.into_iter().filter(|level| self.options.connections.is_none_or(|only| only == *level)) {
            let empty = self.empty(&scene, level).await?;
            report.line("empty handler", &empty);
            let advances = self.advance(&scene, level, rate).await?;
            report.line("advance", &advances);
            if advances.dry > 0 {
                report.note(format!("{} of {level} connections ran out of enrollments", advances.dry));
            }
            // A busy machine may become a quiet one.
            rate = (advances.rate * 3.0).max(8000.0);
            match level {
                32 => tail = advances.quantile(0.99),
                256.. => most = Some((empty, advances)),
                _ => {}
            }
        }
        let after = machine::memory(scene.server.process());
        report.fact("webhooks delivered meanwhile", &scene.sink.received().to_string());
        report.fact("memory, idle / after the load", &format!("{idle:.1} / {after:.1} MiB"));
        let words = scene.server.last_words();
        if words.contains("ERROR") {
            report.fault(format!("the server logged errors: {words}"));
        }
        let row = self.row(&scene).await?;
        scene.server.stop().await?;
        let alone = self.alone(&row, &scene).await?;
        report.fact(self.alone_name(), &format!("{alone:.0}"));

        let (empty, advances) = most.context("256 connections were not driven")?;
        if self.kind == Kind::Sqlite {
            // Where others used the machine, processor time is what can be compared.
            let (by_time, by_cpu) = (advances.rate / empty.rate, empty.cost() / advances.cost());
            report.aim(
                "SQLite: advance / empty handler, 256 connections",
                format!("{by_time:.2}, cpu {by_cpu:.2}"),
                "≥ 0.15",
                by_time >= 0.15,
            );
            if tail > 0.0 {
                report.aim(
                    "SQLite: p99 of an advance, 32 connections",
                    format!("{tail:.1} ms"),
                    "≤ 15 ms",
                    tail <= 15.0,
                );
            }
            report.aim("idle server (SQLite)", format!("{idle:.1} MiB"), "≤ 40 MB", idle <= 38.1);
        }
        let to_alone = advances.rate / alone;
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

    pub async fn empty(&self, scene: &Scene, level: usize) -> Result<Outcome> {
        let request: Rc<[u8]> = request("GET", "/healthz", "", "").into_bytes().into();
        let address = scene.server.address();
        drive(address, &scene.family, level, self.options.span(), || Same(Rc::clone(&request))).await
    }

    /// `rate`: what may be reached, for making enough enrollments.
    pub async fn advance(&self, scene: &Scene, level: usize, rate: f64) -> Result<Outcome> {
        let span = self.options.span();
        let seconds = (span.warm + span.counted).as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
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
        let half = self.options.steps / 2;
        let session = {
            let sessions = scene.stage.sessions.borrow();
            let halfway = sessions.iter().find(|session| session.next >= half);
            halfway.or_else(|| sessions.front()).cloned()
        };
        let session = session.context("no enrollment is left")?;
        let path = format!("/api/v1/enrollments/{}", session.enrollment);
        let (_, enrollment) =
            Connection::open(scene.server.address()).await?.call("GET", &path, &session.token, None).await?;
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
        self.options.patience.wait_until_quiet().await?;
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

        report.head(&format!("track reads ({size} bytes), as a guest"));
        self.options.patience.wait_until_quiet().await?;
        for level in [32, 256] {
            let empty = self.empty(&scene, level).await?;
            report.line("empty handler", &empty);
            for (what, text) in [("track, whole", &plain), ("track, not modified", &known)] {
                let request: Rc<[u8]> = text.clone().into_bytes().into();
                let address = scene.server.address();
                let outcome =
                    drive(address, &scene.family, level, self.options.span(), || Same(Rc::clone(&request))).await?;
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

    /// Tells PostgreSQL's planner what was written, as its autovacuum would within a minute.
    pub async fn analyze(&self, database: &str) -> Result<()> {
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
pub async fn open(database: &str) -> Result<Db> {
    let mut config = DbConfig::new(database.parse()?);
    config.connections = 2;
    // A statement here writes tens of thousands of rows.
    config.patience = Duration::from_mins(5);
    Ok(Db::connect(&config).await?)
}

/// An enrollment that nobody has advanced.
pub fn template(scene: &Scene) -> Result<Session> {
    let sessions = scene.stage.sessions.borrow();
    let fresh = sessions.iter().rev().find(|session| session.next == 1);
    fresh.cloned().context("no fresh enrollment is left")
}

/// When the guests that are seeded expire.
pub fn expiry(prepared: &Prepared) -> Timestamp {
    prepared.app.clock.now().plus_seconds(86_400)
}
