//! What Jalon promises of tracks, guests and members, said again from the domain's rules in the plainest
//! way that works. It shares no line with the code under test: where the two differ, one is wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

/// What an author may put into a track: the place in [`POOL`] is the step's key, so it is stable over versions.
pub struct Task {
    pub key: &'static str,
    pub quiz: Option<Quiz>,
}

/// Two questions of one point each: 0, 50 or 100 percent.
pub struct Quiz {
    /// In hundredths of a percent.
    pub pass_mark: Option<u32>,
    pub max_attempts: Option<u32>,
}

pub const POOL: [Task; 6] = [
    Task { key: "read", quiz: None },
    Task { key: "check", quiz: Some(Quiz { pass_mark: Some(6000), max_attempts: Some(3) }) },
    Task { key: "more", quiz: None },
    Task { key: "opinion", quiz: Some(Quiz { pass_mark: None, max_attempts: None }) },
    Task { key: "rules", quiz: Some(Quiz { pass_mark: Some(10_000), max_attempts: None }) },
    Task { key: "end", quiz: None },
];

/// A step of a version: which task, and whether later steps wait for it.
pub type Step = (usize, bool);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Who {
    Guest(usize),
    Member(usize),
}

/// A moment: the number of the operation, in the order in which they were sent.
type Moment = u64;

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Done {
    pub tries: u64,
    pub seconds: u64,
    pub position: Option<u64>,
    pub best: Option<u32>,
    pub completed: Option<Moment>,
}

/// One learner's way through one track.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    pub who: Who,
    pub track: usize,
    /// From 1, as authors count.
    pub version: usize,
    /// The versions that the work in it was done in.
    pub seen: BTreeSet<usize>,
    /// Known once the server said it.
    pub id: Option<Uuid>,
    pub changes: u64,
    pub began: Moment,
    pub finished: Option<Moment>,
    pub score: Option<u32>,
    /// By task.
    pub steps: BTreeMap<usize, Done>,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Track {
    pub versions: Vec<Vec<Step>>,
    pub published: usize,
}

/// What a merge's receipt says of one track: outcome, order, steps from the guest, completed by the merge.
pub type Line = (usize, &'static str, usize, Vec<usize>, bool);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Guest {
    Live,
    Became(usize, Vec<Line>),
    Erased,
}

/// What somebody asks of the server.
#[derive(Clone, Debug)]
pub enum Wish {
    Enroll {
        who: Who,
        track: usize,
    },
    /// `right`: the answers, by the task whose questions they answer and how many are right.
    Advance {
        who: Who,
        way: Uuid,
        order: usize,
        right: Option<(usize, u32)>,
        seconds: u64,
        position: Option<u64>,
    },
    Report {
        who: Who,
        way: Uuid,
        order: usize,
        seconds: u64,
        position: Option<u64>,
    },
    Merge {
        member: usize,
        guest: usize,
    },
    Erase {
        who: Who,
    },
    Publish {
        track: usize,
    },
}

impl Wish {
    /// In whose name.
    pub fn caller(&self) -> Option<Who> {
        match self {
            Self::Enroll { who, .. } | Self::Advance { who, .. } | Self::Report { who, .. } | Self::Erase { who } => {
                Some(*who)
            }
            Self::Merge { member, .. } => Some(Who::Member(*member)),
            Self::Publish { .. } => None,
        }
    }
}

/// What the server should say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Says {
    /// Success, and the enrollment as it is then.
    Way(u64, Box<Way>),
    Receipt(usize, Vec<Line>),
    Nothing(u64),
    /// The answer that this key heard before.
    Again,
    /// Status, code, and what else the answer names.
    No(u64, &'static str, Option<u64>),
}

/// Everything there is, in one order of what happened.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct World {
    pub tracks: Vec<Track>,
    pub guests: Vec<Guest>,
    pub ways: Vec<Way>,
    /// Whose completion of which track was announced, and whether a merge brought it.
    pub announced: BTreeMap<(usize, Who), bool>,
    /// Keys that answer again what they answered.
    pub keys: BTreeSet<(Who, Uuid)>,
    /// What the server's clock said at these moments.
    pub clock: BTreeMap<Moment, String>,
    pub now: Moment,
}

impl World {
    pub fn way(&self, who: Who, track: usize) -> Option<&Way> {
        self.ways.iter().find(|way| way.who == who && way.track == track)
    }

