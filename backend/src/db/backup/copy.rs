//! Rows on their way from one database to another, whatever both are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgConnection, Row as _, SqliteConnection};

use super::super::{Tx, on};
use super::{BackupError, TableSum, refused};

/// Rows and bytes in one statement, at most: what is held in memory.
const ROWS: usize = 500;
const BYTES: usize = 2 << 20;
/// Values in one statement of SQLite, at most.
const VALUES: usize = 30_000;

/// A table, as SQLite's schema tells it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// Sorted by name: the order in which a row is summed.
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
}

/// What a column can hold in SQLite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Number,
    Text,
    Bytes,
}

#[derive(Clone, Debug)]
enum Value {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Jalon's tables, those that others point at first. Found in the schema, so that none is forgotten.
pub(super) async fn tables(connection: &mut SqliteConnection) -> Result<Vec<Table>, BackupError> {
    const COLUMNS: &str = "SELECT t.name, c.name, c.type FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
        WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND substr(t.name, 1, 1) <> '_'
        ORDER BY t.name, c.name";
    const PARENTS: &str = "SELECT DISTINCT k.\"table\" FROM pragma_foreign_key_list($1) AS k";
    let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    let found: Vec<(String, String, String)> = sqlx::query_as(COLUMNS).fetch_all(&mut *connection).await?;
    for (table, name, kind) in found {
        let kind = match kind.as_str() {
            "INTEGER" => Kind::Number,
            "TEXT" => Kind::Text,
            "BLOB" => Kind::Bytes,
            other => return refused(format!("table {table} has a column of the unexpected type {other}")),
        };
        columns.entry(table).or_default().push(Column { name, kind });
    }
    let mut waiting = Vec::new();
    for (name, columns) in columns {
        let mut parents: BTreeSet<String> =
            sqlx::query_scalar(PARENTS).bind(&name).fetch_all(&mut *connection).await?.into_iter().collect();
        parents.remove(&name);
        waiting.push((Table { name, columns }, parents));
    }
    let mut sorted: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let here: BTreeSet<String> = sorted.iter().map(|table| table.name.clone()).collect();
        let (ready, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, parents)| parents.is_subset(&here));
        if ready.is_empty() {
            return refused("the schema's tables point at each other in a circle");
        }
        sorted.extend(ready.into_iter().map(|(table, _)| table));
        waiting = later;
    }
    Ok(sorted)
}

/// Copies a table; answers what was read.
pub(super) async fn rows(table: &Table, from: &mut Tx<'_>, to: &mut Tx<'_>) -> Result<TableSum, BackupError> {
    pass(table, from, Some(to)).await.map_err(|error| match error {
        BackupError::Db(error) => BackupError::Refused(format!("table {}: {error}", table.name)),
        other => other,
    })
}

/// What is in a table.
pub(super) async fn sum(table: &Table, from: &mut Tx<'_>) -> Result<TableSum, BackupError> {
    pass(table, from, None).await
}

async fn pass(table: &Table, from: &mut Tx<'_>, mut to: Option<&mut Tx<'_>>) -> Result<TableSum, BackupError> {
    let types = match from {
        Tx::Sqlite(_) => None,
        Tx::Postgres(connection) => Some(postgres_types(table, connection).await?),
    };
    // Asked once, before the rows keep that connection busy.
    let into = match &mut to {
        Some(Tx::Postgres(connection)) => Some(postgres_types(table, connection).await?),
        _ => None,
    };
    let text = select(table, types.as_deref());
    let full = ROWS.min(VALUES / table.columns.len().max(1));
    let mut sum = Sum::default();
    let (mut batch, mut bytes) = (Vec::with_capacity(full), 0);
    on!(from, conn => {
        let mut rows = sqlx::query(AssertSqlSafe(text.as_str())).fetch(conn);
        while let Some(row) = rows.try_next().await? {
            let mut values = Vec::with_capacity(table.columns.len());
            for (place, column) in table.columns.iter().enumerate() {
                values.push(match column.kind {
                    Kind::Number => row.try_get::<Option<i64>, _>(place)?.map_or(Value::Null, Value::Number),
                    Kind::Text => row.try_get::<Option<String>, _>(place)?.map_or(Value::Null, Value::Text),
                    Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(place)?.map_or(Value::Null, Value::Bytes),
                });
            }
            bytes += sum.add(&values);
            if let Some(to) = to.as_deref_mut() {
                batch.push(values);
                if batch.len() == full || bytes > BYTES {
                    insert(table, into.as_deref(), to, &batch, batch.len() == full).await?;
                    batch.clear();
                    bytes = 0;
                }
            }
        }
    });
    if let Some(to) = to
        && !batch.is_empty()
    {
        insert(table, into.as_deref(), to, &batch, false).await?;
    }
    Ok(sum.finish())
}

/// The columns' types in PostgreSQL, in the table's order.
async fn postgres_types(table: &Table, connection: &mut PgConnection) -> Result<Vec<String>, BackupError> {
    const TYPES: &str = "SELECT column_name::text, udt_name::text FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = $1";
    let there: BTreeMap<String, String> = sqlx::query_as::<_, (String, String)>(TYPES)
        .bind(&table.name)
        .fetch_all(connection)
        .await?
        .into_iter()
        .collect();
    if there.len() != table.columns.len() {
        return refused(format!("table {} has other columns in PostgreSQL than in SQLite", table.name));
    }
    let types = table.columns.iter().map(|column| there.get(&column.name).cloned());
    types.collect::<Option<_>>().ok_or_else(|| {
        BackupError::Refused(format!("table {} has other columns in PostgreSQL than in SQLite", table.name))
    })
}

