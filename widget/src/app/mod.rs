//! The component behind one `<jalon-track>`: what can happen to it, and what follows.

mod course;
mod lesson;
mod page;
mod read;
mod sync;
mod walk;
mod who;

use std::{cell::Cell, rc::Rc};

use jalon_shared::{
    Lang, StepId,
    wire::{merge::MergeReceipt, site::SiteView},
};
use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{Element, HtmlElement};
use yew::{Component, Context, Html, Properties};

use crate::{
    api::{Api, Failure},
    device, from_js,
    i18n::Words,
    identity::{Guest, Member, Offer},
    js::{self, FromJs},
    load,
    merge::Merge,
    outbox::{self, Entry, Sent},
    session::Session,
    shelf::Wish,
    track::{
        quiz::{Form, QuizMsg},
        shortcode::{Evaluate, Opinion},
    },
    work::{Heard, ONLY, Shown, Way},
};
pub use lesson::Outer;

/// Seconds without a sign of the learner after which time is no longer counted.
const IDLE_AFTER_SECONDS: u32 = 120;
/// Seconds of video between two reports of the position.
const REPORT_EVERY_SECONDS: u32 = 10;
/// The longest wait between two attempts to send, in seconds.
const LONGEST_WAIT_SECONDS: u32 = 60;
/// The longest wait that the server can ask for, in seconds.
const LONGEST_TOLD_SECONDS: u32 = 600;

/// What the element hands over.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// The element.
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
    /// The track's slug; a course's name begins with `course:`; empty where courses are chosen from a list.
    pub(crate) track: String,
    /// Which element: `track`, `course`, `catalog` or `progress`.
    pub(crate) element: String,
    lang: String,
    /// Whether what lies on the device is doubted: instances that read it have panicked.
    afresh: bool,
    /// What happens to guest progress when a member is named: `ask`, or `auto` where devices aren't shared.
    merge: String,
}

from_js! { Config { api, site, track, element, lang, afresh, merge } }

/// What is being looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A step, by its order.
    Step(u16),
    /// The end.
    Done,
}

impl Place {
    /// Where the learner was, as it lies on the device: the order, or 0 for the end, and how far they had
    /// come. Who came further elsewhere since is not taken back there.
    pub fn read((order, far): (u16, u16), session: &Session) -> Option<Self> {
        match order {
            _ if session.progress.current_step_order > far => None,
            0 => Some(Self::Done),
            order => Some(Self::Step(order)),
        }
    }

    fn to_js(self, far: u16) -> JsValue {
        let order: u16 = match self {
            Self::Done => 0,
            Self::Step(order) => order,
        };
        js::array([order.into(), far.into()].into_iter())
    }
}

/// The body of a step, on its way or here.
pub enum Loaded {
    /// Asked for.
    Coming,
    /// Asked for; what lay on the device is of an attempt that is over, and only good where nothing comes.
    Stale(Box<Shown>),
    /// Here.
    Here(Box<Shown>),
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

    fn get_mut(&mut self, order: u16) -> Option<&mut Loaded> {
        let found = self.0.iter_mut().find(|(other, _)| *other == order);
        found.map(|(_, body)| body)
    }

    fn has(&self, order: u16) -> bool {
        matches!(self.get(order), Some(Loaded::Here(_)))
    }

    fn put(&mut self, order: u16, body: Loaded) {
        self.keep(|other, _| other != order);
        self.0.push((order, body));
    }

