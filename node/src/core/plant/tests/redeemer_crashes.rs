//! The redeemer crashes at every boundary between two effects, and the joiner asks again.

use std::collections::VecDeque;

use gearmesh_protocol::plant::ControlFrame;

use super::stage::{Node, answers, busy_plant};
use crate::core::plant::work::OWN_LOG_WAIT;
use crate::core::plant::{Answer, Effect, Input};
use crate::core::record::Record;

/// What the shell does next.
enum Step {
    CarryOut(Effect),
    Answer(u64),
}

/// A registrar with two members linked, after so many steps of a redemption. Whether it was done.
fn interrupted(steps: usize) -> (Node, bool) {
    let mut node = Node::member("registrar", &busy_plant());
    node.link("left");
    node.link("right");
    node.wait(OWN_LOG_WAIT);
    let (_, first) = node.asks("press", "code");
    let mut open: VecDeque<Step> = first.into_iter().map(Step::CarryOut).collect();
    for _ in 0..steps {
        let Some(step) = open.pop_front() else { return (node, true) };
        match step {
            Step::CarryOut(effect) => {
                assert_only_tells_what_is_on_disk(&node, &effect);
                open.extend(node.store(&effect).map(Step::Answer));
            }
            Step::Answer(write) => {
                let next = node.feed(Input::Persisted { write });
                open.extend(next.into_iter().map(Step::CarryOut));
            }
        }
    }
    (node, open.is_empty())
}

fn assert_only_tells_what_is_on_disk(node: &Node, effect: &Effect) {
    let pages = match effect {
        Effect::Send { frame: ControlFrame::Ledger(page), .. } => vec![page.clone()],
        Effect::Answer { answer: Answer::Redeemed(pages), .. } => pages.clone(),
        _ => Vec::new(),
    };
    for group in pages.into_iter().flat_map(|page| page.groups) {
        assert!(node.disk.contains(&Record::Group(group)), "told before it was stored");
    }
}

#[test]
fn a_redeemer_that_crashes_anywhere_admits_once_when_the_joiner_asks_again() {
    let mut boundaries = 0;
    loop {
        let (mut node, done) = interrupted(boundaries);
        let survived = node.disk.len();
        node.restart();
        let before = node.redeemed("code");
        node.wait(OWN_LOG_WAIT);
        let (ticket, asked) = node.asks("press", "code");
        let served = answers(&node.carry_out(asked));
        assert!(
            matches!(&served[..], [(told, Answer::Redeemed(_))] if *told == ticket),
            "after {boundaries} steps: {served:?}"
        );
        let after = node.redeemed("code");
        assert_eq!(after.len(), 1, "after {boundaries} steps");
        assert_eq!(node.own_groups(), 1, "after {boundaries} steps");
        if !before.is_empty() {
            assert_eq!(before, after, "after {boundaries} steps: the same record");
            assert_eq!(node.disk.len(), survived, "after {boundaries} steps: nothing new");
        }
        if done {
            break;
        }
        boundaries += 1;
    }
    assert!(boundaries >= 6, "a redemption has at least {boundaries} boundaries");
}

#[test]
fn a_crash_between_disk_and_answer_is_a_redemption_that_stands() {
    let (mut node, _) = interrupted(1);
    assert!(node.redeemed("code").is_empty(), "not answered, not believed");
    node.restart();
    assert_eq!(node.redeemed("code").len(), 1, "but it was on the disk");
}

#[test]
fn a_crash_before_the_disk_leaves_no_trace() {
    let (mut node, _) = interrupted(0);
    node.restart();
    assert!(node.redeemed("code").is_empty() && node.own_groups() == 0);
}
