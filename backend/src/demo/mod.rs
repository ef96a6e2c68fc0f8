//! `jalon demo`: everything in one process, to live the whole story: a federation's CMS page on its own
//! origin, Jalon beside it on an empty SQLite file, the five example tracks, a login that signs member
//! tokens, and a receiver that verifies and shows what the webhooks say.

mod cms;
mod media;

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, ensure};
use include_dir::{Dir, include_dir};
use jalon_shared::{
    Lang, SiteId,
    wire::admin_site::{CreateSite, KeyAlgorithm, Scope},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    app::AppState,
    article,
    clock::Clock,
    config::Settings,
    db::{Db, DbError},
    folder::{find::Kind, import},
    http, id,
    server::Server,
    site::{key, store},
};

/// The example courses, with the lesson and the questions that they share.
static COURSES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../examples/courses");
static LESSONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../examples/lessons");
static BANKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../examples/banks");
/// What the federation's magazine has: the CMS is a content provider, too.
static ARTICLES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../examples/articles");
/// The example tracks.
static CONTENT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../examples/content");
/// Tracks that hold lessons of the example courses.
static TRACKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../examples/tracks");
/// The federation's pages.
static PAGES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../examples/cms-page");

/// The demo's site.
const SITE: &str = "fpsf";

/// A demo that runs. Dropping it takes its database with it.
#[derive(Debug)]
pub struct Demo {
    /// Jalon's address.
    pub api: String,
    /// The CMS's address: the page to open.
    pub cms: String,
    /// An API key with every scope on the site, to try the API.
    pub api_key: String,
    server: Server,
    pages: tokio::task::JoinHandle<()>,
    _folder: TempDir,
}

impl Demo {
    /// Starts on `listen`, with the CMS one port further; a port that is taken is replaced by a free one.
    pub async fn start(listen: SocketAddr, settings: Settings) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        let jalon = bind(listen).await?;
        let cms =
            bind(SocketAddr::new(listen.ip(), if listen.port() == 0 { 0 } else { listen.port().saturating_add(1) }))
                .await?;
        let (api, page) = (address(&jalon)?, address(&cms)?);

        let database = format!("sqlite://{}", folder.path().join("jalon.db").display());
        let own = Settings {
            database_url: Some(database),
            listen: Some(jalon.local_addr()?),
            public_url: Some(api.parse()?),
            development: Some(true),
            ..Settings::default()
        };
        let config = own.or(settings).complete()?;
        let db = Db::connect(&config.db).await?;
        db.migrate().await?;

        let secret = random_key()?;
        let api_key = random_key()?;
        let site = make_site(&db, &page, &secret, &api_key).await?;
        import(&db, site, folder.path(), &format!("{page}/media")).await?;

        let app = AppState::new(db, Clock::system(), config).await?;
        let server = Server::start(app.clone(), jalon, http::router::router(app), Vec::new())?;
        let hook = listen_to_webhooks(&api, &api_key, &format!("{page}/cms/hook")).await?;
        let cms_app = cms::Cms::new(&api, &page, SITE, &secret, &hook)?;
        let pages = tokio::spawn(async move {
            if let Err(error) = axum::serve(cms, cms_app.router()).await {
                tracing::error!(%error, "the CMS page has stopped");
            }
        });
        Ok(Self { api, cms: page, api_key, server, pages, _folder: folder })
    }

    /// Stops in order.
    pub async fn stop(self) {
        self.server.stop().await;
        self.pages.abort();
    }
}

async fn bind(wanted: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(wanted).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::new(wanted.ip(), 0)).await.context("no port is free")
        }
        Err(error) => Err(error).with_context(|| format!("can't listen on {wanted}")),
    }
}

fn address(listener: &TcpListener) -> anyhow::Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

async fn make_site(db: &Db, page: &str, secret: &str, api_key: &str) -> anyhow::Result<SiteId> {
    let lang = |tag: &str| Lang::parse(tag);
    let site = CreateSite {
        slug: SITE.to_owned(),
        name: "Fédération de Pétanque Sans Frontières".to_owned(),
        default_lang: lang("fr")?,
        languages: vec![lang("fr")?, lang("en")?, lang("sv")?],
        origins: vec![page.to_owned()],
        login_url: Some(format!("{page}/#login")),
        look: serde_json::from_value(json!({}))?,
    };
    let magazine = format!("{page}/cms/articles/{{id}}?lang={{lang}}");
    let (secret, hash, now) = (secret.to_owned(), key::hash(api_key), Clock::system().now());
    let made = db
        .write(move |tx| {
            Box::pin(async move {
                let site_id = SiteId(id::new_v7(now));
                store::insert(tx, site_id, &site, now).await?;
                store::insert_signing_key(tx, site_id, id::new_v7(now), KeyAlgorithm::HS256, None, &secret, None, now)
                    .await?;
                store::insert_key(tx, Some(site_id), id::new_v7(now), "demo", &hash, &[Scope::SiteAdmin], None, now)
                    .await?;
                article::store::put_provider(tx, site_id, "magazine", &magazine, now).await?;
                Ok::<_, DbError>(site_id)
            })
        })
        .await?;
    Ok(made)
}

async fn import(db: &Db, site: SiteId, folder: &Path, media: &str) -> anyhow::Result<()> {
    let content = folder.join("content");
    std::fs::create_dir_all(&content)?;
    CONTENT.extract(&content)?;
    TRACKS.extract(&content)?;
    std::fs::remove_dir_all(content.join("media")).ok();
    for (kind, files) in [(Kind::Bank, &BANKS), (Kind::Lesson, &LESSONS), (Kind::Course, &COURSES)] {
        let folder = content.join(kind.folder());
        std::fs::create_dir_all(&folder)?;
        files.extract(&folder)?;
    }
    let imported = import::import(db, site, &content, Some(media), true, Clock::system().now()).await?;
    ensure!(imported.len() == 11, "eleven examples were expected, {} were found", imported.len());
    Ok(())
}

/// Registers the receiver as a webhook endpoint, over the API as anybody would; answers its secret.
async fn listen_to_webhooks(api: &str, api_key: &str, url: &str) -> anyhow::Result<String> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client
        .post(format!("{api}/api/v1/admin/sites/{SITE}/webhooks"))
        .bearer_auth(api_key)
        .json(&json!({ "url": url }))
        .send()
        .await?;
    let status = answer.status();
    let answer: Value = answer.json().await?;
    ensure!(status.is_success(), "the webhook endpoint was refused: {answer}");
    let secret = answer["secret"].as_str().context("the webhook endpoint has no secret")?;
    Ok(secret.to_owned())
}

fn random_key() -> anyhow::Result<String> {
    key::generate().map_err(|error| anyhow::anyhow!("no randomness: {error}"))
}
