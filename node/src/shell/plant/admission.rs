//! Admission inside the transport, before the swarm hears of a connection.
//!
//! On the first substream of every connection both sides convince each other that they are members
//! of one plant, or the dialer redeems an invitation; nothing else is reachable before. It works on
//! the boxed muxer of the finished transport, whatever that is made of. What has to be right:
//!
//! - yamux moves only when it is polled, so every read and write drives the muxer along;
//! - neither side returns `Ok` before it has the other's verdict, or the dialer would report a
//!   link that the listener is closing;
//! - a refusal is followed by FIN and a bounded wait for the other's, or its reason is lost;
//! - who opens the substream is decided by the role that the transport negotiated;
//! - the dialer proves first, and only to the key that it expected;
//! - errors lose their type on the way up through the transport, so outcomes are reported from here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{AsyncReadExt, AsyncWriteExt};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::{ADMISSION_FRAME_BYTES_MAX, CREDENTIAL_FRAMES_MAX};
use gearmesh_protocol::plant::{Address, AdmissionMessage, Greeting, LedgerPage};
use gearmesh_protocol::refusal::Refusal;
use libp2p::core::muxing::{StreamMuxerBox, SubstreamBox};
use libp2p::core::transport::Boxed;
use libp2p::core::{ConnectedPoint, Transport};
use libp2p::{Multiaddr, PeerId};

use super::gate::{Gate, Outcome};
use super::visits::{Arrived, Guest};

mod claim;
mod dialer;
mod listener;
pub(super) mod meeting;
mod slice;
mod visit;
pub(super) mod visiting;

use crate::shell::carrier::address::{ip_of, without_peer};
use crate::shell::carrier::drive::{self, drive};
use crate::shell::carrier::frames::{self, FrameError};
use crate::shell::carrier::keys::public_key;

/// How long an exchange may take; below the transport's own limit of 10 s.
pub(super) const EXCHANGE_MAX: Duration = Duration::from_secs(3);

/// How long a refusing side waits for the other to read why.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// Both sides' greetings on an admitted connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greetings {
    pub(super) ours: Greeting,
    pub(super) theirs: Greeting,
}

/// What a connection is for that was admitted.
enum Admitted {
    /// A link to a member.
    Member(Greetings),
    /// The visit of an admin.
    Visitor(Guest),
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::shell) enum AdmissionError {
    /// The peer's key is of a kind that no node has.
    #[error("the peer's key is no Ed25519 key")]
    ForeignKey,
    /// This side said no.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The other side said no.
    #[error("the peer refused: {0}")]
    RefusedByPeer(Refusal),
    /// The exchange took too long.
    #[error("the exchange took longer than {EXCHANGE_MAX:?}")]
    TimedOut,
    /// All was said that this connection was for, and no link was wanted.
    #[error("no link was wanted")]
    Over,
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

/// Puts admission on top of a transport.
pub(super) fn admit(
    inner: Boxed<(PeerId, StreamMuxerBox)>,
    gate: Arc<Gate>,
) -> Boxed<(PeerId, StreamMuxerBox)> {
    type Output = Result<(PeerId, StreamMuxerBox), AdmissionError>;
    inner
        .and_then(move |(peer, muxer), point| -> BoxFuture<'static, Output> {
            Box::pin(run(gate, peer, muxer, point))
        })
        .boxed()
}

async fn run(
    gate: Arc<Gate>,
    peer: PeerId,
    muxer: StreamMuxerBox,
    point: ConnectedPoint,
) -> Result<(PeerId, StreamMuxerBox), AdmissionError> {
    let address = point.get_remote_address().clone();
    let is_initiator = match &point {
        ConnectedPoint::Dialer { role_override, .. } => role_override.is_dialer(),
        ConnectedPoint::Listener { .. } => false,
    };
    let result = exchange(&gate, &peer, muxer, &point, is_initiator).await;
    let outcome = Outcome { peer, address, is_dialer: is_initiator };
    match result {
        Ok((muxer, greetings)) => {
            gate.report_admitted(outcome, greetings);
            Ok((peer, muxer))
        }
        Err(error) => {
            gate.report_refused(outcome, &error);
            Err(error)
        }
    }
}

