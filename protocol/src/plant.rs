//! Frames between nodes of the plant: the admission exchange and the lanes of a link.
//!
//! A frame is a length (4 bytes, big-endian) and the canonical bytes of one message. The length is
//! checked against the lane's bound before a byte of the message is read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::claim::{CarriedCode, Claiming, Commitment};
use crate::ids::{GroupId, Incarnation, Nonce, PlantId, PublicKey, RecordId};
use crate::invite::Proof;
use crate::limits::{
    ADDRESS_BOOK_MAX, ADDRESS_BYTES_MAX, ADDRESSES_PER_MEMBER_MAX, GROUPS_PAGE_MAX, HEADS_PAGE_MAX,
    INTEREST_FILTERS_MAX, LEAVES_MAX, LOCATOR_POINTS_MAX, PRESENCE_PAGE_MAX,
};
use crate::log::{Group, LogId};
use crate::refusal::Refusal;
use crate::signed::Signed;
use crate::topic::TopicFilter;
use crate::trust::Act;
use crate::visit::Visitor;

/// The version of the exchange and of both lanes.
pub const VERSION: u16 = 1;

/// libp2p protocol name of the lane for trust, presence and interest.
pub const CONTROL_PROTOCOL: &str = "/gearmesh/plant/control/1";

/// libp2p protocol name of the lane for values.
pub const LIVE_PROTOCOL: &str = "/gearmesh/plant/live/1";

/// A tag by which two members recognise their plant without naming it to anybody else.
///
/// It is bound to the sender's and the receiver's key, so that neither a third party nor the
/// receiver itself can use it.
#[must_use]
pub fn plant_tag(plant: &PlantId, sender: &PublicKey, receiver: &PublicKey) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("gearmesh 2026 plant tag v1");
    hasher.update(plant.as_bytes());
    hasher.update(sender.as_bytes());
    hasher.update(receiver.as_bytes());
    let mut tag = [0; 16];
    tag.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    tag
}

/// Rings of the overlay: each orders all members in another way.
pub const OVERLAY_RINGS: usize = 4;

/// A member's places on the rings of the overlay, which every member computes alike: on each ring
/// it keeps a link to the next member on either side, the smaller key first if two share a place.
#[must_use]
pub fn overlay_places(plant: &PlantId, member: &PublicKey) -> [u64; OVERLAY_RINGS] {
    let mut hasher = blake3::Hasher::new_derive_key("gearmesh 2026 overlay places v1");
    hasher.update(plant.as_bytes());
    hasher.update(member.as_bytes());
    let mut places = [0; OVERLAY_RINGS];
    for (place, bytes) in places.iter_mut().zip(hasher.finalize().as_bytes().chunks_exact(8)) {
        let mut number = [0; 8];
        number.copy_from_slice(bytes);
        *place = u64::from_le_bytes(number);
    }
    places
}

/// Messages of the admission exchange, on the first substream of a connection, before anything
/// else may happen on it. The order is in `docs/wire.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdmissionMessage {
    /// Dialer: who I am, and what I want.
    Hello(Hello),
    /// I do not know your key: show your slice of the ledger. The tag, made as that of
    /// [`Intent::Link`] with the sender first, shows that the one who asks knows the plant.
    Prove([u8; 16]),
    /// A slice of the ledger, in pages.
    Credential(LedgerPage),
    /// You are a member here.
    Welcome(Greeting),
    /// Redeemer: my slice of the ledger with the invitation follows; this is my nonce.
    Offer(Nonce),
    /// Joiner: I hold the code.
    Redeem(Signed<Proof>),
    /// No.
    Refused(Refusal),
    /// Machine without a plant: I let myself be found, for so many seconds; this is my nonce.
    Here {
        /// The machine's nonce.
        nonce: Nonce,
        /// Seconds for which it may be claimed.
        closes_in_s: u32,
    },
    /// Member: this is the nonce that I am bound to.
    Reveal(Nonce),
    /// Machine without a plant: how your claim stands.
    Claiming(Claiming),
    /// Member: I know the plant too, and may be visited. The tag is made as that of [`Intent::Link`],
    /// with the member first.
    Reception {
        /// Which plant, for those who know it.
        tag: [u8; 16],
        /// The member's nonce.
        nonce: Nonce,
    },
    /// Visitor: I hold the key of an admin.
    Visitor(Visitor),
}

/// The first message of a dialer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the exchange.
    pub version: u16,
    /// What the dialer wants.
    pub intent: Intent,
}

