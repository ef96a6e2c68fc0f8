//! A server with a site on it, ready for a story.

use jalon_backend::clock::Clock;
use jalon_backend::config::Config;
use jalon_backend::site::routes::add_key;
use jalon_shared::Timestamp;
use jalon_shared::wire::admin_site::{CreateKey, Scope};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{TestDb, TestServer};

/// The secret that signs the members' tokens of the stage's site.
pub const MEMBER_SECRET: &str = "a-secret-of-the-federation-of-more-than-32-bytes";

/// A server with the site `fpsf` (French, pages at `https://fpsf.example`) and a key for the whole server.
#[derive(Debug)]
pub struct Stage {
    /// The server.
    pub server: TestServer,
    /// An API key that may do everything.
    pub key: String,
}

impl Stage {
    /// The site's slug.
    pub const SITE: &'static str = "fpsf";
    /// Where the site's pages live.
    pub const ORIGIN: &'static str = "https://fpsf.example";

    /// Sets the stage, with the machine's clock.
    pub async fn set(db: &TestDb) -> Self {
        Self::set_with(db, Clock::system(), |_| ()).await
    }

    /// Sets the stage with another clock or configuration.
    pub async fn set_with(db: &TestDb, clock: Clock, configure: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::start_with(db, clock, configure).await;
        let new = CreateKey { name: "stage".to_owned(), scopes: vec![Scope::ServerAdmin], expires_at: None };
        let key = add_key(server.app(), None, new).await.unwrap().key;
        let stage = Self { server, key };
        stage.site(Self::SITE, &[Self::ORIGIN]).await;
        stage
    }

    /// Adds a site with these origins, whose members' tokens [`MEMBER_SECRET`] signs.
    pub async fn site(&self, slug: &str, origins: &[&str]) {
        let site = json!({ "slug": slug, "name": slug.to_uppercase(), "default_lang": "fr", "languages": ["fr", "en"], "origins": origins });
        self.server.post("/api/v1/admin/sites").bearer(&self.key).json(&site).send().await.expect(201);
        let key = json!({ "algorithm": "HS256", "secret": MEMBER_SECRET });
        let path = format!("/api/v1/admin/sites/{slug}/signing-keys");
        self.server.post(&path).bearer(&self.key).json(&key).send().await.expect(201);
    }

    /// Puts a track of the stage's site and publishes it.
    pub async fn publish(&self, slug: &str, track: &Value) {
        self.publish_on(Self::SITE, slug, track).await;
    }

    /// Puts a track of any site and publishes it.
    pub async fn publish_on(&self, site: &str, slug: &str, track: &Value) {
        let path = format!("/api/v1/admin/sites/{site}/tracks/{slug}");
        let put = self.server.put(&path).bearer(&self.key).json(track).send().await;
        assert!(put.status.is_success(), "{} {}", put.status, put.text());
        self.server.post(&format!("{path}/publish")).bearer(&self.key).send().await.expect(200);
    }

    /// A member's token, good for an hour.
    pub fn member(&self, sub: &str) -> String {
        self.member_of(Self::SITE, json!({ "sub": sub }))
    }

    /// A member's token of a site, with these claims beside `aud` and `exp` (which they may replace).
    pub fn member_of(&self, site: &str, claims: Value) -> String {
        let exp = self.server.app().clock.now().plus_seconds(3600).0 / 1000;
        let mut all = serde_json::Map::from_iter([("aud".to_owned(), json!(site)), ("exp".to_owned(), json!(exp))]);
        if let Value::Object(claims) = claims {
            all.extend(claims);
        }
        let key = jsonwebtoken::EncodingKey::from_secret(MEMBER_SECRET.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &all, &key).unwrap()
    }

    /// A new guest of the stage's site: its id and token.
    pub async fn guest(&self) -> (String, String) {
        let path = format!("/api/v1/sites/{}/guests", Self::SITE);
        let guest = self.server.post(&path).key(Uuid::now_v7()).json(&json!({})).send().await.expect(201);
        (text(&guest["guest_id"]), text(&guest["token"]))
    }

    /// Enrolls the token's learner; answers the enrollment.
    pub async fn enroll(&self, token: &str, track: &str) -> Value {
        let path = format!("/api/v1/sites/{}/tracks/{track}/enrollments", Self::SITE);
        let answer = self.server.post(&path).bearer(token).key(Uuid::now_v7()).json(&json!({})).send().await;
        assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
        answer.json()
    }

    /// The server's time.
    pub fn now(&self) -> Timestamp {
        self.server.app().clock.now()
    }
}

/// A track for guests: something to read, then a quiz (pass mark 70, right is the second choice),
/// then an optional reading, then a last reading.
pub fn small_track() -> Value {
    json!({
        "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true,
        "title": { "fr": "Premiers pas", "en": "First steps" }, "summary": { "fr": "Un petit parcours." },
        "steps": [
            { "key": "welcome", "kind": "content", "required": true, "title": { "fr": "Bienvenue" }, "body": { "fr": "Bonjour." } },
            { "key": "check", "kind": "quiz", "required": true, "pass_mark": 70, "title": { "fr": "Questions" },
              "quiz": { "max_attempts": 3, "cooldown_seconds": 0, "shuffle": true, "reveal": "after_attempt", "questions": [
                { "key": "q1", "kind": "single_choice", "points": 1, "prompt": { "fr": "Combien de joueurs ?" },
                  "choices": [ { "key": "a", "text": { "fr": "Deux" } }, { "key": "b", "text": { "fr": "Trois" }, "right": true } ] } ] } },
            { "key": "more", "kind": "content", "required": false, "title": { "fr": "Pour aller plus loin" }, "body": { "fr": "Encore." } },
            { "key": "end", "kind": "content", "required": true, "title": { "fr": "Fin" }, "body": { "fr": "Bravo." } }
        ]
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
