//! What may happen in courses: a list of these is a story.

use proptest::collection::vec;
use proptest::prelude::*;

use super::content::{COURSES, LESSONS, SHARED, Version};

pub const MEMBERS: usize = 2;
/// The second of them learns, too.
pub const GRADERS: usize = 2;

/// From here on `nth` counts all open answers, not first those that wait.
pub const ANY: usize = 1000;

/// The member that a grader is.
pub fn member_of(grader: usize) -> Option<usize> {
    (grader == 1).then_some(1)
}

/// A grader's name, as their token has it.
pub fn grader_name(grader: usize) -> String {
    member_of(grader).map_or_else(|| format!("g-{grader}"), |member| format!("m-{member}"))
}

/// Which item is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// The first that is not complete.
    Next,
    /// Any, perhaps a locked one, or one that another version has.
    At(usize),
}

/// How a question is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Give {
    Blank,
    Wrong,
    /// Half of what is right, where there are halves.
    Half,
    Right,
    /// Everything is ticked, where there is more than one to tick.
    All,
}

#[derive(Clone, Debug)]
pub enum Verdict {
    Claim,
    Release,
    /// With so many half points; counted round, from none to one more than there are.
    Accept(u64),
    Reject,
    SecondOpinion,
}

#[derive(Clone, Debug)]
pub enum Act {
    /// Everything but the last begins the course first, where the member is not in it.
    Visit {
        member: usize,
        course: usize,
        place: Place,
        keyed: bool,
    },
    Report {
        member: usize,
        course: usize,
        place: Place,
        seconds: u64,
        position: Option<u64>,
        keyed: bool,
    },
    Answer {
        member: usize,
        course: usize,
        place: Place,
        /// Which of the item's quizzes.
        quiz: usize,
        gives: Vec<Give>,
        seconds: u64,
        keyed: bool,
        /// Of a device that knows nothing of the last attempt.
        stale: bool,
    },
    /// A grader takes the nth of all open answers.
    Grade {
        grader: usize,
        nth: usize,
        verdict: Verdict,
    },
    /// What was asked this long ago, once more.
    Again {
        back: usize,
        same_key: bool,
    },
}

#[derive(Clone, Debug)]
pub enum Command {
    /// One thing, sent one to five times; `cut`: nobody listens to any but the last answer.
    One { act: Act, copies: usize, cut: bool },
    /// Things at the same moment: two devices, or a learner and a grader.
    Race { acts: Vec<Act> },
    /// Things at the same moment, and the process is killed in the middle; `again`: those without an
    /// answer are asked once more.
    Kill { acts: Vec<Act>, after_micros: u64, again: bool },
    /// The author writes another version, and perhaps publishes it.
    Edit { course: usize, plan: Version, publish: bool },
    /// The author writes the shared lesson anew; courses take it in when they are written next.
    EditLesson { items: Vec<usize>, exchanged: bool },
    /// Staff bring everybody in a course to its published version.
    Recalculate { course: usize },
}

fn some(lesson: usize) -> impl Strategy<Value = Vec<usize>> {
    let items: Vec<usize> = LESSONS[lesson].items.clone().collect();
    let most = items.len();
    prop_oneof![
        2 => Just(items.clone()),
        1 => (Just(items).prop_shuffle(), 1..=most).prop_map(|(mut items, some)| { items.truncate(some); items }),
    ]
}

/// A version: its own lessons' items, and where the shared one stands. What that holds is not the course's.
pub fn plan() -> impl Strategy<Value = Version> {
    let order = Just(vec![0, SHARED, 2]).prop_shuffle();
    (prop_oneof![1 => Just(vec![0, SHARED, 2]), 2 => order], 1..=3_usize, some(0), some(2)).prop_map(
        |(mut order, length, intro, end)| {
            // Nearly always with the shared one: without it there is little to be shared.
            let shared = order.iter().position(|lesson| *lesson == SHARED).unwrap();
            order.truncate(length.max(shared + 1));
            let lessons = order.into_iter().map(|lesson| (lesson, [&intro[..], &[], &end[..]][lesson].to_vec()));
            // What the shared one asks is its author's to say.
            Version { lessons: lessons.collect(), exchanged: false }
        },
    )
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![3 => Just(Place::Next), 1 => (0..10_usize).prop_map(Place::At)]
}

