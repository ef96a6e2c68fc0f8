//! What the widget reads: first from the device, so that it stands at once and without a network, then
//! from the server.

use jalon_shared::{
    track::StepState,
    wire::{
        enrollment::Enrollment,
        quiz::QuizResult,
        site::SiteView,
        track::{StepBody, TrackView},
    },
};

use crate::{
    api::{self, Api, Failure},
    app::Place,
    device,
    identity::{self, Guest, Member},
    keys,
    outbox::{self, Entry},
    track::quiz::Draft,
};

/// What lies on the device.
pub struct Kept {
    /// The guest, if the device knows one that is still somebody's.
    pub guest: Option<Guest>,
    /// The site.
    pub site: Option<SiteView>,
    /// The track.
    pub track: Option<TrackView>,
    /// The server's last word.
    pub enrollment: Option<Enrollment>,
    /// What it hasn't heard.
    pub pending: Vec<Entry>,
    /// Where the learner was.
    pub place: Option<(u16, u16)>,
}

/// Forgets what the server knows as well; what it doesn't – who the guest is, and what waits to be sent –
/// stays.
pub async fn forget(api: &Api) {
    device::forget_all(&keys::all(api)).await;
    device::forget_all(&keys::tracks(api)).await;
    device::forget(&keys::site(api)).await;
}

/// Reads the device. A guest whom a member called "not mine" is gone once nobody is logged in.
pub async fn kept(api: &Api, track: &str, member: Option<&Member>) -> Kept {
    let mut guest = identity::guest(api).await;
    if member.is_none() && guest.as_ref().is_some_and(|guest| guest.declined_by.is_some()) {
        identity::drop_guest(api).await;
        guest = None;
    }
    let who = member.map_or_else(|| keys::GUEST.to_owned(), |member| keys::user(&member.subject));
    let mut pending = outbox::pending(api, &who).await;
    pending.retain(|entry| entry.track == track);
    Kept {
        guest,
        site: device::load(&keys::site(api)).await,
        track: device::load(&keys::track(api, track)).await,
        enrollment: device::load(&keys::enrollment(api, &who, track)).await,
        pending,
        place: device::load(&keys::place(api, &who, track)).await,
    }
}

/// The site, kept for the next time.
pub async fn site(api: &Api) -> Result<SiteView, Failure> {
    let raw = api.get_site("").await?;
    let site = api::read(&raw)?;
    device::save(&keys::site(api), &raw).await;
    Ok(site)
}

/// The track, kept for the next time.
pub async fn track(api: &Api, slug: &str, version: Option<u32>) -> Result<TrackView, Failure> {
    let mut path = ["/tracks/", slug].concat();
    if let Some(version) = version {
        path = [&path, "?version=", &version.to_string()].concat();
    }
    let raw = api.get_site(&path).await?;
    let track = api::read(&raw)?;
    device::save(&keys::track(api, slug), &raw).await;
    Ok(track)
}

/// A step's body as it was last read, with the answers that were being given and the last result.
pub async fn kept_body(api: &Api, who: &str, track: &str, order: u16) -> Body {
    Body {
        text: device::load(&keys::body(api, who, track, order)).await,
        draft: device::load(&keys::draft(api, who, track, order)).await,
        result: device::load(&keys::result(api, who, track, order)).await,
    }
}

/// What the device holds of a step.
pub struct Body {
    /// What is to be done.
    pub text: Option<StepBody>,
    /// Answers under way.
    pub draft: Option<Draft>,
    /// What the last attempt came to.
    pub result: Option<QuizResult>,
}

/// A step's body from the server: of the enrollment where there is one, else as anybody who is new may
/// see it.
pub async fn body(
    api: &Api,
    who: &str,
    track: &str,
    enrollment: Option<&str>,
    order: u16,
) -> Result<StepBody, Failure> {
    let order_text = order.to_string();
    let raw = match enrollment {
        Some(id) => api.get(&["/enrollments/", id, "/steps/", &order_text].concat()).await?,
        None => api.get_site(&["/tracks/", track, "/steps/", &order_text].concat()).await?,
    };
    let body = api::read(&raw)?;
    device::save(&keys::body(api, who, track, order), &raw).await;
    Ok(body)
}

/// Where a learner without a remembered place goes on.
pub fn first_place(session: &crate::session::Session) -> Place {
    if session.progress.completed_at.is_some() {
        return Place::Done;
    }
    Place::Step(session.next_open(1).unwrap_or(1))
}

/// Whether a remembered place can still be shown.
pub fn can_show(session: &crate::session::Session, place: Place) -> bool {
    match place {
        Place::Done => session.progress.completed_at.is_some(),
        Place::Step(order) => session.state(order) != StepState::Locked,
    }
}
