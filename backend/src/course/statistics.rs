//! How a course's questions do: how often they are right, how well they separate, what is chosen. By first
//! attempts: later ones know the questions.

use std::collections::BTreeMap;

use jalon_shared::{
    ChoiceId, CourseId, Lang, QuestionId, QuizId, Score, SiteId,
    course::{Mark, Record},
    quiz::Answer,
    wire::course::{ChoiceStatistics, QuestionStatistics},
};

use super::{catalog::Version, store};
use crate::{
    db::{Db, DbError},
    text::In,
};

/// Learners looked at, at most: the newest.
const LEARNERS: i64 = 20_000;
/// Attempts read at once.
const PAGE: i64 = 2_000;

/// The sums of one question, over first attempts in which it was graded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// How often it stood in an attempt.
    pub shown: u64,
    /// How often nothing was answered.
    pub blank: u64,
    /// How often a grader is waited for.
    pub waiting: u64,
    /// Who got all its points.
    pub right: u64,
    graded: f64,
    own: f64,
    own_squared: f64,
    rest: f64,
    rest_squared: f64,
    product: f64,
    chosen: BTreeMap<ChoiceId, u64>,
}

impl Sums {
    /// The mean share of its points.
    pub fn mean(&self) -> Option<Score> {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 10,000")]
        (self.graded > 0.0)
            .then(|| Score::from_hundredths((self.own / self.graded * 1e4).round() as i64).ok())
            .flatten()
    }

    /// How well it separates those who do well from those who don't: the correlation of its score with the
    /// score of the rest of the attempt, −1 to 1; `None` where one of them never differs.
    pub fn discrimination(&self) -> Option<f64> {
        let n = self.graded;
        let variance = |squared: f64, sum: f64| n * squared - sum * sum;
        let (own, rest) = (variance(self.own_squared, self.own), variance(self.rest_squared, self.rest));
        if n < 2.0 || own <= 1e-9 || rest <= 1e-9 {
            return None;
        }
        let together = n * self.product - self.own * self.rest;
        Some((together / (own * rest).sqrt() * 1e4).round() / 1e4)
    }

    fn grade(&mut self, own: f64, rest: f64) {
        self.graded += 1.0;
        self.own += own;
        self.own_squared += own * own;
        self.rest += rest;
        self.rest_squared += rest * rest;
        self.product += own * rest;
    }
}

fn share(mark: Mark) -> Option<f64> {
    match mark {
        Mark::Scored(score) => Some(f64::from(score.hundredths()) / 1e4),
        Mark::Blank | Mark::Rejected => Some(0.0),
        Mark::Ungraded => None,
    }
}

/// Adds an attempt to the sums of its questions.
pub fn add(to: &mut BTreeMap<QuestionId, Sums>, record: &Record, answers: &[Answer]) {
    let points =
        |marked: &jalon_shared::course::Marked| share(marked.mark).map(|share| share * f64::from(marked.points));
    let of: f64 = record.marks.iter().map(|marked| f64::from(marked.points)).sum();
    let earned: f64 = record.marks.iter().filter_map(points).sum();
    for marked in &record.marks {
        let sums = to.entry(marked.question_id).or_default();
        sums.shown += 1;
        match marked.mark {
            Mark::Blank => sums.blank += 1,
            Mark::Ungraded => sums.waiting += 1,
            Mark::Scored(Score::FULL) => sums.right += 1,
            Mark::Scored(_) | Mark::Rejected => {}
        }
        if let Some(own) = share(marked.mark) {
            let rest_of = of - f64::from(marked.points);
            let rest = earned - own * f64::from(marked.points);
            sums.grade(own, if rest_of > 0.0 { rest / rest_of } else { 0.0 });
        }
        let answer = answers.iter().find(|answer| answer.question_id == marked.question_id);
        for choice in answer.and_then(|answer| answer.choice_ids.as_deref()).unwrap_or_default() {
            *sums.chosen.entry(*choice).or_default() += 1;
        }
    }
}

