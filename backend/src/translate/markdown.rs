//! Keeps everything of a text that is not words out of a translator's hands.
//!
//! Markdown is read as events. Only the words of its paragraphs, headings, items and cells are sent, as
//! XML: emphasis and links become `<g id='1'>…</g>`, code, HTML, addresses and placeholders become
//! `<x id='2'>…</x>`, which is not translated. Syntax, addresses, code blocks and layout never leave.
//! What comes back is put into the source's own syntax, and read again: unless exactly the source's
//! structure with exactly the words that came back is found, the text is refused.

use std::collections::BTreeSet;
use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd};

use super::xml;
use crate::text::markdown::options;

/// What a text is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Words only; braces and addresses are kept.
    Plain,
    /// Markdown.
    Markdown,
}

/// Why a translation is left out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// The answer is not the XML that was asked for.
    #[error("the answer is not well-formed: {0}")]
    Answer(&'static str),
    /// A placeholder, link, emphasis or paragraph is missing, there twice, or elsewhere.
    #[error("{0} was lost, doubled or moved")]
    Lost(String),
    /// What must not be translated was.
    #[error("{0} was changed")]
    Changed(String),
    /// Read again, the Markdown has another structure.
    #[error("the translation does not keep the structure of the Markdown")]
    Structure,
}

/// What stands between the words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Node {
    Text(String),
    Kept(usize, String),
    Group(usize, Vec<Node>),
}

/// An event of Markdown without its places and spellings: what must come out the same.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Seen {
    Start(String),
    End(String),
    Text(String),
    Code(String),
    Html(String),
    Break,
    Other(String),
}

#[derive(Debug)]
enum Mark {
    /// Source bytes that are put back as they were, and the event they make.
    Kept { bytes: String, seen: Seen },
    /// Words that are not translated, such as a placeholder.
    Literal(String),
    /// Syntax around words.
    Group { open: String, close: String, start: Seen, end: Seen, emphasis: bool },
}

#[derive(Debug)]
enum Piece {
    Glue(Range<usize>),
    Block(usize),
}

/// A text, taken apart.
#[derive(Debug)]
pub struct Protected {
    source: String,
    format: Format,
    pieces: Vec<Piece>,
    /// The words, block after block.
    blocks: Vec<Vec<Node>>,
    marks: Vec<Mark>,
}

/// How much the words that came back are escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// As they are.
    Bare,
    /// Whatever could be syntax is escaped.
    Escaped,
    /// And emphasis stands apart from the words beside it, where CommonMark would not see it otherwise.
    Spaced,
}

impl Protected {
    /// Takes a text apart.
    pub fn new(source: &str, format: Format) -> Self {
        let mut this =
            Self { source: source.to_owned(), format, pieces: Vec::new(), blocks: Vec::new(), marks: Vec::new() };
        match format {
            Format::Plain => this.take_lines(),
            Format::Markdown => this.take_markdown(),
        }
        this
    }

    /// What is sent; `None` when there are no words in it.
    pub fn sent(&self) -> Option<String> {
        (!self.blocks.is_empty()).then(|| xml::write_blocks(&self.blocks))
    }

    /// Puts an answer into the source's syntax.
    pub fn restore(&self, answer: &str) -> Result<String, Damage> {
        let mut blocks = xml::read(answer, self.blocks.len() != 1)?;
        if blocks.len() != self.blocks.len() {
            return Err(Damage::Lost("a paragraph".to_owned()));
        }
        for (before, after) in self.blocks.iter().zip(&mut blocks) {
            self.compare(before, after)?;
            tidy(after);
            if plain(after).trim().is_empty() {
                return Err(Damage::Lost("a paragraph".to_owned()));
            }
        }
        if self.format == Format::Plain {
            return Ok(self.assemble(&blocks, Care::Bare));
        }
        for care in [Care::Bare, Care::Escaped, Care::Spaced] {
            if care == Care::Spaced {
                for block in &mut blocks {
                    self.space_out(block);
                }
            }
            let text = self.assemble(&blocks, care);
            if seen(&text) == self.expected(&blocks) {
                return Ok(text);
            }
        }
        Err(Damage::Structure)
    }

    fn take_lines(&mut self) {
        let source = self.source.clone();
        let mut at = 0;
        for line in source.split_inclusive('\n') {
            let words = line.trim();
            let start = at + line.len() - line.trim_start().len();
            let nodes = self.literals(words);
            self.piece(start..start + words.len(), nodes);
            at += line.len();
        }
        self.glue_end();
    }

