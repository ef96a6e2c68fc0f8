//! What must hold of every parser of outside bytes, whatever the bytes: one function a parser, for the
//! fuzzers in `fuzz/` and for the plain test that runs the kept corpus and mutations of it.

use std::cell::Cell;
use std::fmt::Debug;
use std::hint::black_box;
use std::path::Path;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jalon_backend::course::{self, author::Shared};
use jalon_backend::folder::document;
use jalon_backend::guest::token::GuestTokens;
use jalon_backend::http::cursor::Cursors;
use jalon_backend::http::etag::{ETag, IfNoneMatch};
use jalon_backend::http::idempotency::{IDEMPOTENCY_KEY, IdemKey};
use jalon_backend::http::lang::Langs;
use jalon_backend::http::limit::client_address;
use jalon_backend::http::page::{List, Page};
use jalon_backend::http::{ApiError, json};
use jalon_backend::question::{Format, Note};
use jalon_backend::site::member::MemberTokens;
use jalon_backend::text::markdown;
use jalon_backend::track::{author, folder};
use jalon_backend::webhook::guard::{Guard, is_public};
use jalon_shared::course::source::{BankSource, CourseSource, LessonSource};
use jalon_shared::quiz::Quiz;
use jalon_shared::quiz::answer::{self, Answer};
use jalon_shared::quiz::grade::grade;
use jalon_shared::track::TrackSource;
use jalon_shared::wire::enrollment::AdvanceRequest;
use jalon_shared::{FieldError, GuestId, Lang, SiteId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// A parser and what must hold of it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also of its fuzzer, and of its corpus' folder.
    pub name: &'static str,
    /// Panics where a property does not hold.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 14] = [
    Target { name: "guest_token", run: guest_token },
    Target { name: "member_token", run: member_token },
    Target { name: "track_file", run: track_file },
    Target { name: "track_json", run: track_json },
    Target { name: "course_file", run: course_file },
    Target { name: "gift", run: gift },
    Target { name: "aiken", run: aiken },
    Target { name: "markdown", run: rendered },
    Target { name: "answers", run: answers },
    Target { name: "language", run: language },
    Target { name: "idempotency_key", run: idempotency_key },
    Target { name: "webhook_url", run: webhook_url },
    Target { name: "forwarded_for", run: forwarded_for },
    Target { name: "query", run: query },
];

/// No text is taken for a guest's token but what we signed, to the byte.
pub fn guest_token(bytes: &[u8]) {
    static TOKENS: LazyLock<(GuestTokens, String)> = LazyLock::new(|| {
        let tokens = GuestTokens::new(b"a secret");
        let (site, guest) = (SiteId(Uuid::from_u128(1)), GuestId(Uuid::from_u128(2)));
        let token = tokens.mint(site, guest, Timestamp(0), Timestamp(4_000_000_000_000));
        (tokens, token)
    });
    let (tokens, genuine) = &*TOKENS;
    let now = Timestamp(1_763_640_000_000);
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(text == genuine || tokens.verify(text).is_none() && tokens.read(text, now).is_err());
    }
    // The genuine one, damaged: the place comes from the bytes, and what stands there then.
    let [high, low, new, ..] = bytes else { return };
    let mut damaged = genuine.clone().into_bytes();
    let place = usize::from(u16::from_be_bytes([*high, *low])) % damaged.len();
    damaged[place] = *new;
    if let Ok(text) = std::str::from_utf8(&damaged) {
        assert_eq!(tokens.read(text, now).is_ok(), text == genuine, "{text}");
    }
}

/// What an unverified token says only picks the site, of few names.
pub fn member_token(bytes: &[u8]) {
    let asked = |token: &str| {
        let (names, sent) = (Cell::new(0_usize), Cell::new(0_usize));
        let picked = MemberTokens::site(token, |name| {
            names.set(names.get() + 1);
            sent.set(sent.get() + name.len());
            Some(name.to_owned())
        });
        // Where every name is known, only a single one picks.
        assert!(names.get() <= 2 && (picked.is_err() || names.get() == 1));
        assert!(MemberTokens::site(token, |_| None::<()>).is_err());
        sent.get()
    };
    if let Ok(text) = std::str::from_utf8(bytes) {
        asked(text);
        black_box(jsonwebtoken::decode_header(text).ok());
    }
    // The bytes as the claims of a token that is well formed otherwise.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let token = format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode(bytes));
    assert!(asked(&token) <= bytes.len());
}

