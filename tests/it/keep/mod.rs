//! Promise 8: it can be kept. Upgrades, backups, erasure, expiry.

mod backup;
pub mod contents;
mod damage;
pub(crate) mod erasure;
mod expiry;
mod leases;
mod log;
mod released;
mod upgrade;

use jalon_backend::db::{Db, DbError, on};

/// Rows of any query.
async fn rows<R>(db: &Db, text: &'static str) -> Vec<R>
where
    R: Send + Unpin + 'static,
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    db.read(move |tx| {
        Box::pin(async move { Ok::<_, DbError>(on!(tx, conn => sqlx::query_as(text).fetch_all(conn).await)?) })
    })
    .await
    .unwrap()
}
