//! Groups of logs and threshold acts: believed for their signatures, and for nothing else.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::limits::{
    ACT_SIGNATURES_MAX, ADMISSION_FRAME_BYTES_MAX, ENTRY_BYTES_MAX, FRAME_BYTES_MAX,
    GROUP_BYTES_MAX, GROUP_ENTRIES_MAX, PARENTS_MAX,
};
use gearmesh_protocol::log::{Group, Header, LogId, VerifiedGroup};
use gearmesh_protocol::merkle::{self, Salt};
use gearmesh_protocol::signed::{Signable as _, Signature, sign_bytes, verify_bytes};
use gearmesh_protocol::trust::{Act, ActBody, Root, VerifiedAct};

use super::{OTHER_PLANT, PLANT, read, secret, within};

/// The parts of a group, in the order of its bytes.
type GroupParts = (Vec<u8>, Signature, Salt, Vec<Vec<u8>>);

/// The parts of an act.
type ActParts = (Vec<u8>, Vec<(PublicKey, Signature)>);

/// What the signature of an act is for; docs/wire.md has it.
const ACT_PURPOSE: &str = "gearmesh/plant/act/v1";

/// A group has one form and is believed only with its author's signature, in its plant, over these
/// entries; and whatever an author signs is believed exactly if it has the shape of a group.
pub fn group(bytes: &[u8]) {
    if read::<Group>(bytes, FRAME_BYTES_MAX).is_none() {
        return;
    }
    let parts: GroupParts = codec::decode(bytes, FRAME_BYTES_MAX).expect("the parts of a group");
    within(&parts.3, GROUP_ENTRIES_MAX);
    if let Ok(believed) = Group::read(&PLANT, bytes) {
        check_believed(&believed, bytes, &parts);
    }
    let (payload, _, salt, entries) = parts;
    let Ok(header) = codec::decode::<Header>(&payload, FRAME_BYTES_MAX) else { return };
    let author = secret(1);
    let log = LogId { author: PublicKey::of(&author), kind: header.log.kind };
    let header = Header { log, root: merkle::root(&salt, &entries), ..header };
    let payload = codec::encode(&header);
    let signature = sign_bytes(&author, Header::PURPOSE, &PLANT, &payload);
    let is_group = has_shape(&header, &salt, &entries);
    let parts = (payload, signature, salt, entries);
    let bytes = codec::encode(&parts);
    let believed = Group::read(&PLANT, &bytes);
    let is_believed = believed.is_ok();
    assert_eq!(is_believed, is_group && bytes.len() <= GROUP_BYTES_MAX, "{header:?}: {believed:?}");
    if let Ok(believed) = believed {
        check_believed(&believed, &bytes, &parts);
    }
}

/// The rules of docs/wire.md for what is signed and has the root over its entries.
fn has_shape(header: &Header, salt: &Salt, entries: &[Vec<u8>]) -> bool {
    let is_counted = usize::try_from(header.entries) == Ok(entries.len());
    let is_placed = if header.parents.is_empty() {
        header.number == 0 && header.entries_before == 0
    } else {
        header.number > 0
    };
    let (number, counted) = (u128::from(header.number), u128::from(header.entries_before));
    let end = u128::from(u64::MAX);
    let can_be_followed = number < end && counted + u128::from(header.entries) <= end;
    let is_salted = !entries.is_empty() || salt.0 == [0; 16];
    let fits = entries.iter().all(|entry| entry.len() <= ENTRY_BYTES_MAX);
    is_counted && is_placed && can_be_followed && is_salted && fits
}

fn check_believed(believed: &VerifiedGroup, bytes: &[u8], parts: &GroupParts) {
    let (payload, signature, salt, entries) = parts;
    let header = believed.header();
    let author = header.log.author;
    assert_eq!(codec::encode(believed.group()), bytes);
    assert_eq!((&codec::encode(header), believed.entries()), (payload, entries.as_slice()));
    assert_eq!(verify_bytes(&author, Header::PURPOSE, &PLANT, payload, signature), Ok(()));
    assert!(has_shape(header, salt, entries), "{header:?}");
    assert_eq!(header.root, merkle::root(salt, entries));
    assert_eq!(believed.id(), header.id());
    within(bytes, GROUP_BYTES_MAX);
    within(&header.parents, PARENTS_MAX);
    assert_eq!(believed.tip().entries - header.entries_before, u64::from(header.entries));
    let ends = [0, header.entries.saturating_sub(1)];
    for (index, entry) in ends.into_iter().zip([entries.first(), entries.last()]) {
        let proof = believed.prove(index);
        assert_eq!(proof.is_some(), entry.is_some());
        for (proof, entry) in proof.iter().zip(entry) {
            assert!(merkle::is_proven(&header.root, header.entries, entry, proof));
        }
    }
    assert!(Group::read(&OTHER_PLANT, bytes).is_err(), "believed in two plants");
    let forged = (payload.clone(), flipped(signature), *salt, entries.clone());
    assert!(Group::read(&PLANT, &codec::encode(&forged)).is_err(), "believed without a signature");
}

