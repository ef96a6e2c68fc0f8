//! Who learns here: a guest known to this device, or the member that the page has named.

use jalon_shared::{
    GuestId,
    track::Progress,
    wire::{enrollment::Enrollment, guest::GuestCreated, merge::MergeReceipt},
};
use wasm_bindgen::JsValue;

use crate::{
    api::{self, Api, Failure},
    device, from_js, js, keys, outbox, work,
};

/// The guest of this device. The token is a secret of this page's storage (E3).
#[derive(Clone, PartialEq)]
#[expect(clippy::struct_field_names, reason = "as on the wire")]
pub struct Guest {
    /// Who it is.
    pub guest_id: GuestId,
    /// Its bearer token.
    pub token: String,
    /// The member who said "not mine": not asked again, and gone once nobody is logged in.
    pub declined_by: Option<String>,
}

impl Guest {
    /// Puts it on the device.
    pub async fn keep(&self, api: &Api) {
        let declined_by = self.declined_by.as_deref();
        let value = js::object(&[
            ("guest_id", js::text(&self.guest_id)),
            ("token", JsValue::from_str(&self.token)),
            ("declined_by", declined_by.map_or(JsValue::UNDEFINED, JsValue::from_str)),
        ]);
        device::save(&keys::guest(api), &value).await;
    }
}

/// A member, named by the page. Kept in memory only.
#[derive(Clone, PartialEq)]
pub struct Member {
    /// The token's `sub`.
    pub subject: String,
    /// What the site's login signed.
    pub token: String,
}

impl Member {
    /// Reads whom a token names; `None` when that can't be read.
    pub fn read(token: String) -> Option<Self> {
        let subject = device::subject(&token);
        (!subject.is_empty()).then_some(Self { subject, token })
    }
}

/// The guest of this device, if there is one already.
pub async fn guest(api: &Api) -> Option<Guest> {
    device::load(&keys::guest(api)).await
}

/// The guest of this device, created where there is none: only for something worth saving.
pub async fn ensure_guest(api: &Api) -> Result<Guest, Failure> {
    if let Some(guest) = guest(api).await {
        return Ok(guest);
    }
    let anchor = anchor(&keys::guest_anchor(api)).await;
    let path = ["/sites/", &api.site, "/guests"].concat();
    let created = api.change("POST", &path, &anchor, js::object(&[])).await?;
    let created: GuestCreated = api::read(&created)?;
    let guest = Guest { guest_id: created.guest_id, token: created.token, declined_by: None };
    guest.keep(api).await;
    device::forget(&keys::guest_anchor(api)).await;
    Ok(guest)
}

/// The idempotency key of something under way: the one that was stored, or a new one, stored first.
async fn anchor(key: &str) -> String {
    if let Some(anchor) = device::load::<String>(key).await {
        return anchor;
    }
    let anchor = device::uuid();
    device::save(key, &JsValue::from_str(&anchor)).await;
    anchor
}

/// The enrollment of whoever `api` asks for, begun where there is none. A lesson is opened by its track.
pub async fn ensure_enrollment(api: &Api, who: &str, track: &str) -> Result<String, Failure> {
    let path = |noun, slug| ["/sites/", &api.site, noun, slug, "/enrollments"].concat();
    let path = if let Some(of) = work::lesson(track) {
        let outer = begin(api, who, of.track, path("/tracks/", of.track)).await?;
        ["/enrollments/", &outer, "/steps/", of.order, "/lesson?step_id=", of.step].concat()
    } else if let Some(slug) = work::course(track) {
        path("/courses/", slug)
    } else {
        path("/tracks/", track)
    };
    begin(api, who, track, path).await
}

async fn begin(api: &Api, who: &str, track: &str, path: String) -> Result<String, Failure> {
    let known = keys::enrollment_id(api, who, track);
    if let Some(id) = device::load::<String>(&known).await {
        return Ok(id);
    }
    // One enrollment a (track, learner): asking twice answers the same one.
    let raw = api.change("POST", &path, &device::uuid(), js::object(&[])).await?;
    let id = keep(api, who, track, &raw).await?.id.to_string();
    device::save(&known, &JsValue::from_str(&id)).await;
    Ok(id)
}

/// Keeps the server's word on an enrollment. What a change answers holds one lesson of a course; the others
/// are as they were.
pub async fn keep(api: &Api, who: &str, track: &str, raw: &JsValue) -> Result<work::Heard, Failure> {
    // Somebody else's answer is not kept.
    let heard = api::readable(work::heard(track, raw))?;
    let key = keys::enrollment(api, who, track);
    if heard.standing.is_none() {
        device::save(&key, raw).await;
        return Ok(heard);
    }
    let before = device::load_raw(&key).await;
    let raw = device::join(&before, raw);
    device::save(&key, &raw).await;
    api::readable(work::heard(track, &raw))
}

struct List {
    items: Raw,
    next_cursor: Option<String>,
}

/// Something that is read by whoever wants it.
struct Raw(JsValue);

impl js::FromJs for Raw {
    fn from_js(value: &JsValue) -> Result<Self, js::Unreadable> {
        if value.is_object() { Ok(Self(value.clone())) } else { Err(js::Unreadable) }
    }
}

from_js! {
    Guest { guest_id, token, declined_by }
    List { items, next_cursor }
}

