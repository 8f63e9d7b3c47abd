//! Reaching a plant's records from a machine that is no node: a visit at one of its members.

use std::net::SocketAddr;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{Nonce, PlantId, PublicKey};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::words::check_words;
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Transport, tcp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

use super::carrier::drive;
use super::carrier::keys::{keypair, public_key};
use super::carrier::secure::secured;
use super::plant::{AdmissionError, visit};

/// How long a member may take to answer, until its key is proven.
const ANSWER_MAX: Duration = Duration::from_secs(8);

/// Streams that may wait to be opened.
const WISHES_MAX: usize = 8;

/// One stream of a visit. It carries HTTP/1.1, as the socket in a home does.
pub type VisitStream = Compat<SubstreamBox>;

/// A connection to a member that has let this admin in. Dropping it ends it.
pub struct Visit {
    host: PublicKey,
    wishes: mpsc::Sender<oneshot::Sender<SubstreamBox>>,
    driven: JoinHandle<()>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.driven.abort();
    }
}

impl Visit {
    /// Visits the member at an address with a key that signs for its plant. The connection has a key of
    /// its own, which is used once.
    ///
    /// # Errors
    /// Nobody answers there, whoever does is no member of the plant, or it lets this key not in.
    pub async fn open(
        address: SocketAddr,
        plant: &PlantId,
        admin: &SigningKey,
    ) -> Result<Self, ErrorBody> {
        let (mut seed, mut nonce) = (zeroize::Zeroizing::new([0; 32]), [0; 16]);
        getrandom::fill(&mut *seed).map_err(no_random)?;
        getrandom::fill(&mut nonce).map_err(no_random)?;
        let own = SigningKey::from_bytes(&seed);
        let dialled = timeout(ANSWER_MAX, dial(address, &own)).await;
        let dialled = dialled.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let (host, mut muxer) = dialled.map_err(|cause| silent(address, &cause))?;
        let ends = (PublicKey::of(&own), host);
        visit(&mut muxer, ends, (plant, admin), Nonce(nonce))
            .await
            .map_err(|error| refused(address, plant, &error))?;
        let (wishes, waiting) = mpsc::channel(WISHES_MAX);
        Ok(Self { host, wishes, driven: tokio::spawn(drive_on(muxer, waiting)) })
    }

    /// The member.
    #[must_use]
    pub const fn host(&self) -> PublicKey {
        self.host
    }

    /// Another stream; none once the visit is over.
    pub async fn stream(&self) -> Option<VisitStream> {
        let (sender, stream) = oneshot::channel();
        self.wishes.send(sender).await.ok()?;
        stream.await.ok().map(FuturesAsyncReadCompatExt::compat)
    }
}

/// Moves a connection, and opens streams on it.
async fn drive_on(
    mut muxer: StreamMuxerBox,
    mut wishes: mpsc::Receiver<oneshot::Sender<SubstreamBox>>,
) {
    loop {
        let wish = tokio::select! {
            wish = wishes.recv() => wish,
            // The host opens no streams: one that does is let go, and what fails is over.
            opened = drive::first_substream(&mut muxer, false) => match opened {
                Ok(_) => continue,
                Err(_) => return,
            },
        };
        let Some(wish) = wish else { return };
        let Ok(stream) = drive::first_substream(&mut muxer, true).await else { return };
        drop(wish.send(stream));
    }
}

async fn dial(
    address: SocketAddr,
    own: &SigningKey,
) -> Result<(PublicKey, StreamMuxerBox), String> {
    let in_words = |error: &dyn std::fmt::Display| error.to_string();
    let key = keypair(own).map_err(|error| in_words(&error))?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let mut transport = secured(tcp, &key).map_err(|error| in_words(&error))?;
    let address = Multiaddr::empty().with(address.ip().into()).with(Protocol::Tcp(address.port()));
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dial = transport.dial(address, options).map_err(|error| in_words(&error))?;
    let (peer, muxer) = dial.await.map_err(|error| in_words(&error))?;
    let host = public_key(&peer).ok_or("its key is of a kind that no node has")?;
    Ok((host, muxer))
}

fn no_random(error: getrandom::Error) -> ErrorBody {
    ErrorBody::from(Refusal::SystemRefused).saying(error)
}

fn silent(address: SocketAddr, cause: &str) -> ErrorBody {
    ErrorBody::from(Refusal::NoNode)
        .saying(format!("no node answers at {address}: {cause}"))
        .mended_by(format!(
            "see whether it runs, and whether a firewall lets TCP port {} through: gearmesh doctor, there",
            address.port()
        ))
}

fn refused(address: SocketAddr, plant: &PlantId, error: &AdmissionError) -> ErrorBody {
    let (refusal, is_said_there) = match error {
        AdmissionError::RefusedByPeer(refusal) => (*refusal, true),
        AdmissionError::Refused(refusal) => (*refusal, false),
        AdmissionError::ForeignKey
        | AdmissionError::TimedOut
        | AdmissionError::Over
        | AdmissionError::Broken(_) => return silent(address, &error.to_string()),
    };
    match (refusal, is_said_there) {
        (Refusal::NotAdmitted | Refusal::OtherPlant | Refusal::NotAMember, _) => {
            let words = check_words(plant.as_bytes());
            ErrorBody::from(Refusal::OtherPlant)
                .saying(format!(
                    "the node at {address} is no member of the plant that the keyring signs for ({words})"
                ))
                .mended_by("name a member of that plant: gearmesh status shows its check words there")
        }
        (Refusal::Protocol | Refusal::Version, true) => ErrorBody::from(Refusal::Version)
            .saying(format!("the node at {address} is of another release, which knows no --node"))
            .mended_by(
                "bring it to this release, or forward its socket: docs/operations.md, Signing where no node is",
            ),
        (refusal, _) => refusal.into(),
    }
}
