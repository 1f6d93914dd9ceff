//! Runs each target on its corpus, and on seeded mutations of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{TARGETS, Target};

/// Mutations per target.
const MUTATIONS: usize = 2_000;
const INPUT_BYTES_MAX: u64 = 20_000;
const CORPUS_BYTES_MAX: u64 = 1_000_000;

/// Parts of the formats, which random bytes hardly ever make.
const TOKENS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\n",
    b"\0",
    b"null",
    b"1e400",
    b"-0",
    b"18446744073709551615",
    b"9007199254740993",
    b"\\ud800",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\"event\":\"view\"",
    b"{\"data\":\"\"}",
    b"%",
    b"%2c",
    b"+",
    b"\xff\xff\xff\xff\x0f",
    b"\x1f\x8b",
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// The inputs of a target with their paths, in a fixed order.
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(corpus().join(target)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Whether a target holds for an input. If not, it prints the input, to be added to the corpus.
fn holds(name: &str, target: Target, input: &[u8]) -> bool {
    let result = panic::catch_unwind(AssertUnwindSafe(|| target(input)));
    if result.is_err() {
        eprintln!("the target '{name}' fails on b\"{}\"", input.escape_ascii());
    }
    result.is_ok()
}

fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Pcg64Mcg) {
    let at = random.random_range(0..=input.len());
    let end = (at + random.random_range(0..9)).min(input.len());
    match random.random_range(0..6) {
        0 => input.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << random.random_range(0..8)),
        1 => input.get_mut(at).into_iter().for_each(|byte| *byte = random.random()),
        2 => drop(input.drain(at..end)),
        3 => drop(input.splice(at..end, TOKENS[random.random_range(0..TOKENS.len())].to_vec())),
        4 => drop(input.splice(at..at, input[at..end].to_vec())),
        _ => {
            let from = random.random_range(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}

#[test]
fn no_input_of_the_corpus_fails() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        for (path, input) in inputs(name) {
            if !holds(name, *target, &input) {
                failed.push(path);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn no_mutation_of_the_corpus_fails() {
    let mut failed = Vec::new();
    for (seed, (name, target)) in (0..).zip(TARGETS) {
        let (inputs, mut random) = (inputs(name), Pcg64Mcg::seed_from_u64(seed));
        let mut inputs = (0..MUTATIONS).map(|_| {
            let [one, other] = [(); 2].map(|()| &inputs[random.random_range(0..inputs.len())].1);
            let mut input = one.clone();
            (0..random.random_range(1..6)).for_each(|_| mutate(&mut input, other, &mut random));
            input
        });
        if !inputs.all(|input| holds(name, *target, &input)) {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn the_corpus_is_small_and_has_inputs_for_each_target_and_no_other() {
    let mut bytes = 0;
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in &targets {
        let sizes: Vec<_> = inputs(name).iter().map(|(_, input)| input.len() as u64).collect();
        assert!(sizes.len() > 1, "{name}");
        assert!(sizes.iter().all(|size| *size <= INPUT_BYTES_MAX), "{name}");
        bytes += sizes.iter().sum::<u64>();
    }
    assert!(bytes < CORPUS_BYTES_MAX, "{bytes}");
    #[cfg(feature = "aws")]
    for entry in fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(targets.contains(&name), "{name}");
    }
}
