//! One story: commands become requests, and what comes back must fit at least one order of things.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::command::{Act, Command, MEMBERS, Place, SEATS, TRACKS, Tab};
use super::model::{Line, POOL, Says, Step, Way, Who, Wish, World};
use super::server::{Answer, Letter, Served, member};
use super::worlds::{self, Sent};

const SLUGS: [&str; TRACKS] = ["one", "two"];
/// More worlds than this fit what was seen: the test has lost its grip, not the server.
const WORLDS: usize = 2000;

/// A wish on its way.
#[derive(Clone, Debug)]
struct Asked {
    wish: Wish,
    letter: Letter,
    /// The tab that hears the answer.
    tab: Option<Tab>,
}

pub struct Story<'s, 'd> {
    served: &'s mut Served<'d>,
    site: String,
    /// Every way things may have gone, of those that fit what was seen. More than one only while the
    /// answer to something is lost.
    worlds: Vec<World>,
    batch: u64,
    /// Their ids and tokens, first to last.
    guests: Vec<(Uuid, String)>,
    seats: [Option<usize>; SEATS],
    /// What tabs last heard of the tracks.
    views: HashMap<(Tab, usize), Value>,
    asked: Vec<Asked>,
    /// What keys heard, for the same again.
    heard: HashMap<(Who, Uuid), Value>,
    /// The receipt of each merged guest (M3).
    receipts: HashMap<usize, Value>,
    /// The tracks' ids, by path.
    ids: Vec<Value>,
    /// What happened, for whoever reads a failure.
    log: Vec<String>,
}

impl<'s, 'd> Story<'s, 'd> {
    pub async fn begin(served: &'s mut Served<'d>, steps: &[Vec<Step>; TRACKS]) -> Self {
        served.make_sure().await;
        let site = served.site().await;
        let mut story = Self {
            served,
            site,
            worlds: vec![World::default()],
            batch: 0,
            guests: Vec::new(),
            seats: [None; SEATS],
            views: HashMap::new(),
            asked: Vec::new(),
            heard: HashMap::new(),
            receipts: HashMap::new(),
            ids: vec![Value::Null; TRACKS],
            log: Vec::new(),
        };
        for (track, steps) in steps.iter().enumerate() {
            story.worlds[0].tracks.push(super::model::Track::default());
            story.edit(track, steps).await;
            story.publish_now(track).await.unwrap();
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
        if let Err(error) = self.end().await {
            return Err(self.told(&error));
        }
        Ok(())
    }

    fn told(&self, error: &str) -> String {
        format!("{error}\nwhat happened:\n  {}", self.log.join("\n  "))
    }

    async fn command(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::Edit { track, steps, publish } => {
                self.edit(*track, steps).await;
                if *publish { self.publish_now(*track).await } else { Ok(()) }
            }
            Command::One { act, copies, cut } => {
                let Some(asked) = self.resolve(act, *copies).await else { return Ok(()) };
                self.several(asked, *copies, *cut).await
            }
            Command::Race { acts } => {
                let asked = self.resolve_all(acts).await;
                let answers = self.together(&asked, None).await;
                self.settle(asked, answers).await
            }
            Command::Kill { acts, after_micros, again } => {
                let asked = self.resolve_all(acts).await;
                let answers = self.together(&asked, Some(Duration::from_micros(*after_micros))).await;
                self.settle(asked.clone(), answers.clone()).await?;
                for (asked, answer) in asked.into_iter().zip(answers) {
                    if answer.is_some() {
                        continue;
                    }
                    if *again && asked.letter.key.is_some() {
                        self.several(asked, 1, false).await?;
                    } else if let (Some(who), Some(key)) = (asked.wish.caller(), asked.letter.key) {
                        // Whoever asked has given up, and nobody else knows the key.
                        for world in &mut self.worlds {
                            world.keys.remove(&(who, key));
                        }
                        self.asked.retain(|other| other.letter.key != Some(key));
                        self.worlds = worlds::unlike(std::mem::take(&mut self.worlds));
                    }
                }
                Ok(())
            }
        }
    }

