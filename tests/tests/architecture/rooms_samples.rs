//! Samples for the table of rooms: what each one must refuse, and what it must let through.

use crate::rooms::{crate_names, crossing, homeless, trespasses};
use crate::sources::Source;

fn refusals(path: &str, text: &str) -> Vec<String> {
    let found = trespasses(&Source::new(path, text), &crate_names());
    found.iter().map(|violation| format!("{violation:?}")).collect()
}

#[track_caller]
fn refused(path: &str, text: &str, offender: &str) {
    let found = refusals(path, text);
    let named = found.iter().any(|line| line.contains(&format!("`{offender}")));
    assert!(named, "{path}: {text:?} should be refused for {offender}: {found:?}");
}

#[track_caller]
fn welcome(path: &str, text: &str) {
    assert_eq!(refusals(path, text), Vec::<String>::new(), "{path}: {text:?}");
}

#[test]
fn the_protocol_is_pure() {
    let path = "protocol/src/codec.rs";
    welcome(path, "use serde::Serialize;\nuse core::fmt;\nuse crate::id::NodeId;\nuse Kind::*;");
    welcome(
        path,
        "use std::time::Duration;\n#[cfg(test)]\nmod tests { use proptest::prelude::*; }",
    );
    refused(path, "use tokio::sync::mpsc;", "tokio");
    refused(path, "fn f() -> getrandom::Error { todo() }", "getrandom");
    refused(path, "use proptest::prelude::*;", "proptest");
    refused(path, "fn f() { ::std::fs::read(p) }", "std::fs");
    refused(path, "use std::time::{Duration, SystemTime};", "std::time::SystemTime");
    welcome(path, "use std::net::{IpAddr, SocketAddr};\nuse core::net::Ipv4Addr;");
    refused(path, "use core::net;\nfn f() { net::TcpStream::connect(a); }", "std::net::Tcp*");
    refused(path, "use std::net::{IpAddr, ToSocketAddrs};", "std::net::ToSocketAddrs");
    refused(path, "use std::time::*;", "std::time::*");
}

#[test]
fn a_client_builds_no_node() {
    let path = "node/client/src/lib.rs";
    welcome(path, "use gearmesh_protocol::topic::Topic;\nuse tokio::net::UnixStream;");
    refused(path, "use gearmesh_node::Node;", "gearmesh_node");
    refused(path, "use libp2p::swarm::Stream;", "libp2p");
    refused(path, "use hyper::client;", "hyper");
}

#[test]
fn the_planes_of_the_protocol_are_apart() {
    refused("protocol/src/plant_frame.rs", "use crate::partner::Share;", "crate::partner*");
    refused("protocol/src/partner/mod.rs", "use super::plant_frame::Join;", "crate::plant*");
    welcome("protocol/src/partner/share.rs", "use super::Agreement;\nuse crate::topic::Topic;");
    welcome(
        "protocol/src/lib.rs",
        "mod plant;\nmod partner;\npub use plant::A;\npub use partner::B;",
    );
}

#[test]
fn the_core_decides_from_its_arguments() {
    let path = "node/src/core/timers.rs";
    welcome(path, "use std::collections::{BTreeMap, VecDeque};\nuse std::time::Duration;");
    welcome(path, "use gearmesh_protocol::Topic;\nfn f() { tracing::debug!(\"tokio::x\"); }");
    refused(path, "use std::collections::{BTreeMap, HashMap};", "std::collections::HashMap");
    refused(path, "use std::collections::hash_map::Entry;", "std::collections::hash_map");
    refused(path, "fn f() { std::time::Instant::now(); }", "std::time::Instant");
    refused(path, "use std::time as t;\nfn f() { t::Instant::now(); }", "std::time::Instant");
    refused(path, "use std::net::IpAddr;", "std::net");
    refused(path, "use crate::shell::store;", "crate::shell");
    refused(path, "use super::super::shell;", "crate::shell");
    refused(path, "use crate::Config;", "crate::Config");
    refused(path, "#[tokio::test]\nasync fn f() {}", "tokio");
    refused(path, "use ed25519_dalek::SigningKey;", "ed25519_dalek");
    welcome("node/src/core/plant/log/tests.rs", "use ed25519_dalek::SigningKey;");
    welcome("node/src/core/plant/mod.rs", "use ed25519_dalek::SigningKey;");
    welcome("node/src/core/plant/redeem/tests.rs", "use ed25519_dalek::SigningKey;");
}

