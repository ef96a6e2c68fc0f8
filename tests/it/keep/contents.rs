//! Everything that a database holds, found in its schema, so that nothing is forgotten.

use std::collections::BTreeMap;

use jalon_backend::db::{Db, DbError, Tx};
use serde_json::Value;
use sqlx::AssertSqlSafe;

/// Every row of every table as a JSON object; bytes as hexadecimal, without hyphens.
pub type Contents = BTreeMap<String, Vec<Value>>;

/// Reads all tables, those of migrations too.
pub async fn contents(db: &Db) -> Contents {
    db.read(|tx| {
        Box::pin(async move {
            let mut contents = Contents::new();
            match tx {
                Tx::Sqlite(conn) => {
                    let tables: Vec<String> = sqlx::query_scalar(
                        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
                    )
                    .fetch_all(&mut **conn)
                    .await?;
                    for table in tables {
                        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info($1)")
                            .bind(&table)
                            .fetch_all(&mut **conn)
                            .await?;
                        let pairs = columns.iter().map(|column| {
                            format!("'{column}', CASE typeof(\"{column}\") WHEN 'blob' THEN lower(hex(\"{column}\")) ELSE \"{column}\" END")
                        });
                        let pairs = pairs.collect::<Vec<_>>().join(", ");
                        let text = format!("SELECT json_object({pairs}) FROM \"{table}\"");
                        contents.insert(table, parse(&sqlx::query_scalar::<_, String>(AssertSqlSafe(text)).fetch_all(&mut **conn).await?));
                    }
                }
                Tx::Postgres(conn) => {
                    let tables: Vec<String> = sqlx::query_scalar(
                        "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()",
                    )
                    .fetch_all(&mut **conn)
                    .await?;
                    for table in tables {
                        let text = format!("SELECT to_jsonb(t)::text FROM \"{table}\" t");
                        contents.insert(table, parse(&sqlx::query_scalar::<_, String>(AssertSqlSafe(text)).fetch_all(&mut **conn).await?));
                    }
                }
            }
            Ok::<_, DbError>(contents)
        })
    })
    .await
    .unwrap()
}

fn parse(rows: &[String]) -> Vec<Value> {
    rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
}