    fn who(&self, actor: usize) -> Option<Who> {
        if actor < MEMBERS { Some(Who::Member(actor)) } else { self.seats[actor - MEMBERS].map(Who::Guest) }
    }

    fn token(&self, who: Who) -> String {
        match who {
            Who::Guest(guest) => self.guests[guest].1.clone(),
            Who::Member(number) => member(&self.site, &format!("m-{number}"), &[]),
        }
    }

    async fn resolve_all(&mut self, acts: &[Act]) -> Vec<Asked> {
        let mut all = Vec::new();
        for act in acts {
            all.extend(self.resolve(act, 1).await);
        }
        all
    }

    /// What an act means here and now; guests come into being at once.
    async fn resolve(&mut self, act: &Act, copies: usize) -> Option<Asked> {
        match act {
            Act::Guest { seat } => {
                self.sit_down(*seat, copies).await;
                None
            }
            Act::Advance { tab, track, place, right, seconds, position, keyed, borrowed } => {
                let who = self.seated(tab.actor).await;
                let view = self.views.get(&(borrowed.unwrap_or(*tab), *track)).cloned();
                let key = keyed.then(Uuid::now_v7);
                let Some(view) = view else {
                    let path = format!("/api/v1/sites/{}/tracks/{}/enrollments", self.site, SLUGS[*track]);
                    let letter = self.letter("POST", path, who, key, Some(json!({})));
                    return Some(Asked { wish: Wish::Enroll { who, track: *track }, letter, tab: Some(*tab) });
                };
                let order = order(&view, *place);
                let way: Uuid = view["id"].as_str().unwrap().parse().unwrap();
                // Only a quiz takes answers; which one it is, every tab knows.
                let step = order.checked_sub(1).map(|place| &view["steps"][place]["step_id"]);
                let task = step.and_then(|id| self.task(*track, id));
                let right = task.filter(|task| POOL[*task].quiz.is_some()).zip(*right);
                let mut body = json!({});
                if let Some((task, right)) = right {
                    body["answers"] = self.answers(*track, task, right);
                }
                say(&mut body, *seconds, *position);
                let path = format!("/api/v1/enrollments/{way}/steps/{order}/advance");
                let letter = self.letter("POST", path, who, key, Some(body));
                let (seconds, position) = (*seconds, *position);
                Some(Asked {
                    wish: Wish::Advance { who, way, order, right, seconds, position },
                    letter,
                    tab: Some(*tab),
                })
            }
            Act::Report { tab, track, place, seconds, position, keyed } => {
                let who = self.who(tab.actor)?;
                let view = self.views.get(&(*tab, *track))?;
                let order = order(view, *place);
                let way: Uuid = view["id"].as_str().unwrap().parse().unwrap();
                let mut body = json!({});
                say(&mut body, *seconds, *position);
                let path = format!("/api/v1/enrollments/{way}/steps/{order}");
                let letter = self.letter("PATCH", path, who, keyed.then(Uuid::now_v7), Some(body));
                let (seconds, position) = (*seconds, *position);
                Some(Asked { wish: Wish::Report { who, way, order, seconds, position }, letter, tab: Some(*tab) })
            }
            Act::Merge { member, seat, keyed } => {
                let guest = self.seats[*seat]?;
                let path = format!("/api/v1/sites/{}/me/merge", self.site);
                let body = json!({ "guest_token": self.guests[guest].1 });
                let letter = self.letter("POST", path, Who::Member(*member), keyed.then(Uuid::now_v7), Some(body));
                Some(Asked { wish: Wish::Merge { member: *member, guest }, letter, tab: None })
            }
            Act::Erase { actor } => {
                let who = self.who(*actor)?;
                let letter = self.letter("DELETE", format!("/api/v1/sites/{}/me", self.site), who, None, None);
                Some(Asked { wish: Wish::Erase { who }, letter, tab: None })
            }
            Act::Publish { track } => {
                let (wish, letter) = self.publish(*track);
                Some(Asked { wish, letter, tab: None })
            }
            Act::Again { back, same_key } => {
                let mut asked = self.asked.get(self.asked.len().checked_sub(*back)?)?.clone();
                if !same_key && asked.letter.key.is_some() {
                    asked.letter.key = Some(Uuid::now_v7());
                }
                Some(asked)
            }
        }
    }

