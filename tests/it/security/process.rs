//! The `jalon` command itself in a process of its own, and all that it prints.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// The environment's variable that makes [`child`] a command: its arguments, one a line.
const ARGUMENTS: &str = "JALON_TEST_ARGUMENTS";

/// Not a test: the command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that the tests beside it start"]
async fn child() {
    if let Ok(arguments) = std::env::var(ARGUMENTS) {
        let arguments = std::iter::once("jalon").chain(arguments.lines()).map(Into::into);
        let code = jalon_backend::cli::run_with(arguments.collect::<Vec<_>>()).await;
        std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
    }
}

/// What a process has printed, line by line.
#[derive(Clone, Default, Debug)]
pub struct Printed(Arc<Mutex<Vec<String>>>);

impl Printed {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads to the end.
    fn read(&self, from: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
        let all = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                all.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                line.clear();
            }
        })
    }
}

/// A command under way; killed when dropped.
#[derive(Debug)]
pub struct Jalon {
    child: Child,
    /// What it printed for programs and people.
    pub out: Printed,
    /// Its log.
    pub log: Printed,
    readers: [JoinHandle<()>; 2],
}

impl Jalon {
    /// Starts one that logs everything there is.
    pub fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["security::process::child", "--exact", "--ignored", "--nocapture"])
            .env(ARGUMENTS, arguments.join("\n"))
            .env("JALON_LOG", "trace")
            .env("RUST_LOG", "trace")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (out, log) = (Printed::default(), Printed::default());
        let readers = [out.read(child.stdout.take().unwrap()), log.read(child.stderr.take().unwrap())];
        Self { child, out, log, readers }
    }

    /// What a server says it listens on.
    pub async fn listens(&mut self) -> String {
        for _ in 0..3000 {
            let lines = self.log.lines();
            let told = lines.iter().filter(|line| line.contains("listening")).find_map(|line| {
                let (_, rest) = line.split_once("127.0.0.1:")?;
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                Some(format!("http://127.0.0.1:{port}"))
            });
            if let Some(base) = told {
                return base;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {lines:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the server never listened: {:#?}", self.log.lines());
    }

    /// Stops it in order.
    pub async fn stop(self) -> ExitStatus {
        let id = self.child.id().unwrap();
        std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status().unwrap();
        self.end().await
    }

    /// Waits for its end, and until all is read.
    pub async fn end(mut self) -> ExitStatus {
        let ended = tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await.expect("it ends").unwrap();
        for reader in self.readers {
            reader.await.unwrap();
        }
        ended
    }
}
