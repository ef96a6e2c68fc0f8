//! Texts of other systems as Markdown. Sanitising is the page's work; here only the meaning is kept.

/// How a text is marked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Markup {
    /// HTML.
    Html,
    /// Plain words with some HTML in them, where lines break as typed.
    Moodle,
    /// Plain words.
    Plain,
    /// Markdown already.
    Markdown,
}

/// Tags that say nothing that is missed.
const MUTE: &str = "span div font u small big html body section article header footer center abbr label mark";

/// The text as Markdown, and the tags that are not kept.
pub(super) fn markdown(text: &str, markup: Markup) -> (String, Vec<String>) {
    let mut writer = Writer { out: String::new(), code: false, links: Vec::new(), lists: Vec::new(), lost: Vec::new() };
    match markup {
        Markup::Markdown => return (text.trim().to_owned(), Vec::new()),
        Markup::Plain => writer.plain(text.trim(), true),
        Markup::Moodle => writer.html(text.trim(), true),
        Markup::Html => writer.html(text.trim(), false),
    }
    while let Some(link) = writer.links.pop() {
        writer.link_end(&link);
    }
    (writer.out.trim().to_owned(), writer.lost)
}

/// The plain words that [`Markup::Plain`] would make this Markdown of; none where it is more than words.
pub(super) fn words(text: &str) -> Option<String> {
    let mut words = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.peek() {
            Some(next) if c == '\\' && (next.is_ascii_punctuation() || *next == '\n') => words.extend(chars.next()),
            _ => words.push(c),
        }
    }
    (markdown(&words, Markup::Plain).0 == text).then_some(words)
}

struct Writer {
    out: String,
    code: bool,
    links: Vec<String>,
    /// The number of the next item; none in a list without numbers.
    lists: Vec<Option<u32>>,
    lost: Vec<String>,
}

