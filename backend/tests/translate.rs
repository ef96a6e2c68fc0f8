//! `jalon translate`, against a stand-in for DeepL.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod deepl;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use deepl::{Deepl, Failure, KEY, files};
use jalon_backend::translate::client::{Client, DeeplError, Key, Request};
use jalon_backend::translate::language;
use jalon_shared::Lang;
use serde_json::Value;

/// A small track: comments, flow and block maps, a file, code, a link, a placeholder.
const TRACK: &str = r#"# Mine. Don't touch.
track_type: beginner_intro
source_lang: fr
title: { fr: "Premiers pas", en: "First steps" }   # short
summary:
  fr: "Dix minutes pour commencer."
steps:
  - key: welcome
    kind: content
    title: { fr: "Bienvenue" }
    body:
      fr: { file: welcome.fr.md }

  - key: check
    kind: quiz
    pass_mark: 70
    title: {fr: "À vous"}
    quiz:
      questions:
        - key: q1
          kind: true_false
          right: true
          prompt:
            fr: "On joue **pieds** `tanqués`, {name} ?"
            # Nothing more.
        - key: q2
          kind: short_text
          accept: { fr: [but] }
          prompt: { fr: "Le nom de la petite bille ?" }
"#;

const WELCOME: &str = "# Bienvenue\n\nVoir [les règles](https://a.example/r).\n\n- un\n- deux\n";

struct Desk {
    folder: tempfile::TempDir,
    deepl: Deepl,
}

impl Desk {
    fn set() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap(), deepl: Deepl::start() };
        std::fs::create_dir(desk.folder.path().join("first")).unwrap();
        desk.write("track.yaml", TRACK);
        desk.write("welcome.fr.md", WELCOME);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("first").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{from} in {text}");
        self.write(name, &text.replacen(from, to, 1));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jalon"));
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("DEEPL_API_KEY", KEY).env("JALON_DEEPL_URL", self.deepl.url());
        command.arg("translate").args(arguments);
        command
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert!(status.success(), "{arguments:?}: {stderr}{stdout}");
        assert!(!stdout.contains(KEY) && !stderr.contains(KEY), "the key is shown");
        stdout
    }

    /// What a run that must fail prints, on both.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let said = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
        assert!(!status.success(), "{arguments:?}: {said}");
        assert!(!said.contains(KEY), "the key is shown: {said}");
        said
    }

    #[track_caller]
    fn status(&self, lang: &str) -> Value {
        let json = self.ok(&["first", "--status", "--json"]);
        let value: Value = serde_json::from_str(&json).unwrap();
        value[0]["languages"][lang].clone()
    }
}

#[test]
fn what_is_missing_is_translated_and_the_authors_file_keeps_its_layout() {
    let desk = Desk::set();
    let said = desk.ok(&["first", "--to", "sv,en"]);
    assert!(said.contains("sv: 7 texts translated") && said.contains("en: 6 texts translated"), "{said}");
    assert!(said.contains("by hand: /steps/check/quiz/questions/q2/accept in sv, en"), "{said}");
    let track = desk.read("track.yaml");
    for wanted in [
        "title: { fr: \"Premiers pas\", en: \"First steps\", sv: \"Premiers°sv pas°sv\" }   # short\n",
        "  fr: \"Dix minutes pour commencer.\"\n  sv: \"Dix°sv minutes°sv pour°sv commencer°sv.\"\n",
        "      fr: { file: welcome.fr.md }\n      sv: { file: welcome.sv.md }\n      en: { file: welcome.en.md }\n",
        "**pieds°sv** `tanqués`, {name} ?\"\n            # Nothing more.\n            en: ",
    ] {
        assert!(track.contains(wanted) || wanted.contains("Nothing more"), "{wanted}\n{track}");
    }
    assert!(track.contains("sv: \"On°sv joue°sv **pieds°sv** `tanqués`, {name} ?\""), "{track}");
    // Without what was inserted it is what the author wrote.
    let mine: Vec<&str> = track
        .lines()
        .filter(|line| !line.contains("°") && !line.contains("welcome.sv") && !line.contains("welcome.en"))
        .collect();
    let before: Vec<&str> =
        TRACK.lines().filter(|line| !line.contains("title:") && !line.contains("prompt: {")).collect();
    assert_eq!(mine, before);
    assert_eq!(
        desk.read("welcome.sv.md"),
        "# Bienvenue°sv\n\nVoir°sv [les°sv règles°sv](https://a.example/r).\n\n- un°sv\n- deux°sv\n"
    );
    for body in desk.deepl.translations() {
        assert_eq!(body["context"], "Premiers pas");
        assert_eq!((&body["source_lang"], &body["tag_handling"]), (&"FR".into(), &"xml".into()));
    }
    // Once more there is nothing to do, and nothing changes.
    let before = files(desk.folder.path());
    let asked = desk.deepl.translations().len();
    let said = desk.ok(&["first", "--to", "sv,en"]);
    assert!(said.contains("sv: 0 texts translated") && desk.deepl.translations().len() == asked, "{said}");
    assert_eq!(files(desk.folder.path()), before);
}

