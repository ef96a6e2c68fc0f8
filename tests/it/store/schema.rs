//! Both migrations describe one schema.

use std::collections::{BTreeMap, BTreeSet};

use jalon_backend::db::{Db, DbError, execute, latest_migration, on};
use jalon_tests::{Backend, TestDb, for_both};

/// A schema as both databases can tell it.
type Schema = BTreeMap<String, Table>;

#[derive(PartialEq, Eq, Default, Debug)]
struct Table {
    /// Name, class of the type, whether it may be null.
    columns: BTreeSet<(String, &'static str, bool)>,
    /// Columns of each primary key, unique constraint and unique index.
    unique: BTreeSet<Vec<String>>,
    /// Columns of each other index, and whether it is partial.
    indexes: BTreeSet<(Vec<String>, bool)>,
    /// Columns, table and columns pointed at, what deleting does.
    foreign: BTreeSet<(Vec<String>, String, Vec<String>, String)>,
}

/// What a type can hold: the databases' own names differ.
fn class(name: &str) -> &'static str {
    match name {
        "INTEGER" | "bigint" | "integer" | "boolean" => "number",
        "TEXT" | "text" => "text",
        "BLOB" | "uuid" | "bytea" => "bytes",
        other => panic!("an unexpected type: {other}"),
    }
}

fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

/// Rows of text, whatever the database.
async fn rows<R>(db: &Db, sqlite: &'static str, postgres: &'static str) -> Vec<R>
where
    R: Send + Unpin + 'static,
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    db.read(move |tx| {
        Box::pin(async move {
            let text = tx.pick(sqlite, postgres);
            Ok::<_, DbError>(on!(tx, conn => sqlx::query_as(text).fetch_all(conn).await)?)
        })
    })
    .await
    .unwrap()
}

const COLUMNS_SQLITE: &str = "SELECT t.name, c.name, c.type, c.\"notnull\" = 0
    FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
    WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\'";
const COLUMNS_POSTGRES: &str = "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES'
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'";

const INDEXES_SQLITE: &str = "SELECT t.name, i.\"unique\" <> 0, i.partial <> 0,
        (SELECT group_concat(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))
    FROM pragma_table_list AS t, pragma_index_list(t.name) AS i
    WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\'";
const INDEXES_POSTGRES: &str = "SELECT t.relname::text, i.indisunique, i.indpred IS NOT NULL,
        (SELECT string_agg(a.attname, ',' ORDER BY k.place)
           FROM unnest(i.indkey) WITH ORDINALITY AS k(number, place)
           JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.number)
    FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
    WHERE n.nspname = 'public' AND t.relname <> '_sqlx_migrations'";

const FOREIGN_SQLITE: &str = "SELECT f.child, f.parent, f.action,
        group_concat(f.source), group_concat(f.target)
    FROM (SELECT t.name AS child, k.\"table\" AS parent, k.on_delete AS action, k.id, k.\"from\" AS source, k.\"to\" AS target
          FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS k
          WHERE t.schema = 'main' AND t.type = 'table' ORDER BY t.name, k.id, k.seq) AS f
    GROUP BY f.child, f.parent, f.action, f.id";
const FOREIGN_POSTGRES: &str = "SELECT c.conrelid::regclass::text, c.confrelid::regclass::text,
        CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'a' THEN 'NO ACTION' ELSE c.confdeltype::text END,
        (SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(c.conkey) WITH ORDINALITY AS k(number, place)
           JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.number),
        (SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(c.confkey) WITH ORDINALITY AS k(number, place)
           JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.number)
    FROM pg_constraint AS c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace";

async fn schema(db: &Db) -> Schema {
    let mut schema = Schema::new();
    for (table, column, kind, nullable) in
        rows::<(String, String, String, bool)>(db, COLUMNS_SQLITE, COLUMNS_POSTGRES).await
    {
        schema.entry(table).or_default().columns.insert((column, class(&kind), nullable));
    }
    for (table, unique, partial, columns) in
        rows::<(String, bool, bool, String)>(db, INDEXES_SQLITE, INDEXES_POSTGRES).await
    {
        let table = schema.entry(table).or_default();
        if unique && !partial {
            table.unique.insert(split(&columns));
        } else {
            assert!(!unique, "a partial unique index needs its condition compared");
            table.indexes.insert((split(&columns), partial));
        }
    }
    for (table, parent, action, from, to) in
        rows::<(String, String, String, String, String)>(db, FOREIGN_SQLITE, FOREIGN_POSTGRES).await
    {
        schema.entry(table).or_default().foreign.insert((split(&from), parent, split(&to), action));
    }
    schema
}

#[tokio::test(flavor = "multi_thread")]
async fn both_migrations_describe_the_same_schema() {
    let sqlite = schema(&*TestDb::new(Backend::Sqlite).await).await;
    let postgres = schema(&*TestDb::new(Backend::Postgres).await).await;
    assert!(sqlite.len() > 10, "{sqlite:?}");
    assert_eq!(sqlite.keys().collect::<Vec<_>>(), postgres.keys().collect::<Vec<_>>());
    for (name, table) in &sqlite {
        assert_eq!(table, &postgres[name], "table {name}: SQLite on the left, PostgreSQL on the right");
    }
}