    fn take(&mut self, order: u16) -> Option<Loaded> {
        let place = self.0.iter().position(|(other, _)| *other == order)?;
        Some(self.0.swap_remove(place).1)
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
    Way(u32, Result<Box<Way>, Failure>),
    /// The enrollment was read; what was known of it when it was asked for.
    Enrolled(u32, u32, Result<Option<Box<Heard>>, Failure>),
    /// The device was read again, because another tab changed it.
    Again(u32, Option<Box<Heard>>, Vec<Entry>, Option<Guest>),
    /// What the device holds of a step.
    KeptBody(u32, u16, Box<load::Body>),
    /// A step's body was read.
    Body(u32, u16, Result<Box<Shown>, Failure>),
    /// Show a step, if it may be opened.
    Open(u16),
    /// Show the end.
    OpenDone,
    /// Complete this step, if it is the one shown, and go on.
    Complete(u16),
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
    /// An entry of the outbox was put on the device; whether it outlives the page.
    Stored(String, bool),
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
    /// The courses were read.
    Shelf(u32, Result<load::Shelf, Failure>),
    /// Only some of the courses are wanted.
    Wish(Wish, String),
    /// Show this course, in the place of the list.
    Choose(String),
    /// Show the list again.
    Home,
    /// Say what one thinks of the course.
    Evaluate(Evaluate),
    /// Take the course.
    Enroll,
    /// Open the lesson that this step is done in.
    Enter(u16),
    /// The lesson of this step is open, under this name; or not.
    Entered(u32, u16, Result<String, Failure>),
}

/// One widget.
#[expect(clippy::struct_excessive_bools, reason = "facts that hold independently of each other")]
pub struct App {
    pub(crate) props: Props,
    pub(crate) config: Config,
    pub(crate) api: Api,
    pub(crate) words: Words,
    pub(crate) site: Option<SiteView>,
    pub(crate) way: Option<Way>,
    /// The step of a track whose lesson stands in the track's place.
    pub(crate) outer: Option<Outer>,
    /// The courses to choose from.
    pub(crate) shelf: Option<load::Shelf>,
    /// What is wanted of them.
    pub(crate) wishes: [String; 4],
    /// Whether the learner is being enrolled.
    pub(crate) enrolling: bool,
    pub(crate) member: Option<Member>,
    pub(crate) has_guest: bool,
    pub(crate) session: Session,
    /// Whether it is known if there is an enrollment.
    pub(crate) knows: bool,
    pub(crate) place: Option<Place>,
    /// Where the learner was when the device was last in use.
    remembered: Option<(u16, u16)>,
    /// Whether the learner went anywhere since the page opened.
    walked: bool,
    pub(crate) bodies: Bodies,
    pub(crate) form: Form,
    pub(crate) opinion: Opinion,
    pub(crate) merge: Merge,
    pub(crate) receipt: Option<MergeReceipt>,
    pub(crate) notice: Option<String>,
    pub(crate) fault: Option<String>,
    pub(crate) offline: bool,
    /// Whether the server answers that it can't take anything now.
    pub(crate) busy: bool,
    pub(crate) durable: bool,
    /// Entries on their way to the device: what lies there doesn't say it all yet.
    unstored: Vec<String>,
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
    /// Whether the server said for how long it wants to be left alone.
    told_to_wait: bool,
    /// Seconds until what could not be read is read again; 0: everything could.
    reread_in: u32,
    reread_backoff: u32,
    announced: Option<Vec<StepId>>,
    completed_said: bool,
    dressed: bool,
    told: bool,
    focus: Option<(String, bool)>,
    /// Whether another course, or the list, was asked for and the focus goes there once it is drawn.
    arrives: bool,
    /// Grows whenever learner, language or track change: answers to older questions are not ours.
    turn: u32,
    stop: Option<Function>,
    /// With what this widget hears: [`device::tell`] leaves it out.
    pub(crate) ear: Function,
    _hear: Closure<dyn FnMut(String)>,
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
            element: String::new(),
            lang: String::new(),
            afresh: false,
            merge: String::new(),
        });
        let link = ctx.link().clone();
        let hear = Closure::new(move |what: String| link.send_message(Msg::Heard(what)));
        let ear: Function = hear.as_ref().clone().unchecked_into();
        let stop = device::listen(&ear);
        let mut app = Self {
            api: Api { base: config.api.clone(), site: config.site.clone(), lang: wanted(&config.lang), token: None },
            props,
            config,
            words: Words::default(),
            site: None,
            way: None,
            outer: None,
            shelf: None,
            wishes: Default::default(),
            enrolling: false,
            member: None,
            has_guest: false,
            session: Session::new(device::now()),
            knows: false,
            place: None,
            remembered: None,
            walked: false,
            bodies: Bodies::default(),
            form: Form::of(0, ONLY),
            opinion: Opinion::default(),
            merge: Merge::None,
            receipt: None,
            notice: None,
            fault: None,
            offline: false,
            busy: false,
            durable: true,
            unstored: Vec::new(),
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
            told_to_wait: false,
            reread_in: 0,
            reread_backoff: 0,
            announced: None,
            completed_said: false,
            dressed: false,
            told: false,
            focus: None,
            arrives: false,
            turn: 0,
            stop: Some(stop),
            ear,
            _hear: hear,
        };
        app.begin(ctx.link());
        app.read_words(ctx.link());
        app
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        let link = ctx.link();
        match msg {
            Msg::Words(Some(words)) => {
                self.words = words;
                self.words.course = self.config.element != "track" || self.outer.is_some();
            }
            Msg::Words(None) => {}
            Msg::Configure(config) => return self.configure(link, &config),
            Msg::Identify(token) => self.identify(link, token),
            Msg::Refresh => self.ask_server(link),
            Msg::Forget => self.forget(link),
            Msg::Heard(what) => return self.heard(link, &what),
            Msg::Kept(turn, kept) if turn == self.turn => self.take_kept(link, *kept),
            Msg::Site(turn, site) if turn == self.turn => match site {
                Ok(site) => {
                    self.reached();
                    self.site = Some(site);
                    self.follow_site(link);
                }
                Err(failure) => self.stumble(link, &failure),
            },
            Msg::Way(turn, way) if turn == self.turn => match way {
                Ok(way) => {
                    self.reached();
                    let learners = self.session.base.as_ref().map(|base| base.track.version);
                    if learners.is_some_and(|version| version != way.track.version) {
                        // Asked for before it was known which version is the learner's.
                        if self.way.is_none() || self.wrong_version() {
                            self.read_track(link);
                        }
                        return false;
                    }
                    self.session.learn(&way);
                    self.way = Some(*way);
                    self.fault = None;
                    self.settle(link);
                }
                // A track that was closed to this page is closed, whatever the device remembers.
                Err(Failure::Refused(problem)) if problem.status == 404 => {
                    self.fail("unknown_track");
                }
                Err(Failure::Refused(problem)) => self.fail(&problem.code),
                Err(failure) => self.stumble(link, &failure),
            },
            Msg::Shelf(turn, shelf) if turn == self.turn => match shelf {
                Ok(shelf) => {
                    self.reached();
                    self.shelf = Some(shelf);
                    self.fault = None;
                }
                Err(failure) => self.stumble(link, &failure),
            },
            Msg::Wish(wish, what) => self.wishes[wish as usize] = what,
            Msg::Choose(slug) => self.choose(link, &slug),
            Msg::Home => self.home(link),
            Msg::Evaluate(what) => self.evaluate(link, what),
            Msg::Enroll => self.enroll(link),
            Msg::Enter(order) => self.enter(link, order),
            Msg::Entered(turn, order, name) if turn == self.turn => self.take_entered(link, order, name),
            Msg::Enrolled(turn, known, enrollment) if turn == self.turn => {
                self.take_enrollment(link, known, enrollment);
            }
            Msg::Again(turn, base, pending, guest) if turn == self.turn => {
                if let (None, None, Some(guest)) = (&self.member, &self.api.token, guest) {
                    self.api.token = Some(guest.token);
                    self.has_guest = true;
                }
                let on_its_way = |entry: &Entry| self.unstored.contains(&entry.key);
                let mut pending = pending;
                self.session.pending.retain(on_its_way);
                pending.retain(|entry| !outbox::is_sent(entry));
                pending.append(&mut self.session.pending);
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
                    self.take_kept_body(order, Box::new(body), kept.result.is_some());
                }
                if self.place == Some(Place::Step(order)) {
                    self.form.restore(&kept.form, kept.draft, kept.result);
                }
                self.choose_quiz(link);
            }
            Msg::Body(turn, order, body) if turn == self.turn => {
                self.take_body(link, order, body);
                self.choose_quiz(link);
            }
            Msg::Open(order) => self.open(link, order, true),
            Msg::OpenDone => self.go(link, Place::Done, true),
            Msg::Complete(order) => self.complete(link, order),
            Msg::Onward => self.onward(link),
            Msg::ToggleList => {
                self.walked = true;
                self.list_open = !self.list_open;
            }
            Msg::Quiz(msg) => {
                self.walked = true;
                self.answer_quiz(link, msg);
            }
            Msg::Position(at) => return self.moved(link, at),
            Msg::Playing(playing) => {
                self.walked = true;
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
                    // Sent by somebody who is no more, such as this widget before it was taken out of the page.
                    self.heard(link, "tab work");
                }
            }
            Msg::Stored(key, durable) => {
                self.unstored.retain(|other| *other != key);
                self.durable &= durable;
            }
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
            Msg::Fault(code) if self.way.is_none() && self.shelf.is_none() => self.fail(&code),
            // Answers to a question that is no longer asked.
            Msg::Kept(..)
            | Msg::Site(..)
            | Msg::Way(..)
            | Msg::Shelf(..)
            | Msg::Enrolled(..)
            | Msg::Entered(..)
            | Msg::Again(..)
            | Msg::KeptBody(..)
            | Msg::Body(..)
            | Msg::Sent(..)
            | Msg::Drained(_)
            | Msg::Fault(_)
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
        if self.arrives && self.is_usable() {
            self.arrives = false;
            device::focus(&self.props.root, "jalon-title", true);
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
