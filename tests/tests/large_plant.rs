//! A plant too large for a full mesh, of real nodes in one process: what is made durable reaches the
//! members that are to have copies, and they confirm it.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::path::PathBuf;

use gearmesh_node::core::plant::overlay::FULL_MESH_MAX;
use gearmesh_node::{AckLevel, Node, Options};
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_tests::many::{found, place};
use gearmesh_tests::wait::DEADLINE;

/// Members of the plant: a few more than have a link to everybody.
const COUNT: usize = FULL_MESH_MAX + 8;

/// How often a value is published until enough members have one: links take their time.
const TRIES_MAX: usize = 6;

#[test]
fn members_that_are_to_have_copies_have_them_and_confirm() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let homes: Vec<_> = (0..COUNT).map(|number| folder.path().join(number.to_string())).collect();
    found(&homes);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(publish_among(&homes));
}

async fn publish_among(homes: &[PathBuf]) {
    let mut nodes = Vec::new();
    for (number, home) in homes.iter().enumerate() {
        let options = Options { listen: vec![place(number)], mdns: false, ..Options::at(home) };
        nodes.push(Node::start(options).await.expect("a node"));
    }
    let author = &nodes[0];
    let linked = tokio::time::timeout(DEADLINE, author.linked()).await;
    assert_eq!(linked, Ok(true), "a link");
    let before = author.links();
    let topic = author.topic("part/count").expect("a topic");
    let sample = Sample::good(Value::Integer(1), UnixMillis(1));
    let mut told = None;
    for _ in 0..TRIES_MAX {
        let ack = AckLevel::Replicated(6);
        let answer = author.publish_durable(&topic, &sample, ack).await.expect("an answer");
        told = Some(answer);
        if answer.is_reached {
            break;
        }
    }
    let told = told.expect("an answer");
    assert!(told.is_reached, "{told:?}; {before} links before, {} now", author.links());
    assert!(author.links() < COUNT - 1, "not everybody is linked");
}
