//! `cargo xtask bench`: how much the server does, beside what the machine could.

use anyhow::Result;

use crate::shell::{cargo, command, run, step, target};

/// Builds server and load as they are released, and lets the load measure. What it takes
/// (`--quick`, `--only …`, `--steps N`) is handed on.
pub fn bench(arguments: &[&str]) -> Result<()> {
    step("building the server and its load, released", || {
        run(cargo().args(["build", "--quiet", "--release"]).args([
            "-p",
            "jalon-backend",
            "-p",
            "jalon-tests",
            "--bins",
        ]))
    })?;
    let programs = target().join("release");
    run(command(programs.join("jalon-load")).arg("--server").arg(programs.join("jalon")).args(arguments))
}
