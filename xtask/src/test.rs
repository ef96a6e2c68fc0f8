//! `cargo xtask test`: everything, one summary, one honest last line.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::postgres::{self, Cluster, Programs};
use crate::shell::{cargo, command, root, step, target, tee, which};
use crate::{demo, size, tools};

/// What can be run alone with `--only`.
const KINDS: [&str; 7] = ["unit", "db", "versions", "wasm", "receiver", "browser", "size"];
/// Of the integration tests, what runs on other versions of PostgreSQL as well: the schema, the migrations of
/// released databases, statements of every noun once, locks, leases, and what a pooler and a standby do.
const ON_OTHERS: [&str; 7] =
    ["store::", "postgres::", "webhook::lease", "webhook::look", "platform::job", "keep::released", "course::example"];

/// Runs what `--only` names, or all, and fails when anything did.
pub fn test(arguments: &[&str]) -> Result<()> {
    let only = match arguments {
        [] => None,
        ["--only", kind] if KINDS.contains(kind) => Some(*kind),
        ["--postgres", which] => return on_postgres(which),
        _ => bail!(
            "`cargo xtask test` takes --only, with one of {}, or --postgres, with one of {} or a folder of server programs",
            KINDS.join(", "),
            postgres::OTHERS.join(", ")
        ),
    };
    let wanted = |kind: &str| only.is_none_or(|only| only == kind);
    let mut suites = Vec::new();

    tools::for_tests()?;
    if wanted("unit") {
        suites.push(suite("shared alone, for wasm32", shared_alone));
        suites.push(suite("documentation examples", doctests));
    }
    match (wanted("unit"), wanted("db")) {
        (true, true) => suites.push(suite("unit and integration, both databases", || {
            native(&["--workspace", "--exclude", "jalon-widget"], true)
        })),
        (true, false) => {
            suites.push(suite("unit", || native(&["-p", "jalon-shared", "-p", "jalon-backend", "-p", "xtask"], false)));
        }
        (false, true) => suites.push(suite("integration, both databases", || native(&["-p", "jalon-tests"], true))),
        (false, false) => {}
    }
    if wanted("versions") && cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        for version in postgres::OTHERS {
            suites.push(suite(&format!("a part, PostgreSQL {version}"), || on(version, &ON_OTHERS)));
        }
    } else if wanted("versions") {
        println!("\n━━ other versions of PostgreSQL: npm has no servers for this machine");
    }
    if wanted("receiver") {
        suites.push(suite("webhook receiver", receiver));
    }
    if wanted("size") {
        suites.push(suite("sizes", sizes));
    }
    if wanted("wasm") {
        suites.push(suite("WASM in a browser", wasm));
    }
    if wanted("browser") {
        suites.push(suite("browser stories", || browser("stories")));
    }
    summarize(&suites);
    Ok(())
}

/// All integration tests on another version of PostgreSQL.
fn on_postgres(which: &str) -> Result<()> {
    tools::for_tests()?;
    summarize(&[suite(&format!("integration, PostgreSQL {which}"), || on(which, &[]))]);
    Ok(())
}

/// The integration tests whose names have one of these in them, or all, on a cluster of this version.
fn on(which: &str, names: &[&str]) -> Result<Tally> {
    let programs = Programs::of(which)?;
    println!("  PostgreSQL {}", programs.version()?);
    let cluster = Cluster::start(&programs)?;
    let packages = ["-p", "jalon-tests", "--test", "it"];
    native_on(&packages, names, |command| {
        command.env("TEST_DATABASE_URL", cluster.address()).env(postgres::PROGRAMS, programs.folder());
    })
}

/// `cargo xtask bench widget`: prints, on a slow phone and network, how soon a learner can begin.
pub fn bench_widget(arguments: &[&str]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("`cargo xtask bench widget` takes nothing more");
    }
    tools::for_tests()?;
    match browser("bench")?.failed {
        0 => Ok(()),
        _ => bail!("it could not be measured"),
    }
}

/// How a suite went.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Of those that passed: how many did so only at the second try.
    flaky: u64,
}

impl Tally {
    fn one(good: bool) -> Self {
        Self { passed: good.into(), failed: (!good).into(), ..Self::default() }
    }

