//! One version of a course: what was written, with the shared lessons and banks as they were then, and
//! the ids of all keys. It never changes, so neither does what an attempt draws.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Outline, OutlineItem, OutlineQuiz, Points,
    source::{
        ArticleSource, BandSource, BankSource, Category, CourseLessonSource, CourseSource, Difficulty, DrawSource,
        InstructorSource, ItemQuizSource, ItemSource, LessonSource, Shortcode,
    },
};
use crate::{
    ItemId, Lang, LessonId, LocalizedText, ModuleId, QuestionId, QuizId, Score, VideoSource,
    problem::FieldError,
    quiz::{
        Question, Quiz,
        shuffle::{self, Numbers, Part},
    },
    slug::{BankSlug, LessonSlug},
    track::IdMap,
};

/// Something written, with the ids of its keys. Known keys keep their ids over versions.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Written<S> {
    /// What the author wrote.
    pub source: S,
    /// The ids of its keys, by path.
    pub ids: IdMap,
}

impl<S> Written<S> {
    fn new(
        source: S,
        mut ids: IdMap,
        new_id: impl FnMut() -> Uuid,
        paths: impl Fn(&S, &mut dyn FnMut(String)),
    ) -> Self {
        let mut new_id = new_id;
        paths(&source, &mut |path| {
            ids.entry(path).or_insert_with(&mut new_id);
        });
        Self { source, ids }
    }

    fn id(&self, path: &str) -> Uuid {
        self.ids.get(path).copied().unwrap_or_default()
    }
}

/// The path of a shared lesson's own id.
const LESSON: &str = "@lesson";

impl Written<CourseSource> {
    /// A new version of what was checked before. `new_id` must be random, so that ids never tell the
    /// authored order (S4).
    pub fn course(source: CourseSource, ids: IdMap, new_id: impl FnMut() -> Uuid) -> Self {
        Self::new(source, ids, new_id, |source, take| {
            for module in &source.modules {
                take(module_path(&module.key));
                for lesson in module.lessons.iter().filter(|lesson| lesson.shared.is_none()) {
                    take(lesson.key.clone());
                    item_paths(&lesson.items, &lesson.key, take);
                }
            }
        })
    }
}

impl Written<LessonSource> {
    /// A new version of a lesson that several courses hold.
    pub fn lesson(source: LessonSource, ids: IdMap, new_id: impl FnMut() -> Uuid) -> Self {
        Self::new(source, ids, new_id, |source, take| {
            take(LESSON.to_owned());
            item_paths(&source.items, LESSON, take);
        })
    }
}

impl Written<BankSource> {
    /// A new version of a question bank.
    pub fn bank(source: BankSource, ids: IdMap, new_id: impl FnMut() -> Uuid) -> Self {
        Self::new(source, ids, new_id, |source, take| {
            for question in &source.questions {
                question.paths(&question.key, &mut |path| take(path));
            }
        })
    }
}

/// Author's keys have no `@`, so a module can't be taken for a lesson.
fn module_path(key: &str) -> String {
    format!("@module/{key}")
}

fn item_paths(items: &[ItemSource], at: &str, take: &mut dyn FnMut(String)) {
    for item in items {
        let at = format!("{at}/{}", item.key);
        for quiz in &item.quizzes {
            let at = format!("{at}/{}", quiz.key);
            for question in &quiz.questions {
                question.paths(&format!("{at}/{}", question.key), &mut |path| take(path));
            }
            take(at);
        }
        take(at);
    }
}

/// One version of a course, as it is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Definition {
    /// The course.
    pub course: Written<CourseSource>,
    /// The shared lessons it names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lessons: BTreeMap<LessonSlug, Written<LessonSource>>,
    /// The banks that its quizzes, and its shared lessons' quizzes, draw from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub banks: BTreeMap<BankSlug, Written<BankSource>>,
}

/// One version of a course, with its answer keys: it stays on the server.
#[derive(Clone, PartialEq, Debug)]
pub struct Course {
    /// What it is about.
    pub category: Category,
    /// For whom it is.
    pub difficulty: Difficulty,
    /// The language it was written in.
    pub source_lang: Lang,
    /// Its title.
    pub title: LocalizedText,
    /// What one learns.
    pub summary: LocalizedText,
    /// Who teaches, the first one first.
    pub instructors: Vec<InstructorSource>,
    /// In order.
    pub modules: Vec<Module>,
}

