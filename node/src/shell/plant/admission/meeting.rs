//! The dialing side of a look and of a claim, on a connection of its own that never becomes a link.

use futures::AsyncReadExt;
use gearmesh_protocol::claim::{CarriedCode, Claiming, Commitment, meeting_words};
use gearmesh_protocol::ids::{Nonce, PublicKey};
use gearmesh_protocol::plant::{AdmissionMessage, Hello, Intent, VERSION};
use gearmesh_protocol::refusal::Refusal;
use libp2p::core::muxing::StreamMuxerBox;

use super::{AdmissionError, EXCHANGE_MAX, FAREWELL_MAX, Wire};
use crate::shell::carrier::drive::{self, drive};

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell::plant) struct Met {
    /// The words that the machine shows too.
    pub(in crate::shell::plant) words: String,
    /// Seconds for which it may be claimed.
    pub(in crate::shell::plant) closes_in_s: u32,
}

/// Looks whether the machine at the other end lets itself be found.
pub(in crate::shell::plant) async fn look(
    muxer: &mut StreamMuxerBox,
    (me, machine): (&PublicKey, &PublicKey),
    ours: Nonce,
) -> Result<Met, AdmissionError> {
    let work = async {
        let mut wire = open(muxer).await?;
        let commitment = Commitment::of(me, &ours);
        wire.send(&hello(Intent::Look { commitment })).await?;
        let AdmissionMessage::Here { nonce: theirs, closes_in_s } = wire.receive().await? else {
            return Err(AdmissionError::Refused(Refusal::Protocol));
        };
        wire.send(&AdmissionMessage::Reveal(ours)).await?;
        let AdmissionMessage::Claiming(Claiming::Met) = wire.receive().await? else {
            return Err(AdmissionError::Refused(Refusal::Protocol));
        };
        wire.hang_up().await;
        Ok(Met { words: meeting_words(me, machine, &ours, &theirs), closes_in_s })
    };
    tokio::time::timeout(EXCHANGE_MAX, work).await.map_err(|_| AdmissionError::TimedOut)?
}

/// Hands an invitation to the machine at the other end, or asks again how that stands.
pub(in crate::shell::plant) async fn claim(
    muxer: &mut StreamMuxerBox,
    code: CarriedCode,
) -> Result<Claiming, AdmissionError> {
    let work = async {
        let mut wire = open(muxer).await?;
        wire.send(&hello(Intent::Claim { code })).await?;
        let AdmissionMessage::Claiming(state) = wire.receive().await? else {
            return Err(AdmissionError::Refused(Refusal::Protocol));
        };
        wire.hang_up().await;
        Ok(state)
    };
    tokio::time::timeout(EXCHANGE_MAX, work).await.map_err(|_| AdmissionError::TimedOut)?
}

const fn hello(intent: Intent) -> AdmissionMessage {
    AdmissionMessage::Hello(Hello { version: VERSION, intent })
}

async fn open(muxer: &mut StreamMuxerBox) -> Result<Wire<'_>, AdmissionError> {
    let stream = drive::first_substream(muxer, true)
        .await
        .map_err(|error| AdmissionError::Broken(error.to_string()))?;
    Ok(Wire { muxer, stream })
}

impl Wire<'_> {
    /// Lets the other side know that its last word was read.
    async fn hang_up(&mut self) {
        let end = async {
            futures::AsyncWriteExt::close(&mut self.stream).await?;
            let mut rest = [0; 64];
            while self.stream.read(&mut rest).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        drop(tokio::time::timeout(FAREWELL_MAX, drive(self.muxer, end)).await);
    }
}
