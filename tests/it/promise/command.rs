//! What may happen: a list of these is a story, and a story that fails shrinks by losing some.

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{POOL, Step};

/// Members, then places where a guest may sit; a place gets another guest when somebody logs out there.
pub const MEMBERS: usize = 2;
pub const SEATS: usize = 3;
pub const TRACKS: usize = 2;
/// Tabs of one learner, each with its own, perhaps stale, idea of how things are.
pub const TABS: usize = 2;

/// Somebody at a tab.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tab {
    /// A member, or [`MEMBERS`] plus a seat.
    pub actor: usize,
    pub tab: usize,
}

/// Which step is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// The first that this tab believes is not complete.
    Next,
    At(usize),
}

#[derive(Clone, Debug)]
pub enum Act {
    /// Whoever sat there logs out (a merge they were offered is declined); a new guest sits down.
    Guest {
        seat: usize,
    },
    /// Advance a step; begins the track first, where the tab knows no enrollment.
    Advance {
        tab: Tab,
        track: usize,
        place: Place,
        right: Option<u32>,
        seconds: u64,
        position: Option<u64>,
        keyed: bool,
        /// With the enrollment that another tab knows.
        borrowed: Option<Tab>,
    },
    Report {
        tab: Tab,
        track: usize,
        place: Place,
        seconds: u64,
        position: Option<u64>,
        keyed: bool,
    },
    Merge {
        member: usize,
        seat: usize,
        keyed: bool,
    },
    Erase {
        actor: usize,
    },
    Publish {
        track: usize,
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
    /// Things at the same moment.
    Race { acts: Vec<Act> },
    /// Things at the same moment, and the process is killed in the middle; `again`: those without an
    /// answer are asked once more.
    Kill { acts: Vec<Act>, after_micros: u64, again: bool },
    /// The author writes another version, and perhaps publishes it.
    Edit { track: usize, steps: Vec<Step>, publish: bool },
}

/// Steps of one version: some of the pool, in any order, at least one.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let all: Vec<usize> = (0..POOL.len()).collect();
    (Just(all).prop_shuffle(), 1..=5_usize, vec(prop::bool::weighted(0.7), POOL.len()))
        .prop_map(|(order, length, required)| order.into_iter().zip(required).take(length).collect())
}

fn tab() -> impl Strategy<Value = Tab> {
    (0..MEMBERS + SEATS, 0..TABS).prop_map(|(actor, tab)| Tab { actor, tab })
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![3 => Just(Place::Next), 1 => (0..=6_usize).prop_map(Place::At)]
}

fn act() -> impl Strategy<Value = Act> {
    // So few that a whole story stays within the tolerance (A8): what is taken does not hang on the clock then.
    let seconds = || prop_oneof![Just(0_u64), (1..100_u64).prop_map(|seconds| seconds % 7 + 1)];
    let position = || prop::option::weighted(0.3, 0..50_u64);
    let keyed = || prop::bool::weighted(0.8);
    let advance = (
        tab(),
        0..TRACKS,
        place(),
        prop::option::weighted(0.9, prop_oneof![Just(2_u32), 0..=2_u32]),
        seconds(),
        position(),
        keyed(),
        prop::option::weighted(0.08, tab()),
    )
        .prop_map(|(tab, track, place, right, seconds, position, keyed, borrowed)| Act::Advance {
            tab,
            track,
            place,
            right,
            seconds,
            position,
            keyed,
            borrowed,
        });
    let report = (tab(), 0..TRACKS, place(), seconds(), position(), keyed()).prop_map(
        |(tab, track, place, seconds, position, keyed)| Act::Report { tab, track, place, seconds, position, keyed },
    );
    prop_oneof![
        14 => advance,
        2 => report,
        1 => (0..SEATS).prop_map(|seat| Act::Guest { seat }),
        3 => (0..MEMBERS, 0..SEATS, keyed()).prop_map(|(member, seat, keyed)| Act::Merge { member, seat, keyed }),
        1 => (0..TRACKS).prop_map(|track| Act::Publish { track }),
        2 => (1..8_usize, any::<bool>()).prop_map(|(back, same_key)| Act::Again { back, same_key }),
    ]
}

/// What happens in a row. Few of the random ones end with both sides having done much of the same track, and
/// there a merge can go wrong: one in three is made so that they have.
pub fn chapter() -> impl Strategy<Value = Vec<Command>> {
    prop_oneof![2 => vec(command(), 1..=4), 1 => meeting()]
}

