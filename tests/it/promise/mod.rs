//! Promise 1: no acknowledged work is lost, no completion is announced under two ids.
//!
//! Random stories over the real HTTP API, with the server in a process that is killed now and then,
//! beside a naive model. `JALON_ROUNDS` says how many stories; a story that failed is kept, as a seed, in
//! `tests/regressions`, and told first from then on.

mod command;
mod model;
mod server;
mod story;
mod tables;

use std::cell::{Cell, RefCell};

use jalon_tests::{TestDb, for_both};
use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use command::{Command, apart, chapter, steps};
use server::Served;
use story::Story;

/// Stories of one run, where nobody says otherwise.
const ROUNDS: u32 = 10;
/// Chapters of one story, at most.
const LENGTH: usize = 14;
/// Meetings in one story of meetings only, at most.
const MEETINGS: usize = 6;
/// Seeds of stories that were told wrong once; those of meetings only have their own.
const SEEDS: &str = "regressions/p1.txt";
const SEEDS_APART: &str = "regressions/p1-apart.txt";

fn rounds() -> u32 {
    std::env::var("JALON_ROUNDS").ok().map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

fn tell(db: &TestDb, seeds: &'static str, chapters: impl Strategy<Value = Vec<Vec<Command>>>) {
    let config = Config {
        cases: rounds(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        max_shrink_iters: Config::default().max_shrink_iters.min(600),
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let served = RefCell::new(Handle::current().block_on(Served::start(db)));
    // Those that ended well, before one did not: what is told after that is for a shorter story.
    let (well, failed) = (Cell::new(0), Cell::new(false));
    let before = kept(seeds);
    let mut runner = TestRunner::new(config);
    let stories = (steps(), steps(), chapters);
    let told = runner.run(&stories, |(one, two, chapters)| {
        let mut served = served.borrow_mut();
        Handle::current().block_on(async {
            let story = Story::begin(&mut served, &[one, two]).await;
            let told = story.run(&chapters.concat()).await;
            failed.set(failed.get() || told.is_err());
            well.set(well.get() + u32::from(!failed.get()));
            told.map_err(TestCaseError::fail)
        })
    });
    match told {
        Ok(()) => eprintln!("{} stories, {} kills", rounds(), served.borrow().kills),
        Err(TestError::Fail(why, (one, two, chapters))) => {
            let story: Vec<String> = chapters.concat().iter().map(|command| format!("  {command:?}")).collect();
            panic!(
                "{why}\nafter {} that ended well\nthe tracks: {one:?}, {two:?}\nthe shortest story found:\n{}\n{}",
                well.get(),
                story.join("\n"),
                seed(seeds, &before)
            )
        }
        Err(error) => panic!("{error}"),
    }
}

fn kept(seeds: &str) -> String {
    std::fs::read_to_string(seeds).unwrap_or_default()
}

/// How to tell the story that just failed again, here or elsewhere.
fn seed(seeds: &str, before: &str) -> String {
    let after = kept(seeds);
    let new = after.lines().rev().find(|line| line.starts_with("cc ") && !before.contains(line));
    match new.and_then(|line| line.split(" #").next()) {
        Some(line) => format!("its seed, to be kept as a line of tests/{seeds}, which every run tells first:\n{line}"),
        None => format!("it is one of those whose seeds are in tests/{seeds}"),
    }
}

for_both! {
    /// G1–G6, M1–M8, T1, W1, V1, XOR
    async fn p1_stories_end_as_the_model_says(db: TestDb) {
        block_in_place(|| tell(&db, SEEDS, vec(chapter(), 1..LENGTH)));
    }

    /// M2, M6, T1. Stories of their own, so that the seeds of the others go on to mean what they meant.
    async fn p1_who_walked_apart_through_two_versions_becomes_one(db: TestDb) {
        block_in_place(|| tell(&db, SEEDS_APART, vec(apart(), 1..MEETINGS)));
    }
}
