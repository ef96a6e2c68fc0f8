//! `jalon import` and `jalon export`.

use std::path::PathBuf;

use anyhow::Context as _;

use super::Context;
use crate::folder::{
    export::export,
    import::{Imported, import},
};

/// Read tracks, courses, shared lessons and question banks from a file or a folder into the site: all, or nothing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A file (YAML or JSON), its folder, or a folder of either, with courses/, lessons/ and banks/ in it
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
            import(&app.db, site.id, &self.path, self.media_base.as_deref(), self.publish, app.clock.now()).await;
        app.db.close().await;
        let imported = imported.context("nothing was imported")?;
        super::warn(context, imported.iter().flat_map(|document| &document.warnings));
        let lines = imported.iter().map(|Imported { kind, slug, version, changed, published, .. }| {
            let state = match (changed, published) {
                (true, Some(true)) => "new version, published",
                (true, Some(false)) => "new version, not published yet",
                (true, None) => "new version, which courses take with their next one",
                (false, Some(true)) => "unchanged, published",
                (false, Some(false)) => "unchanged, not published",
                (false, None) => "unchanged",
            };
            format!("{kind} {slug} version {version}: {state}")
        });
        context.print(&imported, lines.collect::<Vec<_>>().join("\n"))
    }
}

fn unknown(site: &str) -> String {
    format!("there is no site {site:?}; add it with: jalon site add {site} --name … --lang … --origin …")
}

/// Write the site's tracks, courses, shared lessons and question banks as folders: what `import` takes, back.
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
        let exported = export(&app.db, site.id, &self.out).await;
        app.db.close().await;
        let exported = exported?;
        let lines: Vec<String> = exported.iter().map(|exported| exported.folder.display().to_string()).collect();
        context.print(&exported, lines.join("\n"))
    }
}