/// Another signature.
fn flipped(signature: &Signature) -> Signature {
    let mut bytes = signature.to_bytes();
    bytes[0] ^= 1;
    bytes.into()
}

/// An act has one form and is believed only with enough signatures of the root, in its plant; and
/// what enough root keys sign is believed.
pub fn act(bytes: &[u8]) {
    let Some(act) = read::<Act>(bytes, FRAME_BYTES_MAX) else { return };
    let parts: ActParts = codec::decode(bytes, FRAME_BYTES_MAX).expect("the parts of an act");
    within(&parts.1, ACT_SIGNATURES_MAX);
    let root = root();
    check_genesis(&act, &parts);
    if let Ok(believed) = act.clone().verify(&PLANT, &root) {
        check_act(&believed, &PLANT, &root, &parts);
        assert!(act.verify(&OTHER_PLANT, &root).is_err(), "believed in two plants");
    }
    let Ok(body) = codec::decode::<ActBody>(&parts.0, ADMISSION_FRAME_BYTES_MAX) else { return };
    let (one, two) = (secret(1), secret(2));
    let keys = [PublicKey::of(&one), PublicKey::of(&two)];
    let (plant, is_act) = match &body {
        ActBody::Genesis(genesis) => {
            let signed = keys.iter().filter(|key| genesis.root.keys.contains(key)).count();
            let threshold = usize::from(genesis.root.threshold);
            (PlantId::ZERO, genesis.root.is_sound() && signed >= threshold)
        }
        ActBody::Record(_) | ActBody::RootRotation { .. } | ActBody::RecordOf { .. } => {
            (PLANT, true)
        }
        // What takes over signs too, and shares no key with the old root.
        ActBody::Rotation(_) => (PLANT, false),
    };
    let act = Act::sign(&[&one, &two], &plant, &body);
    let parts = codec::decode(&codec::encode(&act), FRAME_BYTES_MAX).expect("the parts of an act");
    let is_genesis = check_genesis(&act, &parts);
    let is_believed = is_genesis || act.verify(&PLANT, &root).is_ok();
    assert_eq!(is_believed, is_act, "signed by keys 1 and 2: {body:?}");
}

/// Keys 1, 2 and 3, of which two act: the root of the golden bytes.
fn root() -> Root {
    let mut keys = [1, 2, 3].map(|seed| PublicKey::of(&secret(seed)));
    keys.sort_unstable();
    Root { keys: Bounded::first_of(keys), threshold: 2 }
}

/// Whether it is a believed genesis.
fn check_genesis(act: &Act, parts: &ActParts) -> bool {
    let Ok((plant, genesis, believed)) = act.clone().verify_genesis() else { return false };
    assert!(genesis.root.is_sound(), "{genesis:?}");
    assert_eq!(plant.as_bytes(), believed.id().as_bytes());
    assert_eq!(believed.body(), &ActBody::Genesis(genesis.clone()));
    check_act(&believed, &PlantId::ZERO, &genesis.root, parts);
    assert!(act.clone().verify(&PLANT, &root()).is_err(), "a genesis is an act of a plant");
    true
}

fn check_act(believed: &VerifiedAct, plant: &PlantId, root: &Root, (payload, signed): &ActParts) {
    assert_eq!(&codec::encode(believed.body()), payload);
    assert!(signed.is_sorted_by(|one, next| one.0 < next.0), "a key signs once, and in order");
    let by_root = || signed.iter().filter(|(key, _)| root.keys.contains(key));
    assert!(by_root().count() >= usize::from(root.threshold), "{believed:?}");
    for (key, signature) in by_root() {
        assert_eq!(verify_bytes(key, ACT_PURPOSE, plant, payload, signature), Ok(()));
    }
}
