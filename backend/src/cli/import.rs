//! `jalon import` and `jalon export`.

use std::path::PathBuf;

use anyhow::Context as _;

use super::Context;
use crate::track::folder;

/// Read tracks from a file or a folder into the site: all of them, or nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A track's file (YAML or JSON), its folder, or a folder of either
    path: PathBuf,
    /// The site's slug
    #[arg(long, value_name = "SLUG")]
    site: String,
    /// Publish what was imported: learners begin with it
    #[arg(long)]
    publish: bool,
    /// What `{media}` at the beginning of an address stands for
    #[arg(long, value_name = "URL")]
    media_base: Option<String>,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let app = context.app().await?;
        let site = app.gate.sites.by_slug(&self.site).with_context(|| unknown(&self.site))?;
        let imported =
            folder::import(&app.db, site.id, &self.path, self.media_base.as_deref(), self.publish, app.clock.now())
                .await;
        app.db.close().await;
        let imported = imported.context("nothing was imported")?;
        super::warn(context, imported.iter().flat_map(|track| &track.warnings));
        let lines = imported.iter().map(|track| {
            let state = match (track.changed, track.published) {
                (true, true) => "new version, published",
                (true, false) => "new version, not published yet",
                (false, true) => "unchanged, published",
                (false, false) => "unchanged, not published",
            };
            format!("{} version {}: {state}", track.slug, track.version)
        });
        context.print(&imported, lines.collect::<Vec<_>>().join("\n"))
    }
}

fn unknown(site: &str) -> String {
    format!("there is no site {site:?}; add it with: jalon site add {site} --name … --lang … --origin …")
}

/// Write the site's tracks as folders: what `import` takes, back.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// The site's slug
    #[arg(long, value_name = "SLUG")]
    site: String,
    /// The folder to write into
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

impl ExportArgs {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let app = context.app().await?;
        let site = app.gate.sites.by_slug(&self.site).with_context(|| unknown(&self.site))?;
        let exported = folder::export(&app.db, site.id, &self.out).await;
        app.db.close().await;
        let exported = exported?;
        let lines: Vec<String> =
            exported.iter().map(|slug| self.out.join(slug.as_str()).display().to_string()).collect();
        context.print(&exported, lines.join("\n"))
    }
}
