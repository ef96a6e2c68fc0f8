//! `jalon token`.

use anyhow::Context as _;
use clap::Subcommand;
use jalon_shared::{Lang, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::{Context, site};
use crate::{app::AppState, config::Period};

/// Tokens, to try things out.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sign a member's token with the site's HS256 secret, as its login would, and print it
    Member(Member),
}

#[derive(Debug, clap::Args)]
struct Member {
    /// The site
    #[arg(long, value_name = "SLUG")]
    site: String,
    /// Who it is for: the member's id at the site
    #[arg(long, value_name = "ID")]
    sub: String,
    /// Their name
    #[arg(long)]
    name: Option<String>,
    /// Their e-mail address
    #[arg(long)]
    email: Option<String>,
    /// Their language, e.g. fr
    #[arg(long, value_name = "TAG")]
    lang: Option<Lang>,
    /// A role: member, instructor, `course_manager`, grader, coach, `academy_director` or `site_admin`; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// A group they belong to; may be given several times
    #[arg(long = "cohort", value_name = "NAME")]
    cohorts: Vec<String>,
    /// How long it is valid
    #[arg(long, value_name = "PERIOD", default_value = "1h")]
    ttl: Period,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lang: Option<&'a Lang>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cohorts: &'a [String],
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let app = context.app().await?;
        let Command::Member(member) = self.command;
        let done = member.run(context, &app).await;
        app.db.close().await;
        done
    }
}

impl Member {
    async fn run(self, context: &Context, app: &AppState) -> anyhow::Result<()> {
        let site = site::find(app, &self.site)?;
        let now = app.clock.now();
        let key = site.signing_keys.iter().filter(|key| key.is_live(now)).find(|key| key.secret().is_some());
        let key = key.with_context(|| {
            format!("the site {} has no live HS256 secret to sign with (add it with --member-secret, or let the site's own login sign)", site.slug)
        })?;
        let iat = now.0.div_euclid(1000);
        let exp = iat.saturating_add(i64::try_from(self.ttl.0.as_secs()).unwrap_or(i64::MAX / 2));
        let claims = Claims {
            sub: &self.sub,
            aud: &site.slug,
            iat,
            exp,
            name: self.name.as_deref(),
            email: self.email.as_deref(),
            lang: self.lang.as_ref(),
            roles: &self.roles,
            cohorts: &self.cohorts,
        };
        let header = Header { kid: key.kid.clone(), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(
            &header,
            &claims,
            &EncodingKey::from_secret(key.secret().unwrap_or_default().as_bytes()),
        )?;
        // Whoever made it wants to know now, not at the first request, if the server would refuse it.
        app.gate.members.read(&site, &token, now).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        let answer = serde_json::json!({ "token": token, "expires_at": Timestamp(exp.saturating_mul(1000)) });
        context.print(&answer, &token)
    }
}
