//! `cargo xtask schemathesis`: a stranger's idea of what our `OpenAPI` document allows, against a server.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    demo,
    shell::{command, output, root, run, run_quietly, step},
    tools,
};

/// The version of Schemathesis that is asked.
const VERSION: &str = "4.32.5";
/// What is asked of every answer: no 5xx, and the status, type, headers and body that the document describes.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,unsupported_method,allow_header_conformance";
const SITE: &str = "fpsf";

/// Asks as a key that may do everything, as a member, and as nobody, each for so many seconds.
pub fn schemathesis(arguments: &[&str]) -> Result<()> {
    let seconds: u32 = match arguments {
        [] => 60,
        ["--seconds", number] => number.parse().context("--seconds: give a number")?,
        other => bail!("usage: cargo xtask schemathesis [--seconds N]; not {}", other.join(" ")),
    };
    let venv = tools::cache()?.join(format!("schemathesis-{VERSION}"));
    let program = venv.join("bin/schemathesis");
    if !program.is_file() {
        step("installing Schemathesis (once, half a minute)", || {
            run_quietly(command("python3").args(["-m", "venv"]).arg(&venv)).context("Python 3 with venv is needed")?;
            run_quietly(command(venv.join("bin/pip")).args(["install", "--quiet", &format!("schemathesis=={VERSION}")]))
        })?;
    }
    let binary = demo::build()?;
    let folder = tools::scratch("schemathesis")?;
    for file in fs::read_dir(&folder)? {
        let _ = fs::remove_file(file?.path());
    }
    let database = format!("sqlite://{}", folder.join("jalon.db").display());
    let jalon = |arguments: &[&str]| {
        let mut made = command(&binary);
        made.args(arguments).env("JALON_DATABASE_URL", &database).env("JALON_LOG", "warn");
        made
    };
    let secret = "a secret that only this run knows, long enough";
    run_quietly(&mut jalon(&[
        "site",
        "add",
        SITE,
        "--origin",
        "http://127.0.0.1",
        "--lang",
        "fr",
        "--member-secret",
        secret,
    ]))?;
    let examples = root().join("examples");
    for part in ["content", "banks", "lessons", "courses"] {
        let path = examples.join(part);
        let media = ["--media-base", "https://media.example", "--publish"];
        run_quietly(jalon(&["import", "--site", SITE]).arg(path).args(media))?;
    }
    let key = output(&mut jalon(&["key", "add", "--scope", "server_admin"]))?;
    let member = output(&mut jalon(&[
        "token", "member", "--site", SITE, "--sub", "u-1", "--cohort", "north", "--role", "coach",
    ]))?;

    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    let mut serve = jalon(&["serve", "--development", "--listen", &address]);
    serve.args(["--limit-per-address", "0", "--limit-per-learner", "0", "--limit-guests-per-address", "0"]);
    let _server = Server(serve.stdout(Stdio::null()).spawn()?);

    // Its own site, so that what is asked for is there.
    fs::write(folder.join("schemathesis.toml"), format!("[parameters]\n\"path.site\" = \"{SITE}\"\n"))?;
    let mut failed = Vec::new();
    for (who, token) in
        [("a key that may do everything", Some(key.trim())), ("a member", Some(member.trim())), ("nobody", None)]
    {
        let asked = step(&format!("asking as {who}"), || {
            let mut ask = command(&program);
            ask.arg("--no-color").arg("run").arg(format!("http://{address}/api/openapi.json"));
            ask.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--continue-on-failure"]);
            ask.args(["--wait-for-schema", "30", "--max-time", &seconds.to_string(), "--warnings", "off"])
                .current_dir(&folder);
            if let Some(token) = token {
                ask.arg("-H").arg(format!("Authorization: Bearer {token}"));
            }
            run(&mut ask)
        });
        if asked.is_err() {
            failed.push(who);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("not as described, asked as {}", failed.join(", as ")) }
}

/// The server; ended with the run.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
