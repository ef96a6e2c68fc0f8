//! `jalon check`: why a widget does not show, in words a site owner understands.

mod csp;
mod html;
mod page;

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, bail};
use reqwest::header;
use serde::Serialize;
use url::Url;

use self::page::{Page, Widget};
use super::Context;

/// The largest page that is read, in bytes.
const MAX_PAGE: usize = 8 * 1024 * 1024;

/// Find out why a widget does not show on a page.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The page's address, or a file with its HTML
    #[arg(value_name = "ADDRESS OR FILE")]
    page: String,
    /// For a file: the origin that the page will live on, e.g. <https://www.example.org>
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<Url>,
    /// For a file: the Content-Security-Policy that its server sends
    #[arg(long, value_name = "POLICY")]
    csp: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// As it should be.
    Good,
    /// May go wrong.
    Warning,
    /// The widget can't show because of it.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// For programs.
    pub code: &'static str,
    /// For people: what is, and what to do.
    pub text: String,
}

impl Finding {
    pub fn good(code: &'static str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Good, code, text: text.into() }
    }

    pub fn warning(code: &'static str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code, text: text.into() }
    }

    pub fn error(code: &'static str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, text: text.into() }
    }
}

#[derive(Serialize)]
struct Report {
    page: String,
    widgets: Vec<Widget>,
    findings: Vec<Finding>,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(15))
            .user_agent(concat!("jalon-check/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let page = self.page(&client).await?;
        let mut findings = page.findings();
        let widgets = page.widgets();
        for widget in &widgets {
            ask_backend(&client, &page, widget, &mut findings).await;
        }
        let mistakes = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        let mut text = format!("{}\n", page.name);
        for finding in &findings {
            let mark = match finding.severity {
                Severity::Good => "  ok       ",
                Severity::Warning => "  careful  ",
                Severity::Error => "  WRONG    ",
            };
            let _ = writeln!(text, "{mark}{}", finding.text);
        }
        context.print(&Report { page: page.name.clone(), widgets, findings }, text.trim_end())?;
        match mistakes {
            0 => Ok(()),
            1 => bail!("the widget can't show: one thing is wrong"),
            mistakes => bail!("the widget can't show: {mistakes} things are wrong"),
        }
    }

    async fn page(&self, client: &reqwest::Client) -> anyhow::Result<Page> {
        if let Ok(address) = Url::parse(&self.page)
            && matches!(address.scheme(), "http" | "https")
        {
            return fetch(client, address).await;
        }
        let most = u64::try_from(MAX_PAGE).unwrap_or(u64::MAX);
        let html = crate::folder::read_regular(std::path::Path::new(&self.page), None, most)
            .map_err(|error| anyhow::anyhow!("can't read the page {}: {error}", self.page))?;
        let policies = self.csp.as_deref().map(csp::Policy::parse_all).unwrap_or_default();
        Ok(Page::new(self.page.clone(), self.origin.clone(), policies, &html))
    }
}

async fn fetch(client: &reqwest::Client, address: Url) -> anyhow::Result<Page> {
    let response =
        client.get(address.clone()).send().await.with_context(|| format!("the page {address} can't be fetched"))?;
    if !response.status().is_success() {
        bail!("the page {address} answers {}", response.status());
    }
    // Where redirects led: the origin that the browser sees.
    let found = response.url().clone();
    let policies = response.headers().get_all(header::CONTENT_SECURITY_POLICY).iter();
    let policies = policies.filter_map(|value| value.to_str().ok()).flat_map(csp::Policy::parse_all).collect();
    let body = read(response).await.with_context(|| format!("the page {address} can't be read"))?;
    Ok(Page::new(found.to_string(), Some(found), policies, &String::from_utf8_lossy(&body)))
}

