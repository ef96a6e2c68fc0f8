//! A server in a process of its own: it can be killed, stopped in order, and looked at from outside.

use std::process::Stdio;
use std::time::{Duration, Instant};

use jalon_backend::app::AppState;
use jalon_backend::clock::Clock;
use jalon_backend::config::Settings;
use jalon_backend::db::Db;
use jalon_backend::http::router;
use jalon_backend::server::Server;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// The environment's variable that makes [`child`] a server: the address of its database.
const DATABASE: &str = "JALON_TEST_FLEET_DATABASE";

/// Not a test: the server, until SIGTERM.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the tests beside it start"]
async fn child() {
    let Ok(address) = std::env::var(DATABASE) else {
        return;
    };
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut config = Settings { database_url: Some(address), ..Settings::default() }.complete().unwrap();
    (config.limits.per_address, config.limits.guests_per_address, config.limits.per_learner) = (0, 0, 0);
    config.development = true;
    config.db.connections = 8;
    config.db.patience = Duration::from_secs(1);
    let db = Db::connect(&config.db).await.unwrap();
    let app = AppState::new(db, Clock::system(), config).await.unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let router = router::router(app.clone());
    let server = Server::start(app, listener, router, Vec::new()).unwrap();
    println!("\nlistening {}", server.address());
    terminate.recv().await;
    server.stop().await;
}

/// [`child`] under way; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pub base: String,
    client: reqwest::Client,
}

impl Process {
    /// Starts one and waits until it listens.
    pub async fn start(database: &str) -> Self {
        // A write over the limit of a file's size shall fail, as on a full disk, and not end the process.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["fleet::process::child", "--exact", "--ignored", "--nocapture"])
            .env(DATABASE, database)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, address)) = line.split_once("listening ") {
                let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
                let base = format!("http://{address}");
                tokio::spawn(async move { while lines.next_line().await.is_ok_and(|line| line.is_some()) {} });
                return Self { child, base, client };
            }
        }
        panic!("the server ended before it listened");
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
    pub async fn kill(mut self) {
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
