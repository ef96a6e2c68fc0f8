//! Courses in the widget: one is shown as a track is, once it is chosen and taken.

use jalon_shared::{track::StepState, wire::enrollment::AdvanceRequest};
use wasm_bindgen::JsValue;
use yew::html::Scope;

use super::{App, Msg};
use crate::{
    identity, load, task,
    work::{self, About},
};

impl App {
    /// The slug of the course, where one is shown.
    pub(crate) fn course_name(&self) -> Option<&str> {
        work::course(&self.config.track)
    }

    /// Whether a course is shown to somebody who doesn't take it.
    pub(crate) fn is_outside(&self) -> bool {
        self.course_name().is_some() && self.outer.is_none() && self.session.base.is_none() && self.knows
    }

    /// Whether a course is shown to somebody who can't take it; what a track opens is open to guests, too.
    pub(crate) fn is_for_members(&self) -> bool {
        self.course_name().is_some() && self.outer.is_none() && self.member.is_none()
    }

    /// The first look at an item of a course is written down: without quizzes it is complete by it.
    pub(crate) fn visit(&mut self, link: &Scope<Self>, order: u16) {
        let first = self.session.state(order) == StepState::Open;
        let waits = self.session.pending.iter().any(|entry| entry.order == order && entry.advance);
        if self.course_name().is_some() && first && !waits {
            let request = AdvanceRequest { answers: None, time_spent_seconds: None, last_position: None };
            self.record(link, order, true, request, None);
        }
    }

    /// Reads the courses there are, where they aren't `known`, and those that the learner takes.
    pub(crate) fn read_shelf(&self, link: &Scope<Self>, known: Option<Vec<About>>) {
        let (turn, api, who) = (self.turn, self.api.clone(), self.who());
        task::send(link, async move { Msg::Shelf(turn, load::shelf(&api, &who, known).await) });
    }

    /// Something was done in another element or tab: a list shows how far its courses are now.
    pub(crate) fn take_news(&self, link: &Scope<Self>) {
        if let (true, Some((courses, _))) = (self.config.track.is_empty(), &self.shelf) {
            self.read_shelf(link, Some(courses.clone()));
        }
    }

    /// A course was chosen from a list: the page may show it itself, else it is shown here.
    pub(crate) fn choose(&mut self, link: &Scope<Self>, slug: &str) {
        if self.emit("course-chosen", &[("course", JsValue::from_str(slug))]) {
            self.show(link, [work::COURSE, slug].concat());
        }
    }

    /// Shows a course, or the list again.
    pub(crate) fn show(&mut self, link: &Scope<Self>, name: String) {
        self.report_position(link, 1);
        self.report_time(link);
        self.config.track = name;
        self.way = None;
        self.fault = None;
        self.notice = None;
        self.begin(link);
        self.arrives = true;
    }

    /// Takes the course; a guest is asked to log in first.
    pub(crate) fn enroll(&mut self, link: &Scope<Self>) {
        if self.member.is_none() {
            return self.login();
        }
        self.enrolling = true;
        let (turn, known) = (self.turn, self.session.heard);
        let (api, who, name) = (self.api.clone(), self.who(), self.config.track.clone());
        task::send(link, async move {
            let taken = async {
                identity::ensure_enrollment(&api, &who, &name).await?;
                identity::enrollment(&api, &who, &name).await
            };
            Msg::Enrolled(turn, known, taken.await.map(|found| found.map(Box::new)))
        });
    }
}
