//! What only PostgreSQL does: its row locks beside a crowd, its clock beside those of several servers, poolers before
//! it, standbys behind it.

mod authors;
mod clocks;
mod pooler;
mod standby;
