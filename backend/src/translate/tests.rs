#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use jalon_shared::Lang;
use proptest::prelude::*;

use super::document::{Document, TRACK, shape};
use super::layout::{self, New};
use super::markdown::{Damage, Format, Protected};
use super::xml;
use crate::folder::{
    find::find,
    import::{self, Source},
};

fn lang(tag: &str) -> Lang {
    Lang::parse(tag).unwrap()
}

/// What is sent for a Markdown text.
fn sent(markdown: &str) -> String {
    Protected::new(markdown, Format::Markdown).sent().unwrap_or_default()
}

/// What becomes of a Markdown text when this comes back.
fn restored(markdown: &str, answer: &str) -> Result<String, Damage> {
    Protected::new(markdown, Format::Markdown).restore(answer)
}

#[test]
fn only_words_are_sent_and_everything_else_comes_back_as_it_was() {
    for (markdown, wanted) in [
        ("Le but.", "Le but."),
        ("# Le *but*\n", "Le <g id='0'>but</g>"),
        ("Un **six** à `code` près", "Un <g id='0'>six</g> à <x id='1'>code</x> près"),
        ("Voir [les règles](https://a.example/b_c \"t\").", "Voir <g id='0'>les règles</g>."),
        ("- un\n- deux\n", "<p id='0'>un</p><p id='1'>deux</p>"),
        (
            "Bonjour {name}, voir https://a.example/x.",
            "Bonjour <x id='0'>{name}</x>, voir <x id='1'>https://a.example/x</x>.",
        ),
        (
            "Écrire à <mailto:a@b.example> ou a@b.example",
            "Écrire à <x id='0'>&lt;mailto:a@b.example&gt;</x> ou <x id='1'>a@b.example</x>",
        ),
        ("> une\n> ligne\n", "une ligne"),
        ("une  \nautre", "une<x id='0'/>autre"),
        ("a <b>x</b> & b", "a <x id='0'>&lt;b&gt;</x>x<x id='1'>&lt;/b&gt;</x> &amp; b"),
        ("| A | B |\n|---|---|\n| un | 6 |\n", "<p id='0'>A</p><p id='1'>B</p><p id='2'>un</p>"),
        ("```\ncode\n```\n\nfin", "fin"),
        ("![Une boule](https://a.example/x.jpg)", "<g id='0'>Une boule</g>"),
        ("60", ""),
        ("`x`", ""),
    ] {
        assert_eq!(sent(markdown), wanted, "{markdown}");
    }
    let markdown = "# Le *but*\n\n> Un [lien](https://a.example/_x_) et `code`,  \n> ligne {media}\n\n1. a\n2. b\n\n```\nfn x\n```\n\
                    | A | B |\n|---|---|\n| un\\|e | **deux** |\n\n<div>html</div>\n\n[r]\n\n[r]: https://r.example\n";
    let protected = Protected::new(markdown, Format::Markdown);
    let back = protected.restore(&protected.sent().unwrap()).unwrap();
    for kept in [
        "# Le *but*",
        "](https://a.example/_x_)",
        "`code`,  \n> ligne {media}",
        "```\nfn x\n```",
        "| un\\|e | **deux** |",
        "<div>html</div>",
        "[r]: https://r.example",
    ] {
        assert!(back.contains(kept), "{kept}\n{back}");
    }
}

#[test]
fn words_may_move_and_hold_syntax_and_the_structure_stays() {
    for (markdown, answer, wanted) in [
        ("Un **six** `c`", "<x id=\"1\">c</x> <g id=\"0\">sex</g> en", "`c` **sex** en"),
        (
            "Un six",
            "1. en * två_ [x](y) &lt;b&gt; &amp;amp; `c`",
            "1\\. en \\* två\\_ \\[x\\](y) \\<b> \\&amp; \\`c\\`",
        ),
        ("Un *six* là", "En<g id='0'> sex </g>där", "En *sex* där"),
        ("Un _six_ là", "En<g id='0'>sex</g>där", "En*sex*där"),
        ("Une **note :** là", "注<g id='0'>意。</g>文", "注**意。** 文"),
        ("Un six", "# En rubrik", "\\# En rubrik"),
        (
            "[but][]\n\n[but]: https://a.example\n",
            "<g id='0'>lillen</g>",
            "[lillen][but]\n\n[but]: https://a.example\n",
        ),
        ("| A |\n|---|\n| x |\n", "<p id='0'>a|b</p><p id='1'>y</p>", "| a\\|b |\n|---|\n| y |\n"),
    ] {
        assert_eq!(restored(markdown, answer).as_deref(), Ok(wanted), "{markdown} <- {answer}");
    }
}

