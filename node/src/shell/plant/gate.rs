//! What the admission exchanges of one node share: the newest view, places, and their outcomes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gearmesh_protocol::ids::{Nonce, PublicKey};
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::plant::{Greeting, LedgerPage};
use gearmesh_protocol::refusal::Refusal;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::super::clock::Clock;
use super::super::core_handle::CoreHandle;
use super::super::counters::Counters;
use super::admission::{AdmissionError, Greetings};
use super::claims::Claims;
use super::visits::Visits;
use crate::core::clock::Now;
use crate::core::plant::view::View;
use crate::core::random::Random;

/// Exchanges with strangers that may go on at once.
const STRANGERS_MAX: usize = 64;

/// Exchanges with keys of the roster that may go on at once, besides those with strangers.
const MEMBERS_MAX: usize = 256;

/// Peers without a place that may be told so at once; further ones are closed without a word.
pub(super) const BUSY_MAX: usize = 16;

/// Outcomes that may wait to be read by the swarm's loop; the oldest is forgotten.
const OUTCOMES_MAX: usize = 512;

/// What the gate knows of a connection when its exchange ends.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) peer: PeerId,
    pub(super) address: Multiaddr,
    pub(super) is_dialer: bool,
}

/// An attempt to join with a code, while it lasts.
struct Attempt {
    code: Arc<Code>,
    addresses: Vec<Multiaddr>,
    failures: mpsc::Sender<JoinFailure>,
}

/// Why one address of a code led nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell) enum JoinFailure {
    /// This side or the other said no.
    Refused(Refusal),
    /// Nobody answered, or not to the end.
    Unreachable {
        /// The address.
        address: String,
        /// What went wrong.
        cause: String,
    },
}

/// Shared by all admission exchanges of one node.
pub(in crate::shell) struct Gate {
    core: CoreHandle,
    clock: Clock,
    random: Mutex<Random>,
    strangers: Arc<Semaphore>,
    members: Arc<Semaphore>,
    busy: Arc<Semaphore>,
    admitted: Mutex<VecDeque<(Outcome, Greetings)>>,
    refused: Mutex<BTreeMap<PeerId, Refusal>>,
    attempt: Mutex<Option<Attempt>>,
    is_joining: AtomicBool,
    claims: OnceLock<Arc<Claims>>,
    visits: Visits,
    counters: Arc<Counters>,
}

