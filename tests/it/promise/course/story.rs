//! One story: commands become requests, and what comes back must fit at least one order of things.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::command::{Act, Command, MEMBERS, grader_name};
use super::content::{self, COURSES, ITEMS, Ids, LESSONS, SHARED, SLUGS, Version};
use super::model::{Says, Way, Who, Wish, World};
use crate::promise::server::{Answer, Letter, Served, member};
use crate::promise::worlds::{self, Sent};

/// More worlds than this fit what was seen: the test has lost its grip, not the server.
const WORLDS: usize = 2000;
const DEFINITION: &str = "SELECT v.definition FROM course_version v JOIN course c ON c.id = v.course_id AND c.latest_version = v.version \
    JOIN site s ON s.id = c.site_id WHERE s.slug = $1 AND c.slug = $2";

/// A wish on its way.
#[derive(Clone, Debug)]
pub struct Asked {
    pub wish: Wish,
    pub letter: Letter,
}

pub struct Story<'s, 'd> {
    pub(super) served: &'s mut Served<'d>,
    pub(super) site: String,
    /// Every way things may have gone, of those that fit what was seen.
    pub(super) worlds: Vec<World>,
    batch: u64,
    pub(super) ids: [Ids; COURSES],
    /// What the shared lesson holds, as it was written last.
    lesson: (Vec<usize>, bool),
    pub(super) asked: Vec<Asked>,
    /// What keys heard, for the same again.
    heard: HashMap<(Who, Uuid), Value>,
    /// What was said once and never changes: moments, and the score of what is completed.
    lasting: BTreeMap<String, Value>,
    /// C4: how far each way was.
    far: BTreeMap<(usize, usize), u64>,
    log: Vec<String>,
}

impl<'s, 'd> Story<'s, 'd> {
    pub async fn begin(served: &'s mut Served<'d>, plans: &[Version; COURSES]) -> Self {
        served.make_sure().await;
        let site = served.site().await;
        served.admin("PUT", &format!("/api/v1/admin/sites/{site}/banks/bank"), Some(content::bank())).await;
        let world = World { courses: vec![Default::default(); COURSES], ..World::default() };
        let mut story = Self {
            served,
            site,
            worlds: vec![world],
            batch: 0,
            ids: Default::default(),
            lesson: (Vec::new(), false),
            asked: Vec::new(),
            heard: HashMap::new(),
            lasting: BTreeMap::new(),
            far: BTreeMap::new(),
            log: Vec::new(),
        };
        let lesson: Vec<usize> = LESSONS[SHARED].items.clone().collect();
        story.edit_lesson(&lesson, false).await;
        for (course, plan) in plans.iter().enumerate() {
            story.edit(course, plan, true).await;
        }
        story
    }

    pub async fn run(mut self, commands: &[Command]) -> Result<(), String> {
        for command in commands {
            self.log.push(format!("{command:?}"));
            if let Err(error) = self.command(command).await {
                return Err(self.told(&error));
            }
        }
        let ended = self.end().await;
        ended.map_err(|error| self.told(&error))
    }

    fn told(&self, error: &str) -> String {
        format!("{error}\nwhat happened:\n  {}", self.log.join("\n  "))
    }

