//! Settings from a file: what it says holds, options win, and what is wrong is refused by name.
#![allow(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::path::Path;

use gearmesh_tests::cli::gearmesh;
use gearmesh_tests::daemon::{Plant, free_port};

fn write(plant: &Plant, name: &str, text: &str) {
    std::fs::write(plant.home(name).join("gearmesh.toml"), text).expect("a file");
}

/// The ports that a node says it listens on.
fn ports(plant: &Plant, name: &str) -> Vec<u16> {
    let listen = plant.status(name).listen;
    let tcp = listen.iter().filter(|address| !address.contains("/udp/"));
    tcp.filter_map(|address| address.rsplit('/').next()?.parse().ok()).collect()
}

#[test]
fn a_node_is_as_its_file_says_and_options_win() {
    let plant = Plant::founded();
    let (of_file, of_option) = (free_port(), free_port());
    let text = format!("[network]\nlisten = [\"127.0.0.1:{of_file}\"]\nmdns = false\n");
    write(&plant, "gateway-1", &text);
    let node = plant.up_with("gateway-1", &[]);
    assert_eq!(ports(&plant, "gateway-1"), [of_file]);
    node.kill();
    let _node = plant.up_with("gateway-1", &["--listen", &format!("127.0.0.1:{of_option}")]);
    assert_eq!(ports(&plant, "gateway-1"), [of_option]);
    let printed = plant.gearmesh("gateway-1", &["config"]).ok();
    assert!(printed.contains(&format!("\nlisten = [\"127.0.0.1:{of_file}\"]\n")), "{printed}");
    assert!(printed.contains("\n#connect = []\n"), "{printed}");
}

#[test]
fn a_wrong_file_keeps_a_node_from_starting_and_says_which_line() {
    let plant = Plant::founded();
    for (text, code, words) in [
        (
            "[network]\nconect = []\n",
            346,
            "line 2: there is no setting network.conect; network.connect is",
        ),
        ("[keep]\ntime = \"soon\"\n", 347, "line 2: keep.time: \"soon\" is no duration"),
        ("[keep\n", 345, "line 1: "),
    ] {
        write(&plant, "gateway-1", text);
        let started = plant.gearmesh("gateway-1", &["up", "--no-mdns"]);
        assert_eq!(started.code, Some(3), "{started:?}");
        let said = started.refused_saying(words);
        assert!(
            said.contains(&format!("[code {code}]")) && said.contains("gearmesh.toml"),
            "{said}"
        );
        let _ = plant.gearmesh("gateway-1", &["config"]).refused_with(code);
    }
    let _ = plant.gearmesh("gateway-1", &["config", "--config", "/nowhere.toml"]).refused_with(345);
}

#[test]
fn the_printed_file_needs_no_home_and_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = |more: &[&str]| -> Vec<String> {
        let home = folder.path().join("none").display().to_string();
        let first = ["--home", &home, "config"].map(str::to_owned);
        first.into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect()
    };
    let printed = gearmesh(&words(&[])).ok();
    let file = folder.path().join("all.toml");
    let in_force = printed.replace("\n#", "\n").replace("\n ", "\n# ");
    std::fs::write(&file, &in_force).expect("a file");
    let again = gearmesh(&words(&["--config", &file.display().to_string()])).ok();
    assert_eq!(again.replace("\n#listen = ", "\nlisten = "), in_force);
    assert!(!Path::new(&folder.path().join("none")).exists(), "nothing is made by looking");
}
