//! Every way things may have gone, of those that fit what was seen.

use super::server::Answer;

/// One of a batch: its moment, what was asked, what was answered.
pub type Sent<'a, A> = (u64, &'a A, Option<&'a Answer>);

/// All orders in which these may have been done; what had no answer may not have been done at all. `step` does
/// one, and says why its answer does not fit.
pub fn explore<W: Clone + PartialEq, A>(
    world: &W,
    rest: &[Sent<'_, A>],
    step: &impl Fn(&mut W, Sent<'_, A>) -> Result<(), String>,
    fit: &mut Vec<W>,
    why: &mut String,
) {
    if rest.iter().all(|(_, _, answer)| answer.is_none()) && !fit.contains(world) {
        fit.push(world.clone());
    }
    for place in 0..rest.len() {
        let mut next = world.clone();
        if let Err(error) = step(&mut next, rest[place]) {
            *why = error;
            continue;
        }
        let others: Vec<_> =
            rest.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, sent)| *sent).collect();
        if others.is_empty() {
            if !fit.contains(&next) {
                fit.push(next);
            }
        } else {
            explore(&next, &others, step, fit, why);
        }
    }
}

/// Without those that are there twice.
pub fn unlike<W: PartialEq>(worlds: Vec<W>) -> Vec<W> {
    let mut some: Vec<W> = Vec::new();
    for world in worlds {
        if !some.contains(&world) {
            some.push(world);
        }
    }
    some
}
