//! The track's score (S2) and what a merge makes of it (M3, M4).

use super::{Outline, Progress};
use crate::Score;

/// The mean of the best scores of the scored steps that were done, rounded half up; `None` when none was (S2).
pub fn score(outline: &Outline, progress: &Progress) -> Option<Score> {
    Score::mean(outline.steps.iter().filter(|step| step.scored).filter_map(|step| progress.steps.get(&step.id)?.score))
}

/// The best mean that the required scored steps, with any of the optional ones, give.
///
/// A merge that finds a track complete scores it so: unlike the plain mean it never falls when work is
/// added (M4), hence it can't depend on the order in which guests are merged (M3).
pub fn merged_score(outline: &Outline, progress: &Progress) -> Option<Score> {
    let best = |required: bool| {
        outline
            .steps
            .iter()
            .filter(move |step| step.scored && step.required == required)
            .filter_map(|step| progress.steps.get(&step.id)?.score)
    };
    let mut counted: Vec<Score> = best(true).collect();
    let mut optional: Vec<Score> = best(false).collect();
    optional.sort_unstable_by(|a, b| b.cmp(a));
    for score in optional {
        let sum: u64 = counted.iter().map(|score| u64::from(score.hundredths())).sum();
        if counted.is_empty() || u64::from(score.hundredths()) * counted.len() as u64 > sum {
            counted.push(score);
        }
    }
    Score::mean(counted)
}
