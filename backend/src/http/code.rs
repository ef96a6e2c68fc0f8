//! The stable codes of problems: one list, which the answers, `/problems/{code}` and the docs share.
//!
//! A code never changes its meaning. To add one, add a line here.

/// A kind of problem.
#[derive(Debug)]
pub struct Code {
    /// What programs decide by.
    pub code: &'static str,
    /// The HTTP status it is answered with.
    pub status: u16,
    /// The problem in a few words.
    pub title: &'static str,
    /// What it means and what to do, for people.
    pub help: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal, $title:literal, $help:literal;)+) => {
        $(
            #[doc = concat!("`", $code, "`: ", $help)]
            pub static $name: Code = Code { code: $code, status: $status, title: $title, help: $help };
        )+
        /// All of them, in the order of their status.
        pub static ALL: &[&Code] = &[$(&$name),+];
    };
}

codes! {
    INVALID_JSON = 400 "invalid_json", "The body is not JSON", "The body could not be read as JSON, or is nested too deeply.";
    INVALID_IDEMPOTENCY_KEY = 400 "invalid_idempotency_key", "The idempotency key is not a UUID", "Send a UUID in the header Idempotency-Key, a new one for each thing to do and the same one for each retry.";
    INVALID_REQUEST = 400 "invalid_request", "The request can't be read", "The address, a header or the body could not be read.";
    INVALID_CURSOR = 400 "invalid_cursor", "The cursor is not one of ours", "Take the cursor from next_cursor of the page before, unchanged.";
    UNAUTHENTICATED = 401 "unauthenticated", "Not authenticated", "Send a valid token or key in the header Authorization: Bearer.";
    TOKEN_EXPIRED = 401 "token_expired", "The token has expired", "Ask for a new token and try again.";
    TOKEN_REVOKED = 401 "token_revoked", "The token was revoked", "This guest token is no longer valid; begin as a new guest.";
    FORBIDDEN = 403 "forbidden", "Not allowed", "The token or key is valid, but does not allow this.";
    ORIGIN_NOT_ALLOWED = 403 "origin_not_allowed", "The page's origin is not one of the site's", "A page may use Jalon only from an origin that the site has listed. Add the origin to the site.";
    CMS_BLOCK_DISABLED = 403 "cms_block_disabled", "The track is not open to embedding", "The track's author has not allowed it to be taken in pages of the site or by guests (cms_block_enabled).";
    OWN_WORK = 403 "own_work", "It is your own work", "Nobody judges their own work: somebody else, or a program of the site, must do it.";
    NOT_FOUND = 404 "not_found", "Not found", "There is nothing here, or nothing that you may know of.";
    UNKNOWN_SITE = 404 "unknown_site", "There is no such site", "Check how the site's name is written.";
    UNKNOWN_COURSE = 404 "unknown_course", "There is no such course", "Check how the course's name is written, and that it is published.";
    UNKNOWN_TRACK = 404 "unknown_track", "There is no such track", "Check how the track's name is written, and that it is published.";
    METHOD_NOT_ALLOWED = 405 "method_not_allowed", "The method is not allowed here", "The header Allow names the methods that are.";
    REQUEST_TIMEOUT = 408 "request_timeout", "The request came too slowly", "The body did not arrive in time; try again.";
    CONFLICT = 409 "conflict", "It conflicts with what is there", "Something else stands in the way; look at the present state and try again.";
    ALREADY_EXISTS = 409 "already_exists", "It exists already", "There is one of this name already.";
    STEP_OUT_OF_ORDER = 409 "step_out_of_order", "A step before must be completed first", "blocking_step names the first step that must be completed. Nothing was written.";
    STEP_GONE = 409 "step_gone", "The step is not in the track any more", "The learner's version of the track has no step of this id; read the enrollment again. Nothing was written.";
    LESSON_INCOMPLETE = 409 "lesson_incomplete", "The lesson is not complete", "missing_items names what is to be done in the lesson, in course_enrollment_id (null: open the lesson first). Nothing was written.";
    ITEM_LOCKED = 409 "item_locked", "A quiz before must be passed first", "blocking_item names the first lesson item whose quiz must be passed. Nothing was written.";
    ATTEMPT_OVER = 409 "attempt_over", "Another attempt is next", "These answers are for an attempt that was submitted already, or that was not begun; read the quiz again.";
    AWAITING_GRADING = 409 "awaiting_grading", "The last attempt waits for a grader", "A grader reads the open answers of the last attempt first; then another attempt is possible.";
    CLAIMED = 409 "claimed", "Another grader reads it", "claimed_until says until when it is theirs. Nothing was written.";
    NOT_QUEUED = 409 "not_queued", "No grader is asked for", "It is graded. Ask for a second opinion to have it graded once more.";
    OWN_SECOND_OPINION = 409 "own_second_opinion", "Somebody else must give the second opinion", "A second opinion comes from another grader than who asked for it.";
    ATTEMPTS_EXHAUSTED = 409 "attempts_exhausted", "All attempts are used", "The quiz allows no further attempt.";
    COOLDOWN = 409 "cooldown", "The next attempt must wait", "retry_at says when the next attempt is possible.";
    GUEST_MERGED = 409 "guest_merged", "The guest became a member", "What this guest did belongs to a member now; go on with the member's token.";
    GUEST_ALREADY_MERGED = 409 "guest_already_merged", "The guest belongs to another member", "A guest can become one member only.";
    VERSION_CONFLICT = 412 "version_conflict", "It was changed meanwhile", "The version in If-Match is not the present one: read again, then write.";
    BODY_TOO_LARGE = 413 "body_too_large", "The body is too large", "A body holds at most 256 KiB; a track, course, lesson, bank or cohort that is written 6 MiB.";
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported_media_type", "The content type is not JSON", "Send the body as application/json.";
    VALIDATION_FAILED = 422 "validation_failed", "Some fields are not valid", "errors names each field at fault.";
    UNKNOWN_FIELD = 422 "unknown_field", "There is no such field", "errors names the field; leave it out or write it as documented.";
    MISSING_FIELD = 422 "missing_field", "A field is missing", "errors names the field that is needed.";
    INVALID_VALUE = 422 "invalid_value", "A value is not valid", "errors names the field and says what it may hold.";
    IDEMPOTENCY_KEY_REUSED = 422 "idempotency_key_reused", "The idempotency key was used for something else", "The same key came with another body before; use a new key for a new request.";
    RATE_LIMITED = 429 "rate_limited", "Too many requests", "Wait as long as the header Retry-After says.";
    HEADERS_TOO_LARGE = 431 "headers_too_large", "The headers are too large", "Send fewer or shorter headers.";
    INTERNAL = 500 "internal", "Something went wrong here", "It is our fault and has been logged under the request's id (header X-Request-Id).";
    KEY_SET_UNAVAILABLE = 503 "key_set_unavailable", "The site's keys can't be fetched", "The address of the site's public keys (JWKS) does not answer; try again later.";
    OVERLOADED = 503 "overloaded", "Too busy at the moment", "Try again after the time in Retry-After.";
    WIDGET_NOT_BUILT = 503 "widget_not_built", "The widget is not part of this build", "Build the widget with cargo xtask widget, then the server.";
    UNAVAILABLE = 503 "unavailable", "Not available at the moment", "The database can't be reached; try again later.";
}

/// The kind of problem of this code.
pub fn find(code: &str) -> Option<&'static Code> {
    ALL.iter().copied().find(|known| known.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_in_order_of_status() {
        for (place, code) in ALL.iter().enumerate() {
            assert!(
                ALL[..place].iter().all(|other| other.code != code.code && other.status <= code.status),
                "{}",
                code.code
            );
        }
    }
}
