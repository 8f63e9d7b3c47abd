//! What only the own log says is not let go before it was said again.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::entry::{DataEntry, WorkState, WorkTerms};
use gearmesh_protocol::ids::WorkId;
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::log::VerifiedGroup;

use super::durable::{
    before_of_own, reads_nothing_more, ready, says, stored, the_store, write_one,
};
use super::stage::{Node, answer};
use crate::core::plant::data::DataInput;
use crate::core::plant::items::{Offering, WorkInput};
use crate::core::plant::world::key;
use crate::core::plant::{Answer, Effect, Input};

fn offer(node: &mut Node, id: u8) -> Vec<Effect> {
    let ticket = node.ticket();
    let (id, verb) = (WorkId([id; 16]), "pack".parse().expect("a name"));
    let (arguments, terms) = (b"17".to_vec(), WorkTerms::default());
    let offering = Offering { id, verb, arguments, terms };
    node.feed(Input::Work(WorkInput::Offer { ticket, offering }))
}

fn work(group: &VerifiedGroup) -> Vec<WorkState> {
    let work = |entry: &Vec<u8>| match codec::decode(entry, ENTRY_BYTES_MAX) {
        Ok(DataEntry::Work(record)) => Some(record.state),
        _ => None,
    };
    group.entries().iter().filter_map(work).collect()
}

fn retained(bytes: u64, held: Option<u64>) -> Input {
    Input::Data(DataInput::Retained { author: key("left"), bytes, held })
}

#[test]
fn an_open_item_is_said_again_before_its_beginning_goes() {
    let mut node = ready("left");
    let (link, _) = node.link_with("right", |_| ());
    let (write, groups) = the_store(&offer(&mut node, 1));
    assert_eq!(answer(&stored(&mut node, write, &groups)), Answer::Item(WorkId([1; 16])));
    let last: Arc<VerifiedGroup> = write_one(&mut node, 1);
    says(&mut node, link, "left", &[last.tip()]);
    assert_eq!(before_of_own(&node.wait(Duration::from_secs(61))), Some(0), "it is copied, but");
    node.feed(retained(1 << 30, Some(0)));
    let (write, groups) = the_store(&node.wait(Duration::from_secs(1)));
    assert!(matches!(&work(&groups[0])[..], [WorkState::Stands(_)]));
    stored(&mut node, write, &groups);
    says(&mut node, link, "left", &[groups[0].tip()]);
    // It does not take another minute.
    assert_eq!(before_of_own(&node.wait(Duration::from_secs(1))), Some(2));
}

#[test]
fn nothing_goes_before_it_was_read_what_the_log_says() {
    let mut node = ready("left");
    let last = write_one(&mut node, 1);
    node.restart_holding(&[(key("left"), vec![last.tip()])]);
    assert_eq!(before_of_own(&node.wait(Duration::from_secs(61))), Some(0));
    let (link, _) = node.link_with("right", |_| ());
    says(&mut node, link, "left", &[last.tip()]);
    assert_eq!(before_of_own(&node.wait(Duration::from_secs(61))), Some(0));
    reads_nothing_more(&mut node);
    assert_eq!(before_of_own(&node.wait(Duration::from_secs(61))), Some(1));
}
