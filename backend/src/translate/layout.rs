//! Writes a language into an author's file without touching anything else of it.
//!
//! Places come from reading the file; what is inserted is a line or a few characters; and the whole is
//! read again before it counts: unless it says what it said, and the new text, nothing is written.

use std::fmt::Write as _;
use std::ops::Range;

use jalon_shared::Lang;
use serde_json::{Value, json};

use super::document::{self, Document, Entry, Text};
use crate::folder::node;

/// What shall stand there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum New {
    Words(String),
    File(String),
}

/// Why a file's layout is left alone.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub(super) String);

fn refused(why: &str) -> Refused {
    Refused(format!("its place in the file can't be edited safely: {why}; write this language by hand"))
}

struct Edit {
    at: Range<usize>,
    with: String,
}

/// The document's text with these texts in this language, each new or in place of what was there.
pub(super) fn with(document: &Document, lang: &Lang, texts: &[(usize, New)]) -> Result<String, Refused> {
    let mut edits = Vec::with_capacity(texts.len());
    let mut expected = document.value.clone();
    for (at, new) in texts {
        let text = &document.texts[*at];
        let (edit, tag) = edit(&document.source, text, lang, new)?;
        edits.push(edit);
        let map = expected.pointer_mut(&text.pointer).and_then(Value::as_object_mut);
        let map = map.ok_or_else(|| refused("it is not where it was"))?;
        let value = match new {
            New::Words(words) => json!(words),
            New::File(name) => json!({ "file": name }),
        };
        map.insert(tag, value);
    }
    edits.sort_by_key(|edit| edit.at.start);
    if edits.windows(2).any(|pair| pair[0].at.end > pair[1].at.start) {
        return Err(refused("two texts overlap"));
    }
    let mut source = document.source.clone();
    for Edit { at, with } in edits.iter().rev() {
        source.replace_range(at.clone(), with);
    }
    let again = node::parse(&source).map_err(|(_, detail)| refused(&detail))?;
    if document::value(&again.value) == expected { Ok(source) } else { Err(refused("it would not read as it should")) }
}

fn edit(source: &str, text: &Text, lang: &Lang, new: &New) -> Result<(Edit, String), Refused> {
    let map = &text.map;
    if map.entries.is_empty() || map.entries.iter().any(|entry| !entry.own) {
        return Err(refused("it stands under an alias, an anchor or in a merged map"));
    }
    if let Some(entry) = map.entries.iter().find(|entry| Lang::parse(&entry.tag).is_ok_and(|tag| tag == *lang)) {
        return Ok((replacement(source, map.flow, entry, new)?, entry.tag.clone()));
    }
    let last = map.entries.iter().max_by_key(|entry| entry.key.start).ok_or_else(|| refused("it is empty"))?;
    let tag = lang.to_string();
    let edit = if map.flow { flow_entry(source, last, &tag, new)? } else { block_entry(source, last, &tag, new)? };
    Ok((edit, tag))
}

/// A new line after the last language.
fn block_entry(source: &str, last: &Entry, tag: &str, new: &New) -> Result<Edit, Refused> {
    let indent = indent(source, last.key.start)?;
    let end = block_end(source, last, indent);
    let newline = newline(source, last.key.start);
    let value = match new {
        New::Words(words) => literal(words, indent, newline).unwrap_or_else(|| quoted(words)),
        New::File(name) => format!("{{ file: {} }}", bare(name)),
    };
    // Other readers of YAML take these for truth values.
    let key = if matches!(tag, "no" | "on" | "y" | "n") { format!("\"{tag}\"") } else { tag.to_owned() };
    Ok(Edit { at: end..end, with: format!("{newline}{}{key}: {value}", " ".repeat(indent)) })
}

/// Another pair inside the braces.
fn flow_entry(source: &str, last: &Entry, tag: &str, new: &New) -> Result<Edit, Refused> {
    let end = if last.is_map { braces_end(source, last.value.start)? } else { last.value.end };
    let is_json = source[last.key.clone()].starts_with('"');
    let (key, file) = if is_json { (quoted(tag), "\"file\"") } else { (tag.to_owned(), "file") };
    let value = match new {
        New::Words(words) => quoted(words),
        New::File(name) => format!("{{ {file}: {} }}", if is_json { quoted(name) } else { bare(name) }),
    };
    let line_start = source[..last.key.start].rfind('\n').map_or(0, |newline| newline + 1);
    let before = &source[line_start..last.key.start];
    let with = if before.trim().is_empty() {
        format!(",{}{before}{key}: {value}", newline(source, last.key.start))
    } else {
        format!(", {key}: {value}")
    };
    Ok(Edit { at: end..end, with })
}