    fn version(&self, way: &Way) -> &[Step] {
        &self.tracks[way.track].versions[way.version - 1]
    }

    /// Does what is wished, and says what the server should answer.
    pub fn wish(&mut self, wish: &Wish, key: Option<Uuid>) -> Says {
        let key = key.and_then(|key| Some((wish.caller()?, key)));
        if key.is_some_and(|key| self.keys.contains(&key)) {
            return Says::Again;
        }
        let says = match wish {
            Wish::Enroll { who, track } => self.enroll(*who, *track),
            Wish::Advance { who, way, order, right, seconds, position } => {
                self.advance(*who, *way, *order, *right, *seconds, *position)
            }
            Wish::Report { who, way, order, seconds, position } => self.report(*who, *way, *order, *seconds, *position),
            Wish::Merge { member, guest } => self.merge(*member, *guest),
            Wish::Erase { who } => self.erase(*who),
            Wish::Publish { track } => {
                self.tracks[*track].published = self.tracks[*track].versions.len();
                Says::Nothing(200)
            }
        };
        if let (Says::Way(..) | Says::Receipt(..), Some(key)) = (&says, key) {
            self.keys.insert(key);
        }
        // In which order they came is nobody's business, and two worlds that differ in no more are one.
        self.ways.sort_by_key(|way| (way.who, way.track));
        says
    }

    /// M5: a guest who became a member, or is gone, does nothing any more.
    fn may(&self, who: Who) -> Result<(), Says> {
        match who {
            Who::Guest(guest) => match self.guests[guest] {
                Guest::Live => Ok(()),
                Guest::Became(..) => Err(Says::No(409, "guest_merged", None)),
                Guest::Erased => Err(Says::No(401, "token_revoked", None)),
            },
            Who::Member(_) => Ok(()),
        }
    }

    /// Whether it is a guest who became a member.
    pub fn became_a_member(&self, who: Who) -> bool {
        matches!(who, Who::Guest(guest) if matches!(self.guests[guest], Guest::Became(..)))
    }

    fn enroll(&mut self, who: Who, track: usize) -> Says {
        if let Err(no) = self.may(who) {
            return no;
        }
        if let Some(way) = self.way(who, track) {
            return Says::Way(200, Box::new(way.clone()));
        }
        let version = self.tracks[track].published;
        let way = Way {
            who,
            track,
            version,
            seen: BTreeSet::from([version]),
            id: None,
            changes: 1,
            began: self.now,
            finished: None,
            score: None,
            steps: BTreeMap::new(),
        };
        self.ways.push(way.clone());
        Says::Way(201, Box::new(way))
    }

    /// The way, if it is the caller's; its step; and G2.
    fn reach(&self, who: Who, id: Uuid, order: usize) -> Result<(usize, usize), Says> {
        self.may(who)?;
        let nothing = || Says::No(404, "not_found", None);
        let place = self.ways.iter().position(|way| way.id == Some(id) && way.who == who).ok_or_else(nothing)?;
        let way = &self.ways[place];
        let version = self.version(way);
        let (task, _) = *order.checked_sub(1).and_then(|order| version.get(order)).ok_or_else(nothing)?;
        match blocked_by(version, way, order) {
            Some(blocking) => Err(Says::No(409, "step_out_of_order", Some(blocking as u64))),
            None => Ok((place, task)),
        }
    }

