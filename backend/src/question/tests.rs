#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn fr() -> Lang {
    Lang::parse("fr").unwrap()
}

#[track_caller]
fn read(format: Format, text: &str) -> Read {
    format.read(text, &fr()).unwrap_or_else(|faults| panic!("{text}\n{faults:#?}"))
}

/// The only question of a file, as JSON without its key and its language.
#[track_caller]
fn one(format: Format, text: &str) -> (Value, Vec<Note>) {
    let read = read(format, text);
    assert_eq!(read.questions.len(), 1, "{text}");
    let mut value = serde_json::to_value(&read.questions[0]).unwrap();
    value.as_object_mut().unwrap().remove("key");
    (flat(value), read.warnings)
}

/// `{"fr": words}` as words.
fn flat(value: Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key("fr") => map["fr"].clone(),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (key, flat(value))).collect()),
        Value::Array(list) => list.into_iter().map(flat).collect(),
        value => value,
    }
}

#[track_caller]
fn refused(format: Format, text: &str) -> Vec<Note> {
    format.read(text, &fr()).unwrap_err()
}

fn choice(key: &str, text: &str, right: bool, feedback: &str) -> Value {
    let mut value = json!({ "key": key, "text": text });
    if right {
        value["right"] = true.into();
    }
    if !feedback.is_empty() {
        value["feedback"] = feedback.into();
    }
    value
}