/// A module.
#[derive(Clone, PartialEq, Debug)]
pub struct Module {
    /// Stable over versions.
    pub id: ModuleId,
    /// Its title.
    pub title: LocalizedText,
    /// In order.
    pub lessons: Vec<Lesson>,
}

/// A lesson.
#[derive(Clone, PartialEq, Debug)]
pub struct Lesson {
    /// Stable over versions, and the same in every course that holds it.
    pub id: LessonId,
    /// Whether other courses may hold it: then right answers are shared.
    pub shared: bool,
    /// The language it was written in.
    pub source_lang: Lang,
    /// Its title.
    pub title: LocalizedText,
    /// In order.
    pub items: Vec<Item>,
}

/// A lesson item.
#[derive(Clone, PartialEq, Debug)]
pub struct Item {
    /// Stable over versions.
    pub id: ItemId,
    /// Its title.
    pub title: LocalizedText,
    /// What it shows.
    pub target: ItemTarget,
    /// Where it is talked about.
    pub discussion_url: Option<String>,
    /// What is shown below it.
    pub shortcodes: Vec<Shortcode>,
    /// In order.
    pub quizzes: Vec<ItemQuiz>,
}

/// What a lesson item shows.
#[derive(Clone, PartialEq, Debug)]
pub enum ItemTarget {
    /// Markdown to read.
    Content(LocalizedText),
    /// A video to watch.
    Video(VideoSource),
    /// An article of a content provider outside.
    Article(ArticleSource),
}

/// A quiz of a lesson item, with its keys.
#[derive(Clone, PartialEq, Debug)]
pub struct ItemQuiz {
    /// Stable over versions.
    pub id: QuizId,
    /// Its title.
    pub title: LocalizedText,
    /// Whether what follows waits until it is passed (C1).
    pub gate: bool,
    /// The score that passes it.
    pub pass_mark: Option<Score>,
    /// What every attempt has.
    pub quiz: Quiz,
    /// What each attempt draws anew.
    pub draws: Vec<Draw>,
    /// What is said after an attempt, by its score; rising.
    pub bands: Vec<BandSource>,
}

/// A question bank, held once for all quizzes that draw from it.
#[derive(PartialEq, Debug)]
pub struct Bank {
    questions: Vec<Question>,
    places: BTreeMap<QuestionId, u32>,
}

impl Bank {
    fn new(written: &Written<BankSource>) -> Self {
        let questions = &written.source.questions;
        let questions: Vec<Question> =
            questions.iter().map(|source| source.compile(&source.key, &|path| written.id(path))).collect();
        let places = questions.iter().zip(0..).map(|(question, place)| (question.id, place)).collect();
        Self { questions, places }
    }

    /// Its questions, in the bank's order; with the points of the bank, not of a draw.
    pub fn questions(&self) -> &Vec<Question> {
        &self.questions
    }
}

/// Questions to draw from.
#[derive(Clone, PartialEq, Debug)]
pub struct Draw {
    bank: Arc<Bank>,
    /// The bank's places that may be drawn; rising.
    places: Arc<[u32]>,
    /// How many are drawn.
    pub count: usize,
    /// What each is worth in this quiz, whatever the bank says.
    pub points: u32,
}

impl Draw {
    /// The bank.
    pub fn bank(&self) -> &Arc<Bank> {
        &self.bank
    }

    /// The places in the bank of what may be drawn.
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// All that may be drawn; each is worth [`Draw::points`] here.
    pub fn pool(&self) -> impl Iterator<Item = &Question> + Clone {
        self.places.iter().filter_map(|place| self.at(*place))
    }

    /// What may be drawn and has this id.
    pub fn question(&self, id: QuestionId) -> Option<&Question> {
        let place = self.bank.places.get(&id)?;
        self.places.binary_search(place).ok().and_then(|_| self.at(*place))
    }

    fn at(&self, place: u32) -> Option<&Question> {
        self.bank.questions.get(usize::try_from(place).ok()?)
    }
}

