//! The harness behind the suites: real daemons, a simulated world, namespaces, and what they are
//! waited for with.
#![expect(clippy::expect_used, clippy::panic, reason = "a harness has one way to fail a test")]

pub mod admin;
pub mod api;
pub mod cli;
pub mod companies;
pub mod company;
pub mod connecting;
pub mod daemon;
pub mod decoders;
pub mod faults;
pub mod finding;
pub mod invariants;
pub mod many;
pub mod netns;
pub mod partner;
pub mod planted;
pub mod rpc;
pub mod skip;
pub mod stranger;
pub mod stream;
pub mod values;
pub mod wait;
pub mod world;
pub mod years;