#[test]
fn gift_every_kind_is_read() {
    let cases = [
        (
            "Que vise-t-on ? { =Le but ~La boule # Parfois : on tire. ~Le cercle }",
            json!({ "kind": "single_choice", "prompt": "Que vise-t-on ?", "choices": [
                choice("a", "Le but", true, ""),
                choice("b", "La boule", false, "Parfois : on tire."),
                choice("c", "Le cercle", false, ""),
            ]}),
        ),
        (
            "Combien ?{~%50%Deux ~%50%Trois ~%-50%Cinq####Jamais cinq.}",
            json!({ "kind": "multiple_choice", "prompt": "Combien ?", "feedback": "Jamais cinq.", "choices": [
                choice("a", "Deux", true, ""),
                choice("b", "Trois", true, ""),
                choice("c", "Cinq", false, ""),
            ]}),
        ),
        ("Pieds tanqués.{T}", json!({ "kind": "true_false", "prompt": "Pieds tanqués.", "right": true })),
        ("On court.{ false }", json!({ "kind": "true_false", "prompt": "On court.", "right": false })),
        ("Mètres ?{#6}", json!({ "kind": "numeric", "prompt": "Mètres ?", "value": 6 })),
        ("Mètres ?{#6:0.5}", json!({ "kind": "numeric", "prompt": "Mètres ?", "value": 6, "tolerance": 0.5 })),
        ("Mètres ?{# 6..10 }", json!({ "kind": "numeric", "prompt": "Mètres ?", "value": 8, "tolerance": 2 })),
        ("Zéro ?{#-1.5..0.25}", json!({ "kind": "numeric", "prompt": "Zéro ?", "value": -0.625, "tolerance": 0.875 })),
        (
            "La bille ?{=cochonnet =%100%but}",
            json!({ "kind": "short_text", "prompt": "La bille ?", "accept": ["cochonnet", "but"] }),
        ),
        (
            "Associez. {=Doublette -> 2 joueurs\n=[html]<b>Triplette</b> -> 3 joueurs\n}",
            json!({ "kind": "matching", "prompt": "Associez.", "pairs": [
                { "key": "a", "left": "Doublette", "right": "2 joueurs" },
                { "key": "b", "left": "**Triplette**", "right": "3 joueurs" },
            ]}),
        ),
        (
            "// [tag:terrain] [jalon: characters=500]\nExpliquez.{}",
            json!({ "kind": "open_ended", "prompt": "Expliquez.", "tags": ["terrain"], "max_characters": 500 }),
        ),
        (
            "On joue les {~mains =pieds} tanqués.",
            json!({ "kind": "single_choice", "prompt": "On joue les _____ tanqués.", "choices": [
                choice("a", "mains", false, ""),
                choice("b", "pieds", true, ""),
            ]}),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(one(Format::Gift, text).0, expected, "{text}");
    }
}

#[test]
fn gift_texts_are_unescaped_and_become_markdown() {
    for (text, prompt) in [
        (r"1 + 1 \= 2 \: \{\~\#\} \\n{T}", r"1 + 1 = 2 : {\~#} \n"),
        (r"[markdown]Un\n\n*deux*{T}", "Un\n\n*deux*"),
        (r"[plain]2*3 <b>_x_ &amp;{T}", r"2\*3 \<b>\_x\_ \&amp;"),
        ("[html]<p>Un <b>but</b>&nbsp;?</p><p>Deux<br>lignes</p>{T}", "Un **but**&nbsp;?\n\nDeux\\\nlignes"),
        ("[html]<ul><li>un</li><li>deux</li></ul>{T}", "- un\n- deux"),
        ("[html]<a href\\=\"https\\://exemple.fr/a\">ici</a>{T}", "[ici](https://exemple.fr/a)"),
        ("\\~A. (\\~{T}", "\\~A. (\\~"),
        ("Une ligne\nune autre, 5 < 6{T}", "Une ligne\\\nune autre, 5 \\< 6"),
        ("::Titre \\:: oui::  [Moodle] Texte{T}", "Texte"),
        ("mot_clé et snake_case_{T}", "mot_clé et snake_case\\_"),
        ("Пётр бросает 球{T}", "Пётр бросает 球"),
    ] {
        assert_eq!(one(Format::Gift, text).0["prompt"], prompt, "{text}");
    }
}

#[test]
fn gift_keys_come_from_the_id_the_title_or_the_words() {
    let text = "// a file\r\n\r\n// [id:regle-6] [tag:terrain] [tag:a\\] [b]\r\n// [tag:<b>]\r\n::Règle six::Un ?{T}\r\n\r\n::Où lancer ?::Deux ?{F}\r\n\r\n\
        Trois : c’est ça ?{T}\r\n\r\nTrois : c’est ça ?{F}\r\n\r\n球{T}\r\n\r\n\
        // [jalon: points=3 keys=x,y]\r\n::Q1::Six ?{=a ~b}";
    let read = read(Format::Gift, &format!("\u{feff}{text}"));
    let keys: Vec<&str> = read.questions.iter().map(|question| question.key.as_str()).collect();
    assert_eq!(keys[..4], ["regle-6", "ou-lancer", "trois-c-est-ca", "trois-c-est-ca-2"]);
    assert!(keys[4].starts_with('q') && keys[4].len() == 13, "{keys:?}");
    assert_eq!((keys[5], read.questions[5].points), ("Q1", 3));
    let own: Vec<&str> = read.questions[5].choices.iter().flatten().map(|choice| choice.key.as_str()).collect();
    assert_eq!(own, ["x", "y"]);
    assert_eq!(read.questions[0].tags, ["terrain", "a] [b"]);
    assert_eq!(read.warnings.len(), 1, "the tag that is none: {:?}", read.warnings);
    assert_eq!(read.warnings[0].line, 4);
}

#[test]
fn gift_what_has_no_room_is_said_at_its_line() {
    for (text, line, words) in [
        ("$CATEGORY: $course$/règles\n\nUn ?{T}", 1, "categories"),
        ("Lisez ceci.\n\nUn ?{T}", 1, "no question"),
        ("Un ?{\n=a\n~%50%b\n~c}", 3, "part of the points"),
        ("Un ?{\n~%75%a\n~%25%b\n~%-100%c}", 2, "weights"),
        ("Un ?{~%50%a ~%50%b\n~c}", 2, "weights"),
        ("Un ?{=a =b ~c}", 1, "one"),
        ("Un ?{=but\n=%50%bille}", 2, "part of the points"),
        ("Un ?{=but # bravo\n=bille}", 1, "general feedback"),
        ("Un ?{T#non#oui}", 1, "general feedback"),
        ("Un ?{#\n=6:1\n=%50%6:2}", 3, "part of the points"),
        ("Un ?{=a -> 1\n=b -> 2\n= -> 3}", 3, "right side"),
        ("[html]<table>Un</table> ?{T}", 1, "<table>"),
    ] {
        let read = read(Format::Gift, text);
        assert!(read.warnings.iter().any(|note| note.line == line && note.detail.contains(words)), "{text}\n{read:#?}");
    }
}

#[test]
fn gift_faults_name_line_column_and_what_to_do_all_at_once() {
    let text = "Un ?{T}\n\nDeux ?{=a ~b\n\nTrois ?{ oui }\n\nQuatre ?{#six}\n\n// [jalon: characters=many]\nCinq ?{}\n\nSix }\n\n::sept Sept{T}\n\n\
        Huit ?{~a ~b}\n\nNeuf ?{=a*}\n\nDix ?{=a -> b\n=c}\n\n// [jalon: colour=red]\nOnze{T}{F}\n\nDouze{~%900%a ~b}";
    let faults = refused(Format::Gift, text);
    let lines: BTreeSet<u64> = faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [3, 5, 7, 9, 12, 14, 16, 18, 20, 21, 23, 24, 26].into());
    assert_eq!(
        faults[0].to_string(),
        "3:7 /1: this { has no }; a blank line ends a question, write \\n for one inside"
    );
    for empty in ["", "\n\n// rien\n", "$CATEGORY: a"] {
        assert!(refused(Format::Gift, empty)[0].detail.contains("no question"));
    }
}

