//! Learners come, enroll and log in: guests, enrollments, and merges of guests with few and many tracks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use jalon_shared::Timestamp;
use serde_json::{Value, json};

use crate::client::request;
use crate::drive::{Outcome, Span, Work, drive};
use crate::measure::{Run, Scene, expiry, open, template};
use crate::report::Report;
use crate::seed;
use crate::stage::{SECRET, SITE};

/// Connections of these measurements.
const CONNECTIONS: usize = 32;
/// Tracks a guest with many is in.
const MOST: usize = 100;

/// Requests made beforehand, each sent once.
#[derive(Clone, Default)]
pub struct Queue {
    requests: Rc<RefCell<VecDeque<String>>>,
    /// The tokens in the answers, where these make guests.
    tokens: Rc<RefCell<Vec<String>>>,
}

impl Queue {
    /// These, first to last.
    pub fn of(requests: impl IntoIterator<Item = String>) -> Self {
        let requests = Rc::new(RefCell::new(requests.into_iter().collect()));
        Self { requests, tokens: Rc::default() }
    }
}

impl Work for Queue {
    fn ask(&mut self, request: &mut Vec<u8>) -> bool {
        let next = self.requests.borrow_mut().pop_front();
        next.is_some_and(|next| {
            request.extend_from_slice(next.as_bytes());
            true
        })
    }

    fn hear(&mut self, _: u16, body: &[u8]) {
        if let Ok(Value::Object(answer)) = serde_json::from_slice(body)
            && let Some(Value::String(token)) = answer.get("token")
        {
            self.tokens.borrow_mut().push(token.clone());
        }
    }
}

impl Run<'_> {
    /// Guests, enrollments and merges, beside an empty handler and the database alone.
    pub async fn people(&self, report: &mut Report) -> Result<()> {
        let title = self.title();
        let mut scene = self.scene("people", MOST).await?;
        report.head(&format!("{title}: learners come, enroll and log in"));
        self.patience().wait_until_quiet().await?;
        report.line("empty handler", &self.empty(&scene, CONNECTIONS).await?);

        let sizes =
            if self.is_quick() { [(1, 100), (10, 20), (MOST, 4)] } else { [(1, 4_000), (10, 800), (MOST, 100)] };
        let guests: usize = sizes.iter().map(|(_, guests)| 2 * guests).sum();
        let new = format!("/api/v1/sites/{SITE}/guests");
        let queue = Queue::of((0..guests).map(|_| request("POST", &new, "", "{}")));
        let outcome = self.work(&scene, &queue).await?;
        report.line("a new guest", &outcome);

        let mut tokens = queue.tokens.take().into_iter();
        let groups: Vec<(usize, [Vec<String>; 2])> = sizes
            .iter()
            .map(|(tracks, guests)| (*tracks, [(); 2].map(|()| tokens.by_ref().take(*guests).collect())))
            .collect();
        let enrolls = groups.iter().flat_map(|(tracks, [first, second])| {
            first.iter().chain(second).flat_map(move |token| {
                (0..*tracks).map(move |track| {
                    let path = format!("/api/v1/sites/{SITE}/tracks/track-{track}/enrollments");
                    request("POST", &path, token, "{}")
                })
            })
        });
        let outcome = self.work(&scene, &Queue::of(enrolls)).await?;
        report.line("an enrollment", &outcome);

        let soon = scene.prepared.app.clock.now().plus_seconds(3600);
        for (tracks, [first, second]) in &groups {
            for (what, guests) in [("moved to a new member", first), ("united with a member's", second)] {
                let merges = guests.iter().enumerate().map(|(number, guest)| {
                    let member = member(&format!("member-{tracks}-{number}"), soon);
                    let body = json!({ "guest_token": guest }).to_string();
                    request("POST", &format!("/api/v1/sites/{SITE}/me/merge"), &member, &body)
                });
                let outcome = self.work(&scene, &Queue::of(merges)).await?;
                let of = if *tracks == 1 { "1 enrollment".to_owned() } else { format!("{tracks} enrollments") };
                report.line(&format!("{of} {what}"), &outcome);
            }
        }
        scene.stage.ensure(1).await?;
        let template = template(&scene)?.enrollment;
        let expires_at = expiry(&scene.prepared);
        let database = scene.database.clone();
        scene.server.stop().await?;

        let db = open(&database).await?;
        let (span, start) = (self.span().counted, Instant::now());
        let mut made = 0;
        while start.elapsed() < span {
            seed::seed(&db, template, made + 1, made + 64, expires_at).await?;
            made += 64;
        }
        let alone = per_second(made, start.elapsed());
        report.fact("an enrollment's rows, database alone, 64 a commit", &format!("{alone:.0}"));
        for (tracks, _) in &groups {
            let tracks = i64::try_from(*tracks)?;
            let start = Instant::now();
            let (mut from, mut merges) = (1, 0);
            while start.elapsed() < span / 2 && from + tracks <= made {
                seed::give(&db, from, from + tracks - 1).await?;
                from += tracks;
                merges += 1;
            }
            let what = format!("rows of a merge of {tracks}, database alone, one a commit");
            report.fact(&what, &format!("{:.0}", per_second(merges, start.elapsed())));
        }
        db.close().await;
        Ok(())
    }

    async fn work(&self, scene: &Scene, queue: &Queue) -> Result<Outcome> {
        let span = Span { warm: Duration::ZERO, counted: Duration::from_mins(2) };
        drive(scene.server.address(), &scene.family, CONNECTIONS, span, || queue.clone()).await
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of rows")]
fn per_second(count: i64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// A member's token, signed as the site's own login does.
pub fn member(sub: &str, expires_at: Timestamp) -> String {
    signed(json!({ "sub": sub }), expires_at)
}

/// The same with these claims.
pub fn signed(mut claims: Value, expires_at: Timestamp) -> String {
    claims["aud"] = SITE.into();
    claims["exp"] = (expires_at.0 / 1000).into();
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap_or_default()
}
