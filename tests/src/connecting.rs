//! What admission adds to the cost of a connection.
#![expect(clippy::print_stdout, reason = "what is measured is printed")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::time::{Duration, Instant};

use crate::daemon::Plant;
use crate::stranger::Stranger;

/// Connections of each kind, after some that do not count.
const CONNECTIONS: usize = 200;

/// Connections that do not count.
const WARM_UP: usize = 10;

/// Connections to a node of the release program over TCP and over QUIC, by a member that does one
/// thing after the other: until the connection is encrypted and multiplexed, and from there until
/// it is admitted.
pub fn connections() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    plant.join("press-1");
    let listen = plant.status("gateway-1").listen;
    let id = plant.status("gateway-1").plant.expect("a plant").id;
    println!(
        "| connection over | handshake, median | admission on top, median | p99 of both | added |"
    );
    println!("|---|---|---|---|---|");
    for (name, part) in [("TCP and TLS", "/tcp/"), ("QUIC", "/quic-v1")] {
        let address = listen.iter().find(|address| address.contains(part)).expect("an address");
        let stranger = Stranger::from_home(&plant.home("press-1"));
        let mut times: Vec<(Duration, Duration)> = Vec::new();
        for _ in 0..WARM_UP + CONNECTIONS {
            let start = Instant::now();
            let connection = stranger.dial(address);
            let shaken = start.elapsed();
            connection.admit(&id);
            times.push((shaken, start.elapsed() - shaken));
        }
        let times = times.split_off(WARM_UP);
        let mut handshakes: Vec<Duration> = times.iter().map(|(shaken, _)| *shaken).collect();
        let mut admissions: Vec<Duration> = times.iter().map(|(_, admitted)| *admitted).collect();
        let mut both: Vec<Duration> = times.iter().map(|(one, other)| *one + *other).collect();
        for times in [&mut handshakes, &mut admissions, &mut both] {
            times.sort_unstable();
        }
        let median = |times: &[Duration]| times[times.len() / 2].as_secs_f64() * 1e6;
        let (handshake, admission) = (median(&handshakes), median(&admissions));
        println!(
            "| {name} | {handshake:.0} µs | {admission:.0} µs | {:.0} µs | {:.0} % |",
            both[both.len() * 99 / 100].as_secs_f64() * 1e6,
            admission / handshake * 100.0
        );
    }
}