/// All items of a list, page by page.
pub async fn list(api: &Api, path: &str) -> Result<Vec<JsValue>, Failure> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let list: List = api::read(&api.get_site(&[path, "?limit=100", &cursor].concat()).await?)?;
        let items: Vec<Raw> = api::read(&list.items.0)?;
        all.extend(items.into_iter().map(|item| item.0));
        match list.next_cursor {
            Some(next) => cursor = ["&cursor=", &next].concat(),
            None => return Ok(all),
        }
    }
}

async fn find(api: &Api, track: &str) -> Result<Option<String>, Failure> {
    let (path, noun, slug) =
        work::course(track).map_or(("/me/enrollments", "track", track), |slug| ("/me/courses", "course", slug));
    let all = list(api, path).await?;
    let of_it = |item: &&JsValue| js::field(&js::field(item, noun), "slug").as_string().as_deref() == Some(slug);
    Ok(all.iter().find(of_it).and_then(|item| js::field(item, "id").as_string()))
}

/// The caller's enrollment in the track, if there is one; nothing is begun by looking.
pub async fn enrollment(api: &Api, who: &str, track: &str) -> Result<Option<work::Heard>, Failure> {
    let known = keys::enrollment_id(api, who, track);
    let path = if work::course(track).is_some() { "/course-enrollments/" } else { "/enrollments/" };
    let mut id = device::load::<String>(&known).await;
    let (id, raw) = loop {
        let kept = id.is_some();
        let at = if kept {
            id.take()
        } else if work::lesson(track).is_some() {
            // Who looks into it has opened it.
            Some(ensure_enrollment(api, who, track).await?)
        } else {
            find(api, track).await?
        };
        let Some(at) = at else {
            return Ok(None);
        };
        match api.get(&[path, &at].concat()).await {
            Ok(raw) => break (at, raw),
            // Merged into another one, or erased: what this device knew is no more, so ask for what is.
            Err(Failure::Refused(problem)) if problem.status == 404 => {
                device::forget(&known).await;
                device::forget(&keys::enrollment(api, who, track)).await;
                if !kept {
                    return Ok(None);
                }
            }
            Err(failure) => return Err(failure),
        }
    };
    let enrollment = api::readable(work::heard(track, &raw))?;
    device::save(&known, &JsValue::from_str(&id)).await;
    device::save(&keys::enrollment(api, who, track), &raw).await;
    Ok(Some(enrollment))
}

/// What a merge would add, in one track.
#[derive(Clone, PartialEq, Debug)]
pub struct Offer {
    /// The track's slug.
    pub track: String,
    /// How many steps the guest completed.
    pub steps: u64,
    /// How often the guest tried.
    pub attempts: u64,
}

impl Offer {
    fn of(track: &str, progress: &Progress) -> Self {
        let steps = progress.steps.values();
        Self {
            track: track.to_owned(),
            steps: steps.clone().filter(|step| step.completed_at.is_some()).count() as u64,
            attempts: steps.map(|step| u64::from(step.attempt_count)).sum(),
        }
    }
}

/// What the guest of this device did, by track: what a merge would add.
pub async fn offers(api: &Api) -> Vec<Offer> {
    let prefix = keys::enrollments(api, keys::GUEST);
    let mut offers: Vec<Offer> = Vec::new();
    for key in device::keys(&prefix).await {
        if let Some(enrollment) = device::load::<Enrollment>(&key).await {
            offers.push(Offer::of(enrollment.track.slug.as_str(), &enrollment.progress()));
        }
    }
    for entry in outbox::pending(api, keys::GUEST).await {
        let done = u64::from(entry.advance);
        let track = work::lesson(&entry.track).map_or(entry.track.as_str(), |of| of.track);
        match offers.iter_mut().find(|offer| offer.track == track) {
            Some(offer) => offer.attempts += done,
            None => offers.push(Offer { track: track.to_owned(), steps: 0, attempts: done }),
        }
    }
    offers
}

/// Merges the guest of this device into the member who asks (M1–M8), and lets go of the guest. What could
/// not be sent as the guest becomes the member's to send.
pub async fn merge(api: &Api, guest: &Guest, member: &Member) -> Result<MergeReceipt, Failure> {
    let anchor_key = keys::merge_anchor(api, &member.subject);
    let key = anchor(&anchor_key).await;
    let path = ["/sites/", &api.site, "/me/merge"].concat();
    let request = js::object(&[("guest_token", JsValue::from_str(&guest.token))]);
    let receipt = api.by(&member.token).change("POST", &path, &key, request).await;
    if let Ok(_) | Err(Failure::Refused(_)) = receipt {
        device::forget(&anchor_key).await;
    }
    let receipt: MergeReceipt = api::read(&receipt?)?;
    let user = keys::user(&member.subject);
    outbox::hand_over(api, &user).await;
    for track in &receipt.tracks {
        let slug = track.track.as_str();
        let id = track.enrollment_id.to_string();
        device::save(&keys::enrollment_id(api, &user, slug), &JsValue::from_str(&id)).await;
    }
    drop_guest(api).await;
    Ok(receipt)
}

/// Lets go of the guest on this device.
pub async fn drop_guest(api: &Api) {
    for entry in outbox::pending(api, keys::GUEST).await {
        device::forget(&keys::out(api, &entry.key)).await;
    }
    device::forget(&keys::guest(api)).await;
    device::forget(&keys::guest_anchor(api)).await;
    device::forget_all(&keys::all_of(api, keys::GUEST)).await;
}
