//! What strangers and authors make a server hold: resident memory when it idles, and after versions, languages and
//! large courses were looked at. With another program beside it, in the same run.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::client::{Connection, request};
use crate::machine;
use crate::measure::Run;
use crate::report::Report;
use crate::server::Server;
use crate::stage::SITE;

/// Versions of the large track.
const VERSIONS: u32 = 30;
/// Languages of the large track.
const LANGUAGES: usize = 43;
/// Languages asked for that no track has.
const MADE_UP: usize = 250;
/// Tracks whose pages are asked for.
const TRACKS: usize = 4;
/// Lesson items, each with a quiz that draws from all banks, where both programs are measured.
const ITEMS: usize = 20;
/// The same, where only the new one could bear it.
const MANY_ITEMS: usize = 1000;
/// Banks, and questions of each.
const BANKS: usize = 5;
const QUESTIONS: usize = 2000;
/// How much of the other program's growth is allowed.
const SHARE: f64 = 0.2;
/// How much more than idle is allowed, in MiB.
const ABOVE_IDLE: f64 = 64.0;

/// Resident memory of a program, in MiB.
#[derive(Clone, Copy, Debug)]
struct Held {
    idle: f64,
    after: f64,
    peak: f64,
}

impl Held {
    fn growth(self) -> f64 {
        self.after - self.idle
    }
}

/// What is done to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Versions,
    Languages,
    Banks(usize),
}

impl What {
    fn title(self) -> String {
        match self {
            Self::Versions => format!("{VERSIONS} versions of a 200-step, {LANGUAGES}-language track, each looked at"),
            Self::Languages => format!("{} pages asked for in {MADE_UP} made-up languages", TRACKS * MADE_UP),
            Self::Banks(items) => format!("a course of {items} items that draw from {BANKS} banks of {QUESTIONS}"),
        }
    }
}

impl Run<'_> {
    /// Resident memory, of this program and of the one beside it.
    pub async fn memory(&self, report: &mut Report) -> Result<()> {
        println!("\nresident memory, MiB over idle (the most at any time)");
        println!("  {:<72} {:>16} {:>16} {:>6}", "", "beside", "now", "ratio");
        let (now, beside) = self.programs();
        for (number, what) in
            [What::Versions, What::Languages, What::Banks(ITEMS), What::Banks(MANY_ITEMS)].into_iter().enumerate()
        {
            let before = match beside.filter(|_| what != What::Banks(MANY_ITEMS)) {
                Some(program) => Some(self.held(program, &format!("memory-{number}-beside"), what).await?),
                None => None,
            };
            let after = self.held(now, &format!("memory-{number}-now"), what).await?;
            let cell = |held: Held| format!("{:.0} ({:.0})", held.growth(), held.peak - held.idle);
            let ratio = before.map(|before| after.growth() / before.growth());
            let text = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            let other = before.map_or("-".to_owned(), cell);
            println!("  {:<72} {other:>16} {:>16} {text:>6}   idle {:.0}", what.title(), cell(after), after.idle);
            let aim = format!("memory: {}", what.title());
            report.aim(&aim, format!("{:.0} MiB over idle", after.growth()), "≤ 64 MiB", after.growth() <= ABOVE_IDLE);
            if let Some(ratio) = ratio {
                report.aim(&aim, format!("{ratio:.2} of the other"), "≤ 0.20", ratio <= SHARE);
            }
        }
        Ok(())
    }

    /// Writes with one server, looks with the next: what writing took is not what looking holds.
    async fn held(&self, program: &Path, name: &str, what: What) -> Result<Held> {
        let database = self.database(name)?;
        let log = self.log(name);
        command(program, &database, &["migrate"])?;
        let key = command(program, &database, &["key", "add"])?;
        let mut server = Server::start(program, &database, log.clone()).await?;
        let mut author = Author { connection: Connection::open(server.address()).await?, key: key.trim().to_owned() };
        let site = json!({ "slug": SITE, "name": "Bench", "default_lang": "en" });
        author.write("POST", "/api/v1/admin/sites", Some(&site)).await?;
        let guests = author.content(what).await?;
        server.stop().await?;

        let mut server = Server::start(program, &database, log).await?;
        let mut connection = Connection::open(server.address()).await?;
        let first = request("GET", &format!("/api/v1/sites/{SITE}"), "", "");
        ok(&mut connection, &first).await?;
        let idle = machine::memory(server.process());
        look(&mut connection, what, &guests).await?;
        let held = Held { idle, after: machine::memory(server.process()), peak: machine::peak(server.process()) };
        server.stop().await?;
        Ok(held)
    }
}

/// Runs a command of the program; what it prints.
fn command(program: &Path, database: &str, arguments: &[&str]) -> Result<String> {
    let done = Command::new(program).args(arguments).env("JALON_DATABASE_URL", database).output()?;
    if !done.status.success() {
        bail!("{} {}: {}", program.display(), arguments.join(" "), String::from_utf8_lossy(&done.stderr));
    }
    Ok(String::from_utf8(done.stdout)?)
}

async fn ok(connection: &mut Connection, text: &str) -> Result<()> {
    let status = connection.send(text.as_bytes()).await?.status;
    if status != 200 {
        bail!("{} was answered with {status}", text.lines().next().unwrap_or_default());
    }
    Ok(())
}

/// A guest's token and the enrollment that is in one version.
type Guest = (String, String);

