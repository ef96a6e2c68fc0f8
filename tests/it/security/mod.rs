//! Nobody reaches what is not theirs.

mod authorization;
mod keys;