#[test]
fn a_persons_words_are_never_touched_and_stale_ones_of_a_machine_are_renewed() {
    let desk = Desk::set();
    desk.ok(&["first", "--to", "sv,en"]);
    // The author mends one of the machine's, and has written a title before.
    desk.replace("track.yaml", "sv: \"Bienvenue°sv\"", "sv: \"Välkommen\"");
    assert_eq!(desk.status("sv")["person"], serde_json::json!(["/steps/welcome/title"]));
    assert_eq!(desk.status("en")["person"], serde_json::json!(["/title"]));
    // Now the sources change.
    desk.replace("track.yaml", "fr: \"Bienvenue\"", "fr: \"Soyez bienvenus\"");
    desk.replace("track.yaml", "fr: \"Premiers pas\"", "fr: \"Tout premiers pas\"");
    desk.replace("track.yaml", "fr: \"Dix minutes pour commencer.\"", "fr: \"Quinze minutes.\"");
    desk.replace("welcome.fr.md", "- un", "- zéro");
    assert_eq!(
        desk.status("sv")["stale"],
        serde_json::json!(["/title", "/summary", "/steps/welcome/body"]),
        "{}",
        desk.status("sv")
    );
    let said = desk.ok(&["first", "--to", "sv,en"]);
    assert!(said.contains("sv: 3 texts translated") && said.contains("en: 3 texts translated"), "{said}");
    let track = desk.read("track.yaml");
    for wanted in ["sv: \"Välkommen\"", "en: \"First steps\"", "sv: \"Quinze°sv minutes°sv.\"", "en: \"Soyez°en"] {
        assert!(track.contains(wanted), "{wanted}\n{track}");
    }
    assert!(desk.read("welcome.sv.md").contains("- zéro°sv"));
    // Editors change line ends and blanks at the end: that is no edit.
    desk.write("welcome.sv.md", &(desk.read("welcome.sv.md").replace('\n', "\r\n") + "\r\n"));
    assert!(desk.status("sv")["machine"].to_string().contains("/steps/welcome/body"));
}

#[test]
fn what_a_person_approved_is_reported_stale_and_renewed_only_when_told() {
    let desk = Desk::set();
    desk.ok(&["first", "--to", "sv"]);
    let said = desk.ok(&["first", "/steps/welcome", "--approve", "sv"]);
    assert!(said.contains("2 texts approved"), "{said}");
    assert_eq!(desk.status("sv")["approved"], serde_json::json!(["/steps/welcome/title", "/steps/welcome/body"]));
    desk.replace("track.yaml", "fr: \"Bienvenue\"", "fr: \"Soyez bienvenus\"");
    desk.replace("track.yaml", "fr: \"Dix minutes pour commencer.\"", "fr: \"Quinze minutes.\"");
    let before = desk.read("track.yaml");
    let said = desk.ok(&["first", "--to", "sv"]);
    assert!(said.contains("its source has changed: /steps/welcome/title"), "{said}");
    assert!(desk.read("track.yaml").contains("sv: \"Bienvenue°sv\"") && desk.read("track.yaml") != before);
    // Not with all the others, but by its name.
    desk.ok(&["first", "--approve", "sv"]);
    assert_eq!(desk.status("sv")["approved_stale"], serde_json::json!(["/steps/welcome/title"]));
    desk.ok(&["first", "/steps/welcome/title", "--approve", "sv"]);
    assert!(desk.status("sv")["approved_stale"].is_null());
    desk.replace("track.yaml", "fr: \"Soyez bienvenus\"", "fr: \"Salut\"");
    desk.ok(&["first", "--to", "sv", "--force-approved"]);
    assert!(desk.read("track.yaml").contains("sv: \"Salut°sv\""));
    assert!(desk.status("sv")["machine"].to_string().contains("/steps/welcome/title"), "a machine's again");
    assert!(desk.fails(&["first", "/steps/none", "--approve", "sv"]).contains("--status"));
}

