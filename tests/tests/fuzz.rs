//! The targets of `make fuzz`, for a while: all seeds, what was found with them before, and seeds that
//! are cut, mixed and changed. `PROPTEST_CASES` sets how many of the last.

use std::fs;

use ofn_tests::arbitrary;
use ofn_tests::fuzz::{TARGETS, seeds};
use ofn_tests::host::workspace;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// The end of another one.
    Join(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Change::Cut),
        (index(), 1..255_u8).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (index(), any::<Vec<u8>>()).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (index(), 1..40_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (index(), index(), index()).prop_map(|(at, other, from)| Change::Join(at, other, from)),
    ]
}

fn changed(mut data: Vec<u8>, change: &Change, all: &[Vec<u8>]) -> Vec<u8> {
    let at = |index: &Index, data: &Vec<u8>| index.index(data.len() + 1);
    match change {
        Change::Cut(index) => data.truncate(at(index, &data)),
        Change::Flip(index, bits) => {
            let position = at(index, &data);
            if let Some(byte) = data.get_mut(position) {
                *byte ^= bits;
            }
        }
        Change::Insert(index, bytes) => {
            let position = at(index, &data);
            data.splice(position..position, bytes.iter().copied());
        }
        Change::Remove(index, length) => {
            let from = at(index, &data);
            let to = (from + length).min(data.len());
            data.drain(from..to);
        }
        Change::Join(index, other, from) => {
            let other = &all[other.index(all.len())];
            data.truncate(at(index, &data));
            data.extend_from_slice(&other[at(from, other)..]);
        }
    }
    data
}

fn fuzz(name: &str, cases: u32) {
    let (_, target) = TARGETS
        .into_iter()
        .find(|(target, _)| *target == name)
        .expect("a target");
    let inputs = seeds(name).expect("seeds");
    assert!(!inputs.is_empty());
    for input in &inputs {
        target(input);
    }
    let mut runner = TestRunner::new(Config {
        cases: arbitrary::cases(cases),
        failure_persistence: None,
        ..Config::default()
    });
    let strategy = (any::<Index>(), prop::collection::vec(change(), 1..5));
    runner
        .run(&strategy, |(index, changes)| {
            let seed = inputs[index.index(inputs.len())].clone();
            let data = changes
                .iter()
                .fold(seed, |data, change| changed(data, change, &inputs));
            target(&data);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn no_template_is_evaluated_without_end() {
    fuzz("template", 20_000);
}

#[test]
fn no_spec_makes_the_standard_policy_answer_what_is_refused() {
    fuzz("spec", 10_000);
}

#[test]
fn no_file_crashes_the_compiler() {
    fuzz("component", 60);
}

#[test]
fn no_answer_crashes_the_vetting() {
    fuzz("vetting", 5_000);
}

#[test]
fn no_status_makes_the_standard_policy_answer_what_is_refused() {
    fuzz("status", 5_000);
}

#[test]
fn every_target_is_fuzzed() {
    let folder = workspace().join("tests/fuzz/fuzz_targets");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("a file").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    files.sort();
    let mut targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    targets.sort();
    assert_eq!(files, targets);
    let makefile = fs::read_to_string(workspace().join("Makefile")).expect("the Makefile");
    let (_, listed) = makefile
        .split_once("$(or $(FUZZ_TARGETS),")
        .expect("a default");
    let (listed, _) = listed.split_once(')').expect("its end");
    let mut listed: Vec<_> = listed.split_whitespace().collect();
    listed.sort();
    assert_eq!(listed, targets, "of `make fuzz`");
}
