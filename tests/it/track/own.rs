//! What is the learner's own: the list, the export, erasure.

use jalon_backend::db::{DbError, on};
use jalon_tests::{Stage, for_both, small_track};
use serde_json::json;

use super::Learner;

for_both! {
    /// The dashboard's filter, by pages.
    async fn the_list_is_filtered_and_comes_in_pages(db: TestDb) {
        let stage = Stage::set(&db).await;
        let member = stage.member("u-42");
        for n in 0..5 {
            let slug = format!("track-{n}");
            stage.publish(&slug, &small_track()).await;
            let learner = Learner::begin(&stage, &member, &slug).await;
            if n > 1 {
                learner.advance(1, json!({})).await.expect(200);
            }
            if n > 3 {
                learner.answer(true).await.expect(200);
                learner.advance(4, json!({})).await.expect(200);
            }
        }
        let count = async |query: &str| {
            let path = format!("/api/v1/sites/fpsf/me/enrollments?limit=100{query}");
            stage.server.get(&path).bearer(&member).send().await.expect(200)["items"].as_array().unwrap().len()
        };
        assert_eq!((count("").await, count("&status=started").await, count("&status=in_progress").await), (5, 2, 2));
        assert_eq!((count("&status=completed").await, count("&status=expired").await), (1, 0));
        let first = stage.server.get("/api/v1/sites/fpsf/me/enrollments?limit=3").bearer(&member).send().await.expect(200);
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = stage.server.get(&format!("/api/v1/sites/fpsf/me/enrollments?limit=3&cursor={cursor}")).bearer(&member).send().await.expect(200);
        assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (3, 2));
        assert!(second["next_cursor"].is_null());
    }

    /// Export holds everything; erasure leaves nothing of the learner in any table.
    async fn export_and_erasure(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (guest_id, guest) = stage.guest().await;
        let learner = Learner::begin(&stage, &guest, "first").await;
        learner.advance(1, json!({})).await.expect(200);
        learner.answer(true).await.expect(200);
        learner.advance(4, json!({})).await.expect(200);
        let member = stage.member("to-be-forgotten");
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&json!({ "guest_token": guest })).send().await.expect(200);
        let other = stage.member("stays");
        Learner::begin(&stage, &other, "first").await;

        let export = stage.server.get("/api/v1/sites/fpsf/me/export").bearer(&member).send().await.expect(200);
        assert_eq!((export["enrollments"].as_array().unwrap().len(), export["merged_guests"][0].as_str()), (1, Some(guest_id.as_str())));
        assert!(export["events"].as_array().unwrap().iter().any(|event| event["type"] == "quiz.answered"));

        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&member).send().await.expect(204);
        assert_eq!(stage.server.get("/api/v1/sites/fpsf/me/export").bearer(&member).send().await.expect(200)["enrollments"], json!([]));
        let guest_id: uuid::Uuid = guest_id.parse().unwrap();
        let left: Vec<String> = stage.server.app().db.read(move |tx| Box::pin(async move {
            let tables: Vec<String> = if let jalon_backend::db::Tx::Sqlite(_) = tx {
                on!(tx, conn => sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'").fetch_all(conn).await)?
            } else {
                on!(tx, conn => sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()").fetch_all(conn).await)?
            };
            let mut left = Vec::new();
            for table in tables {
                // Every row as text; ids are bytes in SQLite, so they are looked for as hexadecimal too.
                let text = match tx {
                    jalon_backend::db::Tx::Sqlite(conn) => {
                        let columns: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')"))).fetch_all(&mut **conn).await?;
                        let row = columns.iter().map(|column| format!("coalesce(CASE typeof(\"{column}\") WHEN 'blob' THEN hex(\"{column}\") ELSE \"{column}\" END, '')")).collect::<Vec<_>>().join(" || ' ' || ");
                        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT CAST({row} AS TEXT) FROM \"{table}\""))).fetch_all(&mut **conn).await?;
                        rows.join("\n")
                    }
                    jalon_backend::db::Tx::Postgres(conn) => {
                        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t"))).fetch_all(&mut **conn).await?;
                        rows.join("\n")
                    }
                };
                let text = text.to_lowercase();
                if ["to-be-forgotten".to_owned(), guest_id.to_string(), guest_id.simple().to_string()].iter().any(|trace| text.contains(trace.as_str())) {
                    left.push(table);
                }
            }
            Ok::<_, DbError>(left)
        })).await.unwrap();
        assert_eq!(left, Vec::<String>::new(), "traces are left in these tables");
        assert_eq!(stage.server.get("/api/v1/sites/fpsf/me/enrollments").bearer(&other).send().await.expect(200)["items"].as_array().unwrap().len(), 1);
    }

    /// M5: what a guest did is the member's after the merge; the guest's token erases none of it.
    async fn m5_a_merged_guests_token_erases_nothing(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, guest) = stage.guest().await;
        let learner = Learner::begin(&stage, &guest, "first").await;
        learner.advance(1, json!({})).await.expect(200);
        let member = stage.member("u-42");
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&json!({ "guest_token": guest })).send().await.expect(200);
        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&guest).send().await.problem(409, "guest_merged");
        assert_eq!(crate::track::assert_replay_gives_the_rows(&stage).await, 1);
        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&member).send().await.expect(204);
        stage.server.delete("/api/v1/sites/fpsf/me").bearer(&guest).send().await.expect(204);
    }

    /// The export holds what the member did as a guest, even where that enrollment went into another (M2).
    async fn the_export_holds_what_was_done_as_a_guest(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let member = stage.member("u-42");
        Learner::begin(&stage, &member, "first").await;
        let (_, guest) = stage.guest().await;
        let learner = Learner::begin(&stage, &guest, "first").await;
        learner.advance(1, json!({})).await.expect(200);
        learner.answer(false).await.expect(200);
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&json!({ "guest_token": guest })).send().await.expect(200);
        let export = stage.server.get("/api/v1/sites/fpsf/me/export").bearer(&member).send().await.expect(200);
        let answered = export["events"].as_array().unwrap().iter().filter(|event| event["type"] == "quiz.answered").count();
        assert_eq!(answered, 1);
    }
}
