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

use std::cell::RefCell;

use jalon_tests::{TestDb, for_both};
use proptest::collection::vec;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use command::{command, steps};
use server::Served;
use story::Story;

/// Stories of one run, where nobody says otherwise.
const ROUNDS: u32 = 10;
/// Commands of one story, at most.
const LENGTH: usize = 40;

fn rounds() -> u32 {
    std::env::var("JALON_ROUNDS").ok().map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

fn tell(db: &TestDb) {
    let config = Config {
        cases: rounds(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("regressions/p1.txt"))),
        max_shrink_iters: 600,
        ..Config::default()
    };
    let served = RefCell::new(Handle::current().block_on(Served::start(db)));
    let mut runner = TestRunner::new(config);
    let stories = (steps(), steps(), vec(command(), 1..LENGTH));
    let told = runner.run(&stories, |(one, two, commands)| {
        let mut served = served.borrow_mut();
        Handle::current().block_on(async {
            let story = Story::begin(&mut served, &[one, two]).await;
            story.run(&commands).await.map_err(TestCaseError::fail)
        })
    });
    match told {
        Ok(()) => eprintln!("{} stories, {} kills", rounds(), served.borrow().kills),
        Err(TestError::Fail(why, (one, two, commands))) => {
            panic!("{why}\nthe tracks: {one:?}, {two:?}\nthe shortest story found: {commands:#?}")
        }
        Err(error) => panic!("{error}"),
    }
}

for_both! {
    /// G1–G6, M1–M8, T1, W1, V1, XOR
    async fn p1_stories_end_as_the_model_says(db: TestDb) {
        block_in_place(|| tell(&db));
    }
}
