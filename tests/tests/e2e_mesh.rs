//! Real nodes as processes: all see all.

use std::path::PathBuf;

use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::many::all_see_all;
use gearmesh_tests::wait::DEADLINE;

/// Processes; `measure -- processes 50` runs more.
const COUNT: usize = 12;

#[test]
fn a_dozen_machines_all_see_all() {
    let plant = Plant::founded();
    let mut nodes = vec![plant.up("gateway-1")];
    for number in 1..COUNT {
        let name = format!("press-{number}");
        plant.join(&name);
        nodes.push(plant.up(&name));
    }
    let homes: Vec<PathBuf> = nodes.iter().map(|node: &Daemon| node.home().to_owned()).collect();
    assert!(all_see_all(&homes, DEADLINE), "not all of {COUNT} see all");
    for node in ["gateway-1", "press-3", "press-11"] {
        let own = plant.status(node).plant.expect("a plant");
        assert_eq!((own.members, own.online, own.links), (COUNT, COUNT - 1, COUNT - 1), "{node}");
        assert!(plant.members(node).iter().all(|member| member.told_by.is_none()));
    }
}