    fn letter(&self, method: &'static str, path: String, who: Who, key: Option<Uuid>, body: Option<Value>) -> Letter {
        Letter { method, path, token: Some(self.token(who)), key, body }
    }

    fn publish(&self, track: usize) -> (Wish, Letter) {
        let path = format!("/api/v1/admin/sites/{}/tracks/{}/publish", self.site, SLUGS[track]);
        let token = Some(self.served.key.clone());
        (Wish::Publish { track }, Letter { method: "POST", path, token, key: None, body: None })
    }

    async fn publish_now(&mut self, track: usize) -> Result<(), String> {
        let (wish, letter) = self.publish(track);
        self.several(Asked { wish, letter, tab: None }, 1, false).await
    }

    /// Who is there; a seat nobody sat on gets a guest.
    async fn seated(&mut self, actor: usize) -> Who {
        if let Some(who) = self.who(actor) {
            return who;
        }
        self.sit_down(actor - MEMBERS, 1).await;
        self.who(actor).unwrap()
    }

    /// A new guest: the same request, however often it is sent, makes one.
    async fn sit_down(&mut self, seat: usize, copies: usize) {
        let path = format!("/api/v1/sites/{}/guests", self.site);
        let letter = Letter { method: "POST", path, token: None, key: Some(Uuid::now_v7()), body: Some(json!({})) };
        let copies = (0..copies).map(|_| self.served.send(&letter));
        let answers = futures_util::future::join_all(copies).await;
        let mut made: Option<Value> = None;
        for answer in answers {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 201, "{answer:?}");
            assert_eq!(*made.get_or_insert_with(|| answer.body.clone()), answer.body, "one key, one guest");
        }
        let made = made.unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        self.guests.push((text("guest_id").parse().unwrap(), text("token")));
        for world in &mut self.worlds {
            world.guests.push(super::model::Guest::Live);
        }
        self.seats[seat] = Some(self.guests.len() - 1);
        for tab in 0..super::command::TABS {
            for track in 0..TRACKS {
                self.views.remove(&(Tab { actor: MEMBERS + seat, tab }, track));
            }
        }
    }

    async fn edit(&mut self, track: usize, steps: &[Step]) {
        let path = format!("/api/v1/admin/sites/{}/tracks/{}", self.site, SLUGS[track]);
        self.served.admin("PUT", &path, Some(written(steps))).await;
        self.ids[track] = self.served.ids(&self.site, SLUGS[track]).await;
        for world in &mut self.worlds {
            let versions = &mut world.tracks[track].versions;
            // The same again is no new version.
            if versions.last().map(Vec::as_slice) != Some(steps) {
                versions.push(steps.to_vec());
            }
        }
    }

    fn task(&self, track: usize, step_id: &Value) -> Option<usize> {
        let id = step_id.as_str()?;
        POOL.iter().position(|task| self.ids[track][task.key] == id)
    }

    fn answers(&self, track: usize, task: usize, right: u32) -> Value {
        let id = |path: &str| self.ids[track][format!("{}/{path}", POOL[task].key)].clone();
        let answer = |question: &str, right: bool| {
            let choice = id(&format!("{question}/{}", if right { "yes" } else { "no" }));
            json!({ "question_id": id(question), "choice_ids": [choice] })
        };
        json!([answer("q1", right > 0), answer("q2", right > 1)])
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
                let says = world.clone().wish(&asked.wish, asked.letter.key);
                matches!(says, Says::Way(..) | Says::Receipt(..) | Says::Again)
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
        if copies > 1 && self.worlds.iter().all(|world| !known(world, &asked)) {
            // Whether the answer that came was the first is chance.
            first.replay = false;
        }
        self.settle(vec![asked], vec![Some(first)]).await
    }

    /// Keeps the worlds that fit these answers, and what may be seen now.
    async fn settle(&mut self, asked: Vec<Asked>, answers: Vec<Option<Answer>>) -> Result<(), String> {
        self.batch += 1;
        for (asked, answer) in asked.iter().zip(&answers) {
            let short = answer.as_ref().map(|answer| {
                let way = answer.body.get("enrollment").unwrap_or(&answer.body);
                format!(
                    "{} {} v{} at {} {}",
                    answer.status,
                    answer.body["code"],
                    way["version"],
                    way["current_step_order"],
                    if answer.replay { "again" } else { "" }
                )
            });
            self.log.push(format!("  {:?} key {:?}: {short:?}", asked.wish, asked.letter.key));
        }
        let pairs: Vec<Sent<'_, Asked>> = (0..)
            .zip(&asked)
            .zip(&answers)
            .map(|((number, asked), answer)| (self.batch * 100 + number, asked, answer.as_ref()))
            .collect();
        let mut after = Vec::new();
        let mut why = String::new();
        for world in std::mem::take(&mut self.worlds) {
            worlds::explore(&world, &pairs, &|world, sent| self.step(world, sent), &mut after, &mut why);
        }
        self.worlds = after;
        if self.worlds.is_empty() {
            return Err(format!("no order of things explains the answers: {why}\n{answers:?}"));
        }
        for (_, asked, answer) in &pairs {
            self.remember(asked, *answer)?;
        }
        self.asked.extend(asked.clone());
        let mut involved: Vec<Who> = asked.iter().filter_map(|asked| asked.wish.caller()).collect();
        involved.extend(asked.iter().filter_map(|asked| match asked.wish {
            Wish::Merge { guest, .. } => Some(Who::Guest(guest)),
            _ => None,
        }));
        involved.sort_unstable();
        involved.dedup();
        self.look(&involved).await
    }

    fn remember(&mut self, asked: &Asked, answer: Option<&Answer>) -> Result<(), String> {
        let Some(answer) = answer.filter(|answer| answer.status < 300) else { return Ok(()) };
        if let (Some(who), Some(key)) = (asked.wish.caller(), asked.letter.key) {
            let before = self.heard.entry((who, key)).or_insert_with(|| answer.body.clone());
            if answer.replay && *before != answer.body {
                return Err(format!("a key heard {before} first, then {}", answer.body));
            }
        }
        if let Wish::Merge { guest, .. } = asked.wish
            && *self.receipts.entry(guest).or_insert_with(|| answer.body.clone()) != answer.body
        {
            return Err(format!("M3: another receipt: {}", answer.body));
        }
        let way = answer.body.get("enrollment").unwrap_or(&answer.body);
        if let (Some(tab), Some(slug)) = (asked.tab, way["track"]["slug"].as_str()) {
            let track = SLUGS.iter().position(|known| *known == slug).unwrap();
            self.views.insert((tab, track), way.clone());
        }
        Ok(())
    }

    fn step(&self, world: &mut World, (moment, asked, answer): Sent<'_, Asked>) -> Result<(), String> {
        world.now = moment;
        let says = world.wish(&asked.wish, asked.letter.key);
        let Some(answer) = answer else { return Ok(()) };
        self.fits(world, asked, &says, answer).map_err(|error| format!("{:?}: {error}", asked.wish))
    }

    fn fits(&self, world: &mut World, asked: &Asked, says: &Says, answer: &Answer) -> Result<(), String> {
        let status = |expected: u64| {
            if answer.status == expected { Ok(()) } else { Err(format!("{says:?} expected, {answer:?} found")) }
        };
        if answer.replay != matches!(says, Says::Again) {
            return Err(format!("{says:?} expected, replay is {}", answer.replay));
        }
        match says {
            Says::Again => Ok(()),
            Says::Nothing(expected) => status(*expected),
            Says::No(expected, code, blocking) => {
                status(*expected)?;
                let named = answer.body["blocking_step"]["order"].as_u64();
                if answer.body["code"] == *code && named == *blocking {
                    Ok(())
                } else {
                    Err(format!("{says:?} expected, {} found", answer.body))
                }
            }
            Says::Way(expected, way) => {
                status(*expected)?;
                let body = &answer.body;
                if let (Wish::Advance { right: Some((_, right)), .. }, Some(score)) =
                    (&asked.wish, body["result"]["score"].as_f64())
                    && (score - f64::from(*right) * 50.0).abs() > 0.001
                {
                    return Err(format!("{right} of 2 answers are right: {score}"));
                }
                self.agrees(world, way, body.get("enrollment").unwrap_or(body))
            }
            Says::Receipt(guest, lines) => {
                status(200)?;
                if answer.body["guest_id"] != self.guests[*guest].0.to_string() {
                    return Err(format!("the receipt of another guest: {}", answer.body));
                }
                let found = answer.body["tracks"].as_array().unwrap();
                let same = found.len() == lines.len()
                    && found.iter().zip(lines).all(|(found, line)| receipt(line) == without_id(found));
                if same { Ok(()) } else { Err(format!("M7: {lines:?} expected, {found:?} found")) }
            }
        }
    }

    fn agrees(&self, world: &mut World, way: &Way, seen: &Value) -> Result<(), String> {
        if seen["track"]["slug"] != SLUGS[way.track] {
            return Err(format!("another track: {seen}"));
        }
        world.agrees(way, seen, &|id| self.task(way.track, id).unwrap_or(usize::MAX))
    }

    /// Looks at what these have, and keeps the worlds in which they have just that.
    async fn look(&mut self, involved: &[Who]) -> Result<(), String> {
        for who in involved {
            let path = format!("/api/v1/sites/{}/me/enrollments?limit=100", self.site);
            let letter = self.letter("GET", path, *who, None, None);
            let answer = self.served.send(&letter).await.ok_or("no answer")?;
            if answer.status == 401 {
                continue;
            }
            // M5: once they became a member, the guest's token reads nothing.
            let merged = answer.status == 409 && answer.body["code"] == "guest_merged";
            let nothing = Vec::new();
            let items = match answer.body["items"].as_array() {
                None if merged => &nothing,
                found => found.ok_or_else(|| format!("{answer:?}"))?,
            };
            let mut why = String::new();
            let mut fit: Vec<World> = Vec::new();
            for world in std::mem::take(&mut self.worlds) {
                let mut next = world;
                let ways: Vec<Way> = next.ways.iter().filter(|way| way.who == *who).cloned().collect();
                let mut found = if merged != next.became_a_member(*who) {
                    Err(format!("merged: {merged}, and the other way round expected"))
                } else if ways.len() == items.len() {
                    Ok(())
                } else {
                    Err(format!("{} enrollments expected, {} found", ways.len(), items.len()))
                };
                for way in &ways {
                    let item = items.iter().find(|item| item["track"]["slug"] == SLUGS[way.track]);
                    found = found.and_then(|()| self.agrees(&mut next, way, item.ok_or("an enrollment is missing")?));
                }
                match found {
                    Ok(()) if !fit.contains(&next) => fit.push(next),
                    Ok(()) => {}
                    Err(error) => why = error,
                }
            }
            self.worlds = fit;
            if self.worlds.is_empty() {
                return Err(format!("what {who:?} has fits no order of things: {why}\n{}", answer.body));
            }
            // G6: one step's body, open or locked.
            if let Some(item) = items.first() {
                let id: Uuid = item["id"].as_str().unwrap().parse().unwrap();
                let order = usize::try_from(self.batch).unwrap() % (item["steps"].as_array().unwrap().len() + 1);
                let letter = self.letter("GET", format!("/api/v1/enrollments/{id}/steps/{order}"), *who, None, None);
                let shown = self.served.send(&letter).await.ok_or("no answer")?.status;
                if !self.worlds.iter().any(|world| world.shows(*who, id, order) == shown) {
                    return Err(format!("G6: step {order} of {item} answers {shown}"));
                }
            }
        }
        if self.worlds.len() > WORLDS { Err(format!("{} worlds", self.worlds.len())) } else { Ok(()) }
    }

    /// Everybody's state once more, then the tables.
    async fn end(&mut self) -> Result<(), String> {
        let mut everybody: Vec<Who> = (0..MEMBERS).map(Who::Member).collect();
        everybody.extend((0..self.guests.len()).map(Who::Guest));
        self.look(&everybody).await?;
        let said = super::tables::check(self.served.db(), &self.site).await?;
        let announced = |world: &World| {
            let mut all: Vec<(String, String, bool)> = world
                .announced
                .iter()
                .map(|((track, who), by_merge)| {
                    let who = match who {
                        Who::Guest(guest) => self.guests[*guest].0.to_string(),
                        Who::Member(number) => format!("m-{number}"),
                    };
                    (SLUGS[*track].to_owned(), who, *by_merge)
                })
                .collect();
            all.sort();
            all
        };
        if self.worlds.iter().any(|world| announced(world) == said) {
            Ok(())
        } else {
            Err(format!("W1: {:?} expected, {said:?} announced", announced(&self.worlds[0])))
        }
    }
}