    fn advance(
        &mut self,
        who: Who,
        id: Uuid,
        order: usize,
        right: Option<(usize, u32)>,
        seconds: u64,
        position: Option<u64>,
    ) -> Says {
        let (place, task) = match self.reach(who, id, order) {
            Ok(found) => found,
            Err(no) => return no,
        };
        let now = self.now;
        let way = &mut self.ways[place];
        let before = way.steps.get(&task).cloned().unwrap_or_default();
        let mut done = before.clone();
        if let Some(quiz) = &POOL[task].quiz {
            let Some((answered, right)) = right else {
                return if before.completed.is_some() {
                    Says::Way(200, Box::new(way.clone()))
                } else {
                    Says::No(422, "validation_failed", None)
                };
            };
            let score = right * 5000;
            if quiz.max_attempts.is_some_and(|most| before.tries >= u64::from(most)) {
                return if before.completed.is_some() {
                    Says::Way(200, Box::new(way.clone()))
                } else {
                    Says::No(409, "attempts_exhausted", None)
                };
            }
            if answered != task {
                // A tab that knows the steps of another version.
                return Says::No(422, "validation_failed", None);
            }
            // Whatever is graded is an attempt, also where it brings no more.
            done.best = done.best.max(Some(score));
            // G3
            if done.completed.is_none() && quiz.pass_mark.is_none_or(|mark| score >= mark) {
                done.completed = Some(now);
                way.changes += 1;
            }
        } else {
            if right.is_some() {
                return Says::No(422, "validation_failed", None);
            }
            if before.completed.is_some() {
                return Says::Way(200, Box::new(way.clone()));
            }
            done.completed = Some(now);
            done.position = position.or(done.position);
        }
        done.tries += 1;
        done.seconds += seconds;
        way.changes += 1;
        way.steps.insert(task, done);
        let way = way.clone();
        let version = self.version(&way).to_vec();
        if way.finished.is_none() && complete(&version, &way.steps) {
            let scores: Vec<u32> = version.iter().filter_map(|(task, _)| way.steps.get(task)?.best).collect();
            let way = &mut self.ways[place];
            way.finished = Some(now);
            way.score = mean(&scores);
            way.changes += 1;
            assert!(self.announced.insert((way.track, who), false).is_none(), "W1 in the model itself");
        }
        Says::Way(200, Box::new(self.ways[place].clone()))
    }

    fn report(&mut self, who: Who, id: Uuid, order: usize, seconds: u64, position: Option<u64>) -> Says {
        let (place, task) = match self.reach(who, id, order) {
            Ok(found) => found,
            Err(no) => return no,
        };
        let way = &mut self.ways[place];
        let moves = position.is_some() && way.steps.get(&task).and_then(|done| done.position) != position;
        if seconds > 0 || moves {
            let done = way.steps.entry(task).or_default();
            done.seconds += seconds;
            done.position = position.or(done.position);
            way.changes += 1;
        }
        Says::Way(200, Box::new(way.clone()))
    }

    fn merge(&mut self, member: usize, guest: usize) -> Says {
        match &self.guests[guest] {
            Guest::Became(other, lines) if *other == member => return Says::Receipt(guest, lines.clone()),
            Guest::Became(..) => return Says::No(409, "guest_already_merged", None),
            Guest::Erased => return Says::No(422, "invalid_value", None),
            Guest::Live => {}
        }
        let mut lines = Vec::new();
        for track in 0..self.tracks.len() {
            let Some(from) = self.ways.iter().position(|way| way.who == Who::Guest(guest) && way.track == track) else {
                continue;
            };
            lines.push(self.merge_track(member, from));
        }
        self.guests[guest] = Guest::Became(member, lines.clone());
        Says::Receipt(guest, lines)
    }

