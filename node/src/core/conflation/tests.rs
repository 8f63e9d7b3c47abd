//! What stays, what goes, and that every loss is counted.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item {
    topic: u8,
    number: u32,
    bytes: usize,
}

impl LiveValue for Item {
    type Topic = u8;

    fn topic(&self) -> &u8 {
        &self.topic
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

fn item(topic: u8, number: u32) -> Item {
    Item { topic, number, bytes: 1 }
}

fn queue(values: usize) -> Conflating<Item> {
    Conflating::new(Bounds { values, bytes: 1000 })
}

fn drain(queue: &mut Conflating<Item>) -> Vec<u32> {
    std::iter::from_fn(|| queue.pop()).map(|item| item.number).collect()
}

#[test]
fn with_room_it_keeps_everything_in_order() {
    let mut queue = queue(4);
    for number in 0..4 {
        assert_eq!(queue.push(item(1, number)), 0);
    }
    assert_eq!(queue.take_losses(), None);
    assert_eq!(drain(&mut queue), [0, 1, 2, 3]);
}

#[test]
fn at_its_bound_the_newest_of_each_topic_stay() {
    let mut queue = queue(3);
    queue.push(item(1, 0));
    queue.push(item(2, 1));
    for number in 2..10 {
        queue.push(item(3, number));
    }
    let losses = queue.take_losses().expect("losses");
    assert_eq!(losses.topics, BTreeMap::from([(3, 7)]));
    assert_eq!(drain(&mut queue), [0, 1, 9], "rare topics outlive a busy one");
}

#[test]
fn a_kept_value_goes_when_its_topic_has_a_newer_one() {
    let mut queue = queue(3);
    queue.push(item(1, 0));
    for number in 1..6 {
        queue.push(item(2, number));
    }
    queue.push(item(1, 6));
    assert_eq!(drain(&mut queue), [4, 5, 6]);
    let losses = queue.take_losses().expect("losses");
    assert_eq!(losses.topics, BTreeMap::from([(1, 1), (2, 3)]));
}

#[test]
fn with_one_value_for_each_topic_the_oldest_goes() {
    let mut queue = queue(2);
    for topic in 0..5 {
        queue.push(item(topic, topic.into()));
    }
    assert_eq!(drain(&mut queue), [3, 4]);
}

#[test]
fn bytes_are_bounded_too() {
    let mut queue = Conflating::new(Bounds { values: 100, bytes: 10 });
    let lost: u64 = (0..9).map(|number| queue.push(Item { topic: 1, number, bytes: 4 })).sum();
    assert_eq!((lost, queue.len(), queue.bytes()), (7, 2, 8));
}

#[test]
fn a_value_larger_than_the_queue_is_lost_alone() {
    let mut queue = Conflating::new(Bounds { values: 100, bytes: 10 });
    assert_eq!(queue.push(Item { topic: 1, number: 0, bytes: 11 }), 1);
    assert_eq!((queue.len(), queue.bytes()), (0, 0));
}

#[test]
fn losses_are_told_by_topic_up_to_a_bound() {
    let mut losses = Losses::default();
    for topic in 0..LOST_TOPICS_MAX + 5 {
        losses.add(topic, 1);
    }
    losses.add(0, u64::MAX);
    assert_eq!((losses.topics.len(), losses.elsewhere), (LOST_TOPICS_MAX, 5));
    assert_eq!(losses.topics[&0], u64::MAX);
}

/// The rule in its plainest form: as long as there is too much, drop the oldest value that has a
/// newer one of its topic, or else the oldest.
#[derive(Default)]
struct Oracle {
    values: Vec<Item>,
    lost: BTreeMap<u8, u64>,
}

impl Oracle {
    fn push(&mut self, value: Item, bound: usize) {
        self.values.push(value);
        while self.values.len() > bound {
            let has_newer = |at: &usize| {
                self.values[at + 1..].iter().any(|other| other.topic == self.values[*at].topic)
            };
            let at = (0..self.values.len()).find(has_newer).unwrap_or(0);
            *self.lost.entry(self.values.remove(at).topic).or_default() += 1;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The queue may drop a kept value before it has to, as soon as it is out of date; so what it
    /// holds is what the rule holds without those, and nothing is ever uncounted or out of order.
    #[test]
    fn nothing_is_lost_uncounted_and_the_newest_stay(
        bound in 1usize..6,
        steps in proptest::collection::vec((0u8..4, 0u8..10), 1..200),
    ) {
        let mut queue = queue(bound);
        let mut pushed = BTreeMap::<u8, u64>::new();
        let mut read = BTreeMap::<u8, u64>::new();
        let mut newest = BTreeMap::<u8, u32>::new();
        let mut last = None;
        for (number, (topic, action)) in (0u32..).zip(steps) {
            queue.push(item(topic, number));
            *pushed.entry(topic).or_default() += 1;
            newest.insert(topic, number);
            prop_assert!(queue.len() <= bound);
            prop_assert!(queue.kept.len() <= 3 * bound + 2, "holes pile up");
            if action == 0 && let Some(value) = queue.pop() {
                prop_assert!(last < Some(value.number), "out of order");
                last = Some(value.number);
                *read.entry(value.topic).or_default() += 1;
            }
        }
        let waiting: Vec<Item> = std::iter::from_fn(|| queue.pop()).collect();
        prop_assert!(waiting.windows(2).all(|pair| pair[0].number < pair[1].number));
        for value in &waiting {
            *read.entry(value.topic).or_default() += 1;
            newest.remove(&value.topic);
        }
        let lost = queue.take_losses().unwrap_or_default().topics;
        for (topic, count) in pushed {
            let read = read.get(&topic).copied().unwrap_or(0);
            prop_assert_eq!(count, read + lost.get(&topic).copied().unwrap_or(0));
        }
    }

    #[test]
    fn without_a_reader_it_is_the_plain_rule_up_to_the_newest(
        bound in 1usize..6,
        topics in proptest::collection::vec(0u8..8, 1..100),
    ) {
        let (mut queue, mut oracle) = (queue(bound), Oracle::default());
        for (number, topic) in (0u32..).zip(topics) {
            queue.push(item(topic, number));
            oracle.push(item(topic, number), bound);
        }
        let ours: Vec<Item> = std::iter::from_fn(|| queue.pop()).collect();
        for value in &ours {
            prop_assert!(oracle.values.contains(value) , "{value:?} should be gone: {:?}", oracle.values);
        }
        let newest = |values: &[Item]| {
            values.iter().map(|item| (item.topic, item.number)).collect::<BTreeMap<_, _>>()
        };
        prop_assert_eq!(newest(&ours), newest(&oracle.values));
    }
}