/// The most lesson items of a course, those of shared lessons counted wherever they stand.
const MAX_ITEMS: usize = 2000;
/// The most banks that a course draws from.
const MAX_BANKS: usize = 50;
/// The most different pools that a course draws from: a bank, or what has certain tags in it.
const MAX_POOLS: usize = 1000;

/// What the draws of a course may take, each found once: a course may draw from one pool in thousands of quizzes.
#[derive(Default)]
struct Pools<'d> {
    /// By bank: which questions have a tag.
    tagged: BTreeMap<&'d str, BTreeMap<&'d str, Vec<u32>>>,
    /// By bank and tags.
    found: BTreeMap<(&'d str, &'d [String]), Pool>,
}

/// What a draw may take of its bank.
#[derive(Clone)]
struct Pool {
    /// Rising.
    places: Arc<[u32]>,
    /// The same as a set: bit `place % 64` of word `place / 64`.
    set: Arc<[u64]>,
}

impl Pool {
    /// How many questions both have; of one bank.
    fn common(&self, other: &Self) -> usize {
        self.set.iter().zip(other.set.iter()).map(|(a, b)| usize::try_from((a & b).count_ones()).unwrap_or(0)).sum()
    }
}

impl<'d> Pools<'d> {
    fn of(&mut self, bank: &'d BankSource, draw: &'d DrawSource) -> Pool {
        let name = draw.bank.as_str();
        if let Some(found) = self.found.get(&(name, draw.tags.as_slice())) {
            return found.clone();
        }
        let places: BTreeSet<u32> = if draw.tags.is_empty() {
            (0..).take(bank.questions.len()).collect()
        } else {
            let tagged = self.tagged.entry(name).or_insert_with(|| {
                let mut tagged: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
                for (question, place) in bank.questions.iter().zip(0..) {
                    for tag in &question.tags {
                        tagged.entry(tag).or_default().push(place);
                    }
                }
                tagged
            });
            draw.tags.iter().filter_map(|tag| tagged.get(tag.as_str())).flatten().copied().collect()
        };
        let mut set = vec![0_u64; bank.questions.len().div_ceil(64)];
        for place in &places {
            let place = usize::try_from(*place).unwrap_or(usize::MAX);
            set[place / 64] |= 1 << (place % 64);
        }
        let pool = Pool { places: places.into_iter().collect(), set: set.into() };
        self.found.insert((name, draw.tags.as_slice()), pool.clone());
        pool
    }
}

/// What of a definition is compiled once and used in many places.
struct Parts<'d> {
    definition: &'d Definition,
    pools: RefCell<Pools<'d>>,
    banks: RefCell<BTreeMap<&'d str, Arc<Bank>>>,
}

impl<'d> Parts<'d> {
    fn draw(&self, draw: &'d DrawSource) -> Option<Draw> {
        let written = self.definition.banks.get(&draw.bank)?;
        let mut banks = self.banks.borrow_mut();
        let bank = banks.entry(draw.bank.as_str()).or_insert_with(|| Arc::new(Bank::new(written)));
        Some(Draw {
            bank: Arc::clone(bank),
            places: self.pools.borrow_mut().of(&written.source, draw).places,
            count: usize::try_from(draw.count).unwrap_or(usize::MAX),
            points: draw.points,
        })
    }
}