/// A file that is taken is taken again as written, and the same.
pub fn track_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // A folder that is not there: nothing beside the file can be read.
    let place = Path::new("/nonexistent/jalon/track.yaml");
    match folder::parse(place, text, Some("https://media.example/")) {
        Ok(source) => {
            let written = serde_json::to_string(&source).unwrap();
            let again = folder::parse(place, &written, None).unwrap_or_else(|faults| panic!("{written}: {faults:?}"));
            assert_eq!(again, source);
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
}

/// The same for what courses are made of, whichever of them it is.
pub fn course_file(bytes: &[u8]) {
    fn goes_round<S: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str, check: fn(&S) -> Vec<FieldError>) {
        let place = Path::new("/nonexistent/jalon/course.yaml");
        match document::document(place, text, Some("https://media.example/"), check) {
            Ok(source) => {
                let written = serde_json::to_string(&source).unwrap();
                let again: S = document::document(place, &written, None, check)
                    .unwrap_or_else(|faults| panic!("{written}: {faults:?}"));
                assert_eq!(again, source);
            }
            Err(faults) => assert!(!faults.is_empty()),
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    goes_round::<CourseSource>(text, course::author::faults);
    goes_round::<LessonSource>(text, Shared::faults);
    goes_round::<BankSource>(text, Shared::faults);
}

/// The same over HTTP: refusals are of the caller's making, and what is taken goes round.
pub fn track_json(bytes: &[u8]) {
    match json::explain::<TrackSource>(bytes) {
        Ok(source) => {
            let written = serde_json::to_vec(&source).unwrap();
            assert_eq!(json::explain::<TrackSource>(&written).ok().as_ref(), Some(&source));
            black_box(author::faults(&source));
        }
        Err(error) => assert_refusal(&error),
    }
}

/// A question file that is taken is taken again as we write it, and the same; what is said of it lies in it.
pub fn gift(bytes: &[u8]) {
    question_file(Format::Gift, bytes);
}

/// As for GIFT.
pub fn aiken(bytes: &[u8]) {
    question_file(Format::Aiken, bytes);
}

fn question_file(format: Format, bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lang = Lang::parse("fr").unwrap();
    let lines = text.split(['\n', '\r']).count() as u64;
    let inside = |notes: &[Note]| assert!(notes.iter().all(|note| (1..=lines).contains(&note.line)), "{notes:?}");
    match format.read(text, &lang) {
        Ok(read) => {
            inside(&read.warnings);
            assert!(read.questions.len() as u64 <= lines);
            // A few texts can't be said there, and that is told.
            let Ok(written) = Format::Gift.write(&read.questions, &lang) else { return };
            let again =
                Format::Gift.read(&written.text, &lang).unwrap_or_else(|faults| panic!("{written:?}: {faults:?}"));
            assert_eq!(again.questions, read.questions, "{}", written.text);
            black_box(Format::Aiken.write(&read.questions, &lang).ok());
        }
        Err(notes) => {
            assert!(!notes.is_empty());
            inside(&notes);
        }
    }
}

/// Nothing runs, nothing is fetched but over https, and cleaning again changes nothing.
pub fn rendered(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let html = markdown::render(&text);
    assert_harmless(&html);
    assert_harmless(&markdown::render_inline(&text));
    assert!(html.len() <= 400 * text.len() + 1024, "{} bytes became {}", text.len(), html.len());
}

/// Looks at the tags only: text may say `<script>`, as `&lt;script>`.
fn assert_harmless(html: &str) {
    const TAGS: &str =
        "p br hr h3 h4 h5 h6 em strong del code pre blockquote ul ol li a img table thead tbody tr th td sup sub";
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let tag = &rest[start + 1..];
        let (name, attributes, after) = tag_of(tag);
        let name = name.trim_start_matches('/');
        assert!(TAGS.split(' ').any(|known| known == name), "<{name}> in {html}");
        for (attribute, value) in attributes {
            assert!(
                matches!(
                    attribute,
                    "href"
                        | "src"
                        | "alt"
                        | "title"
                        | "lang"
                        | "dir"
                        | "start"
                        | "width"
                        | "height"
                        | "rel"
                        | "target"
                        | "loading"
                ),
                "{attribute} in {html}"
            );
            if matches!(attribute, "href" | "src") {
                assert!(value.starts_with("https:") || value.starts_with("mailto:"), "{attribute}={value} in {html}");
            }
        }
        rest = after;
    }
}

/// A tag's name with its attributes, and what follows the tag. Cleaned HTML quotes every value.
fn tag_of(text: &str) -> (&str, Vec<(&str, String)>, &str) {
    let end = text.find([' ', '>']).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return (name, attributes, after);
        }
        let (attribute, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("an odd tag: <{text}"));
        let (value, after) = value.split_once('"').unwrap_or_else(|| panic!("an open quote: <{text}"));
        attributes.push((attribute, value.to_ascii_lowercase()));
        rest = after;
    }
}

