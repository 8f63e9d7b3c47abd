//! Fifty nodes that are switched on within a second.

use futures::future::join_all;
use gearmesh_node::{Node, Options};
use gearmesh_tests::many::{found, place};
use gearmesh_tests::wait::{DEADLINE, within};

/// As after a power cut of a whole hall: everybody dials everybody at the same moment.
#[test]
fn fifty_nodes_that_start_at_once_all_see_each_other() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let homes: Vec<_> = (0..50).map(|number| folder.path().join(number.to_string())).collect();
    found(&homes);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let nodes = runtime.as_ref().expect("a runtime").block_on(async {
        let starts = homes.iter().enumerate().map(|(number, home)| {
            let listen = vec![place(number)];
            Node::start(Options { listen, mdns: false, ..Options::at(home) })
        });
        join_all(starts).await
    });
    let nodes: Vec<Node> = nodes.into_iter().map(|node| node.expect("a node")).collect();
    let all = within(DEADLINE * 4, || {
        nodes.iter().all(|node| node.online() + 1 == nodes.len()).then_some(())
    });
    assert!(all.is_some(), "{:?}", nodes.iter().map(Node::online).collect::<Vec<_>>());
}
