//! Webhooks: what happened is told to the federation's own systems (W1–W5).

pub mod deliver;
pub mod guard;
pub mod outbox;
pub mod retry;
pub mod sign;