impl Gate {
    pub(in crate::shell) fn new(
        core: CoreHandle,
        clock: Clock,
        random: Random,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            core,
            clock,
            random: Mutex::new(random),
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            members: Arc::new(Semaphore::new(MEMBERS_MAX)),
            busy: Arc::new(Semaphore::new(BUSY_MAX)),
            admitted: Mutex::default(),
            refused: Mutex::default(),
            attempt: Mutex::default(),
            is_joining: AtomicBool::new(false),
            claims: OnceLock::new(),
            visits: Visits::new(Arc::clone(&counters)),
            counters,
        }
    }

    pub(super) fn core(&self) -> &CoreHandle {
        &self.core
    }

    pub(super) fn view(&self) -> Arc<View> {
        self.core.view()
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) fn nonce(&self) -> Nonce {
        Nonce(self.random.lock().unwrap_or_else(PoisonError::into_inner).bytes())
    }

    pub(super) fn greeting(&self) -> Greeting {
        Greeting { incarnation: self.view().incarnation, nonce: self.nonce() }
    }

    /// The slice of the ledger by which this node shows that it is a member.
    pub(super) fn own_credential(&self) -> Vec<LedgerPage> {
        let view = self.view();
        view.ledger.as_ref().map(|ledger| ledger.credential(&view.me)).unwrap_or_default()
    }

    /// A place for an exchange. Keys of the roster have places of their own, so that strangers
    /// cannot keep members out.
    pub(super) fn place(&self, key: &PublicKey) -> Option<OwnedSemaphorePermit> {
        let is_member = self.view().author(key).is_some();
        let places = if is_member { &self.members } else { &self.strangers };
        Arc::clone(places).try_acquire_owned().ok()
    }

    /// Whether a member may have a link; if not, that is counted.
    pub(super) fn has_place_for_link(&self, key: &PublicKey) -> bool {
        let has_place = self.view().has_place_for(key);
        self.counters.refused_links.add(u64::from(!has_place));
        has_place
    }

    /// A place in which a peer is told that there is none.
    pub(super) fn place_to_say_busy(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.busy).try_acquire_owned().ok()
    }

    /// Lets the machine be claimed, as far as `claims` say.
    pub(in crate::shell) fn open_to(&self, claims: Arc<Claims>) {
        drop(self.claims.set(claims));
    }

    /// Admins that come from machines that are no nodes.
    pub(in crate::shell) const fn visits(&self) -> &Visits {
        &self.visits
    }

    /// How the machine may be claimed.
    pub(in crate::shell) fn claims(&self) -> Option<&Arc<Claims>> {
        self.claims.get()
    }

    /// Begins an attempt to join: dials to these addresses redeem the code. Its failures come out.
    pub(in crate::shell) fn begin_join(
        &self,
        code: Arc<Code>,
        addresses: Vec<Multiaddr>,
    ) -> mpsc::Receiver<JoinFailure> {
        let (failures, receiver) = mpsc::channel(addresses.len().max(1));
        *self.attempt.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Attempt { code, addresses, failures });
        receiver
    }

    /// Takes the one place for a join. False if a join is under way.
    pub(in crate::shell) fn take_join_place(&self) -> bool {
        !self.is_joining.swap(true, Ordering::AcqRel)
    }

    /// Ends the attempt to join, and gives its place back.
    pub(in crate::shell) fn end_join(&self) {
        self.is_joining.store(false, Ordering::Release);
        *self.attempt.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The code to redeem at an address, if an attempt is under way.
    pub(super) fn code_for(&self, address: &Multiaddr) -> Option<Arc<Code>> {
        let attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = attempt.as_ref().filter(|attempt| attempt.addresses.contains(address))?;
        Some(Arc::clone(&attempt.code))
    }

    pub(super) fn report_admitted(&self, outcome: Outcome, greetings: Greetings) {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        if admitted.len() >= OUTCOMES_MAX {
            admitted.pop_front();
        }
        admitted.push_back((outcome, greetings));
    }

    pub(super) fn report_refused(&self, outcome: Outcome, error: &AdmissionError) {
        if *error == AdmissionError::Over {
            return;
        }
        // A connection that broke was refused by nobody.
        let is_broken = matches!(error, AdmissionError::Broken(_));
        self.counters.refused_admissions.add(u64::from(!is_broken));
        let Outcome { peer, address, is_dialer } = outcome;
        tracing::info!(%peer, %address, is_dialer, reason = %error, "admission refused");
        let said = match error {
            AdmissionError::RefusedByPeer(refusal) | AdmissionError::Refused(refusal) => {
                Some(*refusal)
            }
            AdmissionError::ForeignKey
            | AdmissionError::TimedOut
            | AdmissionError::Broken(_)
            | AdmissionError::Over => None,
        };
        if !is_dialer {
            return;
        }
        self.report_join_failure(&address, said, &error.to_string());
        if let AdmissionError::RefusedByPeer(refusal) = error {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if refused.len() < OUTCOMES_MAX {
                refused.insert(peer, *refusal);
            }
        }
    }

    /// An address of the join under way led nowhere.
    pub(super) fn report_join_failure(
        &self,
        address: &Multiaddr,
        refusal: Option<Refusal>,
        cause: &str,
    ) {
        let mut attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(attempt) = attempt.as_mut() else { return };
        let Some(at) = attempt.addresses.iter().position(|known| known == address) else { return };
        let address = attempt.addresses.remove(at).to_string();
        let failure = match refusal {
            Some(refusal) => JoinFailure::Refused(refusal),
            None => JoinFailure::Unreachable { address, cause: cause.to_owned() },
        };
        // The channel has a place for every address, and each reports once.
        drop(attempt.failures.try_send(failure));
    }

    /// The greetings of a connection that the swarm reports as established.
    pub(super) fn take_admitted(&self, peer: &PeerId, address: &Multiaddr) -> Option<Greetings> {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        let exact = admitted
            .iter()
            .position(|(outcome, _)| outcome.peer == *peer && outcome.address == *address);
        let at =
            exact.or_else(|| admitted.iter().position(|(outcome, _)| outcome.peer == *peer))?;
        admitted.remove(at).map(|(_, greetings)| greetings)
    }

    /// What a peer said when it refused a dial, if it said anything.
    pub(super) fn take_refusal(&self, peer: &PeerId) -> Option<Refusal> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(peer)
    }
}
