//! The learner's way through the steps, and the time they take.

use jalon_shared::{Resolved, track::StepState, wire::enrollment::AdvanceRequest};
use yew::html::Scope;

use super::{App, IDLE_AFTER_SECONDS, Place, REPORT_EVERY_SECONDS};
use crate::{device, keys, outbox, task, track::quiz::Form, work::ONLY};

impl App {
    /// Shows a step, or says what blocks it.
    pub(crate) fn open(&mut self, link: &Scope<Self>, order: u16, focus: bool) {
        if self.session.outline.at(order).is_none() || self.is_outside() {
            return;
        }
        if let Some(blocking) = self.session.blocked_by(order) {
            self.asked_locked = Some(order);
            let reason = self.locked_reason(blocking);
            self.say(&reason);
        } else {
            self.go(link, Place::Step(order), focus);
        }
    }

    /// What a step is called.
    pub(crate) fn title_of(&self, order: u16) -> Option<&Resolved> {
        let steps = &self.way.as_ref()?.track.steps;
        steps.iter().find(|step| step.order == order).map(|step| &step.title)
    }

    /// Why a step is locked (G2), in words.
    pub(crate) fn locked_reason(&self, blocking: u16) -> String {
        let title = self.title_of(blocking).map_or("", |title| title.value.as_str());
        self.words.with("locked", &[("n", &self.words.number(f64::from(blocking))), ("title", title)])
    }

    pub(crate) fn go(&mut self, link: &Scope<Self>, place: Place, focus: bool) {
        if self.place != Some(place) {
            self.report_position(link, 1);
            self.report_time(link);
            self.video_failed = false;
            self.playing = false;
        }
        self.place = Some(place);
        self.walked |= focus;
        self.asked_locked = None;
        self.list_open = false;
        if let Place::Step(order) = place {
            let at = self.session.outline.at(order).map(|step| step.id);
            let done = at.and_then(|id| self.session.progress.steps.get(&id));
            self.resume_at = done.and_then(|done| done.last_position).unwrap_or(0);
            self.reported = self.resume_at;
            self.position = None;
            if self.form.order != order {
                self.form = Form::of(order, ONLY);
                self.read_kept_body(link, order);
            }
            self.want_body(link, order);
            self.visit(link, order);
            self.choose_quiz(link);
        }
        if focus {
            self.focus = Some(("jalon-heading".to_owned(), true));
        }
        if self.told {
            self.emit_step();
        }
        let place = place.to_js(self.session.progress.current_step_order);
        let key = keys::place(&self.api, &self.who(), &self.config.track);
        task::spawn(async move {
            device::save(&key, &place).await;
        });
    }

    pub(crate) fn complete(&mut self, link: &Scope<Self>, order: u16) {
        // A click may come before the button of the step before is gone from the screen.
        if self.place != Some(Place::Step(order)) {
            return;
        }
        if matches!(self.session.state(order), StepState::Open | StepState::InProgress) {
            let request = AdvanceRequest {
                answers: None,
                time_spent_seconds: outbox::bounded(std::mem::take(&mut self.spent)),
                last_position: self.position,
            };
            self.position = None;
            self.record(link, order, true, request, None);
        }
        self.onward(link);
    }

    pub(crate) fn onward(&mut self, link: &Scope<Self>) {
        let Some(Place::Step(order)) = self.place else {
            return;
        };
        let finished = self.session.progress.completed_at.is_some();
        if self.course_name().is_some() {
            let last = usize::from(order) >= self.session.outline.steps.len();
            if last && self.outer.is_some() {
                return self.home(link);
            }
            return self.go(link, if last && finished { Place::Done } else { Place::Step(order + 1) }, true);
        }
        let next = self.session.next_open(order + 1);
        let place = match next {
            Some(next) if next > order || !finished => Place::Step(next),
            _ if finished => Place::Done,
            _ => Place::Step(order),
        };
        self.go(link, place, true);
    }

    pub(crate) fn moved(&mut self, link: &Scope<Self>, at: u32) -> bool {
        self.position = Some(at);
        self.report_position(link, REPORT_EVERY_SECONDS);
        false
    }

    /// Tells where the video stands, once it is this far from what was told.
    pub(crate) fn report_position(&mut self, link: &Scope<Self>, at_least: u32) {
        let (Some(Place::Step(order)), Some(at)) = (self.place, self.position) else {
            return;
        };
        if at.abs_diff(self.reported) < at_least {
            return;
        }
        self.reported = at;
        let request = AdvanceRequest {
            answers: None,
            time_spent_seconds: outbox::bounded(std::mem::take(&mut self.spent)),
            last_position: Some(at),
        };
        self.record(link, order, false, request, None);
    }

    pub(crate) fn report_time(&mut self, link: &Scope<Self>) {
        let Some(Place::Step(order)) = self.place else {
            return;
        };
        // Looking alone makes no guest; the time is told with the first thing worth saving.
        if self.session.base.is_none() || self.spent < 5 {
            return;
        }
        let request = AdvanceRequest {
            answers: None,
            time_spent_seconds: outbox::bounded(std::mem::take(&mut self.spent)),
            last_position: None,
        };
        self.record(link, order, false, request, None);
    }

    /// Sends time spent with the answers, and counts anew.
    pub(crate) fn take_spent(&mut self) -> Option<u32> {
        outbox::bounded(std::mem::take(&mut self.spent))
    }

    /// A second has gone by; time is spent only while the page is seen.
    pub(crate) fn tick(&mut self, link: &Scope<Self>, seen: bool) -> bool {
        let idle = self.alive.get().saturating_add(1);
        self.alive.set(idle);
        if seen && (self.playing || idle < IDLE_AFTER_SECONDS) {
            self.spent += 1;
        }
        if self.waiting > 0 {
            self.waiting -= 1;
            let stuck = self.unauthorized && self.member.is_some();
            if self.waiting == 0 && !self.session.pending.is_empty() && !stuck {
                self.drain(link);
            }
        }
        // Only a countdown is worth a new picture each second.
        self.reread_soon(link) || self.form.counting.get()
    }
}
