//! What an act means here and now: a wish, and the request that says it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::server::Letter;
use super::command::{ANY, Act, Give, Place, Verdict};
use super::content::{self, ITEMS, Kind, QUESTIONS, QUIZZES, SLUGS};
use super::model::{Way, What, Who, Wish, items};
use super::quiz::{Attempt, by_key};
use super::story::{Asked, Story};

impl Story<'_, '_> {
    pub(super) async fn resolve_all(&mut self, acts: &[Act]) -> Vec<Asked> {
        let mut all = Vec::new();
        for act in acts {
            all.extend(self.resolve(act).await);
        }
        all
    }

    pub(super) async fn resolve(&mut self, act: &Act) -> Option<Asked> {
        match act {
            Act::Visit { member, course, place, keyed } => Some(self.inside(
                (*member, *course),
                *place,
                *keyed,
                |_, _| ("visit".to_owned(), What::Visit, json!({})),
            )),
            Act::Report { member, course, place, seconds, position, keyed } => {
                Some(self.inside((*member, *course), *place, *keyed, |_, _| {
                    let mut body = json!({ "time_spent_seconds": seconds });
                    if let Some(position) = position {
                        body["last_position"] = (*position).into();
                    }
                    (String::new(), What::Report { seconds: *seconds, position: *position }, body)
                }))
            }
            Act::Answer { member, course, place, quiz, gives, seconds, keyed, stale } => {
                Some(self.inside((*member, *course), *place, *keyed, |story, item| {
                    let Some(quiz) = ITEMS[item].quizzes.get(quiz % ITEMS[item].quizzes.len().max(1)) else {
                        return ("visit".to_owned(), What::Visit, json!({}));
                    };
                    story.answers((*member, *course), item, *quiz, (gives, *seconds, *stale))
                }))
            }
            Act::Grade { grader, nth, verdict } => self.verdict(*grader, *nth, verdict).await,
            Act::Again { back, same_key } => {
                let mut asked = self.asked.get(self.asked.len().checked_sub(*back)?)?.clone();
                if !same_key && asked.letter.key.is_some() {
                    asked.letter.key = Some(Uuid::now_v7());
                }
                Some(asked)
            }
        }
    }

    /// Something in an item; begins the course first, where the member is not in it.
    fn inside(
        &self,
        (member, course): (usize, usize),
        place: Place,
        keyed: bool,
        what: impl FnOnce(&Self, usize) -> (String, What, Value),
    ) -> Asked {
        let (who, key) = (Who::Member(member), keyed.then(Uuid::now_v7));
        let world = &self.worlds[0];
        let Some((way, id)) = world.way(member, course).and_then(|way| Some((way, way.id?))) else {
            let path = format!("/api/v1/sites/{}/courses/{}/enrollments", self.site, SLUGS[course]);
            let letter = self.letter("POST", path, who, key, json!({}));
            return Asked { wish: Wish::Enroll { member, course }, letter };
        };
        let item = match place {
            Place::At(item) => item,
            Place::Next => {
                let complete = |item: &usize| way.items.get(item).is_some_and(|done| done.completed);
                let version = world.version(way);
                items(version).find(|item| !complete(item)).or_else(|| items(version).last()).unwrap()
            }
        };
        let (rest, what, body) = what(self, item);
        // What was never written has no id: any will do.
        let named = self.ids[course].items.get(&item).cloned().unwrap_or_else(|| Uuid::now_v7().to_string());
        let path = format!("/api/v1/course-enrollments/{id}/items/{named}/{rest}");
        let method = if rest.is_empty() { "PATCH" } else { "POST" };
        let letter = self.letter(method, path.trim_end_matches('/').to_owned(), who, key, body);
        Asked { wish: Wish::In { member, way: id, item, what }, letter }
    }

    fn answers(
        &self,
        (member, course): (usize, usize),
        item: usize,
        quiz: usize,
        (gives, seconds, stale): (&[Give], u64, bool),
    ) -> (String, What, Value) {
        let way = self.worlds[0].way(member, course).unwrap();
        let before = way.tried(item, quiz).attempts.len();
        let attempt = if stale { before } else { before + 1 };
        let ids = &self.ids[course];
        let (mut marks, mut answers) = (Attempt::new(), Vec::new());
        for (place, question) in self.questions(way, quiz, before + 1).into_iter().enumerate() {
            let give = gives[place % gives.len()];
            marks.insert(question, by_key(question, give));
            let ticks: &[&'static str] = match (QUESTIONS[question].kind, give) {
                (_, Give::Blank) => &[],
                (Kind::Several, Give::All) => &["no", "yes", "nor", "too"],
                (Kind::Several, Give::Right) => &["too", "yes"],
                (Kind::Several, Give::Half) => &["too"],
                // One that is right and one that is not: nothing (C2).
                (Kind::Several, Give::Wrong) => &["yes", "nor"],
                (_, Give::Right) => &["yes"],
                (_, Give::Wrong | Give::Half | Give::All) => &["no"],
            };
            let mut answer = json!({ "question_id": ids.questions[&question] });
            if QUESTIONS[question].kind == Kind::Open {
                answer["text"] = if give == Give::Blank { " ".into() } else { "L'arbitre.".into() };
            } else {
                answer["choice_ids"] = json!(ids.choices(question, ticks));
            }
            // A blank is left out, or sent as one.
            if give != Give::Blank || place % 2 == 0 {
                answers.push(answer);
            }
        }
        let named = ids.quizzes.get(&quiz).cloned().unwrap_or_else(|| Uuid::now_v7().to_string());
        let body = json!({ "attempt": attempt, "answers": answers, "time_spent_seconds": seconds });
        (format!("quizzes/{named}/answers"), What::Answer { quiz, attempt, marks, seconds }, body)
    }

