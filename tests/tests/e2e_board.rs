//! The board: what is known at this moment, how old it is, and that nothing stale passes for fresh.
#![allow(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use gearmesh_protocol::board::{BoardValue, BoardValues, MachineCard};
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::sample::Value;
use gearmesh_tests::api::{Api, Follower};
use gearmesh_tests::daemon::{Plant, free_port};
use gearmesh_tests::wait::until;

/// What a node knows on a filter.
fn board(plant: &Plant, name: &str, filter: &str) -> Vec<BoardValue> {
    let filter = filter.replace('+', "%2B").replace('#', "%23");
    let board: BoardValues =
        Api::of(&plant.home(name)).get(&format!("/v1/board?filter={filter}")).read();
    assert_eq!(board.left_out, 0);
    board.values
}

fn number(value: &BoardValue) -> i64 {
    match value.sample.value {
        Value::Integer(number) => number,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_published_before_anybody_followed_is_known_with_its_age() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let _ = plant.gearmesh("press-1", &["pub", "part/count", "42", "--unit", "1"]).ok();
    let _ = plant.gearmesh("press-1", &["pub", "part/count", "43", "--unit", "1"]).ok();
    let known = until("the gateway knows the last value", || {
        board(&plant, "gateway-1", "press-1/part/#").into_iter().next()
    });
    assert_eq!((number(&known), known.stale, known.author.as_str()), (43, false, "press-1"));
    assert_eq!(known.presence, Presence::Online);
    assert!(known.age_ms < 60_000, "{known:?}");
    // Its own values a node knows in any case.
    assert_eq!(board(&plant, "press-1", "press-1/part/#").len(), 1);
    let said = plant.gearmesh("gateway-1", &["get", "press-1/part/#"]).ok();
    assert!(said.contains("press-1/part/count  43") && !said.contains("STALE"), "{said}");
    let top = plant.gearmesh("gateway-1", &["top", "press-1/part/#"]).ok();
    assert!(top.contains("press-1") && top.contains("press-1/part/count  43"), "{top}");
    assert!(!top.contains('\u{1b}'), "no escapes where there is no terminal: {top}");
}

#[test]
fn what_is_stale_is_shown_as_stale_until_it_is_told_again() {
    let (plant, _, _gateway, press) = Plant::of_two();
    let _ = plant.gearmesh("press-1", &["pub", "level", "7"]).ok();
    let mut following = Follower::of(&plant.home("gateway-1"), "press-1/level");
    assert_eq!(following.next_number(), Some(7), "told to who begins to follow");
    press.kill();
    let stale = until("the value is stale", || {
        board(&plant, "gateway-1", "press-1/level").into_iter().find(|value| value.stale)
    });
    assert_eq!(number(&stale), 7, "the last known value is still said");
    let said = plant.gearmesh("gateway-1", &["get", "press-1/level"]).ok();
    assert!(said.contains("STALE (press-1 is "), "{said}");
    let top = plant.gearmesh("gateway-1", &["top", "press-1/level", "--once"]).ok();
    assert!(top.contains("STALE"), "{top}");
    // It is back, and does not know what it had published: that stays stale.
    let _press = plant.up("press-1");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    let back = board(&plant, "gateway-1", "press-1/level");
    assert!(back.iter().all(|value| value.stale), "{back:?}");
    let _ = plant.gearmesh("press-1", &["pub", "level", "8"]).ok();
    let fresh = until("the new value is known", || {
        board(&plant, "gateway-1", "press-1/level").into_iter().find(|value| number(value) == 8)
    });
    assert!(!fresh.stale);
}

#[test]
fn a_link_that_comes_back_brings_all_own_values_with_it() {
    let (plant, port, gateway, _press) = Plant::of_two();
    for (topic, value) in [("a", "1"), ("b", "2"), ("c/d", "3")] {
        let _ = plant.gearmesh("press-1", &["pub", topic, value]).ok();
    }
    gateway.kill();
    let _gateway = plant.up_at("gateway-1", port);
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    let mut following = Follower::of(&plant.home("gateway-1"), "press-1/#");
    let mut numbers: Vec<i64> = Vec::new();
    while numbers.len() < 3 {
        numbers.extend(following.next_number().filter(|number| *number < 4));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3], "each once");
}

#[test]
fn a_machine_says_what_it_is() {
    let plant = Plant::founded();
    let _gateway = plant.up_at("gateway-1", free_port());
    plant.join("press-1");
    let card = "[machine]\nmaker = \"Okuma\"\nmodel = \"MULTUS U3000\"\nserial = \"229810\"\n\
                firmware = \"OSP-P300SA-H 11\"\ncapabilities = [\"turn\", \"mill\"]\nclock = \"ntp\"\n";
    std::fs::write(plant.home("press-1").join("gearmesh.toml"), card).expect("settings");
    let press = plant.up("press-1");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    let cards =
        |name: &str| -> Vec<MachineCard> { Api::of(&plant.home(name)).get("/v1/machines").read() };
    let of_press = |name: &str| cards(name).into_iter().find(|card| card.name == "press-1");
    let known =
        until("the card is known", || of_press("gateway-1").filter(|card| card.maker.is_some()));
    assert_eq!(known.model.as_deref(), Some("MULTUS U3000"));
    assert_eq!((known.serial.as_deref(), known.clock.as_deref()), (Some("229810"), Some("ntp")));
    assert_eq!(known.capabilities, ["turn", "mill"]);
    assert_eq!(of_press("press-1"), Some(MachineCard { presence: Presence::Here, ..known }));
    let said = plant.gearmesh("gateway-1", &["machines"]).ok();
    assert!(
        said.contains("Okuma") && said.contains("turn, mill") && said.contains("gateway-1"),
        "{said}"
    );
    drop(press);
}
