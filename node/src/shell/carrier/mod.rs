//! What carries both planes, and knows neither: keys, addresses, TLS and yamux over TCP, frames over
//! a stream, and moving a muxer while something on it is read.

pub(super) mod address;
pub(super) mod drive;
pub(super) mod frames;
mod joined;
pub(super) mod keys;
pub(super) mod secure;
pub(super) mod tls;