    async fn command(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::EditLesson { items, exchanged } => {
                self.edit_lesson(items, *exchanged).await;
                Ok(())
            }
            Command::Recalculate { course } => self.recalculate(*course).await,
            Command::Edit { course, plan, publish } => {
                self.edit(*course, plan, *publish).await;
                self.twice(*course, plan).await?;
                // Whoever is on the way, or finished, stays where they are.
                self.look(&(0..MEMBERS).collect::<Vec<_>>()).await
            }
            Command::One { act, copies, cut } => {
                let Some(asked) = self.resolve(act).await else { return Ok(()) };
                self.several(asked, *copies, *cut).await
            }
            Command::Race { acts } => {
                let asked = self.resolve_all(acts).await;
                let answers = self.together(&asked, None).await;
                self.settle(&asked, &answers).await
            }
            Command::Kill { acts, after_micros, again } => self.kill(acts, *after_micros, *again).await,
        }
    }

    async fn kill(&mut self, acts: &[Act], after_micros: u64, again: bool) -> Result<(), String> {
        let asked = self.resolve_all(acts).await;
        let answers = self.together(&asked, Some(Duration::from_micros(after_micros))).await;
        self.settle(&asked, &answers).await?;
        for (asked, answer) in asked.into_iter().zip(answers) {
            if answer.is_some() {
                continue;
            }
            if again && asked.letter.key.is_some() {
                self.several(asked, 1, false).await?;
            } else if let Some(key) = asked.letter.key {
                // Whoever asked has given up, and nobody else knows the key.
                for world in &mut self.worlds {
                    world.keys.remove(&(asked.wish.caller(), key));
                }
                self.asked.retain(|other| other.letter.key != Some(key));
                self.worlds = worlds::unlike(std::mem::take(&mut self.worlds));
            }
        }
        Ok(())
    }

    /// No course holds the shared lesson twice: its learners would be locked for ever.
    async fn twice(&self, course: usize, plan: &Version) -> Result<(), String> {
        let Some(shared) = plan.iter().find(|(lesson, _)| *lesson == SHARED) else { return Ok(()) };
        let mut twice = plan.clone();
        twice.lessons.push(shared.clone());
        let mut body = content::course(&twice);
        let lessons = body["modules"][0]["lessons"].as_array_mut().unwrap();
        lessons.last_mut().unwrap()["key"] = "again".into();
        let path = format!("/api/v1/admin/sites/{}/courses/{}", self.site, SLUGS[course]);
        let letter = Letter { method: "PUT", path, token: Some(self.served.key.clone()), key: None, body: Some(body) };
        let answer = self.served.send(&letter).await.unwrap();
        if answer.status == 422 && answer.body["errors"][0]["code"] == "duplicate" {
            Ok(())
        } else {
            Err(format!("a course holds the shared lesson twice: {answer:?}"))
        }
    }

    /// What the dry run says would change is what changes.
    async fn recalculate(&mut self, course: usize) -> Result<(), String> {
        let path = format!("/api/v1/admin/sites/{}/courses/{}/recalculation", self.site, SLUGS[course]);
        let mut said = Vec::new();
        for dry_run in [true, false] {
            let mut told = self.served.admin("POST", &path, Some(serde_json::json!({ "dry_run": dry_run }))).await.body;
            told["dry_run"] = Value::Null;
            said.push(told);
        }
        if said[0] != said[1] {
            return Err(format!("the dry run said {}, then it was {}", said[0], said[1]));
        }
        for world in &mut self.worlds {
            world.recalculate(course);
        }
        // Questions that are gone are no progress any more.
        self.far.retain(|(_, known), _| *known != course);
        self.look(&(0..MEMBERS).collect::<Vec<_>>()).await
    }

    async fn edit_lesson(&mut self, items: &[usize], exchanged: bool) {
        let path = format!("/api/v1/admin/sites/{}/lessons/{}", self.site, LESSONS[SHARED].key);
        self.served.admin("PUT", &path, Some(content::lesson(items, exchanged))).await;
        self.lesson = (items.to_vec(), exchanged);
    }

    async fn edit(&mut self, course: usize, plan: &Version, publish: bool) {
        let mut version = plan.clone();
        for (lesson, items) in &mut version.lessons {
            if *lesson == SHARED {
                items.clone_from(&self.lesson.0);
                version.exchanged = self.lesson.1;
            }
        }
        let path = format!("/api/v1/admin/sites/{}/courses/{}", self.site, SLUGS[course]);
        let wrote = self.served.admin("PUT", &path, Some(content::course(&version))).await;
        let latest = usize::try_from(wrote.body["latest_version"].as_u64().unwrap()).unwrap();
        let known = &self.worlds[0].courses[course].0;
        if latest > known.len() {
            let text = self.served.text(DEFINITION, &self.site, SLUGS[course]).await;
            self.ids[course].learn(&text);
            for world in &mut self.worlds {
                world.courses[course].0.push(version.clone());
            }
        } else {
            assert_eq!(known.last(), Some(&version), "another version has another number");
        }
        if publish {
            self.served.admin("POST", &format!("{path}/publish"), None).await;
            for world in &mut self.worlds {
                world.courses[course].1 = latest;
            }
        }
    }

    pub(super) fn token(&self, who: Who) -> String {
        match who {
            Who::Member(number) => member(&self.site, &format!("m-{number}"), &[]),
            Who::Grader(number) => member(&self.site, &grader_name(number), &["grader"]),
        }
    }

    pub(super) async fn get(&self, path: String, who: Who) -> Answer {
        self.served.send(&self.letter("GET", path, who, None, Value::Null)).await.unwrap()
    }

    async fn together(&mut self, asked: &[Asked], kill: Option<Duration>) -> Vec<Option<Answer>> {
        let letters: Vec<Letter> = asked.iter().map(|asked| asked.letter.clone()).collect();
        let answers = self.served.together(&letters, kill).await;
        assert!(kill.is_some() || answers.iter().all(Option::is_some), "no answer: {asked:?}\n{}", self.told(""));
        answers
    }

    /// One wish, sent so often. All but the last may be hung up on.
    async fn several(&mut self, asked: Asked, copies: usize, cut: bool) -> Result<(), String> {
        // Without a key every copy may count, and what is refused once may later be allowed: there only
        // one is sent.
        let counts_once = asked.letter.key.is_some()
            && self.worlds.iter().all(|world| {
                let says = self.wish(&mut world.clone(), &asked);
                matches!(says, Says::Way(..) | Says::Result(..) | Says::Again)
            });
        let copies = if counts_once { copies } else { 1 };
        let answers = self.served.copies(&asked.letter, copies, cut).await?;
        let fresh = answers.iter().filter(|answer| answer.status < 300 && !answer.replay).count();
        if counts_once && fresh > 1 {
            return Err(format!("{fresh} of {copies} copies of one request did something: {asked:?} {answers:?}"));
        }
        if let Some(other) = answers.iter().find(|answer| answer.body != answers[0].body && answer.status < 300) {
            return Err(format!("copies of one request heard different things: {:?} and {other:?}", answers[0]));
        }
        let mut first = answers.iter().find(|answer| !answer.replay).unwrap_or(&answers[0]).clone();
        let known =
            |world: &World| asked.letter.key.is_some_and(|key| world.keys.contains(&(asked.wish.caller(), key)));
        if copies > 1 && !self.worlds.iter().any(known) {
            // Whether the answer that came was the first is chance.
            first.replay = false;
        }
        self.settle(&[asked], &[Some(first)]).await
    }

    fn wish(&self, world: &mut World, asked: &Asked) -> Says {
        world.wish(&asked.wish, asked.letter.key, &|way: &Way, quiz, attempt| self.questions(way, quiz, attempt))
    }

    /// Keeps the worlds that fit these answers, and what may be seen now.
    async fn settle(&mut self, asked: &[Asked], answers: &[Option<Answer>]) -> Result<(), String> {
        self.batch += 1;
        for (asked, answer) in asked.iter().zip(answers) {
            let short = answer.as_ref().map(|answer| {
                let way = answer.body.get("enrollment").unwrap_or(&answer.body);
                let again = if answer.replay { " again" } else { "" };
                format!(
                    "{} {} v{} {}{again}",
                    answer.status, answer.body["code"], way["version"], way["confirmed_points"]
                )
            });
            self.log.push(format!("  {:?} key {:?}: {short:?}", asked.wish, asked.letter.key));
        }
        let sent: Vec<Sent<'_, Asked>> =
            (0..).zip(asked).zip(answers).map(|((number, asked), answer)| (number, asked, answer.as_ref())).collect();
        let (mut after, mut why) = (Vec::new(), String::new());
        for world in &self.worlds {
            let step = |world: &mut World, (_, asked, answer): Sent<'_, Asked>| {
                let says = self.wish(world, asked);
                let Some(answer) = answer else { return Ok(()) };
                self.fits(world, asked, &says, answer).map_err(|error| format!("{:?}: {error}", asked.wish))
            };
            worlds::explore(world, &sent, &step, &mut after, &mut why);
        }
        self.worlds = after;
        if self.worlds.is_empty() {
            return Err(format!("no order of things explains the answers: {why}\n{answers:?}"));
        }
        for (_, asked, answer) in &sent {
            self.remember(asked, *answer)?;
        }
        self.asked.extend(asked.iter().cloned());
        let mut involved: Vec<usize> = asked.iter().map(|asked| self.concerns(&asked.wish)).collect();
        involved.sort_unstable();
        involved.dedup();
        self.look(&involved).await
    }

    /// Whose learning it is.
    fn concerns(&self, wish: &Wish) -> usize {
        match wish {
            Wish::Enroll { member, .. } | Wish::In { member, .. } => *member,
            Wish::Grade { answer, .. } => {
                self.worlds[0].ways.iter().find(|way| way.id == Some(answer.0)).map_or(0, |way| way.member)
            }
        }
    }

    fn remember(&mut self, asked: &Asked, answer: Option<&Answer>) -> Result<(), String> {
        let Some(answer) = answer.filter(|answer| answer.status < 300) else { return Ok(()) };
        if let Some(key) = asked.letter.key {
            let before = self.heard.entry((asked.wish.caller(), key)).or_insert_with(|| answer.body.clone());
            if answer.replay && *before != answer.body {
                return Err(format!("a key heard {before} first, then {}", answer.body));
            }
        }
        self.lasts(answer.body.get("enrollment").unwrap_or(&answer.body))
    }

    /// C4, T1: moments stay what they were, and so does the score of what is completed.
    fn lasts(&mut self, way: &Value) -> Result<(), String> {
        let Some(id) = way["course"]["slug"].as_str().and(way["id"].as_str()) else { return Ok(()) };
        let mut all =
            vec![("started_at".to_owned(), &way["started_at"]), ("completed_at".to_owned(), &way["completed_at"])];
        if way["completed_at"].is_string() {
            all.push(("score".to_owned(), &way["score"]));
        }
        for item in way["items"].as_array().into_iter().flatten() {
            let at = |what: &str| format!("{} {what}", item["item_id"]);
            all.extend(["viewed_at", "completed_at"].map(|what| (at(what), &item[what])));
            let quizzes = item["quizzes"].as_array().into_iter().flatten();
            all.extend(quizzes.map(|quiz| (format!("{} passed_at", quiz["quiz_id"]), &quiz["passed_at"])));
        }
        for (what, value) in all {
            let known = self.lasting.get(&format!("{id} {what}"));
            if known.is_some_and(|known| known != value && !value.is_null()) {
                return Err(format!("{what}: {known:?} before, {value} now"));
            }
            if !value.is_null() {
                self.lasting.insert(format!("{id} {what}"), value.clone());
            }
        }
        Ok(())
    }

    /// Looks at what these have, and keeps the worlds in which they have just that.
    async fn look(&mut self, members: &[usize]) -> Result<(), String> {
        for member in members {
            let who = Who::Member(*member);
            let list = self.get(format!("/api/v1/sites/{}/me/courses?limit=100", self.site), who).await;
            let mut seen = Vec::new();
            for way in list.body["items"].as_array().ok_or_else(|| format!("{list:?}"))? {
                let whole = self.get(format!("/api/v1/course-enrollments/{}", way["id"].as_str().unwrap()), who).await;
                self.lasts(&whole.body)?;
                let course = SLUGS.iter().position(|slug| whole.body["course"]["slug"] == *slug).ok_or("no course")?;
                let far = whole.body["progress"]["done"].as_u64().unwrap();
                let before = self.far.insert((*member, course), far);
                if before.is_some_and(|before| far < before) {
                    return Err(format!("C4: {before:?} before, {far} now: {whole:?}"));
                }
                seen.push((course, whole.body));
            }
            let (mut fit, mut why): (Vec<World>, String) = (Vec::new(), String::new());
            for mut world in std::mem::take(&mut self.worlds) {
                let ways: Vec<Way> = world.ways.iter().filter(|way| way.member == *member).cloned().collect();
                let mut found =
                    if ways.len() == seen.len() { Ok(()) } else { Err(format!("not {} courses", ways.len())) };
                for way in &ways {
                    let shown =
                        seen.iter().find(|(course, _)| *course == way.course).ok_or("a course is missing".to_owned());
                    found = found.and_then(|()| self.agrees(&mut world, way, &shown?.1, true));
                }
                match found {
                    Ok(()) if !fit.contains(&world) => fit.push(world),
                    Ok(()) => {}
                    Err(error) => why = error,
                }
            }
            self.worlds = fit;
            if self.worlds.is_empty() {
                return Err(format!("what member {member} has fits no order of things: {why}\n{seen:?}"));
            }
            let nth = usize::try_from(self.batch).unwrap();
            self.look_into(*member, nth % COURSES, nth / COURSES % ITEMS.len()).await?;
        }
        if self.worlds.len() > WORLDS { Err(format!("{} worlds", self.worlds.len())) } else { Ok(()) }
    }

    /// Everybody's state once more, every item, then the tables.
    async fn end(&mut self) -> Result<(), String> {
        self.look(&(0..MEMBERS).collect::<Vec<_>>()).await?;
        for member in 0..MEMBERS {
            for course in 0..COURSES {
                for item in 0..ITEMS.len() {
                    self.look_into(member, course, item).await?;
                }
            }
        }
        let found = super::tables::check(self.served.db(), &self.site).await?;
        let fits = |world: &World| {
            let announced = world.ways.iter().filter(|way| way.finished);
            let announced = announced.map(|way| (SLUGS[way.course].to_owned(), format!("m-{}", way.member), way.score));
            let shared = world.right.keys().map(|(member, question)| {
                let id = self.ids.iter().find_map(|ids| ids.questions.get(question)).unwrap();
                (format!("m-{member}"), id.clone())
            });
            let expected = super::tables::Found::of(announced.collect(), shared.collect());
            if expected == found { Ok(()) } else { Err(format!("{expected:?} expected, {found:?} found")) }
        };
        let judged: Vec<Result<(), String>> = self.worlds.iter().map(fits).collect();
        if judged.iter().any(Result::is_ok) { Ok(()) } else { judged.into_iter().next().unwrap() }
    }
}
