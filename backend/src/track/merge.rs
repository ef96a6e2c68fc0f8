//! A guest becomes a member: everything of theirs, in one transaction, once (M1–M8).

use std::{collections::HashMap, sync::Arc};

use jalon_shared::{
    GuestId, Learner, SiteId, Timestamp, UserId,
    track::{Enrollment, Outline, TrackEvent, merge},
    wire::merge::{MergeOutcome, MergeReceipt, MergedTrack},
};
use uuid::Uuid;

use super::{
    again_after_conflict,
    catalog::{Catalog, Version},
    completed, problem,
    store::{self, EventRecord},
};
use crate::{
    course::{self, catalog::Catalog as Courses},
    db::{Db, DbError, Tx},
    guest::{self, store::GuestState},
    http::{
        error::ApiError,
        idempotency::{self, Lookup},
    },
    webhook::outbox,
};

/// A wish to take over what a guest did.
#[derive(Clone, Debug)]
pub struct Merge {
    /// The site of both.
    pub site: SiteId,
    /// The site's slug.
    pub site_slug: Arc<str>,
    /// The member.
    pub user: UserId,
    /// The guest whose token was shown.
    pub guest: GuestId,
    /// The idempotency key of the request. The merge itself is idempotent (M3); the key also says that
    /// it was not meant for another guest.
    pub key: Option<idempotency::Query>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The receipt, as JSON.
    pub receipt: String,
    /// Whether its key was answered before.
    pub replay: bool,
}

/// Merges; answers the receipt, the same again for the same guest and member (M3, M7).
pub async fn merge(
    db: &Db,
    catalog: &Catalog,
    courses: &Courses,
    wish: Merge,
    now: Timestamp,
) -> Result<Merged, ApiError> {
    // Another guest of the same member, merged at the same moment elsewhere, may have taken the place
    // that this one found free.
    again_after_conflict(|| {
        let (catalog, courses, wish) = (catalog.clone(), courses.clone(), wish.clone());
        db.write(move |tx| Box::pin(async move { keyed(tx, &catalog, &courses, wish, now).await }))
    })
    .await
}

async fn keyed(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    courses: &Courses,
    wish: Merge,
    now: Timestamp,
) -> Result<Merged, ApiError> {
    // Two guests of one member, merged at the same moment, would take the same places in the tracks, each
    // in the order of its own enrollments, and wait for each other for ever.
    store::lock_member(tx, wish.site, &wish.user).await?;
    let key = wish.key.clone();
    if let Some(query) = &key {
        match idempotency::lookup(tx, query).await? {
            Lookup::Replay(before) => return Ok(Merged { receipt: before.response, replay: true }),
            Lookup::Reused => return Err(ApiError::idempotency_key_reused()),
            Lookup::Fresh => {}
        }
    }
    let receipt = merge_in(tx, catalog, courses, wish, now).await?;
    let receipt = serde_json::to_string(&receipt).map_err(DbError::from)?;
    if let Some(query) = key {
        idempotency::remember(tx, &idempotency::Answer { query, status: 200, response: receipt.clone() }, now).await?;
    }
    Ok(Merged { receipt, replay: false })
}

async fn merge_in(
    tx: &mut Tx<'_>,
    catalog: &Catalog,
    courses: &Courses,
    wish: Merge,
    now: Timestamp,
) -> Result<MergeReceipt, ApiError> {
    // Locked: two merges of one guest, or a merge and an enrollment, come one after the other.
    match guest::state::state_for_update(tx, wish.site, wish.guest).await? {
        Some(GuestState::Live) => {}
        Some(GuestState::Merged(user)) if user == wish.user => {
            let receipt = guest::state::receipt(tx, wish.site, wish.guest)
                .await?
                .ok_or_else(|| DbError::other("a merge without its receipt"))?;
            return Ok(serde_json::from_str(&receipt).map_err(DbError::from)?);
        }
        Some(GuestState::Merged(_)) => return Err(problem::guest_already_merged()),
        // Not 401: the member's own token is good.
        Some(GuestState::Revoked) | None => {
            return Err(ApiError::invalid_value("/guest_token", "The guest token was revoked."));
        }
    }
    let mut work = Work {
        now,
        site_slug: &wish.site_slug,
        cause: wish.key.as_ref().map(|query| query.key),
        changed: Vec::new(),
        events: Vec::new(),
        messages: Vec::new(),
    };
    let learners = [Learner::User(wish.user.clone()), Learner::Guest(wish.guest)];
    let mut own: HashMap<_, _> = HashMap::new();
    let mut theirs = Vec::new();
    for enrollment in store::enrollments_of_both(tx, wish.site, &wish.user, wish.guest).await? {
        if enrollment.learner == learners[0] {
            own.insert(enrollment.track_id, enrollment);
        } else {
            theirs.push(enrollment);
        }
    }
    let mut tracks = Vec::with_capacity(theirs.len());
    for guest in theirs {
        let merged = match own.remove(&guest.track_id) {
            None => work.take_over(&*super::version_of(tx, catalog, &guest).await?, guest, &wish.user)?,
            Some(user) => {
                let mut begun_in = store::versions_begun_in(tx, &user).await?;
                begun_in.extend([user.track_version, guest.track_version]);
                let mut versions = Vec::with_capacity(begun_in.len());
                // The highest first: it is kept.
                for number in begun_in.into_iter().rev() {
                    versions.push(super::version_numbered(tx, catalog, &user, number).await?);
                }
                // Gone before the member's is saved: at most one enrollment per track and learner.
                store::delete_enrollment(tx, wish.site, guest.id).await?;
                work.take_in(&versions, user, guest)?
            }
        };
        tracks.push(merged);
    }
    tracks.sort_by(|a, b| a.track.cmp(&b.track));
    if !work.changed.is_empty() {
        store::update_enrollments(tx, &work.changed).await?;
    }
    store::append_events(tx, &work.events).await?;
    outbox::enqueue(tx, &work.messages, now).await?;
    let merging = course::merge::Merging {
        site: wish.site,
        site_slug: &wish.site_slug,
        user: &wish.user,
        guest: wish.guest,
        cause: wish.key.as_ref().map(|query| query.key),
        now,
    };
    let courses = course::merge::merge(tx, courses, &merging).await?;
    let receipt = MergeReceipt { guest_id: wish.guest, user_id: wish.user, merged_at: now, tracks, courses };
    let text = serde_json::to_string(&receipt).map_err(DbError::from)?;
    guest::state::mark_merged(tx, wish.site, wish.guest, &receipt.user_id, &text, now).await?;
    Ok(receipt)
}

