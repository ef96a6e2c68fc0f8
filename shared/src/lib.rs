//! What is true in Jalon.
