//! Codes: listed, made void, made for one key, for a while, and read by a camera.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use gearmesh_protocol::invite::Code;
use gearmesh_protocol::local::{OpenInvitation, Presence, Status};
use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::wait::until;
use serde::Deserialize;

/// A founded plant with its gateway running.
fn running() -> (Plant, Daemon) {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    (plant, gateway)
}

fn open(plant: &Plant) -> Vec<OpenInvitation> {
    let said = plant.gearmesh("gateway-1", &["invitations", "--json"]).ok();
    serde_json::from_str(&said).expect("invitations")
}

#[derive(Deserialize)]
struct Requested {
    key: String,
    key_words: String,
}

fn request(plant: &Plant, name: &str) -> Requested {
    let said = plant.gearmesh(name, &["request", "--json"]).ok();
    serde_json::from_str(&said).expect("a request")
}

#[test]
fn codes_that_nobody_used_are_listed_and_made_void() {
    let (plant, _gateway) = running();
    let said = plant.gearmesh("gateway-1", &["invitations"]);
    assert!(said.err.contains("no code is open"), "{said:?}");
    let press = plant.code("press-1", &["--scope", "hall/press-1"]);
    let robot = plant.code("robot-1", &["--role", "gateway"]);
    let listed = plant.gearmesh("gateway-1", &["invitations"]).ok();
    let line = |name: &str| listed.lines().find(|line| line.starts_with(name)).expect("listed");
    assert!(line("press-1").contains("machine  hall/press-1"), "{listed}");
    assert!(line("robot-1").contains("gateway  robot-1"), "{listed}");

    let said = plant.gearmesh("gateway-1", &["void", "press-1"]).ok();
    assert!(said.starts_with("the code for press-1 is void"), "{said}");
    let _ = plant.gearmesh("press-1", &["join", &press]).refused_with(125);
    let id = open(&plant).first().expect("one is left").id.to_string();
    let _ = plant.gearmesh("gateway-1", &["void", &id[..10]]).ok();
    let _ = plant.gearmesh("robot-1", &["join", &robot]).refused_with(125);
    assert!(open(&plant).is_empty());
    let err = plant.gearmesh("gateway-1", &["void", "robot-1"]).refused_with(322);
    assert!(err.contains("gearmesh invitations"), "{err}");
    // The name is free again.
    plant.join("robot-1");
    let _ = plant.gearmesh("gateway-1", &["void", "robot-1"]).refused_with(322);
}

#[test]
fn a_code_for_one_key_fits_no_other_machine() {
    let (plant, _gateway) = running();
    let asked = request(&plant, "press-1");
    assert_eq!(asked.key_words.split(' ').count(), 5);
    assert_eq!(request(&plant, "press-1").key, asked.key, "it stays");
    let said = plant.gearmesh("press-1", &["request"]).ok();
    assert!(said.contains(&format!("gearmesh add NAME --for {}", asked.key)), "{said}");
    let code = plant.code("press-1", &["--for", &asked.key]);
    let bound = open(&plant).first().expect("it is open").bound_to.expect("for one key");
    assert_eq!(bound.to_string(), asked.key);
    let _ = plant.gearmesh("thief", &["join", &code]).refused_with(124);
    let _ = plant.gearmesh("press-1", &["join", &code]).ok();
    let _ = plant.gearmesh("press-1", &["request"]).refused_with(240);

    let words = ["add", "a", "b", "--for", &asked.key, "--no-wait"];
    let _ = plant.gearmesh("gateway-1", &words).refused_with(323);
    let said = plant.gearmesh("gateway-1", &["add", "a", "--for", "3fa2", "--no-wait"]);
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[test]
fn a_running_node_without_a_plant_shows_its_key_too() {
    let plant = Plant::empty();
    let _node = plant.up("press-1");
    let status: Status = plant.status("press-1");
    assert_eq!(request(&plant, "press-1").key, status.key.to_string());
}

#[test]
fn a_technician_is_let_in_for_a_while() {
    let (plant, _gateway) = running();
    let code = plant.code("service-1", &["--role", "observer", "--until", "8s"]);
    let _ = plant.gearmesh("service-1", &["join", &code]).ok();
    let _service = plant.up("service-1");
    plant.wait_for("gateway-1", "service-1", Presence::Online);
    plant.wait_for("gateway-1", "service-1", Presence::Unreachable);
    let refused = until("it is told", || plant.status("service-1").refused);
    assert_eq!(refused.code, 111);
    assert!(refused.mend.contains("gearmesh set NAME --until"), "{refused:?}");
    let said = plant.gearmesh("gateway-1", &["add", "late", "--until", "2020-01-01"]);
    assert_eq!(said.code, Some(2), "{said:?}");
}

/// The picture as grey squares, eight points wide and with a margin, as a camera sees it.
fn photographed(picture: &[&str]) -> (usize, Vec<bool>) {
    let rows: Vec<Vec<(bool, bool)>> = picture
        .iter()
        .map(|line| {
            let halves = line.chars().map(|square| match square {
                '\u{2588}' => (true, true),
                '\u{2580}' => (true, false),
                '\u{2584}' => (false, true),
                _ => (false, false),
            });
            halves.collect()
        })
        .collect();
    let side = rows.first().map_or(0, Vec::len);
    let light = |x: usize, y: usize| {
        let square = rows.get(y / 2).and_then(|row| row.get(x)).copied().unwrap_or_default();
        if y.is_multiple_of(2) { square.0 } else { square.1 }
    };
    (side, (0..side * side).map(|at| light(at % side, at / side)).collect())
}

#[test]
fn a_code_is_shown_as_a_picture_that_a_camera_reads() {
    const POINTS: usize = 4;
    let (plant, _gateway) = running();
    let said = plant.gearmesh("gateway-1", &["add", "press-1", "--no-wait", "--qr"]).ok();
    let code = said.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    let after = said.lines().skip_while(|line| *line != "press-1:").skip(1);
    let picture: Vec<&str> = after.collect();
    let (side, light) = photographed(&picture);
    let seen = |x: usize, y: usize| {
        if light[(y / POINTS) * side + x / POINTS] { 255 } else { 0 }
    };
    let (width, height) = (side * POINTS, side * POINTS);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, seen);
    let found = image.detect_grids();
    let (_, read) = found.first().expect("a picture").decode().expect("a text");
    assert!(read.parse::<Code>().is_ok() && read.eq_ignore_ascii_case(code), "{read}");
    let _ = plant.gearmesh("press-1", &["join", &read]).ok();
}
