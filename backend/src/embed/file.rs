//! What `cargo xtask widget` packaged, as the build put it into the binary.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

/// One file beside its compressed forms.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) plain: &'static [u8],
    pub(super) brotli: Option<&'static [u8]>,
    pub(super) gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/widget.rs"));

/// The packaged widget.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) version: String,
    found: HashMap<&'static str, Found>,
    /// SRI hashes by name.
    integrity: BTreeMap<String, String>,
}

/// A file and what to say of it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: &'static File,
    pub(super) content_type: &'static str,
    /// Of its bytes, for the entity tag.
    pub(super) tag: String,
    /// Whether its name says its content, so that it can be kept for ever.
    pub(super) hashed: bool,
}

/// What we read of `manifest.json`; the packager may say more.
#[derive(Deserialize)]
struct Manifest {
    version: String,
    files: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    integrity: Option<String>,
}

/// The widget in this binary; `None` when it was not built.
pub(super) fn package() -> Option<&'static Package> {
    static PACKAGE: LazyLock<Option<Package>> = LazyLock::new(read);
    PACKAGE.as_ref()
}

fn read() -> Option<Package> {
    let manifest = FILES.iter().find(|file| file.name == "manifest.json")?;
    let manifest: Manifest = serde_json::from_slice(manifest.plain)
        .inspect_err(|error| tracing::error!(%error, "the widget's manifest can't be read"))
        .ok()?;
    let files = FILES.iter().filter(|file| file.name != "manifest.json");
    let found = files.map(|file| (file.name, found(file))).collect();
    let integrity = manifest.files.into_iter().filter_map(|entry| Some((entry.name, entry.integrity?))).collect();
    Some(Package { version: manifest.version, found, integrity })
}

fn found(file: &'static File) -> Found {
    use base64::Engine as _;
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(file.plain);
    let tag = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&hash[..12]);
    Found { file, content_type: content_type(file.name), tag, hashed: is_hashed(file.name) }
}

impl Package {
    pub(super) fn find(&self, name: &str) -> Option<&Found> {
        self.found.get(name)
    }

    /// What a page may pin: name and SRI hash of each file.
    pub(super) fn integrity(&self) -> Value {
        json!({ "version": self.version, "files": self.integrity })
    }
}

/// By its ending; WebAssembly compiles while it streams only as `application/wasm`.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "js" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "json" => "application/json",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// Whether the name ends in a hash of twelve hexadecimal digits: `jalon-0123456789ab.wasm`.
fn is_hashed(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    stem.rsplit_once('-').is_some_and(|(_, hash)| hash.len() == 12 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_in_the_name() {
        assert!(is_hashed("jalon-0123456789ab.wasm"));
        assert!(is_hashed("i18n-fr-0123456789ab.json"));
        assert!(!is_hashed("jalon.js"));
        assert!(!is_hashed("jalon-glue.js"));
    }
}