    fn take_markdown(&mut self) {
        let source = self.source.clone();
        let events: Vec<(Event<'_>, Range<usize>)> = Parser::new_ext(&source, options()).into_offset_iter().collect();
        let mut verbatim = false;
        let mut at = 0;
        while at < events.len() {
            match &events[at].0 {
                Event::Start(Tag::CodeBlock(_) | Tag::HtmlBlock) => verbatim = true,
                Event::End(TagEnd::CodeBlock | TagEnd::HtmlBlock) => verbatim = false,
                event if !verbatim && is_inline(event) => {
                    let length = events[at..].iter().take_while(|(event, _)| is_inline(event)).count();
                    let run = &events[at..at + length];
                    let mut start = run[0].1.start;
                    // The backslash of an escaped first character belongs to it.
                    if matches!(run[0].0, Event::Text(_)) && start > 0 && source.as_bytes()[start - 1] == b'\\' {
                        start -= 1;
                    }
                    let mut end = run.iter().map(|(_, range)| range.end).max().unwrap_or(start);
                    // The parser does not count the `[]` of `[words][]` to the link.
                    let collapsed = run.iter().any(|(event, range)| range.end == end && is_collapsed(event));
                    if collapsed && source[end..].starts_with("[]") {
                        end += 2;
                    }
                    let nodes = self.inline(run);
                    self.piece(start..end, nodes);
                    at += length;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        self.glue_end();
    }

    /// Adds a block, or leaves it where it is when there are no words in it.
    fn piece(&mut self, range: Range<usize>, nodes: Vec<Node>) {
        if !has_words(&nodes) {
            return;
        }
        self.pieces.push(Piece::Glue(self.glued()..range.start));
        self.pieces.push(Piece::Block(self.blocks.len()));
        self.pieces.push(Piece::Glue(range.end..range.end));
        self.blocks.push(nodes);
    }

    fn glued(&self) -> usize {
        match self.pieces.last() {
            Some(Piece::Glue(range)) => range.end,
            _ => 0,
        }
    }

    fn glue_end(&mut self) {
        self.pieces.push(Piece::Glue(self.glued()..self.source.len()));
    }

    fn mark(&mut self, mark: Mark) -> usize {
        self.marks.push(mark);
        self.marks.len() - 1
    }

    /// The nodes of events that belong to one block.
    fn inline(&mut self, run: &[(Event<'_>, Range<usize>)]) -> Vec<Node> {
        let source = self.source.clone();
        let mut nodes = Vec::new();
        let mut at = 0;
        while at < run.len() {
            let (event, range) = &run[at];
            match event {
                Event::Text(text) => push_text(&mut nodes, text),
                Event::SoftBreak => push_text(&mut nodes, " "),
                Event::Code(code) => {
                    let id = self.kept(&source[range.clone()], Seen::Code(code.to_string()));
                    nodes.push(Node::Kept(id, code.to_string()));
                }
                Event::InlineHtml(html) => {
                    let id = self.kept(&source[range.clone()], Seen::Html(html.to_string()));
                    nodes.push(Node::Kept(id, html.to_string()));
                }
                Event::HardBreak => {
                    // With what continues the block on the next line, such as a quote's `> `.
                    let next = run.get(at + 1);
                    let mut bytes = &source[range.start..next.map_or(range.end, |(_, next)| next.start)];
                    if matches!(next, Some((Event::Text(_), _))) {
                        bytes = bytes.strip_suffix('\\').filter(|rest| rest.contains('\n')).unwrap_or(bytes);
                    }
                    let id = self.kept(bytes, Seen::Break);
                    nodes.push(Node::Kept(id, String::new()));
                }
                Event::Start(tag) => {
                    let inside = length_of(&run[at + 1..]);
                    let children = &run[at + 1..at + 1 + inside];
                    let group = group(tag, &source, range, children);
                    if let Some((open, close, emphasis)) = group {
                        let (start, end) = (seen_start(tag), seen_end(tag.to_end()));
                        let id = self.mark(Mark::Group { open, close, start, end, emphasis });
                        let children = self.inline(children);
                        nodes.push(Node::Group(id, children));
                    } else {
                        let bytes = source[range.clone()].to_owned();
                        let id = self.kept(&bytes, Seen::Other(bytes.clone()));
                        nodes.push(Node::Kept(id, bytes));
                    }
                    at += inside + 1;
                }
                _ => {}
            }
            at += 1;
        }
        // Placeholders only now: an event may end in the midst of one.
        let mut split = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Text(text) => split.extend(self.literals(&text)),
                other => split.push(other),
            }
        }
        split
    }

    fn kept(&mut self, bytes: &str, seen: Seen) -> usize {
        self.mark(Mark::Kept { bytes: bytes.to_owned(), seen })
    }

    /// Words with their placeholders and addresses set apart.
    fn literals(&mut self, text: &str) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut rest = text;
        while let Some(Range { start, end }) = literal(rest) {
            push_text(&mut nodes, &rest[..start]);
            let kept = rest[start..end].to_owned();
            let id = self.mark(Mark::Literal(kept.clone()));
            nodes.push(Node::Kept(id, kept));
            rest = &rest[end..];
        }
        push_text(&mut nodes, rest);
        nodes
    }

    /// Whether each mark is there once, with what it held.
    fn compare(&self, before: &[Node], after: &[Node]) -> Result<(), Damage> {
        let mut wanted = BTreeSet::new();
        let mut held = Vec::new();
        walk(before, &mut |node| {
            if let Node::Kept(id, _) | Node::Group(id, _) = node {
                wanted.insert((*id, matches!(node, Node::Group(..))));
            }
            if let Node::Kept(id, content) = node {
                held.push((*id, content.clone()));
            }
        });
        let mut fault = None;
        walk(after, &mut |node| {
            let (id, group) = match node {
                Node::Text(_) => return,
                Node::Kept(id, content) => {
                    let same = |a: &str, b: &str| a.split_whitespace().eq(b.split_whitespace());
                    if held.iter().any(|(known, held)| known == id && !same(held, content)) {
                        fault.get_or_insert_with(|| Damage::Changed(self.name(*id)));
                    }
                    (*id, false)
                }
                Node::Group(id, _) => (*id, true),
            };
            if !wanted.remove(&(id, group)) {
                fault.get_or_insert_with(|| Damage::Lost(self.name(id)));
            }
        });
        if let Some((id, _)) = wanted.first() {
            fault.get_or_insert_with(|| Damage::Lost(self.name(*id)));
        }
        fault.map_or(Ok(()), Err)
    }

    /// What a person calls a mark.
    fn name(&self, id: usize) -> String {
        match self.marks.get(id) {
            Some(Mark::Kept { bytes, .. }) if bytes.trim().is_empty() || bytes.starts_with("\\\n") => {
                "a line break".to_owned()
            }
            Some(Mark::Kept { bytes: text, .. } | Mark::Literal(text)) => {
                format!("{:?}", text.chars().take(60).collect::<String>())
            }
            Some(Mark::Group { close, .. }) if close.starts_with(']') => {
                format!("the link {:?}", close.chars().skip(1).take(60).collect::<String>())
            }
            Some(Mark::Group { open, .. }) => format!("the emphasis {open:?}"),
            None => "something that was never sent".to_owned(),
        }
    }

    fn assemble(&self, blocks: &[Vec<Node>], care: Care) -> String {
        let mut text = String::with_capacity(self.source.len() * 5 / 4);
        for piece in &self.pieces {
            match piece {
                Piece::Glue(range) => text.push_str(&self.source[range.clone()]),
                Piece::Block(block) => {
                    let mut words = String::new();
                    self.write(&blocks[*block], care, &mut words);
                    if care != Care::Bare {
                        escape_start(&mut words);
                    }
                    text.push_str(&words);
                }
            }
        }
        text
    }

    fn write(&self, nodes: &[Node], care: Care, text: &mut String) {
        let put = |words: &str, text: &mut String| match care {
            Care::Bare => text.push_str(words),
            Care::Escaped | Care::Spaced => escape(words, text),
        };
        for node in nodes {
            match node {
                Node::Text(words) => put(words, text),
                Node::Kept(id, _) => match &self.marks[*id] {
                    Mark::Kept { bytes, .. } => text.push_str(bytes),
                    Mark::Literal(words) => put(words, text),
                    Mark::Group { .. } => {}
                },
                Node::Group(id, children) => {
                    let Mark::Group { open, close, .. } = &self.marks[*id] else { continue };
                    // Underscores do not work inside a word, stars do.
                    let star = |mark: &str| {
                        if care == Care::Bare { mark.to_owned() } else { mark.replace('_', "*") }
                    };
                    let emphasis = open.starts_with('_');
                    text.push_str(&if emphasis { star(open) } else { open.clone() });
                    self.write(children, care, text);
                    text.push_str(&if emphasis { star(close) } else { close.clone() });
                }
            }
        }
    }

    /// The source's events with other words.
    fn expected(&self, blocks: &[Vec<Node>]) -> Vec<Seen> {
        let mut expected = Vec::new();
        let mut verbatim = false;
        let mut next = 0;
        let events: Vec<(Event<'_>, Range<usize>)> =
            Parser::new_ext(&self.source, options()).into_offset_iter().collect();
        let starts: Vec<Option<usize>> = {
            // Which run of inline events is which block.
            let mut glue_end = 0;
            let mut starts = Vec::new();
            for piece in &self.pieces {
                match piece {
                    Piece::Glue(range) => glue_end = range.end,
                    Piece::Block(_) => starts.push(Some(glue_end)),
                }
            }
            starts
        };
        let mut at = 0;
        while at < events.len() {
            let (event, range) = &events[at];
            match event {
                Event::Start(Tag::CodeBlock(_) | Tag::HtmlBlock) => verbatim = true,
                Event::End(TagEnd::CodeBlock | TagEnd::HtmlBlock) => verbatim = false,
                event if !verbatim && is_inline(event) => {
                    let length = events[at..].iter().take_while(|(event, _)| is_inline(event)).count();
                    let ours = starts.get(next).copied().flatten();
                    if ours.is_some_and(|start| start == range.start || start + 1 == range.start) {
                        self.expect(&blocks[next], &mut expected);
                        next += 1;
                    } else {
                        expected.extend(events[at..at + length].iter().map(|(event, _)| seen_of(event)));
                    }
                    at += length;
                    continue;
                }
                _ => {}
            }
            expected.push(seen_of(event));
            at += 1;
        }
        merge(expected)
    }

    fn expect(&self, nodes: &[Node], expected: &mut Vec<Seen>) {
        for node in nodes {
            match node {
                Node::Text(text) => expected.push(Seen::Text(text.clone())),
                Node::Kept(id, _) => {
                    match &self.marks[*id] {
                        // Kept whole: it makes the events that it made.
                        Mark::Kept { bytes, seen: Seen::Other(_) } => {
                            expected.extend(seen(bytes).into_iter().filter(
                                |seen| !matches!(seen, Seen::Start(tag) | Seen::End(tag) if tag == "Paragraph"),
                            ));
                        }
                        Mark::Kept { seen, .. } => expected.push(seen.clone()),
                        Mark::Literal(text) => expected.push(Seen::Text(text.clone())),
                        Mark::Group { .. } => {}
                    }
                }
                Node::Group(id, children) => {
                    let Mark::Group { start, end, .. } = &self.marks[*id] else { continue };
                    expected.push(start.clone());
                    self.expect(children, expected);
                    expected.push(end.clone());
                }
            }
        }
    }

    /// CommonMark sees no emphasis in `**中。**文`: the mark must not stand between punctuation and a letter.
    fn space_out(&self, nodes: &mut [Node]) {
        for at in 0..nodes.len() {
            let Node::Group(id, children) = &mut nodes[at] else { continue };
            self.space_out(children);
            if !matches!(&self.marks[*id], Mark::Group { emphasis: true, .. }) {
                continue;
            }
            let words = plain(children);
            let odd = |letter: Option<char>| letter.is_some_and(|letter| !letter.is_alphanumeric());
            let (opens_oddly, ends_oddly) = (odd(words.chars().next()), odd(words.chars().next_back()));
            if ends_oddly
                && let Some(Node::Text(after)) = nodes.get_mut(at + 1)
                && after.starts_with(char::is_alphanumeric)
            {
                after.insert(0, ' ');
            }
            if opens_oddly
                && at > 0
                && let Some(Node::Text(before)) = nodes.get_mut(at - 1)
                && before.ends_with(char::is_alphanumeric)
            {
                before.push(' ');
            }
        }
    }
}

fn is_inline(event: &Event<'_>) -> bool {
    match event {
        Event::Text(_) | Event::Code(_) | Event::InlineHtml(_) | Event::SoftBreak | Event::HardBreak => true,
        Event::Start(tag) => is_inline_end(tag.to_end()),
        Event::End(tag) => is_inline_end(*tag),
        _ => false,
    }
}

fn is_inline_end(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

fn is_collapsed(event: &Event<'_>) -> bool {
    let Event::Start(Tag::Link { link_type, .. } | Tag::Image { link_type, .. }) = event else {
        return false;
    };
    *link_type == LinkType::Collapsed
}

/// How many events there are before the end of what has begun.
fn length_of(events: &[(Event<'_>, Range<usize>)]) -> usize {
    let mut depth = 0_usize;
    events
        .iter()
        .take_while(|(event, _)| match event {
            Event::Start(_) => {
                depth += 1;
                true
            }
            Event::End(_) if depth == 0 => false,
            Event::End(_) => {
                depth -= 1;
                true
            }
            _ => true,
        })
        .count()
}

/// The syntax around a group, and whether it is emphasis; `None` for what is kept whole.
fn group(
    tag: &Tag<'_>,
    source: &str,
    range: &Range<usize>,
    children: &[(Event<'_>, Range<usize>)],
) -> Option<(String, String, bool)> {
    let whole = &source[range.clone()];
    let inside_end = children.iter().map(|(_, range)| range.end).max()?;
    let around = |length: usize| {
        let open = whole.get(..length)?.to_owned();
        let close = whole.get(whole.len().checked_sub(length)?..)?.to_owned();
        Some((open, close, true))
    };
    let linked = |open: &str, link_type: LinkType| {
        let close = source.get(inside_end..range.end)?;
        let bracket = close.find(']').filter(|at| close[..*at].trim().is_empty())?;
        let close = &close[bracket..];
        let label = source.get(range.start + open.len()..inside_end)?.split_whitespace().collect::<Vec<_>>().join(" ");
        let close = match link_type {
            LinkType::Inline | LinkType::Reference => close.to_owned(),
            // The words are also the name of the address: they may change, the name may not.
            LinkType::Collapsed | LinkType::Shortcut => format!("][{label}]"),
            _ => return None,
        };
        Some((open.to_owned(), close, false))
    };
    match tag {
        Tag::Emphasis => around(1),
        Tag::Strong => around(2),
        Tag::Strikethrough => around(if whole.starts_with("~~") { 2 } else { 1 }),
        Tag::Link { link_type, .. } => linked("[", *link_type),
        Tag::Image { link_type, .. } => linked("![", *link_type),
        _ => None,
    }
}

fn push_text(nodes: &mut Vec<Node>, text: &str) {
    match nodes.last_mut() {
        _ if text.is_empty() => {}
        Some(Node::Text(before)) => before.push_str(text),
        _ => nodes.push(Node::Text(text.to_owned())),
    }
}

/// The first placeholder or address in it: `{…}`, `{{…}}`, `[[…]]`, `https://…`, `a@b.example`.
fn literal(text: &str) -> Option<Range<usize>> {
    let bracketed = |open: &str, close: &str| {
        text.match_indices(open).find_map(|(start, _)| {
            let inside = &text[start + open.len()..];
            let length = inside.find(close)?;
            let fine = length > 0 && length <= 100 && !inside[..length].contains(['{', '}', '\n']);
            fine.then(|| start..start + open.len() + length + close.len())
        })
    };
    let address = ["https://", "http://", "mailto:"].into_iter().filter_map(|scheme| {
        let start = text.find(scheme)?;
        let length = text[start..].find(|c: char| c.is_whitespace() || "<>\"«»“”".contains(c));
        let end = length.map_or(text.len(), |length| start + length);
        let end = start + text[start..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'']).len();
        Some(start..end)
    });
    let mail = text.match_indices('@').find_map(|(at, _)| {
        let word = |c: char| !(c.is_ascii_alphanumeric() || "._+-".contains(c));
        let start =
            text[..at].rfind(word).map_or(0, |before| before + text[before..].chars().next().map_or(1, char::len_utf8));
        let length = text[at + 1..].find(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c)));
        let end = at + 1 + text[at + 1..][..length.unwrap_or(text.len() - at - 1)].trim_end_matches(['.', '-']).len();
        (start < at && text[at + 1..end].contains('.')).then_some(start..end)
    });
    let mut found: Vec<Range<usize>> =
        [bracketed("{{", "}}"), bracketed("{", "}"), bracketed("[[", "]]"), mail].into_iter().flatten().collect();
    found.extend(address);
    // The first, and of those the longest.
    found.into_iter().min_by_key(|range| (range.start, usize::MAX - range.end))
}

fn has_words(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Text(text) => text.contains(char::is_alphabetic),
        Node::Kept(..) => false,
        Node::Group(_, children) => has_words(children),
    })
}

fn walk<'n>(nodes: &'n [Node], take: &mut impl FnMut(&'n Node)) {
    for node in nodes {
        take(node);
        if let Node::Group(_, children) = node {
            walk(children, take);
        }
    }
}

fn plain(nodes: &[Node]) -> String {
    let mut text = String::new();
    walk(nodes, &mut |node| {
        if let Node::Text(words) | Node::Kept(_, words) = node {
            text.push_str(words);
        }
    });
    text
}

/// Brings what came back into the shape of Markdown: one line, no blanks at the edges of emphasis.
fn tidy(nodes: &mut Vec<Node>) {
    fn hoist(nodes: Vec<Node>) -> Vec<Node> {
        let mut out: Vec<Node> = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node {
                Node::Text(text) => push_text(&mut out, &text.replace(['\n', '\r', '\t'], " ")),
                Node::Group(id, children) => {
                    let mut children = hoist(children);
                    let (mut before, mut after) = ("", "");
                    if let Some(Node::Text(first)) = children.first_mut() {
                        let trimmed = first.trim_start_matches(' ');
                        if trimmed.len() < first.len() {
                            before = " ";
                            *first = trimmed.to_owned();
                        }
                    }
                    if let Some(Node::Text(last)) = children.last_mut() {
                        let trimmed = last.trim_end_matches(' ');
                        if trimmed.len() < last.len() {
                            after = " ";
                            *last = trimmed.to_owned();
                        }
                    }
                    children.retain(|child| !matches!(child, Node::Text(text) if text.is_empty()));
                    push_text(&mut out, before);
                    out.push(Node::Group(id, children));
                    push_text(&mut out, after);
                }
                kept @ Node::Kept(..) => out.push(kept),
            }
        }
        out
    }
    *nodes = hoist(std::mem::take(nodes));
    // Blanks at a line's edges mean something else, or nothing.
    let is_break = |node: Option<&Node>| matches!(node, Some(Node::Kept(_, content)) if content.is_empty());
    for at in 0..nodes.len() {
        let (starts, ends) =
            (at == 0 || is_break(nodes.get(at - 1)), at + 1 == nodes.len() || is_break(nodes.get(at + 1)));
        if let Node::Text(text) = &mut nodes[at] {
            if starts {
                *text = text.trim_start_matches(' ').to_owned();
            }
            if ends {
                *text = text.trim_end_matches(' ').to_owned();
            }
        }
    }
    nodes.retain(|node| !matches!(node, Node::Text(text) if text.is_empty()));
}

fn escape(words: &str, text: &mut String) {
    for letter in words.chars() {
        if matches!(letter, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '&' | '~' | '|' | '!') {
            text.push('\\');
        }
        text.push(letter);
    }
}

/// What would make a heading, a list or a quote at the start of a line.
fn escape_start(words: &mut String) {
    let digits = words.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 && words[digits..].starts_with(['.', ')']) {
        words.insert(digits, '\\');
    } else if words.starts_with(['#', '+', '-', '=', '>', ':']) {
        words.insert(0, '\\');
    }
}

fn seen(markdown: &str) -> Vec<Seen> {
    merge(Parser::new_ext(markdown, options()).map(|event| seen_of(&event)).collect())
}

fn seen_of(event: &Event<'_>) -> Seen {
    match event {
        Event::Start(tag) => seen_start(tag),
        Event::End(tag) => seen_end(*tag),
        Event::Text(text) => Seen::Text(text.to_string()),
        Event::Code(code) => Seen::Code(code.to_string()),
        Event::Html(html) | Event::InlineHtml(html) => Seen::Html(html.to_string()),
        Event::SoftBreak => Seen::Text(" ".to_owned()),
        Event::HardBreak => Seen::Break,
        other => Seen::Other(format!("{other:?}")),
    }
}

fn seen_start(tag: &Tag<'_>) -> Seen {
    Seen::Start(match tag {
        Tag::Link { dest_url, title, .. } => format!("Link {:?} {:?}", &**dest_url, &**title),
        Tag::Image { dest_url, title, .. } => format!("Image {:?} {:?}", &**dest_url, &**title),
        other => format!("{other:?}"),
    })
}

fn seen_end(tag: TagEnd) -> Seen {
    Seen::End(format!("{tag:?}"))
}

fn merge(events: Vec<Seen>) -> Vec<Seen> {
    let mut merged: Vec<Seen> = Vec::with_capacity(events.len());
    for event in events {
        match (merged.last_mut(), event) {
            (_, Seen::Text(text)) if text.is_empty() => {}
            (Some(Seen::Text(before)), Seen::Text(text)) => before.push_str(&text),
            (_, event) => merged.push(event),
        }
    }
    merged
}