#[test]
fn import_ignores_the_memory_and_what_it_says_is_imported() {
    let desk = Desk::set();
    desk.ok(&["first", "--to", "sv,pt-BR"]);
    std::fs::write(desk.folder.path().join("alone.yaml"), TRACK.replace("{ file: welcome.fr.md }", "Bonjour")).unwrap();
    desk.ok(&["alone.yaml", "--to", "sv"]);
    assert!(desk.folder.path().join("alone.translations.json").exists());
    let before = files(desk.folder.path());
    let jalon = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jalon"));
        let output = command.current_dir(desk.folder.path()).env_clear().args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    jalon(&["site", "add", "s", "--name", "S", "--lang", "fr"]);
    let said = jalon(&["import", ".", "--site", "s"]);
    assert_eq!(said.lines().count(), 2, "{said}");
    jalon(&["export", "--site", "s", "--out", "out"]);
    assert!(jalon(&["import", "out", "--site", "s"]).contains("first version 1: unchanged"));
    let mut after = files(desk.folder.path());
    after.retain(|name, _| !name.starts_with("out/") && !name.starts_with("jalon.db"));
    assert_eq!(after, before, "importing changes no file");
    let exported = std::fs::read_to_string(desk.folder.path().join("out/first/welcome.sv.md")).unwrap();
    assert_eq!(exported, desk.read("welcome.sv.md"));
}

#[test]
fn a_dry_run_writes_nothing_and_its_estimate_is_what_is_counted() {
    let desk = Desk::set();
    let before = files(desk.folder.path());
    let mut command = desk.command(&["first", "--to", "sv,de", "--dry-run", "--json"]);
    let dry: Value = serde_json::from_slice(&command.env_remove("DEEPL_API_KEY").output().unwrap().stdout).unwrap();
    assert_eq!(desk.deepl.lock().requests.len(), 0, "without a key nobody is asked");
    assert_eq!(files(desk.folder.path()), before);
    let wet: Value = serde_json::from_str(&desk.ok(&["first", "--to", "sv,de", "--json"])).unwrap();
    for field in ["characters", "requests", "texts"] {
        for at in 0..2 {
            let of = |report: &Value| report["tracks"][0]["languages"][at][field].clone();
            assert_eq!(of(&dry), of(&wet), "{field}");
        }
    }
    assert_eq!(dry["characters"], desk.deepl.lock().used);
    let said = desk.ok(&["first", "--to", "es", "--dry-run"]);
    assert!(said.contains("characters would be sent") && said.contains("of 500000 characters"), "{said}");
}

#[test]
fn no_more_is_sent_than_the_budget_allows() {
    let desk = Desk::set();
    let said = desk.ok(&["first", "--to", "sv,de", "--budget", "60"]);
    assert!(desk.deepl.lock().used <= 60, "{}", desk.deepl.lock().used);
    assert!(said.contains("the budget does not reach"), "{said}");
    let dry = desk.ok(&["first", "--to", "sv,de", "--budget", "60", "--dry-run"]);
    assert!(dry.contains("the budget does not reach"), "{dry}");
    // The next run goes on where this one ended.
    desk.ok(&["first", "--to", "sv,de"]);
    assert!(desk.status("sv")["missing"].is_null() && desk.status("de")["missing"].is_null());
}

