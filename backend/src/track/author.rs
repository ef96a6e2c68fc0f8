//! Writing tracks: every version is checked whole before anything is saved, and never changes after.

use jalon_shared::{
    FieldError, SiteId, Timestamp, TrackId,
    course::Points,
    track::{Definition, IdMap, LessonPlaces, TrackSlug, TrackSource, TrackState},
    wire::track::TrackAdmin,
};

use super::store::{self, TrackRow};
use crate::{
    course,
    db::{DbError, Tx},
    http::{error::ApiError, etag::ETag},
    id::unordered as unordered_id,
    text::markdown,
};

/// Everything that is wrong with a track as written; nothing, when it may become a version.
pub fn faults(source: &TrackSource) -> Vec<FieldError> {
    let mut faults = source.check();
    source.texts(|pointer, text| markdown::check(&pointer, text, &mut faults));
    faults
}

/// The lessons that a track's steps name, as the site has them now (published); else what is wrong with them.
async fn lessons(tx: &mut Tx<'_>, site: SiteId, source: &TrackSource) -> Result<LessonPlaces, ApiError> {
    let (mut places, mut faults) = (LessonPlaces::new(), Vec::new());
    for (place, step) in source.steps.iter().enumerate() {
        let Some(named) = &step.lesson else { continue };
        match course::lesson::find(tx, site, named, &format!("/steps/{place}/lesson")).await? {
            Ok((_, Points::ZERO)) if step.pass_mark.is_some() => faults.push(FieldError::new(
                format!("/steps/{place}/pass_mark"),
                "no_points",
                "the lesson has no quiz, so no score could reach the mark; leave it out",
            )),
            Ok((found, _)) => drop(places.insert(step.key.clone(), found)),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(places) } else { Err(ApiError::validation_failed(faults)) }
}

/// What a write made.
#[derive(Debug)]
pub struct Written {
    /// The track, after.
    pub track: TrackAdmin,
    /// Whether the track is new.
    pub created: bool,
    /// Whether a version was made; writing the same again makes none.
    pub changed: bool,
}

/// Writes a whole track as a new version, not yet published. `if_match` is checked against what is there.
pub async fn put(
    tx: &mut Tx<'_>,
    site: SiteId,
    slug: &TrackSlug,
    source: TrackSource,
    if_match: impl FnOnce(Option<&ETag>) -> Result<(), ApiError>,
    now: Timestamp,
) -> Result<Written, ApiError> {
    let faults = faults(&source);
    if !faults.is_empty() {
        return Err(ApiError::validation_failed(faults));
    }
    let before = store::track_for_update(tx, site, slug).await?;
    if_match(before.as_ref().map(|row| ETag::revision(row.revision)).as_ref())?;
    let lessons = lessons(tx, site, &source).await?;
    let Some(mut row) = before else {
        let row = TrackRow {
            id: TrackId(crate::id::new_v7(now)),
            slug: slug.clone(),
            track_type: source.track_type,
            state: TrackState::Draft,
            cms_block_enabled: source.cms_block_enabled,
            published_version: None,
            latest_version: 1,
            revision: 1,
        };
        store::insert_track(tx, site, &row, now).await?;
        let definition = Definition::new(source, IdMap::new(), lessons, || unordered_id(now));
        store::insert_version(tx, site, row.id, 1, &definition, now).await?;
        store::update_track(tx, site, &row, now).await?;
        return Ok(Written { track: admin(&row, Some(definition.source)), created: true, changed: true });
    };
    let latest = store::definition(tx, site, row.id, row.latest_version).await?;
    let latest = latest
        .ok_or_else(|| DbError::other(format!("track {} has lost its version {}", row.id, row.latest_version)))?;
    // The same words may name another lesson by now.
    let moved =
        |(key, place): (_, &jalon_shared::track::LessonPlace)| latest.lessons.get(key).is_none_or(|was| !was.is(place));
    let same = latest.source == source && !lessons.iter().any(moved);
    if same && row.cms_block_enabled == source.cms_block_enabled {
        return Ok(Written { track: admin(&row, Some(source)), created: false, changed: false });
    }
    row.revision += 1;
    row.cms_block_enabled = source.cms_block_enabled;
    row.track_type = source.track_type;
    if !same {
        row.latest_version += 1;
        let definition = Definition::new(source.clone(), latest.ids, lessons, || unordered_id(now));
        store::insert_version(tx, site, row.id, row.latest_version, &definition, now).await?;
    }
    store::update_track(tx, site, &row, now).await?;
    Ok(Written { track: admin(&row, Some(source)), created: false, changed: !same })
}

/// What a change of a track's row is.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Learners begin with the newest version from now on.
    Publish,
    /// No new enrollments; who is in goes on.
    Retire,
    /// Switches embedding and guests on or off, at once (E1).
    CmsBlock(bool),
}

/// Changes a track's row; the same change twice changes nothing.
pub async fn change(
    tx: &mut Tx<'_>,
    site: SiteId,
    slug: &TrackSlug,
    change: Change,
    if_match: impl FnOnce(Option<&ETag>) -> Result<(), ApiError>,
    now: Timestamp,
) -> Result<TrackAdmin, ApiError> {
    let mut row = store::track_for_update(tx, site, slug).await?.ok_or_else(ApiError::not_found)?;
    if_match(Some(&ETag::revision(row.revision)))?;
    let before = (row.state, row.published_version, row.cms_block_enabled);
    match change {
        Change::Publish => {
            row.state = TrackState::Published;
            row.published_version = Some(row.latest_version);
            store::mark_published(tx, site, row.id, row.latest_version, now).await?;
        }
        Change::Retire => row.state = TrackState::Retired,
        Change::CmsBlock(enabled) => row.cms_block_enabled = enabled,
    }
    if before != (row.state, row.published_version, row.cms_block_enabled) {
        row.revision += 1;
        store::update_track(tx, site, &row, now).await?;
    }
    Ok(admin(&row, None))
}

/// A track as its authors see it.
pub fn admin(row: &TrackRow, source: Option<TrackSource>) -> TrackAdmin {
    TrackAdmin {
        slug: row.slug.clone(),
        state: row.state,
        cms_block_enabled: row.cms_block_enabled,
        published_version: row.published_version,
        latest_version: row.latest_version,
        revision: row.revision,
        source,
    }
}

/// One track as its authors see it, with what they wrote.
pub async fn get(tx: &mut Tx<'_>, site: SiteId, slug: &TrackSlug) -> Result<TrackAdmin, ApiError> {
    let rows = store::tracks(tx, site).await?;
    let row = rows.into_iter().find(|row| row.slug == *slug).ok_or_else(ApiError::not_found)?;
    let definition = store::definition(tx, site, row.id, row.latest_version).await?;
    Ok(admin(&row, definition.map(|definition| definition.source)))
}
