//! Stopping: one signal that everything under way can wait for.

use tokio::sync::watch;

/// Asks everybody to stop. Dropping it asks too.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Tells when to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// A pair of the one who asks and those who are asked.
pub fn stop() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Asks. Returns at once.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Waits until stopping is asked for. May be dropped and called again at any time.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means that the one who would ask has gone: that is asking too.
        receiver.wait_for(|stopping| *stopping).await.ok();
    }

    /// Whether it was asked for already.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits for a while; `false` when stopping was asked for meanwhile.
    pub async fn sleep(&self, period: std::time::Duration) -> bool {
        tokio::select! {
            () = self.requested() => false,
            () = tokio::time::sleep(period) => true,
        }
    }
}