#[test]
fn aiken_is_read() {
    let text = "\u{feff}Que vise-t-on ?\r\nA. Le *but*\r\nB) La boule\r\nANSWER: A\r\n\r\nUn\r\ndeux ?\nA)oui\nB.non\nanswer: b";
    let read = read(Format::Aiken, text);
    assert_eq!(read.questions.len(), 2);
    let value = flat(serde_json::to_value(&read.questions).unwrap());
    assert_eq!(value[0]["choices"], json!([choice("a", "Le \\*but\\*", true, ""), choice("b", "La boule", false, "")]));
    assert_eq!((&value[0]["key"], &value[1]["prompt"]), (&json!("que-vise-t-on"), &json!("Un\\\ndeux ?")));
    assert_eq!(value[1]["choices"][1]["right"], true);
}

#[test]
fn aiken_faults_come_all_at_once() {
    for (text, line, words) in [
        ("Un ?\nA. a\nANSWER: A", 2, "between 2 and 20"),
        ("A. a\nB. b\nANSWER: A", 1, "before its question"),
        ("ANSWER: A", 1, "without a question"),
        ("Un ?\nA. a\nB. b\n\nDeux ?\nA. a\nB. b\nANSWER: A", 1, "no ANSWER"),
        ("Un ?\nA. a\nB. b", 1, "no ANSWER"),
        ("Un ?\nA. a\nB. b\nANSWER: C", 4, "has the letter C"),
        ("Un ?\nA. a\nB. b\nANSWER: A, B", 4, "GIFT"),
        ("Un ?\nA. a\nA. b\nANSWER: A", 3, "twice"),
        ("", 1, "no question"),
    ] {
        let faults = refused(Format::Aiken, text);
        assert!(faults.iter().any(|note| note.line == line && note.detail.contains(words)), "{text}\n{faults:#?}");
    }
}

