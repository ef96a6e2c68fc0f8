//! The time, as an argument: rules and tests never read the machine's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jalon_shared::Timestamp;

/// So long after a time.
pub fn after(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp(at.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

/// The time by which leases begin and end.
///
/// Servers share a database, not a clock: one that is a minute ahead would take what another holds. So where
/// several servers may be, on PostgreSQL, the database's clock decides, and this is only its stand-in: a time
/// that was given ([`From<Timestamp>`]) decides in tests, and on SQLite, where there is one server.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTime {
    /// This server's time.
    own: Timestamp,
    /// Whether it decides on PostgreSQL too.
    decides: bool,
}

impl LeaseTime {
    /// This server's own time.
    pub fn own(self) -> Timestamp {
        self.own
    }

    /// What a statement takes for the present, in milliseconds; none where the database's clock decides.
    pub fn given(self, is_sqlite: bool) -> Option<i64> {
        (self.decides || is_sqlite).then_some(self.own.0)
    }
}

impl From<Timestamp> for LeaseTime {
    fn from(own: Timestamp) -> Self {
        Self { own, decides: true }
    }
}

/// Tells the time. Cheap to clone; clones of a fixed clock move together.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// The machine's, and so many milliseconds more.
    System(i64),
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Kind::System(0))
    }

    /// The clock of a machine that is wrong by so many milliseconds; ahead when they are positive. For tests.
    pub fn wrong_by(millis: i64) -> Self {
        Self(Kind::System(millis))
    }

    /// The time by which leases begin and end: the database's own, unless this clock was fixed by a test.
    pub fn for_leases(&self) -> LeaseTime {
        LeaseTime { own: self.now(), decides: matches!(self.0, Kind::Fixed(_)) }
    }

    /// A clock that stands still until a test moves it.
    pub fn fixed(at: Timestamp) -> Self {
        Self(Kind::Fixed(Arc::new(AtomicI64::new(at.0))))
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System(more) => Timestamp(chrono::Utc::now().timestamp_millis() + more),
            Kind::Fixed(at) => Timestamp(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a fixed clock on.
    ///
    /// # Panics
    /// On the system's clock: nobody moves that.
    pub fn advance(&self, by: Duration) {
        let Kind::Fixed(at) = &self.0 else { panic!("only a fixed clock can be moved") };
        at.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}
