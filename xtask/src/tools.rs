//! The tools that the commands need. Each is installed once, outside the tree, and only when it is missing.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell::{command, output, root, run, run_quietly, step, target, which};

/// What the widget is built with.
const WASM_PACK: &str = "0.15.1";
/// Checks licences and sources in `.ci/run`.
const CARGO_DENY: &str = "0.20.2";

/// Where the installed tools are.
#[derive(Debug)]
pub struct Tools {
    /// The folder of npm's programs: `wasm-opt`, `esbuild`.
    node: PathBuf,
    /// The folder of Cargo's programs: `wasm-pack`, `wasm-bindgen`, `wasm-bindgen-test-runner`.
    cargo: PathBuf,
}

impl Tools {
    /// A program with our tools first on its `PATH`.
    pub fn command(&self, program: &str) -> Result<Command> {
        let path = self.path()?;
        let mut command = command(program);
        command.env("PATH", path);
        Ok(command)
    }

    fn path(&self) -> Result<OsString> {
        let before = std::env::var_os("PATH").unwrap_or_default();
        let all = [self.node.clone(), self.cargo.clone()].into_iter().chain(std::env::split_paths(&before));
        Ok(std::env::join_paths(all)?)
    }
}

/// Where tools are kept between builds, whatever happens to the tree.
pub fn cache() -> Result<PathBuf> {
    let folder = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    let folder = folder.join("jalon-tools");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// What building the widget needs: the wasm target, wasm-pack, wasm-bindgen, wasm-opt and esbuild.
pub fn for_widget() -> Result<Tools> {
    wasm_target()?;
    node()?;
    let cargo = cache()?.join("cargo");
    cargo_tool(&cargo, "wasm-pack", "wasm-pack", WASM_PACK, "about a minute")?;
    // Its version must be that of the library, so it follows Cargo.lock.
    let version = locked_version("wasm-bindgen")?;
    cargo_tool(&cargo, "wasm-bindgen-cli", "wasm-bindgen", &version, "about two minutes")?;
    let node = npm_tools()?;
    Ok(Tools { node, cargo: cargo.join("bin") })
}

/// What the tests need beside: a browser with its driver, PostgreSQL, `PgBouncer`, and strace, which counts syncs.
pub fn for_tests() -> Result<()> {
    let mut missing = Vec::new();
    if chromium().is_none() {
        missing.push("chromium");
    }
    if which("chromedriver").is_none() {
        missing.push("chromium-driver");
    }
    let given = std::env::var_os("TEST_DATABASE_URL").is_some_and(|url| !url.is_empty());
    if !given && crate::postgres::programs().is_err() {
        missing.push("postgresql");
    }
    if which("pgbouncer").is_none() && !Path::new("/usr/sbin/pgbouncer").is_file() {
        missing.push("pgbouncer");
    }
    if which("strace").is_none() {
        missing.push("strace");
    }
    debian(&missing)
}

/// `cargo-deny`, which only `.ci/run` needs.
pub fn cargo_deny() -> Result<PathBuf> {
    let folder = cache()?.join("cargo");
    cargo_tool(&folder, "cargo-deny", "cargo-deny", CARGO_DENY, "some minutes")
}

/// The browser, under one of its names.
pub fn chromium() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(which)
}