#[test]
fn what_a_format_cannot_say_is_told() {
    let ordering: QuestionSource = serde_json::from_value(json!({
        "key": "o", "kind": "ordering", "prompt": { "fr": "Ordre ?" },
        "items": [{ "key": "a", "text": { "fr": "Un" } }, { "key": "b", "text": { "fr": "Deux" } }],
    }))
    .unwrap();
    for format in [Format::Gift, Format::Aiken] {
        let faults = format.write(std::slice::from_ref(&ordering), &fr()).unwrap_err();
        assert_eq!(faults[0].pointer, "/0/kind");
    }
    let two: QuestionSource = serde_json::from_value(json!({
        "key": "t", "kind": "true_false", "right": true, "prompt": { "fr": "Vrai ?", "en": "True?" },
    }))
    .unwrap();
    let written = Format::Gift.write(std::slice::from_ref(&two), &fr()).unwrap();
    assert_eq!(written.text, "::t::[markdown]Vrai ? {TRUE}\n");
    assert_eq!(written.warnings[0].pointer, "/0/prompt/en");
    assert!(Format::Gift.write(&[two], &Lang::parse("sv").unwrap()).is_err());
    let open: QuestionSource = serde_json::from_value(json!({
        "key": "e", "kind": "open_ended", "prompt": { "fr": "Expliquez." }, "guidance": { "fr": "Trois points." },
        "hints": [{ "fr": "Un" }], "tags": ["a]", "<b>", "c\\"],
    }))
    .unwrap();
    let written = Format::Gift.write(&[open], &fr()).unwrap();
    assert_eq!(written.text, "// [tag:a\\]]\n::e::[markdown]Expliquez. {}\n");
    let unsaid: Vec<&str> = written.warnings.iter().map(|warning| warning.pointer.as_str()).collect();
    assert_eq!(unsaid, ["/0/hints", "/0/guidance", "/0/tags/1", "/0/tags/2"]);
}

/// Words with everything in them that either format takes for a sign.
fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-zé球 ]{1,6}",
        1 => "[-~=#{}:\\\\%\\[\\]<>&*_`!.()/$\n|+]{1,4}",
        1 => Just("[html]".to_owned()),
        1 => Just("%50%".to_owned()),
        1 => Just("####".to_owned()),
        1 => Just("// [id:x]".to_owned()),
        1 => Just("A. ".to_owned()),
        1 => Just("1. ".to_owned()),
        1 => Just("\\n".to_owned()),
    ];
    proptest::collection::vec(piece, 1..6)
        .prop_map(|pieces| pieces.concat().trim().to_owned())
        .prop_filter("words are needed", |text| !text.is_empty())
}

