//! What an audit of a journal finds right, and what it names.

use super::*;
use crate::core::plant::world::records::{admit, machine, revoke_wholly};
use crate::core::plant::world::{Piece, Plant, pieces_of, signing};

/// The journal of a node that holds all of this, the genesis first.
fn journal(plant: &Plant) -> Vec<Record> {
    let genesis = pieces_of(&plant.empty_ledger()).into_iter();
    let pieces = genesis.chain(plant.pieces().iter().cloned());
    let record = |piece| match piece {
        Piece::Act(act) => Record::Act(act),
        Piece::Group(group) => Record::Group(VerifiedGroup::group(&group).clone()),
    };
    pieces.map(record).collect()
}

#[test]
fn a_sound_journal_tells_who_did_what_in_the_order_of_time() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("node-1", machine("press-1")));
    plant.write("admin", revoke_wholly("node-1"));
    let audited = audit(journal(&plant)).expect("a plant");
    assert_eq!(audited.flaws, Vec::<String>::new());
    assert_eq!((audited.acts, audited.groups, audited.members.len()), (1, 5, 0));
    let said: Vec<String> =
        audited.lines.iter().map(|line| format!("{} {}", line.who, line.text)).collect();
    assert_eq!(said[0], "the root founds the plant Rossi");
    assert!(said.iter().any(|line| line.ends_with("admits press-1")), "{said:?}");
    assert!(said.last().is_some_and(|line| line.contains("revokes press-1")), "{said:?}");
    let whom = audited.lines.last().and_then(|line| line.whom.as_deref());
    assert_eq!(whom, Some("press-1"));
    assert!(audited.lines.windows(2).all(|pair| pair[0].at <= pair[1].at));
}

#[test]
fn what_another_plant_signed_and_what_lacks_its_parent_are_named() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("node-1", machine("press-1")));
    let mut records = journal(&plant);
    // The admin's second group hangs on its first.
    let of_admin = |record: &Record| match record {
        Record::Group(group) => group.peek().is_ok_and(|(_, header)| {
            header.log.author == PublicKey::of(&signing("admin")) && header.number == 0
        }),
        _ => false,
    };
    records.retain(|record| !of_admin(record));
    let mut other = Plant::founded(&["root-1"], 1);
    let foreign = other.write("root-1", admit("node-2", machine("press-2")));
    records.push(Record::Group(foreign.group().clone()));
    let audited = audit(records).expect("a plant");
    assert!(audited.flaws.iter().any(|flaw| flaw.starts_with("a group: ")), "{:?}", audited.flaws);
    let loose = audited.flaws.iter().filter(|flaw| flaw.contains("not here")).count();
    assert!(loose >= 1, "{:?}", audited.flaws);
    assert!(audit(Vec::new()).is_none());
}
