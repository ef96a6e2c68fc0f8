//! What the widget reads: first from the device, so that it stands at once and without a network, then
//! from the server.

use jalon_shared::{track::StepState, wire::site::SiteView};
use wasm_bindgen::JsValue;

use crate::{
    api::{self, Api, Failure},
    app::Place,
    device,
    identity::{self, Guest, Member},
    js::{self, Unreadable},
    keys,
    outbox::{self, Entry},
    track::quiz::Draft,
    work::{self, About, Attempt, Heard, Mine, Shown, Way},
};

/// What lies on the device.
pub struct Kept {
    /// The guest, if the device knows one that is still somebody's.
    pub guest: Option<Guest>,
    /// The site.
    pub site: Option<SiteView>,
    /// The track.
    pub way: Option<Way>,
    /// The server's last word.
    pub enrollment: Option<Heard>,
    /// What it hasn't heard.
    pub pending: Vec<Entry>,
    /// Where the learner was.
    pub place: Option<(u16, u16)>,
    /// The courses there are.
    pub shelf: Option<Shelf>,
}

/// The courses there are, and those that the learner takes.
pub type Shelf = (Vec<About>, Vec<Mine>);

async fn stored<T>(key: &str, read: impl FnOnce(&JsValue) -> Result<T, Unreadable>) -> Option<T> {
    let raw = device::load_raw(key).await;
    if raw.is_undefined() { None } else { read(&raw).ok() }
}

/// An enrollment as the server last told it.
pub async fn kept_enrollment(api: &Api, who: &str, track: &str) -> Option<Heard> {
    stored(&keys::enrollment(api, who, track), |raw| work::heard(track, raw)).await
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
    let shelf = if track.is_empty() {
        let mine = device::load(&keys::mine(api, &who)).await.unwrap_or_default();
        device::load(&keys::shelf(api)).await.map(|courses| (courses, mine))
    } else {
        None
    };
    Kept {
        guest,
        site: device::load(&keys::site(api)).await,
        way: stored(&keys::track(api, track), |raw| work::way(track, raw)).await,
        enrollment: kept_enrollment(api, &who, track).await,
        pending,
        place: device::load(&keys::place(api, &who, track)).await,
        shelf,
    }
}

/// The site, kept for the next time.
pub async fn site(api: &Api) -> Result<SiteView, Failure> {
    let raw = api.get_site("").await?;
    let site = api::read(&raw)?;
    device::save(&keys::site(api), &raw).await;
    Ok(site)
}

/// The track or the course, kept for the next time.
pub async fn way(api: &Api, name: &str, version: Option<u32>) -> Result<Way, Failure> {
    let mut path = match work::course(name) {
        Some(slug) => ["/courses/", slug].concat(),
        None => ["/tracks/", name].concat(),
    };
    let mut sign = "?";
    if let Some(of) = work::lesson(name) {
        path = [&path, "?lesson=", of.lesson].concat();
        sign = "&";
    }
    if let Some(version) = version {
        path = [&path, sign, "version=", &version.to_string()].concat();
    }
    let raw = api.get_site(&path).await?;
    let way = api::readable(work::way(name, &raw))?;
    device::save(&keys::track(api, name), &raw).await;
    Ok(way)
}

/// The courses there are, where they aren't known, and those that the learner takes.
pub async fn shelf(api: &Api, who: &str, known: Option<Vec<About>>) -> Result<Shelf, Failure> {
    let courses = if let Some(courses) = known {
        courses
    } else {
        let raw = js::array(identity::list(api, "/courses").await?.into_iter());
        let courses = api::read(&raw)?;
        device::save(&keys::shelf(api), &raw).await;
        courses
    };
    // Guests take no courses.
    if who == keys::GUEST {
        return Ok((courses, Vec::new()));
    }
    let raw = js::array(identity::list(api, "/me/courses").await?.into_iter());
    let mine = api::read(&raw)?;
    device::save(&keys::mine(api, who), &raw).await;
    Ok((courses, mine))
}

/// A step's body as it was last read, with the answers that were being given and the last result.
pub async fn kept_body(api: &Api, who: &str, track: &str, order: u16, form: String) -> Body {
    let mut text = stored(&keys::body(api, who, track, order), |raw| work::shown(track, order, raw)).await;
    if let Some(text) = &mut text {
        text.begun = is_begun(api, who, track, text).await;
    }
    Body {
        text,
        draft: device::load(&keys::draft(api, who, track, &form)).await,
        result: device::load(&keys::result(api, who, track, &form)).await,
        form,
    }
}

/// Whether the lesson that a step is done in was opened here before.
async fn is_begun(api: &Api, who: &str, track: &str, step: &Shown) -> bool {
    match work::lesson_of(track, step) {
        Some(name) => !device::load_raw(&keys::enrollment_id(api, who, &name)).await.is_undefined(),
        None => false,
    }
}

/// What the device holds of a step.
pub struct Body {
    /// What is to be done.
    pub text: Option<Shown>,
    /// Answers under way.
    pub draft: Option<Draft>,
    /// What the last attempt came to.
    pub result: Option<Attempt>,
    /// Of which quiz these two are.
    pub form: String,
}

/// A step's body from the server: of the enrollment where there is one, else as anybody who is new may
/// see it.
pub async fn body(
    api: &Api,
    who: &str,
    track: &str,
    enrollment: Option<&str>,
    (order, step): (u16, String),
) -> Result<Shown, Failure> {
    let order_text = order.to_string();
    let raw = match enrollment {
        Some(id) if work::course(track).is_some() => {
            api.get(&["/course-enrollments/", id, "/items/", &step].concat()).await?
        }
        Some(id) => api.get(&["/enrollments/", id, "/steps/", &order_text].concat()).await?,
        None => api.get_site(&["/tracks/", track, "/steps/", &order_text].concat()).await?,
    };
    let mut body = api::readable(work::shown(track, order, &raw))?;
    device::save(&keys::body(api, who, track, order), &raw).await;
    body.begun = is_begun(api, who, track, &body).await;
    Ok(body)
}

/// Where a learner without a remembered place goes on.
pub fn first_place(session: &crate::session::Session) -> Place {
    if session.progress.completed_at.is_some() {
        return Place::Done;
    }
    // In a course: back to what was opened last, where it isn't done with. A film is, when its end was seen;
    // only who watches knows, so a film that was begun is gone back to.
    let last = session.base.as_ref().and_then(|base| base.standing.as_ref()?.last);
    let begun = last.and_then(|id| session.outline.step(id)).filter(|step| {
        let done = session.progress.steps.get(&step.id);
        done.is_some_and(|done| done.completed_at.is_none() || done.last_position.is_some())
    });
    let next = || session.next_open(1).unwrap_or(1);
    Place::Step(begun.map_or_else(next, |step| step.order))
}

/// Whether a remembered place can still be shown.
pub fn can_show(session: &crate::session::Session, place: Place) -> bool {
    match place {
        Place::Done => session.progress.completed_at.is_some(),
        Place::Step(order) => session.state(order) != StepState::Locked,
    }
}
