//! Tracks as folders: `track.yaml` (or `.json`), with the content steps' Markdown beside it.

use std::{collections::BTreeMap, path::Path};

use jalon_shared::{
    Lang, LocalizedText,
    track::{StepSource, TrackSource, TrackType},
};
use serde::Serialize;

use super::author;
use crate::folder::{
    Fault,
    document::document,
    export::{FileName, Folder},
    find::Kind,
    import::FolderError,
};

/// Reads the text of a track's file, which says where the texts that it names lie.
pub fn parse(file: &Path, text: &str, media_base: Option<&str>) -> Result<TrackSource, Vec<Fault>> {
    document(file, text, media_base, author::faults)
}

/// A track as it is written out: long texts in files of their own.
#[derive(Serialize)]
struct Written<'a> {
    track_type: TrackType,
    source_lang: &'a Lang,
    cms_block_enabled: bool,
    title: &'a LocalizedText,
    #[serde(skip_serializing_if = "LocalizedText::is_empty")]
    summary: &'a LocalizedText,
    steps: Vec<WrittenStep>,
}

#[derive(Serialize)]
struct WrittenStep {
    #[serde(flatten)]
    step: StepSource,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    body: BTreeMap<Lang, FileName>,
}

/// Writes a track; the bodies of its steps as `<step>.<lang>.md`.
pub(crate) fn track(source: &TrackSource, to: &Folder) -> Result<(), FolderError> {
    let TrackSource { track_type, source_lang, cms_block_enabled, title, summary, steps } = source;
    let step = |step: &StepSource| {
        let mut step = step.clone();
        let body = match step.body.take() {
            Some(body) => to.texts(&step.key, &body)?,
            None => BTreeMap::new(),
        };
        Ok(WrittenStep { step, body })
    };
    let steps = steps.iter().map(step).collect::<Result<_, FolderError>>()?;
    let (track_type, cms_block_enabled) = (*track_type, *cms_block_enabled);
    to.document(Kind::Track, &Written { track_type, source_lang, cms_block_enabled, title, summary, steps })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::folder::{export::write, import::read};

    fn examples() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/content")
    }

    #[test]
    fn what_is_written_out_reads_back_the_same_and_writes_the_same_again() {
        let tracks = read(&examples(), Some("https://media.example")).unwrap_or_else(|faults| panic!("{faults:#?}"));
        assert_eq!(tracks.len(), 5);
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for track in &tracks {
            write(first.path(), &track.source).unwrap();
        }
        let again = read(first.path(), None).unwrap_or_else(|faults| panic!("{faults:#?}"));
        for (before, after) in tracks.iter().zip(&again) {
            assert_eq!(before.source, after.source, "{}", before.slug);
            write(second.path(), &after.source).unwrap();
            let text = |root: &Path| std::fs::read_to_string(root.join(&after.slug).join("track.yaml")).unwrap();
            assert_eq!(text(first.path()), text(second.path()));
        }
    }

    #[test]
    fn a_broken_file_names_file_line_and_field() {
        let folder = tempfile::tempdir().unwrap();
        let broken = |yaml: &str| {
            let file = folder.path().join("broken.yaml");
            std::fs::write(&file, yaml).unwrap();
            let faults = read(&file, None).unwrap_err();
            assert!(faults.iter().all(|fault| fault.file.ends_with("broken.yaml")));
            faults.into_iter().map(|fault| (fault.line, fault.pointer, fault.detail)).collect::<Vec<_>>()
        };
        let head = "track_type: beginner_intro\nsource_lang: fr\ntitle: {fr: Un}\nsteps:\n";
        let cases = [
            (
                format!("{head}  - key: a\n    kind: content\n    title: {{fr: A}}\n    body: {{en: text}}\n"),
                8,
                "/steps/0/body/fr",
            ),
            (
                format!("{head}  - key: a\n    kind: link\n    title: {{fr: A}}\n    url: javascript:alert(1)\n"),
                8,
                "/steps/0/url",
            ),
            (
                format!(
                    "{head}  - key: a\n    kind: content\n    title: {{fr: A}}\n    body: {{fr: \"[x](javascript:alert(1))\"}}\n"
                ),
                8,
                "/steps/0/body/fr",
            ),
            (
                format!(
                    "{head}  - key: a\n    kind: content\n    colour: red\n    title: {{fr: A}}\n    body: {{fr: A}}\n"
                ),
                7,
                "/steps/0/colour",
            ),
            (
                format!(
                    "{head}  - key: a\n    kind: content\n    title: {{fr: A}}\n    body: {{fr: {{file: ../secret}}}}\n"
                ),
                8,
                "/steps/0/body/fr",
            ),
            (
                format!(
                    "{head}  - key: a\n    order: 2\n    kind: content\n    title: {{fr: A}}\n    body: {{fr: A}}\n"
                ),
                6,
                "/steps/0/order",
            ),
        ];
        for (yaml, line, pointer) in cases {
            let faults = broken(&yaml);
            assert!(faults.iter().any(|fault| fault.0 == Some(line) && fault.1 == pointer), "{yaml}\n{faults:?}");
        }
        let media =
            broken(&format!("{head}  - key: a\n    kind: link\n    title: {{fr: A}}\n    url: \"{{media}}/a\"\n"));
        assert!(media[0].0 == Some(8) && media[0].2.contains("--media-base"), "{media:?}");
        let unclosed = broken("track_type: [beginner_intro\nsource_lang: fr\n");
        assert!(unclosed[0].0.is_some());
    }
}
