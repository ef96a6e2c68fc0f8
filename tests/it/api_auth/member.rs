//! Members' tokens: everything that JWTs have been attacked with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jalon_backend::clock::Clock;
use jalon_shared::Timestamp;
use jalon_tests::{Answer, MEMBER_SECRET, Stage, TestDb, for_both};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const MINE: &str = "/api/v1/sites/fpsf/me/enrollments";

// Made for these tests with `openssl genpkey`; they protect nothing.
const RSA_PRIVATE: &str = include_str!("keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa.pub.pem");
const RSA_SHORT_PRIVATE: &str = include_str!("keys/rsa1024.pem");
const RSA_SHORT_PUBLIC: &str = include_str!("keys/rsa1024.pub.pem");
const EC_PRIVATE: &str = include_str!("keys/ec.pem");
const EC_PUBLIC: &str = include_str!("keys/ec.pub.pem");
const ED_PRIVATE: &str = include_str!("keys/ed.pem");
const ED_PUBLIC: &str = include_str!("keys/ed.pub.pem");

async fn stage(db: &TestDb) -> (Stage, Clock) {
    let clock = Clock::fixed(Timestamp(NOW * 1000));
    (Stage::set_with(db, clock.clone(), |_| ()).await, clock)
}

fn claims() -> Value {
    json!({ "sub": "u-42", "aud": "fpsf", "exp": NOW + 3600 })
}

#[expect(clippy::needless_pass_by_value, reason = "reads like the table it is used in")]
fn with(changes: Value) -> Value {
    let mut all = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            all.as_object_mut().unwrap().remove(name);
        } else {
            all[name] = value.clone();
        }
    }
    all
}

fn hs256(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(MEMBER_SECRET.as_bytes())).unwrap()
}

fn signed(algorithm: Algorithm, kid: Option<&str>, claims: &Value, key: &EncodingKey) -> String {
    encode(&Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) }, claims, key).unwrap()
}

async fn ask(stage: &Stage, token: &str) -> Answer {
    stage.server.get(MINE).bearer(token).send().await
}

async fn add_key(stage: &Stage, key: Value) -> Value {
    stage.server.post("/api/v1/admin/sites/fpsf/signing-keys").bearer(&stage.key).json(&key).send().await.expect(201)
}

