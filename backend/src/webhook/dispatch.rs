//! The dispatcher: takes what is due, tries it, writes what came of it.
//!
//! One task holds all that is known (what is leased, queued and under way for each endpoint); attempts,
//! claims and writes run beside it and report back. Claims and outcomes go to the database in batches;
//! while one is written the next gathers. Each endpoint has its own queue and its own share of attempts
//! at once, which grows with each success and shrinks with each failure. All those whose last attempt did
//! not succeed have a part of the whole and no more, however many they are: who is slow or dead delays
//! nobody else.
//!
//! It looks for work every [`POLL`], and when it is woken. An announcement does not wake it: it is written
//! before its transaction commits, so it would often wake too early; and an idle look is one short read: of what
//! became due since the last look that found nothing, less [`LATE`] for transactions that were open then. It looks
//! at everything every [`WHOLE`], when it begins, while there is something due, and when it is woken.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::Webhooks;
use super::deliver::{Call, Sender};
use super::lane::{self, FIRST_SHARE, FLYING, HOLD, Lane, Room, Standing, UNPROVEN};
use super::lease::{self, Claimed, Look, Outcome};
use super::retry::{self, Next};
use crate::app::AppState;
use crate::clock::{self, Clock};
use crate::db::{Db, DbError};
use crate::stop::Stop;
use crate::{failpoint, id};

/// How often it looks for work.
const POLL: Duration = Duration::from_millis(200);
/// How long after its time a delivery may become visible, and still be found by the next look: longer than a
/// transaction may take. One that is later waits for a look at everything.
const LATE: Duration = Duration::from_secs(15);
/// How long it does not look at everything, at most: what a server held that died waits so long after its lease.
const WHOLE: Duration = Duration::from_secs(10);
/// Endpoints remembered while nothing is to be done for them.
const KNOWN: usize = 1024;
/// Outcomes in one write.
const BATCH: usize = 256;
/// No attempt begins on a lease with less than this left: more than an attempt can take.
const MIN_LEASE: Duration = Duration::from_secs(20);
/// How long attempts under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// What was attempted, for Prometheus.
#[derive(Default, Debug)]
pub struct Counters {
    delivered: AtomicU64,
    retried: AtomicU64,
    parked: AtomicU64,
    gone: AtomicU64,
    under_way: AtomicU64,
    looks: [Looks; 2],
}

/// Looks for work: how many, and how long they took together.
#[derive(Default, Debug)]
struct Looks {
    count: AtomicU64,
    micros: AtomicU64,
}

