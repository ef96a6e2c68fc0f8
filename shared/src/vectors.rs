//! One set of test vectors, `tests/vectors/*.json`, that the native build and the WASM build must both
//! pass: so that "the same code in two homes" is proved and not believed.
//!
//! A vector says what to do (`do`, with `with`), and what comes of it (`expect`).

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Lang, LocalizedText, Score, Timestamp, course,
    quiz::{self, Answer, Quiz, shuffle},
    track::{self, Command, Enrollment, Outline, Progress, TrackEvent, merge},
};

/// One vector.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// What it shows; names the rule.
    pub name: String,
    /// Which part of the crate: `track`, `merge`, `course`, `grade`, `localized`, `mean`, `lang`, `shuffle`.
    #[serde(rename = "do")]
    pub part: String,
    /// What goes in.
    pub with: Value,
    /// What must come out.
    #[serde(default)]
    pub expect: Value,
}

fn read<T: DeserializeOwned>(value: &Value, field: &str) -> Result<T, String> {
    T::deserialize(&value[field]).map_err(|error| format!("{field}: {error}"))
}

fn shown(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

impl Vector {
    /// What comes of it here.
    pub fn run(&self) -> Result<Value, String> {
        let with = &self.with;
        match self.part.as_str() {
            "track" => run_track(with),
            "merge" => run_merge(with),
            "course" => run_course(with),
            "grade" => {
                let (quiz, answers): (Quiz, Vec<Answer>) = (read(with, "quiz")?, read(with, "answers")?);
                let faults = quiz::answer::check(&quiz, &answers);
                if !faults.is_empty() {
                    return Ok(json!({ "faults": faults }));
                }
                let graded = quiz::grade(&quiz, &answers);
                Ok(
                    json!({ "score": graded.score, "questions": graded.questions.iter().map(|question| question.score).collect::<Vec<_>>() }),
                )
            }
            "localized" => {
                let (text, wanted, source): (LocalizedText, Vec<Lang>, Lang) =
                    (read(with, "text")?, read(with, "wanted")?, read(with, "source")?);
                Ok(shown(text.resolve(&wanted, &source)))
            }
            "mean" => Ok(shown(Score::mean(read::<Vec<Score>>(with, "scores")?))),
            "lang" => Ok(Lang::parse(&read::<String>(with, "tag")?)
                .map_or(Value::Null, |lang| json!({ "tag": lang, "base": lang.base(), "dir": lang.dir() }))),
            "shuffle" => {
                let (mut items, numbers): (Vec<u32>, Vec<u64>) = (read(with, "items")?, read(with, "numbers")?);
                shuffle::choose(&mut items, read(with, "count")?, |item| *item, numbers.into_iter());
                Ok(shown(items))
            }
            other => Err(format!("there is no part called {other:?}")),
        }
    }
}

fn run_track(with: &Value) -> Result<Value, String> {
    #[derive(Deserialize)]
    struct At {
        at: Timestamp,
        #[serde(flatten)]
        command: Command,
    }
    let outline: Outline = read(with, "outline")?;
    let mut progress = Progress::begun(read(with, "started_at")?);
    let mut said = Vec::new();
    for At { at, command } in read::<Vec<At>>(with, "commands")? {
        said.push(match track::decide(&outline, &progress, &command, at) {
            Ok(events) => {
                for event in &events {
                    track::apply(&mut progress, event);
                }
                json!({ "events": events.iter().map(TrackEvent::name).collect::<Vec<_>>() })
            }
            Err(refusal) => shown(refusal),
        });
    }
    let states: Vec<Value> = outline.steps.iter().map(|step| shown(outline.state(step, &progress))).collect();
    Ok(json!({ "said": said, "states": states, "progress": progress }))
}

fn run_merge(with: &Value) -> Result<Value, String> {
    let (outline, other): (Outline, Option<Outline>) = (read(with, "outline")?, read(with, "other_outline")?);
    let mut user: Enrollment = read(with, "user")?;
    let guests: Vec<Enrollment> = read(with, "guests")?;
    let at: Timestamp = read(with, "at")?;
    let mut said = Vec::new();
    for guest in &guests {
        let from: Vec<_> = merge::steps_from_guest(Some(&user.progress), &guest.progress);
        let events = merge::decide_merge(&[&outline, other.as_ref().unwrap_or(&outline)], &user, guest, at);
        for event in &events {
            user.apply(event);
        }
        said.push(
            json!({ "events": events.iter().map(TrackEvent::name).collect::<Vec<_>>(), "steps_from_guest": from }),
        );
    }
    Ok(json!({ "said": said, "enrollment": user }))
}

/// Commands to an enrollment in a course; one that comes with an `outline` is decided by that from then on.
fn run_course(with: &Value) -> Result<Value, String> {
    let mut outline: course::Outline = read(with, "outline")?;
    let mut progress = course::Progress::begun(read(with, "started_at")?);
    let mut said = Vec::new();
    for step in read::<Vec<Value>>(with, "commands")? {
        if !step["outline"].is_null() {
            outline = read(&step, "outline")?;
        }
        let (command, at): (course::Command, Timestamp) = (read(&step, "do")?, read(&step, "at")?);
        said.push(match course::decide(&outline, &progress, &command, at) {
            Ok(events) => {
                for event in &events {
                    course::apply(&mut progress, event);
                }
                json!({ "events": events.iter().map(course::CourseEvent::name).collect::<Vec<_>>() })
            }
            Err(refusal) => shown(refusal),
        });
    }
    let items: Vec<Value> = outline
        .items
        .iter()
        .map(|item| {
            json!({
                "locked": progress.blocking(&outline, item.id).is_some(),
                "item": progress.of_item(item),
                "lesson": progress.of_lesson(&outline, item.lesson),
                "module": progress.of_module(&outline, item.module),
            })
        })
        .collect();
    Ok(json!({ "said": said, "items": items, "course": progress.of_course(&outline), "progress": progress }))
}

/// Runs a file of vectors; answers how many passed, or the first that did not.
pub fn run_all(text: &str) -> Result<usize, String> {
    let vectors: Vec<Vector> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for vector in &vectors {
        let got = vector.run().map_err(|error| format!("{}: {error}", vector.name))?;
        if got != vector.expect {
            return Err(format!("{}: expected {}, got {got}", vector.name, vector.expect));
        }
    }
    Ok(vectors.len())
}
