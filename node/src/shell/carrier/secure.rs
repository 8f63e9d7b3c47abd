//! TLS and yamux over anything that carries bytes.

use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, yamux};

use super::tls::{Tls, TlsError};

/// Until a connection must be encrypted and multiplexed.
pub(in crate::shell) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// Until a connection must be admitted, all in all.
pub(in crate::shell) const CONNECTED_MAX: Duration = Duration::from_secs(10);

/// Streams per connection. yamux buffers up to 256 KiB for each.
pub(in crate::shell) const STREAMS_MAX: u16 = 64;

/// A transport of which both ends have proven their keys.
///
/// # Errors
/// The key makes no certificate.
pub(in crate::shell) fn secured<T>(
    bare: T,
    key: &Keypair,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TlsError>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(STREAMS_MAX.into());
    Ok(bare
        .upgrade(Version::V1Lazy)
        .authenticate(Tls::new(key)?)
        .multiplex(muxer)
        .timeout(HANDSHAKE_MAX)
        .boxed())
}