fn select(table: &Table, types: Option<&[String]>) -> String {
    let columns = table.columns.iter().enumerate().map(|(place, column)| {
        let name = &column.name;
        match types.map(|types| types[place].as_str()) {
            Some("bool") => format!("\"{name}\"::integer::bigint"),
            Some("int4") => format!("\"{name}\"::bigint"),
            Some("uuid") => format!("uuid_send(\"{name}\")"),
            _ => format!("\"{name}\""),
        }
    });
    format!("SELECT {} FROM \"{}\"", columns.collect::<Vec<_>>().join(", "), table.name)
}

async fn insert(
    table: &Table,
    types: Option<&[String]>,
    to: &mut Tx<'_>,
    rows: &[Vec<Value>],
    often: bool,
) -> Result<(), BackupError> {
    let names: Vec<String> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
    let head = format!("INSERT INTO \"{}\" ({})", table.name, names.join(", "));
    match to {
        Tx::Sqlite(connection) => insert_sqlite(connection, &head, rows, often).await,
        Tx::Postgres(connection) => insert_postgres(connection, &head, table, types.unwrap_or_default(), rows).await,
    }
}

async fn insert_sqlite(
    connection: &mut SqliteConnection,
    head: &str,
    rows: &[Vec<Value>],
    often: bool,
) -> Result<(), BackupError> {
    let row = format!("({})", vec!["?"; rows.first().map_or(0, Vec::len)].join(", "));
    let text = format!("{head} VALUES {}", vec![row.as_str(); rows.len()].join(", "));
    let mut query = sqlx::query(AssertSqlSafe(text)).persistent(often);
    for value in rows.iter().flatten() {
        query = match value {
            Value::Null => query.bind(None::<i64>),
            Value::Number(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.clone()),
            Value::Bytes(bytes) => query.bind(bytes.clone()),
        };
    }
    query.execute(connection).await?;
    Ok(())
}

/// An array a column, so that the statement is the same for any number of rows.
async fn insert_postgres(
    connection: &mut PgConnection,
    head: &str,
    table: &Table,
    types: &[String],
    rows: &[Vec<Value>],
) -> Result<(), BackupError> {
    let (mut picked, mut arrays) = (Vec::new(), Vec::new());
    for (place, column) in table.columns.iter().enumerate() {
        picked.push(match types[place].as_str() {
            "bool" => format!("c{place} <> 0"),
            "uuid" => format!("encode(c{place}, 'hex')::uuid"),
            other => format!("c{place}::{other}"),
        });
        let array = match column.kind {
            Kind::Number => "bigint",
            Kind::Text => "text",
            Kind::Bytes => "bytea",
        };
        arrays.push(format!("${}::{array}[]", place + 1));
    }
    let names: Vec<String> = (0..table.columns.len()).map(|place| format!("c{place}")).collect();
    let text =
        format!("{head} SELECT {} FROM UNNEST({}) AS r({})", picked.join(", "), arrays.join(", "), names.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(text));
    for (place, column) in table.columns.iter().enumerate() {
        let cells = rows.iter().map(|row| &row[place]);
        query = match column.kind {
            Kind::Number => query.bind(cells.map(Value::number).collect::<Vec<Option<i64>>>()),
            Kind::Text => query.bind(cells.map(Value::text).collect::<Vec<Option<String>>>()),
            Kind::Bytes => query.bind(cells.map(Value::bytes).collect::<Vec<Option<Vec<u8>>>>()),
        };
    }
    query.execute(connection).await?;
    Ok(())
}

impl Value {
    fn number(&self) -> Option<i64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    fn text(&self) -> Option<String> {
        if let Self::Text(text) = self { Some(text.clone()) } else { None }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        if let Self::Bytes(bytes) = self { Some(bytes.clone()) } else { None }
    }
}

/// A sum over rows that does not ask for their order.
#[derive(Default, Debug)]
struct Sum {
    rows: u64,
    lanes: [u64; 4],
}

impl Sum {
    /// Adds a row; answers about how many bytes it has.
    fn add(&mut self, row: &[Value]) -> usize {
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        for value in row {
            let (tag, body): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Number(number) => (1, &number.to_le_bytes()),
                Value::Text(text) => (2, text.as_bytes()),
                Value::Bytes(bytes) => (3, bytes),
            };
            hash.update([tag]);
            hash.update((body.len() as u64).to_le_bytes());
            hash.update(body);
            bytes += body.len() + 16;
        }
        let hash = hash.finalize();
        for (lane, part) in self.lanes.iter_mut().zip(hash.chunks_exact(8)) {
            let part = part.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
            *lane = lane.wrapping_add(part);
        }
        self.rows += 1;
        bytes
    }

    fn finish(self) -> TableSum {
        let digest = self.lanes.iter().fold(String::with_capacity(64), |mut text, lane| {
            write!(text, "{lane:016x}").ok();
            text
        });
        TableSum { rows: self.rows, digest }
    }
}
