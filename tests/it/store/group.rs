//! Writes: what is kept, what is rolled back, and who hears of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jalon_backend::db::{ConstraintKind, Db, DbError, Gatherer, Tx, execute, on};
use jalon_tests::for_both;

async fn put(tx: &mut Tx<'_>, name: &str) -> Result<(), DbError> {
    let text = "INSERT INTO server_secret (name, value, created_at) VALUES ($1, 'x', 0)";
    execute!(tx, sqlx::query(text).bind(name))?;
    Ok(())
}

async fn names(db: &Db) -> Vec<String> {
    db.read(|tx| {
        Box::pin(async move {
            let text = "SELECT name FROM server_secret ORDER BY name";
            Ok::<_, DbError>(on!(tx, conn => sqlx::query_scalar(text).fetch_all(conn).await)?)
        })
    })
    .await
    .unwrap()
}

/// A refusal of a noun's own, beside the database's errors.
#[derive(Debug)]
enum Refused {
    Asked,
    Db(DbError),
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

for_both! {
    async fn a_write_that_answers_err_rolls_back_only_itself(db: TestDb) {
        // All at once, so that on SQLite they share commits.
        let writes = (0..200).map(|number| {
            let db = db.db().clone();
            async move {
                db.write(move |tx| Box::pin(async move {
                    put(tx, &format!("{number:03}")).await?;
                    if number % 3 == 0 { Err(Refused::Asked) } else { Ok(number) }
                })).await
            }
        });
        let answers = join_all(writes).await;
        for (number, answer) in answers.iter().enumerate() {
            match answer {
                Ok(kept) => assert_eq!(*kept, number),
                Err(Refused::Asked) => assert_eq!(number % 3, 0),
                Err(Refused::Db(error)) => panic!("{error}"),
            }
        }
        let expected: Vec<_> = (0..200).filter(|number| number % 3 != 0).map(|number| format!("{number:03}")).collect();
        assert_eq!(names(&db).await, expected);
        if db.is_sqlite() {
            assert!(db.stats().commits < 100, "200 writes at once took {} commits", db.stats().commits);
        }
    }

    async fn a_failing_statement_harms_nobody_else_in_the_group(db: TestDb) {
        let writes = (0..100).map(|number| {
            let db = db.db().clone();
            // Every fifth wants a name that is taken already.
            let name = if number % 5 == 0 { "taken".to_owned() } else { format!("{number:03}") };
            async move { db.write(move |tx| Box::pin(async move { put(tx, &name).await })).await }
        });
        let answers = join_all(writes).await;
        let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert_eq!(refused.len(), 19);
        for error in refused {
            assert!(matches!(error, DbError::Constraint { kind: ConstraintKind::Unique, .. }), "{error}");
        }
        assert_eq!(names(&db).await.len(), 81);
    }

    async fn a_panic_inside_a_write_is_an_error_for_its_caller_alone(db: TestDb) {
        let writes = (0..20).map(|number| {
            let db = db.db().clone();
            async move {
                db.write(move |tx| Box::pin(async move {
                    put(tx, &format!("{number:03}")).await?;
                    assert!(number != 7, "on purpose");
                    Ok::<_, DbError>(())
                })).await
            }
        });
        let answers = join_all(writes).await;
        assert!(matches!(answers[7], Err(DbError::Other(_))));
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 19);
        assert_eq!(names(&db).await.len(), 19);
    }

    async fn a_caller_who_hangs_up_leaves_no_connection_behind(db: TestDb) {
        let mut begun = Vec::new();
        for number in 0..2000_u64 {
            let writer = db.db().clone();
            let task = tokio::spawn(async move {
                let name = format!("{number:04}");
                writer.write(move |tx| Box::pin(async move { put(tx, &name).await })).await?;
                writer.ping().await
            });
            begun.push(task);
            if number % 16 == 15 {
                // Any moment will do; these are spread over what a transaction takes.
                tokio::time::sleep(Duration::from_micros(number * 7919 % 900)).await;
                for task in begun.drain(..) {
                    task.abort();
                }
            }
        }
        // More at once than there are connections: a poisoned one would be among them.
        let uses = (0..64).map(|number| {
            let db = db.db().clone();
            async move {
                let name = format!("after {number}");
                db.write(move |tx| Box::pin(async move { put(tx, &name).await })).await?;
                db.ping().await
            }
        });
        for answer in join_all(uses).await {
            answer.unwrap();
        }
        assert_eq!(names(&db).await.iter().filter(|name| name.starts_with("after")).count(), 64);
    }

    async fn what_was_written_is_there_for_a_second_backend(db: TestDb) {
        db.write(|tx| Box::pin(async move { put(tx, "one").await })).await.unwrap();
        assert_eq!(names(&db.reopen().await).await, ["one"]);
    }

    async fn gathered_commands_are_answered_each_and_a_bad_one_alone_fails(db: TestDb) {
        let gatherer = Gatherer::new(&db, |tx, group: Arc<[u64]>| {
            Box::pin(async move {
                for number in group.iter() {
                    put(tx, &format!("{:04}", number % 400)).await?;
                }
                Ok(group.iter().map(|number| number * 2).collect())
            })
        });
        // 400 and 401 want names that 0 and 1 have.
        let answers = join_all((0..402).map(|number| gatherer.submit(number, number))).await;
        let failed: Vec<_> = answers.iter().filter(|answer| answer.is_err()).collect();
        assert_eq!(failed.len(), 2);
        for (number, answer) in answers.iter().enumerate() {
            if let Ok(double) = answer {
                assert_eq!(*double, number as u64 * 2);
            }
        }
        assert_eq!(names(&db).await.len(), 400);
    }

    async fn a_closed_database_has_written_what_it_took(db: TestDb) {
        let writer = db.db().clone();
        let writes = tokio::spawn(join_all((0..50).map(move |number| {
            let db = writer.clone();
            async move {
                let name = format!("{number:03}");
                db.write(move |tx| Box::pin(async move { put(tx, &name).await })).await
            }
        })));
        let kept = writes.await.unwrap().iter().filter(|answer| answer.is_ok()).count();
        let second = db.reopen().await;
        db.close().await;
        assert_eq!(names(&second).await.len(), kept);
        let refused = db.write(|tx| Box::pin(async move { put(tx, "late").await })).await;
        assert!(matches!(refused, Err(DbError::Unavailable(_))), "{refused:?}");
    }
}