    fn merge_track(&mut self, member: usize, from: usize) -> Line {
        let guest = self.ways[from].clone();
        let user = Who::Member(member);
        let Some(to) = self.ways.iter().position(|way| way.who == user && way.track == guest.track) else {
            // M1: the same way, another owner; M6: who had finished has finished.
            let way = &mut self.ways[from];
            way.who = user;
            way.changes += 1;
            if way.finished.is_some() {
                way.changes += 1;
                self.announced.insert((guest.track, user), true);
            }
            let way = self.ways[from].clone();
            let version = self.version(&way);
            let brought = orders(version, |task| way.steps.contains_key(&task));
            return (guest.track, "moved", highest(version, &way.steps), brought, guest.finished.is_some());
        };
        let own = self.ways[to].clone();
        let mut both = own.clone();
        // M2, step by step.
        for (task, theirs) in &guest.steps {
            let mine = both.steps.entry(*task).or_default();
            mine.tries += theirs.tries;
            mine.seconds += theirs.seconds;
            mine.position = mine.position.max(theirs.position);
            mine.best = mine.best.max(theirs.best);
            mine.completed = self.earliest(mine.completed, theirs.completed);
        }
        both.began = self.earliest(Some(own.began), Some(guest.began)).unwrap();
        both.version = own.version.max(guest.version);
        both.seen.extend(&guest.seen);
        both.finished = self.earliest(own.finished, guest.finished);
        both.score = own.score.max(guest.score);
        both.changes += 1;
        // A track is finished when the work of both finishes it in a version that one of them was in.
        let finishing: Vec<&Vec<Step>> = both
            .seen
            .iter()
            .map(|version| &self.tracks[own.track].versions[version - 1])
            .filter(|version| complete(version, &both.steps))
            .collect();
        if both.finished.is_none() && !finishing.is_empty() {
            both.finished = Some(self.now);
        }
        let best = finishing.iter().filter_map(|version| best_mean(version, &both.steps)).max();
        both.score = both.score.max(best);
        // M6: announced when the member had not finished before.
        let completes = own.finished.is_none() && both.finished.is_some();
        if completes {
            both.changes += 1;
            assert!(self.announced.insert((own.track, user), true).is_none(), "W1 in the model itself");
        }
        let better = |task: &usize| match (own.steps.get(task), guest.steps.get(task)) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(mine), Some(theirs)) => {
                (theirs.completed.is_some() && mine.completed.is_none())
                    || theirs.best > mine.best
                    || theirs.position > mine.position
            }
        };
        let anything = guest.steps.keys().any(better);
        let version = &self.tracks[own.track].versions[both.version - 1];
        let line = (
            own.track,
            if anything { "merged" } else { "kept" },
            highest(version, &both.steps),
            orders(version, |task| better(&task)),
            completes,
        );
        self.ways[to] = both;
        self.ways.remove(from);
        line
    }

    fn erase(&mut self, who: Who) -> Says {
        let mut gone = vec![who];
        match who {
            Who::Guest(guest) => {
                if matches!(self.guests[guest], Guest::Became(..)) {
                    return Says::No(409, "guest_merged", None);
                }
                self.guests[guest] = Guest::Erased;
            }
            Who::Member(member) => {
                for (number, guest) in self.guests.iter_mut().enumerate() {
                    if matches!(guest, Guest::Became(into, _) if *into == member) {
                        *guest = Guest::Erased;
                        gone.push(Who::Guest(number));
                    }
                }
            }
        }
        self.ways.retain(|way| !gone.contains(&way.who));
        self.announced.retain(|(_, who), _| !gone.contains(who));
        self.keys.retain(|(who, _)| !gone.contains(who));
        Says::Nothing(204)
    }

    /// By the server's clock where it was heard, else by the order of things.
    fn earliest(&self, a: Option<Moment>, b: Option<Moment>) -> Option<Moment> {
        let (Some(first), Some(second)) = (a, b) else {
            return a.or(b);
        };
        match (self.clock.get(&first), self.clock.get(&second)) {
            (Some(one), Some(two)) if one != two => Some(if one < two { first } else { second }),
            _ => Some(first.min(second)),
        }
    }

    /// G6: whether the body of a step is served: 200, 409 or 404.
    pub fn shows(&self, who: Who, id: Uuid, order: usize) -> u64 {
        let Some(way) = self.ways.iter().find(|way| way.id == Some(id) && way.who == who) else {
            return 404;
        };
        let version = self.version(way);
        if order == 0 || order > version.len() {
            404
        } else if blocked_by(version, way, order).is_some() {
            409
        } else {
            200
        }
    }

    /// Whether this is how the server shows that way; learns its id and what the clock said.
    pub fn agrees(&mut self, way: &Way, seen: &Value, task_of: &dyn Fn(&Value) -> usize) -> Result<(), String> {
        let same = |what: &str, expected: Value, found: &Value| {
            if expected == *found { Ok(()) } else { Err(format!("{what}: {expected} expected, {found} found")) }
        };
        let id: Uuid = seen["id"].as_str().unwrap().parse().unwrap();
        if way.id.is_some_and(|known| known != id) {
            return Err(format!("another enrollment: {id}, not {:?}", way.id));
        }
        if let Some(way) = self.ways.iter_mut().find(|other| other.who == way.who && other.track == way.track) {
            way.id = way.id.or(Some(id));
        }
        let version = self.tracks[way.track].versions[way.version - 1].clone();
        // XOR
        let (user, guest) = (&seen["user_id"], &seen["guest_id"]);
        if user.is_null() == guest.is_null() || user.is_null() != matches!(way.who, Who::Guest(_)) {
            return Err(format!("XOR: {user} and {guest}"));
        }
        same("track version", way.version.into(), &seen["track"]["version"])?;
        same("version", way.changes.into(), &seen["version"])?;
        same("current_step_order", highest(&version, &way.steps).into(), &seen["current_step_order"])?;
        same("score", way.score.into(), &points(&seen["score"]))?;
        let seconds: u64 = way.steps.values().map(|done| done.seconds).sum();
        same("time", seconds.into(), &seen["time_spent_seconds"])?;
        self.hear("started_at", Some(way.began), &seen["started_at"])?;
        self.hear("completed_at", way.finished, &seen["completed_at"])?;
        same("steps", version.len().into(), &seen["steps"].as_array().unwrap().len().into())?;
        for (order, ((task, required), step)) in (1..).zip(version.iter().zip(seen["steps"].as_array().unwrap())) {
            let done = way.steps.get(task).cloned().unwrap_or_default();
            let blocking = blocked_by(&version, way, order);
            let state = match (done.completed, blocking, way.steps.contains_key(task)) {
                (Some(_), ..) => "completed",
                (None, Some(_), _) => "locked",
                (None, None, true) => "in_progress",
                (None, None, false) => "open",
            };
            let at = |what: &str| format!("step {order} ({}), {what}", POOL[*task].key);
            if task_of(&step["step_id"]) != *task {
                return Err(at("is another one"));
            }
            same(&at("state"), state.into(), &step["state"])?;
            same(&at("blocked_by"), blocking.into(), &step["blocked_by"])?;
            same(&at("required"), (*required).into(), &step["required"])?;
            same(&at("attempts"), done.tries.into(), &step["attempt_count"])?;
            same(&at("time"), done.seconds.into(), &step["time_spent_seconds"])?;
            same(&at("position"), done.position.into(), &step["last_position"])?;
            same(&at("score"), done.best.into(), &points(&step["score"]))?;
            self.hear(&at("completed_at"), done.completed, &step["completed_at"])?;
        }
        Ok(())
    }

    fn hear(&mut self, what: &str, moment: Option<Moment>, said: &Value) -> Result<(), String> {
        match (moment, said.as_str()) {
            (None, None) => Ok(()),
            (Some(moment), Some(said)) => {
                let known = self.clock.entry(moment).or_insert_with(|| said.to_owned());
                if known == said { Ok(()) } else { Err(format!("{what}: {known} before, {said} now")) }
            }
            (moment, said) => Err(format!("{what}: {moment:?} expected, {said:?} found")),
        }
    }
}