/// Everything belongs to exactly one site; the three that belong to the server are named here.
#[tokio::test(flavor = "multi_thread")]
async fn every_row_names_its_site() {
    let schema = schema(&*TestDb::new(Backend::Sqlite).await).await;
    for (name, table) in &schema {
        let site = table.columns.iter().find(|(column, ..)| column == "site_id");
        match name.as_str() {
            "site" | "server_secret" | "job" => assert_eq!(site, None, "{name}"),
            "api_key" => assert!(site.is_some_and(|(_, _, nullable)| *nullable)),
            _ => assert!(site.is_some_and(|(_, _, nullable)| !nullable), "{name} has no site_id NOT NULL"),
        }
    }
}

for_both! {
    async fn migrating_again_changes_nothing(db: TestDb) {
        db.migrate().await.unwrap();
        assert_eq!(db.migration().await.unwrap(), latest_migration());
    }

    async fn learner_xor_and_bounds_are_the_schemas_own(db: TestDb) {
        const ROWS: [&str; 4] = [
            "INSERT INTO site (id, slug, name, default_lang, languages, look, revision, created_at, updated_at)
             VALUES ($1, 'fpsf', 'FPSF', 'fr', '[]', '{}', 1, 0, 0)",
            "INSERT INTO track (id, site_id, slug, track_type, state, cms_block_enabled, latest_version, revision, created_at, updated_at)
             VALUES ($1, $1, 't', 'beginner_intro', 'draft', FALSE, 1, 1, 0, 0)",
            "INSERT INTO track_version (track_id, version, site_id, definition, created_at) VALUES ($1, 1, $1, '{}', 0)",
            "INSERT INTO guest (id, site_id, created_at, expires_at) VALUES ($1, $1, 0, 1)",
        ];
        let id = uuid::Uuid::from_u128(1);
        db.write(move |tx| Box::pin(async move {
            for text in ROWS {
                execute!(tx, sqlx::query(text).bind(id))?;
            }
            Ok::<_, DbError>(())
        })).await.unwrap();

        let enroll = |user: Option<&'static str>, guest: Option<u128>, score: Option<i32>| {
            let db = db.db().clone();
            async move {
                db.write(move |tx| Box::pin(async move {
                    let text = "INSERT INTO enrollment (id, site_id, track_id, track_version, user_id, guest_id, current_step_order,
                        version, started_at, score, time_spent_seconds, merged_from_guest, progress)
                        VALUES ($1, $2, $2, 1, $3, $4, 0, 1, 0, $5, 0, FALSE, '[]')";
                    let (new, guest) = (uuid::Uuid::now_v7(), guest.map(uuid::Uuid::from_u128));
                    execute!(tx, sqlx::query(text).bind(new).bind(id).bind(user).bind(guest).bind(score))?;
                    Ok::<_, DbError>(())
                })).await
            }
        };
        let refused = |answer: Result<(), DbError>| match answer {
            Err(DbError::Constraint { kind, .. }) => format!("{kind:?}"),
            other => format!("{other:?}"),
        };
        assert_eq!(refused(enroll(None, None, None).await), "Check");
        assert_eq!(refused(enroll(Some("u"), Some(1), None).await), "Check");
        assert_eq!(refused(enroll(Some("u"), None, Some(10_001)).await), "Check");
        assert_eq!(refused(enroll(None, Some(2), None).await), "ForeignKey");
        assert_eq!(refused(enroll(None, Some(1), Some(10_000)).await), "Ok(())");
        assert_eq!(refused(enroll(None, Some(1), None).await), "Unique");
        assert_eq!(refused(enroll(Some("u"), None, None).await), "Ok(())");
        assert_eq!(refused(enroll(Some("u"), None, None).await), "Unique");
    }

    /// V1
    async fn v1_an_event_is_never_edited(db: TestDb) {
        let answer: Result<(), DbError> = db.write(|tx| Box::pin(async move {
            let id = uuid::Uuid::from_u128(1);
            let site = "INSERT INTO site (id, slug, name, default_lang, languages, look, revision, created_at, updated_at)
                VALUES ($1, 'fpsf', 'FPSF', 'fr', '[]', '{}', 1, 0, 0)";
            execute!(tx, sqlx::query(site).bind(id))?;
            let event = "INSERT INTO event (id, site_id, subject_id, seq, type, at, payload) VALUES ($1, $1, $1, 1, 'x', 0, '{}')";
            execute!(tx, sqlx::query(event).bind(id))?;
            execute!(tx, sqlx::query("UPDATE event SET at = 1"))?;
            Ok(())
        })).await;
        assert!(answer.unwrap_err().to_string().contains("append-only"));
    }
}
