//! The vectors of `tests/vectors/`, run natively; the widget's WASM tests run the same files.
//!
//! `JALON_BLESS=1 cargo test -p jalon-shared --test vectors` writes what comes out as expected: read
//! the difference before you commit it.
#![expect(clippy::unwrap_used, reason = "tests")]

use jalon_shared::vectors::{Vector, run_all};

#[test]
fn native_passes_every_vector() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "the vectors are missing");
    let mut passed = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if std::env::var_os("JALON_BLESS").is_some() {
            let mut vectors: Vec<Vector> = serde_json::from_str(&text).unwrap();
            for vector in &mut vectors {
                vector.expect = vector.run().unwrap();
            }
            std::fs::write(&file, serde_json::to_string_pretty(&vectors).unwrap() + "\n").unwrap();
        }
        passed += run_all(&std::fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    assert!(passed >= 20, "only {passed} vectors ran");
}
