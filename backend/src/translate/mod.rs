//! Machine translation of authors' files by DeepL: `jalon translate`.
//!
//! `document` finds the texts of a file, `plan` says what each needs, `markdown` keeps what is not words
//! out of the translator's hands, `client` asks, `layout` writes a language into the author's file
//! without touching the rest, and `memory` remembers which words are a machine's.
//!
//! A person's words are never overwritten. What was paid for is noted before anything else is done.

pub mod client;
pub mod document;
pub mod language;
mod layout;
pub mod markdown;
pub mod memory;
pub mod plan;
pub mod run;
mod xml;

#[cfg(test)]
mod tests;