async fn look(connection: &mut Connection, what: What, guests: &[Guest]) -> Result<()> {
    let site = format!("/api/v1/sites/{SITE}");
    match what {
        What::Versions => {
            for number in 1..=VERSIONS {
                ok(connection, &request("GET", &format!("{site}/tracks/track-0?version={number}"), "", "")).await?;
            }
            for (token, enrollment) in guests {
                ok(connection, &request("GET", &format!("/api/v1/enrollments/{enrollment}/steps/1"), token, ""))
                    .await?;
            }
        }
        What::Languages => {
            for number in 0..MADE_UP * TRACKS {
                let lang = made_up(number / TRACKS);
                ok(connection, &request("GET", &format!("/t/{SITE}/track-{}?lang={lang}", number % TRACKS), "", ""))
                    .await?;
            }
        }
        What::Banks(_) => {
            ok(connection, &request("GET", &format!("{site}/courses/drawn"), "", "")).await?;
        }
    }
    Ok(())
}

fn letters(number: usize) -> String {
    let letter = |digit: usize| char::from(b'a' + u8::try_from(digit % 26).unwrap_or(0));
    [letter(number / 26), letter(number)].into_iter().collect()
}

/// A tag of a language that there is not.
fn made_up(number: usize) -> String {
    format!("qq-x-{}", letters(number))
}

/// A text in so many languages, each of so many bytes.
fn text(languages: usize, bytes: usize, about: &str) -> Value {
    let sentence = format!("{about}: a player throws the jack between six and ten metres. ");
    let words: String = sentence.chars().cycle().take(bytes).collect();
    let others = (1..languages).map(|number| (format!("q{}", letters(number)), json!(words)));
    Value::Object(std::iter::once(("en".to_owned(), json!(words))).chain(others).collect())
}

/// A track; all of its steps may be opened at once, so that they are in its page.
fn track(steps: usize, languages: usize, bytes: usize, about: &str) -> Value {
    let steps: Vec<Value> = (1..=steps)
        .map(|step| {
            json!({ "key": format!("step-{step}"), "kind": "content", "required": false,
                "title": text(languages, 12, about), "body": text(languages, bytes, about) })
        })
        .collect();
    json!({ "track_type": "beginner_intro", "source_lang": "en", "cms_block_enabled": true,
        "title": text(languages, 20, about), "summary": { "en": "What it is about." }, "steps": steps })
}

/// Writes what is looked at.
struct Author {
    connection: Connection,
    key: String,
}

impl Author {
    async fn write(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = self.connection.call(method, path, &self.key, body).await?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} was answered with {status}: {answer}");
        }
        Ok(answer)
    }

    async fn publish(&mut self, kind: &str, slug: &str, body: &Value) -> Result<()> {
        let path = format!("/api/v1/admin/sites/{SITE}/{kind}/{slug}");
        self.write("PUT", &path, Some(body)).await?;
        self.write("POST", &format!("{path}/publish"), None).await?;
        Ok(())
    }

    async fn content(&mut self, what: What) -> Result<Vec<Guest>> {
        let mut guests = Vec::new();
        match what {
            What::Versions => {
                for number in 1..=VERSIONS {
                    let track = track(200, LANGUAGES, 500, &format!("Version {number}"));
                    self.publish("tracks", "track-0", &track).await?;
                    guests.push(self.guest().await?);
                }
            }
            What::Languages => {
                for number in 0..TRACKS {
                    self.publish("tracks", &format!("track-{number}"), &track(200, 3, 600, "Page")).await?;
                }
            }
            What::Banks(items) => {
                for bank in 0..BANKS {
                    let path = format!("/api/v1/admin/sites/{SITE}/banks/bank-{bank}");
                    self.write("PUT", &path, Some(&bank_of(bank))).await?;
                }
                self.publish("courses", "drawn", &course(items)).await?;
            }
        }
        Ok(guests)
    }

    async fn guest(&mut self) -> Result<Guest> {
        let empty = json!({});
        let (_, guest) =
            self.connection.call("POST", &format!("/api/v1/sites/{SITE}/guests"), "", Some(&empty)).await?;
        let token = guest["token"].as_str().context("a guest has no token")?.to_owned();
        let path = format!("/api/v1/sites/{SITE}/tracks/track-0/enrollments");
        let (_, enrollment) = self.connection.call("POST", &path, &token, Some(&empty)).await?;
        let id = enrollment["id"].as_str().context("an enrollment has no id")?.to_owned();
        Ok((token, id))
    }
}

fn bank_of(number: usize) -> Value {
    let question = |place: usize| {
        json!({ "key": format!("q{place}"), "kind": "single_choice", "prompt": text(3, 80, "Question"),
            "choices": [{ "key": "a", "text": text(3, 30, "Yes"), "right": true }, { "key": "b", "text": text(3, 30, "No") }] })
    };
    let questions: Vec<Value> = (0..QUESTIONS).map(question).collect();
    json!({ "source_lang": "en", "title": { "en": format!("Bank {number}") }, "questions": questions })
}

fn course(items: usize) -> Value {
    let draw: Vec<Value> = (0..BANKS).map(|bank| json!({ "bank": format!("bank-{bank}"), "count": 2 })).collect();
    let item = |place: usize| {
        json!({ "key": format!("item-{place}"), "kind": "content", "title": { "en": "An item" }, "body": { "en": "Read." },
            "quizzes": [{ "key": "quiz", "title": { "en": "Questions" }, "draw": draw }] })
    };
    let lesson = |number: usize| {
        let items: Vec<Value> = (number * 100..items.min(number * 100 + 100)).map(item).collect();
        json!({ "key": format!("lesson-{number}"), "title": { "en": "A lesson" }, "items": items })
    };
    let lessons: Vec<Value> = (0..items.div_ceil(100)).map(lesson).collect();
    json!({ "category": "umpiring", "difficulty": "advanced", "source_lang": "en", "title": { "en": "Drawn" },
        "modules": [{ "key": "m", "title": { "en": "A module" }, "lessons": lessons }] })
}
