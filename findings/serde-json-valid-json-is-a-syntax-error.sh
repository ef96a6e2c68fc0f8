#!/bin/sh
# serde_json: errors of the category Syntax on texts that are valid JSON.
# Guess: Category::Syntax means that the text is no JSON; what is JSON of another form is Category::Data.
# Seen, serde_json 1.0.154: three texts below are valid JSON (they parse as Value, or by another parser) and Syntax.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'T'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
serde = { version = "=1.0.229", features = ["derive"] }
serde_json = "=1.0.154"
T
cat > src/main.rs <<'R'
use serde::Deserialize;
#[derive(Deserialize, Debug)]
enum Word { #[serde(rename = "a")] A }
fn show<T: serde::de::DeserializeOwned + std::fmt::Debug>(what: &str, text: &str) -> bool {
    let error = serde_json::from_str::<T>(text).unwrap_err();
    println!("{what}: {text} is {:?}: {error}", error.classify());
    error.classify() == serde_json::error::Category::Syntax
}
fn main() {
    let list = show::<(u8, u8)>("a list longer than its tuple", "[1,2,3]");
    assert!(serde_json::from_str::<serde_json::Value>("[1,2,3]").is_ok());
    let word = show::<Word>("a number for an enum", "7");
    assert!(serde_json::from_str::<serde_json::Value>("7").is_ok());
    let number = show::<f64>("a number past what a double holds (RFC 8259 allows it)", "1e999");
    assert!(list && word && number, "the behaviour has changed");
    // For comparison: the same kind of fault elsewhere is Data.
    let short = serde_json::from_str::<(u8, u8)>("[1]").unwrap_err();
    println!("a list shorter than its tuple: [1] is {:?}", short.classify());
    assert_eq!(short.classify(), serde_json::error::Category::Data, "the behaviour has changed");
    let _ = Word::A;
}
R
CARGO_TARGET_DIR="$folder/target" cargo run --quiet
echo "as written: serde_json 1.0.154"
