//! Enrollments as this process last left them, so that the next step need not read and parse them again.
//!
//! What an enrollment is follows from its id and its version: each event raises the version by one, and
//! what the events say is never changed. So a copy is as good as the row while the row has its version,
//! which the transaction that uses it asks first, before anybody else can write. Only what is committed comes
//! in here. An old copy costs a read and does no harm; once found to be old it goes, so that a file that
//! somebody put back to an earlier state under a running server is believed too.
//!
//! Copies are few and live shortly: who is erased leaves memory too.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jalon_shared::{EnrollmentId, track::Enrollment};

/// Steps in one generation, about 150 bytes each: 2.5 MB.
const STEPS: usize = 16_384;
/// What an enrollment weighs besides, in steps.
const FRAME: usize = 4;

/// Enrollments that were advanced a moment ago.
#[derive(Default, Debug)]
pub(super) struct Recent {
    generations: Mutex<Generations>,
}

#[derive(Default, Debug)]
struct Generations {
    young: HashMap<EnrollmentId, Enrollment>,
    old: HashMap<EnrollmentId, Enrollment>,
    /// Steps in the young one.
    weight: usize,
}

impl Recent {
    /// Copies of those that are here. Whether they are still good, the database says.
    pub(super) fn copies(&self, ids: &[EnrollmentId]) -> Vec<Enrollment> {
        let generations = self.lock();
        let copy = |id| generations.young.get(id).or_else(|| generations.old.get(id)).cloned();
        ids.iter().filter_map(copy).collect()
    }

    /// Keeps an enrollment as it was committed.
    pub(super) fn keep(&self, enrollment: &Enrollment) {
        let mut generations = self.lock();
        let known = generations.young.get(&enrollment.id).or_else(|| generations.old.get(&enrollment.id));
        // Answers to one learner's commands may be told in any order.
        if known.is_some_and(|known| known.version >= enrollment.version) {
            return;
        }
        generations.weight += weight(enrollment);
        if let Some(before) = generations.young.insert(enrollment.id, enrollment.clone()) {
            generations.weight -= weight(&before);
        }
        if generations.weight > STEPS {
            generations.age();
        }
    }

    /// Lets go of copies that are not what the database holds, whether it is further or was put back.
    pub(super) fn drop_all(&self, outdated: &HashSet<EnrollmentId>) {
        if outdated.is_empty() {
            return;
        }
        let mut generations = self.lock();
        for id in outdated {
            generations.old.remove(id);
            if let Some(copy) = generations.young.remove(id) {
                generations.weight -= weight(&copy);
            }
        }
    }

    /// Lets go of those that nobody advanced since it was called before.
    pub(super) fn age(&self) {
        self.lock().age();
    }

    /// Lets go of all: somebody was erased.
    pub(super) fn forget(&self) {
        *self.lock() = Generations::default();
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn age(&mut self) {
        self.old = std::mem::take(&mut self.young);
        self.weight = 0;
    }
}

fn weight(enrollment: &Enrollment) -> usize {
    FRAME + enrollment.progress.steps.len()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use jalon_shared::{GuestId, Learner, SiteId, StepId, Timestamp, TrackId, track::Progress};
    use uuid::Uuid;

    use super::*;

    fn enrollment(number: u128, version: u64, steps: u128) -> Enrollment {
        let steps = (0..steps).map(|step| (StepId(Uuid::from_u128(step)), track_step())).collect();
        Enrollment {
            id: EnrollmentId(Uuid::from_u128(number)),
            site_id: SiteId(Uuid::nil()),
            track_id: TrackId(Uuid::nil()),
            track_version: 1,
            learner: Learner::Guest(GuestId(Uuid::nil())),
            lang: None,
            merged_from_guest: false,
            version,
            progress: Progress {
                current_step_order: 0,
                started_at: Timestamp(0),
                completed_at: None,
                score: None,
                accounted_until: None,
                steps,
            },
        }
    }

    fn track_step() -> jalon_shared::track::StepProgress {
        jalon_shared::track::StepProgress::default()
    }

    #[test]
    fn the_newest_is_kept_whatever_comes_first() {
        let recent = Recent::default();
        for version in [3, 5, 4] {
            recent.keep(&enrollment(1, version, 2));
        }
        let id = EnrollmentId(Uuid::from_u128(1));
        assert_eq!(recent.copies(&[id]).first().unwrap().version, 5);
        recent.age();
        assert_eq!(recent.copies(&[id]).len(), 1, "still of the old generation");
        recent.age();
        assert_eq!(recent.copies(&[id]), Vec::new());
        recent.keep(&enrollment(1, 6, 2));
        recent.forget();
        assert_eq!(recent.copies(&[id]), Vec::new());
    }

    #[test]
    fn what_is_outdated_goes_whatever_its_version() {
        let recent = Recent::default();
        let id = EnrollmentId(Uuid::from_u128(1));
        recent.keep(&enrollment(1, 3, 2));
        recent.age();
        recent.keep(&enrollment(1, 5, 2));
        recent.keep(&enrollment(2, 5, 2));
        recent.drop_all(&HashSet::from([id]));
        assert_eq!(recent.copies(&[id]), Vec::new(), "of neither generation");
        recent.keep(&enrollment(1, 4, 2));
        assert_eq!(recent.copies(&[id]).first().unwrap().version, 4, "the database was put back");
        assert_eq!(recent.copies(&[EnrollmentId(Uuid::from_u128(2))]).len(), 1);
        assert_eq!(recent.lock().weight, 2 * weight(&enrollment(1, 4, 2)));
    }

    #[test]
    fn it_is_bounded_by_what_is_in_it() {
        let recent = Recent::default();
        for number in 0..2000 {
            recent.keep(&enrollment(number, 1, 200));
            let generations = recent.lock();
            let held: usize = generations.young.values().chain(generations.old.values()).map(weight).sum();
            assert!(held <= 2 * (STEPS + FRAME + 200), "{held}");
            assert_eq!(generations.weight, generations.young.values().map(weight).sum::<usize>());
        }
        assert!(recent.copies(&[EnrollmentId(Uuid::from_u128(1999))]).len() == 1);
    }
}
