//! The plant plane's I/O: its swarm, admission inside the transport, the lanes of links, and the
//! path of live values.

mod admission;
mod behaviour;
pub(super) mod claims;
mod commands;
mod data;
pub(super) mod finder;
pub(super) mod gate;
pub(super) mod lanes;
pub(super) mod live;
pub(super) mod swarm;
pub(super) mod transport;
pub(super) mod visits;

pub(super) use admission::AdmissionError;
pub(super) use admission::visiting::visit;
