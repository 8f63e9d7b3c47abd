//! The harness behind the suites: real daemons, and what they are waited for with.

pub mod cli;
pub mod daemon;
pub mod skip;
pub mod wait;