    /// What failed was tried once more.
    fn after_retry(self, again: Self) -> Self {
        let flaky = self.failed.saturating_sub(again.failed);
        Self { passed: self.passed + flaky, failed: self.failed - flaky, flaky: self.flaky + flaky, ..self }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
            flaky: self.flaky + other.flaky,
        }
    }

    /// A test that this machine does not allow ends well and writes a line into this file: it has not
    /// passed, and it is said aloud.
    fn with_skipped(mut self, file: &Path) -> Self {
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            println!("  SKIPPED {line}");
            self.passed = self.passed.saturating_sub(1);
            self.skipped += 1;
        }
        self
    }

    /// A program that ended badly without naming a failed test (it didn't compile, it crashed), or
    /// that ran nothing, counts as one failure: silence is no success.
    fn with_end(mut self, ended_well: bool) -> Self {
        if self.failed == 0 && (!ended_well || self.passed == 0) {
            self.failed = 1;
        }
        self
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(out, ", {skipped} skipped"),
        }
    }
}

struct Suite {
    name: String,
    tally: Tally,
    took: Duration,
}

/// Runs one suite. What stops it counts as a failure, and the others still run.
fn suite(name: &str, run: impl FnOnce() -> Result<Tally>) -> Suite {
    println!("\n━━ {name}");
    let start = Instant::now();
    let tally = run().unwrap_or_else(|error| {
        println!("  {error:#}");
        Tally::one(false)
    });
    Suite { name: name.to_owned(), tally, took: start.elapsed() }
}

/// Prints how all went, and ends the program when something failed.
fn summarize(suites: &[Suite]) {
    println!("\n━━ summary");
    for suite in suites {
        let mark = if suite.tally.failed == 0 { "✓" } else { "✗" };
        let flaky = match suite.tally.flaky {
            0 => String::new(),
            flaky => format!("   ⚠ {flaky} FLAKY"),
        };
        println!("  {mark} {:<40}{:>7.1} s   {}{flaky}", suite.name, suite.took.as_secs_f32(), suite.tally);
    }
    let all = suites.iter().fold(Tally::default(), |sum, suite| sum.plus(suite.tally));
    // The last line of the output, for people and for scripts.
    println!("\n{all}");
    if all.failed > 0 {
        std::process::exit(1);
    }
}

/// `shared` for wasm32 with nothing else in the build: feature unification with the backend would
/// hide a clock or a random number that crept in.
fn shared_alone() -> Result<Tally> {
    let good = tee(
        cargo().args(["check", "--quiet", "--package", "jalon-shared"]).args(["--target", "wasm32-unknown-unknown"]),
        |_| {},
    )?;
    Ok(Tally::one(good))
}

fn doctests() -> Result<Tally> {
    let mut tally = Tally::default();
    let good = tee(cargo().args(["test", "--quiet", "--doc", "--package", "jalon-shared"]), |line| {
        tally = tally.plus(libtest(line));
    })?;
    // A crate whose documentation has no examples is fine.
    Ok(if good { tally } else { tally.with_end(false) })
}

/// Rust's own tests: by nextest where that is installed, else by `cargo test`.
fn native(packages: &[&str], databases: bool) -> Result<Tally> {
    let given = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty());
    let cluster = match given {
        None if databases => Some(Cluster::start(&Programs::installed()?)?),
        _ => None,
    };
    native_on(packages, &[], |command| {
        if let Some(cluster) = &cluster {
            command.env("TEST_DATABASE_URL", cluster.address());
        }
    })
}

/// The same, of those whose names have one of these in them (none: all), in these surroundings.
fn native_on(packages: &[&str], names: &[&str], surroundings: impl Fn(&mut Command)) -> Result<Tally> {
    // Tests that this machine does not allow write their names here.
    let skipped = tools::scratch("native")?.join("skipped");
    let _ = fs::remove_file(&skipped);
    let setting = |command: &mut Command| {
        command.env("JALON_SKIPPED", &skipped);
        surroundings(command);
    };
    if which("cargo-nextest").is_none() {
        println!("  (cargo-nextest is not installed: with cargo test)");
        let mut tally = Tally::default();
        let mut command = cargo();
        command.args(["test", "--lib", "--bins", "--tests", "--no-fail-fast"]).args(packages).arg("--").args(names);
        setting(&mut command);
        let good = tee(&mut command, |line| tally = tally.plus(libtest(line)))?;
        return Ok(tally.with_skipped(&skipped).with_end(good));
    }
    let report = target().join("nextest/jalon/junit.xml");
    let _ = fs::remove_file(&report);
    let mut command = cargo();
    command.args(["nextest", "run", "--profile", "jalon"]).args(packages).args(names);
    setting(&mut command);
    let good = tee(&mut command, |_| {})?;
    let tally = fs::read_to_string(&report).ok().and_then(|xml| junit(&xml)).unwrap_or_default();
    Ok(tally.with_skipped(&skipped).with_end(good))
}