fn gives() -> impl Strategy<Value = Vec<Give>> {
    let good = vec(prop_oneof![8 => Just(Give::Right), 1 => Just(Give::Half), 1 => Just(Give::Blank)], 3);
    let any =
        vec(prop_oneof![Just(Give::Right), Just(Give::Half), Just(Give::Blank), Just(Give::Wrong), Just(Give::All)], 3);
    prop_oneof![3 => good, 2 => any]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        2 => Just(Verdict::Claim),
        1 => Just(Verdict::Release),
        6 => (0..=9_u64).prop_map(Verdict::Accept),
        3 => Just(Verdict::Reject),
        3 => Just(Verdict::SecondOpinion),
    ]
}

/// So few seconds that a whole story stays within the tolerance (A8): what is taken does not hang on the clock then.
fn few() -> impl Strategy<Value = u64> {
    (0..100_u64).prop_map(|seconds| seconds % 8)
}

fn answer(member: usize, course: usize) -> impl Strategy<Value = Act> {
    (place(), 0..2_usize, gives(), few(), prop::bool::weighted(0.8), prop::bool::weighted(0.07)).prop_map(
        move |(place, quiz, gives, seconds, keyed, stale)| Act::Answer {
            member,
            course,
            place,
            quiz,
            gives,
            seconds,
            keyed,
            stale,
        },
    )
}

fn grade() -> impl Strategy<Value = Act> {
    (0..GRADERS, 0..4_usize, verdict()).prop_map(|(grader, nth, verdict)| Act::Grade { grader, nth, verdict })
}

