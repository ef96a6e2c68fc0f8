//! `jalon check` against a server: what it says to a site owner whose widget does not show.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

/// `jalon` with a database in this folder, and nothing of our own environment.
fn jalon(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jalon"));
    command.current_dir(folder).env_clear().args(arguments).stdin(Stdio::null());
    command
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn serve(folder: &Path) -> (Server, String) {
    let mut command = jalon(folder, &["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let server = Server(server);
    loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the server ended before it listened");
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "listening" {
            // The pipe must go on being read, or the server would wait for us.
            std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
            return (server, format!("http://{}", line["address"].as_str().unwrap()));
        }
    }
}

/// The codes of what is wrong, as `jalon check --json` reports them, and whether it failed.
fn check(folder: &Path, html: &str, arguments: &[&str]) -> (Vec<String>, bool) {
    std::fs::write(folder.join("page.html"), html).unwrap();
    let output = jalon(folder, &["check", "page.html", "--json"]).args(arguments).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wrong = report["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "error");
    (wrong.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect(), !output.status.success())
}

#[test]
fn each_mistake_of_an_installation_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let track = json!({
        "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true,
        "title": { "fr": "Premiers pas" }, "summary": { "fr": "Un parcours." },
        "steps": [{ "key": "a", "kind": "content", "required": true, "title": { "fr": "A" }, "body": { "fr": "Bonjour." } }]
    });
    let mut members_only = track.clone();
    members_only["cms_block_enabled"] = json!(false);
    std::fs::write(folder.join("open.json"), track.to_string()).unwrap();
    std::fs::write(folder.join("closed.json"), members_only.to_string()).unwrap();
    for arguments in [
        &["site", "add", "fpsf", "--origin", "https://fpsf.example"][..],
        &["import", "open.json", "--site", "fpsf", "--publish"],
        &["import", "closed.json", "--site", "fpsf", "--publish"],
    ] {
        let output = jalon(folder, arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let (server, api) = serve(folder);
    let page = |site: &str, track: &str| {
        format!(r#"<script async src="{api}/embed/v1/jalon.js" data-site="{site}" data-track="{track}"></script>"#)
    };
    let here = &["--origin", "https://fpsf.example"][..];
    let strict = format!("script-src {api} 'wasm-unsafe-eval'; connect-src {api}");
    let one = |code: &str| (vec![code.to_owned()], true);
    // The server on loopback is http, which an https page would not load: that is named each time.
    let mixed = |mut found: (Vec<String>, bool)| {
        found.0.retain(|code| code != "mixed_content");
        found
    };
    let good = mixed(check(folder, &page("fpsf", "open"), here));
    assert!(good.0.is_empty(), "{good:?}");
    let allowed = mixed(check(folder, &page("fpsf", "open"), &[here, &["--csp", &strict]].concat()));
    assert!(allowed.0.is_empty(), "{allowed:?}");
    assert_eq!(mixed(check(folder, &page("other", "open"), here)), one("unknown_site"));
    assert_eq!(mixed(check(folder, &page("fpsf", "nothing"), here)), one("unknown_track"));
    assert_eq!(mixed(check(folder, &page("fpsf", "closed"), here)), one("cms_block_disabled"));
    let elsewhere = &["--origin", "https://other.example"];
    assert_eq!(mixed(check(folder, &page("fpsf", "open"), elsewhere)), one("origin_not_listed"));
    assert_eq!(mixed(check(folder, "<p>nothing</p>", here)), one("no_script"));
    drop(server);
    assert_eq!(mixed(check(folder, &page("fpsf", "open"), here)), one("backend_unreachable"));
}
