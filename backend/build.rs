//! Puts the packaged widget into the binary: every file of `widget/dist`, beside its compressed forms.
//!
//! The widget is built by `cargo xtask widget`; without it the server compiles all the same and
//! answers 503 for `/embed`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let dist = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../widget/dist");
    // Cargo can only watch what is there: a missing folder would mean a new build every time.
    fs::create_dir_all(&dist).expect("widget/dist can be made");
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");

    let mut names: Vec<String> = fs::read_dir(&dist)
        .expect("widget/dist can be read")
        .filter_map(|entry| entry.ok().filter(|entry| entry.path().is_file())?.file_name().into_string().ok())
        .filter(|name| !Path::new(name).extension().is_some_and(|end| end == "br" || end == "gz"))
        .collect();
    names.sort();

    let mut code = String::from("static FILES: &[File] = &[\n");
    for name in &names {
        let path = dist.join(name);
        let bytes = include(&path);
        let compressed = |end: &str| {
            let path = dist.join(format!("{name}.{end}"));
            if path.is_file() { format!("Some({})", include(&path)) } else { "None".to_owned() }
        };
        writeln!(
            code,
            "    File {{ name: {name:?}, plain: {bytes}, brotli: {}, gzip: {} }},",
            compressed("br"),
            compressed("gz")
        )
        .expect("writing to a string");
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("widget.rs");
    fs::write(out, code).expect("OUT_DIR can be written");
}

fn include(path: &Path) -> String {
    let path = fs::canonicalize(path).expect("it was just listed");
    format!("include_bytes!({:?})", path.to_str().expect("a path of text"))
}
