//! The lines of a GIFT file: questions, between blank lines; comments; categories.

use super::super::{Place, Reading, lines};

/// One question's lines, without the comments among them.
#[derive(Clone, Default, Debug)]
pub(super) struct Block {
    pub(super) text: String,
    /// Where each line begins in `text`, and its number.
    lines: Vec<(usize, u64)>,
    /// `[id:…]` in a comment.
    pub(super) id: Option<String>,
    /// `[tag:…]` in comments, and the line of the first.
    pub(super) tags: Option<(u64, Vec<String>)>,
    /// `[jalon: points=…]` in a comment, with its line.
    pub(super) points: Option<(u64, String)>,
    /// `[jalon: keys=…]` in a comment, with its line.
    pub(super) keys: Option<(u64, Vec<String>)>,
    /// `[jalon: characters=…]` in a comment, with its line.
    pub(super) characters: Option<(u64, String)>,
}

impl Block {
    /// The place of a byte of `text`.
    pub(super) fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        let Some((start, number)) = self.lines.get(line) else {
            return (1, None);
        };
        let column = self.text.get(*start..at).map_or(0, |before| before.chars().count());
        (*number, Some(column as u64 + 1))
    }

    fn add(&mut self, number: u64, line: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.lines.push((self.text.len(), number));
        self.text.push_str(line);
    }
}

/// The file's questions; warns of what stands in comments and has no room.
pub(super) fn blocks(text: &str, reading: &mut Reading<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut block = Block::default();
    let mut categories = false;
    for (number, line) in lines(text) {
        let words = line.trim();
        if let Some(comment) = words.strip_prefix("//") {
            meta(comment, number, &mut block, reading);
        } else if words.is_empty() || words.starts_with("$CATEGORY:") {
            let whole = std::mem::take(&mut block);
            if !whole.text.is_empty() {
                blocks.push(whole);
            }
            if !words.is_empty() && !std::mem::replace(&mut categories, true) {
                let detail = "categories are not kept; make a file of each if they matter";
                reading.warn((number, None), "", detail);
            }
        } else {
            block.add(number, line);
        }
    }
    if !block.text.is_empty() {
        blocks.push(block);
    }
    blocks
}

/// What a comment says in brackets: names and words, `[tag:terrain]`. A `]` in the words stands as `\]`.
fn brackets(comment: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = comment;
    while let Some(open) = rest.find('[') {
        rest = &rest[open + 1..];
        let Some(name) = ["id", "tag", "jalon"]
            .into_iter()
            .find(|name| rest.strip_prefix(name).is_some_and(|after| after.starts_with(':')))
        else {
            continue;
        };
        let words = &rest[name.len() + 1..];
        let closing = |place: &usize| !words[..*place].ends_with('\\');
        let Some(close) = words.match_indices(']').map(|(place, _)| place).find(closing) else { break };
        found.push((name, words[..close].trim().replace("\\]", "]")));
        rest = &words[close + 1..];
    }
    found
}

/// Whether Moodle takes these words for a tag, as [`brackets`] finds them.
pub(in crate::question) fn is_tag(words: &str) -> bool {
    let sign = |c: char| matches!(c, '<' | '>' | '`') || c.is_control();
    !words.is_empty() && words.trim() == words && !words.contains(sign) && !words.ends_with('\\')
}

fn meta(comment: &str, number: u64, block: &mut Block, reading: &mut Reading<'_>) {
    for (name, words) in brackets(comment) {
        match name {
            "id" if !words.is_empty() => block.id = Some(words),
            "tag" if is_tag(&words) => block.tags.get_or_insert((number, Vec::new())).1.push(words),
            "tag" => reading.warn((number, None), "/tags", "a tag has words, without < > and `; this one is not kept"),
            "jalon" => settings(&words, number, block, reading),
            _ => {}
        }
    }
}

fn settings(words: &str, number: u64, block: &mut Block, reading: &mut Reading<'_>) {
    for setting in words.split_whitespace() {
        match setting.split_once('=') {
            Some(("points", points)) => block.points = Some((number, points.to_owned())),
            Some(("keys", keys)) => block.keys = Some((number, keys.split(',').map(str::to_owned).collect())),
            Some(("characters", most)) => block.characters = Some((number, most.to_owned())),
            _ => {
                let detail =
                    format!("{setting:?} is not known here; write [jalon: points=2 keys=a,b,c characters=500]");
                reading.faults.push(super::super::Note { line: number, column: None, pointer: String::new(), detail });
            }
        }
    }
}