impl Writer {
    /// Words, with what Markdown would take for markup escaped.
    fn plain(&mut self, text: &str, ampersand: bool) {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let next = chars.peek().copied();
            if c == '\n' {
                self.line_break(next);
                continue;
            }
            let begins = self.out.is_empty() || self.out.ends_with('\n');
            let digits = self.out.bytes().rev().take(10).take_while(u8::is_ascii_digit).count();
            let before = self.out.len() - digits;
            let numbers = digits > 0 && (before == 0 || self.out.as_bytes()[before - 1] == b'\n');
            let spaced = next.is_none_or(char::is_whitespace);
            let inside = self.out.ends_with(char::is_alphanumeric) && next.is_some_and(char::is_alphanumeric);
            let escape = !self.code
                && match c {
                    '*' | '`' | '[' | '<' | '~' => true,
                    '_' => !inside,
                    '\\' => next.is_some_and(|next| next.is_ascii_punctuation()) || self.out.ends_with(c),
                    '&' => ampersand && next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '#'),
                    '#' | '>' | '=' | '|' => begins,
                    '-' | '+' => begins && (spaced || next == Some('-')),
                    '.' | ')' => numbers && spaced,
                    '!' => next == Some('['),
                    _ => false,
                };
            if escape {
                self.out.push('\\');
            }
            if !(begins && c.is_whitespace()) {
                self.out.push(c);
            }
        }
    }

    /// One break is a break, two are a paragraph.
    fn line_break(&mut self, next: Option<char>) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        if self.out.ends_with("\\\n") {
            self.out.truncate(self.out.len() - 2);
            self.out.push_str("\n\n");
        } else if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push_str(if next == Some('\n') { "\n\n" } else { "\\\n" });
        }
    }

    fn html(&mut self, text: &str, breaks: bool) {
        // A tag that never ends is words.
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            self.words(&rest[..start], breaks);
            let after = &rest[start + 1..];
            let is_tag = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
            if !is_tag {
                self.plain("<", false);
                rest = after;
                continue;
            }
            let Some(end) = after.find('>') else {
                break;
            };
            self.tag(&after[..end]);
            rest = &after[end + 1..];
        }
        self.words(rest, breaks);
    }

    /// The words between two tags; entities are Markdown's too.
    fn words(&mut self, text: &str, breaks: bool) {
        if breaks || self.code {
            return self.plain(text, false);
        }
        let mut first = true;
        for word in text.split([' ', '\n', '\t']) {
            if !first && !self.out.is_empty() && !self.out.ends_with(['\n', ' ']) {
                self.out.push(' ');
            }
            first = false;
            self.plain(word, false);
        }
    }

    fn link_end(&mut self, address: &str) {
        self.out.push_str("](");
        self.out.push_str(address);
        self.out.push(')');
    }

    fn paragraph(&mut self) {
        self.out.truncate(self.out.trim_end().len());
        if !self.out.is_empty() {
            if self.out.ends_with('\\') {
                self.out.pop();
            }
            self.out.push_str("\n\n");
        }
    }

    fn tag(&mut self, tag: &str) {
        let (closing, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let name = tag[..end].to_ascii_lowercase();
        match name.as_str() {
            "b" | "strong" => self.out.push_str("**"),
            "i" | "em" => self.out.push('*'),
            "del" | "s" | "strike" => self.out.push_str("~~"),
            "code" | "tt" | "kbd" => {
                self.out.push('`');
                self.code = !closing;
            }
            "br" => self.line_break(None),
            "p" | "blockquote" | "pre" => self.paragraph(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.paragraph();
                if !closing {
                    self.out.push_str(&"#".repeat(usize::from(name.as_bytes()[1] - b'0')));
                    self.out.push(' ');
                }
            }
            "ul" | "ol" => {
                if closing {
                    self.lists.pop();
                    if self.lists.is_empty() {
                        self.paragraph();
                    }
                } else {
                    if self.lists.is_empty() {
                        self.paragraph();
                    }
                    self.lists.push((name == "ol").then_some(1));
                }
            }
            "li" if closing => {}
            "li" => {
                self.out.truncate(self.out.trim_end_matches(' ').len());
                if !self.out.is_empty() && !self.out.ends_with('\n') {
                    self.out.push('\n');
                }
                let depth = self.lists.len().clamp(1, 8);
                self.out.push_str(&"   ".repeat(depth - 1));
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.out.push_str(&number.to_string());
                        self.out.push_str(". ");
                        *number += 1;
                    }
                    _ => self.out.push_str("- "),
                }
            }
            "a" if closing => {
                if let Some(link) = self.links.pop() {
                    self.link_end(&link);
                }
            }
            "a" => {
                if let Some(link) = attribute(tag, "href").and_then(address) {
                    self.out.push('[');
                    self.links.push(link);
                }
            }
            "img" => match attribute(tag, "src").and_then(address) {
                Some(src) if src.starts_with("https://") => {
                    let alt = attribute(tag, "alt").unwrap_or_default().replace(['[', ']', '\n'], " ");
                    self.out.push_str("![");
                    self.out.push_str(&alt);
                    self.link_end(&src);
                }
                _ => self.lost.push("img".to_owned()),
            },
            // Indices would run into the words before them.
            "sup" | "sub" if !closing => self.lost.push(name),
            "sup" | "sub" | "" => {}
            name if MUTE.split(' ').any(|mute| mute == name) => {}
            _ if closing => {}
            _ => self.lost.push(name),
        }
    }
}

fn address(text: &str) -> Option<String> {
    let address = text.trim().replace("&amp;", "&");
    (!address.is_empty() && !address.contains(|c: char| c.is_whitespace() || "()<>\\".contains(c))).then_some(address)
}

/// An attribute's value: quoted either way, or up to the next space.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let found = before.trim_end().rsplit(char::is_whitespace).next()?;
        let after = after.trim_start();
        let (value, next) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            _ => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = next;
    }
    None
}
