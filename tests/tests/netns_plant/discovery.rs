//! Nodes that find each other by multicast alone.

use gearmesh_protocol::local::Presence;

use crate::{Cell, able};

#[test]
fn three_hosts_on_a_bridge_find_each_other_by_mdns_alone() {
    let Some(_machine) = able("three_hosts_on_a_bridge_find_each_other_by_mdns_alone") else {
        return;
    };
    let mut cell = Cell::new(&["press-1", "robot-1"]);
    let code = cell.plant.code("robot-2", &[]);
    let code: gearmesh_protocol::invite::Code = code.parse().expect("a code");
    let named: Vec<String> = code.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(named, [format!("{}:7430", cell.network.address("a"))]);
    all_online(&cell);

    for node in cell.nodes.drain(..) {
        assert_eq!(node.stop(), Some(0));
    }
    // Every address that somebody remembers is wrong now: what remains is multicast.
    for host in ["a", "b", "c"] {
        cell.network.take_address(host);
        cell.network.give_address(host, 1);
    }
    for node in ["gateway-1", "press-1", "robot-1"] {
        cell.nodes.push(cell.plant.up_with(node, &[]));
    }
    all_online(&cell);
}

fn all_online(cell: &Cell) {
    let nodes = ["gateway-1", "press-1", "robot-1"];
    for at in nodes {
        for of in nodes.into_iter().filter(|of| *of != at) {
            cell.plant.wait_for(at, of, Presence::Online);
        }
    }
}
