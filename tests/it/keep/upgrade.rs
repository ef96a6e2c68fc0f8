//! Upgrades: the database goes forward whole or not at all, once, and never backward.

use jalon_backend::db::{Db, DbError, Migration, execute, latest_migration, on};
use jalon_tests::{Backend, TestDb, for_both};

/// An upgrade to come.
const NEXT: [Migration; 2] = [
    (9001, "9001_next", "CREATE TABLE next_one (id BIGINT NOT NULL PRIMARY KEY); INSERT INTO next_one VALUES (1);"),
    (9002, "9002_next", "ALTER TABLE site ADD COLUMN motto TEXT; UPDATE site SET motto = 'rien ne se perd';"),
];
/// The same, with a mistake in its second migration.
const BROKEN: [Migration; 2] =
    [NEXT[0], (9002, "9002_next", "ALTER TABLE site ADD COLUMN motto TEXT; UPDATE nowhere SET x = 1;")];

async fn count(db: &Db, sqlite: &'static str, postgres: &'static str) -> i64 {
    db.read(move |tx| {
        Box::pin(async move {
            let text = tx.pick(sqlite, postgres);
            Ok::<_, DbError>(on!(tx, conn => sqlx::query_scalar(text).fetch_one(conn).await)?)
        })
    })
    .await
    .unwrap()
}

/// Whether the upgrade's table or its column is there.
async fn traces(db: &Db) -> i64 {
    count(
        db,
        "SELECT (SELECT count(*) FROM sqlite_schema WHERE name = 'next_one')
            + (SELECT count(*) FROM pragma_table_info('site') WHERE name = 'motto')",
        "SELECT (SELECT count(*) FROM pg_tables WHERE tablename = 'next_one')
            + (SELECT count(*) FROM information_schema.columns WHERE table_name = 'site' AND column_name = 'motto')",
    )
    .await
}

for_both! {
    async fn p8_a_migration_that_fails_leaves_the_old_state(db: TestDb) {
        let error = db.migrate_with(&BROKEN).await.unwrap_err().to_string();
        assert!(error.contains("migration 9002 failed, and nothing was changed"), "{error}");
        assert_eq!(db.migration().await.unwrap(), latest_migration(), "not even the migration before it");
        assert_eq!(traces(&db).await, 0);
        // The old program goes on with it, and the mended one goes forward.
        db.migrate().await.unwrap();
        db.migrate_with(&NEXT).await.unwrap();
        assert_eq!((db.migration().await.unwrap(), traces(&db).await), (9002, 2));
    }

    async fn p8_a_database_newer_than_the_program_is_refused(db: TestDb) {
        db.migrate_with(&NEXT).await.unwrap();
        let error = db.reopen().await.migrate().await.unwrap_err().to_string();
        assert!(error.contains("written by a newer Jalon: it is at migration 9002"), "{error}");
        assert!(error.contains(&format!("this program knows {}", latest_migration())), "{error}");
        assert_eq!((db.migration().await.unwrap(), traces(&db).await), (9002, 2), "left alone");
    }

    /// A changed text would mean that two databases of one version differ.
    async fn p8_a_migration_whose_text_was_changed_is_refused(db: TestDb) {
        db.write(|tx| Box::pin(async move {
            execute!(tx, sqlx::query("UPDATE _sqlx_migrations SET checksum = $1 WHERE version = 1").bind(vec![0_u8; 48]))
        })).await.unwrap();
        let error = db.migrate().await.unwrap_err().to_string();
        assert!(error.contains("migration 1 was applied with another text"), "{error}");
    }

    async fn p8_of_servers_that_start_at_once_one_migrates(db: TestDb) {
        let mut servers = Vec::new();
        for _ in 0..6 {
            servers.push(db.reopen().await);
        }
        let all = servers.iter().map(|server| server.migrate_with(&NEXT));
        for done in futures_util::future::join_all(all).await {
            done.unwrap();
        }
        assert_eq!(count(&db, "SELECT count(*) FROM next_one", "SELECT count(*) FROM next_one").await, 1);
        assert_eq!(db.migration().await.unwrap(), 9002);
    }
}

/// From nothing, too: two first starts of a fresh database.
#[tokio::test(flavor = "multi_thread")]
async fn p8_of_two_first_starts_one_makes_the_schema() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let db = TestDb::empty(backend).await;
        let servers = [db.reopen().await, db.reopen().await, db.reopen().await];
        for done in futures_util::future::join_all(servers.iter().map(Db::migrate)).await {
            done.unwrap();
        }
        assert_eq!(db.migration().await.unwrap(), latest_migration());
    }
}
