//! `cargo xtask widget`: builds the widget with wasm-pack and packages it into `widget/dist`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::shell::{root, run, step};
use crate::{package, tools};

/// What the packaged widget is made from. A change in any of these makes it again.
const INPUTS: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "rust-toolchain.toml",
    "shared/Cargo.toml",
    "shared/src",
    "widget",
    "xtask/tools",
    "xtask/src/package.rs",
    "xtask/src/shrink.rs",
    "xtask/src/widget.rs",
];

/// Builds what the page downloads, unless it is there already; the folder with it.
pub fn build(force: bool) -> Result<PathBuf> {
    let dist = root().join("widget/dist");
    // Two builds at once would work in the same folder; the second one finds the first one's result.
    let lock = fs::File::create(tools::scratch("")?.join("widget.lock"))?;
    lock.lock()?;
    let inputs = fingerprint()?;
    if !force && packaged_from(&dist).is_some_and(|from| from == inputs) {
        println!("→ the widget is up to date");
        return Ok(dist);
    }
    let tools = tools::for_widget()?;
    let built = tools::scratch("widget")?;
    step("building the widget (about a minute the first time)", || {
        fs::remove_dir_all(&built)?;
        run(tools
            .command("wasm-pack")?
            .args(["--quiet", "build", "--target", "web", "--profile", "widget"])
            .args(["--no-typescript", "--no-pack", "--out-dir"])
            .arg(&built)
            .arg(root().join("widget")))
    })?;
    step("packaging the widget", || package::package(&tools, &built, &dist, &inputs))?;
    Ok(dist)
}

/// The fingerprint that a packaged widget was made from.
fn packaged_from(dist: &Path) -> Option<String> {
    let manifest: Value = serde_json::from_slice(&fs::read(dist.join("manifest.json")).ok()?).ok()?;
    Some(manifest["inputs"].as_str()?.to_owned())
}

/// A hash of all that the packaged widget depends on.
fn fingerprint() -> Result<String> {
    let mut hasher = Sha256::new();
    for input in INPUTS {
        add(&mut hasher, &root().join(input))?;
    }
    let digest = hasher.finalize();
    Ok(package::hash(&digest))
}

fn add(hasher: &mut Sha256, path: &Path) -> Result<()> {
    if path.is_dir() {
        let skip = |name: &std::ffi::OsStr| {
            ["dist", "dist.new", "pkg", "node_modules", "target", "tests"].iter().any(|skipped| name == *skipped)
        };
        let mut entries: Vec<_> = fs::read_dir(path)?
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .filter(|entry| !skip(&entry.file_name()))
            .map(|entry| entry.path())
            .collect();
        entries.sort();
        return entries.iter().try_for_each(|entry| add(hasher, entry));
    }
    let content = fs::read(path)?;
    // Names and lengths too, so that moving bytes from one file to the next is a change.
    let name = path.strip_prefix(root()).unwrap_or(path);
    hasher.update(name.to_string_lossy().as_bytes());
    hasher.update([0]);
    hasher.update((content.len() as u64).to_le_bytes());
    hasher.update(&content);
    Ok(())
}
