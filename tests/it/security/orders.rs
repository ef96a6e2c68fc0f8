//! S4: what is shown tells nothing. A cheat has all that the browser is given, and this program's source; it tries to
//! compute right orders, authored orders and draws, and must do no better than chance.

use std::collections::BTreeMap;

use jalon_backend::clock::Clock;
use jalon_backend::db::backup::{Wish, backup, restore};
use jalon_backend::quiz::order::Orders;
use jalon_shared::{
    QuestionId,
    quiz::shuffle::{Numbers as _, Part},
};
use jalon_tests::{Stage, TestDb, TestServer, for_both};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::track::Learner;

/// Learners who look, each with an enrollment of their own.
const LEARNERS: usize = 60;
/// Questions of each kind.
const EACH: usize = 8;
/// What a bank holds, and how many a quiz draws of it.
const BANK: usize = 12;
const DRAWN: usize = 3;

/// How well a way of guessing does: right guesses, and how many were made.
#[derive(Default)]
struct Tally {
    right: f64,
    /// Independent guesses.
    guesses: f64,
}

/// By what is guessed and how.
type Tallies = BTreeMap<(String, &'static str), Tally>;

fn text(n: usize) -> Value {
    json!({ "fr": n.to_string() })
}

/// Questions whose texts are the numbers of their places as authored: a test knows the truth by them, a cheat doesn't.
fn questions() -> Vec<Value> {
    let mut questions = Vec::new();
    let items =
        |count: usize| (0..count).map(|n| json!({ "key": format!("i{n}"), "text": text(n) })).collect::<Vec<_>>();
    for n in 0..EACH {
        questions.push(
            json!({ "key": format!("four{n}"), "kind": "ordering", "prompt": { "fr": "Quatre" }, "items": items(4) }),
        );
        questions.push(
            json!({ "key": format!("two{n}"), "kind": "ordering", "prompt": { "fr": "Deux" }, "items": items(2) }),
        );
        let pairs: Vec<Value> =
            (0..4).map(|n| json!({ "key": format!("p{n}"), "left": text(n), "right": text(n) })).collect();
        questions.push(
            json!({ "key": format!("match{n}"), "kind": "matching", "prompt": { "fr": "Paires" }, "pairs": pairs }),
        );
        let mut choices = items(4);
        choices[0]["right"] = true.into();
        questions.push(
            json!({ "key": format!("one{n}"), "kind": "single_choice", "prompt": { "fr": "Une" }, "choices": choices }),
        );
    }
    questions
}

fn ids(shown: &Value) -> Vec<Uuid> {
    shown.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().parse().unwrap()).collect()
}

/// The number of its place as authored, by id.
fn truth(shown: &Value) -> BTreeMap<Uuid, usize> {
    let number = |one: &Value| one["text"]["value"].as_str().unwrap().parse().unwrap();
    ids(shown).into_iter().zip(shown.as_array().unwrap().iter().map(number)).collect()
}

/// The function that once decided the orders: of public ids alone.
mod public {
    use uuid::Uuid;

    pub fn seed(enrollment: Uuid, quiz: Uuid, attempt: u32) -> u64 {
        let (a, b, c, d) =
            (enrollment.as_u64_pair().0, enrollment.as_u64_pair().1, quiz.as_u64_pair().0, quiz.as_u64_pair().1);
        [a, b, c, d].into_iter().fold(u64::from(attempt), |state, half| mix(state ^ half))
    }

    pub fn of(seed: u64, thing: Uuid) -> u64 {
        mix(seed ^ mix(thing.as_u64_pair().0) ^ thing.as_u64_pair().1)
    }

