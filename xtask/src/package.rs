//! Packages the widget: content-hashed names, precompressed neighbours, and a manifest of it all.
//!
//! `dist` then holds `jalon.js` (the loader, the one name that never changes), `jalon-<hash>.js`,
//! `jalon-<hash>.wasm`, `i18n-<lang>-<hash>.json`, each with `.br` and `.gz` beside it, and
//! `manifest.json`. The backend embeds the folder as it is.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256, Sha384};

use crate::shell::{output, root};
use crate::shrink::shrink;
use crate::tools::Tools;

/// What `wasm-pack` calls its WebAssembly, and what the glue asks for by default.
const WASM_NAME: &str = "jalon_widget_bg.wasm";
/// What the loader's source says where the names belong.
const PLACEHOLDER: &str = "__JALON_MANIFEST__";
/// What the glue says where the style sheet belongs: as text of its own it packs better than inside the WebAssembly.
const STYLES: &str = "\"__JALON_CSS__\"";

/// Puts together a new `dist` from what `wasm-pack` built (`built`) and the widget's own files.
/// `inputs` is the fingerprint that says later whether it must be done again.
pub fn package(tools: &Tools, built: &Path, dist: &Path, inputs: &str) -> Result<()> {
    // Complete or not there at all: a half-made folder would be embedded.
    let building = dist.with_extension("new");
    if building.exists() {
        fs::remove_dir_all(&building)?;
    }
    fs::create_dir_all(&building)?;
    let mut dist_files = Dist { folder: building.clone(), files: Vec::new() };

    let loader = fs::read_to_string(root().join("widget/js/jalon.js"))?;
    let glue = bundle(tools, built, &loader)?;
    let (wasm, glue) = shrink(&fs::read(built.join(WASM_NAME))?, &glue)?;
    let wasm = dist_files.add_hashed("jalon", "wasm", &wasm)?;
    let styles = output(esbuild(tools)?.arg(root().join("widget/style/jalon.css")).arg("--target=es2022"))?;
    if !glue.contains(STYLES) {
        bail!("widget/js/device.js has no {STYLES}");
    }
    let glue = glue.replace(WASM_NAME, &wasm.name).replace(STYLES, &Value::from(styles.trim()).to_string());
    let glue = dist_files.add_hashed("jalon", "js", glue.as_bytes())?;

    let mut i18n = Map::new();
    for (lang, strings) in locales()? {
        let file = dist_files.add_hashed(&format!("i18n-{lang}"), "json", strings.as_bytes())?;
        i18n.insert(lang, Value::String(file.name));
    }

    let names = json!({
        "glue": glue.name,
        "wasm": wasm.name,
        "glue_integrity": glue.integrity,
        "wasm_integrity": wasm.integrity,
        "i18n": i18n,
    });
    if !loader.contains(PLACEHOLDER) {
        bail!("widget/js/jalon.js has no {PLACEHOLDER}");
    }
    let source = building.join("loader.js");
    fs::write(&source, loader.replace(PLACEHOLDER, &names.to_string()))?;
    let loader = output(esbuild(tools)?.arg(&source).arg("--target=es2022"))?;
    fs::remove_file(&source)?;
    dist_files.add("jalon.js", loader.as_bytes())?;

    let manifest = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "inputs": inputs,
        "entry": { "loader": "jalon.js", "glue": glue.name, "wasm": wasm.name, "i18n": names["i18n"] },
        "files": dist_files.files.iter().map(File::json).collect::<Vec<_>>(),
    });
    fs::write(building.join("manifest.json"), serde_json::to_string_pretty(&manifest)?)?;
    if dist.exists() {
        fs::remove_dir_all(dist)?;
    }
    fs::rename(&building, dist)?;
    Ok(())
}

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

struct Dist {
    folder: PathBuf,
    files: Vec<File>,
}

/// A file as the manifest tells of it. Sizes are in bytes.
#[derive(Clone)]
struct File {
    name: String,
    bytes: usize,
    brotli: usize,
    gzip: usize,
    integrity: String,
}

impl Dist {
    fn add_hashed(&mut self, stem: &str, extension: &str, bytes: &[u8]) -> Result<File> {
        self.add(&format!("{stem}-{}.{extension}", &hash(bytes)[..12]), bytes)
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<File> {
        let brotli = brotli(bytes)?;
        let gzip = gzip(bytes)?;
        fs::write(self.folder.join(name), bytes)?;
        fs::write(self.folder.join(format!("{name}.br")), &brotli)?;
        fs::write(self.folder.join(format!("{name}.gz")), &gzip)?;
        let file = File {
            name: name.to_owned(),
            bytes: bytes.len(),
            brotli: brotli.len(),
            gzip: gzip.len(),
            integrity: format!("sha384-{}", BASE64_STANDARD.encode(Sha384::digest(bytes))),
        };
        self.files.push(file.clone());
        Ok(file)
    }
}

impl File {
    fn json(&self) -> Value {
        let content_type = match self.name.rsplit('.').next() {
            Some("wasm") => "application/wasm",
            Some("js") => "text/javascript; charset=utf-8",
            _ => "application/json",
        };
        json!({
            "name": self.name,
            "bytes": self.bytes,
            "brotli": self.brotli,
            "gzip": self.gzip,
            "content_type": content_type,
            "integrity": self.integrity,
        })
    }
}

/// The glue as one small file: with its snippets, because a file of their own would be one round trip
/// more, and without the exports that the loader doesn't use.
fn bundle(tools: &Tools, built: &Path, loader: &str) -> Result<String> {
    // The loader holds the imported glue in `module`.
    let mut used: Vec<&str> = loader
        .split("module.")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next())
        .filter(|name| !name.is_empty())
        .collect();
    used.sort_unstable();
    used.dedup();
    if !used.contains(&"default") {
        bail!("widget/js/jalon.js doesn't call module.default");
    }
    let entry = built.join("entry.js");
    fs::write(&entry, format!("export {{ {} }} from './jalon_widget.js';", used.join(", ")))?;
    output(esbuild(tools)?.arg(&entry).args(["--bundle", "--format=esm", "--target=es2022"]))
}

fn esbuild(tools: &Tools) -> Result<Command> {
    let mut command = tools.command("esbuild")?;
    command.args(["--minify", "--charset=utf8", "--legal-comments=none"]);
    Ok(command)
}

/// The interface strings of each language, without the white space that is for people.
fn locales() -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root().join("widget/locales"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let lang = path.file_stem().context("no name")?.to_string_lossy().into_owned();
        let strings: Value = serde_json::from_slice(&fs::read(&path)?).with_context(|| path.display().to_string())?;
        all.push((lang, strings.to_string()));
    }
    all.sort();
    Ok(all)
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    let parameters =
        brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, size_hint: bytes.len(), ..Default::default() };
    brotli::BrotliCompress(&mut &bytes[..], &mut packed, &parameters)?;
    Ok(packed)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha256() {
        assert!(hash(b"abc").starts_with("ba7816bf8f01"));
        assert_eq!(hash(b"").len(), 64);
    }

    #[test]
    #[expect(clippy::unwrap_used, reason = "a test")]
    fn what_is_packed_unpacks_again() {
        let text = b"petanque ".repeat(500);
        let mut unpacked = Vec::new();
        brotli::BrotliDecompress(&mut brotli(&text).unwrap().as_slice(), &mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        let mut unpacked = Vec::new();
        let packed = gzip(&text).unwrap();
        std::io::copy(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        assert!(packed.len() < text.len() / 10);
    }
}
