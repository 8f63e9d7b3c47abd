//! Hosts whose address changes under running nodes.

use gearmesh_protocol::local::Presence;

use crate::{Cell, able};
use gearmesh_tests::wait::until;

#[test]
fn a_host_with_two_nodes_whose_address_changes_heals_by_itself() {
    let test = "a_host_with_two_nodes_whose_address_changes_heals_by_itself";
    let Some(_machine) = able(test) else { return };
    let mut cell = Cell::new(&["press-1"]);
    cell.network.place(&mut cell.plant, "robot-1", "b");
    cell.plant.join("robot-1");
    cell.nodes.push(cell.plant.up_with("robot-1", &[]));
    all_online(&cell);

    cell.network.take_address("b");
    for far in ["press-1", "robot-1"] {
        cell.plant.wait_for("gateway-1", far, Presence::Unreachable);
        cell.plant.wait_for(far, "gateway-1", Presence::Unreachable);
    }
    cell.network.give_address("b", 1);
    all_online(&cell);
    let address = cell.network.address("b");
    for node in ["press-1", "robot-1"] {
        until("the node listens at the new address", || {
            let listening = cell.plant.status(node).listen;
            listening.iter().any(|listening| listening.contains(&address)).then_some(())
        });
    }

    // The same address, away for a moment.
    cell.network.take_address("b");
    cell.network.give_address("b", 1);
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
