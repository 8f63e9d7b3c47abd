//! What it costs to find who follows a topic.
#![expect(clippy::print_stdout, reason = "what is measured is printed")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use gearmesh_node::core::topic_index::TopicIndex;
use gearmesh_protocol::topic::Topic;

/// Lookups of one topic.
const LOOKUPS: u32 = 100_000;

/// Followers of the topic that is looked up, however many filters there are.
const MATCHES: usize = 3;

/// Finds the followers of a topic among more and more filters.
pub fn among_filters() {
    println!("| filters | of them match | lookup | insertion and removal |");
    println!("|---|---|---|---|");
    let topic: Topic = "hall/line-7/press-1/oil/temperature".parse().expect("a topic");
    for count in [10, 1_000, 100_000] {
        let mut index = TopicIndex::default();
        for number in 0..count - MATCHES {
            let text = match number % 3 {
                0 => format!("hall/line-7/press-{}/oil/temperature", number + 2),
                1 => format!("hall/line-{}/+/oil/temperature", number + 8),
                _ => format!("store-{number}/#"),
            };
            index.insert(&text.parse().expect("a filter"), number);
        }
        let matching = ["hall/line-7/press-1/oil/temperature", "hall/+/press-1/#", "#"];
        for (number, text) in matching.into_iter().enumerate() {
            index.insert(&text.parse().expect("a filter"), count + number);
        }
        assert_eq!(index.matching(&topic).len(), MATCHES);
        let lookup = each(|| drop(black_box(index.matching(black_box(&topic)))));
        let other = "hall/line-7/press-1/+/temperature".parse().expect("a filter");
        let change = each(|| {
            index.insert(&other, usize::MAX);
            index.remove(&other, usize::MAX);
        });
        println!("| {count} | {MATCHES} | {lookup:.0} ns | {change:.0} ns |");
    }
}

/// Nanoseconds of one call.
fn each(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..LOOKUPS).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(LOOKUPS)
}
