//! Fetches key sets of other servers, through the client that goes to public addresses only (W5).

use std::{sync::Arc, time::Duration};

use reqwest::header;

use crate::{
    site::jwks::{Fetch, MAX_BYTES},
    webhook::guard::Guard,
};

/// How long fetching a key set may take: whoever logs in waits for it.
const TOTAL: Duration = Duration::from_secs(5);

/// Fetches over https (http for loopback in development), without redirects and proxies, and reads no
/// more than a key set has.
pub fn key_set_fetcher(development: bool) -> Result<Fetch, reqwest::Error> {
    let guard = Guard { development };
    let client = guard.client().timeout(TOTAL).build()?;
    Ok(Arc::new(move |url| {
        let client = client.clone();
        Box::pin(async move { fetch(guard, &client, &url).await.map_err(|error| format!("{error:#}")) })
    }))
}

async fn fetch(guard: Guard, client: &reqwest::Client, url: &str) -> anyhow::Result<Vec<u8>> {
    let url = guard.check(url)?;
    let mut response =
        client.get(url).header(header::ACCEPT, "application/jwk-set+json, application/json").send().await?;
    anyhow::ensure!(response.status().is_success(), "it answers {}", response.status());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        anyhow::ensure!(body.len() + chunk.len() <= MAX_BYTES, "the key set is larger than {MAX_BYTES} bytes");
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
