//! What whoever reads the log must not find there, however much is logged: secrets, and who learners are
//! and what they type. Nor may what a stranger sends look like a line of ours.

use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jalon_tests::{Answer, Backend, MEMBER_SECRET, Stage, TestDb, for_both, small_track};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::process::Jalon;
use crate::webhook::{Receiver, Says};

const PASSWORD: &str = "password-of-the-database-0815";
const NAME: &str = "Zenobie Oublideux";
const SUB: &str = "u-oublideux-4711";
const TYPED: &str = "ornithorynque-mauve";
/// What stands in addresses that a site's own staff gives us.
const IN_ADDRESS: &str = "token-in-an-address-4242";
/// Begins what would be a line of the log, if it could begin one.
const FORGED: &str = "2026-11-21T12:00:00.000000Z  INFO forged";

/// What is looked for, by what it is.
#[derive(Default, Debug)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 8, "{what}: {secret:?} is too short to look for");
        self.0.push((what, secret.to_owned()));
    }

    /// A token in three parts, of which the last two say too much already.
    fn add_jwt(&mut self, what: &'static str, token: &str) {
        for part in token.split('.').skip(1) {
            self.add(what, part);
        }
    }

    /// What a line tells: as it is, in base64 or hexadecimal, or as a list of bytes.
    fn told_by(&self, line: &str) -> Vec<String> {
        let tells = |secret: &str| {
            let some = &secret.as_bytes()[..secret.len().min(24)];
            let listed = some.iter().take(8).map(u8::to_string).collect::<Vec<_>>().join(", ");
            let hex = some.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
            // Of whole groups of three, so that what follows changes nothing.
            let base64 = URL_SAFE_NO_PAD.encode(&some[..some.len() / 3 * 3]);
            [secret.to_owned(), listed, hex, base64].iter().any(|form| line.contains(form.as_str()))
        };
        let told = self.0.iter().filter(|(_, secret)| tells(secret));
        told.map(|(what, _)| format!("{what} in {line:.300}")).collect()
    }
}

/// A server of another process, asked by whoever has a token.
struct Caller<'a> {
    base: &'a str,
    client: reqwest::Client,
}

impl Caller<'_> {
    async fn ask(&self, method: Method, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        request = request.header("idempotency-key", Uuid::now_v7().to_string());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, Some(token), Some(&body)).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(Method::GET, path, Some(token), None).await
    }
}

/// A small track whose quiz is answered by typing.
fn typed_track() -> Value {
    let mut track = small_track();
    track["steps"][1]["pass_mark"] = json!(null);
    track["steps"][1]["quiz"]["questions"] = json!([{ "key": "typed", "kind": "short_text", "points": 1,
        "prompt": { "fr": "Quoi ?" }, "accept": { "fr": ["cochonnet"] } }]);
    track
}

