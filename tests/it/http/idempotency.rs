//! The memory of idempotency keys, one by one and in groups; and the states of guests in groups.

use jalon_backend::{
    db::DbError,
    guest::store::{self as guests, GuestState},
    http::idempotency::{Answer, Fingerprint, Lookup, Query, Remembered, lookup, lookup_all, remember, remember_all},
    site::store as sites,
};
use jalon_shared::{GuestId, SiteId, Timestamp, wire::admin_site::CreateSite};
use jalon_tests::for_both;
use serde_json::json;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

async fn site(db: &jalon_tests::TestDb, slug: &str) -> SiteId {
    let id = SiteId(Uuid::now_v7());
    let new: CreateSite = serde_json::from_value(json!({ "slug": slug, "name": slug, "default_lang": "fr" })).unwrap();
    db.write::<_, DbError, _>(move |tx| Box::pin(async move { sites::insert(tx, id, &new, NOW).await })).await.unwrap();
    id
}

fn query(site: SiteId, caller: &str, key: Uuid, body: &str) -> Query {
    Query { site, caller: caller.to_owned(), key, fingerprint: Fingerprint::of("POST", "/a", body.as_bytes()) }
}

for_both! {
    async fn a_key_is_remembered_per_site_and_caller(db: TestDb) {
        let (a, b) = (site(&db, "a").await, site(&db, "b").await);
        let key = Uuid::now_v7();
        let first = query(a, "u:é'\"", key, "{}");
        let again = first.clone();
        db.write::<_, DbError, _>(move |tx| Box::pin(async move {
            remember(tx, &Answer { query: first, status: 201, response: "{\"a\":\"'\\u0000\"}".into() }, NOW).await
        })).await.unwrap();
        let asked = [
            again.clone(),
            query(a, "u:é'\"", key, "{ }"),
            query(a, "u:other", key, "{}"),
            query(b, "u:é'\"", key, "{}"),
            query(a, "u:é'\"", Uuid::now_v7(), "{}"),
        ];
        let known = Lookup::Replay(Remembered { status: 201, response: "{\"a\":\"'\\u0000\"}".into() });
        let expected = [known.clone(), Lookup::Reused, Lookup::Fresh, Lookup::Fresh, Lookup::Fresh];
        let all = asked.clone();
        let found = db.read::<_, DbError, _>(move |tx| Box::pin(async move { lookup_all(tx, &all).await })).await.unwrap();
        assert_eq!(found, expected);
        for (query, expected) in asked.into_iter().zip(expected) {
            assert_eq!(db.read::<_, DbError, _>(move |tx| Box::pin(async move { lookup(tx, &query).await })).await.unwrap(), expected);
        }
        // The same key at the same moment elsewhere takes the change it belongs to back with it.
        let twice = Answer { query: again, status: 200, response: String::new() };
        let refused = db.write::<_, DbError, _>(move |tx| Box::pin(async move { remember_all(tx, &[twice], NOW).await })).await;
        assert!(refused.unwrap_err().is_unique());
    }

    async fn a_group_is_remembered_in_one_statement(db: TestDb) {
        let site = site(&db, "a").await;
        let queries: Vec<Query> = (0..300).map(|n| query(site, &format!("g:{n}"), Uuid::now_v7(), &n.to_string())).collect();
        let answers: Vec<Answer> = queries.iter().enumerate().map(|(n, query)| Answer { query: query.clone(), status: 200, response: format!("{{\"n\":{n}}}") }).collect();
        db.write::<_, DbError, _>(move |tx| Box::pin(async move { remember_all(tx, &answers, NOW).await })).await.unwrap();
        let asked: Vec<Query> = queries.into_iter().rev().collect();
        let found = db.read::<_, DbError, _>(move |tx| Box::pin(async move { lookup_all(tx, &asked).await })).await.unwrap();
        for (n, found) in found.into_iter().rev().enumerate() {
            assert_eq!(found, Lookup::Replay(Remembered { status: 200, response: format!("{{\"n\":{n}}}") }), "in the order asked");
        }
        let none = db.write::<_, DbError, _>(|tx| Box::pin(async move {
            remember_all(tx, &[], NOW).await?;
            lookup_all(tx, &[]).await
        })).await.unwrap();
        assert!(none.is_empty());
    }

    /// E3, M5: what may be done in a guest's name, for a whole group at once, and never on another site.
    async fn guests_are_judged_in_groups(db: TestDb) {
        let (a, b) = (site(&db, "a").await, site(&db, "b").await);
        let ids: Vec<GuestId> = (0..3).map(|_| GuestId(Uuid::now_v7())).collect();
        let (live, revoked, gone) = (ids[0], ids[1], ids[2]);
        let states = db.write::<_, DbError, _>(move |tx| Box::pin(async move {
            guests::insert(tx, a, live, NOW, NOW.plus_seconds(10)).await?;
            guests::insert(tx, a, revoked, NOW, NOW.plus_seconds(10)).await?;
            assert!(guests::revoke(tx, a, revoked, NOW).await?);
            assert!(!guests::revoke(tx, b, live, NOW).await?, "another site's guest");
            guests::guest_states(tx, &[(a, live), (a, revoked), (a, gone), (b, live)]).await
        })).await.unwrap();
        let of = |site, guest| states.get(&(site, guest));
        assert_eq!((of(a, live), of(a, revoked), of(a, gone)), (Some(&GuestState::Live), Some(&GuestState::Revoked), None));
        assert_eq!(of(b, live), None, "asked beside it, another site's guest is nobody");
        let alone = db.read::<_, DbError, _>(move |tx| Box::pin(guests::guest_state(tx, b, live))).await.unwrap();
        assert_eq!(alone, GuestState::Revoked, "missing is as good as revoked");
        assert_eq!(db.read::<_, DbError, _>(move |tx| Box::pin(guests::times(tx, a, live))).await.unwrap(), Some((NOW, NOW.plus_seconds(10))));
    }
}
