//! Topics that this node publishes on, each with a number that every link knows it by.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use gearmesh_protocol::live::Alias;
use gearmesh_protocol::topic::Topic;

use super::board::{OwnBytes, OwnLast};
use super::body::EncodedBody;
use super::lock;
use super::publisher::Route;

/// Topics remembered between two publishes that do not keep a publisher. Beyond it a topic may be
/// numbered again, and then costs its bytes on a link once more.
const REMEMBERED_MAX: usize = 4096;

/// A topic with its number.
pub(super) struct PublishedTopic {
    number: u64,
    topic: Topic,
    state: Mutex<State>,
}

/// What changes with a topic's values. One lock for all of it, since taking one costs about as much as
/// encoding a number.
pub(super) struct State {
    pub(super) last: OwnLast,
    /// The way to whoever follows it, kept as long as a publisher of it is.
    pub(super) route: Option<Arc<Route>>,
}

impl PublishedTopic {
    /// The topic.
    pub(super) const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// What changes with its values.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Its number, never given twice.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// The alias that its turn gives it.
    pub(super) const fn alias(&self) -> Alias {
        Alias::in_turn(self.number)
    }
}

impl PartialEq for PublishedTopic {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for PublishedTopic {}

impl PartialOrd for PublishedTopic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublishedTopic {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

/// The topics of this node.
#[derive(Default)]
pub(super) struct Topics {
    next: u64,
    known: BTreeMap<Topic, Arc<PublishedTopic>>,
    bytes: Arc<OwnBytes>,
}

impl Topics {
    /// A topic with its number.
    pub(super) fn number(&mut self, topic: &Topic) -> Arc<PublishedTopic> {
        if let Some(known) = self.known.get(topic) {
            return Arc::clone(known);
        }
        if self.known.len() >= REMEMBERED_MAX {
            self.known.retain(|_, topic| Arc::strong_count(topic) > 1);
        }
        let last = OwnLast::among(Arc::clone(&self.bytes));
        let state = Mutex::new(State { last, route: None });
        let numbered = Arc::new(PublishedTopic { number: self.next, topic: topic.clone(), state });
        self.next += 1;
        if self.known.len() < REMEMBERED_MAX {
            self.known.insert(topic.clone(), Arc::clone(&numbered));
        }
        numbered
    }

    /// Those of which something was published, each with its last value.
    pub(super) fn lasts(&self) -> Vec<(Arc<PublishedTopic>, EncodedBody)> {
        let known = self.known.values();
        known.filter_map(|topic| Some((Arc::clone(topic), topic.state().last.get()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(number: usize) -> Topic {
        format!("press-1/t{number}").parse().expect("a topic")
    }

    #[test]
    fn a_topic_in_use_keeps_its_number_and_the_table_its_bound() {
        let mut topics = Topics::default();
        let kept = topics.number(&topic(0));
        for number in 1..3 * REMEMBERED_MAX {
            topics.number(&topic(number));
            assert!(topics.known.len() <= REMEMBERED_MAX);
        }
        assert_eq!(topics.number(&topic(0)).number(), kept.number());
        assert_eq!(topics.next, 3 * REMEMBERED_MAX as u64, "no number is given twice");
    }
}
