//! `jalon key`.

use anyhow::bail;
use clap::Subcommand;
use jalon_shared::wire::admin_site::{CreateKey, KeyView, Scope};
use uuid::Uuid;

use super::{Context, site};
use crate::{
    app::AppState,
    config::Period,
    db::DbError,
    http::ApiError,
    site::{routes, store},
};

/// API keys: for programs that run a site.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key and print it: once, alone on stdout
    Add(Add),
    /// List keys, without their secrets
    List(Target),
    /// Revoke a key at once
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Target {
    /// The site; without it, keys of the whole server
    #[arg(long, value_name = "SLUG")]
    site: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Add {
    #[command(flatten)]
    target: Target,
    /// What it allows; may be given several times [default: `site_admin`, without --site `server_admin`]
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// What it is for
    #[arg(long, default_value = "made on the command line")]
    name: String,
    /// How long it works, e.g. 90d [default: for ever]
    #[arg(long, value_name = "PERIOD")]
    ttl: Option<Period>,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    #[command(flatten)]
    target: Target,
    /// The key's id, from jalon key list
    id: Uuid,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let app = context.app().await?;
        let done = match self.command {
            Command::Add(add) => add.run(context, &app).await,
            Command::List(target) => target.list(context, &app).await,
            Command::Revoke(revoke) => revoke.run(context, &app).await,
        };
        app.db.close().await;
        done
    }
}

impl Target {
    fn id(&self, app: &AppState) -> anyhow::Result<Option<jalon_shared::SiteId>> {
        self.site.as_deref().map(|slug| site::find(app, slug).map(|site| site.id)).transpose()
    }

    async fn list(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let site = self.id(app)?;
        let keys = app.db.read::<_, DbError, _>(move |tx| Box::pin(store::list_keys(tx, site))).await?;
        let line = |key: &KeyView| {
            let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
            let state = match (key.revoked_at, key.expires_at) {
                (Some(at), _) => format!("revoked {at}"),
                (None, Some(at)) => format!("until {at}"),
                (None, None) => "live".to_owned(),
            };
            format!("{}\t{}\t{}\t{state}", key.id, scopes.join(","), key.name)
        };
        let text: Vec<String> = keys.iter().map(line).collect();
        context.print(&keys, if text.is_empty() { "There are no keys.".to_owned() } else { text.join("\n") })
    }
}

impl Add {
    async fn run(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let site = self.target.id(app)?;
        let usual = if site.is_some() { Scope::SiteAdmin } else { Scope::ServerAdmin };
        let new = CreateKey {
            name: self.name,
            scopes: if self.scopes.is_empty() { vec![usual] } else { self.scopes },
            expires_at: self
                .ttl
                .map(|ttl| app.clock.now().plus_seconds(i64::try_from(ttl.0.as_secs()).unwrap_or(i64::MAX / 1000))),
        };
        let created = routes::add_key(app, site, new).await.map_err(plain)?;
        context.print(&created, &created.key)
    }
}

impl Revoke {
    async fn run(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let (site, id) = (self.target.id(app)?, self.id);
        if !routes::end_key(app, site, id, None).await? {
            bail!("there is no key {id} there; look with jalon key list");
        }
        context.print(
            &serde_json::json!({ "id": id, "revoked": true }),
            format!("The key {id} no longer works; running servers see it within a second."),
        )
    }
}

/// A problem as one plain sentence.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(super) fn plain(error: ApiError) -> anyhow::Error {
    let problem = error.problem();
    let fields: Vec<&str> = problem.errors.iter().map(|error| error.detail.as_str()).collect();
    let text = match (fields.is_empty(), problem.detail.is_empty()) {
        (false, _) => fields.join(" "),
        (true, false) => problem.detail.clone(),
        (true, true) => problem.title.to_string(),
    };
    anyhow::anyhow!("{}", text.trim_end_matches('.'))
}
