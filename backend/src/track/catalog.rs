//! Tracks as learners may be shown them, held in memory.

use jalon_shared::{
    SiteId, TrackId, localized,
    track::{Definition, Outline, Track, TrackSlug, TrackState},
    weight::Weight,
};

use super::store::{self, TrackRow};
use crate::{
    catalog::{self, Completeness, Noun},
    db::{DbError, Tx},
};

/// Tracks, as the catalogue holds them.
#[derive(Debug)]
pub struct Tracks;

/// One version of a track, ready to use.
#[derive(Debug)]
pub struct Held {
    /// What it holds, keys included.
    pub track: Track,
    /// What gating needs of it.
    pub outline: Outline,
}

/// Every site's tracks.
pub type Catalog = catalog::Catalog<Tracks>;
/// One version of a track.
pub type Version = catalog::Version<Tracks>;

impl Noun for Tracks {
    type Id = TrackId;
    type Slug = TrackSlug;
    type Row = TrackRow;
    type Held = Held;

    fn id(row: &TrackRow) -> TrackId {
        row.id
    }

    fn uuid(id: TrackId) -> uuid::Uuid {
        id.0
    }

    fn slug(row: &TrackRow) -> &TrackSlug {
        &row.slug
    }

    fn published_version(row: &TrackRow) -> Option<u32> {
        row.published_version.filter(|_| row.state == TrackState::Published)
    }

    fn weight(held: &Held) -> usize {
        held.track.heap() + held.outline.heap()
    }

    async fn rows(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<TrackRow>, DbError> {
        store::tracks(tx, site).await
    }

    async fn text(tx: &mut Tx<'_>, site: SiteId, id: TrackId, number: u32) -> Result<Option<String>, DbError> {
        store::definition_text(tx, site, id, number).await
    }

    fn compile(text: &str) -> Result<(Held, Completeness), serde_json::Error> {
        let definition: Definition = serde_json::from_str(text)?;
        let completeness = localized::completeness(definition.source.all_texts());
        let track = definition.compile();
        let outline = track.outline();
        Ok((Held { track, outline }, completeness))
    }

    async fn was_published(tx: &mut Tx<'_>, site: SiteId, id: TrackId, number: u32) -> Result<bool, DbError> {
        store::was_published(tx, site, id, number).await
    }
}
