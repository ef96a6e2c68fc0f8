//! The component behind one `<jalon-track>`: what can happen to it, and what follows.

use std::{cell::Cell, rc::Rc};

use jalon_shared::{
    Lang, StepId,
    track::StepState,
    wire::{
        enrollment::{AdvanceRequest, Enrollment},
        merge::MergeReceipt,
        site::SiteView,
        track::{StepBody, TrackView},
    },
};
use js_sys::Function;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, HtmlElement};
use yew::{Component, Context, Html, Properties, html::Scope};

use crate::{
    api::{Api, Failure},
    device, from_js,
    i18n::Words,
    identity::{self, Guest, Member, Offer},
    js::{self, FromJs},
    keys, load,
    merge::Merge,
    outbox::{self, Entry, Sent},
    session::Session,
    task,
    track::quiz::{Form, QuizMsg},
};

/// Seconds without a sign of the learner after which time is no longer counted.
const IDLE_AFTER_SECONDS: u32 = 120;
/// Seconds of video between two reports of the position.
const REPORT_EVERY_SECONDS: u32 = 10;
/// The longest wait between two attempts to send, in seconds.
const LONGEST_WAIT_SECONDS: u32 = 60;

/// What the element hands over.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// `<jalon-track>`.
    pub host: HtmlElement,
    /// Where the widget stands, inside the shadow root.
    pub root: Element,
    /// The live region, in the light DOM.
    pub live: HtmlElement,
    /// The attributes, as an object.
    pub config: JsValue,
    /// Promises the interface's words: `[language, words]`.
    pub words: Function,
    /// Called once: usable, or the code of the problem.
    pub ready: Function,
}

/// The attributes of the element.
#[derive(Clone, PartialEq)]
pub struct Config {
    api: String,
    site: String,
    track: String,
    lang: String,
    /// What happens to guest progress when a member is named: `ask`, or `auto` where devices aren't shared.
    merge: String,
}

from_js! { Config { api, site, track, lang, merge } }

/// What is being looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A step, by its order.
    Step(u16),
    /// The end.
    Done,
}

impl Place {
    /// As it lies on the device: the order, or 0 for the end.
    pub fn read(order: u16) -> Self {
        match order {
            0 => Self::Done,
            order => Self::Step(order),
        }
    }

    fn to_js(self) -> JsValue {
        match self {
            Self::Done => 0.into(),
            Self::Step(order) => order.into(),
        }
    }
}

/// The body of a step, on its way or here.
pub enum Loaded {
    /// Asked for.
    Coming,
    /// Here.
    Here(Box<StepBody>),
    /// Not to be had now.
    Failed(Failure),
}

/// The bodies of the steps, by order.
#[derive(Default)]
pub struct Bodies(Vec<(u16, Loaded)>);

impl Bodies {
    /// What is known of a step's body.
    pub fn get(&self, order: u16) -> Option<&Loaded> {
        let found = self.0.iter().find(|(other, _)| *other == order);
        found.map(|(_, body)| body)
    }

    fn has(&self, order: u16) -> bool {
        matches!(self.get(order), Some(Loaded::Here(_)))
    }

    fn put(&mut self, order: u16, body: Loaded) {
        self.keep(|other, _| other != order);
        self.0.push((order, body));
    }

    fn keep(&mut self, wanted: impl Fn(u16, &Loaded) -> bool) {
        self.0.retain(|(order, body)| wanted(*order, body));
    }
}

