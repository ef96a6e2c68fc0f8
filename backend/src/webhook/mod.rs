//! Webhooks: what happened is told to the federation's own systems (W1–W5).

pub mod outbox;
