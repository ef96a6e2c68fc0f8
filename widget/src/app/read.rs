//! What is read, and what follows from it: from the device, then from the server.

use jalon_shared::track::StepState;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use yew::html::Scope;

use super::{App, Config, LONGEST_TOLD_SECONDS, LONGEST_WAIT_SECONDS, Loaded, Msg, Place, wanted};
use crate::{
    api::Failure,
    device,
    i18n::Words,
    identity,
    js::FromJs,
    load,
    session::Session,
    task,
    track::{quiz::Form, shortcode::Opinion},
    work::{self, Heard, ONLY, Shown, Task},
};

impl App {
    pub(crate) fn is_usable(&self) -> bool {
        let has_body = match self.place {
            Some(Place::Step(order)) => {
                matches!(self.bodies.get(order), Some(Loaded::Here(_) | Loaded::Failed(_)))
            }
            Some(Place::Done) => true,
            None => self.is_outside(),
        };
        let here = if self.config.track.is_empty() { self.shelf.is_some() } else { self.way.is_some() && has_body };
        here && !self.words.lang().is_empty()
    }

    pub(crate) fn read_words(&self, link: &Scope<Self>) {
        let lang = if self.config.lang.is_empty() {
            self.site.as_ref().map_or("", |site| site.default_lang.as_str())
        } else {
            &self.config.lang
        };
        let promise = self.props.words.call1(&JsValue::NULL, &lang.into());
        task::send(link, async move {
            let read = async {
                let pair = JsFuture::from(js_sys::Promise::from(promise.ok()?)).await.ok()?;
                let pair = js_sys::Array::from(&pair);
                Some(Words::new(pair.get(0).as_string()?, pair.get(1)))
            };
            Msg::Words(read.await)
        });
    }

    /// Starts over for another learner or another track.
    pub(crate) fn begin(&mut self, link: &Scope<Self>) {
        self.turn += 1;
        self.session = Session::new(device::now());
        if let Some(way) = &self.way {
            self.session.learn(way);
        }
        self.knows = false;
        self.place = None;
        self.walked = false;
        self.bodies.keep(|_, _| false);
        self.form = Form::of(0, ONLY);
        self.opinion = Opinion::default();
        self.announced = None;
        self.completed_said = false;
        self.unauthorized = false;
        self.busy = false;
        self.draining = false;
        self.waiting = 0;
        self.spent = 0;
        self.read_device(link);
    }

    pub(crate) fn read_device(&mut self, link: &Scope<Self>) {
        let (turn, api, slug, member) = (self.turn, self.api.clone(), self.config.track.clone(), self.member.clone());
        let afresh = std::mem::take(&mut self.config.afresh);
        task::send(link, async move {
            if afresh {
                load::forget(&api).await;
            }
            Msg::Kept(turn, Box::new(load::kept(&api, &slug, member.as_ref()).await))
        });
    }

    pub(crate) fn configure(&mut self, link: &Scope<Self>, config: &JsValue) -> bool {
        let Ok(mut config) = Config::from_js(config) else {
            return false;
        };
        config.afresh = false;
        let opened = work::lesson(&self.config.track).is_some_and(|of| of.track == config.track);
        if config.track.is_empty() || opened {
            // A course that was chosen from the list stays chosen, and a lesson open.
            config.track.clone_from(&self.config.track);
        }
        if config == self.config {
            return false;
        }
        let other =
            (&config.api, &config.site, &config.track) != (&self.config.api, &self.config.site, &self.config.track);
        let lang = config.lang != self.config.lang;
        self.config = config;
        if other {
            self.api.base.clone_from(&self.config.api);
            self.api.site.clone_from(&self.config.site);
            self.way = None;
            self.shelf = None;
            self.site = None;
            self.fault = None;
        }
        if lang {
            self.api.lang = wanted(&self.config.lang);
            self.read_words(link);
        }
        if other {
            self.begin(link);
        } else if lang {
            // L3: the texts change, what was done stays; the old text stands until the new one is here.
            self.turn += 1;
            self.draining = false;
            let shown = self.place;
            self.bodies.keep(|order, _| shown == Some(Place::Step(order)));
            self.ask_server(link);
            if let Some(Place::Step(order)) = self.place {
                self.read_body(link, order);
            }
            self.drain(link);
        }
        true
    }