for_both! {
    async fn claims_are_judged_by_our_clock_and_our_site(db: TestDb) {
        let (stage, clock) = stage(&db).await;
        for good in [
            claims(),
            with(json!({ "aud": ["other", "fpsf"], "site": "fpsf", "name": "Ana", "roles": ["member", "wizard"], "lang": "not a tag!" })),
            with(json!({ "exp": NOW - 59 })),
            with(json!({ "exp": NOW + 86_400, "iat": NOW + 30, "nbf": NOW })),
            with(json!({ "exp": 1_800_003_600.5 })),
        ] {
            assert_eq!(ask(&stage, &hs256(&good)).await.status, 200, "{good}");
        }
        for (bad, code) in [
            (with(json!({ "exp": NOW - 60 })), "token_expired"),
            (with(json!({ "exp": null })), "unauthenticated"),
            (with(json!({ "exp": NOW + 86_400 + 61 })), "unauthenticated"),
            (with(json!({ "exp": 1e300 })), "unauthenticated"),
            (with(json!({ "exp": -1 })), "unauthenticated"),
            (with(json!({ "exp": "2030" })), "unauthenticated"),
            (with(json!({ "aud": null })), "unauthenticated"),
            (with(json!({ "aud": "other" })), "unauthenticated"),
            (with(json!({ "aud": [] })), "unauthenticated"),
            (with(json!({ "aud": "FPSF" })), "unauthenticated"),
            (with(json!({ "site": "other" })), "unauthenticated"),
            (with(json!({ "sub": null })), "unauthenticated"),
            (with(json!({ "sub": "" })), "unauthenticated"),
            (with(json!({ "sub": "a\nb" })), "unauthenticated"),
            (with(json!({ "sub": 42 })), "unauthenticated"),
            (with(json!({ "nbf": NOW + 61 })), "unauthenticated"),
            (with(json!({ "iat": NOW + 61 })), "unauthenticated"),
            (json!([]), "unauthenticated"),
        ] {
            ask(&stage, &hs256(&bad)).await.problem(401, code);
        }
        // The token names the site where the address does not; then that site's keys decide.
        let unknown = stage.server.get("/api/v1/enrollments/01890a5d-ac96-774b-bcce-b302099a8057").bearer(&hs256(&claims())).send().await;
        unknown.problem(404, "not_found");
        let elsewhere = hs256(&with(json!({ "aud": "nowhere" })));
        stage.server.get("/api/v1/enrollments/01890a5d-ac96-774b-bcce-b302099a8057").bearer(&elsewhere).send().await.problem(401, "unauthenticated");
        let token = hs256(&claims());
        clock.advance(Duration::from_mins(61));
        ask(&stage, &token).await.problem(401, "token_expired");
    }

    async fn the_algorithm_is_the_keys_and_never_the_tokens(db: TestDb) {
        let (stage, _) = stage(&db).await;
        add_key(&stage, json!({ "algorithm": "RS256", "public_key": RSA_PUBLIC, "kid": "r1" })).await;
        let encoded = |header: Value| format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims().to_string()));
        for forged in [
            // alg: none, in every spelling.
            format!("{}.", encoded(json!({ "alg": "none" }))),
            format!("{}.", encoded(json!({ "alg": "NONE", "typ": "JWT" }))),
            encoded(json!({ "alg": "none" })),
            format!("{}.", encoded(json!({ "alg": "HS256" }))),
            // The public key as an HMAC secret.
            signed(Algorithm::HS256, None, &claims(), &EncodingKey::from_secret(RSA_PUBLIC.as_bytes())),
            signed(Algorithm::HS256, Some("r1"), &claims(), &EncodingKey::from_secret(RSA_PUBLIC.trim().as_bytes())),
            // The right secret with another of its family.
            signed(Algorithm::HS512, None, &claims(), &EncodingKey::from_secret(MEMBER_SECRET.as_bytes())),
            signed(Algorithm::RS512, Some("r1"), &claims(), &EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap()),
            signed(Algorithm::PS256, Some("r1"), &claims(), &EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap()),
            // Another secret, and none.
            signed(Algorithm::HS256, None, &claims(), &EncodingKey::from_secret(b"")),
            signed(Algorithm::HS256, None, &claims(), &EncodingKey::from_secret(b"a-secret-of-somebody-else-of-more-than-32-bytes")),
            // A key's id that does not fit, or is an address, a path or SQL.
            signed(Algorithm::RS256, Some("r2"), &claims(), &EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap()),
            signed(Algorithm::ES256, Some("../../dev/null"), &claims(), &EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).unwrap()),
            signed(Algorithm::EdDSA, Some("' OR 1=1 --"), &claims(), &EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap()),
        ] {
            ask(&stage, &forged).await.problem(401, "unauthenticated");
        }
        // The attacker brings the key along.
        let mut header = Header::new(Algorithm::EdDSA);
        header.jku = Some("https://evil.example/jwks".into());
        header.jwk = serde_json::from_value(json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })).ok();
        let own = encode(&header, &claims(), &EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap()).unwrap();
        ask(&stage, &own).await.problem(401, "unauthenticated");
    }

    /// RFC 7515, 4.1.11: what must be understood and is not, is refused; whoever signed it.
    async fn p5_a_token_that_asks_for_an_extension_is_refused(db: TestDb) {
        let (stage, _) = stage(&db).await;
        for crit in [json!(["exp"]), json!(["b64"]), json!(["https://example/ext"]), json!([]), json!("exp"), json!(1), json!({})] {
            let header = json!({ "alg": "HS256", "crit": crit, "b64": true, "exp": NOW });
            let text = [header, claims()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
            let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &EncodingKey::from_secret(MEMBER_SECRET.as_bytes()), Algorithm::HS256).unwrap();
            ask(&stage, &format!("{text}.{signature}")).await.problem(401, "unauthenticated");
        }
    }

    /// Where the address names no site, the token must name one and not two: whatever the order.
    async fn p5_a_token_for_several_sites_says_which(db: TestDb) {
        let (stage, _) = stage(&db).await;
        stage.site("other", &[]).await;
        stage.publish("first", &jalon_tests::small_track()).await;
        let enrolled = |token: String| stage.server.post("/api/v1/sites/fpsf/tracks/first/enrollments").bearer(&token).json(&json!({})).send();
        let mine = enrolled(hs256(&claims())).await.expect(201)["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/enrollments/{mine}");
        for (claims, status) in [
            (json!({ "aud": ["fpsf"] }), 200),
            (json!({ "aud": ["fpsf", "fpsf", "elsewhere"] }), 200),
            (json!({ "aud": ["other", "fpsf"], "site": "fpsf" }), 200),
            (json!({ "aud": ["fpsf", "other"], "site": "fpsf" }), 200),
            (json!({ "aud": ["other", "fpsf"] }), 401),
            (json!({ "aud": ["fpsf", "other"] }), 401),
            // A site that is not in the audience, or is none.
            (json!({ "aud": ["fpsf"], "site": "other" }), 401),
            (json!({ "aud": ["fpsf"], "site": "elsewhere" }), 401),
            (json!({ "aud": null, "site": "fpsf" }), 401),
            // Good for the other one: there the enrollment is not.
            (json!({ "aud": ["fpsf", "other"], "site": "other" }), 404),
        ] {
            let answer = stage.server.get(&path).bearer(&hs256(&with(claims.clone()))).send().await;
            assert_eq!(answer.status, status, "{claims}: {}", answer.text());
        }
        // Where the address names one of them, there is no doubt.
        ask(&stage, &hs256(&with(json!({ "aud": ["other", "fpsf"] })))).await.expect(200);
    }

    async fn every_algorithm_works_and_keys_change_without_a_gap(db: TestDb) {
        let (stage, clock) = stage(&db).await;
        let mut ids = Vec::new();
        for (algorithm, public) in [("RS256", RSA_PUBLIC), ("ES256", EC_PUBLIC), ("EdDSA", ED_PUBLIC)] {
            ids.push(add_key(&stage, json!({ "algorithm": algorithm, "public_key": public, "kid": algorithm })).await["id"].clone());
        }
        let tokens = [
            signed(Algorithm::RS256, Some("RS256"), &claims(), &EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap()),
            signed(Algorithm::ES256, None, &claims(), &EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).unwrap()),
            signed(Algorithm::EdDSA, Some("EdDSA"), &claims(), &EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap()),
            hs256(&claims()),
        ];
        for token in &tokens {
            // Twice: a verified token may be remembered.
            ask(&stage, token).await.expect(200);
            ask(&stage, token).await.expect(200);
        }
        let expire = |id: &Value| format!("/api/v1/admin/sites/fpsf/signing-keys/{}/expire", id.as_str().unwrap());
        stage.server.post(&expire(&ids[0])).bearer(&stage.key).send().await.expect(200);
        ask(&stage, &tokens[0]).await.problem(401, "unauthenticated");
        let later = json!({ "expires_at": Timestamp((NOW + 60) * 1000) });
        stage.server.post(&expire(&ids[2])).bearer(&stage.key).json(&later).send().await.expect(200);
        ask(&stage, &tokens[2]).await.expect(200);
        ask(&stage, &tokens[1]).await.expect(200);
        clock.advance(Duration::from_secs(61));
        ask(&stage, &tokens[1]).await.expect(200);
        // What was remembered under a key ends with it.
        ask(&stage, &tokens[2]).await.problem(401, "unauthenticated");
        let listed = stage.server.get("/api/v1/admin/sites/fpsf/signing-keys").bearer(&stage.key).send().await;
        assert_eq!(listed.expect(200)["items"].as_array().unwrap().len(), 4);
        assert!(!listed.text().contains(MEMBER_SECRET));
    }

    async fn a_key_that_can_not_sign_is_refused(db: TestDb) {
        let (stage, _) = stage(&db).await;
        for (key, code, pointer) in [
            (json!({ "algorithm": "HS256", "secret": "short" }), "invalid_value", "/secret"),
            (json!({ "algorithm": "HS256" }), "missing_field", "/secret"),
            // Anybody could sign with what everybody may know.
            (json!({ "algorithm": "HS256", "secret": EC_PUBLIC }), "invalid_value", "/secret"),
            (json!({ "algorithm": "RS256", "public_key": EC_PUBLIC }), "invalid_value", "/public_key"),
            (json!({ "algorithm": "RS256", "public_key": RSA_PRIVATE }), "invalid_value", "/public_key"),
            // One that can be computed back.
            (json!({ "algorithm": "RS256", "public_key": RSA_SHORT_PUBLIC }), "invalid_value", "/public_key"),
            (json!({ "algorithm": "EdDSA", "public_key": "x" }), "invalid_value", "/public_key"),
            (json!({ "algorithm": "JWKS", "jwks_url": "http://id.example/jwks" }), "invalid_value", "/jwks_url"),
            (json!({ "algorithm": "JWKS", "jwks_url": "https://10.0.0.1/jwks" }), "invalid_value", "/jwks_url"),
            (json!({ "algorithm": "none" }), "invalid_value", "/algorithm"),
            (json!({ "algorithm": "HS256", "secret": MEMBER_SECRET, "private": 1 }), "unknown_field", "/private"),
        ] {
            let answer = stage.server.post("/api/v1/admin/sites/fpsf/signing-keys").bearer(&stage.key).json(&key).send().await;
            assert_eq!(answer.problem(422, code)["errors"][0]["pointer"], pointer, "{key}");
            assert!(!answer.text().contains("PRIVATE"), "what came in does not go out");
        }
    }

    async fn roles_run_the_site_and_only_theirs(db: TestDb) {
        let (stage, _) = stage(&db).await;
        stage.site("other", &[]).await;
        let token = |roles: Value| hs256(&with(json!({ "roles": roles })));
        let (admin, manager, learner) = (token(json!(["site_admin"])), token(json!(["course_manager"])), token(json!(["member", "coach"])));
        let get = |path: &'static str, token: &str| stage.server.get(path).bearer(token).send();
        get("/api/v1/admin/sites/fpsf/keys", &admin).await.expect(200);
        get("/api/v1/admin/sites/fpsf/keys", &manager).await.problem(403, "forbidden");
        get("/api/v1/admin/sites/fpsf/tracks", &manager).await.expect(200);
        get("/api/v1/admin/sites/fpsf/tracks", &learner).await.problem(403, "forbidden");
        get("/api/v1/admin/sites", &admin).await.problem(403, "forbidden");
        // The same secret signs for both sites here; the audience still keeps them apart.
        get("/api/v1/admin/sites/other/keys", &admin).await.problem(401, "unauthenticated");
    }
}

