//! Many rows in one SQLite statement, as parameters.
//!
//! Rows that travel as JSON are parsed and unpacked by SQLite, column by column: a third of what a group
//! of advances cost it. Bound one by one they cost next to nothing. The number of rows is part of a
//! statement's text, so rows go in chunks of powers of two: nine texts, each prepared once.

use sqlx::query::{Query, QueryAs};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, FromRow, Sqlite, SqliteConnection};

/// Rows in one statement, at most; a power of two. Times columns it stays far below SQLite's 32,766 parameters.
const MOST: usize = 256;

/// A statement over rows.
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
            let (chunk, rest) = rows.split_at(chunk(rows.len()));
            let query = chunk.iter().fold(sqlx::query(self.text(chunk.len())), &bind);
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
            let (chunk, rest) = rows.split_at(chunk(rows.len()));
            let query = chunk.iter().fold(sqlx::query_as(self.text(chunk.len())), &bind);
            found.extend(query.fetch_all(&mut *connection).await?);
            rows = rest;
        }
        Ok(found)
    }
}

/// The largest power of two that is no more than `rows`, and no more than [`MOST`].
fn chunk(rows: usize) -> usize {
    1 << rows.min(MOST).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_powers_of_two_and_take_all() {
        for all in 1..2000_usize {
            let (mut left, mut statements) = (all, 0);
            while left > 0 {
                let size = chunk(left);
                assert!(size.is_power_of_two() && size <= MOST && size <= left);
                left -= size;
                statements += 1;
            }
            assert!(statements <= all / MOST + 8, "{all} rows in {statements} statements");
        }
    }

    #[test]
    fn a_text_is_made_of_its_rows() {
        let rows = Rows { before: "INSERT INTO t ", row: "(?, ?)", after: " RETURNING a" };
        assert_eq!(rows.text(2).0, "INSERT INTO t VALUES (?, ?),(?, ?) RETURNING a");
    }
}