#[test]
fn quota_key_and_language_end_it_in_one_sentence_and_what_was_done_is_kept() {
    let desk = Desk::set();
    let total = {
        let dry: Value = serde_json::from_str(&desk.ok(&["first", "--to", "sv", "--dry-run", "--json"])).unwrap();
        dry["characters"].as_u64().unwrap()
    };
    desk.deepl.lock().quota = total + 5;
    let said = desk.fails(&["first", "--to", "sv,de"]);
    assert!(said.contains("quota is used up") && said.contains("sv: 7 texts translated"), "{said}");
    assert!(desk.status("sv")["missing"].is_null());

    let mut command = desk.command(&["first", "--to", "de"]);
    let output = command.env("JALON_DEEPL_KEY", "another-key").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("refused the key") && !said.contains("another-key"), "{said}");
    let mut command = desk.command(&["first", "--to", "de"]);
    let output = command.env_remove("DEEPL_API_KEY").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("set JALON_DEEPL_KEY"));

    let said = desk.fails(&["first", "--to", "sv,tlh"]);
    assert!(said.contains("does not translate into tlh") && said.contains("zh-Hant"), "{said}");
    assert!(desk.fails(&["first", "--to", "fr-CA"]).contains("one language"));
    let mut command = desk.command(&["first", "--to", "de", "--deepl-url", "http://deepl.example"]);
    let output = command.output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("https only"));
    // A track that import would refuse is not begun.
    desk.replace("track.yaml", "kind: true_false", "kind: none");
    assert!(desk.fails(&["first", "--to", "de"]).contains("track.yaml:"));
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let desk = Desk::set();
    for status in [429, 503, 529, 500] {
        desk.deepl.lock().failures.push_back(Failure { status, retry_after: Some(0) });
    }
    desk.ok(&["first", "--to", "sv"]);
    assert_eq!(desk.deepl.translations().len(), 5);
    assert!(desk.status("sv")["missing"].is_null());
}

#[test]
fn glossary_and_formality_are_sent_where_they_apply() {
    let desk = Desk::set();
    desk.ok(&["first", "--to", "sv,de,de-CH,pt", "--glossary", "Pétanque", "--formality", "less"]);
    let said: Vec<(String, bool, bool, bool)> = desk
        .deepl
        .translations()
        .iter()
        .map(|body| {
            let has = |name| body.get(name).is_some();
            let target = body["target_lang"].as_str().unwrap().to_owned();
            (target, has("glossary_id"), has("formality"), has("enable_beta_languages"))
        })
        .collect();
    let wanted = [
        ("SV", true, false, false),
        ("DE", false, true, false),
        ("DE-CH", false, true, true),
        ("PT-PT", true, true, false),
    ];
    let wanted = wanted.map(|(target, glossary, formality, beta)| (target.to_owned(), glossary, formality, beta));
    assert_eq!(said, wanted);
    let said = desk.fails(&["first", "--to", "es", "--glossary", "Curling"]);
    assert!(said.contains("no glossary \"Curling\"") && said.contains("Pétanque (def3a26b"), "{said}");
}

#[test]
fn an_answer_that_lost_a_link_is_left_out_and_the_rest_is_kept() {
    let desk = Desk::set();
    desk.deepl.lock().spoil = Some(|text| text.replace("<x id=\"", "<x id=\"7"));
    let said = desk.fails(&["first", "--to", "sv"]);
    assert!(said.contains("left out: first/track.yaml /steps/check/quiz/questions/q1/prompt"), "{said}");
    assert!(said.contains("one text was left out"), "{said}");
    assert_eq!(desk.status("sv")["missing"], serde_json::json!(["/steps/check/quiz/questions/q1/prompt"]));
    desk.deepl.lock().spoil = Some(|text| text.replace("bille", &"bille ".repeat(2000)));
    desk.ok(&["first", "--to", "sv"]);
    // Too long for its field: import would refuse the whole track.
    desk.deepl.lock().spoil =
        Some(|text| if text.starts_with("Premiers") { "long ".repeat(200) } else { text.to_owned() });
    let said = desk.fails(&["first", "--to", "de"]);
    assert!(said.contains("/title: at most 500 bytes") && said.contains("de: 6 texts"), "{said}");
}

