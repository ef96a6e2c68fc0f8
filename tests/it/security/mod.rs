//! Nobody reaches what is not theirs.

mod audit;
mod authorization;
mod keys;
mod process;
mod secrets;
