//! Whether the other end of a link is alive, and what is shown of it.

use std::time::Duration;

use gearmesh_protocol::local::Presence;
use gearmesh_protocol::plant::ControlFrame;

use super::stage::{Node, busy_plant, closings, frames_to};
use crate::core::plant::links::{BEAT, QUIET_AFTER, SILENT_AFTER};
use crate::core::plant::world::key;
use crate::core::plant::{CloseReason, Input, LinkId, TICK};

fn linked() -> (Node, LinkId) {
    let mut node = Node::member("left", &busy_plant());
    let link = node.link("right");
    node.wait(TICK);
    node.hear(link, ControlFrame::Beat { number: 1, seen: 0 });
    (node, link)
}

fn presence(node: &Node) -> Presence {
    node.plant.links.presence(&key("right")).0
}

#[test]
fn each_side_beats_and_says_which_beat_it_saw() {
    let (mut node, link) = linked();
    node.hear(link, ControlFrame::Beat { number: 41, seen: 0 });
    let sent = frames_to(link, &node.wait(BEAT * 4));
    let beats: Vec<_> = sent
        .iter()
        .filter_map(|frame| match frame {
            ControlFrame::Beat { number, seen } => Some((*number, *seen)),
            _ => None,
        })
        .collect();
    assert!((3..=5).contains(&beats.len()), "{beats:?}");
    assert!(beats.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
    assert!(beats.iter().all(|(_, seen)| *seen == 41));
}

#[test]
fn a_member_that_beats_is_online_for_as_long_as_it_likes() {
    let (mut node, link) = linked();
    for number in 0..40 {
        let effects = node.wait(BEAT);
        assert!(closings(&effects).is_empty());
        assert_eq!(presence(&node), Presence::Online);
        node.hear(link, ControlFrame::Beat { number, seen: 0 });
    }
}

#[test]
fn silence_is_shown_as_quiet_and_then_closes_the_link() {
    let (mut node, link) = linked();
    let early = node.wait(QUIET_AFTER - TICK);
    assert_eq!((presence(&node), closings(&early).len()), (Presence::Online, 0));
    let quiet = node.wait(TICK);
    assert_eq!((presence(&node), closings(&quiet).len()), (Presence::Quiet, 0));
    let silent = node.wait(SILENT_AFTER - QUIET_AFTER);
    assert_eq!(closings(&silent), [(link, CloseReason::Silent)]);
    node.run(Input::LinkDown { link });
    assert_eq!(presence(&node), Presence::Unreachable);
}

/// A processor that many share lets a node run late, and so late it reads what came in time.
#[test]
fn silence_is_not_what_a_node_misses_that_hardly_gets_to_run() {
    let (mut node, link) = linked();
    for _ in 0..4 {
        let late = node.jump(TICK * 3);
        assert_eq!((presence(&node), closings(&late).len()), (Presence::Online, 0));
    }
    let silent = node.wait(SILENT_AFTER);
    assert_eq!(closings(&silent)[0], (link, CloseReason::Silent), "in its own time it is");
}

#[test]
fn any_frame_and_any_page_breaks_the_silence() {
    let (mut node, link) = linked();
    node.wait(QUIET_AFTER);
    assert_eq!(presence(&node), Presence::Quiet);
    node.page(link, &[]);
    node.wait(TICK);
    assert_eq!(presence(&node), Presence::Online);
    node.wait(QUIET_AFTER);
    node.hear(link, ControlFrame::PullActs);
    node.wait(TICK);
    assert_eq!(presence(&node), Presence::Online);
}

#[test]
fn a_node_that_stood_still_itself_closes_nothing() {
    let (mut node, link) = linked();
    // Stopped for a minute, or asleep over a night.
    for asleep in [60, 8 * 3600].map(Duration::from_secs) {
        let woken = node.jump(asleep);
        assert!(closings(&woken).is_empty());
        assert_eq!(presence(&node), Presence::Online);
        node.hear(link, ControlFrame::Beat { number: 1, seen: 0 });
        node.wait(TICK);
    }
    node.jump(Duration::from_secs(60));
    let silent = node.wait(SILENT_AFTER);
    assert_eq!(closings(&silent), [(link, CloseReason::Silent)], "then it counts again");
}

#[test]
fn the_wall_clock_has_no_say_in_who_is_alive() {
    const TODAY: u64 = 1_800_000_000_000;
    const HOUR: u64 = 3_600_000;
    const TEN_YEARS: u64 = 10 * 365 * 24 * HOUR;
    let (mut node, link) = linked();
    let jumps = [TODAY + HOUR, TODAY - HOUR, TODAY + TEN_YEARS, TODAY - TEN_YEARS];
    for wall in [u64::MAX / 2, 0, TODAY].into_iter().chain(jumps) {
        node.at(wall);
        let effects = node.wait(TICK);
        assert!(closings(&effects).is_empty());
        assert_eq!(presence(&node), Presence::Online);
        node.hear(link, ControlFrame::Beat { number: 1, seen: 0 });
    }
}

#[test]
fn whoever_says_goodbye_has_left_and_is_back_when_it_comes_back() {
    let (mut node, link) = linked();
    node.hear(link, ControlFrame::Bye);
    node.run(Input::LinkDown { link });
    assert_eq!(presence(&node), Presence::Left);
    let again = node.link("right");
    assert_eq!(presence(&node), Presence::Online);
    node.run(Input::LinkDown { link: again });
    assert_eq!(presence(&node), Presence::Unreachable, "this time without a word");
}

#[test]
fn a_node_that_stops_says_goodbye_on_every_link() {
    let (mut node, link) = linked();
    let other = node.link("registrar");
    let effects = node.run(Input::Stop);
    for link in [link, other] {
        assert_eq!(frames_to(link, &effects), [ControlFrame::Bye]);
    }
}

#[test]
fn what_comes_over_a_link_that_is_gone_changes_nothing() {
    let (mut node, link) = linked();
    node.run(Input::LinkDown { link });
    node.run(Input::LinkDown { link });
    for frame in [ControlFrame::Beat { number: 1, seen: 9 }, ControlFrame::Bye] {
        node.hear(link, frame);
    }
    assert_eq!(presence(&node), Presence::Unreachable);
}
