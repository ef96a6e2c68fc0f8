//! One document: YAML or JSON, with texts (`{file: welcome.fr.md}`) and questions (`{gift: check.gift}`) that may
//! lie in files beside it, and addresses that may begin with `{media}`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use jalon_shared::{
    FieldError, Lang,
    quiz::source::{Check, QuestionSource},
};
use serde::de;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::{
    Fault, MAX_DOCUMENT, fault,
    node::{Node, root},
    read_within,
};
use crate::{
    http::strict::Strict,
    question::{self, Format},
};

/// What was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Read<S> {
    /// What stands there.
    pub source: S,
    /// What of its question files was not kept.
    pub warnings: Vec<Fault>,
    /// Where each of its fields stands.
    pub places: Places,
    /// Bytes that were read, with the files beside it.
    pub bytes: u64,
}

/// Where each field stands, by its pointer: by line in the document, or in a file of its own.
#[derive(Clone, PartialEq, Debug)]
pub struct Places {
    file: PathBuf,
    known: HashMap<String, (PathBuf, Option<u64>)>,
}

impl Places {
    /// A fault at a pointer, or at the nearest place around it that stands in a file.
    pub fn fault(&self, pointer: &str, detail: String) -> Fault {
        let mut around = pointer;
        loop {
            if let Some((file, line)) = self.known.get(around) {
                return Fault { file: file.clone(), line: *line, pointer: pointer.to_owned(), detail };
            }
            match around.rfind('/') {
                Some(end) => around = &around[..end],
                None => return Fault { file: self.file.clone(), line: None, pointer: pointer.to_owned(), detail },
            }
        }
    }
}

/// Reads something written, which says where the texts that it names lie. What `check` finds is told by file,
/// line and field.
pub fn read<S: de::DeserializeOwned>(
    file: &Path,
    text: &str,
    media_base: Option<&str>,
    check: impl Fn(&S) -> Vec<FieldError>,
) -> Result<Read<S>, Vec<Fault>> {
    let root = root(file, text)?;
    let mut reader = Reader::new(file, media_base, source_lang(&root));
    let value = reader.value(&root, String::new());
    let source = reader.typed(value, "")?;
    reader.checked(check(&source))?;
    let bytes = reader.bytes + u64::try_from(text.len()).unwrap_or(u64::MAX);
    Ok(Read { source, warnings: reader.warnings, places: reader.places, bytes })
}

/// What stands there, as [`read`] has it.
pub fn document<S: de::DeserializeOwned>(
    file: &Path,
    text: &str,
    media_base: Option<&str>,
    check: impl Fn(&S) -> Vec<FieldError>,
) -> Result<S, Vec<Fault>> {
    read(file, text, media_base, check).map(|read| read.source)
}

/// The language a file says it is written in.
fn source_lang(root: &Spanned<Node>) -> Option<Lang> {
    let Node::Map(entries) = &root.value else { return None };
    entries.iter().find_map(|(key, node)| match &node.value {
        Node::Scalar(Value::String(lang)) if key.value == "source_lang" => Lang::parse(lang).ok(),
        _ => None,
    })
}

/// The questions of a YAML or JSON file: a list, or a map with `questions` and, if need be, `source_lang`.
pub fn questions(file: &Path, text: &str, lang: Option<&Lang>) -> Result<(Vec<QuestionSource>, Lang), Vec<Fault>> {
    let root = root(file, text)?;
    let lang = lang.cloned().or_else(|| source_lang(&root)).ok_or_else(|| {
        vec![fault(file, "say in which language it is written: --lang fr, or source_lang: fr in the file")]
    })?;
    let mut reader = Reader::new(file, None, Some(lang.clone()));
    let mut value = reader.value(&root, String::new());
    let mut at = "";
    if let Value::Object(map) = &mut value {
        at = "/questions";
        value = map.remove("questions").unwrap_or_default();
    }
    let questions: Vec<QuestionSource> = reader.typed(value, at)?;
    let mut check = Check::new(&lang);
    check.keys(questions.iter().map(|question| question.key.as_str()), at);
    for (place, question) in questions.iter().enumerate() {
        question.check(&mut check, &format!("{at}/{place}"));
    }
    reader.checked(check.into_faults())?;
    Ok((questions, lang))
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{key}"),
        Segment::Enum { variant } => format!("{pointer}/{variant}"),
        Segment::Unknown => pointer,
    })
}

struct Reader<'a> {
    file: &'a Path,
    media_base: Option<&'a str>,
    places: Places,
    /// What question files are written in.
    lang: Option<Lang>,
    warnings: Vec<Fault>,
    faults: Vec<Fault>,
    /// Read of files beside it.
    bytes: u64,
}

impl<'a> Reader<'a> {
    fn new(file: &'a Path, media_base: Option<&'a str>, lang: Option<Lang>) -> Self {
        Self {
            file,
            media_base,
            places: Places { file: file.to_owned(), known: HashMap::new() },
            lang,
            warnings: Vec::new(),
            faults: Vec::new(),
            bytes: 0,
        }
    }

