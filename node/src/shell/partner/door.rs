//! What the admission exchanges of the partner plane share: who may come in, whom this side dials,
//! places, and outcomes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::partner_link::{Link, LinkProof};
use gearmesh_protocol::partner_session::KnockWith;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::core::partner::{Doors, Grounds, Input};
use crate::shell::clock::Clock;

/// Exchanges with gateways that are no partners' which may go on at once.
const STRANGERS_MAX: usize = 32;

/// Exchanges with partners' gateways that may go on at once, besides.
const PARTNERS_MAX: usize = 64;

/// Admitted connections that wait for the swarm's loop; the oldest is forgotten.
const ADMITTED_MAX: usize = 128;

/// Share links that are followed at once.
pub(in crate::shell) const LINKS_MAX: usize = 16;

/// How long a gateway is kept out that did what no honest one does.
const KEPT_OUT: Duration = Duration::from_secs(60);

/// Gateways that are kept out at once; the first of them come in again beyond.
const KEPT_OUT_MAX: usize = 256;

/// A share link that somebody here follows.
struct Followed {
    link: Arc<Link>,
    refused: Option<Refusal>,
}

/// Shared by all admission exchanges of one gateway.
pub(in crate::shell) struct Door {
    key: SigningKey,
    doors: Mutex<Arc<Doors>>,
    links: Mutex<BTreeMap<PublicKey, Followed>>,
    /// Where whoever answers is asked who has a gateway's place.
    asked: Mutex<BTreeSet<Multiaddr>>,
    admitted: Mutex<VecDeque<(PeerId, Multiaddr, Grounds)>>,
    /// Until when gateways are kept out.
    kept_out: Mutex<VecDeque<(PublicKey, Duration)>>,
    /// Connected gateways that receive what this one does.
    beside: Mutex<BTreeSet<PublicKey>>,
    clock: Clock,
    inputs: mpsc::Sender<Input>,
    strangers: Arc<Semaphore>,
    partners: Arc<Semaphore>,
}

impl Door {
    pub(in crate::shell) fn new(
        key: SigningKey,
        inputs: mpsc::Sender<Input>,
        clock: Clock,
    ) -> Self {
        Self {
            key,
            doors: Mutex::default(),
            links: Mutex::default(),
            asked: Mutex::default(),
            admitted: Mutex::default(),
            kept_out: Mutex::default(),
            beside: Mutex::default(),
            clock,
            inputs,
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            partners: Arc::new(Semaphore::new(PARTNERS_MAX)),
        }
    }

