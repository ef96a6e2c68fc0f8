//! Courses, lessons and question banks as their authors write them, and what can be wrong with them.

use serde::{Deserialize, Serialize};

use crate::{
    Lang, LocalizedText, Score, VideoSource,
    address::is_safe_address,
    problem::FieldError,
    quiz::{
        Reveal,
        source::{Check, QuestionSource, QuizSource, is_default},
    },
    slug::{BankSlug, LessonSlug},
};

/// What a course is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The rules of the game.
    Rules,
    /// Coaching others.
    Coaching,
    /// Umpiring.
    Umpiring,
    /// Tactics.
    Tactics,
    /// Fitness.
    Fitness,
}

/// For whom a course is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Difficulty {
    /// No knowledge needed.
    Beginner,
    /// Some needed.
    Intermediate,
    /// Much needed.
    Advanced,
}

/// A whole course, as `PUT` and `jalon import` take it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CourseSource {
    /// What it is about.
    pub category: Category,
    /// For whom it is.
    pub difficulty: Difficulty,
    /// The language it is written in; every text must be there in it.
    pub source_lang: Lang,
    /// Its title.
    pub title: LocalizedText,
    /// What one learns; Markdown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub summary: LocalizedText,
    /// Who teaches, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instructors: Vec<InstructorSource>,
    /// 1–50 modules, in order.
    pub modules: Vec<ModuleSource>,
}

/// Somebody who teaches a course.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InstructorSource {
    /// Unique in the course.
    pub key: String,
    /// The name, as it is shown.
    pub name: String,
    /// What they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: LocalizedText,
    /// The member they are on the site, who may change the course with the role `instructor`. Learners don't see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<crate::UserId>,
}

/// A module of a course.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ModuleSource {
    /// Unique in the course; names the module over all versions.
    pub key: String,
    /// Its title.
    pub title: LocalizedText,
    /// 1–100 lessons, in order.
    pub lessons: Vec<CourseLessonSource>,
}

/// A lesson in a course: its own, with title and items; or, with `shared`, one that several courses hold.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CourseLessonSource {
    /// Unique in the course; names the lesson over all versions.
    pub key: String,
    /// The shared lesson that stands here, as it is when the course is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<LessonSlug>,
    /// Its title.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: LocalizedText,
    /// 1–100 items, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemSource>,
}

/// A lesson that several courses hold.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LessonSource {
    /// The language it is written in.
    pub source_lang: Lang,
    /// Its title.
    pub title: LocalizedText,
    /// 1–100 items, in order.
    pub items: Vec<ItemSource>,
}

/// What a lesson item shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// Something to read.
    Content,
    /// Something to watch.
    Video,
    /// An article of a content provider outside.
    Article,
}

/// A place in an item for what Jalon knows at the time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Shortcode {
    /// The course's certificate, or its sample.
    CourseCertificate,
    /// What the learner thinks of the course.
    CourseEvaluation,
    /// Others who take the course, not here now.
    PeersOffline,
    /// Others who take the course, here now.
    PeersOnline,
    /// How to check oneself.
    SelfCheckInfo,
    /// What comes after the course.
    NextSteps,
}

/// A lesson item; the field its kind asks for, and no others.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ItemSource {
    /// Unique in the lesson; names the item over all versions.
    pub key: String,
    /// What it shows.
    pub kind: ItemKind,
    /// Its title.
    pub title: LocalizedText,
    /// Content: Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<LocalizedText>,
    /// Video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoSource>,
    /// Article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<ArticleSource>,
    /// Where the item is talked about; an https address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discussion_url: Option<String>,
    /// What is shown below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortcodes: Vec<Shortcode>,
    /// Up to 10 quizzes. With any the item is mandatory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quizzes: Vec<ItemQuizSource>,
}

/// An article of a content provider outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ArticleSource {
    /// The provider, as the site's configuration names it.
    pub provider: String,
    /// The article, as the provider names it.
    pub id: String,
}

