//! `cargo xtask demo`: from a clean machine to a page with a track in it, with one command.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::shell::{cargo, command, root, run, step, target};
use crate::widget;

/// Builds what is not built, then becomes `jalon demo`, which prints the page's address.
pub fn demo(arguments: &[&str]) -> Result<()> {
    let listen = match arguments {
        [] => None,
        ["--port", port] => {
            let port: u16 = port.parse().context("--port takes a number below 65536")?;
            Some(format!("127.0.0.1:{port}"))
        }
        other => bail!("`cargo xtask demo` takes only --port N, not {}", other.join(" ")),
    };
    println!("Jalon's demo. The first time, tools and all take some minutes; later, seconds.");
    let binary = build()?;
    let mut demo = command(binary);
    demo.arg("demo");
    if let Some(address) = listen {
        demo.args(["--listen", &address]);
    }
    println!("→ starting it (Ctrl-C ends it)…");
    // Replaces this process, so that Ctrl-C and signals reach the demo itself.
    Err(demo.exec()).with_context(|| format!("cannot start {}", demo.get_program().display()))
}

/// The widget, then the backend that holds it; the binary.
pub fn build() -> Result<PathBuf> {
    widget::build(false)?;
    step("building the backend (about four minutes the first time)", || {
        run(cargo().args(["build", "--quiet", "--package", "jalon-backend"]))
    })?;
    let binary = target().join("debug/jalon");
    if !binary.is_file() {
        bail!("no {} in {}", binary.display(), root().display());
    }
    Ok(binary)
}
