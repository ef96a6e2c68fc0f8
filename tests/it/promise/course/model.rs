//! What Jalon promises of courses, said again from the domain's rules in the plainest way that works: who
//! answered what, and everything else counted from there. It shares no line with the code under test.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::content::{Asks, ITEMS, QUIZZES, SHARED, Version, lesson_of};
use super::grading::Open;
use super::quiz::{Attempt, Mark, Tried, earned, part, size, worth};

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Done {
    pub viewed: bool,
    pub completed: bool,
    pub seconds: u64,
    pub position: Option<u64>,
    pub quizzes: BTreeMap<usize, Tried>,
}

/// One member's way through one course.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    pub member: usize,
    pub course: usize,
    /// From 1, as authors count.
    pub version: usize,
    /// Known once the server said it.
    pub id: Option<Uuid>,
    pub finished: bool,
    /// In hundredths of a percent.
    pub score: Option<u64>,
    /// By item.
    pub items: BTreeMap<usize, Done>,
    /// What the server counted when it was last heard, and whether anything changed since.
    pub counted: u64,
    pub changed: bool,
}

/// Somebody who asks: a member, or a grader.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Who {
    Member(usize),
    Grader(usize),
}

#[derive(Clone, Debug)]
pub enum What {
    Visit,
    Report {
        seconds: u64,
        position: Option<u64>,
    },
    /// `attempt`: as the device believes, from 1. What is given to each question.
    Answer {
        quiz: usize,
        attempt: usize,
        marks: Attempt,
        seconds: u64,
    },
}

/// What somebody asks of the server.
#[derive(Clone, Debug)]
pub enum Wish {
    Enroll { member: usize, course: usize },
    In { member: usize, way: Uuid, item: usize, what: What },
    Grade { grader: usize, answer: super::grading::Place, verdict: super::command::Verdict },
}

impl Wish {
    pub fn caller(&self) -> Who {
        match self {
            Self::Enroll { member, .. } | Self::In { member, .. } => Who::Member(*member),
            Self::Grade { grader, .. } => Who::Grader(*grader),
        }
    }
}

/// What the server should say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Says {
    /// Success, and the way as it is then.
    Way(u64, Box<Way>),
    /// Success, the way, and what the attempt earned.
    Result(Box<Way>, usize, u64),
    Open(Box<Open>),
    /// The answer that this key heard before.
    Again,
    /// Status, code, and the item whose gate blocks.
    No(u64, &'static str, Option<usize>),
}

/// Everything there is, in one order of what happened.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct World {
    /// Versions and the published one, by course.
    pub courses: Vec<(Vec<Version>, usize)>,
    pub ways: Vec<Way>,
    /// Right answers in the shared lesson, by member and question: in which courses.
    pub right: BTreeMap<(usize, usize), BTreeSet<usize>>,
    pub open: Vec<Open>,
    pub keys: BTreeSet<(Who, Uuid)>,
}

/// The questions that an attempt draws: the story knows them.
pub type Draw<'d> = &'d dyn Fn(&Way, usize, usize) -> Vec<usize>;

impl World {
    pub fn way(&self, member: usize, course: usize) -> Option<&Way> {
        self.ways.iter().find(|way| way.member == member && way.course == course)
    }

    pub fn version(&self, way: &Way) -> &Version {
        &self.courses[way.course].0[way.version - 1]
    }

    /// Does what is wished, and says what the server should answer.
    pub fn wish(&mut self, wish: &Wish, key: Option<Uuid>, draw: Draw<'_>) -> Says {
        let key = key.map(|key| (wish.caller(), key));
        if key.is_some_and(|key| self.keys.contains(&key)) {
            return Says::Again;
        }
        let says = match wish {
            Wish::Enroll { member, course } => self.enroll(*member, *course),
            Wish::In { member, way, item, what } => match self.reach(*member, *way, *item) {
                Ok(place) => self.inside(place, *item, what, draw),
                Err(no) => no,
            },
            Wish::Grade { grader, answer, verdict } => return self.grade(*grader, answer, verdict),
        };
        if let (Says::Way(..) | Says::Result(..), Some(key)) = (&says, key) {
            self.keys.insert(key);
        }
        // In which order they came is nobody's business, and two worlds that differ in no more are one.
        self.ways.sort_by_key(|way| (way.member, way.course));
        says
    }

    fn enroll(&mut self, member: usize, course: usize) -> Says {
        if let Some(way) = self.way(member, course) {
            return Says::Way(200, Box::new(way.clone()));
        }
        let way = Way {
            member,
            course,
            version: self.courses[course].1,
            id: None,
            finished: false,
            score: None,
            items: BTreeMap::new(),
            counted: 0,
            changed: true,
        };
        self.ways.push(way.clone());
        Says::Way(201, Box::new(way))
    }