async fn read(mut response: reqwest::Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_PAGE {
            bail!("it is larger than {} MiB", MAX_PAGE / 1024 / 1024);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Asks what the widget would ask, from where it would.
async fn ask_backend(client: &reqwest::Client, page: &Page, widget: &Widget, findings: &mut Vec<Finding>) {
    let Widget { api: Some(api), site: Some(site), track, course, .. } = widget else { return };
    let origin = page.address.as_ref().map(|address| address.origin().ascii_serialization());
    if origin.is_none() {
        findings.push(Finding::warning(
            "origin_unknown",
            "The page is a file: give --origin to check whether the site lists its origin.",
        ));
    }
    let base = api.trim_end_matches('/');
    let Ok(site_address) = Url::parse(&format!("{base}/api/v1/sites/{site}")) else { return };
    match code_of(client, site_address.clone(), origin.as_deref()).await {
        Answer::Good => {
            findings.push(Finding::good("site", format!("The site {site} is known, and this page may ask.")));
        }
        Answer::Problem(404, _) => {
            findings.push(Finding::error(
                "unknown_site",
                format!("{base} knows no site \"{site}\". Check how it is written in the snippet (site or data-site)."),
            ));
            return;
        }
        Answer::Problem(_, code) if code == "origin_not_allowed" => {
            let origin = origin.unwrap_or_default();
            findings.push(Finding::error(
                "origin_not_listed",
                format!("The site {site} does not list this page's origin, {origin}. Add it to the site's origins."),
            ));
            return;
        }
        Answer::Problem(status, code) => {
            findings.push(Finding::error(
                "backend_error",
                format!("{site_address} answers {status} {code}. Is this address a Jalon server?"),
            ));
            return;
        }
        Answer::Nothing(why) => {
            findings.push(Finding::error("backend_unreachable", format!("{base} can't be reached: {why}.")));
            return;
        }
    }
    let (noun, name) = match (track, course) {
        (Some(track), _) => ("track", track),
        (None, Some(course)) => ("course", course),
        (None, None) => return,
    };
    let Ok(address) = Url::parse(&format!("{base}/api/v1/sites/{site}/{noun}s/{name}")) else { return };
    findings.push(match code_of(client, address, origin.as_deref()).await {
        Answer::Good if noun == "course" => Finding::good(noun, format!("The course {name} is published.")),
        Answer::Good => Finding::good(noun, format!("The track {name} is published and open to embedding.")),
        Answer::Problem(404, _) => {
            let code = if noun == "course" { "unknown_course" } else { "unknown_track" };
            Finding::error(code, format!("The site {site} has no published {noun} \"{name}\". Check how it is written in the snippet ({noun} or data-{noun}), and publish it."))
        }
        Answer::Problem(_, code) if code == "cms_block_disabled" => {
            Finding::error("cms_block_disabled", format!("The track {name} is not open to embedding: its author must switch cms_block_enabled on."))
        }
        Answer::Problem(status, code) => Finding::error("backend_error", format!("Asked for the {noun} {name}, the server answers {status} {code}.")),
        Answer::Nothing(why) => Finding::error("backend_unreachable", format!("{base} can't be reached: {why}.")),
    });
}

enum Answer {
    Good,
    Problem(u16, String),
    Nothing(String),
}

async fn code_of(client: &reqwest::Client, address: Url, origin: Option<&str>) -> Answer {
    let mut request = client.get(address);
    if let Some(origin) = origin {
        request = request.header(header::ORIGIN, origin);
    }
    match request.send().await {
        Ok(response) if response.status().is_success() => Answer::Good,
        Ok(response) => {
            let status = response.status().as_u16();
            let body = read(response).await.unwrap_or_default();
            let problem: Option<jalon_shared::Problem> = serde_json::from_slice(&body).ok();
            Answer::Problem(status, problem.map(|problem| problem.code.into_owned()).unwrap_or_default())
        }
        Err(error) if error.is_timeout() => Answer::Nothing("it does not answer in time".to_owned()),
        Err(error) if error.is_connect() => Answer::Nothing("nobody answers there".to_owned()),
        Err(error) => Answer::Nothing(error.to_string()),
    }
}