    /// The site's default language, where the page names none.
    pub(crate) fn follow_site(&mut self, link: &Scope<Self>) {
        self.dressed = false;
        if self.config.lang.is_empty() {
            self.read_words(link);
        }
    }

    pub(crate) fn take_kept(&mut self, link: &Scope<Self>, kept: load::Kept) {
        self.has_guest = kept.guest.is_some();
        self.api.token = match &self.member {
            Some(member) => Some(member.token.clone()),
            None => kept.guest.as_ref().map(|guest| guest.token.clone()),
        };
        self.site = self.site.take().or(kept.site);
        if let (None, Some(way)) = (&self.way, kept.way) {
            self.session.learn(&way);
            self.way = Some(way);
        }
        self.shelf = self.shelf.take().or(kept.shelf);
        self.session.base = kept.enrollment;
        self.session.pending = kept.pending;
        // Somebody new, or somebody whose way lies on the device: no need to wait for the server.
        let nobody = self.api.token.is_none() || self.is_for_members();
        self.knows = nobody || self.session.base.is_some();
        // After a merge the learner goes on where both together have come.
        self.remembered = kept.place.filter(|_| self.receipt.is_none());
        self.session.settle();
        if self.site.is_some() {
            self.follow_site(link);
        }
        self.settle(link);
        self.ask_server(link);
        if self.knows && self.session.base.is_none() && self.way.is_none() && self.config.element == "track" {
            // Nobody yet: the first step is what will be shown, so don't wait for the track to say so.
            self.read_body(link, 1);
        }
        if let (Some(member), Some(guest)) = (&self.member, kept.guest)
            && guest.declined_by.as_deref() != Some(&member.subject)
        {
            let (turn, api) = (self.turn, self.api.clone());
            task::send(link, async move {
                let offers = identity::offers(&api).await;
                Msg::Offers(turn, guest, offers)
            });
        }
        self.drain(link);
    }

    /// Reads site, track and enrollment from the server, side by side.
    pub(crate) fn ask_server(&mut self, link: &Scope<Self>) {
        let turn = self.turn;
        let api = self.api.clone();
        task::send(link, async move { Msg::Site(turn, load::site(&api).await) });
        if self.config.track.is_empty() {
            return self.read_shelf(link, None);
        }
        self.read_track(link);
        self.read_enrollment(link);
    }

    /// Reads the track in the version that the learner began with (T1).
    pub(crate) fn read_track(&self, link: &Scope<Self>) {
        let turn = self.turn;
        let version = self.session.base.as_ref().map(|base| base.track.version);
        let (api, slug) = (self.api.clone(), self.config.track.clone());
        task::send(link, async move {
            let way = load::way(&api, &slug, version).await;
            Msg::Way(turn, way.map(Box::new))
        });
    }

    /// Whether the track shown is of another version than the learner's.
    pub(crate) fn wrong_version(&self) -> bool {
        match (&self.session.base, &self.way) {
            (Some(base), Some(way)) => base.track.version != way.track.version,
            _ => false,
        }
    }

    pub(crate) fn read_enrollment(&self, link: &Scope<Self>) {
        if self.api.token.is_none() || self.is_for_members() {
            return;
        }
        let (turn, known) = (self.turn, self.session.heard);
        let (api, who, slug) = (self.api.clone(), self.who(), self.config.track.clone());
        task::send(link, async move {
            let enrollment = identity::enrollment(&api, &who, &slug).await;
            Msg::Enrolled(turn, known, enrollment.map(|found| found.map(Box::new)))
        });
    }

    pub(crate) fn take_enrollment(
        &mut self,
        link: &Scope<Self>,
        known: u32,
        enrollment: Result<Option<Box<Heard>>, Failure>,
    ) {
        let enrolling = std::mem::take(&mut self.enrolling);
        match enrollment {
            Ok(Some(enrollment)) => {
                self.reached();
                self.unauthorized = false;
                if enrolling {
                    device::tell("news", &self.ear);
                }
                let far = self.session.progress.current_step_order;
                self.session.hear(*enrollment);
                if self.session.progress.current_step_order > far && !self.walked {
                    // Further on another device: go on there, before the learner has begun here.
                    self.place = None;
                }
                if self.wrong_version() {
                    self.read_track(link);
                }
            }
            Ok(None) if known == self.session.heard => self.session.base = None,
            // It began after this was asked.
            Ok(None) => {}
            // What is on the device comes back as nobody's, and settles then.
            Err(failure) if self.guest_is_gone(link, &failure) => return,
            Err(failure) => {
                self.note_failure(&failure);
                self.reread(&failure);
                if let (true, Failure::Refused(problem)) = (enrolling, &failure) {
                    self.notice = Some(self.refusal(problem, 0));
                }
                if !self.knows && matches!(failure, Failure::Refused(_)) {
                    self.fail(failure.code());
                }
            }
        }
        self.knows = true;
        self.settle(link);
    }

