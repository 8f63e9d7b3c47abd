//! What of the partner journal is needed still: the rest may go when the program starts.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::ids::{PublicKey, ShareId, SheetId};
use gearmesh_protocol::partner::Sheet;

use super::fanning::key_of;
use super::record::PartnerRecord;
use super::{calling, serving};

/// The records from which the same state follows, in their order: last counts alone, no proposals that
/// were withdrawn, no steps between a proposal and its agreement, no calls that nobody can ask for.
#[must_use]
pub fn compacted(records: Vec<PartnerRecord>) -> Vec<PartnerRecord> {
    let gone = gone(&records);
    let floors = floors(&records);
    let mut kept: Vec<PartnerRecord> = Vec::new();
    for (at, record) in records.into_iter().enumerate() {
        let is_below =
            |sheet: &SheetId, number: u64| floors.get(sheet).is_some_and(|floor| number <= *floor);
        let is_forgotten = match &record {
            PartnerRecord::Begun { sheet, number, .. }
            | PartnerRecord::CallOver { sheet, number, .. } => is_below(sheet, *number),
            PartnerRecord::Floor { .. } => true,
            _ => gone.contains(&at),
        };
        if !is_forgotten {
            kept.push(record);
        }
    }
    let floors = floors.into_iter();
    kept.extend(floors.map(|(sheet, number)| PartnerRecord::Floor { sheet, number }));
    kept
}

/// By what a proposal is found that a gateway has taken, of a stream with several.
type Keys = BTreeMap<(ShareId, PublicKey), ShareId>;

fn key_in(keys: &Keys, sheet: &Sheet) -> ShareId {
    keys.get(&(sheet.share, sheet.to.gateway)).copied().unwrap_or(sheet.share)
}

/// Places of records that nothing follows from any more.
fn gone(records: &[PartnerRecord]) -> BTreeSet<usize> {
    let mut gone = BTreeSet::new();
    let mut counts: BTreeMap<(SheetId, PublicKey, PublicKey), usize> = BTreeMap::new();
    let mut open: BTreeMap<ShareId, Vec<(usize, bool)>> = BTreeMap::new();
    let (mut keys, mut shares): (Keys, BTreeMap<ShareId, ShareId>) = Default::default();
    let mut asked: BTreeMap<SheetId, Vec<usize>> = BTreeMap::new();
    for (at, record) in records.iter().enumerate() {
        match record {
            PartnerRecord::Receipt { by, receipt } => {
                if let Ok(receipt) = receipt.peek() {
                    gone.extend(counts.insert((receipt.sheet, receipt.log, *by), at));
                }
            }
            PartnerRecord::Proposed { signed, .. } | PartnerRecord::Took { signed, .. } => {
                if let Ok(proposal) = signed.peek() {
                    let is_ours = matches!(record, PartnerRecord::Proposed { .. });
                    let key = if is_ours { key_of(&proposal) } else { proposal.share };
                    if key != proposal.share {
                        shares.insert(key, proposal.share);
                    }
                    let steps = open.entry(key).or_default();
                    // One that is taken again takes the place of the one before.
                    gone.extend(steps.drain(..).map(|(at, _)| at));
                    steps.push((at, true));
                }
            }
            PartnerRecord::Taken { share: key, to, .. } => {
                // Of several proposals this says which one an agreement came of.
                let share = shares.get(key);
                keys.extend(share.map(|share| ((*share, to.gateway), *key)));
                open.entry(*key).or_default().push((at, share.is_some()));
            }
            PartnerRecord::Accepted { acceptance } | PartnerRecord::Signed { acceptance } => {
                if let Ok(agreed) = acceptance.clone().verify() {
                    let key = key_in(&keys, agreed.sheet());
                    open.entry(key).or_default().push((at, false));
                }
            }
            PartnerRecord::Confirmed { agreement } => {
                if let Ok(agreed) = agreement.clone().verify() {
                    let steps = open.remove(&key_in(&keys, agreed.sheet())).unwrap_or_default();
                    let between = steps.into_iter().filter(|(_, is_first)| !is_first);
                    gone.extend(between.map(|(at, _)| at));
                }
            }
            PartnerRecord::Dropped { share } => {
                let steps = open.remove(share).unwrap_or_default();
                gone.extend(steps.into_iter().map(|(at, _)| at).chain([at]));
            }
            PartnerRecord::Asked { sheet, .. } => asked.entry(*sheet).or_default().push(at),
            _ => {}
        }
    }
    for mut places in asked.into_values() {
        places.truncate(places.len().saturating_sub(calling::KNOWN_MAX));
        gone.extend(places);
    }
    gone
}

/// Up to which number calls of a partner are let go of, for each agreement: those beyond are as many as are
/// known, and all that are not over are among them.
fn floors(records: &[PartnerRecord]) -> BTreeMap<SheetId, u64> {
    let (mut floors, mut open): (BTreeMap<SheetId, u64>, BTreeMap<SheetId, BTreeMap<u64, bool>>) =
        Default::default();
    for record in records {
        match record {
            PartnerRecord::Begun { sheet, number, .. } => {
                open.entry(*sheet).or_default().insert(*number, false);
            }
            PartnerRecord::CallOver { sheet, number, .. } => {
                open.entry(*sheet).or_default().insert(*number, true);
            }
            PartnerRecord::Floor { sheet, number } => {
                floors.insert(*sheet, *number);
            }
            _ => {}
        }
    }
    for (sheet, calls) in open {
        let too_many = calls.len().saturating_sub(serving::KNOWN_MAX);
        let over = calls.iter().take(too_many).take_while(|(_, is_over)| **is_over);
        if let Some((number, _)) = over.last() {
            let floor = floors.entry(sheet).or_default();
            *floor = (*floor).max(*number);
        }
    }
    floors
}