/// A member and a guest walk through one track, turn by turn, and become one. Mostly it is a new guest: so
/// devices of one member come one after the other. The author may have published another version between.
fn meeting() -> impl Strategy<Value = Vec<Command>> {
    let few = (0..100_u64).prop_map(|seconds| seconds % 8);
    let step = (prop::bool::weighted(0.35), place(), 0..=2_u32, few, prop::option::weighted(0.4, 0..50_u64));
    let new_version = prop::option::weighted(0.3, (0..12_usize, steps()));
    (0..MEMBERS, 0..SEATS, 0..TRACKS, prop::bool::weighted(0.8), vec(step, 2..=12), new_version).prop_map(
        |(member, seat, track, new, walk, new_version)| {
            let one = |act| Command::One { act, copies: 1, cut: false };
            let mut all: Vec<Command> = new.then(|| one(Act::Guest { seat })).into_iter().collect();
            let first = all.len();
            all.extend(walk.into_iter().map(|(own, place, right, seconds, position)| {
                let tab = Tab { actor: if own { member } else { MEMBERS + seat }, tab: 0 };
                // Time and position are told for every second step on its own, before it is done.
                if right == 0 && seconds % 2 == 0 {
                    return one(Act::Report { tab, track, place, seconds, position, keyed: true });
                }
                let right = Some(right);
                one(Act::Advance { tab, track, place, right, seconds, position, keyed: true, borrowed: None })
            }));
            if let Some((after, steps)) = new_version {
                let place = all.len().min(first + after);
                all.insert(place, Command::Edit { track, steps, publish: true });
            }
            all.push(one(Act::Merge { member, seat, keyed: true }));
            all
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    let copies = prop_oneof![3 => Just(1_usize), 1 => 2..=5_usize];
    prop_oneof![
        20 => (act(), copies, any::<bool>()).prop_map(|(act, copies, cut)| Command::One { act, copies, cut }),
        6 => vec(act(), 2..=3).prop_map(|acts| Command::Race { acts }),
        1 => (vec(act(), 1..=3), 0..6000_u64, any::<bool>())
            .prop_map(|(acts, after_micros, again)| Command::Kill { acts, after_micros, again }),
        2 => (0..TRACKS, steps(), any::<bool>())
            .prop_map(|(track, steps, publish)| Command::Edit { track, steps, publish }),
        1 => (0..MEMBERS + SEATS).prop_map(|actor| Command::One { act: Act::Erase { actor }, copies: 1, cut: false }),
    ]
}

/// One walks, the author publishes a version with fewer steps, the other walks through that one, and they
/// become one: what neither has done alone may be all that the newer version asks for.
pub fn apart() -> impl Strategy<Value = Vec<Command>> {
    let walk =
        || vec((prop_oneof![4 => Just(Place::Next), 1 => place()], prop_oneof![4 => Just(2), 1 => 0..=1_u32]), 1..=4);
    let versions = steps().prop_flat_map(|long| {
        let fewer = prop::sample::subsequence(long.clone(), 1..=long.len()).prop_shuffle();
        (Just(long), fewer)
    });
    (0..MEMBERS, 0..SEATS, 0..TRACKS, any::<bool>(), versions, walk(), walk()).prop_map(
        |(member, seat, track, member_first, (long, fewer), before, after)| {
            let one = |act| Command::One { act, copies: 1, cut: false };
            let sides = if member_first { [member, MEMBERS + seat] } else { [MEMBERS + seat, member] };
            let walks = |actor: usize, walk: Vec<(Place, u32)>| {
                walk.into_iter().map(move |(place, right)| {
                    let (tab, right) = (Tab { actor, tab: 0 }, Some(right));
                    let (seconds, position, keyed, borrowed) = (0, None, true, None);
                    one(Act::Advance { tab, track, place, right, seconds, position, keyed, borrowed })
                })
            };
            let publish = |steps| Command::Edit { track, steps, publish: true };
            let mut all = vec![publish(long), one(Act::Guest { seat })];
            all.extend(walks(sides[0], before));
            all.push(publish(fewer));
            all.extend(walks(sides[1], after));
            all.push(one(Act::Merge { member, seat, keyed: true }));
            all
        },
    )
}