/// Whether this world has the answer to it already.
fn known(world: &World, asked: &Asked) -> bool {
    asked.wish.caller().zip(asked.letter.key).is_some_and(|key| world.keys.contains(&key))
}

/// The order that a tab asks for.
fn order(view: &Value, place: Place) -> usize {
    let steps = view["steps"].as_array().unwrap();
    match place {
        Place::Next => steps.iter().position(|step| step["state"] != "completed").map_or(1, |place| place + 1),
        Place::At(order) => order,
    }
}

fn say(body: &mut Value, seconds: u64, position: Option<u64>) {
    if seconds > 0 {
        body["time_spent_seconds"] = seconds.into();
    }
    if let Some(position) = position {
        body["last_position"] = position.into();
    }
}

fn receipt((track, outcome, order, steps, completed): &Line) -> Value {
    json!({ "track": SLUGS[*track], "outcome": outcome, "current_step_order": order, "steps_from_guest": steps, "completed_by_merge": completed })
}

fn without_id(line: &Value) -> Value {
    let mut line = line.clone();
    line.as_object_mut().unwrap().remove("enrollment_id");
    line
}

/// A version as its author writes it.
fn written(steps: &[Step]) -> Value {
    let steps: Vec<Value> = steps
        .iter()
        .map(|(task, required)| {
            let task = &POOL[*task];
            let mut step = json!({ "key": task.key, "kind": "content", "required": required, "title": { "fr": task.key } });
            let Some(quiz) = &task.quiz else {
                step["body"] = json!({ "fr": "Lisez." });
                return step;
            };
            step["kind"] = "quiz".into();
            if let Some(mark) = quiz.pass_mark {
                step["pass_mark"] = (mark / 100).into();
            }
            let question = |key: &str| {
                json!({ "key": key, "kind": "single_choice", "points": 1, "prompt": { "fr": key }, "choices": [
                    { "key": "no", "text": { "fr": "Non" } }, { "key": "yes", "text": { "fr": "Oui" }, "right": true } ] })
            };
            step["quiz"] = json!({ "cooldown_seconds": 0, "shuffle": true, "reveal": "never", "questions": [question("q1"), question("q2")] });
            if let Some(most) = quiz.max_attempts {
                step["quiz"]["max_attempts"] = most.into();
            }
            step
        })
        .collect();
    json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true,
        "title": { "fr": "T" }, "summary": { "fr": "T" }, "steps": steps })
}
