//! Which filters a topic matches, at a cost that grows with the matches and not with the filters.
//!
//! A tree of levels, as brokers keep it: a topic walks down its own levels and, beside each, the
//! `+` of the same depth.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::topic::{Topic, TopicFilter};

/// Filters with the keys of those who follow them.
#[derive(Clone, Debug)]
pub struct TopicIndex<K> {
    root: Node<K>,
}

#[derive(Clone, Debug)]
struct Node<K> {
    /// Levels below this one, by their text; `+` among them.
    below: BTreeMap<Box<str>, Self>,
    /// Filters that end here.
    here: BTreeSet<K>,
    /// Filters whose `#` stands here.
    rest: BTreeSet<K>,
}

impl<K> Default for TopicIndex<K> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<K> Default for Node<K> {
    fn default() -> Self {
        Self { below: BTreeMap::new(), here: BTreeSet::new(), rest: BTreeSet::new() }
    }
}

impl<K: Ord + Copy> TopicIndex<K> {
    /// Adds a filter of `key`. Adding it again changes nothing.
    pub fn insert(&mut self, filter: &TopicFilter, key: K) {
        let mut node = &mut self.root;
        for level in filter.as_str().split('/') {
            if level == "#" {
                node.rest.insert(key);
                return;
            }
            node = node.below.entry(level.into()).or_default();
        }
        node.here.insert(key);
    }

    /// Removes a filter of `key`, and the levels that only it needed.
    pub fn remove(&mut self, filter: &TopicFilter, key: K) {
        self.root.remove(filter.as_str().split('/'), key);
    }

    /// The keys that follow `topic`, each once.
    #[must_use]
    pub fn matching(&self, topic: &Topic) -> BTreeSet<K> {
        let mut found = BTreeSet::new();
        let text = topic.as_str();
        // MQTT 5.0, 4.7.2: a wildcard in the first level does not match a topic that begins with $.
        if text.starts_with('$') {
            let (first, rest) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
            if let Some(node) = self.root.below.get(first) {
                node.collect(rest, &mut found);
            }
        } else {
            self.root.collect(Some(text), &mut found);
        }
        found
    }

    /// Whether nobody follows anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl<K: Ord + Copy> Node<K> {
    fn is_empty(&self) -> bool {
        self.below.is_empty() && self.here.is_empty() && self.rest.is_empty()
    }

    fn remove<'a>(&mut self, mut levels: impl Iterator<Item = &'a str>, key: K) {
        match levels.next() {
            None => drop(self.here.remove(&key)),
            Some("#") => drop(self.rest.remove(&key)),
            Some(level) => {
                let Some(node) = self.below.get_mut(level) else { return };
                node.remove(levels, key);
                if node.is_empty() {
                    self.below.remove(level);
                }
            }
        }
    }

    /// Adds whoever follows what is left of a topic; `None` if it ends here.
    fn collect(&self, topic: Option<&str>, found: &mut BTreeSet<K>) {
        // `a/#` stands for `a` itself as well.
        found.extend(&self.rest);
        let Some(topic) = topic else {
            found.extend(&self.here);
            return;
        };
        let (level, rest) = topic.split_once('/').map_or((topic, None), |(a, b)| (a, Some(b)));
        for next in [level, "+"] {
            if let Some(node) = self.below.get(next) {
                node.collect(rest, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(text: &str) -> TopicFilter {
        text.parse().expect("a filter")
    }

    fn topic(text: &str) -> Topic {
        text.parse().expect("a topic")
    }

    #[test]
    fn what_was_removed_is_followed_no_more_and_leaves_nothing() {
        let mut index = TopicIndex::default();
        let filters = ["a/b", "a/+", "a/#", "#", "+/b"];
        for (key, text) in filters.iter().enumerate() {
            index.insert(&filter(text), key);
        }
        assert_eq!(index.matching(&topic("a/b")), BTreeSet::from([0, 1, 2, 3, 4]));
        assert_eq!(index.matching(&topic("a")), BTreeSet::from([2, 3]));
        index.remove(&filter("a/+"), 1);
        index.remove(&filter("a/x"), 1);
        assert_eq!(index.matching(&topic("a/b")), BTreeSet::from([0, 2, 3, 4]));
        for (key, text) in filters.iter().enumerate() {
            index.remove(&filter(text), key);
        }
        assert!(index.is_empty());
    }

    fn levels() -> impl Strategy<Value = String> {
        let level = prop_oneof![Just(""), Just("a"), Just("b"), Just("$s"), Just("+")];
        let levels = proptest::collection::vec(level, 1..4).prop_map(|levels| levels.join("/"));
        (levels, any::<bool>()).prop_map(|(text, all)| if all { format!("{text}/#") } else { text })
    }

    proptest! {
        #[test]
        fn it_finds_what_each_filter_says_of_itself(
            texts in proptest::collection::vec(levels(), 1..12),
            name in levels(),
        ) {
            let filters: Vec<TopicFilter> = texts.iter().filter_map(|text| text.parse().ok()).collect();
            let mut index = TopicIndex::default();
            for (key, filter) in filters.iter().enumerate() {
                index.insert(filter, key);
            }
            if let Ok(topic) = name.parse::<Topic>() {
                let each = filters.iter().enumerate().filter(|(_, filter)| filter.matches(&topic));
                prop_assert_eq!(index.matching(&topic), each.map(|(key, _)| key).collect());
            }
        }
    }
}
