//! Durable values as they are typed in and read back.

use gearmesh_protocol::durable::{DurablePublished, HistoryEntry, HistoryEvent};
use gearmesh_protocol::sample::Value;

use crate::daemon::Plant;

/// What a node knows of the past, by the words of `gearmesh history`.
///
/// # Panics
/// It does not answer.
#[must_use]
pub fn history(plant: &Plant, at: &str, words: &[&str]) -> Vec<HistoryEvent> {
    let said = plant.gearmesh(at, &[&["history", "--json"], words].concat()).ok();
    said.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

/// The values of the past on some topics.
#[must_use]
pub fn entries(plant: &Plant, at: &str, filter: &str) -> Vec<HistoryEntry> {
    let entry = |event| match event {
        HistoryEvent::Entry(entry) => Some(entry),
        HistoryEvent::Gap { .. } | HistoryEvent::End { .. } => None,
    };
    history(plant, at, &[filter]).into_iter().filter_map(entry).collect()
}

/// How many entries a node says are missing.
#[must_use]
pub fn missing(plant: &Plant, at: &str, filter: &str) -> u64 {
    let missing = |event| match event {
        HistoryEvent::Gap { count, .. } => count,
        HistoryEvent::Entry(_) | HistoryEvent::End { .. } => 0,
    };
    history(plant, at, &[filter]).into_iter().map(missing).sum()
}

/// How many values on some topics are withheld.
///
/// # Panics
/// The history has no end.
#[must_use]
pub fn withheld(plant: &Plant, at: &str, filter: &str) -> u64 {
    let events = history(plant, at, &[filter]);
    match events.last() {
        Some(HistoryEvent::End { withheld, .. }) => *withheld,
        other => panic!("an end was expected, not {other:?}"),
    }
}

/// Values that are whole numbers.
///
/// # Panics
/// One is not.
#[must_use]
pub fn numbers(entries: &[HistoryEntry]) -> Vec<i64> {
    let number = |entry: &HistoryEntry| match entry.sample.value {
        Value::Integer(number) => number,
        ref other => panic!("a whole number was expected, not {other:?}"),
    };
    entries.iter().map(number).collect()
}

/// The whole numbers of the past on some topics, in the order of their size.
#[must_use]
pub fn sorted(plant: &Plant, at: &str, filter: &str) -> Vec<i64> {
    let mut found = numbers(&entries(plant, at, filter));
    found.sort_unstable();
    found
}

/// Publishes a whole number on `part/count`.
///
/// # Panics
/// It is refused.
pub fn publish(plant: &Plant, at: &str, number: i64, ack: &str) -> DurablePublished {
    let number = number.to_string();
    let words = ["pub", "part/count", &number, "--durable", "--ack", ack, "--json"];
    serde_json::from_str(&plant.gearmesh(at, &words).ok()).expect("an answer")
}

/// What the subscription named `mes` prints, so many values.
///
/// # Panics
/// Something else comes.
#[must_use]
pub fn consumed(plant: &Plant, at: &str, count: usize) -> Vec<i64> {
    let count = count.to_string();
    let words = ["sub", "#", "--durable", "mes", "--count", &count, "--json"];
    let said = plant.gearmesh(at, &words).ok();
    let events = said.lines().map(|line| serde_json::from_str(line).expect("an event"));
    let entries = events.map(|event| match event {
        HistoryEvent::Entry(entry) => entry,
        other => panic!("a value was expected, not {other:?}"),
    });
    numbers(&entries.collect::<Vec<_>>())
}
