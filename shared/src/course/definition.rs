//! One version of a course: what was written, with the shared lessons and banks as they were then, and
//! the ids of all keys. It never changes, so neither does what an attempt draws.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Outline, OutlineItem, OutlineQuiz, Points,
    source::{
        ArticleSource, BandSource, BankSource, Category, CourseLessonSource, CourseSource, Difficulty,
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

/// Questions to draw from.
#[derive(Clone, PartialEq, Debug)]
pub struct Draw {
    /// All that may be drawn; each is worth the same.
    pub pool: Arc<[Question]>,
    /// How many are drawn.
    pub count: usize,
}

impl Definition {
    /// What only shows once courses, shared lessons and banks stand side by side: something named that is
    /// not there, or a draw of more questions than there are. Pointers are the course's.
    pub fn check(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        for (module, source) in self.course.source.modules.iter().enumerate() {
            for (lesson, source) in source.lessons.iter().enumerate() {
                let at = format!("/modules/{module}/lessons/{lesson}");
                match source.shared.as_ref().map(|slug| (slug, self.lessons.get(slug))) {
                    None => self.check_draws(&source.items, &at, &mut faults),
                    Some((_, Some(shared))) => self.check_draws(&shared.source.items, &at, &mut faults),
                    Some((slug, None)) => faults.push(FieldError::new(
                        format!("{at}/shared"),
                        "unknown_lesson",
                        format!("there is no shared lesson {slug}; write it first"),
                    )),
                }
            }
        }
        faults
    }

    fn check_draws(&self, items: &[ItemSource], at: &str, faults: &mut Vec<FieldError>) {
        for (item, source) in items.iter().enumerate() {
            for (quiz, source) in source.quizzes.iter().enumerate() {
                // What a quiz draws before may be the very questions that this draw could take: no question
                // comes twice in an attempt.
                let mut before: Vec<(usize, BTreeSet<(&str, &str)>)> = Vec::new();
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
                    let named = |place: usize| (same, bank.source.questions[place].key.as_str());
                    let pool: BTreeSet<(&str, &str)> = bank.source.drawable(source).map(named).collect();
                    let gone: usize =
                        before.iter().map(|(count, other)| (*count).min(other.intersection(&pool).count())).sum();
                    let count = usize::try_from(source.count).unwrap_or(usize::MAX);
                    if pool.len() < gone.saturating_add(count) {
                        faults.push(FieldError::new(
                            format!("{at}/count"),
                            "too_few_questions",
                            format!("the bank {same} has {} such questions, {gone} of them drawn before", pool.len()),
                        ));
                    }
                    before.push((count, pool));
                }
            }
        }
    }

    /// The lesson of this key, with how many points its quizzes are worth.
    pub fn lesson_of_key(&self, key: &str) -> Option<(LessonId, Points)> {
        let lesson = self.lesson(self.course.source.lessons().find(|lesson| lesson.key == key)?)?;
        let points = lesson.items.iter().flat_map(|item| &item.quizzes).map(|quiz| quiz.outline().points).sum();
        Some((lesson.id, points))
    }

    /// Every text that a translator would translate (L4), of what it names too: of banks what may be drawn.
    pub fn all_texts(&self) -> Vec<&LocalizedText> {
        let mut all = self.course.source.all_texts();
        all.extend(self.lessons.values().flat_map(|lesson| lesson.source.all_texts()));
        let own = self.course.source.lessons().flat_map(|lesson| &lesson.items);
        let items = own.chain(self.lessons.values().flat_map(|lesson| &lesson.source.items));
        let draws: Vec<_> = items.flat_map(|item| &item.quizzes).flat_map(|quiz| &quiz.draw).collect();
        for (slug, bank) in &self.banks {
            let of_bank = draws.iter().filter(|draw| draw.bank == *slug);
            let drawable: BTreeSet<usize> = of_bank.flat_map(|draw| bank.source.drawable(draw)).collect();
            for place in drawable {
                bank.source.questions[place].texts("", &mut |_, text| all.push(text));
            }
        }
        all
    }

    /// The version ready to be used; what was checked before.
    pub fn compile(&self) -> Course {
        let source = &self.course.source;
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
                    lessons: module.lessons.iter().filter_map(|lesson| self.lesson(lesson)).collect(),
                })
                .collect(),
        }
    }

    fn lesson(&self, lesson: &CourseLessonSource) -> Option<Lesson> {
        Some(match &lesson.shared {
            None => Lesson {
                id: LessonId(self.course.id(&lesson.key)),
                shared: false,
                source_lang: self.course.source.source_lang.clone(),
                title: lesson.title.clone(),
                items: self.items(&lesson.items, &lesson.key, &|path| self.course.id(path)),
            },
            Some(slug) => {
                let shared = self.lessons.get(slug)?;
                Lesson {
                    id: LessonId(shared.id(LESSON)),
                    shared: true,
                    source_lang: shared.source.source_lang.clone(),
                    title: shared.source.title.clone(),
                    items: self.items(&shared.source.items, LESSON, &|path| shared.id(path)),
                }
            }
        })
    }

    fn items(&self, items: &[ItemSource], at: &str, id: &impl Fn(&str) -> Uuid) -> Vec<Item> {
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
                        .map(|quiz| self.quiz(quiz, &format!("{at}/{}", quiz.key), id))
                        .collect(),
                }
            })
            .collect()
    }

    fn quiz(&self, quiz: &ItemQuizSource, at: &str, id: &impl Fn(&str) -> Uuid) -> ItemQuiz {
        let draws = quiz.draw.iter().filter_map(|draw| {
            let bank = self.banks.get(&draw.bank)?;
            let pool = bank.source.drawable(draw).map(|place| {
                let source = &bank.source.questions[place];
                Question { points: draw.points, ..source.compile(&source.key, &|path| bank.id(path)) }
            });
            Some(Draw { pool: pool.collect(), count: usize::try_from(draw.count).unwrap_or(usize::MAX) })
        });
        ItemQuiz {
            id: QuizId(id(at)),
            title: quiz.title.clone(),
            gate: quiz.gate,
            pass_mark: quiz.pass_mark,
            quiz: quiz.quiz().compile(at, id),
            draws: draws.collect(),
            bands: quiz.bands.clone(),
        }
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

    /// The item of this id, with its lesson.
    pub fn item(&self, id: ItemId) -> Option<(&Lesson, &Item)> {
        let lessons = self.modules.iter().flat_map(|module| &module.lessons);
        lessons.flat_map(|lesson| lesson.items.iter().map(move |item| (lesson, item))).find(|(_, item)| item.id == id)
    }
}

