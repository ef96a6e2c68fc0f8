//! `jalon backup` and `jalon restore`.

use std::path::PathBuf;

use super::Context;
use crate::clock::Clock;
use crate::config::Settings;
use crate::db::backup::{self, Manifest, Wish};

/// Write everything into one file, while the server runs.
///
/// The file holds the state of one moment, whichever database it comes from, and `jalon restore` puts
/// it back into SQLite or PostgreSQL. It is read back and compared before it gets its name. It holds
/// secrets (the key of guests' tokens, members' HS256 secrets, webhook secrets) and people's progress:
/// it is readable by you alone; keep it so.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to write, e.g. jalon-2026-11-21.backup
    file: PathBuf,
    /// Replace the file if it is there (only when the new one is whole)
    #[arg(long)]
    force: bool,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let config = context.config(Settings::default())?;
        let made = backup::backup(&config.db, &self.file, self.force, Clock::system().now()).await?;
        let text = format!("{} was written and checked: {}.", self.file.display(), contents(&made));
        context.print(&made, text)
    }
}

/// Put a backup into an empty database, SQLite or PostgreSQL.
///
/// Stop the servers of that database first. The database named by `--database-url` must be empty (a
/// new file, or a new PostgreSQL database); it gets everything or nothing. Webhooks that were not
/// delivered when the backup was made are sent again, with the same ids.
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// The file that `jalon backup` wrote
    file: PathBuf,
    /// Only look whether the file is whole; touch no database
    #[arg(long, conflicts_with = "hold_webhooks")]
    check: bool,
    /// Switch all webhook endpoints off: to try a restore without anybody hearing of it
    #[arg(long)]
    hold_webhooks: bool,
}

impl RestoreArgs {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let name = self.file.display();
        if self.check {
            let there = backup::verify(&self.file).await?;
            return context.print(&there, format!("{name} is whole: {}.", contents(&there)));
        }
        let config = context.config(Settings::default())?;
        let wish = Wish { hold_webhooks: self.hold_webhooks };
        let restored = backup::restore(&self.file, &config.db, wish).await?;
        let held = if self.hold_webhooks { " All webhook endpoints are switched off." } else { "" };
        context.print(&restored, format!("{name} was restored and checked: {}.{held}", contents(&restored)))
    }
}

fn contents(manifest: &Manifest) -> String {
    let of = |table: &str| manifest.tables.get(table).map_or(0, |table| table.rows);
    format!(
        "of {}, migration {}, {} rows ({} sites, {} guests, {} enrollments, {} events)",
        manifest.made_at,
        manifest.migration,
        manifest.rows(),
        of("site"),
        of("guest"),
        of("enrollment"),
        of("event")
    )
}
