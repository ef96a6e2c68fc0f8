//! What Jalon's integration tests share.
