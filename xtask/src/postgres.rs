//! A throw-away PostgreSQL for the tests: a cluster on a Unix socket, without TCP, gone when we are.
//!
//! One for the whole run, because each test is a process of its own, and a cluster takes seconds.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::shell::{command, output, run_quietly, step};

/// A running cluster; stopped and deleted when dropped, or when this process ends in any other way.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    watcher: Child,
}

impl Cluster {
    /// Makes and starts one.
    pub fn start() -> Result<Self> {
        step("starting a throw-away PostgreSQL", || {
            let programs = programs()?;
            let folder = std::env::temp_dir().join(format!("jalon-xtask-{}", std::process::id()));
            fs::create_dir(&folder)?;
            let root = is_root()?;
            let watcher = watch(&programs, &folder, root)?;
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
