//! Admins that come from machines that are no nodes: how many at once, and on to where they are served.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::refusal::Refusal;
use libp2p::core::muxing::StreamMuxerBox;
use tokio::sync::mpsc;

use super::super::counters::Counters;

/// Visits at once; further ones are refused.
pub(in crate::shell) const VISITS_MAX: usize = 16;

/// Visits at once of one admin's key.
pub(in crate::shell) const VISITS_OF_ONE_MAX: usize = 4;

/// An admin that was let in.
pub(in crate::shell) struct Guest {
    /// The key that it proved to hold.
    pub(in crate::shell) admin: PublicKey,
    /// From where; none between nodes of one process.
    pub(in crate::shell) from: Option<IpAddr>,
    _place: Place,
}

/// A connection whose first stream has let an admin in.
pub(in crate::shell) struct Arrived {
    pub(in crate::shell) muxer: StreamMuxerBox,
    pub(in crate::shell) guest: Guest,
}

/// How many of each key are here.
type Present = Arc<Mutex<BTreeMap<PublicKey, usize>>>;

/// One of the places, as long as a visit lasts.
struct Place {
    admin: PublicKey,
    present: Present,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = present.get_mut(&self.admin) {
            *count -= 1;
            if *count == 0 {
                present.remove(&self.admin);
            }
        }
    }
}

/// The visits of one node.
pub(in crate::shell) struct Visits {
    present: Present,
    served: OnceLock<mpsc::Sender<Arrived>>,
    counters: Arc<Counters>,
}

impl Visits {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { present: Arc::default(), served: OnceLock::new(), counters }
    }

    /// Lets visitors be served, who come out here.
    pub(in crate::shell) fn serve(&self) -> mpsc::Receiver<Arrived> {
        let (sender, receiver) = mpsc::channel(VISITS_MAX);
        drop(self.served.set(sender));
        receiver
    }

    /// A place for an admin.
    pub(super) fn place(&self, admin: PublicKey, from: Option<IpAddr>) -> Result<Guest, Refusal> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = present.values().sum();
        let own = present.get(&admin).copied().unwrap_or_default();
        if all >= VISITS_MAX || own >= VISITS_OF_ONE_MAX {
            return Err(Refusal::VisitsFull);
        }
        present.insert(admin, own + 1);
        drop(present);
        let place = Place { admin, present: Arc::clone(&self.present) };
        Ok(Guest { admin, from, _place: place })
    }

    /// Notes that somebody who knows the plant was turned away.
    pub(super) fn turned_away(&self) {
        self.counters.refused_visits.add_one();
    }

    /// Hands a visitor on. There is a place in the queue for everyone who has a place here; while the
    /// node stops nobody is served.
    pub(super) fn arrived(&self, arrived: Arrived) {
        if let Some(served) = self.served.get()
            && served.try_send(arrived).is_ok()
        {
            self.counters.visits.add_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    fn key(seed: u8) -> PublicKey {
        PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
    }

    #[test]
    fn neither_one_admin_nor_all_together_have_more_than_their_places() {
        let visits = Visits::new(Arc::default());
        let mut guests: Vec<Guest> =
            std::iter::from_fn(|| visits.place(key(1), None).ok()).collect();
        assert_eq!(guests.len(), VISITS_OF_ONE_MAX);
        for seed in 2.. {
            match visits.place(key(seed), None) {
                Ok(guest) => guests.push(guest),
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::VisitsFull);
                    break;
                }
            }
        }
        assert_eq!(guests.len(), VISITS_MAX);
        guests.clear();
        assert!(visits.place(key(1), None).is_ok(), "whoever goes leaves its place");
    }
}