    fn reach(&self, member: usize, id: Uuid, item: usize) -> Result<usize, Says> {
        let place = self.ways.iter().position(|way| way.id == Some(id) && way.member == member);
        let place = place.filter(|place| items(self.version(&self.ways[*place])).any(|other| other == item));
        place.ok_or(Says::No(404, "not_found", None))
    }

    fn inside(&mut self, place: usize, item: usize, what: &What, draw: Draw<'_>) -> Says {
        let version = self.version(&self.ways[place]).clone();
        let way = &mut self.ways[place];
        if let What::Answer { quiz, attempt, .. } = what {
            let next = way.tried(item, *quiz).attempts.len() + 1;
            if *attempt != next {
                return Says::No(409, "attempt_over", None);
            }
        }
        if let Some((gate, _)) = blocked_by(&version, way, item) {
            return Says::No(409, "item_locked", Some(gate));
        }
        match what {
            What::Visit => {
                self.visit(place, item, &version, draw);
                Says::Way(200, Box::new(self.ways[place].clone()))
            }
            What::Report { seconds, position } => {
                let known = way.items.get(&item).and_then(|done| done.position);
                if *seconds > 0 || position.is_some_and(|position| known != Some(position)) {
                    let done = way.items.entry(item).or_default();
                    done.seconds += seconds;
                    done.position = position.or(done.position);
                    way.changed = true;
                }
                Says::Way(200, Box::new(way.clone()))
            }
            What::Answer { quiz, marks, seconds, .. } => self.answer(place, item, *quiz, marks, *seconds),
        }
    }

    fn visit(&mut self, place: usize, item: usize, version: &Version, draw: Draw<'_>) {
        let way = &mut self.ways[place];
        let done = way.items.entry(item).or_default();
        way.changed |= !std::mem::replace(&mut done.viewed, true);
        if lesson_of(item) == SHARED {
            let (_, beside) = version.iter().find(|(lesson, _)| *lesson == SHARED).unwrap();
            for item in beside {
                // A completed enrollment takes no shared points; neither does what is shut.
                let way = &mut self.ways[place];
                if way.finished || blocked_by(version, way, *item).is_some() {
                    continue;
                }
                for quiz in ITEMS[*item].quizzes {
                    let tried = way.tried(*item, *quiz);
                    let next = tried.attempts.len() + 1;
                    let questions = if QUIZZES[*quiz].draw > 0 {
                        draw(way, *quiz, next)
                    } else {
                        version.asks(*quiz).questions.to_vec()
                    };
                    // What was answered in this course only is no answer of another one.
                    let elsewhere = |question: &usize| {
                        let courses = self.right.get(&(way.member, *question));
                        courses.is_some_and(|courses| courses.iter().any(|course| *course != way.course))
                    };
                    let offered: Vec<usize> = questions
                        .into_iter()
                        .filter(|question| elsewhere(question) && !tried.shared.contains(question))
                        .collect();
                    let mut with = tried.clone();
                    with.shared.extend(&offered);
                    // An answer of one's own wins, in the attempt that counts then; a blank is none.
                    let free = |question: &usize| {
                        with.counting().is_none_or(|own| own.get(question).is_none_or(|mark| *mark == Mark::Blank))
                    };
                    let new: Vec<usize> = offered.into_iter().filter(free).collect();
                    if !new.is_empty() {
                        way.items.entry(*item).or_default().quizzes.entry(*quiz).or_default().shared.extend(new);
                        way.changed = true;
                    }
                }
                self.follow(place);
            }
        }
        self.follow(place);
    }

    fn answer(&mut self, place: usize, item: usize, number: usize, marks: &Attempt, seconds: u64) -> Says {
        let asks = self.version(&self.ways[place]).asks(number);
        let (quiz, way) = (&QUIZZES[number], &mut self.ways[place]);
        let tried = way.tried(item, number);
        if tried.waits() {
            return Says::No(409, "awaiting_grading", None);
        }
        if tried.exhausted(quiz, asks) {
            return Says::No(409, "attempts_exhausted", None);
        }
        if tried.cooling(quiz) {
            return Says::No(409, "cooldown", None);
        }
        if marks.values().all(|mark| *mark == Mark::Blank) {
            return Says::No(422, "validation_failed", None);
        }
        let done = way.items.entry(item).or_default();
        done.seconds += seconds;
        let kept = done.quizzes.entry(number).or_default();
        if kept.attempts.is_empty() {
            kept.floor = kept.confirmed(asks);
        }
        kept.attempts.push(marks.clone());
        way.changed = true;
        let (member, course, attempt) = (way.member, way.course, tried.attempts.len() + 1);
        for (question, mark) in marks {
            match mark {
                Mark::Waiting => self.open.push(Open::new(&self.ways[place], item, number, attempt, *question)),
                Mark::Scored(points) => self.share((member, course), item, *question, *points),
                _ => {}
            }
        }
        self.follow(place);
        Says::Result(Box::new(self.ways[place].clone()), number, earned(marks))
    }

