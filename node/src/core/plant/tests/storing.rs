//! Handing in a group that an admin signed.

use std::sync::Arc;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::limits::{
    GROUP_ENTRIES_MAX, LEAVES_MAX, TRUST_RECORDS_MAX, TRUST_REVOCATIONS_MAX,
};
use gearmesh_protocol::log::{Group, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{Reason, TrustEntry};

use super::stage::{Node, answer, answers, busy_plant, writes};
use crate::core::plant::world::records::{admit, machine, revoke};
use crate::core::plant::world::{Plant as History, draft, key, signing};
use crate::core::plant::{Answer, Effect, Input};

fn store(node: &mut Node, group: &Arc<VerifiedGroup>) -> Vec<Effect> {
    let (ticket, group) = (node.ticket(), Arc::clone(group));
    node.feed(Input::Store { ticket, group })
}

/// A group of an admin after any tip, whether that exists or not.
fn written_after(history: &History, after: &[Tip]) -> Arc<VerifiedGroup> {
    let record = admit("robot", machine("robot"));
    let entry = TrustEntry { at: UnixMillis(history.now()), record };
    let draft = draft("admin", LogKind::Trust, after, vec![codec::encode(&entry)]);
    Arc::new(Group::write(&signing("admin"), &history.id, draft).expect("a group"))
}

#[test]
fn a_group_is_answered_when_it_is_on_disk_and_again_without_another_write() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let group = history.write("admin", admit("robot", machine("robot")));
    let begun = store(&mut node, &group);
    assert!(answers(&begun).is_empty() && !node.is_member("robot"));
    let done = node.carry_out(begun);
    assert_eq!(answer(&done), Answer::Stored(group.id()));
    assert!(node.is_member("robot"));
    let again = store(&mut node, &group);
    assert_eq!((answer(&again), writes(&again).len()), (Answer::Stored(group.id()), 0));
}

#[test]
fn a_group_that_the_disk_does_not_take_is_not_stored() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let group = history.write("admin", admit("robot", machine("robot")));
    let begun = store(&mut node, &group);
    let failed =
        node.feed(Input::PersistFailed { write: writes(&begun)[0], cause: "full".to_owned() });
    assert_eq!(answer(&failed), Answer::Refused(Refusal::NotStored));
    assert!(!node.is_member("robot"));
}

#[test]
fn only_what_admins_sign_is_stored() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let by_member = history.write("right", admit("robot", machine("robot")));
    let by_registrar = history.write("registrar", admit("robot", machine("robot")));
    let by_nobody = history.write("nobody", admit("robot", machine("robot")));
    for group in [by_member, by_registrar, by_nobody] {
        let refused = store(&mut node, &group);
        assert_eq!(answer(&refused), Answer::Refused(Refusal::NotAuthorised));
        assert!(writes(&refused).is_empty());
    }
}

#[test]
fn a_group_whose_parent_is_not_here_waits_for_it() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let parent = history.write("admin", admit("robot", machine("robot")));
    let child = history.write("admin", admit("crane", machine("crane")));
    let refused = store(&mut node, &child);
    assert_eq!(answer(&refused), Answer::Refused(Refusal::MissingParent));
    for group in [&parent, &child] {
        let begun = store(&mut node, group);
        assert_eq!(answer(&node.carry_out(begun)), Answer::Stored(group.id()));
    }
}

#[test]
fn a_log_at_its_end_takes_nothing_more() {
    let history = busy_plant();
    let mut node = Node::member("left", &history);
    let (group, entries) = (GroupId([1; 32]), 1);
    let end = Tip { group, number: TRUST_REVOCATIONS_MAX - 1, entries };
    let last = written_after(&history, &[end]);
    assert_eq!(answer(&store(&mut node, &last)), Answer::Refused(Refusal::LogFull));
}

/// What lies beyond the bound is void, so to answer that it is stored would be a lie.
#[test]
fn a_log_that_is_full_takes_revocations_alone() {
    let mut history = busy_plant();
    let already = history.ledger().log(&key("admin")).expect("its log").tips()[0].entries;
    let mut left = usize::try_from(TRUST_RECORDS_MAX - already).expect("a small number") - 1;
    while left > 0 {
        let entries = left.min(GROUP_ENTRIES_MAX);
        history.write_bytes("admin", vec![vec![0]; entries]);
        left -= entries;
    }
    let mut node = Node::member("left", &history);
    let admits = |name: &str| admit(name, machine(name));
    let both: Vec<_> = ["robot", "crane"].map(|name| history.encoded(admits(name))).into();
    let mut beside = history.clone();
    let half = beside.write_bytes("admin", both);
    assert_eq!(answer(&store(&mut node, &half)), Answer::Refused(Refusal::LogFull));

    let last = history.write("admin", admits("robot"));
    let begun = store(&mut node, &last);
    assert_eq!(answer(&node.carry_out(begun)), Answer::Stored(last.id()));
    let mut beside = history.clone();
    let beyond = beside.write("admin", admits("crane"));
    let refused = store(&mut node, &beyond);
    assert_eq!(answer(&refused), Answer::Refused(Refusal::LogFull));
    assert!(writes(&refused).is_empty());

    let revoked = history.write("admin", revoke("right", Reason::Lost, &[]));
    let begun = store(&mut node, &revoked);
    assert_eq!(answer(&node.carry_out(begun)), Answer::Stored(revoked.id()));
    assert!(node.is_member("robot") && !node.is_member("right"));
}

#[test]
fn a_branch_beyond_those_that_are_kept_is_refused_as_full() {
    let mut history = busy_plant();
    let parent = history.write("admin", admit("robot", machine("robot")));
    let mut branches: Vec<_> = (0..=LEAVES_MAX)
        .map(|number| {
            let name = format!("crane-{number}");
            history.fork("admin", Some(&parent), admit(&name, machine(&name)))
        })
        .collect();
    branches.sort_by_key(|group| group.id());
    let mut node = Node::member("left", &busy_plant());
    let last = branches.pop().expect("a branch");
    let kept = std::iter::once(&parent).chain(&branches);
    for group in kept {
        let begun = store(&mut node, group);
        assert_eq!(answer(&node.carry_out(begun)), Answer::Stored(group.id()));
    }
    assert_eq!(answer(&store(&mut node, &last)), Answer::Refused(Refusal::LogFull));
}

#[test]
fn a_node_without_a_plant_stores_nothing() {
    let mut history = busy_plant();
    let group = history.write("admin", admit("robot", machine("robot")));
    let refused = store(&mut Node::blank("left"), &group);
    assert_eq!(answer(&refused), Answer::Refused(Refusal::NotAMember));
}

#[test]
fn a_group_of_another_kind_of_log_is_no_trust_record() {
    let history = busy_plant();
    let mut node = Node::member("left", &history);
    let draft = draft("admin", LogKind::Data, &[], vec![vec![1]]);
    let group = Group::write(&signing("admin"), &history.id, draft).expect("a group");
    let refused = store(&mut node, &Arc::new(group));
    assert_eq!(answer(&refused), Answer::Refused(Refusal::Protocol));
}