/// A host of key sets that means us harm: its keys' names are lines of a log.
async fn key_set_host() -> String {
    let short = include_str!("../api_auth/keys/rsa1024.n").trim();
    let set = json!({ "keys": [{ "kty": "RSA", "alg": "RS256", "use": "sig", "e": "AQAB", "n": short,
        "kid": format!("a\n{FORGED} by a key\r\n{FORGED}\u{1b}[2J") }] });
    let router = axum::Router::new()
        .route("/keys", get(async move || axum::Json(set)))
        .route("/away", get(async || (StatusCode::FOUND, [("location", format!("/{IN_ADDRESS}"))])))
        .route("/broken", get(async || json!({ "keys": format!("\n{FORGED} {IN_ADDRESS}") }).to_string()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

fn member(secret: &str, claims: &Value) -> String {
    let exp = jalon_backend::clock::Clock::system().now().0 / 1000 + 3600;
    let mut all = json!({ "aud": "fpsf", "exp": exp, "name": NAME, "email": "zenobie@oublideux.example" });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &all, &key).unwrap()
}

/// The address of the database, with a password in it where there is one.
fn address(db: &TestDb) -> String {
    match db.backend() {
        Backend::Sqlite => db.url(),
        Backend::Postgres => db.url().replacen("postgres@", &format!("postgres:{PASSWORD}@"), 1),
    }
}

/// Keys, signing keys and webhooks: all that is made with a secret, and used.
async fn as_staff(api: &Caller<'_>, key: &str, hook: &str, secrets: &mut Secrets) -> String {
    let site = "/api/v1/admin/sites/fpsf";
    let made =
        api.post(&format!("{site}/keys"), key, json!({ "name": "one", "scopes": ["site_admin"] })).await.expect(201);
    let own = made["key"].as_str().unwrap().to_owned();
    secrets.add("an API key", &own);
    let secret = "a-new-secret-that-signs-members-of-the-site";
    secrets.add("a signing secret", secret);
    let signing = format!("{site}/signing-keys");
    api.post(&signing, &own, json!({ "algorithm": "HS256", "secret": secret })).await.expect(201);
    // By mistake: a private key where a public one belongs, and a secret where no secret belongs.
    let private = include_str!("../api_auth/keys/rsa.pem");
    secrets.add("a private key", private.lines().nth(3).unwrap());
    let refused = api.post(&signing, &own, json!({ "algorithm": "RS256", "public_key": private })).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(!refused.text().contains(private.lines().nth(3).unwrap()));
    api.post(&signing, &own, json!({ "algorithm": "none", "secrets": secret })).await;

    let hooks = format!("{site}/webhooks");
    for url in [hook.to_owned(), format!("http://127.0.0.1:9/{IN_ADDRESS}?token={IN_ADDRESS}")] {
        let made = api.post(&hooks, &own, json!({ "url": url, "event_types": [] })).await.expect(201);
        let id = made["id"].as_str().unwrap();
        let rotated = api.post(&format!("{hooks}/{id}/secrets"), &own, json!({})).await.expect(201);
        for made in [&made, &rotated] {
            let secret = made["secret"].as_str().unwrap();
            secrets.add("a webhook's secret", secret.strip_prefix("whsec_").unwrap());
        }
        assert!(api.post(&format!("{hooks}/{id}/test"), &own, json!({})).await.status.is_success());
    }
    for bad in [format!("https://user:{IN_ADDRESS}@example.org/"), format!("ftp://{IN_ADDRESS}\n{FORGED}")] {
        assert_eq!(api.post(&hooks, &own, json!({ "url": bad })).await.status, 422);
    }
    own
}

/// A guest who types, becomes a member, goes on and asks for what is known of them.
async fn as_learner(api: &Caller<'_>, member: &str, secrets: &mut Secrets) {
    let guest = api.ask(Method::POST, "/api/v1/sites/fpsf/guests", None, Some(&json!({}))).await.expect(201);
    let token = guest["token"].as_str().unwrap().to_owned();
    secrets.add("a guest's token", token.rsplit('.').next().unwrap());
    for who in [token.as_str(), member] {
        let enrolled = api.post("/api/v1/sites/fpsf/tracks/first/enrollments", who, json!({})).await;
        assert!(enrolled.status.is_success(), "{}", enrolled.text());
        let place = format!("/api/v1/enrollments/{}/steps", enrolled.json()["id"].as_str().unwrap());
        api.post(&format!("{place}/1/advance"), who, json!({})).await.expect(200);
        let quiz = api.get(&format!("{place}/2"), who).await.expect(200);
        let question = quiz["quiz"]["questions"][0]["id"].clone();
        // Right in form; of the wrong kind; no JSON; with what no database takes.
        let answers = |text: Value| json!({ "answers": [{ "question_id": question, "text": text }] });
        for bad in [answers(json!([TYPED])), answers(json!(format!("{TYPED}\u{0}"))), json!({ TYPED: 1 }), json!(TYPED)]
        {
            assert!(api.post(&format!("{place}/2/advance"), who, bad).await.status.is_client_error());
        }
        api.post(&format!("{place}/2/advance"), who, answers(json!(TYPED))).await.expect(200);
        api.post(&format!("{place}/4/advance"), who, json!({})).await.expect(200);
    }
    api.post("/api/v1/sites/fpsf/me/merge", member, json!({ "guest_token": token })).await.expect(200);
    api.post("/api/v1/sites/fpsf/me/merge", &token, json!({ "guest_token": member })).await.problem(403, "forbidden");
    let export = api.get("/api/v1/sites/fpsf/me/export", member).await;
    assert!(export.text().contains(TYPED), "what is looked for was there to be logged");
    // In places where no token belongs.
    for path in
        [format!("/api/v1/sites/fpsf?token={token}"), format!("/api/v1/enrollments/{token}"), format!("/{token}")]
    {
        api.get(&path, member).await;
    }
    let forged = member.rsplit_once('.').unwrap().0.to_owned() + ".AAAA";
    api.get("/api/v1/sites/fpsf/me/enrollments", &forged).await.problem(401, "unauthenticated");
}

/// Members whose site has a key set; nothing of it is any good.
async fn with_key_sets(api: &Caller<'_>, key: &str, host: &str) {
    for (number, set) in ["keys", "away", "broken"].iter().enumerate() {
        let site = format!("of-{set}");
        let new = json!({ "slug": site, "name": set, "default_lang": "fr", "languages": ["fr"] });
        api.post("/api/v1/admin/sites", key, new).await.expect(201);
        let keys = json!({ "algorithm": "JWKS", "jwks_url": format!("{host}/{set}?token={IN_ADDRESS}") });
        api.post(&format!("/api/v1/admin/sites/{site}/signing-keys"), key, keys).await.expect(201);
        let signer = jsonwebtoken::EncodingKey::from_rsa_pem(include_bytes!("../api_auth/keys/rsa.pem")).unwrap();
        let header = jsonwebtoken::Header {
            kid: Some(format!("k\n{FORGED} {number}")),
            ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256)
        };
        let claims = json!({ "sub": format!("{SUB}\n{FORGED}"), "aud": site, "exp": 4_000_000_000_u64 });
        let token = jsonwebtoken::encode(&header, &claims, &signer).unwrap();
        let refused = api.get(&format!("/api/v1/sites/{site}/me/enrollments"), &token).await;
        assert!(matches!(refused.status.as_u16(), 401 | 503), "{}", refused.text());
    }
}

for_both! {
    /// At the level of traces, of every crate there is: neither a secret nor a learner's name and words are
    /// logged, and nobody writes lines for us.
    async fn p5_no_secret_is_logged_and_no_line_is_forged(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &typed_track()).await;
        let key = stage.key.clone();
        stage.server.stop().await;
        let mut secrets = Secrets::default();
        for (what, secret) in [("the server's key", key.as_str()), ("a signing secret", MEMBER_SECRET), ("the database's password", PASSWORD),
            ("a learner's id", SUB), ("a learner's name", NAME), ("what a learner typed", TYPED), ("a secret in an address", IN_ADDRESS)] {
            secrets.add(what, secret);
        }
        let mut receiver = Receiver::start(Says::Echo(200)).await;
        let hosts = key_set_host().await;

        let json_log = db.backend() == Backend::Sqlite;
        let address = address(&db);
        let environment = [("JALON_DATABASE_URL", address.as_str()), ("JALON_DEVELOPMENT", "true"),
            ("JALON_LOG_FORMAT", if json_log { "json" } else { "text" })];
        let mut jalon = Jalon::start(&["serve", "--listen", "127.0.0.1:0"], &environment);
        let base = jalon.listens().await;
        let api = Caller { base: &base, client: reqwest::Client::builder().no_proxy().build().unwrap() };
        let own = as_staff(&api, &key, &receiver.url(), &mut secrets).await;
        let member = member(MEMBER_SECRET, &json!({ "sub": SUB, "roles": ["site_admin"] }));
        secrets.add_jwt("a member's token", &member);
        as_learner(&api, &member, &mut secrets).await;
        with_key_sets(&api, &key, &hosts).await;
        // The test's own, and two completions of one learner, which are one.
        while !receiver.call().await.json()["type"].as_str().unwrap().contains("completed") {}
        api.ask(Method::DELETE, "/api/v1/sites/fpsf/me", Some(&member), None).await.expect(204);
        let metrics = api.get("/metrics", &key).await.text();
        api.ask(Method::GET, "/api/v1/admin/sites/fpsf/events?limit=100", Some(&own), None).await.expect(200);
        let (out, log) = (jalon.out.clone(), jalon.log.clone());
        assert!(jalon.stop().await.success());

        let lines = log.lines();
        let all = [out.lines(), lines.clone(), metrics.lines().map(str::to_owned).collect()].concat();
        // What could tell was logged: routes, what is amiss with key sets.
        for logged in ["/steps/{order}/advance", "a key set can't be fetched", "a key of a set is not used"] {
            assert!(lines.iter().any(|line| line.contains(logged)), "{logged}");
        }
        let told: Vec<String> = all.iter().flat_map(|line| secrets.told_by(line)).collect();
        assert!(told.is_empty(), "{} lines tell:\n{}", told.len(), told[..told.len().min(20)].join("\n"));
        for line in &lines {
            let sound = if json_log { serde_json::from_str::<Value>(line).is_ok_and(|line| line["level"].is_string()) }
                else { line.starts_with("20") && !line.starts_with(FORGED) };
            assert!(sound && !line.contains('\u{1b}') && !line.contains('\r'), "this is no line of ours: {line}");
        }
    }
}

