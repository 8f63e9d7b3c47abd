//! Hosts that cannot hear each other for a while, in both directions or in one.

use gearmesh_protocol::local::{Delivered, Presence};
use gearmesh_tests::wait::until;

use crate::{Cell, able};

#[test]
fn a_partition_is_noticed_and_heals_by_itself() {
    let Some(_machine) = able("a_partition_is_noticed_and_heals_by_itself") else { return };
    let cell = Cell::new(&["press-1", "robot-1"]);
    cell.plant.wait_for("press-1", "robot-1", Presence::Online);
    for other in ["a", "b"] {
        cell.network.partition("c", other);
    }
    for other in ["gateway-1", "press-1"] {
        cell.plant.wait_for(other, "robot-1", Presence::Unreachable);
        cell.plant.wait_for("robot-1", other, Presence::Unreachable);
    }
    assert_eq!(cell.plant.presence("gateway-1", "press-1"), Some(Presence::Online));

    cell.network.heal();
    for other in ["gateway-1", "press-1"] {
        cell.plant.wait_for(other, "robot-1", Presence::Online);
        cell.plant.wait_for("robot-1", other, Presence::Online);
        values_flow(&cell, other, "robot-1");
        values_flow(&cell, "robot-1", other);
    }
}

#[test]
fn a_partition_of_one_direction_is_noticed_on_both_sides_and_heals() {
    let test = "a_partition_of_one_direction_is_noticed_on_both_sides_and_heals";
    let Some(_machine) = able(test) else { return };
    let cell = Cell::new(&["press-1"]);
    let both = |presence| {
        cell.plant.wait_for("gateway-1", "press-1", presence);
        cell.plant.wait_for("press-1", "gateway-1", presence);
    };
    both(Presence::Online);
    for (deaf, mute) in [("a", "b"), ("b", "a")] {
        cell.network.block(mute, deaf);
        both(Presence::Unreachable);
        cell.network.heal();
        both(Presence::Online);
        values_flow(&cell, "gateway-1", "press-1");
        values_flow(&cell, "press-1", "gateway-1");
    }
}

#[test]
fn a_revocation_made_during_a_partition_reaches_the_far_side_after_it() {
    let test = "a_revocation_made_during_a_partition_reaches_the_far_side_after_it";
    let Some(_machine) = able(test) else { return };
    let cell = Cell::new(&["press-1", "robot-1"]);
    let plant = &cell.plant;
    plant.wait_for("robot-1", "press-1", Presence::Online);
    for far in ["b", "c"] {
        cell.network.partition("a", far);
    }
    for far in ["press-1", "robot-1"] {
        plant.wait_for("gateway-1", far, Presence::Unreachable);
        plant.wait_for(far, "gateway-1", Presence::Unreachable);
    }
    let said = plant.gearmesh("gateway-1", &["revoke", "press-1", "--reason", "lost", "--yes"]);
    assert!(said.out.contains("press-1 is revoked"), "{said:?}");
    plant.wait_for("gateway-1", "press-1", Presence::Revoked);
    assert_eq!(plant.presence("robot-1", "press-1"), Some(Presence::Online));
    values_flow(&cell, "press-1", "robot-1");
    values_flow(&cell, "robot-1", "press-1");

    cell.network.heal();
    plant.wait_for("robot-1", "press-1", Presence::Revoked);
    plant.wait_for("robot-1", "gateway-1", Presence::Online);
    plant.wait_for("press-1", "robot-1", Presence::Unreachable);
    until("robot-1 has one link, to gateway-1", || {
        let own = plant.status("robot-1").plant;
        own.is_some_and(|own| own.online == 1).then_some(())
    });
    until("press-1 knows that it is out", || plant.status("press-1").refused);
    assert_ne!(plant.presence("press-1", "gateway-1"), Some(Presence::Online));
}

/// Waits until `at` receives values of the machine that `of` speaks for.
fn values_flow(cell: &Cell, at: &str, of: &str) {
    let said = cell.plant.gearmesh(at, &["sub", &format!("{of}/#"), "--count", "2", "--json"]).ok();
    for line in said.lines() {
        let value: Delivered = serde_json::from_str(line).expect("a value");
        assert_eq!(value.author, of);
    }
}

#[test]
fn where_tcp_does_not_get_through_members_link_by_quic() {
    let Some(_machine) = able("where_tcp_does_not_get_through_members_link_by_quic") else {
        return;
    };
    let cell = Cell::new(&["press-1"]);
    cell.plant.wait_for("gateway-1", "press-1", Presence::Online);
    for host in ["a", "b"] {
        cell.network.drop_tcp(host);
    }
    // The link over TCP dies; what comes up again can only be QUIC.
    let both = |presence| {
        cell.plant.wait_for("gateway-1", "press-1", presence);
        cell.plant.wait_for("press-1", "gateway-1", presence);
    };
    both(Presence::Unreachable);
    both(Presence::Online);
    values_flow(&cell, "gateway-1", "press-1");
    values_flow(&cell, "press-1", "gateway-1");
}