/// What a dialer wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Intent {
    /// To link up as a member.
    Link {
        /// Which plant, for those who know it.
        tag: [u8; 16],
        /// The dialer's present life.
        greeting: Greeting,
    },
    /// To become a member.
    Join {
        /// The invitation's id.
        invitation: PublicKey,
        /// The joiner's nonce.
        nonce: Nonce,
        /// The joiner's present life.
        greeting: Greeting,
    },
    /// To know whether you let yourself be found, and to show words that prove who is who. No link
    /// follows.
    Look {
        /// What binds the dialer to its nonce.
        commitment: Commitment,
    },
    /// To hand you an invitation, after a look. No link follows.
    Claim {
        /// The code.
        code: CarriedCode,
    },
    /// To do an admin's work from a machine that is no node. No link follows.
    Visit {
        /// Which plant, for those who know it; made as that of a link.
        tag: [u8; 16],
        /// The visitor's nonce.
        nonce: Nonce,
    },
}

/// What decides which of two connections stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The sender's present life.
    pub incarnation: Incarnation,
    /// Chosen for this connection.
    pub nonce: Nonce,
}

/// A part of a ledger: acts first, then groups, parents before children.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPage {
    /// Threshold acts, the genesis first.
    pub acts: Bounded<Act, GROUPS_PAGE_MAX>,
    /// Groups of trust logs.
    pub groups: Bounded<Group, GROUPS_PAGE_MAX>,
    /// Whether another page follows.
    pub more: bool,
}

/// Frames of the control lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlFrame {
    /// I am alive; and which of your beats I saw last.
    Beat {
        /// Counts this side's beats.
        number: u64,
        /// The other side's last beat that arrived.
        seen: u64,
    },
    /// Which topics I follow. Replaces what was said before.
    Interest {
        /// The filters.
        filters: Bounded<TopicFilter, INTEREST_FILTERS_MAX>,
    },
    /// Where members may be reached.
    Addresses(Bounded<MemberAddresses, ADDRESS_BOOK_MAX>),
    /// Where my copies of logs end.
    Heads(Bounded<LogHeads, HEADS_PAGE_MAX>),
    /// Which threshold acts I hold, by id, sorted.
    Acts(Bounded<RecordId, HEADS_PAGE_MAX>),
    /// Send me what I lack of a log.
    Pull {
        /// Which log.
        log: LogId,
        /// What I have: leaves, then points further and further back.
        have: Bounded<GroupId, LOCATOR_POINTS_MAX>,
    },
    /// Send me the acts you have.
    PullActs,
    /// Parts of the ledger: asked for, or new.
    Ledger(LedgerPage),
    /// I am stopping in good order.
    Bye,
    /// How members stand that you may have no link to: what is new to me since I last said so.
    Presence(Bounded<Sighting, PRESENCE_PAGE_MAX>),
}

impl ControlFrame {
    /// The frame's name for logs and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Beat { .. } => "beat",
            Self::Interest { .. } => "interest",
            Self::Addresses(_) => "addresses",
            Self::Heads(_) => "heads",
            Self::Acts(_) => "acts",
            Self::Pull { .. } => "pull",
            Self::PullActs => "pull-acts",
            Self::Ledger(_) => "ledger",
            Self::Bye => "bye",
            Self::Presence(_) => "presence",
        }
    }
}

/// An address in its text form (a libp2p multiaddr), bounded and printable. Clones share the text:
/// every node of a plant passes on the addresses of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(Arc<str>);

impl Address {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an address has 1 to {ADDRESS_BYTES_MAX} printable ASCII characters, this has {bytes} bytes"
)]
pub struct NoAddress {
    /// Length of the text.
    pub bytes: usize,
}

impl TryFrom<String> for Address {
    type Error = NoAddress;

    fn try_from(text: String) -> Result<Self, NoAddress> {
        let fits = (1..=ADDRESS_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(NoAddress { bytes: text.len() })
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        (*address.0).to_owned()
    }
}

/// Where one member may be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAddresses {
    /// The member.
    pub member: PublicKey,
    /// Its addresses, the best known first.
    pub addresses: Bounded<Address, ADDRESSES_PER_MEMBER_MAX>,
}

/// How a member stands in the eyes of one that has, or had, a link to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The member.
    pub member: PublicKey,
    /// Its life at that time.
    pub incarnation: Incarnation,
    /// Counts the sightings of this member: a greater number is the later one.
    pub number: u64,
    /// Milliseconds since it was made.
    pub age_ms: u32,
    /// How it stood.
    pub seen: Seen,
}

/// How a member stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Seen {
    /// A link to it worked.
    Online,
    /// It said goodbye.
    Left,
    /// This member lost its link to it.
    Unreachable(PublicKey),
}

/// Where a copy of one log ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHeads {
    /// Which log.
    pub log: LogId,
    /// Its leaves, sorted.
    pub leaves: Bounded<GroupId, LEAVES_MAX>,
}
