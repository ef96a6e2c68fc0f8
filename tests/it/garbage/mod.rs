//! Promise 6: garbage is refused cheaply. Here the fuzzers' properties as plain tests: over the kept corpus,
//! over mutations of it, and over inputs made to be costly.

use std::path::Path;
use std::time::{Duration, Instant};

use jalon_tests::garbage::{TARGETS, Target};

/// What mutations put in, beside single bytes.
const WORDS: [&[u8]; 14] = [
    b"\0",
    b"\xff",
    b"\\u0000",
    b"-1",
    b"99999999999999999999",
    b"1e999",
    b"%00",
    b"{",
    b"]",
    b"\"",
    b"<script>",
    b"javascript:",
    b"\r\n",
    "\u{202e}".as_bytes(),
];
/// What grows worse than its length in a careless parser.
const REPEATED: [&str; 12] = ["[", "{\"a\":", "- ", "> ", "![", "*a_", "`", "<a ", "&a: *a ", "%", "a-", ","];

/// Kept inputs: `fuzz/corpus/<target>/`, found by hand or by a fuzzer.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target.name);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Runs a target; a broken property names the input.
fn run(target: &Target, input: &[u8]) {
    let outcome = std::panic::catch_unwind(|| (target.run)(input));
    assert!(outcome.is_ok(), "{} breaks on {:?}", target.name, String::from_utf8_lossy(&input[..input.len().min(600)]));
}

#[test]
fn p6_the_kept_corpus_breaks_no_property() {
    for target in &TARGETS {
        for input in &corpus(target) {
            run(target, input);
        }
    }
}

/// A poor man's fuzzer, the same on every run: `JALON_ROUNDS` inputs a target.
#[test]
fn p6_mutations_of_the_corpus_break_no_property() {
    let rounds = std::env::var("JALON_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1500);
    for target in &TARGETS {
        let corpus = corpus(target);
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        for _ in 0..rounds {
            let mut input = corpus[chance.below(corpus.len())].clone();
            for _ in 0..=chance.below(4) {
                let other = &corpus[chance.below(corpus.len())];
                mutate(&mut input, other, &mut chance);
            }
            input.truncate(8192);
            run(target, &input);
        }
    }
}

/// The bound is far from what a sound parser needs, and near to what an exponential one never keeps.
#[test]
fn p6_what_is_made_to_be_costly_is_not() {
    for target in &TARGETS {
        for part in REPEATED {
            let begun = Instant::now();
            run(target, part.repeat(16 * 1024 / part.len()).as_bytes());
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(20), "{} took {took:?} for {part:?} again and again", target.name);
        }
    }
}

/// Xorshift: chance that is the same on every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % end.max(1)
    }
}

fn mutate(input: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let place = chance.below(input.len() + 1);
    let end = (place + chance.below(16)).min(input.len());
    match chance.below(5) {
        0 if place < input.len() => input[place] = u8::try_from(chance.below(256)).unwrap(),
        1 => drop(input.drain(place..end)),
        2 => drop(input.splice(place..place, WORDS[chance.below(WORDS.len())].iter().copied())),
        3 => {
            let from = chance.below(other.len() + 1);
            let to = (from + chance.below(64)).min(other.len());
            drop(input.splice(place..end, other[from..to].iter().copied()));
        }
        _ => {
            let copy = input[place..end].to_vec();
            drop(input.splice(place..place, copy));
        }
    }
}
