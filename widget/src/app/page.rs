//! What the page around the widget sees and hears of it.

use wasm_bindgen::JsValue;

use super::{App, Place};
use crate::{device, js, work};

impl App {
    /// Tells the page what is newly complete. What was complete before the page opened is no news.
    pub(crate) fn announce(&mut self) {
        let completed = self.session.completed();
        let before = self.announced.replace(completed.clone());
        let finished = self.session.base.as_ref().filter(|base| base.completed_at.is_some());
        let score = finished.map(|base| base.score);
        let Some(before) = before else {
            self.completed_said = score.is_some();
            return;
        };
        if before == completed && self.completed_said == score.is_some() {
            return;
        }
        for id in completed.iter().filter(|id| !before.contains(id)) {
            let order = self.session.outline.step(*id).map_or(0, |step| step.order);
            self.emit("step-completed", &[("step_id", js::text(id)), ("order", order.into())]);
        }
        if before != completed {
            self.emit_progress();
        }
        if let (Some(score), false) = (score, self.completed_said) {
            self.completed_said = true;
            self.emit("completed", &[("score", score.map_or(JsValue::NULL, js::score))]);
            self.say(&self.words.t("completed.title"));
        }
    }

    pub(crate) fn fail(&mut self, code: &str) {
        if self.fault.as_deref() == Some(code) {
            return;
        }
        self.fault = Some(code.to_owned());
        self.emit("error", &[("code", code.into())]);
        if !self.told {
            // What the page's promise does is the page's.
            let _ = self.props.ready.call1(&JsValue::NULL, &code.into());
        }
    }

    pub(crate) fn dress(&mut self) {
        let look = self.site.as_ref().map(|site| &site.look);
        device::dress(
            &self.props.root,
            look.and_then(|look| look.accent.as_deref()),
            look.and_then(|look| look.accent_dark.as_deref()),
            look.and_then(|look| look.radius),
            look.and_then(|look| look.font.as_deref()),
        );
        self.dressed = true;
    }

    /// Puts the focus there once it is drawn; nothing scrolls unless it is out of sight above.
    pub(crate) fn focus_on(&mut self, id: String) {
        self.focus = Some((id, false));
    }

    /// Says something to who can't see it.
    pub(crate) fn say(&self, text: &str) {
        device::say(&self.props.live, text);
    }

    /// Tells the page; never a token, never an answer.
    pub(crate) fn emit(&self, name: &str, detail: &[(&str, JsValue)]) -> bool {
        let (noun, slug) = self.course_name().map_or(("track", self.slug()), |slug| ("course", slug));
        let mut fields = vec![("site", JsValue::from_str(&self.config.site))];
        if !slug.is_empty() {
            fields.push((noun, JsValue::from_str(slug)));
        }
        if let Some(of) = work::lesson(&self.config.track) {
            fields.push(("lesson_id", JsValue::from_str(of.lesson)));
        }
        fields.extend_from_slice(detail);
        device::emit(&self.props.host, name, &js::object(&fields))
    }

    pub(crate) fn emit_step(&self) {
        if let Some(Place::Step(order)) = self.place {
            let step = self.session.outline.at(order);
            let id = step.map_or(JsValue::NULL, |step| js::text(&step.id));
            self.emit("step", &[("step_id", id), ("order", order.into())]);
        }
    }

    pub(crate) fn emit_progress(&self) {
        #[expect(clippy::cast_possible_truncation, reason = "a track has a handful of steps")]
        let count = |n: usize| JsValue::from(n as u32);
        self.emit(
            "progress",
            &[
                ("current_step_order", self.session.progress.current_step_order.into()),
                ("steps_completed", count(self.session.completed().len())),
                ("steps_total", count(self.session.outline.steps.len())),
            ],
        );
    }

    /// The track's slug.
    pub(crate) fn slug(&self) -> &str {
        &self.config.track
    }
}
