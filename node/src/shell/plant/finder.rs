//! Looking for machines that let themselves be found, and claiming one: by multicast, or at addresses
//! that a person names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use futures::StreamExt;
use gearmesh_protocol::claim::{CarriedCode, Claiming};
use gearmesh_protocol::found::{Found, FoundMachine, Missed};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::words::check_words;
use libp2p::core::Endpoint;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::dummy::DummyTransport;
use libp2p::core::transport::{Boxed, DialOpts, PortUse};
use libp2p::swarm::{self, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, Transport, mdns, tcp};

use super::admission::AdmissionError;
use super::admission::meeting::{self, Met};
use super::gate::Gate;
use crate::core::plant::nearby::Nearby;
use crate::shell::carrier::address::{is_quic, tcp_twin, without_peer};
use crate::shell::carrier::keys::{keypair, peer_id, public_key};
use crate::shell::carrier::secure::secured;
use crate::shell::listen::plain;

/// How long answers to one question by multicast are listened for.
const LISTEN_MAX: Duration = Duration::from_secs(3);

/// Machines that are asked at once.
const ASKED_AT_ONCE: usize = 32;

/// How long all that are there are asked; who is not done then is counted.
const ASKING_MAX: Duration = Duration::from_secs(20);

/// A connection whose ends have proven their keys.
type Secured = Boxed<(PeerId, StreamMuxerBox)>;

/// Whom to look at: its key, if it is known beforehand, and where it may be.
struct Place {
    key: Option<PublicKey>,
    addresses: Vec<Multiaddr>,
}

/// What came of looking at one place.
enum Seen {
    /// A machine that lets itself be found.
    Machine(FoundMachine, Multiaddr),
    /// None, and why.
    Nothing(Missed),
}

/// Looks for machines that let themselves be found.
pub(in crate::shell) struct Finder {
    key: SigningKey,
    me: PublicKey,
    with_mdns: bool,
    gate: Arc<Gate>,
    /// One look at a time.
    turn: tokio::sync::Mutex<()>,
    last: Mutex<(Found, BTreeMap<PublicKey, Multiaddr>)>,
}

impl Finder {
    pub(in crate::shell) fn new(key: &SigningKey, gate: Arc<Gate>, with_mdns: bool) -> Self {
        let me = PublicKey::of(key);
        let (turn, last) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { key: key.clone(), me, with_mdns, gate, turn, last }
    }

