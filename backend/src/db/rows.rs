//! Many rows in one SQLite statement, as parameters.
//!
//! Rows that travel as JSON are parsed and unpacked by SQLite, column by column: a third of what a group
//! of advances cost it. Bound one by one they cost next to nothing. The number of rows is part of a
//! statement's text, so there are a few sizes, each prepared once, and a statement is one hop to SQLite's
//! thread and back: it is cheaper to leave up to a third of the places empty than to send several.

use sqlx::query::{Query, QueryAs};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow, Sqlite, SqliteConnection};

/// Rows in one statement, at most; a power of two. Times columns it stays far below SQLite's 32,766 parameters.
const MOST: usize = 256;

/// A statement over rows. Empty places are NULL in every column: the text must take no notice of them.
/// Where NULLs do not fall through by themselves (`id = NULL` is never true), ask that the first column,
/// `column1`, is not NULL.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// The text before `VALUES`.
    pub before: &'static str,
    /// One row, such as `(?, ?)`.
    pub row: &'static str,
    /// The text after the rows.
    pub after: &'static str,
}

impl Rows {
    fn text(self, count: usize) -> AssertSqlSafe<String> {
        let mut text = String::with_capacity(self.before.len() + self.after.len() + 8 + count * (self.row.len() + 1));
        text.push_str(self.before);
        text.push_str("VALUES ");
        for place in 0..count {
            if place > 0 {
                text.push(',');
            }
            text.push_str(self.row);
        }
        text.push_str(self.after);
        // Made of constants.
        AssertSqlSafe(text)
    }

    /// Executes it for all rows; `bind` adds the parameters of one.
    pub async fn execute<T>(
        self,
        connection: &mut SqliteConnection,
        mut rows: &[T],
        bind: impl for<'q> Fn(Query<'q, Sqlite, SqliteArguments>, &T) -> Query<'q, Sqlite, SqliteArguments>,
    ) -> Result<(), sqlx::Error> {
        while !rows.is_empty() {
            let (chunk, rest) = rows.split_at(rows.len().min(MOST));
            let query = chunk.iter().fold(sqlx::query(self.text(places(chunk.len()))), &bind);
            query.execute(&mut *connection).await?;
            rows = rest;
        }
        Ok(())
    }

    /// What it finds for all rows; `bind` adds the parameters of one.
    pub async fn fetch<T, R>(
        self,
        connection: &mut SqliteConnection,
        mut rows: &[T],
        bind: impl for<'q> Fn(QueryAs<'q, Sqlite, R, SqliteArguments>, &T) -> QueryAs<'q, Sqlite, R, SqliteArguments>,
    ) -> Result<Vec<R>, sqlx::Error>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let mut found = Vec::new();
        while !rows.is_empty() {
            let (chunk, rest) = rows.split_at(rows.len().min(MOST));
            let query = chunk.iter().fold(sqlx::query_as(self.text(places(chunk.len()))), &bind);
            found.extend(query.fetch_all(&mut *connection).await?);
            rows = rest;
        }
        Ok(found)
    }
}

/// The places in a statement for so many rows: 1, 2, 3, 4, 6, 8, 12, 16 and so on. What is not bound is NULL.
fn places(rows: usize) -> usize {
    let whole = rows.next_power_of_two();
    let less = whole / 4 * 3;
    if rows <= less { less } else { whole }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use sqlx::Connection as _;

    use super::*;

    #[test]
    fn there_are_few_sizes_and_none_is_far_too_large() {
        let sizes: BTreeSet<usize> = (1..=MOST).map(places).collect();
        assert_eq!(sizes.len(), 16, "each is a prepared statement: {sizes:?}");
        for rows in 1..=MOST {
            assert!(places(rows) >= rows && places(rows) <= MOST && places(rows) * 2 <= rows * 3, "{rows}");
        }
    }

    #[tokio::test]
    async fn empty_places_are_no_rows() {
        const INSERT: Rows = Rows {
            before: "INSERT INTO t (a, b) SELECT * FROM (",
            row: "(?, ?)",
            after: ") WHERE column1 IS NOT NULL",
        };
        const FIND: Rows = Rows { before: "SELECT a, b FROM t WHERE a IN (", row: "(?)", after: ") ORDER BY a" };
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for count in [1, 2, 3, 5, 7, 9, 63, 64, 65, 100, 255, 256, 257, 600] {
            for text in ["DROP TABLE IF EXISTS t", "CREATE TABLE t (a BIGINT, b TEXT)"] {
                sqlx::query(text).execute(&mut conn).await.unwrap();
            }
            let rows: Vec<(i64, Option<String>)> =
                (0..count).map(|a| (a, (a % 2 == 0).then(|| a.to_string()))).collect();
            INSERT.execute(&mut conn, &rows, |query, (a, b)| query.bind(*a).bind(b.clone())).await.unwrap();
            let all: Vec<(Option<i64>, Option<String>)> =
                sqlx::query_as("SELECT a, b FROM t ORDER BY a").fetch_all(&mut conn).await.unwrap();
            assert_eq!(all, rows.iter().map(|(a, b)| (Some(*a), b.clone())).collect::<Vec<_>>(), "{count}");
            let found: Vec<(i64, Option<String>)> =
                FIND.fetch(&mut conn, &rows, |query, (a, _)| query.bind(*a)).await.unwrap();
            assert_eq!(found, rows, "{count}");
        }
    }

    #[test]
    fn a_text_is_made_of_its_rows() {
        let rows = Rows { before: "INSERT INTO t ", row: "(?, ?)", after: " RETURNING a" };
        assert_eq!(rows.text(2).0, "INSERT INTO t VALUES (?, ?),(?, ?) RETURNING a");
    }
}
