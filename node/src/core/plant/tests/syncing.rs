//! Members bring each other up to date: heads, pulls, pages, and heads that confirm.

use std::sync::Arc;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::log::{LogId, LogKind};
use gearmesh_protocol::plant::{ControlFrame, LogHeads};

use super::stage::{Node, busy_plant, frames_to, records_of, writes};
use crate::core::plant::links::BEAT;
use crate::core::plant::sync::HEADS_AGAIN;
use crate::core::plant::world::records::{admin, admit, machine, redeem};
use crate::core::plant::world::{Plant as History, few, key};
use crate::core::plant::{Effect, Input, LinkId};

/// Two nodes and the link between them.
struct Pair {
    nodes: [Node; 2],
    links: [LinkId; 2],
    /// Names of the frames that went, with who sent them.
    told: Vec<(usize, &'static str)>,
}

impl Pair {
    fn of(mut one: Node, mut other: Node) -> Self {
        let (a, to_other) = one.link_with(other.role, |up| up.is_dialer = true);
        let (b, to_one) = other.link_with(one.role, |_| ());
        let mut pair = Self { nodes: [one, other], links: [a, b], told: Vec::new() };
        pair.deliver(0, to_other);
        pair.deliver(1, to_one);
        pair
    }

    /// Carries frames to and fro until nobody has more to say.
    fn deliver(&mut self, from: usize, effects: Vec<Effect>) {
        let mut open = vec![(from, frames_to(self.links[from], &effects))];
        while let Some((from, frames)) = open.pop() {
            let to = 1 - from;
            for frame in frames {
                self.told.push((from, frame.name()));
                let effects = self.hand_over(to, frame);
                open.insert(0, (to, frames_to(self.links[to], &effects)));
            }
        }
    }

    fn hand_over(&mut self, to: usize, frame: ControlFrame) -> Vec<Effect> {
        let link = self.links[to];
        let ControlFrame::Ledger(page) = frame else { return self.nodes[to].hear(link, frame) };
        let plant = self.nodes[to].ledger().plant();
        let groups = page.groups.into_iter().filter_map(|group| group.verify(&plant).ok());
        let (acts, groups) = (page.acts.into_vec(), groups.map(Arc::new).collect());
        self.nodes[to].run(Input::Page { link, acts, groups })
    }

