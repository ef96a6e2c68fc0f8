//! Who may judge whose work: the one place that decides it. Everything by which staff give or take points
//! (grading, recalculation, shared points) asks here.
//!
//! A program may judge everybody's work, with an API key that has the scope, and so may the operator on the command
//! line. A member may judge everybody's but their own, whatever their roles. Work is a member's own by the owner of
//! the enrollment, so what they did as a guest is theirs from the merge on; what they said of it before is put
//! before another grader then ([`store::requeue_own_grades`](super::store::requeue_own_grades)).

use jalon_shared::{Learner, UserId};

use crate::{
    http::{auth::Actor, code, error::ApiError},
    site::audit::By,
};

/// The member whose own work the caller is not to judge; `None`: they have none.
pub fn own(by: &By) -> Option<&UserId> {
    match by {
        Some(Actor::Member(user)) => Some(user),
        // A program, or the operator.
        Some(Actor::Key(_)) | None => None,
    }
}

/// Whether this caller may judge this learner's work.
pub fn may_judge(by: &By, learner: &Learner) -> bool {
    own(by).is_none_or(|user| learner.user_id() != Some(user))
}

/// Refuses who would judge their own work: 403 `own_work`.
pub fn check(by: &By, learner: &Learner) -> Result<(), ApiError> {
    if may_judge(by, learner) { Ok(()) } else { Err(ApiError::new(&code::OWN_WORK)) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use jalon_shared::GuestId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn b9_nobody_judges_their_own_work() {
        let user = |name: &str| UserId::parse(name).unwrap();
        let [anna, bert] = ["anna", "bert"].map(|name| Learner::User(user(name)));
        let guest = Learner::Guest(GuestId(Uuid::from_u128(1)));
        let by_anna = Some(Actor::Member(user("anna")));
        assert_eq!([&anna, &bert, &guest].map(|learner| may_judge(&by_anna, learner)), [false, true, true]);
        for by in [None, Some(Actor::Key(Uuid::nil()))] {
            assert!([&anna, &bert, &guest].iter().all(|learner| may_judge(&by, learner)), "{by:?}");
        }
    }
}
