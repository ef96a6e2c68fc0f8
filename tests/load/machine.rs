//! The machine: is it quiet, who uses it, how much memory does the server hold.
//!
//! From `/proc`, so on Linux. A number measured while something else compiles says nothing, so each
//! measurement carries how much of the machine *others* used meanwhile.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Idle enough to measure, in percent.
const QUIET: f64 = 90.0;
/// The kernel's ticks in a second, as `/proc` counts on every Linux.
const TICKS: u64 = 100;
/// How long one look at the machine takes.
const LOOK: Duration = Duration::from_secs(2);

/// Processor time used since boot, in the kernel's ticks.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("can't read /proc/stat")?;
        let fields: Vec<u64> = text
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        let at = |index: usize| fields.get(index).copied().unwrap_or(0);
        // user, nice, system, and what a neighbour on the same host took (steal); interrupts are
        // our own packets.
        let busy = at(0) + at(1) + at(2) + at(7);
        Ok(Self { busy, all: fields.iter().take(8).sum() })
    }
}

/// How long a whole run may wait for a quiet machine.
#[derive(Debug)]
pub struct Patience(Cell<Duration>);

impl Patience {
    /// So long in all.
    pub fn new(all: Duration) -> Self {
        Self(Cell::new(all))
    }

    /// Waits until the machine is quiet, or patience is at its end; says which.
    pub async fn wait_until_quiet(&self) -> Result<()> {
        let start = Instant::now();
        let mut said = false;
        loop {
            let before = Ticks::now()?;
            tokio::time::sleep(LOOK).await;
            let after = Ticks::now()?;
            let idle = 100.0 * (1.0 - ratio(after.busy - before.busy, after.all - before.all));
            let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
            let load = load.split(' ').next().unwrap_or("?");
            let waited = start.elapsed();
            if idle >= QUIET {
                println!("  the machine is quiet: {idle:.0} % idle, load {load}");
                self.0.set(self.0.get().saturating_sub(waited));
                return Ok(());
            }
            if waited >= self.0.get() {
                println!(
                    "  THE MACHINE IS NOISY: only {idle:.0} % idle, load {load}, after {:.0} s of waiting; mind the column \"others\"",
                    waited.as_secs_f64()
                );
                self.0.set(Duration::ZERO);
                return Ok(());
            }
            if !said {
                println!("  waiting for a quiet machine: {idle:.0} % idle, load {load}");
                said = true;
            }
        }
    }
}

/// Who used the processors between two moments.
#[derive(Clone, Debug)]
pub struct Meter {
    start: Ticks,
    load: u64,
    server: u64,
    family: Vec<u32>,
}

/// Shares of all processors together, 0 to 1.
#[derive(Clone, Copy, Default, Debug)]
pub struct Shares {
    /// The server, with its database where that is a process of its own.
    pub server: f64,
    /// This program: load and webhook receiver.
    pub load: f64,
    /// Everybody else.
    pub others: f64,
    /// Processor time of the server (and its database), in seconds: what stays true on a busy machine.
    pub server_seconds: f64,
}

impl Meter {
    /// Starts measuring. `family`: the server's process and, for PostgreSQL, its first one.
    pub fn start(family: &[u32]) -> Result<Self> {
        Ok(Self {
            start: Ticks::now()?,
            load: of_process(std::process::id()),
            server: of_families(family),
            family: family.to_vec(),
        })
    }

    /// What was used since.
    pub fn stop(&self) -> Result<Shares> {
        let now = Ticks::now()?;
        let all = now.all.saturating_sub(self.start.all);
        let load = of_process(std::process::id()).saturating_sub(self.load);
        let server = of_families(&self.family).saturating_sub(self.server);
        let busy = now.busy.saturating_sub(self.start.busy);
        Ok(Shares {
            server: ratio(server, all),
            load: ratio(load, all),
            others: ratio(busy.saturating_sub(load + server), all),
            server_seconds: ratio(server, TICKS),
        })
    }
}

/// Memory a process holds, in MiB.
pub fn memory(process: u32) -> f64 {
    mebibytes(process, "VmRSS:")
}

/// The most memory that a process ever held, in MiB.
pub fn peak(process: u32) -> f64 {
    mebibytes(process, "VmHWM:")
}

fn mebibytes(process: u32, what: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u32>().ok());
    f64::from(kib.unwrap_or(0)) / 1024.0
}

/// The machine in a few words: processors, memory, system.
pub fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    format!(
        "{count} × {}, {} GiB, Linux {}",
        model.map_or("an unnamed processor", |(_, name)| name.trim()),
        kib.unwrap_or(0_u64) / (1024 * 1024),
        read("/proc/sys/kernel/osrelease").trim()
    )
}

/// Whether a folder lies in memory, where nothing is durable and a sync costs nothing.
pub fn is_in_memory(folder: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let nearest = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.len());
    nearest.is_some_and(|(_, kind)| matches!(kind, "tmpfs" | "ramfs"))
}

/// User and system time of a process, in ticks.
fn of_process(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    times(&text).map_or(0, |(_, ticks)| ticks)
}

/// The same of processes and their children.
fn of_families(parents: &[u32]) -> u64 {
    let Ok(folder) = fs::read_dir("/proc") else {
        return 0;
    };
    let mut sum = 0;
    for entry in folder.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let text = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some((parent, ticks)) = times(&text)
            && (parents.contains(&process) || parents.contains(&parent))
        {
            sum += ticks;
        }
    }
    sum
}

/// The parent and the time used, from a `stat` line. The name before them may hold anything.
fn times(text: &str) -> Option<(u32, u64)> {
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some((u32::try_from(number(1)?).ok()?, number(11)? + number(12)?))
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a few seconds")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
