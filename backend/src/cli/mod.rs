//! The command line: `jalon <command>`.
//!
//! One module a command: its flags as `Args`, and `run`. Every command takes `--json`; a failure is one
//! plain sentence on stderr and a non-zero exit.

mod backup;
mod check;
mod demo;
mod import;
mod key;
mod migrate;
mod openapi;
mod questions;
mod recalculate;
mod serve;
mod site;
mod token;
mod translate;
mod webhook;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::app::AppState;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Settings};
use crate::db::Db;

/// Learning inside other people's pages: the server and its tools.
#[derive(Debug, Parser)]
#[command(name = "jalon", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    /// The database: `sqlite://file` or `postgres://user:password@host/name` [default: `sqlite://jalon.db`]
    #[arg(long, env = "JALON_DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    /// A YAML file of settings; flags and JALON_… variables are stronger
    #[arg(long, env = "JALON_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<serve::Args>),
    /// Bring the database up to date (`serve` does it too, unless told not to)
    Migrate(migrate::Args),
    // These two say more in their own help than a line.
    Backup(backup::Args),
    Restore(backup::RestoreArgs),
    /// Everything in one, to try it out: a CMS page, tracks, courses, a login, a webhook receiver
    Demo(demo::Args),
    /// Read tracks, courses, lessons and question banks from files into a site
    Import(import::Args),
    /// Write a site's tracks, courses, lessons and question banks as files
    Export(import::ExportArgs),
    // It says more in its own help than a line.
    Translate(translate::Args),
    /// Question files: GIFT and Aiken to our own YAML, and back
    Questions(questions::Args),
    // It says more in its own help than a line.
    Recalculate(recalculate::Args),
    /// Add and list sites
    Site(site::Args),
    /// Make, list and revoke API keys
    Key(key::Args),
    /// Sign a token, to try things out
    Token(token::Args),
    /// Webhook endpoints: add, list, rotate secrets, test, replay
    Webhook(webhook::Args),
    /// Find out why a widget does not show on a page
    Check(check::Args),
    /// Print the API's OpenAPI document
    Openapi(openapi::Args),
}

impl Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Self::Serve(args) => args.run(context).await,
            Self::Migrate(args) => args.run(context).await,
            Self::Backup(args) => args.run(context).await,
            Self::Restore(args) => args.run(context).await,
            Self::Demo(args) => args.run(context).await,
            Self::Import(args) => args.run(context).await,
            Self::Export(args) => args.run(context).await,
            Self::Translate(args) => args.run(context).await,
            Self::Questions(args) => args.run(context),
            Self::Recalculate(args) => args.run(context).await,
            Self::Site(args) => args.run(context).await,
            Self::Key(args) => args.run(context).await,
            Self::Token(args) => args.run(context).await,
            Self::Webhook(args) => args.run(context).await,
            Self::Check(args) => args.run(context).await,
            Self::Openapi(args) => args.run(),
        }
    }
}

/// What a command works with.
#[derive(Debug)]
pub struct Context {
    json: bool,
    settings: Settings,
}

/// Only the environment's part of the settings, for commands that show no flags for them.
#[derive(Debug, Parser)]
struct Environment {
    #[command(flatten)]
    settings: Settings,
}

impl Context {
    fn new(cli: &Cli) -> Result<Self, ConfigError> {
        let file = cli.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let flags = Settings { database_url: cli.database_url.clone(), ..Settings::default() };
        Ok(Self { json: cli.json, settings: flags.or(Environment::parse_from(["jalon"]).settings).or(file) })
    }

    /// The configuration; `flags` are the command's own and the strongest.
    pub fn config(&self, flags: Settings) -> Result<Config, ConfigError> {
        flags.or(self.settings.clone()).complete()
    }

    /// The server's parts without the server: the database opened and brought up to date.
    pub async fn app(&self) -> anyhow::Result<AppState> {
        let config = self.config(Settings::default())?;
        let db = Db::connect(&config.db).await?;
        db.migrate().await?;
        Ok(AppState::new(db, Clock::system(), config).await?)
    }

    /// Whether to answer as JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Prints the answer on stdout: as JSON when asked for, else as text for people.
    pub fn print<T: Serialize>(&self, answer: &T, text: impl Display) -> anyhow::Result<()> {
        if self.json { print(serde_json::to_string_pretty(answer)?) } else { print(text) }
    }
}

/// Nobody reads our output any more, as in `jalon openapi | head -1`: no failure, but the end.
#[derive(Debug, thiserror::Error)]
#[error("the output was closed")]
struct OutputClosed;

/// Prints a line on stdout. `println!` would panic where nobody reads it.
fn print(text: impl Display) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        written => Ok(written?),
    }
}

/// Says on stderr what is no failure; in JSON the answer itself has it.
fn warn(context: &Context, warnings: impl IntoIterator<Item = impl Display>) {
    if !context.json {
        for warning in warnings {
            writeln!(std::io::stderr(), "warning: {warning}").ok();
        }
    }
}

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    run_with(std::env::args_os()).await
}

/// Runs the command that these arguments name; the first is the program.
pub async fn run_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // One provider of cryptography for all TLS in the process. An error means that there is one already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let cli = Cli::parse_from(arguments);
    let json = cli.json;
    let outcome = match Context::new(&cli) {
        Ok(context) => cli.command.run(&context).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<OutputClosed>() => ExitCode::SUCCESS,
        Err(error) => {
            let text = if json {
                serde_json::json!({ "error": format!("{error:#}") }).to_string()
            } else {
                format!("jalon: {error:#}")
            };
            // Whoever closed our stderr does not want to hear it.
            writeln!(std::io::stderr(), "{text}").ok();
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
