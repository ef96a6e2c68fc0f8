//! `jalon migrate`.

use super::Context;
use crate::config::Settings;
use crate::db::{Db, latest_migration};

/// No flags of its own.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let config = context.config(Settings::default())?;
        let db = Db::connect(&config.db).await?;
        let before = db.migration().await?;
        db.migrate().await?;
        db.close().await;
        let now = latest_migration();
        let text = if before == now {
            format!("The database is up to date (migration {now}).")
        } else {
            format!("The database went from migration {before} to {now}.")
        };
        context.print(&serde_json::json!({ "before": before, "now": now }), text)
    }
}
