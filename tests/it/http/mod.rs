//! What every request passes: CORS, limits, bodies, ids, documents.

mod bodies;
mod cors;
mod documents;
mod idempotency;
mod limits;
mod schemas;
mod walk;