#[test]
fn an_answer_that_lost_something_is_refused_and_says_what() {
    let markdown = "Un [lien](https://a.example) et `code` et {name} **gras**";
    let good = sent(markdown);
    assert!(restored(markdown, &good).is_ok());
    for (bad, said) in [
        (good.replace("<x id='1'>code</x>", ""), "`code`"),
        (good.replace("<x id='1'>code</x>", "<x id='1'>kod</x>"), "`code`"),
        (good.replace("<x id='1'>code</x>", "<x id='1'>code</x><x id='1'>code</x>"), "`code`"),
        (good.replace("<g id='0'>lien</g>", "lien"), "https://a.example"),
        (good.replace("</g>", ""), "not well-formed"),
        (good.replace("id='0'", "id='9'"), "never sent"),
        (good.replace("{name}", "{namn}"), "{name}"),
        (good.replace("gras", ""), "structure"),
        (format!("<p id='0'>{good}</p>"), "not well-formed"),
        (format!("{good}&nbsp;"), "not well-formed"),
        (format!("{good}<b>x</b>"), "not well-formed"),
        (String::new(), "lost"),
    ] {
        let damage = restored(markdown, &bad).unwrap_err().to_string();
        assert!(damage.contains(said), "{bad}: {damage}");
    }
    let several = "Un\n\nDeux `x`\n";
    for bad in ["<p id='1'>Deux <x id='0'>x</x></p><p id='0'>Un</p>", "<p id='0'>Un Deux <x id='0'>x</x></p>", "Un"] {
        assert!(restored(several, bad).is_err(), "{bad}");
    }
}

#[test]
fn tags_are_not_counted() {
    assert_eq!(xml::characters("Un <g id='0'>six</g> é"), 8);
}

/// All texts of the examples, in all their languages.
fn examples() -> Vec<(String, Format)> {
    let content = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/content");
    let mut files = find(&content).unwrap();
    files.extend(find(&content.join("..")).unwrap());
    let documents: Vec<_> = files.iter().map(|found| Document::read(&found.file, shape(found.kind)).unwrap()).collect();
    let texts = documents.iter().flat_map(|document| &document.texts);
    texts.flat_map(|text| text.words.values().map(|words| (words.text.clone(), text.format))).collect()
}

