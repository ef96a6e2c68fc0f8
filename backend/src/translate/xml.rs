//! The little XML that is sent and comes back: `p`, `g` and `x`, each with an `id`, and text.

use std::fmt::Write as _;

use super::markdown::{Damage, Node};

/// Blocks as XML; one alone goes without a tag of its own.
pub(super) fn write_blocks(blocks: &[Vec<Node>]) -> String {
    if let [only] = blocks {
        return write(only);
    }
    let mut xml = String::new();
    for (id, nodes) in blocks.iter().enumerate() {
        put(&mut xml, format_args!("<p id='{id}'>"));
        write_into(nodes, &mut xml);
        xml.push_str("</p>");
    }
    xml
}

/// Nodes as XML.
fn write(nodes: &[Node]) -> String {
    let mut xml = String::new();
    write_into(nodes, &mut xml);
    xml
}

fn write_into(nodes: &[Node], xml: &mut String) {
    for node in nodes {
        match node {
            Node::Text(text) => escape(text, xml),
            Node::Kept(id, content) if content.is_empty() => put(xml, format_args!("<x id='{id}'/>")),
            Node::Kept(id, content) => {
                put(xml, format_args!("<x id='{id}'>"));
                escape(content, xml);
                xml.push_str("</x>");
            }
            Node::Group(id, children) => {
                put(xml, format_args!("<g id='{id}'>"));
                write_into(children, xml);
                xml.push_str("</g>");
            }
        }
    }
}

fn put(xml: &mut String, tag: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = xml.write_fmt(tag);
}

fn escape(text: &str, xml: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            // XML has no way to write these.
            '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => xml.push(' '),
            other => xml.push(other),
        }
    }
}

/// How many characters DeepL counts at most: tags are free.
pub fn characters(xml: &str) -> u64 {
    let mut inside = false;
    let mut count = 0;
    for letter in xml.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => count += 1,
            _ => {}
        }
    }
    count
}

/// Reads what came back: the blocks in order, or the only one when it was sent without a `p`.
pub(super) fn read(xml: &str, several: bool) -> Result<Vec<Vec<Node>>, Damage> {
    let mut reader = Reader { rest: xml };
    if !several {
        let nodes = reader.nodes(None)?;
        return Ok(vec![nodes]);
    }
    let mut blocks = Vec::new();
    loop {
        reader.rest = reader.rest.trim_start();
        if reader.rest.is_empty() {
            return Ok(blocks);
        }
        match reader.tag()? {
            Tag::Open('p', id) if id == blocks.len() => blocks.push(reader.nodes(Some('p'))?),
            _ => return Err(Damage::Lost("a paragraph".to_owned())),
        }
    }
}

/// How deep groups may stand in each other.
const MAX_DEPTH: usize = 64;

enum Tag {
    Open(char, usize),
    Empty(char, usize),
    Close(char),
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Nodes up to the end tag, which is taken too, or to the end.
    fn nodes(&mut self, until: Option<char>) -> Result<Vec<Node>, Damage> {
        let mut stack: Vec<(usize, Vec<Node>)> = Vec::new();
        let mut nodes = Vec::new();
        loop {
            let text_end = self.rest.find('<').unwrap_or(self.rest.len());
            let text = unescape(&self.rest[..text_end])?;
            if !text.is_empty() {
                nodes.push(Node::Text(text));
            }
            self.rest = &self.rest[text_end..];
            if self.rest.is_empty() {
                return if stack.is_empty() && until.is_none() {
                    Ok(nodes)
                } else {
                    Err(Damage::Answer("a tag is not closed"))
                };
            }
            match self.tag()? {
                Tag::Open('g', id) if stack.len() < MAX_DEPTH => stack.push((id, std::mem::take(&mut nodes))),
                Tag::Empty('g', id) => nodes.push(Node::Group(id, Vec::new())),
                Tag::Open('x', id) => {
                    let end = self.rest.find('<').ok_or(Damage::Answer("a tag is not closed"))?;
                    let content = unescape(&self.rest[..end])?;
                    self.rest = &self.rest[end..];
                    if !matches!(self.tag()?, Tag::Close('x')) {
                        return Err(Damage::Answer("a tag stands where none may"));
                    }
                    nodes.push(Node::Kept(id, content));
                }
                Tag::Empty('x', id) => nodes.push(Node::Kept(id, String::new())),
                Tag::Close('g') => {
                    let (id, before) = stack.pop().ok_or(Damage::Answer("a tag is closed that was not open"))?;
                    let children = std::mem::replace(&mut nodes, before);
                    nodes.push(Node::Group(id, children));
                }
                Tag::Close(name) if stack.is_empty() && Some(name) == until => return Ok(nodes),
                _ => return Err(Damage::Answer("a tag stands where none may")),
            }
        }
    }

    fn tag(&mut self) -> Result<Tag, Damage> {
        let fault = || Damage::Answer("a tag that was never sent");
        let inside = self.rest.strip_prefix('<').ok_or_else(fault)?;
        let end = inside.find('>').ok_or_else(fault)?;
        self.rest = &inside[end + 1..];
        let tag = &inside[..end];
        if let Some(name) = tag.strip_prefix('/') {
            let name = name.trim_end();
            return name.chars().next().filter(|_| name.len() == 1).map(Tag::Close).ok_or_else(fault);
        }
        let (tag, empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let name = tag.chars().next().filter(|name| "pgx".contains(*name)).ok_or_else(fault)?;
        let value = tag[1..].trim().strip_prefix("id").map(str::trim_start).and_then(|rest| rest.strip_prefix('='));
        let value = value.map(str::trim).ok_or_else(fault)?;
        let id = ['\'', '"'].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        let id = id.and_then(|id| id.parse().ok()).ok_or_else(fault)?;
        Ok(if empty { Tag::Empty(name, id) } else { Tag::Open(name, id) })
    }
}

fn unescape(text: &str) -> Result<String, Damage> {
    let fault = Damage::Answer("an entity that XML does not know");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let inside = &rest[at + 1..];
        let end = inside.find(';').filter(|end| *end <= 10).ok_or_else(|| fault.clone())?;
        let letter = match &inside[..end] {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let code = match number.strip_prefix("#x").or_else(|| number.strip_prefix("#X")) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => number.strip_prefix('#').and_then(|number| number.parse().ok()),
                };
                code.and_then(char::from_u32).filter(|letter| *letter != '\0').ok_or_else(|| fault.clone())?
            }
        };
        out.push(letter);
        rest = &inside[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}