fn receiver() -> Result<Tally> {
    let folder = root().join("examples/webhook-receiver");
    tools::npm_ci(&folder, "installing the webhook receiver's packages")?;
    let report = tools::scratch("receiver")?.join("report.tap");
    let good = tee(node_test(&report).current_dir(&folder), |_| {})?;
    Ok(tap(&report).with_end(good))
}

fn sizes() -> Result<Tally> {
    let pieces = size::measure()?;
    size::print(&pieces);
    Ok(pieces.iter().fold(Tally::default(), |sum, piece| sum.plus(Tally::one(piece.fits()))))
}

/// The widget's own tests and the shared vectors, in a real browser's WebAssembly.
fn wasm() -> Result<Tally> {
    let tools = tools::for_widget()?;
    let driver = which("chromedriver").context("chromedriver is not installed")?;
    let mut tally = Tally::default();
    let good = tee(
        tools
            .command("wasm-pack")?
            .args(["test", "--headless", "--chrome"])
            .arg("--chromedriver")
            .arg(&driver)
            .arg(root().join("widget"))
            .env("CHROMEDRIVER", &driver)
            .env("WASM_BINDGEN_TEST_TIMEOUT", "120"),
        |line| tally = tally.plus(libtest(line)),
    )?;
    Ok(tally.with_end(good))
}

/// Failures in one file of stories that may still be noise; more are not.
const NOISE: usize = 3;

/// What Playwright does to the demo: a folder of tests in `tests/browser`. A story that fails is told
/// once more, alone; when it passes then, it counts, and is called flaky aloud.
fn browser(folder: &str) -> Result<Tally> {
    let binary = demo::build()?;
    let chromium = tools::chromium().context("chromium is not installed")?;
    let tests = root().join("tests/browser");
    tools::npm_ci(&tests, "installing Playwright and axe (once, some seconds)")?;
    let report = tools::scratch("browser")?.join(format!("{folder}.tap"));
    let run = |file: &Path, only: &[String]| -> Result<Tally> {
        let _ = fs::remove_file(&report);
        let mut command = node_test(&report);
        command.args(only.iter().map(|name| format!("--test-name-pattern=^{}$", literally(name))));
        command.arg(file).current_dir(&tests).env("JALON_BIN", &binary).env("CHROMIUM", &chromium);
        let good = tee(&mut command, |_| {})?;
        Ok(tap(&report).with_end(good))
    };
    // One file after the other: two browsers on two cores wait for each other, and time is part of some
    // stories.
    step("running the browser", || {
        let mut sum = Tally::default();
        for file in stories(&tests.join(folder))? {
            let first = run(&file, &[])?;
            let names = not_ok(&fs::read_to_string(&report).unwrap_or_default());
            sum = sum.plus(if first.failed == 0 || names.is_empty() || names.len() > NOISE {
                first
            } else {
                println!("  once more: {}", names.join("; "));
                let again = run(&file, &names)?;
                if again.failed == 0 {
                    println!("\n  ⚠ FLAKY, passed only at the second try: {}\n", names.join("; "));
                }
                first.after_retry(again)
            });
        }
        Ok(sum)
    })
}

/// The names of the failed tests in a report of Node's tests.
fn not_ok(report: &str) -> Vec<String> {
    let name = |line: &str| {
        let (_, name) = line.trim_start().strip_prefix("not ok ")?.split_once(" - ")?;
        Some(name.replace("\\#", "#").replace("\\\\", "\\"))
    };
    report.lines().filter_map(name).collect()
}

