//! Before a node writes, it asks the others where its own log ends: its disk may be an old image.

use std::time::Duration;

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::{LogId, LogKind};
use gearmesh_protocol::plant::{ControlFrame, LogHeads};

use super::stage::{Node, answers, busy_plant, frames_to, parts_of, writes};
use crate::core::plant::work::OWN_LOG_WAIT;
use crate::core::plant::world::{Plant as History, few, key};
use crate::core::plant::{Input, LinkId, TICK};

/// Where `holder` says that the trust log of `author` ends.
fn heads(holder: &Node, author: &str) -> ControlFrame {
    let log = LogId { author: key(author), kind: LogKind::Trust };
    let leaves: Vec<GroupId> = holder
        .ledger()
        .log(&key(author))
        .map(|log| log.leaves().iter().copied().collect())
        .unwrap_or_default();
    ControlFrame::Heads(few(vec![LogHeads { log, leaves: few(leaves) }]))
}

/// A registrar that admitted `press`, a member that heard of it, and the disk before that.
fn restored_registrar() -> (Node, Node) {
    let history = busy_plant();
    let mut registrar = Node::member("registrar", &history);
    let image = registrar.disk.clone();
    registrar.wait(OWN_LOG_WAIT);
    let (_, asked) = registrar.asks("press", "code");
    registrar.carry_out(asked);
    let (acts, groups) = parts_of(registrar.ledger().pages(), registrar.ledger());
    let mut member = Node::member("left", &history);
    member.run(Input::Page { link: LinkId(0), acts, groups });
    registrar.disk = image;
    registrar.restart();
    (registrar, member)
}

fn answer_pull(registrar: &mut Node, link: LinkId, member: &Node) {
    let (acts, groups) = parts_of(member.ledger().pages(), member.ledger());
    registrar.run(Input::Page { link, acts, groups });
}

#[test]
fn a_registrar_that_just_started_asks_the_others_first_but_not_for_ever() {
    let mut node = Node::member("registrar", &busy_plant());
    let (ticket, asked) = node.asks("press", "code");
    assert!(writes(&asked).is_empty());
    let early = node.wait(OWN_LOG_WAIT - TICK);
    assert!(writes(&early).is_empty() && answers(&early).is_empty());
    let then = node.wait(TICK);
    assert_eq!(answers(&then)[0].0, ticket);
    assert!(node.is_member("press"));
}

#[test]
fn a_registrar_that_is_alone_does_not_wait() {
    let mut node = Node::member("registrar", &History::at_work());
    let (_, asked) = node.asks("press", "code");
    assert_eq!(writes(&asked).len(), 1);
}

#[test]
fn a_registrar_goes_on_as_soon_as_a_member_says_where_its_log_ends() {
    let history = busy_plant();
    let mut node = Node::member("registrar", &history);
    let member = Node::member("left", &history);
    let link = node.link("left");
    let (ticket, _) = node.asks("press", "code");
    node.wait(TICK);
    let heard = node.hear(link, heads(&member, "registrar"));
    assert_eq!(answers(&heard)[0].0, ticket);
}

#[test]
fn other_work_passes_a_redemption_that_waits_for_its_log() {
    let mut history = busy_plant();
    let mut node = Node::member("registrar", &history);
    let link = node.link("left");
    node.asks("press", "code");
    let news = history.write(
        "admin",
        crate::core::plant::world::records::admit(
            "robot",
            crate::core::plant::world::records::machine("robot"),
        ),
    );
    node.page(link, &[&news]);
    assert!(node.is_member("robot") && !node.is_member("press"));
}

#[test]
fn a_registrar_from_an_old_image_pulls_its_own_newer_leaf_before_it_writes() {
    let (mut registrar, member) = restored_registrar();
    let link = registrar.link("left");
    let (_, asked) = registrar.asks("robot", "code");
    assert!(writes(&asked).is_empty());
    let heard = registrar.hear(link, heads(&member, "registrar"));
    let own = LogId { author: key("registrar"), kind: LogKind::Trust };
    let pulls_own =
        |frame: &ControlFrame| matches!(frame, ControlFrame::Pull { log, .. } if *log == own);
    assert!(frames_to(link, &heard).iter().any(pulls_own));
    assert!(writes(&heard).is_empty());

    answer_pull(&mut registrar, link, &member);
    registrar.wait(OWN_LOG_WAIT);
    assert!(registrar.is_member("press") && registrar.is_member("robot"));
    let log = registrar.ledger().log(&key("registrar")).expect("its log");
    assert_eq!((log.count(), log.is_forked()), (2, false));
}

#[test]
fn a_joiner_that_asks_a_restored_registrar_again_is_told_the_old_record() {
    let (mut registrar, member) = restored_registrar();
    let link = registrar.link("left");
    registrar.asks("press", "code");
    registrar.hear(link, heads(&member, "registrar"));
    answer_pull(&mut registrar, link, &member);
    registrar.wait(OWN_LOG_WAIT);
    assert_eq!(registrar.redeemed("code"), member.redeemed("code"));
    assert_eq!(registrar.own_groups(), 1);
}

#[test]
fn a_member_that_knows_less_does_not_hide_what_another_one_knows() {
    let (mut registrar, member) = restored_registrar();
    let behind = Node::member("right", &busy_plant());
    let (right, left) = (registrar.link("right"), registrar.link("left"));
    registrar.hear(right, heads(&behind, "admin"));
    registrar.hear(left, heads(&member, "registrar"));
    let (_, asked) = registrar.asks("robot", "code");
    assert!(writes(&asked).is_empty(), "it knows that it does not know its own log's end");
    answer_pull(&mut registrar, left, &member);
    registrar.wait(OWN_LOG_WAIT);
    assert!(registrar.is_member("robot"));
    assert!(!registrar.ledger().log(&key("registrar")).expect("its log").is_forked());
}

#[test]
fn a_registrar_goes_on_once_it_has_pulled_what_it_lacked() {
    let (mut registrar, member) = restored_registrar();
    let link = registrar.link("left");
    registrar.hear(link, heads(&member, "registrar"));
    answer_pull(&mut registrar, link, &member);
    let (_, asked) = registrar.asks("robot", "code");
    assert_eq!(writes(&asked).len(), 1, "nobody knows more than it does now");
}

#[test]
fn a_member_that_invents_an_end_of_the_log_delays_a_registrar_but_does_not_stop_it() {
    let mut node = Node::member("registrar", &busy_plant());
    let link = node.link("left");
    let log = LogId { author: key("registrar"), kind: LogKind::Trust };
    let leaves = few(vec![GroupId([7; 32])]);
    node.hear(link, ControlFrame::Heads(few(vec![LogHeads { log, leaves }])));
    node.asks("press", "code");
    let waited = node.wait(OWN_LOG_WAIT + Duration::from_secs(1));
    assert_eq!(answers(&waited).len(), 1);
    assert!(node.is_member("press"));
}
