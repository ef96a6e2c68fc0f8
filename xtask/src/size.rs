//! `cargo xtask size`: what a page downloads, beside what it may (embedding.md, "Budgets").

use std::fs;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::widget;

/// One line of the table. All numbers are bytes.
#[derive(Debug)]
pub struct Piece {
    name: &'static str,
    brotli: u64,
    gzip: u64,
    target: u64,
    limit: u64,
}

impl Piece {
    /// Whether it stays within what it may be at most.
    pub fn fits(&self) -> bool {
        // Nothing at all is no small widget, it is a broken one.
        (1..=self.limit).contains(&self.brotli)
    }
}

/// Prints the table and fails when a piece is over its limit.
pub fn size() -> Result<()> {
    let pieces = measure()?;
    print(&pieces);
    match pieces.iter().find(|piece| !piece.fits()) {
        Some(piece) => bail!("{} is over its limit", piece.name),
        None => Ok(()),
    }
}

/// The sizes of the widget as it is now, built first where need be.
pub fn measure() -> Result<Vec<Piece>> {
    let dist = widget::build(false)?;
    let manifest: Value = serde_json::from_slice(&fs::read(dist.join("manifest.json"))?)?;
    let entry = &manifest["entry"];
    let files = manifest["files"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |name: &Value| {
        let file = files.iter().find(|file| &file["name"] == name);
        let number = |key: &str| file.and_then(|file| file[key].as_u64()).unwrap_or(0);
        (number("brotli"), number("gzip"))
    };
    let piece = |name, (brotli, gzip), target: u64, limit: u64| Piece {
        name,
        brotli,
        gzip,
        // Given in tenths of a kilobyte of 1,000 bytes, as a network counts.
        target: target * 100,
        limit: limit * 100,
    };
    let (loader, glue, wasm) = (of(&entry["loader"]), of(&entry["glue"]), of(&entry["wasm"]));
    // The language with the most to say.
    let strings = entry["i18n"].as_object().into_iter().flatten().map(|(_, name)| of(name)).max().unwrap_or((0, 0));
    let all = [loader, glue, wasm, strings];
    let first_view = (all.iter().map(|size| size.0).sum(), all.iter().map(|size| size.1).sum());
    Ok(vec![
        piece("jalon.js", loader, 25, 40),
        piece("glue, with the styles", glue, 95, 115),
        piece("wasm", wasm, 1250, 1350),
        piece("strings, one language", strings, 40, 60),
        piece("first view, all", first_view, 1400, 1500),
    ])
}

/// Prints the table.
pub fn print(pieces: &[Piece]) {
    println!("\n  {:<24}{:>10}{:>10}{:>10}{:>10}", "KB (1,000 bytes)", "brotli", "gzip", "target", "limit");
    for piece in pieces {
        let verdict = if !piece.fits() {
            "  OVER THE LIMIT"
        } else if piece.brotli > piece.target {
            "  over the target"
        } else {
            ""
        };
        println!(
            "  {:<24}{:>10}{:>10}{:>10}{:>10}{verdict}",
            piece.name,
            kilobytes(piece.brotli),
            kilobytes(piece.gzip),
            kilobytes(piece.target),
            kilobytes(piece.limit),
        );
    }
    println!();
}

/// Bytes as kilobytes with one decimal, rounded up: a budget is not met by rounding.
fn kilobytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes_are_rounded_up() {
        assert_eq!(kilobytes(4_000), "4.0");
        assert_eq!(kilobytes(4_001), "4.1");
        assert_eq!(kilobytes(0), "0.0");
    }

    #[test]
    fn nothing_does_not_fit_and_the_limit_does() {
        let piece = |brotli| Piece { name: "glue", brotli, gzip: 0, target: 1, limit: 10 };
        assert!(!piece(0).fits());
        assert!(piece(10).fits());
        assert!(!piece(11).fits());
    }
}
