//! Bodies on their way: what they may hold in memory, all together.
//!
//! A body that drips holds a connection, which can be taken from it (see `server/places.rs`), and must hold
//! little else: none of the places of requests being answered, and of the memory no more than there is.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;

use super::{edge::MAX_IN_FLIGHT, error::ApiError, gate::Gate};

/// What every body may hold, however many there are: what learners send is smaller.
const SMALL: usize = 16 * 1024;
/// What all bodies may hold beyond that, in bytes.
const ALL: usize = 32 * 1024 * 1024;

/// Bodies on their way.
#[derive(Debug, Default)]
pub(super) struct Arriving {
    pub(super) bodies: AtomicUsize,
    large: AtomicUsize,
}

/// One of them.
pub(super) struct Body<'a> {
    gate: &'a Gate,
    bytes: Vec<u8>,
}

impl<'a> Body<'a> {
    /// One begins to arrive: its request gives back its place until it is complete.
    pub(super) fn begin(gate: &'a Gate) -> Self {
        gate.arriving.bodies.fetch_add(1, Ordering::Relaxed);
        gate.in_flight.fetch_sub(1, Ordering::Relaxed);
        Self { gate, bytes: Vec::new() }
    }

    /// More of it came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        let large = (self.bytes.len() + bytes.len()).saturating_sub(SMALL);
        let more = large - self.large();
        if more > 0 && self.gate.arriving.large.fetch_add(more, Ordering::Relaxed) + more > ALL {
            self.gate.arriving.large.fetch_sub(more, Ordering::Relaxed);
            return Err(ApiError::overloaded());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// How much came.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// It is complete, and its request one to be answered, if there is a place.
    pub(super) fn end(mut self) -> Result<Bytes, ApiError> {
        let bytes = self.take();
        // Its own place comes back as this is dropped.
        if self.gate.in_flight.load(Ordering::Relaxed) >= MAX_IN_FLIGHT {
            return Err(ApiError::overloaded());
        }
        Ok(bytes.into())
    }

    /// What came is not wanted any more.
    pub(super) fn forget(&mut self) {
        drop(self.take());
    }

    fn take(&mut self) -> Vec<u8> {
        self.gate.arriving.large.fetch_sub(self.large(), Ordering::Relaxed);
        std::mem::take(&mut self.bytes)
    }

    fn large(&self) -> usize {
        self.bytes.len().saturating_sub(SMALL)
    }
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        self.forget();
        self.gate.in_flight.fetch_add(1, Ordering::Relaxed);
        self.gate.arriving.bodies.fetch_sub(1, Ordering::Relaxed);
    }
}
