//! What a gateway has on its disk about its partners.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use gearmesh_node::core::partner::{PartnerRecord, Partners, Start, compacted};
use gearmesh_node::core::random::Random;
use gearmesh_protocol::ids::Incarnation;
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, NOTICES_MAX};
use gearmesh_protocol::partner_local::Held;
use gearmesh_protocol::topic::Name;

use super::partners::{check_acceptance, check_agreement};
use super::{read, secret, within};

/// Bytes in front of the payload of a record: its kind and its length.
const HEAD_BYTES: usize = 3;

/// Records of the partner journal, each behind its kind and its length: every one has one form, a
/// gateway starts from all of them, and its papers are read. The bytes are also what it holds back.
pub fn partner_record(bytes: &[u8]) {
    let _: Option<Vec<Held>> = read(bytes, FRAME_BYTES_MAX);
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some(([kind, length @ ..], behind)) = rest.split_first_chunk::<HEAD_BYTES>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (payload, behind) = behind.split_at(length);
        if let Ok(record) = PartnerRecord::decode(*kind, payload) {
            assert_eq!(record.encode(), (*kind, payload.to_vec()), "a second form was read");
            records.push(record);
        }
        rest = behind;
    }
    let names: Vec<Name> = records.iter().filter_map(check).collect();
    let of_use = compacted(records.clone());
    within(&of_use, records.len());
    // The offering gateway of the golden bytes, and the accepting one.
    start(secret(7), records, &names);
    start(secret(9), of_use, &names);
}

/// What is signed in it is believed for that alone. Under which name it is found, if it gives one.
fn check(record: &PartnerRecord) -> Option<Name> {
    match record {
        PartnerRecord::Proposed { local, .. } | PartnerRecord::Took { local, .. } => {
            Some(local.name.clone())
        }
        PartnerRecord::Accepted { acceptance } | PartnerRecord::Signed { acceptance } => {
            check_acceptance(acceptance.clone());
            None
        }
        PartnerRecord::Confirmed { agreement } => {
            check_agreement(agreement.clone());
            None
        }
        PartnerRecord::TakenOver { papers } => {
            within(&papers.ours, NOTICES_MAX);
            within(&papers.theirs, NOTICES_MAX);
            papers.sheets.iter().cloned().for_each(check_agreement);
            Some(papers.local.name.clone())
        }
        _ => None,
    }
}

fn start(key: SigningKey, records: Vec<PartnerRecord>, names: &[Name]) {
    let (incarnation, random) = (Incarnation([1; 16]), Random::new([2; 32]));
    let tips = BTreeMap::new();
    let (gateway, _) = Partners::restore(Start { key, incarnation, random, records, tips });
    let papers = names.iter().filter_map(|name| gateway.papers(name));
    papers.flat_map(|papers| papers.logs).for_each(|mut log| log.finish());
}