impl ItemQuiz {
    /// Whether an attempt may have questions that a person grades.
    pub fn has_open(&self) -> bool {
        let drawn = self.draws.iter().flat_map(|draw| draw.pool.iter());
        let mut all = self.quiz.questions.iter().chain(drawn);
        all.any(|question| matches!(question.kind, crate::quiz::QuestionKind::OpenEnded { .. }))
    }

    /// What gating, points and progress need of it.
    pub fn outline(&self) -> OutlineQuiz {
        let drawn: usize = self.draws.iter().map(|draw| draw.count).sum();
        let fixed = Points::whole(u32::try_from(self.quiz.points()).unwrap_or(u32::MAX));
        let draws = self.draws.iter().flat_map(|draw| {
            std::iter::repeat_n(Points::whole(draw.pool.first().map_or(0, |question| question.points)), draw.count)
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
        for (place, draw) in self.draws.iter().enumerate() {
            let known: BTreeSet<QuestionId> = quiz.questions.iter().map(|one| one.id).collect();
            let mut pool: Vec<&Question> = draw.pool.iter().filter(|question| !known.contains(&question.id)).collect();
            let part = Part::Draw(u32::try_from(place).unwrap_or(u32::MAX));
            shuffle::choose(&mut pool, draw.count, |question| question.id, numbers.of(part));
            quiz.questions.extend(pool.into_iter().take(draw.count).cloned());
        }
        quiz
    }

    /// Whether an attempt may draw this question.
    pub fn may_draw(&self, question: QuestionId) -> bool {
        self.draws.iter().any(|draw| draw.pool.iter().any(|drawn| drawn.id == question))
    }

    /// What is said to an attempt of this score.
    pub fn band(&self, score: Score) -> Option<&LocalizedText> {
        self.bands.iter().rev().find(|band| band.from <= score).map(|band| &band.feedback)
    }
}