/// A quiz of a lesson item.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ItemQuizSource {
    /// Unique in the item; names the quiz over all versions.
    pub key: String,
    /// Its title.
    pub title: LocalizedText,
    /// Whether what follows waits until it is passed (C1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub gate: bool,
    /// The score that passes it; a gate needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_mark: Option<Score>,
    /// How often it may be tried, 1–1000; left out, without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Seconds to wait after a failed attempt, at most 30 days.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cooldown_seconds: u32,
    /// Whether each attempt has its own order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shuffle: bool,
    /// When right answers are shown.
    #[serde(default)]
    pub reveal: Reveal,
    /// Questions that every attempt has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<QuestionSource>,
    /// Questions that each attempt draws anew from banks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draw: Vec<DrawSource>,
    /// What is said after an attempt, by its score; at most 10, rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<BandSource>,
}

/// So many questions of a bank, drawn at random.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DrawSource {
    /// The bank.
    pub bank: BankSlug,
    /// Only questions that have one of these tags; left out, any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How many, 1–100.
    pub count: u32,
    /// What each is worth, 1–1000: drawn questions are worth the same, so that every attempt is.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub points: u32,
}

/// What is said after an attempt that reached a score.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BandSource {
    /// From this score on.
    pub from: Score,
    /// What is said; Markdown.
    pub feedback: LocalizedText,
}

/// A question bank.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BankSource {
    /// The language it is written in.
    pub source_lang: Lang,
    /// Its title.
    pub title: LocalizedText,
    /// 1–2000 questions.
    pub questions: Vec<QuestionSource>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_one(points: &u32) -> bool {
    *points == 1
}

impl CourseSource {
    /// Everything that is wrong with it; nothing, when it may become a version. Whether shared lessons and
    /// banks are there is for whoever has them to say.
    pub fn check(&self) -> Vec<FieldError> {
        let mut check = Check::new(&self.source_lang);
        check.text(&self.title, "/title", 500);
        check.optional_text(&self.summary, "/summary", 20_000);
        check.count(self.instructors.len(), 0, 50, "/instructors", "instructors");
        check.keys(self.instructors.iter().map(|one| one.key.as_str()), "/instructors");
        for (place, instructor) in self.instructors.iter().enumerate() {
            let at = format!("/instructors/{place}");
            if instructor.name.trim().is_empty() || instructor.name.len() > 200 {
                check.fault(format!("{at}/name"), "out_of_range", "a name has 1 to 200 bytes");
            }
            check.optional_text(&instructor.title, &format!("{at}/title"), 500);
            let same = |other: &InstructorSource| other.user_id == instructor.user_id;
            if instructor.user_id.is_some() && self.instructors[..place].iter().any(same) {
                check.fault(format!("{at}/user_id"), "duplicate_user", "this member is named already");
            }
        }
        check.count(self.modules.len(), 1, 50, "/modules", "modules");
        check.keys(self.modules.iter().map(|module| module.key.as_str()), "/modules");
        let mut lessons = std::collections::BTreeSet::new();
        for (place, module) in self.modules.iter().enumerate() {
            let at = format!("/modules/{place}");
            check.text(&module.title, &format!("{at}/title"), 500);
            check.count(module.lessons.len(), 1, 100, &format!("{at}/lessons"), "lessons");
            check.keys(module.lessons.iter().map(|lesson| lesson.key.as_str()), &format!("{at}/lessons"));
            for (place, lesson) in module.lessons.iter().enumerate() {
                let at = format!("{at}/lessons/{place}");
                if !lessons.insert(lesson.key.as_str()) {
                    check.fault(format!("{at}/key"), "duplicate_key", "another lesson of the course has this key");
                }
                lesson.check(&mut check, &at);
            }
        }
        let items = self.lessons().map(|lesson| lesson.items.len()).sum::<usize>();
        check.count(items, 0, 1000, "/modules", "lesson items");
        check.into_faults()
    }

    /// Its lessons, in order.
    pub fn lessons(&self) -> impl Iterator<Item = &CourseLessonSource> {
        self.modules.iter().flat_map(|module| &module.lessons)
    }

    /// Every Markdown text of it, with its pointer.
    pub fn texts<'s>(&'s self, mut take: impl FnMut(String, &'s LocalizedText)) {
        take("/summary".to_owned(), &self.summary);
        for (place, module) in self.modules.iter().enumerate() {
            for (lesson, source) in module.lessons.iter().enumerate() {
                items_texts(&source.items, &format!("/modules/{place}/lessons/{lesson}"), &mut take);
            }
        }
    }