    async fn verdict(&mut self, grader: usize, nth: usize, verdict: &Verdict) -> Option<Asked> {
        let who = Who::Grader(grader);
        // As one reads them who does not learn: the other one is not shown their own.
        let reader = Who::Grader(0);
        let path = format!("/api/v1/admin/sites/{}/open-answers", self.site);
        // The first ones of those that wait, else of all.
        let mut all = Vec::new();
        let lists = ["limit=100", "all=true&limit=100"];
        for which in lists.into_iter().skip(usize::from(nth >= ANY)) {
            let list = self.get(format!("{path}?{which}"), reader).await;
            all.extend(list.body["items"].as_array().unwrap().clone());
        }
        let open = all.get(nth % ANY % all.len().max(1))?;
        let course = SLUGS.iter().position(|slug| open["course"] == *slug).unwrap();
        let ids = &self.ids[course];
        let answer = (
            open["enrollment_id"].as_str().unwrap().parse().unwrap(),
            content::of(&ids.items, &open["item_id"]).unwrap(),
            content::of(&ids.quizzes, &open["quiz_id"]).unwrap(),
            usize::try_from(open["attempt"].as_u64().unwrap()).unwrap(),
            content::of(&ids.questions, &open["question_id"]).unwrap(),
        );
        let verdict = match verdict {
            Verdict::Accept(halves) => Verdict::Accept(halves % (QUESTIONS[answer.4].points * 2 + 2)),
            other => other.clone(),
        };
        let (word, body) = match &verdict {
            Verdict::Claim => ("claim", json!({})),
            Verdict::Release => ("release", json!({})),
            Verdict::SecondOpinion => ("second-opinion", json!({})),
            Verdict::Accept(halves) => ("accept", json!({ "points": half(*halves), "comment": "Bien." })),
            Verdict::Reject => ("reject", json!({ "reason": "Trop court." })),
        };
        let path = format!("{path}/{}/{word}", open["id"].as_str().unwrap());
        let letter = self.letter("POST", path, who, None, body);
        Some(Asked { wish: Wish::Grade { grader, answer, verdict }, letter })
    }

    /// The questions of an attempt: those that each has, or those that this one draws; none, where the version has
    /// no such quiz.
    pub(super) fn questions(&self, way: &Way, quiz: usize, attempt: usize) -> Vec<usize> {
        if !items(self.worlds[0].version(way)).any(|item| ITEMS[item].quizzes.contains(&quiz)) {
            return Vec::new();
        }
        if QUIZZES[quiz].draw == 0 {
            return self.worlds[0].version(way).asks(quiz).questions.to_vec();
        }
        let ids = &self.ids[way.course];
        let course = &ids.versions[way.version - 1];
        let lessons = course.modules.iter().flat_map(|module| &module.lessons);
        let mut quizzes = lessons.flat_map(|lesson| &lesson.items).flat_map(|item| &item.quizzes);
        let found = quizzes.find(|known| known.id.to_string() == ids.quizzes[&quiz]).unwrap();
        let order = self.served.orders.attempt(way.id.unwrap(), found.id.0, u32::try_from(attempt).unwrap());
        let drawn = found.attempt(&order);
        let drawn: Vec<usize> = drawn
            .questions
            .iter()
            .map(|question| content::of(&ids.questions, &question.id.to_string().into()).unwrap())
            .collect();
        assert_eq!(drawn.len(), QUIZZES[quiz].draw);
        drawn
    }

    pub(super) fn letter(
        &self,
        method: &'static str,
        path: String,
        who: Who,
        key: Option<Uuid>,
        body: Value,
    ) -> Letter {
        Letter { method, path, token: Some(self.token(who)), key, body: (method != "GET").then_some(body) }
    }
}

/// Half points, as the wire says points.
pub fn half(halves: u64) -> Value {
    if halves.is_multiple_of(2) { (halves / 2).into() } else { json!(f64::from(u32::try_from(halves).unwrap()) / 2.0) }
}
