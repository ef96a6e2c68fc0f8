//! Fetches key sets of other servers, through the client that goes to public addresses only (W5).

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, header};

use crate::{
    site::jwks::{Fetch, MAX_BYTES},
    webhook::{connect::Client, guard::Guard},
};

/// How long fetching a key set may take: whoever logs in waits for it.
const TOTAL: Duration = Duration::from_secs(5);

/// Fetches over https (http for loopback in development), without redirects and proxies, and reads no
/// more than a key set has.
pub fn key_set_fetcher(development: bool) -> Result<Fetch, rustls::Error> {
    let guard = Guard { development };
    let client = Client::new(guard)?;
    Ok(Arc::new(move |url| {
        let client = client.clone();
        Box::pin(async move {
            let fetching = tokio::time::timeout(TOTAL, fetch(guard, &client, &url)).await;
            let fetched =
                fetching.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} seconds", TOTAL.as_secs())));
            fetched.map_err(|error| format!("{error:#}"))
        })
    }))
}

async fn fetch(guard: Guard, client: &Client, url: &str) -> anyhow::Result<Vec<u8>> {
    let url = guard.check(url)?;
    let request = Request::get(url.as_str())
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .body(Full::default())?;
    let response = client.send(request).await?;
    anyhow::ensure!(response.status().is_success(), "it answers {}", response.status());
    let mut received = response.into_body();
    let mut body = Vec::new();
    while let Some(frame) = received.frame().await {
        let Ok(chunk) = frame?.into_data() else { continue };
        anyhow::ensure!(body.len() + chunk.len() <= MAX_BYTES, "the key set is larger than {MAX_BYTES} bytes");
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