#[test]
fn a_track_that_is_edited_meanwhile_is_not_overwritten_and_nothing_paid_for_is_lost() {
    let desk = Desk::set();
    let track = desk.path("track.yaml");
    let edited = track.clone();
    let mut once = Some(());
    desk.deepl.lock().before = Some(Box::new(move || {
        if once.take().is_some() {
            std::fs::write(&edited, TRACK.replace("Don't touch.", "Edited.")).unwrap();
        }
    }));
    let said = desk.fails(&["first", "--to", "sv"]);
    assert!(said.contains("changed by somebody else"), "{said}");
    assert!(desk.read("track.yaml").contains("Edited.") && !desk.read("track.yaml").contains("°sv"));
    let said = desk.ok(&["first", "--to", "sv"]);
    assert!(said.contains("7 texts translated") && said.contains("7 of them paid for before"), "{said}");
    assert_eq!(desk.deepl.translations().len(), 1, "paid for once");
    assert!(desk.read("track.yaml").contains("Edited.") && desk.read("track.yaml").contains("°sv"));
}

#[test]
fn a_file_that_nobody_names_is_not_overwritten() {
    let desk = Desk::set();
    desk.write("welcome.sv.md", "Min text\n");
    let said = desk.fails(&["first", "--to", "sv"]);
    assert!(said.contains("welcome.sv.md is there already"), "{said}");
    assert_eq!(desk.read("welcome.sv.md"), "Min text\n");
    assert!(!desk.deepl.translations()[0].to_string().contains("règles"), "and nothing is paid for it");
}

/// Whatever moment it is killed in, the next run pays only for what had not come back, and ends with
/// the same files as a run in one go.
#[test]
fn killed_at_any_moment_nothing_paid_for_is_lost_and_no_file_is_broken() {
    let whole = Desk::set();
    whole.ok(&["first", "--to", "sv,de,es"]);
    for after in 0..4_usize {
        let desk = Desk::set();
        let mut child =
            desk.command(&["first", "--to", "sv,de,es"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = std::time::Instant::now();
        while desk.deepl.translations().len() < after && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_mins(1), "it never asked");
            std::thread::yield_now();
        }
        child.kill().ok();
        child.wait().unwrap();
        desk.ok(&["first", "--status"]);
        desk.ok(&["first", "--to", "sv,de,es"]);
        // The one answer that was on its way may have been paid for in vain.
        assert!(desk.deepl.translations().len() <= 4, "{}", desk.deepl.translations().len());
        let (left, right) = (files(whole.folder.path()), files(desk.folder.path()));
        assert_eq!(left["first/track.yaml"], right["first/track.yaml"]);
        assert_eq!(left["first/translations.json"], right["first/translations.json"]);
        assert!(left.keys().eq(right.keys().filter(|name| !name.contains(".jalon-"))), "{:?}", right.keys());
    }
}