    /// Every text that a translator would translate (L4).
    pub fn all_texts(&self) -> Vec<&LocalizedText> {
        let mut all = vec![&self.title];
        all.extend(self.instructors.iter().map(|one| &one.title));
        all.extend(self.modules.iter().map(|module| &module.title));
        all.extend(self.lessons().map(|lesson| &lesson.title));
        all.extend(self.lessons().flat_map(|lesson| titles(&lesson.items)));
        self.texts(|_, text| all.push(text));
        all
    }
}

impl CourseLessonSource {
    fn check(&self, check: &mut Check<'_>, at: &str) {
        if self.shared.is_none() {
            check.text(&self.title, &format!("{at}/title"), 500);
            check_items(&self.items, check, at);
            return;
        }
        check.optional_text(&self.title, &format!("{at}/title"), 500);
        for (name, there) in [("title", !self.title.is_empty()), ("items", !self.items.is_empty())] {
            if there {
                check.fault(
                    format!("{at}/{name}"),
                    "unknown_field",
                    "a shared lesson is written once, as a lesson of its own; here it is only named",
                );
            }
        }
    }
}

impl LessonSource {
    /// Everything that is wrong with it.
    pub fn check(&self) -> Vec<FieldError> {
        let mut check = Check::new(&self.source_lang);
        check.text(&self.title, "/title", 500);
        check_items(&self.items, &mut check, "");
        check.into_faults()
    }

    /// Every Markdown text of it, with its pointer.
    pub fn texts<'s>(&'s self, mut take: impl FnMut(String, &'s LocalizedText)) {
        items_texts(&self.items, "", &mut take);
    }

    /// Every text that a translator would translate (L4).
    pub fn all_texts(&self) -> Vec<&LocalizedText> {
        let mut all = vec![&self.title];
        all.extend(titles(&self.items));
        self.texts(|_, text| all.push(text));
        all
    }
}

impl BankSource {
    /// Everything that is wrong with it.
    pub fn check(&self) -> Vec<FieldError> {
        let mut check = Check::new(&self.source_lang);
        check.text(&self.title, "/title", 500);
        check.count(self.questions.len(), 1, 2000, "/questions", "questions");
        check.questions(&self.questions, "");
        check.into_faults()
    }

    /// Every Markdown text of it, with its pointer.
    pub fn texts<'s>(&'s self, mut take: impl FnMut(String, &'s LocalizedText)) {
        questions_texts(&self.questions, "", &mut take);
    }
}

fn check_items(items: &[ItemSource], check: &mut Check<'_>, at: &str) {
    let at = format!("{at}/items");
    check.count(items.len(), 1, 100, &at, "lesson items");
    check.keys(items.iter().map(|item| item.key.as_str()), &at);
    for (place, item) in items.iter().enumerate() {
        item.check(check, &format!("{at}/{place}"));
    }
}

fn titles(items: &[ItemSource]) -> impl Iterator<Item = &LocalizedText> {
    items.iter().flat_map(|item| std::iter::once(&item.title).chain(item.quizzes.iter().map(|quiz| &quiz.title)))
}

fn items_texts<'s>(items: &'s [ItemSource], at: &str, take: &mut impl FnMut(String, &'s LocalizedText)) {
    for (place, item) in items.iter().enumerate() {
        let at = format!("{at}/items/{place}");
        if let Some(body) = &item.body {
            take(format!("{at}/body"), body);
        }
        for (place, quiz) in item.quizzes.iter().enumerate() {
            let at = format!("{at}/quizzes/{place}");
            questions_texts(&quiz.questions, &at, take);
            for (place, band) in quiz.bands.iter().enumerate() {
                take(format!("{at}/bands/{place}/feedback"), &band.feedback);
            }
        }
    }
}

fn questions_texts<'s>(questions: &'s [QuestionSource], at: &str, take: &mut impl FnMut(String, &'s LocalizedText)) {
    for (place, question) in questions.iter().enumerate() {
        question.texts(&format!("{at}/questions/{place}"), take);
    }
}

impl ItemSource {
    /// Everything that is wrong with it where texts are written in this language; pointers start at the item.
    pub fn faults(&self, source_lang: &Lang) -> Vec<FieldError> {
        let mut check = Check::new(source_lang);
        check.keys(std::iter::once(self.key.as_str()), "");
        self.check(&mut check, "");
        check.into_faults()
    }

