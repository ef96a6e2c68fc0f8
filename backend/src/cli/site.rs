//! `jalon site`.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use jalon_shared::{
    Lang,
    wire::{
        admin_site::{AdminSiteView, CreateSigningKey, CreateSite, KeyAlgorithm},
        site::Look,
    },
};
use serde::Serialize;

use super::{Context, key::plain};
use crate::{
    app::AppState,
    article::routes as providers,
    site::{Site, routes, valid},
};

/// Sites: tenants of this server.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a site. One that is there already is no error: it is shown, with what differs
    Add(Box<Add>),
    /// Add a content provider, whose articles lesson items show, or change its address
    Provider(Provider),
    /// List all sites
    List,
}

#[derive(Debug, clap::Args)]
struct Provider {
    /// The site, e.g. fpsf
    site: String,
    /// What lesson items call it: lower-case letters, digits and -, e.g. magazine
    name: String,
    /// Where its articles are, e.g. <https://magazine.example/api/articles/{id}?lang={lang}>
    url: String,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// Its name in addresses: lower-case letters, digits and -, e.g. fpsf
    slug: String,
    /// Its name for people [default: the slug]
    #[arg(long)]
    name: Option<String>,
    /// The language used where a page names none, e.g. sv [default: fr]
    #[arg(long, value_name = "TAG")]
    lang: Option<Lang>,
    /// A further language that it offers; may be given several times
    #[arg(long = "language", value_name = "TAG")]
    languages: Vec<Lang>,
    /// An origin its pages live on, e.g. <https://www.example.org>; may be given several times
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Where its members log in
    #[arg(long, value_name = "URL")]
    login_url: Option<String>,
    /// The secret its login signs member tokens with (HS256), at least 32 bytes
    #[arg(long, value_name = "SECRET", env = "JALON_MEMBER_SECRET", hide_env_values = true)]
    member_secret: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    created: bool,
    /// What was asked for and is otherwise; nothing was changed there.
    differs: Vec<String>,
    site: AdminSiteView,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let app = context.app().await?;
        let done = match self.command {
            Command::Add(add) => add.run(context, &app).await,
            Command::Provider(provider) => provider.run(context, &app).await,
            Command::List => list(context, &app),
        };
        app.db.close().await;
        done
    }
}

impl Provider {
    async fn run(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let site = app.gate.sites.by_slug(&self.site).with_context(|| format!("there is no site {}", self.site))?;
        let (created, provider) = providers::put(app, &site, &self.name, self.url).await.map_err(plain)?;
        let done = if created { "was added" } else { "is there, with this address" };
        let text = format!("The content provider {} {done}: {}", provider.name, provider.url);
        context.print(&provider, text)
    }
}

impl Add {
    async fn run(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let wanted = CreateSite {
            name: self.name.unwrap_or_else(|| self.slug.clone()),
            slug: self.slug,
            default_lang: match &self.lang {
                Some(lang) => lang.clone(),
                None => Lang::parse("fr")?,
            },
            languages: self.languages,
            origins: self.origins,
            login_url: self.login_url,
            look: Look::default(),
        };
        let wanted = valid::create(wanted).map_err(|errors| {
            let errors: Vec<String> =
                errors.iter().map(|error| format!("{} ({})", error.detail, &error.pointer[1..])).collect();
            anyhow::anyhow!("{}", errors.join(" "))
        })?;
        if let Some(present) = app.gate.sites.by_slug(&wanted.slug) {
            let differs = differences(&present, &wanted, self.lang.is_some(), self.member_secret.as_deref());
            let text = if differs.is_empty() {
                format!("The site {} is there already.", present.slug)
            } else {
                format!(
                    "The site {} is there already, and nothing was changed. It differs from what you asked for:\n- {}",
                    present.slug,
                    differs.join("\n- ")
                )
            };
            return context.print(&Answer { created: false, differs, site: present.admin_view() }, text);
        }
        let site = routes::add(app, wanted, None).await.map_err(plain)?;
        if let Some(secret) = self.member_secret {
            let key = CreateSigningKey {
                algorithm: KeyAlgorithm::HS256,
                kid: None,
                secret: Some(secret),
                public_key: None,
                jwks_url: None,
                expires_at: None,
            };
            routes::add_signing_key(app, site.id, key, None)
                .await
                .map_err(plain)
                .context("the site was added, but its member secret was not")?;
        }
        let text = format!("The site {} was added.", site.slug);
        let site = app.gate.sites.by_id(site.id).map_or_else(|| site.admin_view(), |site| site.admin_view());
        context.print(&Answer { created: true, differs: Vec::new(), site }, text)
    }
}

/// What was asked for and is otherwise; a secret is never shown.
fn differences(present: &Site, wanted: &CreateSite, lang_given: bool, secret: Option<&str>) -> Vec<String> {
    let mut differs = Vec::new();
    if present.name != wanted.name && wanted.name != wanted.slug {
        differs.push(format!("its name is {:?}, not {:?}", present.name, wanted.name));
    }
    if lang_given && present.default_lang != wanted.default_lang {
        differs.push(format!("its language is {}, not {}", present.default_lang, wanted.default_lang));
    }
    let offered = wanted.languages.iter().filter(|lang| lang_given || **lang != wanted.default_lang);
    for lang in offered.filter(|lang| !present.languages.contains(lang)) {
        differs.push(format!("it does not offer {lang}"));
    }
    for origin in wanted.origins.iter().filter(|origin| !present.has_origin(origin)) {
        differs.push(format!("{origin} is not one of its origins"));
    }
    if wanted.login_url.is_some() && present.login_url != wanted.login_url {
        differs.push(format!("its login address is {}", present.login_url.as_deref().unwrap_or("not set")));
    }
    if let Some(secret) = secret
        && !present.signing_keys.iter().any(|key| key.secret() == Some(secret))
    {
        differs.push("its member secret is another one".to_owned());
    }
    differs
}

fn list(context: &Context, app: &AppState) -> anyhow::Result<()> {
    let sites: Vec<AdminSiteView> = app.gate.sites.all().iter().map(|site| site.admin_view()).collect();
    let lines: Vec<String> = sites
        .iter()
        .map(|site| format!("{}\t{}\t{}\t{}", site.slug, site.name, site.default_lang, site.origins.join(" ")))
        .collect();
    let text = if lines.is_empty() {
        "There is no site yet; add one with jalon site add.".to_owned()
    } else {
        lines.join("\n")
    };
    context.print(&sites, text)
}

/// The site of a slug, or one plain sentence.
pub(super) fn find(app: &AppState, slug: &str) -> anyhow::Result<std::sync::Arc<Site>> {
    let Some(site) = app.gate.sites.by_slug(slug) else {
        let known: Vec<String> = app.gate.sites.all().iter().map(|site| site.slug.clone()).collect();
        if known.is_empty() {
            bail!("there is no site {slug}; add it with jalon site add {slug}");
        }
        bail!("there is no site {slug}; there are: {}", known.join(", "));
    };
    Ok(site)
}
