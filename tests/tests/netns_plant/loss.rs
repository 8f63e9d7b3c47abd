//! A network that loses packets, or all of them for a while.

use std::time::Duration;

use gearmesh_protocol::local::Presence;
use gearmesh_tests::daemon::Plant;
use gearmesh_tests::netns::Network;
use gearmesh_tests::wait::throughout;

use crate::{Cell, able};

/// Machines that join, so that one lucky handshake proves nothing.
const MACHINES: [&str; 4] = ["press-1", "press-2", "press-3", "press-4"];

/// Longer than a node tries to connect, shorter than a person who typed a code waits.
const CUT: Duration = Duration::from_secs(6);

#[test]
fn joining_works_where_every_fifth_packet_is_lost() {
    let Some(_machine) = able("joining_works_where_every_fifth_packet_is_lost") else { return };
    let network = Network::of(&["a", "b"]);
    let mut plant = Plant::empty();
    network.place(&mut plant, "gateway-1", "a");
    let words = ["init", "Test plant", "--node-name", "gateway-1"];
    let _ = plant.gearmesh("gateway-1", &words).ok();
    let _gateway = plant.up_with("gateway-1", &[]);
    let codes = MACHINES.map(|machine| {
        network.place(&mut plant, machine, "b");
        plant.code(machine, &[])
    });
    network.lose(20, "a", "b");
    std::thread::scope(|scope| {
        for (machine, code) in MACHINES.iter().zip(&codes) {
            let plant = &plant;
            scope.spawn(move || plant.gearmesh(machine, &["join", code]).ok());
        }
    });
    let _press = plant.up_with("press-1", &[]);
    plant.wait_for("gateway-1", "press-1", Presence::Online);
}

#[test]
fn a_join_outlives_a_cut_of_the_network() {
    let Some(_machine) = able("a_join_outlives_a_cut_of_the_network") else { return };
    let mut cell = Cell::with_hosts(&[], &["a", "b"]);
    cell.network.place(&mut cell.plant, "press-1", "b");
    let code = cell.plant.code("press-1", &[]);
    cell.network.partition("a", "b");
    let plant = &cell.plant;
    std::thread::scope(|scope| {
        let join = scope.spawn(|| plant.gearmesh("press-1", &["join", &code]));
        throughout("the join goes on", CUT, || !join.is_finished());
        cell.network.heal();
        let _ = join.join().expect("no panic").ok();
    });
}
