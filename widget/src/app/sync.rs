//! What the learner did on its way to the server, and what the server says to it.

use jalon_shared::wire::enrollment::AdvanceRequest;
use wasm_bindgen::JsValue;
use yew::html::Scope;

use super::{App, LONGEST_TOLD_SECONDS, LONGEST_WAIT_SECONDS, Loaded, Msg};
use crate::{
    api::{Failure, Problem},
    device, identity, keys, load,
    merge::Merge,
    outbox::{self, Entry, Paper, Sent},
    task,
    work::ONLY,
};

impl App {
    /// What the learner did: shown at once, put on the device, then sent.
    pub(crate) fn record(
        &mut self,
        link: &Scope<Self>,
        order: u16,
        advance: bool,
        request: AdvanceRequest,
        paper: Option<Paper>,
    ) {
        let Some(step) = self.session.outline.at(order).map(|step| step.id) else {
            return;
        };
        let mut entry = Entry {
            key: device::uuid(),
            who: self.who(),
            track: self.config.track.clone(),
            step,
            order,
            advance,
            request,
            at: device::now(),
            missed: 0,
            paper,
        };
        let replaced = self.fold(&mut entry);
        self.session.pending.push(entry.clone());
        self.settle(link);
        self.put(link, entry, replaced);
    }

    /// Puts something on the device, in the place of an older one, then sends it.
    pub(crate) fn put(&mut self, link: &Scope<Self>, entry: Entry, replaced: Option<String>) {
        self.emit("sync", &[("state", self.sync_state().into())]);
        let (api, again) = (self.api.clone(), link.clone());
        // Where the server has asked for patience, this waits with the others.
        let drain = (!self.told_to_wait || self.waiting == 0).then(|| self.drainer(link));
        self.draining |= drain.is_some();
        let ear = self.ear.clone();
        self.unstored.push(entry.key.clone());
        task::spawn(async move {
            let durable = outbox::put(&api, &entry).await;
            if let Some(key) = replaced {
                device::forget(&keys::out(&api, &key)).await;
            }
            again.send_message(Msg::Stored(entry.key, durable));
            device::tell("work", &ear);
            if let Some(drain) = drain {
                drain.await;
            }
        });
    }

    /// A report that never left takes the place of the one before it: an offline hour is one entry.
    pub(crate) fn fold(&mut self, entry: &mut Entry) -> Option<String> {
        if entry.advance || self.draining || !self.offline {
            return None;
        }
        let place = self.session.pending.iter().rposition(|old| old.step == entry.step && !old.advance)?;
        let old = self.session.pending.remove(place);
        let (new, report) = (&mut entry.request, old.request);
        let sum = new.time_spent_seconds.unwrap_or(0) + report.time_spent_seconds.unwrap_or(0);
        new.time_spent_seconds = outbox::bounded(sum);
        new.last_position = new.last_position.or(report.last_position);
        Some(old.key)
    }

