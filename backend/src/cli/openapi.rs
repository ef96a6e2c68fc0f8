//! `jalon openapi`.

use crate::http::router;

/// No flags of its own.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

impl Args {
    #[expect(clippy::unused_self, reason = "the shape that every command has")]
    pub(super) fn run(self) -> anyhow::Result<()> {
        // The document is JSON whatever is asked for.
        super::print(serde_json::to_string_pretty(&router::openapi())?)
    }
}