    /// After anything about the learner's way changed: decides, announces, and reads what is needed next.
    pub(crate) fn settle(&mut self, link: &Scope<Self>) {
        self.session.settle();
        if self.session.outline.steps.is_empty() || !self.knows || self.is_outside() {
            return;
        }
        let shown = self.place.filter(|place| load::can_show(&self.session, *place));
        if let Some(Place::Step(order)) = shown {
            self.want_body(link, order);
        } else if shown.is_none() {
            let back = self.remembered.take();
            let place = back
                .and_then(|back| Place::read(back, &self.session))
                .filter(|place| load::can_show(&self.session, *place))
                .unwrap_or_else(|| load::first_place(&self.session));
            self.go(link, place, false);
        }
        self.announce();
        self.finish_lesson(link);
        self.prefetch(link);
    }

    /// Reads the steps that may be opened, so that going on needs no network (G6 sets the limit).
    pub(crate) fn prefetch(&mut self, link: &Scope<Self>) {
        let orders: Vec<u16> = self
            .session
            .outline
            .steps
            .iter()
            .map(|step| step.order)
            .filter(|order| {
                matches!(self.session.state(*order), StepState::Open | StepState::InProgress)
                    && self.session.served(*order)
                    && self.bodies.get(*order).is_none()
            })
            .take(4)
            .collect();
        // Before there is an enrollment only what is shown is read: most visitors just look.
        if self.session.base.is_some() && !self.offline {
            for order in orders {
                self.read_body(link, order);
            }
        }
    }

    pub(crate) fn want_body(&mut self, link: &Scope<Self>, order: u16) {
        if self.bodies.get(order).is_none() {
            self.read_body(link, order);
        }
    }

    pub(crate) fn read_kept_body(&self, link: &Scope<Self>, order: u16) {
        let (turn, form) = (self.turn, self.form.name());
        let (api, who, slug) = (self.api.clone(), self.who(), self.config.track.clone());
        task::send(link, async move {
            let kept = load::kept_body(&api, &who, &slug, order, form).await;
            Msg::KeptBody(turn, order, Box::new(kept))
        });
    }

    pub(crate) fn read_body(&mut self, link: &Scope<Self>, order: u16) {
        self.read_kept_body(link, order);
        if !self.session.outline.steps.is_empty() && !self.session.served(order) {
            // It waits for the outbox: `take_sent` asks again.
            return;
        }
        if self.bodies.get(order).is_none() {
            self.bodies.put(order, Loaded::Coming);
        }
        let turn = self.turn;
        let (api, who, slug) = (self.api.clone(), self.who(), self.config.track.clone());
        let id = self.session.base.as_ref().map(|base| base.id.to_string());
        let step = self.session.outline.at(order).map(|step| step.id.to_string()).unwrap_or_default();
        task::send(link, async move {
            let body = load::body(&api, &who, &slug, id.as_deref(), (order, step)).await;
            Msg::Body(turn, order, body.map(Box::new))
        });
    }

    pub(crate) fn take_body(&mut self, link: &Scope<Self>, order: u16, body: Result<Box<Shown>, Failure>) {
        if self.form.order == order {
            self.form.coming = false;
        }
        match body {
            Ok(body) => {
                self.reached();
                if !self.is_late(order, &body) {
                    self.bodies.put(order, Loaded::Here(body));
                } else if let Some(Loaded::Here(shown)) = self.bodies.get_mut(order) {
                    // What a grader says may come at any time.
                    shown.open_answers = body.open_answers;
                }
            }
            Err(failure) if self.guest_is_gone(link, &failure) => {
                // Asked for again once nobody is here; what is shown stays until then.
                if let Some(Loaded::Here(body) | Loaded::Stale(body)) = self.bodies.take(order) {
                    self.bodies.put(order, Loaded::Here(body));
                }
            }
            Err(failure) => {
                self.note_failure(&failure);
                self.reread(&failure);
                match self.bodies.take(order) {
                    Some(Loaded::Here(body) | Loaded::Stale(body)) => self.bodies.put(order, Loaded::Here(body)),
                    _ => self.bodies.put(order, Loaded::Failed(failure)),
                }
            }
        }
    }

