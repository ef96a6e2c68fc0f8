//! Promise 1: no acknowledged work is lost, no completion is announced under two ids.
//!
//! Random stories over the real HTTP API, with the server in a process that is killed now and then,
//! beside a naive model. `JALON_ROUNDS` says how many stories; a story that failed is kept, as a seed, in
//! `tests/regressions`, and told first from then on.

mod command;
mod course;
mod model;
mod server;
mod story;
mod tables;
mod worlds;

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
/// Stories of courses are longer, so they are fewer.
const COURSE_ROUNDS: u32 = 5;
/// Chapters of one of them, at most.
const COURSE_LENGTH: usize = 12;
/// Seeds of stories that were told wrong once; those of meetings only, and of courses, have their own.
const SEEDS: &str = "regressions/p1.txt";
const SEEDS_APART: &str = "regressions/p1-apart.txt";
const SEEDS_COURSE: &str = "regressions/p1-course.txt";

fn rounds(usual: u32) -> u32 {
    std::env::var("JALON_ROUNDS").ok().map_or(usual, |rounds| rounds.parse().unwrap())
}

/// Tells so many stories to one server; `story` tells one, and `show` says what it was about.
fn tell<S: Strategy>(
    db: &TestDb,
    (seeds, rounds): (&'static str, u32),
    stories: &S,
    story: &impl AsyncFn(&mut Served<'_>, S::Value) -> Result<(), String>,
    show: &dyn Fn(S::Value) -> String,
) {
    let config = Config {
        cases: rounds,
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
    let told = runner.run(stories, |what| {
        let mut served = served.borrow_mut();
        Handle::current().block_on(async {
            let told = story(&mut served, what).await;
            failed.set(failed.get() || told.is_err());
            well.set(well.get() + u32::from(!failed.get()));
            told.map_err(TestCaseError::fail)
        })
    });
    match told {
        Ok(()) => eprintln!("{rounds} stories, {} kills", served.borrow().kills),
        Err(TestError::Fail(why, what)) => {
            panic!("{why}\nafter {} that ended well\n{}\n{}", well.get(), show(what), seed(seeds, &before))
        }
        Err(error) => panic!("{error}"),
    }
}

/// Stories of tracks.
fn tell_tracks(db: &TestDb, seeds: &'static str, chapters: impl Strategy<Value = Vec<Vec<Command>>>) {
    let stories = (steps(), steps(), chapters);
    let story = async |served: &mut Served<'_>, (one, two, chapters): (_, _, Vec<Vec<Command>>)| {
        Story::begin(served, &[one, two]).await.run(&chapters.concat()).await
    };
    tell(db, (seeds, rounds(ROUNDS)), &stories, &story, &|(one, two, chapters)| {
        format!("the tracks: {one:?}, {two:?}\n{}", shortest(&chapters.concat()))
    });
}

/// Stories of courses.
fn tell_courses(db: &TestDb) {
    let stories = (course::command::plan(), course::command::plan(), vec(course::command::chapter(), 1..COURSE_LENGTH));
    let story = async |served: &mut Served<'_>, (one, two, chapters): (_, _, Vec<Vec<course::command::Command>>)| {
        course::Story::begin(served, &[one, two]).await.run(&chapters.concat()).await
    };
    tell(db, (SEEDS_COURSE, rounds(COURSE_ROUNDS)), &stories, &story, &|(one, two, chapters)| {
        format!("the courses: {one:?}, {two:?}\n{}", shortest(&chapters.concat()))
    });
}

fn shortest(story: &[impl std::fmt::Debug]) -> String {
    let story: Vec<String> = story.iter().map(|command| format!("  {command:?}")).collect();
    format!("the shortest story found:\n{}", story.join("\n"))
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
        block_in_place(|| tell_tracks(&db, SEEDS, vec(chapter(), 1..LENGTH)));
    }

    /// M2, M6, T1. Stories of their own, so that the seeds of the others go on to mean what they meant.
    async fn p1_who_walked_apart_through_two_versions_becomes_one(db: TestDb) {
        block_in_place(|| tell_tracks(&db, SEEDS_APART, vec(apart(), 1..MEETINGS)));
    }

    /// C1–C4, shared points, T1, W1, V1
    async fn p1_stories_of_courses_end_as_the_model_says(db: TestDb) {
        block_in_place(|| tell_courses(&db));
    }
}