impl Definition {
    /// What only shows once courses, shared lessons and banks stand side by side: something named that is
    /// not there, or a draw of more questions than there are. Pointers are the course's.
    pub fn check(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut pools = Pools::default();
        let mut items = 0_usize;
        let mut held: BTreeMap<&LessonSlug, String> = BTreeMap::new();
        for (module, source) in self.course.source.modules.iter().enumerate() {
            for (lesson, source) in source.lessons.iter().enumerate() {
                let at = format!("/modules/{module}/lessons/{lesson}");
                // An item is done once: its learners could never open what stands behind the second time.
                if let Some(slug) = &source.shared
                    && let Some(first) = held.insert(slug, at.clone())
                {
                    faults.push(FieldError::new(
                        format!("{at}/shared"),
                        "duplicate",
                        format!("the course holds the shared lesson {slug} already, at {first}; name it once"),
                    ));
                }
                let of_lesson = match source.shared.as_ref().map(|slug| (slug, self.lessons.get(slug))) {
                    None => &source.items,
                    Some((_, Some(shared))) => &shared.source.items,
                    Some((slug, None)) => {
                        faults.push(FieldError::new(
                            format!("{at}/shared"),
                            "unknown_lesson",
                            format!("there is no shared lesson {slug}; write it first"),
                        ));
                        continue;
                    }
                };
                items += of_lesson.len();
                if items > MAX_ITEMS {
                    // What is too large is not looked at further.
                    let text =
                        format!("a course has at most {MAX_ITEMS} lesson items, those of shared lessons included");
                    faults.push(FieldError::new(at, "out_of_range", text));
                    return faults;
                }
                self.check_draws(of_lesson, &at, &mut pools, &mut faults);
                if pools.found.len() > MAX_POOLS || self.banks.len() > MAX_BANKS {
                    let text = format!(
                        "a course draws from at most {MAX_BANKS} banks, and from at most {MAX_POOLS} pools, which are a bank or what has certain tags in it"
                    );
                    faults.push(FieldError::new(at, "out_of_range", text));
                    return faults;
                }
            }
        }
        faults
    }

    fn check_draws<'d>(
        &'d self,
        items: &'d [ItemSource],
        at: &str,
        pools: &mut Pools<'d>,
        faults: &mut Vec<FieldError>,
    ) {
        for (item, source) in items.iter().enumerate() {
            for (quiz, source) in source.quizzes.iter().enumerate() {
                // What a quiz draws before may be the very questions that this draw could take: no question
                // comes twice in an attempt.
                let mut before: Vec<(usize, &str, Pool)> = Vec::new();
                for (draw, source) in source.draw.iter().enumerate() {
                    let at = format!("{at}/items/{item}/quizzes/{quiz}/draw/{draw}");
                    let Some(bank) = self.banks.get(&source.bank) else {
                        faults.push(FieldError::new(
                            format!("{at}/bank"),
                            "unknown_bank",
                            format!("there is no question bank {}; write it first", source.bank),
                        ));
                        continue;
                    };
                    let same = source.bank.as_str();
                    let pool = pools.of(&bank.source, source);
                    let gone: usize = before
                        .iter()
                        .filter(|(_, bank, _)| *bank == same)
                        .map(|(count, _, other)| (*count).min(other.common(&pool)))
                        .sum();
                    let count = usize::try_from(source.count).unwrap_or(usize::MAX);
                    if pool.places.len() < gone.saturating_add(count) {
                        let there = pool.places.len();
                        faults.push(FieldError::new(
                            format!("{at}/count"),
                            "too_few_questions",
                            format!("the bank {same} has {there} such questions, {gone} of them drawn before"),
                        ));
                    }
                    before.push((count, same, pool));
                }
            }
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts { definition: self, pools: RefCell::default(), banks: RefCell::default() }
    }

    /// The lesson of this key, with how many points its quizzes are worth.
    pub fn lesson_of_key(&self, key: &str) -> Option<(LessonId, Points)> {
        let lesson = self.lesson(self.course.source.lessons().find(|lesson| lesson.key == key)?, &self.parts())?;
        let points = lesson.items.iter().flat_map(|item| &item.quizzes).map(|quiz| quiz.outline().points).sum();
        Some((lesson.id, points))
    }

    /// Every text that a translator would translate (L4), of what it names too: of banks what may be drawn.
    pub fn all_texts(&self) -> Vec<&LocalizedText> {
        let mut all = self.course.source.all_texts();
        all.extend(self.lessons.values().flat_map(|lesson| lesson.source.all_texts()));
        let own = self.course.source.lessons().flat_map(|lesson| &lesson.items);
        let items = own.chain(self.lessons.values().flat_map(|lesson| &lesson.source.items));
        let mut pools = Pools::default();
        for draw in items.flat_map(|item| &item.quizzes).flat_map(|quiz| &quiz.draw) {
            if let Some(bank) = self.banks.get(&draw.bank) {
                pools.of(&bank.source, draw);
            }
        }
        let mut drawable: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for ((bank, _), pool) in &pools.found {
            drawable.entry(bank).or_default().extend(pool.places.iter());
        }
        for (slug, bank) in &self.banks {
            for place in drawable.get(slug.as_str()).into_iter().flatten() {
                let question = usize::try_from(*place).ok().and_then(|place| bank.source.questions.get(place));
                if let Some(question) = question {
                    question.texts("", &mut |_, text| all.push(text));
                }
            }
        }
        all
    }

    /// The version ready to be used; what was checked before.
    pub fn compile(&self) -> Course {
        let source = &self.course.source;
        let parts = self.parts();
        Course {
            category: source.category,
            difficulty: source.difficulty,
            source_lang: source.source_lang.clone(),
            title: source.title.clone(),
            summary: source.summary.clone(),
            instructors: source.instructors.clone(),
            modules: source
                .modules
                .iter()
                .map(|module| Module {
                    id: ModuleId(self.course.id(&module_path(&module.key))),
                    title: module.title.clone(),
                    lessons: module.lessons.iter().filter_map(|lesson| self.lesson(lesson, &parts)).collect(),
                })
                .collect(),
        }
    }

    fn lesson<'d>(&'d self, lesson: &'d CourseLessonSource, parts: &Parts<'d>) -> Option<Lesson> {
        Some(match &lesson.shared {
            None => Lesson {
                id: LessonId(self.course.id(&lesson.key)),
                shared: false,
                source_lang: self.course.source.source_lang.clone(),
                title: lesson.title.clone(),
                items: items(&lesson.items, &lesson.key, &|path| self.course.id(path), parts),
            },
            Some(slug) => {
                let shared = self.lessons.get(slug)?;
                Lesson {
                    id: LessonId(shared.id(LESSON)),
                    shared: true,
                    source_lang: shared.source.source_lang.clone(),
                    title: shared.source.title.clone(),
                    items: items(&shared.source.items, LESSON, &|path| shared.id(path), parts),
                }
            }
        })
    }
}

