//! The HTTP room: what every request passes before a noun sees it, and the shape of every answer.
//!
//! A request goes through [`edge`] (id, CORS, limits, log line), the [`router`] (the whole API on one
//! screen) and the extractors a handler names: who asks ([`auth`]), what for ([`json`], [`query`],
//! [`page`], [`lang`]), under which conditions ([`idempotency`], [`etag`]). What goes wrong is an
//! [`error::ApiError`] with a [`code`] that never changes its meaning.
//!
//! # Architecture Invariant
//! No extractor and no layer asks the database: sites, keys and revocations are in memory ([`gate`]).

mod arriving;
pub mod auth;
pub mod code;
pub mod context;
pub mod cursor;
pub mod docs;
pub mod edge;
pub mod encoding;
pub mod error;
pub mod etag;
pub mod fetch;
pub mod gate;
pub mod health;
pub mod idempotency;
pub mod json;
pub mod lang;
pub mod limit;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod query;
pub mod router;
pub mod strict;

pub use auth::{Actor, Admin, Caller, CourseAuthor, LearnerAuth, MemberAuth, ServerAdmin, SiteCtx, scope};
pub use error::{ApiError, ApiResult};
pub use etag::{ETag, IfMatch, IfNoneMatch};
pub use idempotency::IdemKey;
pub use json::{ApiJson, IdemJson};
pub use lang::Langs;
pub use page::Page;
pub use query::{ApiPath, ApiQuery};