    fn mix(state: u64) -> u64 {
        let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn shuffled(len: usize, seed: u64) -> Vec<usize> {
        let (mut order, mut state): (Vec<usize>, u64) = ((0..len).collect(), seed);
        for last in (1..len).rev() {
            state = mix(state);
            order.swap(last, usize::try_from(state % (last as u64 + 1)).unwrap());
        }
        order
    }
}

/// Undoes an order: `permutation` brought the `permutation[n]`th to place `n`.
fn undone(shown: &[Uuid], permutation: &[usize]) -> Vec<Uuid> {
    let mut before = shown.to_vec();
    for (place, from) in permutation.iter().enumerate() {
        before[*from] = shown[place];
    }
    before
}

/// The permutation that this program's shuffle makes with these numbers.
fn permuted(len: usize, numbers: impl Iterator<Item = u64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    jalon_shared::quiz::shuffle::shuffle(&mut order, |place| *place, numbers);
    order
}

/// What a cheat would answer, by its way: the authored order of what is shown.
fn guesses(
    (enrollment, quiz, question): (Uuid, Uuid, Uuid),
    shown: &[Uuid],
    second: bool,
    preview: Option<&Vec<Uuid>>,
) -> Vec<(&'static str, Vec<Uuid>)> {
    let len = shown.len();
    let mut seed = public::of(public::seed(enrollment, quiz, 1), question);
    if second {
        seed = public::of(seed, question);
    }
    let mut old = public::shuffled(len, seed);
    let untouched = old.iter().copied().eq(0..len);
    let mut sorted = shown.to_vec();
    sorted.sort_unstable();
    let part = if second { Part::Rights(QuestionId(question)) } else { Part::Choices(QuestionId(question)) };
    let keyed = |key: &[u8]| permuted(len, Orders::new(key).attempt(enrollment, quiz, 1).of(part));
    let mut ways = vec![
        ("undoes a function of the ids", undone(shown, &old)),
        ("takes it as it is shown", shown.to_vec()),
        ("turns it round", shown.iter().rev().copied().collect()),
        ("undoes it with an empty key", undone(shown, &keyed(b""))),
        ("undoes it with a key of zeros", undone(shown, &keyed(&[0; 32]))),
        ("sorts the ids", sorted),
    ];
    if untouched {
        old.rotate_left(1);
        ways[0].1 = undone(shown, &old);
    }
    ways.extend(preview.map(|preview| ("believes the preview", preview.clone())));
    ways
}

/// Whether all enrollments get the same guess.
fn is_constant(way: &str) -> bool {
    matches!(way, "sorts the ids" | "believes the preview")
}

/// What one learner is shown of a quiz, cheated at.
fn cheat(tallies: &mut Tallies, enrollment: Uuid, quiz: Uuid, shown: &Value, previews: &BTreeMap<Uuid, Value>) {
    for question in shown["questions"].as_array().unwrap() {
        let id: Uuid = question["id"].as_str().unwrap().parse().unwrap();
        let kind = question["kind"].as_str().unwrap();
        let preview = |field: &str| previews.get(&id).map(|question| ids(&question[field]));
        let mut count = |what: String, way: &'static str, right: f64| {
            let tally = tallies.entry((what, way)).or_default();
            tally.right += right;
            tally.guesses += 1.0;
        };
        match kind {
            "ordering" | "single_choice" => {
                let field = if kind == "ordering" { "items" } else { "choices" };
                let (items, truth) = (ids(&question[field]), truth(&question[field]));
                for (way, guess) in guesses((enrollment, quiz, id), &items, false, preview(field).as_ref()) {
                    let right = guess.iter().enumerate().filter(|(place, item)| truth[item] == *place).count();
                    // Of choices only the first one, which is the right one, is of use.
                    let right = if kind == "ordering" {
                        share(right, items.len())
                    } else {
                        share(usize::from(truth[&guess[0]] == 0), 1)
                    };
                    count(format!("{kind} of {}", items.len()), way, right);
                }
            }
            "matching" => {
                let (lefts, rights) = (ids(&question["lefts"]), ids(&question["rights"]));
                let (left_truth, right_truth) = (truth(&question["lefts"]), truth(&question["rights"]));
                let left = guesses((enrollment, quiz, id), &lefts, false, preview("lefts").as_ref());
                let right = guesses((enrollment, quiz, id), &rights, true, preview("rights").as_ref());
                for ((way, left), (_, right)) in left.into_iter().zip(right) {
                    let pairs = left.iter().zip(&right).filter(|(left, right)| left_truth[left] == right_truth[right]);
                    count("matching".to_owned(), way, share(pairs.count(), lefts.len()));
                }
            }
            other => panic!("{other}"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn share(of: usize, all: usize) -> f64 {
    of as f64 / all as f64
}

/// No way of guessing is better than chance: five standard deviations allowed.
fn assert_no_better_than_chance(tallies: &Tallies) {
    assert!(!tallies.is_empty());
    for ((what, way), tally) in tallies {
        let (chance, spread): (f64, f64) = match what.as_str() {
            "ordering of 2" => (0.5, 0.5),
            "single_choice of 4" | "draw" => (0.25, 0.44),
            // A random order of n has one item at its place on average, give or take one.
            _ => (0.25, 0.25),
        };
        let constant = if is_constant(way) { share(LEARNERS, 1) } else { 1.0 };
        let allowed = chance + 5.0 * spread / (tally.guesses / constant).sqrt();
        let mean = tally.right / tally.guesses;
        assert!(mean < allowed, "{what}: a cheat who {way} is right in {mean:.3}, chance is {chance}");
    }
}

for_both! {
    async fn s4_what_a_track_shows_tells_no_order(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &json!({
            "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "T" }, "summary": { "fr": "T" },
            "steps": [{ "key": "check", "kind": "quiz", "required": true, "pass_mark": 70, "title": { "fr": "Q" },
                "quiz": { "max_attempts": 1, "shuffle": true, "reveal": "never", "questions": questions() } }]
        })).await;
        let preview = stage.server.get("/api/v1/sites/fpsf/tracks/first/steps/1").send().await.expect(200);
        let previews: BTreeMap<Uuid, Value> = preview["quiz"]["questions"].as_array().unwrap().iter()
            .map(|question| (question["id"].as_str().unwrap().parse().unwrap(), question.clone())).collect();
        let mut tallies = Tallies::new();
        for _ in 0..LEARNERS {
            let (_, token) = stage.guest().await;
            let learner = Learner::begin(&stage, &token, "first").await;
            let body = learner.step(1).await.expect(200);
            let step = body["step_id"].as_str().unwrap().parse().unwrap();
            cheat(&mut tallies, learner.id().parse().unwrap(), step, &body["quiz"], &previews);
        }
        assert_no_better_than_chance(&tallies);
    }

    async fn s4_what_a_course_shows_tells_no_order_and_no_draw(db: TestDb) {
        let stage = Stage::set(&db).await;
        let bank: Vec<Value> = (0..BANK).map(|n| json!({ "key": format!("b{n}"), "kind": "true_false", "prompt": text(n), "right": true })).collect();
        let admin = "/api/v1/admin/sites/fpsf";
        let source = json!({ "source_lang": "fr", "title": { "fr": "Banque" }, "questions": bank });
        stage.server.put(&format!("{admin}/banks/bank")).bearer(&stage.key).json(&source).send().await.expect(201);
        let mut course = crate::course::small();
        course["modules"][0]["lessons"][0]["items"][0]["quizzes"] = json!([
            { "key": "orders", "title": { "fr": "Q" }, "shuffle": true, "reveal": "never", "questions": questions() },
            { "key": "draws", "title": { "fr": "Q" }, "reveal": "never", "draw": [{ "bank": "bank", "count": DRAWN }] },
        ]);
        crate::course::publish(&stage, "small", &course).await;

        let (mut tallies, mut draws) = (Tallies::new(), Vec::new());
        // What all learners together know of a bank: the ids of its questions, and what they ask.
        let mut known: BTreeMap<usize, Uuid> = BTreeMap::new();
        for n in 0..LEARNERS {
            let token = stage.member(&format!("m-{n}"));
            let path = "/api/v1/sites/fpsf/courses/small/enrollments";
            let enrollment = stage.server.post(path).bearer(&token).json(&json!({})).send().await.expect(201);
            let id = enrollment["id"].as_str().unwrap();
            let view = stage.server.get("/api/v1/sites/fpsf/courses/small").bearer(&token).send().await.expect(200);
            let item = view["modules"][0]["lessons"][0]["items"][0]["id"].as_str().unwrap().to_owned();
            let body = stage.server.get(&format!("/api/v1/course-enrollments/{id}/items/{item}")).bearer(&token).send().await.expect(200);
            let id: Uuid = id.parse().unwrap();
            let quiz = |n: usize| -> Uuid { body["quizzes"][n]["quiz_id"].as_str().unwrap().parse().unwrap() };
            let shown = |n: usize| &body["quizzes"][n];
            cheat(&mut tallies, id, quiz(0), shown(0), &BTreeMap::new());
            let drawn = ids(&shown(1)["questions"]);
            for (question, seen) in drawn.iter().zip(shown(1)["questions"].as_array().unwrap()) {
                known.insert(seen["prompt"]["value"].as_str().unwrap().parse().unwrap(), *question);
            }
            draws.push((id, quiz(1), drawn));
        }
        assert_eq!(known.len(), BANK);
        let authored: Vec<Uuid> = known.into_values().collect();
        let mut sorted = authored.clone();
        sorted.sort_unstable();
        for (enrollment, quiz, drawn) in draws {
            let seed = public::of(public::seed(enrollment, quiz, 1), Uuid::from_u128(0));
            let empty = permuted(BANK, Orders::new(b"").attempt(enrollment, quiz, 1).of(Part::Draw(0)));
            for (way, guess) in [
                ("undoes a function of the ids", public::shuffled(BANK, seed).into_iter().take(DRAWN).map(|place| authored[place]).collect::<Vec<_>>()),
                ("undoes it with an empty key", empty.into_iter().take(DRAWN).map(|place| sorted[place]).collect()),
                ("takes it as it is shown", authored[..DRAWN].to_vec()),
            ] {
                let tally = tallies.entry(("draw".to_owned(), way)).or_default();
                tally.right += share(guess.iter().filter(|question| drawn.contains(question)).count(), DRAWN);
                tally.guesses += 1.0;
            }
        }
        assert_no_better_than_chance(&tallies);
    }

    /// The same attempt looks the same on reload, in another backend, after a restart, after a restored backup, and
    /// for the member that the guest becomes.
    async fn s4_an_attempt_keeps_its_order(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &json!({
            "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": { "fr": "T" }, "summary": { "fr": "T" },
            "steps": [{ "key": "check", "kind": "quiz", "required": true, "pass_mark": 70, "title": { "fr": "Q" },
                "quiz": { "shuffle": true, "reveal": "never", "questions": questions() } }]
        })).await;
        let (_, guest) = stage.guest().await;
        let learner = Learner::begin(&stage, &guest, "first").await;
        let path = format!("/api/v1/enrollments/{}/steps/1", learner.id());
        let shown = learner.step(1).await.text().clone();
        assert_eq!(learner.step(1).await.text(), shown, "a reload");

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backup");
        backup(db.config(), &file, false, stage.now()).await.unwrap();
        let restored = TestDb::empty(db.backend()).await;
        restore(&file, restored.config(), Wish::default()).await.unwrap();
        for (name, database) in [("another backend", &db), ("a restored backup", &restored)] {
            let server = TestServer::start_with(database, Clock::system(), |_| ()).await;
            assert_eq!(server.get(&path).bearer(&guest).send().await.text(), shown, "{name}");
            server.stop().await;
        }

        let member = stage.member("u-42");
        let merge = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).key(Uuid::now_v7());
        merge.json(&json!({ "guest_token": guest })).send().await.expect(200);
        assert_eq!(stage.server.get(&path).bearer(&member).send().await.text(), shown, "after a merge");

        // The next attempt comes in another order; an order that was never to come would tell something.
        let moved = Learner::found(&stage, &member, learner.id()).await;
        let mut solved = 0;
        for attempt in 2..40 {
            let body = moved.step(1).await.expect(200);
            let question = &body["quiz"]["questions"].as_array().unwrap().iter().find(|question| question["prompt"]["value"] == "Deux").unwrap();
            solved += usize::from(truth(&question["items"])[&ids(&question["items"])[0]] == 0);
            let order: Vec<String> = ids(&question["items"]).iter().map(Uuid::to_string).collect();
            moved.advance(1, json!({ "answers": [{ "question_id": question["id"], "order": order }] })).await.expect(200);
            assert_eq!(moved.step(1).await.expect(200)["quiz"]["attempt"], attempt);
        }
        assert!((1..38).contains(&solved), "two items came solved {solved} times of 38");
    }
}