fn items<'d>(items: &'d [ItemSource], at: &str, id: &impl Fn(&str) -> Uuid, parts: &Parts<'d>) -> Vec<Item> {
    items
        .iter()
        .map(|item| {
            let at = format!("{at}/{}", item.key);
            Item {
                id: ItemId(id(&at)),
                title: item.title.clone(),
                target: if let Some(video) = &item.video {
                    ItemTarget::Video(video.clone())
                } else if let Some(article) = &item.article {
                    ItemTarget::Article(article.clone())
                } else {
                    ItemTarget::Content(item.body.clone().unwrap_or_default())
                },
                discussion_url: item.discussion_url.clone(),
                shortcodes: item.shortcodes.clone(),
                quizzes: item
                    .quizzes
                    .iter()
                    .map(|quiz| item_quiz(quiz, &format!("{at}/{}", quiz.key), id, parts))
                    .collect(),
            }
        })
        .collect()
}

fn item_quiz<'d>(quiz: &'d ItemQuizSource, at: &str, id: &impl Fn(&str) -> Uuid, parts: &Parts<'d>) -> ItemQuiz {
    ItemQuiz {
        id: QuizId(id(at)),
        title: quiz.title.clone(),
        gate: quiz.gate,
        pass_mark: quiz.pass_mark,
        quiz: quiz.quiz().compile(at, id),
        draws: quiz.draw.iter().filter_map(|draw| parts.draw(draw)).collect(),
        bands: quiz.bands.clone(),
    }
}

impl Course {
    /// What gating, completion and progress need of it.
    pub fn outline(&self) -> Outline {
        let items = self.modules.iter().flat_map(|module| {
            module.lessons.iter().flat_map(move |lesson| {
                lesson.items.iter().map(move |item| OutlineItem {
                    id: item.id,
                    lesson: lesson.id,
                    module: module.id,
                    quizzes: item.quizzes.iter().map(ItemQuiz::outline).collect(),
                    film_seconds: match &item.target {
                        ItemTarget::Video(video) => Some(video.duration_seconds),
                        _ => None,
                    },
                })
            })
        });
        Outline { items: items.collect() }
    }

    /// The quiz of this id.
    pub fn quiz(&self, id: QuizId) -> Option<&ItemQuiz> {
        let lessons = self.modules.iter().flat_map(|module| &module.lessons);
        lessons.flat_map(|lesson| &lesson.items).flat_map(|item| &item.quizzes).find(|quiz| quiz.id == id)
    }

