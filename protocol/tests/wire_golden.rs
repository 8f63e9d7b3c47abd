//! The bytes of everything that is signed or sent, held in `tests/golden/*.hex`.
//!
//! Bytes that were signed once are verified for years by releases that do not exist yet, so a
//! change of a type must show as a change of a file that a person reviews.
//!
//! To add a type or a variant: build it in `fixtures/`, then write the files anew with
//!
//! ```text
//! GEARMESH_GOLDEN=write cargo test -p gearmesh-protocol --test wire_golden
//! ```
//!
//! which prints what changed. A line that is *added* is an extension of the format; a line that
//! *changed* breaks every plant there is and needs a decision record.
#![allow(clippy::expect_used, reason = "a test that cannot build its values has failed")]

mod fixtures;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use ed25519_dalek::SigningKey;
use fixtures::golden::{Area, parse, to_hex};
use fixtures::{PLANT, names};
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::signed::{Signature, sign_bytes};

fn areas() -> Vec<Area> {
    vec![
        fixtures::command::area(),
        fixtures::entry::area(),
        fixtures::plant::invitation_area(),
        fixtures::lease::area(),
        fixtures::log::area(),
        names::area(),
        fixtures::partner::area(),
        fixtures::plant::area(),
        names::refusal_area(),
        fixtures::stream::area(),
        fixtures::trust::area(),
        fixtures::work::area(),
    ]
}

#[test]
fn bytes_are_the_golden_ones() {
    let write = std::env::var("GEARMESH_GOLDEN").is_ok_and(|wish| wish == "write");
    let mut wrong = Vec::new();
    for area in areas() {
        let file = fs::read_to_string(area.path()).unwrap_or_default();
        let differences = differences(&area, &file);
        if write && file != area.render() {
            fs::write(area.path(), area.render()).expect("a golden file is written");
            // Not `eprintln!`: the test harness would keep it to itself.
            let report = format!("{} written\n{}\n", area.path().display(), differences.join("\n"));
            std::io::stderr().write_all(report.as_bytes()).expect("standard error");
        } else {
            wrong.extend(differences);
        }
    }
    assert!(wrong.is_empty(), "not the golden bytes:\n{}", wrong.join("\n"));
}

/// Name, expected and got of each line that differs; of the file's form only if no line does.
fn differences(area: &Area, file: &str) -> Vec<String> {
    let mut held = parse(file);
    let mut found = Vec::new();
    for golden in &area.goldens {
        let expected = held.remove(&golden.name);
        if expected.as_ref() != Some(&golden.bytes) {
            let expected = expected.map_or_else(|| "nothing".to_owned(), |bytes| to_hex(&bytes));
            let got = to_hex(&golden.bytes);
            found.push(format!("{}\n  expected {expected}\n  got      {got}", golden.name));
        }
    }
    for (name, bytes) in held {
        found.push(format!("{name}\n  expected {}\n  got      nothing", to_hex(&bytes)));
    }
    if found.is_empty() && file != area.render() {
        found.push(format!("{}: a comment or the order of lines", area.path().display()));
    }
    found
}

#[test]
fn golden_bytes_are_read_back() {
    for golden in areas().iter().flat_map(|area| &area.goldens) {
        assert_eq!((golden.read_back)(&golden.bytes), Ok(()), "{}", golden.name);
    }
}

#[test]
fn every_variant_has_golden_bytes_and_every_name_is_used_once() {
    for area in areas() {
        let mut present = BTreeSet::new();
        for golden in &area.goldens {
            assert!(present.insert(golden.name.as_str()), "{} twice", golden.name);
        }
        for name in &area.wanted {
            assert!(present.contains(name), "no golden bytes for {name}");
        }
    }
}

#[test]
fn every_golden_file_is_of_an_area() {
    let known: BTreeSet<_> = areas().iter().map(Area::path).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for file in fs::read_dir(folder).expect("the golden files") {
        let path = file.expect("a golden file").path();
        assert!(known.contains(&path), "{} belongs to no area", path.display());
    }
}

#[test]
fn purposes_and_contexts_are_all_those_in_the_source() {
    let mut purposes = BTreeSet::new();
    let mut contexts = BTreeSet::new();
    let sources = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("sources");
    let paths = sources.map(|file| file.expect("a source").path());
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let source = fs::read_to_string(path).expect("a source");
        let strings =
            source.split('"').filter(|text| text.ends_with("/v1") || text.ends_with(" v1"));
        for text in strings.filter(|text| !text.starts_with("gearmesh/test/")) {
            let set = if text.contains('/') { &mut purposes } else { &mut contexts };
            assert!(set.insert(text.to_owned()), "{text} is used twice");
        }
    }
    let named = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(purposes, named(&names::PURPOSES.map(|(_, purpose)| purpose)));
    assert_eq!(contexts, named(&names::CONTEXTS));
}

#[test]
fn an_act_is_payload_and_signatures_in_order_of_keys() {
    let body = &fixtures::trust::act_bodies()[1];
    let payload = codec::encode(body);
    let mut signatures: Vec<(PublicKey, Signature)> = [1, 2]
        .map(fixtures::secret)
        .iter()
        .map(|key: &SigningKey| {
            let signature = sign_bytes(key, names::ACT_PURPOSE, &PLANT, &payload);
            (PublicKey::of(key), signature)
        })
        .collect();
    signatures.sort_unstable();
    let by_hand = codec::encode(&(payload, signatures));
    assert_eq!(to_hex(&codec::encode(&fixtures::trust::act(body))), to_hex(&by_hand));
}

#[test]
fn a_signature_covers_purpose_plant_and_payload() {
    use ed25519_dalek::Signer;
    let payload = b"payload";
    let purpose = names::ACT_PURPOSE;
    let mut message = vec![u8::try_from(purpose.len()).expect("a short purpose")];
    message.extend_from_slice(purpose.as_bytes());
    message.extend_from_slice(PLANT.as_bytes());
    message.extend_from_slice(payload);
    let key = fixtures::secret(1);
    let signature = sign_bytes(&key, purpose, &PLANT, payload);
    assert_eq!(signature.to_bytes(), key.sign(&message).to_bytes());
}
