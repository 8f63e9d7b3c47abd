//! The harness of gearmesh: what the suites under `tests/` share.

pub mod skip;