/// What can happen.
pub enum Msg {
    /// The interface's words are here.
    Words(Option<Words>),
    /// The attributes changed.
    Configure(JsValue),
    /// The page named a member, or nobody.
    Identify(Option<String>),
    /// Ask the server how things stand.
    Refresh,
    /// Drop the guest on this device.
    Forget,
    /// The browser said something: see [`device::listen`].
    Heard(String),
    /// The device was read.
    Kept(u32, Box<load::Kept>),
    /// The site was read.
    Site(u32, Result<SiteView, Failure>),
    /// The track was read.
    Track(u32, Result<Box<TrackView>, Failure>),
    /// The enrollment was read.
    Enrolled(u32, Result<Option<Box<Enrollment>>, Failure>),
    /// The device was read again, because another tab changed it.
    Again(u32, Option<Box<Enrollment>>, Vec<Entry>, Option<Guest>),
    /// What the device holds of a step.
    KeptBody(u32, u16, Box<load::Body>),
    /// A step's body was read.
    Body(u32, u16, Result<Box<StepBody>, Failure>),
    /// Show a step, if it may be opened.
    Open(u16),
    /// Show the end.
    OpenDone,
    /// Complete the step shown, and go on.
    Complete,
    /// Go on without completing anything.
    Onward,
    /// Open or close the list of steps (on narrow pages).
    ToggleList,
    /// Something in the quiz.
    Quiz(QuizMsg),
    /// The video is at this second.
    Position(u32),
    /// The video plays, or stands.
    Playing(bool),
    /// The video can't be had.
    VideoFailed,
    /// Something was sent, or not.
    Sent(u32, Box<Sent>),
    /// Sending has ended for now.
    Drained(u32),
    /// Whether what was done outlives the page.
    Durable(bool),
    /// What a merge would add.
    Offers(u32, Guest, Vec<Offer>),
    /// Merge.
    Accept,
    /// Not mine.
    Decline,
    /// The merge came back.
    Merged(u32, Box<Result<MergeReceipt, Failure>>),
    /// The receipt or the notice was read.
    Dismiss,
    /// The learner wants to log in.
    Login,
    /// Why nothing loads (self-check).
    Fault(String),
}

/// One widget.
#[expect(clippy::struct_excessive_bools, reason = "facts that hold independently of each other")]
pub struct App {
    pub(crate) props: Props,
    pub(crate) config: Config,
    pub(crate) api: Api,
    pub(crate) words: Words,
    pub(crate) site: Option<SiteView>,
    pub(crate) track: Option<TrackView>,
    pub(crate) member: Option<Member>,
    pub(crate) has_guest: bool,
    pub(crate) session: Session,
    /// Whether it is known if there is an enrollment.
    pub(crate) knows: bool,
    pub(crate) place: Option<Place>,
    /// Where the learner was when the device was last in use.
    remembered: Option<Place>,
    pub(crate) bodies: Bodies,
    pub(crate) form: Form,
    pub(crate) merge: Merge,
    pub(crate) receipt: Option<MergeReceipt>,
    pub(crate) notice: Option<String>,
    pub(crate) fault: Option<String>,
    pub(crate) offline: bool,
    pub(crate) durable: bool,
    pub(crate) unauthorized: bool,
    pub(crate) list_open: bool,
    /// The locked step whose reason was asked for.
    pub(crate) asked_locked: Option<u16>,
    pub(crate) position: Option<u32>,
    pub(crate) video_failed: bool,
    /// The place to start the video from.
    pub(crate) resume_at: u32,
    playing: bool,
    reported: u32,
    spent: u32,
    pub(crate) alive: Rc<Cell<u32>>,
    draining: bool,
    waiting: u32,
    backoff: u32,
    announced: Option<Vec<StepId>>,
    completed_said: bool,
    dressed: bool,
    told: bool,
    focus: Option<(String, bool)>,
    /// Grows whenever learner, language or track change: answers to older questions are not ours.
    turn: u32,
    stop: Option<Function>,
    _hear: Option<Closure<dyn FnMut(String)>>,
}

