//! What the server logs, caught for a test to read.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::EnvFilter;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Catches the log from now on, all of Jalon's own levels.
pub fn catch() {
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("info,jalon_backend=trace")).with_ansi(false);
    // An error means that another test of this process catches it already.
    log.with_writer(|| Lines).try_init().ok();
}

/// What was logged in this process so far.
pub fn caught() -> String {
    String::from_utf8_lossy(&LINES.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}
