//! Every corpus of the fuzzer is replayed, as it is and damaged in every simple way.
//!
//! `cargo fuzz` needs another compiler and hours; what it found holds here in seconds, in every run.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs;
use std::io::Write as _;
use std::panic::{catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::thread;

use gearmesh_tests::decoders::{ALL, Decoder};

/// Of a file up to this length every bit is flipped, of a longer one a bit of each byte.
const EVERY_BIT_BYTES_MAX: usize = 128;

/// Up to this length a file is damaged at all.
const DAMAGED_BYTES_MAX: usize = 1024;

/// A file that the fuzzer found is what came of much damage: one in so many more is tried.
const OF_FOUND: usize = 31;

/// What was done to a file before it was replayed.
#[derive(Clone, Copy, Debug)]
enum Damage {
    None,
    CutTo(usize),
    FlippedBit(usize),
}

impl Damage {
    /// All that is done to a file of so many bytes.
    fn all(bytes: usize) -> Vec<Self> {
        let mut all = vec![Self::None];
        if bytes <= DAMAGED_BYTES_MAX {
            // One bit of eight, and not always the same one.
            let step = if bytes <= EVERY_BIT_BYTES_MAX { 1 } else { 9 };
            all.extend((0..bytes).map(Self::CutTo));
            all.extend((0..bytes * 8).step_by(step).map(Self::FlippedBit));
        }
        all
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::None => {}
            Self::CutTo(length) => bytes.truncate(length),
            Self::FlippedBit(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
        }
        bytes
    }
}

/// How much was replayed.
#[derive(Clone, Copy, Default)]
struct Replayed {
    files: usize,
    inputs: usize,
}

fn folder(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The fuzzer names files by their hash.
fn is_found(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn replay(decoder: &Decoder) -> Replayed {
    let corpus = folder("corpus").join(decoder.name);
    let mut replayed = Replayed::default();
    for name in names(&corpus) {
        let bytes = fs::read(corpus.join(&name)).expect("a file of the corpus");
        let step = if is_found(&name) { OF_FOUND } else { 1 };
        for damage in Damage::all(bytes.len()).into_iter().step_by(step) {
            let input = damage.of(&bytes);
            let held = catch_unwind(|| (decoder.check)(&input));
            assert!(held.is_ok(), "corpus/{}/{name}, {damage:?}: {input:02x?}", decoder.name);
            replayed.inputs += 1;
        }
        replayed.files += 1;
    }
    assert!(replayed.files > 0, "{} has no corpus", corpus.display());
    replayed
}

#[test]
fn every_corpus_is_replayed() {
    let all: Vec<Replayed> = thread::scope(|scope| {
        let runs: Vec<_> = ALL.iter().map(|decoder| scope.spawn(|| replay(decoder))).collect();
        runs.into_iter()
            .map(|run| run.join().unwrap_or_else(|failure| resume_unwind(failure)))
            .collect()
    });
    let files: usize = all.iter().map(|replayed| replayed.files).sum();
    let inputs: usize = all.iter().map(|replayed| replayed.inputs).sum();
    let report =
        format!("replayed {inputs} inputs from {files} files for {} decoders\n", all.len());
    // Not `eprintln!`: the test harness would keep it to itself.
    std::io::stderr().write_all(report.as_bytes()).expect("standard error");
}

#[test]
fn every_decoder_has_a_corpus_and_a_fuzz_target_of_its_name() {
    let decoders: Vec<&str> = ALL.iter().map(|decoder| decoder.name).collect();
    let corpora: Vec<String> =
        names(&folder("corpus")).into_iter().filter(|name| name != "README.md").collect();
    assert_eq!(corpora, decoders);
    let targets = folder("fuzz/fuzz_targets");
    let manifest = fs::read_to_string(folder("fuzz/Cargo.toml")).expect("the manifest");
    let files: Vec<String> = decoders.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&targets), files);
    for name in decoders {
        let target = fs::read_to_string(targets.join(format!("{name}.rs"))).expect("a target");
        assert!(target.contains(&format!("decoders::{name}(bytes)")), "{name} checks another one");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not built");
    }
}
