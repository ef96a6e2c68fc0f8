//! A throw-away PostgreSQL for the tests: a cluster on a Unix socket, without TCP, gone when we are.
//!
//! One for the whole run, because each test is a process of its own, and a cluster takes seconds.
//!
//! Of the version that is installed; or of another, whose programs come from npm ([`Programs::of`]).

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::shell::{command, output, run_quietly, step};

/// The variable that names the folder of other server programs; tests that start clusters of their own read it too.
pub const PROGRAMS: &str = "JALON_POSTGRES_PROGRAMS";
/// The versions that npm has servers of, pinned in `xtask/postgres/package-lock.json`.
pub const OTHERS: [&str; 3] = ["16", "17", "18"];

/// A folder of server programs.
#[derive(Debug)]
pub struct Programs {
    folder: PathBuf,
    /// A copy for this run alone, to be deleted.
    copy: Option<PathBuf>,
}

impl Programs {
    /// Those that are installed, or that [`PROGRAMS`] names.
    pub fn installed() -> Result<Self> {
        Ok(Self { folder: programs()?, copy: None })
    }

    /// Those of a version of [`OTHERS`], or of a folder.
    pub fn of(which: &str) -> Result<Self> {
        if !OTHERS.contains(&which) {
            let folder = PathBuf::from(which);
            if !folder.join("initdb").is_file() {
                bail!("{which} is none of {}, and no folder of PostgreSQL's server programs", OTHERS.join(", "));
            }
            return Ok(Self { folder: folder.canonicalize()?, copy: None });
        }
        let package = crate::tools::postgres()?.join(format!("node_modules/postgres-{which}"));
        links(&package)?;
        if !is_root()? {
            return Ok(Self { folder: package.join("native/bin"), copy: None });
        }
        // The cache is in a home that the user `postgres` may not enter.
        let copy = std::env::temp_dir().join(format!("jalon-xtask-postgres-{which}-{}", std::process::id()));
        run_quietly(command("cp").arg("-a").arg(package.join("native")).arg(&copy))?;
        run_quietly(command("chmod").arg("-R").arg("a+rX").arg(&copy))?;
        Ok(Self { folder: copy.join("bin"), copy: Some(copy) })
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's version, as it says it.
    pub fn version(&self) -> Result<String> {
        let said = output(command(self.folder.join("postgres")).arg("--version"))?;
        // `postgres (PostgreSQL) 15.18 (Debian …)`
        Ok(said.split_whitespace().nth(2).unwrap_or("of no version").to_owned())
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        if let Some(copy) = &self.copy {
            let _ = fs::remove_dir_all(copy);
        }
    }
}

/// Makes the symbolic links of a package: npm's archives hold none, and list them in a file instead.
fn links(package: &Path) -> Result<()> {
    let list = fs::read(package.join("native/pg-symlinks.json")).context("this package lists no symbolic links")?;
    let list: Vec<serde_json::Value> = serde_json::from_slice(&list)?;
    for link in list {
        let path = |name: &str| link[name].as_str().map(PathBuf::from).context("a symbolic link has no name");
        let (source, target) = (path("source")?, path("target")?);
        let odd = |path: &Path| path.components().any(|part| !matches!(part, std::path::Component::Normal(_)));
        let name = source.file_name().filter(|_| source.parent() == target.parent());
        let Some(name) = name.filter(|_| !odd(&source) && !odd(&target)) else {
            bail!("{} is no link inside its folder", target.display());
        };
        let target = package.join(&target);
        if !target.exists() {
            std::os::unix::fs::symlink(name, &target)?;
        }
    }
    Ok(())
}

/// A running cluster; stopped and deleted when dropped, or when this process ends in any other way.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    watcher: Child,
}

impl Cluster {
    /// Makes and starts one of these programs.
    pub fn start(programs: &Programs) -> Result<Self> {
        let version = programs.version()?;
        step(&format!("starting a throw-away PostgreSQL {version}"), || {
            let programs = programs.folder();
            let folder = std::env::temp_dir().join(format!("jalon-xtask-{}", std::process::id()));
            fs::create_dir(&folder)?;
            let root = is_root()?;
            let watcher = watch(programs, &folder, root)?;
            let cluster = Self { folder, watcher };
            if root {
                // PostgreSQL refuses to run as root.
                run_quietly(command("chown").arg("postgres").arg(&cluster.folder))?;
            }
            let data = cluster.folder.join("data");
            let quietly = |command: &mut Command| {
                // Its daemon inherits what we give it: no pipe, or we would wait for its end.
                let status = command
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .status()
                    .context("cannot start PostgreSQL's programs")?;
                if !status.success() {
                    bail!("{} ended with {status}", command.get_program().display());
                }
                Ok(())
            };
            quietly(
                as_postgres(root, &programs.join("initdb"))
                    .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
                    .args(["--locale=C", "--no-sync", "--pgdata"])
                    .arg(&data),
            )?;
            // Nothing survives the run, so nothing needs to reach the disk.
            let options = format!(
                "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off \
                 -c synchronous_commit=off -c full_page_writes=off -c max_connections=300",
                cluster.folder.display()
            );
            quietly(
                as_postgres(root, &programs.join("pg_ctl"))
                    .arg("--pgdata")
                    .arg(&data)
                    .arg("--log")
                    .arg(cluster.folder.join("log"))
                    .args(["--options", &options, "--wait", "start"]),
            )?;
            Ok(cluster)
        })
    }

    /// The address for `TEST_DATABASE_URL`.
    pub fn address(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its input ends, and with that it clears up.
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// The folder of `initdb` and `pg_ctl`.
pub fn programs() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(PROGRAMS).filter(|folder| !folder.is_empty()) {
        return Ok(PathBuf::from(folder));
    }
    let told = output(command("pg_config").arg("--bindir")).unwrap_or_default();
    let debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    std::iter::once(PathBuf::from(told.trim()))
        .chain(debian)
        .find(|folder| folder.join("initdb").is_file())
        .context("PostgreSQL's server programs are not installed")
}

/// A shell that waits for our end, whatever ends us, and clears up.
fn watch(programs: &Path, folder: &Path, root: bool) -> Result<Child> {
    let user = if root { "runuser -u postgres -- " } else { "" };
    let script = format!(
        "cat >/dev/null; cd /; {user}'{}' -D '{folder}/data' -m immediate stop; rm -rf '{folder}'",
        programs.join("pg_ctl").display(),
        folder = folder.display()
    );
    Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not ended by the Ctrl-C that ends us.
        .process_group(0)
        .spawn()
        .context("cannot start sh")
}

fn is_root() -> Result<bool> {
    Ok(output(command("id").arg("-u"))?.trim() == "0")
}

fn as_postgres(root: bool, program: &Path) -> Command {
    let mut command = if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}
