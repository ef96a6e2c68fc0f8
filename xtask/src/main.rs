//! What the README's commands run: `cargo xtask <command>`.
//!
//! Each file here is one command, or one thing that several commands need ([`shell`], [`tools`],
//! [`postgres`]). Tools that a command needs are installed once, outside the tree, and said so.

mod bench;
mod demo;
mod fuzz;
mod package;
mod postgres;
mod schemathesis;
mod shell;
mod shrink;
mod size;
mod test;
mod tools;
mod widget;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
Jalon's commands, run as `cargo xtask <command>`

  demo [--port N]     builds everything and serves a federation's page with a track in it
  test [--only WHAT]  runs all tests; WHAT: unit, db, versions, wasm, receiver, browser or size
  test --postgres V   runs the integration tests on PostgreSQL 16, 17 or 18, or on the server programs of a folder
  widget [--force]    builds the widget into widget/dist (skipped when nothing changed)
  size                prints what a page downloads, and fails when it is too much
  bench [--quick]     measures the server beside the empty handler and the databases alone
  bench widget        prints how soon a learner can begin, on a slow phone and network
  fuzz [--seconds N]  runs the fuzzers, each for N seconds (60); needs nightly and cargo-fuzz
  schemathesis [--seconds N]  asks a server what its OpenAPI document allows; needs Python 3
  video               draws the example film of examples/content/media again
  deny                checks the licences and sources of all dependencies
  tools [--tests]     installs the tools that the commands above need, and nothing else

The tools are kept in ~/.cache/jalon-tools (or $XDG_CACHE_HOME/jalon-tools).";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n✗ {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        [] | ["help" | "-h" | "--help", ..] | [_, "-h" | "--help", ..] => {
            println!("{HELP}");
            Ok(())
        }
        ["demo", rest @ ..] => demo::demo(rest),
        ["test", rest @ ..] => test::test(rest),
        ["widget"] => widget::build(false).map(drop),
        ["widget", "--force"] => widget::build(true).map(drop),
        ["size"] => size::size(),
        ["bench", "widget", rest @ ..] => test::bench_widget(rest),
        ["bench", rest @ ..] => bench::bench(rest),
        ["fuzz", rest @ ..] => fuzz::fuzz(rest),
        ["schemathesis", rest @ ..] => schemathesis::schemathesis(rest),
        ["video"] => shell::step("drawing the example film", || {
            shell::run(shell::command("node").arg("make.mjs").current_dir(shell::root().join("examples/content/media")))
        }),
        ["deny"] => {
            let deny = tools::cargo_deny()?;
            shell::step("checking licences, bans and sources", || {
                shell::run(shell::command(deny).args(["check", "bans", "licenses", "sources"]))
            })
        }
        ["tools"] => tools::for_widget().map(drop),
        ["tools", "--tests"] => {
            tools::for_widget()?;
            tools::for_tests()
        }
        other => bail!("there is no `cargo xtask {}`\n\n{HELP}", other.join(" ")),
    }
}
