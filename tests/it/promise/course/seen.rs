//! Whether what the server shows is what the model says.

use serde_json::Value;
use uuid::Uuid;

use super::command::grader_name;
use super::content::{self, QUESTIONS, QUIZZES, SLUGS, Version};
use super::grading::Open;
use super::model::{Done, Says, Way, What, Who, Wish, World, gate, items, total};
use super::quiz::Mark;
use super::resolve::half;
use super::story::{Asked, Story};
use crate::promise::server::Answer;

fn same(what: &str, expected: impl Into<Value>, found: &Value) -> Result<(), String> {
    let expected = expected.into();
    if expected == *found { Ok(()) } else { Err(format!("{what}: {expected} expected, {found} found")) }
}

/// A number with decimals, times so much.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and not negative")]
fn times(number: &Value, factor: f64) -> Value {
    number.as_f64().map_or(Value::Null, |number| Value::from((number * factor).round() as u64))
}

fn points(number: &Value) -> Value {
    times(number, 10_000.0)
}

impl Story<'_, '_> {
    pub(super) fn fits(&self, world: &mut World, asked: &Asked, says: &Says, answer: &Answer) -> Result<(), String> {
        let status = |expected: u64| {
            if answer.status == expected { Ok(()) } else { Err(format!("{says:?} expected, {answer:?} found")) }
        };
        if answer.replay != matches!(says, Says::Again) {
            return Err(format!("{says:?} expected, replay is {}", answer.replay));
        }
        let body = &answer.body;
        match says {
            Says::Again => Ok(()),
            Says::No(expected, code, gate) => {
                status(*expected)?;
                same("code", *code, &body["code"])?;
                let course = match &asked.wish {
                    Wish::In { way, .. } => {
                        world.ways.iter().find(|known| known.id == Some(*way)).map(|way| way.course)
                    }
                    _ => None,
                };
                let named =
                    course.and_then(|course| content::of(&self.ids[course].items, &body["blocking_item"]["id"]));
                if named == *gate { Ok(()) } else { Err(format!("C1: the gate of {gate:?} blocks, {named:?} named")) }
            }
            Says::Way(expected, way) => {
                status(*expected)?;
                self.agrees(world, way, body, false)
            }
            Says::Result(way, quiz, earned) => {
                status(200)?;
                let Wish::In { item, what: What::Answer { attempt, marks, .. }, .. } = &asked.wish else {
                    unreachable!()
                };
                let result = &body["result"];
                same("attempt", *attempt, &result["attempt"])?;
                same("C2: earned by the attempt", *earned, &points(&result["confirmed_points"]))?;
                let waiting = marks.iter().filter(|(_, mark)| **mark == Mark::Waiting);
                let waiting: u64 = waiting.map(|(question, _)| QUESTIONS[*question].points * 10_000).sum();
                same("C3: waiting in the attempt", waiting, &points(&result["potential_points"]))?;
                let passed = QUIZZES[*quiz].pass_mark.map(|_| way.tried(*item, *quiz).passed);
                same("passed", passed, &result["passed"])?;
                self.agrees(world, way, &body["enrollment"], false)
            }
            Says::Open(open) => {
                status(200)?;
                opened(open, body)
            }
        }
    }

    /// Whether this is how the server shows that way; learns its id and how often it changed. `full`: with all
    /// its items, not only those of one lesson.
    pub(super) fn agrees(&self, world: &mut World, way: &Way, seen: &Value, full: bool) -> Result<(), String> {
        let id: Uuid = seen["id"].as_str().ok_or_else(|| format!("no enrollment: {seen}"))?.parse().unwrap();
        if way.id.is_some_and(|known| known != id) {
            return Err(format!("another enrollment: {id}, not {:?}", way.id));
        }
        let count = seen["version"].as_u64().unwrap();
        if way.changed && count <= way.counted || !way.changed && count != way.counted {
            return Err(format!("version {count} after {}, changed: {}", way.counted, way.changed));
        }
        let kept = world.ways.iter_mut().find(|other| (other.member, other.course) == (way.member, way.course));
        if let Some(kept) = kept {
            (kept.id, kept.counted, kept.changed) = (Some(id), count, false);
        }
        let version = world.version(way);
        same("course", SLUGS[way.course], &seen["course"]["slug"])?;
        same("course version", way.version, &seen["course"]["version"])?;
        // XOR
        same("user_id", format!("m-{}", way.member), &seen["user_id"])?;
        same("guest_id", Value::Null, &seen["guest_id"])?;
        same("completed", way.finished, &seen["completed_at"].is_string().into())?;
        same("S3: score", way.score, &times(&seen["score"], 100.0))?;
        same("C3: points in all", total(version), &points(&seen["points_total"]))?;
        same("C3: confirmed", way.confirmed(version), &points(&seen["confirmed_points"]))?;
        same("C3: potential", way.potential(version), &points(&seen["potential_points"]))?;
        let (done, of) = way.progress(version);
        same("C4: done", done, &seen["progress"]["done"])?;
        same("C4: of", of, &seen["progress"]["of"])?;
        if done > of || way.confirmed(version) > total(version) {
            return Err(format!("C4: more than all of it: {seen}"));
        }
        let seconds: u64 = way.items.values().map(|done| done.seconds).sum();
        same("time", seconds, &seen["time_spent_seconds"])?;
        let ids = &self.ids[way.course];
        let shut = gate(version, way).map(|(item, quiz)| (ids.items[&item].clone(), ids.quizzes[&quiz].clone()));
        same("C1: gate", shut.as_ref().map(|(item, _)| item.clone()), &seen["gate"]["item_id"])?;
        same("C1: gate", shut.map(|(_, quiz)| quiz), &seen["gate"]["quiz_id"])?;
        let shown = seen["items"].as_array().unwrap();
        if full {
            let touched = items(version).filter(|item| way.items.contains_key(item)).count();
            same("items", touched, &shown.len().into())?;
        }
        for item in shown {
            let number = content::of(&ids.items, &item["item_id"]).ok_or("an unknown item")?;
            self.item(version, way, number, item)?;
        }
        Ok(())
    }

