//! The `jalon` command.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    jalon_backend::cli::run().await
}
