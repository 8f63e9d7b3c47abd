//! What stays, what goes, and that every loss is counted.

use proptest::prelude::*;

use super::*;

/// Values of one topic with these numbers, each of so many bytes; and what they leave behind takes one
/// byte until there is only one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    topic: u8,
    numbers: Vec<u32>,
    bytes: usize,
    is_cut: bool,
}

impl LiveSeries for Item {
    type Topic = u8;

    fn topic(&self) -> &u8 {
        &self.topic
    }

    fn bytes(&self) -> usize {
        self.bytes * self.numbers.len() + usize::from(self.is_cut)
    }

    fn values(&self) -> usize {
        self.numbers.len()
    }

    fn take_first(&mut self) -> Option<Self> {
        if self.numbers.len() < 2 {
            return None;
        }
        self.is_cut = true;
        Some(Self { numbers: vec![self.numbers.remove(0)], is_cut: false, ..*self })
    }

    fn alone(self) -> Self {
        assert_eq!(self.numbers.len(), 1);
        Self { is_cut: false, ..self }
    }
}

fn item(topic: u8, number: u32) -> Item {
    large(topic, number, 1)
}

fn large(topic: u8, number: u32, bytes: usize) -> Item {
    Item { topic, numbers: vec![number], bytes, is_cut: false }
}

fn queue(values: usize) -> Conflating<Item> {
    Conflating::new(Bounds { values, bytes: 1000 })
}

fn drain(queue: &mut Conflating<Item>) -> Vec<u32> {
    std::iter::from_fn(|| queue.pop()).flat_map(|item| item.numbers).collect()
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
    let lost: u64 = (0..9).map(|number| queue.push(large(1, number, 4))).sum();
    assert_eq!((lost, queue.len(), queue.bytes()), (7, 2, 8));
}

#[test]
fn a_value_larger_than_the_queue_is_lost_alone() {
    let mut queue = Conflating::new(Bounds { values: 100, bytes: 10 });
    assert_eq!(queue.push(large(1, 0, 11)), 1);
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

#[test]
fn of_a_series_the_oldest_go_and_the_rest_stays_together() {
    let mut queue = queue(4);
    queue.push(item(1, 0));
    queue.push(Item { numbers: vec![1, 2, 3, 4, 5], ..item(2, 0) });
    let losses = queue.take_losses().expect("losses");
    assert_eq!(losses.topics, BTreeMap::from([(2, 2)]));
    assert_eq!(queue.pop_value().map(|value| value.numbers), Some(vec![0]));
    assert_eq!(queue.pop_value().map(|value| value.numbers), Some(vec![3]));
    assert_eq!((queue.len(), queue.bytes()), (2, 3), "what is left behind is counted");
    assert_eq!(queue.pop().map(|series| series.numbers), Some(vec![4, 5]));
    assert_eq!((queue.len(), queue.bytes()), (0, 0));
}

#[test]
fn a_kept_value_leaves_its_series_behind() {
    let mut queue = queue(3);
    queue.push(Item { numbers: vec![0, 1, 2], ..item(1, 0) });
    for number in 3..9 {
        queue.push(item(2, number));
    }
    assert_eq!(queue.bytes(), 3, "one byte for each value");
    assert_eq!(drain(&mut queue), [2, 7, 8]);
    assert_eq!(queue.bytes(), 0);
}

/// A value: its topic and number.
type Value = (u8, u32);

fn values(item: Item) -> impl Iterator<Item = Value> {
    item.numbers.into_iter().map(move |number| (item.topic, number))
}

/// Adds a value to the last series, or as a series of its own.
fn add(queue: &mut Conflating<Item>, (topic, number): Value, series_max: usize) -> u64 {
    let appended = queue.append(&topic, |last| {
        let has_room = last.numbers.len() < series_max;
        last.numbers.extend(has_room.then_some(number));
        has_room
    });
    appended.unwrap_or_else(|| queue.push(item(topic, number)))
}

/// The rule in its plainest form: as long as there is too much, drop the oldest value that has a
/// newer one of its topic, or else the oldest.
#[derive(Default)]
struct Oracle {
    values: Vec<Value>,
}

impl Oracle {
    fn push(&mut self, value: Value, bound: usize) {
        self.values.push(value);
        while self.values.len() > bound {
            let has_newer = |at: &usize| {
                self.values[at + 1..].iter().any(|other| other.0 == self.values[*at].0)
            };
            let at = (0..self.values.len()).find(has_newer).unwrap_or(0);
            self.values.remove(at);
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
        series_max in 1usize..5,
        steps in proptest::collection::vec((0u8..4, 0u8..10), 1..200),
    ) {
        let mut queue = queue(bound);
        let (mut pushed, mut newest) = (BTreeMap::<u8, u64>::new(), BTreeMap::<u8, u32>::new());
        let (mut read, mut lost) = (Vec::new(), 0);
        for (number, (topic, action)) in (0u32..).zip(steps) {
            lost += add(&mut queue, (topic, number), series_max);
            *pushed.entry(topic).or_default() += 1;
            newest.insert(topic, number);
            prop_assert!(queue.len() <= bound);
            prop_assert!(queue.kept.len() <= 3 * bound + 2, "holes pile up");
            let taken = match action {
                0 => queue.pop(),
                1 => queue.pop_value(),
                _ => None,
            };
            prop_assert!(action == 0 || taken.iter().all(|value| value.numbers.len() == 1));
            read.extend(taken.into_iter().flat_map(values));
        }
        read.extend(std::iter::from_fn(|| queue.pop()).flat_map(values));
        prop_assert_eq!((queue.len(), queue.bytes()), (0, 0));
        prop_assert!(read.windows(2).all(|pair| pair[0].1 < pair[1].1), "out of order");
        let losses = queue.take_losses().unwrap_or_default().topics;
        prop_assert_eq!(lost, losses.values().sum::<u64>());
        for (topic, count) in pushed {
            let read = read.iter().filter(|value| value.0 == topic).count() as u64;
            prop_assert_eq!(count, read + losses.get(&topic).copied().unwrap_or(0));
        }
    }

    #[test]
    fn without_a_reader_it_is_the_plain_rule_up_to_the_newest(
        bound in 1usize..6,
        series_max in 1usize..5,
        topics in proptest::collection::vec(0u8..8, 1..100),
    ) {
        let (mut queue, mut oracle) = (queue(bound), Oracle::default());
        for (number, topic) in (0u32..).zip(topics) {
            add(&mut queue, (topic, number), series_max);
            oracle.push((topic, number), bound);
        }
        let ours: Vec<Value> = std::iter::from_fn(|| queue.pop()).flat_map(values).collect();
        for value in &ours {
            prop_assert!(oracle.values.contains(value) , "{value:?} should be gone: {:?}", oracle.values);
        }
        let newest = |values: &[Value]| values.iter().copied().collect::<BTreeMap<_, _>>();
        prop_assert_eq!(newest(&ours), newest(&oracle.values));
    }
}