    pub(super) fn me(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// Who may come in from now on.
    pub(in crate::shell) fn set(&self, doors: Doors) {
        let mut held = lock(&self.doors);
        if **held != doors {
            *held = Arc::new(doors);
        }
    }

    pub(in crate::shell) fn doors(&self) -> Arc<Doors> {
        Arc::clone(&lock(&self.doors))
    }

    /// Follows a share link from now on. False if as many are followed already.
    pub(in crate::shell) fn follow(&self, link: Link) -> bool {
        let mut links = lock(&self.links);
        let has_place = links.len() < LINKS_MAX || links.contains_key(&link.id());
        if has_place {
            links.insert(link.id(), Followed { link: Arc::new(link), refused: None });
        }
        has_place
    }

    /// A share link that is followed.
    pub(super) fn followed(&self, link: &PublicKey) -> Option<Arc<Link>> {
        lock(&self.links).get(link).map(|followed| Arc::clone(&followed.link))
    }

    /// Follows a share link no more. Why its gateway refused, if it did.
    pub(in crate::shell) fn forget(&self, link: &PublicKey) -> Option<Refusal> {
        lock(&self.links).remove(link)?.refused
    }

    /// Connected gateways that receive what this one does.
    pub(in crate::shell) fn beside(&self) -> BTreeSet<PublicKey> {
        lock(&self.beside).clone()
    }

    pub(super) fn set_beside(&self, beside: BTreeSet<PublicKey>) {
        *lock(&self.beside) = beside;
    }

    /// Keeps a gateway out for a while.
    pub(super) fn keep_out(&self, peer: PublicKey) {
        let mut kept_out = lock(&self.kept_out);
        kept_out.retain(|(known, _)| *known != peer);
        kept_out.push_back((peer, self.clock.tick() + KEPT_OUT));
        if kept_out.len() > KEPT_OUT_MAX {
            kept_out.pop_front();
        }
    }

    /// Whether a gateway is kept out now.
    pub(super) fn keeps_out(&self, peer: &PublicKey) -> bool {
        let at = self.clock.tick();
        let mut kept_out = lock(&self.kept_out);
        kept_out.retain(|(_, until)| at < *until);
        kept_out.iter().any(|(known, _)| known == peer)
    }

    /// On what grounds this side knocks at a gateway; none if it has no business there.
    pub(super) fn knock_at(
        &self,
        peer: &PublicKey,
        address: &Multiaddr,
    ) -> Option<(Grounds, KnockWith)> {
        let links = lock(&self.links);
        if let Some(followed) = links.values().find(|followed| followed.link.leads_to(peer)) {
            let link = followed.link.id();
            let proof = LinkProof { link, from: self.me(), at: *peer };
            let signed = Signed::sign(&followed.link.key(), &PlantId::ZERO, &proof);
            return Some((Grounds::Link(link), KnockWith::Link(signed)));
        }
        drop(links);
        if self.keeps_out(peer) {
            return None;
        }
        let doors = self.doors();
        if doors.hosts.contains(peer) {
            return Some((Grounds::Agreement, KnockWith::Agreement));
        }
        if doors.co_receivers.contains(peer) {
            return Some((Grounds::CoReceiver, KnockWith::CoReceiver));
        }
        lock(&self.asked).contains(address).then_some((Grounds::Notice, KnockWith::Agreement))
    }

    /// Asks whoever answers at an address from now on. False if somebody is asked there already.
    pub(super) fn ask(&self, address: &Multiaddr) -> bool {
        lock(&self.asked).insert(address.clone())
    }

    /// Whoever answers at an address is asked no more.
    pub(super) fn ask_no_more(&self, address: &Multiaddr) {
        lock(&self.asked).remove(address);
    }

    /// Whether a gateway that knocks may come in.
    pub(super) fn judge(&self, peer: &PublicKey, with: &KnockWith) -> Result<Grounds, Refusal> {
        if self.keeps_out(peer) {
            return Err(Refusal::KeptOut);
        }
        let doors = self.doors();
        let known = |keys: &BTreeSet<PublicKey>, grounds| {
            keys.contains(peer).then_some(grounds).ok_or(Refusal::NotAdmitted)
        };
        let signed = match with {
            KnockWith::Agreement => return known(&doors.peers, Grounds::Agreement),
            KnockWith::CoReceiver => return known(&doors.co_receivers, Grounds::CoReceiver),
            KnockWith::Link(signed) => signed,
        };
        let proof = signed.peek().map_err(|_| Refusal::NotAdmitted)?;
        let wanted = LinkProof { link: proof.link, from: *peer, at: self.me() };
        let is_proven = proof == wanted && signed.verify(&PlantId::ZERO, &proof.link).is_ok();
        let state = doors.links.get(&proof.link).filter(|_| is_proven);
        let state = state.ok_or(Refusal::NotAdmitted)?;
        state.admits(peer).inspect_err(|refusal| {
            if *refusal == Refusal::LinkUsed {
                // If the core is too busy to hear of it now, the next attempt tells.
                drop(self.inputs.try_send(Input::LinkShownAgain { link: proof.link }));
            }
        })?;
        Ok(Grounds::Link(proof.link))
    }

    /// A place for an exchange. Partners have places of their own.
    pub(super) fn place(&self, key: &PublicKey) -> Option<OwnedSemaphorePermit> {
        let doors = self.doors();
        let known = [&doors.peers, &doors.hosts, &doors.co_receivers];
        let is_known = known.into_iter().any(|keys| keys.contains(key));
        let places = if is_known { &self.partners } else { &self.strangers };
        Arc::clone(places).try_acquire_owned().ok()
    }

    pub(super) fn report_admitted(&self, peer: PeerId, address: Multiaddr, grounds: Grounds) {
        let mut admitted = lock(&self.admitted);
        if admitted.len() >= ADMITTED_MAX {
            admitted.pop_front();
        }
        admitted.push_back((peer, address, grounds));
    }

    pub(super) fn report_refused(&self, grounds: Grounds, refusal: Refusal) {
        if let Grounds::Link(link) = grounds
            && let Some(followed) = lock(&self.links).get_mut(&link)
        {
            followed.refused = Some(refusal);
        }
    }

    /// Why a connection was admitted that the swarm reports as established.
    pub(super) fn take_admitted(&self, peer: &PeerId, address: &Multiaddr) -> Option<Grounds> {
        let mut admitted = lock(&self.admitted);
        let exact = |(by, at, _): &(PeerId, Multiaddr, Grounds)| by == peer && at == address;
        let at = admitted.iter().position(exact);
        let at = at.or_else(|| admitted.iter().position(|(by, ..)| by == peer))?;
        admitted.remove(at).map(|(.., grounds)| grounds)
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