/// G1, G2: the first required step before this one that is not complete. What is complete stays open.
fn blocked_by(version: &[Step], way: &Way, order: usize) -> Option<usize> {
    let complete = |task: usize| way.steps.get(&task).is_some_and(|done| done.completed.is_some());
    if complete(version[order - 1].0) {
        return None;
    }
    (1..order).find(|before| {
        let (task, required) = version[before - 1];
        required && !complete(task)
    })
}

/// G5
fn complete(version: &[Step], steps: &BTreeMap<usize, Done>) -> bool {
    let none_required = version.iter().all(|(_, required)| !required);
    version
        .iter()
        .filter(|(_, required)| *required || none_required)
        .all(|(task, _)| steps.get(task).is_some_and(|done| done.completed.is_some()))
}

fn highest(version: &[Step], steps: &BTreeMap<usize, Done>) -> usize {
    orders(version, |task| steps.get(&task).is_some_and(|done| done.completed.is_some())).pop().unwrap_or(0)
}

fn orders(version: &[Step], wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    (1..).zip(version).filter(|(_, (task, _))| wanted(*task)).map(|(order, _)| order).collect()
}

/// S2: rounded half up.
fn mean(scores: &[u32]) -> Option<u32> {
    let count = u32::try_from(scores.len()).unwrap();
    (count > 0).then(|| (scores.iter().sum::<u32>() * 2 + count) / (count * 2))
}

/// A merge scores by the best mean that the required scored steps, with any of the optional ones, give.
fn best_mean(version: &[Step], steps: &BTreeMap<usize, Done>) -> Option<u32> {
    let scores = |wanted: bool| -> Vec<u32> {
        version
            .iter()
            .filter(|(_, required)| *required == wanted)
            .filter_map(|(task, _)| steps.get(task)?.best)
            .collect()
    };
    let (required, optional) = (scores(true), scores(false));
    (0..1_usize << optional.len())
        .filter_map(|chosen| {
            let mut some = required.clone();
            some.extend(optional.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1).map(|(_, score)| score));
            mean(&some)
        })
        .max()
}

/// A score as the wire says it, in hundredths.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10000")]
fn points(score: &Value) -> Value {
    score.as_f64().map_or(Value::Null, |score| Value::from((score * 100.0).round() as u32))
}