/// A quiz with a question of every kind.
fn quiz() -> &'static Quiz {
    static QUIZ: LazyLock<Quiz> = LazyLock::new(|| {
        let source = serde_json::json!({ "max_attempts": 3, "questions": [
            { "key": "q1", "kind": "single_choice", "prompt": { "fr": "?" }, "choices": [ { "key": "a", "text": { "fr": "a" } }, { "key": "b", "text": { "fr": "b" }, "right": true } ] },
            { "key": "q2", "kind": "multiple_choice", "points": 2, "prompt": { "fr": "?" }, "choices": [ { "key": "a", "text": { "fr": "a" }, "right": true }, { "key": "b", "text": { "fr": "b" }, "right": true }, { "key": "c", "text": { "fr": "c" } } ] },
            { "key": "q3", "kind": "true_false", "prompt": { "fr": "?" }, "right": true },
            { "key": "q4", "kind": "numeric", "prompt": { "fr": "?" }, "value": 6, "tolerance": 0.5 },
            { "key": "q5", "kind": "short_text", "prompt": { "fr": "?" }, "accept": { "fr": ["cochonnet", "but"] } },
            { "key": "q6", "kind": "ordering", "prompt": { "fr": "?" }, "items": [ { "key": "1", "text": { "fr": "1" } }, { "key": "2", "text": { "fr": "2" } }, { "key": "3", "text": { "fr": "3" } } ] },
            { "key": "q7", "kind": "matching", "prompt": { "fr": "?" }, "pairs": [ { "key": "1", "left": { "fr": "1" }, "right": { "fr": "1" } }, { "key": "2", "left": { "fr": "2" }, "right": { "fr": "2" } } ] } ] });
        let source: jalon_shared::quiz::source::QuizSource = serde_json::from_value(source).unwrap();
        // Ids from the key paths, short and always the same, so that a fuzzer can guess them.
        let id = |path: &str| {
            Uuid::from_u128(path.bytes().fold(0, |sum: u128, byte| (sum * 31 + u128::from(byte)) % 65_521))
        };
        source.compile("", &id)
    });
    &QUIZ
}

/// No answers make a grade out of range, and what is well formed and blank scores nothing.
pub fn answers(bytes: &[u8]) {
    let body: AdvanceRequest = match json::explain(bytes) {
        Ok(body) => body,
        Err(error) => return assert_refusal(&error),
    };
    let again: AdvanceRequest = serde_json::from_slice(&serde_json::to_vec(&body).unwrap()).unwrap();
    assert_eq!(again, body);
    let answers = body.answers.unwrap_or_default();
    if !answer::check(quiz(), &answers).is_empty() {
        return;
    }
    let graded = grade(quiz(), &answers);
    assert!(graded.score.hundredths() <= 10_000, "{graded:?}");
    assert_eq!(graded.questions.len(), quiz().questions.len());
    if answers.iter().all(Answer::is_blank) {
        assert_eq!(graded.score.hundredths(), 0);
    }
}

/// A tag that is taken is in canonical form: it goes round, in any case of letters.
pub fn language(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(lang) = Lang::parse(text) {
        assert_eq!(Lang::parse(lang.as_str()).as_ref(), Ok(&lang));
        assert_eq!(Lang::parse(&text.to_ascii_uppercase()).as_ref(), Ok(&lang));
        assert_eq!(Lang::parse(lang.base().as_str()), Ok(lang.base()));
        assert!(lang.as_str().eq_ignore_ascii_case(text));
    }
    let wanted = Lang::parse_accept(text);
    assert!(wanted.len() <= 10);
    for lang in &wanted {
        assert_eq!(Lang::parse(lang.as_str()).as_ref(), Ok(lang));
    }
    let Ok(uri) = Uri::builder().path_and_query(format!("/?lang={text}")).build() else { return };
    let Ok(request) = Request::builder().uri(uri).header(header::ACCEPT_LANGUAGE, bytes).body(()) else { return };
    match Langs::read(&request.into_parts().0) {
        Ok(langs) => assert!(langs.0.len() <= 10),
        Err(error) => assert_refusal(&error),
    }
}

