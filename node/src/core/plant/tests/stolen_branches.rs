//! Branches by a stolen key crowd the owner's chain out, until the root says what it was.

use std::sync::Arc;

use gearmesh_protocol::limits::LEAVES_MAX;
use gearmesh_protocol::log::{LogId, LogKind, VerifiedGroup};
use gearmesh_protocol::plant::{ControlFrame, LogHeads};
use gearmesh_protocol::trust::Reason;

use super::stage::{Node, busy_plant, frames_to};
use crate::core::plant::LinkId;
use crate::core::plant::sync::COMING_FOR;
use crate::core::plant::world::records::{admin, admit, machine, revoke};
use crate::core::plant::world::{Plant as History, few, key};

/// A plant in which the key of `second` was stolen: its owner's chain, and as many branches with
/// lower hashes as a log holds.
fn stolen() -> (History, Vec<Arc<VerifiedGroup>>, Vec<Arc<VerifiedGroup>>) {
    let mut history = busy_plant();
    history.write("root", admin("second"));
    let mut firsts: Vec<_> = (0..=LEAVES_MAX)
        .map(|number| {
            let name = format!("first-{number}");
            history.fork("second", None, admit(&name, machine(&name)))
        })
        .collect();
    firsts.sort_by_key(|group| group.id());
    let first = firsts.pop().expect("a group");
    let last = history.fork("second", Some(&first), admit("crane", machine("crane")));
    (history, vec![first, last], firsts)
}

/// A node that held the owner's chain and dropped it, with a link to `right`.
fn crowded() -> (Node, LinkId, History, Vec<Arc<VerifiedGroup>>) {
    let (history, owners, branches) = stolen();
    let mut before = busy_plant();
    before.write("root", admin("second"));
    let mut node = Node::member("left", &before);
    let link = node.link("right");
    node.page(link, &owners.iter().collect::<Vec<_>>());
    assert!(node.is_member("crane"));
    node.page(link, &branches.iter().collect::<Vec<_>>());
    assert!(!node.is_member("crane"), "the branches with the lower hashes are kept");
    (node, link, history, owners)
}

#[test]
fn a_member_that_still_has_what_the_root_names_gives_it_back() {
    let (mut node, link, mut history, owners) = crowded();
    let cut = history.write("root", revoke("second", Reason::Compromised, &[&owners[1]]));
    node.page(link, &[&cut]);
    assert!(!node.is_member("crane"));
    let log = LogId { author: key("second"), kind: LogKind::Trust };
    let leaves = few(vec![owners[1].id()]);
    // What came a moment ago is not asked for again at once.
    node.jump(COMING_FOR);
    let heard = node.hear(link, ControlFrame::Heads(few(vec![LogHeads { log, leaves }])));
    let pulls =
        |frame: &ControlFrame| matches!(frame, ControlFrame::Pull { log: of, .. } if *of == log);
    assert!(frames_to(link, &heard).iter().any(pulls));
    // The pages may come apart, and the end first: what waits for its parents is on the disk too.
    node.page(link, &[&owners[1]]);
    node.restart();
    let link = node.link("right");
    node.page(link, &[&owners[0]]);
    assert!(node.is_member("crane"));
    node.restart();
    assert!(node.is_member("crane"));
    assert_eq!(*node.roster(), history.roster());
}

#[test]
fn a_node_that_had_it_once_finds_it_in_its_own_journal() {
    let (mut node, link, mut history, owners) = crowded();
    let cut = history.write("root", revoke("second", Reason::Compromised, &[&owners[1]]));
    node.page(link, &[&cut]);
    node.restart();
    assert!(node.is_member("crane"));
    assert_eq!(*node.roster(), history.roster());
}