    fn check(&self, check: &mut Check<'_>, at: &str) {
        check.text(&self.title, &format!("{at}/title"), 500);
        let wanted = match self.kind {
            ItemKind::Content => "body",
            ItemKind::Video => "video",
            ItemKind::Article => "article",
        };
        for (name, there) in
            [("body", self.body.is_some()), ("video", self.video.is_some()), ("article", self.article.is_some())]
        {
            if there && name != wanted {
                check.fault(format!("{at}/{name}"), "unknown_field", format!("an item of this kind has `{wanted}`"));
            }
            if !there && name == wanted {
                check.fault(format!("{at}/{name}"), "missing_field", format!("an item of this kind needs `{wanted}`"));
            }
        }
        if let Some(body) = &self.body {
            check.text(body, &format!("{at}/body"), 100_000);
        }
        if let Some(video) = &self.video {
            video.check(check, &format!("{at}/video"));
        }
        if let Some(article) = &self.article {
            for (name, value) in [("provider", &article.provider), ("id", &article.id)] {
                if value.trim().is_empty() || value.len() > 500 || value.contains(char::is_control) {
                    check.fault(
                        format!("{at}/article/{name}"),
                        "out_of_range",
                        "1 to 500 bytes, no control characters",
                    );
                }
            }
        }
        if self.discussion_url.as_ref().is_some_and(|url| !is_safe_address(url)) {
            check.fault(format!("{at}/discussion_url"), "unsafe_url", "an https address is needed");
        }
        check.count(self.shortcodes.len(), 0, 10, &format!("{at}/shortcodes"), "shortcodes");
        check.count(self.quizzes.len(), 0, 10, &format!("{at}/quizzes"), "quizzes");
        check.keys(self.quizzes.iter().map(|quiz| quiz.key.as_str()), &format!("{at}/quizzes"));
        for (place, quiz) in self.quizzes.iter().enumerate() {
            quiz.check(check, &format!("{at}/quizzes/{place}"));
        }
    }
}

impl ItemQuizSource {
    /// The part that it has in common with a track's quiz: what every attempt has.
    pub fn quiz(&self) -> QuizSource {
        QuizSource {
            max_attempts: self.max_attempts,
            cooldown_seconds: self.cooldown_seconds,
            shuffle: self.shuffle,
            reveal: self.reveal,
            questions: self.questions.clone(),
        }
    }

    fn check(&self, check: &mut Check<'_>, at: &str) {
        check.text(&self.title, &format!("{at}/title"), 500);
        if self.gate && self.pass_mark.is_none() {
            check.fault(format!("{at}/pass_mark"), "missing_field", "a gate opens at a pass mark; give one");
        }
        if self.pass_mark == Some(Score::ZERO) {
            check.fault(format!("{at}/pass_mark"), "out_of_range", "a pass mark is more than 0");
        }
        if let Some(max) = self.max_attempts {
            check.range(max, 1, 1000, &format!("{at}/max_attempts"));
        }
        check.range(self.cooldown_seconds, 0, 30 * 86_400, &format!("{at}/cooldown_seconds"));
        let drawn: u64 = self.draw.iter().map(|draw| u64::from(draw.count)).sum();
        let all = usize::try_from(drawn).unwrap_or(usize::MAX).saturating_add(self.questions.len());
        check.count(all, 1, 100, &format!("{at}/questions"), "questions, those drawn included");
        check.questions(&self.questions, at);
        check.count(self.draw.len(), 0, 20, &format!("{at}/draw"), "draws");
        for (place, draw) in self.draw.iter().enumerate() {
            let at = format!("{at}/draw/{place}");
            check.tags(&draw.tags, &format!("{at}/tags"));
            check.range(draw.count, 1, 100, &format!("{at}/count"));
            check.range(draw.points, 1, 1000, &format!("{at}/points"));
        }
        check.count(self.bands.len(), 0, 10, &format!("{at}/bands"), "bands");
        for (place, band) in self.bands.iter().enumerate() {
            let at = format!("{at}/bands/{place}");
            if place > 0 && self.bands[place - 1].from >= band.from {
                check.fault(format!("{at}/from"), "out_of_range", "bands begin at rising scores");
            }
            check.text(&band.feedback, &format!("{at}/feedback"), 20_000);
        }
    }
}