    fn assert_equal(&self) {
        let [one, other] = &self.nodes;
        assert_eq!(records_of(one.ledger()), records_of(other.ledger()));
        for (node, link) in self.nodes.iter().zip(self.links) {
            assert!(node.plant.view().links[&link].is_in_step, "{} knows it", node.role);
        }
    }
}

fn heads_of(role: &str, leaves: Vec<GroupId>) -> ControlFrame {
    let log = LogId { author: key(role), kind: LogKind::Trust };
    ControlFrame::Heads(few(vec![LogHeads { log, leaves: few(leaves) }]))
}

#[test]
fn two_members_that_know_different_things_know_the_same_soon_after_they_meet() {
    let mut history = busy_plant();
    let (left, right) = (Node::member("left", &history), history.clone());
    history.write("registrar", redeem("press", "code", machine("press")));
    history.write("root", admin("second-admin"));
    history.write("second-admin", admit("crane", machine("crane")));
    let pair = Pair::of(left, Node::member("right", &history));
    pair.assert_equal();
    assert!(right.pieces().len() < history.pieces().len());
    assert!(pair.told.contains(&(0, "pull")) && pair.told.contains(&(1, "ledger")));
}

#[test]
fn both_may_know_more_than_the_other() {
    let mut one = busy_plant();
    let mut other = busy_plant();
    one.write("registrar", redeem("press", "code", machine("press")));
    other.write("admin", admit("crane", machine("crane")));
    Pair::of(Node::member("left", &one), Node::member("right", &other)).assert_equal();
}

#[test]
fn threshold_acts_are_pulled_too() {
    let mut history = History::with_three_roots();
    for name in ["left", "right"] {
        history.act(&["root-1", "root-2"], admit(name, machine(name)));
    }
    let left = Node::member("left", &history);
    history.act(&["root-2", "root-3"], admit("crane", machine("crane")));
    let pair = Pair::of(left, Node::member("right", &history));
    pair.assert_equal();
    assert!(pair.nodes[0].is_member("crane"));
}

#[test]
fn a_branch_is_told_as_well() {
    let mut history = busy_plant();
    let first = history.write("registrar", redeem("press", "code", machine("press")));
    let left = Node::member("left", &history);
    history.fork("registrar", None, redeem("crane", "code", machine("press")));
    assert_ne!(first.id(), GroupId([0; 32]));
    let pair = Pair::of(left, Node::member("right", &history));
    pair.assert_equal();
    let log = pair.nodes[0].ledger().log(&key("registrar")).expect("a log");
    assert!(log.is_forked());
}

#[test]
fn a_member_confirms_what_it_holds_when_it_is_on_its_disk() {
    let mut history = busy_plant();
    let mut pair = Pair::of(Node::member("left", &history), Node::member("right", &history));
    let group = history.write("admin", admit("crane", machine("crane")));
    let (ticket, stored) = (pair.nodes[0].ticket(), Arc::clone(&group));
    let effects = pair.nodes[0].run(Input::Store { ticket, group: stored });
    let confirmed =
        |pair: &Pair| pair.nodes[0].plant.view().has_confirmed(&key("right"), &group.id());
    assert!(!confirmed(&pair));
    pair.deliver(0, effects);
    assert!(confirmed(&pair));
    pair.assert_equal();
    let view = pair.nodes[0].plant.view();
    assert!(!view.has_confirmed(&key("right"), &GroupId([1; 32])));
    assert!(!view.has_confirmed(&key("registrar"), &group.id()), "it has no link");
}

#[test]
fn a_new_record_goes_out_on_every_link_at_once() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let links = [node.link("right"), node.link("registrar")];
    let group = history.write("admin", admit("crane", machine("crane")));
    let ticket = node.ticket();
    let effects = node.run(Input::Store { ticket, group });
    for link in links {
        let names: Vec<_> = frames_to(link, &effects).iter().map(ControlFrame::name).collect();
        assert_eq!(names, ["ledger", "heads"]);
    }
}

#[test]
fn whoever_hears_of_a_record_passes_on_only_where_the_log_now_ends() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let (from, to) = (node.link("right"), node.link("registrar"));
    let group = history.write("admin", admit("crane", machine("crane")));
    let effects = node.page(from, &[&group]);
    for link in [from, to] {
        let names: Vec<_> = frames_to(link, &effects).iter().map(ControlFrame::name).collect();
        assert_eq!(names, ["heads"]);
    }
}

#[test]
fn a_page_without_its_parents_or_authors_is_harmless_and_comes_again() {
    let mut history = busy_plant();
    let left = Node::member("left", &history);
    let parent = history.write("root", admin("second-admin"));
    let orphan = history.write("second-admin", admit("crane", machine("crane")));
    let child = history.write("root", admin("third-admin"));
    let right = Node::member("right", &history);
    let mut pair = Pair { nodes: [left, right], links: [LinkId(0); 2], told: Vec::new() };
    let (one, lost) = pair.nodes[0].link_with("right", |up| up.is_dialer = true);
    let (other, _) = pair.nodes[1].link_with("left", |_| ());
    pair.links = [one, other];
    assert!(!lost.is_empty());
    let effects = pair.nodes[0].page(one, &[&orphan, &child]);
    assert!(writes(&effects).is_empty() && !pair.nodes[0].is_member("crane"));
    assert!(!pair.nodes[0].ledger().log(&key("root")).expect("a log").contains(&child.id()));
    assert!(pair.nodes[1].ledger().log(&key("root")).expect("a log").contains(&parent.id()));
    for _ in 0..20 {
        let said = [pair.nodes[0].wait(BEAT), pair.nodes[1].wait(BEAT)];
        for (from, effects) in said.into_iter().enumerate() {
            pair.deliver(from, effects);
        }
    }
    pair.assert_equal();
}