async fn exchange(
    gate: &Gate,
    peer: &PeerId,
    mut muxer: StreamMuxerBox,
    point: &ConnectedPoint,
    is_initiator: bool,
) -> Result<(StreamMuxerBox, Greetings), AdmissionError> {
    let key = public_key(peer).ok_or(AdmissionError::ForeignKey)?;
    let Some(_place) = gate.place(&key) else {
        if !is_initiator {
            say_busy(gate, &mut muxer).await;
        }
        return Err(AdmissionError::Refused(Refusal::Busy));
    };
    let work = async {
        let stream = drive::first_substream(&mut muxer, is_initiator)
            .await
            .map_err(|error| AdmissionError::Broken(error.to_string()))?;
        let mut wire = Wire { muxer: &mut muxer, stream };
        let side = Side { gate, peer: key, address: point.get_remote_address() };
        let result = match is_initiator {
            true => dialer::converse(&side, &mut wire).await.map(Admitted::Member),
            false => listener::converse(&side, &mut wire).await,
        };
        if let Err(AdmissionError::Refused(refusal)) = &result {
            wire.refuse(*refusal).await;
        }
        result
    };
    let admitted =
        tokio::time::timeout(EXCHANGE_MAX, work).await.map_err(|_| AdmissionError::TimedOut)??;
    match admitted {
        Admitted::Member(greetings) => Ok((muxer, greetings)),
        Admitted::Visitor(guest) => {
            gate.visits().arrived(Arrived { muxer, guest });
            Err(AdmissionError::Over)
        }
    }
}

/// Tells a peer for which there is no place to try again later, if there is one to say so in:
/// otherwise a crowd that finds no place would hold as much as one that does.
async fn say_busy(gate: &Gate, muxer: &mut StreamMuxerBox) {
    let Some(_place) = gate.place_to_say_busy() else { return };
    let word = async {
        if let Ok(stream) = drive::first_substream(muxer, false).await {
            Wire { muxer, stream }.refuse(Refusal::Busy).await;
        }
    };
    drop(tokio::time::timeout(FAREWELL_MAX, word).await);
}

/// What one side of the exchange knows from the start.
struct Side<'a> {
    gate: &'a Gate,
    /// The other's key, proven by the transport.
    peer: PublicKey,
    address: &'a Multiaddr,
}

impl Side<'_> {
    fn ip(&self) -> Option<IpAddr> {
        ip_of(self.address)
    }

    /// The other's address without its key.
    fn plain_address(&self) -> Option<Address> {
        without_peer(self.address).to_string().try_into().ok()
    }
}

/// The first substream, with the muxer that moves it.
struct Wire<'a> {
    muxer: &'a mut StreamMuxerBox,
    stream: SubstreamBox,
}

impl Wire<'_> {
    async fn send(&mut self, message: &AdmissionMessage) -> Result<(), AdmissionError> {
        let write = frames::write(&mut self.stream, message);
        drive(self.muxer, write).await.map_err(|error| AdmissionError::Broken(error.to_string()))
    }

    /// The next message; a refusal by the other side is an error here.
    async fn receive(&mut self) -> Result<AdmissionMessage, AdmissionError> {
        self.receive_up_to(ADMISSION_FRAME_BYTES_MAX).await
    }

    /// The next message, of at most `max` bytes.
    async fn receive_up_to(&mut self, max: usize) -> Result<AdmissionMessage, AdmissionError> {
        let read = frames::read(&mut self.stream, max);
        match drive(self.muxer, read).await? {
            AdmissionMessage::Refused(refusal) => Err(AdmissionError::RefusedByPeer(refusal)),
            message => Ok(message),
        }
    }

    async fn send_pages(&mut self, pages: Vec<LedgerPage>) -> Result<(), AdmissionError> {
        if pages.len() > CREDENTIAL_FRAMES_MAX {
            return Err(AdmissionError::Refused(Refusal::LogFull));
        }
        for page in pages {
            self.send(&AdmissionMessage::Credential(page)).await?;
        }
        Ok(())
    }

    /// All pages of a slice.
    async fn receive_pages(&mut self) -> Result<Vec<LedgerPage>, AdmissionError> {
        let mut pages = Vec::new();
        while pages.len() < CREDENTIAL_FRAMES_MAX {
            let AdmissionMessage::Credential(page) = self.receive().await? else {
                return Err(AdmissionError::Refused(Refusal::Protocol));
            };
            let is_last = !page.more;
            pages.push(page);
            if is_last {
                return Ok(pages);
            }
        }
        Err(AdmissionError::Refused(Refusal::Protocol))
    }

    async fn refuse(&mut self, refusal: Refusal) {
        self.end_with(&AdmissionMessage::Refused(refusal)).await;
    }

    /// The last word: what follows it is that the other side has read it.
    async fn end_with(&mut self, message: &AdmissionMessage) {
        let farewell = async {
            frames::write(&mut self.stream, message).await?;
            self.stream.close().await?;
            let mut rest = [0; 64];
            while self.stream.read(&mut rest).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        // Whether the other side listens to the end is its own affair.
        drop(tokio::time::timeout(FAREWELL_MAX, drive(self.muxer, farewell)).await);
    }
}

#[cfg(test)]
#[path = "admission/tests.rs"]
mod tests;
