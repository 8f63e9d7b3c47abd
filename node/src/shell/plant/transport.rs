//! What carries the plant plane: TLS and yamux over TCP, or QUIC, and admission on top of either.

use std::sync::Arc;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, MemoryTransport, OrTransport};
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, quic, tcp};

use super::admission::admit;
use super::gate::Gate;
use crate::shell::carrier::secure::{CONNECTED_MAX, HANDSHAKE_MAX, STREAMS_MAX, secured};
use crate::shell::carrier::tls::TlsError;

/// Bytes that a QUIC peer may send on one stream before they are read.
const QUIC_STREAM_BYTES: u32 = 1024 * 1024;

/// Bytes that a QUIC peer may send on all streams before they are read.
const QUIC_CONNECTION_BYTES: u32 = 2 * QUIC_STREAM_BYTES;

/// Variable that makes libp2p's QUIC write its keys to a file.
pub(super) const KEY_LOG_VARIABLE: &str = "SSLKEYLOGFILE";

/// Whether QUIC may be used: its library writes keys to a file if the environment asks for it, and
/// there is no way to forbid that.
pub(super) fn has_quic() -> bool {
    std::env::var_os(KEY_LOG_VARIABLE).is_none()
}

/// What connections run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell) enum Medium {
    /// TCP and QUIC.
    Network,
    /// Channels between nodes of one process, for measurements of many of them. All above is the
    /// same, the handshake included.
    Memory,
}

/// The plant plane's transport.
///
/// # Errors
/// The key makes no certificate.
pub(super) fn build(
    key: &Keypair,
    gate: Arc<Gate>,
    medium: Medium,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TlsError> {
    let carried = match medium {
        Medium::Memory => secured(MemoryTransport::new(), key)?,
        Medium::Network => {
            let nodelay = tcp::Config::default().nodelay(true);
            let tcp = secured(tcp::tokio::Transport::new(nodelay), key)?;
            if has_quic() {
                let quic = quic::tokio::Transport::new(quic_config(key))
                    .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
                OrTransport::new(quic, tcp).map(|either, _| either.into_inner()).boxed()
            } else {
                tcp
            }
        }
    };
    let admitted = admit(carried, gate);
    Ok(libp2p::core::transport::timeout::TransportTimeout::new(admitted, CONNECTED_MAX).boxed())
}

fn quic_config(key: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(key);
    config.handshake_timeout = HANDSHAKE_MAX;
    config.max_concurrent_stream_limit = STREAMS_MAX.into();
    config.max_stream_data = QUIC_STREAM_BYTES;
    config.max_connection_data = QUIC_CONNECTION_BYTES;
    config
}