    /// The item of this id, with its lesson.
    pub fn item(&self, id: ItemId) -> Option<(&Lesson, &Item)> {
        let lessons = self.modules.iter().flat_map(|module| &module.lessons);
        lessons.flat_map(|lesson| lesson.items.iter().map(move |item| (lesson, item))).find(|(_, item)| item.id == id)
    }
}

impl ItemQuiz {
    /// All questions that an attempt may have, each with what it is worth in this quiz.
    pub fn questions(&self) -> impl Iterator<Item = (&Question, u32)> + Clone {
        let drawn = self.draws.iter().flat_map(|draw| draw.pool().map(|question| (question, draw.points)));
        self.quiz.questions.iter().map(|question| (question, question.points)).chain(drawn)
    }

    /// The question of this id, whether every attempt has it or it may be drawn; and what it is worth in this quiz.
    pub fn worth(&self, id: QuestionId) -> Option<(&Question, u32)> {
        if let Some(question) = self.quiz.question(id) {
            return Some((question, question.points));
        }
        self.draws.iter().find_map(|draw| Some((draw.question(id)?, draw.points)))
    }

    /// Whether an attempt may have questions that a person grades.
    pub fn has_open(&self) -> bool {
        let mut all = self.questions();
        all.any(|(question, _)| matches!(question.kind, crate::quiz::QuestionKind::OpenEnded { .. }))
    }

    /// What gating, points and progress need of it.
    pub fn outline(&self) -> OutlineQuiz {
        let drawn: usize = self.draws.iter().map(|draw| draw.count).sum();
        let fixed = Points::whole(u32::try_from(self.quiz.points()).unwrap_or(u32::MAX));
        let draws = self.draws.iter().flat_map(|draw| {
            std::iter::repeat_n(Points::whole(if draw.places.is_empty() { 0 } else { draw.points }), draw.count)
        });
        OutlineQuiz {
            id: self.id,
            gate: self.gate,
            pass_mark: self.pass_mark,
            questions: u32::try_from(self.quiz.questions.len() + drawn).unwrap_or(u32::MAX),
            points: fixed + draws.sum(),
            max_attempts: self.quiz.max_attempts,
            cooldown_seconds: self.quiz.cooldown_seconds,
        }
    }

    /// The questions of one attempt: those that every attempt has, and what this one draws with these numbers,
    /// which are the attempt's. The same whenever and wherever the same attempt is looked at, because a version
    /// never changes.
    pub fn attempt(&self, numbers: &impl Numbers) -> Quiz {
        let mut quiz = self.quiz.clone();
        // Places are shuffled, not questions: of a bank of 2,000 only what is drawn is touched.
        let mut drawn: Vec<(*const Bank, u32)> = Vec::new();
        for (number, draw) in self.draws.iter().enumerate() {
            let bank = Arc::as_ptr(&draw.bank);
            let is_new = |place: &u32| !drawn.contains(&(bank, *place));
            let mut pool: Vec<u32> = if drawn.iter().any(|(other, _)| *other == bank) {
                draw.places.iter().copied().filter(is_new).collect()
            } else {
                draw.places.to_vec()
            };
            let part = Part::Draw(u32::try_from(number).unwrap_or(u32::MAX));
            shuffle::choose(
                &mut pool,
                draw.count,
                |place| draw.at(*place).map(|question| question.id),
                numbers.of(part),
            );
            pool.truncate(draw.count);
            let questions = pool.iter().filter_map(|place| draw.at(*place));
            quiz.questions.extend(questions.map(|question| Question { points: draw.points, ..question.clone() }));
            drawn.extend(pool.into_iter().map(|place| (bank, place)));
        }
        quiz
    }

    /// Whether an attempt may draw this question.
    pub fn may_draw(&self, question: QuestionId) -> bool {
        self.draws.iter().any(|draw| draw.question(question).is_some())
    }

    /// What is said to an attempt of this score.
    pub fn band(&self, score: Score) -> Option<&LocalizedText> {
        self.bands.iter().rev().find(|band| band.from <= score).map(|band| &band.feedback)
    }
}