impl Counters {
    fn count(&self, next: Next) {
        let counter = match next {
            Next::Delivered => &self.delivered,
            Next::Retry(_) => &self.retried,
            Next::Parked => &self.parked,
            Next::Gone => &self.gone,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a look: at everything, or only at what became due of late.
    fn looked(&self, whole: bool, took: Duration) {
        let looks = &self.looks[usize::from(whole)];
        looks.count.fetch_add(1, Ordering::Relaxed);
        looks.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Writes them as Prometheus reads them.
    pub fn render(&self, text: &mut String) {
        text.push_str("# HELP jalon_webhook_attempts_total Attempts to deliver, by what became of the delivery.\n# TYPE jalon_webhook_attempts_total counter\n");
        for (outcome, counter) in
            [("delivered", &self.delivered), ("retried", &self.retried), ("parked", &self.parked), ("gone", &self.gone)]
        {
            let _ = writeln!(
                text,
                "jalon_webhook_attempts_total{{outcome=\"{outcome}\"}} {}",
                counter.load(Ordering::Relaxed)
            );
        }
        let _ = writeln!(
            text,
            "# HELP jalon_webhook_attempts_under_way Attempts under way.\n# TYPE jalon_webhook_attempts_under_way gauge\njalon_webhook_attempts_under_way {}",
            self.under_way.load(Ordering::Relaxed)
        );
        text.push_str("# HELP jalon_webhook_look_seconds Looks for due deliveries: at everything (whole), or at what became due of late (recent).\n# TYPE jalon_webhook_look_seconds summary\n");
        for (scope, looks) in ["recent", "whole"].iter().zip(&self.looks) {
            let micros = looks.micros.load(Ordering::Relaxed);
            let _ = writeln!(
                text,
                "jalon_webhook_look_seconds_sum{{scope=\"{scope}\"}} {}.{:06}\njalon_webhook_look_seconds_count{{scope=\"{scope}\"}} {}",
                micros / 1_000_000,
                micros % 1_000_000,
                looks.count.load(Ordering::Relaxed)
            );
        }
    }
}

/// Delivers until the server stops.
pub async fn run(app: AppState, stop: Stop) {
    while !stop.is_requested() {
        let dispatcher = Dispatcher::new(app.db.clone(), app.clock.clone(), &app.webhooks);
        // It ends early when a task of its own panicked; what that one held is free when its lease ends.
        dispatcher.work(&stop).await;
    }
}

/// Delivers what is due. Any number of them may work on one database.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "five things that may be so, in any combination")]
pub struct Dispatcher {
    db: Db,
    clock: Clock,
    sender: Sender,
    counters: Arc<Counters>,
    wake: Arc<Notify>,
    /// Whose leases are ours.
    me: String,
    /// How long they last.
    lease: Duration,
    lanes: HashMap<Uuid, Lane>,
    /// Deliveries that are queued or under way.
    held: HashSet<Uuid>,
    flying: usize,
    steps: JoinSet<Step>,
    done: Vec<Outcome>,
    /// Leases to hand back.
    returned: Vec<Uuid>,
    /// Whether there may be something to claim.
    look: bool,
    /// From when on something may be due that was not seen, in milliseconds by the clock that decides; none while
    /// everything is to be looked at.
    floor: Option<i64>,
    /// Whether the next look is at everything, whatever the floor.
    whole: bool,
    /// When everything was looked at.
    looked_at: Option<Instant>,
    looking: bool,
    writing: bool,
    stopping: bool,
}

/// What the tasks report.
#[derive(Debug)]
enum Step {
    Looked { floor: Option<i64>, wanted: Vec<(Uuid, usize)>, claimed: Result<Vec<Claimed>, DbError> },
    Tried { outcome: Outcome, next: Next },
    Written { result: Result<(), DbError>, outcomes: Vec<Outcome>, returned: Vec<Uuid> },
}

impl Dispatcher {
    /// One that holds nothing yet.
    pub fn new(db: Db, clock: Clock, webhooks: &Webhooks) -> Self {
        let me = id::new_v7(clock.now()).to_string();
        let Webhooks { sender, counters, wake, lease, .. } = webhooks.clone();
        Self {
            db,
            clock,
            sender,
            counters,
            wake,
            me,
            lease,
            lanes: HashMap::new(),
            held: HashSet::new(),
            flying: 0,
            steps: JoinSet::new(),
            done: Vec::new(),
            returned: Vec::new(),
            look: true,
            floor: None,
            whole: true,
            looked_at: None,
            looking: false,
            writing: false,
            stopping: false,
        }
    }

    /// Delivers until it is asked to stop, then hands back what it holds.
    pub async fn work(mut self, stop: &Stop) {
        let mut tick = tokio::time::interval(POLL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let wake = Arc::clone(&self.wake);
        loop {
            let sound = tokio::select! {
                () = stop.requested() => break,
                () = wake.notified() => {
                    (self.look, self.whole) = (true, true);
                    true
                }
                Some(step) = self.steps.join_next() => self.take(step),
                _ = tick.tick() => {
                    self.look = true;
                    self.write();
                    true
                }
            };
            if !sound {
                break;
            }
            self.claim();
            self.launch();
        }
        self.finish().await;
    }

    /// Delivers what is due now, and is done when nothing is due or under way any more.
    pub async fn settle(&mut self) {
        (self.look, self.whole) = (true, true);
        self.claim();
        while let Some(step) = self.steps.join_next().await {
            if !self.take(step) {
                break;
            }
            self.claim();
            self.launch();
        }
    }

    /// Looks for work, unless it does already or has its hands full.
    fn claim(&mut self) {
        let free = HOLD.saturating_sub(self.held.len());
        if !self.look || self.looking || self.stopping || free < FIRST_SHARE {
            return;
        }
        (self.look, self.looking) = (false, true);
        let rooms: HashMap<Uuid, Room> = self.lanes.iter().map(|(id, lane)| (*id, Room::of(lane))).collect();
        let unproven = (HOLD / UNPROVEN).saturating_sub(self.unproven(Lane::held));
        let (db, me, now, random) = (self.db.clone(), self.me.clone(), self.clock.for_leases(), random());
        let (lease, counters) = (self.lease, Arc::clone(&self.counters));
        let begun = Instant::now();
        let fresh = self.looked_at.is_some_and(|at| begun.duration_since(at) < WHOLE);
        let floor = self.floor.take().filter(|_| fresh && !self.whole);
        self.whole = false;
        if floor.is_none() {
            self.looked_at = Some(begun);
        }
        self.steps.spawn(async move {
            let Look { mut due, at, whole } = match lease::look(&db, now, floor).await {
                Ok(look) => look,
                Err(error) => return Step::Looked { floor: None, wanted: Vec::new(), claimed: Err(error) },
            };
            counters.looked(whole, begun.elapsed());
            // Our own announcements are due by our own clock where it is behind.
            let late = i64::try_from(LATE.as_millis()).unwrap_or(i64::MAX) + (at.0 - now.own().0).max(0);
            let floor = due.is_empty().then(|| at.0 - late);
            // Where there are more endpoints than one claim takes, each claim begins elsewhere.
            let start = usize::try_from(random % due.len().max(1) as u64).unwrap_or(0);
            due.rotate_left(start);
            let wanted = lane::shares(due, &rooms, free, unproven);
            // Looking costs nobody a commit; most looks end here.
            let claimed = if wanted.is_empty() {
                Ok(Vec::new())
            } else {
                lease::claim(&db, me, wanted.clone(), now, lease).await
            };
            Step::Looked { floor, wanted, claimed }
        });
    }

    /// A sum over all who are not known to answer.
    fn unproven(&self, count: impl Fn(&Lane) -> usize) -> usize {
        self.lanes.values().filter(|lane| lane.standing != Standing::Good).map(count).sum()
    }

    /// Begins what may begin: of all endpoints with something to send, the least busy first.
    fn launch(&mut self) {
        // Development knows leases that are shorter than an attempt.
        let margin = MIN_LEASE.min(self.lease * 2 / 3);
        let enough = clock::after(self.clock.now(), margin);
        let mut unproven = self.unproven(|lane| lane.flying);
        while self.flying < FLYING
            && let Some((_, lane)) = self
                .lanes
                .iter_mut()
                .filter(|(_, lane)| lane.is_ready(unproven))
                .min_by_key(|(_, lane)| (lane.flying, lane.standing))
            && let Some(claimed) = lane.queue.pop_front()
        {
            if claimed.until < enough || claimed.since.elapsed() + margin > self.lease {
                self.held.remove(&claimed.id);
                self.returned.push(claimed.id);
                continue;
            }
            lane.flying += 1;
            self.flying += 1;
            unproven += usize::from(lane.standing != Standing::Good);
            self.counters.under_way.fetch_add(1, Ordering::Relaxed);
            let (sender, clock) = (self.sender.clone(), self.clock.clone());
            self.steps.spawn(async move { attempt(sender, clock, claimed).await });
        }
    }

    /// Writes what has gathered, unless a write is under way.
    fn write(&mut self) {
        if self.writing || self.done.is_empty() && self.returned.is_empty() {
            return;
        }
        self.writing = true;
        let outcomes: Vec<Outcome> = self.done.drain(..self.done.len().min(BATCH)).collect();
        let returned = std::mem::take(&mut self.returned);
        let (db, me, now) = (self.db.clone(), self.me.clone(), self.clock.for_leases());
        self.steps.spawn(async move {
            let result = lease::settle(&db, me, &outcomes, &returned, now).await;
            Step::Written { result, outcomes, returned }
        });
    }

    /// Takes in what a task reports; `false` when the task panicked.
    fn take(&mut self, step: Result<Step, JoinError>) -> bool {
        match step {
            Ok(Step::Looked { floor, wanted, claimed: Ok(claimed) }) => {
                self.floor = floor;
                if !claimed.is_empty() {
                    failpoint::reach("webhook.claimed");
                }
                self.looked(&wanted, claimed);
            }
            Ok(Step::Looked { claimed: Err(error), .. }) => {
                self.looking = false;
                tracing::warn!(%error, "webhooks can't be claimed");
            }
            Ok(Step::Tried { outcome, next }) => self.tried(outcome, next),
            Ok(Step::Written { result, outcomes, returned }) => {
                self.writing = false;
                if let Err(error) = result {
                    // Kept, and written at the next tick.
                    tracing::warn!(%error, "what came of webhooks can't be written");
                    self.done.splice(0..0, outcomes);
                    self.returned.extend(returned);
                } else {
                    if !outcomes.is_empty() {
                        failpoint::reach("webhook.recorded");
                    }
                    for outcome in outcomes {
                        self.held.remove(&outcome.id);
                        // Disabled now, or changed meanwhile and on again: either way the database says.
                        if outcome.gone
                            && let Some(lane) = self.lanes.get_mut(&outcome.endpoint_id)
                        {
                            lane.gone = false;
                            if lane.held() == 0 {
                                self.lanes.remove(&outcome.endpoint_id);
                            }
                        }
                    }
                    self.write();
                }
            }
            Err(error) => {
                tracing::error!(%error, "a task of the webhook dispatcher ended badly");
                return false;
            }
        }
        true
    }

    fn looked(&mut self, wanted: &[(Uuid, usize)], claimed: Vec<Claimed>) {
        self.looking = false;
        if self.stopping {
            self.returned.extend(claimed.into_iter().map(|claimed| claimed.id));
            return;
        }
        // There may be more, for others if not for these.
        self.look |= !claimed.is_empty();
        for (endpoint, room) in wanted {
            let count = claimed.iter().filter(|claimed| claimed.endpoint == *endpoint).count();
            if count == *room {
                self.lanes.entry(*endpoint).or_default().more = true;
            }
        }
        for claimed in claimed {
            // Ours already when the clock leapt past the lease: it must not go out twice at once.
            if self.held.contains(&claimed.id) {
                continue;
            }
            let lane = self.lanes.entry(claimed.endpoint).or_default();
            if lane.gone {
                self.returned.push(claimed.id);
            } else {
                self.held.insert(claimed.id);
                lane.queue.push_back(claimed);
            }
        }
    }

    fn tried(&mut self, outcome: Outcome, next: Next) {
        self.flying -= 1;
        self.counters.under_way.fetch_sub(1, Ordering::Relaxed);
        self.counters.count(next);
        if let Some(lane) = self.lanes.get_mut(&outcome.endpoint_id) {
            lane.flying -= 1;
            let too_many = lane.learn(next);
            lane.more |= !too_many.is_empty();
            for claimed in too_many {
                self.held.remove(&claimed.id);
                self.returned.push(claimed.id);
            }
            if lane.more && lane.room() > 0 {
                lane.more = false;
                self.look = true;
            }
            // One that fails is remembered, and as many of the others as are little to remember.
            let forget = lane.held() == 0 && lane.share >= FIRST_SHARE && !lane.gone;
            if forget && self.lanes.len() > KNOWN {
                self.lanes.remove(&outcome.endpoint_id);
            }
        }
        self.done.push(outcome);
        self.write();
    }

    /// Hands back what is queued, lets attempts under way end for a while, and writes it all.
    async fn finish(mut self) {
        self.stopping = true;
        let queued: Vec<Uuid> =
            self.lanes.values_mut().flat_map(|lane| lane.queue.drain(..)).map(|claimed| claimed.id).collect();
        self.returned.extend(queued);
        self.write();
        let deadline = Instant::now() + GRACE;
        while let Ok(Some(step)) = tokio::time::timeout_at(deadline, self.steps.join_next()).await {
            self.take(step);
        }
        // A write that this drops still runs to its end, inside the database room.
        self.steps.shutdown().await;
        self.counters.under_way.fetch_sub(self.flying as u64, Ordering::Relaxed);
        let done: HashSet<Uuid> = self.done.iter().map(|outcome| outcome.id).collect();
        self.returned.extend(self.held.iter().filter(|id| !done.contains(id)));
        if let Err(error) = lease::settle(&self.db, self.me, &self.done, &self.returned, self.clock.for_leases()).await
        {
            tracing::warn!(%error, "leases of webhooks could not be handed back; they end by themselves");
        }
    }
}

async fn attempt(sender: Sender, clock: Clock, claimed: Claimed) -> Step {
    let Claimed { id, endpoint, message, attempts, url, secrets, payload, .. } = claimed;
    let at = clock.now();
    failpoint::reach("webhook.sending");
    let answer = sender.send(Call { url, secrets, id: message, payload }, at).await;
    failpoint::reach("webhook.sent");
    let now = clock.now();
    let next = retry::after(attempts + 1, answer.status, answer.retry_after, random());
    let (state, next_at) = match next {
        Next::Delivered => ("delivered", now),
        Next::Retry(delay) => ("pending", clock::after(now, delay)),
        Next::Parked | Next::Gone => ("parked", now),
    };
    let outcome = Outcome {
        id,
        endpoint_id: endpoint,
        attempt_id: id::new_v7(at),
        state,
        next_at: next_at.0,
        status: answer.status,
        error: answer.error,
        at: at.0,
        duration_ms: u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
        excerpt: answer.excerpt,
        finished_at: (state != "pending").then_some(now.0),
        gone: next == Next::Gone,
    };
    Step::Tried { outcome, next }
}

/// Spreads retries and starting places; without randomness they are merely not spread.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
