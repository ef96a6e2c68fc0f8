//! A step of a track that is done in a lesson of a course: the lesson stands in the track's place until the learner
//! goes back.

use jalon_shared::{Resolved, StepId, track::StepState, wire::enrollment::AdvanceRequest};
use yew::html::Scope;

use super::{App, Loaded, Msg};
use crate::{api::Failure, device, identity, outbox::Entry, task, work};

/// The step of a track whose lesson is shown.
pub struct Outer {
    /// The track's title.
    pub title: Resolved,
    step: StepId,
    order: u16,
    /// Whether the step is complete, or its completion on its way.
    complete: bool,
    /// What the page was told of the track.
    announced: Option<Vec<StepId>>,
    completed_said: bool,
}

impl Outer {
    /// A quiz of the lesson was answered: its step may be complete now, or have a better score.
    pub(crate) fn improve(&mut self) {
        self.complete = false;
    }
}

impl App {
    /// Opens the lesson of a step: worth a guest, where there is nobody yet.
    pub(crate) fn enter(&mut self, link: &Scope<Self>, order: u16) {
        let Some(Loaded::Here(body)) = self.bodies.get(order) else {
            return;
        };
        let Some(name) = work::lesson_of(self.slug(), body) else {
            return;
        };
        self.enrolling = true;
        let (turn, mut api, who) = (self.turn, self.api.clone(), self.who());
        let guest = self.member.is_none();
        task::send(link, async move {
            let opened = async {
                if guest {
                    api.token = Some(identity::ensure_guest(&api).await?.token);
                }
                identity::ensure_enrollment(&api, &who, &name).await?;
                Ok(name)
            };
            Msg::Entered(turn, order, opened.await)
        });
    }

    pub(crate) fn take_entered(&mut self, link: &Scope<Self>, order: u16, name: Result<String, Failure>) {
        self.enrolling = false;
        let (Some(step), Some(way)) = (self.session.outline.at(order), &self.way) else {
            return;
        };
        match name {
            Ok(name) => {
                self.outer = Some(Outer {
                    title: way.track.title.clone(),
                    step: step.id,
                    order,
                    complete: self.session.state(order) == StepState::Completed,
                    announced: self.announced.clone(),
                    completed_said: self.completed_said,
                });
                self.words.course = true;
                self.show(link, name);
            }
            Err(failure) => {
                self.note_failure(&failure);
                self.notice = Some(match &failure {
                    Failure::Refused(problem) => self.refusal(problem, order),
                    _ => self.words.t("unread.offline"),
                });
            }
        }
    }

    /// Completes the step once all is done that its lesson needs: in the outbox, behind what completed it.
    pub(crate) fn finish_lesson(&mut self, link: &Scope<Self>) {
        let done = self.session.base.is_some() && self.session.is_all_done();
        let Some(outer) = self.outer.as_mut().filter(|outer| done && !outer.complete) else {
            return;
        };
        outer.complete = true;
        let (step, order) = (outer.step, outer.order);
        let Some(of) = work::lesson(&self.config.track) else {
            return;
        };
        let entry = Entry {
            key: device::uuid(),
            who: self.who(),
            track: of.track.to_owned(),
            step,
            order,
            advance: true,
            request: AdvanceRequest { answers: None, time_spent_seconds: None, last_position: None },
            at: device::now(),
            missed: 0,
            paper: None,
        };
        self.put(link, entry, None);
        self.say(&self.words.t("lesson.done"));
    }

    /// Back to the list that a course was chosen from, or to the track that a lesson was opened by.
    pub(crate) fn home(&mut self, link: &Scope<Self>) {
        let track = work::lesson(&self.config.track).map(|of| of.track.to_owned()).unwrap_or_default();
        let outer = self.outer.take();
        self.words.course = self.config.element != "track";
        self.show(link, track);
        if let Some(outer) = outer {
            // What the lesson has done to the track is news.
            self.announced = outer.announced;
            self.completed_said = outer.completed_said;
        }
    }

    /// Lets go of a lesson: whoever learns now begins with the track.
    pub(crate) fn leave(&mut self) {
        if self.outer.take().is_some() {
            self.config.track = work::lesson(&self.config.track).map(|of| of.track.to_owned()).unwrap_or_default();
            self.words.course = false;
            self.way = None;
        }
    }

    /// Starts over for somebody else, or after a merge.
    pub(crate) fn begin_again(&mut self, link: &Scope<Self>) {
        self.leave();
        self.begin(link);
    }
}
