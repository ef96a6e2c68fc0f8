//! Content providers that are asked over HTTP, through the client that goes to public addresses only (W5).

use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, StatusCode, header};
use jalon_shared::{Lang, address::is_safe_address};
use serde::Deserialize;

use super::{Answer, Article, Provider};
use crate::{
    text::markdown,
    webhook::{connect::Client, guard::Guard},
};

/// How long an article may take: whoever opens it for the first time waits.
const TOTAL: Duration = Duration::from_secs(5);
/// The most bytes that are read: with a head and what TLS adds, the client listens to twice as many.
const MAX_BYTES: usize = 128 * 1024;
/// The most bytes of a title or an entity tag.
const MAX_TITLE: usize = 500;
/// How deep HTML may be nested: cleaning costs the square of the depth.
const MAX_DEPTH: usize = 200;

/// Makes providers that share their connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Fetcher {
    guard: Guard,
    client: Client,
}

impl Fetcher {
    pub(super) fn new(development: bool) -> Result<Self, rustls::Error> {
        let guard = Guard { development };
        Ok(Self { guard, client: Client::new(guard)? })
    }

    /// The provider at an address with `{id}`, and perhaps `{lang}`.
    pub(super) fn provider(&self, url: &str) -> Http {
        Http { fetcher: self.clone(), url: url.to_owned() }
    }
}

/// A provider at an address.
pub(super) struct Http {
    fetcher: Fetcher,
    url: String,
}

/// An address with the article's id and the language in it.
pub(super) fn address(template: &str, id: &str, lang: &Lang) -> String {
    let encoded = |text: &str| -> String {
        let byte = |b: u8| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    template.replace("{lang}", &encoded(lang.as_str())).replace("{id}", &encoded(id))
}

impl Provider for Http {
    fn article<'a>(
        &'a self,
        id: &'a str,
        lang: &'a Lang,
        etag: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Answer, String>> {
        Box::pin(async move {
            let asking = tokio::time::timeout(TOTAL, self.ask(id, lang, etag)).await;
            let asked = asking.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} seconds", TOTAL.as_secs())));
            let Some((headers, body)) = asked.map_err(|error| format!("{error:#}"))? else {
                return Ok(Answer::Gone);
            };
            let Some(body) = body else { return Ok(Answer::Unchanged) };
            let lang = lang.clone();
            // Cleaning takes its time.
            let read = tokio::task::spawn_blocking(move || read(&headers, &body, &lang)).await;
            Ok(Answer::Article(Box::new(read.map_err(|error| error.to_string())??)))
        })
    }
}

impl Http {
    async fn ask(
        &self,
        id: &str,
        lang: &Lang,
        etag: Option<&str>,
    ) -> anyhow::Result<Option<(HeaderMap, Option<Vec<u8>>)>> {
        // A path of dots means another place, encoded or not.
        anyhow::ensure!(!id.bytes().all(|b| b == b'.'), "an article's id is more than dots");
        let url = self.fetcher.guard.check(&address(&self.url, id, lang))?;
        let mut request = Request::get(url.as_str())
            .header(header::ACCEPT, "application/json, text/html;q=0.9, text/markdown;q=0.8")
            .header(header::ACCEPT_LANGUAGE, lang.as_str());
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let response = self.fetcher.client.send(request.body(Full::default())?).await?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Some((HeaderMap::new(), None))),
            status => anyhow::ensure!(status.is_success(), "it answers {status}"),
        }
        let (head, mut received) = response.into_parts();
        let mut body = Vec::new();
        while let Some(frame) = received.frame().await {
            let Ok(chunk) = frame?.into_data() else { continue };
            anyhow::ensure!(body.len() + chunk.len() <= MAX_BYTES, "the article is larger than {MAX_BYTES} bytes");
            body.extend_from_slice(&chunk);
        }
        Ok(Some((head.headers, Some(body))))
    }
}

#[derive(Deserialize)]
struct Json {
    title: Option<String>,
    html: Option<String>,
    markdown: Option<String>,
    url: Option<String>,
    lang: Option<String>,
}

