//! Nodes that find each other by multicast alone.

use gearmesh_protocol::found::Found;
use gearmesh_protocol::local::Presence;
use gearmesh_tests::wait::until;

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

#[test]
fn a_machine_with_two_addresses_is_found_by_multicast_once_and_let_in() {
    let test = "a_machine_with_two_addresses_is_found_by_multicast_once_and_let_in";
    let Some(_machine) = able(test) else { return };
    let mut cell = Cell::with_hosts(&[], &["a", "b", "c"]);
    for (name, host, more) in [("press-1", "b", &["--claimable"][..]), ("shy-1", "c", &[])] {
        cell.network.place(&mut cell.plant, name, host);
        cell.nodes.push(cell.plant.up_with(name, more));
    }
    cell.network.spread("b", 2);
    let found = until("it is found", || {
        let said = cell.plant.gearmesh("gateway-1", &["add", "--found", "--json"]).ok();
        let found: Found = serde_json::from_str(&said).expect("what was found");
        (!found.machines.is_empty()).then_some(found)
    });
    let [machine] = &found.machines[..] else { panic!("{found:?}") };
    assert_eq!(machine.key, cell.plant.status("press-1").key);
    assert!(found.others <= 1, "{found:?}");
    let words = ["add", "press-1", "--found", "--words", &machine.words];
    let said = cell.plant.gearmesh("gateway-1", &words).ok();
    assert!(said.contains("press-1 joined"), "{said}");
    cell.plant.wait_for("press-1", "gateway-1", Presence::Online);
}

fn all_online(cell: &Cell) {
    let nodes = ["gateway-1", "press-1", "robot-1"];
    for at in nodes {
        for of in nodes.into_iter().filter(|of| *of != at) {
            cell.plant.wait_for(at, of, Presence::Online);
        }
    }
}
