//! What every request passes: CORS, limits, bodies, ids, documents.

mod answers;
mod bodies;
mod cors;
mod documents;
mod idempotency;
mod limits;
mod nul;
mod schemas;
mod shapes;
mod walk;