/// What a merge comes to, gathered for the writes.
struct Work<'a> {
    now: Timestamp,
    site_slug: &'a str,
    cause: Option<Uuid>,
    changed: Vec<Enrollment>,
    events: Vec<EventRecord>,
    messages: Vec<outbox::Message>,
}

impl Work<'_> {
    /// The guest's enrollment changes owner (M1).
    fn take_over(
        &mut self,
        version: &Version,
        mut enrollment: Enrollment,
        user: &UserId,
    ) -> Result<MergedTrack, DbError> {
        let from_guest = merge::steps_from_guest(None, &enrollment.progress);
        let happened = merge::decide_move(&enrollment, user, self.now);
        self.apply(version, &mut enrollment, &happened)?;
        let merged = receipt_line(version, &enrollment, MergeOutcome::Moved, &from_guest, &happened);
        self.changed.push(enrollment);
        Ok(merged)
    }

    /// The guest's enrollment goes into the member's (M2).
    fn take_in(
        &mut self,
        versions: &[Arc<Version>],
        mut user: Enrollment,
        mut guest: Enrollment,
    ) -> Result<MergedTrack, DbError> {
        let from_guest = merge::steps_from_guest(Some(&user.progress), &guest.progress);
        let kept = versions.first().ok_or_else(|| DbError::other("an enrollment in no version"))?;
        let outlines: Vec<&Outline> = versions.iter().map(|version| &version.outline).collect();
        let happened = merge::decide_merge(&outlines, &user, &guest, self.now);
        self.apply(kept, &mut user, &happened)?;
        let absorbed = TrackEvent::Absorbed { into: user.id, at: self.now };
        guest.apply(&absorbed);
        self.events.push(EventRecord::new(&guest, &absorbed, crate::id::new_v7(self.now), self.cause, self.now)?);
        let outcome = if from_guest.is_empty() { MergeOutcome::Kept } else { MergeOutcome::Merged };
        let merged = receipt_line(kept, &user, outcome, &from_guest, &happened);
        self.changed.push(user);
        Ok(merged)
    }

    fn apply(
        &mut self,
        version: &Version,
        enrollment: &mut Enrollment,
        happened: &[TrackEvent],
    ) -> Result<(), DbError> {
        for event in happened {
            enrollment.apply(event);
            let id = crate::id::new_v7(self.now);
            self.events.push(EventRecord::new(enrollment, event, id, self.cause, self.now)?);
            if let TrackEvent::Completed { .. } = event {
                self.messages.push(completed::message(enrollment, version, self.site_slug, event, id, self.now)?);
            }
        }
        Ok(())
    }
}

fn receipt_line(
    version: &Version,
    enrollment: &Enrollment,
    outcome: MergeOutcome,
    from_guest: &[jalon_shared::StepId],
    happened: &[TrackEvent],
) -> MergedTrack {
    MergedTrack {
        track: version.slug.clone(),
        enrollment_id: enrollment.id,
        outcome,
        current_step_order: enrollment.progress.current_step_order,
        steps_from_guest: version
            .outline
            .steps
            .iter()
            .filter(|step| from_guest.contains(&step.id))
            .map(|step| step.order)
            .collect(),
        completed_by_merge: happened.iter().any(|event| matches!(event, TrackEvent::Completed { .. })),
    }
}
