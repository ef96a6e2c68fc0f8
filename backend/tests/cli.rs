//! The `jalon` command as a person uses it. Here and not with the other stories in `tests/`, because
//! Cargo builds a program for the tests of its own package only.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SECRET: &str = "a-secret-of-the-federation-of-more-than-32-bytes";

/// `jalon` with a database in this folder, and nothing of our own environment.
fn jalon(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jalon"));
    command.current_dir(folder).env_clear().args(arguments).stdin(Stdio::null());
    command
}

/// What a command that must succeed prints on stdout.
#[track_caller]
fn ok(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = jalon(folder, arguments).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// The sentence of a command that must fail.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = jalon(folder, arguments).output().unwrap();
    assert!(!status.success(), "{arguments:?}");
    assert!(stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&stdout));
    String::from_utf8(stderr).unwrap()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let commands = [
        "serve",
        "demo",
        "migrate",
        "backup",
        "restore",
        "site add",
        "site list",
        "key add",
        "key revoke",
        "token member",
        "import",
        "export",
        "translate",
        "questions convert",
        "recalculate",
        "check",
        "openapi",
    ];
    for command in commands {
        let arguments: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let help = ok(folder.path(), &arguments);
        assert!(help.contains("Usage: jalon") && help.contains("--json"), "{command}: {help}");
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "asking for help makes no database");
}

#[test]
fn a_federation_is_set_up_and_setting_it_up_again_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(ok(folder, &["migrate"]).contains("from migration 0"));
    assert_eq!(json(&ok(folder, &["migrate", "--json"]))["before"], json(&ok(folder, &["migrate", "--json"]))["now"]);

    let site = [
        "site",
        "add",
        "fpsf",
        "--name",
        "FPSF",
        "--lang",
        "fr",
        "--origin",
        "https://fpsf.example",
        "--member-secret",
        SECRET,
    ];
    ok(folder, &site);
    ok(folder, &site);
    assert!(ok(folder, &["site", "list"]).contains("fpsf"));

    let key = ok(folder, &["key", "add", "--site", "fpsf", "--scope", "site_admin"]);
    assert!(key.starts_with("jk_") && key.trim_end().lines().count() == 1, "the key stands alone on stdout: {key}");
    let token = ok(folder, &["token", "member", "--site", "fpsf", "--sub", "u-42"]);
    assert_eq!(token.trim().split('.').count(), 3);

    let content = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/content/youth-safeguarding-basics");
    ok(folder, &["import", content, "--site", "fpsf", "--publish"]);
    ok(folder, &["export", "--site", "fpsf", "--out", "exported"]);
    ok(folder, &["import", "exported", "--site", "fpsf"]);
}

#[test]
fn c3_a_course_is_recalculated_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    ok(folder, &["site", "add", "fpsf", "--lang", "fr"]);
    for part in ["banks", "lessons", "courses/arbiter-level-2"] {
        let content = format!("{}/../examples/{part}", env!("CARGO_MANIFEST_DIR"));
        ok(folder, &["import", &content, "--site", "fpsf", "--publish", "--media-base", "https://media.example"]);
    }
    let course = ["recalculate", "--site", "fpsf", "--course", "arbiter-level-2"];
    let dry = ok(folder, &[&course[..], &["--dry-run"]].concat());
    assert_eq!(
        dry,
        "arbiter-level-2 version 1: 0 looked at; 0 would be changed, 0 would be only brought to the version, 0 unchanged; 0 would be completed\n"
    );
    let done = json(&ok(folder, &[&course[..], &["--json"]].concat()));
    assert_eq!(
        (&done["course"], &done["dry_run"], &done["looked_at"]),
        (&"arbiter-level-2".into(), &false.into(), &0.into())
    );
    for (course, why) in [("none", "Not found"), ("NOT ONE!", "no course is named")] {
        let sentence = refused(folder, &["recalculate", "--site", "fpsf", "--course", course]);
        assert!(sentence.starts_with("jalon: ") && sentence.contains(why), "{sentence}");
    }
}

#[test]
fn a_failure_is_one_plain_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sentence = refused(folder, &["key", "add", "--site", "none", "--scope", "site_admin"]);
    assert!(sentence.starts_with("jalon: ") && sentence.trim_end().lines().count() == 1, "{sentence}");
    assert!(sentence.contains("none"), "{sentence}");
    let sentence = refused(folder, &["--json", "key", "add", "--site", "none", "--scope", "site_admin"]);
    assert!(json(&sentence)["error"].as_str().unwrap().contains("none"), "{sentence}");

    assert!(refused(folder, &["migrate", "--database-url", "mysql://x"]).contains("sqlite:// or postgres://"));
    assert!(refused(folder, &["migrate", "--config", "none.yaml"]).contains("none.yaml"));
    std::fs::write(folder.join("jalon.yaml"), "guest_ttl: soon\n").unwrap();
    let sentence = refused(folder, &["migrate", "--config", "jalon.yaml"]);
    assert!(sentence.contains("jalon.yaml") && sentence.contains("90d"), "{sentence}");
}

#[test]
fn the_server_serves_what_was_set_up_and_stops_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    ok(folder, &["site", "add", "fpsf", "--name", "FPSF", "--lang", "fr", "--member-secret", SECRET]);
    let token = ok(folder, &["token", "member", "--site", "fpsf", "--sub", "u-42"]);

    let mut command = jalon(folder, &["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    let address = loop {
        let line = json(&log.next().expect("the server ended before it listened").unwrap());
        if line["message"] == "listening" {
            break line["address"].as_str().unwrap().to_owned();
        }
    };
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /api/v1/sites/fpsf/me/enrollments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        token.trim()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let asked = Command::new("kill").arg("-TERM").arg(server.id().to_string()).status().unwrap();
    assert!(asked.success());
    let rest: Vec<_> = log.map(Result::unwrap).collect();
    assert!(server.wait().unwrap().success());
    assert!(rest.iter().any(|line| json(line)["message"] == "stopped"), "{rest:?}");
    assert!(rest.iter().all(|line| !line.contains(token.trim())), "a token stands in the log");
}

