//! Every byte that a gateway says to a partner, before it is encrypted; and what is sealed, opened.

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::partner_session::{Carried, SessionFrame};

use super::rig::{GATEWAY, Scene, scene};

/// Things that partners have no business with, with what they are.
fn secrets(scene: &Scene, other: &Scene) -> Vec<(String, Vec<u8>)> {
    let plant = &scene.rossi.plant;
    let mut secrets = Vec::new();
    let mut add = |what: &str, bytes: &[u8]| secrets.push((what.to_owned(), bytes.to_vec()));
    for member in plant.members(GATEWAY) {
        add("the name of a member", member.name.as_bytes());
        add("the key of a member", member.key.as_bytes());
        add("the key of a member, as text", member.key.to_string().as_bytes());
    }
    for address in plant.status(GATEWAY).listen {
        let port = address.rsplit(':').next().expect("a port").to_owned();
        add("an address in the plant", address.as_bytes());
        add("a port in the plant", port.as_bytes());
    }
    for (what, text) in [
        ("a topic", "furnace"),
        ("the last level of a topic", "melt"),
        ("what is not shared", "recipe-4711"),
        ("what this company calls the share", &scene.name),
        ("what this company calls another share", &other.name),
        ("what this company calls another partner", &other.called),
        ("the folder of the home", plant.home(GATEWAY).to_str().expect("a path")),
    ] {
        add(what, text.as_bytes());
    }
    let theirs = &other.partner.sheet;
    add("what another partner is called", theirs.to.name.as_str().as_bytes());
    add("the plant of another partner", theirs.to.plant.as_bytes());
    add("the admin of another partner", theirs.to.admin.as_bytes());
    add("the gateway of another partner", theirs.to.gateway.as_bytes());
    add("the share of another partner", theirs.share.as_bytes());
    add("the agreement of another partner", other.partner.id.as_bytes());
    add("the topic of another partner", other.partner.their_topic().as_bytes());
    secrets
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn no_byte_names_the_plant_or_another_partner() {
    let (scene, other) = (scene(), scene());
    let rossi = &scene.rossi;
    rossi.plant.join("press-4711");
    let (_other_line, _other_hearing, _) = other.follow();
    let (mut line, mut hearing, (_, key)) = scene.follow();
    let topic = scene.partner.their_topic();
    rossi.publish(&format!("{}/furnace/melt", scene.name), "8150");
    rossi.publish("furnace/recipe", "recipe-4711");
    other.publish("3");
    let mut opened = Vec::new();
    while !holds(&opened, &codec::encode(&8150_i64)) {
        let (_, message) = hearing.message_on(&topic);
        let carried = scene.partner.opened(&key, &message);
        opened.extend(carried.iter().flat_map(codec::encode::<Carried>));
    }
    line.session.send(&SessionFrame::Follow { sheet: scene.partner.id, after: None });
    let _all = line.frames_until(|frame| matches!(frame, SessionFrame::Groups { .. }));
    let _head = line.frames_until(|frame| matches!(frame, SessionFrame::Head { .. }));
    let heard = scene.partner.heard();

    // The search looks at the right bytes: what is agreed is there, and sealed where it is gossiped.
    assert!(holds(&opened, b"out"), "the alias, once opened");
    assert!(holds(&heard, b"out"), "the alias, in what the session says");
    assert!(!hearing.recorded.iter().any(|frame| holds(frame, b"out")), "the alias, sealed");
    let gateway = PublicKey::as_bytes(&scene.partner.sheet.from.gateway);
    assert!(holds(&heard, gateway), "the gateway's own partner key");
    for (what, secret) in secrets(&scene, &other) {
        for (whose, bytes) in [("said", &heard), ("sealed", &opened)] {
            assert!(!holds(bytes, &secret), "{what} is {whose}: {secret:?}");
        }
    }
}

#[test]
fn nothing_but_the_session_and_gossip_is_spoken() {
    let scene = scene();
    let line = scene.partner.come_in();
    for protocol in [
        "/ipfs/id/1.0.0",
        "/ipfs/id/push/1.0.0",
        "/ipfs/ping/1.0.0",
        "/ipfs/kad/1.0.0",
        "/meshsub/1.1.0",
        "/floodsub/1.0.0",
        "/gearmesh/plant/control/1",
    ] {
        assert!(!line.connection.open().speaks(protocol), "{protocol}");
    }
}