    fn item(&self, version: &Version, way: &Way, item: usize, seen: &Value) -> Result<(), String> {
        let Done { viewed, completed, seconds, position, quizzes } =
            way.items.get(&item).ok_or_else(|| format!("item {item} was not touched: {seen}"))?;
        let at = |what: &str| format!("item {item}, {what}");
        same(&at("viewed"), *viewed, &seen["viewed_at"].is_string().into())?;
        same(&at("completed"), *completed, &seen["completed_at"].is_string().into())?;
        same(&at("time"), *seconds, &seen["time_spent_seconds"])?;
        same(&at("position"), *position, &seen["last_position"])?;
        let shown = seen["quizzes"].as_array().map_or(&[][..], Vec::as_slice);
        same(&at("quizzes"), quizzes.len(), &shown.len().into())?;
        for quiz in shown {
            let number = content::of(&self.ids[way.course].quizzes, &quiz["quiz_id"]).ok_or("an unknown quiz")?;
            let tried = quizzes.get(&number).ok_or_else(|| at("a quiz that was not touched"))?;
            let at = |what: &str| format!("quiz {number}, {what}");
            same(&at("attempts"), tried.attempts.len(), &quiz["attempt_count"])?;
            same(&at("passed"), tried.passed, &quiz["passed_at"].is_string().into())?;
            same(&at("C3: confirmed"), tried.confirmed(version.asks(number)), &points(&quiz["confirmed_points"]))?;
            same(&at("C3: potential"), tried.potential(version.asks(number)), &points(&quiz["potential_points"]))?;
            same(&at("waits"), tried.waits(), &quiz["awaits_grading"])?;
            same(&at("cooldown"), tried.cooling(&QUIZZES[number]), &quiz["retry_at"].is_string().into())?;
            let shared = quiz["shared"].as_u64().unwrap_or_default();
            same(&at("shared"), tried.shared.len(), &shared.into())?;
        }
        Ok(())
    }

    /// C1, G6: whether an item's body is served; and that it asks what this attempt draws, the same each time.
    pub(super) async fn look_into(&self, member: usize, course: usize, item: usize) -> Result<(), String> {
        let Some(named) = self.ids[course].items.get(&item) else { return Ok(()) };
        let Some(id) = self.worlds[0].way(member, course).and_then(|way| way.id) else { return Ok(()) };
        let answer = self.get(format!("/api/v1/course-enrollments/{id}/items/{named}"), Who::Member(member)).await;
        let fits = |world: &World| {
            let way = world.way(member, course).ok_or("no such way")?;
            let version = world.version(way);
            if items(version).all(|other| other != item) {
                return same("status of what is not there", 404, &answer.status.into());
            }
            if super::model::blocked_by(version, way, item).is_some() {
                return same("C1: status of what is shut", 409, &answer.status.into());
            }
            same("status of what is open", 200, &answer.status.into())?;
            for quiz in answer.body["quizzes"].as_array().into_iter().flatten() {
                let ids = &self.ids[course];
                let number = content::of(&ids.quizzes, &quiz["quiz_id"]).ok_or("an unknown quiz")?;
                let next = way.tried(item, number).attempts.len() + 1;
                same("next attempt", next, &quiz["attempt"])?;
                let questions = quiz["questions"].as_array().unwrap().iter();
                let mut shown: Vec<_> = questions.filter_map(|one| content::of(&ids.questions, &one["id"])).collect();
                let mut drawn = self.questions(way, number, next);
                shown.sort_unstable();
                drawn.sort_unstable();
                same("questions", drawn, &shown.into())?;
            }
            let own = world.open.iter().filter(|open| (open.place.0, open.place.1) == (id, item));
            let states: Vec<&str> = own.map(Open::state).collect();
            let seen = answer.body["open_answers"].as_array().into_iter().flatten();
            same("open answers", states, &seen.map(|open| open["state"].clone()).collect())
        };
        let found: Vec<Result<(), String>> = self.worlds.iter().map(fits).collect();
        let why = found.iter().find_map(|found| found.clone().err());
        if found.iter().any(Result::is_ok) { Ok(()) } else { Err(format!("item {item}: {why:?}: {answer:?}")) }
    }
}

fn opened(open: &Open, seen: &Value) -> Result<(), String> {
    same("state", open.state(), &seen["state"])?;
    same("queued", open.queued, &seen["queued"])?;
    same("claimed_by", open.claimed_by.map(grader_name), &seen["claimed_by"])?;
    let grades = seen["grades"].as_array().unwrap();
    same("grades", open.grades.len(), &grades.len().into())?;
    for ((grader, halves), grade) in open.grades.iter().zip(grades) {
        same("grader", grader_name(*grader), &grade["grader"])?;
        same("C2: points", halves.map(half), &grade["points"])?;
    }
    Ok(())
}