    /// What was read, as what it must be; `at` is where it stands.
    fn typed<S: de::DeserializeOwned>(&mut self, value: Value, at: &str) -> Result<S, Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(std::mem::take(&mut self.faults));
        }
        serde_path_to_error::deserialize(Strict(value)).map_err(|error| {
            let pointer = format!("{at}{}", pointer_of(error.path()));
            vec![self.places.fault(&pointer, error.into_inner().to_string())]
        })
    }

    /// Nothing where nothing was found; else each with its place.
    fn checked(&self, found: Vec<FieldError>) -> Result<(), Vec<Fault>> {
        let faults: Vec<Fault> =
            found.into_iter().map(|error| self.places.fault(&error.pointer, error.detail)).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn value(&mut self, node: &Spanned<Node>, pointer: String) -> Value {
        self.places.known.insert(pointer.clone(), (self.file.to_owned(), Some(node.referenced.line())));
        match &node.value {
            Node::Scalar(Value::String(text)) => {
                if text.starts_with("{media}") && self.media_base.is_none() {
                    let (file, line) = (self.file.to_owned(), Some(node.referenced.line()));
                    let detail = "say what {media} stands for: --media-base https://…".to_owned();
                    self.faults.push(Fault { file, line, pointer, detail });
                }
                Value::String(self.address(text))
            }
            Node::Scalar(value) => value.clone(),
            Node::List(items) => {
                items.iter().enumerate().map(|(place, item)| self.value(item, format!("{pointer}/{place}"))).collect()
            }
            Node::Map(entries) => match entries.as_slice() {
                [(key, Spanned { value: Node::Scalar(Value::String(name)), .. })] if key.value == "file" => {
                    self.file_text(name, pointer, node.referenced.line())
                }
                [(key, Spanned { value: Node::Scalar(Value::String(name)), .. })]
                    if (key.value == "gift" || key.value == "aiken") && pointer.ends_with("/questions") =>
                {
                    let format = if key.value == "gift" { Format::Gift } else { Format::Aiken };
                    self.question_file(format, name, &pointer, node.referenced.line())
                }
                entries => {
                    let pairs = entries.iter().map(|(Spanned { value: key, .. }, item)| {
                        (key.clone(), self.value(item, format!("{pointer}/{key}")))
                    });
                    Value::Object(pairs.collect::<Map<_, _>>())
                }
            },
        }
    }

    fn address(&self, text: &str) -> String {
        match (text.strip_prefix("{media}"), self.media_base) {
            (Some(rest), Some(base)) => format!("{}{rest}", base.trim_end_matches('/')),
            _ => text.to_owned(),
        }
    }

    /// Reads a file beside this one; never above it, and never through a link out of the folder.
    fn beside(&mut self, name: &str, pointer: &str, line: u64) -> Option<(PathBuf, String)> {
        let plain = !name.is_empty()
            && Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let path = folder.join(name);
        let text = if !plain {
            Err("name a file beside this one".to_owned())
        } else if self.bytes > MAX_DOCUMENT {
            Err(format!("a document and the files it names have at most {MAX_DOCUMENT} bytes"))
        } else {
            read_within(folder, &path)
        };
        self.bytes += text.as_ref().map_or(0, |text| u64::try_from(text.len()).unwrap_or(u64::MAX));
        match text {
            Ok(text) => Some((path, text)),
            Err(error) => {
                self.faults.push(Fault {
                    file: self.file.to_owned(),
                    line: Some(line),
                    pointer: pointer.to_owned(),
                    detail: format!("{name}: {error}"),
                });
                None
            }
        }
    }

    /// A text in a file beside this one.
    fn file_text(&mut self, name: &str, pointer: String, line: u64) -> Value {
        let Some((path, text)) = self.beside(name, &pointer, line) else { return Value::Null };
        self.places.known.insert(pointer, (path, None));
        Value::String(text)
    }

    /// The questions in a file beside this one. Without a source language the whole is refused.
    fn question_file(&mut self, format: Format, name: &str, pointer: &str, line: u64) -> Value {
        let Some((path, text)) = self.beside(name, pointer, line) else { return Value::Null };
        let Some(lang) = self.lang.clone() else { return Value::Array(Vec::new()) };
        let fault_of = |note: question::Note| Fault {
            file: path.clone(),
            line: Some(note.line),
            pointer: format!("{pointer}{}", note.pointer),
            detail: note.detail,
        };
        match format.read(&text, &lang) {
            Ok(read) => {
                self.warnings.extend(read.warnings.into_iter().map(fault_of));
                let places = read.places.into_iter();
                self.places
                    .known
                    .extend(places.map(|(below, line)| (format!("{pointer}{below}"), (path.clone(), Some(line)))));
                serde_json::to_value(read.questions).unwrap_or_default()
            }
            Err(notes) => {
                self.faults.extend(notes.into_iter().map(fault_of));
                Value::Null
            }
        }
    }
}
