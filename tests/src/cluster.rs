//! A PostgreSQL to test on: the one that `TEST_DATABASE_URL` names, else a throw-away cluster of this
//! process on a Unix socket, gone when the process is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The address of a database whose user may create others.
pub fn address() -> &'static str {
    static ADDRESS: LazyLock<String> =
        LazyLock::new(|| std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty()).unwrap_or_else(start));
    &ADDRESS
}

/// Starts a cluster that loses everything with the process: no sync, no TCP.
fn start() -> String {
    const HASTY: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off";
    let cluster = Cluster::start("jalon-pg", HASTY);
    cluster.address("postgres")
}

/// A throw-away cluster of this process.
#[derive(Debug)]
pub struct Cluster {
    /// Where its socket is.
    pub folder: PathBuf,
    /// Where PostgreSQL's programs are.
    pub programs: PathBuf,
    /// What it is started with.
    options: String,
}

impl Cluster {
    /// Starts one that syncs its commits, for measurements.
    pub fn durable() -> Self {
        Self::start("jalon-pg-durable", "-c shared_buffers=256MB -c max_wal_size=4GB")
    }

    fn start(name: &str, settings: &str) -> Self {
        let bin = bin();
        let root = output(Command::new("id").arg("-u")).trim() == "0";
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let data = folder.join("data");
        std::fs::create_dir(&folder).unwrap();
        watch(&bin, &folder, root);
        if root {
            // PostgreSQL refuses to run as root.
            output(Command::new("chown").arg("postgres").arg(&folder));
        }
        output(
            as_postgres(root, &bin.join("initdb"))
                .args(["-U", "postgres", "-A", "trust", "-E", "UTF8"])
                .args(["--locale=C", "--no-sync", "-D"])
                .arg(&data),
        );
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c max_connections=200 {settings}",
            folder.display()
        );
        let cluster = Self { folder, programs: bin, options };
        cluster.run();
        cluster
    }

    /// Starts one for a test that stops, freezes or refuses it. What it has committed outlives
    /// PostgreSQL's processes, if not the machine. Give each test's another name.
    pub fn own(name: &str) -> Self {
        Self::start(&format!("jalon-pg-{name}"), "-c fsync=off")
    }

    /// Starts it again after [`end`](Self::end).
    pub fn run(&self) {
        let mut control = self.control();
        output(control.arg("-l").arg(self.folder.join("log")).args(["-o", &self.options, "-w", "start"]));
    }

    /// Ends it at once, as a crash would, and waits until it has.
    pub fn end(&self) {
        output(self.control().args(["-m", "immediate", "-w", "stop"]));
    }

    fn control(&self) -> Command {
        let root = output(Command::new("id").arg("-u")).trim() == "0";
        let mut control = as_postgres(root, &self.programs.join("pg_ctl"));
        control.arg("-D").arg(self.folder.join("data"));
        control
    }

    /// Freezes all its processes until the answer is dropped.
    pub fn freeze(&self) -> Frozen {
        let first = self.process();
        // The first one before the others, so that it starts no more.
        signal("STOP", &[first]);
        let children = children(first);
        signal("STOP", &children);
        Frozen([vec![first], children].concat())
    }

    /// The address of one of its databases.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.display())
    }

    /// Its first process, the parent of all others.
    pub fn process(&self) -> u32 {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        text.lines().next().unwrap().trim().parse().unwrap()
    }
}

/// Processes that do nothing until this is dropped.
#[derive(Debug)]
pub struct Frozen(Vec<u32>);

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("CONT", &self.0);
    }
}

/// Sends a signal to each of these processes; one that has ended meanwhile is none.
fn signal(name: &str, processes: &[u32]) {
    for process in processes {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(process.to_string()).stderr(Stdio::null()).status().unwrap();
    }
}

fn children(of: u32) -> Vec<u32> {
    let text = output(Command::new("ps").args(["-e", "-o", "pid=,ppid="]));
    text.lines()
        .filter_map(|line| {
            let (process, parent) = line.trim().split_once(char::is_whitespace)?;
            (parent.trim().parse() == Ok(of)).then(|| process.parse().ok())?
        })
        .collect()
}

/// A shell that waits for our end (its input closes, whatever ended us) and then clears up.
fn watch(bin: &Path, folder: &Path, root: bool) {
    use std::os::unix::process::CommandExt as _;
    let user = if root { "runuser -u postgres -- " } else { "" };
    let script = format!(
        "cat >/dev/null; {user}'{}' -D '{folder}/data' -m immediate stop; rm -rf '{folder}'",
        bin.join("pg_ctl").display(),
        folder = folder.display()
    );
    let child = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not ended by the Ctrl-C that ends us.
        .process_group(0)
        .spawn()
        .unwrap();
    // Its input stays open as long as we live.
    std::mem::forget(child);
}

fn as_postgres(root: bool, program: &Path) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
    command
}

/// Where PostgreSQL's programs are: those that are installed, or those of another version that a run names.
fn bin() -> PathBuf {
    if let Some(folder) = std::env::var_os("JALON_POSTGRES_PROGRAMS").filter(|folder| !folder.is_empty()) {
        return folder.into();
    }
    PathBuf::from(output(Command::new("pg_config").arg("--bindir")).trim())
}

fn output(command: &mut Command) -> String {
    // No pipe for errors: what a daemon inherits would keep it open.
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).stdout(Stdio::piped());
    let output = output.output().unwrap_or_else(|error| panic!("{command:?}: {error} (is PostgreSQL installed?)"));
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
