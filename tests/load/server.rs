//! The server under load: the real program, started and stopped as an operator does.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::client::{Connection, request};

/// A limit that is checked on every request and never reached.
const NEVER_REACHED: &str = "4000000000";

/// A running `jalon serve`; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts one and waits until it is ready. Its log goes to a file, as it would in production.
    pub async fn start(program: &Path, database: &str, log: PathBuf) -> Result<Self> {
        // Free now; nobody else is likely to take it in the next milliseconds.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(program)
            .args(["serve", "--listen", &address.to_string(), "--development"])
            .env("JALON_DATABASE_URL", database)
            .env("JALON_LIMIT_PER_ADDRESS", NEVER_REACHED)
            .env("JALON_LIMIT_GUESTS_PER_ADDRESS", NEVER_REACHED)
            .env("JALON_LIMIT_PER_LEARNER", NEVER_REACHED)
            .env("JALON_LIMIT_PER_SITE", NEVER_REACHED)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .with_context(|| format!("can't start {}", program.display()))?;
        let mut server = Self { child, address, log };
        server.wait_until_ready().await?;
        Ok(server)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let patience = Instant::now() + Duration::from_secs(30);
        let ready = request("GET", "/readyz", "", "");
        while Instant::now() < patience {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}: {}", self.last_words());
            }
            if let Ok(mut connection) = Connection::open(self.address).await
                && let Ok(answer) = connection.send(ready.as_bytes()).await
                && answer.status == 200
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the server was not ready in time: {}", self.last_words())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The last warnings and errors it logged.
    pub fn last_words(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let bad: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
        bad[bad.len().saturating_sub(5)..].join("\n")
    }

    /// Stops it in order, as an operator does.
    pub async fn stop(&mut self) -> Result<()> {
        let process = self.process().to_string();
        Command::new("kill").args(["-TERM", &process]).status()?;
        let patience = Instant::now() + Duration::from_secs(30);
        while Instant::now() < patience {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the server stopped with {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the server did not stop within 30 s of SIGTERM")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
