//! Who sees what of a track, and when (E1, L1).

use jalon_tests::{Stage, for_both, small_track};
use serde_json::json;

use super::Learner;

const ADMIN: &str = "/api/v1/admin/sites/fpsf/tracks/first";
const TRACK: &str = "/api/v1/sites/fpsf/tracks/first";

for_both! {
    /// E1: an enrollment's older version is shown, a draft that was never published is not.
    async fn e1_only_versions_that_were_published_are_shown(db: TestDb) {
        let stage = Stage::set(&db).await;
        let put = async |title: &str| {
            let mut track = small_track();
            track["title"]["fr"] = title.into();
            stage.server.put(ADMIN).bearer(&stage.key).json(&track).send().await
        };
        let publish = async || stage.server.post(&format!("{ADMIN}/publish")).bearer(&stage.key).send().await.expect(200);
        put("Brouillon").await.expect(201);
        put("Premier").await.expect(200);
        publish().await;
        put("Deuxième brouillon").await.expect(200);
        put("Second").await.expect(200);
        let show = async |version: u32| stage.server.get(&format!("{TRACK}?version={version}")).send().await;
        show(1).await.problem(404, "not_found");
        assert_eq!(show(2).await.expect(200)["title"]["value"], "Premier");
        for draft in [0, 3, 4, 5, u32::MAX] {
            show(draft).await.problem(404, "not_found");
        }
        publish().await;
        assert_eq!(stage.server.get(TRACK).send().await.expect(200)["version"], 4);
        assert_eq!(show(2).await.expect(200)["title"]["value"], "Premier", "for who began with it");
        show(3).await.problem(404, "not_found");
        show(1).await.problem(404, "not_found");
    }

    /// E1: the switch ends embedding at once, for who is enrolled too; what was done is still taken.
    async fn e1_the_switch_ends_embedding_for_the_enrolled_too(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let member = stage.member("u-42");
        let learner = Learner::begin(&stage, &member, "first").await;
        let step = format!("/api/v1/enrollments/{}/steps/1", learner.id());
        let embedded = async || stage.server.get(&step).bearer(&member).header("origin", Stage::ORIGIN).send().await;
        embedded().await.expect(200);
        stage.server.patch(ADMIN).bearer(&stage.key).json(&json!({ "cms_block_enabled": false })).send().await.expect(200);
        embedded().await.problem(403, "cms_block_disabled");
        learner.step(1).await.expect(200);
        let advance = stage.server.post(&format!("{step}/advance")).bearer(&member).header("origin", Stage::ORIGIN).json(&json!({})).send().await;
        assert_eq!(advance.expect(200)["enrollment"]["current_step_order"], 1);
        stage.server.patch(ADMIN).bearer(&stage.key).json(&json!({ "cms_block_enabled": true })).send().await.expect(200);
        embedded().await.expect(200);
    }

    /// E2: another origin gets nothing of an enrollment, whatever token it holds.
    async fn e2_enrollments_are_read_from_the_sites_own_pages_only(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        stage.site("other", &["https://other.example"]).await;
        let (_, guest) = stage.guest().await;
        let learner = Learner::begin(&stage, &guest, "first").await;
        let path = format!("/api/v1/enrollments/{}", learner.id());
        for origin in ["https://evil.example", "https://other.example", "null"] {
            for path in [path.clone(), format!("{path}/steps/1"), TRACK.to_owned(), "/api/v1/sites/fpsf/me/enrollments".to_owned()] {
                let answer = stage.server.get(&path).bearer(&guest).header("origin", origin).send().await;
                answer.problem(403, "origin_not_allowed");
            }
        }
    }

    /// Lists come in pages, and a draft's type is nobody's to know.
    async fn the_catalogue_comes_in_pages(db: TestDb) {
        let stage = Stage::set(&db).await;
        for slug in ["a-b", "ab", "a", "b"] {
            stage.publish(slug, &small_track()).await;
        }
        let mut draft = small_track();
        draft["track_type"] = "umpire_l1_prep".into();
        stage.server.put("/api/v1/admin/sites/fpsf/tracks/b").bearer(&stage.key).json(&draft).send().await.expect(200);
        for base in ["/api/v1/sites/fpsf/tracks", "/api/v1/admin/sites/fpsf/tracks"] {
            let (mut slugs, mut cursor) = (Vec::new(), String::new());
            loop {
                let list = stage.server.get(&format!("{base}?limit=1{cursor}"));
                let list = if base.contains("admin") { list.bearer(&stage.key) } else { list }.send().await.expect(200);
                slugs.extend(list["items"].as_array().unwrap().iter().map(|track| track["slug"].as_str().unwrap().to_owned()));
                let Some(next) = list["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(slugs, ["a", "a-b", "ab", "b"], "{base}");
        }
        let of_type = async |kind: &str| stage.server.get(&format!("/api/v1/sites/fpsf/tracks?track_type={kind}")).send().await.expect(200)["items"].as_array().unwrap().len();
        assert_eq!((of_type("beginner_intro").await, of_type("umpire_l1_prep").await), (4, 0));
    }

    /// L1: the plain page speaks the language of who asks, not of who asked before.
    async fn l1_the_plain_page_is_made_for_its_reader(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let read = async |lang: &str| stage.server.get("/t/fpsf/first").header("accept-language", lang).send().await.text();
        for lang in ["ja", "sv", "pl"] {
            assert!(read(lang).await.contains(&format!("lang=\"{lang}\" loading")), "{lang}");
        }
        assert!(read("sv").await.contains("<h2>Steg</h2>"));
    }

    /// A confirmed answer stays usable: a 304 says about caching what the answer said.
    async fn a_304_keeps_what_the_answer_said(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let first = stage.server.get(TRACK).send().await;
        let again = stage.server.get(TRACK).header("if-none-match", first.header("etag")).send().await;
        assert_eq!(again.status, 304);
        assert_eq!((again.header("cache-control"), again.header("etag")), (first.header("cache-control"), first.header("etag")));
    }
}
