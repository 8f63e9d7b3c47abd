//! What a peer hears that finds no place.

use std::task::Poll;

use ed25519_dalek::SigningKey;
use futures::future::poll_fn;
use gearmesh_protocol::ids::Incarnation;
use libp2p::core::Endpoint;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportEvent};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{tcp, tls, yamux};
use tokio::sync::{mpsc, watch};

use super::super::super::clock::Clock;
use super::super::super::core_handle::CoreHandle;
use super::super::gate::BUSY_MAX;
use super::super::transport;
use super::*;
use crate::core::plant::data::Keep;
use crate::core::plant::{Plant, Start};
use crate::core::random::Random;

/// The gate of a node that belongs to no plant, and its key.
fn gate() -> Arc<Gate> {
    let plant = Plant::restore(Start {
        key: SigningKey::from_bytes(&[5; 32]),
        incarnation: Incarnation([0; 16]),
        random: Random::new([1; 32]),
        records: Vec::new(),
        data: std::collections::BTreeMap::new(),
        own_ends: Vec::new(),
        keep: Keep::default(),
        seeds: Vec::new(),
        resources: Vec::new(),
    });
    let (_, views) = watch::channel(Arc::new(plant.view()));
    let core = CoreHandle::new(mpsc::channel(1).0, views, Arc::default());
    Arc::new(Gate::new(core, Clock::start(), Random::new([2; 32]), Arc::default()))
}

/// A listener behind the gate: where it is.
async fn listen(gate: &Arc<Gate>) -> Multiaddr {
    let key = Keypair::generate_ed25519();
    let mut transport =
        transport::build(&key, Arc::clone(gate), transport::Medium::Network).expect("a transport");
    let any = "/ip4/127.0.0.1/tcp/0".parse().expect("an address");
    transport.listen_on(ListenerId::next(), any).expect("a listener");
    let first = poll_fn(|cx| std::pin::Pin::new(&mut transport).poll(cx)).await;
    let TransportEvent::NewAddress { listen_addr, .. } = first else { panic!("{first:?}") };
    tokio::spawn(poll_fn(move |cx| {
        while let Poll::Ready(event) = std::pin::Pin::new(&mut transport).poll(cx) {
            if let TransportEvent::Incoming { upgrade, .. } = event {
                tokio::spawn(upgrade);
            }
        }
        Poll::<()>::Pending
    }));
    listen_addr
}

/// What a stranger hears that opens a stream and waits.
async fn heard(address: &Multiaddr) -> Result<AdmissionMessage, AdmissionError> {
    let key = Keypair::generate_ed25519();
    let mut transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(tls::Config::new(&key).expect("a key"))
        .multiplex(yamux::Config::default())
        .boxed();
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dial = transport.dial(address.clone(), options).expect("a dial");
    let (_, mut muxer) = dial.await.expect("a handshake");
    let stream = drive::first_substream(&mut muxer, true).await.expect("a stream");
    let mut wire = Wire { muxer: &mut muxer, stream };
    // A stream begins with its first byte.
    drop(wire.send(&AdmissionMessage::Prove([0; 16])).await);
    wire.receive().await
}

#[tokio::test]
async fn a_peer_that_finds_no_place_is_told_to_come_again_as_long_as_few_are() {
    let gate = gate();
    let address = listen(&gate).await;
    let stranger = PublicKey::of(&SigningKey::from_bytes(&[6; 32]));
    let mut places: Vec<_> = std::iter::from_fn(|| gate.place(&stranger)).collect();
    assert_eq!(heard(&address).await, Err(AdmissionError::RefusedByPeer(Refusal::Busy)));

    let mut words = Vec::new();
    while words.len() < BUSY_MAX {
        words.extend(gate.place_to_say_busy());
        // The connection before holds its place until it has heard the end.
        tokio::task::yield_now().await;
    }
    let silence = heard(&address).await;
    assert!(matches!(silence, Err(AdmissionError::Broken(_))), "{silence:?}");
    drop(words);
    assert_eq!(heard(&address).await, Err(AdmissionError::RefusedByPeer(Refusal::Busy)));

    places.pop();
    let judged = heard(&address).await;
    assert_eq!(judged, Err(AdmissionError::RefusedByPeer(Refusal::Protocol)), "out of turn");
}
