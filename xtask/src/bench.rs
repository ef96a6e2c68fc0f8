//! `cargo xtask bench`: how much the server does, beside what the machine could.

use anyhow::Result;

use crate::shell::{cargo, command, root, run, step, target};

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
    let mut load = command(programs.join("jalon-load"));
    load.arg("--server").arg(programs.join("jalon")).args(arguments);
    if arguments.is_empty() {
        // Only a whole run is worth keeping.
        load.arg("--write").arg(root().join("docs/performance.md")).arg("--about").arg(about());
    }
    run(&mut load)
}

/// When and of what: the day, the commit, and whether the tree had changes beside it.
fn about() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = command(program).args(arguments).current_dir(root()).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let day = said("date", &["-u", "+%F"]);
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let changed = !said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!("{day}, commit {commit}{}, `cargo xtask bench`", if changed { " and changes" } else { "" })
}