/// The statistics of all questions of a course, in the order of the version; those that stood in no attempt too.
pub async fn questions(
    db: &Db,
    site: SiteId,
    course: CourseId,
    version: &Version,
    wanted: &[Lang],
) -> Result<Vec<QuestionStatistics>, DbError> {
    let mut sums: BTreeMap<QuizId, BTreeMap<QuestionId, Sums>> = BTreeMap::new();
    let (mut before, mut learners) = (uuid::Uuid::max(), 0);
    while learners < LEARNERS {
        // In pages: nothing is held open, and never all attempts in memory.
        let page = db
            .read(move |tx| Box::pin(async move { store::first_attempts(tx, site, course, before, PAGE).await }))
            .await?;
        let Some(last) = page.last() else { break };
        (before, learners) = (last.enrollment_id, learners + PAGE);
        for attempt in &page {
            let Some(quiz_id) = attempt.quiz_id else { continue };
            let record: Record = serde_json::from_str(attempt.record.as_deref().unwrap_or_default())?;
            let answers: Vec<Answer> = serde_json::from_str(attempt.answers.as_deref().unwrap_or_default())?;
            add(sums.entry(QuizId(quiz_id)).or_default(), &record, &answers);
        }
    }
    let mut all = Vec::new();
    for (lesson, item) in version
        .course
        .modules
        .iter()
        .flat_map(|module| &module.lessons)
        .flat_map(|lesson| lesson.items.iter().map(move |item| (lesson, item)))
    {
        let texts = In { wanted, source: &lesson.source_lang };
        for quiz in &item.quizzes {
            let empty = BTreeMap::new();
            let of_quiz = sums.get(&quiz.id).unwrap_or(&empty);
            for (question, _) in quiz.questions() {
                let own = of_quiz.get(&question.id).cloned().unwrap_or_default();
                all.push(QuestionStatistics {
                    item_id: item.id,
                    quiz_id: quiz.id,
                    question_id: question.id,
                    prompt: texts.inline(&question.prompt),
                    shown: own.shown,
                    blank: own.blank,
                    waiting: own.waiting,
                    right: own.right,
                    mean_score: own.mean(),
                    discrimination: own.discrimination(),
                    choices: own
                        .chosen
                        .iter()
                        .map(|(id, times)| ChoiceStatistics { choice_id: *id, times: *times })
                        .collect(),
                });
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jalon_shared::course::Marked;

    fn record(marks: &[Mark]) -> Record {
        let marks = marks.iter().enumerate().map(|(n, mark)| Marked { question_id: id(n), points: 1, mark: *mark });
        Record { attempt: 1, marks: marks.collect() }
    }

    fn id(n: usize) -> QuestionId {
        QuestionId(uuid::Uuid::from_u128(n as u128 + 1))
    }

    #[test]
    fn a_question_that_the_good_ones_know_separates_and_one_that_all_know_does_not() {
        let (yes, no) = (Mark::Scored(Score::FULL), Mark::Scored(Score::ZERO));
        let mut sums = BTreeMap::new();
        // The first goes with the rest, the second against it, the third is always right, the fourth waits.
        for marks in [
            [yes, no, yes, yes, yes],
            [yes, no, yes, yes, yes],
            [no, yes, yes, no, no],
            [no, yes, yes, no, Mark::Ungraded],
        ] {
            add(&mut sums, &record(&marks), &[]);
        }
        let of = |n: usize| sums[&id(n)].clone();
        assert!(
            of(0).discrimination().is_some_and(|d| d > 0.5) && of(1).discrimination().is_some_and(|d| d < -0.9),
            "{sums:?}"
        );
        assert_eq!((of(2).discrimination(), of(2).mean(), of(2).right), (None, Some(Score::FULL), 4));
        assert_eq!((of(4).waiting, of(4).shown, of(0).mean()), (1, 4, Some(Score::ratio(1, 2))));
    }
}