#[test]
fn p8_a_backup_is_made_looked_at_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sentence = refused(folder, &["backup", "one.backup"]);
    assert!(sentence.contains("there is no database at jalon.db"), "{sentence}");
    assert!(std::fs::read_dir(folder).unwrap().next().is_none(), "and none was made");

    ok(folder, &["site", "add", "fpsf", "--member-secret", SECRET]);
    let made = ok(folder, &["backup", "one.backup"]);
    assert!(made.contains("one.backup was written and checked: of ") && made.contains("1 sites"), "{made}");
    assert!(refused(folder, &["backup", "one.backup"]).contains("--force"));
    ok(folder, &["backup", "one.backup", "--force"]);
    assert!(ok(folder, &["restore", "one.backup", "--check"]).contains("one.backup is whole"));
    assert!(refused(folder, &["restore", "one.backup"]).contains("not empty"));

    let there = json(&ok(folder, &["restore", "one.backup", "--json", "--database-url", "sqlite://two.db"]));
    assert_eq!(there["tables"]["site"]["rows"], 1);
    assert!(ok(folder, &["site", "list", "--database-url", "sqlite://two.db"]).contains("fpsf"));
    let sentence = refused(folder, &["restore", "jalon.db", "--database-url", "sqlite://three.db"]);
    assert!(sentence.contains("jalon.db is no backup made by jalon backup"), "{sentence}");
    assert!(!folder.join("three.db").exists());
}

#[test]
fn the_api_describes_itself() {
    let folder = tempfile::tempdir().unwrap();
    let document = json(&ok(folder.path(), &["openapi"]));
    assert!(document["paths"]["/api/v1/enrollments/{id}/steps/{order}/advance"]["post"].is_object());
}

/// Whoever reads only the first line has not made us fail.
#[test]
fn p6_a_closed_pipe_is_a_quiet_end() {
    let folder = tempfile::tempdir().unwrap();
    ok(folder.path(), &["site", "add", "fpsf", "--name", "FPSF", "--lang", "fr"]);
    for arguments in [&["openapi"][..], &["site", "list"], &["--json", "site", "list"], &["--help"], &["help", "serve"]]
    {
        let mut child = jalon(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert!(output.status.success(), "{arguments:?}: {}", output.status);
    }
    // Nor does a failure panic where nobody hears it.
    let mut child = jalon(folder.path(), &["key", "list", "--site", "nowhere"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn gift_question_files_are_converted_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let aiken = "Que vise-t-on ?\nA. Le but\nB. La boule\nANSWER: A\n";
    std::fs::write(folder.join("a.txt"), aiken).unwrap();
    let convert = |from: &str, to: &str, more: &[&str]| {
        ok(folder, &[&["questions", "convert", from, "--out", to], more].concat())
    };
    assert!(refused(folder, &["questions", "convert", "a.txt", "--out", "b.gift"]).contains("--from"));
    convert("a.txt", "b.gift", &["--from", "aiken", "--lang", "fr"]);
    convert("b.gift", "c.yaml", &["--lang", "fr"]);
    convert("c.yaml", "d.gift", &[]);
    convert("d.gift", "e.aiken", &["--lang", "fr"]);
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!((text("b.gift"), text("e.aiken").as_str()), (text("d.gift"), aiken));
    assert!(text("c.yaml").starts_with("source_lang: fr\nquestions:\n"), "{}", text("c.yaml"));

    std::fs::write(folder.join("bad.gift"), "Un ?{T}\n\nDeux ?{#six}\n\nTrois ?{T").unwrap();
    let error = refused(folder, &["questions", "convert", "bad.gift", "--out", "x.yaml", "--lang", "fr"]);
    assert!(
        error.contains("bad.gift:3:") && error.contains("bad.gift:5:") && !folder.join("x.yaml").exists(),
        "{error}"
    );
    std::fs::write(folder.join("warn.gift"), "Un ?{T}\n\nSeul.\n").unwrap();
    let warned = json(&convert("warn.gift", "x.yaml", &["--lang", "fr", "--json"]));
    assert!(warned["warnings"][0].as_str().unwrap().starts_with("warn.gift:3:1 /1: "), "{warned}");
}

/// C18: a pipe blocks whoever opens it, and a device never ends.
#[cfg(unix)]
#[test]
fn c18_no_command_opens_a_pipe_or_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    ok(folder, &["migrate"]);
    ok(folder, &["site", "add", "fpsf", "--lang", "fr"]);
    assert!(Command::new("mkfifo").arg(folder.join("pipe.yaml")).status().unwrap().success());
    for odd in ["pipe.yaml", "/dev/zero"] {
        for arguments in [
            vec!["import", odd, "--site", "fpsf"],
            vec!["questions", "convert", odd, "--lang", "fr", "--from", "gift", "--out", "out.yaml"],
            vec!["restore", odd, "--database-url", "sqlite://other.db"],
            vec!["site", "list", "--config", odd],
            vec!["serve", "--webhook-extra-ca", odd],
            vec!["check", odd, "--origin", "https://www.example.org"],
        ] {
            let said = refused(folder, &arguments);
            assert!(said.contains("not a regular file"), "{arguments:?}: {said}");
        }
    }
}
