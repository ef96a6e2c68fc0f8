//! `jalon serve` in a process of its own: it can be killed, stopped in order, and looked at from outside.

use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use jalon_backend::cli;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The environment's variable that makes [`child`] a server: its command line, a word a line.
const WORDS: &str = "JALON_TEST_PROCESS";
/// Limits off, so that what a test finds is not those.
const ALWAYS: [&str; 9] = [
    "serve",
    "--development",
    "--listen=127.0.0.1:0",
    "--limit-per-address=0",
    "--limit-guests-per-address=0",
    "--limit-per-learner=0",
    "--limit-per-site=0",
    "--log-format=text",
    "--shutdown-grace=20s",
];

/// Not a test: the server, until SIGTERM.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the tests beside it start"]
async fn child() {
    if let Ok(words) = std::env::var(WORDS) {
        assert_eq!(cli::run_with(words.lines().map(Into::into)).await, ExitCode::SUCCESS);
    }
}

/// `jalon serve` under way; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pub base: String,
    client: reqwest::Client,
}

impl Process {
    /// Starts one and waits until it listens.
    pub async fn start(database: &str) -> Self {
        Self::start_with(database, &[], &[]).await
    }

    /// The same with more flags (`--flag=value`) and variables.
    pub async fn start_with(database: &str, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        // For our client; an error means that there is one already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let database = format!("--database-url={database}");
        let words = [&["jalon", &database], &ALWAYS[..], flags].concat().join("\n");
        // A write over the limit of a file's size shall fail, as on a full disk, and not end the process.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["process::child", "--exact", "--ignored", "--nocapture"])
            .env(WORDS, words)
            .env("JALON_LOG", "warn,jalon_backend::cli::serve=info")
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            let address = line.split_once(" listening ").and_then(|(_, rest)| rest.split_once("address="));
            if let Some((_, rest)) = address {
                let base = format!("http://{}", rest.split_whitespace().next().unwrap());
                let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
                // What it says later is read too: a closed pipe would end it.
                tokio::spawn(async move {
                    while let Ok(Some(line)) = lines.next_line().await {
                        eprintln!("{line}");
                    }
                });
                return Self { child, base, client };
            }
            said = said + &line + "\n";
        }
        panic!("the server ended before it listened: {said}");
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        Some(tokio::time::timeout(within, self.child.wait()).await.ok()?.unwrap())
    }

    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Stops it in order and waits for its end.
    pub async fn stop(mut self) {
        std::process::Command::new("kill").args(["-TERM", &self.id().to_string()]).status().unwrap();
        let ended = tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await.expect("it stops");
        assert!(ended.unwrap().success());
    }

    /// `kill -9`
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// The status of a health path. It must come soon, whatever the database does.
    pub async fn health(&self, path: &str) -> u16 {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.expect("health answers always");
        let status = answer.status().as_u16();
        if status == 503 {
            assert!(answer.headers().contains_key("retry-after"));
        }
        status
    }

    /// Waits until `/readyz` says this.
    pub async fn ready(&self, status: u16) {
        let begun = Instant::now();
        while self.health("/readyz").await != status {
            assert!(begun.elapsed() < Duration::from_mins(1), "/readyz never said {status}");
            assert_eq!(self.health("/healthz").await, 200);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(self.health("/healthz").await, 200);
    }

    /// A counter or gauge.
    pub async fn metric(&self, key: &str, name: &str) -> u64 {
        let answer = self.client.get(format!("{}/metrics", self.base)).bearer_auth(key).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
    }

    /// Open files (connections among them) and threads.
    pub fn holds(&self) -> (usize, usize) {
        let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", self.id())).unwrap().count();
        (count("fd"), count("task"))
    }
}
