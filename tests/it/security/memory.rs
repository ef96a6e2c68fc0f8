//! C15: nobody fills the memory of a server that all sites share.

use std::fmt::Write as _;

use jalon_backend::clock::Clock;
use jalon_tests::{Stage, for_both, small_track};
use serde_json::{Value, json};

/// The smallest that may be configured: 4 MiB.
const BYTES: usize = 4 * 1024 * 1024;

async fn stage(db: &jalon_tests::TestDb) -> Stage {
    Stage::set_with(db, Clock::system(), |config| {
        config.limits.per_address = 0;
        config.cache_bytes = BYTES;
    })
    .await
}

/// A track of some hundred kilobytes.
fn large(number: usize) -> Value {
    let mut text = String::new();
    let _ = write!(text, "{number} ");
    let body = text.repeat(40_000 / text.len());
    let languages = ["fr", "en", "de", "sv"];
    let body = Value::Object(languages.iter().map(|lang| ((*lang).to_owned(), json!(body))).collect());
    let mut track = small_track();
    track["steps"][0]["body"] = body.clone();
    track["steps"][2]["body"] = body.clone();
    track["steps"][3]["body"] = body;
    track
}

for_both! {
    /// A page in languages that are not there is one page, whatever was asked for; and the widget in it gets the
    /// language that was.
    async fn c15_pages_are_kept_by_the_languages_that_are_there(db: TestDb) {
        let stage = stage(&db).await;
        stage.publish("first", &small_track()).await;
        let caches = stage.server.app().courses.catalog.caches().clone();
        let entries = || caches.filling()[1].1.entries;
        assert_eq!(entries(), 0);
        let mut bodies = Vec::new();
        for number in 0..250 {
            let lang = format!("q{}{}", char::from(b'a' + number / 26), char::from(b'a' + number % 26));
            let page = stage.server.get(&format!("/t/fpsf/first?lang={lang}")).send().await;
            let text = page.text();
            assert!(text.contains(&format!("track=\"first\" lang=\"{lang}\"")), "{text}");
            bodies.push(text.replace(&lang, "?"));
            let track = stage.server.get(&format!("/api/v1/sites/fpsf/tracks/first?lang={lang},fr-{lang},fr")).send().await;
            track.expect(200);
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]));
        assert_eq!(entries(), 2, "one page and one answer");
        // Those that are there are others: English is not everywhere, so French behind it makes a difference.
        for lang in ["fr", "fr-CA", "fr,en", "en", "en-GB", "en-AU"] {
            stage.server.get(&format!("/api/v1/sites/fpsf/tracks/first?lang={lang}")).send().await.expect(200);
        }
        assert_eq!(entries(), 3, "French was there already; English once");
        let page = stage.server.get("/t/fpsf/first?lang=sv").send().await;
        assert!(page.text().contains("Steg") && page.text().contains("Bonjour."), "the page's own words");
        assert_eq!(entries(), 4);
    }

    /// Old versions that are looked at fill no memory; the current ones of this site and of others stay.
    async fn c15_versions_that_were_looked_at_do_not_stay_for_ever(db: TestDb) {
        let stage = stage(&db).await;
        stage.site("other", &[]).await;
        stage.publish_on("other", "theirs", &small_track()).await;
        for number in 0..12 {
            stage.publish("first", &large(number)).await;
        }
        let app = stage.server.app();
        let caches = app.courses.catalog.caches().clone();
        let look = async |path: String| {
            let answer = stage.server.get(&path).send().await;
            let text = answer.text();
            answer.expect(200);
            text
        };
        let theirs = look("/api/v1/sites/other/tracks/theirs".to_owned()).await;
        look("/api/v1/sites/fpsf/tracks/first".to_owned()).await;
        let mut seen = Vec::new();
        for round in 0..3 {
            for number in 1..=12 {
                let text = look(format!("/api/v1/sites/fpsf/tracks/first?version={number}")).await;
                assert!(text.contains(&format!("\"version\":{number}")), "{text}");
                if round == 0 { seen.push(text) } else { assert_eq!(seen[number - 1], text) }
            }
        }
        let [(_, versions), (_, answers)] = caches.filling();
        assert!(versions.evicted > 10, "{versions:?}");
        for filling in [versions, answers] {
            assert!(filling.bytes <= filling.bound, "{filling:?}");
        }
        // The current ones are there without being read again.
        for (site, slug) in [("fpsf", "first"), ("other", "theirs")] {
            let site = app.gate.sites.by_slug(site).unwrap();
            let slug = jalon_shared::track::TrackSlug::parse(slug).unwrap();
            let row = app.tracks.catalog.row(site.id, site.revision, &slug).await.unwrap().unwrap();
            assert!(app.tracks.catalog.known_version(row.id, row.published_version.unwrap()).is_some(), "{slug}");
        }
        assert_eq!(look("/api/v1/sites/other/tracks/theirs".to_owned()).await, theirs);
        let metrics = look_at_metrics(&stage);
        for line in ["jalon_cache_bytes{cache=\"versions\"}", "jalon_cache_evictions_total{cache=\"versions\"}", "jalon_cache_entries{cache=\"member_tokens\"}"] {
            assert!(metrics.contains(line), "{metrics}");
        }
    }
}

fn look_at_metrics(stage: &Stage) -> String {
    stage.server.app().gate.metrics.render()
}
