//! How much one key may write. A bound is a property of the record, never of who came first.

use std::sync::Arc;

use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::limits::{
    GROUP_ENTRIES_MAX, LEAVES_MAX, TRUST_RECORDS_MAX, TRUST_REVOCATIONS_MAX,
};
use gearmesh_protocol::log::{Tip, VerifiedGroup};
use gearmesh_protocol::trust::{Reason, TrustRecord};

use super::super::{Alarm, Roster};
use super::assert_members;
use crate::core::plant::ledger::MergeRefusal;
use crate::core::plant::world::records::{admin, admit, amend, machine, registrar, revoke};
use crate::core::plant::world::{Piece, Plant, key, merge_all};

/// Fills the admin's log with `count` records that say nothing new.
fn fill(plant: &mut Plant, count: u64) {
    let nothing = amend("nobody", RecordId([0; 32]), machine("nobody"));
    let record = plant.encoded(nothing);
    let mut left = usize::try_from(count).expect("a small count");
    while left > 0 {
        let entries = left.min(GROUP_ENTRIES_MAX);
        plant.write_bytes("admin", vec![record.clone(); entries]);
        left -= entries;
    }
}

fn written(plant: &Plant) -> u64 {
    plant.ledger().log(&key("admin")).map_or(0, |log| log.tips()[0].entries)
}

#[test]
fn records_beyond_the_bound_are_void_while_revocations_go_on() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("early", machine("early")));
    let count = TRUST_RECORDS_MAX - 1 - written(&plant);
    fill(&mut plant, count);
    plant.write("admin", admit("last", machine("last")));
    assert_eq!(written(&plant), TRUST_RECORDS_MAX);
    plant.at(800_000).write("admin", admit("beyond", machine("beyond")));
    plant.write("admin", registrar("late-registrar"));
    let roster = plant.roster();
    assert_members(&roster, &["early", "last"]);
    assert!(!roster.is_registrar(&key("late-registrar")));
    assert!(roster.time_floor().0 < 800_000, "a void record raises no floor");
    plant.write("admin", revoke("early", Reason::Compromised, &[]));
    assert_members(&plant.roster(), &["last"]);
}

#[test]
fn beyond_twice_the_bound_nothing_is_stored() {
    let mut plant = Plant::at_work();
    let ledger = plant.ledger();
    let tip = ledger.log(&key("admin")).expect("its log").tips()[0];
    let mut offer = |before: u64, number: u64, records: Vec<TrustRecord>| {
        let records = records.into_iter().map(|record| plant.encoded(record)).collect();
        let after = Tip { group: tip.group, number, entries: before };
        let group = plant.write_after("admin", &[after], records);
        ledger.clone().merge_group(&group)
    };
    let revoke = || revoke("node", Reason::Lost, &[]);
    let full = Err(MergeRefusal::Full { author: key("admin") });
    let fits = offer(TRUST_REVOCATIONS_MAX - 1, 9, vec![revoke()]);
    assert!(matches!(fits, Err(MergeRefusal::Store(_))), "it fits, and lacks its parent: {fits:?}");
    assert_eq!(offer(TRUST_REVOCATIONS_MAX, 9, vec![revoke()]), full);
    assert_eq!(offer(TRUST_REVOCATIONS_MAX - 1, 9, vec![revoke(), revoke()]), full);
    let empty = offer(7, TRUST_REVOCATIONS_MAX, Vec::new());
    assert_eq!(empty, full, "groups without records are bounded too");
}

/// A plant in whose admin's log more branches start than a log may have; each makes a registrar
/// of its own, who forks its own log.
fn with_too_many_branches() -> (Plant, Vec<Arc<VerifiedGroup>>) {
    let mut plant = Plant::at_work();
    let trunk = plant.write("admin", admit("old", machine("old")));
    let mut branches = Vec::new();
    for number in 0..LEAVES_MAX + 3 {
        let name = format!("registrar-{number}");
        branches.push(plant.fork("admin", Some(&trunk), registrar(&name)));
        plant.write(&name, admit("node", machine("one")));
        plant.fork(&name, None, admit("node", machine("two")));
    }
    (plant, branches)
}

#[test]
fn with_a_branch_the_logs_of_those_go_who_were_named_there_alone() {
    let (plant, branches) = with_too_many_branches();
    let ledger = plant.ledger();
    let admins = ledger.log(&key("admin")).expect("its log");
    let kept = branches.iter().filter(|branch| admins.contains(&branch.id())).count();
    assert_eq!(kept, LEAVES_MAX);
    for (number, branch) in branches.iter().enumerate() {
        let registrar = key(&format!("registrar-{number}"));
        let alarm = Alarm::ForkedTrust { author: registrar };
        let is_kept = admins.contains(&branch.id());
        assert_eq!(ledger.log(&registrar).is_some(), is_kept, "registrar {number}");
        assert_eq!(Roster::of(&ledger).alarms().contains(&alarm), is_kept, "registrar {number}");
    }
}