/// As a regular expression that matches just this.
fn literally(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if r"\^$.|?*+()[]{}/".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

fn stories(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    Ok(files)
}

/// Node's test runner, for people on the screen and for us in a file.
fn node_test(report: &Path) -> Command {
    let mut command = command("node");
    command
        .args(["--test", "--test-reporter=spec", "--test-reporter-destination=stdout"])
        .arg("--test-reporter=tap")
        .arg(format!("--test-reporter-destination={}", report.display()));
    command
}

/// The counts at the end of a report of Node's tests.
fn tap(report: &Path) -> Tally {
    let text = fs::read_to_string(report).unwrap_or_default();
    let count = |what: &str| {
        text.lines()
            .rev()
            .find_map(|line| line.strip_prefix("# ")?.strip_prefix(what)?.trim().parse().ok())
            .unwrap_or(0)
    };
    Tally {
        passed: count("pass "),
        failed: count("fail ") + count("cancelled "),
        skipped: count("skipped ") + count("todo "),
        flaky: 0,
    }
}

/// The counts of a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`; else nothing.
fn libtest(line: &str) -> Tally {
    let Some((_, counts)) = line.split_once("test result: ") else {
        return Tally::default();
    };
    let count = |what: &str| {
        counts.split([';', '.']).find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok()).unwrap_or(0)
    };
    Tally { passed: count(" passed"), failed: count(" failed"), skipped: count(" ignored"), flaky: 0 }
}

/// The counts in the root element of nextest's report.
fn junit(xml: &str) -> Option<Tally> {
    let root = xml.split("<testsuites").nth(1)?.split('>').next()?;
    let number =
        |name: &str| -> Option<u64> { root.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?.parse().ok() };
    let failed = number("failures")? + number("errors")?;
    Some(Tally { passed: number("tests")?.checked_sub(failed)?, failed, ..Tally::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
        Tally { passed, failed, skipped, flaky: 0 }
    }

    #[test]
    fn libtest_lines_are_counted() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(libtest(line), tally(12, 2, 1));
        assert_eq!(libtest("test track::gate ... ok"), Tally::default());
    }

    #[test]
    fn junit_reports_are_counted() {
        let xml = r#"<?xml version="1.0"?><testsuites name="n" tests="9" failures="2" errors="1" uuid="u"><testsuite name="t" tests="4"/></testsuites>"#;
        assert_eq!(junit(xml), Some(tally(6, 3, 0)));
        assert_eq!(junit("<nothing/>"), None);
    }

    #[test]
    fn failed_stories_are_found_by_name_and_named_to_node() {
        let report = "TAP version 13\nok 1 - good\nnot ok 2 - p7: 50 \\# (a.b)\n  ---\n";
        let names = not_ok(report);
        assert_eq!(names, ["p7: 50 # (a.b)"]);
        assert_eq!(literally(&names[0]), r"p7: 50 # \(a\.b\)");
    }

    #[test]
    fn a_second_try_counts_and_is_told() {
        let flaky = tally(5, 2, 0).after_retry(tally(1, 1, 5));
        assert_eq!(flaky, Tally { passed: 6, failed: 1, skipped: 0, flaky: 1 });
        assert_eq!(tally(5, 1, 0).after_retry(Tally::default().with_end(false)), tally(5, 1, 0));
    }

    #[test]
    fn who_could_not_run_has_not_passed() -> Result<()> {
        let file = std::env::temp_dir().join(format!("jalon-skipped-{}", std::process::id()));
        assert_eq!(tally(3, 1, 0).with_skipped(&file), tally(3, 1, 0));
        fs::write(&file, "one: may not\nanother: may not\n")?;
        assert_eq!(tally(3, 1, 0).with_skipped(&file), tally(1, 1, 2));
        fs::remove_file(&file)?;
        Ok(())
    }

    #[test]
    fn an_end_without_tests_is_a_failure() {
        assert_eq!(Tally::default().with_end(true), tally(0, 1, 0));
        assert_eq!(tally(3, 0, 0).with_end(false), tally(3, 1, 0));
        assert_eq!(tally(3, 1, 0).with_end(false), tally(3, 1, 0));
        assert_eq!(tally(3, 0, 2).with_end(true), tally(3, 0, 2));
    }
}
