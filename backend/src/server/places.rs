//! Places for connections: a bounded number, and who gives way when all are taken.
//!
//! Connections that wait (for a request, for the rest of one, for an answer to be fetched) cost their owner
//! nothing, so a stranger can hold as many as there are places. When somebody new comes then, one that waits
//! gives way: the oldest of the address that holds the most. A connection whose request is being answered
//! never does. Behind a reverse proxy all are of one address, and the oldest one goes.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::http::limit::network;

/// Who gives way is found for so many newcomers at once: all connections are looked at for that.
const FOUND_AT_ONCE: usize = 128;
/// In place of the time since when a connection waits: it does not.
const AT_WORK: u64 = u64::MAX;

/// All places of a server.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    begun: Instant,
    table: Mutex<Table>,
    gave_way: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    held: HashMap<u64, Arc<Held>>,
    /// Who gives way next: the connection, and since when it waited when it was found.
    next: VecDeque<(u64, u64)>,
}

#[derive(Debug)]
struct Held {
    network: u128,
    /// Since when it waits, in microseconds of the server; or [`AT_WORK`].
    waits_since: AtomicU64,
    give_way: Notify,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let most = most.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            free: Arc::new(Semaphore::new(most)),
            begun: Instant::now(),
            table: Mutex::default(),
            gave_way: AtomicU64::new(0),
        })
    }

    /// A place for a connection from there. When there is none, one that waits gives way; when none waits, this
    /// one does until an answer is complete.
    pub(super) async fn take(self: &Arc<Self>, peer: SocketAddr) -> Place {
        let mut free = Arc::clone(&self.free).try_acquire_owned().ok();
        if free.is_none() {
            self.make_room();
            // The semaphore is never closed, so there will be one.
            free = Arc::clone(&self.free).acquire_owned().await.ok();
        }
        let held = Arc::new(Held {
            network: network(peer.ip()),
            waits_since: AtomicU64::new(self.now()),
            give_way: Notify::new(),
        });
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.last += 1;
        let id = table.last;
        table.held.insert(id, Arc::clone(&held));
        Place(Arc::new(Taken { places: Arc::clone(self), id, held, _free: free }))
    }

    fn make_room(&self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..2 {
            while let Some((id, since)) = table.next.pop_front() {
                if let Some(held) = table.held.get(&id)
                    && held.waits_since.compare_exchange(since, AT_WORK, Ordering::AcqRel, Ordering::Relaxed).is_ok()
                {
                    self.gave_way.fetch_add(1, Ordering::Relaxed);
                    held.give_way.notify_one();
                    return;
                }
            }
            table.next = who_gives_way(&table.held);
        }
    }

    /// Connections there are.
    pub(super) fn taken(&self) -> usize {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).held.len()
    }

    /// Connections that gave way, since the start.
    pub(super) fn gave_way(&self) -> u64 {
        self.gave_way.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(AT_WORK - 1)
    }
}

/// The next who give way, in order: as if again and again the oldest went of the address that has the most.
fn who_gives_way(held: &HashMap<u64, Arc<Held>>) -> VecDeque<(u64, u64)> {
    let mut by_network: HashMap<u128, Vec<(u64, u64)>> = HashMap::new();
    for (id, held) in held {
        let since = held.waits_since.load(Ordering::Acquire);
        if since != AT_WORK {
            by_network.entry(held.network).or_default().push((since, *id));
        }
    }
    let mut all = Vec::new();
    for mut waiting in by_network.into_values() {
        waiting.sort_unstable();
        let newer = (0..waiting.len()).rev();
        all.extend(newer.zip(waiting).map(|(newer, (since, id))| (std::cmp::Reverse(newer), since, id)));
    }
    all.sort_unstable();
    all.truncate(FOUND_AT_ONCE);
    all.into_iter().map(|(_, since, id)| (id, since)).collect()
}

/// A connection's place, free again when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Place(Arc<Taken>);

#[derive(Debug)]
struct Taken {
    places: Arc<Places>,
    id: u64,
    held: Arc<Held>,
    _free: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// A whole request is here: until [`Place::waits`] the connection keeps its place.
    pub(super) fn works(&self) {
        self.0.held.waits_since.store(AT_WORK, Ordering::Release);
    }

    /// The answer is ready to be fetched; then the next request may come.
    pub(super) fn waits(&self) {
        self.0.held.waits_since.store(self.0.places.now(), Ordering::Release);
    }

    /// Looks on as a body arrives: with its end the request is complete.
    pub(super) fn watch(&self, body: Incoming) -> Body {
        if body.is_end_stream() {
            self.works();
            return Body::new(body);
        }
        Body::new(Watched { body, place: self.clone() })
    }

    /// Resolves when the connection has to give way.
    pub(super) async fn has_to_give_way(&self) {
        self.0.held.give_way.notified().await;
    }
}

/// A body that tells when it is complete.
struct Watched {
    body: Incoming,
    place: Place,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.place.works();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut table = self.places.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.held.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(network: u128, since: u64) -> Arc<Held> {
        Arc::new(Held { network, waits_since: AtomicU64::new(since), give_way: Notify::new() })
    }

    #[test]
    fn p6_the_oldest_of_the_address_with_the_most_gives_way_first() {
        let all = HashMap::from([
            (1, held(7, 50)),
            (2, held(7, 10)),
            (3, held(7, 30)),
            (4, held(8, 5)),
            (5, held(8, 40)),
            (6, held(9, 1)),
            (7, held(9, AT_WORK)),
        ]);
        let order: Vec<u64> = who_gives_way(&all).into_iter().map(|(id, _)| id).collect();
        // 7 has three: its oldest. Then 7 and 8 have two each, the older first. Then one each, by age.
        assert_eq!(order, [2, 4, 3, 6, 5, 1]);
    }

    #[tokio::test]
    async fn p6_who_works_keeps_the_place_and_who_waits_gives_way() {
        let places = Places::new(2);
        let peer = SocketAddr::from(([192, 0, 2, 1], 1));
        let (works, waits) = (places.take(peer).await, places.take(peer).await);
        works.works();
        let newcomer = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take(peer).await }
        });
        waits.has_to_give_way().await;
        drop(waits);
        let newcomer = newcomer.await.expect("no panic");
        newcomer.works();
        assert_eq!((places.taken(), places.gave_way()), (2, 1));
        // Both work: nobody gives way, and whoever comes waits for the first that ends.
        let third = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take(peer).await }
        });
        drop(works);
        third.await.expect("no panic");
        assert_eq!((places.taken(), places.gave_way()), (1, 1));
    }
}
