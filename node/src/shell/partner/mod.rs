//! The partner plane's I/O: a swarm of its own, with its own key and port, admission by agreement
//! inside the transport, a session with each partner's gateway, and gossip. It knows nothing of the
//! plant; the share logs lie beside it.

mod admission;
mod behaviour;
mod budget;
mod door;
mod gossip;
mod guard;
mod guarded;
pub(super) mod logs;
mod session;
pub(super) mod swarm;
#[cfg(test)]
mod tests;

pub(super) use door::Door;
pub(super) use session::Sessions;
