#!/bin/sh
# utoipa: two Rust types of one name in one OpenAPI document.
# Guess: an error, a warning, or two names.
# Seen, utoipa 6.0.0: one of the two schemas is in the document, both operations point at it; nothing is said.
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
utoipa = "=UTOIPA"
serde_json = "=1.0.154"
T
sed -i "s/UTOIPA/${UTOIPA:-6.0.0}/" Cargo.toml
cat > src/main.rs <<'R'
mod one {
    #[derive(utoipa::ToSchema)]
    #[allow(dead_code)]
    pub struct Item { pub title: String }
    #[utoipa::path(post, path = "/one", request_body = Item, responses((status = 204)))]
    #[allow(dead_code)]
    pub fn post() {}
}
mod two {
    #[derive(utoipa::ToSchema)]
    #[allow(dead_code)]
    pub struct Item { pub number: u32 }
    #[utoipa::path(post, path = "/two", request_body = Item, responses((status = 204)))]
    #[allow(dead_code)]
    pub fn post() {}
}
#[derive(utoipa::OpenApi)]
#[openapi(paths(one::post, two::post))]
struct Document;
fn main() {
    let document = serde_json::to_value(<Document as utoipa::OpenApi>::openapi()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let of = |path: &str| document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].clone();
    println!("schemas: {}", serde_json::to_string(schemas).unwrap());
    println!("/one takes {}, /two takes {}", of("/one"), of("/two"));
    assert_eq!(schemas.len(), 1, "the behaviour has changed");
    assert_eq!(of("/one"), of("/two"), "the behaviour has changed");
}
R
CARGO_TARGET_DIR="$folder/target" cargo run --quiet
echo "as written: utoipa ${UTOIPA:-6.0.0}"
