//! What is the learner's own: the list of enrollments, the export of everything, and erasure.

use jalon_shared::{
    Learner, SiteId, Timestamp,
    track::{Enrollment, Progress},
    wire::enrollment::EnrollmentStatus,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{catalog::Catalog, completed, enroll, problem, store};
use crate::{
    course,
    db::{Db, DbError},
    guest::{self, store::GuestState},
    http::{auth::Actor, error::ApiError, idempotency},
    id,
};

/// How far an enrollment is.
pub fn status(progress: &Progress) -> EnrollmentStatus {
    if progress.completed_at.is_some() {
        EnrollmentStatus::Completed
    } else if progress.current_step_order > 0 {
        EnrollmentStatus::InProgress
    } else {
        EnrollmentStatus::Started
    }
}

/// A page of the learner's enrollments, oldest first, after this id; one more than `limit`, where there
/// is one, so that the caller knows of a next page. 409 `guest_merged` for a guest who became a member (M5).
pub async fn enrollments(
    db: &Db,
    catalog: &Catalog,
    (site, site_slug): (SiteId, String),
    learner: Learner,
    wanted: Option<EnrollmentStatus>,
    after: Uuid,
    limit: u32,
) -> Result<Vec<jalon_shared::wire::enrollment::Enrollment>, ApiError> {
    let catalog = catalog.clone();
    let enough = usize::try_from(limit).unwrap_or(100) + 1;
    db.read(move |tx| {
        Box::pin(async move {
            let (mut found, mut after) = (Vec::new(), after);
            loop {
                let page = store::enrollments_of_learner(tx, site, &learner, after, 200).await?;
                let last = page.len() < 200;
                for enrollment in page {
                    after = enrollment.id.0;
                    if wanted.is_none_or(|wanted| wanted == status(&enrollment.progress)) {
                        let version = super::version_of(tx, &catalog, &enrollment).await?;
                        found.push(enroll::view(&enrollment, &version, &site_slug));
                    }
                    if found.len() == enough {
                        return Ok(found);
                    }
                }
                if last {
                    if found.is_empty() {
                        guest::state::may_read(tx, site, &learner).await?;
                    }
                    return Ok(found);
                }
            }
        })
    })
    .await
}

async fn all(tx: &mut crate::db::Tx<'_>, site: SiteId, learner: &Learner) -> Result<Vec<Enrollment>, DbError> {
    let (mut all, mut after) = (Vec::new(), Uuid::nil());
    loop {
        let page = store::enrollments_of_learner(tx, site, learner, after, 500).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = last.id.0;
        all.extend(page);
    }
}

/// Everything about the learner, as one JSON object: enrollments as they are, and every event they add up from.
/// 409 `guest_merged` for a guest who became a member (M5): what they did is in the member's.
pub async fn export(
    db: &Db,
    (catalog, courses): (&Catalog, &course::catalog::Catalog),
    site: SiteId,
    site_slug: String,
    learner: Learner,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let (catalog, courses) = (catalog.clone(), courses.clone());
    db.read(move |tx| {
        Box::pin(async move {
            guest::state::may_read(tx, site, &learner).await?;
            let mut enrollments = Vec::new();
            for enrollment in all(tx, site, &learner).await? {
                let version = super::version_of(tx, &catalog, &enrollment).await?;
                enrollments.push(enroll::view(&enrollment, &version, &site_slug));
            }
            let mut events = Vec::new();
            for event in store::events_of_learner(tx, site, &learner).await? {
                events.push(event_json(&event)?);
            }
            let guests = match &learner {
                Learner::User(user) => store::guests_of_user(tx, site, user).await?,
                Learner::Guest(_) => Vec::new(),
            };
            Ok(json!({
                "site": site_slug,
                "user_id": learner.user_id(),
                "guest_id": learner.guest_id(),
                "merged_guests": guests,
                "enrollments": enrollments,
                "course_enrollments": course::learn::all_of(tx, &courses, (site, &site_slug), &learner, now).await?,
                "course_evaluations": course::evaluation::all_of(tx, site, &learner).await?.into_iter()
                    .map(|(id, said)| json!({ "enrollment_id": id, "rating": said.rating, "comment": said.comment }))
                    .collect::<Vec<_>>(),
                "events": events,
            }))
        })
    })
    .await
}

/// An event as exports and the audit trail show it.
pub fn event_json(event: &store::EventRow) -> Result<Value, DbError> {
    let payload: Value = serde_json::from_str(&event.payload)?;
    Ok(json!({
        "id": event.id,
        "type": event.kind,
        "subject_id": event.subject_id,
        "seq": event.seq,
        "user_id": event.user_id,
        "guest_id": event.guest_id,
        "at": jalon_shared::Timestamp(event.at),
        "cause": event.cause,
        "payload": payload,
    }))
}

/// Who erases.
#[derive(Clone, Debug)]
pub enum Eraser {
    /// The learner, with their own token.
    Learner,
    /// Somebody who may, for the learner; it is written down, without the learner's name.
    Staff(Actor, Timestamp),
}

/// Erases everything about the learner: nothing of theirs is left in any table. What a guest did who
/// became a member is the member's to erase: the guest's token no longer writes (M5).
pub async fn erase(db: &Db, site: SiteId, learner: Learner, by: Eraser) -> Result<(), ApiError> {
    db.write(move |tx| {
        Box::pin(async move {
            if let Learner::User(user) = &learner {
                // A merge at this moment would leave behind what it brings.
                store::lock_member(tx, site, user).await?;
            }
            if let Learner::Guest(guest) = &learner {
                match guest::state::state_for_update(tx, site, *guest).await? {
                    Some(GuestState::Merged(_)) => return Err(problem::guest_merged()),
                    Some(GuestState::Revoked) if matches!(by, Eraser::Learner) => return Err(ApiError::token_revoked()),
                    // Gone already: erasing again is no error.
                    Some(GuestState::Live | GuestState::Revoked) | None => {}
                }
            }
            // Held until the end: what is done at this moment comes before, and goes too.
            let ids: Vec<_> = all(tx, site, &learner).await?.into_iter().map(|enrollment| enrollment.id).collect();
            let tracks: Vec<_> = store::enrollments_for_update(tx, &ids)
                .await?
                .into_iter()
                .map(|enrollment| enrollment.track_id)
                .collect();
            let mut whole = vec![learner.clone()];
            if let Learner::User(user) = &learner {
                whole.extend(store::guests_of_user(tx, site, user).await?.into_iter().map(Learner::Guest));
            }
            let mut courses = Vec::new();
            for who in &whole {
                courses.extend(course::store::courses_for_update(tx, site, who).await?);
            }
            // The member last: by it the merged guests are found.
            for who in whole.iter().rev() {
                let mut keys: Vec<String> = tracks.iter().map(|track| completed::dedupe_key(*track, who)).collect();
                keys.extend(courses.iter().map(|course| course::completed::dedupe_key(*course, who)));
                store::erase_learner(tx, site, who, &idempotency::caller_of(who), &keys).await?;
                // After the events, which are found by these.
                course::store::erase(tx, site, who).await?;
            }
            if let Eraser::Staff(actor, now) = by {
                store::append_events(tx, &[erased(site, actor, now)]).await?;
            }
            Ok(())
        })
    })
    .await?;
    db.scrub();
    Ok(())
}

/// That somebody was erased, and by whom; not who.
fn erased(site: SiteId, actor: Actor, now: Timestamp) -> store::EventRecord {
    let (user_id, key_id) = match actor {
        Actor::Key(id) => (None, Some(id)),
        Actor::Member(user) => (Some(user), None),
    };
    store::EventRecord {
        id: id::new_v7(now),
        site_id: site,
        subject_id: id::new_v7(now),
        seq: 1,
        kind: "learner.erased",
        user_id,
        guest_id: None,
        at: now.0,
        cause: None,
        payload: json!({ "key_id": key_id }).to_string(),
    }
}
