//! Promise 1, for a power cut: what was acknowledged had been synced to the disk before. A killed process
//! doesn't show that, for the kernel keeps what was only written; so `strace` looks at the system calls of
//! the real program.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

const SECRET: &str = "a-secret-of-the-federation-of-more-than-32-bytes";
/// Guests who each take the first steps of a track.
const GUESTS: usize = 8;

/// Ends the server with the test, however the test ends.
struct Traced(Child);

impl Drop for Traced {
    fn drop(&mut self) {
        Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status().ok();
        self.0.wait().ok();
    }
}

fn jalon(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_jalon"))
        .current_dir(folder)
        .env_clear()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether this machine lets one process look at another. Without, the test is skipped: loudly, and counted
/// so by `cargo xtask test`, which reads the file that `JALON_SKIPPED` names.
fn may_trace() -> bool {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let tried = tried.unwrap_or_else(|error| panic!("strace: {error} (is it installed?)"));
    if tried.status.success() {
        return true;
    }
    let why = String::from_utf8_lossy(&tried.stderr);
    eprintln!("SKIPPED: this machine lets nobody trace ({}); no sync was counted", why.trim());
    if let Some(file) = std::env::var_os("JALON_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "p1_every_acknowledged_write_was_synced: tracing is not permitted here").unwrap();
    }
    false
}

/// One request on a connection of its own; the status and the body.
fn send(address: &str, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n{bearer}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// How often the write-ahead log was synced, in strace's words so far. Other threads' calls may stand
/// between the begin and the end of one.
fn syncs(trace: &Path) -> usize {
    let text = String::from_utf8_lossy(&std::fs::read(trace).unwrap()).into_owned();
    let mut begun: HashMap<&str, bool> = HashMap::new();
    let mut count = 0;
    for line in text.lines() {
        let thread = line.split(' ').next().unwrap_or_default();
        let call = line.contains("sync(");
        let wal = if call { line.contains("-wal>") } else { begun.remove(thread).unwrap_or(false) };
        if line.contains("<unfinished ...>") {
            begun.insert(thread, wal);
        } else if wal && line.trim_end().ends_with("= 0") {
            count += 1;
        }
    }
    count
}

/// W1, M8: sequential writes over HTTP, SQLite with `synchronous=FULL`.
#[test]
fn p1_every_acknowledged_write_was_synced() {
    if !may_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    jalon(folder, &["site", "add", "fpsf", "--name", "FPSF", "--lang", "fr", "--member-secret", SECRET]);
    let step = |key: &str| json!({ "key": key, "kind": "content", "required": true, "title": { "fr": key }, "body": { "fr": key } });
    let track = json!({ "track_type": "beginner_intro", "source_lang": "fr", "cms_block_enabled": true,
        "title": { "fr": "T" }, "summary": { "fr": "T" }, "steps": [step("one"), step("two")] });
    std::fs::write(folder.join("first.json"), track.to_string()).unwrap();
    jalon(folder, &["import", "first.json", "--site", "fpsf", "--publish"]);

    let trace = folder.join("trace");
    let mut command = Command::new("strace");
    // As its grandchild (-D): the process that we know, and end, is the server.
    command.args(["-D", "-f", "-y", "-e", "trace=fdatasync,fsync", "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_jalon")).args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let mut server = Traced(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let address = loop {
        let line = log.next().expect("the server ended before it listened").unwrap();
        let line: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        if line["message"] == "listening" {
            break line["address"].as_str().unwrap().to_owned();
        }
    };
    // Nobody reads the log from here on, and a full pipe would stop the server.
    std::thread::spawn(move || for _ in log.map_while(Result::ok) {});

    let mut acknowledged = 0;
    let mut write = |method: &str, path: &str, token: Option<&str>, body: &Value| {
        let before = syncs(&trace);
        let (status, answer) = send(&address, method, path, token, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        let synced = syncs(&trace) - before;
        assert!(synced > 0, "{method} {path} was acknowledged, and nothing was synced");
        acknowledged += 1;
        answer
    };
    for guest in 0..GUESTS {
        let made = write("POST", "/api/v1/sites/fpsf/guests", None, &json!({}));
        let token = made["token"].as_str().unwrap();
        let begun = write("POST", "/api/v1/sites/fpsf/tracks/first/enrollments", Some(token), &json!({}));
        let steps = format!("/api/v1/enrollments/{}/steps", begun["id"].as_str().unwrap());
        write("POST", &format!("{steps}/1/advance"), Some(token), &json!({ "time_spent_seconds": 3 }));
        write("PATCH", &format!("{steps}/2"), Some(token), &json!({ "time_spent_seconds": 1 }));
        write("POST", &format!("{steps}/2/advance"), Some(token), &json!({}));
        let sub = format!("u-{guest}");
        let member = jalon(folder, &["token", "member", "--site", "fpsf", "--sub", &sub]);
        write("POST", "/api/v1/sites/fpsf/me/merge", Some(member.trim()), &json!({ "guest_token": token }));
        write("DELETE", "/api/v1/sites/fpsf/me", Some(member.trim()), &Value::Null);
    }
    eprintln!("{acknowledged} acknowledged writes, {} syncs of the write-ahead log", syncs(&trace));
}
