//! A network that loses packets.

use gearmesh_protocol::local::Presence;
use gearmesh_tests::daemon::Plant;
use gearmesh_tests::netns::Network;

use crate::able;

/// Machines that join, so that one lucky handshake proves nothing.
const MACHINES: [&str; 4] = ["press-1", "press-2", "press-3", "press-4"];

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