fn questions() -> impl Strategy<Value = Vec<QuestionSource>> {
    let text = || words().prop_map(|text| json!({ "fr": text }));
    let side =
        || words().prop_filter("an arrow ends it", |text| !text.contains("->")).prop_map(|text| json!({ "fr": text }));
    let choices = (2_usize..6).prop_flat_map(move |n| {
        (proptest::collection::vec((text(), proptest::option::of(text()), any::<bool>()), n), 0..n, 1..n, any::<bool>())
    });
    let choice_kind = choices.prop_map(|(choices, right, wrong, multiple)| {
        let wrong = (right + wrong) % choices.len();
        let choices: Vec<Value> = choices
            .into_iter()
            .enumerate()
            .map(|(place, (text, feedback, also))| {
                let is_right = place == right || (multiple && also && place != wrong);
                let key = if also { letter(place) } else { format!("k{place}") };
                json!({ "key": key, "text": text, "right": is_right, "feedback": feedback.unwrap_or(json!({})) })
            })
            .collect();
        json!({ "kind": if multiple { "multiple_choice" } else { "single_choice" }, "choices": choices })
    });
    let quantity = || (-1_000_000_000_000_000_i64..=1_000_000_000_000_000).prop_map(|n| n / 2);
    let kind = prop_oneof![
        4 => choice_kind,
        1 => any::<bool>().prop_map(|right| json!({ "kind": "true_false", "right": right })),
        1 => (quantity(), proptest::option::of(0_i64..5_000_000)).prop_map(|(value, tolerance)| {
            let mut kind = json!({ "kind": "numeric", "value": serde_json::to_value(jalon_shared::quiz::Quantity(value)).unwrap() });
            if let Some(tolerance) = tolerance {
                kind["tolerance"] = serde_json::to_value(jalon_shared::quiz::Quantity(tolerance)).unwrap();
            }
            kind
        }),
        1 => proptest::collection::vec(words().prop_filter("an arrow", |text| !text.contains("->")), 1..4)
            .prop_map(|accept| json!({ "kind": "short_text", "accept": { "fr": accept } })),
        1 => proptest::option::of(1_u32..=20_000).prop_map(|most| match most {
            Some(most) => json!({ "kind": "open_ended", "max_characters": most }),
            None => json!({ "kind": "open_ended" }),
        }),
        1 => proptest::collection::vec((side(), text()), 2..5).prop_map(|pairs| {
            let pairs: Vec<Value> = pairs.into_iter().enumerate()
                .map(|(place, (left, right))| json!({ "key": letter(place), "left": left, "right": right })).collect();
            json!({ "kind": "matching", "pairs": pairs })
        }),
    ];
    let tag = "[a-zé\\[\\]\\\\:/ ]{1,12}".prop_filter("a tag", |tag| gift::is_tag(tag));
    let tags = prop_oneof![2 => Just(Vec::new()), 1 => proptest::collection::vec(tag, 1..4)];
    let points = prop_oneof![3 => Just(1_u32), 1 => 1_u32..=1000];
    let question = (kind, text(), proptest::option::of(text()), points, tags).prop_map(
        |(mut question, prompt, feedback, points, tags)| {
            if !tags.is_empty() {
                question["tags"] = tags.into();
            }
            question["prompt"] = prompt;
            question["points"] = points.into();
            question["feedback"] = feedback.unwrap_or(json!({}));
            question
        },
    );
    proptest::collection::vec(question, 1..4).prop_map(|questions| {
        let keyed = questions.into_iter().enumerate().map(|(place, mut question)| {
            question["key"] = format!("Q_{place}").into();
            serde_json::from_value(question).unwrap()
        });
        keyed.collect()
    })
}

proptest! {
    #[test]
    fn gift_what_we_write_we_read_the_same(questions in questions()) {
        let written = Format::Gift.write(&questions, &fr()).unwrap();
        prop_assert!(written.warnings.is_empty());
        let read = Format::Gift.read(&written.text, &fr()).map_err(|faults| {
            TestCaseError::fail(format!("{}\n{faults:#?}", written.text))
        })?;
        prop_assert!(read.warnings.is_empty(), "{}\n{:#?}", written.text, read.warnings);
        prop_assert_eq!(&read.questions, &questions, "{}", written.text);
    }

    #[test]
    fn gift_plain_words_are_shown_as_typed(text in words()) {
        let (md, _) = markup::markdown(&text, markup::Markup::Plain);
        let html = crate::text::markdown::render(&md);
        let shown: String = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
        let shown = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(letters(&shown), letters(&text), "{} {}", md, html);
    }

    #[test]
    fn aiken_what_we_write_we_read_the_same(texts in proptest::collection::vec("[a-zé*<_ &\\\\]{1,12}", 3..8), right in 0_usize..20) {
        let texts: Vec<String> = texts.iter().map(|text| format!("x{}", text.trim())).collect();
        let right = right % (texts.len() - 1);
        let mut file = format!("{}\n", texts[0]);
        for (place, text) in texts[1..].iter().enumerate() {
            writeln!(file, "{}. {text}", letter(place).to_uppercase()).unwrap();
        }
        writeln!(file, "ANSWER: {}", letter(right).to_uppercase()).unwrap();
        let read = Format::Aiken.read(&file, &fr()).map_err(|faults| TestCaseError::fail(format!("{file}\n{faults:?}")))?;
        let written = Format::Aiken.write(&read.questions, &fr()).unwrap();
        prop_assert_eq!(&written.text, &file);
        prop_assert!(written.warnings.is_empty(), "{:?}", written.warnings);
    }
}
