//! What the learner did and the server doesn't know yet. It lies on the device before it is sent, each
//! entry under the UUIDv7 that is its idempotency key; one tab sends, in order.

use std::{cell::RefCell, collections::BTreeSet};

use jalon_shared::{
    Problem, StepId, Timestamp,
    track::{Command, enrollment::MAX_REPORT_SECONDS},
    wire::{
        enrollment::{AdvanceRequest, AdvanceResponse, Enrollment, ReportRequest},
        quiz::QuizResult,
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Api, Failure},
    device,
    identity::{self, Member},
    keys,
};

/// Something to send.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its idempotency key.
    pub key: String,
    /// Whose it is: `guest`, or `user:…`.
    pub who: String,
    /// The track's slug.
    pub track: String,
    /// The step.
    pub step: StepId,
    /// The step's order.
    pub order: u16,
    /// What was done.
    pub what: What,
    /// When, by this device's clock.
    pub at: Timestamp,
    /// How often the server answered that there is no such thing (yet).
    #[serde(default)]
    pub missed: u8,
}

/// What a learner did in a step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Completed it, or answered its quiz.
    Advance(AdvanceRequest),
    /// Spent time, moved in the video.
    Report(ReportRequest),
}

impl Entry {
    /// Whether it is more than a report of time and position.
    pub fn is_advance(&self) -> bool {
        matches!(self.what, What::Advance(_))
    }

    /// Whether it waits for the server's grading.
    pub fn is_answers(&self) -> bool {
        matches!(&self.what, What::Advance(request) if request.answers.is_some())
    }

    /// The command to decide on at once; `None` for what only the server can grade.
    pub fn command(&self) -> Option<Command> {
        match &self.what {
            What::Advance(request) if request.answers.is_none() => Some(Command::Advance {
                step: self.step,
                time_spent_seconds: request.time_spent_seconds.unwrap_or_default(),
                last_position: request.last_position,
                attempt: None,
            }),
            What::Advance(_) => None,
            What::Report(request) => Some(Command::Report {
                step: self.step,
                time_spent_seconds: request.time_spent_seconds.unwrap_or_default(),
                last_position: request.last_position,
            }),
        }
    }
}

/// What came of sending.
pub enum Sent {
    /// The server took it.
    Taken {
        /// What was sent.
        entry: Entry,
        /// By whom: the guest may just have come into being.
        token: String,
        /// The enrollment, after.
        enrollment: Box<Enrollment>,
        /// For a quiz.
        result: Option<QuizResult>,
    },
    /// The server refused it for good: the learner is told.
    Dropped {
        /// What was sent.
        entry: Entry,
        /// Why.
        problem: Box<Problem>,
    },
    /// The guest was merged elsewhere and writes no more (M5).
    GuestGone,
    /// Nothing goes at the moment.
    Waiting {
        /// Why.
        failure: Failure,
    },
}

thread_local! {
    /// Sent, and answered: where deleting an entry fails, it still isn't sent twice by this page.
    static SENT: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Everything that waits, of whoever it is, in order.
pub async fn pending(api: &Api, who: &str) -> Vec<Entry> {
    let mut waiting = Vec::new();
    for key in device::keys(&keys::out(api, "")).await {
        if let Some(entry) = device::load::<Entry>(&key).await {
            if entry.who == who && !SENT.with_borrow(|sent| sent.contains(&entry.key)) {
                waiting.push(entry);
            }
        }
    }
    waiting
}

/// Puts an entry on the device; says whether it outlives the page.
pub async fn put(api: &Api, entry: &Entry) -> bool {
    device::save(&keys::out(api, &entry.key), entry).await
}

/// What the guest could not send becomes the member's to send.
pub async fn hand_over(api: &Api, user: &str) {
    for mut entry in pending(api, keys::GUEST).await {
        user.clone_into(&mut entry.who);
        put(api, &entry).await;
    }
}

/// Sends what waits, one after the other, while no other tab does.
pub async fn drain(api: Api, member: Option<Member>, tell: impl Fn(Sent) + 'static) {
    let name = ["drain ", &api.base, "|", &api.site].concat();
    device::locked(&name, async move {
        let members = member.as_ref().map(|member| keys::user(&member.subject));
        for key in device::keys(&keys::out(&api, "")).await {
            // Read again: another tab, or a merge, may have taken it meanwhile.
            let Some(entry) = device::load::<Entry>(&key).await else {
                continue;
            };
            if SENT.with_borrow(|sent| sent.contains(&entry.key)) {
                device::forget(&key).await;
                continue;
            }
            let token = if entry.who == keys::GUEST {
                match identity::ensure_guest(&api).await {
                    Ok(guest) => guest.token,
                    Err(failure) => return tell(Sent::Waiting { failure }),
                }
            } else if members.as_ref() == Some(&entry.who) {
                member
                    .as_ref()
                    .map(|member| member.token.clone())
                    .unwrap_or_default()
            } else {
                continue;
            };
            match send(&api.by(&token), &entry).await {
                Ok((enrollment, result)) => {
                    done(&entry, &key).await;
                    let at = keys::enrollment(&api, &entry.who, &entry.track);
                    device::save(&at, &enrollment).await;
                    if let Some(result) = &result {
                        let at = keys::result(&api, &entry.who, &entry.track, entry.order);
                        device::save(&at, result).await;
                    }
                    tell(Sent::Taken {
                        entry,
                        token,
                        enrollment: Box::new(enrollment),
                        result,
                    });
                }
                Err(Failure::Refused(problem)) if problem.code == "guest_merged" => {
                    return tell(Sent::GuestGone);
                }
                Err(Failure::Refused(problem)) if problem.status == 404 && entry.missed < 2 => {
                    // Perhaps only the enrollment that this device knew is gone: begin it again.
                    let known = keys::enrollment_id(&api, &entry.who, &entry.track);
                    device::forget(&known).await;
                    let entry = Entry {
                        missed: entry.missed + 1,
                        ..entry
                    };
                    put(&api, &entry).await;
                    return tell(Sent::Waiting {
                        failure: Failure::Refused(problem),
                    });
                }
                Err(Failure::Refused(problem)) => {
                    done(&entry, &key).await;
                    tell(Sent::Dropped { entry, problem });
                }
                Err(failure) => return tell(Sent::Waiting { failure }),
            }
        }
    })
    .await;
}

async fn done(entry: &Entry, key: &str) {
    SENT.with_borrow_mut(|sent| sent.insert(entry.key.clone()));
    device::forget(key).await;
}

async fn send(api: &Api, entry: &Entry) -> Result<(Enrollment, Option<QuizResult>), Failure> {
    let id = identity::ensure_enrollment(api, &entry.who, &entry.track).await?;
    let step = ["/enrollments/", &id, "/steps/", &entry.order.to_string()].concat();
    match &entry.what {
        What::Advance(request) => {
            let path = [&step, "/advance"].concat();
            let answer: AdvanceResponse = api.change("POST", &path, &entry.key, request).await?;
            Ok((answer.enrollment, answer.result))
        }
        What::Report(request) => {
            let enrollment: Enrollment = api.change("PATCH", &step, &entry.key, request).await?;
            Ok((enrollment, None))
        }
    }
}

/// Seconds, as one report may hold them.
pub fn bounded(seconds: u32) -> Option<u32> {
    (seconds > 0).then(|| seconds.min(MAX_REPORT_SECONDS))
}
