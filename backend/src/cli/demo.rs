//! `jalon demo`.

use std::net::SocketAddr;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use crate::config::{LogFormat, Settings};
use crate::demo::Demo;

/// All in one: a temporary SQLite, a site, the five tracks, a CMS page with login, a webhook receiver to look at.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address and port of Jalon; the CMS page listens one port further. Port 0 takes free ones
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: SocketAddr,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        super::serve::start_log(LogFormat::Text);
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let demo = Demo::start(self.listen, Settings::default()).await?;
        let (cms, api, key) = (&demo.cms, &demo.api, &demo.api_key);
        let text = format!(
            "\n  The federation's page    {cms}/\n  More pages               {cms}/courses.html  grading.html  plain.html  two.html  spa.html  rtl.html  data-form.html\n  \
             Jalon                    {api}/\n  API documentation        {api}/docs\n  A track without script   {api}/t/fpsf/umpire-l1-prep\n  An API key for the site  {key}\n\n  \
             Open the federation's page and take the track. Ctrl-C ends the demo and forgets everything.\n"
        );
        context.print(&json!({ "cms": cms, "api": api, "api_key": key }), text)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        demo.stop().await;
        Ok(())
    }
}