/// Other words of another length in another order, as a translator has them.
fn translated(xml: &str) -> String {
    let mut out = String::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        out.push_str(&swap(&rest[..at]));
        let end = rest[at..].find('>').unwrap() + at + 1;
        out.push_str(&rest[at..end]);
        rest = &rest[end..];
        if out.ends_with('>') && !out.ends_with("/>") && out[out.rfind('<').unwrap()..].starts_with("<x") {
            let end = rest.find('<').unwrap();
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    out + &swap(rest)
}

fn swap(text: &str) -> String {
    text.replace('e', "öö").replace('a', "").replace("un ", "")
}

#[test]
fn every_text_of_the_examples_survives_a_translator() {
    let texts = examples();
    assert!(texts.len() > 500, "{}", texts.len());
    for (text, format) in texts {
        let protected = Protected::new(&text, format);
        let Some(sent) = protected.sent() else { continue };
        protected.restore(&sent).unwrap_or_else(|damage| panic!("{damage}: {text}"));
        protected.restore(&translated(&sent)).unwrap_or_else(|damage| panic!("{damage}: {text}\n{sent}"));
    }
}

/// Markdown as people write it.
fn inline() -> BoxedStrategy<String> {
    let word = "[a-zé]{1,6}";
    let leaf = prop_oneof![
        4 => word.prop_map(String::from),
        1 => "[a-z]{1,5}".prop_map(|code| format!("`{code} *x*`")),
        1 => "[a-z]{1,5}".prop_map(|name| format!("{{{name}}}")),
        1 => "[a-z]{1,5}".prop_map(|host| format!("https://{host}.example/a_b_c")),
        1 => Just("a \\* b".to_owned()),
        1 => Just("&amp; co".to_owned()),
        1 => Just("<b>".to_owned()),
        1 => Just("6 < 7".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let several = prop::collection::vec(inner, 1..4).prop_map(|parts| parts.join(" "));
        prop_oneof![
            several.clone(),
            several.clone().prop_map(|text| format!("*{text}*")),
            several.clone().prop_map(|text| format!("__{text}__")),
            several.clone().prop_map(|text| format!("~~{text}~~")),
            several.clone().prop_map(|text| format!("[{text}](https://l.example/(x) \"ti\")")),
            several.prop_map(|text| format!("![{text}](https://i.example/x.jpg)")),
        ]
    })
    .boxed()
}

fn markdown() -> impl Strategy<Value = String> {
    let lines = prop::collection::vec(inline(), 1..4).boxed();
    let block = prop_oneof![
        3 => lines.clone().prop_map(|lines| lines.join("\n")),
        1 => lines.clone().prop_map(|lines| lines.join("  \n")),
        1 => inline().prop_map(|text| format!("## {text}")),
        1 => lines.clone().prop_map(|lines| format!("- {}", lines.join("\n- "))),
        1 => lines.clone().prop_map(|lines| format!("> {}", lines.join("\n> "))),
        1 => lines.clone().prop_map(|lines| format!("1. {}\n\n   {}", lines[0], lines.join("\\\n   "))),
        1 => inline().prop_map(|text| format!("| a | b |\n|---|:-:|\n| {} | x |", text.replace('|', ""))),
        1 => Just("```rust\nfn *x*() {}\n```".to_owned()),
        1 => Just("<div>\n*html*\n</div>".to_owned()),
        1 => Just("---".to_owned()),
    ];
    prop::collection::vec(block, 1..5).prop_map(|blocks| blocks.join("\n\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// What was not sent is there again, whatever the words became.
    #[test]
    fn protected_markdown_survives_a_translator(text in markdown()) {
        let protected = Protected::new(&text, Format::Markdown);
        if let Some(sent) = protected.sent() {
            let same = protected.restore(&sent);
            if let Ok(same) = &same {
                // Taken apart again, it is the same.
                prop_assert_eq!(Protected::new(same, Format::Markdown).sent(), Some(sent.clone()));
            }
            // Two links in each other, or stars beside stars, are not what they look like: then nothing is sent.
            if same.is_ok() && let Ok(other) = protected.restore(&translated(&sent)) {
                // Tildes that strike nothing through are words, which come back escaped.
                let other = other.replace("\\~", "~");
                for kept in ["`", "{", "https://", "```", "<div>", "<b>", "|", "~~", "]("] {
                    prop_assert_eq!(other.matches(kept).count(), text.matches(kept).count(), "{} in {}", kept, other);
                }
            }
        }
    }

    /// No bytes make it panic, and what is accepted has the source's structure.
    #[test]
    fn any_text_and_any_answer_are_borne(
        text in "([*_`\\[\\]()<>&{}#|~!\\\\\n -]|[a-c]|é|https://x|```){0,40}",
        answer in "(<[pgx] id='[0-3]'/?>|</[pgx]>|[*_`\\[\\]{}#|~ ]|[a-c]|&amp;|&lt;){0,30}",
    ) {
        for format in [Format::Plain, Format::Markdown] {
            let protected = Protected::new(&text, format);
            if let Some(sent) = protected.sent() {
                let _ = protected.restore(&sent);
                let _ = protected.restore(&translated(&sent));
            }
            let _ = protected.restore(&answer);
        }
    }

    /// Whatever the words, the file says them, and all else is as it was.
    #[test]
    fn any_words_are_written_into_any_layout(words in "([a-zé'\"\\\\#:{}\\[\\],|> \n\t*&%@`-]|\u{85}|\u{2028}|\u{1}|😀){1,40}", at in 0..LAYOUTS.len()) {
        let document = document(LAYOUTS[at]);
        let new = [(0, New::Words(words.clone()))];
        let written = layout::with(&document, &lang("sv"), &new).unwrap();
        let again = Document::parse(Path::new("x/track.yaml"), written.clone(), &TRACK).unwrap();
        prop_assert_eq!(&again.texts[0].words[&lang("sv")].text, &words);
        let without: Vec<&str> = LAYOUTS[at].lines().filter(|line| !line.contains("fr")).collect();
        for line in without {
            prop_assert!(written.contains(line), "{}", line);
        }
        // And can be replaced by other words, and those by the first.
        let other = layout::with(&again, &lang("sv"), &[(0, New::Words("y".to_owned()))]).unwrap();
        let again = Document::parse(Path::new("x/track.yaml"), other, &TRACK).unwrap();
        let back = layout::with(&again, &lang("sv"), &new).unwrap();
        let back = Document::parse(Path::new("x/track.yaml"), back, &TRACK).unwrap();
        prop_assert_eq!(&back.texts[0].words[&lang("sv")].text, &words);
    }
}

/// How many cases a property is tried on.
fn cases() -> u32 {
    std::env::var("JALON_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(200)
}

const LAYOUTS: &[&str] = &[
    "source_lang: fr\ntitle:\n  fr: \"Un\"\nsteps: []\n",
    "source_lang: fr\ntitle: { fr: Un }\nsteps: []\n",
    "source_lang: fr\ntitle: {fr: l'un, en: 'it''s', de: \"}\\\"\", }\nsteps: []\n",
    "source_lang: fr\r\ntitle:\r\n  fr: Un # so\r\n  # more\r\nsteps: []\r\n",
    "source_lang: fr\ntitle:\n    fr: |\n      Un\n\n      deux\n\n    en: >-\n      One\n\n# end\nsteps: []\n",
    "source_lang: fr\ntitle:\n  fr: Un\n    deux\n  en: \"One\n    two\"\nsteps: []\n",
    "source_lang: fr\ntitle: {\n  fr: Un,\n  en: One\n}\nsteps: []\n",
    "{\n  \"source_lang\": \"fr\",\n  \"title\": {\n    \"fr\": \"Un\",\n    \"en\": \"One\"\n  },\n  \"steps\": []\n}\n",
    "{\"source_lang\":\"fr\",\"title\":{\"fr\":\"Un\"},\"steps\":[]}",
    "\u{feff}title:\n  fr: Un\nsource_lang: fr",
    "source_lang: fr\nsteps:\n- title: {fr: Un}\n- title: &x {en: x}\n",
    "source_lang: fr\nsteps:\n-  title:\n     fr: Un\n   key: a # k\n",
];

fn document(source: &str) -> Document {
    Document::parse(Path::new("x/track.yaml"), source.to_owned(), &TRACK).unwrap()
}

#[test]
fn a_language_is_a_line_or_a_pair_more_and_nothing_else_moves() {
    let sv = New::Words("Ett".to_owned());
    let file = New::File("a.sv.md".to_owned());
    for (at, new, wanted) in [
        (0, &sv, "source_lang: fr\ntitle:\n  fr: \"Un\"\n  sv: \"Ett\"\nsteps: []\n"),
        (0, &file, "source_lang: fr\ntitle:\n  fr: \"Un\"\n  sv: { file: a.sv.md }\nsteps: []\n"),
        (1, &sv, "source_lang: fr\ntitle: { fr: Un, sv: \"Ett\" }\nsteps: []\n"),
        (1, &file, "source_lang: fr\ntitle: { fr: Un, sv: { file: a.sv.md } }\nsteps: []\n"),
        (2, &sv, "source_lang: fr\ntitle: {fr: l'un, en: 'it''s', de: \"}\\\"\", sv: \"Ett\", }\nsteps: []\n"),
        (3, &sv, "source_lang: fr\r\ntitle:\r\n  fr: Un # so\r\n  sv: \"Ett\"\r\n  # more\r\nsteps: []\r\n"),
        (
            4,
            &sv,
            "source_lang: fr\ntitle:\n    fr: |\n      Un\n\n      deux\n\n    en: >-\n      One\n    sv: \"Ett\"\n\n# end\nsteps: []\n",
        ),
        (6, &sv, "source_lang: fr\ntitle: {\n  fr: Un,\n  en: One,\n  sv: \"Ett\"\n}\nsteps: []\n"),
        (
            7,
            &file,
            "{\n  \"source_lang\": \"fr\",\n  \"title\": {\n    \"fr\": \"Un\",\n    \"en\": \"One\",\n    \"sv\": { \"file\": \"a.sv.md\" }\n  },\n  \"steps\": []\n}\n",
        ),
        (9, &sv, "\u{feff}title:\n  fr: Un\n  sv: \"Ett\"\nsource_lang: fr"),
        (11, &sv, "source_lang: fr\nsteps:\n-  title:\n     fr: Un\n     sv: \"Ett\"\n   key: a # k\n"),
    ] {
        let written = layout::with(&document(LAYOUTS[at]), &lang("sv"), &[(0, new.clone())]).unwrap();
        assert_eq!(written, wanted);
    }
    let several = New::Words("Ett\n\n- två\n".to_owned());
    let written = layout::with(&document(LAYOUTS[0]), &lang("sv"), &[(0, several)]).unwrap();
    assert_eq!(written, "source_lang: fr\ntitle:\n  fr: \"Un\"\n  sv: |\n    Ett\n\n    - två\nsteps: []\n");
    let norwegian = layout::with(&document(LAYOUTS[0]), &lang("no"), &[(0, sv)]).unwrap();
    assert!(norwegian.contains("\n  \"no\": \"Ett\"\n"), "elsewhere a bare no is false");
}

#[test]
fn a_layout_that_cannot_be_edited_safely_is_refused() {
    for source in [
        "source_lang: fr\nx: &x { fr: Un }\ntitle: *x\n",
        "source_lang: fr\nx: &x { fr: Un }\ntitle:\n  <<: *x\n  en: One\n",
        "source_lang: fr\ntitle: { ? fr : Un }\n",
        "source_lang: fr\ntitle: { fr: Un, en: { file: a.md # }\n } }\n",
    ] {
        let Ok(document) = Document::parse(Path::new("x/track.yaml"), source.to_owned(), &TRACK) else { continue };
        let Some(at) = document.texts.iter().position(|text| text.path == "/title") else { continue };
        let written = layout::with(&document, &lang("sv"), &[(at, New::Words("Ett".to_owned()))]);
        if let Ok(written) = written {
            // Where it is dared after all it must be right.
            let again = Document::parse(Path::new("x/track.yaml"), written, &TRACK).unwrap();
            assert_eq!(again.texts[at].words[&lang("sv")].text, "Ett");
        }
    }
    let alias = document("source_lang: fr\nx: &x { fr: Un }\ntitle: *x\n");
    let refused = layout::with(&alias, &lang("sv"), &[(0, New::Words("Ett".to_owned()))]).unwrap_err();
    assert!(refused.to_string().contains("alias"), "{refused}");
}

#[test]
fn texts_are_known_by_their_authors_keys() {
    let content = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/content/umpire-l1-prep/track.yaml");
    let document = Document::read(&content, &TRACK).unwrap();
    let paths: Vec<&str> = document.texts.iter().map(|text| text.path.as_str()).collect();
    for wanted in
        ["/title", "/summary", "/steps/welcome/body", "/steps/check/quiz/questions/one-foot/choices/a/feedback"]
    {
        assert!(paths.contains(&wanted), "{wanted}\n{paths:#?}");
    }
    assert!(!paths.iter().any(|path| path.contains("captions") || path.contains("accept")));
    assert!(document.by_hand.iter().any(|(path, _)| path == "/steps/throw/video/captions"));
    let hinted = "source_lang: fr\ntitle: {fr: Un}\nsteps:\n- key: a\n  quiz:\n    questions:\n    - key: q\n      hints:\n\
                  \x20     - fr: Peut-être.\n      - {fr: Ou pas.}\n      guidance: {fr: Deux points.}\n";
    let hinted = self::document(hinted);
    let paths: Vec<&str> = hinted.texts.iter().map(|text| text.path.as_str()).collect();
    let question = "/steps/a/quiz/questions/q";
    assert_eq!(
        paths[1..],
        [format!("{question}/hints/0"), format!("{question}/hints/1"), format!("{question}/guidance")]
    );
    let written = layout::with(&hinted, &lang("sv"), &[(1, New::Words("Kanske.".to_owned()))]).unwrap();
    assert!(written.contains("      - fr: Peut-être.\n        sv: \"Kanske.\"\n      - {fr"), "{written}");
    // Exactly what a learner's language is counted over.
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for at in [examples.join("content"), examples] {
        for found in find(&at).unwrap() {
            let read = import::read(&found.file, Some("https://media.invalid")).unwrap().remove(0).source;
            let texts = match &read {
                Source::Track(_, track) => track.all_texts(),
                Source::Course(_, course) => course.all_texts(),
                Source::Lesson(_, lesson) => lesson.all_texts(),
                Source::Bank(_, bank) => {
                    let mut texts = vec![&bank.title];
                    bank.texts(|_, text| texts.push(text));
                    texts
                }
            };
            let document = Document::read(&found.file, shape(found.kind)).unwrap();
            let texts = texts.into_iter().filter(|text| !text.is_empty()).count();
            assert_eq!(document.texts.len(), texts, "{}", found.file.display());
        }
    }
}
