//! What admission adds to the cost of a connection, and what it costs to find who follows a topic.
#![expect(clippy::print_stdout, reason = "what is measured is printed")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use gearmesh_node::core::topic_index::TopicIndex;
use gearmesh_protocol::topic::Topic;

use crate::daemon::Plant;
use crate::stranger::Stranger;

/// Connections of each kind, after some that do not count.
const CONNECTIONS: usize = 200;

/// Connections that do not count.
const WARM_UP: usize = 10;

/// Lookups of one topic.
const LOOKUPS: u32 = 100_000;

/// Followers of the topic that is looked up, however many filters there are.
const MATCHES: usize = 3;

/// Connections to a node of the release program over TCP and over QUIC, by a member that does one
/// thing after the other: until the connection is encrypted and multiplexed, and from there until
/// it is admitted.
pub fn connections() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    plant.join("press-1");
    let listen = plant.status("gateway-1").listen;
    let id = plant.status("gateway-1").plant.expect("a plant").id;
    println!(
        "| connection over | handshake, median | admission on top, median | p99 of both | added |"
    );
    println!("|---|---|---|---|---|");
    for (name, part) in [("TCP and TLS", "/tcp/"), ("QUIC", "/quic-v1")] {
        let address = listen.iter().find(|address| address.contains(part)).expect("an address");
        let stranger = Stranger::from_home(&plant.home("press-1"));
        let mut times: Vec<(Duration, Duration)> = Vec::new();
        for _ in 0..WARM_UP + CONNECTIONS {
            let start = Instant::now();
            let connection = stranger.dial(address);
            let shaken = start.elapsed();
            connection.admit(&id);
            times.push((shaken, start.elapsed() - shaken));
        }
        let times = times.split_off(WARM_UP);
        let mut handshakes: Vec<Duration> = times.iter().map(|(shaken, _)| *shaken).collect();
        let mut admissions: Vec<Duration> = times.iter().map(|(_, admitted)| *admitted).collect();
        let mut both: Vec<Duration> = times.iter().map(|(one, other)| *one + *other).collect();
        for times in [&mut handshakes, &mut admissions, &mut both] {
            times.sort_unstable();
        }
        let median = |times: &[Duration]| times[times.len() / 2].as_secs_f64() * 1e6;
        let (handshake, admission) = (median(&handshakes), median(&admissions));
        println!(
            "| {name} | {handshake:.0} µs | {admission:.0} µs | {:.0} µs | {:.0} % |",
            both[both.len() * 99 / 100].as_secs_f64() * 1e6,
            admission / handshake * 100.0
        );
    }
}

/// Finds the followers of a topic among more and more filters.
pub fn index() {
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
