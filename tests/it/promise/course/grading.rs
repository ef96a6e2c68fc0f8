//! Open answers and their graders, in the model (C2).

use uuid::Uuid;

use super::command::Verdict;
use super::content::QUESTIONS;
use super::model::{Says, Way, World};
use super::quiz::Mark;

/// Which open answer: the enrollment, the item, its quiz, the attempt from 1, the question.
pub type Place = (Uuid, usize, usize, usize, usize);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    pub place: Place,
    member: usize,
    course: usize,
    /// Whether a grader is to look at it, perhaps once more.
    pub queued: bool,
    /// Who asked for a second opinion.
    asked_by: Option<usize>,
    pub claimed_by: Option<usize>,
    /// Who gave how many half points; none is a rejection.
    pub grades: Vec<(usize, Option<u64>)>,
}

impl Open {
    pub fn new(way: &Way, item: usize, quiz: usize, attempt: usize, question: usize) -> Self {
        Self {
            place: (way.id.unwrap(), item, quiz, attempt, question),
            member: way.member,
            course: way.course,
            queued: true,
            asked_by: None,
            claimed_by: None,
            grades: Vec::new(),
        }
    }

    pub fn state(&self) -> &'static str {
        match self.grades.last() {
            None => "waiting",
            Some((_, None)) => "rejected",
            Some(_) => "accepted",
        }
    }
}

impl World {
    pub fn grade(&mut self, grader: usize, answer: &Place, verdict: &Verdict) -> Says {
        let Some(place) = self.open.iter().position(|open| open.place == *answer) else {
            return Says::No(404, "not_found", None);
        };
        let open = &mut self.open[place];
        if super::command::member_of(grader) == Some(open.member) {
            // Nobody judges their own work.
            return Says::No(403, "own_work", None);
        }
        let before = open.grades.iter().rev().find(|(other, _)| *other == grader).map(|(_, halves)| *halves);
        let again = match verdict {
            Verdict::Accept(halves) => before == Some(Some(*halves)),
            Verdict::Reject => before == Some(None),
            _ => false,
        };
        if again {
            // The same once more, from somebody whose answer was lost, is no error and no second opinion.
            return Says::Open(Box::new(open.clone()));
        }
        if open.claimed_by.is_some_and(|other| other != grader) {
            return Says::No(409, "claimed", None);
        }
        // A second opinion is somebody else's, always.
        let own = open.queued && (open.asked_by == Some(grader) || before.is_some());
        let most = QUESTIONS[answer.4].points * 2;
        let halves = match verdict {
            Verdict::Release => {
                open.claimed_by = None;
                return Says::Open(Box::new(open.clone()));
            }
            Verdict::SecondOpinion if open.grades.is_empty() => return Says::No(409, "conflict", None),
            Verdict::SecondOpinion => {
                if !open.queued {
                    (open.queued, open.asked_by, open.claimed_by) = (true, Some(grader), None);
                }
                return Says::Open(Box::new(open.clone()));
            }
            _ if own => return Says::No(409, "own_second_opinion", None),
            Verdict::Claim if !open.queued => return Says::No(409, "not_queued", None),
            Verdict::Claim => {
                open.claimed_by = Some(grader);
                return Says::Open(Box::new(open.clone()));
            }
            // C2: an accepted answer is worth more than nothing.
            Verdict::Accept(halves) if !(1..=most).contains(halves) => {
                return Says::No(422, "validation_failed", None);
            }
            Verdict::Accept(halves) => Some(*halves),
            Verdict::Reject => None,
        };
        if !open.queued {
            return Says::No(409, "not_queued", None);
        }
        let (_, item, quiz, attempt, question) = open.place;
        let of = (open.member, open.course);
        let way = self.ways.iter().find(|way| (way.member, way.course) == of).unwrap();
        if super::model::items(self.version(way)).all(|there| there != item) {
            // The version has it no longer.
            return Says::No(404, "not_found", None);
        }
        let open = &mut self.open[place];
        (open.queued, open.asked_by, open.claimed_by) = (false, None, None);
        open.grades.push((grader, halves));
        let open = open.clone();
        let mark = halves.map_or(Mark::Rejected, |halves| Mark::Scored(halves * 5000));
        let place = self.ways.iter().position(|way| way.member == open.member && way.course == open.course).unwrap();
        let way = &mut self.ways[place];
        let tried = way.items.get_mut(&item).unwrap().quizzes.get_mut(&quiz).unwrap();
        *tried.attempts[attempt - 1].get_mut(&question).unwrap() = mark;
        way.changed = true;
        if let Mark::Scored(points) = mark {
            self.share(of, item, question, points);
        }
        self.follow(place);
        Says::Open(Box::new(open))
    }
}