/// Other words in the place of those there.
fn replacement(source: &str, flow: bool, entry: &Entry, new: &New) -> Result<Edit, Refused> {
    let New::Words(words) = new else { return Err(refused("its words stand in the file itself")) };
    if entry.is_map {
        return Err(refused("its words stand in a file of their own"));
    }
    let gap = &source[entry.key.end..entry.value.start];
    let colon = gap.find(':').ok_or_else(|| refused("its key is written in an unusual way"))?;
    let gap = gap[colon + 1..].trim();
    let block = gap.starts_with(['|', '>']);
    if !block && !gap.is_empty() {
        return Err(refused("it has an anchor, a tag or a comment"));
    }
    let at = if block {
        if gap.contains('#') {
            return Err(refused("it has a comment"));
        }
        entry.key.end + colon + 1..block_end(source, entry, indent(source, entry.key.start)?)
    } else {
        entry.value.clone()
    };
    let literal =
        if flow { None } else { literal(words, indent(source, entry.key.start)?, newline(source, entry.key.start)) };
    let value = literal.unwrap_or_else(|| quoted(words));
    Ok(Edit { at, with: if block { format!(" {value}") } else { value } })
}

/// In which column a key stands. Only blanks and the marks of lists may stand before it.
fn indent(source: &str, key: usize) -> Result<usize, Refused> {
    let line_start = source[..key].rfind('\n').map_or(0, |newline| newline + 1);
    let before = source[line_start..key].trim_start_matches('\u{feff}');
    if before.bytes().all(|byte| byte == b' ' || byte == b'-') {
        Ok(before.len())
    } else {
        Err(refused("something else stands on its line"))
    }
}

/// The end of the last line that belongs to an entry: what follows is indented less, or is empty.
fn block_end(source: &str, entry: &Entry, indent: usize) -> usize {
    let line_end = |from: usize| source[from..].find('\n').map_or(source.len(), |newline| from + newline);
    let mut end = line_end(entry.key.start.max(if entry.is_map { 0 } else { quoted_end(source, entry) }));
    let mut next = end + 1;
    while next < source.len() {
        let line = &source[next..line_end(next)];
        let blank = line.trim().is_empty();
        if !blank && line.len() - line.trim_start_matches(' ').len() <= indent {
            break;
        }
        if !blank {
            end = next + line.len();
        }
        next += line.len() + 1;
    }
    if source[..end].ends_with('\r') { end - 1 } else { end }
}

/// Where a value in quotes ends; others end where the indentation says.
fn quoted_end(source: &str, entry: &Entry) -> usize {
    if source[entry.value.clone()].starts_with(['"', '\'']) { entry.value.end } else { 0 }
}

fn newline(source: &str, near: usize) -> &'static str {
    match source[near..].find('\n') {
        Some(at) if source[near..near + at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The end of a map in braces.
fn braces_end(source: &str, start: usize) -> Result<usize, Refused> {
    let bytes = source.as_bytes();
    if bytes.get(start) != Some(&b'{') {
        return Err(refused("its map is written in an unusual way"));
    }
    let mut depth = 0;
    // A quote begins something only where a word could begin.
    let mut fresh = true;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            b'"' if fresh => {
                at += 1;
                while *bytes.get(at).ok_or_else(|| refused("a quote is not closed"))? != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'\'' if fresh => {
                at += 1;
                while *bytes.get(at).ok_or_else(|| refused("a quote is not closed"))? != b'\'' {
                    at += 1;
                }
            }
            b'#' if fresh => return Err(refused("there is a comment inside its map")),
            _ => {}
        }
        fresh = matches!(byte, b'{' | b'[' | b',' | b':' | b' ' | b'\n' | b'\r' | b'\t');
        at += 1;
    }
    Err(refused("a brace is not closed"))
}

/// A text in double quotes, as YAML and JSON both read it.
fn quoted(text: &str) -> String {
    let json = Value::String(text.to_owned()).to_string();
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        // JSON may write these as they are, YAML may not.
        if matches!(letter, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') {
            let _ = write!(out, "\\u{:04x}", u32::from(letter));
        } else {
            out.push(letter);
        }
    }
    out
}

/// A file's name, without quotes where it needs none.
fn bare(name: &str) -> String {
    let simple = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
    if simple { name.to_owned() } else { quoted(name) }
}

/// A text of several lines as a block, the way a person would write it; `None` where YAML can't.
fn literal(text: &str, indent: usize, newline: &str) -> Option<String> {
    let chomping = match (text.ends_with("\n\n"), text.ends_with('\n')) {
        (true, _) => return None,
        (false, true) => "",
        (false, false) => "-",
    };
    let body = text.strip_suffix('\n').unwrap_or(text);
    let plain = |c: char| c == '\n' || !(c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'));
    let fine = body.contains('\n') && !body.starts_with([' ', '\n']) && body.chars().all(plain);
    if !fine || body.lines().any(|line| line.ends_with(' ') || line.trim().is_empty() && !line.is_empty()) {
        return None;
    }
    let mut out = format!("|{chomping}");
    for line in body.split('\n') {
        out.push_str(newline);
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent + 2));
            out.push_str(line);
        }
    }
    Some(out)
}
