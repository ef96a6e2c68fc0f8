//! `jalon serve`.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::Context;
use crate::app::AppState;
use crate::clock::Clock;
use crate::config::{LogFormat, Settings};
use crate::db::{Db, latest_migration};
use crate::http;
use crate::server::Server;

/// Everything that can be set, and:
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Start only when the database is up to date already (several servers, migrated apart)
    #[arg(long)]
    no_migrate: bool,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut config = context.config(self.settings)?;
        start_log(config.log_format);
        let listener = bind(config.listen).await?;
        config.listen = listener.local_addr()?;
        let metrics = match config.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let db = Db::connect(&config.db).await.context("the database can't be opened")?;
        if self.no_migrate {
            let (there, needed) = (db.migration().await?, latest_migration());
            anyhow::ensure!(
                there == needed,
                "the database is at migration {there}, this program needs {needed}: run jalon migrate"
            );
        } else {
            db.migrate().await.context("the database can't be brought up to date")?;
        }
        let app = AppState::new(db, Clock::system(), config).await?;
        let router = http::router::router(app.clone());
        let more = metrics.map(|listener| (listener, http::health::metrics_router(app.clone()))).into_iter().collect();
        // Handlers first: whoever sees that we listen may stop us at once.
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let server = Server::start(app, listener, router, more)?;
        tracing::info!(address = %server.address(), database = ?server.app().config.db.address, "listening");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests under way are finished first");
        tokio::select! {
            () = server.stop() => tracing::info!("stopped"),
            // Asked twice: at once. What was acknowledged is durable.
            _ = terminate.recv() => tracing::warn!("stopped at once"),
            _ = interrupt.recv() => tracing::warn!("stopped at once"),
        }
        Ok(())
    }
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))
}

/// Starts the log on stderr; `JALON_LOG` picks levels as `RUST_LOG` does elsewhere.
pub(super) fn start_log(format: LogFormat) {
    let mut filter = EnvFilter::try_from_env("JALON_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // The HTML cleaner's traces are authors' texts, letter by letter and with their line breaks.
    if let Ok(quiet) = "html5ever=warn".parse() {
        filter = filter.add_directive(quiet);
    }
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // An error means that a log was started already: that one is used.
    match format {
        LogFormat::Text => log.try_init().ok(),
        LogFormat::Json => log.json().flatten_event(true).try_init().ok(),
    };
}