#[test]
fn the_planes_of_the_core_are_apart() {
    let plant = "node/src/core/plant/roster.rs";
    welcome(plant, "use super::Plant;\nuse crate::core::clock::Now;\nfn f(partner: u8) {}");
    welcome(plant, "#[cfg(test)]\nmod tests { use super::*; }");
    refused(plant, "use crate::core::partner::Permit;", "crate::core::partner");
    refused(plant, "use super::super::bridge;", "crate::core::bridge");
    refused(plant, "use crate::core;\nfn f() { core::partner::g(); }", "crate::core::partner");
    refused(plant, "use crate::core::*;", "crate::core::*");
    refused(plant, "use gearmesh_protocol::partner_frame::A;", "gearmesh_protocol::partner*");
    refused(plant, "use crate::core::limits::partner::MAX;", "partner (in");
    let partner = "node/src/core/partner.rs";
    refused(partner, "use super::plant::Plant;", "crate::core::plant");
    refused(partner, "use super::bridge::Exported;", "crate::core::bridge");
    welcome(partner, "mod sessions;\nuse sessions::Session;");
    welcome("node/src/core/bridge/export.rs", "use crate::core::{partner::A, plant::B};");
}

#[test]
fn the_shell_alone_touches_the_world() {
    refused("node/src/main.rs", "#[tokio::main]\nasync fn main() {}", "tokio");
    refused("node/src/config.rs", "use libp2p::Multiaddr;", "libp2p");
    welcome("node/src/main.rs", "fn main() -> std::process::ExitCode { gearmesh_node::run() }");
    welcome("node/src/shell/http.rs", "use axum::Router;\nuse tokio::net::TcpListener;");
    refused(
        "node/src/shell/plant/swarm.rs",
        "use crate::shell::partner::A;",
        "crate::shell::partner",
    );
    refused("node/src/shell/partner.rs", "use super::plant;", "crate::shell::plant");
    welcome("node/src/shell/plant/swarm.rs", "use libp2p::Swarm;\nuse crate::core::plant::Plant;");
}

#[test]
fn the_tools_stand_at_the_front_door() {
    welcome("tools/src/up.rs", "use gearmesh_node::{Config, run};\nfn f() { Config::load(); }");
    welcome("tools/src/up.rs", "fn f() { gearmesh_node::Config::load(); gearmesh_node::run(); }");
    refused("tools/src/up.rs", "use gearmesh_node::core::Input;", "gearmesh_node::core");
    refused("tools/src/up.rs", "fn f() { gearmesh_node::shell::run(); }", "gearmesh_node::shell");
    refused("tools/src/up.rs", "use gearmesh_node::views::Raw;", "gearmesh_node::views::Raw");
    refused("tools/src/up.rs", "use libp2p::PeerId;", "libp2p");
}

#[test]
fn only_the_bridge_and_the_root_see_both_planes() {
    let both = "use crate::core::plant::Plant;\nuse crate::core::partner::Partner;";
    let seen = |path: &str| crossing(&Source::new(path, both)).is_some();
    assert!(seen("node/src/shell/runtime.rs") && seen("node/src/core/mod.rs"));
    assert!(!seen("node/src/core/bridge/mod.rs") && !seen("node/src/core/bridge.rs"));
    assert!(!seen("node/src/lib.rs") && !seen("node/src/main.rs"));
    let one = Source::new("node/src/shell/runtime.rs", "use crate::core::plant::Plant;");
    assert_eq!(crossing(&one), None);
}

#[test]
fn every_file_of_the_node_has_a_room() {
    let stray = |path: &str| homeless(&Source::new(path, "")).is_some();
    assert!(stray("node/src/util/mod.rs") && stray("node/src/helpers.rs"));
    assert!(stray("node/src/shell/bridge.rs") && stray("node/src/shell/bridge/mod.rs"));
    assert!(!stray("node/src/core/bridge/mod.rs") && !stray("node/src/config.rs"));
    assert!(!stray("node/examples/two.rs") && !stray("tools/src/anything.rs"));
}
