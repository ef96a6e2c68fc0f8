//! Who is let through: guests, members, keys; and everybody who must not be.

mod guest;
mod key;
mod member;