/// A command that fails says why, and not with which password.
#[tokio::test(flavor = "multi_thread")]
async fn p5_no_command_tells_the_databases_password() {
    for address in [
        format!("postgres://jalon:{PASSWORD}@127.0.0.1:1/jalon"),
        format!("postgres://jalon:{PASSWORD}@127.0.0.1:port/jalon"),
        format!("postgres://jalon:{PASSWORD}@127.0.0.1:1/jalon?sslmode={PASSWORD}"),
        format!("mysql://jalon:{PASSWORD}@127.0.0.1/jalon"),
        format!("jalon:{PASSWORD}@127.0.0.1/jalon"),
    ] {
        let all = [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"], &["site", "list", "--json"], &["nonsense"]];
        // Where only the database is away, each takes its time to say so.
        let some = if address.ends_with("1:1/jalon") { &all[..1] } else { &all[..] };
        for command in some {
            let jalon = Jalon::start(command, &[("JALON_DATABASE_URL", &address)]);
            let (out, log) = (jalon.out.clone(), jalon.log.clone());
            assert!(!jalon.end().await.success(), "{command:?} with {address}");
            for line in out.lines().iter().chain(&log.lines()) {
                assert!(!line.contains(PASSWORD), "{command:?}: {line}");
            }
        }
    }
}