    pub(crate) fn drainer(&self, link: &Scope<Self>) -> impl Future<Output = ()> + 'static {
        let turn = self.turn;
        let (api, member) = (self.api.clone(), self.member.clone());
        let (link, end) = (link.clone(), link.clone());
        async move {
            let tell = move |sent| link.send_message(Msg::Sent(turn, Box::new(sent)));
            outbox::drain(api, member, Box::new(tell)).await;
            end.send_message(Msg::Drained(turn));
        }
    }

    pub(crate) fn drain(&mut self, link: &Scope<Self>) {
        self.draining = true;
        self.waiting = 0;
        self.told_to_wait = false;
        task::spawn(self.drainer(link));
    }

    pub(crate) fn take_sent(&mut self, link: &Scope<Self>, sent: Sent) {
        match sent {
            Sent::Taken { entry, token, enrollment, result } => {
                self.reached();
                self.unauthorized = false;
                self.busy = false;
                self.backoff = 0;
                self.session.pending.retain(|other| other.key != entry.key);
                device::tell(if entry.advance { "news" } else { "work" }, &self.ear);
                if entry.advance {
                    self.take_news(link);
                }
                if entry.who != self.who() || entry.track != self.config.track {
                    return;
                }
                if self.api.token.is_none() {
                    // The first thing worth saving made a guest.
                    self.has_guest = true;
                    self.api.token = Some(token);
                }
                self.session.hear(*enrollment);
                if self.wrong_version() {
                    self.read_track(link);
                }
                if let (true, Some(outer)) = (entry.is_answers(), &mut self.outer) {
                    outer.improve();
                }
                if let Some(result) = result {
                    self.take_result(entry.order, entry.paper.map_or(ONLY, |paper| paper.quiz), result);
                }
                // What could not be read before may be served now.
                self.bodies.keep(|_, body| !matches!(body, Loaded::Failed(_)));
                self.settle(link);
                if self.session.pending.is_empty() {
                    self.emit("sync", &[("state", "saved".into())]);
                }
            }
            Sent::Dropped { entry, problem } => {
                self.session.pending.retain(|other| other.key != entry.key);
                if entry.who == self.who() && entry.track == self.config.track {
                    if entry.advance {
                        let notice = self.refusal(&problem, entry.order);
                        self.say(&notice);
                        self.notice = Some(notice);
                    }
                    self.emit("error", &[("code", JsValue::from_str(&problem.code))]);
                    self.settle(link);
                    self.read_enrollment(link);
                    if problem.code == "attempt_over" {
                        self.read_body(link, entry.order);
                    }
                }
            }
            Sent::GuestGone => self.lose_guest(link),
            Sent::Waiting { failure } => {
                self.note_failure(&failure);
                self.backoff = (self.backoff * 2).clamp(2, LONGEST_WAIT_SECONDS);
                self.waiting = self.backoff;
                if let Failure::Later { status, seconds, .. } = failure {
                    // A tick may come at once: one more than it said.
                    self.waiting = self.waiting.max((seconds + u32::from(seconds > 0)).min(LONGEST_TOLD_SECONDS));
                    self.told_to_wait = seconds > 0;
                    self.busy = status != 401;
                }
                self.emit("sync", &[("state", self.sync_state().into())]);
            }
        }
    }

    /// The guest of this device became a member elsewhere (M5): what they did is the member's, so the device lets go
    /// of the guest, says so, and begins anew.
    fn lose_guest(&mut self, link: &Scope<Self>) {
        self.notice = Some(self.words.t("guest_gone"));
        let (turn, api, link) = (self.turn, self.api.clone(), link.clone());
        let (slug, member) = (self.config.track.clone(), self.member.clone());
        task::spawn(async move {
            identity::drop_guest(&api).await;
            let kept = load::kept(&api, &slug, member.as_ref()).await;
            link.send_message(Msg::Kept(turn, Box::new(kept)));
        });
    }

    /// The same, where a read is refused by it; says whether it was. Reads come several at a time: the first one
    /// that is refused takes the token.
    pub(crate) fn guest_is_gone(&mut self, link: &Scope<Self>, failure: &Failure) -> bool {
        let merged = matches!(failure, Failure::Refused(problem) if problem.code == "guest_merged");
        if merged && self.member.is_none() && self.api.token.take().is_some() {
            self.lose_guest(link);
        }
        merged
    }

    /// Remembers what a failure says about the network and about who asks.
    pub(crate) fn note_failure(&mut self, failure: &Failure) {
        match failure {
            Failure::Network => {
                if !self.offline {
                    self.emit("sync", &[("state", "offline".into())]);
                }
                self.offline = true;
            }
            Failure::Later { status: 401, .. } => self.unauthorized = true,
            _ => {}
        }
    }

    /// A refusal, as the learner hears it.
    pub(crate) fn refusal(&self, problem: &Problem, order: u16) -> String {
        let key = ["refused.", &problem.code].concat();
        if self.words.has(&key) {
            let n = self.words.number(f64::from(order));
            return self.words.with(&key, &[("n", &n)]);
        }
        self.words.t("refused")
    }

    pub(crate) fn heard(&mut self, link: &Scope<Self>, what: &str) -> bool {
        match what {
            "tick" | "tock" => return self.tick(link, what == "tick"),
            "online" => {
                self.offline = false;
                self.busy = false;
                self.backoff = 0;
                self.reread_in = 0;
                if self.fault.is_some() || self.way.is_none() {
                    self.fault = None;
                    self.ask_server(link);
                }
                self.bodies.keep(|_, body| matches!(body, Loaded::Here(_)));
                self.settle(link);
                self.drain(link);
                if self.session.pending.is_empty() {
                    self.emit("sync", &[("state", "saved".into())]);
                }
            }
            "offline" => {
                self.offline = true;
                self.emit("sync", &[("state", "offline".into())]);
                self.say(&self.words.t("offline"));
            }
            "hidden" => {
                self.report_position(link, 1);
                self.report_time(link);
                return false;
            }
            "tab news" | "tab work" if self.config.track.is_empty() => {
                if what == "tab news" {
                    self.take_news(link);
                }
                return false;
            }
            "tab news" | "tab work" => {
                // Another tab sent or did something: what lies on the device is the truth of both.
                let turn = self.turn;
                let (api, who, slug) = (self.api.clone(), self.who(), self.config.track.clone());
                task::send(link, async move {
                    let base = load::kept_enrollment(&api, &who, &slug).await.map(Box::new);
                    let mut pending = outbox::pending(&api, &who).await;
                    pending.retain(|entry| entry.track == slug);
                    Msg::Again(turn, base, pending, identity::guest(&api).await)
                });
                return false;
            }
            "tab guest" if self.member.is_none() => self.begin_again(link),
            // Merged or dropped in another element: there is nothing left to ask about, and perhaps more to show.
            "tab guest" => {
                self.merge = Merge::None;
                self.ask_server(link);
            }
            _ => return false,
        }
        true
    }

    pub(crate) fn sync_state(&self) -> &'static str {
        if self.offline { "offline" } else { "pending" }
    }
}
