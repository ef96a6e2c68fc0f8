//! Every operation of the API's document, met by strangers with rubbish in their hands: always a 4xx
//! problem with a code that is documented, never a 5xx, never somebody else's data.

use jalon_backend::http::{code, router};
use jalon_shared::Timestamp;
use jalon_tests::{Answer, Stage, for_both, small_track};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// What anybody may call, on a site that exists.
const PUBLIC: [&str; 11] = [
    "GET /healthz",
    "GET /readyz",
    "GET /api/openapi.json",
    "GET /api/v1/sites/{site}",
    "GET /api/v1/sites/{site}/courses",
    "GET /api/v1/sites/{site}/courses/{course}",
    "GET /api/v1/sites/{site}/languages",
    "GET /api/v1/sites/{site}/tracks",
    "GET /api/v1/sites/{site}/tracks/{track}",
    "GET /api/v1/sites/{site}/tracks/{track}/steps/{order}",
    "POST /api/v1/sites/{site}/guests",
];

/// Method and path of every operation.
fn operations() -> Vec<(Method, String)> {
    let document = serde_json::to_value(router::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.push((method.to_uppercase().parse().unwrap(), path.clone()));
        }
    }
    assert!(operations.len() > 30);
    operations
}

/// The path with `value` for each of its parameters but the site.
fn path(template: &str, site: &str, value: &str) -> String {
    let parts = template.split('/').map(|part| match part {
        "{site}" => site,
        part if part.starts_with('{') => value,
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[track_caller]
fn assert_sound(answer: &Answer, what: &str) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{what}: {status} {}", answer.text());
    assert!(!answer.header("x-request-id").is_empty(), "{what}: no X-Request-Id");
    if status >= 400 {
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}: {}", answer.text());
        let problem = answer.json();
        let known =
            code::find(problem["code"].as_str().unwrap_or_default()).unwrap_or_else(|| panic!("{what}: {problem}"));
        assert_eq!(known.status, status, "{what}: {problem}");
        assert_eq!(problem["type"], format!("/problems/{}", known.code), "{what}");
    }
}

for_both! {
    async fn every_operation_meets_strangers(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        stage.site("other", &["https://other.example"]).await;
        let new = json!({ "name": "a", "scopes": ["site_admin"] });
        let foreign_key = stage.server.post("/api/v1/admin/sites/other/keys").bearer(&stage.key).json(&new).send().await.expect(201);
        let (_, guest) = stage.guest().await;
        let tokens: Vec<(&str, Option<String>)> = vec![
            ("nobody", None),
            ("rubbish", Some("rubbish".into())),
            ("a forged guest", Some(format!("{}x", &guest[..guest.len() - 1]))),
            ("an ended member", Some(stage.member_of("fpsf", json!({ "sub": "u", "exp": 1 })))),
            ("another site's member", Some(stage.member_of("other", json!({ "sub": "u", "roles": ["site_admin"] })))),
            ("another site's key", Some(foreign_key["key"].as_str().unwrap().to_owned())),
            ("no key", Some(format!("jk_{}", "A".repeat(43)))),
        ];
        let id = Uuid::now_v7().to_string();
        let long = "a".repeat(3000);
        for (method, template) in operations() {
            for (value, body) in [(id.as_str(), "{}"), ("first", "{\"x\":1}"), ("%00", "{"), ("..%2f..", "[]"), ("%ff", "\"\\u0000\""), (long.as_str(), "null")] {
                let path = path(&template, Stage::SITE, value);
                for (who, token) in &tokens {
                    let what = format!("{method} {template} with {value:.20} and {body} by {who}");
                    let request = stage.server.request(method.clone(), &path).body("application/json", body.to_owned());
                    let answer = match token {
                        Some(token) => request.bearer(token),
                        None => request,
                    }
                    .send()
                    .await;
                    assert_sound(&answer, &what);
                    let public = PUBLIC.contains(&format!("{method} {template}").as_str());
                    assert!(public || answer.status.is_client_error(), "{what}: {} {}", answer.status, answer.text());
                    // Who is nobody hears so, before anything else is looked at (a site's key may be good elsewhere).
                    if !public && !who.starts_with("another") {
                        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
                    }
                    if token.is_some() && template.contains("{site}") && !matches!(answer.status.as_u16(), 401 | 403 | 404) {
                        // Of these, only what reads no token at all may go on.
                        assert!(public, "{what}: {} {}", answer.status, answer.text());
                    }
                }
            }
        }
    }

    /// Who may do a thing gets no further with rubbish than who may not.
    async fn every_operation_meets_those_who_may_with_rubbish(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let admin = stage.member_of("fpsf", json!({ "sub": "boss", "roles": ["site_admin"] }));
        let (_, guest) = stage.guest().await;
        let (far, id) = (Timestamp(i64::MAX).to_string(), Uuid::now_v7().to_string());
        let bodies: Vec<(&str, String)> = vec![
            ("application/json", String::new()),
            ("application/json", "{".into()),
            ("application/json", "{\"a\":".repeat(2000)),
            ("application/json", json!({ "time_spent_seconds": 1e300, "last_position": -1, "expires_at": far, "name": "\0", "scopes": ["x"] }).to_string()),
            ("application/json", json!({ "time_spent_seconds": -1 }).to_string()),
            ("application/json", json!({ "expires_at": "9999-12-31T23:59:59Z" }).to_string()),
            ("application/json", json!({ "guest_token": "x".repeat(9000) }).to_string()),
            ("application/json", json!({ "url": "https://[::1]/", "event_types": ["\0"] }).to_string()),
            ("text/plain", "{}".into()),
            ("application/json", "\u{feff}{}".into()),
        ];
        let queries = ["", "?limit=0", "?limit=-1&cursor=%00", "?cursor=bnVsbA", "?lang=%00", "?version=99999999999", "?state=x&status=x&track_type=x"];
        for (method, template) in operations() {
            for value in [id.as_str(), "first", "65535"] {
                for (place, (content_type, body)) in bodies.iter().enumerate() {
                    let query = queries[place % queries.len()];
                    for token in [&stage.key, &admin, &guest] {
                        let what = format!("{method} {template} with {value}{query} and {body:.60}");
                        let path = format!("{}{query}", path(&template, Stage::SITE, value));
                        let answer = stage.server.request(method.clone(), &path).bearer(token).body(content_type, body.clone()).send().await;
                        assert_sound(&answer, &what);
                    }
                }
            }
        }
        // Nothing of it did harm: the track is as it was published, if retired.
        let track: Value = stage.server.get("/api/v1/admin/sites/fpsf/tracks/first").bearer(&stage.key).send().await.expect(200);
        assert_eq!(track["latest_version"], 1);
    }
}