impl Component for App {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let props = ctx.props().clone();
        let config: Config = Config::from_js(&props.config).unwrap_or(Config {
            api: String::new(),
            site: String::new(),
            track: String::new(),
            lang: String::new(),
            merge: String::new(),
        });
        let link = ctx.link().clone();
        let hear = Closure::new(move |what: String| link.send_message(Msg::Heard(what)));
        let stop = device::listen(hear.as_ref().unchecked_ref());
        let mut app = Self {
            api: Api { base: config.api.clone(), site: config.site.clone(), lang: wanted(&config.lang), token: None },
            props,
            config,
            words: Words::default(),
            site: None,
            track: None,
            member: None,
            has_guest: false,
            session: Session::new(device::now()),
            knows: false,
            place: None,
            remembered: None,
            bodies: Bodies::default(),
            form: Form::default(),
            merge: Merge::None,
            receipt: None,
            notice: None,
            fault: None,
            offline: false,
            durable: true,
            unauthorized: false,
            list_open: false,
            asked_locked: None,
            position: None,
            video_failed: false,
            resume_at: 0,
            playing: false,
            reported: 0,
            spent: 0,
            alive: Rc::new(Cell::new(0)),
            draining: false,
            waiting: 0,
            backoff: 0,
            announced: None,
            completed_said: false,
            dressed: false,
            told: false,
            focus: None,
            turn: 0,
            stop: Some(stop),
            _hear: Some(hear),
        };
        app.begin(ctx.link());
        app.read_words(ctx.link());
        app
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        let link = ctx.link();
        match msg {
            Msg::Words(Some(words)) => self.words = words,
            Msg::Words(None) => {}
            Msg::Configure(config) => return self.configure(link, &config),
            Msg::Identify(token) => self.identify(link, token),
            Msg::Refresh => self.ask_server(link),
            Msg::Forget => self.forget(link),
            Msg::Heard(what) => return self.heard(link, &what),
            Msg::Kept(turn, kept) if turn == self.turn => self.take_kept(link, *kept),
            Msg::Site(turn, site) if turn == self.turn => match site {
                Ok(site) => {
                    self.site = Some(site);
                    self.follow_site(link);
                }
                Err(failure) if self.site.is_none() => self.stumble(link, &failure),
                Err(_) => {}
            },
            Msg::Track(turn, track) if turn == self.turn => match track {
                Ok(track) => {
                    self.session.outline = track.outline();
                    self.track = Some(*track);
                    self.fault = None;
                    self.settle(link);
                }
                // A track that was closed to this page is closed, whatever the device remembers.
                Err(Failure::Refused(problem)) => self.fail(&problem.code),
                Err(failure) => self.stumble(link, &failure),
            },
            Msg::Enrolled(turn, enrollment) if turn == self.turn => {
                self.take_enrollment(link, enrollment);
            }
            Msg::Again(turn, base, pending, guest) if turn == self.turn => {
                if let (None, None, Some(guest)) = (&self.member, &self.api.token, guest) {
                    self.api.token = Some(guest.token);
                    self.has_guest = true;
                }
                self.session.pending = pending;
                if let Some(base) = base {
                    self.session.hear(*base);
                }
                self.settle(link);
                if let Some(Place::Step(order)) = self.place {
                    self.read_kept_body(link, order);
                }
            }
            Msg::KeptBody(turn, order, kept) if turn == self.turn => {
                if let (Some(body), false) = (kept.text, self.bodies.has(order)) {
                    self.bodies.put(order, Loaded::Here(Box::new(body)));
                }
                if self.place == Some(Place::Step(order)) {
                    self.form.restore(order, kept.draft, kept.result);
                }
            }
            Msg::Body(turn, order, body) if turn == self.turn => self.take_body(order, body),
            Msg::Open(order) => self.open(link, order, true),
            Msg::OpenDone => self.go(link, Place::Done, true),
            Msg::Complete => self.complete(link),
            Msg::Onward => self.onward(link),
            Msg::ToggleList => self.list_open = !self.list_open,
            Msg::Quiz(msg) => self.answer_quiz(link, msg),
            Msg::Position(at) => return self.moved(link, at),
            Msg::Playing(playing) => {
                self.playing = playing;
                if !playing {
                    self.report_position(link, 2);
                }
                return false;
            }
            Msg::VideoFailed => self.video_failed = true,
            Msg::Sent(turn, sent) if turn == self.turn => self.take_sent(link, *sent),
            Msg::Drained(turn) if turn == self.turn => {
                self.draining = false;
                if !self.session.pending.is_empty() && self.waiting == 0 {
                    self.waiting = 1;
                }
            }
            Msg::Durable(durable) => self.durable &= durable,
            Msg::Offers(turn, guest, offers) if turn == self.turn => {
                self.offer(link, guest, offers);
            }
            Msg::Accept => self.accept(link),
            Msg::Decline => self.decline(link),
            Msg::Merged(turn, merged) if turn == self.turn => self.take_merged(link, *merged),
            Msg::Dismiss => {
                self.receipt = None;
                self.notice = None;
            }
            Msg::Login => self.login(),
            Msg::Fault(code) => self.fail(&code),
            // Answers to a question that is no longer asked.
            Msg::Kept(..)
            | Msg::Site(..)
            | Msg::Track(..)
            | Msg::Enrolled(..)
            | Msg::Again(..)
            | Msg::KeptBody(..)
            | Msg::Body(..)
            | Msg::Sent(..)
            | Msg::Drained(_)
            | Msg::Offers(..)
            | Msg::Merged(..) => return false,
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        self.view_shell(ctx.link())
    }

