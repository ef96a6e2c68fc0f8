//! Start tags of a page: enough HTML to find what a site owner pasted, and no more.

/// A start tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tag {
    /// In lower case.
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// The value of an attribute; empty where it stands without one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All attributes, in order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The start tags of a page, in order; comments and the text of scripts and styles hold none.
pub(super) fn start_tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(place) = rest.find('<') {
        rest = &rest[place + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
        } else if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let (tag, after) = start_tag(rest);
            rest = after;
            if matches!(tag.name.as_str(), "script" | "style" | "textarea" | "title") {
                rest = skip_text(rest, &tag.name);
            }
            tags.push(tag);
        }
    }
    tags
}

/// Past the text of an element that holds no tags.
fn skip_text<'a>(text: &'a str, name: &str) -> &'a str {
    let end = text.match_indices("</").find(|(place, _)| {
        text.get(place + 2..place + 2 + name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
    });
    end.map_or("", |(place, _)| &text[place..])
}

fn start_tag(text: &str) -> (Tag, &str) {
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/').unwrap_or(text.len());
    let mut tag = Tag { name: text[..end].to_ascii_lowercase(), attributes: Vec::new() };
    let mut rest = &text[end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return (tag, after);
        }
        if rest.is_empty() {
            return (tag, rest);
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace() || "=>/".contains(c)).unwrap_or(rest.len()).max(1);
        let end = (end..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            (value, rest) = attribute_value(after.trim_start());
        }
        if tag.get(&name).is_none() {
            tag.attributes.push((name, decode(value)));
        }
    }
}

fn attribute_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(text.len());
    text.split_at(end)
}

/// The entities that stand in addresses and policies.
fn decode(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#039;", "'")
        .replace("&apos;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn finds_tags_as_people_write_them() {
        let tags = start_tags(
            "<!doctype html><!-- <script src=no></script> --><P CLASS=x>a < b <script async src='https://l.example/embed/v1/jalon.js?a=1&amp;b=2'\n data-site = \"fpsf\" data-track=t></script >\
             <script>document.write('<jalon-track>')</script><jalon-track site=\"a>b\"/><br/><é><x",
        );
        let names: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["p", "script", "script", "jalon-track", "br", "x"]);
        let script = &tags[1];
        assert_eq!(script.get("src"), Some("https://l.example/embed/v1/jalon.js?a=1&b=2"));
        assert_eq!(
            (script.get("async"), script.get("data-site"), script.get("data-track"), script.get("x")),
            (Some(""), Some("fpsf"), Some("t"), None)
        );
        assert_eq!(tags[3].get("site"), Some("a>b"));
    }

    #[test]
    fn never_loses_its_way() {
        for text in
            ["<", "<a", "<a =", "<a b='", "<script", "<!--", "<a é=ü", "<script></scrip", "<a ==>", "<p\u{a0}x>"]
        {
            start_tags(text);
            start_tags(&text.repeat(50));
        }
        assert_eq!(start_tags("<a é=ü>").first().unwrap().get("é"), Some("ü"));
    }
}
