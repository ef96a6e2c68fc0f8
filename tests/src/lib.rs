//! What Jalon's integration tests share: real databases, a real server, a client.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod database;
pub mod garbage;
mod server;
mod stage;

pub use cluster::{Cluster, Frozen};
pub use database::{Backend, TestDb, run};
pub use server::{Answer, Request, TestServer};
pub use stage::{MEMBER_SECRET, Stage, small_track};

/// Makes two tests of one: a module of the test's name with `sqlite` and `postgres` in it.
///
/// ```ignore
/// for_both! {
///     /// G2
///     async fn g2_a_locked_step_is_refused(db: TestDb) {
///         let server = TestServer::start(&db).await;
///     }
/// }
/// ```
#[macro_export]
macro_rules! for_both {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: TestDb) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a test may need nothing of its surroundings")]
            use super::*;

            async fn story($db: $crate::TestDb) $body

            #[test]
            fn sqlite() {
                $crate::run($crate::Backend::Sqlite, story);
            }

            #[test]
            fn postgres() {
                $crate::run($crate::Backend::Postgres, story);
            }
        }
    )+};
}
