//! Authors' Markdown: rendered and sanitised here, once, so that no page ever sees raw HTML of anybody's.

use std::sync::LazyLock;

use jalon_shared::{FieldError, LocalizedText, address::is_safe_address};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = ammonia::Builder::default();
    // Only what Markdown itself makes; no `style`, no `class`, no `id`, no embedded frames.
    cleaner
        .tags(
            [
                "p",
                "br",
                "hr",
                "h3",
                "h4",
                "h5",
                "h6",
                "em",
                "strong",
                "del",
                "code",
                "pre",
                "blockquote",
                "ul",
                "ol",
                "li",
                "a",
                "img",
                "table",
                "thead",
                "tbody",
                "tr",
                "th",
                "td",
                "sup",
                "sub",
            ]
            .into(),
        )
        .generic_attributes(["lang", "dir"].into())
        .tag_attributes(
            [
                ("a", ["href", "title"].into()),
                ("img", ["src", "alt", "title", "width", "height"].into()),
                ("ol", ["start"].into()),
            ]
            .into(),
        )
        .url_schemes(["https", "mailto"].into())
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer"))
        .set_tag_attribute_value("a", "target", "_blank")
        .set_tag_attribute_value("img", "loading", "lazy");
    cleaner
});

/// How deep lists, quotes and emphasis may stand in each other.
const MAX_DEPTH: usize = 32;

/// What of Markdown is understood beyond CommonMark.
pub(crate) fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH
}

/// Markdown as safe HTML. Headings start at level 3: the page and the widget have the first two.
pub fn render(markdown: &str) -> String {
    let mut depth = 0;
    // What stands deeper loses its frame, not its words: cleaning costs the square of the depth.
    let shallow = Parser::new_ext(markdown, options()).filter(move |event| match event {
        Event::Start(_) => {
            depth += 1;
            depth <= MAX_DEPTH
        }
        Event::End(_) => {
            depth -= 1;
            depth < MAX_DEPTH
        }
        _ => true,
    });
    let events = shallow.map(|event| match event {
        Event::Start(Tag::Heading { level, id, classes, attrs }) => {
            Event::Start(Tag::Heading { level: lower(level), id, classes, attrs })
        }
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lower(level))),
        // What an author types as HTML is shown as typed, never run.
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        other => other,
    });
    let mut html = String::with_capacity(markdown.len() * 5 / 4);
    pulldown_cmark::html::push_html(&mut html, events);
    CLEANER.clean(&html).to_string()
}

/// Somebody else's HTML made safe, its headings lowered as ours are. Bound its depth before.
pub fn clean(html: &str) -> String {
    let lowered = [("h2", "h4"), ("h1", "h3")].iter().fold(html.to_owned(), |html, (from, to)| {
        html.replace(&format!("<{from}"), &format!("<{to}")).replace(&format!("</{from}"), &format!("</{to}"))
    });
    CLEANER.clean(&lowered).to_string()
}

/// One line of Markdown as safe HTML without a paragraph around it: for prompts' and choices' sake.
pub fn render_inline(markdown: &str) -> String {
    let html = render(markdown);
    let trimmed = html.trim();
    match trimmed.strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>")) {
        Some(inner) if !inner.contains("<p>") => inner.to_owned(),
        _ => trimmed.to_owned(),
    }
}

fn lower(level: pulldown_cmark::HeadingLevel) -> pulldown_cmark::HeadingLevel {
    use pulldown_cmark::HeadingLevel as H;
    match level {
        H::H1 => H::H3,
        H::H2 => H::H4,
        H::H3 => H::H5,
        H::H4 | H::H5 | H::H6 => H::H6,
    }
}

/// Links and pictures in Markdown that must not stand in a page: the author is told, rather than a link
/// quietly missing. `pointer` is the text's.
pub fn check(pointer: &str, text: &LocalizedText, faults: &mut Vec<FieldError>) {
    for (lang, markdown) in &text.0 {
        for address in addresses(markdown) {
            if !(is_safe_address(&address) || is_mail(&address)) {
                let shown: String = address.chars().take(60).collect();
                faults.push(FieldError::new(
                    format!("{pointer}/{lang}"),
                    "unsafe_url",
                    format!("links and pictures need an https address, not {shown:?}"),
                ));
            }
        }
    }
}

fn is_mail(address: &str) -> bool {
    address.strip_prefix("mailto:").is_some_and(|to| to.contains('@') && !to.contains(['\n', '\r', '"', '<']))
}

fn addresses(markdown: &str) -> Vec<CowStr<'_>> {
    Parser::new_ext(markdown, options())
        .filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_safe_html() {
        assert_eq!(
            render("# Le but\n\n*Six* à **dix** mètres.").trim(),
            "<h3>Le but</h3>\n<p><em>Six</em> à <strong>dix</strong> mètres.</p>"
        );
        assert_eq!(render_inline("`but`"), "<code>but</code>");
        for attack in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "![x](data:text/html;base64,PHNjcmlwdD4=)",
            "<a href='javascript:alert(1)'>x</a>",
            "<svg/onload=alert(1)>",
            "[x](https://a\"onclick=\"alert(1))",
            "<iframe src=https://evil.example></iframe>",
        ] {
            let html = render(attack);
            for bad in ["<script", "<img src=\"x", "javascript:", "<svg", "<iframe", "onclick=\"", "data:text"] {
                let mut tags = html.split('<').skip(1).filter_map(|part| part.split('>').next());
                assert!(!tags.any(|tag| format!("<{}", tag.to_lowercase()).contains(bad)), "{attack} -> {html}");
            }
        }
    }
}
