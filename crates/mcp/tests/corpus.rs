//! The corpus of the fuzz targets as plain tests: each file, and small changes of it.
//!
//! The checks are those of `make fuzz`, taken in by their path: fuzz/ is a workspace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a failed test is a panic"
)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

#[path = "../../../fuzz/src/lib.rs"]
pub mod checks;

use checks::Dice;

/// Changed copies of each file; enough to notice a broken rule, and a few seconds for all.
const CHANGES: usize = 1000;

#[test]
fn envelope_corpus_holds() {
    replay("envelope", checks::envelope);
}

#[test]
fn header_corpus_holds() {
    replay("header", checks::header);
}

#[test]
fn list_corpus_holds() {
    replay("list", checks::list);
}

#[test]
fn param_header_corpus_holds() {
    replay("param_header", checks::param_header);
}

#[test]
fn sse_corpus_holds() {
    replay("sse", checks::sse);
}

#[test]
fn every_fuzz_target_is_replayed_here() {
    let tests = include_str!("corpus.rs");
    for target in files(&fuzz().join("fuzz_targets")) {
        let name = target.file_stem().unwrap().to_str().unwrap();
        assert!(
            tests.contains(&format!("replay({name:?}, checks::{name})")),
            "{name}"
        );
    }
}

fn replay(target: &str, check: fn(&[u8])) {
    let seeds = files(&fuzz().join("corpus").join(target));
    assert!(seeds.len() >= 20, "the corpus of {target} is gone");
    let seeds: Vec<_> = seeds
        .into_iter()
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    for (seed, path) in &seeds {
        run(check, seed, || path.display().to_string());
    }
    let words = words();
    for (n, (seed, path)) in seeds.iter().enumerate() {
        let (other, _) = &seeds[(n + 1) % seeds.len()];
        let mut dice = Dice::of(seed);
        for change in 0..CHANGES {
            let input = changed(seed, other, &words, &mut dice);
            run(check, &input, || {
                format!("change {change} of {}", path.display())
            });
        }
    }
}

fn run(check: fn(&[u8]), input: &[u8], from: impl Fn() -> String) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(input))) {
        let said = panic
            .downcast_ref::<String>()
            .map_or("see above", String::as_str);
        panic!("{}: {said}\ninput: \"{}\"", from(), input.escape_ascii());
    }
}

/// One to four small changes: bytes flipped, pieces taken out, doubled, taken from elsewhere.
fn changed(seed: &[u8], other: &[u8], words: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..=dice.below(4) {
        let piece = dice.range(input.len());
        match dice.below(7) {
            0 => {
                if let Some(byte) = input.get_mut(piece.start) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            1 => drop(input.drain(piece)),
            2 => {
                let copy = input[piece.clone()].to_vec();
                drop(input.splice(piece.end..piece.end, copy));
            }
            3 => drop(input.splice(piece, other[dice.range(other.len())].iter().copied())),
            4 => input.truncate(piece.start),
            // Words are what most changes put in: they keep the input nearly right.
            at => {
                let end = if at == 5 { piece.start } else { piece.end };
                let word = words[dice.below(words.len())].iter().copied();
                drop(input.splice(piece.start..end, word));
            }
        }
    }
    input
}

/// The words of the fuzzer's dictionary.
fn words() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(fuzz().join("words.dict")).unwrap();
    let quoted = text
        .lines()
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    let words: Vec<_> = quoted.map(word).collect();
    assert!(words.len() > 20);
    words
}

fn word(quoted: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = quoted.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
        } else if let Some(hex) = after.strip_prefix(b"x") {
            let digits = std::str::from_utf8(&hex[..2]).unwrap();
            out.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &hex[2..];
        } else {
            out.push(after[0]);
            rest = &after[1..];
        }
    }
    out
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