    /// Whether what is shown of a quiz must not give way to this: it is an answer overtaken by a later one,
    /// or the next attempt's questions while the learner reads how the last one went.
    fn is_late(&self, order: u16, body: &Shown) -> bool {
        let Some(Loaded::Here(shown)) = self.bodies.get(order) else {
            return false;
        };
        let task = |body: &Shown| {
            let task = body.tasks.iter().find(|task| task.quiz_id == self.form.quiz);
            task.or(body.tasks.first()).map(|task| task.quiz.attempt)
        };
        let (Some(new), Some(old)) = (task(body), task(shown)) else {
            return false;
        };
        let reads_result = self.form.order == order && self.form.result.is_some();
        // In another language it is shown all the same.
        new < old || reads_result && body.title.value == shown.title.value
    }

    /// Shows what lay on the device, but no questions that the server's would soon push aside: the learner
    /// may have begun to answer.
    pub(crate) fn take_kept_body(&mut self, order: u16, body: Box<Shown>, graded: bool) {
        let over = |task: &Task| task.quiz.attempt <= self.attempts(&body, task.quiz_id);
        let stale = !graded && body.tasks.iter().any(over);
        let comes = matches!(self.bodies.get(order), Some(Loaded::Coming | Loaded::Stale(_)));
        self.bodies.put(order, if stale && comes { Loaded::Stale(body) } else { Loaded::Here(body) });
    }

    /// A read failed: a problem only where the device has nothing to show instead.
    pub(crate) fn stumble(&mut self, link: &Scope<Self>, failure: &Failure) {
        self.note_failure(failure);
        self.reread(failure);
        if (self.way.is_some() || self.shelf.is_some()) && self.site.is_some() || self.fault.is_some() {
            return;
        }
        match failure {
            Failure::Network => {
                let base = self.api.base.clone();
                task::send(link, async move { Msg::Fault(device::diagnose(&base).await) });
            }
            // The site owner's matter, or nobody's.
            Failure::Later { .. } => self.fail("busy"),
            Failure::Refused(problem) => self.fail(&problem.code),
        }
    }

    /// What could not be read is read again, after a growing wait.
    fn reread(&mut self, failure: &Failure) {
        let least = match failure {
            Failure::Network => 0,
            Failure::Later { status: 401, .. } | Failure::Refused(_) => return,
            Failure::Later { seconds, .. } => (*seconds).min(LONGEST_TOLD_SECONDS),
        };
        if self.reread_in == 0 {
            self.reread_backoff = (self.reread_backoff * 2).clamp(2, LONGEST_WAIT_SECONDS);
            self.reread_in = self.reread_backoff;
        }
        self.reread_in = self.reread_in.max(least);
    }

    /// Counts down to it; whether anything changed.
    pub(crate) fn reread_soon(&mut self, link: &Scope<Self>) -> bool {
        if self.reread_in == 0 {
            return false;
        }
        self.reread_in -= 1;
        if self.reread_in > 0 {
            return false;
        }
        if self.words.lang().is_empty() {
            self.read_words(link);
        }
        let failed = |(order, body): &(u16, Loaded)| matches!(body, Loaded::Failed(_)).then_some(*order);
        let failed: Vec<u16> = self.bodies.0.iter().filter_map(failed).collect();
        for order in failed {
            self.read_body(link, order);
        }
        self.ask_server(link);
        true
    }

    /// The server has answered.
    pub(crate) fn reached(&mut self) {
        self.reread_backoff = 0;
        // The network may be gone since, and nobody tells that twice.
        if device::online() && std::mem::replace(&mut self.offline, false) {
            // What waits needn't wait out its turn.
            self.waiting = self.waiting.min(1);
            self.emit("sync", &[("state", if self.session.pending.is_empty() { "saved" } else { "pending" }.into())]);
        }
    }

    /// The turn that an answer must name to be taken.
    pub(crate) fn turn(&self) -> u32 {
        self.turn
    }
}