    /// What the last look has brought.
    pub(in crate::shell) fn last(&self) -> Found {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Looks at these addresses, or around if there are none.
    ///
    /// # Errors
    /// Somebody looks already, or multicast is off.
    pub(in crate::shell) async fn look(&self, addresses: Vec<Multiaddr>) -> Result<Found, Refusal> {
        let _turn = self.turn.try_lock().map_err(|_| Refusal::Busy)?;
        let is_named = !addresses.is_empty();
        let (places, left_out) = match is_named {
            true => {
                let place = |address| Place { key: None, addresses: vec![address] };
                (addresses.into_iter().map(place).collect(), 0)
            }
            false => self.around().await?,
        };
        let mut found = Found { left_out, ..Found::default() };
        let mut where_they_are = BTreeMap::new();
        let transport = Mutex::new(self.transport()?);
        let mut waiting = u64::try_from(places.len()).unwrap_or(u64::MAX);
        let looks = futures::stream::iter(places)
            .map(|place| self.look_at(&transport, place))
            .buffer_unordered(ASKED_AT_ONCE)
            .take_until(Box::pin(tokio::time::sleep(ASKING_MAX)));
        let mut looks = std::pin::pin!(looks);
        while let Some(seen) = looks.next().await {
            waiting -= 1;
            match seen {
                Seen::Machine(machine, address) => {
                    // Two addresses may be of one machine.
                    if where_they_are.insert(machine.key, address).is_some() {
                        found.machines.retain(|known| known.key != machine.key);
                    }
                    found.machines.push(machine);
                }
                Seen::Nothing(missed) if is_named => found.missed.push(missed),
                Seen::Nothing(_) => found.others += 1,
            }
        }
        found.left_out += waiting;
        found.machines.sort_by(|a, b| a.address.cmp(&b.address));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (found.clone(), where_they_are);
        Ok(found)
    }

    fn transport(&self) -> Result<Secured, Refusal> {
        let key = keypair(&self.key).map_err(|_| Refusal::SystemRefused)?;
        let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
        secured(tcp, &key).map_err(|_| Refusal::SystemRefused)
    }

    /// Asks by multicast who is there. Members of this plant are left out.
    async fn around(&self) -> Result<(Vec<Place>, u64), Refusal> {
        let me = peer_id(&self.me).filter(|_| self.with_mdns).ok_or(Refusal::NoLookingAround)?;
        let asking = mdns::tokio::Behaviour::new(mdns::Config::default(), me);
        let asking = asking.map_err(|_| Refusal::NoLookingAround)?;
        // Nothing is dialled here, and nobody is answered: the node's own swarm does that.
        let nowhere = DummyTransport::<(PeerId, StreamMuxerBox)>::new().boxed();
        let config = swarm::Config::with_tokio_executor();
        let mut swarm = Swarm::new(nowhere, asking, me, config);
        let mut nearby = Nearby::default();
        let listen = async {
            while let Some(event) = swarm.next().await {
                let SwarmEvent::Behaviour(mdns::Event::Discovered(found)) = event else { continue };
                for (peer, address) in found {
                    let address = without_peer(&address).to_string().try_into();
                    if let (Some(key), Ok(address)) = (public_key(&peer), address) {
                        nearby.learn(key, address);
                    }
                }
            }
        };
        drop(tokio::time::timeout(LISTEN_MAX, listen).await);
        let (view, left_out) = (self.gate.view(), nearby.left_out());
        let strangers = nearby
            .into_places()
            .into_iter()
            .filter(|(key, _)| *key != self.me && view.author(key).is_none());
        let places = strangers.map(|(key, addresses)| {
            let parsed: Vec<Multiaddr> =
                addresses.iter().filter_map(|address| address.as_str().parse().ok()).collect();
            Place { key: Some(key), addresses: parsed }
        });
        Ok((places.collect(), left_out))
    }

    /// Looks at one place, address after address.
    async fn look_at(&self, transport: &Mutex<Secured>, place: Place) -> Seen {
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in place.addresses {
            // Whoever listens for QUIC listens for TCP on the port of the same number.
            let address = if is_quic(&address) { tcp_twin(&address) } else { Some(address) };
            addresses.extend(address.filter(|address| !addresses.contains(address)));
        }
        let mut missed = Missed { address: String::new(), cause: "it names no address".to_owned() };
        for address in addresses {
            let shown = plain(&address.to_string());
            match self.meet(transport, &address, place.key.as_ref()).await {
                Ok((key, Met { words, closes_in_s })) => {
                    let key_words = check_words(key.as_bytes());
                    let machine =
                        FoundMachine { key, key_words, address: shown, words, closes_in_s };
                    return Seen::Machine(machine, address);
                }
                Err(cause) => missed = Missed { address: shown, cause },
            }
        }
        Seen::Nothing(missed)
    }

    /// Comes to the same words with the machine at an address, or says why not.
    async fn meet(
        &self,
        transport: &Mutex<Secured>,
        address: &Multiaddr,
        expected: Option<&PublicKey>,
    ) -> Result<(PublicKey, Met), String> {
        let (key, mut muxer) = dial(transport, address).await.ok_or("nobody answers there")?;
        if expected.is_some_and(|expected| *expected != key) {
            return Err("another machine answers there".to_owned());
        }
        if key == self.me {
            return Err("that is this machine itself".to_owned());
        }
        if let Some(roster) = &self.gate.view().roster
            && let Some(member) = roster.member(&key)
        {
            return Err(format!("{} is a member of this plant already", member.name()));
        }
        let met = meeting::look(&mut muxer, (&self.me, &key), self.gate.nonce()).await;
        met.map(|met| (key, met)).map_err(|error| in_words(&error))
    }

    /// Hands a code to a machine that was found, or asks again how that stands.
    ///
    /// # Errors
    /// It was not found at the last look, does not answer any more, or says no.
    pub(in crate::shell) async fn claim(
        &self,
        machine: &PublicKey,
        code: CarriedCode,
    ) -> Result<Claiming, Refusal> {
        let known = {
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.1.get(machine).cloned()
        };
        let address = known.ok_or(Refusal::NotFoundYet)?;
        let transport = Mutex::new(self.transport()?);
        let (key, mut muxer) = dial(&transport, &address).await.ok_or(Refusal::FoundSilent)?;
        if key != *machine {
            return Err(Refusal::FoundSilent);
        }
        meeting::claim(&mut muxer, code).await.map_err(|error| match error {
            // It was started anew, and knows nobody.
            AdmissionError::RefusedByPeer(Refusal::NotAdmitted) => Refusal::ClaimClosed,
            AdmissionError::RefusedByPeer(why) | AdmissionError::Refused(why) => why,
            _ => Refusal::FoundSilent,
        })
    }
}

/// A connection to an address, and the key at its other end.
async fn dial(
    transport: &Mutex<Secured>,
    address: &Multiaddr,
) -> Option<(PublicKey, StreamMuxerBox)> {
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dial = {
        let mut transport = transport.lock().unwrap_or_else(PoisonError::into_inner);
        transport.dial(address.clone(), options).ok()?
    };
    let (peer, muxer) = dial.await.ok()?;
    Some((public_key(&peer)?, muxer))
}

/// Why a machine that answered is not in the list.
fn in_words(error: &AdmissionError) -> String {
    match error {
        AdmissionError::RefusedByPeer(Refusal::NotAdmitted | Refusal::Protocol) => {
            "it does not let itself be found: it has a plant already, or was started without \
             --claimable"
                .to_owned()
        }
        AdmissionError::RefusedByPeer(Refusal::Busy) => {
            "too many have looked at it; start its node again".to_owned()
        }
        other => other.to_string(),
    }
}