    /// Staff bring everybody in a course to its published version. How many events that takes is not said.
    pub fn recalculate(&mut self, course: usize) {
        let published = self.courses[course].1;
        for place in 0..self.ways.len() {
            if self.ways[place].course == course {
                let way = &mut self.ways[place];
                (way.version, way.counted, way.changed) = (published, 0, true);
                self.follow(place);
            }
        }
    }

    /// Only what is wholly right is shared, and only from the shared lesson.
    pub fn share(&mut self, (member, course): (usize, usize), item: usize, question: usize, points: u64) {
        if lesson_of(item) == SHARED && points == worth(question) {
            self.right.entry((member, question)).or_default().insert(course);
        }
    }

    /// C1, C4: what is passed and complete now, and was not before.
    pub fn follow(&mut self, place: usize) {
        let version = self.version(&self.ways[place]).clone();
        let way = &mut self.ways[place];
        for item in items(&version) {
            for number in ITEMS[item].quizzes {
                let (quiz, asks) = (&QUIZZES[*number], version.asks(*number));
                if let Some(tried) = way.items.get_mut(&item).and_then(|done| done.quizzes.get_mut(number)) {
                    tried.passed |= quiz.pass_mark.is_some_and(|mark| part(tried.judged(asks), size(asks).0) >= mark);
                }
            }
            let ready = |number: &usize| {
                let (asks, tried) = (version.asks(*number), way.tried(item, *number));
                if QUIZZES[*number].gate { tried.passed } else { tried.answered(asks) == size(asks).1 }
            };
            let complete = if ITEMS[item].quizzes.is_empty() {
                way.items.get(&item).is_some_and(|done| done.viewed)
            } else {
                ITEMS[item].quizzes.iter().all(ready)
            };
            if complete {
                way.items.entry(item).or_default().completed = true;
            }
        }
        if !way.finished && needed(&version).iter().all(|item| way.items.get(item).is_some_and(|done| done.completed)) {
            way.finished = true;
            let all = total(&version);
            way.score = (all > 0).then(|| part(way.confirmed(&version), all));
        }
    }
}

impl Way {
    pub fn tried(&self, item: usize, quiz: usize) -> Tried {
        self.items.get(&item).and_then(|done| done.quizzes.get(&quiz)).cloned().unwrap_or_default()
    }

    fn sum(&self, version: &Version, of: impl Fn(&Tried, Asks) -> u64) -> u64 {
        let quizzes = items(version).flat_map(|item| ITEMS[item].quizzes.iter().map(move |quiz| (item, *quiz)));
        quizzes.map(|(item, quiz)| of(&self.tried(item, quiz), version.asks(quiz))).sum()
    }

    /// C3
    pub fn confirmed(&self, version: &Version) -> u64 {
        self.sum(version, Tried::confirmed)
    }

    /// C3
    pub fn potential(&self, version: &Version) -> u64 {
        self.sum(version, Tried::potential)
    }

    /// C4: questions answered of all; where there are none, items complete.
    pub fn progress(&self, version: &Version) -> (u64, u64) {
        let questions = self.sum(version, |_, asks| size(asks).1);
        let (done, of) = if questions > 0 {
            (self.sum(version, Tried::answered), questions)
        } else {
            let complete = items(version).filter(|item| self.items.get(item).is_some_and(|done| done.completed));
            (complete.count() as u64, items(version).count() as u64)
        };
        (if self.finished { of } else { done }, of)
    }
}

pub fn items(version: &Version) -> impl Iterator<Item = usize> {
    version.iter().flat_map(|(_, items)| items.iter().copied())
}

/// What all quizzes are worth.
pub fn total(version: &Version) -> u64 {
    items(version).flat_map(|item| ITEMS[item].quizzes).map(|quiz| size(version.asks(*quiz)).0).sum()
}

/// The items with quizzes; all, where none has any.
fn needed(version: &Version) -> Vec<usize> {
    let some: Vec<usize> = items(version).filter(|item| !ITEMS[*item].quizzes.is_empty()).collect();
    if some.is_empty() { items(version).collect() } else { some }
}

/// C1: the first gate that is not passed.
pub fn gate(version: &Version, way: &Way) -> Option<(usize, usize)> {
    let gates = items(version).flat_map(|item| ITEMS[item].quizzes.iter().map(move |quiz| (item, *quiz)));
    let mut shut = gates.filter(|(item, quiz)| QUIZZES[*quiz].gate && !way.tried(*item, *quiz).passed);
    shut.next().filter(|_| !way.finished)
}

/// C1: the gate that keeps this item shut. What is complete stays open.
pub fn blocked_by(version: &Version, way: &Way, item: usize) -> Option<(usize, usize)> {
    let gate = gate(version, way)?;
    let place = |wanted: usize| items(version).position(|item| item == wanted);
    let complete = way.items.get(&item).is_some_and(|done| done.completed);
    (!complete && place(item) > place(gate.0)).then_some(gate)
}
