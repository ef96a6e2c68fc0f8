//! `jalon webhook`.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use jalon_shared::wire::webhook::{
    CreateEndpoint, DeliveryState, DeliveryView, EndpointCreated, EndpointView, RotateSecret,
};
use uuid::Uuid;

use super::{Context, key::plain, site};
use crate::{
    app::AppState,
    config::Period,
    db::DbError,
    site::Site,
    webhook::{endpoint, log, store},
};

/// Webhooks: what the site's own systems hear.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add an endpoint and print its secret (whsec_…): alone on stdout. One that is there already is no
    /// error: its newest secret is printed
    Add(Add),
    /// List endpoints, without their secrets
    List(Target),
    /// Make a new secret and print it; those before go on signing for a while
    Rotate(Rotate),
    /// Send a test event now and say what came of it
    Test(Named),
    /// List what was sent to an endpoint, the newest first
    Deliveries(Deliveries),
    /// Send a delivery again, at once
    Replay(Replay),
}

#[derive(Debug, clap::Args)]
struct Target {
    /// The site
    #[arg(long, value_name = "SLUG")]
    site: String,
}

#[derive(Debug, clap::Args)]
struct Add {
    #[command(flatten)]
    target: Target,
    /// Where to send: `https://…` (with `JALON_DEVELOPMENT=true` also http on this machine)
    #[arg(long, value_name = "URL")]
    url: String,
    /// A type of event it wants; may be given several times [default: all]
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,
}

/// One endpoint; a site's only one needs no id.
#[derive(Debug, clap::Args)]
struct Named {
    #[command(flatten)]
    target: Target,
    /// The endpoint's id, from jalon webhook list [default: the site's only one]
    id: Option<Uuid>,
}

#[derive(Debug, clap::Args)]
struct Rotate {
    #[command(flatten)]
    named: Named,
    /// How long those before go on signing, e.g. 24h [default: 24h]
    #[arg(long, value_name = "PERIOD")]
    overlap: Option<Period>,
}

#[derive(Debug, clap::Args)]
struct Deliveries {
    #[command(flatten)]
    named: Named,
    /// Only those in this state: pending, delivered or parked
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<DeliveryState>,
    /// How many
    #[arg(long, default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

#[derive(Debug, clap::Args)]
struct Replay {
    #[command(flatten)]
    target: Target,
    /// The delivery's id, from jalon webhook deliveries
    id: Uuid,
}

fn state(text: &str) -> Result<DeliveryState, &'static str> {
    DeliveryState::parse(text).ok_or("there are pending, delivered and parked")
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let app = context.app().await?;
        let done = match self.command {
            Command::Add(add) => add.run(context, &app).await,
            Command::List(target) => target.list(context, &app).await,
            Command::Rotate(rotate) => rotate.run(context, &app).await,
            Command::Test(named) => named.test(context, &app).await,
            Command::Deliveries(deliveries) => deliveries.run(context, &app).await,
            Command::Replay(replay) => replay.run(context, &app).await,
        };
        app.db.close().await;
        done
    }
}

impl Target {
    fn find(&self, app: &AppState) -> anyhow::Result<Arc<Site>> {
        site::find(app, &self.site)
    }

    async fn list(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let endpoints = endpoint::list(app, self.find(app)?.id).await.map_err(plain)?;
        let line = |endpoint: &EndpointView| {
            let events =
                if endpoint.event_types.is_empty() { "all events".to_owned() } else { endpoint.event_types.join(",") };
            let state = match (endpoint.enabled, endpoint.disabled_reason.as_deref()) {
                (true, _) => "enabled".to_owned(),
                (false, Some(reason)) => format!("disabled ({reason})"),
                (false, None) => "disabled".to_owned(),
            };
            format!("{}\t{}\t{events}\t{state}", endpoint.id, endpoint.url)
        };
        let text: Vec<String> = endpoints.iter().map(line).collect();
        let text = if text.is_empty() {
            "The site has no endpoint; add one with jalon webhook add.".to_owned()
        } else {
            text.join("\n")
        };
        context.print(&endpoints, text)
    }
}