fn read(headers: &HeaderMap, body: &[u8], asked: &Lang) -> Result<Article, String> {
    let said = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let kind = said(header::CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let text = || std::str::from_utf8(body).map(str::to_owned).map_err(|_| "it is not UTF-8".to_owned());
    let came = match kind.to_ascii_lowercase().as_str() {
        "application/json" => serde_json::from_slice(body).map_err(|error| {
            // Not in serde's words: they repeat what stands there, which is anybody's.
            format!("what comes is no article, at line {} column {}", error.line(), error.column())
        })?,
        "text/html" => Json { title: None, html: Some(text()?), markdown: None, url: None, lang: None },
        "text/markdown" | "text/plain" => {
            Json { title: None, html: None, markdown: Some(text()?), url: None, lang: None }
        }
        _ => return Err("it is neither JSON, HTML nor Markdown".to_owned()),
    };
    let content = match (came.html, came.markdown) {
        (Some(html), None) if depth(&html) > MAX_DEPTH => return Err("its HTML is nested too deeply".to_owned()),
        (Some(html), None) => markdown::clean(&html),
        (None, Some(text)) => markdown::render(&text),
        _ => return Err("it needs either html or markdown".to_owned()),
    };
    if content.trim().is_empty() || content.contains('\0') {
        return Err("nothing is left of it that can be shown".to_owned());
    }
    let lang = came.lang.as_deref().or_else(|| said(header::CONTENT_LANGUAGE)?.split(',').next());
    let fits = |text: &String| (1..=MAX_TITLE).contains(&text.len()) && !text.contains('\0');
    Ok(Article {
        lang: lang.and_then(|lang| Lang::parse(lang.trim()).ok()).unwrap_or_else(|| asked.clone()),
        title: came.title.filter(fits),
        content,
        url: came.url.filter(|url| is_safe_address(url)),
        etag: said(header::ETAG).map(str::to_owned).filter(fits),
    })
}

/// How deep HTML is nested, at most: elements that need no end tag may stand in each other without being so.
fn depth(html: &str) -> usize {
    const NO_END: [&str; 22] = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "p",
        "li", "dt", "dd", "tr", "td", "th", "option", "!",
    ];
    let (mut deep, mut deepest) = (0_usize, 0);
    for part in html.split('<').skip(1) {
        if part.starts_with('/') {
            deep = deep.saturating_sub(1);
            continue;
        }
        let name: String = part.chars().take_while(char::is_ascii_alphanumeric).collect();
        if !name.is_empty() && !NO_END.contains(&name.to_ascii_lowercase().as_str()) {
            deep += 1;
            deepest = deepest.max(deep);
        }
    }
    deepest
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn headers(kind: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap()), (header::ETAG, "\"1\"".parse().unwrap())])
    }

    fn lang(lang: &str) -> Lang {
        Lang::parse(lang).unwrap()
    }

    #[test]
    fn an_address_holds_the_id_and_the_language_and_nothing_else_of_theirs() {
        let template = "https://a.example/{lang}/x/{id}?q={id}";
        assert_eq!(
            address(template, "a/../b?c&{lang}", &lang("sv")),
            "https://a.example/sv/x/a%2F..%2Fb%3Fc%26%7Blang%7D?q=a%2F..%2Fb%3Fc%26%7Blang%7D"
        );
    }

    #[test]
    fn json_html_and_markdown_are_read_and_cleaned() {
        let json = br#"{"title":"Le jeu","html":"<h2>Un</h2><p onclick=\"x()\">Bon<script>x()</script></p>","url":"https://a.example/1","lang":"fr"}"#;
        let article = read(&headers("application/json; charset=utf-8"), json, &lang("sv")).unwrap();
        assert_eq!((article.title.as_deref(), article.lang.as_str()), (Some("Le jeu"), "fr"));
        assert_eq!(article.content, "<h4>Un</h4><p>Bon</p>");
        assert_eq!((article.url.as_deref(), article.etag.as_deref()), (Some("https://a.example/1"), Some("\"1\"")));
        let article = read(&headers("text/markdown"), "# Un\n\n*Bon*".as_bytes(), &lang("sv")).unwrap();
        assert_eq!((article.content.trim(), article.lang.as_str()), ("<h3>Un</h3>\n<p><em>Bon</em></p>", "sv"));
        let unsafe_url = br#"{"markdown":"a","url":"javascript:x()"}"#;
        assert_eq!(read(&headers("application/json"), unsafe_url, &lang("sv")).unwrap().url, None);
    }

    #[test]
    fn what_is_no_article_is_refused() {
        let deep = "<div>".repeat(MAX_DEPTH + 1);
        for (kind, body) in [
            ("application/json", "{}"),
            ("application/json", "[1"),
            ("application/json", r#"{"html":"a","markdown":"b"}"#),
            ("text/html", "<script>x()</script>"),
            ("text/html", &deep),
            ("text/html", ""),
            ("image/png", "x"),
            ("", "x"),
        ] {
            assert!(read(&headers(kind), body.as_bytes(), &lang("sv")).is_err(), "{kind} {body}");
        }
        assert!(read(&headers("text/html"), &[0xff], &lang("sv")).is_err());
        assert!(read(&headers("text/html"), "<p>a<br>".repeat(1000).as_bytes(), &lang("sv")).is_ok());
    }
}
