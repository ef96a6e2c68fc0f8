//! `cargo xtask fuzz`: the fuzzers in `fuzz/`, each for a while.

use anyhow::{Context as _, Result, bail};

use crate::shell::{command, output, root, run, step, target};

/// Runs every fuzzer for some seconds. It needs the nightly toolchain and `cargo-fuzz`; new inputs go to the
/// build's folder, and those worth keeping into `fuzz/corpus` by hand.
pub fn fuzz(arguments: &[&str]) -> Result<()> {
    let (seconds, only): (u32, Option<&str>) = match arguments {
        [] => (60, None),
        ["--seconds", number] => (number.parse().context("--seconds: give a number")?, None),
        ["--seconds", number, name] => (number.parse().context("--seconds: give a number")?, Some(name)),
        other => bail!("usage: cargo xtask fuzz [--seconds N [TARGET]]; not {}", other.join(" ")),
    };
    if output(command("cargo").args(["+nightly", "fuzz", "--version"])).is_err() {
        bail!("needs nightly and cargo-fuzz:\n  rustup toolchain install nightly\n  cargo install cargo-fuzz --locked");
    }
    let mut targets: Vec<_> = std::fs::read_dir(root().join("fuzz/corpus"))?.collect::<Result<_, _>>()?;
    targets.sort_by_key(std::fs::DirEntry::file_name);
    for folder in targets {
        let name = folder.file_name().to_string_lossy().into_owned();
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let found = target().join("fuzz-corpus").join(&name);
        std::fs::create_dir_all(&found)?;
        step(&format!("fuzzing {name}"), || {
            run(command("cargo")
                // The code holds no `unsafe`: properties are what is looked for, not memory errors.
                .args(["+nightly", "fuzz", "run", "--sanitizer", "none", &name])
                .args([&found, &folder.path()])
                .args(["--", "-max_len=16384", "-timeout=10", "-rss_limit_mb=2048"])
                .arg(format!("-max_total_time={seconds}")))
        })?;
    }
    Ok(())
}
