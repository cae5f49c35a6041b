//! Every target on its seeds, and on each of them with a few bytes damaged: what `cargo xtask fuzz` starts from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use trigsieve_fuzz_targets::{TARGETS, Target};

/// Damaged copies of a seed.
const COPIES: usize = 40;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Names and contents of the seeds of a target.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("seeds").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

/// The targets have a folder each in a process: the tests take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A seed that is refused for something else than it was made for finds little.
#[test]
fn every_seed_is_taken_for_what_it_is() {
    let _alone = alone();
    let mut wrong = Vec::new();
    for (name, target) in TARGETS {
        for (seed, bytes) in seeds(name) {
            if target(&bytes) == seed.starts_with("refused_") {
                wrong.push(format!("{name}/{seed}"));
            }
        }
    }
    assert!(wrong.is_empty(), "not what their names say: {wrong:?}");
}

#[test]
fn damaged_seeds_are_no_trouble() {
    let _alone = alone();
    for (_, target) in TARGETS {
        target(&[]);
    }
    for (name, target) in TARGETS {
        for (_, bytes) in seeds(name) {
            damage(*target, &bytes);
        }
    }
}

/// Cuts the bytes, and changes, doubles or removes some in the middle of them; the same ones in every run.
fn damage(target: Target, bytes: &[u8]) {
    let mut random = fastrand::Rng::with_seed(bytes.len() as u64);
    for _ in 0..COPIES {
        let mut copy = bytes.to_vec();
        let at = random.usize(..copy.len());
        match random.u8(..5) {
            0 => copy.truncate(at),
            1 => drop(copy.splice(at..at, bytes[at..(at + 16).min(bytes.len())].iter().copied())),
            2 => drop(copy.drain(at..(at + random.usize(1..16)).min(bytes.len()))),
            3 => copy[at] = [0x00, 0xff, 0x7f, 0x80, b'-', b'9'][random.usize(..6)],
            _ => copy[at] ^= 1 << random.u8(..8),
        }
        target(&copy);
    }
}

/// What is in the folder of the targets is what is tested here.
#[test]
fn every_target_is_handed_to_the_fuzzer() {
    let expected: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let folder = fuzz().join("fuzz_targets");
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("trigsieve_fuzz_targets::{name}::run(bytes);")), "{text}");
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name} is in fuzz/Cargo.toml"
        );
        found.insert(name);
    }
    assert_eq!(found, expected);
}
