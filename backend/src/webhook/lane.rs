//! Who may have how much of the dispatcher: each endpoint has a queue and a share of attempts at once
//! of its own, and those who are not known to answer have a part of the whole and no more.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;

use uuid::Uuid;

use super::lease::Claimed;
use super::retry::Next;

/// Deliveries held at once: queued and under way.
pub const HOLD: usize = 2048;
/// Attempts at once.
pub const FLYING: usize = 512;
/// Attempts at once to one endpoint: doubled by a success, halved by a failure.
const SHARE: RangeInclusive<usize> = 1..=32;
/// The share of one that nothing is known of.
pub const FIRST_SHARE: usize = 8;
/// Of the places to fly and to be held, one in so many is for all together who are not known to answer.
pub const UNPROVEN: usize = 2;
/// Endpoints in one claim.
const CLAIMED: usize = 64;

/// What the last attempt at an endpoint said of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// It answers.
    Good,
    /// Nothing yet.
    Unknown,
    /// It does not.
    Failing,
}

/// One endpoint's part.
#[derive(Debug)]
pub struct Lane {
    /// What waits to be tried.
    pub queue: VecDeque<Claimed>,
    /// Attempts under way.
    pub flying: usize,
    /// What the last attempt said.
    pub standing: Standing,
    /// Attempts it may have at once.
    pub share: usize,
    /// Whether the last claim left something behind.
    pub more: bool,
    /// It answered 410, and the write that disables it is not through yet: it gets nothing more (W4).
    pub gone: bool,
}

impl Default for Lane {
    fn default() -> Self {
        let standing = Standing::Unknown;
        Self { queue: VecDeque::new(), flying: 0, standing, share: FIRST_SHARE, more: false, gone: false }
    }
}

impl Lane {
    /// How many are queued or under way.
    pub fn held(&self) -> usize {
        self.queue.len() + self.flying
    }

    /// How many more it may be given: none before there is room for a good few.
    pub fn room(&self) -> usize {
        if self.gone || self.held() > self.share * 2 { 0 } else { self.share * 4 - self.held() }
    }

    /// Whether its next attempt may begin, where so many of the unproven fly.
    pub fn is_ready(&self, unproven: usize) -> bool {
        let may = match self.standing {
            Standing::Good => true,
            // One attempt tells what it is; those who failed can't take up the room for that.
            Standing::Unknown if self.flying == 0 => unproven < FLYING - FLYING / UNPROVEN / 2,
            Standing::Unknown => unproven < FLYING / UNPROVEN / 2,
            Standing::Failing => unproven < FLYING / UNPROVEN,
        };
        may && !self.gone && self.flying < self.share && !self.queue.is_empty()
    }

    /// Learns from an attempt; answers what it should no longer hold.
    pub fn learn(&mut self, next: Next) -> Vec<Claimed> {
        let keep = match next {
            Next::Delivered => {
                self.standing = Standing::Good;
                self.share = (self.share * 2).min(*SHARE.end());
                return Vec::new();
            }
            Next::Retry(_) | Next::Parked => {
                self.standing = Standing::Failing;
                self.share = (self.share / 2).max(*SHARE.start());
                self.share * 4
            }
            // Parked by the same write; trying them would only be told so again.
            Next::Gone => {
                self.gone = true;
                0
            }
        };
        self.queue.split_off(keep.min(self.queue.len())).into()
    }
}

/// What a claim must know of an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// How many more it may be given.
    free: usize,
    standing: Standing,
    /// Nothing of it is held.
    is_empty: bool,
}

impl Room {
    /// As this one is.
    pub fn of(lane: &Lane) -> Self {
        Self { free: lane.room(), standing: lane.standing, is_empty: lane.held() == 0 }
    }
}

/// How much to claim for whom: those who answer first, then those of whom nothing is known, then the
/// rest. `free` is for all together, `unproven` for those who are not known to answer.
pub(super) fn shares(
    mut due: Vec<Uuid>,
    rooms: &HashMap<Uuid, Room>,
    free: usize,
    mut unproven: usize,
) -> Vec<(Uuid, usize)> {
    let new = Room::of(&Lane::default());
    let known = |endpoint: &Uuid| rooms.get(endpoint).copied().unwrap_or(new);
    due.retain(|endpoint| {
        let Room { free: room, standing, is_empty } = known(endpoint);
        room > 0 && (standing == Standing::Good || unproven > 0 || standing == Standing::Unknown && is_empty)
    });
    due.sort_by_key(|endpoint| (known(endpoint).standing, !known(endpoint).is_empty));
    due.truncate(CLAIMED.min(free));
    let fair = (free / due.len().max(1)).max(1);
    let wanted = due.into_iter().map(|endpoint| {
        let Room { free: room, standing, is_empty } = known(&endpoint);
        let room = match standing {
            Standing::Good => room.min(fair),
            // There is always room for the one that tells what it is.
            Standing::Unknown if is_empty => room.min(fair).min(unproven.max(1)),
            Standing::Unknown | Standing::Failing => room.min(fair).min(unproven),
        };
        if standing != Standing::Good {
            unproven = unproven.saturating_sub(room);
        }
        (endpoint, room)
    });
    wanted.filter(|(_, room)| *room > 0).collect()
}