    fn rendered(&mut self, _ctx: &Context<Self>, _first: bool) {
        if !self.dressed {
            self.dress();
        }
        if let Some((id, scroll)) = self.focus.take() {
            device::focus(&self.props.root, &id, scroll);
        }
        if !self.told && self.is_usable() {
            self.told = true;
            // What the page's promise does is the page's.
            let _ = self.props.ready.call0(&JsValue::NULL);
            self.emit("ready", &[]);
            self.emit_step();
            self.emit_progress();
        }
    }

    fn destroy(&mut self, _ctx: &Context<Self>) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.call0(&JsValue::NULL);
        }
    }
}

/// The language attribute as the API takes it; empty where it is none.
fn wanted(lang: &str) -> String {
    Lang::parse(&lang.replace('_', "-")).map(|lang| lang.as_str().to_owned()).unwrap_or_default()
}

impl App {
    /// Whose work it is, as keys name it.
    pub(crate) fn who(&self) -> String {
        self.member.as_ref().map_or_else(|| keys::GUEST.to_owned(), |member| keys::user(&member.subject))
    }

    /// The track's slug.
    pub(crate) fn slug(&self) -> &str {
        &self.config.track
    }

    fn is_usable(&self) -> bool {
        let has_body = match self.place {
            Some(Place::Step(order)) => {
                matches!(self.bodies.get(order), Some(Loaded::Here(_) | Loaded::Failed(_)))
            }
            Some(Place::Done) => true,
            None => false,
        };
        self.track.is_some() && has_body && !self.words.lang().is_empty()
    }

