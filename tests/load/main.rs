//! The load behind `cargo xtask bench`: how much the server does, beside what the machine could.
//!
//! Every number stands beside a reference of the same run on the same machine, because absolute
//! ones say more about the machine: an advance beside an empty handler of the same server, and
//! beside the database alone that writes the same rows.

mod alone;
mod beside;
mod client;
mod courses;
mod drain;
mod drive;
mod machine;
mod measure;
mod memory;
mod people;
mod report;
mod scale;
mod seed;
mod seed_courses;
mod server;
mod sink;
mod speed;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::drive::Span;
use crate::machine::Patience;
use crate::measure::{Kind, Run};
use crate::report::Report;

const HELP: &str = "\
usage: jalon-load [--server PROGRAM] [--quick] [--steps N] [--beside PROGRAM]
                  [--only sqlite|postgres|reads|people|webhooks|start|scale|courses|memory|authors|look|speed]
                  [--connections N] [--write FILE --about TEXT]

  --server PROGRAM  the server's program (default: `jalon` beside this one)
  --beside PROGRAM  another build of the server, measured in the same run where a part compares two
  --quick           a smoke run: short measurements, small tables
  --only WHAT       one part only
  --steps N         steps of the tracks, 1 to 200 (default 12, as people write them)
  --connections N   advances at this number of connections only, to compare two programs soon
  --write FILE      put the tables between the document's two marks
  --about TEXT      what was measured, for the head of these tables";

/// How the run is to be.
#[derive(Debug)]
struct Options {
    server: PathBuf,
    beside: Option<PathBuf>,
    quick: bool,
    only: Option<String>,
    steps: u16,
    connections: Option<usize>,
    patience: Patience,
    write: Option<PathBuf>,
    about: String,
}

impl Options {
    fn read() -> Result<Option<Self>> {
        let own = std::env::current_exe()?;
        let mut options = Self {
            server: own.with_file_name("jalon"),
            beside: None,
            quick: false,
            only: None,
            steps: 12,
            connections: None,
            patience: Patience::new(Duration::from_mins(1)),
            write: None,
            about: String::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().context(HELP);
            match argument.as_str() {
                "--server" => options.server = value()?.into(),
                "--beside" => options.beside = Some(value()?.into()),
                "--quick" => {
                    options.quick = true;
                    options.patience = Patience::new(Duration::from_secs(4));
                }
                "--only" => options.only = Some(value()?),
                "--write" => options.write = Some(value()?.into()),
                "--about" => options.about = value()?,
                "--steps" => options.steps = value()?.parse().context("--steps takes a number")?,
                "--connections" => {
                    options.connections = Some(value()?.parse().context("--connections takes a number")?);
                    options.patience = Patience::new(Duration::from_secs(2));
                }
                "--help" | "-h" => return Ok(None),
                other => bail!("there is no {other}\n{HELP}"),
            }
        }
        let parts = [
            "sqlite", "postgres", "reads", "people", "webhooks", "start", "scale", "courses", "memory", "authors",
            "look", "speed",
        ];
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
        Span { warm: Duration::from_millis(milliseconds / 8), counted: Duration::from_millis(milliseconds) }
    }
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
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
        let both = ["people", "webhooks", "start", "scale", "courses"].iter().any(|part| options.wants(part))
            || options.only.as_deref() == Some("speed");
        let only_here = kind == Kind::Postgres && ["authors", "look"].iter().any(|part| options.wants(part));
        let wanted = options.wants(kind.name()) || both || only_here;
        // Track reads come from memory, and what memory holds is not the database's: once is enough.
        let once = options.wants("reads") || options.wants("memory");
        if wanted || (kind == Kind::Sqlite && once) {
            Run::start(&options, kind, scratch.path())?.measure(&mut report).await?;
        }
    }
    let clean = report.end();
    if let Some(document) = &options.write {
        report.write(document, &format!("{}; {}.", options.about, machine::describe()))?;
    }
    Ok(clean)
}
