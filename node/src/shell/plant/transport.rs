//! What carries the plant plane: TCP, Noise, yamux, and admission on top.

use std::sync::Arc;
use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, noise, tcp, yamux};

use super::admission::admit;
use super::gate::Gate;

/// Until a connection must be encrypted and multiplexed.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// Until a connection must be admitted, all in all.
const CONNECTED_MAX: Duration = Duration::from_secs(10);

/// Streams per connection. A link uses two; yamux buffers up to 256 KiB for each.
const STREAMS_MAX: usize = 64;

/// The plant plane's transport.
///
/// # Errors
/// Noise does not take the key.
pub(super) fn build(
    key: &Keypair,
    gate: Arc<Gate>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(STREAMS_MAX);
    let encrypted = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(key)?)
        .multiplex(muxer)
        .timeout(HANDSHAKE_MAX)
        .boxed();
    let admitted = admit(encrypted, gate);
    Ok(libp2p::core::transport::timeout::TransportTimeout::new(admitted, CONNECTED_MAX).boxed())
}