#[test]
fn too_many_branches_give_the_same_roster_in_every_order() {
    let (plant, _) = with_too_many_branches();
    let expected = plant.roster();
    let mut pieces: Vec<Piece> = plant.pieces().to_vec();
    for _ in 0..pieces.len() {
        pieces.rotate_left(1);
        let mut ledger = plant.empty_ledger();
        merge_all(&mut ledger, &pieces);
        assert_eq!(Roster::of(&ledger), expected);
    }
    pieces.reverse();
    let mut ledger = plant.empty_ledger();
    merge_all(&mut ledger, &pieces);
    assert_eq!(Roster::of(&ledger), expected);
}

#[test]
fn no_number_of_stolen_branches_takes_away_what_stands_before_the_cut() {
    let mut plant = Plant::with_one_root();
    plant.write("root", admin("admin"));
    let honest = plant.write("admin", admit("node", machine("robot")));
    plant.write("root", revoke("admin", Reason::Compromised, &[&honest]));
    assert_members(&plant.roster(), &["node"]);
    // A group of which the hash is lower than the owner's is found after a few attempts.
    let mut lower = 0;
    while lower < LEAVES_MAX {
        let mut attempt = plant.clone();
        let branch = attempt.fork("admin", None, admit("thief", machine("thief")));
        if branch.id() < honest.id() {
            plant = attempt;
            lower += 1;
        } else {
            plant.at(attempt.now());
        }
    }
    assert_members(&plant.roster(), &["node"]);
    let mut pieces: Vec<Piece> = plant.pieces().to_vec();
    for _ in 0..pieces.len() {
        pieces.rotate_left(1);
        let mut ledger = plant.empty_ledger();
        merge_all(&mut ledger, &pieces);
        assert_eq!(Roster::of(&ledger), plant.roster());
    }
}

/// The owner's chain and as many branches with lower hashes as crowd it out, all after the cut.
fn crowded_out(length: usize) -> (Plant, Vec<Arc<VerifiedGroup>>, Vec<Arc<VerifiedGroup>>) {
    let mut plant = Plant::with_one_root();
    plant.write("root", admin("admin"));
    let mut firsts: Vec<_> = (0..=LEAVES_MAX)
        .map(|number| {
            let name = format!("first-{number}");
            plant.fork("admin", None, admit(&name, machine(&name)))
        })
        .collect();
    firsts.sort_by_key(|group| group.id());
    let mut owners = vec![firsts.pop().expect("a group")];
    while owners.len() < length {
        let name = format!("node-{}", owners.len());
        let parent = Arc::clone(&owners[owners.len() - 1]);
        owners.push(plant.fork("admin", Some(&parent), admit(&name, machine(&name))));
    }
    (plant, owners, firsts)
}

#[test]
fn a_page_brings_back_what_was_dropped_and_so_does_the_journal() {
    let (mut plant, owners, stolen) = crowded_out(5);
    let last = &owners[owners.len() - 1];
    let mut ledger = plant.empty_ledger();
    let Piece::Group(delegation) = plant.pieces()[0].clone() else { panic!("a group") };
    ledger.merge_groups([&[delegation], &owners[..], &stolen[..]].concat());
    assert!(!ledger.log(&key("admin")).expect("its log").contains(&last.id()));
    let cut = plant.write("root", revoke("admin", Reason::Compromised, &[last]));
    assert_eq!(ledger.merge_groups(vec![cut]).len(), 1);
    assert!(!ledger.log(&key("admin")).expect("its log").contains(&last.id()), "nobody offers it");
    assert_eq!(ledger.merge_groups(owners.clone()).len(), owners.len());
    let roster = Roster::of(&ledger);
    assert_eq!((roster.members().len(), ledger.merge_groups(owners).len()), (5, 0));
    assert_eq!(roster, plant.roster());
}

#[test]
fn a_stolen_admin_key_protects_nothing_from_the_root_or_its_like() {
    let (mut plant, owners, stolen) = crowded_out(2);
    plant.write("root", admin("other-admin"));
    // An equal has no say in another admin's log.
    plant.write("other-admin", revoke("admin", Reason::Lost, &[&owners[1]]));
    let log = plant.ledger();
    let log = log.log(&key("admin")).expect("its log");
    assert!(!log.contains(&owners[0].id()));
    assert!(stolen.iter().all(|group| log.contains(&group.id())));
}

#[test]
fn of_too_many_names_for_one_log_those_of_the_root_count_first() {
    let mut plant = Plant::at_work();
    let mut firsts: Vec<_> = (0..LEAVES_MAX + 4)
        .map(|number| plant.fork("registrar", None, admit(&format!("{number}"), machine("one"))))
        .collect();
    firsts.sort_by_key(|group| group.id());
    let highest = firsts.pop().expect("a group");
    for group in &firsts {
        plant.write("admin", revoke("registrar", Reason::Lost, &[group]));
    }
    plant.write("root", revoke("registrar", Reason::Compromised, &[&highest]));
    let ledger = plant.ledger();
    let log = ledger.log(&key("registrar")).expect("its log");
    assert!(log.contains(&highest.id()));
    assert_eq!(log.leaves().len(), LEAVES_MAX);
}
