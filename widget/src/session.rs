//! What the learner has done: what the server said last, and what it hasn't heard yet, on top.

use jalon_shared::{
    LessonId, QuizId, StepId, Timestamp,
    track::{Outline, Progress, StepState, apply, decide},
};

use crate::{
    outbox::Entry,
    work::{Heard, ONLY, OpenLesson, Way},
};

/// One learner's way through one track, as this page knows it.
pub struct Session {
    /// The rules of the track.
    pub outline: Outline,
    /// Of a course: the order of the last item of each lesson.
    ends: Vec<(LessonId, u16)>,
    /// The server's last word; `None` before anything was saved.
    pub base: Option<Heard>,
    /// What the server hasn't heard yet, in order.
    pub pending: Vec<Entry>,
    /// Both together (G7): what the page shows.
    pub progress: Progress,
    /// How often the server was heard.
    pub heard: u32,
    began: Timestamp,
}

impl Session {
    /// Nothing done yet.
    pub fn new(now: Timestamp) -> Self {
        Self {
            outline: Outline { steps: Vec::new() },
            ends: Vec::new(),
            base: None,
            pending: Vec::new(),
            progress: Progress::begun(now),
            heard: 0,
            began: now,
        }
    }

    /// Decides again what the page shows. What the rules refuse stays in the outbox, for the server to say.
    pub fn settle(&mut self) {
        let mut progress = match &self.base {
            Some(base) => base.progress(),
            None => Progress::begun(self.began),
        };
        for entry in &self.pending {
            // Whether a lesson's score passes a mark the server knows.
            let step = self.outline.step(entry.step);
            if step.is_some_and(|step| step.lesson && step.pass_mark.is_some()) {
                continue;
            }
            let Some(command) = entry.command() else {
                continue;
            };
            for event in decide(&self.outline, &progress, &command, entry.at).unwrap_or_default() {
                apply(&mut progress, &event);
            }
        }
        self.progress = progress;
    }

    /// Takes the server's word, unless it is older than the last one.
    pub fn hear(&mut self, enrollment: Heard) {
        self.heard += 1;
        let older =
            self.base.as_ref().is_some_and(|base| base.id == enrollment.id && base.version > enrollment.version);
        if !older {
            self.base = Some(enrollment);
        }
        self.settle();
    }

    /// Where the learner stands with a step.
    pub fn state(&self, order: u16) -> StepState {
        let Some(step) = self.outline.at(order) else {
            return StepState::Locked;
        };
        if self.gate().is_none() {
            return self.outline.state(step, &self.progress);
        }
        match self.progress.steps.get(&step.id) {
            _ if self.blocked_by(order).is_some() => StepState::Locked,
            Some(done) if done.completed_at.is_some() => StepState::Completed,
            Some(_) => StepState::InProgress,
            None => StepState::Open,
        }
    }

    /// In a course: the step whose gate keeps the rest shut; the highest number where none does (C1).
    fn gate(&self) -> Option<u16> {
        let standing = self.base.as_ref()?.standing.as_ref()?;
        let step = standing.gate.and_then(|gate| self.outline.step(gate));
        Some(step.map_or(u16::MAX, |step| step.order))
    }

    /// Learns the rules of a way.
    pub fn learn(&mut self, way: &Way) {
        self.outline = way.track.outline();
        self.ends = way.course.as_ref().map(|course| course.ends.clone()).unwrap_or_default();
    }

    /// What a track opened, where this item is in it.
    fn opened(&self, order: u16) -> Option<&OpenLesson> {
        let (lesson, _) = self.ends.iter().find(|(_, last)| order <= *last)?;
        let open = &self.base.as_ref()?.standing.as_ref()?.open;
        open.iter().find(|open| open.lesson_id == *lesson)
    }

    /// What blocks a step (G2).
    pub fn blocked_by(&self, order: u16) -> Option<u16> {
        let step = self.outline.at(order)?;
        if let Some(gate) = self.gate() {
            // What is complete is never shut again.
            let gate = match self.opened(order) {
                _ if self.progress.is_complete(step.id) => None,
                Some(open) => open.gate().and_then(|gate| self.outline.step(gate)).map(|step| step.order),
                None => Some(gate),
            };
            return gate.filter(|gate| order > *gate);
        }
        let blocking = self.outline.blocking(step, &self.progress)?;
        Some(blocking.order)
    }

    /// Whether the server would serve the step now: what waits in the outbox hasn't opened it there (G6).
    pub fn served(&self, order: u16) -> bool {
        if self.gate().is_some() {
            return self.blocked_by(order).is_none();
        }
        let progress = match &self.base {
            Some(base) => base.progress(),
            None => Progress::begun(self.began),
        };
        self.outline.at(order).is_some_and(|step| self.outline.blocking(step, &progress).is_none())
    }

    /// The first step that may be opened and isn't complete, from `from` on, else from the beginning.
    pub fn next_open(&self, from: u16) -> Option<u16> {
        let open = |order: &u16| matches!(self.state(*order), StepState::Open | StepState::InProgress);
        let last = u16::try_from(self.outline.steps.len()).unwrap_or(u16::MAX);
        (from..=last).find(open).or_else(|| (1..from).find(open))
    }

    /// Whether all that is needed is done: what is required, or everything where nothing is.
    pub fn is_all_done(&self) -> bool {
        let steps = &self.outline.steps;
        let any = steps.iter().any(|step| step.required);
        let mut needed = steps.iter().filter(|step| step.required || !any).peekable();
        needed.peek().is_some() && needed.all(|step| self.progress.is_complete(step.id))
    }

    /// The steps that are complete.
    pub fn completed(&self) -> Vec<StepId> {
        self.outline.steps.iter().map(|step| step.id).filter(|id| self.progress.is_complete(*id)).collect()
    }

    /// Whether answers to this quiz wait to be sent and graded.
    pub fn awaits_grading(&self, order: u16, quiz: QuizId) -> bool {
        let asked = |entry: &&Entry| entry.order == order && entry.is_answers();
        self.pending.iter().filter(asked).any(|entry| entry.paper.as_ref().map_or(ONLY, |paper| paper.quiz) == quiz)
    }
}
