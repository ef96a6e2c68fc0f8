//! Where things lie on the device: one name each, by backend and site, so that two sites in one page
//! origin never meet.

use crate::api::Api;

/// Whose work it is, as keys name it.
pub const GUEST: &str = "guest";

/// Whose work a member's is.
pub fn user(subject: &str) -> String {
    ["user:", subject].concat()
}

fn key(api: &Api, parts: &[&str]) -> String {
    let mut key = [&api.base, "|", &api.site].concat();
    for part in parts {
        key.push('|');
        key.push_str(part);
    }
    key
}

/// The guest's record, with its token.
pub fn guest(api: &Api) -> String {
    key(api, &["guest"])
}

/// The idempotency key under which the guest is being created: stored before it is sent, so that a lost
/// answer never makes a second guest.
pub fn guest_anchor(api: &Api) -> String {
    key(api, &["anchor"])
}

/// The idempotency key of the merge that is under way.
pub fn merge_anchor(api: &Api, subject: &str) -> String {
    key(api, &["merging", subject])
}

/// The id of an enrollment.
pub fn enrollment_id(api: &Api, who: &str, track: &str) -> String {
    key(api, &["of", who, "id", track])
}

/// The last enrollment that the server answered.
pub fn enrollment(api: &Api, who: &str, track: &str) -> String {
    key(api, &["of", who, "enrollment", track])
}

/// All enrollments of somebody.
pub fn enrollments(api: &Api, who: &str) -> String {
    key(api, &["of", who, "enrollment", ""])
}

/// The body of a step, for reading on without a network.
pub fn body(api: &Api, who: &str, track: &str, order: u16) -> String {
    key(api, &["of", who, "body", track, &order.to_string(), &api.lang])
}

/// Answers that aren't sent yet.
pub fn draft(api: &Api, who: &str, track: &str, quiz: &str) -> String {
    key(api, &["of", who, "draft", track, quiz])
}

/// What the last attempt at a quiz came to.
pub fn result(api: &Api, who: &str, track: &str, quiz: &str) -> String {
    key(api, &["of", who, "result", track, quiz])
}

/// The step that was being looked at.
pub fn place(api: &Api, who: &str, track: &str) -> String {
    key(api, &["of", who, "place", track])
}

/// Everything of somebody, but not the outbox.
pub fn all_of(api: &Api, who: &str) -> String {
    key(api, &["of", who, ""])
}

/// Everything of everybody, but not the outbox and not the guest.
pub fn all(api: &Api) -> String {
    key(api, &["of", ""])
}

/// All tracks.
pub fn tracks(api: &Api) -> String {
    key(api, &["track", ""])
}

/// The track as it was last read.
pub fn track(api: &Api, track: &str) -> String {
    key(api, &["track", track, &api.lang])
}

/// The site as it was last read.
pub fn site(api: &Api) -> String {
    key(api, &["site"])
}

/// A list of courses as it was last read.
pub fn shelf(api: &Api) -> String {
    key(api, &["track", "", "shelf", &api.lang])
}

/// The courses that somebody takes, as they were last read.
pub fn mine(api: &Api, who: &str) -> String {
    key(api, &["of", who, "mine"])
}

/// An entry of the outbox.
pub fn out(api: &Api, id: &str) -> String {
    key(api, &["out", id])
}