/// Installs what an npm `package-lock.json` names, beside it, when that changed.
pub fn npm_ci(folder: &Path, what: &str) -> Result<()> {
    node()?;
    let lock = fs::read(folder.join("package-lock.json"))?;
    let mark = folder.join("node_modules/.jalon-lock");
    if fs::read(&mark).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    step(what, || {
        run_quietly(command("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder))?;
        fs::write(&mark, &lock)?;
        Ok(())
    })
}

/// Installs Debian packages when we may, else says how.
fn debian(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    let install = format!("apt-get install -y --no-install-recommends {list}");
    let may = which("apt-get").is_some() && output(command("id").arg("-u"))?.trim() == "0";
    if !may {
        bail!("missing on this machine: {list}\nOn Debian or Ubuntu: sudo {install}");
    }
    step(&format!("installing Debian packages: {list}"), || {
        let mut update = command("apt-get");
        run_quietly(update.arg("update"))?;
        run_quietly(
            command("apt-get")
                .args(["install", "-y", "--no-install-recommends"])
                .args(packages)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    })
}

/// npm's programs in a folder of the cache that is named after what it holds.
fn npm_tools() -> Result<PathBuf> {
    Ok(npm_folder("tools", "installing wasm-opt and esbuild (once, some seconds)")?.join("node_modules/.bin"))
}

/// A folder of the cache, named after what it holds, with what a folder of `xtask` says.
fn npm_folder(name: &str, what: &str) -> Result<PathBuf> {
    let source = root().join("xtask").join(name);
    let lock = fs::read(source.join("package-lock.json"))?;
    let folder = cache()?.join(format!("npm-{}", &crate::package::hash(&lock)[..12]));
    fs::create_dir_all(&folder)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source.join(name), folder.join(name))?;
    }
    npm_ci(&folder, what)?;
    Ok(folder)
}

/// Servers of other versions of PostgreSQL, in a folder of the cache that is named after what it holds.
pub fn postgres() -> Result<PathBuf> {
    npm_folder("postgres", "installing PostgreSQL 16, 17 and 18 (once, some seconds)")
}

/// A Cargo program of exactly this version, from the `PATH` or our own folder.
fn cargo_tool(folder: &Path, package: &str, program: &str, version: &str, how_long: &str) -> Result<PathBuf> {
    let ours = folder.join("bin").join(program);
    for path in [Some(ours.clone()), which(program)].into_iter().flatten() {
        let has = path.is_file()
            && output(command(&path).arg("--version"))
                .is_ok_and(|text| text.split_whitespace().any(|word| word == version));
        if has {
            return Ok(path);
        }
    }
    let what = format!("installing {package} {version} (once, {how_long})");
    step(&what, || {
        let install = |locked: bool| {
            let mut cargo = crate::shell::cargo();
            cargo
                .args(["install", "--quiet", "--force", "--root"])
                .arg(folder)
                .args([package, "--version", version])
                // Built to be used a few times: a fast build matters more than a fast tool.
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
                .env("CARGO_PROFILE_RELEASE_LTO", "off")
                .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
                .env_remove("CARGO_TARGET_DIR")
                // Not in the tree, whose toolchain file and configuration are not the tool's.
                .current_dir(folder);
            if locked {
                cargo.arg("--locked");
            }
            run(&mut cargo)
        };
        fs::create_dir_all(folder)?;
        // Its own lock file first; a mirror that is days behind may not have all of that yet.
        install(true).or_else(|_| {
            println!("  not with its lock file; again without");
            install(false)
        })
    })?;
    Ok(ours)
}

fn wasm_target() -> Result<()> {
    let library =
        output(command("rustc").args(["--print", "target-libdir"]).args(["--target", "wasm32-unknown-unknown"]))?;
    if Path::new(library.trim()).is_dir() {
        return Ok(());
    }
    step("adding Rust's wasm32 target (once)", || {
        run(command("rustup").args(["target", "add", "wasm32-unknown-unknown"]))
    })
}

/// Node 20 or newer.
fn node() -> Result<()> {
    let version =
        output(command("node").arg("--version")).context("Node.js 20 or newer is needed: https://nodejs.org")?;
    let major = version.trim_start_matches('v').split('.').next();
    match major.and_then(|text| text.parse::<u32>().ok()) {
        Some(20..) => Ok(()),
        _ => bail!("Node.js 20 or newer is needed, this is {version}"),
    }
}

/// The version of a package in Cargo.lock.
fn locked_version(package: &str) -> Result<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    lock.split("[[package]]")
        .find(|entry| entry.contains(&format!("name = \"{package}\"\n")))
        .and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next())
        .map(str::to_owned)
        .with_context(|| format!("{package} is not in Cargo.lock"))
}

/// A place for what lies between two steps, inside `target`.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let folder = target().join("xtask").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
