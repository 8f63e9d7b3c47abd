//! Admission inside the transport: by agreement or by share link, before the swarm hears of a
//! connection.
//!
//! The dialer has checked, before it says a word, that the key that answers is the one that an
//! agreement or a link names. It says on what grounds it comes; the listener says whether it may.
//! What else has to be right is said where the plant does the same.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{AsyncReadExt, AsyncWriteExt};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::KNOCK_BYTES_MAX;
use gearmesh_protocol::partner_session::{Knock, KnockAnswer, PARTNER_VERSION};
use gearmesh_protocol::refusal::Refusal;
use libp2p::core::muxing::{StreamMuxerBox, SubstreamBox};
use libp2p::core::transport::Boxed;
use libp2p::core::{ConnectedPoint, Transport};
use libp2p::{Multiaddr, PeerId};

use super::door::Door;
use crate::core::partner::Grounds;
use crate::shell::carrier::drive::{drive, first_substream};
use crate::shell::carrier::frames::{self, FrameError};
use crate::shell::carrier::keys::public_key;

/// How long an exchange may take; below the transport's own limit.
const EXCHANGE_MAX: Duration = Duration::from_secs(3);

/// How long a refusing side waits for the other to read why.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// Why a connection was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AdmissionError {
    /// The peer's key is of a kind that no gateway has.
    #[error("the peer's key is no Ed25519 key")]
    ForeignKey,
    /// Whoever answered is nobody that this side has business with.
    #[error("the key that answered is named by no agreement and no link")]
    WrongKey,
    /// This side said no.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The other side said no.
    #[error("the peer refused: {0}")]
    RefusedByPeer(Refusal),
    /// The exchange took too long.
    #[error("the exchange took longer than {EXCHANGE_MAX:?}")]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl From<FrameError> for AdmissionError {
    fn from(error: FrameError) -> Self {
        if error.is_malformed() {
            Self::Refused(Refusal::Protocol)
        } else {
            Self::Broken(error.to_string())
        }
    }
}

impl From<std::io::Error> for AdmissionError {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Puts admission on top of a transport.
pub(super) fn admit(
    inner: Boxed<(PeerId, StreamMuxerBox)>,
    door: Arc<Door>,
) -> Boxed<(PeerId, StreamMuxerBox)> {
    type Output = Result<(PeerId, StreamMuxerBox), AdmissionError>;
    inner
        .and_then(move |(peer, muxer), point| -> BoxFuture<'static, Output> {
            Box::pin(run(door, peer, muxer, point))
        })
        .boxed()
}

async fn run(
    door: Arc<Door>,
    peer: PeerId,
    mut muxer: StreamMuxerBox,
    point: ConnectedPoint,
) -> Result<(PeerId, StreamMuxerBox), AdmissionError> {
    let address = point.get_remote_address().clone();
    let is_dialer = match &point {
        ConnectedPoint::Dialer { role_override, .. } => role_override.is_dialer(),
        ConnectedPoint::Listener { .. } => false,
    };
    let exchange = async {
        let key = public_key(&peer).ok_or(AdmissionError::ForeignKey)?;
        let busy = AdmissionError::Refused(Refusal::Busy);
        let _place = door.place(&key).ok_or(busy)?;
        match is_dialer {
            true => knock(&door, (&key, &address), &mut muxer).await,
            false => answer(&door, &key, &mut muxer).await,
        }
    };
    let result = tokio::time::timeout(EXCHANGE_MAX, exchange).await;
    match result.unwrap_or(Err(AdmissionError::TimedOut)) {
        Ok(grounds) => {
            door.report_admitted(peer, address, grounds);
            Ok((peer, muxer))
        }
        Err(error) => {
            tracing::info!(%peer, %address, is_dialer, reason = %error, "a gateway is not admitted");
            Err(error)
        }
    }
}

async fn knock(
    door: &Door,
    (key, address): (&PublicKey, &Multiaddr),
    muxer: &mut StreamMuxerBox,
) -> Result<Grounds, AdmissionError> {
    let (grounds, with) = door.knock_at(key, address).ok_or(AdmissionError::WrongKey)?;
    let mut stream = first_substream(muxer, true).await?;
    let knock = Knock { version: PARTNER_VERSION, with };
    drive(muxer, frames::write(&mut stream, &knock)).await?;
    match drive(muxer, frames::read(&mut stream, KNOCK_BYTES_MAX)).await? {
        KnockAnswer::Welcome => Ok(grounds),
        KnockAnswer::Refused(refusal) => {
            door.report_refused(grounds, refusal);
            Err(AdmissionError::RefusedByPeer(refusal))
        }
    }
}

async fn answer(
    door: &Door,
    key: &PublicKey,
    muxer: &mut StreamMuxerBox,
) -> Result<Grounds, AdmissionError> {
    let mut stream = first_substream(muxer, false).await?;
    let read = drive(muxer, frames::read::<Knock>(&mut stream, KNOCK_BYTES_MAX)).await;
    let judged = match read.map_err(AdmissionError::from) {
        Ok(knock) if knock.version != PARTNER_VERSION => Err(Refusal::Version),
        Ok(knock) => door.judge(key, &knock.with),
        Err(AdmissionError::Refused(refusal)) => Err(refusal),
        Err(error) => return Err(error),
    };
    match judged {
        Ok(grounds) => {
            drive(muxer, frames::write(&mut stream, &KnockAnswer::Welcome)).await?;
            Ok(grounds)
        }
        Err(refusal) => {
            refuse(muxer, stream, refusal).await;
            Err(AdmissionError::Refused(refusal))
        }
    }
}

async fn refuse(muxer: &mut StreamMuxerBox, mut stream: SubstreamBox, refusal: Refusal) {
    let farewell = async {
        frames::write(&mut stream, &KnockAnswer::Refused(refusal)).await?;
        stream.close().await?;
        let mut rest = [0; 64];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whether the other side listens to the end is its own affair.
    drop(tokio::time::timeout(FAREWELL_MAX, drive(muxer, farewell)).await);
}