/// A key is a UUID; however it is written, it is the same key.
pub fn idempotency_key(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let read = |value: HeaderValue| {
        let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, value)]);
        IdemKey::read(&headers).map(|key| key.0)
    };
    match read(value) {
        Ok(key) => {
            let key = key.unwrap();
            let again = read(HeaderValue::from_str(&key.to_string()).unwrap());
            assert_eq!(again.ok().flatten(), Some(key));
        }
        Err(error) => assert_refusal(&error),
    }
}

/// What is taken for a webhook is https, without credentials, and no inner address; written again it is
/// taken again, and the same.
pub fn webhook_url(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let guard = Guard { development: false };
    for address in [text.to_owned(), format!("https://{text}/"), format!("https://example.org/{text}")] {
        let Ok(url) = guard.check(&address) else { continue };
        assert_eq!(url.scheme(), "https", "{address}");
        assert!(url.username().is_empty() && url.password().is_none(), "{address}");
        let host = url.host_str().unwrap();
        if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
            assert!(is_public(ip), "{address}");
        }
        assert_ne!(host.trim_end_matches('.').rsplit('.').next(), Some("localhost"), "{address}");
        if url.as_str().len() <= 2048 {
            assert_eq!(guard.check(url.as_str()).as_ref(), Ok(&url), "{address}");
        }
    }
}

/// With no proxy of ours the peer counts; with one, what stands left of the last comma changes nothing.
pub fn forwarded_for(bytes: &[u8]) {
    const NAME: HeaderName = HeaderName::from_static("x-forwarded-for");
    let peer = Some("192.0.2.1:9".parse().unwrap());
    let own = "198.51.100.7".parse().unwrap();
    let Ok(forged) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::from_iter([(NAME, forged)]);
    assert_eq!(client_address(&headers, peer, 0), peer.map(|peer: std::net::SocketAddr| peer.ip()));
    black_box(client_address(&headers, peer, 1));
    black_box(client_address(&headers, peer, usize::MAX));
    // Our proxy appends what it saw, to the same header or as another one.
    headers.append(NAME, HeaderValue::from_static("198.51.100.7"));
    assert_eq!(client_address(&headers, peer, 1), Some(own), "{bytes:?}");
    let joined = HeaderValue::from_bytes(&[bytes, b", 198.51.100.7"].concat()).unwrap();
    let headers = HeaderMap::from_iter([(NAME, joined)]);
    assert_eq!(client_address(&headers, peer, 1), Some(own), "{bytes:?}");
}

/// Pages, cursors and `If-None-Match`: taken or refused, and within bounds.
pub fn query(bytes: &[u8]) {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap());
    use axum::extract::FromRequestParts as _;
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let list = List::new(&Cursors::new(b"a secret that no garbage knows"), None, "garbage");
    if let Ok(uri) = Uri::builder().path_and_query(format!("/?{text}")).build() {
        let mut parts = Request::builder()
            .uri(uri)
            .header(header::IF_NONE_MATCH, text.trim_matches(|c: char| c.is_control()))
            .body(())
            .map(Request::into_parts);
        if let Ok((parts, ())) = &mut parts {
            match RUNTIME.block_on(Page::asked(parts)) {
                Ok((limit, cursor)) => {
                    assert!((1..=100).contains(&limit));
                    assert!(cursor.is_none() || Page::new(limit, cursor, list.clone()).after::<Uuid>().is_err());
                }
                Err(error) => assert_refusal(&error),
            }
            let Ok(condition) = RUNTIME.block_on(IfNoneMatch::from_request_parts(parts, &()));
            let present = ETag::revision(7);
            assert!(condition.not_modified(&present).is_none() || text.contains("\"r7\"") || text.contains('*'));
        }
    }
    // Nobody makes a cursor without the secret; whatever a list's place is made of comes back from one.
    let page = Page::new(1, Some(text.to_owned()), list.clone());
    assert_refusal(&page.after::<String>().expect_err("a cursor that nobody made"));
    let (_, next) = page.cut(vec![(), ()], |()| text);
    let again = Page::new(1, next, list).after::<String>();
    assert!(again.as_ref().ok().is_none_or(|place| place.as_deref() == Some(text)), "{again:?}");
}

/// A refusal is the caller's fault, and says so shortly.
fn assert_refusal(error: &ApiError) {
    let problem = error.problem();
    assert!((400..500).contains(&problem.status), "{problem:?}");
}