impl Add {
    async fn run(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let (site, now) = (self.target.find(app)?.id, app.clock.now());
        let present =
            endpoint::list(app, site).await.map_err(plain)?.into_iter().find(|present| present.url == self.url);
        let Some(present) = present else {
            let created = endpoint::add(app, site, CreateEndpoint { url: self.url, event_types: self.events })
                .await
                .map_err(plain)?;
            return context.print(&created, &created.secret);
        };
        let mut events = self.events;
        events.sort_unstable();
        events.dedup();
        if events != present.event_types {
            let has =
                if present.event_types.is_empty() { "all events".to_owned() } else { present.event_types.join(", ") };
            bail!("the endpoint {} is at this address already and gets {has}; nothing was changed", present.id);
        }
        let id = present.id;
        let secrets = app.db.read::<_, DbError, _>(move |tx| Box::pin(store::live_secrets(tx, site, id, now))).await?;
        let secret = secrets
            .into_iter()
            .next()
            .context("the endpoint has no live secret; make one with jalon webhook rotate")?;
        let created = EndpointCreated { endpoint: present, secret };
        context.print(&created, &created.secret)
    }
}

impl Named {
    /// The site, and the endpoint that is meant.
    async fn find(&self, app: &AppState) -> anyhow::Result<(Arc<Site>, Uuid)> {
        let site = self.target.find(app)?;
        let endpoints = endpoint::list(app, site.id).await.map_err(plain)?;
        let id = match (self.id, endpoints.as_slice()) {
            (Some(id), known) if known.iter().any(|endpoint| endpoint.id == id) => id,
            (Some(id), _) => bail!("the site {} has no endpoint {id}; look with jalon webhook list", site.slug),
            (None, [only]) => only.id,
            (None, []) => bail!("the site {} has no endpoint; add one with jalon webhook add", site.slug),
            (None, known) => bail!(
                "the site {} has {} endpoints; say which by its id, from jalon webhook list",
                site.slug,
                known.len()
            ),
        };
        Ok((site, id))
    }

    async fn test(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let (site, id) = self.find(app).await?;
        let result = endpoint::test(app, &site, id).await.map_err(plain)?;
        let said = result.response_excerpt.as_ref().map_or_else(String::new, |said| format!(": {said}"));
        if !result.delivered {
            if context.json() {
                context.print(&result, "")?;
            }
            bail!("the test event was not taken: {}{said}", result.error.as_deref().unwrap_or("no answer"));
        }
        let status = result.status.unwrap_or_default();
        context.print(&result, format!("The receiver took it: status {status} after {} ms{said}", result.duration_ms))
    }
}

impl Rotate {
    async fn run(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let (site, id) = self.named.find(app).await?;
        let overlap = self.overlap.map(|overlap| u32::try_from(overlap.0.as_secs()).unwrap_or(u32::MAX));
        let created = endpoint::rotate(app, site.id, id, &RotateSecret { expire_previous_after_seconds: overlap })
            .await
            .map_err(plain)?;
        context.print(&created, &created.secret)
    }
}

impl Deliveries {
    async fn run(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let (site, id) = self.named.find(app).await?;
        let (site, state, limit) = (site.id, self.state, self.limit);
        let deliveries =
            app.db.read::<_, DbError, _>(move |tx| Box::pin(log::deliveries(tx, site, id, state, None, limit))).await?;
        let line = |delivery: &DeliveryView| {
            let came = match (&delivery.last_error, delivery.last_status) {
                (Some(error), _) => error.clone(),
                (None, Some(status)) => format!("answered {status}"),
                (None, None) => "not tried yet".to_owned(),
            };
            format!(
                "{}\t{}\t{}\t{}\t{}\t{came}",
                delivery.id,
                delivery.created_at,
                delivery.kind,
                delivery.state.as_str(),
                delivery.attempts
            )
        };
        let text: Vec<String> = deliveries.iter().map(line).collect();
        context
            .print(&deliveries, if text.is_empty() { "There are no deliveries.".to_owned() } else { text.join("\n") })
    }
}

impl Replay {
    async fn run(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let site = self.target.find(app)?;
        let replayed = endpoint::replay(app, site.id, self.id).await.map_err(|error| match error.problem().status {
            404 => anyhow::anyhow!(
                "the site {} has no delivery {}; look with jalon webhook deliveries",
                site.slug,
                self.id
            ),
            _ => plain(error),
        })?;
        context.print(
            &replayed,
            format!("The delivery {} is sent again within a second, if the server runs.", replayed.id),
        )
    }
}