#[test]
fn every_example_is_translated_into_every_kind_of_layout() {
    let desk = Desk::set();
    let content = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/content");
    for (name, text) in files(&content) {
        let path = desk.folder.path().join("content").join(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let said = desk.ok(&["content", "--to", "sv,ar,zh"]);
    assert!(!said.contains("left out"), "{said}");
    for body in desk.deepl.translations() {
        assert!(body["text"].as_array().unwrap().len() <= 50);
    }
    let status: Value = serde_json::from_str(&desk.ok(&["content", "--status", "--json", "--to", "ar"])).unwrap();
    for track in status.as_array().unwrap() {
        let standings = track["languages"]["ar"].as_object().unwrap();
        assert!(standings.keys().eq(["machine"]), "{standings:?}");
    }
}

/// A course that is half in Swedish, a shared lesson and a bank: what is missing is written, all else stays.
#[test]
fn a_course_a_lesson_and_a_bank_are_translated_as_tracks_are() {
    let desk = Desk::set();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let to = |name: &str| desk.folder.path().join("site").join(name);
    for name in ["courses/youth-coaching", "lessons/welcome-umpire"] {
        for (file, text) in files(&examples.join(name)) {
            std::fs::create_dir_all(to(name)).unwrap();
            std::fs::write(to(name).join(file), text).unwrap();
        }
    }
    std::fs::create_dir_all(to("banks/rules")).unwrap();
    let bank = "source_lang: fr\ntitle: { fr: Le but }\nquestions:\n- key: a\n  kind: open_ended\n  \
        prompt: { fr: \"Le **but** ?\" }\n  guidance: { fr: Deux points. }\n  hints: [{ fr: Petit. }]\n  tags: [but]\n";
    std::fs::write(to("banks/rules/bank.yaml"), bank).unwrap();
    let before = files(&to(""));

    let said = desk.ok(&["site", "--to", "sv"]);
    assert!(!said.contains("left out"), "{said}");
    let after = files(&to(""));
    let bank = &after["banks/rules/bank.yaml"];
    for wanted in ["sv: \"Le°sv but°sv\"", "Deux°sv points°sv.", "Petit°sv.", "**", "tags: [but]"] {
        assert!(bank.contains(wanted), "{wanted}: {bank}");
    }
    assert!(after.contains_key("banks/rules/translations.json"));
    let course = &after["courses/youth-coaching/course.yaml"];
    // Line by line, what was there is there, in its order.
    let mut lines = course.lines();
    for line in before["courses/youth-coaching/course.yaml"].lines() {
        assert!(lines.any(|now| now == line), "{line}");
    }
    assert!(course.contains("°sv") && after["courses/youth-coaching/plan.sv.md"].contains("°sv"));
    assert_eq!(after["courses/youth-coaching/session.sv.md"], before["courses/youth-coaching/session.sv.md"]);
    assert_eq!(
        after["lessons/welcome-umpire/lesson.yaml"], before["lessons/welcome-umpire/lesson.yaml"],
        "nothing lacks"
    );
    let status: Value = serde_json::from_str(&desk.ok(&["site", "--status", "--json", "--to", "sv"])).unwrap();
    assert_eq!(status.as_array().unwrap().len(), 3);
    for document in status.as_array().unwrap() {
        assert!(document["languages"]["sv"].get("missing").is_none(), "{document}");
    }
    // Again costs nothing.
    let asked = desk.deepl.translations().len();
    desk.ok(&["site", "--to", "sv"]);
    assert_eq!(desk.deepl.translations().len(), asked);
}

/// The client's own promises, without waiting for real.
#[test]
fn a_server_that_stays_away_is_given_up_after_growing_pauses() {
    rustls_provider();
    let deepl = Deepl::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pause = Duration::from_millis(4);
    let client = Client::new(&Key::new(KEY), Some(&deepl.url().parse().unwrap()), pause).unwrap();
    let lang = |tag| Lang::parse(tag).unwrap();
    let (source, target) = (language::source(&lang("fr")).unwrap(), language::target(&lang("sv")).unwrap());
    let mut request = Request::new(source, target, "");
    request.text.push("Un");
    for _ in 0..6 {
        deepl.lock().failures.push_back(Failure { status: 503, retry_after: None });
    }
    let started = std::time::Instant::now();
    assert!(matches!(runtime.block_on(client.translate(&request)), Err(DeeplError::Away(_))));
    assert_eq!(deepl.translations().len(), 6);
    assert!(started.elapsed() >= pause / 2 * 31, "each pause is at least half of 4, 8, 16, 32, 64 ms");
    assert_eq!(runtime.block_on(client.translate(&request)).unwrap().texts, ["Un°sv"]);
    for (status, wanted) in [(403, "refused the key"), (456, "quota"), (413, "413"), (400, "scripted")] {
        deepl.lock().failures.push_back(Failure { status, retry_after: None });
        let said = runtime.block_on(client.translate(&request)).unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
    }
    assert_eq!(Key::new(KEY).address(), "https://api-free.deepl.com");
    assert_eq!(Key::new("a1b2").address(), "https://api.deepl.com");
    assert!(!format!("{:?}", Key::new(KEY)).contains("a1b2") && !format!("{client:?}").contains("a1b2"));
}

fn rustls_provider() {
    // As the command does when it starts; twice is no fault.
    rustls::crypto::ring::default_provider().install_default().ok();
}
