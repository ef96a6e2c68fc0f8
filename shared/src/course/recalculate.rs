//! Grading anew (C3): what attempts are worth by another version's keys. What follows from it, points, gates
//! and completion, is [`super::decide`]'s to say.

use std::collections::{BTreeMap, BTreeSet};

use super::{Course, ItemQuiz, Mark, Marked, OutlineQuiz, Progress, QuizProgress, Record, Regraded};
use crate::{
    ItemId, QuestionId, QuizId,
    quiz::{self, Answer, Question, QuestionKind},
};

/// An attempt that was submitted, as it is graded now.
#[derive(Clone, PartialEq, Debug)]
pub struct Attempted {
    /// What became of it.
    pub record: Record,
    /// What was answered.
    pub answers: Vec<Answer>,
    /// The questions that are a grader's to say, not the key's.
    pub of_graders: BTreeSet<QuestionId>,
}

impl Course {
    /// The quizzes of an enrollment that this version counts differently. `attempts` holds all attempts at each
    /// quiz, in order; what the version no longer has stays as it was.
    pub fn regraded(&self, progress: &Progress, attempts: &BTreeMap<QuizId, Vec<Attempted>>) -> Vec<Regraded> {
        let lessons = self.modules.iter().flat_map(|module| &module.lessons);
        let quizzes = lessons.flat_map(|lesson| &lesson.items).flat_map(|item| {
            let of_item = |quiz| (item.id, quiz);
            item.quizzes.iter().map(of_item)
        });
        quizzes
            .filter_map(|(item, quiz)| {
                let done = progress.quiz(item, quiz.id)?;
                quiz.regraded(item, done, attempts.get(&quiz.id).map_or(&[], Vec::as_slice))
            })
            .collect()
    }
}

impl ItemQuiz {
    fn regraded(&self, item_id: ItemId, done: &QuizProgress, attempts: &[Attempted]) -> Option<Regraded> {
        let records: Vec<Record> = attempts.iter().map(|attempt| self.graded_anew(attempt)).collect();
        let changed = |(now, before): (&Record, &Attempted)| (*now != before.record).then(|| now.clone());
        let changed: Vec<Record> = records.iter().zip(attempts).filter_map(changed).collect();
        let weighed = |(id, points): (&QuestionId, &u32)| (*id, self.worth(*id).map_or(*points, |(_, worth)| worth));
        let shared: BTreeMap<QuestionId, u32> = done.shared.iter().map(weighed).collect();
        let mut after = QuizProgress { shared, ..done.clone() };
        let OutlineQuiz { questions, points, .. } = self.outline();
        if records.is_empty() {
            after.fit((questions, points), |id| self.worth(id).is_some(), &[]);
        } else {
            // All attempts are known: what the progress holds of them is found anew.
            after.keep(super::attempt::Kept::default());
            after.fit((questions, points), |id| self.worth(id).is_some(), &records);
            after.keep(after.settled(records.iter().cloned()));
        }
        if changed.is_empty() && after == *done {
            return None;
        }
        let QuizProgress { best, waiting, shared, most, gone, other, missing, .. } = after;
        Some(Regraded {
            item_id,
            quiz_id: self.id,
            attempts: changed,
            best,
            waiting,
            shared,
            most,
            gone,
            other,
            missing,
        })
    }

    fn graded_anew(&self, attempt: &Attempted) -> Record {
        let marks = attempt.record.marks.iter().map(|marked| {
            if attempt.of_graders.contains(&marked.question_id) {
                return *marked;
            }
            let answer = attempt.answers.iter().find(|answer| answer.question_id == marked.question_id);
            self.worth(marked.question_id).map_or(*marked, |known| marked_anew(known, *marked, answer))
        });
        Record { attempt: attempt.record.attempt, marks: marks.collect() }
    }
}

/// What a mark is by this key. An answer that the question as it is now can't be given keeps the mark it has: it
/// was given to another question.
fn marked_anew((question, points): (&Question, u32), marked: Marked, answer: Option<&Answer>) -> Marked {
    let open = matches!(question.kind, QuestionKind::OpenEnded { .. });
    match (marked.mark, answer) {
        (Mark::Blank, _) if !open => Marked { points, ..marked },
        (Mark::Scored(_), Some(answer)) if !open && quiz::answer::fits(question, answer) => {
            let mark = quiz::grade_one(question, answer).map_or(marked.mark, Mark::Scored);
            Marked { points, mark, ..marked }
        }
        _ => marked,
    }
}
