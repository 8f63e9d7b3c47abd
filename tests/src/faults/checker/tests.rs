//! The judge itself: what it must find, and what it must let pass.

use gearmesh_protocol::durable::{AckLevel, DurablePublished, HistoryEntry, HistoryEvent};
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::sample::Sample;

use super::{Shown, gone_with, lost, wrong};
use crate::faults::book::Book;
use crate::faults::speaking::Unsaid;

const AUTHOR: &str = "press-1";

/// A book of values that were all acknowledged, and what a node shows of them.
fn published(replicas: &[usize]) -> (Book, Vec<HistoryEntry>) {
    let (mut book, mut entries) = (Book::default(), Vec::new());
    for (entry, replicas) in (0..).zip(replicas) {
        let (number, request) = book.begin(AUTHOR, 0, 40, AckLevel::Local);
        let group = GroupId([u8::try_from(entry).unwrap(); 32]);
        let (topic, replicas) = (format!("{AUTHOR}/{}", request.topic), *replicas);
        book.end(number, &Ok(DurablePublished { topic, group, entry, replicas, reached: true }));
        entries.push(shown(&format!("{AUTHOR}/{}", request.topic), request.sample, group, entry));
    }
    (book, entries)
}

fn shown(topic: &str, sample: Sample, group: GroupId, entry: u64) -> HistoryEntry {
    HistoryEntry {
        topic: topic.to_owned(),
        author: AUTHOR.to_owned(),
        author_key: key(),
        sample,
        group,
        entry,
        after_cut: false,
        fork: false,
    }
}

fn key() -> PublicKey {
    PublicKey::of(&ed25519_dalek::SigningKey::from_bytes(&[7; 32]))
}

fn gap(count: u64) -> HistoryEvent {
    HistoryEvent::Gap { author: AUTHOR.to_owned(), author_key: key(), count }
}

fn of(entries: &[HistoryEntry]) -> Shown {
    Shown::of(entries.iter().cloned().map(HistoryEvent::Entry).collect())
}

#[test]
fn what_is_as_it_was_told_is_neither_wrong_nor_lost() {
    let (book, entries) = published(&[0, 2, 2]);
    assert_eq!(wrong(&book, "n", &of(&entries)), Vec::<String>::new());
    assert!(lost(&book, &of(&entries)).is_empty());
    assert_eq!(lost(&book, &of(&entries[1..])).len(), 1);
}

#[test]
fn values_that_are_changed_moved_or_doubled_are_found() {
    let (book, entries) = published(&[2, 2, 2]);
    let found = |entries: &[HistoryEntry]| !wrong(&book, "n", &of(entries)).is_empty();
    let mut changed = entries.clone();
    changed[1].sample = entries[2].sample.clone();
    assert!(found(&changed), "another value in its place");
    let mut moved = entries.clone();
    moved.swap(0, 1);
    assert!(found(&moved), "out of order");
    let doubled = [&entries[..], &entries[..1]].concat();
    assert!(found(&doubled), "twice");
    let mut strange = entries.clone();
    strange[0].topic = "press-1/line-1/part".to_owned();
    assert!(found(&strange), "under another topic");
    let mut elsewhere = entries;
    elsewhere[2].group = GroupId([9; 32]);
    assert!(found(&elsewhere), "in another group than its publisher was told");
}

#[test]
fn what_was_not_acknowledged_may_be_there_or_not() {
    let (mut book, mut entries) = published(&[2]);
    let (number, request) = book.begin(AUTHOR, 0, 40, AckLevel::Local);
    book.end(number, &Err(Unsaid::Silent));
    assert!(lost(&book, &of(&entries)).is_empty());
    let topic = format!("{AUTHOR}/{}", request.topic);
    entries.push(shown(&topic, request.sample, GroupId([8; 32]), 1));
    assert!(wrong(&book, "n", &of(&entries)).is_empty());
}

#[test]
fn pasts_are_the_same_or_differ_by_what_is_told_to_be_missing() {
    let (_, entries) = published(&[2, 2, 2, 2]);
    let whole = of(&entries);
    assert_eq!(whole.differs(&of(&entries)), None);
    let holed = [&entries[..1], &entries[3..]].concat();
    assert!(whole.differs(&of(&holed)).is_some());
    assert!(of(&holed).differs_by_more_than_gaps(&whole).is_some(), "nothing is told");
    let mut events: Vec<HistoryEvent> = holed.into_iter().map(HistoryEvent::Entry).collect();
    events.insert(1, gap(2));
    assert_eq!(Shown::of(events).differs_by_more_than_gaps(&whole), None);
}

#[test]
fn branches_of_a_forked_log_may_come_in_any_order_but_not_with_other_flags() {
    let (book, mut entries) = published(&[2, 2, 2]);
    entries[2].fork = true;
    let mut other = entries.clone();
    other.swap(1, 2);
    assert_eq!(of(&entries).differs(&of(&other)), None);
    assert_eq!(wrong(&book, "n", &of(&other)), Vec::<String>::new());
    other[1].fork = false;
    assert!(of(&entries).differs(&of(&other)).is_some());
}

#[test]
fn a_wiped_disk_may_take_the_end_that_it_had_alone_and_nothing_else() {
    let (book, entries) = published(&[2, 0, 0]);
    assert_eq!(gone_with(&book, AUTHOR, 0..3, &of(&entries[..1])), Ok(vec![1, 2]));
    assert_eq!(gone_with(&book, AUTHOR, 0..3, &of(&entries)), Ok(vec![]));
    let from_within = [&entries[..1], &entries[2..]].concat();
    assert!(gone_with(&book, AUTHOR, 0..3, &of(&from_within)).is_err());
    let (book, entries) = published(&[2, 1, 0]);
    let gone = gone_with(&book, AUTHOR, 0..3, &of(&entries[..1]));
    assert_eq!(gone, Ok(vec![2]), "the other is lost");
}