#[test]
fn heads_are_repeated_only_to_those_that_did_not_confirm_them() {
    let history = busy_plant();
    let mut pair = Pair::of(Node::member("left", &history), Node::member("right", &history));
    let silent = pair.nodes[0].link("registrar");
    let mut said = Vec::new();
    for _ in 0..22 {
        pair.nodes[0].hear(silent, ControlFrame::Beat { number: 1, seen: 0 });
        let link = pair.links[0];
        pair.nodes[0].hear(link, ControlFrame::Beat { number: 1, seen: 0 });
        said.extend(pair.nodes[0].wait(HEADS_AGAIN / 10));
    }
    let heads =
        |link| frames_to(link, &said).iter().filter(|frame| frame.name() == "heads").count();
    assert_eq!((heads(silent), heads(pair.links[0])), (2, 0));
}

#[test]
fn an_end_that_nobody_knows_is_asked_for_and_believed_by_nobody() {
    let mut node = Node::member("left", &busy_plant());
    let link = node.link("right");
    let before = records_of(node.ledger());
    for (author, asks) in [("admin", true), ("nobody", true)] {
        let effects = node.hear(link, heads_of(author, vec![GroupId([3; 32])]));
        let pulls = frames_to(link, &effects).iter().filter(|frame| frame.name() == "pull").count();
        assert_eq!(pulls == 1, asks, "{author}");
    }
    assert_eq!(records_of(node.ledger()), before);
    assert!(!node.plant.view().links[&link].is_in_step);
}

#[test]
fn ends_of_logs_that_nobody_ever_heard_of_do_not_fill_the_memory() {
    let mut node = Node::member("left", &busy_plant());
    let link = node.link("right");
    for number in 0..40_u32 {
        let log = |place: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&(number * 256 + place).to_le_bytes());
            let author = ed25519_dalek::SigningKey::from_bytes(&bytes);
            let author = gearmesh_protocol::ids::PublicKey::of(&author);
            let leaves = few(vec![GroupId([3; 32])]);
            LogHeads { log: LogId { author, kind: LogKind::Trust }, leaves }
        };
        node.hear(link, ControlFrame::Heads(few((0..256).map(log).collect())));
    }
    let known = node.plant.view().links[&link].leaves.len();
    assert!(known <= 512, "{known} logs are remembered of a member that invents them");
}

#[test]
fn heads_of_other_kinds_of_logs_are_not_the_ledgers_matter() {
    let mut node = Node::member("left", &busy_plant());
    let link = node.link("right");
    let log = LogId { author: key("admin"), kind: LogKind::Data };
    let heads = LogHeads { log, leaves: few(vec![GroupId([3; 32])]) };
    let effects = node.hear(link, ControlFrame::Heads(few(vec![heads])));
    assert!(frames_to(link, &effects).is_empty());
    let have = few(Vec::new());
    let effects = node.hear(link, ControlFrame::Pull { log, have });
    assert!(frames_to(link, &effects).is_empty());
}

/// What a node learnt from one peer goes on to the others in frames that they can read.
#[test]
fn much_news_at_once_goes_out_in_frames_that_fit() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let link = node.link("right");
    for number in 0..10_u8 {
        history.write_bytes("admin", vec![vec![number; 180 * 1024]]);
    }
    history.write("registrar", redeem("press", "code", machine("press")));
    let ledger = history.ledger();
    let (acts, groups) = super::stage::parts_of(ledger.credential(&key("press")), &ledger);
    let ticket = node.ticket();
    let effects = node.run(Input::Credential { ticket, peer: key("press"), acts, groups });
    let frames = frames_to(link, &effects);
    assert!(frames.iter().any(|frame| frame.name() == "ledger"));
    for frame in frames {
        let bytes = codec::encode(&frame).len();
        assert!(bytes <= FRAME_BYTES_MAX, "a {} frame of {bytes} bytes", frame.name());
    }
}