/// A key set: fetched once, the key picked by its id, and missed only when it is gone for long.
#[test]
fn a_key_set_is_used() {
    jalon_tests::run(jalon_tests::Backend::Sqlite, |db| async move {
        let fetched = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&fetched);
        let keys = json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "e1", "use": "sig", "x": include_str!("keys/ed.x").trim() },
            { "kty": "RSA", "kid": "r1", "use": "sig", "n": include_str!("keys/rsa1024.n").trim(), "e": "AQAB" },
            { "kty": "oct", "kid": "s1", "k": URL_SAFE_NO_PAD.encode(MEMBER_SECRET) } ] });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let app = axum::Router::new().route(
            "/jwks",
            axum::routing::get(move || {
                counter.fetch_add(1, Ordering::SeqCst);
                async move { axum::Json(keys) }
            }),
        );
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (stage, _) = stage(&db).await;
        add_key(&stage, json!({ "algorithm": "JWKS", "jwks_url": url })).await;
        let ed = EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap();
        ask(&stage, &signed(Algorithm::EdDSA, Some("e1"), &claims(), &ed)).await.expect(200);
        ask(&stage, &signed(Algorithm::EdDSA, None, &claims(), &ed)).await.expect(200);
        ask(&stage, &signed(Algorithm::EdDSA, Some("e2"), &claims(), &ed)).await.problem(401, "unauthenticated");
        // In the set, with a good signature, and too short to be worth it.
        let short = EncodingKey::from_rsa_pem(RSA_SHORT_PRIVATE.as_bytes()).unwrap();
        ask(&stage, &signed(Algorithm::RS256, Some("r1"), &claims(), &short)).await.problem(401, "unauthenticated");
        ask(&stage, &signed(Algorithm::HS256, Some("s1"), &claims(), &EncodingKey::from_secret(b"x")))
            .await
            .problem(401, "unauthenticated");
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    });
}
