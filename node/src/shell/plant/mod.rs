//! The plant plane's I/O: its swarm, admission inside the transport, the lanes of links, and the
//! path of live values.

mod address;
mod admission;
mod behaviour;
mod commands;
mod data;
mod frames;
pub(super) mod gate;
mod joined;
mod keys;
pub(super) mod lanes;
pub(super) mod live;
pub(super) mod swarm;
pub(super) mod tls;
pub(super) mod transport;
