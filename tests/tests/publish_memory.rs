//! What one publish costs in memory does not grow with the members that follow it.
//!
//! The allocator of this program counts, so it is a program of its own.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::time::Duration;

use allocation_counter::measure;
use gearmesh_node::listen::Endpoint;
use gearmesh_node::{Delivery, Node, Options, Publisher, Subscription};
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_tests::daemon::Plant;

/// Publishes whose memory is counted.
const COUNTED: usize = 200;

/// Bytes of a value.
const BYTES: usize = 1000;

/// How long a link may take.
const PATIENCE: Duration = Duration::from_secs(20);

async fn start(plant: &Plant, name: &str, connect: Option<Endpoint>) -> Node {
    let options = Options {
        listen: vec!["127.0.0.1:0".parse().expect("an address")],
        connect: connect.into_iter().collect(),
        mdns: false,
        ..Options::at(plant.home(name))
    };
    Node::start(options).await.expect("a node")
}

/// Publishes and lets everything run until all followers have the value. How many bytes the publish
/// itself allocated.
async fn one(publisher: &Publisher, followers: &[Subscription]) -> u64 {
    let sample = Sample::good(Value::Bytes(vec![7; BYTES]), UnixMillis(0));
    let mut links = 0;
    let memory = measure(|| links = publisher.publish(&sample).expect("a publish"));
    assert_eq!(links, followers.len());
    for follower in followers {
        // A probe may still be on its way.
        while !matches!(follower.next().await, Delivery::Value(value) if value.sample == sample) {}
    }
    memory.bytes_total
}

/// Bytes that a publish allocates once all queues have their size.
async fn cost(publisher: &Publisher, followers: &[Subscription]) -> u64 {
    for _ in 0..COUNTED {
        one(publisher, followers).await;
    }
    let mut most = 0;
    for _ in 0..COUNTED {
        most = most.max(one(publisher, followers).await);
    }
    most
}

#[test]
fn a_publish_allocates_the_same_for_one_link_and_for_many() {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    let names = ["press-1", "press-2", "press-3", "press-4", "press-5", "press-6"];
    for name in names {
        plant.join(name);
    }
    gateway.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let author = start(&plant, names[0], None).await;
        let address = author.listening().await.first().copied().expect("an address");
        let publisher = author.publisher(&author.topic("force").expect("a topic"));
        let (mut nodes, mut followers, mut costs) = (Vec::new(), Vec::new(), Vec::new());
        for name in &names[1..] {
            let node = start(&plant, name, Some(Endpoint::of(address))).await;
            let filter = "press-1/force".parse().expect("a filter");
            followers.push(node.subscribe(filter).expect("a subscription"));
            nodes.push(node);
            let follows = async {
                let probe = Sample::good(Value::Bool(true), UnixMillis(0));
                while publisher.publish(&probe).expect("a publish") < followers.len() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, follows).await.expect("everybody follows");
            costs.push(cost(&publisher, &followers).await);
        }
        println!("bytes of a publish of {BYTES} bytes to 1, 2, … members: {costs:?}");
        let (one, two, five) = (costs[0], costs[1], costs[4]);
        assert!(one <= 2 * BYTES as u64, "the value once, and little more: {costs:?}");
        // From the second on, the body is shared, which costs a counter.
        assert!(two <= one + 64 && five <= two, "not for each link: {costs:?}");
        for node in nodes {
            node.stop().await;
        }
        author.stop().await;
    });
}