    fn read_words(&self, link: &Scope<Self>) {
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
    fn begin(&mut self, link: &Scope<Self>) {
        self.turn += 1;
        self.session = Session::new(device::now());
        if let Some(track) = &self.track {
            self.session.outline = track.outline();
        }
        self.knows = false;
        self.place = None;
        self.bodies.keep(|_, _| false);
        self.form = Form::default();
        self.announced = None;
        self.completed_said = false;
        self.unauthorized = false;
        self.draining = false;
        self.waiting = 0;
        self.spent = 0;
        self.read_device(link);
    }

    fn read_device(&self, link: &Scope<Self>) {
        let (turn, api, slug, member) = (self.turn, self.api.clone(), self.config.track.clone(), self.member.clone());
        task::send(link, async move { Msg::Kept(turn, Box::new(load::kept(&api, &slug, member.as_ref()).await)) });
    }

    fn configure(&mut self, link: &Scope<Self>, config: &JsValue) -> bool {
        let Ok(config) = Config::from_js(config) else {
            return false;
        };
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
            self.track = None;
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
    fn follow_site(&mut self, link: &Scope<Self>) {
        self.dressed = false;
        if self.config.lang.is_empty() {
            self.read_words(link);
        }
    }

    fn take_kept(&mut self, link: &Scope<Self>, kept: load::Kept) {
        self.has_guest = kept.guest.is_some();
        self.api.token = match &self.member {
            Some(member) => Some(member.token.clone()),
            None => kept.guest.as_ref().map(|guest| guest.token.clone()),
        };
        self.site = self.site.take().or(kept.site);
        if let (None, Some(track)) = (&self.track, kept.track) {
            self.session.outline = track.outline();
            self.track = Some(track);
        }
        self.session.base = kept.enrollment;
        self.session.pending = kept.pending;
        // Somebody new, or somebody whose way lies on the device: no need to wait for the server.
        self.knows = self.api.token.is_none() || self.session.base.is_some();
        self.remembered = kept.place;
        self.session.settle();
        if self.site.is_some() {
            self.follow_site(link);
        }
        self.settle(link);
        self.ask_server(link);
        if self.knows && self.session.base.is_none() && self.track.is_none() {
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
    fn ask_server(&mut self, link: &Scope<Self>) {
        let turn = self.turn;
        let api = self.api.clone();
        task::send(link, async move { Msg::Site(turn, load::site(&api).await) });
        self.read_track(link);
        self.read_enrollment(link);
    }

    /// Reads the track in the version that the learner began with (T1).
    fn read_track(&self, link: &Scope<Self>) {
        let turn = self.turn;
        let version = self.session.base.as_ref().map(|base| base.track.version);
        let (api, slug) = (self.api.clone(), self.config.track.clone());
        task::send(link, async move {
            let track = load::track(&api, &slug, version).await;
            Msg::Track(turn, track.map(Box::new))
        });
    }

    /// Whether the track shown is of another version than the learner's.
    fn wrong_version(&self) -> bool {
        match (&self.session.base, &self.track) {
            (Some(base), Some(track)) => base.track.version != track.version,
            _ => false,
        }
    }

    fn read_enrollment(&self, link: &Scope<Self>) {
        if self.api.token.is_none() {
            return;
        }
        let turn = self.turn;
        let (api, who, slug) = (self.api.clone(), self.who(), self.config.track.clone());
        task::send(link, async move {
            let enrollment = identity::enrollment(&api, &who, &slug).await;
            Msg::Enrolled(turn, enrollment.map(|found| found.map(Box::new)))
        });
    }

    fn take_enrollment(&mut self, link: &Scope<Self>, enrollment: Result<Option<Box<Enrollment>>, Failure>) {
        match enrollment {
            Ok(Some(enrollment)) => {
                self.unauthorized = false;
                self.session.hear(*enrollment);
                if self.wrong_version() {
                    self.read_track(link);
                }
            }
            Ok(None) => self.session.base = None,
            Err(failure) => {
                self.note_failure(&failure);
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
        if self.session.outline.steps.is_empty() || !self.knows {
            return;
        }
        let shown = self.place.filter(|place| load::can_show(&self.session, *place));
        if let Some(Place::Step(order)) = shown {
            self.want_body(link, order);
        } else if shown.is_none() {
            let back = self.remembered.take();
            let place = back
                .filter(|place| load::can_show(&self.session, *place))
                .unwrap_or_else(|| load::first_place(&self.session));
            self.go(link, place, false);
        }
        self.announce();
        self.prefetch(link);
    }

    /// Tells the page what is newly complete. What was complete before the page opened is no news.
    fn announce(&mut self) {
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

    /// Reads the steps that may be opened, so that going on needs no network (G6 sets the limit).
    fn prefetch(&mut self, link: &Scope<Self>) {
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

    fn want_body(&mut self, link: &Scope<Self>, order: u16) {
        if self.bodies.get(order).is_none() {
            self.read_body(link, order);
        }
    }

    fn read_kept_body(&self, link: &Scope<Self>, order: u16) {
        let turn = self.turn;
        let (api, who, slug) = (self.api.clone(), self.who(), self.config.track.clone());
        task::send(link, async move {
            let kept = load::kept_body(&api, &who, &slug, order).await;
            Msg::KeptBody(turn, order, Box::new(kept))
        });
    }

    pub(crate) fn read_body(&mut self, link: &Scope<Self>, order: u16) {
        self.read_kept_body(link, order);
        if !self.session.outline.steps.is_empty() && !self.session.served(order) {
            // It waits for the outbox: `take_sent` asks again.
            return;
        }
        if !self.bodies.has(order) {
            self.bodies.put(order, Loaded::Coming);
        }
        let turn = self.turn;
        let (api, who, slug) = (self.api.clone(), self.who(), self.config.track.clone());
        let id = self.session.base.as_ref().map(|base| base.id.to_string());
        task::send(link, async move {
            let body = load::body(&api, &who, &slug, id.as_deref(), order).await;
            Msg::Body(turn, order, body.map(Box::new))
        });
    }

    fn take_body(&mut self, order: u16, body: Result<Box<StepBody>, Failure>) {
        match body {
            Ok(body) => {
                self.offline = false;
                self.bodies.put(order, Loaded::Here(body));
            }
            Err(failure) => {
                self.note_failure(&failure);
                if !self.bodies.has(order) {
                    self.bodies.put(order, Loaded::Failed(failure));
                }
            }
        }
    }

    /// Shows a step, or says what blocks it.
    fn open(&mut self, link: &Scope<Self>, order: u16, focus: bool) {
        if self.session.outline.at(order).is_none() {
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

    /// Why a step is locked (G2), in words.
    pub(crate) fn locked_reason(&self, blocking: u16) -> String {
        let title = self
            .track
            .as_ref()
            .and_then(|track| track.steps.iter().find(|step| step.order == blocking))
            .map_or("", |step| step.title.value.as_str());
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
        self.asked_locked = None;
        self.list_open = false;
        if let Place::Step(order) = place {
            let at = self.session.outline.at(order).map(|step| step.id);
            let done = at.and_then(|id| self.session.progress.steps.get(&id));
            self.resume_at = done.and_then(|done| done.last_position).unwrap_or(0);
            self.reported = self.resume_at;
            self.position = None;
            if self.form.order != order {
                self.form = Form::of(order);
                self.read_kept_body(link, order);
            }
            self.want_body(link, order);
        }
        if focus {
            self.focus = Some(("jalon-heading".to_owned(), true));
        }
        if self.told {
            self.emit_step();
        }
        let key = keys::place(&self.api, &self.who(), &self.config.track);
        task::spawn(async move {
            device::save(&key, &place.to_js()).await;
        });
    }

    fn complete(&mut self, link: &Scope<Self>) {
        let Some(Place::Step(order)) = self.place else {
            return;
        };
        if matches!(self.session.state(order), StepState::Open | StepState::InProgress) {
            let request = AdvanceRequest {
                answers: None,
                time_spent_seconds: outbox::bounded(std::mem::take(&mut self.spent)),
                last_position: self.position,
            };
            self.position = None;
            self.record(link, order, true, request);
        }
        self.onward(link);
    }

    fn onward(&mut self, link: &Scope<Self>) {
        let Some(Place::Step(order)) = self.place else {
            return;
        };
        let finished = self.session.progress.completed_at.is_some();
        let next = self.session.next_open(order + 1);
        let place = match next {
            Some(next) if next > order || !finished => Place::Step(next),
            _ if finished => Place::Done,
            _ => Place::Step(order),
        };
        self.go(link, place, true);
    }

    /// What the learner did: shown at once, put on the device, then sent.
    pub(crate) fn record(&mut self, link: &Scope<Self>, order: u16, advance: bool, request: AdvanceRequest) {
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
        };
        let replaced = self.fold(&mut entry);
        self.session.pending.push(entry.clone());
        self.settle(link);
        self.emit("sync", &[("state", self.sync_state().into())]);
        let (api, again) = (self.api.clone(), link.clone());
        let drain = self.drainer(link);
        task::spawn(async move {
            let durable = outbox::put(&api, &entry).await;
            if let Some(key) = replaced {
                device::forget(&keys::out(&api, &key)).await;
            }
            again.send_message(Msg::Durable(durable));
            device::tell("work");
            drain.await;
        });
        self.draining = true;
    }

    /// A report that never left takes the place of the one before it: an offline hour is one entry.
    fn fold(&mut self, entry: &mut Entry) -> Option<String> {
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

    fn drainer(&self, link: &Scope<Self>) -> impl Future<Output = ()> + 'static {
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
        task::spawn(self.drainer(link));
    }

    fn take_sent(&mut self, link: &Scope<Self>, sent: Sent) {
        match sent {
            Sent::Taken { entry, token, enrollment, result } => {
                self.offline = false;
                self.unauthorized = false;
                self.backoff = 0;
                self.session.pending.retain(|other| other.key != entry.key);
                device::tell("work");
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
                if let Some(result) = result {
                    self.take_result(entry.order, result);
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
                }
            }
            Sent::GuestGone => {
                self.notice = Some(self.words.t("guest_gone"));
                let (turn, api, link) = (self.turn, self.api.clone(), link.clone());
                let (slug, member) = (self.config.track.clone(), self.member.clone());
                task::spawn(async move {
                    identity::drop_guest(&api).await;
                    let kept = load::kept(&api, &slug, member.as_ref()).await;
                    link.send_message(Msg::Kept(turn, Box::new(kept)));
                });
            }
            Sent::Waiting { failure } => {
                self.note_failure(&failure);
                self.backoff = (self.backoff * 2).clamp(2, LONGEST_WAIT_SECONDS);
                self.waiting = self.backoff;
                if let Failure::Later { seconds, .. } = failure {
                    self.waiting = self.waiting.max(seconds.min(600));
                }
                self.emit("sync", &[("state", self.sync_state().into())]);
            }
        }
    }

    /// Remembers what a failure says about the network and about who asks.
    fn note_failure(&mut self, failure: &Failure) {
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

    /// A read failed: a problem only where the device has nothing to show instead.
    fn stumble(&mut self, link: &Scope<Self>, failure: &Failure) {
        self.note_failure(failure);
        if self.track.is_some() && self.site.is_some() || self.fault.is_some() {
            return;
        }
        match failure {
            Failure::Network => {
                let base = self.api.base.clone();
                task::send(link, async move { Msg::Fault(device::diagnose(&base).await) });
            }
            failure => self.fail(failure.code()),
        }
    }

    fn fail(&mut self, code: &str) {
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

    /// A refusal, as the learner hears it.
    fn refusal(&self, problem: &crate::api::Problem, order: u16) -> String {
        let key = ["refused.", &problem.code].concat();
        if self.words.has(&key) {
            let n = self.words.number(f64::from(order));
            return self.words.with(&key, &[("n", &n)]);
        }
        self.words.t("refused")
    }

    fn heard(&mut self, link: &Scope<Self>, what: &str) -> bool {
        match what {
            "tick" => return self.tick(link),
            "online" => {
                self.offline = false;
                self.backoff = 0;
                if self.fault.is_some() || self.track.is_none() {
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
            "tab work" => {
                // Another tab sent or did something: what lies on the device is the truth of both.
                let turn = self.turn;
                let (api, who, slug) = (self.api.clone(), self.who(), self.config.track.clone());
                task::send(link, async move {
                    let base = device::load(&keys::enrollment(&api, &who, &slug)).await.map(Box::new);
                    let mut pending = outbox::pending(&api, &who).await;
                    pending.retain(|entry| entry.track == slug);
                    Msg::Again(turn, base, pending, identity::guest(&api).await)
                });
                return false;
            }
            "tab guest" if self.member.is_none() => self.begin(link),
            _ => return false,
        }
        true
    }

    fn tick(&mut self, link: &Scope<Self>) -> bool {
        let idle = self.alive.get().saturating_add(1);
        self.alive.set(idle);
        if self.playing || idle < IDLE_AFTER_SECONDS {
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
        self.counts_down()
    }

    fn report_time(&mut self, link: &Scope<Self>) {
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
        self.record(link, order, false, request);
    }

    fn moved(&mut self, link: &Scope<Self>, at: u32) -> bool {
        self.position = Some(at);
        self.report_position(link, REPORT_EVERY_SECONDS);
        false
    }

    /// Tells where the video stands, once it is this far from what was told.
    fn report_position(&mut self, link: &Scope<Self>, at_least: u32) {
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
        self.record(link, order, false, request);
    }

    fn identify(&mut self, link: &Scope<Self>, token: Option<String>) {
        let member = token.and_then(Member::read);
        let same = member.as_ref().map(|member| &member.subject) == self.member.as_ref().map(|member| &member.subject);
        if same {
            // The same member with a fresh token: what waited for it goes now.
            if let Some(member) = member {
                self.api.token = Some(member.token.clone());
                self.member = Some(member);
                self.unauthorized = false;
                self.read_enrollment(link);
                self.drain(link);
            }
            return;
        }
        self.report_position(link, 1);
        self.report_time(link);
        let left = self.member.take();
        self.member = member;
        self.merge = Merge::None;
        self.receipt = None;
        self.notice = None;
        self.api.token = None;
        if let (Some(left), None) = (left, &self.member) {
            // After a logout the next guest is a new one, and the member's way leaves the device; what
            // isn't sent stays for when they come back.
            let (api, link) = (self.api.clone(), link.clone());
            self.turn += 1;
            self.track = None;
            self.knows = false;
            self.place = None;
            task::spawn(async move {
                identity::drop_guest(&api).await;
                device::forget_all(&keys::all_of(&api, &keys::user(&left.subject))).await;
                link.send_message(Msg::Heard("tab guest".to_owned()));
            });
            return;
        }
        self.begin(link);
    }

    fn forget(&mut self, link: &Scope<Self>) {
        let (api, link) = (self.api.clone(), link.clone());
        self.merge = Merge::None;
        task::spawn(async move {
            identity::drop_guest(&api).await;
            device::tell("guest");
            link.send_message(Msg::Heard("tab guest".to_owned()));
        });
    }

    fn login(&self) {
        let go_on = self.emit("login-requested", &[]);
        let address = self.site.as_ref().and_then(|site| site.login_url.as_deref());
        if let (true, Some(address)) = (go_on, address) {
            device::visit(address);
        }
    }

    fn dress(&mut self) {
        let look = self.site.as_ref().map(|site| &site.look);
        device::dress(
            &self.props.root,
            include_str!("../style/jalon.css"),
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
        let mut fields =
            vec![("site", JsValue::from_str(&self.config.site)), ("track", JsValue::from_str(&self.config.track))];
        fields.extend_from_slice(detail);
        device::emit(&self.props.host, name, &js::object(&fields))
    }

    fn emit_step(&self) {
        if let Some(Place::Step(order)) = self.place {
            let step = self.session.outline.at(order);
            let id = step.map_or(JsValue::NULL, |step| js::text(&step.id));
            self.emit("step", &[("step_id", id), ("order", order.into())]);
        }
    }

    fn emit_progress(&self) {
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

    fn sync_state(&self) -> &'static str {
        if self.offline { "offline" } else { "pending" }
    }

    /// Whether the site merges without asking.
    pub(crate) fn merges_unasked(&self) -> bool {
        self.config.merge == "auto"
    }

    /// The turn that an answer must name to be taken.
    pub(crate) fn turn(&self) -> u32 {
        self.turn
    }

    /// Starts over, as after a merge.
    pub(crate) fn begin_again(&mut self, link: &Scope<Self>) {
        self.begin(link);
    }

    /// Sends time spent with the answers, and counts anew.
    pub(crate) fn take_spent(&mut self) -> Option<u32> {
        outbox::bounded(std::mem::take(&mut self.spent))
    }
}