fn act() -> impl Strategy<Value = Act> {
    let who = || (0..MEMBERS, 0..COURSES);
    let keyed = || prop::bool::weighted(0.8);
    let visit = (who(), place(), keyed()).prop_map(|((member, course), place, keyed)| Act::Visit {
        member,
        course,
        place,
        keyed,
    });
    let report = (who(), place(), few(), prop::option::weighted(0.5, 0..50_u64), keyed()).prop_map(
        |((member, course), place, seconds, position, keyed)| Act::Report {
            member,
            course,
            place,
            seconds,
            position,
            keyed,
        },
    );
    prop_oneof![
        5 => visit,
        2 => report,
        10 => who().prop_flat_map(|(member, course)| answer(member, course)),
        4 => grade(),
        1 => (1..8_usize, any::<bool>()).prop_map(|(back, same_key)| Act::Again { back, same_key }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let copies = prop_oneof![3 => Just(1_usize), 1 => 2..=5_usize];
    prop_oneof![
        20 => (act(), copies, any::<bool>()).prop_map(|(act, copies, cut)| Command::One { act, copies, cut }),
        6 => vec(act(), 2..=3).prop_map(|acts| Command::Race { acts }),
        4 => (vec(act(), 1..=3), 0..8000_u64, any::<bool>())
            .prop_map(|(acts, after_micros, again)| Command::Kill { acts, after_micros, again }),
        1 => (0..COURSES, plan(), any::<bool>())
            .prop_map(|(course, plan, publish)| Command::Edit { course, plan, publish }),
        1 => (some(SHARED), any::<bool>()).prop_map(|(items, exchanged)| Command::EditLesson { items, exchanged }),
        1 => (0..COURSES).prop_map(|course| Command::Recalculate { course }),
    ]
}

fn one(act: Act) -> Command {
    Command::One { act, copies: 1, cut: false }
}

/// A member goes on until nothing is left, all right, or with the first question of some quizzes left blank.
fn finish(member: usize, course: usize, blanks: &[bool]) -> Vec<Command> {
    let (place, keyed) = (Place::Next, true);
    let step = |quiz: usize| {
        let first = if blanks[quiz % blanks.len()] { Give::Blank } else { Give::Right };
        let gives = vec![first, Give::Right, Give::Right];
        let answer = Act::Answer { member, course, place, quiz, gives, seconds: 1, keyed, stale: false };
        [one(Act::Visit { member, course, place, keyed }), one(answer)]
    };
    let mut all: Vec<Command> = (0..9).flat_map(step).collect();
    // What waits opens no gate: whoever grades, grades in between.
    for place in [5, 11, 16] {
        all.insert(place, one(Act::Grade { grader: 0, nth: 0, verdict: Verdict::Accept(3) }));
    }
    all
}

/// What happens in a row: anything; or a member who goes on with a course, or to its end while the author writes
/// another version; or two devices of one member, or a learner and a grader, at the same moment; or graders who
/// differ.
pub fn chapter() -> impl Strategy<Value = Vec<Command>> {
    let walk = (0..MEMBERS, 0..COURSES, 1..7_usize, any::<bool>())
        .prop_flat_map(|(member, course, length, graded)| {
            (Just((member, course, graded)), vec((answer(member, course), grade()), length))
        })
        .prop_map(move |((member, course, graded), walk)| {
            let visit = || Act::Visit { member, course, place: Place::Next, keyed: true };
            let steps = walk.into_iter().flat_map(|(answer, grade)| {
                let mut step = vec![one(visit()), one(answer)];
                step.extend(graded.then(|| one(grade)));
                step
            });
            steps.collect()
        });
    let race = (0..MEMBERS, 0..COURSES)
        .prop_flat_map(|(member, course)| (answer(member, course), prop_oneof![answer(member, course), grade()]))
        .prop_map(|(one, other)| vec![Command::Race { acts: vec![one, other] }]);
    let to_the_end =
        (0..MEMBERS, 0..COURSES, prop::option::of((0..10_usize, plan()))).prop_map(move |(member, course, edited)| {
            let mut all = finish(member, course, &[false]);
            if let Some((place, plan)) = edited {
                all.insert(place, Command::Edit { course, plan, publish: true });
            }
            all
        });
    // To one's end with blanks, to the other's without, and back: what is finished takes no shared points.
    let come_back = (0..MEMBERS, 0..COURSES, vec(any::<bool>(), 9)).prop_map(move |(member, course, blanks)| {
        let back = LESSONS[SHARED].items.clone().map(|item| Act::Visit {
            member,
            course,
            place: Place::At(item),
            keyed: true,
        });
        [finish(member, course, &blanks), finish(member, 1 - course, &[false]), back.map(one).collect()].concat()
    });
    let who = || 0..GRADERS;
    let differ = (0..3_usize, vec(verdict(), 1..=3), (who(), who(), who()), verdict());
    let differ = differ.prop_map(move |(nth, verdicts, (first, asks, second), last)| {
        let graders = verdicts.into_iter().map(|verdict| (first, verdict));
        let graders = graders.chain([(asks, Verdict::SecondOpinion), (second, last)]);
        // The same answer each time, whether it waits or not.
        let nth = nth + ANY;
        graders.map(|(grader, verdict)| one(Act::Grade { grader, nth, verdict })).collect()
    });
    // The shared lesson's questions are exchanged while members are on the way, and they are brought along.
    let exchange = (0..MEMBERS, 0..COURSES, plan(), any::<bool>(), vec(gives(), 6)).prop_map(
        move |(member, course, plan, exchanged, gives)| {
            let lesson: Vec<usize> = LESSONS[SHARED].items.clone().collect();
            let tries = |gives: &[Vec<Give>], course: usize| -> Vec<Command> {
                let (keyed, stale, seconds) = (true, false, 1);
                let items = lesson.iter().zip(gives.iter().cycle()).flat_map(|(item, gives)| {
                    let place = Place::At(*item);
                    let gives = gives.clone();
                    [
                        Act::Visit { member, course, place, keyed },
                        Act::Answer { member, course, place, quiz: 0, gives, seconds, keyed, stale },
                    ]
                });
                items.map(one).collect()
            };
            let mut all = tries(&gives[..3], course);
            all.push(Command::EditLesson { items: lesson.clone(), exchanged });
            all.push(Command::Edit { course, plan, publish: true });
            all.push(Command::Recalculate { course });
            all.extend(tries(&gives[3..5], 1 - course));
            all.extend(tries(&gives[4..], course));
            all.push(Command::Recalculate { course: 1 - course });
            all
        },
    );
    // The same quiz again and again, half of it known from the other course: a learner who uses what they were told.
    let items = prop::sample::select(vec![2_usize, 2, 5, 6]);
    let again = (0..MEMBERS, 0..COURSES, items, gives(), vec(gives(), 2..=5)).prop_map(
        move |(member, course, item, elsewhere, gives)| {
            let (keyed, stale, seconds) = (true, false, 1);
            let at = |course: usize, item: usize, gives: Vec<Give>| {
                let place = Place::At(item);
                [
                    Act::Visit { member, course, place, keyed },
                    Act::Answer { member, course, place, quiz: 0, gives, seconds, keyed, stale },
                ]
            };
            let right = || vec![Give::Right; 3];
            // The first gate of both courses, where they have it.
            let gates = [at(0, 1, right()), at(1, 1, right())].concat();
            let known = at(1 - course, item, elsewhere).to_vec();
            let tries = gives.into_iter().flat_map(|gives| at(course, item, gives));
            gates.into_iter().chain(known).chain(tries).map(one).collect()
        },
    );
    prop_oneof![3 => exchange, 3 => again, 4 => vec(command(), 1..=4), 5 => walk, 2 => race, 2 => to_the_end, 1 => come_back, 2 => differ]
}
